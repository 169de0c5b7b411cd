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
from posetrack.evaluation import HOTA_JOINTS, JOINT_NAMES, EvaluationResult, Scores
from posetrack.evaluation.ignore_regions import inside
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


def person(
    track_id: int, x: float, y: float = 50.0, score: float | None = 0.9, head: float = 20
) -> dict[str, Any]:
    """Somebody whose 15 joints are in one place: a distance of 12 pixels is one head size."""
    return {"id": track_id, "head": head, "points": {joint: (x, y, score) for joint in range(15)}}


def frame(truth: list[Any], predictions: list[Any], regions: list[Any] | None = None) -> Frame:
    return {"truth": truth, "predictions": predictions, "regions": regions or []}


def test_hand_worked_mota(tmp_path: Path) -> None:
    # frame 0: both found; 1: identities exchanged (2 switches); 2: one missed, one false; 3: dropped
    sequence = [
        frame([person(0, 100), person(1, 300)], [person(5, 101), person(6, 301)]),
        frame([person(0, 100), person(1, 300)], [person(6, 101), person(5, 301)]),
        frame([person(0, 100), person(1, 300)], [person(6, 101), person(5, 400)]),
        frame([person(0, 100), person(1, 300)], []),
    ]
    result = evaluate_case(tmp_path, {"a": sequence})
    mot = result.total.mot
    assert set(mot.objects.tolist()) == {6}
    assert set(mot.switches.tolist()) == {2}
    assert set(mot.misses.tolist()) == {1}
    assert set(mot.false_positives.tolist()) == {1}
    assert result.mota == pytest.approx(100 * (1 - 4 / 6))


def test_an_identity_that_changes_during_an_occlusion_is_a_switch_after_any_gap(tmp_path: Path) -> None:
    here, elsewhere = [person(0, 100)], [person(9, 500)]
    gap = [frame(here, elsewhere) for _ in range(30)]
    sequence = [frame(here, [person(5, 100)]), *gap, frame(here, [person(6, 100)]), frame(here, here)]
    assert set(evaluate_case(tmp_path, {"a": sequence}).total.mot.switches.tolist()) == {1}


def test_a_track_keeps_its_joint_although_another_is_nearer(tmp_path: Path) -> None:
    here = [person(0, 100)]
    sequence = [frame(here, [person(5, 100)]), frame(here, [person(6, 100), person(5, 104)]), frame(here, here)]
    mot = evaluate_case(tmp_path, {"a": sequence}).total.mot
    assert set(mot.switches.tolist()) == {0}
    assert mot.distance_of_matches[0] == pytest.approx(4 / 12)


def test_a_sequence_of_one_labelled_frame_is_compared_in_that_frame(tmp_path: Path) -> None:
    sequence = [frame([], [person(5, 9)]), frame([person(0, 100), person(1, 300)], [person(5, 100)])]
    result = evaluate_case(tmp_path, {"a": sequence})
    assert result.total.mot.objects[0] == 2
    assert result.mota == pytest.approx(50)


def test_false_positives_in_frames_without_truth_cost_nothing(tmp_path: Path) -> None:
    with_people = [frame([person(0, 100)], [person(5, 100)])] * 2
    clean = evaluate_case(tmp_path / "a", {"a": with_people})
    noisy = evaluate_case(tmp_path / "b", {"a": [frame([], [person(7, 10)]), *with_people]})
    assert same(clean.total, noisy.total)


def test_a_frame_without_predictions_counts_one_error_of_each_kind_however_many_people(tmp_path: Path) -> None:
    crowd = [person(n, 100 * n) for n in range(5)]
    mot = evaluate_case(tmp_path, {"a": [frame(crowd, []), frame(crowd, crowd)]}).total.mot
    assert set(mot.objects.tolist()) == set(mot.misses.tolist()) == set(mot.false_positives.tolist()) == {1}


def test_a_joint_counts_as_present_unless_all_three_numbers_are_0(tmp_path: Path) -> None:
    origin = {"id": 0, "head": 20, "points": {joint: (0.0, 0.0, None) for joint in range(15)}}
    result = evaluate_case(tmp_path, {"a": [frame([origin], [origin])] * 2})
    assert result.total.precision.truth_count.tolist() == [2] * 15
    assert result.mota == pytest.approx(100)


def test_a_head_of_size_zero_is_never_matched(tmp_path: Path) -> None:
    here = [person(0, 100, head=0)]
    result = evaluate_case(tmp_path, {"a": [frame(here, [person(5, 100)])] * 2})
    assert result.total.mot.detections.tolist() == [0] * 15
    assert result.total.motp.total == 0


