"""A process forked after networks ran in several threads raises an error at once instead of hanging."""

from __future__ import annotations

import subprocess
import sys

import pytest

RULES = """
import os, sys
from posetrack.errors import ConfigError
from posetrack.forking import require_threads, threads_at_work

def ask(count):
    try:
        require_threads(count)
        return "works"
    except ConfigError as error:
        assert "multiprocessing.get_context('spawn')" in str(error), error
        return "refused"

for count in map(int, sys.argv[1:]):
    threads_at_work(count)
print("here", ask(1), ask(2), flush=True)
if not os.fork():
    print("child", ask(1), ask(2), flush=True)
    if not os.fork():
        print("grandchild", ask(1), ask(2), flush=True)
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
"""


def lines_of(code: str, *arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("at_work", "then"),
    [([], "works works"), (["1"], "works works"), (["2"], "works refused"), (["2", "1"], "works refused")],
)
def test_several_threads_are_refused_if_they_worked_before_the_fork(at_work: list[str], then: str) -> None:
    assert lines_of(RULES, *at_work) == ["here works works", f"child {then}", f"grandchild {then}"]


TRACKING = """
import multiprocessing
import numpy as np
from posetrack.background import ahead
from posetrack.errors import ConfigError
from posetrack.pose_tracker import PoseTracker

images = [np.full((64, 64, 3), 100, np.uint8)] * 3

def attempt(name, action):
    try:
        print(name, action(), flush=True)
    except ConfigError as error:
        print(name, str(error).partition(",")[0], flush=True)

def frames(tracker):
    return sum(1 for _ in tracker.track(images))

def child():
    attempt("old", lambda: frames(tracker))
    attempt("new", lambda: frames(PoseTracker(threads=2)))
    attempt("begun", lambda: next(begun))
    attempt("one thread", lambda: frames(PoseTracker(threads=1)))

tracker = PoseTracker(threads=2)
print("here", frames(tracker), flush=True)
begun = ahead(range(9), 1)
next(begun)
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join(100)
if process.exitcode is None:
    process.kill()
print("exit", process.exitcode, flush=True)
"""

LOST = "This process was forked after networks had run in several threads"
BEGUN = "begun This process was forked while a video was being tracked"


def test_a_process_forked_after_several_threads_refuses_them_and_works_with_one() -> None:
    found = lines_of(TRACKING)
    assert found == ["here 3", f"old {LOST}", f"new {LOST}", BEGUN, "one thread 3", "exit 0"]
