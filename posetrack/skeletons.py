"""Joint names, limbs, left/right pairs and OKS constants of the skeletons in use.

The OKS sigmas are COCO's (https://cocodataset.org/#keypoints-eval), except for ``head_bottom`` and ``head_top``,
which COCO does not have. MMPose copies COCO's eye sigmas (0.025) by index
(configs/_base_/datasets/posetrack18.py), which makes these two joints far too strict. We use the shoulders' 0.079
for ``head_bottom`` and 0.06 for ``head_top``: about as exactly as annotators can place a neck and a crown. A
``neck`` has ``head_bottom``'s. Those of feet and of the middle of the hips are Halpe's
(github.com/Fang-Haoshu/Halpe-FullBody, halpecocotools/cocoeval.py); the six that COCO-WholeBody measured for feet
have the same mean to 0.001, but differ from left to right.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Skeleton:
    """A named, ordered set of K joints.

    Attributes:
        name: Name of the skeleton, as written on the command line and into files.
        joints: K joint names; their order is the order of every ``[.., K, ..]`` array.
        limbs: Pairs of joint names that are connected when drawn.
        sigmas: K OKS constants sigma (the OKS falloff is k = 2 sigma).
        unused: Joints that have a slot but are never annotated: tracking and evaluation leave them out. Only
            networks that learnt them from elsewhere fill them in.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[str, str], ...]
    sigmas: tuple[float, ...]
    unused: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len(self.sigmas) != len(self.joints):
            raise ValueError(f"{len(self.joints)} joints but {len(self.sigmas)} sigmas")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Slot of a joint; ``ValueError`` if the skeleton has no joint of that name."""
        return self.joints.index(joint)

    @cached_property
    def flip_permutation(self) -> NDArray[np.int64]:
        """[K] slots after mirroring the image: each left joint's slot holds its right twin's."""
        return np.array([self.joints.index(_mirrored(joint)) for joint in self.joints], dtype=np.int64)

    @cached_property
    def in_use(self) -> NDArray[np.int64]:
        """Slots of the joints that are annotated and predicted, ascending."""
        return np.array([k for k, joint in enumerate(self.joints) if joint not in self.unused], dtype=np.int64)

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """bool [K]: the joint is annotated and predicted."""
        return np.array([joint not in self.unused for joint in self.joints], dtype=np.bool_)

    @cached_property
    def names_in_use(self) -> frozenset[str]:
        """Names of the joints that are annotated and predicted."""
        return frozenset(self.joints) - self.unused

    @cached_property
    def sided_halves(self) -> NDArray[np.bool_]:
        """bool [2, K]: the joints of the upper body, and of the lower body, that have a twin on the other side."""
        sided = self.flip_permutation != np.arange(len(self))
        lower = np.array([joint.endswith(_LOWER_BODY) for joint in self.joints], dtype=np.bool_)
        return np.stack([sided & ~lower, sided & lower])

    @cached_property
    def limb_slots(self) -> NDArray[np.int64]:
        """[L, 2] slots of the limbs' ends."""
        return np.array([[self.index(a), self.index(b)] for a, b in self.limbs], dtype=np.int64)

    @cached_property
    def oks_sigmas(self) -> NDArray[np.float32]:
        """[K] OKS sigmas as an array."""
        return np.array(self.sigmas, dtype=np.float32)


_LOWER_BODY = ("hip", "knee", "ankle", "toe", "heel")


def _mirrored(joint: str) -> str:
    if joint.startswith("left_"):
        return "right_" + joint.removeprefix("left_")
    if joint.startswith("right_"):
        return "left_" + joint.removeprefix("right_")
    return joint


