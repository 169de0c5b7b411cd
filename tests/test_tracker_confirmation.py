"""Who is reported: tracks that are people's by the evidence over time; the others are there for privacy's sake."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.flow import ZeroFlow
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.skeletons import POSETRACK
from posetrack.top_down import TopDown
from posetrack.tracker import Confirmation, ConfirmationConfig, EvidenceConfig, FlowLinker, LinkerConfig
from posetrack.types import UNLINKED, Boxes, Image, Poses
from posetrack.video.draw import Annotator, AnnotatorConfig
from posetrack.video.faces import heads
from tests.stubs import PERSON, StubDetector, StubPose, frames
from tests.test_pipeline import WatchedDetector

CONFIG = ConfirmationConfig(
    min_person_score=0.4, birth_margin=0.3, birth_s=0.5, staying=0.5, memory_s=1.0, min_track_seconds=0.0
)


def scored(*people: tuple[int, float]) -> Poses:
    """People with these ids, all of whose joints have a score."""
    count = len(people)
    return Poses(
        np.tile(np.array([0, 0, 40, 80]), (count, 1)), np.ones(count), np.full((count, 17, 2), 20.0),
        np.array([[score] * 17 for _, score in people]).reshape(count, 17), [one for one, _ in people], POSETRACK,
    )  # fmt: skip


def reported_from(scores: list[float], fps: float, config: ConfirmationConfig = CONFIG) -> list[bool]:
    """Whether a track with these scores is confirmed after each frame."""
    confirmation, sure = Confirmation(config), []
    for frame, score in enumerate(scores):
        confirmation.update(scored((7, score)), np.ones(1, np.bool_), frame / fps)
        sure.append(bool(confirmation.confirmed(np.array([7]))[0]))
    return sure


def test_whoever_is_clearly_seen_is_reported_at_once_and_things_never() -> None:
    assert reported_from([0.71], 25) == [True]
    assert not any(reported_from([0.39] * 200, 25))


@pytest.mark.parametrize("fps", [7, 25, 240])
def test_doubtful_people_are_reported_after_as_many_seconds(fps: float) -> None:
    """0.4 + 0.3 exp(-t / 0.5 s) falls to 0.5 after 0.55 s."""
    sure = reported_from([0.5] * round(3 * fps), fps)
    first = sure.index(True)
    assert all(sure[first:]) and first / fps == pytest.approx(0.55, abs=1.1 / fps)


def test_people_seen_badly_for_a_moment_stay_and_those_who_turn_out_to_be_things_go() -> None:
    fps = 25
    sure = reported_from([0.8] * 25 + [0.0] * 100, fps)
    gone = sure.index(False)
    # A good second's weight falls to 1 / e in the next: the mean has fallen from 0.8 to 0.2 after about 1.1 s.
    assert 1.0 + 0.6 < gone / fps < 1.0 + 1.6 and not any(sure[gone:])


def test_frames_in_which_nobody_was_estimated_say_nothing() -> None:
    confirmation = Confirmation(CONFIG)
    confirmation.update(scored((1, 0.9)), np.zeros(1, np.bool_), 0.0)
    assert not confirmation.confirmed(np.array([1])).any()


def test_each_track_is_judged_by_itself_and_unlinked_people_not_at_all() -> None:
    confirmation = Confirmation(CONFIG)
    confirmation.update(scored((4, 0.9), (2, 0.1), (UNLINKED, 0.9)), np.ones(3, np.bool_), 0.0)
    assert confirmation.confirmed(np.array([2, 4, UNLINKED, 9])).tolist() == [False, True, False, False]


def test_tracks_are_not_reported_before_they_have_lasted_for_some_time() -> None:
    config = ConfirmationConfig(min_track_seconds=0.4)
    assert reported_from([0.9] * 20, 25, config) == [frame >= 10 for frame in range(20)]


class Fading(StubPose):
    """Joints of the given scores, frame by frame; the frame is told by the first pixel."""

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        poses = super().estimate(image, boxes)
        return poses.replace(keypoint_scores=np.where(poses.present, self.scores[image[0, 0, 0]], 0))


def counts(scores: list[float], delay_s: float, config: ConfirmationConfig = CONFIG) -> list[tuple[int, int]]:
    """In each frame, how many are reported, and how many are not."""
    made = Pipeline(
        people=TopDown(StubDetector(), Fading(scores)), flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(confirmation=config, report_delay_s=delay_s),
    )  # fmt: skip
    results = list(made.run(frames(len(scores))))
    assert [frame.index for frame, _ in results] == list(range(len(scores)))
    return [(len(poses), 0 if poses.unreported is None else len(poses.unreported)) for _, poses in results]


def test_with_a_delay_the_first_frames_of_a_confirmed_track_are_reported_too() -> None:
    scores = [0.3] * 3 + [0.95] * 12
    at_once = counts(scores, 0.0)
    first = [reported for reported, _ in at_once].index(1)
    assert first > 3 and at_once[:first] == [(0, 1)] * first
    late = counts(scores, 0.2)
    assert late == [(0, 1)] * max(first - 5, 0) + [(1, 0)] * (15 - max(first - 5, 0))


def test_long_delays_hold_back_twelve_frames_at_most() -> None:
    scores = [0.3] * 20 + [0.95] * 30
    at_once, late = counts(scores, 0.0), counts(scores, 60.0)
    assert late.index((1, 0)) == at_once.index((1, 0)) - 12


def test_things_are_unreported_in_every_frame() -> None:
    assert counts([0.3] * 30, 0.2) == [(0, 1)] * 30


def drawn_blurred(frame_index: int, poses: Poses) -> np.ndarray:
    """bool [H, W], pixels of a noisy picture that blurring changed."""
    frame = frames(30)[frame_index]
    drawn = Annotator(AnnotatorConfig(skeletons=False, labels=False, blur_faces=True)).draw(frame, poses)
    return (drawn != frame.image).any(axis=2)


def is_blurred(frame_index: int, poses: Poses, box: np.ndarray) -> bool:
    """Whether the head of whoever is in the box has been blurred."""
    x, y, _ = heads(StubPose().estimate(frames(1)[0].image, Boxes(box[None], np.ones(1))))[0]
    return bool(
        drawn_blurred(frame_index, poses)[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3].mean() > 0.8
    )


def test_faces_of_people_who_are_not_reported_are_blurred() -> None:
    made = Pipeline(
        people=TopDown(StubDetector(), Fading([0.3] * 10)), flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(confirmation=CONFIG),
    )  # fmt: skip
    for frame, poses in made.run(frames(10)):
        assert len(poses) == 0 and is_blurred(frame.index, poses, PERSON[0])


def test_faces_of_people_who_are_hidden_are_blurred_where_they_are_expected() -> None:
    """The detector misses the person in some frames, and the pose network does not vouch for them."""
    made = Pipeline(
        people=TopDown(WatchedDetector(unseen=frozenset({6, 7, 8})), Fading([0.9] * 6 + [0.3] * 3 + [0.9] * 3)),
        flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()), config=PipelineConfig(evidence=EvidenceConfig()),
    )  # fmt: skip
    results = list(made.run(frames(12)))
    assert [len(poses) for _, poses in results] == [1] * 6 + [0] * 3 + [1] * 3
    for frame, poses in results:
        assert is_blurred(frame.index, poses, PERSON[0])


def test_faces_of_people_taken_for_duplicates_are_blurred() -> None:
    """Two boxes of which the poses coincide: one is reported."""
    both = np.concatenate([PERSON, PERSON + [6, 4, 6, 4]]).astype(np.float32)
    made = Pipeline(
        people=TopDown(StubDetector(xyxy=both), StubPose()), flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(),
    )  # fmt: skip
    for _, poses in made.run(frames(3)):
        assert len(poses) == 1 and poses.unreported is not None
        assert any(np.allclose(box, both[1]) for box in poses.unreported.boxes)


def test_choosing_people_keeps_those_who_are_not_reported() -> None:
    one = scored((1, 0.9), (2, 0.9)).replace(unreported=scored((3, 0.1)))
    for chosen in (one[[0]], one[np.array([False, True])], one.replace(scores=np.zeros(2))):
        assert chosen.unreported == scored((3, 0.1))
    assert one != one.replace(unreported=None)


def test_tracks_are_judged_alike_whenever_they_begin_and_in_whatever_order_they_come() -> None:
    confirmation = Confirmation(CONFIG)
    for frame in range(50):
        now = [(1, 0.9), (5, 0.3), *([(3, 0.5)] if frame >= 10 else [])]
        if frame % 3 == 0:
            now = now[::-1]
        if frame % 4 == 0:
            now = [each for each in now if each[0] != 1]
        confirmation.update(scored(*now), np.ones(len(now), np.bool_), 100 + frame / 10)
        sure = dict(zip((1, 3, 5), confirmation.confirmed(np.array([1, 3, 5])).tolist(), strict=True))
        assert sure == {1: frame >= 1, 3: frame >= 16, 5: False}, "doubtful people after 0.55 s, things never"


def test_tracks_that_ended_a_minute_ago_are_forgotten() -> None:
    confirmation, anybody = Confirmation(CONFIG), np.ones(1, np.bool_)
    confirmation.update(scored((1, 0.9)), anybody, 0.0)
    for time_s, known in ((59.0, True), (61.0, False)):
        confirmation.update(scored((2 + int(time_s), 0.9)), anybody, time_s)
        assert confirmation.confirmed(np.array([1])).tolist() == [known]
