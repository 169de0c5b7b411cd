"""The report page of a batch: made from the manifest, with pictures and charts that are made once."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

import posetrack
from posetrack.batch import report as batch_report
from posetrack.batch.manifest import MANIFEST, ClipRecord, Manifest
from posetrack.batch.report import (
    OVERVIEWS,
    LiveReport,
    overview_path,
    save_overview,
    unpublished_overview,
    write_batch_report,
)
from posetrack.errors import DataFormatError, OutputError
from posetrack.pose_tracker import PoseTracker
from posetrack.report import ClipOverview
from posetrack.runner import Outputs
from tests.in_process import posetrack as command
from tests.report_pages import Page, file_of
from tests.stubs import StubDetector, StubPose
from tests.video_clips import grey_clip

FRAMES = 12


def tracked(footage: Path, out: Path, clip: str, outputs: Outputs | None = None) -> ClipRecord:
    """A clip of one standing person, tracked as in a batch."""
    outputs, path = outputs or Outputs(overwrite=True), footage / clip
    path.parent.mkdir(parents=True, exist_ok=True)
    grey_clip(path, FRAMES, "-vf", "scale=160:120")
    folder = out / Path(clip).parent
    summary = posetrack.run(
        path, folder, tracker=lambda: PoseTracker(detector=StubDetector(), pose=StubPose()), outputs=outputs
    )
    files = outputs.paths(Path(clip).parent, Path(clip).stem)
    return ClipRecord(
        clip=clip, kind="video", name=Path(clip).stem, status="done", frames=summary.frames,
        people=summary.most_people, tracks=summary.tracks, seconds=2.0, source_fps=25.0,
        outputs={kind: file.as_posix() for kind, file in files.items()},
    )  # fmt: skip


def keep(out: Path, footage: Path, *records: ClipRecord) -> None:
    """Write the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    with Manifest.create(out / MANIFEST) as manifest:
        manifest.footage = str(footage)
        manifest.put(records)


def has_charts(page: Path) -> list[bool]:
    """Whether each row has charts."""
    return [any(tag == "svg" for tag, _ in row) for row in Page(page).rows]


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    return tmp_path / "footage of May"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_every_clip_of_a_batch_is_on_the_page_with_links_to_its_files(footage: Path, out: Path) -> None:
    good = tracked(footage, out, "day 1/a#b?.mp4", Outputs(formats=("posetrack18", "csv"), overwrite=True))
    bad = ClipRecord(clip="day 1/bad.mp4", kind="video", name="bad", status="failed", error="bad.mp4 is empty.")
    keep(out, footage, good, bad, ClipRecord(clip="z", kind="images", name="z"))
    page = write_batch_report(out)
    assert page == out / "index.html"
    found, text = Page(page), page.read_text()
    assert found.names == ["day 1/a#b?.mp4", "day 1/bad.mp4", "z"]
    assert list(found.links[0]) == ["video", "JSON", "CSV"] and found.links[1] == found.links[2] == {}
    for address in found.links[0].values():
        assert file_of(page, address).stat().st_size
    assert has_charts(page) == [True, False, False]
    assert "<title>footage of May</title>" in text and "bad.mp4 is empty." in text
    assert [a.get("class") for tag, a in found.elements if tag == "tr"][1:] == ["done", "failed", "pending"]


