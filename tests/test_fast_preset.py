"""The preset ``fast`` from its archives to its poses, with networks of the published form and random weights."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from posetrack.errors import ConfigError
from posetrack.models import onnx_reading
from posetrack.presets import get_preset, weights_of
from posetrack.zoo import Entry, read_entries

from . import onnx_files
from .hostile_server import HostileServer, status
from .in_process import posetrack
from .test_onnx_networks import IMAGE

FAST = get_preset("fast")


def archive(entry: Entry, network: Path) -> bytes:
    """As MMPose publishes it."""
    made, folder = io.BytesIO(), "20230831/rtmpose_onnx"
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(f"{folder}/pipeline.json", "{}")
        opened.write(network, f"{folder}/{Path(entry.file).stem}/end2end.onnx")
    return made.getvalue()


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A server of both archives; the table has its address, after a dead one, and the hashes of these networks."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "POSETRACK_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    table = dict(read_entries())
    files = {
        FAST.pose: onnx_files.simcc(tmp_path / "pose.onnx", (192, 256)),
        FAST.detector: onnx_files.detector(tmp_path / "detector.onnx", (320, 320)),
    }
    with HostileServer({f"/{name}.zip": archive(table[name], file) for name, file in files.items()}) as server:
        for name, file in files.items():
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            sources = (f"http://127.0.0.1:9/{name}.zip", f"{server.url}/{name}.zip")
            table[name] = replace(table[name], sha256=sha256, size_bytes=None, sources=sources)
        monkeypatch.setattr("posetrack.zoo.table.read_entries", lambda: table)
        yield server


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(2):
        cv2.imwrite(str(folder / f"{index}.png"), IMAGE)
    return folder


def test_it_is_downloaded_unpacked_and_run(published: HostileServer, frames: Path, tmp_path: Path) -> None:
    done = posetrack("run", frames, "--preset", "fast", "--no-video", "-o", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trying the next address" in done.stderr
    people = json.loads((tmp_path / "frames.json").read_text())["annotations"]
    assert people and all(len(person["keypoints"]) == 3 * 17 for person in people)
    kept = {path.name for path in (tmp_path / "home" / "models").iterdir() if path.is_file()}
    table = read_entries()
    assert kept == {table[name].file for name in weights_of(FAST)}
    asked = len(published.requests)
    again = posetrack("run", frames, "--preset", "fast", "--no-video", "-o", tmp_path, "--overwrite")
    assert again.returncode == 0 and len(published.requests) == asked


def test_gone_publishers_are_one_sentence(published: HostileServer, frames: Path, tmp_path: Path) -> None:
    published.manners |= {path: [status("404 Not Found")] for path in published.files}
    done = posetrack("run", frames, "--preset", "fast", "--no-video", "-o", tmp_path)
    assert done.returncode == 2
    assert "models import rtmdet_nano_person_onnx FILE" in done.stderr.splitlines()[-1]


def test_a_missing_package_is_told_before_anything_is_downloaded(
    published: HostileServer, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_reading, "find_spec", lambda name: None)
    done = posetrack("run", frames, "--preset", "fast", "--no-video", "-o", tmp_path)
    assert done.returncode == 2 and "pip install '.[onnx]'" in done.stderr
    assert published.requests == []
    with pytest.raises(ConfigError, match="needs onnx and openvino"):
        onnx_reading.require_runtime("x", "openvino")
