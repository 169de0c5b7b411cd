"""Clips that change during a batch; chunks, which outlive batches until their clip is done."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from posetrack.batch.chunk_tasks import ChunkTask, StitchTask
from posetrack.batch.chunks import ChunkConfig
from posetrack.batch.coordinator import run_batch
from posetrack.batch.identity import is_recorded
from posetrack.batch.manifest import ClipRecord
from posetrack.batch.names import CHUNKS
from posetrack.batch.patterns import Choice
from posetrack.batch.plan import Plan
from posetrack.batch.tasks import ClipTask
from posetrack.stages import FrameSource
from posetrack.types import Frame, Poses
from posetrack.video.identity import Identity
from tests.batch_cases import (
    InlineWorkers,
    StubTracker,
    config,
    contents,
    good_clip,
    image_folder,
    records,
    track,
)

SHORT = ChunkConfig(chunk_s=1, overlap_s=0.2, overlap_frames=5)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A clip and its replacement."""
    good_clip(tmp_path / "in" / "a.mp4", 6)
    good_clip(tmp_path / "other.mp4", 9)
    return tmp_path


class Replacing:
    """An observer that replaces a clip when its tracking starts, a number of times."""

    def __init__(self, path: Path, other: Path, times: int = 1) -> None:
        self._path, self._other, self._times = path, other, times

    def planned(self, plan: Plan) -> None: ...

    def progressed(self, progress: object) -> None: ...

    def finished(self, record: ClipRecord) -> None: ...

    def started(self, record: ClipRecord) -> None:
        if self._times:
            self._times -= 1
            self._other.write_bytes(self._other.read_bytes() + b"\0")  # which players ignore
            shutil.copy(self._other, self._path)


class PlanReplacing(Replacing):
    """Replaces it between planning and the first clip's start."""

    def planned(self, plan: Plan) -> None:
        super().started(plan.clips[0].record)

    def started(self, record: ClipRecord) -> None: ...


@pytest.mark.parametrize("kind", [Replacing, PlanReplacing])
def test_a_clip_replaced_before_tracking_is_recorded_with_its_new_content(
    clips: Path, kind: type[Replacing]
) -> None:
    clip = clips / "in" / "a.mp4"
    observer = kind(clip, clips / "other.mp4")
    summary = run_batch(clips / "in", clips / "out", config(), observer=observer, workers=InlineWorkers())
    record = records(clips / "out")["a.mp4"]
    assert (summary.done, record.frames) == (1, 9)
    assert is_recorded(Identity.now(clip), record)
    assert track(clips / "in", clips / "out")[1] == []
    good_clip(clip, 6)
    assert track(clips / "in", clips / "out")[1] == ["a.mp4"]
    assert records(clips / "out")["a.mp4"].frames == 6


def test_a_clip_that_keeps_changing_fails_and_is_retried_in_the_next_run(clips: Path) -> None:
    observer = Replacing(clips / "in" / "a.mp4", clips / "other.mp4", times=9)
    summary = run_batch(clips / "in", clips / "out", config(), observer=observer, workers=InlineWorkers())
    (failed,) = summary.failed
    assert "has changed since the batch was planned: run the batch again" in str(failed.error)
    assert failed.attempts == 2 and contents(clips / "out") == {}
    assert track(clips / "in", clips / "out")[0].done == 1


class Meddler(StubTracker):
    """A tracker that changes the source once, after two frames."""

    left: list[str] = []

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        for number, result in enumerate(super().track(source)):
            if number == 2 and Meddler.left:
                path, other = Meddler.left
                Meddler.left = []
                os.replace(other, path)
            yield result

    @staticmethod
    def build(compute: object) -> "Meddler":
        return Meddler()


