"""Files of one format as files of another, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats.annotations import Annotations
from posetrack.formats.foreign import parse_coco_results, parse_mot
from posetrack.formats.naming import ImageNaming
from posetrack.formats.pending import output_errors
from posetrack.formats.reading import load_json, parse_annotations, read_annotations
from posetrack.formats.writing import (
    flags,
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
    with output_errors(target):
        target.mkdir(parents=True, exist_ok=True)
    written: dict[Path, list[str]] = {}
    for path in sources:
        written |= _convert(path, target / (path.stem + SUFFIXES[config.to]), config)
    return written


def _convert(source: Path, target: Path, config: ConversionConfig) -> dict[Path, list[str]]:
    skeleton = COCO_JOINTS[config.coco_joints]
    videos = [_with_image_ids(video) for video in _read(source, config.like, skeleton)]
    if config.to == "mot":
        names = [target, *(target.with_name(f"{target.stem}_{v.video}{target.suffix}") for v in videos[1:])]
        for name, video in zip(names, videos, strict=False):
            write_mot(name, video)
        return {name: _lost(video, config) for name, video in zip(names, videos, strict=False)}
    writers: dict[str, Callable[[Path, Sequence[Annotations]], None]] = {
        "posetrack18": write_posetrack18,
        "posetrack17": write_posetrack17,
        "coco": lambda path, videos: write_coco_results(path, videos, skeleton),
    }
    writers[config.to](target, videos)
    lost = dict.fromkeys(sentence for video in videos for sentence in _lost(video, config))
    if config.to == "posetrack17" and len(videos) > 1:
        lost[f"The borders between {len(videos)} videos."] = None
    return {target: list(lost)}


def _read(source: Path, like: Path | None, skeleton: Skeleton) -> list[Annotations]:
    if source.suffix == ".txt":
        try:
            text = source.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise DataFormatError(f"{source}: cannot be read as text; check the path.") from error
        return [parse_mot(source, text, _images(source, like))]
    data = load_json(source)
    if isinstance(data, list):
        return [parse_coco_results(source, data, skeleton, _images(source, like))]
    return parse_annotations(source, data)


def _images(source: Path, like: Path | None) -> list[dict[str, Any]] | None:
    if like is None:
        return None
    videos = read_annotations(like / f"{source.stem}.json" if like.is_dir() else like)
    return [image for video in map(_with_image_ids, videos) for image in video.images]


def _with_image_ids(video: Annotations) -> Annotations:
    """PoseTrack17 gives images no ids: they get those that the official conversion gives them."""
    if all("id" in image for image in video.images):
        return video
    names = [Path(image["file_name"]) for image in video.images]
    numbers = [name.stem.split("_")[0] for name in names]
    positions = [int(text) if text.isdigit() else n for n, text in enumerate(numbers)]
    if len(set(positions)) < len(positions):
        positions = list(range(len(positions)))
    ids = [ImageNaming.of(name.parent.name).image_id(n) for name, n in zip(names, positions, strict=True)]
    return replace(video, images=[{**image, "id": id_} for image, id_ in zip(video.images, ids, strict=True)])


def _lost(video: Annotations, config: ConversionConfig) -> list[str]:
    """What the target format has no room for, of what this video has."""
    has_boxes, has_heads = ~np.isnan(video.boxes).all(), ~np.isnan(video.head_boxes).all()
    has_joints, has_regions = bool(video.present.any()), bool(video.ignore_regions)
    unscored = video.present & np.isnan(video.scores)
    some_unscored = (unscored & ~np.isnan(video.scores).all(axis=1, keepdims=True)).any()
    empty_frames = bool((video.people_per_frame() == 0).any())
    to = config.to
    no_truth = to in ("coco", "mot")
    losses = {
        "Boxes of people.": has_boxes and to in ("posetrack17", "coco"),
        "Boxes of heads, so that it is no ground truth.": has_heads and no_truth,
        "Ignore regions.": has_regions and no_truth,
        "Names of images; frames without people, of which only the numbers of others tell.": no_truth
        and empty_frames,
        "Names of images.": no_truth and not empty_frames,
        "Ids and sizes of images.": to == "posetrack17" and any("width" in image for image in video.images),
        "Joints and their scores.": to == "mot" and has_joints,
        "Flags of visibility.": to == "coco" and has_joints,
        "head_bottom and head_top, which COCO does not have.": (
            to == "coco" and config.coco_joints == "coco" and has_joints
        ),
        "Whether a joint has a score: those without get -9999, as the official evaluator reads them.": (
            to == "posetrack18" and bool(some_unscored)
        ),
        "Whether a joint has a score: those without get 1.": to == "coco" and bool(unscored.any()),
        "Joints at (0, 0) that are not visible: they are absent now.": (
            to == "posetrack18"
            and bool((video.present & (video.keypoints == 0).all(axis=2) & (flags(video) == 0)).any())
        ),
        "That people without a list of joints have none: their list is empty now.": (
            to == "posetrack18" and not video.listed.all()
        ),
    }
    return [sentence for sentence, applies in losses.items() if applies]
