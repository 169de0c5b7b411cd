"""Batches on a real Ray cluster of several nodes on this computer, also when one is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_worker_niceness"] = "0"  # otherwise its processes starve on a busy computer

from ray.cluster_utils import Cluster  # noqa: E402 (Ray may be missing)

from posetrack import __version__  # noqa: E402
from posetrack.batch.chunk_workers import CHUNKS  # noqa: E402
from posetrack.batch.chunks import ChunkConfig  # noqa: E402
from posetrack.batch.config import BatchConfig  # noqa: E402
from posetrack.batch.coordinator import run_batch  # noqa: E402
from posetrack.batch.manifest import ClipRecord, Manifest  # noqa: E402
from posetrack.batch.names import UNFINISHED  # noqa: E402
from posetrack.batch.plan import Plan  # noqa: E402
from posetrack.batch.ray_pool import RayConfig, RayWorkers, _perform  # noqa: E402
from posetrack.batch.tasks import ClipTask, Compute  # noqa: E402
from posetrack.batch.workers import Progress  # noqa: E402
from posetrack.errors import ConfigError  # noqa: E402
from posetrack.runner import Outputs  # noqa: E402
from posetrack.video import ReadOptions  # noqa: E402
from tests.batch_cases import contents, image_folder  # noqa: E402
from tests.pacing import PacingTracker  # noqa: E402
from tests.video_clips import grey_clip  # noqa: E402

STORE_BYTES = 80 * 2**20
COMPUTE = Compute(device="cpu", threads=1)
CUTS = ChunkConfig(chunk_s=2, overlap_s=0.4, overlap_frames=10)
FORMATS = ("posetrack18", "csv")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head node that does no work, and two nodes with one processor each."""
    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": STORE_BYTES, "include_dashboard": False},
    )
    for number in range(2):
        made.add_node(
            num_cpus=1, object_store_memory=STORE_BYTES, resources={f"node{number}": 1}, wait=number == 1
        )
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    for number in range(3):
        (folder / f"day{number % 2}").mkdir(exist_ok=True)
        grey_clip(folder / f"day{number % 2}" / f"clip{number}.mp4", 12 + number)
    grey_clip(folder / "long.mp4", 220, "-g", "12")
    image_folder(folder / "images")
    (folder / "empty.mp4").touch()
    (folder / "gone.avi").symlink_to(folder / "nowhere.avi")
    return folder


def config(**changes: Any) -> BatchConfig:
    settings = {
        "tracker": PacingTracker(), "outputs": Outputs(video=False, formats=FORMATS), "compute": COMPUTE,
        "chunks": CUTS, "workers": 1,
    }  # fmt: skip
    return BatchConfig(**(settings | changes))


def statuses(output: Path) -> dict[str, str]:
    with Manifest.open(output) as manifest:
        return {record.clip: record.status for record in manifest.clips()}


def test_a_cluster_writes_the_bytes_of_a_local_run(cluster: Any, footage: Path, tmp_path: Path) -> None:
    here = run_batch(footage, tmp_path / "here", config())
    workers = RayWorkers(COMPUTE, RayConfig(address=cluster.address))
    there = run_batch(footage, tmp_path / "there", config(), workers=workers)
    assert (there.done, len(there.failed), there.frames) == (here.done, len(here.failed), here.frames)
    assert there.done == 5
    results = contents(tmp_path / "there")
    assert len(results) == 5 * (len(FORMATS) + 2), "and what was seen, and where they come from"
    assert results == contents(tmp_path / "here")
    with Manifest.open(tmp_path / "here") as one, Manifest.open(tmp_path / "there") as other:
        assert [told(record) for record in one.clips()] == [told(record) for record in other.clips()]


def clip_task(source: Path, out: Path) -> ClipTask:
    return ClipTask(
        clip=source.name, source=source, folder=out, name=source.stem, unfinished=out / ".unfinished" / "1",
        reading=ReadOptions(), outputs=Outputs(video=False), tracker=PacingTracker(), compute=COMPUTE,
    )  # fmt: skip


def told(record: ClipRecord) -> tuple[Any, ...]:
    """The contents of a manifest that do not depend on time."""
    return (
        record.clip, record.status, record.error, record.frames, record.people, record.tracks, record.outputs,
        record.output_bytes, record.settings, record.digest, record.source_fps,
    )  # fmt: skip


class Interferer:
    """A ``BatchObserver`` that acts once, when a number of clips are being tracked."""

    def __init__(self, what: Any) -> None:
        self._what = what
        self.progress: set[str] = set()

    def planned(self, plan: Plan) -> None: ...

    def started(self, record: ClipRecord) -> None: ...

    def progressed(self, progress: Progress) -> None:
        if progress.frames > 0:
            self.progress.add(progress.clip)
            self._what()
            self._what = lambda: None

    def finished(self, record: ClipRecord) -> None: ...


def test_a_lost_node_loses_no_results(cluster: Any, tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    for number in range(4):
        grey_clip(footage / f"clip{number}.mp4", 60 + number)
    grey_clip(footage / "long.mp4", 220, "-g", "12")
    tracker = PacingTracker(seconds_per_frame=0.03)
    nodes = list(cluster.worker_nodes)
    assert len(nodes) == 2
    interferer = Interferer(lambda: cluster.remove_node(nodes[0], allow_graceful=False))
    workers = RayWorkers(COMPUTE, RayConfig(address=cluster.address))
    summary = run_batch(footage, tmp_path / "there", config(tracker=tracker), workers=workers, observer=interferer)
    assert len(cluster.worker_nodes) == 1
    assert (summary.done, summary.failed, summary.pending) == (5, [], 0)
    assert summary.frames == 4 * 60 + 6 + 220
    run_batch(footage, tmp_path / "here", config(tracker=PacingTracker()))
    assert contents(tmp_path / "there") == contents(tmp_path / "here")
    with Manifest.open(tmp_path / "there") as manifest:
        assert {(record.status, record.attempts) for record in manifest.clips()} == {("done", 1)}
    assert not (tmp_path / "there" / UNFINISHED).exists() and not (tmp_path / "there" / CHUNKS).exists()


@pytest.mark.parametrize(
    ("compute", "address", "words"),
    [
        (Compute(device="cuda"), "here", "no GPU in the Ray cluster"),
        (Compute(device="cuda:1"), "here", "Ray chooses which GPU"),
    ],
)
def test_unsupported_cluster_settings_are_refused(
    cluster: Any, compute: Compute, address: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        RayWorkers(compute, RayConfig(address=cluster.address))
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "ray://127.0.0.1:9", "nowhere", "127.0.0.1:none"])
def test_a_missing_cluster_is_reported_in_one_sentence(address: str) -> None:
    with pytest.raises(ConfigError, match=f"no Ray cluster at {address} .*--ray auto"):
        RayWorkers(COMPUTE, RayConfig(address=address))


def test_a_computer_without_the_footage_is_reported(tmp_path: Path) -> None:
    task = clip_task(tmp_path / "nowhere" / "clip.mp4", tmp_path)
    told = _perform(task, None, __version__)
    assert isinstance(told, str) and "does not see the output folder" in told
    task.unfinished.mkdir(parents=True)
    told = _perform(task, None, __version__)
    assert isinstance(told, str) and "mount the footage on every computer" in told
    told = _perform(task, None, "0.0.1")
    assert isinstance(told, str) and "install one version everywhere" in told
