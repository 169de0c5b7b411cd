"""What stages exchange is checked once, when it is made, and does not change afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from posetrack.skeletons import COCO, LSP, POSETRACK
from posetrack.types import UNLINKED, Boxes, Frame, Origin, Poses

ARRAYS = ("boxes", "scores", "keypoints", "keypoint_scores", "track_ids")


def people(count: int) -> Poses:
    rng = np.random.default_rng(count)
    return Poses(
        boxes=rng.uniform(0, 99, (count, 4)),
        scores=rng.random(count),
        keypoints=rng.uniform(0, 99, (count, 17, 2)),
        keypoint_scores=rng.random((count, 17)),
        track_ids=np.arange(count),
        skeleton=POSETRACK,
    )


def assert_equal(poses: Poses, *expected: np.ndarray) -> None:
    for name, values in zip(ARRAYS, expected, strict=True):
        np.testing.assert_array_equal(getattr(poses, name), values)


def contents(poses: Poses) -> list[np.ndarray]:
    return [getattr(poses, name) for name in ARRAYS]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_types_are_those_documented_whatever_was_given(count: int) -> None:
    poses = people(count)
    assert [values.dtype for values in contents(poses)] == [np.float32] * 4 + [np.int64]
    assert [values.shape[1:] for values in contents(poses)] == [(4,), (), (17, 2), (17,), ()]
    boxes = Boxes([[0, 0, 9, 9]] * count, [1] * count)
    assert (boxes.xyxy.dtype, boxes.xyxy.shape, boxes.scores.dtype) == (np.float32, (count, 4), np.float32)


def test_arrays_cannot_be_written_to_but_those_that_were_given_still_can() -> None:
    given = np.zeros(2, np.float32)
    poses = people(2).replace(scores=given)
    changed = (poses, poses[[1, 0]], poses[:1], poses.replace(track_ids=[5, 6]), Poses.concatenate([poses, poses]))
    for each in changed:
        assert not any(values.flags.writeable for values in contents(each))
    with pytest.raises(ValueError, match="read-only"):
        poses.scores[0] = 1
    given[0] = 1


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("boxes", (2, 5)),
        ("boxes", (8,)),
        ("keypoints", (2, 16, 2)),
        ("keypoints", (2, 0, 2)),
        ("keypoint_scores", (3, 17)),
        ("track_ids", (0,)),
    ],
)
def test_shapes_that_do_not_agree_are_named(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"^{name} has shape .*, expected "):
        people(2).replace(**{name: np.zeros(shape)})


def test_an_empty_list_is_nobody() -> None:
    assert_equal(Poses([], [], [], [], [], COCO), *contents(Poses.empty(COCO)))
    assert len(Boxes([], [])) == len(Boxes.empty()) == 0
    with pytest.raises(ValueError, match="boxes has shape"):
        Poses(np.ones((1, 4)), [], [], [], [], COCO)


def test_choosing_replacing_and_joining_are_those_of_the_arrays() -> None:
    poses = people(4)
    for chosen in (slice(1, 3), np.array([True, False, True, False]), np.array([3, 3, 0]), [2], []):
        rows = np.arange(4)[chosen if not isinstance(chosen, list) else np.array(chosen, np.int64)]
        assert_equal(poses[rows], *[values[rows] for values in contents(poses)])
        if len(rows):
            assert_equal(poses[chosen], *contents(poses[rows]))
    other = people(3)
    joined = [np.concatenate(pair) for pair in zip(contents(poses), contents(other), strict=True)]
    assert_equal(Poses.concatenate([poses, other]), *joined)
    unlinked = poses.replace(track_ids=np.full(4, UNLINKED))
    assert_equal(unlinked, *contents(poses)[:4], np.full(4, UNLINKED))


def test_replaced_arrays_are_checked_and_the_others_stay() -> None:
    poses = people(3).replace(appearance=np.ones((3, 2)))
    for name in ARRAYS:
        values = getattr(poses, name) // 2
        changed = poses.replace(**{name: values.tolist()})
        assert getattr(changed, name).dtype == getattr(poses, name).dtype
        assert_equal(changed, *[values if each == name else getattr(poses, each) for each in ARRAYS])
        np.testing.assert_array_equal(changed.appearance, poses.appearance)
    assert (poses.replace(origin=None).origin == Origin.ESTIMATED).all()
    with pytest.raises(ValueError, match="^origin is "):
        poses.replace(origin=np.full((3, 17), 4))
    with pytest.raises(ValueError, match="^appearance has shape"):
        poses.replace(appearance=np.ones((2, 2)))
    with pytest.raises(ValueError, match="^boxes has shape"):
        poses.replace(scores=np.ones(2))
    with pytest.raises(TypeError, match="colour"):
        poses.replace(colour=1)


def test_poses_and_boxes_are_compared_by_their_values() -> None:
    poses, same = people(3), people(3)
    assert poses == same and poses is not same and poses[[0, 1]] != poses
    keypoints = poses.keypoints.copy()
    keypoints[1, 4] = np.nan
    assert poses.replace(keypoints=keypoints) == poses.replace(keypoints=keypoints.copy()) != poses
    for name in ARRAYS:
        values = getattr(poses, name).copy()
        values[0] += 1
        assert poses.replace(**{name: values}) != poses, name
    assert poses.replace(skeleton=COCO) != poses and Poses.empty(COCO) != Poses.empty(POSETRACK)
    boxes = Boxes(poses.boxes, poses.scores)
    assert boxes == Boxes(poses.boxes.copy(), poses.scores.copy())
    assert boxes != boxes[:2] and boxes != Boxes(poses.boxes + 1, poses.scores)
    assert boxes != Boxes(poses.boxes, poses.scores / 2) and boxes != poses and poses != 3 and poses != None  # noqa: E711
    for each in (poses, boxes):
        with pytest.raises(TypeError, match="unhashable"):
            hash(each)


def test_frames_are_compared_by_their_values_and_can_be_keys() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    frame = Frame(2, 0.5, image)
    assert frame == Frame(2, 0.5, image.copy()) and hash(frame) == hash(Frame(2, 0.5, image.copy()))
    assert frame != Frame(1, 0.5, image) and frame != Frame(2, 0.4, image) and frame != Frame(2, 0.5, image + 1)
    assert frame != Frame(2, 0.5, image[:2]) and frame != "frame"
    assert {frame: 1}[Frame(2, 0.5, image.copy())] == 1


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"scores": None}, ValueError, r"^scores has shape \(\), expected"),
        ({"scores": 0.5}, ValueError, r"^scores has shape \(\), expected"),
        ({"boxes": "none"}, ValueError, "^boxes is 'none', expected numbers"),
        ({"boxes": [None, None]}, ValueError, "^boxes has shape"),
        ({"keypoints": [[1], [2, 3]]}, ValueError, "^keypoints is .*, expected numbers"),
        ({"track_ids": [0.5, 1]}, ValueError, "^track_ids is .*, expected whole numbers"),
        ({"track_ids": [np.nan, 1]}, ValueError, "^track_ids is .*, expected whole numbers"),
        ({"skeleton": "coco"}, TypeError, "^skeleton is 'coco'; give one"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_no_number_or_skeleton_is_named(
    changes: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        people(2).replace(**changes)
    assert people(2).replace(track_ids=[3.0, 4.0]).track_ids.tolist() == [3, 4]


def test_joints_are_estimated_unless_their_origin_is_told() -> None:
    poses = people(2)
    assert poses.origin.dtype == np.uint8 and (poses.origin == Origin.ESTIMATED).all() and not poses.pending.any()
    carried = poses.replace(origin=np.full(poses.origin.shape, Origin.CARRIED))
    assert carried != poses and (carried.origin == 2).all()
    both = Poses.concatenate([poses, carried])[[2, 1]]
    assert both.origin[:, 0].tolist() == [Origin.CARRIED, Origin.ESTIMATED]
    for wrong in (4, -1, 0.5):
        with pytest.raises(ValueError, match="^origin is "):
            poses.replace(origin=np.full(poses.origin.shape, wrong))


def test_people_in_boxes_are_pending_until_any_joint_is_known() -> None:
    poses = people(3)
    boxes = Boxes(poses.boxes, poses.scores)
    waiting = Poses.pending_in(boxes, COCO)
    assert Boxes(waiting.boxes, waiting.scores) == boxes and waiting.skeleton == COCO
    assert waiting.pending.all() and not waiting.present.any() and (waiting.track_ids == UNLINKED).all()
    origin = waiting.origin.copy()
    origin[1, 5] = Origin.FILLED
    assert waiting.replace(origin=origin).pending.tolist() == [True, False, True]


def test_descriptors_go_with_their_people() -> None:
    plain, described = people(2), people(3).replace(appearance=np.arange(12).reshape(3, 4))
    assert plain.appearance is None and described != described.replace(appearance=None)
    assert described.appearance is not None and described.appearance.dtype == np.float32
    chosen, joined = described[[2, 0]].appearance, Poses.concatenate([plain, described]).appearance
    assert chosen is not None and chosen.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert (
        joined is not None and np.isnan(joined[:2]).all() and joined[2:].tolist() == described.appearance.tolist()
    )
    assert Poses.concatenate([plain, plain]).appearance is None
    for wrong in ((2, 4), (3,), (3, 2, 2)):
        with pytest.raises(ValueError, match="^appearance has shape"):
            described.replace(appearance=np.zeros(wrong))


def test_chosen_and_joined_people_are_read_only_and_a_single_number_chooses_nobody() -> None:
    described = people(3).replace(appearance=np.zeros((3, 2)))
    for poses in (described[[0, 2]], described[1:], Poses.concatenate([described, people(1)])):
        for name in (*ARRAYS, "origin", "appearance"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(poses, name)[:] = 0
    with pytest.raises(ValueError, match=r"^scores has shape \(\)"):
        described[1]  # type: ignore[index]
    with pytest.raises(ValueError):
        Poses.concatenate([described, Poses.empty(LSP)])
