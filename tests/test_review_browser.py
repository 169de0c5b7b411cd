"""The page in a real browser, driven by real clicks and keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from posetrack.review.server import ReviewServer
from tests.browser import Browser, find_chromium
from tests.review_pages import serving, write_scene

READY = "document.body.dataset.ready === 'true'"
PLACE = "review.view.place"
SELECTED = "review.view.selected?.id ?? null"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    if program is None:
        pytest.skip(
            "there is no Chromium here (apt-get install chromium): the review page is not tested in a browser"
        )
    with Browser(program, tmp_path_factory.mktemp("profile")) as started:
        started.size(1280, 800)
        yield started


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def server(results: Path) -> Iterator[ReviewServer]:
    with serving(results) as started:
        yield started


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Browser:
    browser.open(server.url)
    browser.wait_for(READY)
    return browser


def click_person(page: Browser, number: int) -> None:
    """On the middle of a person's box in the picture."""
    x, y = page.evaluate(
        f"""(() => {{
          const track = review.view.trackOf({number});
          const row = track.frames.indexOf(review.view.place);
          const [x1, y1, x2, y2] = track.boxes.subarray(row * 4, row * 4 + 4);
          return review.stage.place((x1 + x2) / 2 + 14, (y1 + y2) / 2);
        }})()"""
    )
    page.click(x, y)


def pixel(page: Browser, place: str) -> list[int]:
    """Colour that the canvas shows at a point of the source, given as JavaScript."""
    return list(
        page.evaluate(f"""(() => {{
          const canvas = document.getElementById('picture'), corner = canvas.getBoundingClientRect();
          const [x, y] = review.stage.place(...{place});
          const shown = canvas.getContext('2d').getImageData(x - corner.left, y - corner.top, 1, 1);
          return [...shown.data].slice(0, 3);
        }})()""")
    )


def middle_of(page: Browser, selector: str) -> tuple[float, float]:
    x, y = page.evaluate(
        f"""(() => {{
          const box = document.querySelector({selector!r}).getBoundingClientRect();
          return [box.left + box.width / 2, box.top + box.height / 2];
        }})()"""
    )
    return x, y


def test_people_doubts_and_the_picture_are_there(page: Browser, server: ReviewServer) -> None:
    names = page.evaluate("[...document.querySelectorAll('#names .name')].map(name => name.textContent)")
    assert names == ["1", "2", "3", "4"]
    told = page.evaluate("[...document.querySelectorAll('#doubts .what')].map(what => what.textContent)")
    assert told == [
        "2 and 3 meet: exchanged?",
        "1 lost for 0.56 s: the same person?",
        "4 seen for 0.36 s only: a person?",
    ]
    page.wait_for("[...document.querySelectorAll('#names img')].every(image => image.naturalWidth > 0)")
    assert all(url.startswith((server.url, "blob:")) for url in page.requests())
    assert page.problems() == []


def test_the_picture_and_the_skeletons_are_those_of_one_frame(page: Browser) -> None:
    page.press("ArrowRight")
    page.press("Shift+ArrowRight")
    assert page.evaluate(PLACE) == 11
    page.wait_for("review.shown() === 11")
    # the number in the picture: blocks of 8 source pixels along its lower edge, the lowest bit first
    white = [pixel(page, f"[{8 * bit + 3.5}, 355.5]")[0] > 127 for bit in range(6)]
    assert sum(2**bit for bit, one in enumerate(white) if one) == 11
    thigh = """(() => {
      const joints = review.view.trackOf(2).joints.subarray(11 * 34), names = review.view.clip.skeleton.joints;
      const [hip, knee] = ['left_hip', 'left_knee'].map((name) => names.indexOf(name) * 2);
      return [(joints[hip] + joints[knee]) / 2, (joints[hip + 1] + joints[knee + 1]) / 2];
    })()"""
    assert pixel(page, thigh) == pytest.approx([86, 180, 233], abs=25)  # a left limb, as in the drawn video


