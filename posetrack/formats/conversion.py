"""Converts files of poses from one format to another, and says what is lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.files.pending import check_outputs, output_folder
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import number_or_nan
from posetrack.formats.coco_results import parse_coco_results
from posetrack.formats.foreign import (
    ForeignFile,
    foreign_json,
    lost_in_clip_format,
    only_people,
    read_foreign,
    with_rate,
)
from posetrack.formats.joints import require_computable
from posetrack.formats.losses import TABLES, lost_in_reading, lost_in_writing
from posetrack.formats.mot import parse_mot
from posetrack.formats.naming import official_ids
from posetrack.formats.openpose import is_openpose
from posetrack.formats.reading import (
    files_in,
    is_folder,
    load_json,
    load_text,
    parse_annotations,
    read_annotations,
)
from posetrack.formats.results import are_frame_numbers
from posetrack.formats.table_content import Table, is_table, load_table
from posetrack.formats.tables import parse_table
from posetrack.formats.whole_clips import CLIP_FORMATS
from posetrack.formats.writing import (
    write_coco_results,
    write_mot,
    write_posetrack17,
    write_posetrack18,
    write_table,
)
from posetrack.ranges import require_above, require_kinds
from posetrack.skeletons import SKELETONS, Skeleton

SUFFIXES = {
    "posetrack18": ".json",
    "posetrack17": ".json",
    "coco": ".json",
    "mot": ".txt",
    "csv": ".csv",
    "parquet": ".parquet",
    **{name: form.ending for name, form in CLIP_FORMATS.items()},
}
"""Formats that can be converted to, and the endings of their files."""

_SAME_TIME_S = 1e-5
"""Files round times to microseconds."""

_ONE_VIDEO = ("mot", *TABLES, *CLIP_FORMATS)
"""Formats whose files hold one video."""

_WRITERS: dict[str, Callable[[Path, Sequence[Annotations], Skeleton], None]] = {
    "posetrack18": lambda path, videos, _: write_posetrack18(path, videos),
    "posetrack17": lambda path, videos, _: write_posetrack17(path, videos),
    "coco": write_coco_results,
    "mot": lambda path, videos, _: write_mot(path, videos),
    "csv": lambda path, videos, _: write_table(path, videos, "csv"),
    "parquet": lambda path, videos, _: write_table(path, videos, "parquet"),
}


_SLOWEST, _FASTEST = 1e-5, 1e6
"""Frames per second, from one a day to what no camera reaches."""

_IN_METRES = ("trc", "c3d", "bvh")
"""Formats of positions that may be in metres."""


@dataclass(frozen=True, kw_only=True)
class ConversionConfig:
    """How files are converted.

    Attributes:
        to: Format to write: a key of ``SUFFIXES``.
        coco_joints: Joints of COCO results, read or written: a key of ``SKELETONS``.
        like: PoseTrack file (or folder of files of the same names) that names the images of COCO results,
            MOTChallenge text or tables, which do not. ``None`` makes names up.
        overwrite: Replace existing files, but never one that is read.
        fps: Frames per second; replaces the file's times.
        metres_per_pixel: Scale of TRC, C3D and BVH: they are then in metres (BVH: centimetres) instead of pixels.
        people: Track ids to keep; all if empty.
    """

    to: str
    coco_joints: str = "coco"
    like: Path | None = None
    overwrite: bool = False
    fps: float | None = None
    metres_per_pixel: float | None = None
    people: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.to not in SUFFIXES:
            raise ConfigError(f"to must be one of {', '.join(SUFFIXES)}, not '{self.to}'.")
        if self.coco_joints not in SKELETONS:
            raise ConfigError(f"coco_joints must be one of {', '.join(SKELETONS)}, not '{self.coco_joints}'.")
        given = {"fps": self.fps, "metres_per_pixel": self.metres_per_pixel}
        require_above(0, **{name: value for name, value in given.items() if value is not None})
        if self.fps is not None and not _SLOWEST <= self.fps <= _FASTEST:
            raise ConfigError(f"fps must lie between {_SLOWEST:g} and {_FASTEST:g}, not {self.fps:g}.")


def convert_files(source: Path, target: Path, config: ConversionConfig) -> dict[Path, list[str]]:
    """Convert a file or a folder of files.

    Args:
        source: A file, whose format is recognized from its content and ending; or a folder, of which all .json and
            .txt files are converted, or all .csv and .parquet files if there are no others.
        target: A file for a file, a folder for a folder; folders are created. MOTChallenge text and tables hold
            one video: further videos of a file go to ``TARGET_VIDEO.txt``.
        config: How to convert.

    Returns:
        File written -> what was lost, in sentences; empty if nothing.

    Raises:
        DataFormatError: a source is missing or breaks a rule of its format.
        ConfigError: a target is a source, or two targets are the same file; nothing is written then.
        OutputError: a target exists (nothing is written then), or cannot be written.
    """
    if config.to in CLIP_FORMATS:
        CLIP_FORMATS[config.to].check()
    if config.metres_per_pixel is not None and not {config.to, source.suffix.lower()[1:]} & set(_IN_METRES):
        raise ConfigError(
            f"{source}: --scale is for TRC, C3D and BVH; poses in {config.to} are in pixels: leave it out."
        )
    if not is_folder(source) or is_openpose(source):
        read = _read(source, config)
        _check(_names(target, read.videos, config), [source], config)
        with output_folder(target.parent):
            return _write(read, target, config)
    sources = _sources(source)
    targets = _targets(sources, target, config)
    _check(targets.values(), sources, config)
    if config.to in _ONE_VIDEO:  # only the content tells whether there are further files
        names = [name for path in sources for name in _names(targets[path], _read(path, config).videos, config)]
        _check(names, sources, config)
    written: dict[Path, list[str]] = {}
    with output_folder(target):
        for path in sources:
            written |= _write(_read(path, config), targets[path], config)
    return written


def _sources(folder: Path) -> list[Path]:
    for endings in ((".json", ".txt"), (".csv", ".parquet")):
        if sources := sorted(path for ending in endings for path in files_in(folder, ending)):
            return sources
    raise DataFormatError(
        f"{folder}: the folder has no .json, .txt, .csv or .parquet files; name the folder with the files."
    )


def _targets(sources: Iterable[Path], folder: Path, config: ConversionConfig) -> dict[Path, Path]:
    targets = {path: folder / (path.stem + SUFFIXES[config.to]) for path in sources}
    made_of: dict[Path, Path] = {}
    for path, target in targets.items():
        other = made_of.setdefault(target, path)
        if other is not path:
            raise ConfigError(f"{other} and {path} would become one file, {target}; rename one.")
    return targets


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    """A file's content, its videos with an ``id`` for every image, and whether they have lost their own times."""

    content: Any
    videos: list[Annotations]
    retimed: bool


