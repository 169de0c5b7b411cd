"""Known truth: on rendered scenes with perfect boxes and joints, nobody's identity changes.

The detector and the pose network are perfect here (they read the truth); flow is OpenCV's, on the rendered
pictures. Someone who is hidden for long, or leaves the picture, may get a new number: nobody could know.

Every second frame of the scenes is rendered, at half their usual size: people move as many pixels from one to the
next.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from posetrack.flow import FLOWS
from posetrack.pipeline import Pipeline
from posetrack.schedule import EveryNth
from posetrack.skeletons import POSETRACK
from posetrack.synthetic import SCENES, Truth, render
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LinkerConfig
from posetrack.types import UNLINKED, Boxes, Frame, Image, Poses

SIZE = (320, 180)


class Oracle:
    """Detector and pose network that know the truth of the frame that they are shown."""

    skeleton = POSETRACK

    def __init__(self) -> None:
        self._truths: dict[int, Truth] = {}

    def watch(self, scene: Iterable[tuple[Frame, Truth]]) -> Iterator[Frame]:
        for frame, truth in scene:
            self._truths[id(frame.image)] = truth
            yield frame

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        return [Boxes(truth.poses.boxes, truth.poses.scores) for truth in (self._truths[id(i)] for i in images)]

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """The joints of the person whose box is nearest."""
        truth = self._truths[id(image)].poses
        if not len(boxes) or not len(truth):
            return Poses.empty(POSETRACK)
        distances = np.abs(boxes.xyxy[:, None] - truth.boxes[None]).sum(axis=2)
        person = distances.argmin(axis=1)
        return Poses(
            boxes.xyxy, boxes.scores, truth.keypoints[person], 0.9 * truth.keypoint_scores[person],
            np.full(len(boxes), UNLINKED), POSETRACK,
        )  # fmt: skip


@lru_cache(maxsize=1)
def rendered(name: str) -> list[tuple[Frame, Truth]]:
    """Every second frame of a scene, 12.5 a second."""
    scene = SCENES[name](4, SIZE)
    shots = tuple(replace(shot, frame_count=shot.frame_count // 2) for shot in scene.shots)
    return list(render(replace(scene, shots=shots, fps=scene.fps / 2)))


def identities(name: str, detect_every: int = 1) -> dict[int, list[int]]:
    """True person -> the track ids that the person had, in order of appearance."""
    oracle = Oracle()
    pipeline = Pipeline(
        people=TopDown(oracle, oracle),
        flow=FLOWS["dis"](),
        linker=FlowLinker(LinkerConfig(similarity="multi-flow")),
        schedule=EveryNth(interval=detect_every),
    )
    ids: dict[int, list[int]] = {}
    for frame, poses in pipeline.run_sequentially(oracle.watch(rendered(name))):
        truth = rendered(name)[frame.index][1].poses
        for keypoints, track_id in zip(poses.keypoints, poses.track_ids.tolist(), strict=True):
            errors = np.abs(truth.keypoints - keypoints)[:, POSETRACK.index("left_hip")].sum(axis=1)
            seen = ids.setdefault(int(truth.track_ids[errors.argmin()]), [])
            if track_id not in seen:
                seen.append(track_id)
    return ids


@pytest.mark.parametrize(
    ("name", "detect_every"),
    [("crossing", 1), ("crossing", 5), ("occlusion", 1), ("camera_shake", 1), ("demo", 1)],
)
def test_nobody_changes_identity_in_a_scene_that_nobody_leaves_for_long(name: str, detect_every: int) -> None:
    ids = identities(name, detect_every)
    assert all(len(own) == 1 for own in ids.values()), ids
    assert len({own[0] for own in ids.values()}) == len(ids)


@pytest.mark.parametrize("name", ["leaving", "re_entering"])
def test_those_who_stay_keep_their_identity_while_others_go_and_come(name: str) -> None:
    ids = identities(name)
    numbers = [number for own in ids.values() for number in own]
    assert len(numbers) == len(set(numbers)), "nobody takes over another person's number"
    assert sum(len(own) > 1 for own in ids.values()) <= 1


def test_after_a_cut_everybody_is_new() -> None:
    ids = identities("cut")
    before = {number for person, own in ids.items() if person < 10 for number in own}
    after = {number for person, own in ids.items() if person >= 10 for number in own}
    assert before and after and not before & after
    assert all(len(own) == 1 for own in ids.values())
