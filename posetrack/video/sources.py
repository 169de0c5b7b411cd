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

_CAMERA = r"\d{1,3}"
_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]+)://"


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
    if isinstance(text, str) and re.fullmatch(_CAMERA, text):
        return Source(CameraReader(int(text)), options, f"camera{int(text)}")
    if isinstance(text, str) and (scheme := re.match(_SCHEME, text)):
        if scheme[1].casefold() in _STREAMS:
            return _stream(text, options)
        if scheme[1].casefold() != "file":
            raise VideoError(f"{scheme[0]} is not a kind of stream: give a file, or an address such as rtsp://...")
    path = stored_path(text)
    assert path is not None  # the others are open
    if "\0" in str(path):
        raise VideoError("The source's name contains a NUL character: correct it.")
    try:
        return _local(path, options)
    except FileNotFoundError as error:
        raise VideoError(f"There is no file {path}: check its name and folder.") from error
    except OSError as error:
        raise VideoError(f"{path} cannot be opened: {error.strerror}.") from error


def stored_path(source: str | Path) -> Path | None:
    """Where a source lies on a disk; ``None`` for cameras and streams. A glob of images is a path, too."""
    if isinstance(source, str):
        if re.fullmatch(_CAMERA, source):
            return None
        if scheme := re.match(_SCHEME, source):
            if scheme[1].casefold() != "file":
                return None
            source = unquote(urlsplit(source).path, errors="surrogateescape")
    return Path(source).expanduser()


def is_stored(source: str | Path) -> bool:
    """Whether a source lies on a disk, so that it can be read again: a file, a folder, or a glob of images."""
    path = stored_path(source)
    if path is None or "\0" in str(path):
        return False
    return path.is_file() or path.is_dir() or _is_glob(path)


def images_of(path: Path) -> list[Path] | None:
    """The images of a folder or glob, in their order; ``None`` for a single file.

    Raises:
        VideoError: there are none.
        OSError: the folder cannot be read.
    """
    if path.is_dir():
        return natural_order(_images_in(path))
    return natural_order(_images_like(str(path))) if _is_glob(path) else None


def shown_name(source: str | Path) -> str:
    """What a source is called in files and messages: an address without user name, password and query.

    >>> shown_name("rtsp://me:secret@camera.example/door?token=1"), shown_name("my.mp4")
    ('rtsp://camera.example/door', 'my.mp4')
    """
    if isinstance(source, Path) or stored_path(source) is not None or re.fullmatch(_CAMERA, source):
        return str(source)
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _is_glob(path: Path) -> bool:
    return not path.exists() and has_magic(str(path))


def _local(path: Path, options: ReadOptions) -> Source:
    if (images := images_of(path)) is not None:
        folder = path if path.is_dir() else images[0].parent
        reader = ImageReader(images, options.images_per_second)
        return Source(reader, options, folder.resolve().name or "images")
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
    name = re.sub(r"\W+", "_", Path(parts.path).stem or place).strip("_") or "stream"
    return Source(StreamReader(url, shown_name(url)), options, name)


def _images_in(folder: Path) -> list[Path]:
    images = [path for path in folder.iterdir() if _is_image(path)]
    if not images:
        raise VideoError(
            f"There are no images in the folder {folder}: give one with {_kinds()} files, or a video."
        )
    return images


def _images_like(pattern: str) -> list[Path]:
    found = [Path(match) for match in glob(pattern, recursive=True)]
    images = [path for path in found if _is_image(path)]
    if images:
        return images
    if not found:
        raise VideoError(f"Nothing matches {pattern}: check the folder and the pattern.")
    raise VideoError(f"No images match {pattern}, but {found[0]} does: give videos one by one.")


def _is_image(path: Path) -> bool:
    return path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _kinds() -> str:
    return ", ".join(sorted(IMAGE_SUFFIXES))
