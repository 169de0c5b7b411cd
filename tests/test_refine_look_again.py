"""``refine NAME.tracks --video FILE --look-again``: the run's own pose network sees what was filled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import posetrack
from posetrack.errors import ConfigError
from posetrack.observations.header import Header
from posetrack.refine.clip import FILLED, Clip
from posetrack.refine.files import read_clip
from posetrack.runner import looking
from posetrack.runner.looking import pose_network
from posetrack.runner.refining import refine_observations
from posetrack.skeletons import POSETRACK
from posetrack.types import Boxes, Image, Poses
from posetrack.video.outputs import Outputs
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
        (["--look-again", "-o", "a.csv"], "--look-again are for .tracks, without -o: leave them out"),
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


def header(**networks: str) -> Header:
    table = {"name": "lite", "pose": posetrack.presets.get_preset("lite").pose}
    return Header(
        name="street", width=4, height=4, fps=None, delivered_fps=None,
        made_with={"preset": table, "networks": networks},
    )  # fmt: skip


def test_the_network_is_the_one_that_the_run_has_used(tmp_path: Path) -> None:
    from posetrack.networks import made_with
    from posetrack.presets import get_preset
    from posetrack.zoo import ModelStore

    hashes = made_with(get_preset("lite"), ModelStore(None))["networks"]
    network = pose_network(tmp_path / "street.tracks", header(**hashes))
    poses = network.estimate(np.zeros((64, 64, 3), np.uint8), Boxes(np.array([[8.0, 8, 40, 60]]), np.ones(1)))
    assert len(poses) == 1 and poses.skeleton == POSETRACK
    with pytest.raises(ConfigError, match="made with other weights of 'pose_lite"):
        looking.pose_network(tmp_path / "street.tracks", header(**dict.fromkeys(hashes, "0")))
