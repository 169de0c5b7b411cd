"""The benchmark run: tracks the images of a PoseTrack tree, writes predictions, evaluates them.

    ROOT/annotations/SPLIT/NAME.json     ground truth, PoseTrack18 or PoseTrack17 (annolist)
    ROOT/images/...                      where the ground truth says that its images are

Predictions bear the ground truth's file names and list its images in its order, as the evaluators read them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from posetrack import __version__
from posetrack.errors import ConfigError, DataFormatError, VideoError
from posetrack.evaluation import EvaluationResult, evaluate
from posetrack.formats.annotations import Annotations
from posetrack.formats.pending import check_outputs, output_folder, write_file
from posetrack.formats.reading import load_json, parse_annotations
from posetrack.formats.tracked import annotations_of
from posetrack.formats.writing import write_posetrack17, write_posetrack18
from posetrack.networks import weight_files
from posetrack.presets import PRESETS, Changes, Preset, Propagation, customised, in_every_frame
from posetrack.tracker.matching import MATCHINGS
from posetrack.tracker.similarity import SIMILARITIES
from posetrack.video import ReadOptions
from posetrack.video.images import ImageReader
from posetrack.video.readers import Source
from posetrack.zoo import ModelStore

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

LAYOUTS: dict[str, tuple[str, Callable[[Path, Sequence[Annotations]], None]]] = {
    "posetrack18": ("images", write_posetrack18),
    "posetrack17": ("annolist", write_posetrack17),
}
"""Name of a tree's layout -> the list by which its files are known, and what writes them."""

