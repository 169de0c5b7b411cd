"""Processes forked from one in which networks were at work in several threads.

A fork takes along only the thread that called it. The libraries under the networks (OpenMP, thread pools) would
wait for their other threads for ever. So it is noted when several threads begin to work, and in a process forked
after that, using several again is an error at once. Networks with one thread each work there too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from posetrack.errors import ConfigError


@dataclass
class _Process:
    """What is known of this process."""

    has_threads: bool = False
    """Several threads have begun to work in it."""
    lost_threads: bool = False
    """It has been forked from one of which that was so."""

    def forked(self) -> None:
        """In the new process, as the first thing."""
        self.lost_threads = self.lost_threads or self.has_threads
        self.has_threads = False


_process = _Process()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forked)


def require_threads(count: int) -> None:
    """Refuses to work with several threads where that would wait for ever.

    Raises:
        ConfigError: this process has been forked from one in which several were at work, and ``count`` is above 1.
    """
    if count > 1 and _process.lost_threads:
        raise ConfigError(
            "This process was forked from one in which networks had been at work in several threads, which are "
            "missing here: start it by multiprocessing.get_context('spawn'), or use threads=1 in both."
        )


def threads_at_work(count: int) -> None:
    """So many threads are about to work at once: the same, and noted for processes that are forked later."""
    require_threads(count)
    if count > 1:
        _process.has_threads = True
