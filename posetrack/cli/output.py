"""Everything that the commands print.

File names cannot send control characters to the terminal, and output errors do not stop the work.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from posetrack.errors import OutputError

_WIDTH_OF_FILES = 140
"""Width of tables in pipes and files, which have none."""


def readable(text: str) -> str:
    """Text on one line, with control characters and those that reorder or hide text shown as escapes.

    >>> readable("a\\nb ü.mp4"), readable("\\x1b[31m\\u202e")
    ('a\\\\nb ü.mp4', '\\\\x1b[31m\\\\u202e')
    """
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode()


def tell(line: str = "") -> None:
    """Print an informative line to standard output."""
    print(readable(line))


def answer(text: str) -> None:
    """Print what the user asked for, possibly several lines, to standard output.

    Raises:
        OutputError: it cannot be written.
    """
    print("\n".join(map(readable, text.split("\n"))))
    answered()


def answer_json(data: bytes) -> None:
    """Like ``answer`` for JSON. Escapes all but ASCII, so that it stays valid in any encoding.

    Raises:
        OutputError: it cannot be written.
    """
    text = data.decode()
    if not text.isascii():
        text = "".join(letter if letter < "\x7f" else _json_escape(letter) for letter in text)
    print(text)
    answered()


def _json_escape(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))


def answered() -> None:
    """Flush standard output.

    Raises:
        OutputError: it cannot be written. (A reader that closed the pipe is no error.)
    """
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    if failure is not None:
        cast(_Guarded, sys.stdout).failure = None  # reported here
        raise OutputError(f"standard output cannot be written ({failure.strerror}); send it elsewhere.")


def note(line: str) -> None:
    """Print a line to standard error."""
    print(readable(line), file=sys.stderr, flush=True)


def complain(sentence: str) -> None:
    """Print a sentence about an error or warning to standard error."""
    note(f"posetrack: {sentence}")


class _ReadableConsole(Console):
    """A console that passes all text through ``readable``."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Escape text before its width is measured."""
        return super().render_str("\n".join(map(readable, text.split("\n"))), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Escape the text of all segments."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment("\n".join(map(readable, segment.text.split("\n"))), segment.style)


def console(*, stderr: bool = False, markup: bool = False, soft_wrap: bool = False) -> Console:
    """A rich console for tables and bars. Text is not parsed as markup unless asked for."""
    made = _ReadableConsole(stderr=stderr, markup=markup, emoji=False, soft_wrap=soft_wrap)
    if not (made.is_terminal or soft_wrap):
        made.width = _WIDTH_OF_FILES
    return made


class _Guarded:
    """Wraps a stream: discards what cannot be written, and remembers the error.

    Attributes:
        failure: The first error. ``None`` if there was none, or if the reader has closed the pipe.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._broken = False
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write the text, if the stream still works."""
        try:
            if not self._broken:
                self._stream.write(self._encodable(text))
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, if the stream still works."""
        try:
            if not self._broken:
                self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _encodable(self, text: str) -> str:
        encoding = self._stream.encoding or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _give_up(self, error: OSError) -> None:
        """Send what is left in the buffers to the null device: flushing it at exit would fail."""
        self._broken = True
        if error.errno != errno.EPIPE:
            self.failure = error
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):  # not a real file
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Keep standard output and error from raising if they are full, closed or of limited encoding."""
    before = sys.stdout, sys.stderr
    guarded = [_Guarded(stream if stream is not None else _nowhere()) for stream in before]
    sys.stdout, sys.stderr = (cast(TextIO, one) for one in guarded)
    try:
        yield
    finally:
        for one in guarded:
            one.flush()
        if guarded[0].failure is not None:
            complain(f"standard output could not be written ({guarded[0].failure.strerror}).")
        sys.stdout, sys.stderr = before


def _nowhere() -> TextIO:
    """A replacement for a stream that was closed when the program started."""
    return open(os.devnull, "w", encoding="utf-8")
