"""The evaluation against a brute-force oracle; its invariants; where it deviates from the official one."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import posetrack
from posetrack.errors import ConfigError
from posetrack.evaluation import JOINT_NAMES, EvaluationResult, Scores
from posetrack.evaluation.assignment import contested, most_pairs_least_cost
from posetrack.evaluation.ignore_regions import inside
from posetrack.evaluation.track_pairs import TrackPairs
from tests import evaluation_oracle as oracle
from tests.evaluation_cases import Frame, random_sequence, write_case

SEEDS = st.integers(0, 10**9)
FORMS = st.sampled_from(["posetrack18", "posetrack17"])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Gives a fresh folder for every example of a property."""
    return lambda: tmp_path_factory.mktemp("case")


def close(ours: Any, theirs: Any) -> bool:
    return bool(np.allclose(ours, theirs, rtol=0, atol=1e-9, equal_nan=True))


def check_scores(scores: Scores, frames: list[Frame]) -> None:
    labels, counts = oracle.pose_labels(frames)
    figures = [oracle.average_precision(*pair) for pair in zip(labels, counts, strict=True)]
    precision = scores.precision
    assert precision.truth_count.tolist() == counts
    assert precision.predicted_count.tolist() == [len(of_joint) for of_joint in labels]
    assert precision.matched_count.tolist() == [sum(right for _, right in of_joint) for of_joint in labels]
    assert close(precision.ap, [figure[0] for figure in figures])
    assert close(precision.precision, [figure[1] for figure in figures])
    assert close(precision.recall, [figure[2] for figure in figures])

    mot = scores.mot
    for joint in range(15):
        truth = oracle.clear_mot(frames, joint)
        assert mot.objects[joint] == truth["objects"]
        assert mot.misses[joint] == truth["misses"]
        assert mot.false_positives[joint] == truth["false_positives"]
        assert mot.switches[joint] == truth["switches"]
        assert mot.detections[joint] == truth["detections"]
        assert math.isclose(mot.distance_of_matches[joint], truth["distance"], abs_tol=1e-9)
        assert math.isclose(mot.distance_of_events[joint], truth["events"], abs_tol=1e-9)
        assert scores.identity_true_positives[joint] == oracle.identity_true_positives(frames, joint)

        parts = oracle.hota(frames, joint)
        found, missed, wrong = (np.array(parts[name]) for name in ("TP", "FN", "FP"))
        detection = found / np.maximum(1, found + missed + wrong)
        name = JOINT_NAMES[joint]
        assert close(scores.hota["DetA"][name], 100 * detection.mean())
        assert close(scores.hota["AssA"][name], 100 * np.mean(parts["AssA"]))
        assert close(scores.hota["LocA"][name], 100 * np.mean(parts["LocA"]))
        assert close(scores.hota["HOTA"][name], 100 * np.sqrt(detection * parts["AssA"]).mean())


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, form=FORMS)
def test_figures_agree_with_brute_force(scratch: Any, seed: int, form: str) -> None:
    sequence = random_sequence(seed)
    if not any(frame["truth"] for frame in sequence):
        return
    truth, predictions = write_case(scratch(), {"a": sequence}, form)
    result = posetrack.evaluate(truth, predictions)
    check_scores(result.sequences["a"], oracle.prepared(sequence, form))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_totals_pool_the_sequences(scratch: Any, seed: int) -> None:
    sequences = {f"s{n}": random_sequence(seed + n, frames=4) for n in range(3)}
    labelled = {name: s for name, s in sequences.items() if any(frame["truth"] for frame in s)}
    if not labelled:
        return
    truth, predictions = write_case(scratch(), sequences)
    result = posetrack.evaluate(truth, predictions)
    prepared = [oracle.prepared(sequence, "posetrack18") for sequence in labelled.values()]
    labels, counts = oracle.pose_labels([frame for frames in prepared for frame in frames])
    expected = [oracle.average_precision(*pair)[0] for pair in zip(labels, counts, strict=True)]
    assert close(result.total.precision.ap, expected)
    for joint in range(15):
        parts = [oracle.clear_mot(frames, joint) for frames in prepared]
        objects = sum(part["objects"] for part in parts)
        errors = sum(part["misses"] + part["false_positives"] + part["switches"] for part in parts)
        mota = 100 * (1 - errors / objects) if objects else math.nan
        assert close(result.total.mota.joints[joint], mota)
    assert set(result.unlabelled) == set(sequences) - set(labelled)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, form=FORMS)
