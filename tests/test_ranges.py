"""Settings of another kind, or out of range, are one sentence that names the setting and what it may be."""

import dataclasses
import math
from typing import Any

import pytest

from posetrack.batch.chunks import ChunkConfig
from posetrack.batch.stitch import StitchConfig
from posetrack.errors import ConfigError
from posetrack.flow.dis import DisConfig
from posetrack.flow.farneback import FarnebackConfig
from posetrack.flow.lucas_kanade import LucasKanadeConfig
from posetrack.flow.raft import RaftConfig
from posetrack.flow.shots import ShotConfig
from posetrack.models.detector import DetectorConfig
from posetrack.models.pose import PoseConfig
from posetrack.ranges import require_above, require_at_least, require_fraction, require_one_of, require_whole
from posetrack.realtime import AdaptiveConfig
from posetrack.tracker.pose_nms import ParametricConfig
from posetrack.video import ReadOptions
from posetrack.video.draw import AnnotatorConfig
from posetrack.video.encoder import EncodingConfig
from posetrack.video.live import LiveConfig
from posetrack.zoo.policy import DownloadPolicy

CONFIGS: list[Any] = [
    ChunkConfig, StitchConfig, DisConfig, FarnebackConfig, LucasKanadeConfig, RaftConfig, ShotConfig,
    DetectorConfig, PoseConfig, AdaptiveConfig, ParametricConfig, ReadOptions, AnnotatorConfig,
    EncodingConfig, LiveConfig, DownloadPolicy,
]  # fmt: skip
NUMBERS = [
    (config, field.name)
    for config in CONFIGS
    for field in dataclasses.fields(config)
    if type(field.default) in (int, float) or (field.default is None)
]
LIMITS = [
    (DisConfig, "max_side_px", 32), (FarnebackConfig, "max_side_px", 32), (FarnebackConfig, "window_px", 3),
    (FarnebackConfig, "levels", 1), (FarnebackConfig, "iterations", 1), (LucasKanadeConfig, "max_side_px", 32),
    (LucasKanadeConfig, "window_px", 3), (LucasKanadeConfig, "levels", 0), (LucasKanadeConfig, "cell_px", 0),
    (RaftConfig, "max_side_px", 32), (RaftConfig, "iterations", 1), (ShotConfig, "thumbnail_px", 32),
    (DetectorConfig, "short_side", 1), (DetectorConfig, "max_people", 1), (PoseConfig, "max_batch", 1),
    (ParametricConfig, "min_matches", 1), (LiveConfig, "patience_s", 0), (LiveConfig, "in_flight", 1),
    (AdaptiveConfig, "cases", 1), (ChunkConfig, "chunk_s", 0), (ChunkConfig, "overlap_frames", 1),
    (ReadOptions, "stride", 1), (ReadOptions, "max_frames", 1), (DownloadPolicy, "tries", 1),
]  # fmt: skip


def shown(setting: tuple[Any, ...]) -> str:
    return f"{setting[0].__name__}.{setting[1]}"


@pytest.mark.parametrize("setting", NUMBERS, ids=shown)
@pytest.mark.parametrize("value", ["3", [1], math.nan], ids=str)
def test_a_number_of_another_kind_is_refused_by_name(setting: tuple[Any, str], value: object) -> None:
    config, name = setting
    said = name.removesuffix("_s") if config is ReadOptions else name
    with pytest.raises(ConfigError, match=rf"^{said}\w* .*\.$"):
        config(**{name: value})


@pytest.mark.parametrize("limit", LIMITS, ids=shown)
def test_the_least_value_is_taken_and_the_next_one_refused(limit: tuple[Any, str, int]) -> None:
    config, name, least = limit
    assert getattr(config(**{name: least}), name) == least
    with pytest.raises(ConfigError, match=name):
        config(**{name: least - 1})


@pytest.mark.parametrize(("config", "name"), [(DisConfig, "preset"), (PoseConfig, "codec")])
@pytest.mark.parametrize("value", ["slow", ["fast"], None, 3], ids=str)
def test_an_unknown_choice_is_answered_with_the_known_ones(config: Any, name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^{name} must be one of \w[\w, -]+, not .*\.$"):
        config(**{name: value})


def test_the_ends_of_ranges() -> None:
    require_fraction(a=0, b=1, c=0.5)
    require_at_least(2, a=2, b=2.5)
    require_above(0, a=1e-9)
    require_whole(1, a=1, b=10**9)
    require_one_of(["x", "y"], a="y")
    for refuse in (
        lambda: require_fraction(a=-1e-9),
        lambda: require_fraction(a=1 + 1e-9),
        lambda: require_at_least(2, a=math.inf),
        lambda: require_at_least(2, a=1.999),
        lambda: require_above(0, a=0),
        lambda: require_above(0, a=math.inf),
        lambda: require_whole(1, a=0),
        lambda: require_whole(1, a=1.0),
    ):
        with pytest.raises(ConfigError, match=r"^a must .*\.$"):
            refuse()
