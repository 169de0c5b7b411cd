"""Runs programs in the test's process, which has already loaded torch; a new process takes seconds to do so."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import pytest

from posetrack.cli.main import main


def posetrack(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command; its status and output."""
    return _ended(main, ["posetrack", *map(str, arguments)], {})


def script(path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script that ends by itself or with ``sys.exit``; its status and output. Its imports lie beside it."""
    with patch.object(sys, "path", [str(path.parent), *sys.path]):
        return _ended(lambda: runpy.run_path(str(path), run_name="__main__"), [str(path), *arguments], environment)


def _ended(
    program: Callable[[], object], command: list[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    out, error = StringIO(), StringIO()
    with (
        patch.object(sys, "argv", command),
        patch.object(sys, "excepthook", sys.excepthook),  # typer sets its own
        patch.dict(os.environ, environment),
        redirect_stdout(out),
        redirect_stderr(error),
        pytest.raises(SystemExit) as end,
    ):
        program()
        raise SystemExit
    status = end.value.code or 0
    if isinstance(status, str):
        print(status, file=error)
        status = 1
    return subprocess.CompletedProcess(command, status, out.getvalue(), error.getvalue())
