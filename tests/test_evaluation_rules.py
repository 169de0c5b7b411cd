"""The official evaluator's rules one by one, on hand-made sequences, and where we deviate from it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import posetrack
from posetrack.errors import DataFormatError
from posetrack.evaluation import EvaluationResult
from posetrack.evaluation.pairing import read_pair
from tests.evaluation_cases import JOINTS, Frame, write_case, write_posetrack18


def evaluate_case(folder: Path, sequence: list[Frame]) -> EvaluationResult:
    return posetrack.evaluate(*write_case(folder, {"a": sequence}))


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
    result = evaluate_case(tmp_path, sequence)
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
    assert set(evaluate_case(tmp_path, sequence).total.mot.switches.tolist()) == {1}


def test_a_track_keeps_its_joint_although_another_is_nearer(tmp_path: Path) -> None:
    here = [person(0, 100)]
    sequence = [frame(here, [person(5, 100)]), frame(here, [person(6, 100), person(5, 104)]), frame(here, here)]
    mot = evaluate_case(tmp_path, sequence).total.mot
    assert set(mot.switches.tolist()) == {0}
    assert mot.distance_of_matches[0] == pytest.approx(4 / 12)


def test_a_sequence_of_one_labelled_frame_is_compared_in_that_frame(tmp_path: Path) -> None:
    sequence = [frame([], [person(5, 9)]), frame([person(0, 100), person(1, 300)], [person(5, 100)])]
    result = evaluate_case(tmp_path, sequence)
    assert result.total.mot.objects[0] == 2
    assert result.mota == pytest.approx(50)


def test_false_positives_in_frames_without_truth_cost_nothing(tmp_path: Path) -> None:
    with_people = [frame([person(0, 100)], [person(5, 100)])] * 2
    clean = evaluate_case(tmp_path / "a", with_people)
    noisy = evaluate_case(tmp_path / "b", [frame([], [person(7, 10)]), *with_people])
    assert clean.total.as_dict() == noisy.total.as_dict()


def test_a_frame_without_predictions_counts_one_error_of_each_kind_however_many_people(tmp_path: Path) -> None:
    crowd = [person(n, 100 * n) for n in range(5)]
    mot = evaluate_case(tmp_path, [frame(crowd, []), frame(crowd, crowd)]).total.mot
    assert set(mot.objects.tolist()) == set(mot.misses.tolist()) == set(mot.false_positives.tolist()) == {1}


def test_a_joint_counts_as_present_unless_all_three_numbers_are_0(tmp_path: Path) -> None:
    origin = {"id": 0, "head": 20, "points": {joint: (0.0, 0.0, None) for joint in range(15)}}
    result = evaluate_case(tmp_path, [frame([origin], [origin])] * 2)
    assert result.total.precision.truth_count.tolist() == [2] * 15
    assert result.mota == pytest.approx(100)


@pytest.mark.parametrize(("off", "found"), [(6.0, 2), (6.01, 0)])
def test_a_joint_is_found_up_to_half_a_head_size(tmp_path: Path, off: float, found: int) -> None:
    here = [person(0, 100)]
    total = evaluate_case(tmp_path, [frame(here, [person(5, 100 + off)])] * 2 + [frame(here, here)]).total
    assert total.precision.matched_count[0] == 1 + found
    assert total.mot.detections[0] == found
    assert total.identity_true_positives[0] == found
    # its similarity is all but 0, which no threshold of HOTA lets pass
    assert total.hota["DetRe"]["nose"] == pytest.approx(100 / 3)


def test_whoever_shows_one_joint_is_wholly_found_in_it(tmp_path: Path) -> None:
    hidden = {"id": 0, "head": 20, "points": {13: (100.0, 50.0, 0.9)}}
    near = person(1, 100)
    near["points"] |= {joint: (400.0, 50.0, 0.9) for joint in range(6)}
    for truth in ([hidden, near], [near, hidden]):
        precision = evaluate_case(tmp_path, [frame(truth, [person(5, 100)])] * 2).total.precision
        assert precision.matched_count.tolist() == [2 * (joint == 13) for joint in range(15)]


def test_of_equally_good_poses_the_first_is_taken(tmp_path: Path) -> None:
    def scored(track_id: int, score: float) -> dict[str, Any]:
        return person(track_id, 100, score=score)

    for first in (0.9, 0.2):
        sequence = [frame([person(0, 100)], [scored(5, first), scored(6, 0.5)])] * 2
        precision = evaluate_case(tmp_path, sequence).total.precision
        assert precision.ap[0] == pytest.approx(100 if first == 0.9 else 50)
    # the prediction goes to the first truth, the other of the two predictions to nobody
    elsewhere = {"id": 1, "head": 20, "points": {0: (100.0, 50.0, 0.9)}}
    sequence = [frame([person(0, 100), elsewhere], [person(5, 100)])] * 2
    assert evaluate_case(tmp_path, sequence).total.precision.matched_count.tolist() == [2] * 15


def test_a_head_of_size_zero_is_never_matched(tmp_path: Path) -> None:
    here = [person(0, 100, head=0)]
    result = evaluate_case(tmp_path, [frame(here, [person(5, 100)])] * 2)
    assert result.total.mot.detections.tolist() == [0] * 15
    assert result.total.motp.total == 0


def test_a_joint_never_annotated_is_left_out_of_map_and_one_never_seen_counts_zero(tmp_path: Path) -> None:
    def without(someone: dict[str, Any], *joints: int) -> dict[str, Any]:
        return {**someone, "points": {j: p for j, p in someone["points"].items() if j not in joints}}

    # joint 0 is predicted but never annotated; joint 1 is neither
    sequence = [frame([without(person(0, 100), 0, 1)], [without(person(5, 100), 1)])] * 2
    total = evaluate_case(tmp_path, sequence).total
    assert math.isnan(total.ap.joints[0])
    assert total.ap.joints[1] == 0
    assert total.ap.total == pytest.approx(100 * 13 / 14)
    assert math.isnan(total.mota.joints[0])


def test_equal_scores_are_sorted_stably_and_the_extremes_are_given(tmp_path: Path) -> None:
    # one right and one wrong prediction of one score; of equals, the later one comes first
    right_last = [frame([person(0, 100)], [person(6, 400), person(5, 100)])] * 2
    right_first = [frame([person(0, 100)], [person(5, 100), person(6, 400)])] * 2
    for sequence, ap in ((right_last, 50 + 100 / 3), (right_first, 50)):
        precision = evaluate_case(tmp_path, sequence).total.precision
        assert precision.ap[0] == pytest.approx(ap)
        assert precision.ap_best[0] == pytest.approx(100)
        assert precision.ap_worst[0] == pytest.approx(50)
        assert precision.tie_groups[0] == 1


def test_all_videos_of_a_file_are_evaluated(tmp_path: Path) -> None:
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


def test_runs_of_errors_end_where_frames_or_errors_do_and_tell_where_they_begin(tmp_path: Path) -> None:
    def truth(number: int) -> list[Any]:
        return [person(3, 100 + 10 * number)]

    found = {0, 2, 7}
    sequence = [frame(truth(n), truth(n) if n in found else []) for n in range(9)]
    for number in (5, 6):
        sequence[number]["predictions"] = [person(6, 400 + number, 70)]
    result = posetrack.evaluate(*write_case(tmp_path, {"a": sequence}), errors=True)
    runs = [
        (error.kind, error.first_frame, error.last_frame, error.errors, error.x, error.y, error.image[-10:])
        for error in result.errors
        if error.joint in ("nose", "all")
    ]
    assert sorted(runs) == [
        ("false positive", 5, 6, 2, 405, 70, "000005.jpg"),
        ("miss", 5, 6, 2, 150, 50, "000005.jpg"),
        ("nobody on one side", 1, 1, 30, None, None, "000001.jpg"),
        ("nobody on one side", 3, 4, 60, None, None, "000003.jpg"),
    ]
    assert {error.truth_id for error in result.errors if error.kind == "miss"} == {3}
    assert {error.predicted_id for error in result.errors if error.kind == "false positive"} == {6}


@pytest.mark.parametrize(("predicted", "taken"), [("ba", "ab"), ("bc", "bc"), ("cba", "ab"), ("cbd", "cb")])
def test_videos_belong_together_by_name_or_else_by_order(tmp_path: Path, predicted: str, taken: str) -> None:
    def write(path: Path, videos: str) -> Path:
        images = [{"id": n, "file_name": f"{video}/000000.jpg"} for n, video in enumerate(videos)]
        categories = [{"name": "person", "keypoints": list(JOINTS)}]
        path.write_text(json.dumps({"images": images, "annotations": [], "categories": categories}))
        return path

    pairs = read_pair(write(tmp_path / "t.json", "ab"), write(tmp_path / "p.json", predicted))
    assert [name for name, _, _ in pairs] == ["t/a", "t/b"]
    assert [prediction.video for _, _, prediction in pairs] == list(taken)
    with pytest.raises(DataFormatError, match=r"1 video\(s\), but .* has 2; predict all"):
        read_pair(tmp_path / "t.json", write(tmp_path / "q.json", "a"))
