"""From names to networks: what a preset names is loaded, from where it lies, and nothing else."""

import hashlib
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from posetrack.changes import Changes, customised
from posetrack.errors import ConfigError, WeightsError
from posetrack.flow import ZeroFlow
from posetrack.models.pose_weights import PoseArchitecture, save_pose_network
from posetrack.models.runtime import Runtime
from posetrack.networks import LOADERS, Networks, weight_files
from posetrack.pipeline import PipelineConfig
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import AUTO_SURE_SCORE, PRESETS, Preset, get_preset, weights_of
from posetrack.schedule import EveryNth
from posetrack.skeletons import COCO, POSETRACK
from posetrack.tracker import RefreshConfig
from posetrack.types import Boxes
from posetrack.zoo import ModelStore, get_entry, read_entries

from .in_process import posetrack
from .stubs import OneStage, StubDetector, StubPose

LITE = get_preset("lite")
BY_HAND = "official_resnet50_coco_256x192"
IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
BOXES = Boxes(np.array([[30, 10, 90, 110]], np.float32), np.ones(1, np.float32))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ResNet-50 pose network in the official code's layout, with random weights."""
    torch.manual_seed(0)
    network = get_entry(BY_HAND).pose_architecture().build()
    tensors = {name.removeprefix("backbone."): value for name, value in network.state_dict().items()}
    path = tmp_path_factory.mktemp("by_hand") / "pose_resnet_50.pth.tar"
    torch.save(tensors, path)
    return path


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_every_preset_names_weights_that_fit_their_place(preset) -> None:
    entries = {name: get_entry(name) for name in weights_of(preset)}
    assert entries[preset.detector].task in ("detector", "detector+pose")
    assert entries[preset.pose].task in ("pose", "detector+pose")
    assert preset.pose_config.codec == entries[preset.pose].codec


def test_every_entry_names_its_loader() -> None:
    assert {entry.loader for entry in read_entries().values()} == set(LOADERS)


def test_a_loader_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(LOADERS, "posetrack_detector")
    with pytest.raises(ConfigError, match="entry 'detector_lite': loader is 'posetrack_detector'; choose one of"):
        Networks(LITE, Runtime(), ModelStore()).detector  # noqa: B018


def test_lite_needs_nothing_but_the_package(tmp_path: Path) -> None:
    files = weight_files(LITE, ModelStore(tmp_path / "empty"), fetch=None)
    assert all(path.is_file() for path in files.values())
    assert not (tmp_path / "empty").exists()


def test_what_is_missing_is_named_with_its_remedies(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="fasterrcnn_resnet50_fpn_v2.*https://.*--preset lite"):
        weight_files(get_preset("accurate"), ModelStore(tmp_path), fetch=None)


def test_an_imported_network_of_others_estimates_poses(checkpoint: Path, tmp_path: Path) -> None:
    assert posetrack("models", "import", BY_HAND, checkpoint, "--models-dir", tmp_path).returncode == 0
    preset = customised(LITE, Changes(pose=BY_HAND))
    pose = Networks(preset, Runtime(), ModelStore(tmp_path)).pose
    assert pose.skeleton is COCO
    poses = pose.estimate(IMAGE, BOXES)
    assert poses.keypoints.shape == (1, 17, 2)
    assert np.isfinite(poses.keypoints).all()


