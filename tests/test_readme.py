"""The README's Python examples run as they stand."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from posetrack.demo import write_clip
from posetrack.synthetic import crossing
from tests.in_process import posetrack

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``video.mp4``, four frames of a rendered scene, its ``truth/``, and ``results/my.csv``."""
    folder = tmp_path_factory.mktemp("footage")
    scene = crossing(seed=1, size=(480, 270))
    shot = replace(scene.shots[0], frame_count=4)
    write_clip(folder, replace(scene, name="video", shots=(shot,)))
    shutil.copy(folder / "video.mp4", folder / "my.mp4")
    posetrack("run", folder / "my.mp4", "-o", folder / "results", "--format", "csv", "--no-video")
    return folder


def test_there_is_an_example_for_each_way_to_use_the_api() -> None:
    text = "\n".join(EXAMPLES)
    for use in ('track("video.mp4")', "track(frames)", "read_csv(", "posetrack.run(", "evaluate("):
        assert use in text
    assert "docs/extending.md" in README.read_text()  # whose examples test_examples.py runs


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(number: int, footage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(footage)
    exec(compile(EXAMPLES[number], f"README example {number}", "exec"), {"__name__": "example"})
