"""The trackers' settings: which values are taken, which refused, and what holds where nothing is said."""

from __future__ import annotations

import math
from dataclasses import asdict

import pytest

from posetrack.errors import ConfigError
from posetrack.tracker import (
    ConfirmationConfig,
    EvidenceConfig,
    LinkerConfig,
    MergeConfig,
    MotionConfig,
    PropagationConfig,
    RefreshConfig,
)
from posetrack.tracker.pose_nms import ParametricConfig
from posetrack.tracker.selection import SelectionConfig

Config = type[
    ConfirmationConfig
    | EvidenceConfig
    | LinkerConfig
    | MergeConfig
    | MotionConfig
    | ParametricConfig
    | PropagationConfig
    | RefreshConfig
    | SelectionConfig
]
PARAMETRIC = {
    "score_scale": 1.0, "distance_scale_px2": 2.65, "spatial_weight": 1.7, "min_similarity": 22.48,
    "box_share": 0.1, "min_matches": 5, "max_match_px": 7.0,
}  # fmt: skip

MOTION = {"place_noise": 0.03, "acceleration": 0.8, "first_speed": 1.5}

DEFAULTS: dict[Config, dict[str, object]] = {
    PropagationConfig: {
        "min_joint_score": 0.2, "min_joints": 3, "expansion": 0.15, "box_inertia": 0.0, "min_score": 0.2,
        "seen_joint_score": 0.5, "unseen_joint_score": 0.2,
        "seen_half_life_s": 0.8, "unseen_half_life_s": 0.06,
    },
    MergeConfig: {"min_iou": 0.5, "duplicate_iou": 0.8, "detections_first": False},
    EvidenceConfig: {
        "min_iou": 0.5, "min_pose_score": 0.5, "max_covered": 0.5, "max_missed_s": 0.5,
        "min_faint_score": 0.1, "min_faint_pose_score": 0.25,
    },
    RefreshConfig: {"every": 1, "every_s": None, "max_motion": 0.0055, "min_joint_score": 0.3, "max_overlap": 0.3},
    ParametricConfig: PARAMETRIC,
    SelectionConfig: {
        "nms": "oks", "max_oks": 0.5, "min_nms_joint_score": 0.3, "parametric": PARAMETRIC,
        "sure_score": 0.8, "max_sure_iou": 0.3, "max_sure_oks": 0.9, "min_inside": 0.8, "max_part_oks": 0.7,
        "min_pose_score": 0.15, "min_joint_score": 0.2, "calibration": None, "rescore": False,
    },
    LinkerConfig: {
        "similarity": "multi-flow", "matching": "greedy", "queue_s": 0.4, "queue_frames": None,
        "min_similarity": 0.2, "min_joint_score": 0.2, "min_birth_score": 0.4, "min_birth_joints": 3,
        "max_gap_s": 2.4, "max_gap_frames": None, "coasting": True, "motion": MOTION, "recovery_falloff": 0.3,
        "max_recovery_falloff": 0.75, "min_recovery_joints": 5,
        "sides": True, "look_memory_s": 1.0, "look_weight": 0.8,
    },
    MotionConfig: MOTION,
    ConfirmationConfig: {
        "min_person_score": 0.35, "birth_margin": 0.1, "birth_s": 0.25, "staying": 0.6, "memory_s": 2.0,
        "min_track_seconds": 0.0,
    },
}  # fmt: skip

FRACTIONS: dict[Config, list[str]] = {
    PropagationConfig: ["min_joint_score", "box_inertia", "min_score", "seen_joint_score", "unseen_joint_score"],
    MergeConfig: ["min_iou", "duplicate_iou"],
    EvidenceConfig: ["min_iou", "min_pose_score", "max_covered", "min_faint_score", "min_faint_pose_score"],
    RefreshConfig: ["min_joint_score", "max_overlap"],
    ConfirmationConfig: ["min_person_score", "birth_margin", "staying"],
    SelectionConfig: [
        "max_oks",
        "min_nms_joint_score",
        "min_pose_score",
        "min_joint_score",
        "sure_score",
        "max_sure_iou",
        "max_sure_oks",
        "min_inside",
        "max_part_oks",
    ],  # fmt: skip
    LinkerConfig: ["min_similarity", "min_joint_score", "min_birth_score", "look_weight"],
}
SIZES: dict[Config, list[str]] = {
    PropagationConfig: ["expansion", "seen_half_life_s", "unseen_half_life_s"],
    EvidenceConfig: ["max_missed_s"],
    RefreshConfig: ["max_motion"],
    ConfirmationConfig: ["min_track_seconds"],
    LinkerConfig: ["max_gap_s", "recovery_falloff", "max_recovery_falloff"],
}
COUNTS: dict[Config, dict[str, int]] = {
    PropagationConfig: {"min_joints": 1},
    RefreshConfig: {"every": 1},
    LinkerConfig: {"min_birth_joints": 0, "max_gap_frames": 0, "min_recovery_joints": 0, "queue_frames": 1},
}
# Alone, these go against another setting: that is refused in words of its own, tested below.
TIED = {"seen_joint_score": 0, "unseen_joint_score": 1, "seen_half_life_s": 0, "unseen_half_life_s": 0,
        "recovery_falloff": 0, "max_recovery_falloff": 0}  # fmt: skip


