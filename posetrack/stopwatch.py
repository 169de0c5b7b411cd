"""Where the time goes: wall and CPU seconds of named parts, added up from any thread."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Adds up the time spent in named parts.

    Args:
        keep_samples: Keep every single duration (for medians and percentiles), not the sums alone. Costs
            sixteen bytes per part and frame.
    """

    def __init__(self, *, keep_samples: bool = False) -> None:
        self._keep_samples = keep_samples
        self._lock = threading.Lock()
        self.wall_s: dict[str, float] = {}
        """Seconds by the clock in each part, waiting included."""
        self.cpu_s: dict[str, float] = {}
        """Seconds of the calling thread's processor time in each part."""
        self.samples_s: dict[str, array[float]] = {}
        """Each duration by the clock, if they are kept."""

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count what happens inside the ``with`` towards ``part``."""
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
        """Start again from nothing (after a warm-up)."""
        with self._lock:
            self.wall_s.clear()
            self.cpu_s.clear()
            self.samples_s.clear()
