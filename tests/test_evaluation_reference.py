"""Every figure of the official evaluator and of the PoseTrack21 kit on eight reference sequences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import posetrack

TOLERANCE = 1e-6
OUR_NAMES = {"head_bottom": "neck", "average": "total"}
"""The kit calls these otherwise than the official evaluator, whose names are ours."""

HOTA_FIELDS = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")


@pytest.fixture(scope="module")
def reference(shared: Path) -> Path:
    return shared / "eval_reference"


@pytest.fixture(scope="module")
def ours(reference: Path) -> Any:
    return json.loads(posetrack.evaluate(reference / "gt", reference / "pred").to_json())


def differences(theirs: Any, ours: Any, path: str) -> list[str]:
    """Where two trees of numbers disagree; the second may hold more."""
    if isinstance(theirs, dict):
        return [d for key in theirs for d in differences(theirs[key], ours[key], f"{path}.{key}")]
    if isinstance(theirs, list):
        assert len(theirs) == len(ours), path
        return [
            d for n, pair in enumerate(zip(theirs, ours, strict=True)) for d in differences(*pair, f"{path}[{n}]")
        ]
    if theirs is None or ours is None:
        return [] if theirs is ours else [f"{path}: {theirs} is not {ours}"]
    return [] if abs(theirs - ours) <= TOLERANCE else [f"{path}: {theirs} is not {ours}"]


def test_every_figure_is_the_official_evaluators(reference: Path, ours: Any) -> None:
    expected = json.loads((reference / "expected.json").read_text())
    theirs = {"total": expected["total"], "sequences": expected["sequences"]}
    for scores in (theirs["total"], *theirs["sequences"].values()):
        # the official order of equal scores depends on the processor: the stable one is given beside it
        stable = scores["AP_counts"]["ap_stable"]
        scores["AP"] = dict(zip(expected["meta"]["joint_order"][:15], stable, strict=True))
    assert differences(theirs, ours, "") == []


def test_map_lies_where_the_official_order_of_equal_scores_may_put_it(reference: Path, ours: Any) -> None:
    expected = json.loads((reference / "expected.json").read_text())
    counts = ours["total"]["AP_counts"]
    official = list(expected["total"]["AP"].values())[:15]
    for worst, ap, best in zip(counts["ap_worst"], official, counts["ap_best"], strict=True):
        assert worst - TOLERANCE <= ap <= best + TOLERANCE


def test_every_figure_of_hota_is_the_kits(reference: Path, ours: Any) -> None:
    expected = json.loads((reference / "expected_hota.json").read_text())["empty_frame_bug_fixed"]
    for name, figures in expected.items():
        mine = ours["total"] if name == "COMBINED" else ours["sequences"][name]
        theirs = {
            field: {OUR_NAMES.get(joint, joint): value for joint, value in figures[field].items()}
            for field in HOTA_FIELDS
        }
        assert differences(theirs, mine, name) == []


def test_one_file_is_evaluated_like_the_folder(reference: Path, ours: Any) -> None:
    name = "900008_mpii_test.json"
    for truth, prediction in (
        (reference / "gt" / name, reference / "pred" / name),
        (reference / "gt" / name, reference / "pred"),
        (reference / "gt", reference / "pred" / name),
    ):
        single = json.loads(posetrack.evaluate(truth, prediction).to_json())
        assert single["sequences"] == {"900008_mpii_test": ours["sequences"]["900008_mpii_test"]}