def test_overviews_are_made_once_and_again_when_their_clip_changes(
    footage: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    original = batch_report.clip_overview

    def counting(poses: Path, footage: Path | None) -> ClipOverview:
        made.append(poses)
        return original(poses, footage)

    monkeypatch.setattr(batch_report, "clip_overview", counting)
    records = [tracked(footage, out, clip) for clip in ("a.mp4", "b.mp4")]
    keep(out, footage, *records)
    for _ in range(3):
        assert has_charts(write_batch_report(out)) == [True, True]
    assert len(made) == 2
    kept = overview_path(out, "a.mp4")
    os.utime(kept, (1, 1))  # older than the poses
    overview_path(out, "b.mp4").write_bytes(b"{")
    assert has_charts(write_batch_report(out, complete=False)) == [False, False]
    assert len(made) == 2
    assert has_charts(write_batch_report(out)) == [True, True]
    assert len(made) == 4 and ClipOverview.load(kept).frames == FRAMES


def test_a_worker_can_make_the_overview_in_advance(footage: Path, out: Path) -> None:
    record = tracked(footage, out, "a.mp4")
    outputs = {kind: out / path for kind, path in record.outputs.items()}
    made = save_overview(outputs, footage / "a.mp4", overview_path(out, "a.mp4"))
    assert made is not None and made.thumbnail is not None
    assert (made.frames, made.people, made.tracks) == (record.frames, record.people, record.tracks)
    keep(out, footage, record)
    assert has_charts(write_batch_report(out, complete=False)) == [True]
    assert save_overview({"csv": out / "a.csv"}, None, overview_path(out, "c")) is None


def test_an_overview_is_published_together_with_the_clips_files(footage: Path, out: Path) -> None:
    record = tracked(footage, out, "a.mp4")
    outputs = {kind: out / path for kind, path in record.outputs.items()}
    kept, unfinished = overview_path(out, "a.mp4"), out / "unfinished"
    unfinished.mkdir()
    published = unpublished_overview(outputs, footage / "a.mp4", unfinished, kept)
    assert list(published.values()) == [kept] and not kept.exists()
    for made, path in published.items():
        assert made.parent == unfinished
        made.replace(path)
    assert list(unfinished.iterdir()) == [] and ClipOverview.load(kept).frames == FRAMES
    assert unpublished_overview({"csv": out / "a.csv"}, footage / "a.mp4", unfinished, kept) == {}
    outputs["posetrack18"].write_text("damaged")
    assert unpublished_overview(outputs, footage / "a.mp4", unfinished, kept) == {}


def test_nothing_is_left_behind_beside_the_page(footage: Path, out: Path) -> None:
    keep(out, footage, tracked(footage, out, "a.mp4"))
    write_batch_report(out)
    files = {path.relative_to(out).parts[0] for path in out.rglob("*")}
    assert files == {"a.json", "a.meta.json", "a.tracks", "a_tracked.mp4", "index.html", MANIFEST, OVERVIEWS}
    (out / "index.html").unlink()
    (out / "index.html").mkdir()
    with pytest.raises(OutputError, match=r"index\.html"):
        write_batch_report(out)
    assert {path.relative_to(out).parts[0] for path in out.rglob("*")} == files


def test_a_saved_overview_is_used_without_the_results_if_the_frame_count_matches(footage: Path, out: Path) -> None:
    record = tracked(footage, out, "a.mp4")
    keep(out, footage, record)
    write_batch_report(out)
    (out / "a.json").unlink()
    assert has_charts(write_batch_report(out, complete=False)) == [True]
    keep(out, footage, replace(record, frames=FRAMES + 1))
    assert has_charts(write_batch_report(out)) == [False]


def test_without_an_annotated_video_the_picture_shows_the_footage(footage: Path, out: Path) -> None:
    record = tracked(footage, out, "a.mp4", Outputs(video=False, overwrite=True))
    keep(out, footage, record)
    page = Page(write_batch_report(out))
    assert [tag for tag, _ in page.rows[0] if tag in ("img", "svg")] == ["img", "svg", "svg"]
    assert list(page.links[0]) == ["JSON"]


def test_the_page_is_written_despite_missing_and_damaged_results(footage: Path, out: Path) -> None:
    records = [tracked(footage, out, clip) for clip in ("a.mp4", "b.mp4", "c.mp4", "d.mp4")]
    records[3] = replace(records[3], status="failed", partial=True, error="d.mp4 is cut short.")
    waiting = replace(records[0], clip="e.mp4", status="pending")  # its files come from other settings
    keep(out, footage, *records, waiting)
    (out / "a.json").unlink()
    (out / "b.json").write_text("{}")
    (out / "c_tracked.mp4").write_bytes(b"no video")
    page = write_batch_report(out)
    assert has_charts(page) == [False, False, True, True, False]
    found = Page(page)
    assert [bool(links) for links in found.links] == [True, True, True, True, False]
    assert "d.mp4 is cut short." in page.read_text()
    assert f'data-value="{FRAMES}"' in page.read_text()


def test_a_running_batch_rewrites_the_page_now_and_then(footage: Path, out: Path) -> None:
    keep(out, footage, ClipRecord(clip="a.mp4", kind="video", name="a", status="running"))
    with Manifest.create(out / MANIFEST) as manifest:
        live = LiveReport(out, every_s=3600)
        live.refresh()
        assert Page(out / "index.html").names == ["a.mp4"]
        manifest.put([ClipRecord(clip="b.mp4", kind="video", name="b")])
        live.refresh()
        assert Page(out / "index.html").names == ["a.mp4"]
        LiveReport(out).refresh()
        assert Page(out / "index.html").names == ["a.mp4", "b.mp4"]
    LiveReport(out / "nowhere").refresh()  # left to the end of the batch, which reports it


def test_the_folder_of_the_footage_may_itself_be_the_clip(footage: Path, out: Path) -> None:
    keep(out, footage, ClipRecord(clip=".", kind="images", name="footage of May"))
    assert Page(write_batch_report(out)).names == ["footage of May"]


def test_overviews_of_different_clips_have_different_files(out: Path) -> None:
    clips = ["a", "A", "a/b", "a_b", "x" * 5000, "y" * 5000, "caf\udce9", "\u00e9", "e\u0301"]
    paths = {overview_path(out, clip) for clip in clips}
    assert len({str(path).casefold() for path in paths}) == len(clips)
    assert all(len(path.name) < 100 for path in paths)


def test_a_folder_without_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="manifest"):
        write_batch_report(tmp_path)
    (tmp_path / MANIFEST).write_text("something else")
    with pytest.raises(DataFormatError, match="manifest"):
        write_batch_report(tmp_path)


def test_the_command_writes_the_page_again(footage: Path, out: Path, tmp_path: Path) -> None:
    keep(out, footage, tracked(footage, out, "a.mp4"))
    told = command("report", out)
    assert told.returncode == 0 and str(out / "index.html") in told.stdout.replace("\n", "")
    assert Page(out / "index.html").names == ["a.mp4"]
    kept = json.loads(overview_path(out, "a.mp4").read_text())
    assert kept["frames"] == FRAMES
    refused = command("report", tmp_path)
    assert refused.returncode == 2 and "manifest" in refused.stderr and "Traceback" not in refused.stderr
