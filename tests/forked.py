"""Processes forked from one that has loaded torch: a new one takes seconds to do so."""

from __future__ import annotations

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["posetrack.pose_tracker", "posetrack.batch.coordinator", "posetrack.cli.batch"])


def posetrack(*arguments: str | Path, told: Path) -> ForkServerProcess:
    """Start the command in a session of its own. What it says goes to the file ``told``."""
    process = CONTEXT.Process(target=_main, args=([*map(str, arguments)], told))
    process.start()
    return process


def _main(arguments: list[str], told: Path) -> None:
    os.setsid()
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream.fileno())
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    multiprocessing.get_context = lambda _: CONTEXT  # type: ignore[assignment, misc, return-value]
    sys.argv = ["posetrack", *arguments]
    from posetrack.cli.start import main

    main()
