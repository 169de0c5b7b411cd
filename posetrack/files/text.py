"""Makes text of unknown origin, such as names of files, safe to print and to put into tables."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable

_FORMULA = set("=+-@")
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}  # control characters, halves of surrogate pairs, ends of lines and paragraphs


def printable(text: str) -> str:
    r"""The text with control characters, and characters that UTF-8 cannot hold, escaped.

    >>> printable("a\x1b[2J\udcff"), printable("Zoë")
    ('a\\x1b[2J\\udcff', 'Zoë')
    """
    return "".join(_escaped(one) if unicodedata.category(one) in _UNSEEN else one for one in text)


def csv_table(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows as UTF-8 CSV; None is an empty cell.

    Text that begins with = + - or @ gets an apostrophe, so that spreadsheets do not run it as a formula.

    >>> csv_table([["=1+1", -1.5, None]])
    b"'=1+1,-1.5,\\n"
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerows([_cell(value) if isinstance(value, str) else value for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(text: str) -> str:
    shown = printable(text)
    return f"'{shown}" if unicodedata.normalize("NFKC", shown[:1]) in _FORMULA else shown


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
