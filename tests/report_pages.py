"""Rows for the tests of the report, and what an HTML parser finds in a page."""

from __future__ import annotations

import random
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np

from posetrack.report import ClipOverview, ReportRow, TrackTimeline
from posetrack.report.thumbnail import shrink

HOSTILE_NAMES = [
    '<script>document.title="broken"</script>.mp4',
    '</script></noscript></table><img src=x onerror="document.title=1">.mp4',
    "\"quotes' & &amp; entities.mp4",
    "new\nline\tand tab\x7f.mp4",
    "100 % of #3, why?.mp4",
    "100%25.mp4",
    "javascript:alert(1).mp4",
    "{{rows}} {{title}}.mp4",
    "人群/ça va – Ölhafen/😀.mov",
    "\u202egnp.mp4",
    "back\\slash;semi:colon|pipe*star.mp4",
    " leading and trailing ",
    "..%2f..%2fetc.mp4",
    "<!-- comment --><![CDATA[.mp4",
    "$& $1 \\1 \\g<0>.mp4",
]


@lru_cache
def picture(seed: int) -> bytes:
    """A WebP file of one colour."""
    return shrink(np.full((36, 64, 3), np.random.default_rng(seed).integers(0, 256, 3), np.uint8))


def overview(seed: int = 0, frames: int = 200, tracks: int = 3) -> ClipOverview:
    """Of an invented clip."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, tracks + 1, min(frames, 96)).tolist()
    firsts = sorted(rng.integers(0, frames, tracks).tolist())
    return ClipOverview(
        frames=frames,
        duration_s=frames / 25,
        people=tracks,
        tracks=tracks,
        mean_people=tuple(map(float, counts)),
        most_people=tuple(counts),
        timelines=tuple(
            TrackTimeline(track_id=number, stretches=((first, frames - 1),)) for number, first in enumerate(firsts)
        ),
        thumbnail=picture(seed % 20),
    )


def done(clip: str, seed: int = 0, frames: int = 200, tracks: int = 3, fps: float = 10.0) -> ReportRow:
    """A clip that is done, with a video and a JSON file beside each other."""
    made = overview(seed, frames, tracks)
    links = {"video": Path(f"{clip}_tracked.mp4"), "JSON": Path(f"{clip}.json")}
    return ReportRow(
        clip=clip, status="done", frames=frames, people=tracks, tracks=tracks, seconds=frames / fps, fps=fps,
        links=links, overview=made,
    )  # fmt: skip


def many(count: int) -> list[ReportRow]:
    """Clips of all kinds, the same ones every time."""
    rng = random.Random(count)
    rows: list[ReportRow] = []
    for number in range(count):
        clip = f"camera {rng.randint(1, 12)}/{rng.choice(['street', 'école', 'Gym'])}_{number}.mp4"
        kind = rng.random()
        if kind < 0.9:
            rows.append(
                done(clip, number, rng.randint(1, 20_000), rng.randint(0, 12), round(rng.uniform(0.5, 80), 2))
            )
        elif kind < 0.95:
            rows.append(ReportRow(clip=clip, status="failed", error=f"{clip} is empty: copy it again."))
        else:
            rows.append(ReportRow(clip=clip, status=rng.choice(["running", "pending"])))
    return rows


class Page(HTMLParser):
    """What is in a page, whether or not scripts run.

    Attributes:
        names: Text of each row's name.
        links: Of each row: text -> address.
        elements: Names of all elements, with their attributes.
        contents: Of ``style`` and ``script``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[dict[str, str]] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.contents: dict[str, str] = {}
        self.rows: list[list[tuple[str, dict[str, str]]]] = []
        self._inside: list[str] = []
        self._href = ""
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag == "tr" and attributes:
            self.rows.append([])
            self.names.append("")
            self.links.append({})
        if self.rows:
            self.rows[-1].append((tag, attributes))
        if tag not in ("meta", "input", "img", "wbr", "path"):
            self._inside.append(tag)
        if tag == "a":
            self._href = attributes["href"]

    def handle_endtag(self, tag: str) -> None:
        if self._inside and tag in self._inside:
            while self._inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not self._inside:
            return
        if "bdi" in self._inside:
            self.names[-1] += data
        elif self._inside[-1] == "a":
            self.links[-1][data] = self._href
        elif self._inside[-1] in ("style", "script"):
            self.contents[self._inside[-1]] = self.contents.get(self._inside[-1], "") + data


def file_of(page: Path, address: str) -> Path:
    """The file that a browser opens for a link of a page on the disk (RFC 3986)."""
    url = urlsplit(urljoin(page.absolute().as_uri(), address))
    assert url.scheme == "file" and not url.query and not url.fragment
    return Path(unquote(url.path, errors="surrogateescape"))
