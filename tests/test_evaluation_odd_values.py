"""Names and numbers at the edge: evaluated and converted without a traceback, a warning, or a wrong figure."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import posetrack
from posetrack.cli.main import app
from posetrack.errors import DataFormatError
from posetrack.evaluation import evaluate_oks
from posetrack.files.text import csv_table, printable
from posetrack.formats.conversion import SUFFIXES, ConversionConfig, convert_files
from posetrack.formats.reading import read_annotations
from posetrack.formats.whole_clips import CLIP_FORMATS
from posetrack.skeletons import COCO
from tests.evaluation_cases import WRITERS, random_sequence, write_case

RUNNER = CliRunner()
BINARY_FORMATS = ("c3d", "nwb", "sleap", "parquet", "wide-parquet")
pytestmark = pytest.mark.filterwarnings("error")

NAMES = {
    os.fsdecode(b"a\xff"): "a\\udcff",
    "=1+1": "=1+1",
    "-x": "-x",
    "[bold]x": "[bold]x",
    "$\\frac$": "$\\frac$",
    "\x1b[2Jtext": "\\x1b[2Jtext",
    "two\nlines": "two\\nlines",
    "\u65e5\u672c": "\u65e5\u672c",
}
"""Names of files, and what they are called where they are shown."""

SEEDS = (1, 4, 5, 6, 7, 8, 9, 10)  # of sequences with people


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Sequences of odd names, of which the last has images of odd names, and one without people."""
    folder = tmp_path_factory.mktemp("odd")
    sequences = {name: random_sequence(SEEDS[n], frames=4) for n, name in enumerate(NAMES)}
    unlabelled = [{**frame, "truth": []} for frame in random_sequence(5)]
    truth, predictions = write_case(folder, sequences | {"[bold]empty\udcfe": unlabelled})
    file = truth / f"{list(NAMES)[-1]}.json"
    data = json.loads(file.read_text())
    for image, name in zip(data["images"], ["=HYPERLINK(1)", "\ud800", "\uff0b1", "\t=1"], strict=True):
        image["file_name"] = f"{name}/{image['file_name']}"
    file.write_text(json.dumps(data))
    return str(truth), str(predictions)


def shown(text: str) -> str:
    """A cell as a spreadsheet shows it, less the apostrophe that makes it text."""
    return text.removeprefix("'")


def test_names_of_any_kind_are_shown_and_written(odd: tuple[str, str], tmp_path: Path) -> None:
    outputs = [f"--{kind}={tmp_path / kind}" for kind in ("csv", "errors", "plots")]
    output = RUNNER.invoke(app, ["eval", *odd, "--joints", *outputs])
    assert output.exit_code == 0, output.exception
    for name in NAMES.values():
        assert name in output.stdout
    assert "nobody is labelled: [bold]empty\\udcfe." in output.stdout
    assert "\x1b" not in output.stdout
    with (tmp_path / "csv").open(encoding="utf-8") as file:
        assert {shown(row["sequence"]) for row in csv.DictReader(file)} == {*NAMES.values(), "total"}
    with (tmp_path / "errors").open(encoding="utf-8") as file:
        images = {row["image"].split("/")[0] for row in csv.DictReader(file)}
    assert {"'=HYPERLINK(1)", "\\ud800", "'\uff0b1"} <= images


def test_names_of_any_kind_have_a_place_in_json(odd: tuple[str, str]) -> None:
    output = RUNNER.invoke(app, ["eval", *odd, "--json"])
    assert set(json.loads(output.stdout)["sequences"]) == set(NAMES.values())


