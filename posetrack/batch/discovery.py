"""Finds the clips in a footage folder, at any depth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from posetrack.batch.manifest import MANIFEST, Manifest
from posetrack.batch.patterns import Choice
from posetrack.errors import DataFormatError, OutputError, VideoError
from posetrack.video.images import IMAGE_SUFFIXES, natural_order

VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .divx .dv .f4v .flv .h264 .h265 .264 .265 .hevc .insv .lrv .m2t .m2ts .m2v .m4v .mjpeg "
    ".mjpg .mkv .mod .mov .mp4 .mpe .mpeg .mpg .mts .mxf .ogm .ogv .rm .rmvb .tod .ts .vob .webm .wmv .y4m".split()
)
"""Suffixes of video files, in lower case."""

MIN_IMAGES = 3
"""Minimum number of images for a folder to be a clip: fewer are posters or covers."""

TRACKED_ENDING = "_tracked.mp4"
"""End of the names of our own annotated videos."""

_JUNK = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})
"""Folders that operating systems and network storage create."""


@dataclass(frozen=True, kw_only=True)
class FoundClip:
    """A video, or a folder of images.

    Attributes:
        clip: Path relative to the footage folder (separator ``/``); ``.`` is the footage folder itself.
        kind: ``video`` or ``images``.
        path: Absolute path.
        fault: Why it cannot be tracked, if that is known without opening it.
    """

    clip: str
    kind: Literal["video", "images"]
    path: Path
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that looks like footage but is not tracked."""

    path: str
    reason: str


@dataclass
class Discovery:
    """The result of ``find_clips``.

    Attributes:
        clips: In natural order of their paths.
        left_out: What looks like footage but is not tracked, with the reason.
    """

    clips: list[FoundClip] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def find_clips(footage: Path, choice: Choice | None = None, *, output: Path | None = None) -> Discovery:
    """Find videos, and folders with at least ``MIN_IMAGES`` images and no videos.

    Skips hidden files and folders, the output folder, results of other batches, and ``*_tracked.mp4`` (unless a
    glob contains ``_tracked``). Follows links; a target is taken once, under its own path if that lies in the
    footage. Whatever cannot be listed or read becomes a clip with a fault.

    Args:
        footage: The folder to search.
        choice: The clips to take. Defaults to all.
        output: The output folder, which may lie in the footage.

    Raises:
        VideoError: the folder is missing or cannot be listed.
    """
    if not footage.is_dir():
        raise VideoError(f"{footage} is not a folder: give a folder of footage (`posetrack run` tracks one clip).")
    try:
        os.listdir(footage)
    except OSError as error:
        raise VideoError(f"The folder {footage} cannot be listed: {error.strerror}.") from error
    walk = _Walk(footage, choice or Choice(), output)
    walk.go()
    order = {path: rank for rank, path in enumerate(natural_order([Path(c.clip) for c in walk.found.clips]))}
    walk.found.clips.sort(key=lambda clip: order[Path(clip.clip)])
    return walk.found


@dataclass
class _Folder:
    """The names directly in a folder, by kind, sorted."""

    videos: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    linked_folders: list[str] = field(default_factory=list)


