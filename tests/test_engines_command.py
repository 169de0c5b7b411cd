"""``--engine`` on the command line, and what does not go with it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posetrack.batch import settings
from posetrack.batch.tasks import PresetTracker
from posetrack.cli.main import main
from posetrack.demo import write_clip
from posetrack.errors import ConfigError
from posetrack.models import engines
from posetrack.models.engines import check_engine
from posetrack.models.raft import Raft
from posetrack.models.runtime import Runtime
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.runner import Outputs
from posetrack.synthetic import SCENES, Scene
from posetrack.video import ReadOptions
from tests.stubs import StubDetector, StubPose


def posetrack(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["posetrack", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def frames_of(path: Path) -> list[list[dict[str, Any]]]:
    """People by frame, in the order of their ids."""
    told = json.loads(path.read_text())
    people: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in told["images"]}
    for person in told["annotations"]:
        people[person["image_id"]].append(person)
    return [sorted(frame, key=lambda person: int(person["track_id"])) for _, frame in sorted(people.items())]


@pytest.mark.usefixtures("forked_workers")
def test_run_and_batch_with_onnx_runtime_track_what_torch_tracks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    scene = SCENES["crossing"](0, (480, 270))
    scene = replace(scene, shots=(replace(scene.shots[0], frame_count=8),))
    clip = write_clip(tmp_path / "clips", scene).video
    flags = ["--no-video", "--threads", "1"]
    told = {}
    for engine in ("torch", "onnxruntime"):
        assert (
            posetrack(monkeypatch, "run", str(clip), "-o", str(tmp_path / engine), "--engine", engine, *flags) == 0
        )
        told[engine] = frames_of(tmp_path / engine / f"{clip.stem}.json")
    exported = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "home" / "models" / "exported").glob("*.onnx")
    }
    assert len(exported) == 4, "pose network; the detector's backbone, proposals and boxes"
    assert len(told["torch"]) == 8 and any(told["torch"])
    for expected, found in zip(told["torch"], told["onnxruntime"], strict=True):
        assert [person["track_id"] for person in found] == [person["track_id"] for person in expected]
        for one, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(other["keypoints"], one["keypoints"], atol=0.3)
            np.testing.assert_allclose(other["bbox"], one["bbox"], atol=0.3)
    monkeypatch.chdir(tmp_path)
    batch = ["batch", "clips", "-o", "out", "--engine", "onnxruntime", "--workers", "1", "--glob", "*.mp4", *flags]
    assert posetrack(monkeypatch, *batch) == 0
    [result] = (tmp_path / "out").rglob(f"{clip.stem}.json")
    assert frames_of(result) == told["onnxruntime"]
    assert {path: path.stat().st_mtime_ns for path in exported} == exported, "exported once"


def test_the_demo_runs_in_the_engine_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, object] = {}

    class Stub(PoseTracker):
        def __init__(self, **settings: object) -> None:
            asked.update(settings)
            super().__init__(detector=StubDetector(), pose=StubPose())

    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", Stub)
    [shot] = SCENES["crossing"](0, (160, 96)).shots
    scene = Scene(name="short", shots=(replace(shot, frame_count=6),))
    monkeypatch.setitem(SCENES, "demo", lambda seed, size: scene)
    monkeypatch.setattr(engines, "find_spec", lambda _: True)
    arguments = ["demo", "-o", str(tmp_path / "out"), "--engine", "onnxruntime"]
    assert posetrack(monkeypatch, *arguments) == 0
    assert asked == {"device": "cpu", "engine": "onnxruntime"}
    assert "against the exact truth" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--engine", "tensorrt"], "there is no engine 'tensorrt'"),
        (["--engine", "onnxruntime", "--device", "cuda"], "runs on the CPU, not on cuda"),
        (["--device", "abacus"], "there is no device 'abacus'"),
        (["--scene", "opera"], "there is no scene 'opera'"),
    ],
)
def test_what_the_demo_cannot_do_is_said_before_anything_is_rendered(
    flags: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert posetrack(monkeypatch, "demo", "-o", str(tmp_path / "out"), *flags) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["run", "batch"])
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--engine", "tensorrt"], "there is no engine 'tensorrt'; choose one of torch, onnxruntime, openvino."),
        (["--device", "cuda"], "engine onnxruntime runs on the CPU, not on cuda: choose engine torch."),
        (["--device", "mps"], "not on mps"),
        (["--precision", "bf16"], "engine onnxruntime calculates in fp32, not in bf16: choose engine torch."),
        (["--precision", "fp16"], "not in fp16"),
        (["--compile"], "leave out --compile with engine onnxruntime."),
    ],
)
def test_what_does_not_go_together_is_one_sentence(
    command: str,
    flags: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = flags if "--engine" in flags else ["--engine", "onnxruntime", *flags]
    out = tmp_path / "out"
    (tmp_path / "x").mkdir()
    assert posetrack(monkeypatch, command, str(tmp_path / "x"), "-o", str(out), *given) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error and error.count("\n") == 1
    assert not out.exists()


def test_without_onnx_runtime_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"onnxruntime is not installed: pip install '\.\[onnx\]'"):
        check_engine("onnxruntime", "auto", "auto", False)
    assert check_engine("torch", "cuda", "fp16", True) == "torch"


def test_raft_runs_in_torch_alone() -> None:
    pytest.importorskip("onnxruntime")
    network: Any = torch.nn.Identity()
    with pytest.raises(ConfigError, match="RAFT runs only in torch: choose engine torch, or a flow like dis"):
        Raft(network, Runtime(engine="onnxruntime"))


def test_with_onnx_runtime_the_automatic_device_is_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    PoseTracker(engine="onnxruntime", detector=StubDetector(), pose=StubPose())
    with pytest.raises(ConfigError, match="not on cuda"):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        PoseTracker(engine="onnxruntime", device="cuda", detector=StubDetector(), pose=StubPose())


def test_a_batch_with_another_engine_is_another_batch() -> None:
    preset = get_preset("lite")
    hashes = {
        settings.settings_hash(PresetTracker(preset, engine=engine), ReadOptions(), Outputs(), 0)
        for engine in ("torch", "onnxruntime")
    }
    assert len(hashes) == 2
