"""Scores that are probabilities: the curve, how it is fitted, where it is applied, how its error is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.calibration import Calibration
from posetrack.errors import ConfigError, DataFormatError
from posetrack.models.pose import HeatmapPoseEstimator
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from posetrack.models.runtime import CPU
from posetrack.networks import Networks
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import Preset, get_preset
from posetrack.skeletons import POSETRACK
from posetrack.tracker import SelectionConfig, select_joints
from posetrack.training import pose_accuracy
from posetrack.training.pose_accuracy import calibration_error, fit_calibration, joint_outcomes, reliability
from posetrack.training.pose_people import LabelledPerson
from posetrack.types import Boxes, Poses
from posetrack.zoo import ModelStore
from tests.in_process import posetrack
from tests.stubs import StubDetector, StubPose, frames

SMALL = PoseArchitecture(width=32, height=32, deconv_channels=(8, 8, 8))


def simulated(slope: float, intercept: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and joints that are right with the probability that a known calibration gives them."""
    random = np.random.default_rng(3)
    scores = random.uniform(0.02, 0.98, count).astype(np.float32)
    logit = np.log(scores / (1 - scores.astype(np.float64)))
    return scores, random.random(count) < 1 / (1 + np.exp(-(slope * logit + intercept)))


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (1.14, 1.09), (0.5, -2.0), (3.0, 0.7)])
def test_a_calibration_is_the_logistic_function_of_the_scores_logit(slope: float, intercept: float) -> None:
    scores = np.linspace(0.01, 0.99, 200).astype(np.float32)
    exact = scores.astype(np.float64)
    expected = 1 / (1 + np.exp(-(slope * np.log(exact / (1 - exact)) + intercept)))
    found = Calibration(slope=slope, intercept=intercept)(scores)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (np.diff(found) > 0).all(), "the order of joints stays the same"


def test_missing_joints_stay_missing_and_found_ones_found() -> None:
    steep = Calibration(slope=50.0, intercept=-90.0)
    found = steep(np.array([[0, 1e-30, 0.5], [1, 1e-4, 0]], np.float32))
    assert ((found > 0) == [[False, True, True], [True, True, False]]).all()
    assert found[1, 0] == 1


@pytest.mark.parametrize(
    "values",
    [
        (0.0, 0.0),
        (0.0099, 0.0),
        (-1.0, 0.0),
        (100.01, 0.0),
        (float("nan"), 0.0),
        (1.0, float("inf")),
        (1.0, float("nan")),
        (1.0, -100.01),
        (1.0, 100.01),
    ],
)
def test_curves_that_do_not_rise_or_have_no_numbers_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="give a slope of 0.01 to 100 and an intercept of -100 to 100"):
        Calibration(slope=values[0], intercept=values[1])


@pytest.mark.parametrize("values", [(0.01, 0.0), (100.0, 0.0), (1.0, -100.0), (1.0, 100.0)])
def test_the_limits_of_a_curve_are_inclusive(values: tuple[float, float]) -> None:
    assert Calibration(slope=values[0], intercept=values[1])(np.ones(1, np.float32)) == 1


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (1.3, 0.9), (0.6, -1.5)])
def test_fitting_finds_the_curve_that_the_joints_were_drawn_from(slope: float, intercept: float) -> None:
    scores, right = simulated(slope, intercept)
    found = fit_calibration(scores, right)
    assert found.slope == pytest.approx(slope, abs=0.05) and found.intercept == pytest.approx(intercept, abs=0.06)
    # At the greatest likelihood the residuals are orthogonal to the inputs.
    residuals = right - found(scores).astype(np.float64)
    logit = np.log(scores / (1 - scores.astype(np.float64)))
    assert abs(residuals.mean()) < 1e-5 and abs((residuals * logit).mean()) < 1e-5
    assert calibration_error(found(scores), right) < 0.02


def test_scores_of_0_and_1_do_not_spoil_the_fit() -> None:
    scores, right = simulated(1.0, 0.0)
    ends = np.concatenate([scores, np.ones(5, np.float32), np.full(5, 1e-12, np.float32)])
    found = fit_calibration(ends, np.concatenate([right, np.ones(5, bool), np.zeros(5, bool)]))
    assert found.slope == pytest.approx(1.0, abs=0.06) and found.intercept == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize(
    ("scores", "right", "reason"),
    [
        ([0.5, 0.6], [True, True], "needs right joints and wrong ones"),
        ([0.5, 0.6], [False, False], "needs right joints and wrong ones"),
        ([], [], "needs right joints and wrong ones"),
        ([0.9, 0.8, 0.2, 0.1, 0.5, 0.5], [False, False, True, True, True, False], "higher scores do not mean"),
    ],
)
def test_what_cannot_be_calibrated_is_told(scores: list[float], right: list[bool], reason: str) -> None:
    with pytest.raises(DataFormatError, match=reason):
        fit_calibration(np.array(scores, np.float32), np.array(right, bool))


