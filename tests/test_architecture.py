"""The house rules that no linter checks."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "posetrack"

LAYERS = [
    {"errors", "scene", "skeletons", "stored_arrays", "types", "stages"},
    {
        "background",
        "calibration",
        "figures",
        "files",
        "forking",
        "interruption",
        "own_frames",
        "pixels",
        "ranges",
        "records",
        "skeleton_conversion",
        "stopwatch",
        "top_down",
    },
    {"formats", "observations"},
    {"tracker", "flow", "video", "models", "synthetic", "evaluation"},
    {"pipeline_config", "own_stages", "schedule"},
    {"lookahead"},
    {"pipeline", "training", "zoo", "refine", "provenance"},
    {"presets", "realtime", "measures"},
    {"changes", "networks"},
    {"pose_tracker", "demo"},
    {"runner", "benchmark", "report", "review"},
    {"batch", "trust"},
    {"cli"},
    {"__main__"},
]
"""From the bottom up: a part imports only from lower layers, never from its own."""

FOUNDATION = ["errors", "scene", "skeletons", "stored_arrays", "types", "stages"]
"""The bottom layer in its own order."""


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_parts(path: Path) -> set[str]:
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names]
                if node.module == "posetrack"
                else [node.module]
            )
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        parts |= {name.split(".")[1] for name in names if name.startswith("posetrack.")}
    return parts - {"__version__"}


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    height = {part: level for level, parts in enumerate(LAYERS) for part in parts}
    own = part_of(path)
    for part in imported_parts(path) - {own}:
        if own in FOUNDATION:
            assert FOUNDATION.index(part) < FOUNDATION.index(own)
        else:
            assert height[part] < height[own], f"{own} must not import {part}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 300


def importers_of(part: str) -> set[str]:
    """The modules outside a part that import it, anywhere in them."""
    return {str(path.relative_to(PACKAGE)) for path in MODULES if part in imported_parts(path) - {part_of(path)}}


def test_only_the_demo_command_loads_the_renderer() -> None:
    assert importers_of("synthetic") == {"demo.py", "cli/demo.py"}
    assert importers_of("demo") == {"cli/demo.py"}


HEAVY = ("numpy", "torch", "torchvision", "cv2", "scipy", "pyarrow", "matplotlib", "posetrack.synthetic")


@pytest.mark.parametrize("statement", ["import posetrack", "import posetrack.cli.main"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from posetrack.cli.main import main; sys.argv = ['posetrack', 'run', '--help']; main()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    assert "--overwrite" in done.stdout
    loaded = {line.split("|")[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert not loaded & set(HEAVY)