def test_keys_move_through_the_clip(page: Browser) -> None:
    for key, place in (("End", 59), ("ArrowLeft", 58), ("Shift+ArrowLeft", 48), ("Home", 0), ("ArrowLeft", 0)):
        page.press(key)
        assert page.evaluate(PLACE) == place
    page.press("g")
    page.type("42")
    page.press("Enter")
    page.wait_for(f"{PLACE} === 42")
    page.press("g")
    page.type("900")
    page.press("Enter")
    page.wait_for("!document.getElementById('alert').hidden")
    assert "There is no frame 900; the frames are 0 to 59." in page.evaluate(
        "document.getElementById('alert').textContent"
    )
    page.press(" ")
    page.wait_for(f"{PLACE} === 59 && review.shown() === 59")  # plays to the end, showing every picture


def test_doubts_are_visited_by_key_and_by_click(page: Browser) -> None:
    page.press("d")
    assert page.evaluate(SELECTED) == 2 and page.evaluate(PLACE) in (29, 30, 31)
    page.press("d")
    assert (page.evaluate(PLACE), page.evaluate(SELECTED)) == (33, 1)
    page.press("Shift+D")
    assert page.evaluate(SELECTED) == 2
    page.click(*middle_of(page, "#doubts li:nth-child(3) button"))
    assert (page.evaluate(PLACE), page.evaluate(SELECTED)) == (45, 4)


def test_people_are_selected_in_picture_lane_list_and_by_key(page: Browser) -> None:
    click_person(page, 3)
    assert page.evaluate(SELECTED) == 3
    page.click(*middle_of(page, "#names button[data-id='2']"))
    assert page.evaluate(SELECTED) == 2
    page.press("ArrowUp")
    assert page.evaluate(SELECTED) == 1
    left, top, width = page.evaluate(
        "(({left, top, width}) => [left, top, width])(document.getElementById('lanes').getBoundingClientRect())"
    )
    page.click(left + width * 30.5 / 60, top + 22 + 3.5 * 30)
    assert (page.evaluate(SELECTED), page.evaluate(PLACE)) == (4, 30)
    page.press("Escape")
    assert page.evaluate(SELECTED) is None


def test_lanes_show_where_people_are_seen_and_where_not(page: Browser) -> None:
    page.wait_for("review.shown() === 0")
    colours = """(() => {
      const canvas = document.getElementById('lanes'), pen = canvas.getContext('2d');
      return [[0, 10], [0, 25], [0, 40], [3, 10], [3, 50]].map(([row, place]) => {
        const column = canvas.width * (place + 0.5) / 60;
        const [r, g, b, a] = pen.getImageData(column, 22 + row * 30 + 11, 1, 1).data;
        return a ? '#' + [r, g, b].map(c => c.toString(16).padStart(2, '0')).join('') : '';
      });
    })()"""
    one, four = (page.evaluate(f"review.view.trackOf({number}).colour") for number in (1, 4))
    assert page.evaluate(colours) == [one, "", one, "", four]


def test_the_list_of_keys_opens_and_closes(page: Browser) -> None:
    page.press("?")
    keys = page.evaluate("[...document.querySelectorAll('#key-list dd')].map(one => one.textContent)")
    assert len(keys) >= 15 and "Next doubt" in keys
    assert page.evaluate("document.getElementById('help').open")
    page.press("Escape")
    page.wait_for("!document.getElementById('help').open")


def test_other_pages_cannot_read_or_change_anything(
    browser: Browser, server: ReviewServer, tmp_path: Path
) -> None:
    evil = tmp_path / "evil.html"
    evil.write_text("<title>evil</title>")
    browser.open(evil.as_uri())
    for name in ("clip", "frame?number=0"):
        told = browser.evaluate(f"fetch('{server.url}{name}').then(a => a.text(), () => 'refused')")
        assert told == "refused"
    shown = f"""new Promise((done) => {{
      const image = new Image();
      [image.onload, image.onerror] = [() => done('shown'), () => done('refused')];
      image.src = '{server.url}frame?number=0';
    }})"""
    assert browser.evaluate(shown) == "refused"
