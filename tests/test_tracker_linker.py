"""Identities over time: rules that hold for every frame, whoever walks."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.skeletons import POSETRACK
from posetrack.stages import Flow
from posetrack.tracker import MATCHINGS, SIMILARITIES, LinkerConfig
from posetrack.types import UNLINKED, BoolArray, FloatArray, Poses
from tests.walkers import FrameLinker, Scene, Walker, poses_of, straight

CONFIG = LinkerConfig()
PAPER = LinkerConfig(coasting=False)


class Still:
    """Nothing moves; everything is known."""

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        return np.zeros(xy.shape, np.float32), np.ones(len(xy), np.bool_)


class Forbidden:
    """A flow that must not be asked."""

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        raise AssertionError("the flow across a cut means nothing")


class Ignorant:
    """Nothing moves, as far as is known: where it is not, displacements mean nothing."""

    def __init__(self, unknown_from_x: float) -> None:
        self.unknown_from_x = unknown_from_x

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        known = xy[:, 0] < self.unknown_from_x
        return np.where(known[:, None], np.zeros_like(xy), np.float32(np.nan)), known


class Counting:
    """Counts the look-ups of a flow."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.calls = flow, 0

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        self.calls += 1
        return self.flow.at(xy)


def walk(*people: tuple[float, float, float], size: tuple[int, int] = (1280, 720), height: float = 160) -> Scene:
    """People at x, y, who go at a speed in px per frame."""
    walkers = [
        Walker(straight(x, y, speed), height=height, depth=y, phase=index)
        for index, (x, y, speed) in enumerate(people)
    ]
    return Scene(tuple(walkers), size=size)


def unlinked(poses: Poses) -> Poses:
    return poses.replace(track_ids=np.full(len(poses), UNLINKED))


def ids_over_time(scene: Scene, linker: FrameLinker, shown: dict[int, list[int]], frames: int) -> list[list[int]]:
    """Ids of the people shown in each frame (all of them where ``shown`` says nothing), in the truth's order."""
    history = []
    for frame in range(frames):
        truth = scene.truth(frame)
        truth = truth[np.isin(truth.track_ids, shown.get(frame, truth.track_ids))]
        history.append(linker.link(unlinked(truth), scene.flow(frame)).track_ids.tolist())
    return history


def test_ids_count_from_zero_from_left_to_right() -> None:
    scene = walk((900, 500, 1.0), (200, 500, 1.0), (500, 500, 1.0))
    assert ids_over_time(scene, FrameLinker(CONFIG), {}, 3) == [[2, 0, 1]] * 3


def test_nothing_but_the_ids_is_changed() -> None:
    poses = walk((900, 500, 1.0), (200, 500, 1.0)).truth(0)
    linked = FrameLinker(CONFIG).link(poses, Still())
    for name in ("boxes", "scores", "keypoints", "keypoint_scores"):
        np.testing.assert_array_equal(getattr(linked, name), getattr(poses, name))
    assert linked.track_ids.dtype == np.int64


@pytest.mark.parametrize("joints_differ", [False, True])
def test_people_whose_boxes_begin_alike_are_numbered_alike_in_any_order(joints_differ: bool) -> None:
    """The next edges decide, the score, then the joints."""
    one = walk((500, 500, 0.0)).truth(0)
    boxes = one.boxes + [[0, 0, 0, 0], [0, 0, 0, 9], [0, 5, 0, 0]]
    keypoints = np.repeat(one.keypoints, 3, axis=0)
    if joints_differ:
        boxes, keypoints = np.repeat(one.boxes, 3, axis=0), keypoints + 200 * np.arange(3)[:, None, None]
    alike = one[[0, 0, 0]].replace(boxes=boxes, keypoints=keypoints)
    for order in permutations(range(3)):
        linked = FrameLinker(CONFIG).link(alike[list(order)], Still())
        assert linked.track_ids.tolist() == list(order)
    apart = alike[[0]].replace(
        boxes=alike.boxes[[0]] + [-300, 90, -300, 90], keypoints=alike.keypoints[[0]] + [-300, 90]
    )
    for order in permutations(range(3)):
        linked = FrameLinker(CONFIG).link(Poses.concatenate([alike[list(order)], apart]), Still())
        assert linked.track_ids.tolist() == [*(number + 1 for number in order), 0]


def test_people_in_one_box_are_numbered_by_their_joints_in_any_order() -> None:
    """Also where the joints lie the higher the further they lie to the right."""
    one = walk((500, 500, 0.0)).truth(0)
    keypoints = np.concatenate([one.keypoints + [20 * step, -20 * step] for step in range(3)])
    alike = one[[0, 0, 0]].replace(keypoints=keypoints)
    numbers = FrameLinker(CONFIG).link(alike, Still()).track_ids
    for order in permutations(range(3)):
        linked = FrameLinker(CONFIG).link(alike[list(order)], Still())
        assert linked.track_ids.tolist() == numbers[list(order)].tolist()


