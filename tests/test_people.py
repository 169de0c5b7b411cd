"""Whatever sees people fits: networks of one stage, descriptors of people, and other linkers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pytest

from posetrack.flow import ZeroFlow
from posetrack.pipeline import Pipeline, PipelineConfig
from posetrack.pose_tracker import PoseTracker
from posetrack.schedule import EveryNth
from posetrack.skeletons import COCO
from posetrack.stages import Flow
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LinkerConfig, PropagationConfig, RefreshConfig
from posetrack.types import Boxes, FloatArray, Image, Origin, Poses, Sighting
from tests.stubs import PERSON, OneStage, StubDetector, StubPose, frames

PICTURES = [frame.image for frame in frames(6)]
TWO = np.concatenate([PERSON, PERSON + [60, 0, 60, 0]]).astype(np.float32)


def pipeline(people: Any, interval: int = 1, **options: Any) -> Pipeline:
    return Pipeline(
        people=people, flow=ZeroFlow(), linker=FlowLinker(LinkerConfig()),
        config=PipelineConfig(**options), schedule=EveryNth(interval=interval),
    )  # fmt: skip


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("interval", [1, 4])
def test_one_stage_gives_what_the_same_network_in_two_stages_gives(batch: int, interval: int) -> None:
    """Also where a detection misses somebody, who is then refined in the carried box."""
    options: dict[str, Any] = {"detect_batch": batch, "pose_batch": batch, "refresh": RefreshConfig(every=2)}
    one = OneStage(xyxy=TWO, blind=frozenset({2}))
    two = TopDown(StubDetector(xyxy=TWO, blind=frozenset({2})), StubPose())
    found = [poses for _, poses in pipeline(one, interval, **options).run(frames(12))]
    expected = [poses for _, poses in pipeline(two, interval, **options).run(frames(12))]
    assert found == expected and all(len(poses) == 2 for poses in found)


def test_joints_that_one_stage_has_estimated_are_not_estimated_again() -> None:
    stage = OneStage(xyxy=TWO, blind=frozenset({3}))
    list(pipeline(stage).run(frames(6)))
    assert stage.asked == [2], "only in the frame without detections, in carried boxes"


def test_a_carried_person_is_told_from_one_estimated_in_the_frame() -> None:
    run = pipeline(OneStage(), 3, refresh=RefreshConfig(every=99)).run(frames(6))
    origins = [set(poses.origin.ravel().tolist()) for _, poses in run]
    estimated, carried = {int(Origin.ESTIMATED)}, {int(Origin.CARRIED)}
    assert origins == [estimated, carried, carried] * 2


def test_a_tracker_takes_ones_own_people() -> None:
    stage = OneStage(xyxy=TWO)
    results = [poses for _, poses in PoseTracker(people=stage, threads=1).track(PICTURES)]
    assert [poses.track_ids.tolist() for poses in results] == [[0, 1]] * 6
    expected = PoseTracker(detector=StubDetector(xyxy=TWO), pose=StubPose(), threads=1).track(PICTURES)
    assert results == [poses.replace(appearance=None) for _, poses in expected]


def test_the_stages_of_ones_own_top_down_are_used_as_they_would_be_alone() -> None:
    class Counting(StubDetector):
        made: list[Counting] = []

        def for_video(self) -> Self:
            self.made.append(type(self)(xyxy=TWO))
            return self.made[-1]  # type: ignore[return-value]

    tracker = PoseTracker(people=TopDown(Counting(), StubPose()), threads=1)
    for _ in range(2):
        assert [poses.track_ids.tolist() for _, poses in tracker.track(PICTURES)] == [[0, 1]] * 6
    assert [each.calls for each in Counting.made] == [2, 2], "lite detects in every fifth frame"
    with pytest.raises(TypeError, match="^pose is .*; give an object with the method estimate"):
        PoseTracker(people=TopDown(StubDetector(), StubDetector()))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "answer", "error", "words"),
    [
        (
            "find",
            lambda found: found[0],
            TypeError,
            "Wrong.find returned Sighting.*posetrack.types.Sighting for each image",
        ),
        ("find", lambda found: found * 2, ValueError, "Wrong.find returned 2 Sighting for 1 images"),
        (
            "find",
            lambda found: [Sighting(found[0].image)],
            TypeError,
            "Wrong.find returned a sighting with found = None",
        ),
        (
            "find",
            lambda found: [Sighting(found[0].image, found[0].found.replace(skeleton=COCO))],
            ValueError,
            "Wrong.find returned poses of the skeleton coco; its own skeleton is posetrack",
        ),
        (
            "refine",
            lambda found: found[0],
            TypeError,
            "Wrong.refine returned Poses.*; return a list with posetrack.Poses",
        ),
        ("refine", lambda found: [found[0][:0]], ValueError, "Wrong.refine returned 0 poses for 1 boxes"),
    ],
)
def test_what_people_must_not_give_is_told(method: str, answer: Any, error: type[Exception], words: str) -> None:
    right = getattr(OneStage, method)
    wrong = type("Wrong", (OneStage,), {method: lambda self, *given: answer(right(self, *given))})
    with pytest.raises(error, match=f"(?s)^{words}"):
        list(PoseTracker(people=wrong(blind=frozenset({1})), threads=1).track(PICTURES))


class MeanColour:
    """Describes people by the mean colour of their box."""

    def describe(self, image: Image, poses: Poses) -> FloatArray:
        boxes = poses.boxes.astype(int)
        return np.array([image[y1:y2, x1:x2].mean(axis=(0, 1)) for x1, y1, x2, y2 in boxes]).reshape(-1, 3)


@dataclass
class Reversed:
    """A linker that numbers people from the last to the first; notes what it was given."""

    appearances: list[FloatArray | None] = field(default_factory=list)
    made: list[Reversed] = field(default_factory=list)
    resets: int = 0

    def link(self, poses: Poses, flow: Flow, time_s: float) -> Poses:
        self.appearances.append(poses.appearance)
        return poses.replace(track_ids=np.arange(len(poses))[::-1])

    def reset(self) -> None:
        self.resets += 1


class Remade(Reversed):
    def for_video(self) -> Self:
        self.made.append(type(self)())
        return self.made[-1]  # type: ignore[return-value]


def test_linkers_get_the_descriptors_of_people() -> None:
    stage = Remade()
    tracker = PoseTracker(people=OneStage(xyxy=TWO), appearance=MeanColour(), linker=stage, threads=1)
    results = [poses for _, poses in tracker.track(PICTURES)]
    assert [poses.track_ids.tolist() for poses in results] == [[1, 0]] * 6
    (linker,) = stage.made
    assert linker.resets == 1 and not stage.appearances
    for image, poses, seen in zip(PICTURES, results, linker.appearances, strict=True):
        assert seen is not None and seen.shape == (2, 3)
        np.testing.assert_allclose(seen, MeanColour().describe(image, poses), rtol=1e-6)
        np.testing.assert_array_equal(poses.appearance, seen)


def test_without_an_appearance_stage_people_have_the_descriptors_that_their_finder_gave() -> None:
    class Describing(OneStage):
        def find(self, images: Sequence[Image]) -> list[Sighting]:
            return [
                Sighting(each.image, each.found.replace(appearance=np.full((len(each.found), 2), 7)))
                for each in super().find(images)
                if each.found is not None
            ]

    tracked = [poses for _, poses in PoseTracker(people=Describing(), threads=1).track(PICTURES)]
    assert all(poses.appearance.tolist() == [[7, 7]] for poses in tracked if poses.appearance is not None)
    assert tracked[0].appearance is not None
    plain = PoseTracker(people=OneStage(), threads=1).track(PICTURES)
    assert all(poses.appearance is None for _, poses in plain)


def test_every_video_has_a_linker_of_its_own() -> None:
    stage = Reversed()
    tracker = PoseTracker(people=OneStage(), linker=stage, threads=1)
    for _ in range(2):
        assert len(list(tracker.track(PICTURES))) == 6
    assert stage.resets == 0 and not stage.appearances


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (lambda poses: poses.track_ids, TypeError, "Wrong.link returned .*; return posetrack.Poses"),
        (lambda poses: poses[:1], ValueError, "Wrong.link returned 1 poses for 2 boxes"),
        (
            lambda poses: poses.replace(track_ids=[3, 3]),
            ValueError,
            r"Wrong.link returned the ids \[3, 3\]; return distinct",
        ),
        (lambda poses: poses.replace(track_ids=[-2, 3]), ValueError, r"Wrong.link returned the ids \[-2, 3\]"),
    ],
)
def test_what_a_linker_must_not_give_is_told(answer: Any, error: type[Exception], words: str) -> None:
    wrong = type("Wrong", (Reversed,), {"link": lambda self, poses, flow, time_s: answer(poses)})
    with pytest.raises(error, match=f"(?s)^{words}"):
        list(PoseTracker(people=OneStage(xyxy=TWO), linker=wrong(), threads=1).track(PICTURES))


@pytest.mark.parametrize("answer", [np.zeros(2), np.zeros((3, 4))])
def test_what_an_appearance_stage_must_not_give_is_told(answer: FloatArray) -> None:
    wrong = type("Wrong", (), {"describe": lambda self, image, poses: answer})
    with pytest.raises(ValueError, match=r"^Wrong.describe returned \[.*\] for 2 people; return one row"):
        list(PoseTracker(people=OneStage(xyxy=TWO), appearance=wrong(), threads=1).track(PICTURES))


def test_propagation_keeps_descriptors() -> None:
    from posetrack.tracker import propagate

    poses = StubPose().estimate(PICTURES[0], Boxes(TWO, np.ones(2))).replace(appearance=[[1, 2], [3, 4]])
    carried = propagate(poses, ZeroFlow().estimate(PICTURES[0], PICTURES[1]), PropagationConfig(), (160, 120), 0)
    assert carried.appearance is not None and carried.appearance.tolist() == [[1, 2], [3, 4]]
    assert (carried.origin == Origin.CARRIED).all()