def test_names_of_tracks_and_frames_of_other_sequences_change_nothing(scratch: Any, seed: int, form: str) -> None:
    sequence, other = random_sequence(seed), random_sequence(seed + 1)
    if not any(frame["truth"] for frame in sequence):
        return
    before = evaluate_case(scratch(), {"a": sequence}, form)
    rng = random.Random(seed)
    renamed = {old: new for old, new in zip(range(200), rng.sample(range(10_000), 200), strict=True)}
    for frame in sequence:
        for person in frame["truth"] + frame["predictions"]:
            person["id"] = renamed[person["id"]]
    after = evaluate_case(scratch(), {"a": sequence, "b": other}, form)
    assert same(before.sequences["a"], after.sequences["a"])


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_the_order_of_people_changes_nothing_without_ties(scratch: Any, seed: int) -> None:
    sequence = random_sequence(seed)
    rng = random.Random(seed)
    for frame in sequence:
        for person in frame["predictions"]:  # no two scores are equal, no head is of size 0
            person["points"] = {j: (x, y, rng.random()) for j, (x, y, _) in person["points"].items()}
    if not any(frame["truth"] for frame in sequence):
        return
    before = evaluate_case(scratch(), {"a": sequence})
    for frame in sequence:
        rng.shuffle(frame["truth"])
        rng.shuffle(frame["predictions"])
    after = evaluate_case(scratch(), {"a": sequence})
    for name in ("mota", "motp_clean", "idf1", "mot_precision", "mot_recall"):
        assert close(getattr(before.total, name).joints, getattr(after.total, name).joints)
    for name in ("HOTA", "DetA", "AssA", "LocA"):
        assert close(before.total.hota[name].joints, after.total.hota[name].joints)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, form=FORMS, frames=st.integers(1, 4))
def test_perfect_predictions_give_100(scratch: Any, seed: int, form: str, frames: int) -> None:
    sequence = [frame for frame in random_sequence(seed, frames=3 * frames) if frame["truth"]][:frames]
    for frame in sequence:
        frame["regions"] = []
        for person in frame["truth"]:
            person["head"] = 20
            person["points"] = {joint: (10.0 + joint + 40 * person["id"], 20.0, 0.9) for joint in range(15)}
        frame["predictions"] = [{**person, "id": person["id"] + 30} for person in frame["truth"]]
    if not sequence:
        return
    result = evaluate_case(scratch(), {"a": sequence}, form)
    total = result.total
    for figures in (total.ap, total.ap_precision, total.ap_recall, total.mota, total.motp, total.idf1):
        assert close(figures.joints, 100)
    assert close(total.hota["HOTA"].joints, 100)
    assert result.mota == result.mean_ap == pytest.approx(100)


def evaluate_case(folder: Path, sequences: dict[str, list[Frame]], form: str = "posetrack18") -> EvaluationResult:
    return posetrack.evaluate(*write_case(folder, sequences, form))


def same(a: Scores, b: Scores) -> bool:
    """All figures and counts, but for the order in which distances were added."""
    return close(numbers(a.as_dict()), numbers(b.as_dict()))


def numbers(tree: Any) -> list[float]:
    if isinstance(tree, dict):
        tree = [tree[key] for key in sorted(tree)]
    return [number for branch in tree for number in numbers(branch)] if isinstance(tree, list) else [tree]


def test_processes_give_the_same_result(tmp_path: Path) -> None:
    case = write_case(tmp_path, {f"s{n}": random_sequence(n) for n in range(4)})
    assert same(posetrack.evaluate(*case).total, posetrack.evaluate(*case, workers=2).total)


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", None])
def test_workers_must_be_positive(tmp_path: Path, workers: Any) -> None:
    with pytest.raises(ConfigError, match="^workers must be a whole number, 1 or more, not "):
        posetrack.evaluate(tmp_path, tmp_path, workers=workers)


def test_runs_of_frames_shorter_than_the_sequence_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = write_case(tmp_path, {"a": random_sequence(3, frames=20)})
    whole = posetrack.evaluate(*case)
    monkeypatch.setattr("posetrack.evaluation.sequences._CHUNK_ELEMENTS", 1)
    assert same(whole.total, posetrack.evaluate(*case).total)


def test_errors_account_for_every_point_of_mota(tmp_path: Path) -> None:
    case = write_case(tmp_path, {f"s{n}": random_sequence(n, frames=12) for n in range(5)})
    result = posetrack.evaluate(*case, errors=True)
    assert sum(error.mota_points for error in result.errors) == pytest.approx(100 - result.mota)
    costs = [error.mota_points for error in result.errors]
    assert costs == sorted(costs, reverse=True)
    switches = sum(error.errors for error in result.errors if error.kind == "switch")
    assert switches == result.total.mot.switches.sum()


