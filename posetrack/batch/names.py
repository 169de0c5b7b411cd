"""Names the files of each clip as ``posetrack run`` does, unless two clips would share a name."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from posetrack.formats import OUTPUT_FORMATS
from posetrack.runner import Outputs

if TYPE_CHECKING:
    from posetrack.batch.discovery import FoundClip

MANIFEST = "manifest"
"""Name of the manifest in the output folder."""

SUMMARY = "summary.csv"
PAGE = "index.html"
LOCK = f"{MANIFEST}.lock"
UNFINISHED = ".posetrack-unfinished"
"""Subfolder for incomplete files."""

CHUNKS = ".posetrack-chunks"
"""Subfolder for the poses of chunks: a folder for each clip until it is done."""

OVERVIEWS = ".posetrack-overviews"
"""Subfolder for the data that the report page shows of each clip."""

OURS = (MANIFEST, f"{MANIFEST}-wal", f"{MANIFEST}-shm", LOCK, SUMMARY, PAGE)
"""All files of a batch in the output folder, except the clips' results."""

_ALL_OUTPUTS = Outputs(formats=tuple(OUTPUT_FORMATS))


def is_clip(text: object) -> bool:
    """Whether it is a valid clip path: relative, normalised, and without ``..``.

    >>> is_clip("day 1/a.mp4"), is_clip("."), is_clip("../a.mp4"), is_clip("/a.mp4"), is_clip("a//b.mp4")
    (True, True, False, False, False)
    """
    if not isinstance(text, str) or not text or "\0" in text:
        return False
    path = PurePosixPath(text)
    return str(path) == text and not path.is_absolute() and ".." not in path.parts


def is_name(text: object) -> bool:
    """Whether it is a valid stem for a clip's files.

    >>> is_name("a"), is_name("../a"), is_name("")
    (True, False, False)
    """
    return isinstance(text, str) and text != "" and not set("/\0") & set(text)


def files_of(clip: str, name: str) -> dict[str, str]:
    """All files that a clip may have.

    Returns:
        ``video`` or a format's name -> path relative to the output folder, with ``/``.

    >>> files_of("day 1/a.mp4", "a")["video"]
    'day 1/a_tracked.mp4'
    """
    folder = folder_of(clip)
    return {kind: (folder / path.name).as_posix() for kind, path in _ALL_OUTPUTS.paths(Path(), name).items()}


def hashed(clip: str) -> str:
    """A file name derived from a clip path of any length and characters."""
    return hashlib.sha256(clip.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def folder_of(clip: str) -> PurePosixPath:
    """Folder of a clip's results, relative to the output folder: the clip's own, unless it clashes with our files.

    >>> folder_of("day 1/a.mp4"), folder_of("a.mp4"), folder_of(".")
    (PurePosixPath('day 1'), PurePosixPath('.'), PurePosixPath('.'))
    >>> folder_of("manifest/day 1/a.mp4")
    PurePosixPath('manifest~/day 1')
    """
    folder = PurePosixPath(clip).parent
    if folder.parts and _folded(PurePosixPath(folder.parts[0])) in OURS:
        return PurePosixPath(f"{folder.parts[0]}~", *folder.parts[1:])
    return folder


def assign_names(clips: Iterable[FoundClip], known: Mapping[str, str]) -> dict[str, str]:
    """Choose the stem of each clip's files.

    As with ``posetrack run``, a video gives its name without the suffix, a folder its whole name. If files of two
    clips would clash in any format, both keep the suffix: ``a.mp4`` and ``a.avi`` give ``a.mp4.json`` and
    ``a.avi.json``. Names never change: clips added later do not rename existing results.

    Args:
        clips: All clips found now.
        known: Names from earlier runs, by clip, including clips not found now.

    Returns:
        Clip -> name.
    """
    taken = {_folded(PurePosixPath(name)) for name in OURS}
    for earlier, name in known.items():
        taken |= _files(earlier, name)
    new = [clip for clip in clips if clip.clip not in known]
    plain = {clip.clip: _files(clip.clip, next(_candidates(clip))) for clip in new}
    wanted = Counter(file for files in plain.values() for file in files)
    names = dict(known)
    for clip in new:
        shared = any(wanted[file] > 1 for file in plain[clip.clip])
        for number, name in enumerate(_candidates(clip)):
            files = _files(clip.clip, name)
            if not files & taken and not (shared and number == 0):
                break
        names[clip.clip] = name
        taken |= files
    return names


def _candidates(clip: FoundClip) -> Iterator[str]:
    """Candidate names, best first."""
    file = clip.path.resolve().name if clip.clip == "." else PurePosixPath(clip.clip).name
    if clip.kind == "video":
        yield PurePosixPath(file).stem
        whole = file
    else:
        yield file
        whole = f"{file}_images"
    yield whole
    yield from (f"{whole}~{number}" for number in count(2))


def _files(clip: str, name: str) -> set[str]:
    """All files a clip could write, folded so that names that some file systems treat as equal compare equal."""
    return {_folded(PurePosixPath(path)) for path in files_of(clip, name).values()}


def _folded(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()
