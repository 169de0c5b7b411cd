"""Parts of the evaluation against hand-worked numbers: HOTA, assignment, runs of frames, processes."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import posetrack
from posetrack.errors import DataFormatError
from posetrack.evaluation import JOINT_NAMES, ErrorRun, EvaluationResult, assignment, evaluate, sequences
from posetrack.evaluation.error_runs import by_cost
from posetrack.evaluation.ignore_regions import remove_ignored
from posetrack.evaluation.pairing import read_pair
from tests.evaluation_cases import Frame, write_case
from tests.test_evaluation_rules import frame, person

HOTA = ("HOTA", "DetA", "DetRe", "DetPr", "AssA", "AssRe", "AssPr", "LocA")


def hota_of(folder: Path, cases: dict[str, list[Frame]]) -> EvaluationResult:
    return posetrack.evaluate(*write_case(folder, cases))


def test_hand_worked_hota(tmp_path: Path) -> None:
    # of 4 truths 3 are found, 2 by track 5 and 1 by track 6, which is elsewhere in frame 3
    here = [person(0, 100)]
    found = [frame(here, [person(track, 100)]) for track in (5, 5, 6)]
    part = [*found, frame(here, [person(6, 400)])]
    lost = [frame(here, [person(7, 400)])]
    result = hota_of(tmp_path, {"a": part, "b": lost})
    association = (2 * 2 / (4 + 2 - 2) + 1 / (4 + 2 - 1)) / 3
    recall, precision = (2 * 2 / 4 + 1 / 4) / 3, (2 * 2 / 2 + 1 / 2) / 3
    expected = {
        "a": (math.sqrt(3 / 5 * association), 3 / 5, 3 / 4, 3 / 4, association, recall, precision, 1),
        "b": (0, 0, 0, 0, 0, 0, 0, 1),
    }
    for name, values in expected.items():
        for figure, value in zip(HOTA, values, strict=True):
            figures = result.sequences[name].hota[figure]
            assert (figures["nose"], figures.total) == pytest.approx((100 * value, 100 * value)), (name, figure)
    pooled = (math.sqrt(3 / 7 * association), 3 / 7, 3 / 5, 3 / 5, association, recall, precision, 1)
    for figure, value in zip(HOTA, pooled, strict=True):
        assert result.total.hota[figure].total == pytest.approx(100 * value), figure


def test_hota_of_a_joint_a_quarter_of_a_head_off_passes_half_of_the_thresholds(tmp_path: Path) -> None:
    here, similarity = [person(0, 100)], 1 - 0.25 / 0.5001
    total = hota_of(tmp_path, {"a": [frame(here, [person(5, 103)])]}).total
    for figure in ("HOTA", "DetA", "DetRe", "DetPr", "AssA", "AssRe", "AssPr"):
        assert total.hota[figure].total == pytest.approx(100 * 10 / 19), figure
        assert total.hota[figure]["nose"] == pytest.approx(100 * 10 / 19), figure
    assert total.hota["LocA"].total == pytest.approx(100 * (10 * similarity + 9) / 19)
    assert total.hota["LocA"]["nose"] == pytest.approx(100 * (10 * similarity + 9) / 19)


def test_hota_leaves_out_joints_at_0_and_left_of_it(tmp_path: Path) -> None:
    for x, y, counts in ((0.5, 0.5, True), (0, 50, False), (50, 0, False), (-1, 50, False)):
        here = [person(0, x, y)]
        total = hota_of(tmp_path / f"{x} {y}", {"a": [frame(here, here)]}).total
        for figure in HOTA[:-1]:
            assert total.hota[figure]["nose"] == total.hota[figure].total == pytest.approx(100 * counts), figure
        assert total.hota["LocA"]["nose"] == pytest.approx(100)
        assert total.mota.total == pytest.approx(100)


def test_hota_of_a_sequence_is_the_mean_of_its_joints_and_of_all_from_pooled_counts(tmp_path: Path) -> None:
    nose = {"id": 0, "head": 20, "points": {13: (100.0, 50.0, 0.9)}}
    case = [frame([person(0, 100)], [person(5, 100)]), frame([nose], [person(6, 400)])]
    result = hota_of(tmp_path, {"a": case})
    assert result.sequences["a"].hota["DetRe"].total == pytest.approx(100 * (14 + 1 / 2) / 15)
    assert result.total.hota["DetRe"].total == pytest.approx(100 * 15 / 16)


def test_hota_matches_for_the_largest_total_similarity(tmp_path: Path) -> None:
    # 0.9 + 0 is less than 0.59 + 0.43, though the first pair is the nearest
    truth, step = [person(0, 100), person(1, 104)], 0.5001 * 12
    predictions = [person(5, 100 + 0.1 * step), person(6, 100 - 0.41 * step)]
    total = hota_of(tmp_path, {"a": [frame(truth, predictions)]}).total
    assert total.hota["DetRe"]["nose"] == pytest.approx(100 * (11 + 8) / 2 / 19)


def test_hand_worked_motp_counts_the_distance_of_bookkeeping_events_again(tmp_path: Path) -> None:
    # distances in head sizes: 12 pixels are one
    def step(*pairs: tuple[int, int, float]) -> Frame:
        truth = [person(who, 100 + 200 * who) for who, _, _ in pairs]
        return frame(truth, [person(track, 100 + 200 * who + 12 * off) for who, track, off in pairs])

    frames = [
        step((0, 5, 0.1), (1, 6, 0.2)),  # each distance counts twice: as a match and as a raw pair
        step((0, 6, 0.3), (1, 5, 0.4)),  # two switches, each with a transfer
        step((0, 7, 0.05)),  # a switch to a new track: it ascends
        step((2, 5, 0.15)),  # a new person takes a known track: a transfer, and it migrates
        step((0, 5, 0.0)),  # dropped
    ]
    mot = hota_of(tmp_path, {"a": frames}).total.mot
    assert mot.switches.tolist() == [3] * 15
    assert mot.distance_of_matches[0] == pytest.approx(0.1 + 0.2 + 0.3 + 0.4 + 0.05 + 0.15)
    assert mot.distance_of_events[0] == pytest.approx(2 * 0.3 + 3 * 0.7 + 3 * 0.05 + 4 * 0.15)


@pytest.mark.filterwarnings("error")
def test_motp_of_one_match_and_of_none(tmp_path: Path) -> None:
    here = [person(0, 100)]
    for off, clean, official in ((3, 75, 50), (7, 0, 0)):
        total = hota_of(tmp_path / str(off), {"a": [frame(here, [person(5, 100 + off)]), frame(here, here)]}).total
        assert total.motp_clean["nose"] == total.motp_clean.total == pytest.approx(clean)
        assert total.motp["nose"] == total.motp.total == pytest.approx(official)


def test_hand_worked_identities(tmp_path: Path) -> None:
    # 0 is found 4 times by 5 and once by 6, 1 twice by 5; the best is 0 = 5, though nothing is left for 1
    both = [person(0, 100), person(1, 300)]
    found = [person(5, 100)], [person(6, 100)], [person(5, 300)]
    case = [*[frame(both, found[0])] * 4, frame(both, found[1]), *[frame(both, found[2])] * 2, frame(both, both)]
    result = hota_of(tmp_path, {"a": case})
    assert result.total.identity_true_positives.tolist() == [4] * 15
    assert result.total.idf1.total == pytest.approx(100 * 2 * 4 / (14 + 7))
    assert result.errors == ()  # they are listed on request


def test_impossible_pairs_cost_what_they_do_in_motmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ``add_expensive_edges``, 1.4: twice the shorter side times (the largest cost + 1), and 1."""
    seen: list[Any] = []

    def solve(costs: Any) -> Any:
        seen.append(costs)
        return np.arange(2), np.arange(2)

    monkeypatch.setattr(assignment, "linear_sum_assignment", solve)
    costs = np.array([[0.1, 0.2, 0.3], [0.4, np.inf, 0.2]])
    chosen = assignment.most_pairs_least_cost(np.isfinite(costs), costs)
    assert chosen.tolist() == [[True, False, False], [False, False, False]]
    assert seen[0].tolist() == [[0.1, 0.2, 0.3], [0.4, pytest.approx(2 * 2 * 1.4 + 1), 0.2]]
    assignment.most_pairs_least_cost(np.zeros((3, 2), bool), costs.T)
    assert (seen[1] == 5).all()


