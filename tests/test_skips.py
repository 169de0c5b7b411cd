"""Where ``CI`` is set, a test may be skipped only for a listed reason."""

from pathlib import Path

import pytest

from tests.skips import is_excused

CASES = """
import pytest

@pytest.fixture
def gpu():
    pytest.skip("there is no cuda here")

@pytest.fixture
def browser():
    pytest.skip("there is no Chromium here (apt-get install chromium): the report is not tested in a browser")

def test_on_a_gpu(gpu): ...
def test_of_a_page(browser): ...

@pytest.mark.skip(reason="nobody knows why this fails")
def test_given_up(): ...

@pytest.mark.xfail
def test_known_to_fail():
    raise AssertionError

def test_that_runs(): ...
"""

MODULE = """
import pytest
pytest.importorskip("no_such_library")
def test_of_it(): ...
"""


@pytest.mark.parametrize(
    ("reason", "lacking", "excused"),
    [
        ("Skipped: there is no mps here", "", True),
        ("Skipped: POSETRACK_SHARED is not set: no real data to test on", "", True),
        ("Skipped: there is no Chromium here (apt-get install chromium): no browser", "", False),
        ("Skipped: there is no Chromium here (apt-get install chromium): no browser", "g++ chromium", True),
        ("Skipped: no C++ compiler", "chromium", False),
        ("Skipped: no C++ compiler", "g++ make", True),
        ("Skipped: could not import 'onnx': No module named 'onnx'", "g++ chromium make openssl", False),
        ("Skipped: unconditional skip", "", False),
    ],
)
def test_only_listed_reasons_and_packages_that_could_not_be_installed_excuse(
    reason: str, lacking: str, excused: bool
) -> None:
    assert is_excused(reason, {"POSETRACK_LACKS": lacking}) == excused


@pytest.mark.parametrize("ci", ["", "true"])
def test_without_excuse_a_skip_fails_where_ci_is_set_and_nowhere_else(
    ci: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in parallel runs."""
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("POSETRACK_LACKS", "chromium")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makepyfile(test_cases=CASES, test_module=MODULE)
    flags = ["--numprocesses", "1"] if ci else ["-p", "no:xdist"]
    done = pytester.runpytest_subprocess(
        "-p", "tests.skips", "-p", "no:hypothesispytest", "--continue-on-collection-errors", *flags
    )
    failed = {"skipped": 2, "errors": 2} if ci else {"skipped": 4}
    assert done.parseoutcomes() == {"passed": 1, "xfailed": 1, **failed}
    if ci:
        done.stdout.fnmatch_lines("*nobody knows why this fails")
        done.stdout.fnmatch_lines("*could not import 'no_such_library'*")