LIMB_JOINTS = (
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
"""Joints that all skeletons have."""

_LIMB_SIGMAS = (0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089)
_ARMS_AND_LEGS = (
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist"),
    ("left_hip", "left_knee"), ("left_knee", "left_ankle"),
    ("right_hip", "right_knee"), ("right_knee", "right_ankle"),
)  # fmt: skip
_TRUNK = (
    ("left_shoulder", "right_shoulder"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"), ("left_hip", "right_hip"),
)  # fmt: skip

POSETRACK = Skeleton(
    name="posetrack",
    joints=("nose", "head_bottom", "head_top", "left_ear", "right_ear", *LIMB_JOINTS),
    limbs=(("head_bottom", "nose"), ("nose", "head_top"), *_TRUNK, *_ARMS_AND_LEGS),
    sigmas=(0.026, 0.079, 0.06, 0.035, 0.035, *_LIMB_SIGMAS),
    unused=frozenset({"left_ear", "right_ear"}),
)
"""PoseTrack18: 17 slots in file order, 15 in use (its ears are never annotated)."""

_COCO_FACE = (
    ("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear"),
)  # fmt: skip

COCO = Skeleton(
    name="coco",
    joints=("nose", "left_eye", "right_eye", "left_ear", "right_ear", *LIMB_JOINTS),
    limbs=(*_COCO_FACE, *_TRUNK, *_ARMS_AND_LEGS),
    sigmas=(0.026, 0.025, 0.025, 0.035, 0.035, *_LIMB_SIGMAS),
)
"""COCO keypoints: 17 joints."""

_LSP_JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "head_bottom", "head_top",
)  # fmt: skip

LSP = Skeleton(
    name="lsp",
    joints=_LSP_JOINTS,
    limbs=(("head_bottom", "head_top"), *_TRUNK, *_ARMS_AND_LEGS),
    sigmas=(0.089, 0.087, 0.107, 0.107, 0.087, 0.089, 0.062, 0.072, 0.079, 0.079, 0.072, 0.062, 0.079, 0.06),
)
"""Leeds Sports Pose: 14 joints."""

FEET = tuple(f"{side}_{part}" for part in ("big_toe", "small_toe", "heel") for side in ("left", "right"))
"""Joints of the feet: Halpe's and OpenPose's."""

_FOOT_LIMBS = tuple(
    (f"{side}_ankle", f"{side}_{part}") for part in ("big_toe", "small_toe", "heel") for side in ("left", "right")
)
_SPINE_AND_LIMBS = (
    ("neck", "mid_hip"), ("neck", "left_shoulder"), ("neck", "right_shoulder"), ("mid_hip", "left_hip"),
    ("mid_hip", "right_hip"), *_ARMS_AND_LEGS, *_FOOT_LIMBS,
)  # fmt: skip

HALPE_26 = Skeleton(
    name="halpe_26",
    joints=(*COCO.joints, "head_top", "neck", "mid_hip", *FEET),
    limbs=(*_COCO_FACE, ("nose", "head_top"), ("nose", "neck"), *_SPINE_AND_LIMBS),
    sigmas=(*COCO.sigmas, 0.06, 0.079, 0.066, *(0.079,) * len(FEET)),
)
"""Halpe's 26 joints of the body: COCO's, three on the body's axis (there: head, neck, hip), and the feet."""

_BODY_25_JOINTS = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle", "right_eye",
    "left_eye", "right_ear", "left_ear", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
    "right_small_toe", "right_heel",
)  # fmt: skip

BODY_25 = Skeleton(
    name="body_25",
    joints=_BODY_25_JOINTS,
    limbs=(*_COCO_FACE, ("nose", "neck"), *_SPINE_AND_LIMBS),
    sigmas=tuple(HALPE_26.sigmas[HALPE_26.index(joint)] for joint in _BODY_25_JOINTS),
)
"""OpenPose's BODY_25, in the order of its files."""

OPENPOSE_COCO = Skeleton(
    name="openpose_coco",
    joints=tuple(joint for joint in _BODY_25_JOINTS if joint != "mid_hip" and joint not in FEET),
    limbs=(
        *_COCO_FACE, ("nose", "neck"), ("neck", "left_shoulder"), ("neck", "right_shoulder"), ("neck", "left_hip"),
        ("neck", "right_hip"), *_ARMS_AND_LEGS,
    ),
    sigmas=tuple(
        HALPE_26.sigmas[HALPE_26.index(joint)]
        for joint in _BODY_25_JOINTS if joint != "mid_hip" and joint not in FEET
    ),
)  # fmt: skip
"""The 18 joints of OpenPose's COCO model, in the order of its files."""

SKELETONS = {skeleton.name: skeleton for skeleton in (POSETRACK, COCO, LSP, HALPE_26, BODY_25, OPENPOSE_COCO)}


def skeleton_with(joints: Collection[str]) -> Skeleton | None:
    """The skeleton whose joints in use are these, or the first that has them all; ``None`` if none has."""
    wanted = set(joints)
    fitting = [skeleton for skeleton in SKELETONS.values() if wanted <= skeleton.names_in_use]
    return min(fitting, key=lambda skeleton: wanted != skeleton.names_in_use, default=None)
