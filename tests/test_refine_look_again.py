"""``refine NAME.tracks --video FILE --look-again``: the run's own pose network sees what was filled."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import posetrack
from posetrack.changes import Changes, customised
from posetrack.errors import ConfigError
from posetrack.models.pose import PoseConfig
from posetrack.models.runtime import Runtime
from posetrack.networks import Networks, made_with
from posetrack.observations.header import Header
from posetrack.presets import get_preset
from posetrack.refine.clip import FILLED, Clip
from posetrack.refine.files import read_clip
from posetrack.runner.looking import pose_network
from posetrack.runner.refining import refine_observations
from posetrack.skeletons import POSETRACK
from posetrack.stages import PoseEstimator
from posetrack.types import Boxes, Image, Poses
from posetrack.video.outputs import Outputs
from posetrack.zoo import ModelStore
from tests.in_process import posetrack as command
from tests.second_pass_cases import LOST, footage, losing_tracker


class Middle:
    """A pose network that sees somebody's joints a little lower than they were filled."""

    skeleton = POSETRACK

    def __init__(self, joints: dict[int, np.ndarray]) -> None:
        self._joints, self.calls = list(joints.values()), 0

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        joints, self.calls = self._joints[self.calls][None], self.calls + 1
        scores = np.where(np.isnan(joints[..., 0]), 0, 0.9)
        return Poses(boxes.xyxy, boxes.scores, np.nan_to_num(joints) + (0, 1), scores, np.array([-1]), POSETRACK)


@pytest.fixture
def tracked(tmp_path: Path) -> tuple[Path, Path]:
    """The observations of a run, and its video."""
    clip = footage(tmp_path / "street.mp4")
    posetrack.run(
        clip, tmp_path / "out", tracker=losing_tracker, outputs=Outputs(video=False, formats=("parquet",))
    )
    return tmp_path / "out" / "street.tracks", clip


def filled(folder: Path) -> tuple[Clip, int]:
    clip = read_clip(folder / "street.parquet")
    return clip, sum(int((track.origins == FILLED).sum()) for track in clip.tracks)


def test_what_was_filled_is_seen_after_a_second_look(
    tracked: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    observations, video = tracked
    clip, before = filled(observations.parent)
    assert before > 0
    network = Middle({place: clip.tracks[0].joints[place] for place in LOST})
    monkeypatch.setattr("posetrack.runner.refining.pose_network", lambda *_: network)
    refine_observations(observations, video=video, look_again=True, formats=("parquet",), overwrite=True)
    again, after = filled(observations.parent)
    assert after == 0 and network.calls == len(LOST)
    assert np.allclose(
        again.tracks[0].raw[list(LOST)], clip.tracks[0].joints[list(LOST)] + (0, 1), atol=1e-3, equal_nan=True
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--look-again"], "give --video, or leave out --look-again"),
        (["--look-again", "-o", "a.csv"], "drawing options are for .tracks, without -o FILE: leave them out"),
        (["--look-again", "--video"], "does not say which pose network was used; leave out --look-again"),
    ],
)
def test_without_the_video_or_the_network_it_is_refused(
    tracked: tuple[Path, Path], arguments: Sequence[str], words: str
) -> None:
    observations, video = tracked
    before = {path.name: path.read_bytes() for path in observations.parent.iterdir()}
    more = [str(video)] if arguments[-1] == "--video" else []
    done = command("refine", observations, "--overwrite", *arguments, *more)
    assert done.returncode == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
    assert {path.name: path.read_bytes() for path in observations.parent.iterdir()} == before


LITE = get_preset("lite")
HASHES = made_with(LITE, ModelStore(None))["networks"]


def header(networks: Mapping[str, str], **preset: object) -> Header:
    table = {"name": "lite", "pose": LITE.pose, **preset}
    made = {"preset": table, "networks": networks}
    return Header(name="street", width=4, height=4, fps=None, delivered_fps=None, made_with=made)


def joints(network: PoseEstimator) -> np.ndarray:
    """What a network sees in noise."""
    image = np.random.default_rng(0).integers(0, 256, (96, 64, 3), np.uint8)
    poses = network.estimate(image, Boxes(np.array([[8.0, 8, 40, 60]]), np.ones(1)))
    assert len(poses) == 1 and poses.skeleton == POSETRACK
    return poses.keypoints[0]


def test_the_network_is_the_one_that_the_run_has_used(tmp_path: Path) -> None:
    found = joints(pose_network(tmp_path / "street.tracks", header(HASHES)))
    assert np.array_equal(found, joints(Networks(LITE, Runtime(), ModelStore(None)).pose))
    with pytest.raises(ConfigError, match="made with other weights of 'pose_lite"):
        pose_network(tmp_path / "street.tracks", header(dict.fromkeys(HASHES, "0")))


def test_it_is_used_as_the_run_has_used_it(tmp_path: Path) -> None:
    config = PoseConfig(codec="argmax", flip_test=False)
    found = joints(pose_network(tmp_path / "street.tracks", header(HASHES, pose_config=asdict(config))))
    expected = Networks(customised(LITE, Changes(codec="argmax", flip_test=False)), Runtime(), ModelStore(None))
    assert np.array_equal(found, joints(expected.pose))
    assert not np.array_equal(found, joints(Networks(LITE, Runtime(), ModelStore(None)).pose))


def test_another_pose_network_than_the_preset_has_needs_no_other_network_and_brings_its_codec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "empty"))
    only_pose = {LITE.pose: HASHES[LITE.pose]}
    network = pose_network(tmp_path / "street.tracks", header(only_pose, name="accurate"))
    assert np.isfinite(joints(network)).all()  # the preset's codec, simcc, does not decode heatmaps


@pytest.mark.parametrize(
    "preset", [{"name": None}, {"pose": 3}, {"pose_config": {"codec": "none of ours"}}, {"pose_format": "onnx"}]
)
def test_a_file_that_does_not_say_how_joints_were_estimated_is_refused(
    tmp_path: Path, preset: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="does not say which pose network was used; leave out --look-again"):
        pose_network(tmp_path / "street.tracks", header(HASHES, **preset))
