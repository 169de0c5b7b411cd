"""``run_batch``: no clip is lost, none is tracked twice, and one bad clip does not stop the others."""

import csv
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from posetrack.batch.coordinator import plan_batch, run_batch
from posetrack.batch.manifest import Manifest
from posetrack.batch.output import opened_output
from posetrack.batch.patterns import Choice
from posetrack.batch.settings import settings_hash
from posetrack.batch.tasks import Compute
from posetrack.errors import ConfigError, DataFormatError, OutputError
from posetrack.refine.priors import Priors
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner import Outputs, run
from posetrack.video import AnnotatorConfig, ReadOptions
from tests.batch_cases import (
    InlineWorkers,
    StubTracker,
    broken_clips,
    config,
    contents,
    good_clip,
    image_folder,
    no_weights,
    records,
    stub_tracker,
    track,
    truncated_clip,
)
from tests.in_process import posetrack

ENDINGS = (".json", ".meta.json", ".tracks")


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    good_clip(folder / "day 1" / "a.mp4")
    good_clip(folder / "b ü%03d.avi", 8)
    image_folder(folder / "walk")
    return folder


@pytest.fixture
def footage(example: Path, tmp_path: Path) -> Path:
    """Three clips that a test may change."""
    return Path(shutil.copytree(example, tmp_path / "in"))


def test_the_tree_is_mirrored_with_what_run_writes(footage: Path, tmp_path: Path) -> None:
    outputs = Outputs(formats=("posetrack18", "csv"))
    summary, started = track(footage, tmp_path / "out", outputs=outputs)
    assert (summary.done, summary.skipped, summary.failed, summary.pending) == (3, 0, [], 0)
    assert sorted(started) == ["b ü%03d.avi", "day 1/a.mp4", "walk"]
    sources = {footage / "day 1" / "a.mp4": "day 1", footage / "b ü%03d.avi": "", footage / "walk": ""}
    for source, folder in sources.items():
        run(source, tmp_path / "one by one" / folder, tracker=lambda: stub_tracker(Compute()), outputs=outputs)
    assert len(contents(tmp_path / "out")) == 15
    assert contents(tmp_path / "out") == contents(tmp_path / "one by one")
    record = records(tmp_path / "out")["day 1/a.mp4"]
    assert (record.status, record.attempts, record.frames, record.people, record.tracks) == ("done", 1, 6, 1, 1)
    assert record.source_fps == 25 and record.kind == "video" and record.seconds > 0
    assert record.outputs["csv"] == "day 1/a.csv"
    assert set(record.outputs) == {"video", "posetrack18", "csv", "tracks", "meta"}


def test_the_summary_has_a_line_for_each_clip(footage: Path, tmp_path: Path) -> None:
    odd = {
        "bad\nname, really.mp4": "bad\\nname, really.mp4",
        "=1+1.mp4": "'=1+1.mp4",
        "-2.mp4": "'-2.mp4",
        "+3.mp4": "'+3.mp4",
        "@sum.mp4": "'@sum.mp4",
        "\t=4.mp4": "\\t=4.mp4",
        "\r5\x1b[2J.mp4": "\\r5\\x1b[2J.mp4",
    }
    for name in odd:
        (footage / name).touch()
    track(footage, tmp_path / "out")
    with open(tmp_path / "out" / "summary.csv", newline="") as file:
        rows = {row["clip"]: row for row in csv.DictReader(file)}
    assert list(rows["walk"]) == ["clip", "frames", "people", "tracks", "seconds", "fps", "status", "error"]
    assert set(rows) == {"day 1/a.mp4", "b ü%03d.avi", "walk", *odd.values()}
    assert (rows["walk"]["frames"], rows["walk"]["status"], rows["walk"]["error"]) == ("5", "done", "")
    for name in odd.values():
        assert rows[name]["status"] == "failed" and "is empty" in rows[name]["error"]
    for row in rows.values():
        assert all(cell.isprintable() and not cell.startswith(("=", "+", "-", "@")) for cell in row.values())


