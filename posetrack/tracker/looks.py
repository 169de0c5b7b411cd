"""The appearance of tracks, and how well it tells people apart, for any ``Appearance`` stage.

How much two descriptors of one person differ depends on the stage, the light and the camera. It is measured on
people whose motion is unambiguous: the difference between a new descriptor and the track's mean, averaged over all
links. Differences are divided by it, component by component, so the linker needs no scale of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from posetrack.types import FloatArray, IntArray

UNKNOWN = 0.6
"""Likeness if no number can be compared: below that of most people with themselves (0.6 to 0.9)."""

_DOUBTFUL = 4.0
"""Mean square difference, relative to the usual, at which likeness is 0.5: as after seconds, in other light."""

_LARGEST = 25.0
"""Limit of one squared difference: a larger one may come from a joint on the background."""

_FEWEST_LINKS = 20
"""Minimum number of links to know the usual difference."""

_MOST_LINKS = 500
"""The usual difference is an average over about this many links."""

_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Appearance of T tracks.

    Attributes:
        means: float32 [T, D], exponential means of the descriptors; NaN where nothing was seen yet.
        variances: float32 [D], usual squares of the difference between a person and their track's mean.
        links: float32 [D], how many differences they come from.
    """

    means: FloatArray
    variances: FloatArray
    links: FloatArray

    @classmethod
    def empty(cls, length: int) -> Self:
        """No tracks, with descriptors of that length."""
        return cls(np.zeros((0, length), np.float32), np.zeros(length, np.float32), np.zeros(length, np.float32))

    def __getitem__(self, rows: IntArray) -> Looks:
        """The tracks of these rows."""
        return replace(self, means=self.means[rows])

    def joined_by(self, descriptors: FloatArray) -> Looks:
        """With new tracks of people with these descriptors, float32 [N, D]."""
        return replace(self, means=np.concatenate([self.means, descriptors]))

    def likeness(self, rows: IntArray, descriptors: FloatArray) -> FloatArray:
        """Similarity of appearance between tracks and people, in pairs.

        Args:
            rows: int64 [P], tracks.
            descriptors: float32 [P, D], of a person each.

        Returns:
            float32 [P] in (0, 1]: 1 is the mean itself; ``UNKNOWN`` where no number can be compared.
        """
        usual = np.where(self.links >= _FEWEST_LINKS, np.maximum(self.variances, _LEAST_VARIANCE), np.nan)
        squares = np.square(descriptors - self.means[rows]) / usual
        known = ~np.isnan(squares)
        total = np.minimum(np.where(known, squares, 0), _LARGEST).sum(axis=1)
        count = known.sum(axis=1)
        likeness = _DOUBTFUL / (_DOUBTFUL + total / np.maximum(count, 1))
        return np.where(count > 0, likeness, UNKNOWN).astype(np.float32)

    def seen(self, rows: IntArray, descriptors: FloatArray, share: float) -> Looks:
        """Update tracks with the descriptors of the present frame.

        Args:
            rows: int64 [M], tracks.
            descriptors: float32 [M, D], of their people.
            share: Weight of the present frame in the new means, in (0, 1].
        """
        before = self.means[rows]
        difference = descriptors - before
        known = ~np.isnan(difference)
        means = self.means.copy()
        either = np.where(np.isnan(before), descriptors, before)
        means[rows] = np.where(known, before + np.float32(share) * difference, either)
        more = known.sum(axis=0, dtype=np.float32)
        links = np.minimum(self.links + more, _MOST_LINKS)
        squares = np.square(np.where(known, difference, 0)).sum(axis=0)
        variances = self.variances + (squares - more * self.variances) / np.maximum(links, 1)
        return Looks(means, variances.astype(np.float32), links.astype(np.float32))
