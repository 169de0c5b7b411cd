"""Tables of the evaluation: every number in its place, and what narrow terminals make of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

import posetrack
from posetrack.evaluation import JOINT_NAMES, EvaluationResult
from posetrack.evaluation.fitting_table import FittingTable
from posetrack.evaluation.report import group_table, joint_table, oks_table, percent, sequence_table, write_csv
from tests.evaluation_cases import random_sequence, write_case


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> EvaluationResult:
    case = {f"s{n}": random_sequence(seed, frames=8) for n, seed in enumerate((1, 3))}
    return posetrack.evaluate(*write_case(tmp_path_factory.mktemp("case"), case))


def printed(table: Table | FittingTable, width: int = 400) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=width).print(table)
    return output.getvalue().splitlines()


def words(table: Table | FittingTable) -> list[list[str]]:
    return [line.split() for line in printed(table) if line.strip()]


def test_the_table_of_sequences_has_each_figure_below_its_heading(result: EvaluationResult) -> None:
    assert sequence_table(result).total
    headings, _, *rows = words(sequence_table(result))
    assert headings == [
        "Sequence", "Frames", "mAP", "MOTA", "MOTP", "Prec.", "Rec.", "IDF1", "HOTA", "Missed", "False",
        "Switches",
    ]  # fmt: skip
    rows = [row for row in rows if len(row) > 1]  # without the line above the total
    for row, scores in zip(rows, [*result.sequences.values(), result.total], strict=True):
        figures = (
            scores.ap, scores.mota, scores.motp, scores.mot_precision, scores.mot_recall, scores.idf1,
            scores.hota["HOTA"],
        )  # fmt: skip
        counts = scores.mot.misses, scores.mot.false_positives, scores.mot.switches
        assert row == [
            scores.name, str(scores.frames), *(percent(figure.total) for figure in figures),
            *(f"{count.sum():,}" for count in counts),
        ]  # fmt: skip


def test_the_table_of_joints_goes_from_head_to_foot(result: EvaluationResult) -> None:
    total = result.total
    assert joint_table(total).total
    title, headings, _, *rows = words(joint_table(total))
    assert title == ["total:", "by", "joint"]
    assert headings == [
        "Joint", "AP", "MOTA", "MOTP", "MOTP*", "Prec.", "Rec.", "IDF1", "HOTA", "DetA", "AssA", "LocA",
        "Joints", "Matches", "Missed", "False", "Switches",
    ]  # fmt: skip
    rows = [row for row in rows if len(row) > 1]
    assert [row[0] for row in rows[:3]] == ["head_top", "neck", "nose"]
    assert [row[0] for row in rows[-3:]] == ["right_ankle", "left_ankle", "total"]
    assert sorted(row[0] for row in rows[:-1]) == sorted(JOINT_NAMES)
    figures = [
        total.ap, total.mota, total.motp, total.motp_clean, total.mot_precision, total.mot_recall, total.idf1,
        *(total.hota[name] for name in ("HOTA", "DetA", "AssA", "LocA")),
    ]  # fmt: skip
    mot = total.mot
    counts = mot.objects, mot.detections, mot.misses, mot.false_positives, mot.switches
    for row in rows[:-1]:
        number = JOINT_NAMES.index(row[0])
        assert row[1:] == [*(percent(f.joints[number]) for f in figures), *(f"{c[number]:,}" for c in counts)]
    assert rows[-1][1:] == [*(percent(figure.total) for figure in figures), *(f"{c.sum():,}" for c in counts)]


def test_body_parts_are_means_of_their_joints(result: EvaluationResult) -> None:
    parts = {
        "Head": ("head_top", "neck", "nose"), "Shoulders": ("shoulder",), "Elbows": ("elbow",),
        "Wrists": ("wrist",), "Hips": ("hip",), "Knees": ("knee",), "Ankles": ("ankle",),
    }  # fmt: skip
    title, headings, _, *rows = words(group_table(result.total))
    assert title == ["total:", "by", "body", "part"]
    assert len({len(line.rstrip()) for line in printed(group_table(result.total))[2:] if line.strip()}) == 1
    assert headings == [*parts, "Total"]
    for row, (name, figures) in zip(rows, (("AP", result.total.ap), ("MOTA", result.total.mota)), strict=True):
        means = []
        for joints in parts.values():
            own = [figures[joint] for joint in JOINT_NAMES if joint in joints or joint.endswith(joints)]
            means.append(percent(sum(own) / len(own)))
        assert row == [name, *means, percent(figures.total)]


def test_figures_of_coco_are_listed_and_undefined_ones_are_dashes() -> None:
    lines = words(oks_table({"AP": 12.345, "AP_medium": float("nan")}))
    assert " ".join(lines[0] + lines[1]) == "OKS, by pycocotools"
    assert lines[2] == ["Figure", "%"]
    assert lines[4:] == [["AP", "12.3"], ["AP_medium", "-"]]


def test_csv_has_every_joint_and_the_total_of_every_sequence(result: EvaluationResult, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", result)
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    expected = [(name, joint) for name in ("s0", "s1", "total") for joint in (*JOINT_NAMES, "total")]
    assert [(row["sequence"], row["joint"]) for row in rows] == expected
    everything = {**result.sequences, "total": result.total}
    for row in rows:
        scores = everything[row["sequence"]]
        assert row["frames"] == str(scores.frames)
        for name, figures in (("AP", scores.ap), ("IDF1", scores.idf1), ("LocA", scores.hota["LocA"])):
            value = figures.total if row["joint"] == "total" else figures[row["joint"]]
            assert (row[name] == "") if value != value else float(row[name]) == round(value, 6)
        for name, counts in (("objects", scores.mot.objects), ("switches", scores.mot.switches)):
            mine = counts.sum() if row["joint"] == "total" else counts[JOINT_NAMES.index(row["joint"])]
            assert int(row[name]) == mine


def table(total: bool = False, rows: Sequence[Sequence[str]] = (("a", "1", "22", "333"),)) -> FittingTable:
    return FittingTable(labels=["Name"], headings=["One", "Two", "Three"], rows=rows, total=total, title="T")


def test_a_table_that_just_fits_stays_whole_and_is_split_one_column_narrower() -> None:
    whole = printed(table())
    width = max(map(len, whole))
    assert [line.split() for line in printed(table(), width) if line.strip()] == words(table())
    split = [line.split() for line in printed(table(), width - 1) if line.strip()]
    headings = [line for line in split if line[0] == "Name"]
    assert headings == [["Name", "One", "Two"], ["Name", "Three"]]
    assert [line for line in split if line[0] == "a"] == [["a", "1", "22"], ["a", "333"]]
    assert split.count(["T"]) == 1
    assert split[0] == ["T"]


def test_each_part_of_a_split_table_has_the_cells_of_its_headings() -> None:
    names = ["Alpha", "Beta", "Gamma", "Delta", "Eta"]
    wide = FittingTable(labels=["Who", "Where"], headings=names, rows=[("a", "b", *map(str, range(5)))])
    seen: list[tuple[str, str]] = []
    for width in (22, 28, 36):
        lines = [line.split() for line in printed(wide, width)]
        places = [number for number, line in enumerate(lines) if line[:1] == ["Who"]]
        assert len(places) > 1
        for place in places:
            assert lines[place + 2][:2] == ["a", "b"]
            seen += zip(lines[place][2:], lines[place + 2][2:], strict=True)
    assert seen == 3 * [(name, str(number)) for number, name in enumerate(names)]


def test_a_terminal_too_narrow_for_two_columns_gets_one_at_a_time() -> None:
    for width in (3, 10):
        lines = [line for line in printed(table(), width) if "─" in line]
        assert len(lines) == 3
        assert max(map(len, lines)) <= width
    assert len(printed(table(), 10)) == 16  # cells are cut off, not wrapped


def test_figures_are_aligned_to_the_right_and_labels_to_the_left() -> None:
    lines = printed(table(rows=[("a", "1", "2", "3"), ("long name", "1,000", "2", "3")]))
    assert [line for line in lines if line.strip()][1:] == [
        " Name         One  Two  Three ",
        " ──────────────────────────── ",
        " a              1    2      3 ",
        " long name  1,000    2      3 ",
    ]


def test_a_table_has_no_total_and_no_title_unless_asked() -> None:
    plain = FittingTable(labels=["Name"], headings=["One"], rows=[("a", "1"), ("b", "2")])
    assert words(plain) == [["Name", "One"], ["─" * 9], ["a", "1"], ["b", "2"]]
    assert len(printed(plain)) == 6


def test_only_a_total_is_set_off_and_bold() -> None:
    rows = [("a", "1", "2", "3"), ("b", "4", "5", "6")]
    for total in (True, False):
        output = io.StringIO()
        Console(width=80, force_terminal=True, color_system="standard", file=output).print(table(total, rows))
        lines = output.getvalue().splitlines()
        assert [line.startswith(" \x1b[1m") for line in lines if "4" in line] == [total]
        assert [line.startswith(" \x1b[1m") for line in lines if "22" in line or " 1 " in line] == [False]
        assert len(lines) == 7 + total
