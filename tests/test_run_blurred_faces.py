"""Faces are blurred whoever is reported: whom the second pass drops or never knew, on the command line."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from posetrack.video import open_source
from posetrack.video.faces import heads
from tests.in_process import posetrack
from tests.second_pass_cases import FRAMES, UNREPORTED, blurring_tracker, noisy_footage, person


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_footage(tmp_path_factory.mktemp("footage") / "street.mp4")


@pytest.fixture(autouse=True)
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", blurring_tracker)


def likeness(video: Path, clip: Path) -> np.ndarray:
    """float [F, 3], the correlation of each person's head, whether there or not, with the original picture.

    Of differences between neighbouring pixels: what is left of them would show a face.
    """
    with open_source(video) as drawn, open_source(clip) as original:
        return np.array(
            [
                [_correlation(a.image, b.image, n, a.index) for n in range(3)]
                for a, b in zip(drawn, original, strict=True)
            ]
        )


def _correlation(drawn: np.ndarray, original: np.ndarray, which: int, frame: int) -> float:
    x, y, _ = heads(person(which, frame))[0].round().astype(int)
    inside = [np.diff(one[y - 7 : y + 8, x - 7 : x + 8, 1].astype(float)).ravel() for one in (drawn, original)]
    return float(np.corrcoef(inside)[0, 1])


def assert_heads_are_blurred(video: Path, clip: Path) -> None:
    """Everybody's, in all frames in which they are there; and nobody else's."""
    there = np.ones((FRAMES, 3), bool)
    there[:, 2] = np.isin(np.arange(FRAMES), UNREPORTED)
    found = likeness(video, clip)
    assert found[there].max() < 0.25 and found[~there].min() > 0.9


@pytest.mark.parametrize(
    "choice",
    [(), ("--subject", "longest", "--only", "1"), ("--drop", "0,1"), ("--online",)],
    ids=str,
)
def test_the_faces_of_everybody_who_was_seen_are_blurred(
    clip: Path, tmp_path: Path, choice: tuple[str, ...]
) -> None:
    done = posetrack("run", clip, "-o", tmp_path, "--blur-faces", *choice)
    assert done.returncode == 0, done.stderr
    assert_heads_are_blurred(tmp_path / "street_tracked.mp4", clip)


def test_a_video_that_is_drawn_again_shows_nobodys_face(clip: Path, tmp_path: Path) -> None:
    done = posetrack("run", clip, "-o", tmp_path, "--no-video")
    assert done.returncode == 0, done.stderr
    again = ("refine", tmp_path / "street.tracks", "--video", clip, "--overwrite", "--drop", "0")
    done = posetrack(*again, "--blur-faces")
    assert done.returncode == 0, done.stderr
    assert_heads_are_blurred(tmp_path / "street_tracked.mp4", clip)
    assert posetrack(*again).returncode == 0
    assert likeness(tmp_path / "street_tracked.mp4", clip)[:, 2].min() > 0.9, "nothing is blurred unless asked for"
    done = posetrack("refine", tmp_path / "street.tracks", "--blur-faces", "--overwrite")
    assert done.returncode == 2 and "give --video, or leave out --blur-faces" in done.stderr


def test_a_video_is_drawn_again_as_it_is_asked_for(clip: Path, tmp_path: Path) -> None:
    assert posetrack("run", clip, "-o", tmp_path, "--no-video").returncode == 0
    again = ("refine", tmp_path / "street.tracks", "--video", clip, "--overwrite", "--skeleton-only")
    light = []
    for choice in ((), ("--only", "0"), ("--only", "99")):
        done = posetrack(*again, *choice)
        assert done.returncode == 0, done.stderr
        with open_source(tmp_path / "street_tracked.mp4") as source:
            light.append(sum(float(frame.image.mean()) for frame in source))
    assert light[0] > 1.2 * light[1] > 1.2 * light[2] and light[2] < 1, "fewer people on black are darker"
    assert "street has no person 99 to draw: choose from 0, 1" in done.stderr
    before = (tmp_path / "street_tracked.mp4").read_bytes()
    done = posetrack(*again, "--crop-person", "99")
    assert done.returncode == 2 and "no person 99 to draw: choose from 0, 1" in done.stderr
    assert (tmp_path / "street_tracked.mp4").read_bytes() == before
    done = posetrack(*again, "--only", "two")
    assert done.returncode == 2 and "--only is 'two'; give people's numbers, such as 2,5" in done.stderr


def test_a_masked_video_shows_nobodys_face(clip: Path, tmp_path: Path) -> None:
    assert posetrack("run", clip, "-o", tmp_path, "--subject", "longest").returncode == 0
    assert likeness(tmp_path / "street_tracked.mp4", clip)[:, 2].min() > 0.9, "nothing is blurred unless asked for"
    meta = tmp_path / "street.meta.json"
    done = posetrack("verify", meta, "--no-repeat", "--bundle", tmp_path / "all.zip")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        archive.extract("street/masked.mp4", tmp_path)
    assert_heads_are_blurred(tmp_path / "street" / "masked.mp4", clip)

    content = json.loads(meta.read_text())
    del content["files"]["street.tracks"]
    meta.write_text(json.dumps(content))
    done = posetrack("verify", meta, "--no-repeat", "--bundle", tmp_path / "other.zip")
    assert done.returncode == 2 and "has no street.tracks, which tells where faces must be blurred" in done.stderr
    assert not (tmp_path / "other.zip").exists()
