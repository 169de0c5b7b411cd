"""A process forked after networks ran in several threads raises an error at once instead of hanging."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posetrack.background import ahead
from posetrack.errors import ConfigError
from posetrack.forking import require_threads, threads_at_work
from posetrack.pose_tracker import PoseTracker
from tests import forked

LOST = "This process was forked after networks had run in several threads"
BEGUN = "This process was forked while a video was being tracked"


def attempt(action: Callable[[], object]) -> str:
    """What the action gives, or the beginning of the sentence that refuses it."""
    try:
        return str(action())
    except ConfigError as error:
        assert "while a video" in str(error) or "multiprocessing.get_context('spawn')" in str(error), error
        return str(error).partition(",")[0]


def note(told: Path, *words: str) -> None:
    with told.open("a") as file:
        file.write(" | ".join(words) + "\n")


def lines_of(program: Callable[..., None], folder: Path, *arguments: int) -> list[str]:
    """What a program notes in a process in which no thread has worked."""
    told = folder / "told"
    process = forked.CONTEXT.Process(target=program, args=(told, *arguments))
    process.start()
    process.join()
    assert process.exitcode == 0
    return told.read_text().splitlines()


def two_generations(told: Path, *at_work: int) -> None:
    """Ask for one and for two threads here, in a child and in a grandchild, after some threads have worked."""

    def ask(who: str) -> None:
        note(told, who, *(attempt(lambda count=count: require_threads(count)) for count in (1, 2)))

    for count in at_work:
        threads_at_work(count)
    ask("here")
    if not os.fork():
        ask("child")
        if not os.fork():
            ask("grandchild")
            os._exit(0)
        os.wait()
        os._exit(0)
    os.wait()


@pytest.mark.parametrize(("at_work", "then"), [([], "None"), ([1], "None"), ([2], LOST), ([2, 1], LOST)])
def test_several_threads_are_refused_if_they_worked_before_the_fork(
    tmp_path: Path, at_work: list[int], then: str
) -> None:
    found = lines_of(two_generations, tmp_path, *at_work)
    assert found == ["here | None | None", f"child | None | {then}", f"grandchild | None | {then}"]


def frames(tracker: PoseTracker) -> int:
    return sum(1 for _ in tracker.track([np.full((64, 64, 3), 100, np.uint8)] * 3))


def tracking(told: Path) -> None:
    """Track with two threads here, and with them, with new ones and with one in a forked process."""
    tracker = PoseTracker(threads=2)
    note(told, "here", str(frames(tracker)))
    begun = ahead(range(9), 1)
    next(begun)

    def child() -> None:
        note(told, "old", attempt(lambda: frames(tracker)))
        note(told, "new", attempt(lambda: frames(PoseTracker(threads=2))))
        note(told, "begun", attempt(lambda: next(begun)))
        note(told, "one thread", attempt(lambda: frames(PoseTracker(threads=1))))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(100)
    if process.exitcode is None:
        process.kill()
    note(told, "exit", str(process.exitcode))


def test_a_process_forked_after_several_threads_refuses_them_and_works_with_one(tmp_path: Path) -> None:
    found = lines_of(tracking, tmp_path)
    assert found == [
        "here | 3", f"old | {LOST}", f"new | {LOST}", f"begun | {BEGUN}", "one thread | 3", "exit | 0",
    ]  # fmt: skip