@pytest.mark.parametrize("config", DEFAULTS)
def test_settings_that_nobody_chose(config: Config) -> None:
    assert asdict(config()) == DEFAULTS[config]


@pytest.mark.parametrize(
    ("config", "name"), [(config, name) for config in FRACTIONS for name in FRACTIONS[config]]
)
def test_fractions_reach_from_0_to_1(config: Config, name: str) -> None:
    for value in (0, 1):
        if TIED.get(name) != value:
            assert getattr(config(**{name: value}), name) == value
    for value in (-0.001, 1.001, math.inf):
        with pytest.raises(ConfigError, match=f"^{name} must lie between 0 and 1, not {value!r}\\.$"):
            config(**{name: value})


@pytest.mark.parametrize(("config", "name"), [(config, name) for config in SIZES for name in SIZES[config]])
def test_sizes_are_finite_and_not_negative(config: Config, name: str) -> None:
    if TIED.get(name) != 0:
        assert getattr(config(**{name: 0}), name) == 0
    for value in (-0.001, math.inf):
        with pytest.raises(ConfigError, match=f"^{name} must be 0 or more, not {value!r}\\.$"):
            config(**{name: value})


@pytest.mark.parametrize(
    ("config", "name", "least"),
    [(config, name, COUNTS[config][name]) for config in COUNTS for name in COUNTS[config]],
)
def test_counts_are_whole_and_have_a_least_value(config: Config, name: str, least: int) -> None:
    assert getattr(config(**{name: least}), name) == least
    with pytest.raises(ConfigError, match=f"^{name} must be a whole number, {least} or more, not {least - 1}\\.$"):
        config(**{name: least - 1})


@pytest.mark.parametrize(
    ("config", "name"),
    [
        *((LinkerConfig, name) for name in ("queue_s", "look_memory_s")),
        *((ConfirmationConfig, name) for name in ("birth_s", "memory_s")),
        *((MotionConfig, name) for name in MOTION),
    ],
)
def test_lengths_and_noise_are_finite_and_above_nothing(config: Config, name: str) -> None:
    assert getattr(config(**{name: 0.001}), name) == 0.001
    for value in (0, -1, math.inf):
        with pytest.raises(ConfigError, match=f"^{name} must be above 0, not {value!r}\\.$"):
            config(**{name: value})


def test_seen_and_unseen_people_have_scores_and_half_lives_in_this_order() -> None:
    PropagationConfig(unseen_joint_score=0.49, seen_joint_score=0.5)
    PropagationConfig(unseen_half_life_s=20, seen_half_life_s=20)
    PropagationConfig(unseen_half_life_s=0.01)
    for unseen in (0.5, 0.51):
        with pytest.raises(ConfigError, match="unseen_joint_score must be below seen_joint_score"):
            PropagationConfig(unseen_joint_score=unseen, seen_joint_score=0.5)
    for unseen in (0, 20.1):
        with pytest.raises(ConfigError, match="unseen_half_life_s must be above 0 and at most"):
            PropagationConfig(unseen_half_life_s=unseen, seen_half_life_s=20)


def test_the_tolerance_for_lost_people_is_above_nothing_and_at_most_its_bound() -> None:
    LinkerConfig(recovery_falloff=0.75, max_recovery_falloff=0.75)
    LinkerConfig(recovery_falloff=0.001)
    for falloff in (0, 0.7501):
        with pytest.raises(ConfigError, match="recovery_falloff must be above 0 and at most max_recovery_falloff"):
            LinkerConfig(recovery_falloff=falloff, max_recovery_falloff=0.75)
