"""Open a source of frames from what a user types."""

from __future__ import annotations

import re
from glob import glob, has_magic
from pathlib import Path
from urllib.parse import unquote, urlsplit

from posetrack.errors import VideoError
from posetrack.video.capture import CameraReader, StreamReader
from posetrack.video.files import FileReader
from posetrack.video.images import IMAGE_SUFFIXES, ImageReader, natural_order
from posetrack.video.options import ReadOptions
from posetrack.video.probe import probe
from posetrack.video.readers import Source

_ARCHIVES = (b"PK\x03\x04", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c")
"""First bytes of ZIP, RAR and 7z files."""

_STREAMS = frozenset(
    ("ftp", "http", "https", "mmsh", "mmst", "rist", "rtmp", "rtmpe", "rtmps", "rtmpt", "rtmpte", "rtmpts", "rtp")
    + ("rtsp", "rtsps", "sftp", "srt", "srtp", "tcp", "tls", "udp")
)
"""Schemes of network addresses. FFmpeg's other schemes (``concat``, ``subfile``, ``pipe``, ...) lead to files."""


def open_source(text: str | Path, options: ReadOptions | None = None) -> Source:
    """Open a source of frames. The first frame is decoded at once, so that a source that opens can be read.

    Args:
        text: A video file, a folder of images, a glob of images (``shots/*.png``, ``**`` for any depth), a
            camera's number (``0``; a file of that name is ``./0``), or a stream's URL (``rtsp://...``,
            ``https://...``).
        options: Which part to read. Defaults to all.

    Returns:
        The source; a context manager, to be iterated once. Frames are upright. Indices count all frames of the
        source, including those skipped by the options. Times are the container's presentation times from the start
        of the file; for streams and cameras, from the first frame received.

    Raises:
        VideoError: it does not exist, cannot be decoded, or contains no video.
    """
    options = options or ReadOptions()
    if isinstance(text, str) and not text.strip():
        raise VideoError("The source is empty: give a video file, a folder of images, a camera's number or a URL.")
    if isinstance(text, str) and re.fullmatch(r"\d{1,3}", text):
        return Source(CameraReader(int(text)), options, f"camera{int(text)}")
    if isinstance(text, str) and (scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text)):
        if scheme[1].casefold() in _STREAMS:
            return _stream(text, options)
        if scheme[1].casefold() != "file":
            raise VideoError(f"{scheme[0]} is not a kind of stream: give a file, or an address such as rtsp://...")
        text = unquote(urlsplit(text).path, errors="surrogateescape")
    path = Path(text).expanduser()
    if "\0" in str(path):
        raise VideoError("The source's name contains a NUL character: correct it.")
    try:
        return _local(path, options)
    except FileNotFoundError as error:
        raise VideoError(f"There is no file {path}: check its name and folder.") from error
    except OSError as error:
        raise VideoError(f"{path} cannot be opened: {error.strerror}.") from error


def is_stored(text: str | Path) -> bool:
    """Whether a source lies on a disk, so that it can be read again: a file, a folder, or a glob of images."""
    if isinstance(text, str):
        if re.fullmatch(r"\d{1,3}", text):
            return False
        if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+)://", text):
            return scheme[1].casefold() == "file"
    path = Path(text).expanduser()
    return "\0" not in str(path) and (
        path.is_file() or path.is_dir() or (not path.exists() and has_magic(str(path)))
    )


def _local(path: Path, options: ReadOptions) -> Source:
    if path.is_dir():
        return _folder(path, options)
    if not path.exists() and has_magic(str(path)):
        return _glob(str(path), options)
    with path.open("rb") as file:
        beginning = file.read(8)
    if not beginning:
        raise VideoError(f"{path} is empty: copy or download it again.")
    if beginning.startswith(_ARCHIVES):
        raise VideoError(f"{path} is an archive: unpack it, with its password if it has one.")
    if path.suffix.casefold() in IMAGE_SUFFIXES:
        return Source(ImageReader([path], options.images_per_second), options, path.stem)
    return _video(path, options)


def _video(path: Path, options: ReadOptions) -> Source:
    media = probe(path)
    if media.refused:
        raise VideoError(
            f"{path} is not a video: it is text, a playlist, a script or another format that can refer to "
            "other files; give the videos themselves."
        )
    if media.video_codec is None:
        if media.audio_codecs:
            raise VideoError(f"{path} holds sound but no video: give a file with video.")
        raise VideoError(
            f"{path} is not a video that can be read, or its header is lost: copy or download it again."
        )
    return Source(FileReader(path, media), options, path.stem, str(path))


def _stream(url: str, options: ReadOptions) -> Source:
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]  # without user name and password
    label = f"{parts.scheme}://{place}{parts.path}"
    name = re.sub(r"\W+", "_", Path(parts.path).stem or place).strip("_") or "stream"
    return Source(StreamReader(url, label), options, name)


def _folder(folder: Path, options: ReadOptions) -> Source:
    images = [path for path in folder.iterdir() if _is_image(path)]
    if not images:
        raise VideoError(
            f"There are no images in the folder {folder}: give one with {_kinds()} files, or a video."
        )
    return _images(images, options, folder.resolve().name or "images")


def _glob(pattern: str, options: ReadOptions) -> Source:
    found = [Path(match) for match in glob(pattern, recursive=True)]
    images = [path for path in found if _is_image(path)]
    if images:
        return _images(images, options, images[0].resolve().parent.name or "images")
    if not found:
        raise VideoError(f"Nothing matches {pattern}: check the folder and the pattern.")
    raise VideoError(f"No images match {pattern}, but {found[0]} does: give videos one by one.")


def _images(images: list[Path], options: ReadOptions, name: str) -> Source:
    return Source(ImageReader(natural_order(images), options.images_per_second), options, name)


def _is_image(path: Path) -> bool:
    return path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _kinds() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
