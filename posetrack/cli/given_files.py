"""The options that describe files of weights given with ``--pose`` and ``--detector``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.cli.options import TrackOptions
    from posetrack.models.file_format import FileFormat

_POSE_KINDS = ("simcc", "heatmap", "rtmo")
_DETECTOR_KINDS = ("rtmdet", "yolox", "rtmo")


def file_formats(options: TrackOptions) -> tuple[FileFormat | None, FileFormat | None]:
    """What the options say of the pose network's file, and of the detector's.

    Raises:
        ConfigError: an option is unknown, or describes a file that is not given.
    """
    from posetrack.models.given_files import DETECTOR_ARCHITECTURES, PEOPLE_ARCHITECTURES, POSE_ARCHITECTURES

    named = options.architecture or []
    unknown = [name for name in named if name not in (*POSE_ARCHITECTURES, *DETECTOR_ARCHITECTURES)]
    if unknown:
        raise ConfigError(
            f"there is no architecture {unknown[0]!r}; choose one of "
            f"{', '.join((*POSE_ARCHITECTURES, *DETECTOR_ARCHITECTURES))}."
        )
    wrong = [kind for kind in options.onnx_kind or [] if kind not in (*_POSE_KINDS, *_DETECTOR_KINDS)]
    if wrong:
        raise ConfigError(f"there is no --onnx-kind {wrong[0]!r}; choose simcc, heatmap, rtmdet, yolox or rtmo.")
    pose: dict[str, Any] = {
        "architecture": _only("--architecture", named, POSE_ARCHITECTURES),
        "onnx_kind": _only("--onnx-kind", options.onnx_kind or [], _POSE_KINDS),
        "convention": options.convention,
        "skeleton": options.skeleton,
    }
    detector: dict[str, Any] = {
        "architecture": _only("--architecture", named, DETECTOR_ARCHITECTURES),
        "onnx_kind": _only("--onnx-kind", options.onnx_kind or [], _DETECTOR_KINDS),
    }
    pose |= _size("--input", options.input_size)
    one_stage = pose["architecture"] in PEOPLE_ARCHITECTURES
    if one_stage and options.detector_input:
        raise ConfigError(f"{pose['architecture']} is a single network: give its input size with --input.")
    if not one_stage and pose.get("width", 0) > pose.get("height", 0):
        raise ConfigError(
            f"--input {options.input_size} is wider than high, but people are cut out upright: give WIDTHxHEIGHT, "
            "such as 192x256."
        )
    detector |= _size("--detector-input", options.detector_input)
    return _format("--pose", options.pose, pose), _format("--detector", options.detector, detector)


def _only(flag: str, given: Sequence[str], known: Sequence[str]) -> str | None:
    """The one given value that is meant for this network."""
    mine = [value for value in given if value in known]
    if len(mine) > 1:
        raise ConfigError(f"{flag} {' and '.join(mine)} are for the same network: leave one out.")
    return mine[0] if mine else None


def _size(flag: str, text: str | None) -> dict[str, int]:
    if text is None:
        return {}
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text)
    if found is None:
        raise ConfigError(f"{flag} is {text!r}; give WIDTHxHEIGHT in pixels, such as 192x256.")
    return {"width": int(found[1]), "height": int(found[2])}


def _format(flag: str, weights: str | None, fields: dict[str, Any]) -> FileFormat | None:
    from posetrack.models.file_format import FileFormat
    from posetrack.presets import is_file
    from posetrack.zoo import get_entry

    given = {name: value for name, value in fields.items() if value is not None}
    if not given:
        return None
    if weights is None or not is_file(weights):
        if weights is not None:
            get_entry(weights)  # says so if it is neither a file of weights nor a name
        size = "input" if flag == "--pose" else "detector-input"
        first = next(iter(given)).replace("_", "-").replace("width", size)
        raise ConfigError(f"--{first} describes a file of weights: give the file with {flag} FILE.")
    return FileFormat(**given)
