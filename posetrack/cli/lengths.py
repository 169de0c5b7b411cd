"""Lengths of time as they are given on the command line: in seconds (2.4s) or frames (60f)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from posetrack.errors import ConfigError

Number = TypeVar("Number", int, float)


def interval(option: str, text: str | None) -> dict[str, Any]:
    """An interval, as the settings ``OPTION`` (frames or ``auto``) and ``OPTION_s`` (seconds)."""
    if text is None or text == "auto":
        return {option: text}
    frames = text.removesuffix("f")
    if frames.isascii() and frames.isdigit() and len(frames) < 10:
        return {option: int(frames)}
    seconds = _counted(text, "s", float)
    if seconds is None:
        raise _mistake(option, text, "a number of frames, such as 5, seconds, such as 0.2s, or auto")
    return {f"{option}_s": seconds}


def searching(text: str | None) -> float | None:
    """``--search-every`` as the setting ``search_every_s``."""
    if text is None:
        return None
    seconds = 0.0 if text == "off" else _counted(text, "s", float)
    if seconds is None:
        raise _mistake("search_every", text, "seconds, such as 0.4s, or off")
    return seconds


def length(option: str, text: str | None, frames: int | None) -> dict[str, float | int | None]:
    """A length of time, as the settings ``OPTION_s`` and ``OPTION_frames``."""
    if text is None:
        return {f"{option}_s": None, f"{option}_frames": frames}
    if frames is not None:
        raise ConfigError(f"{_flag(option)} and {_flag(option)}-frames are the same setting: leave one out.")
    given = {f"{option}_s": _counted(text, "s", float), f"{option}_frames": _counted(text, "f", int)}
    if set(given.values()) == {None}:
        raise _mistake(option, text, "seconds, such as 2.4s, or frames, such as 60f")
    return given


def _counted(text: str, unit: str, number: Callable[[str], Number]) -> Number | None:
    """The number before a unit; None if the text is anything else."""
    try:
        return number(text[:-1]) if text.endswith(unit) else None
    except ValueError:
        return None


def _mistake(option: str, text: str, remedy: str) -> ConfigError:
    return ConfigError(f"{_flag(option)} is {text!r}; give {remedy}.")


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"
