"""Manifests are not trusted: every command that reads one works, or refuses in one sentence and touches nothing
outside the output folder."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from posetrack.batch import database
from posetrack.batch.coordinator import plan_batch
from posetrack.batch.manifest import Manifest
from posetrack.batch.records import COLUMNS, ClipRecord, record_of, row_of
from posetrack.batch.report import write_batch_report
from posetrack.cli.main import main
from posetrack.errors import PoseTrackError
from tests.batch_cases import config, contents, good_clip, records, track

Damage = Callable[[Path], None]

TRIGGER = "CREATE TRIGGER t AFTER INSERT ON clips BEGIN DELETE FROM facts; END"
ENDLESS = "CREATE VIEW clips AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) SELECT x FROM n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with footage, ``out``, and files outside that must not be touched."""
    root = tmp_path_factory.mktemp("made")
    good_clip(root / "in" / "day 1" / "a.mp4", 3)
    good_clip(root / "in" / "b.mp4", 3)
    track(root / "in", root / "out")
    (root / "victim").mkdir()
    for name in ("keep.txt", "a.json", "b.json", "a_tracked.mp4"):
        (root / "victim" / name).write_text("precious")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(made, tmp_path / "root", symlinks=True))
    with sqlite3.connect(copy / "out" / "manifest") as manifest:
        manifest.execute("UPDATE facts SET value = ?", (str(copy / "in"),))
    manifest.close()
    return copy


def outside(root: Path) -> dict[str, bytes | str]:
    """Everything except the output folder."""
    return {
        str(path): os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        for path in sorted(root.rglob("*"))
        if not path.is_relative_to(root / "out")
    }


def sql(statement: str, *values: object) -> Damage:
    def damage(out: Path) -> None:
        manifest = sqlite3.connect(out / "manifest", isolation_level=None)
        manifest.execute(statement, values)
        manifest.close()

    return damage


def cell(column: str, value: object) -> Damage:
    return sql(f"UPDATE clips SET {column} = ? WHERE clip = 'b.mp4'", value)


def output(path: str, kind: str = "posetrack18") -> Damage:
    def damage(out: Path) -> None:
        cell("outputs", json.dumps({kind: path}))(out)
        cell("output_bytes", json.dumps({kind: 8}))(out)

    return damage


def content(data: bytes) -> Damage:
    return lambda out: (out / "manifest").write_bytes(data) and None or None


def cut(share: float) -> Damage:
    def damage(out: Path) -> None:
        data = (out / "manifest").read_bytes()
        (out / "manifest").write_bytes(data[: int(share * len(data))])

    return damage


def instead(make: Callable[[Path], object], name: str = "manifest") -> Damage:
    def damage(out: Path) -> None:
        if (out / name).exists():
            (out / name).unlink()
        make(out / name)

    return damage


def linked(name: str, target: str) -> Damage:
    return instead(lambda path: path.symlink_to(path.parent.parent / target), name)


WRONG = {
    "clip": [
        None, 7, b"b.mp4", "", "/etc/passwd", "./b.mp4", "b\0.mp4", "day/../../victim/a", "../victim/keep.txt",
    ],
    "kind": [None, "stream", 1],
    "name": [None, 3, "", "../../victim/keep", "/victim", "b\0", "day/b"],
    "status": [None, "finished", 0, b"done", "DONE"],
    "attempts": ["many", -1, 2**60, 1.5],
    "error": [5, b"\xff"],
    "warning": [0.5],
    "trace": [b"x"],
    "partial": ["no", 2, None],
    "frames": ["all", None, -3, 2**62, 2.5, b"3"],
    "people": [None, "two"],
    "tracks": ["x"],
    "seconds": ["long", None, -1.0, float("inf"), 1e300],
    "source_fps": ["25", -25.0, float("inf")],
    "outputs": [
        None, "no JSON", "[]", "{", '{"posetrack18": 7}', '{"posetrack18": null}', "[" * 10_000, "7", b"{}",
        "NaN",
        '{"unknown": "b.json"}', '{"video": "b.json"}',
    ],
    "output_bytes": [
        None, "[]", '{"csv": 8}', '{"posetrack18": "8"}', '{"posetrack18": -1}', '{"posetrack18": 1e999}',
    ],
    "owned": [None, "yes", -1],
    "size": [None, "1 MB", -1],
    "mtime_ns": [None, "now", 1.5],
    "digest": [None, 5],
    "settings": [None, b"x"],
    "started_at": [5],
    "finished_at": [b"x"],
}  # fmt: skip

