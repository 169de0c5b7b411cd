"""Results say where they come from, and come out the same again; whatever changed is named."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.provenance.meta import machine, read_meta
from posetrack.skeletons import POSETRACK
from posetrack.trust.comparing import compare
from posetrack.types import Poses
from posetrack.video import open_source
from tests.batch_cases import good_clip
from tests.in_process import posetrack


class Walking:
    """Stands in for the tracker: one person, who walks; ``shift`` moves them."""

    shift = 0.0
    missed: tuple[int, ...] = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        from posetrack.networks import made_with
        from posetrack.presets import get_preset
        from posetrack.stopwatch import Stopwatch
        from posetrack.zoo import ModelStore

        self.stopwatch = Stopwatch()
        self.made_with = made_with(get_preset("lite"), ModelStore())

    def track(self, source: Any, **_: Any) -> Any:
        body = np.random.default_rng(0).uniform(5, 40, (1, len(POSETRACK), 2))
        for frame in source:
            poses = Poses(
                boxes=[[5, 5, 40, 40]], scores=[0.9], keypoints=body + frame.index + self.shift,
                keypoint_scores=0.8 * POSETRACK.used[None], track_ids=[0], skeleton=POSETRACK,
            )  # fmt: skip
            yield frame, Poses.empty(POSETRACK) if frame.index in self.missed else poses


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run's results."""
    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", Walking)
    good_clip(tmp_path / "street.mp4", 8)
    done = posetrack(
        "run", tmp_path / "street.mp4", "-o", tmp_path / "out", "-f", "csv", "-f", "trc", "--end", "5"
    )
    assert done.returncode == 0, done.stderr
    return tmp_path / "out"


