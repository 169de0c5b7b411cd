"""Formats of other tools, whose files are written from a whole clip at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from posetrack.errors import ConfigError
from posetrack.files.pending import write_file
from posetrack.formats import bvh, c3d, deeplabcut, nwb, openpose, sleap, trc
from posetrack.formats.alphapose import alphapose_rows
from posetrack.formats.annotations import Annotations
from posetrack.formats.coco_tracks import dataset_head, image_rows, person_rows
from posetrack.formats.naming import ImageNaming
from posetrack.formats.tracked import annotations_of
from posetrack.skeletons import BODY_25, COCO, HALPE_26, OPENPOSE_COCO, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses

Write = Callable[[Path, Annotations, float | None], None]
"""``(path, video, metres_per_pixel)``: writes a whole file. The scale matters to formats of positions in
metres."""


@dataclass(frozen=True, kw_only=True)
class ClipFormat:
    """One format.

    Attributes:
        ending: What follows the clip's name in the file's name.
        write: Writes a file.
        skeleton: The joints it has; None if it has any.
        keeps: Which of ``scores``, ``person_scores``, ``boxes``, ``times``, ``images`` (their names), ``empty``
            (frames without people at the end), ``ids``, ``names`` and ``found`` (how joints were found) it holds.
        check: Refuses to begin work whose result could not be written.
    """

    ending: str
    write: Write
    skeleton: Skeleton | None = None
    keeps: frozenset[str] = frozenset()
    check: Callable[[], None] = lambda: None


def _write_trc(path: Path, video: Annotations, metres_per_pixel: float | None) -> None:
    write_file(path, trc.trc_text(path, video, metres_per_pixel).encode())


def _write_c3d(path: Path, video: Annotations, metres_per_pixel: float | None) -> None:
    write_file(path, c3d.c3d_bytes(video, metres_per_pixel))


def _openpose(skeleton: Skeleton) -> Write:
    def write(path: Path, video: Annotations, _: float | None) -> None:
        files = openpose.frame_files(video, skeleton)
        if path.suffix.lower() == ".zip":
            write_file(path, openpose.archive_of(files))
        else:
            openpose.write_folder(path, files)

    return write


def _alphapose(skeleton: Skeleton) -> Write:
    def write(path: Path, video: Annotations, _: float | None) -> None:
        write_file(path, orjson.dumps(list(alphapose_rows(video, skeleton))))

    return write


def _write_coco_tracks(path: Path, video: Annotations, _: float | None) -> None:
    content = {**dataset_head(video), "images": list(image_rows(video)), "annotations": list(person_rows(video))}
    write_file(path, orjson.dumps(content))


def _write_wide(path: Path, video: Annotations, _: float | None) -> None:
    from posetrack.formats.wide import wide_bytes  # importing pyarrow is slow

    write_file(path, wide_bytes(path, video))


class WholeClipSink:
    """Collects a clip's people, about 200 bytes per person and frame, and writes the file at the end.

    Args:
        path: The file.
        source: Its name names the images; its size is written where the format has a place for it.
        form: The format.

    Raises:
        ConfigError: a package that writes the format is not installed.
        OutputError: from ``close``: the file cannot be written.
    """

    def __init__(self, path: Path, source: SourceInfo, form: ClipFormat) -> None:
        form.check()
        self._path, self._source, self._form = path, source, form
        self._naming = ImageNaming.of(source.name)
        self._images: list[dict[str, Any]] = []
        self._poses: list[Poses] = []

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame."""
        name, number = self._naming.file_name(frame.index), self._naming.image_id(frame.index)
        size = {"width": self._source.width, "height": self._source.height}
        self._images.append({"file_name": name, "id": number, "time_s": frame.time_s, **size})
        self._poses.append(poses)

    def close(self) -> None:
        """Write the file, which takes its name."""
        video = annotations_of(self._path, self._naming.video_id, self._images, self._poses)
        self._form.write(self._path, video, None)

    def discard(self) -> None:
        """Forget the clip: nothing has been written."""
        self._images.clear()
        self._poses.clear()


_WIDE = {"csv": "wide", "parquet": "wide-parquet", "wide": "wide", "wide-parquet": "wide-parquet"}

_WIDE_KEEPS = frozenset({"scores", "ids", "times", "empty", "found"})