def test_displacements_that_the_flow_does_not_know_are_not_used() -> None:
    linker, poses = FrameLinker(CONFIG), walk((300, 500, 0.0), (600, 500, 0.0)).truth(0)
    linker.link(poses, Still())
    for unknown_from_x in (600.0, -1e9, 1e9):
        assert linker.link(poses, Ignorant(unknown_from_x)).track_ids.tolist() == [0, 1]


def test_what_the_linker_remembers_is_not_what_the_caller_holds() -> None:
    linker, poses = FrameLinker(CONFIG), walk((300, 500, 0.0), (600, 500, 0.0)).truth(0)
    keypoints = poses.keypoints.copy()
    linker.link(poses.replace(keypoints=keypoints), Still())
    keypoints += 1000
    assert linker.link(poses, Still()).track_ids.tolist() == [0, 1]


def test_two_linkers_number_independently() -> None:
    first, second = FrameLinker(CONFIG), FrameLinker(CONFIG)
    scene = walk((200, 500, 1.0))
    assert ids_over_time(scene, first, {}, 2) == [[0], [0]]
    assert ids_over_time(scene, second, {}, 2) == [[0], [0]]
    assert ids_over_time(walk((900, 500, 1.0)), first, {}, 1) == [[1]]


def test_an_empty_frame_is_an_ordinary_frame() -> None:
    linker, scene = FrameLinker(CONFIG), walk((200, 500, 1.0))
    assert linker.link(Poses.empty(POSETRACK), Still()).track_ids.tolist() == []
    assert ids_over_time(scene, linker, {1: [], 2: []}, 4) == [[0], [], [], [0]]


def test_a_cut_ends_all_tracks_and_their_ids_are_not_given_again() -> None:
    """Queue, tracks and flow are of one shot; the numbers go on."""
    linker, scene = FrameLinker(CONFIG), walk((200, 500, 1.0), (600, 500, 1.0))
    ids_over_time(scene, linker, {}, 3)
    linker.reset()
    after = linker.link(unlinked(scene.truth(3)), Forbidden())
    assert after.track_ids.tolist() == [2, 3]


def test_ids_stay_distinct_beyond_a_thousand() -> None:
    """No wrapping, and an id is no index into the frame's people."""
    linker, ids = FrameLinker(CONFIG), []
    poses = walk((200, 500, 0.0), (600, 500, 0.0), (1000, 500, 0.0)).truth(0)
    for _ in range(340):
        linker.reset()
        ids += linker.link(poses, Still()).track_ids.tolist()
    assert ids == list(range(1020))
    assert linker.link(poses, Still()).track_ids.tolist() == ids[-3:]


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("matching", MATCHINGS)
def test_every_choice_follows_people_who_keep_apart(similarity: str, matching: str) -> None:
    scene = walk((200, 400, 2.0), (500, 450, -1.5), (900, 600, 1.0))
    linker = FrameLinker(replace(PAPER, similarity=similarity, matching=matching))
    assert ids_over_time(scene, linker, {}, 25) == [[0, 1, 2]] * 25


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("matching", MATCHINGS)
def test_the_order_of_the_poses_does_not_matter(similarity: str, matching: str) -> None:
    """A matrix whose rows are sorted by score, with columns that are not, mixes people."""
    rng = np.random.default_rng(0)
    config = replace(CONFIG, similarity=similarity, matching=matching)
    straightforward, shuffled = FrameLinker(config), FrameLinker(config)
    scene = walk((200, 500, 4.0), (420, 520, -3.0), (400, 600, 1.0), (700, 560, -2.0))
    for frame in range(40):
        truth = scene.truth(frame)
        poses = truth.replace(scores=rng.uniform(0.5, 1, len(truth)))
        order = rng.permutation(len(poses))
        expected = straightforward.link(poses, scene.flow(frame)).track_ids
        np.testing.assert_array_equal(shuffled.link(poses[order], scene.flow(frame)).track_ids, expected[order])


def test_nobody_appears_twice_when_two_look_like_one() -> None:
    """A track that was seen in many frames still wins one pose only."""
    linker = FrameLinker(CONFIG)
    one = walk((300, 500, 0.0)).truth(0)
    for _ in range(5):
        linker.link(one, Still())
    twice = Poses(
        *(
            np.concatenate([getattr(one, name)] * 2)
            for name in ("boxes", "scores", "keypoints", "keypoint_scores")
        ),
        track_ids=[UNLINKED] * 2,
        skeleton=POSETRACK,
    )
    assert sorted(linker.link(twice, Still()).track_ids.tolist()) == [0, 1]


