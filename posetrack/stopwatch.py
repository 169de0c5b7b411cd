"""Measures wall and processor time of named parts, from any thread."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the time spent in named parts.

    Args:
        keep_samples: Keep each duration (for medians and percentiles), not just the sums. Costs 16 bytes per
            part and frame.
    """

    def __init__(self, *, keep_samples: bool = False) -> None:
        self._keep_samples = keep_samples
        self._lock = threading.Lock()
        self.wall_s: dict[str, float] = {}
        """Wall time in each part, in seconds, including waiting."""
        self.cpu_s: dict[str, float] = {}
        """Processor time of the calling thread in each part, in seconds."""
        self.samples_s: dict[str, array[float]] = {}
        """Every wall time of each part, if ``keep_samples``."""

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Add the time spent in the ``with`` block to ``part``."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            with self._lock:
                self.wall_s[part] = self.wall_s.get(part, 0.0) + wall
                self.cpu_s[part] = self.cpu_s.get(part, 0.0) + cpu
                if self._keep_samples:
                    self.samples_s.setdefault(part, array("d")).append(wall)

    def clear(self) -> None:
        """Reset all times (after a warm-up)."""
        with self._lock:
            self.wall_s.clear()
            self.cpu_s.clear()
            self.samples_s.clear()