def test_no_cell_of_the_tables_is_a_formula(odd: tuple[str, str], tmp_path: Path) -> None:
    RUNNER.invoke(app, ["eval", *odd, f"--csv={tmp_path / 'csv'}", f"--errors={tmp_path / 'errors'}"])
    for name in ("csv", "errors"):
        with (tmp_path / name).open(encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        for cell in (cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\uff0b"))):
            float(cell)  # a negative number is none


def test_tables_hold_text_as_text_and_numbers_as_numbers() -> None:
    row = ["=1", "+1", "-1", "@a", "a=1", -1.5, -2, None, "a\x07\r\n", "\uff1d1", ""]
    assert csv_table([row]).decode() == "'=1,'+1,'-1,'@a,a=1,-1.5,-2,,a\\x07\\r\\n,'\uff1d1,\n"
    assert csv_table([['a,"b"']]) == b'"a,""b"""\n'
    assert printable("Zo\u00eb \u2028\udcff\x9b") == "Zo\u00eb \\u2028\\udcff\\x9b"


def test_halves_of_surrogate_pairs_are_kept_in_json(tmp_path: Path) -> None:
    _, predictions = write_case(tmp_path, {"a": random_sequence(5)})
    data = json.loads((predictions / "a.json").read_text())
    data["images"][0]["file_name"] = "images/\ud800/000000.jpg"
    data["annotations"][0]["\udc00"] = 1
    (tmp_path / "a.json").write_text(json.dumps(data))
    for form in ("posetrack18", "posetrack17"):
        output = RUNNER.invoke(app, ["convert", str(tmp_path / "a.json"), str(tmp_path / form), "--to", form])
        assert output.exit_code == 0
        assert "Fields of people: \\udc00." in output.stdout
        assert read_annotations(tmp_path / form)[0].images[0]["file_name"] == "images/\ud800/000000.jpg"
    convert_files(tmp_path / "a.json", tmp_path / "a.txt", ConversionConfig(to="mot"))
    names = sorted(path.name for path in tmp_path.glob("a*.txt"))
    assert names == ["a.txt", "a_000001.txt"]


FAR = (1e308, -1e308)


def moved(value: float) -> Callable[[dict[str, Any], int], None]:
    """Puts a joint of some of the people far away."""

    def change(person: dict[str, Any], number: int) -> None:
        if person["points"] and number % 3 == 0:
            joint = min(person["points"])
            person["points"][joint] = (value, -value, person["points"][joint][2])

    return change


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("side", ["truth", "predictions"])
@pytest.mark.parametrize("far", FAR)
def test_a_joint_at_the_end_of_the_number_line_is_one_far_away(
    tmp_path: Path, form: str, side: str, far: float
) -> None:
    results = []
    for value in (far, 1e6 if far > 0 else -1e6):
        sequence = random_sequence(3)
        people = [person for frame in sequence for person in frame[side]]
        for number, person in enumerate(people):
            moved(value)(person, number)
        results.append(posetrack.evaluate(*write_case(tmp_path / str(value), {"a": sequence}, form)).to_json())
    assert results[0] == results[1]


def coco(folder: Path, joint: list[float], area: float | None = None) -> tuple[Path, Path]:
    """Five people in COCO's form, and results that find them but for one joint of two people."""
    keypoints = [[40 + 3 * n, 50 + 2 * n, 2] for n in range(17)]
    truth, results = [], []
    for number in range(5):
        here = [number if number == 1 and area else value for row in keypoints for value in row]
        person = {"id": number + 1, "image_id": number, "category_id": 1, "keypoints": here}
        truth.append(person | ({"area": area} if area and number == 2 else {"area": 900}))
        there = [*joint, 1, *here[3:]] if number < 2 else here
        results.append({"image_id": number, "category_id": 1, "keypoints": there, "score": 0.5 + number / 10})
    category = {"id": 1, "name": "person", "keypoints": list(COCO.joints)}
    files = {"images": [{"id": n} for n in range(5)], "annotations": truth, "categories": [category]}
    folder.mkdir()
    (folder / "truth.json").write_text(json.dumps(files))
    (folder / "results.json").write_text(json.dumps(results))
    return folder / "truth.json", folder / "results.json"


@pytest.mark.parametrize("joint", [[1e308, 50], [-1e308, 1e308], [1e200, -1e200]])
def test_oks_of_results_far_away_prints_nothing_and_is_that_of_any_far_place(
    tmp_path: Path, joint: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    far = evaluate_oks(*coco(tmp_path / "far", joint))
    assert capfd.readouterr() == ("", "")
    assert far == pytest.approx(evaluate_oks(*coco(tmp_path / "near", [1e7, 1e7])), nan_ok=True)
    assert far["AP"] < 100


def test_a_truth_without_bounds_is_not_everybody(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    truth, results = coco(tmp_path / "case", [40, 50])
    data = json.loads(truth.read_text())
    for person in data["annotations"]:
        del person["area"]
        person["keypoints"] = [1e308, 1e308, 2, *person["keypoints"][3:-3], -1e308, -1e308, 2]
    truth.write_text(json.dumps(data))
    evaluate_oks(truth, results)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("to", SUFFIXES)
@pytest.mark.parametrize("form", [*WRITERS, "mot"])
def test_no_conversion_writes_infinity_or_nan(tmp_path: Path, form: str, to: str) -> None:
    sequence = random_sequence(5)
    for number, person in enumerate(person for frame in sequence for person in frame["predictions"]):
        moved(FAR[number % 2])(person, number)
    source, target = tmp_path / "a.json", tmp_path / "out"
    if form == "mot":
        source = tmp_path / "a.txt"
        source.write_text("1,1,1e308,5,-1e308,1e308,1\n1,2,1e200,1e200,1e200,1e200,1\n")
    else:
        WRITERS[form](source, sequence, "predictions")
    try:
        convert_files(source, target, ConversionConfig(to=to, fps=25.0 if to in CLIP_FORMATS else None))
    except DataFormatError as error:
        assert "a coordinate is too large to compute with" in str(error)
        assert not target.exists()
    else:
        files = [target, *target.rglob("*")] if target.is_dir() else [target]
        texts = [file.read_bytes().lower() for file in files if file.is_file() and to not in BINARY_FORMATS]
        if to == "trc":  # OpenSim needs something in the last cell of a line
            texts = [text.replace(b"\tnan\n", b"\n") for text in texts]
        assert not {b"null", b"inf", b"nan"} & set(b" ".join(texts).replace(b",", b" ").split())


@pytest.mark.parametrize("key", ["bbox", "bbox_head"])
def test_a_box_that_ends_beyond_all_numbers_is_one_sentence(tmp_path: Path, key: str) -> None:
    truth, predictions = write_case(tmp_path, {"a": random_sequence(5)})
    data = json.loads((truth / "a.json").read_text())
    data["annotations"][0][key] = [1.5e308, 1, 1.5e308, 1]
    (truth / "a.json").write_text(json.dumps(data))
    with pytest.raises(DataFormatError, match=f"frame.*'{key}' is too large"):
        posetrack.evaluate(truth, predictions)
    (tmp_path / "a.txt").write_text("1,1,1.5e308,5,1.5e308,7,1")
    with pytest.raises(DataFormatError, match=r"\.txt: a coordinate is too large"):
        convert_files(tmp_path / "a.txt", tmp_path / "b.json", ConversionConfig(to="posetrack18"))


def test_results_that_are_no_list_are_one_sentence(tmp_path: Path) -> None:
    truth, results = coco(tmp_path / "case", [40, 50])
    for content in ("{}", "3", '"x"'):
        results.write_text(content)
        with pytest.raises(DataFormatError, match="a list of people"):
            evaluate_oks(truth, results)
