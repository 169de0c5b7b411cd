"""Footage for the tests of ``posetrack batch``, and a tracker without networks that can be made to fail."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, cast

import cv2
import numpy as np

from posetrack.batch.config import BatchConfig, BatchSummary
from posetrack.batch.coordinator import run_batch
from posetrack.batch.manifest import ClipRecord, Manifest
from posetrack.batch.tasks import ClipTask, Compute, TrackerFactory
from posetrack.batch.workers import Finished, Progress
from posetrack.errors import OutputError, WeightsError
from posetrack.runner import Outputs
from posetrack.stages import FrameSource
from posetrack.stopwatch import Stopwatch
from posetrack.types import Boxes, Frame, Poses
from tests.stubs import PERSON, StubPose
from tests.video_clips import cut_off, ffmpeg, grey_clip

if TYPE_CHECKING:
    from posetrack.pose_tracker import PoseTracker


class StubTracker:
    """Finds one person in every frame, walking right. A clip's name can make it fail in different ways."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()

    @staticmethod
    def build(compute: Compute) -> PoseTracker:
        """Another ``TrackerFactory``."""
        return stub_tracker(compute)

    def track(self, source: FrameSource) -> Iterator[tuple[Frame, Poses]]:
        name = source.info.name
        for number, frame in enumerate(source):
            if number == 2:
                misbehave(name)
            boxes = Boxes(PERSON + np.float32(number), np.array([0.9]))
            poses = StubPose().estimate(frame.image, boxes)
            yield frame, replace(poses, track_ids=np.zeros(1, int))
            if "slow" in name:
                time.sleep(0.2)


def misbehave(name: str) -> None:
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "hangs" in name:
        time.sleep(3600)
    if "memory" in name:
        raise MemoryError
    if "allocator" in name:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")
    if "bug" in name:
        raise ZeroDivisionError("division by zero")
    if "full" in name:
        raise OutputError("Cannot write x: the disk is full; make room.") from OSError(
            errno.ENOSPC, "No space left"
        )


def stub_tracker(compute: Compute) -> PoseTracker:
    """A ``TrackerFactory``."""
    return cast("PoseTracker", StubTracker())


def no_weights(compute: Compute) -> PoseTracker:
    """A ``TrackerFactory`` whose networks are missing."""
    raise WeightsError("the weights nowhere.safetensors cannot be read: download them.")


def config(tracker: TrackerFactory = stub_tracker, workers: int = 1, **changes: object) -> BatchConfig:
    """Settings without annotated videos, which take most of the time, unless ``changes`` asks for them."""
    settings = {"outputs": Outputs(video=False), "compute": Compute(device="cpu", threads=1)} | changes
    return BatchConfig(tracker=tracker, workers=workers, **settings)  # type: ignore[arg-type]


def good_clip(path: Path, frames: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return grey_clip(path, frames)


def image_folder(folder: Path, count: int = 5, size: tuple[int, int] = (64, 48)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"frame{number}.png"), np.full((size[1], size[0], 3), 10 * number, np.uint8))
    return folder


def broken_clips(folder: Path) -> dict[str, str]:
    """Make one file of each broken kind; name -> what its error must say."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("This is no video.\n" * 100)
    (folder / "noise.mov").write_bytes(np.random.default_rng(0).bytes(20_000))
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", folder / "sound.mp4")
    whole = grey_clip(folder / "whole.mp4", 6)
    cut_off(whole, 0.5, folder / "headless.mp4")  # its index lies behind the frames
    whole.unlink()
    (folder / "gone.avi").symlink_to(folder / "nowhere.avi")
    os.mkfifo(folder / "pipe.mkv")
    locked = bytearray(np.random.default_rng(1).bytes(4096))
    locked[:4] = b"PK\x03\x04"  # an archive with a password
    (folder / "locked.mp4").write_bytes(locked)
    (folder / "folder.mp4").mkdir()
    return {
        "empty.mp4": "is empty",
        "text.mp4": "is not a video",
        "noise.mov": "is not a video",
        "sound.mp4": "holds sound but no video",
        "headless.mp4": "is not a video that can be read, or its header is lost",
        "gone.avi": "There is no file",
        "pipe.mkv": "is a pipe, socket or device",
        "locked.mp4": "is an archive: unpack it, with its password",
    }


def truncated_clip(path: Path) -> Path:
    """A clip with a complete index but missing frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = grey_clip(path.with_name("whole.mp4"), 60, "-movflags", "+faststart", "-g", "6")
    cut_off(whole, 0.8, path)
    whole.unlink()
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """The result files in an output folder, except the manifest and the summary, which contain times."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    others = ("manifest", "summary.csv", "index.html", ".posetrack-overviews")
    results = {name: path for name, path in files.items() if not name.startswith(others)}
    return {name: path.read_bytes() for name, path in sorted(results.items())}


class InlineWorkers:
    """``Workers`` in this process, one clip at a time."""

    def __init__(self) -> None:
        self._results: list[Progress | Finished] = []
        self.started: list[str] = []

    @property
    def free(self) -> int:
        return 0 if self._results else 1

    def start(self, task: ClipTask) -> None:
        self.started.append(task.clip)
        self._results.append(Finished(task.clip, task.perform()))

    def events(self) -> list[Progress | Finished]:
        results, self._results = self._results, []
        return results

    def stop(self) -> None:
        self._results.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def track(footage: Path, output: Path, **changes: object) -> tuple[BatchSummary, list[str]]:
    """Run a batch in this process: its summary, and the clips tracked, in order."""
    workers = InlineWorkers()
    return run_batch(footage, output, config(**changes), workers=workers), workers.started  # type: ignore[arg-type]


def records(output: Path) -> dict[str, ClipRecord]:
    with Manifest.open(output) as manifest:
        return {record.clip: record for record in manifest.clips()}
