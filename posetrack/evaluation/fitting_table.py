"""Tables of figures that stay readable in narrow terminals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

_UNBOUNDED = 10_000


@dataclass(frozen=True, kw_only=True)
class FittingTable:
    """A table of text for rich to print.

    Columns that do not fit into the terminal follow below, with the labels repeated.

    Attributes:
        title: Printed above the table.
        labels: Headings of the first columns, which name the rows.
        headings: Headings of the figures, which are right-aligned.
        rows: Labels and figures.
        total: Set off the last row, in bold.
    """

    labels: Sequence[str]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: bool = False
    title: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Yield parts of as many columns as fit."""
        unbounded = options.update(max_width=_UNBOUNDED)
        first, end = 0, len(self.headings)
        while first < end:
            last = end
            while last > first + 1 and self._width(console, unbounded, first, last) > options.max_width:
                last -= 1
            yield self._part(first, last)
            first = last

    def _width(self, console: Console, options: ConsoleOptions, first: int, last: int) -> int:
        return console.measure(self._part(first, last), options=options).maximum

    def _part(self, first: int, last: int) -> Table:
        """The labels, and figures ``first`` to ``last`` (exclusive)."""
        title = Text(self.title) if self.title and first == 0 else None
        table = Table(title=title, box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
        for label in self.labels:
            table.add_column(label, no_wrap=True)
        for heading in self.headings[first:last]:
            table.add_column(heading, justify="right", no_wrap=True)
        start = len(self.labels)
        for number, row in enumerate(self.rows):
            is_total = self.total and number == len(self.rows) - 1
            if is_total:
                table.add_section()
            cells = [*row[:start], *row[start + first : start + last]]
            table.add_row(*map(Text, cells), style="bold" if is_total else None)
        return table
