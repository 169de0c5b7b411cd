"""Skipped tests are listed at the end of a run; where ``CI`` is set, a skip needs an excuse.

So no test is skipped unnoticed for ever. Excuses are the reasons in ``EXCUSED``, and packages of ``.ci/packages``
that could not be installed, which ``.ci/run`` names in ``POSETRACK_LACKS``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import pytest

EXCUSED = (
    r"POSETRACK_SHARED is not set",  # the real images and clips are not in the repository
    r"there is no (cuda|mps) here",  # few machines have a GPU, and none has both kinds
    r"mounting a small file system is not allowed",  # only root may, and not in every container
    r"before torch 2\.9 networks are exported with the older exporter only",
    r"there are no terminals here",  # some sandboxes have no pseudo-terminals
)
"""Reasons (regular expressions) that are accepted on a machine with everything installed."""

OF_PACKAGES = {
    "chromium": r"there is no Chromium",
    "g++": r"no C\+\+ compiler",
    "openssl": r"needs the openssl program",
}
"""Debian package -> skip reason of tests that need it."""


def is_excused(reason: str, environment: Mapping[str, str]) -> bool:
    """Whether a test may be skipped for this reason where ``CI`` is set."""
    lacking = environment.get("POSETRACK_LACKS", "").split()
    of_packages = [OF_PACKAGES[package] for package in lacking if package in OF_PACKAGES]
    return any(re.search(pattern, reason) for pattern in (*EXCUSED, *of_packages))


def _fail_without_excuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not os.environ.get("CI") or not report.skipped or hasattr(report, "wasxfail"):
        return
    path, line, reason = report.longrepr
    if not is_excused(reason, os.environ):
        report.outcome = "failed"
        report.longrepr = (
            f"{path}:{line}: {reason}\nSkipped, which fails where CI is set: provide what the test needs, "
            "or list the reason in tests/skips.py."
        )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Handle a test, or a fixture that skips its tests."""
    _fail_without_excuse(report)


@pytest.hookimpl(tryfirst=True)
def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Handle a whole module, as skipped by ``importorskip``."""
    _fail_without_excuse(report)
