"""Target heatmaps of a person's crop: from labels, from a teacher, and for other people in view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.models.conventions import Grid
from posetrack.models.heatmap import cell_pitch, gaussian_targets, input_to_heatmap
from posetrack.models.simple_baseline import HEATMAP_STRIDE
from posetrack.ranges import require_kinds
from posetrack.training.pose_people import LabelledPerson
from posetrack.types import BoolArray, FloatArray

_SURE = 0.5
"""Minimum height of a teacher's Gaussian for its place to count as known."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What a network should say about a crop, for all slots K of the skeleton.

    Attributes:
        heatmaps: float32 [K, h, w].
        weights: float32 [K], 0 leaves a joint out of the loss.
        points: float32 [K, 2], the joints in heatmap cells.
        placed: float32 [K], 1 if the joint is known to lie at its point, inside the heatmap.
    """

    heatmaps: FloatArray
    weights: FloatArray
    points: FloatArray
    placed: FloatArray

    def mirrored(self, permutation: NDArray[np.int64]) -> Targets:
        """The targets of the mirrored crop."""
        points = self.points[permutation].copy()
        points[:, 0] = self.heatmaps.shape[2] - 1 - points[:, 0]
        return Targets(
            self.heatmaps[permutation][..., ::-1], self.weights[permutation], points, self.placed[permutation]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """How targets are made.

    Attributes:
        sigma: Standard deviation of the Gaussians, in heatmap cells.
        teacher_share: Weight of the teacher in the target of a joint that is labelled too.
        teacher_gain: Height of the Gaussian at a teacher's joint per unit of its score, at most 1.
        others_height: Height of the Gaussians at other people's joints (mu in section 3.2 of Li et al.,
            "CrowdPose", CVPR 2019). 0 teaches the network to suppress them.
    """

    sigma: float = 2.0
    teacher_share: float = 0.5
    teacher_gain: float = 1.0
    others_height: float = 0.0

    def __post_init__(self) -> None:
        require_kinds(self)


@dataclass(frozen=True, slots=True, eq=False)
class CropJoints:
    """Where joints lie in a crop, in pixels.

    Attributes:
        labelled, teacher: float64 [K, 2], a person's own joints.
        gone: bool [K], the joint lies outside the frame.
        others: float64 [M, K, 3], joints of other people, and how sure they are; 0 if they lie outside the frame.
    """

    labelled: NDArray[np.float64]
    teacher: NDArray[np.float64]
    gone: BoolArray
    others: NDArray[np.float64]


def make_targets(
    person: LabelledPerson, joints: CropJoints, size: tuple[int, int], grid: Grid, settings: TargetSettings
) -> Targets:
    """The targets of a crop.

    The target of a joint outside the frame is empty; a joint without any label does not count.

    Args:
        person: The sample.
        joints: Where its joints lie in the crop.
        size: Width and height of the crop.
        grid: How heatmap cells lie in it.
        settings: How targets are made.
    """
    cells = (size[0] // HEATMAP_STRIDE, size[1] // HEATMAP_STRIDE)
    scores = person.teacher[:, 2]
    labelled, taught = person.weights > 0, scores >= 0
    heights = (settings.teacher_gain * scores).clip(0, 1)
    teacher_share = np.where(labelled & taught, settings.teacher_share, taught) * heights
    label_share = np.where(taught, 1 - settings.teacher_share, 1.0) * labelled
    pitch = cell_pitch(size, HEATMAP_STRIDE, grid)
    places = input_to_heatmap(np.stack([joints.labelled, joints.teacher]), pitch, grid)
    gaussians = gaussian_targets(places, cells, settings.sigma)
    shares = np.stack([label_share, teacher_share]).astype(np.float32) * ~joints.gone
    heatmaps = (gaussians * shares[..., None, None]).sum(axis=0, dtype=np.float32)
    if settings.others_height and joints.others.size:
        others = input_to_heatmap(joints.others[..., :2], pitch, grid)
        heatmaps = np.maximum(heatmaps, _others_heatmaps(others, joints.others[..., 2], cells, settings))
    points = np.where(labelled[:, None], places[0], places[1])
    inside = ((points > -0.5) & (points < np.array(cells) - 0.5)).all(axis=1) & ~joints.gone
    placed = inside & (labelled | (taught & (heights >= _SURE)))
    return Targets(
        heatmaps,
        (labelled | taught | person.nobody).astype(np.float32),
        points.astype(np.float32),
        placed.astype(np.float32),
    )


def _others_heatmaps(
    places: NDArray[np.float64], scores: NDArray[np.float64], cells: tuple[int, int], settings: TargetSettings
) -> FloatArray:
    """float32 [K, h, w], the highest Gaussian of all other people's joints, which are at these cells."""
    sure = (settings.teacher_gain * scores).clip(0, 1)
    heatmaps = gaussian_targets(places, cells, settings.sigma) * sure[..., None, None].astype(np.float32)
    highest: FloatArray = np.float32(settings.others_height) * heatmaps.max(axis=0)
    return highest