def test_the_calibration_error_of_a_case_worked_by_hand() -> None:
    """Bins 0.2-0.3: |0.25 - 0.5| for 2; 0.9-1: |0.95 - 2/3| for 3: (0.5 + 0.85) / 5."""
    probabilities = np.array([0.22, 0.28, 0.9, 0.95, 1.0], np.float32)
    right = np.array([True, False, True, True, False])
    rows = reliability(probabilities, right)
    np.testing.assert_allclose(rows, [(0.25, 0.5, 2), (0.95, 2 / 3, 3)], atol=1e-6)
    assert calibration_error(probabilities, right) == pytest.approx(0.27, abs=1e-6)
    assert calibration_error(probabilities, right, bins=1) == pytest.approx(abs(0.67 - 0.6), abs=1e-6)
    assert np.isnan(calibration_error(probabilities[:0], right[:0]))


class Given:
    """Finds every joint at one place, with a score of its own."""

    skeleton = POSETRACK

    def __init__(self, keypoints: np.ndarray, scores: np.ndarray) -> None:
        self._keypoints, self._scores = keypoints, scores

    def estimate(self, image: np.ndarray, boxes: Boxes) -> Poses:
        count = len(boxes)
        return Poses(
            boxes.xyxy, boxes.scores, np.repeat(self._keypoints[None], count, 0),
            np.repeat(self._scores[None], count, 0), np.full(count, -1), POSETRACK,
        )  # fmt: skip


