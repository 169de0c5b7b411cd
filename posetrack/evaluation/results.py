"""Metrics of one sequence or of all, as objects and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from posetrack.evaluation.average_precision import Precision, ScoredJoints
from posetrack.evaluation.clear_mot import MotCounts
from posetrack.evaluation.error_runs import ErrorRun
from posetrack.evaluation.joint_names import JOINT_NAMES
from posetrack.types import Doubles, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class JointFigures:
    """A figure per joint and in total, in percent; NaN where undefined.

    Attributes:
        joints: float64 [K], in the order of ``JOINT_NAMES``.
        total: Over all joints.
    """

    joints: Doubles
    total: float

    @classmethod
    def averaged(cls, joints: Doubles) -> JointFigures:
        """Take the mean of the joints that are not NaN as the total; NaN if all are."""
        known = joints[~np.isnan(joints)]
        return cls(joints, float(known.mean()) if len(known) else np.nan)

    def __getitem__(self, joint: str) -> float:
        """The figure of a joint of ``JOINT_NAMES`` (``head_bottom`` is ``neck``)."""
        return float(self.joints[JOINT_NAMES.index("neck" if joint == "head_bottom" else joint)])

    def as_dict(self) -> dict[str, float]:
        """Joint name -> figure, and ``total``."""
        return {**dict(zip(JOINT_NAMES, self.joints.tolist(), strict=True)), "total": self.total}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Scores:
    """All figures of one sequence, or of all.

    Attributes:
        name: Name of the sequence, or ``total``.
        frames: Frames compared.
        precision: AP and its counts.
        mot: Counts behind MOTA and MOTP.
        identity_true_positives: int64 [K]: IDTP.
        hota: HOTA, DetA, AssA, LocA, DetRe, DetPr, AssRe, AssPr -> figures; empty if not computed.
    """

    name: str
    frames: int
    precision: Precision
    mot: MotCounts
    identity_true_positives: IntArray
    hota: dict[str, JointFigures]

    @property
    def ap(self) -> JointFigures:
        """Average precision; the total is mAP."""
        return JointFigures.averaged(self.precision.ap)

    @property
    def ap_precision(self) -> JointFigures:
        """Precision of all predicted joints, whatever their score."""
        return JointFigures.averaged(self.precision.precision)

    @property
    def ap_recall(self) -> JointFigures:
        """Recall of all predicted joints, whatever their score."""
        return JointFigures.averaged(self.precision.recall)

    @property
    def mota(self) -> JointFigures:
        """1 - (misses + switches + false positives) / objects; NaN for a joint that is never in the truth."""
        mot = self.mot
        errors = mot.misses + mot.switches + mot.false_positives
        return JointFigures.averaged(100 * (1 - errors / _or_nan(mot.objects)))

    @property
    def motp(self) -> JointFigures:
        """1 - distance / detections over all of motmetrics' events, as officially; 0 without detections."""
        return self._motp(self.mot.distance_of_events)

    @property
    def motp_clean(self) -> JointFigures:
        """MOTP over matches and switches only, as in published tables."""
        return self._motp(self.mot.distance_of_matches)

    def _motp(self, distance: Doubles) -> JointFigures:
        detections = self.mot.detections
        return JointFigures.averaged(
            np.where(detections > 0, 100 * (1 - distance / np.maximum(detections, 1)), 0.0)
        )

    @property
    def mot_precision(self) -> JointFigures:
        """Detections / (detections + false positives)."""
        mot = self.mot
        return JointFigures.averaged(100 * mot.detections / _or_nan(mot.detections + mot.false_positives))

    @property
    def mot_recall(self) -> JointFigures:
        """Detections / objects."""
        return JointFigures.averaged(100 * self.mot.detections / _or_nan(self.mot.objects))

    @property
    def idf1(self) -> JointFigures:
        """2 IDTP / (objects + predictions)."""
        mot = self.mot
        predictions = mot.detections + mot.false_positives
        return JointFigures.averaged(200 * self.identity_true_positives / _or_nan(mot.objects + predictions))

    def as_dict(self) -> dict[str, Any]:
        """Figures under the official evaluator's and HOTA's names; counts as lists.

        Each figure has the keys ``JOINT_NAMES`` and ``total``.
        """
        precision, mot, idtp = self.precision, self.mot, self.identity_true_positives
        fields = {
            "frames": self.frames,
            "AP": self.ap.as_dict(),
            "AP_precision": self.ap_precision.as_dict(),
            "AP_recall": self.ap_recall.as_dict(),
            "AP_counts": {
                "n_gt": precision.truth_count.tolist(),
                "n_pred": precision.predicted_count.tolist(),
                "n_tp": precision.matched_count.tolist(),
                "tie_groups": precision.tie_groups.tolist(),
                "ap_stable": precision.ap.tolist(),
                "ap_best": precision.ap_best.tolist(),
                "ap_worst": precision.ap_worst.tolist(),
            },
            "MOTA": self.mota.as_dict(),
            "MOTP": self.motp.as_dict(),
            "MOTP_clean": self.motp_clean.as_dict(),
            "MOT_precision": self.mot_precision.as_dict(),
            "MOT_recall": self.mot_recall.as_dict(),
            "MOT_counts": {
                "num_objects": mot.objects.tolist(),
                "num_misses": mot.misses.tolist(),
                "num_false_positives": mot.false_positives.tolist(),
                "num_switches": mot.switches.tolist(),
                "num_detections": mot.detections.tolist(),
                "sumD_all_events": mot.distance_of_events.tolist(),
                "sumD_matches_only": mot.distance_of_matches.tolist(),
            },
            "IDF1": self.idf1.as_dict(),
            "IDF1_extra": {
                "idtp": idtp.tolist(),
                "idfp": (mot.detections + mot.false_positives - idtp).tolist(),
                "idfn": (mot.objects - idtp).tolist(),
                "idf1": self.idf1.joints.tolist(),
            },
        }
        return fields | {name: figures.as_dict() for name, figures in self.hota.items()}


def _or_nan(counts: IntArray) -> Doubles:
    return np.where(counts > 0, counts, np.nan)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EvaluationResult:
    """Result of ``posetrack.evaluate``.

    Attributes:
        total: Counts of all sequences pooled.
        sequences: Name -> figures, in order.
        unlabelled: Names of sequences whose ground truth has no people; they do not count.
        joints: All predicted joints of all sequences, with scores, and which are correct.
        errors: All errors, most expensive first; empty if not computed.
    """

    total: Scores
    sequences: dict[str, Scores]
    unlabelled: tuple[str, ...]
    joints: ScoredJoints
    errors: tuple[ErrorRun, ...]

    @property
    def mota(self) -> float:
        """Total MOTA, percent."""
        return self.total.mota.total

    @property
    def mean_ap(self) -> float:
        """Total mAP, percent."""
        return self.total.ap.total

    def as_dict(self) -> dict[str, Any]:
        """``total`` and ``sequences``, as in the JSON, where NaN is null."""
        return {
            "total": self.total.as_dict(),
            "sequences": {name: scores.as_dict() for name, scores in self.sequences.items()},
        }

    def to_json(self) -> bytes:
        """``as_dict`` as JSON text; NaN is null."""
        import orjson

        return orjson.dumps(self.as_dict(), option=orjson.OPT_INDENT_2)

    def __repr__(self) -> str:
        return f"EvaluationResult(mAP={self.mean_ap:.2f}, MOTA={self.mota:.2f}, sequences={len(self.sequences)})"