def test_runs_of_frames_are_as_long_as_memory_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = [(1, 1), (1, 2), (3, 1), (2, 2), (1, 1), (4, 4), (1, 1), (1, 3), (9, 1)]
    case = [frame([person(n, 9) for n in range(t)], [person(n, 9) for n in range(p)]) for t, p in sides]
    [(name, truth, prediction)] = read_pair(*(folder / "a.json" for folder in write_case(tmp_path, {"a": case})))
    sequence = sequences.prepare(name, truth, prediction)
    assert sequence is not None
    for people, lengths in ((1, [1] * 9), (4, [2, 1, 1, 1, 1, 1, 1, 1]), (18, [3, 2, 1, 2, 1]), (324, [9])):
        monkeypatch.setattr(sequences, "_CHUNK_ELEMENTS", 15 * people)
        runs = list(sequences.distances(sequence))
        assert [len(run.frames) for run in runs] == lengths
        assert np.concatenate([run.frames for run in runs]).tolist() == list(range(9))
        assert all(run.values.size <= 15 * people for run in runs if len(run.frames) > 1)


def test_track_ids_reach_up_to_the_official_evaluators_limit(tmp_path: Path) -> None:
    here = [person(9_999, 100)]
    assert hota_of(tmp_path, {"a": [frame(here, here)] * 2}).mota == pytest.approx(100)
    with pytest.raises(DataFormatError, match="track id 10000 is not below 10000"):
        hota_of(tmp_path, {"a": [frame(here, [person(10_000, 100)])]})