def _read(source: Path, config: ConversionConfig) -> _Read:
    content: Any
    if source.suffix.lower() == ".json" and source.is_file():
        content = load_json(source)
        foreign = foreign_json(source, content)
    else:
        foreign = read_foreign(source, config.fps, config.metres_per_pixel)
        content = None if foreign else _content(source)
    if foreign:
        content, videos = foreign, [foreign.video]
    else:
        videos = _parsed(source, content, config.like, SKELETONS[config.coco_joints])
    timed = [with_rate(video, config.fps) for video in videos]
    retimed = config.fps is not None and any(map(_has_other_times, videos, timed))
    return _Read(content, [_with_image_ids(only_people(video, config.people)) for video in timed], retimed)


def _has_other_times(video: Annotations, retimed: Annotations) -> bool:
    """Whether a video's own times are others than those that it was given."""
    times = ([number_or_nan(image.get("time_s")) for image in one.images] for one in (video, retimed))
    return any(abs(own - given) > _SAME_TIME_S for own, given in zip(*times, strict=True))


def _check(targets: Iterable[Path], sources: Iterable[Path], config: ConversionConfig) -> None:
    like = [] if config.like is None else [_namesake(source, config.like) for source in sources]
    check_outputs(targets, inputs=[*sources, *like], overwrite=config.overwrite)


