"""Opens files of poses, and PoseTrack files of either form."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import orjson

from posetrack.errors import DataFormatError
from posetrack.files.descriptions import DESCRIPTION
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import check_size
from posetrack.formats.posetrack17 import parse_posetrack17
from posetrack.formats.posetrack18 import parse_posetrack18


def read_annotations(path: Path) -> list[Annotations]:
    """The videos of a PoseTrack18 or PoseTrack17 file, in order. The content tells which of the two it is.

    Raises:
        DataFormatError: the file is missing, too large, not JSON, or breaks a rule of its format.
    """
    return parse_annotations(path, load_json(path))


def parse_annotations(path: Path, data: Any) -> list[Annotations]:
    """The videos of a file whose JSON is ``data``."""
    if isinstance(data, dict) and "annolist" in data:
        return parse_posetrack17(path, data)
    if isinstance(data, dict) and "images" in data:
        return parse_posetrack18(path, data)
    raise DataFormatError(
        f"{path}: this is neither PoseTrack18 JSON (with 'images') nor PoseTrack17 JSON (with 'annolist'); "
        "convert it first."
    )


def is_folder(path: Path) -> bool:
    """Whether a path is a folder and not a file.

    Raises:
        DataFormatError: nothing is there, or it cannot be examined.
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise DataFormatError(f"{path}: there is no such file or folder; check the path.") from error
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror}); check the path.") from error


def files_in(folder: Path, ending: str) -> list[Path]:
    """The files of a folder with this ending, sorted, but for those that describe others (``.meta.json``).

    Raises:
        DataFormatError: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ending and _has_poses(path))
    except OSError as error:
        raise DataFormatError(f"{folder}: cannot be read ({error.strerror}); check the path.") from error


def _has_poses(path: Path) -> bool:
    return path.is_file() and not path.name.endswith((DESCRIPTION, ".edits.json"))


def load_json(path: Path) -> Any:
    """What a JSON file holds. NaN and Infinity, which JSON does not have, are read for better messages later.

    Raises:
        DataFormatError: the file is missing, too large, or not JSON.
    """
    content = _load(path)
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        return _load_lenient(path, content, error)


def load_text(path: Path) -> str:
    """What a text file holds, without the mark that Windows puts in front.

    Raises:
        DataFormatError: the file is missing, too large, or not UTF-8.
    """
    try:
        return _load(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataFormatError(f"{path}: this is not text in UTF-8; check the path.") from error


def _load(path: Path) -> bytes:
    check_size(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror}); check the path.") from error


def _load_lenient(path: Path, content: bytes, strict: orjson.JSONDecodeError) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataFormatError(
            f"{path}: invalid JSON at line {strict.lineno}, column {strict.colno} ({strict.msg}); "
            "the file may be cut short: write or download it again."
        ) from error
