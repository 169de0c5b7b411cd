"""Benchmark: tracks the images of a PoseTrack tree, writes predictions and evaluates them.

    ROOT/annotations/SPLIT/NAME.json     ground truth, PoseTrack18 or PoseTrack17 (annolist)
    ROOT/posetrack_data/SPLIT/NAME.json  ground truth of PoseTrack21
    ROOT/images/...                      images, at the paths that the ground truth gives

Predictions have the ground truth's file names and list its images in its order, as evaluators expect.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from posetrack import __version__
from posetrack.benchmark.settings import LAYOUTS, BenchmarkConfig, Setting
from posetrack.errors import DataFormatError, VideoError
from posetrack.evaluation import EvaluationResult, evaluate
from posetrack.files.pending import check_outputs, output_folder, write_file
from posetrack.formats.annotations import Annotations
from posetrack.formats.reading import load_json, parse_annotations
from posetrack.formats.tracked import annotations_of
from posetrack.networks import weight_files, weights_hash
from posetrack.presets import Preset
from posetrack.refine.poses import refined_poses
from posetrack.types import NO_IMAGE, Frame, Poses
from posetrack.video import ReadOptions
from posetrack.video.images import ImageReader
from posetrack.video.readers import Source
from posetrack.zoo import ModelStore

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

_FRAMES_PER_S = 25.0  # PoseTrack does not give it; tracking does not depend on it, and the second pass hardly does


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
            "second_pass": setting.second_pass,
            "predictions": str(self.predictions),
            **self.result.as_dict(),
        }


BenchmarkObserver = Callable[[str, int, int], None]
"""Called after each frame with what is being tracked, the number of frames done, and the total of all settings."""


def run_benchmark(
    root: str | Path,
    config: BenchmarkConfig | None = None,
    *,
    settings: Sequence[Setting] = (Setting(),),
    tracker: Callable[[Preset], PoseTracker] | None = None,
    observer: BenchmarkObserver | None = None,
) -> list[BenchmarkRow]:
    """Track and evaluate the sequences of a tree once for every setting.

    Sequences that already have predictions are not tracked again. Each combination of tree, preset (with its
    networks) and version has its own folder of predictions, so that old results are never taken for new ones.

    Args:
        root: Folder that holds the ground truths and ``images``.
        config: What to track, and where predictions go.
        settings: Rows of the table.
        tracker: Makes the tracker for a preset, when one is needed. Folders do not distinguish custom stages:
            give those a separate ``output``.
        observer: Called with the progress.

    Returns:
        A row per setting, in order.

    Raises:
        DataFormatError: folders, annotations or images are missing, or an annotation file is malformed.
        ConfigError: the preset does not allow a setting.
        VideoError: an image cannot be read.
        OutputError: predictions cannot be written.
    """
    config, root = config or BenchmarkConfig(), Path(root)
    presets = [config.preset_of(setting) for setting in settings]
    paths = _annotation_files(root, config)
    videos = {path: _videos(path, root, config.layout) for path in paths}
    frames = sum(len(video.images) for parts in videos.values() for video in parts)
    progress = _Progress(frames * len(presets), observer)
    rows = []
    for setting, preset in zip(settings, presets, strict=True):
        folder, made_with = _folder(root, config, setting, preset)
        recorded = folder.with_name(f"{folder.name}.settings.json")
        made: PoseTracker | None = None
        with output_folder(folder):
            for path, parts in videos.items():
                target = folder / path.name
                progress.begin(f"{setting.name} {path.stem}")
                if target.is_file() and not config.overwrite:
                    progress.advance(sum(len(video.images) for video in parts))
                    continue
                check_outputs([target, recorded], overwrite=config.overwrite or recorded.is_file(), inputs=[path])
                made = made or (_default_tracker(preset, config) if tracker is None else tracker(preset))
                tracked = [_tracked(made, root, video, setting, progress) for video in parts]
                if not recorded.exists():
                    write_file(recorded, made_with)
                LAYOUTS[config.layout].write(target, tracked)
        result = evaluate(_annotations(root, config), folder, sequences=[path.stem for path in paths])
        rows.append(BenchmarkRow(setting, folder, result))
    return rows


def _default_tracker(preset: Preset, config: BenchmarkConfig) -> PoseTracker:
    from posetrack.pose_tracker import PoseTracker

    return PoseTracker(preset, models_dir=config.models_dir)


def _annotations(root: Path, config: BenchmarkConfig) -> Path:
    return root / LAYOUTS[config.layout].truths / config.split


def _annotation_files(root: Path, config: BenchmarkConfig) -> list[Path]:
    """Selected ground truths, sorted by name."""
    folder = _annotations(root, config)
    if not folder.is_dir():
        raise DataFormatError(
            f"{folder}: there is no such folder; ROOT must hold "
            f"{LAYOUTS[config.layout].truths}/{config.split} and images, as PoseTrack's archives unpack."
        )
    paths = {path.stem: path for path in sorted(folder.glob("*.json"))}
    if not paths:
        raise DataFormatError(f"{folder}: the folder has no .json files; unpack PoseTrack's annotations there.")
    for name in config.sequences:
        if name not in paths:
            raise DataFormatError(f"{folder}: there is no sequence {name}.json; the first one is {min(paths)}.")
    return [paths[name] for name in paths if not config.sequences or name in config.sequences][: config.limit]


def _videos(path: Path, root: Path, layout: str) -> list[Annotations]:
    """Videos of a ground truth. All of their images must exist."""
    data = load_json(path)
    needed = LAYOUTS[layout].identified_by
    if not isinstance(data, dict) or needed not in data:
        other = next(name for name, one in LAYOUTS.items() if one.identified_by != needed)
        raise DataFormatError(
            f"{path}: this is not a {layout} ground truth ('{needed}' is missing); "
            f"try 'posetrack benchmark {other}'."
        )
    videos = parse_annotations(path, data)
    images = [root / image["file_name"] for video in videos for image in video.images]
    if not images:
        raise DataFormatError(f"{path}: the file names no images; download it again.")
    missing = [image for image in images if not image.is_file()]
    if missing:
        raise DataFormatError(
            f"{missing[0]}: the image that {path} names is missing ({len(missing)} of its {len(images)} are); "
            f"unpack PoseTrack's images into {root}."
        )
    return videos


def _tracked(
    tracker: PoseTracker, root: Path, video: Annotations, setting: Setting, progress: _Progress
) -> Annotations:
    """Predict for every image of a video, labelled or not."""
    found: list[tuple[Frame, Poses]] = []
    paths = [root / image["file_name"] for image in video.images]
    with Source(ImageReader(paths, _FRAMES_PER_S), ReadOptions(), video.video) as source:
        for frame, people in tracker.track(source):
            found.append((replace(frame, image=NO_IMAGE), people))
            progress.advance(1)
        if source.incomplete:
            raise VideoError(f"{video.path.stem}: {source.incomplete}")
        poses = refined_poses(found, source.info) if setting.second_pass else [people for _, people in found]
    return annotations_of(video.path, video.video, list(map(_undrawn, video.images)), poses)


def _undrawn(image: dict[str, Any]) -> dict[str, Any]:
    """An image's entry for predictions: without the ignore regions, which are annotated by hand."""
    return {key: value for key, value in image.items() if not key.startswith("ignore_regions")}


def _folder(root: Path, config: BenchmarkConfig, setting: Setting, preset: Preset) -> tuple[Path, bytes]:
    """The folder for a setting's predictions, named after all that they depend on, and those facts as JSON."""
    networks = weight_files(preset, ModelStore(config.models_dir))
    made_with = orjson.dumps(
        {
            "version": __version__,
            "root": str(root.resolve()),
            "preset": preset,
            "networks": {name: weights_hash(path) for name, path in networks.items()},
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
        """Start a sequence."""
        self._what = what

    def advance(self, frames: int) -> None:
        """Count frames as done."""
        self._done += frames
        if self._observer is not None:
            self._observer(self._what, self._done, self._total)
