"""Lengths of time as they are given on the command line: in seconds (2.4s) or frames (60f)."""

from __future__ import annotations

from typing import Any

from posetrack.errors import ConfigError


def interval(option: str, text: str | None) -> dict[str, Any]:
    """An interval, as the settings ``OPTION`` (frames or ``auto``) and ``OPTION_s`` (seconds)."""
    if text is None or text == "auto":
        return {option: text}
    frames = text.removesuffix("f")
    if frames.isascii() and frames.isdigit() and len(frames) < 10:
        return {option: int(frames)}
    try:
        if text.endswith("s"):
            return {f"{option}_s": float(text[:-1])}
    except ValueError:
        pass
    flag = f"--{option.replace('_', '-')}"
    raise ConfigError(f"{flag} is {text!r}; give a number of frames, such as 5, seconds, such as 0.2s, or auto.")


def searching(text: str | None) -> float | None:
    """``--search-every`` as the setting ``search_every_s``."""
    try:
        if text is None or text == "off":
            return None if text is None else 0.0
        if text.endswith("s"):
            return float(text[:-1])
    except ValueError:
        pass
    raise ConfigError(f"--search-every is {text!r}; give seconds, such as 0.4s, or off.")


def length(option: str, text: str | None, frames: int | None) -> dict[str, float | int | None]:
    """A length of time, as the settings ``OPTION_s`` and ``OPTION_frames``."""
    flag = f"--{option.replace('_', '-')}"
    if text is None:
        return {f"{option}_s": None, f"{option}_frames": frames}
    if frames is not None:
        raise ConfigError(f"{flag} and {flag}-frames are the same setting: leave one out.")
    number, unit = text[:-1], text[-1:]
    try:
        if unit == "s":
            return {f"{option}_s": float(number), f"{option}_frames": None}
        if unit == "f":
            return {f"{option}_s": None, f"{option}_frames": int(number)}
    except ValueError:
        pass
    raise ConfigError(f"{flag} is {text!r}; give seconds, such as 2.4s, or frames, such as 60f.")