def test_done_clips_are_skipped(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    os.utime(footage / "day 1" / "a.mp4", (1, 1))  # a copy of the same footage
    summary, started = track(footage, tmp_path / "out")
    assert (summary.done, summary.skipped, started) == (0, 3, [])


def test_changed_clips_are_tracked_again(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    status = (footage / "day 1" / "a.mp4").stat()
    good_clip(footage / "day 1" / "a.mp4", 9)
    os.utime(
        footage / "day 1" / "a.mp4", ns=(status.st_atime_ns, status.st_mtime_ns)
    )  # the time alone does not show the change
    image_folder(footage / "walk", 6)
    (tmp_path / "out" / "b ü%03d.json").unlink()
    _, started = track(footage, tmp_path / "out")
    assert sorted(started) == ["b ü%03d.avi", "day 1/a.mp4", "walk"]
    after = records(tmp_path / "out")
    assert (after["day 1/a.mp4"].frames, after["walk"].frames) == (9, 6)
    assert track(footage, tmp_path / "out")[1] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"reading": ReadOptions(stride=2)},
        {"outputs": Outputs(video=False, formats=("posetrack18", "csv"))},
        {"outputs": Outputs(video=False, drawing=AnnotatorConfig(boxes=True))},
        {"compute": Compute(device="cpu", threads=1, seed=1)},
        {"tracker": StubTracker.build},
    ],
)
def test_changed_settings_track_everything_again(
    footage: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    track(footage, tmp_path / "out")
    assert len(track(footage, tmp_path / "out", **changes)[1]) == 3
    assert track(footage, tmp_path / "out", **changes)[1] == []


def test_settings_that_only_affect_speed_track_nothing_again(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    changes = {"workers": 2, "timeout_s": 9.0, "retries": 3, "compute": Compute(device="cpu", threads=2)}
    assert track(footage, tmp_path / "out", **changes)[1] == []


def test_settings_cover_the_preset_and_the_weights(tmp_path: Path) -> None:
    from posetrack.batch.tasks import PresetTracker
    from posetrack.changes import Changes, customised
    from posetrack.presets import get_preset

    lite = get_preset("lite")
    presets = [lite, customised(lite, Changes(flow="lk")), customised(lite, Changes(min_joint_score=0.31))]
    trackers = [*(PresetTracker(preset) for preset in presets), PresetTracker(lite, precision="bf16")]
    hashes = [settings_hash(tracker, ReadOptions(), Outputs(), 0) for tracker in trackers]
    assert len(set(hashes)) == 4
    assert hashes[0] == settings_hash(PresetTracker(get_preset("lite")), ReadOptions(), Outputs(show=True), 0)


def test_a_tracker_that_cannot_be_told_from_another_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^tracker is functools.partial.*give a function of a module"):
        settings_hash(partial(stub_tracker), ReadOptions(), Outputs(), 0)


def test_files_in_formats_no_longer_requested_are_removed(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out", outputs=Outputs(video=False, formats=("posetrack18", "csv")))
    (tmp_path / "out" / "mine.csv").write_text("precious")
    track(footage, tmp_path / "out")
    left = {f"{name}{end}" for name in ("b ü%03d", "day 1/a", "walk") for end in ENDINGS}
    assert set(contents(tmp_path / "out")) == left | {"mine.csv"}


def test_added_clips_are_tracked_and_the_others_keep_their_names(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    good_clip(footage / "day 1" / "a.avi")
    assert track(footage, tmp_path / "out")[1] == ["day 1/a.avi"]
    assert (tmp_path / "out" / "day 1" / "a.avi.json").exists() and (
        tmp_path / "out" / "day 1" / "a.json"
    ).exists()


def test_files_of_other_origin_are_replaced_only_with_overwrite(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "walk.json").write_text("precious")
    for _ in range(2):
        summary, _ = track(footage, tmp_path / "out")
        (failed,) = summary.failed
        assert failed.clip == "walk" and "exists already: give --overwrite" in str(failed.error)
        assert (tmp_path / "out" / "walk.json").read_text() == "precious"
    overwriting = Outputs(video=False, overwrite=True)
    summary, started = track(footage, tmp_path / "out", outputs=overwriting)
    assert len(started) == 3 and not summary.failed
    assert (tmp_path / "out" / "walk.json").read_text() != "precious"
    assert len(track(footage, tmp_path / "out", outputs=overwriting)[1]) == 3, "everything again"
    assert track(footage, tmp_path / "out")[1] == []


def test_broken_clips_are_reported_and_the_others_are_tracked(footage: Path, tmp_path: Path) -> None:
    expected = broken_clips(footage / "broken")
    summary, _ = track(footage, tmp_path / "out")
    told = {Path(record.clip).name: str(record.error) for record in summary.failed}
    assert told.keys() == expected.keys()
    assert all(words in told[name] for name, words in expected.items())
    assert summary.done == 3 and len(contents(tmp_path / "out")) == 9


def test_a_clip_name_may_be_as_long_as_its_results_names_allow(tmp_path: Path) -> None:
    fitting = ["a" * 243, "é" * 121, "日" * 81]  # and _tracked.mp4: 255 bytes
    for name in [*fitting, "c" * 244, "d" * 251]:
        good_clip(tmp_path / "in" / f"{name}.mp4", 3)
    summary, _ = track(tmp_path / "in", tmp_path / "out", outputs=Outputs())
    assert {path.stem for path in (tmp_path / "out").glob("*.tracks")} == set(fitting)
    assert [record.clip[0] for record in summary.failed] == ["c", "d"]
    assert all("rename it" in str(record.error) for record in summary.failed)
    with pytest.raises(OutputError, match="rename the source"):
        run(tmp_path / "in" / f"{'d' * 251}.mp4", tmp_path / "one", tracker=lambda: stub_tracker(Compute()))


def test_a_truncated_clip_keeps_its_results_fails_and_is_not_retried(tmp_path: Path) -> None:
    clip = truncated_clip(tmp_path / "in" / "cut.mp4")
    summary, _ = track(clip.parent, tmp_path / "out")
    (record,) = summary.failed
    assert record.partial and 0 < record.frames < 60
    assert f"of 60 frames could be decoded. The results hold {record.frames} frames." in str(record.error)
    assert list(contents(tmp_path / "out")) == ["cut.json", "cut.meta.json", "cut.tracks"]
    summary, started = track(clip.parent, tmp_path / "out")
    assert started == [] and len(summary.failed) == 1
    os.utime(clip, (1, 1))  # replaced by another copy, which might be sound in the middle
    assert track(clip.parent, tmp_path / "out")[1] == ["cut.mp4"]


def test_failed_clips_are_retried_when_the_batch_is_run_again(footage: Path, tmp_path: Path) -> None:
    (footage / "late.mp4").touch()
    assert track(footage, tmp_path / "out")[1].count("late.mp4") == 1, "an empty file stays empty"
    assert track(footage, tmp_path / "out")[1] == ["late.mp4"]
    assert track(footage, tmp_path / "out", retries=0)[1] == []
    assert records(tmp_path / "out")["late.mp4"].attempts == 2
    good_clip(footage / "late.mp4")
    summary, started = track(footage, tmp_path / "out", retries=0)
    assert started == ["late.mp4"] and not summary.failed


def test_a_clip_that_cannot_be_refined_as_asked_keeps_its_raw_tracks_and_says_how_to_go_on(tmp_path: Path) -> None:
    good_clip(tmp_path / "in" / "day" / "a.mp4", 12)
    nine = RefineConfig(priors=Priors(least=9, most=9))
    (failed,) = track(tmp_path / "in", tmp_path / "out", refine=nine)[0].failed
    tracks = tmp_path / "out" / "day" / "a.tracks"
    assert "9 people" in str(failed.error) and str(failed.error).count(f"posetrack refine {tracks}") == 1
    assert [path.name for path in tracks.parent.iterdir()] == ["a.tracks"]
    assert posetrack("refine", tracks, "-o", tmp_path / "alone").returncode == 0

    assert not track(tmp_path / "in", tmp_path / "out")[0].failed
    before = contents(tmp_path / "out")
    assert before["day/a.json"] == (tmp_path / "alone" / "a.json").read_bytes()
    (failed,) = track(tmp_path / "in", tmp_path / "out", refine=nine)[0].failed
    assert "posetrack refine" not in str(failed.error), "the raw tracks there belong to the earlier results"
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_failures_that_may_pass_are_retried_at_once(footage: Path, tmp_path: Path, retries: int) -> None:
    good_clip(footage / "bug.mp4")
    summary, started = track(footage, tmp_path / "out", retries=retries)
    assert started.count("bug.mp4") == 1 + retries
    (failed,) = summary.failed
    assert failed.attempts == 1 + retries and "ZeroDivisionError: division by zero" in str(failed.error)
    assert "in misbehave" in str(failed.trace)


def test_a_full_disk_stops_the_batch_and_leaves_the_other_clips_pending(footage: Path, tmp_path: Path) -> None:
    shutil.move(good_clip(footage / "full.mp4", 60), footage / "full.mp4")
    summary, started = track(footage, tmp_path / "out")
    assert started[0] == "full.mp4" or "full.mp4" in started, "the largest comes first"
    assert "the disk is full" in str(summary.stopped)
    assert summary.pending == 4 - len(started)
    statuses = {clip: record.status for clip, record in records(tmp_path / "out").items()}
    assert statuses["full.mp4"] == "failed" and list(statuses.values()).count("pending") == summary.pending


def test_networks_that_cannot_be_loaded_stop_the_batch_and_fail_no_clip(footage: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.safetensors"):
        track(footage, tmp_path / "out", tracker=no_weights)
    assert not (tmp_path / "out").exists(), "nothing has begun"
    track(footage, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(ConfigError, match=r"nowhere\.safetensors"):
        track(footage, tmp_path / "out", tracker=no_weights)
    assert contents(tmp_path / "out") == before
    assert {record.status for record in records(tmp_path / "out").values()} == {"pending"}


def test_foreign_files_named_like_a_batchs_survive_networks_that_cannot_be_loaded(
    footage: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.csv").write_text("theirs")
    (out / "index.html").symlink_to("nowhere.html")
    with pytest.raises(ConfigError, match="unusable"), opened_output(out, None):
        assert (out / "manifest").exists()
        raise ConfigError("unusable")
    assert sorted(path.name for path in out.iterdir()) == ["index.html", "summary.csv"]
    assert (out / "summary.csv").read_text() == "theirs"
    with pytest.raises(ConfigError, match=r"nowhere\.safetensors"):
        track(footage, out, tracker=no_weights)
    assert (out / "summary.csv").read_text() == "theirs" and not (out / "manifest").exists()


def test_a_dry_run_lists_every_clip_and_writes_nothing(footage: Path, tmp_path: Path) -> None:
    plan = plan_batch(footage, tmp_path / "out", config())
    assert plan.counts == {"new": 3} and not (tmp_path / "out").exists()
    good_clip(footage / "bug.mp4")
    truncated_clip(footage / "cut.mp4")
    track(footage, tmp_path / "out", retries=0)
    good_clip(footage / "new.mp4")
    good_clip(footage / "day 1" / "a.mp4", 9)
    shutil.rmtree(footage / "walk")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    plan = plan_batch(footage, tmp_path / "out", config())
    assert plan.counts == {"new": 1, "changed": 1, "retried": 1, "broken": 1, "done": 1}
    assert [clip.record.clip for clip in plan.to_track][-1] == "bug.mp4"
    assert [record.clip for record in plan.absent] == ["walk"]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_clips_not_chosen_now_stay_in_the_manifest(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    (footage / "day 1" / "a.mp4").unlink()
    summary, _ = track(footage, tmp_path / "out", choice=Choice(globs=("*.avi",)))
    assert summary.skipped == 1
    assert {record.status for record in records(tmp_path / "out").values()} == {"done"}
    assert len(records(tmp_path / "out")) == 3


def test_results_may_lie_in_the_footage_or_beside_it(footage: Path) -> None:
    for output in (footage / "results", footage):
        assert len(track(footage, output, outputs=Outputs())[1]) == 3
        assert track(footage, output, outputs=Outputs())[1] == []
    assert (footage / "day 1" / "a_tracked.mp4").exists()


def test_other_footage_in_the_same_output_folder_is_refused(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    moved = Path(shutil.move(footage, tmp_path / "moved"))
    assert track(moved, tmp_path / "out")[1] == [], "footage may move"
    other = tmp_path / "other"
    good_clip(other / "day 1" / "a.mp4", 9)
    before = contents(tmp_path / "out")
    with pytest.raises(ConfigError, match="holds results of other footage"):
        track(other, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_a_clip_recorded_as_running_is_tracked_again(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    with Manifest.create(tmp_path / "out" / "manifest") as manifest:
        manifest.put(replace(record, status="running") for record in manifest.clips() if record.clip == "walk")
    (tmp_path / "out" / ".posetrack-unfinished" / "7-1").mkdir(parents=True)
    (tmp_path / "out" / ".posetrack-unfinished" / "7-1" / ".walk.json.7.part").write_text("{")
    assert track(footage, tmp_path / "out")[1] == ["walk"]
    assert not (tmp_path / "out" / ".posetrack-unfinished").exists()


def test_an_empty_folder_is_an_empty_batch(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    summary, _ = track(tmp_path / "in", tmp_path / "out")
    assert summary.done == 0 and (tmp_path / "out" / "summary.csv").read_text().count("\n") == 1


def test_a_second_batch_in_the_same_folder_is_refused_while_the_first_runs(footage: Path, tmp_path: Path) -> None:
    out, refused = tmp_path / "out", []

    class Second:
        def planned(self, plan: object) -> None: ...
        def progressed(self, progress: object) -> None: ...
        def finished(self, record: object) -> None: ...
        def started(self, record: object) -> None:
            with pytest.raises(OutputError, match="Another posetrack batch is writing"):
                track(footage, out)
            refused.append(record)

    assert run_batch(footage, out, config(), workers=InlineWorkers(), observer=Second()).done == 3
    assert len(refused) == 3 and track(footage, out)[0].skipped == 3


@pytest.mark.parametrize(
    "content, words",
    [(b"no database" * 1000, "is damaged"), (b"", "is damaged|is not a manifest")],
    ids=["other", "empty"],
)
def test_a_manifest_of_another_kind_is_refused_in_a_sentence(
    footage: Path, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest").write_bytes(content)
    if content:
        with pytest.raises(DataFormatError, match=words):
            track(footage, tmp_path / "out")
        with pytest.raises(DataFormatError, match=words):
            plan_batch(footage, tmp_path / "out", config())
    else:  # as left by a power failure at the start
        assert track(footage, tmp_path / "out")[0].done == 3


def test_a_damaged_or_later_manifest_is_refused_in_a_sentence(footage: Path, tmp_path: Path) -> None:
    track(footage, tmp_path / "out")
    path = tmp_path / "out" / "manifest"
    data = bytearray(path.read_bytes())
    path.write_bytes(data[:4096] + os.urandom(len(data) - 4096))
    with pytest.raises(DataFormatError, match="is damaged .* move it away"):
        track(footage, tmp_path / "out")
    data[60:64] = (99).to_bytes(4, "big")  # SQLite's user_version
    path.write_bytes(data)
    with pytest.raises(DataFormatError, match="later version of posetrack"):
        track(footage, tmp_path / "out")


def test_an_unwritable_output_folder_is_reported_in_a_sentence(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output in (tmp_path / "file" / "out", tmp_path / "file", Path("/proc/posetrack")):
        with pytest.raises(OutputError):
            track(footage, output)


@pytest.mark.usefixtures("forked_workers")
def test_processes_that_die_hang_or_run_out_of_memory_cost_only_their_clip(tmp_path: Path) -> None:
    for name in ("killed", "hangs", "memory", "allocator", "good1", "good2"):
        good_clip(tmp_path / "in" / f"{name}.mp4")
    summary = run_batch(tmp_path / "in", tmp_path / "out", config(workers=2, timeout_s=5.0))
    told = {record.clip: (str(record.error), record.attempts) for record in summary.failed}
    assert told.keys() == {"killed.mp4", "hangs.mp4", "memory.mp4", "allocator.mp4"}
    assert "killed, probably because memory ran out" in told["killed.mp4"][0] and told["killed.mp4"][1] == 2
    assert "no new frame for 5 s" in told["hangs.mp4"][0] and told["hangs.mp4"][1] == 1
    for name in ("memory.mp4", "allocator.mp4"):
        assert "not enough memory" in told[name][0] and told[name][1] == 2
    left = {f"{name}{end}" for name in ("good1", "good2") for end in ENDINGS}
    assert set(contents(tmp_path / "out")) == left


@pytest.mark.usefixtures("forked_workers")
def test_a_clip_that_vanishes_is_reported(footage: Path, tmp_path: Path) -> None:
    class Vanishing:
        def planned(self, plan: object) -> None: ...
        def progressed(self, progress: object) -> None: ...
        def finished(self, record: object) -> None: ...
        def started(self, record: object) -> None:
            (footage / "day 1" / "a.mp4").unlink(missing_ok=True)

    summary = run_batch(footage, tmp_path / "out", config(), observer=Vanishing())
    (failed,) = summary.failed
    assert failed.clip == "day 1/a.mp4" and "There is no file" in str(failed.error)
    assert summary.done == 2


def test_unusable_numbers_are_refused() -> None:
    for changes in ({"workers": -1}, {"retries": -1}, {"timeout_s": 0.0}, {"timeout_s": float("nan")}):
        with pytest.raises(ConfigError):
            config(**changes)
    with pytest.raises(ConfigError):
        Compute(threads=-1)


@pytest.mark.usefixtures("forked_workers")
def test_the_number_of_workers_does_not_change_the_files(footage: Path, tmp_path: Path) -> None:
    for number in range(2):
        good_clip(footage / f"more {number}" / f"{number}.mp4", 3 + number)
    (footage / "empty.mp4").touch()
    summaries = {
        workers: run_batch(footage, tmp_path / f"out{workers}", config(workers=workers, outputs=Outputs()))
        for workers in (1, 3)
    }
    assert {(summary.done, len(summary.failed)) for summary in summaries.values()} == {(5, 1)}
    assert contents(tmp_path / "out1") == contents(tmp_path / "out3")