AROUND_100 = [(90.0, 40.0), (110.0, 40.0), (110.0, 60.0), (90.0, 60.0)]


def test_a_region_hides_the_only_person_of_its_frame_and_nobody_elsewhere(tmp_path: Path) -> None:
    here, found = [person(0, 100)], [person(5, 100)]
    case = [frame(here, found, [AROUND_100]), frame(here, found), frame(here, found)]
    total = hota_of(tmp_path, {"a": case}).total
    assert total.precision.truth_count.tolist() == total.precision.predicted_count.tolist() == [2] * 15


def test_regions_leave_the_files_content_as_it_is(tmp_path: Path) -> None:
    case = [frame([person(0, 100)], [person(5, 100)], [AROUND_100])]
    [(_, truth, _)] = read_pair(*(folder / "a.json" for folder in write_case(tmp_path, {"a": case})))
    before = truth.present.copy()
    present, kept = remove_ignored(truth, truth)
    assert not present.any()
    assert not kept.any()
    assert (truth.present == before).all()


@pytest.mark.parametrize(
    ("region", "corners"),
    [
        ([], 0),
        ([(0, 0)], 1),
        ([(0, 0), (0, 0)], 1),
        ([(0, 0), (9, 9)], 2),
        ([(0, 0), (9, 9), (0, 0)], 2),
        ([(0, 0), (9, 0), (9, 9)], 3),
        ([(0, 0), (9, 0), (9, 9), (0, 0)], 3),
        ([(0, 0), (0, 0), (9, 9)], 3),
    ],
)
def test_regions_of_one_or_two_corners_are_refused_where_people_are_labelled(
    tmp_path: Path, region: list[tuple[float, float]], corners: int
) -> None:
    here = [person(0, 100)]
    hota_of(tmp_path / "a", {"a": [frame(here, here), frame([], here, [region])]})
    case = {"a": [frame(here, here), frame(here, here, [region])]}
    if corners in (1, 2):
        with pytest.raises(DataFormatError, match=rf"000001\.jpg.*region has {corners} point"):
            hota_of(tmp_path / "b", case)
    else:
        hota_of(tmp_path / "b", case)


