"""Settings of the wrong type, or out of range, are refused in one sentence that says what is allowed."""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest

import posetrack
from posetrack.batch.chunks import ChunkConfig
from posetrack.batch.config import BatchConfig
from posetrack.batch.ray_pool import RayConfig
from posetrack.benchmark import BenchmarkConfig
from posetrack.errors import ConfigError
from posetrack.flow.dis import DisConfig
from posetrack.flow.farneback import FarnebackConfig
from posetrack.flow.lucas_kanade import LucasKanadeConfig
from posetrack.flow.raft import RaftConfig
from posetrack.flow.shots import ShotConfig
from posetrack.formats.conversion import ConversionConfig
from posetrack.models.detector import DetectorConfig
from posetrack.models.pose import PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import PRESETS
from posetrack.ranges import require_above, require_at_least, require_fraction, require_one_of, require_whole
from posetrack.realtime import AdaptiveConfig
from posetrack.refine.edits import Mark
from posetrack.refine.priors import Subject
from posetrack.skeletons import POSETRACK
from posetrack.synthetic.backdrops import Backdrop
from posetrack.synthetic.camera import Camera
from posetrack.synthetic.outfits import Column, random_outfit
from posetrack.synthetic.performers import Performer
from posetrack.synthetic.scene import Scene, Shot
from posetrack.tracker.pose_nms import ParametricConfig
from posetrack.training.detector import DetectorTraining
from posetrack.training.detector_data import SceneConfig
from posetrack.training.pose import DataSource, PoseTraining
from posetrack.training.schedule import Schedule
from posetrack.video import ReadOptions
from posetrack.video.live import LiveConfig
from posetrack.video.outputs import Outputs
from posetrack.zoo.policy import DownloadPolicy

NO_SETTINGS = {
    "Discovery", "FoundClip", "PlannedClip", "Plan", "Planner", "ClipRecord", "ClipTask", "ClipResult",
    "SplitTask", "SplitResult", "ChunkTask", "StitchTask", "FittingTable", "Annotations", "Interface",
    "Clip", "Cues", "Digits", "Frame", "Grid", "Header", "Poses", "Sighting", "ReportRow",
    "Thumbnail", "Skeleton", "SourceInfo", "LabelledPerson", "Colour",
    "Picture", "Entry", "PresetTracker", "TrackOptions", "DrawingOptions", "RefineOptions",
    "Track", "People", "RefinedPeople", "ClipFormat", "JointAngle", "Scale", "Body",
    "Step", "History", "Meta", "Repetition",
}  # fmt: skip
"""Made by the package; Typer checks the options, and PoseTracker what a ``PresetTracker`` gives it."""


def settings() -> Iterator[Any]:
    """Every public frozen dataclass of the package with a default, apart from those above."""
    for module in pkgutil.walk_packages(posetrack.__path__, "posetrack."):
        if module.name.endswith("__main__"):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if not (isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.name):
                continue
            fields, name = dataclasses.fields(kind), kind.__name__
            default = any(f.default is not f.default_factory for f in fields)  # both are MISSING without one
            if default and kind.__dataclass_params__.frozen and name[0] != "_" and name not in NO_SETTINGS:
                yield kind


SOURCE = DataSource(annotations=Path("a.json"), images=Path("images"))
OUTFIT, BACKDROP = random_outfit(np.random.default_rng(0)), Backdrop(place="street", seed=0)
CAMERA = Camera(width=64, height=48, focal_px=60, altitude_m=2, pitch=0.1)
SHOT = Shot(camera=CAMERA, backdrop=BACKDROP, people=(), frame_count=1)
EXAMPLES = [
    SOURCE, OUTFIT, BACKDROP, CAMERA, SHOT, Scene(name="a", shots=(SHOT,)), PRESETS["lite"], Schedule(epochs=1),
    Performer(outfit=OUTFIT, path=((0, 0, 0),)), Column(x=0, z=0, radius=1, height=1, colour=(0.1, 0.1, 0.1)),
    BatchConfig(tracker=lambda compute: PoseTracker()), ConversionConfig(to="mot"),
    Subject(kind="largest"), Mark(person=1), PoseFormat(skeleton=POSETRACK, width=32, height=32),
    DetectorTraining(train=(SOURCE,), validation=SOURCE), PoseTraining(train=(SOURCE,), validation=SOURCE),
]  # fmt: skip
"""Settings of which something must be given."""
FIELDS = [
    pytest.param(config, field.name, id=f"{type(config).__name__}.{field.name}")
    for config in [*EXAMPLES, *(kind() for kind in settings() if kind not in map(type, EXAMPLES))]
    for field in dataclasses.fields(config)
]


