"""``--glob`` and ``--exclude``: patterns of paths, as rsync and gitignore have them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from posetrack.ranges import require_kinds


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern: ``*`` and ``?`` stay within a name, ``**`` spans folders, ``[a-f]`` is one of those.

    Without a ``/`` it is compared with the name alone, in any folder; with one, with the whole path below the
    footage's folder. Upper and lower case are the same, as cameras write ``.MP4``.

    >>> Pattern("*.mp4").matches("day 1/GX01.MP4"), Pattern("day*/*.mp4").matches("day 1/cut/a.mp4")
    (True, False)
    >>> Pattern("**/cut/*").matches("day 1/cut/a.mp4"), Pattern("day 1/**").matches("day 1/cut/a.mp4")
    (True, True)
    """

    text: str

    def matches(self, path: str) -> bool:
        """Whether a path relative to the footage's folder, with ``/``, is meant."""
        pattern = self.text.removeprefix("./").strip("/")
        compared = path if "/" in self.text.strip("/") else path.rpartition("/")[2]
        return re.fullmatch(_expression(_plain(pattern)), _plain(compared), re.DOTALL) is not None

    @property
    def names_a_kind(self) -> bool:
        """Whether it spells out an ending or a whole name, so that files of unknown kinds can be meant.

        >>> Pattern("*.dat").names_a_kind, Pattern("day1/*").names_a_kind, Pattern("*.*").names_a_kind
        (True, False, False)
        """
        name = self.text.rpartition("/")[2]
        ending = name.rpartition(".")[2] if "." in name else name
        return bool(ending) and not re.search(r"[*?\[]", ending)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which clips are wanted.

    Attributes:
        globs: One of these must match (a folder of images: its path, or one image's); none given: all are wanted.
            Files whose names do not end as videos' do are wanted only by a pattern that spells out their ending.
        excludes: None of these may match, neither the clip nor a folder that it lies in.
    """

    globs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)

    def wants(self, path: str) -> bool:
        """Whether a path is meant."""
        return not self.globs or _any_matches([Pattern(text) for text in self.globs], path)

    def wants_kind(self, path: str) -> bool:
        """Whether a path is meant by a pattern that spells out its ending."""
        return _any_matches([pattern for text in self.globs if (pattern := Pattern(text)).names_a_kind], path)

    def refuses(self, path: str) -> bool:
        """Whether a file or folder is excluded."""
        return _any_matches([Pattern(text) for text in self.excludes], path)


def _any_matches(patterns: Sequence[Pattern], path: str) -> bool:
    """Whether one of the patterns means the path."""
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
    """``a-f`` and single characters as a regular expression's set; a range that runs backwards matches nothing."""
    inside = ""
    for first, last in re.findall(r"(.)(?:-(.))?", characters, re.DOTALL):
        if not last:
            inside += re.escape(first)
        elif first <= last:
            inside += f"{re.escape(first)}-{re.escape(last)}"
    if not inside:
        return "[^/]" if inverted else r"(?!)"
    return f"(?!/)[{'^' if inverted else ''}{inside}]"
