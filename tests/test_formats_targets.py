"""`convert` and `eval` replace files only with --overwrite, and never their inputs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from posetrack.cli.main import app
from posetrack.errors import ConfigError, OutputError
from posetrack.files.targets import check_targets
from posetrack.formats.conversion import ConversionConfig, convert_files
from tests.evaluation_cases import random_sequence, write_case, write_posetrack17, write_posetrack18

KEPT = "somebody's work"


def contents(folder: Path) -> dict[str, bytes]:
    """Everything below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A folder of one file of poses."""
    folder = tmp_path / "in"
    folder.mkdir()
    write_posetrack18(folder / "a.json", random_sequence(5), "predictions")
    return folder


def convert(source: Path, target: Path, to: str, overwrite: bool = False) -> None:
    convert_files(source, target, ConversionConfig(to=to, overwrite=overwrite))


def test_convert_replaces_existing_files_only_with_overwrite(sources: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text(KEPT)
    with pytest.raises(OutputError, match="out.txt exists already: give --overwrite"):
        convert(sources / "a.json", target, "mot")
    assert target.read_text() == KEPT
    convert(sources / "a.json", target, "mot", overwrite=True)
    assert target.read_text().startswith("1,")


def test_one_existing_file_stops_a_whole_folder_before_anything_is_written(sources: Path, tmp_path: Path) -> None:
    write_posetrack18(sources / "b.json", random_sequence(5), "predictions")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b.txt").write_text(KEPT)
    with pytest.raises(OutputError, match="b.txt exists already"):
        convert(sources, tmp_path / "out", "mot")
    assert contents(tmp_path / "out") == {"b.txt": KEPT.encode()}


def test_two_sources_of_one_name_are_refused_before_anything_is_written(sources: Path, tmp_path: Path) -> None:
    (sources / "a.txt").write_text("1,1,2,3,4,5,1,-1,-1,-1")
    said = r"a\.json and .*a\.txt would become one file, .*out/a\.json; rename one"
    for overwrite in (False, True):
        with pytest.raises(ConfigError, match=said):
            convert(sources, tmp_path / "out", "posetrack17", overwrite)
    assert not (tmp_path / "out").exists()


def test_names_that_differ_in_case_alone_are_one_name(sources: Path, tmp_path: Path) -> None:
    write_posetrack18(sources / "A.json", random_sequence(5), "predictions")
    with pytest.raises(ConfigError, match="one file"):
        convert(sources, tmp_path / "out", "mot")
    assert not (tmp_path / "out").exists()


def test_names_of_further_videos_must_not_collide_with_another_files(sources: Path, tmp_path: Path) -> None:
    two_videos(sources / "a.json")
    write_posetrack18(sources / "a_000002.json", random_sequence(5), "predictions")
    with pytest.raises(ConfigError, match="a_000002.txt"):
        convert(sources, tmp_path / "out", "mot")
    assert not (tmp_path / "out").exists()
    (tmp_path / "a_000002.txt").write_text(KEPT)
    with pytest.raises(OutputError, match="a_000002.txt exists already"):
        convert(sources / "a.json", tmp_path / "a.txt", "mot")
    assert not (tmp_path / "a.txt").exists()


def two_videos(path: Path) -> None:
    frames = random_sequence(5)
    write_posetrack17(path, frames, "predictions")
    text = path.read_text().replace("000001_mpii_test/00000005", "000002_mpii_test/00000005")
    path.write_text(text)
    convert(path, path.with_suffix(".new"), "posetrack18")
    path.with_suffix(".new").replace(path)


def test_a_folder_converted_into_itself_keeps_every_source(sources: Path) -> None:
    (sources / "b.txt").write_text("1,1,2,3,4,5,1,-1,-1,-1")
    before = contents(sources)
    with pytest.raises(ConfigError, match="b.txt, which is read"):
        convert(sources, sources, "mot", overwrite=True)
    assert contents(sources) == before


def link_to_a_link(target: Path, source: Path) -> None:
    target.with_name("x").symlink_to(source)
    target.symlink_to("x")


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to, link_to_a_link])
def test_a_source_is_not_replaced_through_a_link(
    sources: Path, tmp_path: Path, link: Callable[[Path, Path], None]
) -> None:
    source, target = sources / "a.json", tmp_path / "out.json"
    link(target, source)
    before = source.read_bytes()
    with pytest.raises(ConfigError, match="which is read"):
        convert(source, target, "posetrack17", overwrite=True)
    assert source.read_bytes() == before


def test_a_source_is_not_replaced_through_a_linked_folder_or_another_case(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "same").symlink_to(sources)
    for target in (tmp_path / "same" / "a.json", sources / "A.JSON", sources / ".." / "in" / "a.json"):
        with pytest.raises(ConfigError, match="which is read"):
            convert(sources / "a.json", target, "posetrack17", overwrite=True)
    assert list(contents(sources)) == ["a.json"]


def test_the_file_that_names_the_images_is_not_replaced(sources: Path, tmp_path: Path) -> None:
    text = tmp_path / "b.txt"
    text.write_text("1,1,2,3,4,5,1,-1,-1,-1")
    before = contents(sources)
    config = ConversionConfig(to="posetrack18", like=sources / "a.json", overwrite=True)
    with pytest.raises(ConfigError, match="which is read"):
        convert_files(text, sources / "a.json", config)
    assert contents(sources) == before


def test_a_dangling_link_a_folder_and_a_device_are_in_the_way(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        convert(sources / "a.json", tmp_path / "dangling", "mot")
    with pytest.raises(OutputError, match="is a folder"):
        convert(sources / "a.json", sources, "mot", overwrite=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="not an ordinary file"):
        convert(sources / "a.json", tmp_path / "pipe", "mot", overwrite=True)
    assert not (tmp_path / "nowhere").exists()


def test_targets_that_are_equal_through_links_are_one_file(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").symlink_to(tmp_path / "here")
    with pytest.raises(ConfigError, match="one file"):
        check_targets([tmp_path / "here" / "x", tmp_path / "there" / "x"], [], overwrite=False)
    (tmp_path / "a").write_text(KEPT)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    with pytest.raises(ConfigError, match="one file"):
        check_targets([tmp_path / "a", tmp_path / "b"], [], overwrite=True)
    check_targets([tmp_path / "here" / "x", tmp_path / "x", tmp_path / "new" / "x"], [], overwrite=False)
    with pytest.raises(ConfigError, match="one file"):
        check_targets([tmp_path / "new" / "x", tmp_path / "NEW" / "X"], [], overwrite=False)


def test_two_unicode_spellings_of_a_letter_are_one_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one file"):
        check_targets([tmp_path / "Zo\u00eb", tmp_path / "zoe\u0308"], [], overwrite=False)


@pytest.fixture
def case(tmp_path: Path) -> tuple[Path, Path]:
    return write_case(tmp_path, {"a": random_sequence(1)})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--csv", "truth/a.json", "--overwrite"], "which is read"),
        (["--errors", "predictions/a.json", "--overwrite"], "which is read"),
        (["--csv", "truth/A.json"], "which is read"),
        (["--csv", "link", "--overwrite"], "which is read"),
        (["--csv", "x.csv", "--errors", "x.csv"], "one file"),
        (["--csv", "x.csv", "--errors", "X.CSV"], "one file"),
        (["--csv", "plots/joints.png", "--plots", "plots"], "one file"),
        (["--csv", "kept.csv"], "exists already: give --overwrite"),
        (["--errors", "kept.csv"], "exists already: give --overwrite"),
        (["--plots", "pictures"], "joints.png exists already: give --overwrite"),
    ],
)
def test_eval_refuses_outputs_that_would_destroy_something(
    case: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: str
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "truth" / "a.json")
    (tmp_path / "kept.csv").write_text(KEPT)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "joints.png").write_text(KEPT)
    before = contents(tmp_path)
    monkeypatch.chdir(tmp_path)
    output = CliRunner().invoke(app, ["eval", "truth", "predictions", *options])
    assert words in str(output.exception)
    assert output.stdout == ""
    assert contents(tmp_path) == before


def test_eval_replaces_files_with_overwrite(case: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "kept.csv"
    table.write_text(KEPT)
    output = CliRunner().invoke(app, ["eval", *map(str, case), "--csv", str(table), "--overwrite"])
    assert output.exit_code == 0
    assert table.read_text().startswith("sequence,joint,")


@pytest.mark.parametrize("name", ["x" * 300, "nowhere/x", "pipe/x"])
@pytest.mark.parametrize("command", [["eval", "NAME", "NAME"], ["convert", "NAME", "out.json", "--to", "mot"]])
def test_a_source_that_cannot_be_examined_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, command: list[str]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    output = CliRunner().invoke(app, [name if word == "NAME" else word for word in command])
    assert "check the path" in str(output.exception)
