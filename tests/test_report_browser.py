"""The report in a real browser, from the disk, without a server and without a network."""

import functools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from posetrack.report import ReportRow, write_report
from posetrack.report.rows import STATUSES
from tests.browser import Browser, find_chromium
from tests.report_pages import HOSTILE_NAMES, done, file_of, many
from tests.test_report import visible

NAMES = "[...document.querySelectorAll('#rows tr:not([hidden]) .name')].map(name => name.textContent)"
COUNT = "document.getElementById('count').textContent"
VIEW = "decodeURIComponent(location.hash)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip("there is no Chromium here (apt-get install chromium): the report is not tested in a browser")
    with Browser(program, tmp_path_factory.mktemp("profile")) as started:
        started.size(1280, 800)
        yield started


@pytest.fixture(scope="module")
def rows() -> list[ReportRow]:
    return many(300)


@pytest.fixture(scope="module")
def page(rows: list[ReportRow], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of a page of 300 clips, in a folder whose name needs escaping."""
    folder = tmp_path_factory.mktemp("out") / "results #1 of 100 %?"
    folder.mkdir()
    write_report(rows, folder / "index.html", "Footage of March")
    return (folder / "index.html").as_uri()


def letters(text: str) -> str:
    """Small letters without accents."""
    apart = unicodedata.normalize("NFKD", text)
    return "".join(c for c in apart if not unicodedata.category(c).startswith("M")).lower()


def natural(name: str) -> list[tuple[bool, int | str]]:
    """Numbers in names count as numbers; for names of letters, digits, blanks and a few marks only."""
    return [
        (not part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", letters(name))
    ]


KEYS: dict[str, Callable[[ReportRow], float | None]] = {
    "people": lambda row: row.people,
    "tracks": lambda row: row.tracks,
    "frames": lambda row: row.frames,
    "duration": lambda row: row.duration_s,
    "speed": lambda row: row.fps,
    "status": lambda row: STATUSES.index(row.status),
}


@pytest.mark.parametrize("column", KEYS)
@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_columns_sort_and_what_is_not_known_comes_last(
    browser: Browser, page: str, rows: list[ReportRow], column: str, order: str
) -> None:
    browser.open(f"{page}#sort={column}&order={order}")
    sign = -1 if order == "descending" else 1

    def compare(one: ReportRow, other: ReportRow) -> float:
        first, second = KEYS[column](one), KEYS[column](other)
        if first is None or second is None:
            return (first is None) - (second is None)
        return sign * (first - second)

    wanted = sorted(rows, key=functools.cmp_to_key(compare))  # stable: equal ones stay in the order of the page
    assert browser.evaluate(NAMES) == [row.clip for row in wanted]
    assert browser.evaluate(
        "[...document.querySelectorAll('[aria-sort]')].map(h => h.className + h.ariaSort)"
    ) == [column + order]
    assert browser.problems() == []


def test_names_sort_as_people_count(browser: Browser, tmp_path: Path) -> None:
    names = ["clip 10.mp4", "Clip 9.mp4", "clip 100.mp4", "école.mp4", "Ecole 2.mp4", "zoo.mp4", "clip 9b.mp4"]
    write_report([done(name) for name in names], tmp_path / "index.html", "names")
    browser.open((tmp_path / "index.html").as_uri() + "#sort=clip")
    told = browser.evaluate(NAMES)
    assert [name for name in told if name.startswith(("c", "C"))] == [
        "Clip 9.mp4", "clip 9b.mp4", "clip 10.mp4", "clip 100.mp4",
    ]  # fmt: skip
    assert told[-1] == "zoo.mp4" and set(told[4:6]) == {"école.mp4", "Ecole 2.mp4"}


def test_headings_sort_by_mouse_and_keyboard_and_turn_round(
    browser: Browser, page: str, rows: list[ReportRow]
) -> None:
    browser.open(page)
    first = browser.evaluate(NAMES)
    browser.evaluate("document.querySelector('thead .frames button').click()")
    assert browser.evaluate(VIEW) == "#sort=frames&order=descending"
    down = browser.evaluate(NAMES)
    assert down != first and sorted(down) == sorted(first)
    browser.evaluate("document.querySelector('thead .frames button').focus()")
    browser.press("Enter")
    assert browser.evaluate(VIEW) == "#sort=frames&order=ascending"
    frames = {row.clip: row.frames for row in rows}
    for names, smallest_first in ((down, False), (browser.evaluate(NAMES), True)):
        known = [frames[name] for name in names if frames[name] is not None]
        assert known == sorted(known, reverse=not smallest_first)
    browser.press("Tab")
    browser.press("Enter")
    assert browser.evaluate(VIEW) == "#sort=duration&order=descending"


def test_searching_finds_every_word_in_names_states_and_errors(
    browser: Browser, page: str, rows: list[ReportRow]
) -> None:
    browser.open(page)
    for query in (
        "ecole",
        "ÉCOLE 1",
        "street camera",
        "failed",
        "empty copy",
        "gym done",
        "%",
        "_17.mp4",
        "nothing",
    ):
        browser.press("/")
        browser.evaluate("document.getElementById('search').value = ''")
        browser.type(query)
        words = letters(query).split()
        found = [
            row.clip
            for row in rows
            if all(word in letters(f"{row.clip} {row.status} {row.error}") for word in words)
        ]
        assert browser.evaluate(NAMES) == found
        assert browser.evaluate(COUNT) == f"{len(found)} of 300 clips"
        assert browser.evaluate("document.getElementById('nothing').checkVisibility()") == (not found)
    browser.press("Escape")
    assert browser.evaluate(COUNT) == "300 clips" and browser.evaluate(VIEW) == ""
    assert browser.problems() == []


def test_status_chips_choose_and_the_address_keeps_the_view(
    browser: Browser, page: str, rows: list[ReportRow]
) -> None:
    browser.open(page)
    browser.evaluate("document.querySelector('.chip[data-status=failed]').click()")
    failed = [row.clip for row in rows if row.status == "failed"]
    assert browser.evaluate(NAMES) == failed
    browser.evaluate("document.querySelector('thead .clip button').click()")
    browser.press("/")
    browser.type("street")
    address, shown = browser.evaluate("location.href"), browser.evaluate(NAMES)
    assert shown == sorted((clip for clip in failed if "street" in clip), key=natural)
    browser.open(address)
    assert browser.evaluate(NAMES) == shown
    assert browser.evaluate("document.getElementById('search').value") == "street"
    pressed = "[...document.querySelectorAll('.chip[aria-pressed=true]')].map(chip => chip.dataset.status)"
    assert browser.evaluate(pressed) == ["failed"]
    browser.open(f"{page}#sort=__proto__&order=sideways&status=done%22%5D&unknown=1")
    assert browser.evaluate(COUNT) == "300 clips" and browser.problems() == []


def test_hostile_names_are_shown_linked_and_never_run(browser: Browser, tmp_path: Path) -> None:
    rows = [replace(done(name), error=name) for name in HOSTILE_NAMES]
    for row in rows:
        for path in row.links.values():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(row.clip)
    write_report(rows, tmp_path / "index.html", HOSTILE_NAMES[1])
    browser.open((tmp_path / "index.html").as_uri())
    assert browser.evaluate(NAMES) == list(map(visible, HOSTILE_NAMES))
    assert browser.evaluate("document.title") == " ".join(HOSTILE_NAMES[1].split())
    addresses = browser.evaluate(
        "[...document.querySelectorAll('#rows .links')].map(l => [...l.children].map(a => a.href))"
    )
    for row, (video, poses) in zip(rows, addresses, strict=True):
        assert file_of(tmp_path / "index.html", video).read_text() == row.clip
        assert file_of(tmp_path / "index.html", poses).read_text() == row.clip
    browser.wait_for("document.querySelectorAll('#rows noscript').length === 0")  # all few rows are near
    assert browser.evaluate("document.querySelectorAll('#rows svg').length") == 2 * len(rows)
    assert browser.evaluate("document.querySelectorAll('main script, [onerror]').length") == 0
    for name in HOSTILE_NAMES:
        browser.evaluate(f"location.hash = new URLSearchParams({{search: {json.dumps(visible(name))}}})")
        browser.wait_for(f"({NAMES}).includes({json.dumps(visible(name))}) && !({COUNT}).startsWith({len(rows)})")
    assert browser.problems() == []


def test_the_page_asks_for_nothing_but_itself(browser: Browser, page: str) -> None:
    browser.open(page)
    browser.wait_for("document.querySelectorAll('#rows img').length > 5")
    assert browser.evaluate("[...document.images].filter(i => !i.complete || !i.naturalWidth).length") == 0
    assert browser.requests() == [page] and browser.problems() == []


def test_thousands_of_rows_are_all_there_and_drawn_when_in_view(browser: Browser, tmp_path: Path) -> None:
    rows = many(3000)
    write_report(rows, tmp_path / "index.html", "Much footage")
    browser.open((tmp_path / "index.html").as_uri() + "#sort=speed&order=ascending")
    assert browser.evaluate("document.querySelectorAll('#rows tr').length") == 3000
    wanted = sorted((row for row in rows if row.fps is not None), key=lambda row: row.fps or 0)
    assert browser.evaluate(NAMES)[: len(wanted)] == [row.clip for row in wanted]
    browser.wait_for("document.querySelectorAll('#rows svg').length > 0")
    assert browser.evaluate("document.querySelectorAll('#rows svg').length") < 300
    browser.evaluate("document.querySelectorAll('#rows tr')[1500].scrollIntoView()")
    browser.wait_for("document.querySelectorAll('#rows tr')[1501].querySelector('svg, .wide') !== null")
    assert browser.evaluate("document.querySelectorAll('#rows svg').length") < 600
    assert browser.problems() == []


@pytest.mark.parametrize("width", [320, 390, 768, 961, 1000, 1169, 1280, 1920])
def test_nothing_sticks_out_at_any_width(browser: Browser, page: str, width: int) -> None:
    browser.size(width, 800)
    browser.open(f"{page}#sort=status")
    edges = "[...document.querySelectorAll('body *')].map(part => part.getBoundingClientRect().right)"
    assert browser.evaluate(f"Math.max(...{edges})") <= width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    browser.size(1280, 800)


def test_light_and_dark_follow_the_system_and_can_be_read(browser: Browser, page: str) -> None:
    means = []
    for scheme in ("light", "dark"):
        browser.media(scheme=scheme)
        browser.open(page)
        colour = "getComputedStyle(document.querySelector('{}')).{}"
        text = luminance(browser.evaluate(colour.format(".links a", "color")))
        behind = luminance(browser.evaluate(colour.format("table", "backgroundColor")))
        muted = luminance(browser.evaluate(colour.format(".folder", "color")))
        for one in (text, muted):
            assert (max(one, behind) + 0.05) / (min(one, behind) + 0.05) >= 4.5  # WCAG 2.2, 1.4.3
        picture = cv2.imdecode(np.frombuffer(browser.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        means.append(float(picture.mean()))
    browser.media()
    assert means[0] > 200 and means[1] < 60


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` (WCAG 2.2)."""
    parts = np.array([float(part) for part in re.findall(r"[\d.]+", colour)[:3]]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_without_scripts_everything_is_there_too(browser: Browser, tmp_path: Path) -> None:
    rows = [row for row in many(30) if row.status == "done"]
    write_report(rows, tmp_path / "index.html", "Footage")
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open((tmp_path / "index.html").as_uri())
        document = browser.call("DOM.getDocument")["root"]["nodeId"]
        for selector in ("#rows img", "#rows svg.curve", "#rows .name"):
            found = browser.call("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"]
            assert len(found) == len(rows)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_printing_draws_all_rows_that_are_shown(browser: Browser, page: str) -> None:
    browser.open(f"{page}#status=done")
    packed = "document.querySelectorAll('#rows tr:not([hidden]) noscript').length"
    assert browser.evaluate(packed) > 100
    assert browser.print().startswith(b"%PDF")
    assert browser.evaluate(packed) == 0