CLIP_FORMATS: dict[str, ClipFormat] = {
    "trc": ClipFormat(ending=".trc", write=_write_trc, keeps=frozenset({"times", "empty"})),
    "c3d": ClipFormat(ending=".c3d", write=_write_c3d, keeps=frozenset({"times", "empty"}), check=c3d.check_c3d),
    "openpose": ClipFormat(
        ending="_openpose.zip", write=_openpose(BODY_25), skeleton=BODY_25,
        keeps=frozenset({"scores", "ids", "empty"}),
    ),
    "openpose18": ClipFormat(
        ending="_openpose18.zip",
        write=_openpose(OPENPOSE_COCO),
        skeleton=OPENPOSE_COCO,
        keeps=frozenset({"scores", "ids", "empty"}),
    ),
    "alphapose": ClipFormat(
        ending="_alphapose.json",
        write=_alphapose(COCO),
        skeleton=COCO,
        keeps=frozenset({"scores", "person_scores", "boxes", "ids"}),
    ),
    "alphapose26": ClipFormat(
        ending="_alphapose26.json",
        write=_alphapose(HALPE_26),
        skeleton=HALPE_26,
        keeps=frozenset({"scores", "person_scores", "boxes", "ids"}),
    ),
    "coco-tracks": ClipFormat(
        ending="_coco_tracks.json",
        write=_write_coco_tracks,
        keeps=frozenset({"scores", "person_scores", "boxes", "ids", "images", "empty", "times", "names"}),
    ),
    "wide": ClipFormat(ending="_wide.csv", write=_write_wide, keeps=_WIDE_KEEPS),
    "wide-parquet": ClipFormat(ending="_wide.parquet", write=_write_wide, keeps=_WIDE_KEEPS),
    "bvh": ClipFormat(ending=".bvh", write=bvh.write_bvh, keeps=frozenset({"ids", "empty"})),
    "slp": ClipFormat(
        ending=".slp", write=sleap.write_slp, keeps=frozenset({"scores", "person_scores", "ids"}),
        check=sleap.check_sleap,
    ),
    "nwb": ClipFormat(
        ending=".nwb", write=nwb.write_nwb, keeps=frozenset({"scores", "ids", "times", "empty"}),
        check=nwb.check_nwb,
    ),
    "deeplabcut": ClipFormat(
        ending="_deeplabcut.csv", write=deeplabcut.write_deeplabcut, keeps=frozenset({"scores", "ids", "empty"})
    ),
}  # fmt: skip
"""Name on the command line -> the format."""


CLIP_ENDINGS = tuple(form.ending for form in CLIP_FORMATS.values())


def clip_format_of(path: Path) -> ClipFormat | None:
    """The format whose ending the file has: ``a.trc``, ``a_wide.csv``. None for others, such as ``a.csv``."""
    return next((form for form in CLIP_FORMATS.values() if path.name.endswith(form.ending)), None)


def check_formats(names: Iterable[str]) -> None:
    """Refuse formats whose packages are not installed, before any work. Raises ``ConfigError``."""
    for name in names:
        if name in CLIP_FORMATS:
            CLIP_FORMATS[name].check()


def format_of(target: Path, named: str | None, wide: bool) -> str:
    """The format to write: the one that was named, or else what the file's ending says.

    >>> format_of(Path("a.csv"), None, True), format_of(Path("b.c3d"), None, False)
    ('wide', 'c3d')
    >>> format_of(Path("a_wide.csv"), None, False), format_of(Path("a_alphapose.json"), None, False)
    ('wide', 'alphapose')
    >>> format_of(Path("a.json"), None, False), format_of(Path("a_posetrack17.json"), None, False)
    ('posetrack18', 'posetrack17')

    Raises:
        ConfigError: the ending says nothing, or ``wide`` does not fit.
    """
    known = {
        ".json": "posetrack18", "_posetrack17.json": "posetrack17", "_coco.json": "coco",
        ".csv": "csv", ".parquet": "parquet", ".txt": "mot", ".zip": "openpose",
    }  # fmt: skip
    known |= {form.ending: name for name, form in CLIP_FORMATS.items()}
    # the longest ending wins: a_wide.csv is no long table
    endings = sorted((ending for ending in known if target.name.lower().endswith(ending)), key=len)
    if named is None and not endings:
        raise ConfigError(f"{target}: the ending does not tell the format; name it (--to).")
    chosen = named or known[endings[-1]]
    if not wide:
        return chosen
    if chosen not in _WIDE:
        raise ConfigError(f"--wide is for CSV and Parquet, not {chosen}: leave it out.")
    return _WIDE[chosen]