def test_people_unlike_anybody_get_new_ids() -> None:
    """Without a floor, or with the least similar first, everything is matched."""
    linker = FrameLinker(PAPER)
    linker.link(walk((200, 500, 0.0)).truth(0), Still())
    assert linker.link(walk((700, 500, 0.0)).truth(0), Still()).track_ids.tolist() == [1]


def test_only_the_carried_pose_resembles_a_person_who_runs() -> None:
    """The compared pose is the one moved by the flow, and moved forward."""
    scene = walk((100, 300, 45.0), height=80)
    flow = ids_over_time(scene, FrameLinker(replace(PAPER, similarity="flow")), {}, 10)
    pose = ids_over_time(scene, FrameLinker(replace(PAPER, similarity="pose")), {}, 10)
    assert flow == [[0]] * 10
    assert pose == [[frame] for frame in range(10)]


def test_stored_poses_are_carried_through_every_frame_between() -> None:
    """After five frames unseen on a winding way, only the composition of all flows fits."""

    def way(frame: float) -> tuple[float, float]:
        return 300 + 8 * frame, 400 + 120 * float(np.sin(frame / 4))

    scene = Scene((Walker(way, height=60),))
    missed = {frame: [] for frame in range(8, 13)}
    seen = [frame for frame in range(20) if frame not in missed]
    history = ids_over_time(scene, FrameLinker(PAPER), missed, 20)
    assert [history[frame] for frame in seen] == [[0]] * len(seen)
    for similarity in ("bbox", "pose", "flow"):
        history = ids_over_time(scene, FrameLinker(replace(PAPER, similarity=similarity)), missed, 20)
        assert 0 not in history[13]


def test_the_queue_reaches_back_as_many_frames_as_it_is_long() -> None:
    scene = walk((300, 500, 2.0))
    missed = {frame: [] for frame in range(5, 9)}  # the sixth frame after the last sighting is number 9
    assert ids_over_time(scene, FrameLinker(replace(PAPER, queue_frames=5)), missed, 10)[-1] == [0]
    assert ids_over_time(scene, FrameLinker(replace(PAPER, queue_frames=4)), missed, 10)[-1] == [1]


@pytest.mark.parametrize("coasting", [False, True])
def test_a_track_dies_after_its_longest_gap(coasting: bool) -> None:
    scene, config = walk((300, 500, 0.0)), replace(CONFIG, coasting=coasting, queue_frames=20)
    missed = {frame: [] for frame in range(5, 12)}
    assert ids_over_time(scene, FrameLinker(replace(config, max_gap_frames=7)), missed, 13)[-1] == [0]
    assert ids_over_time(scene, FrameLinker(replace(config, max_gap_frames=6)), missed, 13)[-1] == [1]


def test_identity_survives_missing_joints_and_a_border() -> None:
    scene = walk((60, 500, -2.0), size=(640, 720))
    history = ids_over_time(scene, FrameLinker(CONFIG), {}, 60)
    seen = [ids for ids in history if ids]
    assert 20 < len(seen) < 60 and all(ids == [0] for ids in seen)


def test_one_look_up_of_the_flow_serves_the_whole_queue() -> None:
    scene, linker = walk((200, 500, 4.0), (420, 520, -3.0)), FrameLinker(CONFIG)
    for frame in range(15):
        flow = Counting(scene.flow(frame))
        linker.link(unlinked(scene.truth(frame)), flow)
        assert flow.calls == (frame > 0)


def test_weak_poses_continue_tracks_but_start_none() -> None:
    linker = FrameLinker(CONFIG)
    strong = walk((300, 500, 0.0)).truth(0)
    weak = strong.replace(scores=[0.1])
    assert linker.link(weak, Still()).track_ids.tolist() == [UNLINKED]
    assert linker.link(strong, Still()).track_ids.tolist() == [0]
    assert linker.link(weak, Still()).track_ids.tolist() == [0]


def test_a_pose_with_the_score_asked_for_starts_a_track() -> None:
    poses = walk((300, 500, 0.0)).truth(0)
    assert FrameLinker(CONFIG).link(poses.replace(scores=[0.399]), Still()).track_ids.tolist() == [UNLINKED]
    assert FrameLinker(CONFIG).link(poses.replace(scores=[0.4]), Still()).track_ids.tolist() == [0]


