"""Clips whose frames bear their number, and perfect networks that read it: they work on any frame, in any process,
and know the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from posetrack.batch.tasks import Compute
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.skeletons import POSETRACK
from posetrack.synthetic import SCENES, Truth, trace
from posetrack.types import UNLINKED, Boxes, Image, Poses
from tests.video_clips import write_clip

SIZE = (240, 136)
SEED = 4
FRAMES = 110
BITS = 8
BLOCK = 8


def numbered(image: Image, index: int) -> Image:
    """The picture with its number in black and white blocks along the lower edge."""
    bits = np.array([index >> bit & 1 for bit in range(BITS)], np.uint8) * 255
    marked = image.copy()
    marked[-BLOCK:, : BITS * BLOCK] = np.repeat(bits, BLOCK)[None, :, None]
    return marked


def number_of(image: Image) -> int:
    middle = image[-BLOCK // 2, BLOCK // 2 : BITS * BLOCK : BLOCK].mean(axis=1) > 127
    return int((middle * 2 ** np.arange(BITS)).sum())


def painted(truth: Truth) -> Image:
    """Textured boxes before the textured ground of the shot: enough for optical flow, and quick to draw."""
    image = _texture(truth.shot, SIZE)
    for person, box in zip(truth.poses.track_ids.tolist(), truth.poses.boxes.round().astype(int), strict=True):
        x1, y1, x2, y2 = np.clip(box, 0, (*SIZE, *SIZE))
        if x1 < x2 and y1 < y2:
            image[y1:y2, x1:x2] = _texture(100 + person, (x2 - x1, y2 - y1))
    return image


def _texture(seed: int, size: tuple[int, int]) -> Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 20, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def numbered_clip(folder: Path, name: str) -> Path:
    """The beginning of a scene as a video with a key frame every 12 frames."""
    frames = np.stack([numbered(painted(truth), truth.index) for truth in truths(name)])
    return write_clip(folder / f"{name}.mp4", frames, "-g", "12")


@lru_cache(maxsize=2)
def truths(name: str) -> list[Truth]:
    return list(islice(trace(SCENES[name](SEED, SIZE)), FRAMES))


@dataclass(frozen=True)
class PerfectNetworks:
    """Detector and pose network for one scene."""

    name: str
    skeleton = POSETRACK

    def _truth(self, image: Image) -> Poses:
        return truths(self.name)[number_of(image)].poses

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        return [Boxes(truth.boxes, truth.scores) for truth in map(self._truth, images)]

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """The joints of the person whose box is nearest."""
        truth = self._truth(image)
        if not len(boxes) or not len(truth):
            return Poses.empty(POSETRACK)
        person = np.abs(boxes.xyxy[:, None] - truth.boxes[None]).sum(axis=2).argmin(axis=1)
        return Poses(
            boxes.xyxy, boxes.scores, truth.keypoints[person], 0.9 * truth.keypoint_scores[person],
            np.full(len(boxes), UNLINKED), POSETRACK,
        )  # fmt: skip


@dataclass(frozen=True)
class PerfectTracker:
    """A ``TrackerFactory`` for one scene."""

    name: str
    detect_every: int = 1

    def __call__(self, compute: Compute) -> PoseTracker:
        networks = PerfectNetworks(self.name)
        preset = replace(get_preset("lite"), detect_every=self.detect_every)
        return PoseTracker(preset, device="cpu", detector=networks, pose=networks, threads=1)
