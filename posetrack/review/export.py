"""A review as one self-contained HTML file, for looking only: no server, no network, no video beside it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import orjson

from posetrack.files.pending import PendingFile, check_outputs
from posetrack.review.footage import Footage, encode_jpeg
from posetrack.review.page import exported_page
from posetrack.review.session import Session

_LONGEST_SIDE, _QUALITY = 640, 70
_MOST_BYTES = 64 * 2**20
"""Of all pictures together: where they would take more, only every n-th frame has one."""


def export_review(session: Session, path: Path, *, overwrite: bool = False) -> None:
    """Write the page of a session, with its tracks, doubts and pictures.

    Args:
        session: What is shown, as repaired.
        path: The HTML file.
        overwrite: Replace an existing file.

    Raises:
        ConfigError: the file is one of those that are read.
        OutputError: it exists, or cannot be written.
    """
    check_outputs([path], overwrite=overwrite, inputs=session.inputs)
    file = PendingFile(path)
    try:
        before, after = exported_page(session.title)
        file.write(before)
        for part in _data(session):
            file.write(part)
        file.write(after)
    except BaseException:
        file.discard()
        raise
    file.commit()


def _data(session: Session) -> Iterator[bytes]:
    """JSON that can stand in a page: ``clip``; ``tracks`` and ``people`` by key; ``pictures`` by frame number."""
    clip = session.describe() | {"editable": False}
    keys = [str(track["key"]) for track in clip["tracks"]]
    yield b'{"clip":' + orjson.dumps(clip).replace(b"<", b"\\u003c")
    yield b',"tracks":{'
    for number, key in enumerate(keys):
        yield _entry(number, key, session.packed(key) or b"")
    yield b'},"people":{'
    portraits = [(key, picture) for key in keys if (picture := session.thumbnail(key)) is not None]
    for number, (key, picture) in enumerate(portraits):
        yield _entry(number, key, picture)
    yield b'},"pictures":{'
    if session.footage is not None:
        for number, (frame, picture) in enumerate(_pictures(session.footage, clip["frames"])):
            yield _entry(number, str(frame), picture)
    yield b"}}"


def _entry(number: int, key: str, content: bytes) -> bytes:
    return b"%s%s:%s" % (
        b"," if number else b"",
        orjson.dumps(key),
        orjson.dumps(base64.b64encode(content).decode()),
    )


def _pictures(footage: Footage, frames: list[int]) -> Iterator[tuple[int, bytes]]:
    """Small pictures of as many frames as fit, evenly spaced."""
    sample = _small(footage, frames[len(frames) // 2])
    stride = -(-len(frames) * len(sample or b"") // _MOST_BYTES) or 1
    for frame in frames[::stride]:
        picture = _small(footage, frame)
        if picture is not None:
            yield frame, picture


def _small(footage: Footage, frame: int) -> bytes | None:
    image = footage.image(frame)
    return None if image is None else encode_jpeg(image, _LONGEST_SIDE, _QUALITY)
