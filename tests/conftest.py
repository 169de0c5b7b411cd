"""Shared by all tests: real data, one thread for small networks, no deadlines, and what may be skipped."""

import multiprocessing
import os
from pathlib import Path

import pytest
from hypothesis import settings

# On a busy machine an example may take any time; where CI is set, hypothesis has a profile of its own beneath.
settings.register_profile("unhurried", settings.default, deadline=None)
settings.load_profile("unhurried")

pytest_plugins = ["tests.skips", "pytester"]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small networks are fastest on one thread, and results do not depend on the machine."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork the workers of a batch from a process that has loaded torch, which takes a new one seconds."""
    from tests.forked import CONTEXT

    monkeypatch.setattr(multiprocessing, "get_context", lambda _: CONTEXT)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real images and clips; tests that need it are skipped where it is not given."""
    folder = os.environ.get("POSETRACK_SHARED")
    if not folder:
        pytest.skip("POSETRACK_SHARED is not set: no real data to test on")
    return Path(folder)