REFUSED: dict[str, Damage] = {
    **{column: cell(column, values[-1]) for column, values in WRONG.items()},
    **{
        f"output {path}": output(path)
        for path in (
            "../victim/keep.txt",
            "/etc/passwd",
            "b.json/../../victim/keep.txt",
            "day 1/a.json",
            "manifest",
            ".",
            "",
            "b.json\0",
            "B.json",
            "./b.json",
            "summary.csv",
            "../out/b.json",
        )  # fmt: skip
    },
    "video outside": output("../victim/keep.txt", "video"),
    "footage a number": sql("UPDATE facts SET value = 7"),
    "footage relative": sql("UPDATE facts SET value = 'in'"),
    "footage with NUL": sql("UPDATE facts SET value = ?", "/in\0"),
    "no clips": sql("DROP TABLE clips"),
    "no facts": sql("DROP TABLE facts"),
    "another column": sql("ALTER TABLE clips ADD COLUMN more"),
    "a column less": sql("ALTER TABLE clips DROP COLUMN warning"),
    "a trigger": sql(TRIGGER),
    "an endless view": lambda out: (sql("DROP TABLE clips")(out), sql(ENDLESS)(out)) and None,
    "later": sql("PRAGMA user_version = 2"),
    "before": sql("PRAGMA user_version = -1"),
    "of another program": sql("PRAGMA application_id = 1"),
    "text": content(b"no database" * 1000),
    "zeros": content(bytes(8192)),
    "header alone": content(b"SQLite format 3\0"),
    "cut in half": cut(0.5),
    "cut short": cut(0.9),
    "a folder": instead(Path.mkdir),
    "a pipe": instead(os.mkfifo),
    "a link to a text": linked("manifest", "victim/keep.txt"),
    "a link to nothing": linked("manifest", "victim/new"),
    "a linked log": linked("manifest-wal", "victim/keep.txt"),
    "a linked journal": linked("manifest-journal", "victim/keep.txt"),
    "a linked index": linked("manifest-shm", "victim/new"),
    "linked overviews": linked(".posetrack-overviews", "victim"),
    "linked unfinished": linked(".posetrack-unfinished", "victim"),
    "linked chunks": linked(".posetrack-chunks", "victim"),
}


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["posetrack", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("damage", REFUSED.values(), ids=REFUSED.keys())
def test_a_damaged_manifest_is_refused_in_one_sentence_and_nothing_outside_is_touched(
    root: Path, damage: Damage, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if (root / "out" / ".posetrack-overviews").exists() and damage is REFUSED["linked overviews"]:
        shutil.rmtree(root / "out" / ".posetrack-overviews")
    damage(root / "out")
    before, results = outside(root), contents(root / "out")
    quiet = "linked" in next(name for name, one in REFUSED.items() if one is damage)
    for line in (["report", root / "out"], ["batch", root / "in", "-o", root / "out", "--dry-run"]):
        status = command(monkeypatch, *line)
        told = capfd.readouterr().err
        if not (quiet and "--dry-run" in line):  # which reads none of these
            assert status == 2 and len(told.splitlines()) == 1 and told.startswith("posetrack: "), told
        assert "Traceback" not in told
    with pytest.raises(PoseTrackError):
        track(root / "in", root / "out")
    assert outside(root) == before
    assert contents(root / "out") == results


@pytest.mark.parametrize("column", COLUMNS)
def test_impossible_values_are_refused(column: str) -> None:
    record = ClipRecord(
        clip="day 1/b.mp4", kind="video", name="b", status="failed", error="It is.", partial=True, frames=3,
        seconds=0.5, source_fps=25.0, outputs={"posetrack18": "day 1/b.json"},
        output_bytes={"posetrack18": 8}, mtime_ns=-1,
    )  # fmt: skip
    row = dict(zip(COLUMNS, row_of(record), strict=True))
    assert record_of(list(row.values())) == record
    for value in WRONG[column]:
        with pytest.raises(ValueError, match=rf"{column} |output"):
            record_of(list((row | {column: value}).values()))


def test_a_lock_file_that_is_a_link_is_refused(root: Path) -> None:
    (root / "out" / "manifest.lock").unlink()
    (root / "out" / "manifest.lock").symlink_to(root / "victim" / "new")
    before = outside(root)
    with pytest.raises(PoseTrackError, match="not a regular file"):
        track(root / "in", root / "out")
    assert outside(root) == before


def test_files_of_another_clip_are_not_removed_as_stale(root: Path) -> None:
    output("day 1/a.json", "csv")(root / "out")
    good_clip(root / "in" / "b.mp4", 5)
    before = contents(root / "out")
    with pytest.raises(PoseTrackError, match="outputs names 'day 1/a.json' as 'csv'"):
        track(root / "in", root / "out")
    assert contents(root / "out") == before


def test_results_are_not_written_through_links_out_of_the_folder(root: Path) -> None:
    shutil.rmtree(root / "out" / "day 1")
    (root / "out" / "day 1").symlink_to(root / "victim")
    before = outside(root)
    summary, _ = track(root / "in", root / "out")
    (failed,) = summary.failed
    assert failed.clip == "day 1/a.mp4" and "is a link out of the output folder" in str(failed.error)
    write_batch_report(root / "out")
    assert outside(root) == before


def test_results_may_lie_behind_a_link_within_the_output_folder(root: Path) -> None:
    os.rename(root / "out" / "day 1", root / "out" / "elsewhere")
    (root / "out" / "day 1").symlink_to("elsewhere")
    good_clip(root / "in" / "day 1" / "a.mp4", 4)
    assert track(root / "in", root / "out")[0].failed == []
    assert len(json.loads((root / "out" / "elsewhere" / "a.json").read_text())["images"]) == 4


@pytest.mark.parametrize("name", ["b.json", "b_tracked.mp4"])
def test_a_pipe_in_place_of_a_result_does_not_block(root: Path, name: str) -> None:
    (root / "out" / name).unlink(missing_ok=True)
    os.mkfifo(root / "out" / name)
    shutil.rmtree(root / "out" / ".posetrack-overviews")
    write_batch_report(root / "out")
    assert "b.mp4" in (root / "out" / "index.html").read_text()


@pytest.mark.parametrize("column", ["frames", "seconds"])
def test_odd_but_possible_values_are_accepted(root: Path, column: str) -> None:
    cell(column, 5e-324 if column == "seconds" else 2**50)(root / "out")
    write_batch_report(root / "out")
    assert len(records(root / "out")) == 2


def killed(out: Path, work: str) -> None:
    """Kill a process while it writes its manifest."""
    code = f"""
import os, signal, sys
from pathlib import Path
from posetrack.batch import manifest
from posetrack.batch.manifest import Manifest
from posetrack.batch.records import ClipRecord
out = Path({str(out)!r})
{work}
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    assert done.returncode == -signal.SIGKILL


CUT_SHORT = {
    "before anything": "(out / 'manifest').touch()",
    "in its first transaction": """
import sqlite3
connection = sqlite3.connect(out / "manifest", isolation_level=None)
connection.executescript("PRAGMA cache_size = 1; PRAGMA cache_spill = 1;" + manifest._MAKE.removesuffix("COMMIT;"))
for number in range(200):
    connection.execute("INSERT INTO facts VALUES (?, ?)", (number, "x" * 500))
""",
    "with a log and no clips": "opened = Manifest.create(out / 'manifest')",
}


@pytest.mark.parametrize("work", CUT_SHORT.values(), ids=CUT_SHORT.keys())
def test_every_command_treats_the_remains_of_an_early_kill_as_an_empty_batch(
    root: Path, work: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = root / "out"
    shutil.rmtree(out)
    out.mkdir()
    killed(out, work)
    left = {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != "" or "-shm" not in path.name}
    plan = plan_batch(root / "in", out, config())
    assert plan.counts == {"new": 2}
    assert command(monkeypatch, "batch", root / "in", "-o", out, "--dry-run") == 0
    assert "2 clips, 2 to track: 2 new" in capfd.readouterr().out
    now = {path.name: path.read_bytes() for path in out.iterdir() if "-shm" not in path.name}
    assert now == {name: data for name, data in left.items() if "-shm" not in name}
    assert command(monkeypatch, "report", out) == 0
    assert (out / "index.html").exists()
    assert track(root / "in", out)[0].done == 2


def test_a_kill_loses_nothing_that_was_recorded(root: Path) -> None:
    out = root / "out"
    killed(out, "opened = Manifest.create(out / 'manifest'); opened.put([*opened.clips()][:1])")
    assert (out / "manifest-wal").exists()
    assert len(records(out)) == 2
    (out / "manifest-wal").unlink()
    assert len(records(out)) == 2, "it held nothing new"


def test_a_manifest_locked_by_another_program_is_reported(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE_S", 0.1)
    other = sqlite3.connect(root / "out" / "manifest", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("DELETE FROM facts")
    try:
        with pytest.raises(PoseTrackError, match="is locked"):
            track(root / "in", root / "out")
        with pytest.raises(PoseTrackError, match="is locked"), Manifest.open(root / "out"):
            pass
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert track(root / "in", root / "out")[0].skipped == 2
