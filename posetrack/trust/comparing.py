"""Compares results of a repeated run with those there are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.foreign import read_foreign
from posetrack.formats.joints import own_joints
from posetrack.observations.names import is_observations
from posetrack.provenance.meta import Meta, sha256_of
from posetrack.refine.files import read_clip

TOLERANCE_PX = 1.0
LEAST_SHARE = 0.99
"""Elsewhere, results count as the same if at least this share of all joints is in both, within ``TOLERANCE_PX``.

Processors and libraries round differently; a person near a threshold may then be found in one frame more or less.
"""

_CLIPS = (".json", ".csv", ".parquet")
_Joints = dict[tuple[int, int, str], tuple[float, float]]
"""(frame, person, joint) -> x, y."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one file came out again.

    Attributes:
        file: Its name.
        same: It counts as the same.
        words: What was found, as the end of a sentence.
    """

    file: str
    same: bool
    words: str


def compare(meta: Meta, again: Path) -> list[Verdict]:
    """Compare the files of a run with those of another run in the folder ``again``."""
    return [_verdict(meta, name, again / name) for name in sorted(meta.files)]


def what_became_of(meta: Meta, name: str) -> str | None:
    """How a file of a run is no longer as it came out, as the end of a sentence; None if it is."""
    if not meta.file(name).exists():
        return "is gone"
    return None if sha256_of(meta.file(name)) == meta.files[name]["sha256"] else "has been changed since the run"


def _verdict(meta: Meta, name: str, again: Path) -> Verdict:
    there = meta.file(name)
    if (words := what_became_of(meta, name)) is not None:
        return Verdict(file=name, same=False, words=words)
    if not again.exists():
        return Verdict(file=name, same=False, words="was not written again")
    if sha256_of(again) == meta.files[name]["sha256"]:
        return Verdict(file=name, same=True, words="is the same, byte for byte")
    share = _share_of_joints(there, again)
    if share is None:
        words = "differs (it holds no poses that could be compared)"
        return Verdict(file=name, same=not meta.is_of_this_machine(), words=words)
    close = f"{share:.2%} of the joints are within {TOLERANCE_PX:g} px".replace("%", " %")
    elsewhere = not meta.is_of_this_machine()
    if elsewhere and share >= LEAST_SHARE:
        return Verdict(file=name, same=True, words=f"is the same within the tolerance: {close}")
    return Verdict(
        file=name, same=False, words=f"differs: {close}" + ("" if elsewhere else ", on the same machine")
    )


def _share_of_joints(one: Path, other: Path) -> float | None:
    """The share of all joints of two files that both have, near each other; None for files without poses."""
    first, second = _joints(one), _joints(other)
    if first is None or second is None:
        return None
    everything = first.keys() | second.keys()
    if not everything:
        return 1.0
    both = sorted(first.keys() & second.keys())
    apart = np.array([first[key] for key in both]) - np.array([second[key] for key in both])
    return float((np.hypot(*apart.reshape(-1, 2).T) <= TOLERANCE_PX).sum() / len(everything))


def _joints(path: Path) -> _Joints | None:
    if is_observations(path):
        return _joints_of_clip(path)
    try:
        foreign = read_foreign(path, 1.0, None)
    except DataFormatError:
        return None
    if foreign is not None:
        own, video = own_joints(foreign.video), foreign.video
        rows, slots = np.nonzero(own.present)
        return {
            (int(video.frames[row]), int(video.track_ids[row]), own.skeleton.joints[slot]): tuple(
                own.xy[row, slot]
            )
            for row, slot in zip(rows.tolist(), slots.tolist(), strict=True)
        }
    return _joints_of_clip(path) if path.suffix in _CLIPS else None


def _joints_of_clip(path: Path) -> _Joints | None:
    try:
        clip = read_clip(path)
    except DataFormatError:
        return None
    joints: _Joints = {}
    for track in clip.tracks:
        rows, slots = np.nonzero(np.isfinite(track.joints).all(axis=2))
        for row, slot in zip(rows.tolist(), slots.tolist(), strict=True):
            key = int(clip.frames[track.frames[row]]), track.track_id, clip.skeleton.joints[slot]
            joints[key] = float(track.joints[row, slot, 0]), float(track.joints[row, slot, 1])
    return joints