def test_two_joints_that_fit_exactly_do_not_outbid_a_whole_body() -> None:
    linker, poses = FrameLinker(CONFIG), walk((300, 500, 0.0)).truth(0)
    linker.link(poses, Still())
    noise = np.random.default_rng(0).normal(0, 4, (1, 17, 2))
    body = poses.replace(keypoints=poses.keypoints + noise)
    few = np.zeros((1, 17), np.bool_)
    few[0, [5, 6]] = True
    both = poses_of(np.concatenate([poses.keypoints, body.keypoints]), np.concatenate([few, poses.present]))
    assert linker.link(both, Still()).track_ids.tolist() == [UNLINKED, 0]


def test_two_joints_start_no_track() -> None:
    joints = walk((300, 500, 0.0)).joints(0)
    few = np.zeros((1, 17), np.bool_)
    few[0, [5, 6]] = True
    assert FrameLinker(CONFIG).link(poses_of(joints, few), Still()).track_ids.tolist() == [UNLINKED]
    lenient = FrameLinker(replace(CONFIG, min_birth_joints=2))
    assert lenient.link(poses_of(joints, few), Still()).track_ids.tolist() == [0]


def test_joints_nobody_believes_in_are_not_compared() -> None:
    """A faint joint somewhere else, and one whose place is no number, change nothing."""
    linker = FrameLinker(CONFIG)
    poses = walk((300, 500, 0.0)).truth(0)
    linker.link(poses, Still())
    keypoints, scores = poses.keypoints.copy(), poses.keypoint_scores.copy()
    keypoints[0, 5:9], scores[0, 5:9] = (900, 100), 0.1
    keypoints[0, 9] = np.nan
    changed = poses.replace(keypoints=keypoints, keypoint_scores=scores)
    assert linker.link(changed, Still()).track_ids.tolist() == [0]
    assert linker.link(poses, Still()).track_ids.tolist() == [0]


def test_a_pose_without_joints_goes_by_its_box_alone() -> None:
    nothing = walk((300, 500, 0.0)).truth(0).replace(keypoint_scores=np.zeros((1, 17)))
    linker = FrameLinker(LinkerConfig(similarity="bbox", min_birth_joints=0))
    assert [linker.link(nothing, Still()).track_ids.tolist() for _ in range(3)] == [[0]] * 3
    assert FrameLinker(CONFIG).link(nothing, Still()).track_ids.tolist() == [UNLINKED]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("queue_frames", 0),
        ("min_similarity", 1.5),
        ("max_gap_frames", -1),
        ("recovery_falloff", 2.0),
        ("min_birth_joints", -1),
    ],
)
def test_options_out_of_range_are_named(option: str, value: float) -> None:
    with pytest.raises(ConfigError, match=option):
        LinkerConfig(**{option: value})


@pytest.mark.parametrize(("option", "names"), [("similarity", SIMILARITIES), ("matching", MATCHINGS)])
def test_unknown_choices_name_the_known_ones(option: str, names: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=", ".join(names)):
        FrameLinker(LinkerConfig(**{option: "best"}))


def test_a_joint_that_was_once_found_far_off_is_forgotten() -> None:
    """Somebody who comes 90 px from a place that has just been left is somebody else, 200 frames after a stray."""
    linker, whole = FrameLinker(CONFIG), walk((200, 500, 0.0)).truth(0)
    keypoints, scores = whole.keypoints.copy(), whole.keypoint_scores.copy()
    keypoints[0, 9], scores[0, 9] = (1200, 40), 0
    stray, standing = whole.replace(keypoints=keypoints), whole.replace(keypoint_scores=scores)
    for poses in [standing] * 5 + [stray] + [standing] * 200:
        assert linker.link(poses, Still()).track_ids.tolist() == [0]
    newcomer = standing.replace(keypoints=standing.keypoints + [90, 0], boxes=standing.boxes + [90, 0, 90, 0])
    assert linker.link(newcomer, Still()).track_ids.tolist() == [1]


def test_of_two_lost_people_the_one_who_cannot_be_far_has_the_better_claim() -> None:
    """Whoever has been lost for long might be anywhere: a place in reach says less about them."""
    older, later = walk((300, 500, 0.0)).truth(0), walk((410, 500, 0.0)).truth(0)
    found = walk((380, 500, 0.0)).truth(0)
    both = Poses.concatenate([older, later])
    nobody = Poses.empty(POSETRACK)

    def linked(frames: list[Poses]) -> list[int]:
        linker = FrameLinker(CONFIG)
        return [linker.link(poses, Still()).track_ids.tolist() for poses in frames][-1]

    assert linked([both] * 10 + [later] * 30 + [nobody] * 2 + [found]) == [1]
    assert linked([older] * 10 + [nobody] * 32 + [found]) == [0], "would do alone, too"
