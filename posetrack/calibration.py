"""Scores as probabilities: from the height of a heatmap's peak to the chance that the joint is right."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from posetrack.errors import ConfigError
from posetrack.types import FloatArray

RIGHT_TORSO_SHARE = 0.2
"""A joint is right within this share of the torso's length: what the probability is of (see PCK@0.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A joint's score as the probability that the joint lies within a fifth of the torso's length.

    Platt, "Probabilistic Outputs for Support Vector Machines" (1999), on the score's logit:

        p = sigmoid(slope * logit(score) + intercept)

    It rises strictly, so the order of joints stays the same. 0, a missing joint, stays 0, and 1 stays 1.

    Attributes:
        slope: Above 0.
        intercept: Any number; positive if scores are too low.

    >>> Calibration(slope=1.0, intercept=0.0)(np.array([0, 0.25, 1], np.float32)).tolist()
    [0.0, 0.25, 1.0]
    """

    slope: float
    intercept: float

    def __post_init__(self) -> None:
        if not (0.01 <= self.slope <= 100 and math.isfinite(self.intercept) and abs(self.intercept) <= 100):
            raise ConfigError(
                f"calibration has slope {self.slope} and intercept {self.intercept}; give a slope of 0.01 to 100 "
                "and an intercept of -100 to 100."
            )

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Probabilities float32 of scores in [0, 1], of any shape."""
        exact = scores.astype(np.float64)
        odds = exact**self.slope * math.exp(self.intercept)
        probabilities = (odds / (odds + (1 - exact) ** self.slope)).astype(np.float32)
        smallest = np.finfo(np.float32).tiny  # a joint that was found must not become a missing one
        return np.where(scores > 0, np.maximum(probabilities, smallest), np.float32(0))