def wrong_values(hint: Any) -> list[object]:
    """Values that an annotation does not allow."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    samples = {str: "yes", bool: True, float: 1.5, Path: Path("a"), NoneType: None}
    values = [value for kind, value in samples.items() if kind not in kinds]
    return [*values, *([] if {int, float} & set(kinds) else [3]), math.nan, object(), [object()]]


LIMITS = [
    (DisConfig, "max_side_px", 32), (FarnebackConfig, "max_side_px", 32), (FarnebackConfig, "window_px", 3),
    (FarnebackConfig, "levels", 1), (FarnebackConfig, "iterations", 1), (LucasKanadeConfig, "max_side_px", 32),
    (LucasKanadeConfig, "window_px", 3), (LucasKanadeConfig, "levels", 0), (LucasKanadeConfig, "cell_px", 0),
    (RaftConfig, "max_side_px", 32), (RaftConfig, "iterations", 1), (ShotConfig, "thumbnail_px", 32),
    (DetectorConfig, "short_side", 1), (DetectorConfig, "max_people", 1), (PoseConfig, "max_batch", 1),
    (ParametricConfig, "min_matches", 1), (LiveConfig, "patience_s", 0), (LiveConfig, "in_flight", 1),
    (AdaptiveConfig, "cases", 1), (ChunkConfig, "chunk_s", 0), (ChunkConfig, "overlap_frames", 1),
    (ReadOptions, "stride", 1), (ReadOptions, "max_frames", 1), (DownloadPolicy, "tries", 1),
    (RayConfig, "node_losses", 0), (BenchmarkConfig, "limit", 1),
]  # fmt: skip


def shown(setting: tuple[Any, ...]) -> str:
    return f"{setting[0].__name__}.{setting[1]}"


@pytest.mark.parametrize(("config", "name"), FIELDS)
def test_a_value_of_another_kind_is_refused_by_name(config: Any, name: str) -> None:
    for value in wrong_values(get_type_hints(type(config))[name]):
        with pytest.raises(ConfigError, match=rf"^(\w+\.)?{name} must be .*, not .*\.$"):
            dataclasses.replace(config, **{name: value})


def test_numbers_and_flags_of_numpy_and_lists_are_taken() -> None:
    PoseConfig(flip_test=np.bool_(True), max_batch=np.int64(3))
    DetectorConfig(score_threshold=np.float32(0.5), short_side=None)
    ReadOptions(start_s=Fraction(1, 3), stride=2)
    assert Outputs(formats=["csv"]).formats == ["csv"]  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^scenes.grids must be a tuple\[tuple\[int, int\], \.\.\.\], not "):
        SceneConfig(grids=((1, 1, 1),))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^sequences must be a tuple\[str, \.\.\.\], not 'all'\.$"):
        BenchmarkConfig(sequences="all")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"^detect_every must be a whole number or 'auto', not 'Auto'\.$"):
        dataclasses.replace(PRESETS["lite"], detect_every="Auto")  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", LIMITS, ids=shown)
def test_the_least_value_is_taken_and_the_next_one_refused(limit: tuple[Any, str, int]) -> None:
    config, name, least = limit
    assert getattr(config(**{name: least}), name) == least
    with pytest.raises(ConfigError, match=name):
        config(**{name: least - 1})


@pytest.mark.parametrize(("config", "name"), [(DisConfig, "preset"), (PoseConfig, "codec")])
@pytest.mark.parametrize("value", ["slow", "Fast", ""])
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
    ):
        with pytest.raises(ConfigError, match=r"^a must .*\.$"):
            refuse()
