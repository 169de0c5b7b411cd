"""Detects processes forked after networks ran in several threads.

A fork keeps only the thread that called it, so the networks' libraries (OpenMP, thread pools) would wait for ever
for the others. We note when several threads start to work; using several threads in a process forked later then
raises an error. Networks with one thread each still work there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from posetrack.errors import ConfigError


@dataclass
class _Process:
    """State of this process."""

    has_threads: bool = False
    """Several threads have worked in it."""
    lost_threads: bool = False
    """It was forked from a process in which several threads had worked."""

    def forked(self) -> None:
        """Update the state in a newly forked process."""
        self.lost_threads = self.lost_threads or self.has_threads
        self.has_threads = False


_process = _Process()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.forked)


def require_threads(count: int) -> None:
    """Refuse to use several threads where they would hang.

    Raises:
        ConfigError: ``count`` is above 1 and this process was forked after several threads had worked.
    """
    if count > 1 and _process.lost_threads:
        raise ConfigError(
            "This process was forked after networks had run in several threads, which a fork does not "
            "inherit: start it with multiprocessing.get_context('spawn'), or use threads=1 in both processes."
        )


def threads_at_work(count: int) -> None:
    """Like ``require_threads``, and remember that ``count`` threads are about to work."""
    require_threads(count)
    if count > 1:
        _process.has_threads = True