def test_a_clip_replaced_during_tracking_is_tracked_again(clips: Path) -> None:
    Meddler.left = [str(clips / "in" / "a.mp4"), str(clips / "other.mp4")]
    summary, started = track(clips / "in", clips / "out", tracker=Meddler.build)
    record = records(clips / "out")["a.mp4"]
    assert (summary.done, started, record.frames) == (1, ["a.mp4", "a.mp4"], 9)
    assert is_recorded(Identity.now(clips / "in" / "a.mp4"), record)


def test_replacing_an_image_during_tracking_tracks_its_folder_again(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "in" / "walk", 6)
    (other,) = image_folder(tmp_path / "more", 1, size=(64, 48)).iterdir()
    Meddler.left = [str(folder / "frame0.png"), str(other)]
    os.utime(other, (1, 1))
    summary, started = track(tmp_path / "in", tmp_path / "out", tracker=Meddler.build)
    assert (summary.done, started) == (1, ["walk", "walk"])


def task(clips: Path) -> ClipTask:
    return ClipTask(
        clip="a.mp4", source=clips / "in" / "a.mp4", folder=clips / "out", name="a",
        unfinished=clips / "unfinished", reading=config().reading, outputs=config().outputs, tracker=Meddler.build,
        compute=config().compute, content=Identity.now(clips / "in" / "a.mp4"),
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_results_of_other_content_are_not_kept(clips: Path, when: str) -> None:
    given = task(clips)
    if when == "before":
        os.replace(clips / "other.mp4", given.source)
    else:
        Meddler.left = [str(given.source), str(clips / "other.mp4")]
    result = given.perform()
    assert (result.status, result.cause) == ("failed", "chance") and "changed" in str(result.error)
    assert not (clips / "out").exists() and not (clips / "unfinished").exists()


def test_a_clip_that_vanishes_during_tracking_has_changed(clips: Path) -> None:
    given = task(clips)
    Meddler.left = [str(clips / "gone"), str(given.source)]
    result = given.perform()
    assert result.status == "failed" and "changed while it was being tracked" in str(result.error)


# --- chunks


class Chunked(InlineWorkers):
    """Fails on the second chunk of some clips; records the chunks it tracks and the clips it joins."""

    def __init__(self, *failing: str) -> None:
        super().__init__()
        self.failing = failing
        self.chunks: list[tuple[str, int]] = []
        self.stitched: list[str] = []

    def start(self, task: ClipTask) -> None:
        name = task.clip.split("\0")[0]
        if isinstance(task, ChunkTask):
            if not task.file.exists():
                self.chunks.append((name, task.chunk.number))
            if name in self.failing and task.chunk.number == 1:
                task = replace(task, tracker=broken)
        if isinstance(task, StitchTask):
            self.stitched.append(name)
        super().start(task)


def broken(compute: object) -> StubTracker:
    raise ZeroDivisionError


def saved(out: Path) -> int:
    return len(list((out / CHUNKS).rglob("*.npz")))


@pytest.fixture
def long_clips(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        good_clip(tmp_path / "in" / f"{name}.mp4", 80)
    return tmp_path


def chunked(root: Path, workers: Chunked, **changes: object) -> Chunked:
    run_batch(root / "in", root / "out", config(chunks=SHORT, **changes), workers=workers)  # type: ignore[arg-type]
    return workers


def test_chunks_of_a_failed_clip_are_reused_when_the_batch_is_run_again(long_clips: Path) -> None:
    first = chunked(long_clips, Chunked("a.mp4"), retries=0)
    assert first.stitched == ["b.mp4"]
    kept = saved(long_clips / "out")
    assert kept and ("a.mp4", 0) in first.chunks
    chunked(long_clips, Chunked(), choice=Choice(globs=("b*",)))  # a batch over another clip
    assert saved(long_clips / "out") == kept
    again = chunked(long_clips, Chunked(), choice=Choice(globs=("a*",)))
    assert again.stitched == ["a.mp4"]
    assert ("a.mp4", 1) in again.chunks and ("a.mp4", 0) not in again.chunks
    assert not (long_clips / "out" / CHUNKS).exists()
    assert records(long_clips / "out")["a.mp4"].frames == 80
