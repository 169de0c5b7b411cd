"""CPUs and memory that this process may use: containers and clusters limit them."""

from __future__ import annotations

import os
from pathlib import Path


def available_processors() -> int:
    """Number of CPUs this process may use, within the container's limit."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = _limit("cpu.max").split()
    if len(limit) == 2 and all(word.isdigit() for word in limit):
        here = min(here, max(1, round(int(limit[0]) / int(limit[1]))))
    return here


def available_memory_bytes() -> int:
    """Memory of the computer, or the container's limit."""
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _limit("memory.max").strip()
    return min(here, int(limit)) if limit.isdigit() else here


def _limit(name: str) -> str:
    """The container's limit from Linux control groups, version 2; empty if there is none."""
    try:
        return Path("/sys/fs/cgroup", name).read_text()
    except OSError:
        return ""
