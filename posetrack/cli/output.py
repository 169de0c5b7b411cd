"""What the commands say: names of files are shown, never obeyed, and words that cannot be said end no work.

Everything that a command prints goes through here.
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
"""A pipe or a file has no width: this one fits the tables."""


def readable(text: str) -> str:
    """Text on one line: what a terminal obeys, and what reorders or hides other characters, is shown as escapes.

    >>> readable("a\\nb ü.mp4"), readable("\\x1b[31m\\u202e")
    ('a\\\\nb ü.mp4', '\\\\x1b[31m\\\\u202e')
    """
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode()


def tell(line: str = "") -> None:
    """A line to standard output, beside the files that a command writes."""
    print(readable(line))


def answer(text: str) -> None:
    """What the user has asked for, to standard output; it may have lines.

    Raises:
        OutputError: it cannot be written.
    """
    print("\n".join(map(readable, text.split("\n"))))
    answered()


def answer_json(data: bytes) -> None:
    """The same of JSON, which stays JSON in every encoding: all but ASCII is escaped.

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
    """See to it that what was asked for is out.

    Raises:
        OutputError: it cannot be written. (Who reads it may have had enough, which is no fault.)
    """
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    if failure is not None:
        cast(_Guarded, sys.stdout).failure = None  # it is told of here
        raise OutputError(f"the standard output cannot be written ({failure.strerror}); send it somewhere else.")


def note(line: str) -> None:
    """A line to standard error."""
    print(readable(line), file=sys.stderr, flush=True)


def complain(sentence: str) -> None:
    """A sentence about what is wrong, to standard error."""
    note(f"posetrack: {sentence}")


class _ReadableConsole(Console):
    """Shows what is not its own as ``readable`` does."""

    def render_str(self, text: str, **how: Any) -> Text:
        """Of a text that is shown, before its room is measured."""
        return super().render_str("\n".join(map(readable, text.split("\n"))), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Its pieces."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment("\n".join(map(readable, segment.text.split("\n"))), segment.style)


def console(*, stderr: bool = False, markup: bool = False, soft_wrap: bool = False) -> Console:
    """A console of rich for tables and bars. Names that look like its markup are none, unless that is wanted."""
    made = _ReadableConsole(stderr=stderr, markup=markup, emoji=False, soft_wrap=soft_wrap)
    if not (made.is_terminal or soft_wrap):
        made.width = _WIDTH_OF_FILES
    return made


class _Guarded:
    """A stream that swallows what cannot be written, and remembers why; everything else is the stream's.

    Attributes:
        failure: The first error; None if there was none, or if nobody reads the stream any more.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._broken = False
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write, as well as it can be."""
        try:
            if not self._broken:
                self._stream.write(self._encodable(text))
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush."""
        try:
            if not self._broken:
                self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _encodable(self, text: str) -> str:
        encoding = self._stream.encoding or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)

    def _give_up(self, error: OSError) -> None:
        """Send what is still in the stream's buffers nowhere: the end of the program would find fault with it."""
        self._broken = True
        if error.errno != errno.EPIPE:
            self.failure = error
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        except (OSError, ValueError):  # it is no file of the system's
            pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Meanwhile a standard output or error that is full, closed or of a small alphabet raises nothing."""
    before = sys.stdout, sys.stderr
    guarded = [_Guarded(stream if stream is not None else _nowhere()) for stream in before]
    sys.stdout, sys.stderr = (cast(TextIO, one) for one in guarded)
    try:
        yield
    finally:
        for one in guarded:
            one.flush()
        if guarded[0].failure is not None:
            complain(f"the standard output could not be written ({guarded[0].failure.strerror}).")
        sys.stdout, sys.stderr = before


def _nowhere() -> TextIO:
    """For a stream that was closed when the program started."""
    return open(os.devnull, "w", encoding="utf-8")
