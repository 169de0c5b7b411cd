"""Fluency of the review page in a headless Chromium: ``review_page.py [--frames 10000] [--people 20]``.

A crowd is made up, and the page is driven by real mouse events: dragging through the clip, scrolling the lanes,
playing. Printed is the time between two frames that the browser shows, and the CPU time of all its processes for
each, which tells how fluent the page is on a machine that does nothing else. Needs Chromium, and Linux.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from posetrack.refine.clip import Clip, Track
from posetrack.refine.files import write_clip
from posetrack.review.reviewing import open_session
from posetrack.review.server import ReviewServer

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.browser import Browser, find_chromium
from tests.refine_clips import clip_of, walker

_WIDTH, _HEIGHT = 1440, 900
_STEPS = 240


def crowd(people: int, frames: int) -> Clip:
    """People who walk to and fro, with noisy joints, and gaps of up to a second."""
    rng = np.random.default_rng(1)
    return clip_of(*(_walker(number, frames, rng) for number in range(1, people + 1)), frame_count=frames)


def _walker(number: int, frames: int, rng: np.random.Generator) -> Track:
    places = np.arange(int(rng.integers(frames // 3)), int(rng.integers(frames * 2 // 3, frames)))
    times = places / 25
    x = 640 + 500 * np.sin(times * rng.uniform(0.2, 0.5) + number)
    y = 350 + rng.uniform(0, 300) + 20 * np.sin(times)
    track = walker(number, np.stack([x, y], axis=1), frames=places, height=rng.uniform(120, 260))
    joints = track.joints + rng.normal(0, 2, track.joints.shape)
    seen = np.ones(len(track), dtype=bool)
    for start in rng.integers(10, len(track) - 40, len(track) // 300 + 1):
        seen[start : start + rng.integers(3, 26)] = False
    return track.replace(joints=joints, raw=joints)[seen]


class Page:
    """The page in a browser, and the times between the frames that it shows."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        browser.evaluate("window.corner = document.getElementById('lanes').getBoundingClientRect(), 0")
        self.left, self.top, self.width = browser.evaluate("[corner.left, corner.top, corner.width]")

    def mouse(self, kind: str, share: float, **more: float | str) -> None:
        """An event over the third lane, at a share of the time line."""
        x = self.left + 5 + (self.width - 10) * share
        self.browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=self.top + 60, **more)

    def timed(self, act: Callable[[], None]) -> list[float]:
        """Milliseconds between frames while something is done, ascending."""
        self.browser.evaluate(
            """(() => {
              let last = performance.now();
              const step = (now) => { times.push(now - last); last = now; handle = requestAnimationFrame(step); };
              [window.times, window.handle] = [[], requestAnimationFrame(step)];
            })()"""
        )
        act()
        return sorted(self.browser.evaluate("(cancelAnimationFrame(handle), times.slice(1))"))

    def cpu_s(self) -> float:
        """CPU time that the browser's processes have used."""
        family, used = {self.browser.process_id}, 0.0
        for stat in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name)):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            number = int(stat.parent.name)
            if number in family or int(fields[1]) in family:
                family.add(number)
                used += int(fields[11]) + int(fields[12])
        return used / os.sysconf("SC_CLK_TCK")

    def drag(self) -> None:
        """From the first frame to the last."""
        self.mouse("mousePressed", 0, button="left", buttons=1, clickCount=1)
        for step in range(_STEPS):
            self.mouse("mouseMoved", step / _STEPS, button="left", buttons=1)
        self.mouse("mouseReleased", 1, button="left", buttons=0, clickCount=1)

    def scroll(self, x: float, y: float) -> None:
        """There and back."""
        for step in range(_STEPS):
            sign = 1 if step < _STEPS // 2 else -1
            self.mouse("mouseWheel", 0.5, deltaX=sign * x, deltaY=sign * y)

    def scroll_sideways(self) -> None:
        """A tenth of the time line in view."""
        self.browser.evaluate("review.lanes.zoom(0.1)")
        self.scroll(25, 0)
        self.browser.evaluate("review.lanes.whole()")

    def play(self) -> None:
        """For three seconds."""
        for key in ("Home", " "):
            self.browser.press(key)
        time.sleep(3)
        self.browser.press(" ")


def main(
    frames: Annotated[int, typer.Option(help="Frames of the clip.")] = 10_000,
    people: Annotated[int, typer.Option(help="People in it.")] = 20,
) -> None:
    """Measure, and print a table."""
    program = find_chromium()
    if program is None:
        raise SystemExit("review_page.py: there is no Chromium here; install it (apt-get install chromium).")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "crowd.parquet"
        write_clip(path, crowd(people, frames))
        server = ReviewServer(open_session(path))
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        with Browser(program, Path(folder) / "profile") as browser:
            browser.size(_WIDTH, _HEIGHT)
            began = time.perf_counter()
            browser.open(server.url)
            browser.wait_for("document.body.dataset.ready === 'true'")
            loaded = time.perf_counter() - began
            Console().print(_measured(Page(browser)))
            began = time.perf_counter()
            for key in ("ArrowDown", "Delete"):
                browser.press(key)
            browser.wait_for("review.view.clip.version === 1 && !review.repairs.busy")
            print(f"loaded in {loaded:.1f} s, a repair in {time.perf_counter() - began:.1f} s")
        server.stop()
        thread.join()
        server.close()


def _measured(page: Page) -> Table:
    acts = {
        "dragging through the clip": page.drag,
        "scrolling sideways": page.scroll_sideways,
        "scrolling up and down": lambda: page.scroll(0, 10),
        "playing": page.play,
    }
    table = Table("", "median ms", "95 %", "worst", "CPU ms")
    for name, act in acts.items():
        before = page.cpu_s()
        times = page.timed(act)
        cpu = 1000 * (page.cpu_s() - before) / len(times)
        figures = (times[len(times) // 2], times[len(times) * 95 // 100], times[-1], cpu)
        table.add_row(name, *(f"{value:.1f}" for value in figures))
    return table


if __name__ == "__main__":
    typer.run(main)