def test_it_runs_on_the_command_line_with_its_own_skeleton(checkpoint: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    import cv2

    for index in range(2):
        cv2.imwrite(str(frames / f"{index}.png"), IMAGE)
    options = ["--pose", BY_HAND, "--models-dir", tmp_path / "models", "--no-video", "-o", tmp_path]
    missing = posetrack("run", frames, *options)
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 1
    assert "models import" in missing.stderr
    posetrack("models", "import", BY_HAND, checkpoint, "--models-dir", tmp_path / "models")
    done = posetrack("run", frames, *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "frames.json").is_file()


def test_a_network_that_one_has_trained_is_used_by_its_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    architecture = PoseArchitecture(width=64, height=96)
    save_pose_network(architecture.build(), architecture, tmp_path / "mine.safetensors")
    preset = customised(LITE, Changes(pose=str(tmp_path / "mine.safetensors")))
    assert weights_of(preset) == ("detector_lite",)
    tracker = PoseTracker(preset, detector=StubDetector())
    poses = [poses for _, poses in tracker.track([IMAGE] * 2)]
    assert all(one.skeleton is POSETRACK for one in poses)
    assert set(weight_files(preset, ModelStore(tmp_path))) == {str(tmp_path / "mine.safetensors"), "detector_lite"}


def test_what_a_tracker_is_made_with_leaves_out_networks_that_ones_own_stages_replace(tmp_path: Path) -> None:
    """And these need not be here; hashes are those of the files as they are now."""
    torch.manual_seed(0)
    mine = tmp_path / "mine.safetensors"
    architecture = PoseArchitecture(width=64, height=96)
    save_pose_network(architecture.build(), architecture, mine)
    accurate = customised(get_preset("accurate"), Changes(pose=str(mine), flow="raft_small"))
    stages: dict[str, Any] = {"models_dir": tmp_path, "detector": StubDetector(), "flow": ZeroFlow()}

    def hashes() -> dict[str, str]:
        return PoseTracker(accurate, **stages).made_with["networks"]

    assert hashes() == {str(mine): hashlib.sha256(mine.read_bytes()).hexdigest()}
    save_pose_network(architecture.build(), architecture, mine)
    assert hashes() == {str(mine): hashlib.sha256(mine.read_bytes()).hexdigest()}
    people = PoseTracker("accurate", people=OneStage(), models_dir=tmp_path)
    assert people.made_with["networks"] == {} and people.made_with["preset"]["name"] == "accurate"
    bundled = PoseTracker(pose=StubPose()).made_with["networks"]
    detector = ModelStore().path(get_entry("detector_lite"))
    assert bundled == {"detector_lite": hashlib.sha256(detector.read_bytes()).hexdigest()}


def test_another_pose_network_brings_the_codec_it_was_published_with() -> None:
    assert customised(LITE, Changes(pose="hrnet_w32_dark_coco_256x192")).pose_config.codec == "dark"
    assert (
        customised(LITE, Changes(pose="hrnet_w32_dark_coco_256x192", codec="argmax")).pose_config.codec == "argmax"
    )
    assert (
        customised(get_preset("accurate"), Changes(pose="hrnet_w32_coco_256x192")).pose_config.codec == "quarter"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (Changes(detector="pose_lite"), "pose_lite are for pose, not for a detector"),
        (Changes(pose="raft_small"), "raft_small are for flow, not for a pose network"),
        (Changes(detector="detector_light"), "did you mean detector_lite"),
        (Changes(flow="optical"), "there is no flow 'optical'; choose one of dis, lk"),
        (Changes(flow="pose_lite"), "there is no flow 'pose_lite'"),
    ],
)
def test_weights_for_something_else_are_refused(changes: Changes, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PoseTracker(customised(LITE, changes))


def test_only_what_is_not_brought_is_loaded(tmp_path: Path) -> None:
    """One's own stages take the place of weights that are not here."""

    PoseTracker(get_preset("accurate"), detector=StubDetector(), pose=StubPose(), models_dir=tmp_path)


def test_reduced_precision_is_asked_for_or_not_used() -> None:
    scores = {
        precision: Networks(LITE, Runtime(precision=precision), ModelStore()).pose.estimate(IMAGE, BOXES)
        for precision in ("fp32", "auto", "bf16")
    }
    np.testing.assert_array_equal(scores["auto"].keypoint_scores, scores["fp32"].keypoint_scores)
    assert not np.array_equal(scores["bf16"].keypoint_scores, scores["fp32"].keypoint_scores)


def test_auto_looks_for_people_and_joints_so_often_in_a_second() -> None:
    lite = customised(get_preset("lite"), Changes(detect_every="auto"))
    intervals = ((10, 1, 2), ("27/2", 1, 3), ("15000/1001", 3, 3), (25, 5, 5), (50, 5, 10), (None, 5, 5))
    for fps, detect_every, pose_every in intervals:
        rate = None if fps is None else Fraction(fps)
        assert lite.schedule(rate) == EveryNth(interval=detect_every, sure_score=AUTO_SURE_SCORE)
        assert lite.pipeline_config(rate).refresh.every == pose_every
    fixed = customised(lite, Changes(detect_every=3, pose_every=1))
    assert fixed.schedule(Fraction(50)) == EveryNth(interval=3)
    assert fixed.pipeline_config(Fraction(50)).refresh.every == 1
    for name in ("accurate", "posetrack"):
        assert get_preset(name).schedule(Fraction(50)) == EveryNth()
        assert get_preset(name).pipeline_config(Fraction(50)).refresh.every == 1


def test_intervals_in_seconds_replace_those_in_frames_and_the_reverse() -> None:
    timed = customised(get_preset("lite"), Changes(detect_every_s=0.2, pose_every_s=0.3))
    for fps, frames in ((7, 1), (25, 5), (50, 10), (240, 48), (None, 5)):
        assert timed.schedule(fps and Fraction(fps)) == EveryNth(interval=frames)
        assert timed.pipeline_config(fps and Fraction(fps)).refresh.every_s == 0.3
    assert customised(timed, Changes(max_gap_s=1)).schedule(None) == EveryNth(interval=5)
    framed = customised(timed, Changes(detect_every=3, pose_every=2))
    assert framed.schedule(Fraction(240)) == EveryNth(interval=3)
    refresh = framed.pipeline_config(Fraction(240)).refresh
    assert (refresh.every, refresh.every_s) == (2, None)
    usual = replace(LITE, pipeline=PipelineConfig(refresh=RefreshConfig(every_s=0.5)), pose_every=None)
    assert usual.pipeline_config(None).refresh.every_s == 0.5


def test_a_presets_own_settings_are_used_as_they_are() -> None:
    preset = Preset(
        name="own", summary="", detector="none", pose="none", detect_every=4, sure_score=0.7,
        pipeline=PipelineConfig(refresh=RefreshConfig(every=6), pose_batch=3),
    )  # fmt: skip
    assert preset.schedule(Fraction(50)) == EveryNth(interval=4, sure_score=0.7)
    assert preset.pipeline_config(Fraction(50)) == preset.pipeline
    assert replace(preset, detect_every="auto").schedule(Fraction(25)) == EveryNth(interval=5, sure_score=0.7)
    auto = replace(preset, pose_every="auto").pipeline_config(Fraction(50))
    assert (auto.refresh.every, auto.pose_batch) == (10, 3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detect_every": 0}, "detect_every must be a whole number, 1 or more, not 0"),
        ({"detect_every": "often"}, "detect_every must be a whole number or 'auto', not 'often'"),
        ({"detect_every_s": 0}, "detect_every_s must be above 0, not 0"),
        ({"pose_every_s": float("inf")}, "pose_every_s must be above 0, not inf"),
        ({"pose_every": -1}, "pose_every must be a whole number, 1 or more, not -1"),
        ({"sure_score": 1.5}, "sure_score must lie between 0 and 1, not 1.5"),
    ],
)
def test_a_preset_refuses_numbers_out_of_range(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=f"^{words}"):
        replace(LITE, **changes)


def test_without_propagation_people_are_looked_for_in_every_frame() -> None:
    preset = customised(get_preset("lite"), Changes(propagation="off"))
    assert preset.pipeline.propagation is None and preset.schedule(Fraction(25)) == EveryNth()
    for often in ({"detect_every": 3}, {"detect_every_s": 0.2}):
        rarely = customised(get_preset("lite"), Changes(propagation="off", **often))
        with pytest.raises(ConfigError, match="needs propagation"):
            PoseTracker(rarely, detector=StubDetector(), pose=StubPose()).pipeline(Fraction(25))
