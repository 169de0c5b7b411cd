"""``posetrack eval``: table, JSON, CSV, list of errors, plots."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import posetrack
from posetrack.cli.main import app
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


def test_an_unwritable_csv_is_one_sentence(case: tuple[str, str], tmp_path: Path) -> None:
    output = RUNNER.invoke(app, ["eval", *case, "--csv", str(tmp_path / "nowhere" / "x.csv")])
    assert "create it first" in str(output.exception)