def _names(target: Path, videos: Sequence[Annotations], config: ConversionConfig) -> list[Path]:
    """The files that videos go to. In formats of one video, the names of further files follow the target's."""
    further = videos[1:] if config.to in _ONE_VIDEO else []
    others = (re.sub(r"[^\w.-]", "_", video.video) for video in further)
    return [target, *(target.with_name(f"{target.stem}_{other}{target.suffix}") for other in others)]


def _write(read: _Read, target: Path, config: ConversionConfig) -> dict[Path, list[str]]:
    names = _names(target, read.videos, config)
    further = [[video] for video in read.videos[1:]]
    parts = [read.videos[:1], *further] if config.to in _ONE_VIDEO else [read.videos]
    with np.errstate(over="ignore", invalid="ignore"):  # writers refuse the results
        for name, videos in zip(names, parts, strict=True):
            if config.to not in CLIP_FORMATS:
                _WRITERS[config.to](name, videos, SKELETONS[config.coco_joints])
            for video in videos if config.to in CLIP_FORMATS else ():
                require_computable(video)
                CLIP_FORMATS[config.to].write(name, video, config.metres_per_pixel)
    lost = [f"Times of the file: frames are 1/{config.fps:g} s apart, as --fps says."] if read.retimed else []
    return {name: lost + _losses(read.content, videos, config) for name, videos in zip(names, parts, strict=True)}


def _losses(content: Any, videos: Sequence[Annotations], config: ConversionConfig) -> list[str]:
    named = content.named if isinstance(content, ForeignFile) else isinstance(content, dict)
    named = named or config.like is not None
    losses = list(content.lost) if isinstance(content, ForeignFile) else lost_in_reading(content)
    if not named and isinstance(content, list) and not are_frame_numbers([p["image_id"] for p in content]):
        losses.append("Numbers of frames, which the images' ids do not give: images are numbered in order.")
    for video in videos:
        if config.to in CLIP_FORMATS:
            losses += lost_in_clip_format(video, config.to, named)
            continue
        losses += lost_in_writing(video, config.to, SKELETONS[config.coco_joints], named)
    if config.to in ("posetrack17", "coco") and len(videos) > 1:
        losses.append(f"The borders between {len(videos)} videos.")
    return list(dict.fromkeys(losses))


def _content(source: Path) -> Any:
    """A table, the text of MOTChallenge, or JSON: a list of COCO results, an object of PoseTrack's."""
    if is_table(source):
        return load_table(source)
    return load_text(source) if source.suffix == ".txt" else load_json(source)


def _parsed(source: Path, content: Any, like: Path | None, skeleton: Skeleton) -> list[Annotations]:
    if isinstance(content, Table):
        return [parse_table(content, _images(source, like))]
    if isinstance(content, str) and source.suffix == ".txt":
        return [parse_mot(source, content, _images(source, like))]
    if isinstance(content, list):
        return [parse_coco_results(source, content, skeleton, _images(source, like))]
    return parse_annotations(source, content)


def _images(source: Path, like: Path | None) -> list[dict[str, Any]] | None:
    if like is None:
        return None
    videos = read_annotations(_namesake(source, like))
    return [image for video in map(_with_image_ids, videos) for image in video.images]


def _namesake(source: Path, like: Path) -> Path:
    return like / f"{source.stem}.json" if like.is_dir() else like


def _with_image_ids(video: Annotations) -> Annotations:
    """PoseTrack17 gives images no ids: they get those of the official conversion."""
    if all("id" in image for image in video.images):
        return video
    pairs = zip(video.images, official_ids(video.images), strict=True)
    return replace(video, images=[{**image, "id": image_id} for image, image_id in pairs])
