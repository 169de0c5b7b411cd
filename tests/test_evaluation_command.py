"""``posetrack eval``: table, JSON, CSV, list of errors, plots."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import posetrack
from posetrack.cli.main import app
from posetrack.errors import ConfigError, DataFormatError, OutputError
from posetrack.evaluation import evaluate_oks
from posetrack.evaluation.report import joint_table, sequence_table
from posetrack.skeletons import COCO
from tests.evaluation_cases import random_sequence, write_case

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    truth, predictions = write_case(
        tmp_path_factory.mktemp("case"),
        {f"s{n}": random_sequence(seed, frames=8) for n, seed in enumerate((1, 3, 4))},
    )
    return str(truth), str(predictions)


def test_the_table_has_a_row_for_every_sequence_and_the_total_last(case: tuple[str, str]) -> None:
    output = RUNNER.invoke(app, ["eval", *case])
    assert output.exit_code == 0
    rows = [line.split() for line in output.stdout.splitlines() if line.strip()]
    assert [row[0] for row in rows if row[0] in ("s0", "s1", "s2", "total")] == ["s0", "s1", "s2", "total"]
    result = posetrack.evaluate(*case)
    total = rows[-1]
    assert total[2:4] == [f"{result.mean_ap:.1f}", f"{result.mota:.1f}"]


@pytest.mark.parametrize("width", [50, 80, 200])
def test_no_figure_is_cut_off_in_a_narrow_terminal(case: tuple[str, str], width: int) -> None:
    result = posetrack.evaluate(*case)
    output = io.StringIO()
    console = Console(file=output, width=width)
    console.print(sequence_table(result))
    console.print(joint_table(result.total))
    lines = output.getvalue().splitlines()
    assert "…" not in output.getvalue()
    assert max(map(len, lines)) <= width
    words = output.getvalue().split()
    for heading in ("mAP", "Switches", "LocA"):
        assert words.count(heading) >= 1
    assert f"{result.total.mot.false_positives.sum():,}" in words
    assert (words.count("Sequence") > 1) == (width < 100)


def test_joints_are_shown_on_request(case: tuple[str, str]) -> None:
    assert "left_ankle" not in RUNNER.invoke(app, ["eval", *case]).stdout
    assert "left_ankle" in RUNNER.invoke(app, ["eval", *case, "--joints"]).stdout


def test_json_is_the_result_and_nothing_else(case: tuple[str, str]) -> None:
    output = RUNNER.invoke(app, ["eval", *case, "--json", "--no-hota"])
    data = json.loads(output.stdout)
    assert data == json.loads(posetrack.evaluate(*case, hota=False).to_json())
    assert list(data) == ["total", "sequences"]
    assert set(data["sequences"]) == {"s0", "s1", "s2"}
    assert "HOTA" not in data["total"]
    assert list(data["total"]["MOTA"])[12:] == ["neck", "nose", "head_top", "total"]


def test_csv_holds_sequences_and_joints(case: tuple[str, str], tmp_path: Path) -> None:
    RUNNER.invoke(app, ["eval", *case, "--csv", str(tmp_path / "figures.csv")])
    rows = list(csv.DictReader((tmp_path / "figures.csv").open()))
    assert len(rows) == 4 * 16
    result = posetrack.evaluate(*case)
    assert float(rows[-1]["MOTA"]) == pytest.approx(result.mota, abs=1e-5)
    assert int(rows[-1]["switches"]) == result.total.mot.switches.sum()


def test_errors_are_listed_dearest_first(case: tuple[str, str], tmp_path: Path) -> None:
    RUNNER.invoke(app, ["eval", *case, "--errors", str(tmp_path / "errors.csv")])
    rows = list(csv.DictReader((tmp_path / "errors.csv").open()))
    points = [float(row["mota_points"]) for row in rows]
    assert points == sorted(points, reverse=True)
    assert sum(points) == pytest.approx(100 - posetrack.evaluate(*case).mota, abs=0.01)


def test_plots_are_pictures(case: tuple[str, str], tmp_path: Path) -> None:
    import cv2

    RUNNER.invoke(app, ["eval", *case, "--plots", str(tmp_path / "new" / "plots")])
    for name in ("precision_recall.png", "joints.png", "switches.png"):
        picture = cv2.imread(str(tmp_path / "new" / "plots" / name))
        assert min(picture.shape[:2]) > 200
        assert picture.std() > 5


@pytest.mark.parametrize(
    ("option", "path", "remedy"),
    [
        ("--csv", "nowhere/x.csv", "create it first"),
        ("--errors", "nowhere/x.csv", "create it first"),
        ("--csv", "file/x.csv", "choose another path"),
        ("--errors", "a" * 300, "choose a shorter path"),
        ("--plots", "file", "cannot be made"),
        ("--plots", "file/plots", "cannot be made"),
    ],
)
def test_outputs_that_cannot_be_written_are_refused_before_the_ground_truth_is_read(
    tmp_path: Path, option: str, path: str, remedy: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "truth.json").write_text("broken")
    (tmp_path / "predictions.json").write_text("broken")
    files = [str(tmp_path / name) for name in ("truth.json", "predictions.json")]
    output = RUNNER.invoke(app, ["eval", *files, option, str(tmp_path / path)])
    assert isinstance(output.exception, OutputError)
    assert remedy in str(output.exception)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "predictions.json", "truth.json"]


def test_a_failed_evaluation_leaves_neither_files_nor_the_folder_of_plots(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text("broken")
    (tmp_path / "predictions.json").write_text("broken")
    outputs = ["--csv", str(tmp_path / "a.csv"), "--plots", str(tmp_path / "new" / "plots")]
    files = [str(tmp_path / name) for name in ("truth.json", "predictions.json")]
    assert isinstance(RUNNER.invoke(app, ["eval", *files, *outputs]).exception, DataFormatError)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["predictions.json", "truth.json"]


@pytest.fixture
def coco(tmp_path: Path) -> tuple[Path, Path]:
    """Ten people in COCO's form, and results that find them exactly."""
    rng = np.random.default_rng(0)
    truth: list[dict[str, object]] = []
    results: list[dict[str, object]] = []
    for number in range(10):
        keypoints = np.concatenate([rng.uniform(0, 200, (17, 2)), np.full((17, 1), 2)], axis=1).ravel().tolist()
        truth.append({"id": number + 1, "image_id": number, "category_id": 1, "keypoints": keypoints})
        results.append({"image_id": number, "category_id": 1, "keypoints": keypoints, "score": 0.5})
    category = {"id": 1, "name": "person", "keypoints": list(COCO.joints)}
    images = [{"id": number} for number in range(10)]
    truth_file, results_file = tmp_path / "truth.json", tmp_path / "results.json"
    truth_file.write_text(json.dumps({"images": images, "annotations": truth, "categories": [category]}))
    results_file.write_text(json.dumps(results))
    return truth_file, results_file