_FRAMES_PER_S = 25.0  # PoseTrack's videos do not say, and nothing depends on it


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the paper's table of ablations.

    Attributes:
        propagation: Carry boxes into the next frame (the paper's joint propagation).
        similarity: ``bbox``, ``pose``, ``flow`` or ``multi-flow``.
        matching: ``greedy`` or ``hungarian``.
    """

    propagation: bool = True
    similarity: str = "multi-flow"
    matching: str = "greedy"

    def __post_init__(self) -> None:
        for option, chosen, known in (
            ("similarity", self.similarity, SIMILARITIES),
            ("matching", self.matching, MATCHINGS),
        ):
            if chosen not in known:
                raise ConfigError(f"there is no {option} {chosen!r}; choose one of {', '.join(known)}.")

    @property
    def name(self) -> str:
        """For folders: ``propagation_multi-flow_greedy``."""
        return f"{'propagation' if self.propagation else 'detections'}_{self.similarity}_{self.matching}"

    def of(self, preset: Preset) -> Preset:
        """The preset with this setting. ``auto`` is every frame: rows differ in nothing else.

        Raises:
            ConfigError: the preset has no propagation to turn on.
        """
        if self.propagation and preset.pipeline.propagation is None:
            raise ConfigError(f"the preset {preset.name!r} does not propagate: leave propagation off.")
        propagation: Propagation = "paper" if self.propagation else "off"
        changes = Changes(propagation=propagation, similarity=self.similarity, matching=self.matching)
        return customised(in_every_frame(preset), changes)


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig:
    """What is tracked, and where the predictions go.

    Attributes:
        layout: Of the tree: a key of ``LAYOUTS``.
        split: Folder of ``annotations``.
        sequences: Names of annotation files without ``.json``; empty: all of the split.
        limit: At most so many sequences, the first by name.
        output: Folder of the predictions, by split and setting.
        overwrite: Track again what is there already.
        preset: Networks and settings that all rows have in common.
        models_dir: Folder of downloaded weights; None: the user's.
    """

    layout: str = "posetrack18"
    split: str = "val"
    sequences: tuple[str, ...] = ()
    limit: int | None = None
    output: Path = Path("benchmark")
    overwrite: bool = False
    preset: Preset = field(default_factory=lambda: PRESETS["lite"])
    models_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ConfigError(f"there is no layout {self.layout!r}; choose one of {', '.join(LAYOUTS)}.")
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit is {self.limit}; give at least 1.")


@dataclass(frozen=True, slots=True, eq=False)
class BenchmarkRow:
    """A setting, the folder of its predictions, and their figures."""

    setting: Setting
    predictions: Path
    result: EvaluationResult

    def as_dict(self) -> dict[str, Any]:
        """The setting's fields, ``predictions``, ``total`` and ``sequences`` (see ``EvaluationResult``)."""
        setting = self.setting
        return {
            "propagation": setting.propagation,
            "similarity": setting.similarity,
            "matching": setting.matching,
            "predictions": str(self.predictions),
            **self.result.as_dict(),
        }


BenchmarkObserver = Callable[[str, int, int], None]
"""Is told after each frame what is tracked, how many frames of all settings are done, and how many there are."""


def run_benchmark(
    root: str | Path,
    config: BenchmarkConfig | None = None,
    *,
    settings: Sequence[Setting] = (Setting(),),
    tracker: Callable[[Preset], PoseTracker] | None = None,
    observer: BenchmarkObserver | None = None,
) -> list[BenchmarkRow]:
    """Track and evaluate the sequences of a tree once for every setting.

    Sequences whose predictions are there already are not tracked again. Every combination of tree, preset
    (with its networks) and version has a folder of predictions of its own, so that nothing old is taken for new.

    Args:
        root: Folder that holds ``annotations`` and ``images``.
        config: What is tracked, and where the predictions go.
        settings: The rows.
        tracker: Makes the tracker of a preset, when one is needed. Stages of one's own are not told apart
            by the folders: give them an ``output`` of their own.
        observer: Is told of the progress.

    Returns:
        A row for each setting, in order.

    Raises:
        DataFormatError: folders, annotations or images are missing, or an annotation file breaks a rule.
        ConfigError: a setting that the preset does not allow.
        VideoError, OutputError: an image cannot be read, or predictions written.
    """
    config, root = config or BenchmarkConfig(), Path(root)
    presets = [setting.of(config.preset) for setting in settings]
    paths = _annotation_files(root, config)
    videos = {path: _videos(path, root, config.layout) for path in paths}
    frames = sum(len(video.images) for parts in videos.values() for video in parts)
    progress = _Progress(frames * len(presets), observer)
    rows = []
    for setting, preset in zip(settings, presets, strict=True):
        folder, made_with = _folder(root, config, setting, preset)
        told = folder.with_name(f"{folder.name}.settings.json")
        made: PoseTracker | None = None
        with output_folder(folder):
            for path, parts in videos.items():
                target = folder / path.name
                progress.begin(f"{setting.name} {path.stem}")
                if target.is_file() and not config.overwrite:
                    progress.advance(sum(len(video.images) for video in parts))
                    continue
                check_outputs([target, told], overwrite=config.overwrite or told.is_file(), inputs=[path])
                made = made or (_default_tracker(preset, config) if tracker is None else tracker(preset))
                tracked = [_tracked(made, root, video, progress) for video in parts]
                if not told.exists():
                    write_file(told, made_with)
                LAYOUTS[config.layout][1](target, tracked)
        result = evaluate(_annotations(root, config), folder, sequences=[path.stem for path in paths])
        rows.append(BenchmarkRow(setting, folder, result))
    return rows


def _default_tracker(preset: Preset, config: BenchmarkConfig) -> PoseTracker:
    from posetrack.pose_tracker import PoseTracker

    return PoseTracker(preset, models_dir=config.models_dir)


def _annotations(root: Path, config: BenchmarkConfig) -> Path:
    return root / "annotations" / config.split


def _annotation_files(root: Path, config: BenchmarkConfig) -> list[Path]:
    """The ground truths that are wanted, by name."""
    folder = _annotations(root, config)
    if not folder.is_dir():
        raise DataFormatError(
            f"{folder}: there is no such folder; ROOT must hold annotations/{config.split} and images, "
            "as PoseTrack's archives unpack."
        )
    paths = {path.stem: path for path in sorted(folder.glob("*.json"))}
    if not paths:
        raise DataFormatError(f"{folder}: the folder has no .json files; unpack PoseTrack's annotations there.")
    for name in config.sequences:
        if name not in paths:
            raise DataFormatError(f"{folder}: there is no sequence {name}.json; the first there is {min(paths)}.")
    return [paths[name] for name in paths if not config.sequences or name in config.sequences][: config.limit]


def _videos(path: Path, root: Path, layout: str) -> list[Annotations]:
    """The videos of a ground truth, whose images are all there."""
    data = load_json(path)
    if not isinstance(data, dict) or LAYOUTS[layout][0] not in data:
        other = next(name for name in LAYOUTS if name != layout)
        raise DataFormatError(
            f"{path}: this is no {layout} ground truth (there is no '{LAYOUTS[layout][0]}'); try 'posetrack "
            f"benchmark {other}'."
        )
    videos = parse_annotations(path, data)
    images = [root / image["file_name"] for video in videos for image in video.images]
    if not images:
        raise DataFormatError(f"{path}: the file names no images; download it again.")
    missing = [image for image in images if not image.is_file()]
    if missing:
        raise DataFormatError(
            f"{missing[0]}: there is no such image, which {path} names ({len(missing)} of its {len(images)} are "
            f"missing); unpack PoseTrack's images into {root}."
        )
    return videos


def _tracked(tracker: PoseTracker, root: Path, video: Annotations, progress: _Progress) -> Annotations:
    """Predictions for every image of a video, labelled or not."""
    poses = []
    paths = [root / image["file_name"] for image in video.images]
    with Source(ImageReader(paths, _FRAMES_PER_S), ReadOptions(), video.video) as source:
        for _, people in tracker.track(source):
            poses.append(people)
            progress.advance(1)
        if source.incomplete:
            raise VideoError(f"{video.path.stem}: {source.incomplete}")
    return annotations_of(video.path, video.video, list(map(_undrawn, video.images)), poses)


def _undrawn(image: dict[str, Any]) -> dict[str, Any]:
    """What predictions say of an image: all but what was drawn on it by hand."""
    return {key: value for key, value in image.items() if not key.startswith("ignore_regions")}


def _folder(root: Path, config: BenchmarkConfig, setting: Setting, preset: Preset) -> tuple[Path, bytes]:
    """The folder of a setting's predictions, named after all they depend on; and that, as JSON."""
    networks = weight_files(preset, ModelStore(config.models_dir))
    made_with = orjson.dumps(
        {
            "version": __version__,
            "root": str(root.resolve()),
            "preset": preset,
            "networks": {name: sha256(path.read_bytes()).hexdigest() for name, path in networks.items()},
        },
        option=orjson.OPT_INDENT_2,
    )
    name = f"{setting.name}_{sha256(made_with).hexdigest()[:8]}"
    return config.output / f"{config.layout}_{config.split}" / name, made_with


class _Progress:
    """Counts frames for an observer."""

    def __init__(self, total: int, observer: BenchmarkObserver | None) -> None:
        self._total, self._observer = total, observer
        self._done = 0
        self._what = ""

    def begin(self, what: str) -> None:
        """Another sequence."""
        self._what = what

    def advance(self, frames: int) -> None:
        """So many more frames are done."""
        self._done += frames
        if self._observer is not None:
            self._observer(self._what, self._done, self._total)
