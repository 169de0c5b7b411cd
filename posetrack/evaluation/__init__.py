"""Evaluation: AP and MOTA like the official PoseTrack evaluator's, HOTA and IDF1."""

from posetrack.evaluation.error_runs import ErrorRun
from posetrack.evaluation.evaluate import evaluate
from posetrack.evaluation.joint_names import JOINT_NAMES
from posetrack.evaluation.oks_ap import evaluate_oks
from posetrack.evaluation.results import EvaluationResult, JointFigures, Scores

__all__ = [
    "JOINT_NAMES",
    "ErrorRun",
    "EvaluationResult",
    "JointFigures",
    "Scores",
    "evaluate",
    "evaluate_oks",
]
