"""``posetrack run`` on a file has two passes: what they write, what is kept, and what if one ends early."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas
import pytest

import posetrack
from posetrack.errors import ConfigError, VideoError
from posetrack.observations.reader import ObservationFile
from posetrack.refine.files import read_clip
from posetrack.refine.priors import Priors
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner import Outputs, RunSummary
from posetrack.scene import Scene
from posetrack.stages import FrameSource, SourceInfo
from posetrack.types import Frame, Image, Origin, Poses
from posetrack.video import Annotator, ReadOptions
from posetrack.video.sources import is_stored
from tests import in_process
from tests.batch_cases import image_folder, track
from tests.second_pass_cases import FRAMES, LOST, LosingTracker, footage, losing_tracker
from tests.video_clips import grey_clip, presentation_times, write_clip

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker

ALL = ("posetrack18", "posetrack17", "coco", "mot", "csv", "parquet")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage(tmp_path_factory.mktemp("footage") / "street.mp4")


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command tracks with a tracker that loses a person for six frames."""
    monkeypatch.setattr("posetrack.pose_tracker.PoseTracker", losing_tracker)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def ids(path: Path) -> set[int]:
    return {person["track_id"] for person in json.loads(path.read_text())["annotations"]}


def run(clip: Path, out: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return in_process.posetrack("run", clip, "-o", out, *arguments)


def refine(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return in_process.posetrack("refine", *arguments)


@pytest.mark.usefixtures("stubbed")
def test_a_file_is_refined_and_every_format_says_the_same(clip: Path, tmp_path: Path) -> None:
    formats = [part for name in ALL for part in ("--format", name)]
    done = run(clip, tmp_path / "out", *formats)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out" / "street"
    data = json.loads(out.with_suffix(".json").read_text())
    assert [image["time_s"] for image in data["images"]] == pytest.approx(np.arange(FRAMES) / 25)
    assert data["images"][0]["width"] > 0
    assert len(data["annotations"]) == 2 * FRAMES and ids(out.with_suffix(".json")) == {0, 1}
    for ending, read in ((".csv", pandas.read_csv), (".parquet", pandas.read_parquet)):
        table = read(out.with_suffix(ending))
        assert len(table) == 2 * 15 * FRAMES
        lost = table[(table.person == 0) & table.frame.isin(LOST)]
        assert set(lost.origin) == {"filled"} and lost.raw_x.isna().all() and lost.x.notna().all()
        assert {"raw_y", "box_x1", "box_y1", "box_x2", "box_y2"} <= set(table.columns)
        assert set(table[~table.frame.isin(LOST)].origin) == {"seen"}
    assert len(out.with_suffix(".txt").read_text().splitlines()) == 2 * FRAMES
    coco = json.loads(out.with_name("street_coco.json").read_text())
    assert {person["track_id"] for person in coco} == {0, 1} and len(coco) == 2 * FRAMES
    assert len(json.loads(out.with_name("street_posetrack17.json").read_text())["annolist"]) == FRAMES
    assert presentation_times(out.with_name("street_tracked.mp4")) == pytest.approx(
        np.arange(FRAMES) / 25, abs=1e-3
    )
    assert "2 people:" in done.stdout.splitlines()
    assert "  person 0: 0.00 to 2.36 s; seen 90 %, filled 10 %, missing 0 %; mean joint score 0.80" in done.stdout
    assert re.search(r"^tracks +2$", done.stdout, re.MULTILINE)


@pytest.mark.usefixtures("stubbed")
def test_what_was_seen_is_refined_before_it_is_measured(clip: Path, tmp_path: Path) -> None:
    assert run(clip, tmp_path, "-f", "csv").returncode == 0
    measures = []
    for ending in (".csv", ".tracks"):
        target = tmp_path / f"of{ending[1:]}.csv"
        done = in_process.posetrack("measure", tmp_path / f"street{ending}", "-o", target)
        assert done.returncode == 0, done.stderr
        measures.append(pandas.read_csv(target))
    refined, seen = measures
    assert set(seen.person) == {0, 1} and seen.filled.any() and seen.sd.notna().any()
    pandas.testing.assert_frame_equal(seen, refined, atol=0.05, rtol=0.01)


@pytest.mark.usefixtures("stubbed")
def test_online_writes_what_came_frame_by_frame(clip: Path, tmp_path: Path) -> None:
    assert run(clip, tmp_path, "--online", "-f", "csv").returncode == 0
    assert set(contents(tmp_path)) == {
        f"street{ending}" for ending in (".csv", ".json", ".meta.json", ".tracks", "_tracked.mp4")
    }
    assert ids(tmp_path / "street.json") == {0, 1, 2}
    images = json.loads((tmp_path / "street.json").read_text())["images"]
    assert [image["time_s"] for image in images] == pytest.approx(np.arange(FRAMES) / 25)
    table = pandas.read_csv(tmp_path / "street.csv")
    first = table[(table.person == 0) & (table.frame == 0)].iloc[0]
    assert first.box_x1 < first.x < first.box_x2 and first.box_y1 < first.y < first.box_y2
    assert len(table) == 15 * (2 * FRAMES - len(LOST))


@pytest.mark.usefixtures("stubbed")
def test_what_was_seen_is_kept_and_gives_the_same_files_again(clip: Path, tmp_path: Path) -> None:
    assert run(clip, tmp_path, "-f", "csv").returncode == 0
    before = contents(tmp_path)
    with ObservationFile(tmp_path / "street.tracks") as file:
        (piece,) = file.pieces()
        header = file.header
    assert (header.name, header.fps, header.formats) == ("street", 25, ("posetrack18", "csv"))
    assert header.source_bytes == clip.stat().st_size and header.made_with["preset"] == {"name": "losing"}
    assert piece.times_s.tolist() == pytest.approx((np.arange(FRAMES) / 25).tolist())
    assert len(piece.track_ids) == 2 * FRAMES - len(LOST) and set(piece.track_ids) == {0, 1, 2}
    assert (piece.origins == Origin.ESTIMATED).all() and piece.cuts.tolist() == [True] + [False] * (FRAMES - 1)
    done = refine(tmp_path / "street.tracks")
    assert done.returncode == 2 and "street.json exists already: give --overwrite" in done.stderr
    done = refine(tmp_path / "street.tracks", "--overwrite", "--video", clip)
    assert done.returncode == 0, done.stderr
    after = contents(tmp_path)
    described = {f"{name}.meta.json" for name in ("street.csv", "street.json", "street_tracked.mp4")}
    assert after.keys() == before.keys() | described and {name: after[name] for name in before} == before
    assert (
        refine(
            tmp_path / "street.tracks", "--drop", "1", "--overwrite", "-f", "mot", "-f", "posetrack18"
        ).returncode
        == 0
    )
    assert ids(tmp_path / "street.json") == {0}
    assert len((tmp_path / "street.txt").read_text().splitlines()) == FRAMES
    assert refine(tmp_path / "street.tracks", "-o", tmp_path / "one.parquet", "--max-fill", "0").returncode == 0
    assert [len(track) for track in read_clip(tmp_path / "one.parquet").tracks] == [FRAMES - len(LOST), FRAMES]


@pytest.mark.usefixtures("stubbed")
def test_run_takes_the_options_of_refine(clip: Path, tmp_path: Path) -> None:
    assert (
        run(
            clip, tmp_path / "one", "--no-video", "--subject", "longest", "--max-fill", "0s", "--smooth", "none"
        ).returncode
        == 0
    )
    (track,) = read_clip(tmp_path / "one" / "street.json").tracks
    assert len(track) == FRAMES and np.array_equal(track.joints, track.raw, equal_nan=True)
    for switch in ("--online", "--realtime"):
        done = run(clip, tmp_path / "two", switch, "--people", "2")
        assert done.returncode == 2 and f"{switch} skips the second pass: leave out --people" in done.stderr
    done = run(clip, tmp_path / "two", "--smooth", "butterworth:13Hz")
    assert done.returncode == 2 and "more than 26 frames per second, and the clip has 25" in done.stderr
    assert not (tmp_path / "two").exists()


@pytest.mark.usefixtures("stubbed")
def test_a_second_pass_that_fails_leaves_what_was_seen_and_says_how_to_go_on(clip: Path, tmp_path: Path) -> None:
    done = run(clip, tmp_path / "out", "--people", "1")
    assert done.returncode == 2 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1
    store = tmp_path / "out" / "street.tracks"
    assert f"The raw tracks are in {store}: `posetrack refine {store}` continues from them." in done.stderr
    assert set(contents(tmp_path / "out")) == {"street.tracks"}
    assert refine(store).returncode == 0
    assert ids(tmp_path / "out" / "street.json") == {0, 1}


def pressing(number: int) -> "posetrack.runner.RunObserver":  # type: ignore[name-defined]
    def press(info: SourceInfo, summary: RunSummary) -> None:
        if summary.drawn == number:
            os.kill(os.getpid(), signal.SIGINT)

    return press


def test_ctrl_c_in_the_second_pass_leaves_what_was_seen_and_the_old_files(clip: Path, tmp_path: Path) -> None:
    old = posetrack.run(clip, tmp_path, tracker=losing_tracker, refine=RefineConfig(priors=Priors(drop=(1,))))
    before = contents(tmp_path)
    summary = posetrack.run(
        clip, tmp_path, tracker=losing_tracker, outputs=Outputs(overwrite=True), second_observer=pressing(10)
    )
    assert not old.interrupted and summary.interrupted and summary.unrefined
    assert summary.files == [summary.observations] == [tmp_path / "street.tracks"]
    after = contents(tmp_path)
    assert after.pop("street.tracks") and before.pop("street.tracks") and after == before


def test_ctrl_c_in_the_first_pass_refines_what_was_seen_so_far(clip: Path, tmp_path: Path) -> None:
    def press(info: SourceInfo, summary: RunSummary) -> None:
        if summary.frames == 50:
            os.kill(os.getpid(), signal.SIGINT)

    summary = posetrack.run(clip, tmp_path, tracker=losing_tracker, observer=press)
    assert summary.interrupted and not summary.unrefined and summary.frames == summary.drawn == 50
    assert [len(track) for track in read_clip(tmp_path / "street.json").tracks] == [50, 50]
    assert len(presentation_times(tmp_path / "street_tracked.mp4")) == 50


_KILLED = """
import os, signal, sys
import posetrack
from posetrack.runner import Outputs
from tests.second_pass_cases import losing_tracker

def kill(info, summary):
    if summary.drawn == 30:
        os.kill(os.getpid(), signal.SIGKILL)

outputs = Outputs(overwrite=True)
posetrack.run(sys.argv[1], sys.argv[2], tracker=losing_tracker, outputs=outputs, second_observer=kill)
"""


def test_a_kill_in_the_second_pass_leaves_the_old_files_and_the_next_run_clears_up(
    clip: Path, tmp_path: Path
) -> None:
    posetrack.run(clip, tmp_path, tracker=losing_tracker, refine=RefineConfig(priors=Priors(drop=(1,))))
    before = contents(tmp_path)
    done = subprocess.run([sys.executable, "-c", _KILLED, clip, tmp_path], cwd=Path(__file__).parents[1])
    assert done.returncode == -signal.SIGKILL
    assert {name: data for name, data in contents_of_files(tmp_path).items() if name in before} == before
    assert refine(tmp_path / "street.tracks", "--overwrite").returncode == 0
    assert ids(tmp_path / "street.json") == {0, 1}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def contents_of_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_run_that_was_killed_between_the_passes_says_how_to_go_on(clip: Path, tmp_path: Path) -> None:
    posetrack.run(clip, tmp_path, tracker=losing_tracker)
    for path in tmp_path.iterdir():
        if path.suffix != ".tracks":
            path.unlink()
    done = run(clip, tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "street.tracks exists already" in done.stderr and "continues from them" in done.stderr


def test_only_the_video_that_was_tracked_is_drawn(clip: Path, tmp_path: Path) -> None:
    posetrack.run(clip, tmp_path, tracker=losing_tracker, outputs=Outputs(video=False))
    before = contents(tmp_path)
    other = grey_clip(tmp_path.parent / "other.mp4", FRAMES - 1)
    done = refine(tmp_path / "street.tracks", "--overwrite", "--video", other)
    assert done.returncode == 2 and "is not, or no longer, what was tracked" in done.stderr
    assert len(done.stderr.splitlines()) == 1 and contents(tmp_path) == before


def test_a_change_in_the_middle_of_a_long_video_is_noticed(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (12, 240, 320, 3), np.uint8)
    video = write_clip(tmp_path / "street.mp4", noise, "-qp", "0")
    posetrack.run(video, tmp_path / "out", tracker=losing_tracker, outputs=Outputs(video=False))
    content = bytearray(video.read_bytes())
    assert len(content) > 600_000, "longer than what a quick look reads"
    content[len(content) // 2] ^= 1
    video.write_bytes(content)
    done = refine(tmp_path / "out" / "street.tracks", "--overwrite", "--video", video)
    assert done.returncode == 2 and "is not, or no longer, what was tracked" in done.stderr


def test_images_may_be_copied_but_not_changed(tmp_path: Path) -> None:
    images = image_folder(tmp_path / "shots", count=12)
    posetrack.run(images, tmp_path / "out", tracker=losing_tracker, outputs=Outputs(video=False))
    tracks = tmp_path / "out" / "shots.tracks"
    copies = tmp_path / "copies"
    copies.mkdir()
    for image in images.iterdir():
        (copies / image.name).write_bytes(image.read_bytes())
        os.utime(copies / image.name, (1, 1))
    for given in (copies, f"{copies}/*.png"):
        done = refine(tracks, "--overwrite", "--video", given)
        assert done.returncode == 0, done.stderr

    (tmp_path / "out" / "shots.meta.json").rename(tmp_path / "shots.meta.json")
    done = refine(tracks, "--overwrite", "--video", copies)
    assert done.returncode == 2 and "must keep their times of modification" in done.stderr
    (tmp_path / "shots.meta.json").rename(tmp_path / "out" / "shots.meta.json")

    (copies / "frame3.png").write_bytes((copies / "frame4.png").read_bytes())
    done = refine(tracks, "--overwrite", "--video", copies)
    assert (
        done.returncode == 2
        and "is not, or no longer, what was tracked: give the source that was, or" in done.stderr
    )


def test_a_part_of_a_folder_of_images_is_drawn_in_its_second_pass(tmp_path: Path) -> None:
    images = image_folder(tmp_path / "shots", count=12)
    reading = ReadOptions(start_s=0.1, stride=2, images_per_second=10)
    summary = posetrack.run(images, tmp_path / "out", tracker=losing_tracker, reading=reading)
    assert summary.frames == summary.drawn == 6
    data = json.loads((tmp_path / "out" / "shots.json").read_text())
    assert [image["time_s"] for image in data["images"]] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9, 1.1])
    done = refine(tmp_path / "out" / "shots.tracks", "--video", images, "--overwrite")
    assert done.returncode == 0, done.stderr


def test_the_drawn_video_knows_where_shots_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Cutting(LosingTracker):
        def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
            for frame, poses in super().track(source):
                yield (replace(frame, scene=Scene.of_new_shot()) if frame.index == 6 else frame), poses

    images, told = image_folder(tmp_path / "shots", count=12), list[int]()

    def draw(annotator: Annotator, frame: Frame, poses: Poses) -> Image:
        told.extend([frame.index] if frame.scene is not None and frame.scene.cut else [])
        return frame.image

    monkeypatch.setattr(Annotator, "draw", draw)
    reading = ReadOptions(images_per_second=10)
    posetrack.run(images, tmp_path / "out", tracker=cast("type[PoseTracker]", Cutting), reading=reading)
    assert told == [6]


def test_a_source_that_changes_between_the_passes_is_noticed(clip: Path, tmp_path: Path) -> None:
    source = tmp_path / "street.mp4"
    source.write_bytes(clip.read_bytes())

    def replace(info: SourceInfo, summary: RunSummary) -> None:
        if summary.frames == FRAMES:
            grey_clip(tmp_path / "other.mp4", FRAMES // 2).replace(source)

    with pytest.raises(VideoError, match="shows other frames than when it was tracked") as caught:
        posetrack.run(source, tmp_path / "out", tracker=losing_tracker, observer=replace)
    assert "continues from them" in caught.value.__notes__[0]
    assert set(contents(tmp_path / "out")) == {"street.tracks"}


def test_cameras_and_streams_have_one_pass(tmp_path: Path) -> None:
    assert not any(map(is_stored, ["0", "rtsp://host/a", "http://host/a.mp4", str(tmp_path / "gone.mp4")]))
    assert is_stored(tmp_path) and is_stored(str(tmp_path / "*.png"))


def test_what_is_known_of_the_people_is_refused_without_a_second_pass(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is tracked frame by frame, without a second pass"):
        posetrack.run(clip, tmp_path, tracker=losing_tracker, refine=RefineConfig(), online=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("stubbed")
def test_fps_and_formats_are_refused_where_they_mean_nothing(clip: Path, tmp_path: Path) -> None:
    assert run(clip, tmp_path, "--no-video").returncode == 0
    done = refine(tmp_path / "street.tracks", "--fps", "25")
    assert done.returncode == 2 and "leave out --fps" in done.stderr
    done = refine(tmp_path / "street.json", "--video", clip)
    assert (
        done.returncode == 2
        and "--format, --video, --look-again and drawing options are for .tracks" in done.stderr
    )


def test_a_batch_refines_each_clip_and_a_clip_that_cannot_be_refined_as_told_stops_no_other(
    clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "street.mp4").write_bytes(clip.read_bytes())
    image_folder(tmp_path / "in" / "empty", count=4)
    posetrack.run(clip, tmp_path / "one", tracker=losing_tracker, outputs=Outputs(video=False))
    summary, _ = track(tmp_path / "in", tmp_path / "out", tracker=losing_tracker)
    assert summary.done == 2
    whole = contents_of_files(tmp_path / "one")
    whole.pop("street.meta.json")  # it says where the clip lies
    assert {name: data for name, data in contents_of_files(tmp_path / "out").items() if name in whole} == whole
    one = RefineConfig(priors=Priors(least=1, most=1))
    summary, started = track(tmp_path / "in", tmp_path / "out", tracker=losing_tracker, refine=one)
    assert sorted(started) == ["empty", "street.mp4"] and summary.done == 1
    (failed,) = summary.failed
    assert failed.clip == "street.mp4" and "--people: keeping at most 1" in str(failed.error)
    assert ids(tmp_path / "out" / "street.json") == {0, 1}