def test_a_joint_is_right_within_a_fifth_of_the_torso(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torso 100 px: 20 px off is right, 21 px off is wrong; joints of networks, and missing ones, do not count."""
    monkeypatch.setattr(pose_accuracy, "read_image", lambda path: np.zeros((9, 9, 3), np.uint8))
    truth = np.zeros((17, 2), np.float32)
    truth[POSETRACK.index("left_shoulder")], truth[POSETRACK.index("right_hip")] = (60, 0), (0, 80)
    human = np.zeros(17, bool)
    human[[POSETRACK.index(name) for name in ("left_shoulder", "right_hip", "left_knee", "head_top")]] = True
    found, scores = truth.copy(), np.linspace(0.1, 0.9, 17).astype(np.float32)
    found[POSETRACK.index("left_shoulder")] += (0, 20)
    found[POSETRACK.index("right_hip")] += (21, 0)
    scores[POSETRACK.index("head_top")] = 0
    person = LabelledPerson(
        Path("a.png"), np.array([0, 0, 8, 8], np.float32), truth, human.astype(np.float32), human,
        np.zeros((17, 3), np.float32),
    )  # fmt: skip
    shapeless = replace(person, human=human & (np.arange(17) != POSETRACK.index("right_hip")))
    estimator: Any = Given(found, scores)
    got, right = joint_outcomes(estimator, [person, shapeless])
    slots = [POSETRACK.index(name) for name in ("left_shoulder", "right_hip", "left_knee")]
    np.testing.assert_array_equal(got, scores[sorted(slots)])
    assert right[np.argsort(np.argsort(slots))].tolist() == [True, False, True]


def test_reported_joints_have_probabilities_and_thresholds_apply_to_the_networks_own_scores() -> None:
    scores = np.full(17, 0.5, np.float32)
    scores[:2] = 0.19, 0.21
    people = Given(np.ones((17, 2), np.float32), scores).estimate(
        np.zeros((9, 9, 3), np.uint8), Boxes(np.array([[0, 0, 8, 8]], np.float32), np.ones(1, np.float32))
    )
    curve = Calibration(slope=1.2, intercept=1.0)
    plain = select_joints(people, SelectionConfig())
    found = select_joints(people, SelectionConfig(calibration=curve))
    assert plain.keypoint_scores[0, :2].tolist() == [0, scores[1]]
    np.testing.assert_array_equal(found.keypoint_scores, curve(plain.keypoint_scores))
    np.testing.assert_array_equal(found.keypoints, plain.keypoints)
    rescored = select_joints(people, SelectionConfig(calibration=curve, rescore=True))
    used = found.keypoint_scores[0, POSETRACK.in_use]
    assert rescored.scores[0] == pytest.approx(used[used > 0].mean(), abs=1e-6)


def test_the_calibration_lies_in_the_header_of_the_weights(tmp_path: Path) -> None:
    path, network = tmp_path / "a.safetensors", SMALL.build()
    save_pose_network(network, SMALL, path)
    assert load_pose_network(path)[1].calibration is None
    curve = Calibration(slope=1.25, intercept=-0.5)
    save_pose_network(network, replace(SMALL, calibration=curve), path)
    assert load_pose_network(path)[1] == replace(SMALL, calibration=curve)


def test_the_command_writes_the_same_network_with_its_calibration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, output, people = (tmp_path / name for name in ("a.safetensors", "b.safetensors", "people.json"))
    save_pose_network(SMALL.build(), SMALL, weights)
    people.write_text('{"images": [], "annotations": [], "categories": [{"name": "person", "keypoints": []}]}')
    before = weights.read_bytes()
    arguments = ("train", "calibrate", weights, people, tmp_path, "-o")
    nothing = posetrack(*arguments, output)
    assert nothing.returncode == 2 and "needs right joints and wrong ones" in nothing.stderr
    assert sorted(tmp_path.iterdir()) == sorted([weights, people])
    scores, right = simulated(1.3, 0.9)
    monkeypatch.setattr(pose_accuracy, "joint_outcomes", lambda estimator, people: (scores, right))
    done = posetrack(*arguments, output)
    assert done.returncode == 0, done.stderr
    (network, expected), (found, architecture) = load_pose_network(weights), load_pose_network(output)
    assert architecture == replace(expected, calibration=fit_calibration(scores, right))
    own = network.state_dict()
    assert all(value.equal(own[name]) for name, value in found.state_dict().items())
    assert f"these {len(scores)} joints" in done.stdout
    for taken in (output, weights):
        refused = posetrack(*arguments, taken)
        assert refused.returncode == 2 and taken.name in refused.stderr
    assert weights.read_bytes() == before


def reported(pose: object, preset: Preset | None = None) -> np.ndarray:
    """Scores of the joints that a tracker reports of one person in four frames."""
    tracker = PoseTracker(preset or "lite", detector=StubDetector(), pose=pose, threads=1)  # type: ignore[arg-type]
    found = [poses for _, poses in tracker.track(frames(4))]
    assert all(len(poses) == 1 for poses in found)
    return np.concatenate([poses.keypoint_scores[:, POSETRACK.in_use] for poses in found])


def test_the_tracker_reports_probabilities_where_the_pose_network_has_a_calibration() -> None:
    class Calibrated(StubPose):
        calibration: object = Calibration(slope=1.2, intercept=-1.0)

    plain = reported(StubPose())
    np.testing.assert_array_equal(reported(Calibrated()), Calibrated.calibration(plain))  # type: ignore[operator]
    of_the_preset = Calibration(slope=2.0, intercept=0.5)
    lite = get_preset("lite")
    selection = replace(lite.pipeline.selection, calibration=of_the_preset)
    preset = replace(lite, pipeline=replace(lite.pipeline, selection=selection))
    np.testing.assert_array_equal(reported(Calibrated(), preset), of_the_preset(plain))
    Calibrated.calibration = np.eye(3)  # somebody's own attribute: a camera's, perhaps
    np.testing.assert_array_equal(reported(Calibrated()), plain)


def test_the_bundled_pose_network_is_calibrated_and_estimates_ears() -> None:
    pose = Networks(get_preset("lite"), CPU, ModelStore()).pose
    assert isinstance(pose, HeatmapPoseEstimator) and pose.calibration is not None
    image = np.random.default_rng(0).integers(0, 255, (200, 160, 3), np.uint8)
    poses = pose.estimate(image, Boxes(np.array([[10, 10, 150, 190]], np.float32), np.ones(1, np.float32)))
    assert (poses.keypoint_scores > 0).all()
    low, half, high = pose.calibration(np.array([0.2, 0.5, 0.8], np.float32))
    assert 0.3 < low < 0.45 and 0.7 < half < 0.8 and 0.9 < high < 0.96, "measured on LSPE's validation people"
