"""The page in a real browser, driven by real clicks and keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from posetrack.review.server import ReviewServer
from tests.browser import Browser, find_chromium
from tests.in_process import posetrack
from tests.refine_clips import clip_of, line, walker
from tests.review_pages import send, serving, write_scene

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
def mended(browser: Browser, tmp_path: Path) -> Iterator[tuple[Browser, Path]]:
    """A page of its own, and its file of repairs."""
    with serving(write_scene(tmp_path, video=False)) as started:
        open_page(browser, started.url)
        yield browser, tmp_path / "street.edits.json"


def open_page(browser: Browser, url: str) -> None:
    """And wait until its first frames are drawn: the lanes have their width only then."""
    browser.open(url)
    browser.wait_for("document.body.dataset.ready === 'true'")
    browser.wait_for_frames()


def steps(path: Path) -> list[dict[str, Any]]:
    """The repairs in a file."""
    return list(json.loads(path.read_text())["edits"])


def wait_for_version(page: Browser, version: int) -> None:
    page.wait_for(f"review.view.clip.version === {version} && !review.repairs.busy")


@pytest.fixture
def page(browser: Browser, server: ReviewServer) -> Browser:
    open_page(browser, server.url)
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
    page.wait_for_frames()
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
          document.querySelector({selector!r}).scrollIntoView({{ block: 'nearest' }});
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


def test_labels_of_people_outside_the_picture_do_not_cover_one_another(browser: Browser, tmp_path: Path) -> None:
    outside = [walker(number, line((-60, 20 * number), (0, 0), 5), height=100) for number in range(6)]
    inside = [walker(number, line((300 + number, 200), (0, 0), 5), height=100) for number in range(6, 12)]
    with serving(write_scene(tmp_path, clip_of(*outside, *inside), video=False)) as started:
        open_page(browser, started.url)
        labels = browser.evaluate(
            """(() => {
              const drawn = [], pen = document.getElementById('picture').getContext('2d'), usual = pen.roundRect;
              pen.roundRect = (...box) => { drawn.push(box); usual.apply(pen, box); };
              review.stage.draw(null, false);
              return drawn.map(([x, y, width, height]) => [x, y, x + width, y + height]);
            })()"""
        )
        width, height = browser.evaluate("review.view.clip.size")
    assert len(labels) == 12
    for number, (left, top, right, bottom) in enumerate(labels):
        assert 0 <= left and right <= width and 0 <= top and bottom <= height
        for x1, y1, x2, y2 in labels[:number]:
            assert x2 <= left or right <= x1 or y2 <= top + 1e-6 or bottom <= y1 + 1e-6


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
    page.wait_for_frames()
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


def test_the_picture_is_enlarged_by_key_around_the_joint_that_is_worked_on(page: Browser) -> None:
    for key in ("ArrowDown", "ArrowDown", "k", "z", "z", "z"):
        page.press(key)
    middle = """(({ left, top, width, height }) => [left + width / 2, top + height / 2])(
      document.getElementById('picture').getBoundingClientRect())"""
    nose = "review.stage.place(...review.view.selected.joints.subarray(0, 2))"
    assert page.evaluate(nose) == pytest.approx(page.evaluate(middle), abs=0.5)
    width = "review.stage.place(639, 0)[0] - review.stage.place(0, 0)[0]"
    enlarged = page.evaluate(width)
    for _ in range(3):
        page.press("Shift+Z")
    assert enlarged == pytest.approx(page.evaluate(width) * 1.5**3)
    assert page.evaluate("review.stage.place(319.5, 179.5)") == pytest.approx(page.evaluate(middle), abs=0.5)


def test_the_picture_is_seen_beside_the_limbs_of_an_enlarged_skeleton(page: Browser) -> None:
    """Lines grow with people, but not without end with the picture: 12 pixels beside a thigh is the ground."""
    for key in ("ArrowDown", "ArrowDown", *("z" for _ in range(6))):
        page.press(key)
    page.evaluate("review.view.joint = review.view.clip.skeleton.joints.indexOf('left_hip')")
    page.press("z")
    page.wait_for("review.shown() === 0")
    beside = """(() => {
      const joints = review.view.trackOf(2).joints, names = review.view.clip.skeleton.joints;
      const [hip, knee] = ['left_hip', 'left_knee'].map((name) => names.indexOf(name) * 2);
      const along = [joints[knee] - joints[hip], joints[knee + 1] - joints[hip + 1]];
      const pixel = 1 / (review.stage.place(1, 0)[0] - review.stage.place(0, 0)[0]);
      const [x, y] = along.map((one) => (one / Math.hypot(...along)) * pixel);
      return [joints[hip] + 30 * x - 12 * y, joints[hip + 1] + 30 * y + 12 * x];
    })()"""
    assert pixel(page, beside) == pytest.approx([120] * 3, abs=12)


def test_brackets_work_on_keyboards_that_have_them_behind_another_key(page: Browser) -> None:
    for place, key, held in (
        (0, "[", "ctrlKey: true, altKey: true, modifierAltGraph: true"),
        (1, "]", "altKey: true"),
    ):
        page.evaluate(
            f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{key}', {held}, bubbles: true }}))"
        )
        assert page.evaluate("review.view.range") == [0, place]
        page.press("ArrowRight")


def test_the_list_of_keys_opens_and_closes(page: Browser) -> None:
    page.press("?")
    keys = page.evaluate("[...document.querySelectorAll('#key-list dd')].map(one => one.textContent)")
    assert len(keys) >= 15 and "Next doubt" in keys
    assert page.evaluate("document.getElementById('help').open")
    assert "Joint left by a pixel; with Shift by 10" in keys
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


def test_people_are_joined_by_a_click_and_by_a_number(mended: tuple[Browser, Path]) -> None:
    page, path = mended
    page.click(*middle_of(page, "#names button[data-id='1']"))
    page.click(*middle_of(page, "#actions [data-key='join']"))
    assert "Join 1 with whom?" in page.evaluate("document.getElementById('prompt').textContent")
    page.press("End")
    page.click(*middle_of(page, "#names button[data-id='4']"))  # in two places at once
    page.wait_for("!document.getElementById('alert').hidden")
    assert "1 and 4 are in two places at 1.80 s" in page.evaluate("document.getElementById('alert').textContent")
    assert not path.exists() and page.evaluate(SELECTED) == 1
    page.press("Home")
    click_person(page, 2)
    for key in ("s", "ArrowRight"):  # nothing to split at the first frame
        page.press(key)
    page.wait_for("!review.repairs.busy")
    page.press("g")
    page.type("20")
    page.press("Enter")
    page.wait_for(f"{PLACE} === 20")
    page.press("s")
    wait_for_version(page, 1)
    assert page.evaluate("[...review.view.rowOf.keys()]") == [1, 2, 3, 4, 5]
    for key in ("j", "5", "Enter"):
        page.press(key)
    wait_for_version(page, 2)
    assert page.evaluate("[...review.view.rowOf.keys()]") == [1, 2, 3, 4]
    assert steps(path) == [
        {"kind": "split", "person": 2, "frame": 20, "into": 5},
        {"kind": "join", "people": [2, 5]},
    ]


def test_every_repair_by_keyboard_and_undo_and_redo(mended: tuple[Browser, Path]) -> None:
    page, path = mended
    page.press("d")  # 2 and 3 meet
    place = page.evaluate(PLACE)
    for number, keys in enumerate((["x", "3", "Enter"], ["c"], ["l"], ["m"], ["k", "h"]), start=1):
        for key in keys:
            page.press(key)
        wait_for_version(page, number)
    page.press("n")
    page.type("Zoë")
    page.press("Enter")
    wait_for_version(page, 6)
    page.press("k")
    for key in ("Alt+ArrowRight", "Alt+Shift+ArrowDown", "Enter"):
        page.press(key)
    wait_for_version(page, 7)
    page.press("ArrowDown")
    page.press("Delete")
    wait_for_version(page, 8)
    made = steps(path)
    assert abs(made[1]["frame"] - place) <= 1  # the exchange has moved the doubt by a frame
    assert made[:6] == [
        {"kind": "exchange", "people": [2, 3], "frame": place},
        {"kind": "check", "people": [2, 3], "frame": made[1]["frame"]},
        {"kind": "sides", "person": 2, "first": place, "last": place},
        {"kind": "subject", "person": 2, "subject": True},
        {"kind": "hide", "person": 2, "first": place, "last": place, "joint": "nose"},
        {"kind": "name", "person": 2, "name": "Zoë"},
    ]
    assert (made[6]["kind"], made[6]["joint"], made[7]) == (
        "move", "head_bottom", {"kind": "delete", "person": 3},
    )  # fmt: skip
    moved = page.evaluate("""(() => {
      const track = review.view.trackOf(2), cell = (review.view.place * 17 + 1) * 2;
      return [...track.joints.subarray(cell, cell + 2)];
    })()""")
    assert moved == pytest.approx([made[6]["x"], made[6]["y"]], abs=1e-3)
    assert page.evaluate("document.querySelector('#doubts li.done') !== null")
    assert page.evaluate("document.querySelector('#names .name').textContent") == "1"
    for version, key in enumerate(("u", "Ctrl+z", "Shift+U"), start=9):
        page.press(key)
        wait_for_version(page, version)
    assert [one.get("undone", 0) for one in steps(path)] == [0] * 7 + [9]
    assert page.evaluate("[...review.view.rowOf.keys()]") == [1, 2, 3, 4]
    page.press("t")
    page.click(*middle_of(page, "#repairs li:last-child button"))  # the first repair, taken out of the middle
    wait_for_version(page, 12)
    assert steps(path)[0]["undone"] == 12
    assert page.problems() == []


def test_a_joint_is_dragged_to_its_place(page: Browser, tmp_path: Path, browser: Browser) -> None:
    with serving(write_scene(tmp_path, video=False)) as started:
        open_page(browser, started.url)
        click_person(browser, 3)
        knee = """(() => {
          const track = review.view.trackOf(3), slot = review.view.clip.skeleton.joints.indexOf('left_knee') * 2;
          return review.stage.place(track.joints[slot] + %s, track.joints[slot + 1] + %s);
        })()"""
        start, end = browser.evaluate(knee % (0, 0)), browser.evaluate(knee % (20, -30))
        before = browser.evaluate("[...review.view.trackOf(3).joints]")
        browser.drag(tuple(start), tuple(end))
        wait_for_version(browser, 1)
        after = browser.evaluate("[...review.view.trackOf(3).joints]")
    made = steps(tmp_path / "street.edits.json")[0]
    assert (made["kind"], made["joint"], made["frame"]) == ("move", "left_knee", 0)
    changed = [place for place, (one, other) in enumerate(zip(before, after, strict=True)) if one != other]
    changed = [place for place in changed if before[place] is not None]
    assert len(changed) == 2
    assert [after[place] - before[place] for place in changed] == pytest.approx([20, -30], abs=0.6)


def press_at_once(page: Browser, *keys: str) -> None:
    """Before the page can do anything in between."""
    press = "(key) => document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))"
    page.evaluate(f"{list(keys)}.forEach({press})")


def test_repairs_made_while_one_is_being_saved_are_saved_after_it(mended: tuple[Browser, Path]) -> None:
    page, path = mended
    press_at_once(page, "ArrowDown", "Delete", "ArrowDown", "m", "Delete")
    wait_for_version(page, 3)
    assert steps(path) == [
        {"kind": "delete", "person": 1},
        {"kind": "subject", "person": 2, "subject": True},
        {"kind": "delete", "person": 2},
    ]
    assert page.evaluate("[...review.view.rowOf.keys()]") == [3, 4]


def test_what_was_done_after_a_repair_that_fails_is_not_saved(mended: tuple[Browser, Path]) -> None:
    page, path = mended
    page.evaluate("review.view.clip.version = 7")  # of another window
    press_at_once(page, "ArrowDown", "Delete", "ArrowDown", "Delete")
    page.wait_for("!document.getElementById('alert').hidden && !review.repairs.busy")
    told = page.evaluate("document.getElementById('alert').textContent")
    assert "in another window" in told and "What you did since is not saved either." in told
    assert not path.exists() and page.evaluate("[...review.view.rowOf.keys()]") == [1, 2, 3, 4]


def test_the_second_pass_shows_what_a_click_brings_and_takes_no_repairs(mended: tuple[Browser, Path]) -> None:
    page, path = mended
    page.press("r")
    page.wait_for("!review.view.editable")
    assert page.evaluate("[...review.view.rowOf.keys()]") == [1, 2, 3, 4]
    assert page.evaluate("review.view.trackOf(1).frames.length") == 60  # filled
    page.press("ArrowDown")
    page.press("Delete")
    page.wait_for("!document.getElementById('alert').hidden")
    assert "for looking only" in page.evaluate("document.getElementById('alert').textContent")
    page.press("r")
    page.wait_for("review.view.editable")
    page.press("Delete")
    wait_for_version(page, 1)
    page.press("r")
    page.wait_for("!review.view.editable")
    assert page.evaluate("[...review.view.rowOf.keys()]") == [2, 3, 4] and len(steps(path)) == 1


def test_two_windows_do_not_overwrite_each_other(browser: Browser, tmp_path: Path) -> None:
    """The second window is a client that knows version 0 only."""
    with serving(write_scene(tmp_path, video=False)) as started:
        open_page(browser, started.url)
        status, _, _ = send(started, {"edit": {"kind": "delete", "person": 4}}, 0)
        assert status == 200
        browser.wait_for("review.view.clip.version === 1")  # told without asking
        before = (tmp_path / "street.edits.json").read_bytes()
        status, sentence, _ = send(started, {"edit": {"kind": "delete", "person": 3}}, 0)
        assert status == 412 and b"changed in another window meanwhile; repeat yours" in sentence
        assert (tmp_path / "street.edits.json").read_bytes() == before
        # the same from the page, which has not heard yet
        browser.evaluate("review.view.clip.version = 0")
        browser.press("ArrowDown")
        browser.press("Delete")
        browser.wait_for("!document.getElementById('alert').hidden")
        assert "in another window" in browser.evaluate("document.getElementById('alert').textContent")
        wait_for_version(browser, 1)
        assert (tmp_path / "street.edits.json").read_bytes() == before
        browser.press("Delete")
        wait_for_version(browser, 2)


def test_repairs_are_there_after_the_page_is_loaded_again(mended: tuple[Browser, Path], tmp_path: Path) -> None:
    page, path = mended
    page.press("ArrowDown")
    page.press("Delete")
    wait_for_version(page, 1)
    with serving(tmp_path / "street.parquet") as again:
        open_page(page, again.url)
        assert page.evaluate("[...review.view.rowOf.keys()]") == [2, 3, 4]
        page.press("u")
        wait_for_version(page, 2)
        assert page.evaluate("[...review.view.rowOf.keys()]") == [1, 2, 3, 4]
    assert steps(path) == [{"kind": "delete", "person": 1, "undone": 2}]


def test_an_exported_page_shows_everything_and_asks_for_nothing(browser: Browser, tmp_path: Path) -> None:
    results = write_scene(tmp_path / "a <b>")
    page = tmp_path / "street <i>.html"
    done = posetrack("review", results, "--export", page)
    assert done.returncode == 0, done.stderr
    for path in (results, results.with_name("street.mp4")):
        path.unlink()
    open_page(browser, page.as_uri())
    browser.press("d")
    place = browser.evaluate(PLACE)
    browser.wait_for(f"review.shown() === {place}")
    white = [pixel(browser, f"[{8 * bit + 3.5}, 355.5]")[0] > 127 for bit in range(6)]
    assert sum(2**bit for bit, one in enumerate(white) if one) == place
    browser.wait_for("[...document.querySelectorAll('#names img')].every(image => image.naturalWidth > 0)")
    browser.press("Delete")
    browser.wait_for("!document.getElementById('alert').hidden")
    assert "for looking only" in browser.evaluate("document.getElementById('alert').textContent")
    assert browser.evaluate("['undo', 'redo', 'actions'].every(id => document.getElementById(id).hidden)")
    assert [url for url in browser.requests() if not url.startswith("blob:")] == [page.as_uri()]
    assert [one for one in browser.problems() if "getImageData" not in one] == []  # which this test calls often
    before = page.read_bytes()
    again = posetrack("review", tmp_path / "a <b>", "--export", page)
    assert again.returncode == 2 and page.read_bytes() == before


def test_an_export_does_not_replace_what_is_there(tmp_path: Path) -> None:
    results = write_scene(tmp_path, video=False)
    for target, sentence in ((results, "would replace"), (tmp_path, "is a folder")):
        done = posetrack("review", results, "--export", target, "--overwrite")
        assert done.returncode == 2 and sentence in done.stderr
    page = tmp_path / "page.html"
    page.write_text("mine")
    done = posetrack("review", results, "--export", page)
    assert done.returncode == 2 and "exists already" in done.stderr and page.read_text() == "mine"
