"""The path patterns of ``--glob`` and ``--exclude``, in the style of rsync."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from posetrack.ranges import require_kinds


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern: ``*`` and ``?`` match within a name, ``**`` spans folders, ``[a-f]`` matches one character.

    A pattern without ``/`` matches names in any folder; one with ``/`` matches the whole path below the footage
    folder. Matching ignores case, as cameras write ``.MP4``.

    >>> Pattern("*.mp4").matches("day 1/GX01.MP4"), Pattern("day*/*.mp4").matches("day 1/cut/a.mp4")
    (True, False)
    >>> Pattern("**/cut/*").matches("day 1/cut/a.mp4"), Pattern("day 1/**").matches("day 1/cut/a.mp4")
    (True, True)
    """

    text: str

    def matches(self, path: str) -> bool:
        """Whether the pattern matches a path relative to the footage folder (separator ``/``)."""
        pattern = self.text.removeprefix("./").strip("/")
        compared = path if "/" in self.text.strip("/") else path.rpartition("/")[2]
        return re.fullmatch(_expression(_plain(pattern)), _plain(compared), re.DOTALL) is not None

    @property
    def names_a_kind(self) -> bool:
        """Whether it spells out a suffix or a whole name, and may therefore choose files of unknown types.

        >>> Pattern("*.dat").names_a_kind, Pattern("day1/*").names_a_kind, Pattern("*.*").names_a_kind
        (True, False, False)
        """
        name = self.text.rpartition("/")[2]
        ending = name.rpartition(".")[2] if "." in name else name
        return bool(ending) and not re.search(r"[*?\[]", ending)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The clips to track.

    Attributes:
        globs: A clip must match one of these; empty chooses all clips. A folder of images matches by its own path
            or that of an image in it. Files without a video suffix need a pattern that spells out their suffix.
        excludes: A clip must match none of these, nor may any folder it lies in.
    """

    globs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)

    def wants(self, path: str) -> bool:
        """Whether the globs choose a path."""
        return not self.globs or _any_matches([Pattern(text) for text in self.globs], path)

    def wants_kind(self, path: str) -> bool:
        """Whether a glob that spells out the suffix chooses a path."""
        return _any_matches([pattern for text in self.globs if (pattern := Pattern(text)).names_a_kind], path)

    def refuses(self, path: str) -> bool:
        """Whether a file or folder is excluded."""
        return _any_matches([Pattern(text) for text in self.excludes], path)


def _any_matches(patterns: Sequence[Pattern], path: str) -> bool:
    """Whether any pattern matches."""
    return any(pattern.matches(path) for pattern in patterns)


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _expression(pattern: str) -> str:
    pieces = re.findall(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", pattern, re.DOTALL)
    return "".join(map(_piece, pieces))


def _piece(piece: str) -> str:
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if piece in wild:
        return wild[piece]
    if len(piece) > 1:
        inside = piece[1:-1]
        inverted = inside.startswith("!")
        return _set(inside[inverted:], inverted)
    return re.escape(piece)


def _set(characters: str, inverted: bool) -> str:
    """The contents of ``[...]`` as a regular expression. A backwards range matches nothing."""
    inside = ""
    for first, last in re.findall(r"(.)(?:-(.))?", characters, re.DOTALL):
        if not last:
            inside += re.escape(first)
        elif first <= last:
            inside += f"{re.escape(first)}-{re.escape(last)}"
    if not inside:
        return "[^/]" if inverted else r"(?!)"
    return f"(?!/)[{'^' if inverted else ''}{inside}]"
