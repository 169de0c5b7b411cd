"""Files of one format as files of another, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats.annotations import Annotations
from posetrack.formats.foreign import parse_coco_results, parse_mot
from posetrack.formats.losses import lost_in_reading, lost_in_writing
from posetrack.formats.naming import ImageNaming
from posetrack.formats.pending import output_folder
from posetrack.formats.reading import load_json, parse_annotations, read_annotations
from posetrack.formats.writing import (
    write_coco_results,
    write_mot,
    write_posetrack17,
    write_posetrack18,
)
from posetrack.skeletons import COCO, POSETRACK, Skeleton

SUFFIXES = {"posetrack18": ".json", "posetrack17": ".json", "coco": ".json", "mot": ".txt"}
"""Formats that can be converted to, and the endings of their files."""

COCO_JOINTS = {"coco": COCO, "posetrack": POSETRACK}
"""What the 17 joints of COCO results may be."""


@dataclass(frozen=True, kw_only=True)
class ConversionConfig:
    """How files are converted.

    Attributes:
        to: Format to write: a key of ``SUFFIXES``.
        coco_joints: Joints of COCO results, read or written: a key of ``COCO_JOINTS``.
        like: PoseTrack file (or folder of files of the same names) that names the images of COCO results or
            MOTChallenge text, which do not; None to make names up.
    """

    to: str
    coco_joints: str = "coco"
    like: Path | None = None

    def __post_init__(self) -> None:
        if self.to not in SUFFIXES:
            raise ConfigError(f"to must be one of {', '.join(SUFFIXES)}, not '{self.to}'.")
        if self.coco_joints not in COCO_JOINTS:
            raise ConfigError(f"coco_joints must be one of {', '.join(COCO_JOINTS)}, not '{self.coco_joints}'.")


def convert_files(source: Path, target: Path, config: ConversionConfig) -> dict[Path, list[str]]:
    """Convert a file, or all .json and .txt files of a folder.

    Args:
        source: File or folder. The format is found out from the content.
        target: File for a file, folder (created) for a folder. MOTChallenge text holds one video: further
            videos of a file go to ``TARGET_VIDEO.txt``.
        config: How.

    Returns:
        File written -> what was lost, in sentences; empty if nothing.

    Raises:
        DataFormatError: a source is missing or breaks a rule of its format.
        OutputError: a target cannot be written.
    """
    if not source.exists():
        raise DataFormatError(f"{source}: there is no such file or folder; check the path.")
    if source.is_file():
        return _convert(source, target, config)
    sources = sorted(path for path in source.iterdir() if path.suffix in (".json", ".txt"))
    if not sources:
        raise DataFormatError(f"{source}: the folder has no .json or .txt files; name the folder with the files.")
    written: dict[Path, list[str]] = {}
    with output_folder(target):
        for path in sources:
            written |= _convert(path, target / (path.stem + SUFFIXES[config.to]), config)
    return written


def _convert(source: Path, target: Path, config: ConversionConfig) -> dict[Path, list[str]]:
    if target.exists() and target.samefile(source):
        raise ConfigError(f"{target} would replace the file that it is made from; give another target.")
    skeleton = COCO_JOINTS[config.coco_joints]
    content = _content(source)
    unread = lost_in_reading(content, config.to, config.coco_joints)
    videos = [_with_image_ids(video) for video in _parsed(source, content, config.like, skeleton)]
    named = isinstance(content, dict) or config.like is not None

    def lost(video: Annotations) -> list[str]:
        return [*unread, *lost_in_writing(video, _restored_ids(video), config.to, config.coco_joints, named)]

    if config.to == "mot":
        names = [target, *(target.with_name(f"{target.stem}_{v.video}{target.suffix}") for v in videos[1:])]
        for name, video in zip(names, videos, strict=False):
            write_mot(name, video)
        return {name: lost(video) for name, video in zip(names, videos, strict=False)}
    writers: dict[str, Callable[[Path, Sequence[Annotations]], None]] = {
        "posetrack18": write_posetrack18,
        "posetrack17": write_posetrack17,
        "coco": lambda path, videos: write_coco_results(path, videos, skeleton),
    }
    writers[config.to](target, videos)
    losses = dict.fromkeys(sentence for video in videos for sentence in lost(video))
    if config.to in ("posetrack17", "coco") and len(videos) > 1:
        losses[f"The borders between {len(videos)} videos."] = None
    return {target: list(losses)}


def _content(source: Path) -> Any:
    """Text of MOTChallenge, or what JSON holds: a list for COCO results, an object for PoseTrack's files."""
    if source.suffix != ".txt":
        return load_json(source)
    try:
        return source.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DataFormatError(f"{source}: cannot be read as text; check the path.") from error


def _parsed(source: Path, content: Any, like: Path | None, skeleton: Skeleton) -> list[Annotations]:
    if isinstance(content, str) and source.suffix == ".txt":
        return [parse_mot(source, content, _images(source, like))]
    if isinstance(content, list):
        return [parse_coco_results(source, content, skeleton, _images(source, like))]
    return parse_annotations(source, content)


def _images(source: Path, like: Path | None) -> list[dict[str, Any]] | None:
    if like is None:
        return None
    videos = read_annotations(like / f"{source.stem}.json" if like.is_dir() else like)
    return [image for video in map(_with_image_ids, videos) for image in video.images]


def _with_image_ids(video: Annotations) -> Annotations:
    """PoseTrack17 gives images no ids: they get those that the official conversion gives them."""
    if all("id" in image for image in video.images):
        return video
    pairs = zip(video.images, _restored_ids(video), strict=True)
    return replace(video, images=[{**image, "id": image_id} for image, image_id in pairs])


def _restored_ids(video: Annotations) -> list[int]:
    """The images' official ids, by their names."""
    names = [Path(image["file_name"]) for image in video.images]
    numbers = [name.stem.split("_")[0] for name in names]
    positions = [int(text) if text.isdigit() else n for n, text in enumerate(numbers)]
    if len(set(positions)) < len(positions):
        positions = list(range(len(positions)))
    return [ImageNaming.of(name.parent.name).image_id(n) for name, n in zip(names, positions, strict=True)]