def test_perfect_coco_results_have_an_oks_ap_of_100(coco: tuple[Path, Path]) -> None:
    output = RUNNER.invoke(app, ["eval", *map(str, coco), "--json"])
    assert json.loads(output.stdout)["total"]["AP"] == pytest.approx(100)
    assert "AP_large" in RUNNER.invoke(app, ["eval", *map(str, coco)]).stdout


def test_oks_ap_falls_with_the_share_of_people_found_and_with_distance(coco: tuple[Path, Path]) -> None:
    results = json.loads(coco[1].read_text())
    coco[1].write_text(json.dumps(results[:5]))
    assert evaluate_oks(*coco)["AR"] == pytest.approx(50)
    for person in results:
        person["keypoints"] = [value + 1000 for value in person["keypoints"]]
    coco[1].write_text(json.dumps(results))
    assert evaluate_oks(*coco)["AP"] == 0
    coco[1].write_text("[]")
    assert evaluate_oks(*coco)["AP"] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keypoints": [1, 2, 3]}, "51 numbers"),
        ({"score": None}, "score"),
        ({"image_id": 99}, "no image 99"),
        ({"image_id": [1]}, "no image"),
        ({"score": float("nan")}, "score"),
        ({"keypoints": [10**400] * 51}, "51 numbers"),
        ({"keypoints": None}, "keypoints"),
    ],
)
def test_broken_coco_results_are_one_sentence(
    coco: tuple[Path, Path], change: dict[str, object], words: str
) -> None:
    results = json.loads(coco[1].read_text())
    results[3].update(change)
    coco[1].write_text(json.dumps(results))
    with pytest.raises(DataFormatError, match=f"result 3.*{words}"):
        evaluate_oks(*coco)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["annotations"][3].update(bbox=[1, 2, 3]), "annotation 3.*bbox.*4 numbers"),
        (lambda d: d["annotations"][3].update(image_id={}), "annotation 3.*no image"),
        (lambda d: d["images"][2].update(id=[]), "image 2.*'id'"),
        (lambda d: d["categories"].__setitem__(0, 3), "17 joints"),
        (lambda d: d["categories"][0].update(keypoints=3), "17 joints"),
    ],
)
def test_broken_coco_truths_are_one_sentence(
    coco: tuple[Path, Path], change: Callable[[Any], Any], words: str
) -> None:
    data = json.loads(coco[0].read_text())
    change(data)
    coco[0].write_text(json.dumps(data))
    with pytest.raises(DataFormatError, match=words):
        evaluate_oks(*coco)


def test_the_first_person_counts_though_its_id_is_0(coco: tuple[Path, Path]) -> None:
    data = json.loads(coco[0].read_text())
    for number, person in enumerate(data["annotations"]):
        person["id"] = number
    coco[0].write_text(json.dumps(data))
    assert evaluate_oks(*coco)["AP"] == pytest.approx(100)


def test_joints_of_no_known_skeleton_have_no_oks(coco: tuple[Path, Path]) -> None:
    data = json.loads(coco[0].read_text())
    data["categories"][0]["keypoints"][0] = "snout"
    coco[0].write_text(json.dumps(data))
    with pytest.raises(DataFormatError, match="17 joints"):
        evaluate_oks(*coco)


def test_errors_and_plots_of_coco_results_are_refused(coco: tuple[Path, Path], tmp_path: Path) -> None:
    output = RUNNER.invoke(app, ["eval", *map(str, coco), "--plots", str(tmp_path)])
    assert isinstance(output.exception, ConfigError)