class _Walk:
    def __init__(self, footage: Path, choice: Choice, output: Path | None) -> None:
        self._root = footage
        self._choice = choice
        self.found = Discovery()
        self._seen_folders: set[tuple[int, int]] = set()
        self._seen_files: set[str] = set()
        self._links: list[str] = []
        self._output = _identity(output) if output is not None and output.is_dir() else None
        if self._output == _identity(footage):
            self._output = None

    def go(self) -> None:
        """Search real folders, then linked folders, then linked files, so that nothing is found twice."""
        waiting: list[tuple[str, frozenset[str]]] = [("", frozenset())]
        linked: list[tuple[str, frozenset[str]]] = []
        while waiting or linked:
            relative, stems = waiting.pop() if waiting else linked.pop(0)
            folder = self._enter(relative)
            if folder is None:
                continue
            self._take(relative, folder, stems)
            below = frozenset(text for name in folder.videos for text in (_stem(name), name.casefold()))
            waiting += [(_joined(relative, name), below) for name in reversed(folder.folders)]
            linked += [(_joined(relative, name), below) for name in folder.linked_folders]
        for relative in self._links:
            real = os.path.realpath(self._root / relative)
            if real in self._seen_files:
                self._leave_out(relative, f"is a link to {real}, which is tracked under that name")
                continue
            self._seen_files.add(real)
            self._add(relative, "video", _fault_of_file(self._root / relative))

    def _enter(self, relative: str) -> _Folder | None:
        """List a folder unless it was seen before or is to be skipped."""
        path = self._root / relative
        try:
            identity = _identity(path)
            if identity in self._seen_folders:
                self._leave_out(relative, "is a link to a folder that is searched anyway")
                return None
            self._seen_folders.add(identity)
            if identity == self._output:
                self._leave_out(relative, "is the output folder")
                return None
            if relative and path.is_symlink() and _contains(path, self._root):
                self._leave_out(relative, "is a link to a folder that contains the footage")
                return None
            if relative and _holds_results(path):
                self._leave_out(relative, "holds results of another batch")
                return None
            return self._listed(relative)
        except OSError as error:
            self._add(relative, "images", f"The folder {path} cannot be listed: {error.strerror}.")
            return None

    def _listed(self, relative: str) -> _Folder:
        folder = _Folder()
        with os.scandir(self._root / relative) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = _joined(relative, entry.name)
                if entry.name.startswith(".") or entry.name.casefold() in _JUNK:
                    continue
                if not _is_folder(entry):
                    self._sort_in(entry.name, path, folder)
                elif self._choice.refuses(path):
                    self._leave_out(path, "is excluded")
                else:
                    (folder.linked_folders if entry.is_symlink() else folder.folders).append(entry.name)
        return folder

    def _sort_in(self, name: str, path: str, folder: _Folder) -> None:
        suffix = os.path.splitext(name)[1].casefold()
        if name.endswith(TRACKED_ENDING) and not any("_tracked" in glob for glob in self._choice.globs):
            self._leave_out(path, "is named like an annotated video of ours")
        elif suffix in VIDEO_SUFFIXES:
            folder.videos.append(name)
        elif suffix in IMAGE_SUFFIXES:
            folder.images.append(name)
        elif self._choice.wants_kind(path):
            folder.others.append(name)

    def _take(self, relative: str, folder: _Folder, stems_above: frozenset[str]) -> None:
        for name in folder.videos + folder.others:
            path = _joined(relative, name)
            if self._choice.refuses(path):
                self._leave_out(path, "is excluded")
                continue
            if not self._choice.wants(path):
                continue
            if (self._root / path).is_symlink():
                self._links.append(path)
                continue
            self._seen_files.add(os.path.realpath(self._root / path))
            self._add(path, "video", _fault_of_file(self._root / path))
        if folder.images:
            self._take_images(relative, folder, stems_above)

    def _take_images(self, relative: str, folder: _Folder, stems_above: frozenset[str]) -> None:
        images = [name for name in folder.images if _stem(name) not in stems_above]
        path = relative or "."
        if folder.videos:
            self._leave_out(path, f"has videos: ignoring its {_count(folder.images)}")
        elif not images:
            self._leave_out(path, "has one image for each video beside it: ignoring thumbnails")
        elif len(images) < MIN_IMAGES:
            self._leave_out(path, f"has only {_count(images)}: a clip needs at least {MIN_IMAGES}")
        elif all(self._choice.refuses(_joined(relative, name)) for name in images):
            self._leave_out(path, "is excluded")
        elif self._choice.wants(path) or any(self._choice.wants(_joined(relative, name)) for name in images):
            self._add(path, "images", None)

    def _add(self, relative: str, kind: Literal["video", "images"], fault: str | None) -> None:
        clip = os.fsencode(relative).decode(errors="backslashreplace")
        if clip != relative:
            fault = f"The name of {clip} is not valid UTF-8: rename it."
        self.found.clips.append(FoundClip(clip=clip or ".", kind=kind, path=self._root / relative, fault=fault))

    def _leave_out(self, relative: str, reason: str) -> None:
        self.found.left_out.append(LeftOut(os.fsencode(relative).decode(errors="backslashreplace"), reason))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or to a place we may not read: opening it reports the error
        return False


def _fault_of_file(path: Path) -> str | None:
    """Refuse pipes and devices, which would block for ever."""
    if path.exists() and not path.is_file():
        return f"{path} is a pipe, socket or device: give video files."
    return None


def _holds_results(folder: Path) -> bool:
    """Whether a batch wrote its results there (other than into its own footage)."""
    if not (folder / MANIFEST).is_file():
        return False
    try:
        with Manifest.open(folder / MANIFEST) as manifest:
            return manifest.footage is None or Path(manifest.footage) != folder.resolve()
    except (DataFormatError, OutputError):
        return False


def _contains(folder: Path, other: Path) -> bool:
    return Path(os.path.realpath(other)).is_relative_to(os.path.realpath(folder))


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _stem(name: str) -> str:
    return name.rpartition(".")[0].casefold()


def _count(images: Sequence[str]) -> str:
    return f"{len(images)} image{'s' * (len(images) != 1)}"
