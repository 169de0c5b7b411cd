"""The tables of ``posetrack models list`` and ``check``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

from rich.box import SIMPLE_HEAD
from rich.table import Table

from posetrack.cli.output import answered, console, readable
from posetrack.errors import WeightsError
from posetrack.zoo import Accuracy, Entry, ModelStore, SourceReport
from posetrack.zoo.entries import TASKS

_MOST_FIGURES = 2
_TITLES = {"detector": "Detectors", "pose": "Pose networks", "detector+pose": "Both in one", "flow": "Flow"}


def as_json(entries: Iterable[Entry], store: ModelStore) -> str:
    """All fields of the entries, and for each file whether it is here and its path."""
    rows = []
    for entry in entries:
        state = state_of(entry, store)
        here = {"present": state in ("bundled", "yes"), "state": state, "path": str(store.path(entry))}
        rows.append(asdict(entry) | here)
    return json.dumps(rows, indent=2)


def print_table(entries: Iterable[Entry], store: ModelStore) -> None:
    """Print purpose, accuracy, size and presence of each entry, and below the table what the figures mean.

    To fit 80 columns with whole names, the purpose is a heading rather than a column.
    """
    out = console(markup=True)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("name", overflow="fold")
    table.add_column("accuracy", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("here", no_wrap=True)
    meanings: dict[str, str] = {}
    heading = None
    for entry in _grouped(entries):
        if heading != (heading := f"{_TITLES[entry.task]}: {entry.purpose}"):
            table.add_section()
            table.add_row(f"[bold]{heading}[/bold]")
        figures = " / ".join(
            f"{_value(figure)} [dim]{meanings.setdefault(_meaning(figure), _letter(len(meanings)))}[/dim]"
            for figure in entry.accuracy[:_MOST_FIGURES]
        )
        table.add_row(entry.name, figures, _size(entry, store), state_of(entry, store))
    out.print(table)
    for meaning, letter in meanings.items():
        out.print(f"{letter}  {meaning}", markup=False, highlight=False)
    out.print("~  estimated at 4 bytes per parameter: the publisher gives no size", highlight=False)
    out.print(f"Folder of the weights: {store.folder}", soft_wrap=True, markup=False, highlight=False)
    answered()


def _grouped(entries: Iterable[Entry]) -> list[Entry]:
    """By task, then by purpose, in the order in which these first appear."""
    entries = list(entries)
    purposes = list(dict.fromkeys(entry.purpose for entry in entries))
    return sorted(entries, key=lambda entry: (TASKS.index(entry.task), purposes.index(entry.purpose)))


def print_reports(reports: Sequence[SourceReport]) -> None:
    """Print what each address said, and how many are fine."""
    out = console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("name", no_wrap=True)
    table.add_column("asked", overflow="fold")
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("hash", no_wrap=True)
    table.add_column("", overflow="fold")
    for report in reports:
        size = "" if report.size_bytes is None else f"{report.size_bytes / 1e6:.1f}"
        host = urlsplit(report.url).netloc
        table.add_row(report.entry.name, host, size, report.hash, readable(report.fault or "fine"))
    out.print(table, highlight=False)
    fine = sum(report.fault is None for report in reports)
    out.print(f"{fine} of {len(reports)} addresses have their file.", markup=False, highlight=False)
    answered()


def state_of(entry: Entry, store: ModelStore) -> str:
    """``bundled``, ``yes``, ``no``, ``by hand`` (missing, and not downloadable) or ``damaged``."""
    try:
        found = store.find(entry)
    except WeightsError:
        return "damaged"
    if found is not None:
        return "bundled" if entry.bundled else "yes"
    return "by hand" if entry.by_hand else "no"


def _letter(number: int) -> str:
    return chr(ord("a") + number)


def _value(figure: Accuracy) -> str:
    return f"{figure.value:.1f}" if figure.unit == "percent" else f"{figure.value:.4g}"


def _meaning(figure: Accuracy) -> str:
    unit = "" if figure.unit in figure.metric else f", {figure.unit}"
    return f"{figure.metric}{unit}: {figure.dataset}; {figure.conditions}"


def _size(entry: Entry, store: ModelStore) -> str:
    """Size in megabytes: of the file here, else as published or estimated."""
    path = store.path(entry)
    if path.is_file():
        return f"{path.stat().st_size / 1e6:.1f}"
    if entry.estimated_bytes is None:
        return "?"
    published = entry.size_bytes is not None or entry.size_mib is not None
    return f"{'' if published else '~'}{entry.estimated_bytes / 1e6:.1f}"
