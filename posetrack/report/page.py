"""The report as one self-contained HTML file: it needs no server and no network."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from posetrack import __version__
from posetrack.files.pending import PendingFile
from posetrack.report.charts import clock, people_chart, tracks_chart
from posetrack.report.rows import STATUSES, ReportRow

_VISIBLE_CONTROLS = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}
"""Control characters in names -> the symbols shown for them."""


def write_report(rows: Sequence[ReportRow], path: Path, title: str) -> None:
    """Write the page. An existing file is replaced once the new one is complete.

    The page can be sorted, searched and filtered. Its address keeps the choices, as in
    ``index.html#sort=frames&order=descending&search=street&status=failed``.

    Args:
        rows: The clips, in their initial order.
        path: The file. Links are relative to its folder.
        title: Title of the page.

    Raises:
        OutputError: it cannot be written.
    """
    template = (files(__package__) / "page.html").read_text("utf-8")
    style = (files(__package__) / "page.css").read_text("utf-8")
    script = (files(__package__) / "page.js").read_text("utf-8")
    values = {
        "title": _text(title),
        "style": style,
        "style_hash": _csp_hash(style),
        "script": script,
        "script_hash": _csp_hash(script),
        "written": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "version": _text(__version__),
        "totals": _totals(rows),
        "statuses": _statuses(rows),
    }
    before, after = template.split("{{rows}}")
    file = PendingFile(path)
    try:
        file.write(_filled(before, values))
        for row in rows:
            file.write("".join(_row(row)).encode())
        file.write(_filled(after, values))
    except BaseException:
        file.discard()
        raise
    file.commit()


def _filled(template: str, values: dict[str, str]) -> bytes:
    return re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], template).encode()


def _csp_hash(content: str) -> str:
    """Content Security Policy source that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    """Escape text for HTML. Control characters, and names that are not valid Unicode, are made visible."""
    return escape(text.encode("utf-8", "replace").decode().translate(_VISIBLE_CONTROLS))


def _url(path: Path) -> str:
    """Relative URL of a file, with all special bytes escaped."""
    return quote(os.fsencode(path.as_posix()), safe="/")


def _totals(rows: Sequence[ReportRow]) -> str:
    durations = [row.duration_s for row in rows if row.duration_s is not None]
    seconds = sum(row.seconds or 0.0 for row in rows)
    frames = sum(row.frames or 0 for row in rows)
    failed = sum(row.status == "failed" for row in rows)
    figures = [
        ("clips", f"{len(rows):,}"),
        ("frames", f"{frames:,}"),
        ("of footage", _length(sum(durations))),
        ("people tracked", f"{sum(row.tracks or 0 for row in rows):,}"),
        ("of work", _length(seconds)),
        ("failed", f"{failed:,}"),
    ]
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in figures)


def _length(seconds: float) -> str:
    """Format a long time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"


def _statuses(rows: Sequence[ReportRow]) -> str:
    chips = [("", "all", len(rows))]
    chips += [(status, status, sum(row.status == status for row in rows)) for status in reversed(STATUSES)]
    return "".join(
        f'<button type="button" class="chip {status}" data-status="{status}" aria-pressed="false">'
        f"{name} <span>{count:,}</span></button>"
        for status, name, count in chips
        if count or not status
    )


def _row(row: ReportRow) -> Iterator[str]:
    yield f'<tr class="{row.status}"><td class="picture">{_picture(row)}</td>'
    yield f'<th scope="row" class="clip">{_name(row.clip)}<span class="links">'
    yield " ".join(f'<a href="{_url(path)}">{_text(kind)}</a>' for kind, path in row.links.items())
    yield "</span>"
    tracked = row.frames is not None
    if row.error and tracked:
        yield f'<span class="error">{_text(row.error)}</span>'
    if row.warning:
        yield f'<span class="warning">{_text(row.warning)}</span>'
    yield f'</th><td class="status" data-value="{STATUSES.index(row.status)}">{row.status}</td>'
    if tracked:
        yield from _figures(row)
    else:
        error = f'<span class="error">{_text(row.error)}</span>' if row.error else ""
        yield f'<td class="wide" colspan="5">{error}</td>'
    yield "</tr>\n"


def _figures(row: ReportRow) -> Iterator[str]:
    people, tracks = ("", "") if row.overview is None else (people_chart(row.overview), tracks_chart(row.overview))
    yield f'<td class="people"{_value(row.people)}>{_later(people)}{_number(row.people)}</td>'
    yield f'<td class="tracks"{_value(row.tracks)}>{_later(tracks)}{_number(row.tracks)}</td>'
    yield f'<td class="frames"{_value(row.frames)}>{row.frames or 0:,}</td>'
    duration = "" if row.duration_s is None else clock(row.duration_s)
    yield f'<td class="duration"{_value(row.duration_s)}>{duration}</td>'
    speed = "" if row.fps is None else f"{row.fps:.1f}"
    yield f'<td class="speed"{_value(row.fps)}>{speed}</td>'


def _name(clip: str) -> str:
    """A clip's name, which may wrap after each folder."""
    folder, slash, name = _text(clip).rpartition("/")
    above = f'<span class="folder">{folder.replace("/", "/<wbr>")}/</span><wbr>' if slash else ""
    return f'<bdi class="name">{above}{name}</bdi>'


def _picture(row: ReportRow) -> str:
    thumbnail = row.overview.thumbnail if row.overview is not None else None
    if thumbnail is None:
        return ""
    picture = f'<img alt="" decoding="async" src="data:image/webp;base64,{base64.b64encode(thumbnail).decode()}">'
    if "video" not in row.links:
        return _later(picture)
    return f'<a href="{_url(row.links["video"])}" tabindex="-1" aria-hidden="true">{_later(picture)}</a>'


def _later(drawing: str) -> str:
    """Wrap a drawing in ``noscript``, which browsers that run scripts treat as plain text, at next to no cost.
    The page's script unpacks it once the row comes into view."""
    return f"<noscript>{drawing}</noscript>" if drawing else ""


def _value(value: float | None) -> str:
    """Attribute by which a column is sorted."""
    return "" if value is None else f' data-value="{value:.6g}"' if value % 1 else f' data-value="{value:.0f}"'


def _number(value: int | None) -> str:
    return "" if value is None else f"<b>{value:,}</b>"
