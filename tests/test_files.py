"""Files get their names once they are complete; inputs are never replaced; drafts of killed runs are cleared."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from posetrack.errors import ConfigError, OutputError
from posetrack.files.drafts import clear_drafts, temporary_beside
from posetrack.files.pending import PendingFile, check_outputs, draft_folder, publish, write_file

HOLDING = """
import sys
from pathlib import Path
from posetrack.files.pending import PendingFile, draft_folder
path = Path(sys.argv[1])
file = PendingFile(path)
file.write(b"unfinished")
with draft_folder(path) as folder:
    (folder / "part").write_text("unfinished")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "a.json"
    path.parent.mkdir()
    return path


def drafts(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir() if one != path)


def test_existing_files_are_replaced_only_with_overwrite(result: Path) -> None:
    check_outputs([result], overwrite=False)
    result.write_text("precious")
    with pytest.raises(OutputError, match=r"a\.json exists already: give --overwrite"):
        check_outputs([result], overwrite=False)
    check_outputs([result], overwrite=True)
    assert result.read_text() == "precious"


def test_a_dangling_link_counts_as_an_existing_file(result: Path) -> None:
    result.symlink_to("nowhere")
    with pytest.raises(OutputError, match="exists already"):
        check_outputs([result], overwrite=False)


@pytest.mark.parametrize("link", ["source", "output", "folder", "hard", "same"])
def test_an_input_is_never_replaced(result: Path, tmp_path: Path, link: str) -> None:
    source = result if link == "same" else tmp_path / "source.json"
    if link == "source":
        result.write_text("precious")
        source.symlink_to(result)
    elif link == "folder":
        result.write_text("precious")
        (tmp_path / "linked").symlink_to("out")
        source = tmp_path / "linked" / "a.json"
    else:
        source.write_text("precious")
        if link == "output":
            result.symlink_to(source)
        elif link == "hard":
            os.link(source, result)
    with pytest.raises(ConfigError, match="would replace .*, which is read"):
        check_outputs([result], overwrite=True, inputs=[tmp_path / "another", source])
    assert source.read_text() == "precious"


def test_two_outputs_of_one_name_are_refused(result: Path) -> None:
    (result.parent / "linked").symlink_to(".")
    with pytest.raises(ConfigError, match="would be one file"):
        check_outputs([result, result.parent / "linked" / "a.json"], overwrite=True)
    check_outputs([result, result.with_name("b.json")], overwrite=True)


def test_a_folder_in_the_way_is_reported_before_any_work(result: Path) -> None:
    result.mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_outputs([result], overwrite=True)


def test_drafts_of_killed_processes_are_cleared_and_those_of_living_ones_kept(result: Path) -> None:
    line = [sys.executable, "-c", HOLDING, str(result)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "ready\n"
        held = drafts(result)
        assert len(held) == 2
        check_outputs([result], overwrite=True)
        assert drafts(result) == held
        holding.send_signal(signal.SIGKILL)
    assert drafts(result) == held
    check_outputs([result.with_name("b.json")], overwrite=True)
    assert drafts(result) == held, "it is no output of this run"
    check_outputs([result], overwrite=True)
    assert drafts(result) == []


def test_only_drafts_are_cleared(result: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = [f".a.json.{ended.pid}.part", f".a.json.{ended.pid}.frames.part", ".a.json.7-0123abcd.part"]
    others = [
        "a.json.part", ".a.json.part", ".a.json.bak.part", ".b.json.7-0123abcd.part",
        ".a.json.7-0123abcd.part.txt", f".a.json.{os.getpid()}.part", "a.json.7-0123abcd.part",
    ]  # fmt: skip
    for name in left + others:
        (result.parent / name).touch()
    (result.parent / ".a.json.8-0123abcd.part").symlink_to("a.json.part")
    clear_drafts([result])
    assert drafts(result) == sorted([*others, ".a.json.8-0123abcd.part"])


def test_a_long_name_is_cleared_by_its_hash(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + ".json")
    with draft_folder(path) as folder:
        assert len(os.fsencode(folder.name)) <= 255
    folder.mkdir()  # as if it had been left there
    temporary_beside(path).touch()
    clear_drafts([path])
    assert [one.name for one in tmp_path.iterdir()] == [temporary_beside(path).name], "this process lives"


def test_a_complete_file_has_its_name_and_no_draft_is_left(result: Path) -> None:
    result.write_text("old")
    file = PendingFile(result)
    file.write(b"new")
    check_outputs([result], overwrite=True)
    assert result.read_text() == "old" and len(drafts(result)) == 1
    file.commit()
    assert result.read_text() == "new" and drafts(result) == []
    PendingFile(result).discard()
    assert result.read_text() == "new" and drafts(result) == []


def test_a_link_placed_in_the_way_is_not_followed(result: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    temporary_beside(result).symlink_to(victim)
    result.symlink_to(victim)
    write_file(result, b"new")
    assert victim.read_text() == "precious" and result.read_text() == "new"


def test_files_get_their_names_together_or_not_at_all(result: Path) -> None:
    second = result.with_name("b.json")
    second.write_text("precious")
    with draft_folder(result) as folder:
        files = {folder / "a": result, folder / "b": second}
        for draft in files:
            draft.write_text("new")
        assert not publish(files, replace=False)
        assert not result.exists() and second.read_text() == "precious"
        assert publish(files)
    assert (result.read_text(), second.read_text(), drafts(result)) == ("new", "new", ["b.json"])


def test_free_names_are_given_on_disks_without_hard_links(result: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with draft_folder(result) as folder:
        (folder / "a").write_text("new")
        assert publish({folder / "a": result}, replace=False)
        (folder / "a").write_text("newer")
        assert not publish({folder / "a": result}, replace=False)
    assert result.read_text() == "new"


def test_an_error_names_the_final_place(result: Path) -> None:
    with pytest.raises(OutputError) as told, draft_folder(result) as folder:
        PendingFile(folder / "nowhere" / "a.json")
    assert (
        str(told.value)
        == f"Cannot write {result.parent}/nowhere/a.json: the folder does not exist; create it first."
    )
    assert drafts(result) == []
