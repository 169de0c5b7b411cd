"""Results through fsspec: in a folder and in an object store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

fsspec: Any = pytest.importorskip("fsspec", reason="fsspec is not installed: pip install '.[ray]'")

from posetrack.batch.chunks import ChunkConfig  # noqa: E402 (fsspec may be missing)
from posetrack.batch.config import BatchConfig, BatchSummary  # noqa: E402
from posetrack.batch.coordinator import run_batch  # noqa: E402
from posetrack.batch.remote import RemoteFolder  # noqa: E402
from posetrack.batch.tasks import Compute  # noqa: E402
from posetrack.errors import ConfigError, OutputError  # noqa: E402
from posetrack.runner import Outputs  # noqa: E402
from tests.batch_cases import contents  # noqa: E402
from tests.pacing import PacingTracker  # noqa: E402
from tests.test_batch_chunks import HandWorkers  # noqa: E402
from tests.video_clips import grey_clip  # noqa: E402


def config(url: str | None, **changes: Any) -> BatchConfig:
    settings = {
        "tracker": PacingTracker(), "outputs": Outputs(video=False, formats=("posetrack18", "csv")),
        "compute": Compute(device="cpu", threads=1), "remote_url": url,
        "chunks": ChunkConfig(chunk_s=2, overlap_s=0.4, overlap_frames=10),
    }  # fmt: skip
    return BatchConfig(**(settings | changes))


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    (folder / "day 1").mkdir()
    grey_clip(folder / "day 1" / "short.mp4", 10)
    grey_clip(folder / "long.mp4", 150, "-g", "12")
    return folder


def batch(footage: Path, output: Path, url: str | None, **changes: Any) -> BatchSummary:
    return run_batch(footage, output, config(url, **changes), workers=HandWorkers())


def stored(url: str) -> dict[str, bytes]:
    """All files there except those that contain times."""
    system, root = fsspec.core.url_to_fs(url)
    names = [name.removeprefix(root).removeprefix("/") for name in system.find(root)]
    others = ("manifest", "summary.csv", "index.html")
    return {name: system.cat_file(f"{root}/{name}") for name in names if name not in others}


@pytest.mark.parametrize("kind", ["file", "memory"])
def test_results_are_written_to_any_fsspec_url(footage: Path, tmp_path: Path, kind: str) -> None:
    url = f"file://{tmp_path}/there" if kind == "file" else f"memory://{tmp_path.name}/there"
    batch(footage, tmp_path / "here", None)
    summary = batch(footage, tmp_path / "state", url)
    assert (summary.done, summary.failed) == (2, [])
    assert stored(url) == contents(tmp_path / "here")
    assert contents(tmp_path / "state") == {}

    again = batch(footage, tmp_path / "state", url)
    assert (again.done, again.skipped) == (0, 2)
    RemoteFolder(url, tmp_path).remove(tmp_path / "long.json")
    elsewhere = batch(footage, tmp_path / "another computer", url)  # which knows only the URL
    assert (elsewhere.done, elsewhere.skipped) == (1, 1)
    assert stored(url) == contents(tmp_path / "here")


def test_files_of_other_origin_stay(footage: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "long.json").write_text("mine")
    summary = batch(footage, tmp_path / "state", f"file://{there}")
    assert summary.done == 1
    assert [record.clip for record in summary.failed] == ["long.mp4"]
    assert (there / "long.json").read_text() == "mine"


def test_an_interrupted_upload_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    def half(self: Any, source: str, target: str, **_: Any) -> None:
        Path(target).write_bytes(Path(source).read_bytes()[:3])
        raise OSError("the network is gone")

    file = tmp_path / "file"
    file.write_bytes(b"all of it")
    monkeypatch.setattr(LocalFileSystem, "put_file", half)
    remote = RemoteFolder(f"file://{tmp_path}/there", tmp_path)
    with pytest.raises(OutputError, match="the network is gone"):
        remote.upload({file: tmp_path / "results" / "file"})
    assert [path for path in (tmp_path / "there").rglob("*") if path.is_file()] == []


def test_a_failed_upload_fails_the_clip(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be used"):
        batch(footage, tmp_path / "state", f"file://{tmp_path}/file/there")


def test_an_unknown_url_is_refused(footage: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere://"):
        batch(footage, tmp_path / "state", "nowhere://bucket/there")