def test_a_joint_never_annotated_is_left_out_of_map_and_one_never_seen_counts_zero(tmp_path: Path) -> None:
    def without(someone: dict[str, Any], *joints: int) -> dict[str, Any]:
        return {**someone, "points": {j: p for j, p in someone["points"].items() if j not in joints}}

    # joint 0 is predicted but never annotated; joint 1 is neither
    sequence = [frame([without(person(0, 100), 0, 1)], [without(person(5, 100), 1)])] * 2
    total = evaluate_case(tmp_path, {"a": sequence}).total
    assert math.isnan(total.ap.joints[0])
    assert total.ap.joints[1] == 0
    assert total.ap.total == pytest.approx(100 * 13 / 14)
    assert math.isnan(total.mota.joints[0])


def test_equal_scores_are_sorted_stably_and_the_extremes_are_given(tmp_path: Path) -> None:
    # one right and one wrong prediction of one score; of equals, the later one comes first
    right_last = [frame([person(0, 100)], [person(6, 400), person(5, 100)])] * 2
    right_first = [frame([person(0, 100)], [person(5, 100), person(6, 400)])] * 2
    for sequence, ap in ((right_last, 50 + 100 / 3), (right_first, 50)):
        precision = evaluate_case(tmp_path, {"a": sequence}).total.precision
        assert precision.ap[0] == pytest.approx(ap)
        assert precision.ap_best[0] == pytest.approx(100)
        assert precision.ap_worst[0] == pytest.approx(50)
        assert precision.tie_groups[0] == 1


def test_all_videos_of_a_file_are_evaluated(tmp_path: Path) -> None:
    import json

    from tests.evaluation_cases import write_posetrack18

    good = [frame([person(0, 100)], [person(5, 100)])] * 3
    bad = [frame([person(0, 100)], [person(5, 500)])] * 2
    for side in ("truth", "predictions"):
        files = []
        for name, sequence in (("000001_mpii_test", good), ("000002_mpii_test", bad)):
            write_posetrack18(tmp_path / "part.json", sequence, side, name)
            files.append(json.loads((tmp_path / "part.json").read_text()))
        for key in ("id", "image_id"):
            for entry in files[1]["images"] + files[1]["annotations"]:
                if key in entry:
                    entry[key] += 1000
        merged = files[0] | {key: files[0][key] + files[1][key] for key in ("images", "annotations")}
        (tmp_path / f"{side}.json").write_text(json.dumps(merged))
    result = posetrack.evaluate(tmp_path / "truth.json", tmp_path / "predictions.json")
    assert list(result.sequences) == ["truth/000001", "truth/000002"]
    assert result.sequences["truth/000001"].mota.total == pytest.approx(100)
    assert result.sequences["truth/000002"].mota.total == pytest.approx(-100)


def test_processes_give_the_same_result(tmp_path: Path) -> None:
    case = write_case(tmp_path, {f"s{n}": random_sequence(n) for n in range(4)})
    assert same(posetrack.evaluate(*case).total, posetrack.evaluate(*case, workers=2).total)


def test_workers_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="workers"):
        posetrack.evaluate(*write_case(tmp_path, {"a": random_sequence(1)}), workers=0)


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


def test_errors_name_frame_joint_ids_and_pixels(tmp_path: Path) -> None:
    here = [person(3, 100)]
    sequence = [
        frame([], []),
        frame(here, [person(5, 100)]),
        frame(here, [person(6, 101)]),
        frame(here, [person(6, 400, 70)]),
        frame(here, [person(6, 400, 70)]),
        frame(here, here),
    ]
    result = posetrack.evaluate(*write_case(tmp_path, {"a": sequence}), errors=True)
    of_nose = {error.kind: error for error in result.errors if error.joint == "nose"}
    switch, miss, false_positive = (of_nose[kind] for kind in ("switch", "miss", "false positive"))
    assert (switch.first_frame, switch.truth_id, switch.previous_id, switch.predicted_id) == (2, 3, 5, 6)
    assert (miss.first_frame, miss.last_frame, miss.errors, miss.x, miss.y) == (3, 4, 2, 100, 50)
    assert (false_positive.first_frame, false_positive.predicted_id, false_positive.x) == (3, 6, 400)
    assert false_positive.image.endswith("000003.jpg")


def test_result_holds_the_official_names() -> None:
    assert JOINT_NAMES[12] == "neck"
    assert "head_bottom" in HOTA_JOINTS
    assert len(JOINT_NAMES) == len(HOTA_JOINTS) == 15


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