def test_every_figure_names_joints_and_mean_alike(tmp_path: Path) -> None:
    figures = posetrack.evaluate(*write_case(tmp_path, {"a": random_sequence(1)})).total.as_dict()
    by_joint = [figure for figure in figures.values() if isinstance(figure, dict) and "nose" in figure]
    assert len(by_joint) == 17
    official = "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow "
    official += "right_shoulder left_shoulder left_elbow left_wrist neck nose head_top total"
    assert {tuple(figure) for figure in by_joint} == {tuple(official.split())}


@given(seed=SEEDS)
def test_inside_agrees_with_angles_around_the_point(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 7))  # a star around the origin
    polygon = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(1, 5, (7, 1))
    points = rng.uniform(-4, 4, (40, 2))
    arms = polygon[None] - points[:, None]
    turns = np.angle(np.exp(1j * (np.roll(phase := np.angle(arms @ [1, 1j]), -1, axis=1) - phase))).sum(axis=1)
    np.testing.assert_array_equal(inside(points, polygon), np.abs(turns) > np.pi)


def test_boundary_points_are_outside() -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0], [0.0, 0.0]])
    points = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 4.0], [0.0, 2.0], [2.0, 4.0], [2.0, 2.0], [-1.0, 0.0]])
    assert inside(points, square).tolist() == [False] * 5 + [True, False]
    assert inside(np.array([[2.0, 2.0]]), np.array([[0.0, 0.0], [4.0, 4.0], [4.0, 0.0]])).tolist() == [False]


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_points_on_inner_edges_are_outside_and_points_in_line_with_them_inside(turns: int, mirrored: bool) -> None:
    l_shape = np.array([[0, 0], [4, 0], [4, 2], [2, 2], [2, 4], [0, 4]], np.float64) - 2
    on_edges = np.array([[3, 2], [2, 3], [2, 2]], np.float64) - 2
    within = np.array([[1, 2], [2, 1], [1, 1], [3, 1], [1, 3]], np.float64) - 2
    outside = np.array([[3, 3], [3, 2.5], [2.5, 3], [5, 2], [2, 5], [-1, 2]], np.float64) - 2
    turn = np.linalg.matrix_power(np.array([[0, 1], [-1, 0]]), turns) @ np.diag([-1 if mirrored else 1, 1])
    for polygon in (l_shape, l_shape[::-1], np.roll(l_shape, 3, axis=0)):
        for points, expected in ((on_edges, False), (within, True), (outside, False)):
            assert inside(points @ turn, polygon @ turn).tolist() == [expected] * len(points)


def test_a_figure_of_eight_has_two_insides_and_no_polygon_none() -> None:
    crossed = np.array([[0.0, 0.0], [4.0, 4.0], [4.0, 0.0], [0.0, 4.0]])
    points = np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 1.0], [2.0, 3.0], [2.0, 2.0], [1.0, 1.0]])
    assert inside(points, crossed).tolist() == [True, True, False, False, False, False]
    assert inside(points, np.zeros((0, 2))).tolist() == [False] * 6


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS)
def test_most_pairs_at_the_least_cost_agree_with_trying_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 4, 2))
    candidates, costs = rng.random(shape) < 0.6, rng.exponential(rng.choice([0.1, 100.0]), shape)
    chosen = most_pairs_least_cost(candidates, costs)
    possible = [
        (-len(pairs), sum(costs[pair] for pair in pairs))
        for pairs in oracle.matchings(list(range(shape[0])), list(range(shape[1])))
        if all(candidates[pair] for pair in pairs)
    ]
    most, least = min(possible)
    assert (candidates | ~chosen).all() and chosen.sum() == -most
    assert chosen.sum(axis=0).max() <= 1 and chosen.sum(axis=1).max() <= 1
    assert costs[chosen].sum() == pytest.approx(least)
    several = candidates.sum(axis=0).max() > 1 or candidates.sum(axis=1).max() > 1
    assert bool(contested(candidates)) == several


@pytest.mark.parametrize("count", [0, 1, 300])
def test_tracks_that_meet_in_a_joint_are_listed_once_and_in_order(count: int) -> None:
    rng = np.random.default_rng(count)
    observations = [rng.integers(0, most, count) for most in (15, 7, 4)]
    triples = list(zip(*(column.tolist() for column in observations), strict=True))
    pairs = TrackPairs.of(*observations)
    listed = list(zip(pairs.joints.tolist(), pairs.truth.tolist(), pairs.prediction.tolist(), strict=True))
    assert listed == sorted(set(triples)) and len(pairs) == len(listed)
    assert [listed[place] for place in pairs.of_observation] == triples
