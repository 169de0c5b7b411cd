"""JSON files whose lists are written item by item."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from posetrack.errors import DataFormatError
from posetrack.files.pending import PendingFile

_BYTES_AT_ONCE = 2**16


class JsonFile:
    """A JSON file that has its name once it is closed. Each item of a list takes a line.

    Args:
        path: The file.
        opening: The text before the first item, up to the list's bracket.

    Raises:
        OutputError: from every method, if the file cannot be written.
    """

    def __init__(self, path: Path, opening: bytes) -> None:
        self._file = PendingFile(path)
        self._separator = b""
        self._file.write(opening)

    def append(self, items: Iterable[dict[str, Any]]) -> None:
        """Add items to the current list.

        Raises:
            DataFormatError: a number is too large for JSON.
        """
        waiting, size = [], 0
        for item in items:
            text = _dumped(self._file.path, item)
            waiting += [self._separator, text]
            self._separator = b",\n"
            size += len(text)
            if size > _BYTES_AT_ONCE:
                self._file.write(b"".join(waiting))
                waiting, size = [], 0
        self._file.write(b"".join(waiting))

    def next_list(self, text: bytes) -> None:
        """End the current list and begin another; ``text`` is everything between their items."""
        self._file.write(text)
        self._separator = b""

    def close(self, ending: bytes) -> None:
        """Write the text after the last item. The file takes its name."""
        self._file.write(ending)
        self._file.commit()

    def discard(self) -> None:
        """Remove what was written."""
        self._file.discard()


def _dumped(path: Path, item: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(item, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        if "surrogates" in str(error):  # half of a pair, in a name: JSON holds it as an escape
            return json.dumps(item, default=_listed).encode()
        raise DataFormatError(
            f"{path} cannot be written: a number of the source has no place in JSON ({error}); correct it."
        ) from error


def _listed(array: Any) -> Any:
    """An array as lists; null for NaN, as orjson has it."""
    return orjson.loads(orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY))