def changed(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_run_says_what_its_files_come_from(results: Path) -> None:
    content = json.loads((results / "street.meta.json").read_text())
    assert content["options"] == {"formats": ["csv", "trc"], "end": 5.0}
    assert content["source"]["width"] == 64 and content["source"]["fps"] > 0
    footage = Path(content["source"]["path"])
    assert content["source"]["sha256"] == hashlib.sha256(footage.read_bytes()).hexdigest()
    assert content["made_with"]["preset"]["name"] == "lite"
    assert all(len(digest) == 64 for digest in content["made_with"]["networks"].values())
    names = {path.name for path in results.iterdir()} - {"street.meta.json"}
    assert content["files"].keys() == names
    for name, facts in content["files"].items():
        assert facts["sha256"] == hashlib.sha256((results / name).read_bytes()).hexdigest()


def test_the_same_run_gives_the_same_bytes(results: Path) -> None:
    done = posetrack("verify", results / "street.meta.json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "street.csv is the same, byte for byte" in lines and "street.trc is the same, byte for byte" in lines


@pytest.mark.parametrize("name", ["anders.mp4", 'day 2/it\'s "24".mp4'])
def test_footage_under_another_name_gives_the_same_bytes(results: Path, name: str) -> None:
    footage = results.parent / name
    footage.parent.mkdir(exist_ok=True)
    (results.parent / "street.mp4").rename(footage)
    done = posetrack("verify", results / "street.meta.json", "--video", footage)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(read_meta(results / "street.meta.json").files)
    assert all(line.endswith("is the same, byte for byte") for line in done.stdout.splitlines())


def test_another_outcome_on_the_same_machine_is_a_difference(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Walking, "shift", 0.3)
    done = posetrack("verify", results / "street.meta.json")
    assert done.returncode == 1
    assert "street.csv differs: 100.00 % of the joints are within 1 px, on the same machine" in done.stdout
    assert "is from posetrack" not in done.stderr
    changed(results / "street.meta.json", posetrack="0.0.9")
    other = posetrack("verify", results / "street.meta.json")
    assert other.returncode == 1 and "street.meta.json is from posetrack 0.0.9, and this is " in other.stderr


@pytest.mark.parametrize(("shift", "missed", "status"), [(0.3, (), 0), (3.0, (), 1), (0.0, (1, 2), 1)])
def test_elsewhere_small_differences_are_the_same_result(
    results: Path, monkeypatch: pytest.MonkeyPatch, shift: float, missed: tuple[int, ...], status: int
) -> None:
    changed(results / "street.meta.json", machine={**machine(), "processor": "another"})
    monkeypatch.setattr(Walking, "shift", shift)
    monkeypatch.setattr(Walking, "missed", missed)
    done = posetrack("verify", results / "street.meta.json")
    assert done.returncode == status, done.stdout
    assert ("street.tracks is the same within the tolerance" in done.stdout) == (status == 0)


def test_files_that_were_edited_or_removed_are_named(results: Path) -> None:
    with (results / "street.csv").open("a") as file:
        file.write("\n")
    (results / "street.trc").unlink()
    done = posetrack("verify", results / "street.meta.json")
    assert done.returncode == 1
    assert "street.csv has been changed since the run" in done.stdout and "street.trc is gone" in done.stdout


def test_other_footage_is_refused(results: Path) -> None:
    other = good_clip(results.parent / "other.mp4", 5)
    done = posetrack("verify", results / "street.meta.json", "--video", other)
    assert done.returncode == 2 and "not the footage" in done.stderr and "--video" in done.stderr
    (results.parent / "street.mp4").unlink()
    gone = posetrack("verify", results / "street.meta.json")
    assert gone.returncode == 2 and "--video" in gone.stderr


@pytest.mark.parametrize("name", ["results/street.csv", "results"])
def test_a_result_instead_of_its_description_is_refused(results: Path, name: str) -> None:
    done = posetrack("verify", results.parent / name)
    assert done.returncode == 2 and f"{name}: " in done.stderr and "give the NAME.meta.json" in done.stderr


@pytest.mark.parametrize(
    "fields",
    [
        {"schema": 99}, {"files": []}, {"files": {"../x": {"sha256": ""}}}, {"files": {"a": 3}}, {"source": {}},
        {"files": {"..": {"sha256": ""}}}, {"source": {"path": "street.mp4", "sha256": "", "name": "../street"}},
        {"options": {"overwrite": True}}, {"options": {"models_dir": "/"}}, {"options": {"stride": "2"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_description_is_one_sentence(results: Path, fields: dict[str, Any]) -> None:
    changed(results / "street.meta.json", **fields)
    before = sorted(path.name for path in results.parent.rglob("*"))
    done = posetrack("verify", results / "street.meta.json")
    assert done.returncode == 2 and "street.meta.json" in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in results.parent.rglob("*")) == before


def test_a_bundle_holds_results_quality_sheet_and_a_masked_video(results: Path, tmp_path: Path) -> None:
    target = tmp_path / "supplement.zip"
    done = posetrack("verify", results / "street.meta.json", "--bundle", target)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target) as archive:
        names = {name.removeprefix("street/") for name in archive.namelist()}
        assert names >= {"street.meta.json", "street.csv", "street.trc", "street.json", "QUALITY.md", "masked.mp4"}
        assert "street_tracked.mp4" not in names, "people can be recognised in it"
        sheet = archive.read("street/QUALITY.md").decode()
        archive.extract("street/masked.mp4", tmp_path)
    assert "## People (1)" in sheet and "street.csv is the same, byte for byte" in sheet and "## Limits" in sheet
    with open_source(tmp_path / "street" / "masked.mp4") as source:
        assert len(list(source)) == 8
    again = posetrack("verify", results / "street.meta.json", "--bundle", target, "--no-repeat")
    assert again.returncode == 2 and "--overwrite" in again.stderr


@pytest.mark.parametrize("repeat", [[], ["--no-repeat"]])
def test_a_bundle_never_holds_files_other_than_the_runs(results: Path, tmp_path: Path, repeat: list[str]) -> None:
    target = tmp_path / "supplement.zip"
    (results / "street_tracked.mp4").unlink()  # which is never in it
    (results / "street.csv").write_text("changed")
    done = posetrack("verify", results / "street.meta.json", "--bundle", target, *repeat)
    assert done.returncode == 2 and f"{results / 'street.csv'} has been changed since the run" in done.stderr
    (results / "street.csv").unlink()
    done = posetrack("verify", results / "street.meta.json", "--bundle", target, *repeat)
    assert done.returncode == 2 and f"{results / 'street.csv'} is gone" in done.stderr and not target.exists()


def test_files_without_poses_are_compared_by_their_bytes(results: Path, tmp_path: Path) -> None:
    meta = read_meta(results / "street.meta.json")
    (tmp_path / "again").mkdir()
    for name in meta.files:
        (tmp_path / "again" / name).write_bytes((results / name).read_bytes())
    (tmp_path / "again" / "street_tracked.mp4").write_bytes(b"other")
    verdicts = {one.file: one for one in compare(meta, tmp_path / "again")}
    assert not verdicts["street_tracked.mp4"].same and verdicts["street.csv"].same


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("missed", [(0, 3, 7), tuple(range(8))], ids=["some", "all"])
def test_a_bundle_shows_frames_without_people_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, missed: tuple[int, ...]
) -> None:
    """Tables have no rows of them."""
    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", Walking)
    monkeypatch.setattr(Walking, "missed", missed)
    clip = good_clip(tmp_path / "street.mp4", 8)
    done = posetrack("run", clip, "-o", tmp_path / "out", "-f", form, "--no-video", "--online")
    assert done.returncode == 0, done.stderr
    target = tmp_path / "supplement.zip"
    done = posetrack("verify", tmp_path / "out" / "street.meta.json", "--bundle", target, "--no-repeat")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(target) as archive:
        sheet = archive.read("street/QUALITY.md").decode()
        archive.extract("street/masked.mp4", tmp_path)
    assert "(64x48, 8 frames)" in sheet and f"## People ({int(len(missed) < 8)})" in sheet
    with open_source(tmp_path / "street" / "masked.mp4") as source:
        coloured = [bool((np.ptp(frame.image.astype(int), axis=2) > 40).any()) for frame in source]
    assert coloured == [number not in missed for number in range(8)], "skeletons are drawn where people are"