def test_errors_cost_their_share_of_the_mean_over_annotated_joints() -> None:
    def run(joint: str, errors: int) -> ErrorRun:
        return ErrorRun(
            mota_points=0, sequence="a", kind="miss", joint=joint, first_frame=0, last_frame=0, image="", x=0, y=0,
            truth_id=None, predicted_id=None, previous_id=None, errors=errors,
        )  # fmt: skip

    objects = np.array([0, 1, 2, *[5] * 12])
    never, once, twice, other = JOINT_NAMES[:4]
    runs = [run(never, 9), run(once, 1), run(twice, 3), run(other, 2), run("all", 30)]
    costs = {priced.joint: priced.mota_points for priced in by_cost(runs, objects)}
    assert list(costs) == ["all", twice, once, other, never]
    each = 100 / 14
    assert costs[never] == 0
    assert [costs[once], costs[twice], costs[other]] == pytest.approx([each, 3 * each / 2, 2 * each / 5])
    assert costs["all"] == pytest.approx(2 * each * (1 + 1 / 2 + 12 / 5))
    assert [priced.mota_points for priced in by_cost(runs, np.zeros(15, int))] == [0] * 5


def test_runs_of_errors_join_neither_joints_nor_people(tmp_path: Path) -> None:
    def found(number: int, *missed: int) -> dict[str, Any]:
        someone = person(5 + number, 100 + 200 * number)
        return {**someone, "points": {j: point for j, point in someone["points"].items() if j not in missed}}

    both = [person(0, 100), person(1, 300)]
    missed = [((0,), ()), ((0,), ()), ((1,), ()), ((), (1,)), ((), (1,)), ((), ())]
    case = [frame(both, [found(n, *joints) for n, joints in enumerate(people)]) for people in missed]
    result = posetrack.evaluate(*write_case(tmp_path, {"a": case}), errors=True)
    runs = {(e.kind, e.joint, e.truth_id, e.first_frame, e.last_frame, e.errors) for e in result.errors}
    first, second = JOINT_NAMES[:2]
    assert runs == {
        ("miss", first, 0, 0, 1, 2), ("miss", second, 0, 2, 2, 1), ("miss", second, 1, 3, 4, 2),
    }  # fmt: skip
    perfect = posetrack.evaluate(*write_case(tmp_path, {"a": [frame(both, both)] * 3}), errors=True)
    assert perfect.errors == ()


def test_files_are_paired_by_name_unless_there_is_one_of_each(tmp_path: Path) -> None:
    good, bad = [[frame([person(0, 100)], [person(5, x)])] * 2 for x in (100, 400)]
    truth, predictions = write_case(tmp_path, {"a": bad, "b": good})
    assert list(evaluate(truth, predictions, sequences=["b"]).sequences) == ["b"]
    assert evaluate(truth, predictions / "b.json").mota == pytest.approx(100)
    other = (predictions / "b.json").rename(predictions / "c.json")
    with pytest.raises(DataFormatError, match=r"c\.json.*several ground truths"):
        evaluate(truth, other)
    with pytest.raises(DataFormatError, match=r"b\.json.*no predictions"):
        evaluate(truth, predictions)
    (truth / "a.json").unlink()
    assert evaluate(truth, other).mota == pytest.approx(100)


def test_processes_are_started_only_where_several_pairs_share_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pools: list[int] = []

    class Pool:
        def __init__(self, processes: int) -> None:
            pools.append(processes)

        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *_: object) -> None: ...

        def map(self, work: Callable[[Any], Any], pairs: Iterable[Any]) -> Iterator[Any]:
            return map(work, pairs)

    monkeypatch.setattr(sys.modules[evaluate.__module__], "ProcessPoolExecutor", Pool)
    truth, predictions = write_case(tmp_path, {f"s{n}": [frame([person(0, n)], [])] for n in range(3)})
    evaluate(truth, predictions)
    evaluate(truth / "s1.json", predictions / "s1.json", workers=4)
    assert pools == []
    evaluate(truth, predictions, workers=2)
    evaluate(truth, predictions, workers=9)
    assert pools == [2, 3]
