"""What the plots of an evaluation show, read from the figures before they are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex

import posetrack
from posetrack.evaluation import EvaluationResult, plots
from posetrack.evaluation.plots import joints_figure, precision_recall_figure, switches_figure
from tests.evaluation_cases import JOINTS, write_case
from tests.test_evaluation_rules import frame, person

ORDER = [
    "head top", "nose", "neck", "left shoulder", "right shoulder", "left elbow", "right elbow", "left wrist",
    "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle",
]  # fmt: skip


def without(someone: dict[str, Any], joint: str) -> dict[str, Any]:
    points = {number: point for number, point in someone["points"].items() if JOINTS[number] != joint}
    return {**someone, "points": points}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    """Sequence ``still`` without switches, ``one`` with one in frame 2, ``two`` with two in frame 1."""
    here, both = [person(0, 100)], [person(0, 100), person(1, 300)]
    found, other = [person(5, 100, score=0.9)], [person(6, 100, score=0.9)]
    wrong = person(7, 600, score=0.8)
    cases = {
        "still": [frame(here, [*found, without(wrong, "nose")]), frame(here, found), frame(here, found)],
        "one": [frame(here, found), frame(here, found), frame(here, other), frame(here, other)],
        "two": [
            frame(both, [person(5, 100), person(6, 300)]), frame(both, [person(6, 100), person(5, 300)]),
            frame(both, both),
        ],
    }  # fmt: skip
    return posetrack.evaluate(*write_case(tmp_path_factory.mktemp("case"), cases), errors=True)


def test_each_joint_has_a_curve_of_precision_over_recall(result: EvaluationResult) -> None:
    [axes] = precision_recall_figure(result).axes
    lines = {str(line.get_label()): line for line in axes.lines}
    assert [label.rsplit("  ", 1)[0] for label in lines] == ORDER
    for label, line in lines.items():
        name, ap = label.rsplit("  ", 1)
        assert ap == f"{result.total.ap[name.replace(' ', '_')]:.1f}"
        assert line.get_linestyle() == ("--" if name.startswith("right") else "-")
        # 13 joints in the truth, all found; all but the nose have a wrong one of a lower score
        recall, precision = (np.asarray(values) for values in line.get_data())
        expected = 100 * np.arange(1, 14) / 13
        assert recall[:13] == pytest.approx(expected)
        assert len(recall) == len(precision) == (13 if name == "nose" else 14)
        assert precision[:11] == pytest.approx(100)
        assert precision[-1] == pytest.approx(100 * 13 / len(recall))
    colours = {name.rsplit("  ", 1)[0]: to_hex(line.get_color()) for name, line in lines.items()}
    assert colours["left knee"] == colours["right knee"] != colours["left hip"]
    assert len(set(colours.values())) == 9
    assert f"mAP {result.mean_ap:.1f}" in axes.get_title()
    assert axes.get_xlim() == (0, 100)
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] >= 100
    legend = axes.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 15


def test_each_joint_has_bars_of_ap_and_mota_side_by_side(result: EvaluationResult) -> None:
    [axes] = joints_figure(result).axes
    for bars, scores in zip(axes.containers, (result.total.ap, result.total.mota), strict=True):
        heights = [bar.get_height() for bar in bars]
        assert heights == pytest.approx([scores[name.replace(" ", "_")] for name in ORDER])
        assert f"total {scores.total:.1f}" in str(bars.get_label())
    left, right = ([bar.get_x() + bar.get_width() / 2 for bar in bars] for bars in axes.containers)
    assert all(
        number - 0.5 < a < number < b < number + 0.5 for number, (a, b) in enumerate(zip(left, right, strict=True))
    )
    assert all(b - a >= axes.containers[0][0].get_width() for a, b in zip(left, right, strict=True))
    assert [label.get_text() for label in axes.get_xticklabels()] == ORDER
    assert "AP and MOTA" in axes.get_title()
    assert axes.get_ylabel() == "%"
    legend = axes.get_legend()
    assert legend is not None
    assert len(legend.get_texts()) == 2
    totals = [line.get_ydata()[0] for line in axes.lines]
    assert totals == pytest.approx([result.total.ap.total, result.total.mota.total, 0])
    assert [text.get_text() for text in axes.texts] == [
        f"{scores[name.replace(' ', '_')]:.0f}"
        for scores in (result.total.ap, result.total.mota)
        for name in ORDER
    ]


def test_a_joint_without_figures_has_no_bar(tmp_path: Path) -> None:
    here = [without(person(0, 100), "nose")]
    result = posetrack.evaluate(*write_case(tmp_path, {"a": [frame(here, [person(5, 100)])] * 2}), errors=True)
    assert np.isnan(result.total.ap["nose"])
    [axes] = joints_figure(result).axes
    assert [bars[1].get_height() for bars in axes.containers] == [0, 0]


def dots(result: EvaluationResult) -> tuple[list[str], list[list[tuple[float, float, float]]]]:
    """The labels of the rows from the top, and of each row the dots: frame, row, size."""
    [axes] = switches_figure(result).axes
    rows = []
    for points in axes.collections:
        places, sizes = np.asarray(points.get_offsets()), np.asarray(points.get_sizes())
        rows.append([(float(x), float(y), float(s)) for (x, y), s in zip(places, sizes, strict=True)])
    low, high = axes.get_ylim()
    assert len(rows) - 1 < low < len(rows)
    assert -1 < high < 0
    assert axes.get_xlim()[0] == 0
    return [label.get_text() for label in axes.get_yticklabels()], rows


def test_switches_are_dots_in_a_row_per_sequence_that_grow_with_their_number(result: EvaluationResult) -> None:
    labels, rows = dots(result)
    assert labels == ["one  (15)", "still  (0)", "two  (30)"]
    [one], still, [two] = rows
    assert still == []
    assert (one[:2], two[:2]) == ((2, 0), (1, 2))
    assert two[2] > one[2] > 0


def test_of_many_sequences_those_with_most_switches_are_shown(
    result: EvaluationResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plots, "_MOST_SEQUENCES", 2)
    labels, rows = dots(result)
    assert labels == ["one  (15)", "two  (30)"]
    assert [row[0][1] for row in rows] == [0, 1]
    monkeypatch.setattr(plots, "_MOST_SEQUENCES", 1)
    assert dots(result)[0] == ["two  (30)"]


def test_forty_sequences_have_a_row_each_in_a_picture_that_grows_with_them(result: EvaluationResult) -> None:
    many = replace(result, sequences={f"s{n}": result.total for n in range(41)}, errors=())
    forty, three = switches_figure(many), switches_figure(result)
    assert len(forty.axes[0].get_yticklabels()) == 40
    assert forty.get_figheight() > three.get_figheight() + 37 * 0.2


def test_sequences_may_have_any_name(result: EvaluationResult, tmp_path: Path) -> None:
    odd = replace(result, sequences={"a $\\frac{$ 跑": result.total, "caf\udce9": result.total}, errors=())
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in plots.write_plots(tmp_path, odd))


def test_pictures_are_written_and_named(result: EvaluationResult, tmp_path: Path) -> None:
    written = plots.write_plots(tmp_path / "new", result)
    assert written == [tmp_path / "new" / name for name in ("precision_recall.png", "joints.png", "switches.png")]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written)
