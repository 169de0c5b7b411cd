"""Appearance: how well it tells the people of a clip apart, learnt from the clip itself.

Pieces of one tracklet are the same person, and people who are seen at the same time are not. That gives the
covariances of two kinds of differences between descriptors, and so the odds that two descriptors are one person's:
linear discriminant analysis as odds (Prince & Elder, "Probabilistic Linear Discriminant Analysis for Inferences
About Identity", 2007). Both covariances are shrunk as in Ledoit & Wolf, "A well-conditioned estimator for
large-dimensional covariance matrices" (2004): clips are short, and frames of one second are much alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from posetrack.refine.clip import Clip, Track
from posetrack.types import BoolArray, Doubles, IntArray

_CHUNK_S = 0.5
"""Descriptors are means of half a second: those of neighbouring frames say the same."""

_LEAST_PAIRS = 8
"""Fewer comparisons do not tell how well appearance separates people."""

_LEAST_SEPARATION = 0.7
"""Appearance that separates people less well is not used; a coin has 0.5."""

SUREST = 4.0
"""Appearance is never surer than 50 to 1: light changes, and teams dress alike."""

_FRAMES_AT_ONCE = 50_000

_BITS = 30
"""Columns that are compared as one number."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Looks:
    """What the clip teaches of appearance.

    Attributes:
        same: float64 [D, D], covariance of the difference between two descriptors of one person.
        different: float64 [D, D], that of two people's.
        separation: Probability that two chunks of one person are more alike than two of different people, in the
            half of the clip that was not learnt from (area under the curve). NaN if there are too few.
    """

    same: Doubles
    different: Doubles
    separation: float

    @property
    def useful(self) -> bool:
        """Whether appearance separates people well enough to be used."""
        return self.separation >= _LEAST_SEPARATION

    def odds(self, one: Doubles, other: Doubles, surest: float = SUREST) -> Doubles:
        """float64 [N]: logarithms of the odds that pairs of descriptors, [N, D] each, are one person's.

        What is NaN in either is left out. None is above ``surest``, or below its negative.
        """
        apart = one - other
        known = ~np.isnan(apart)
        odds = np.zeros(len(apart))
        for rows in _alike(known):
            pattern = known[rows[0]]
            odds[rows] = self._odds_of(apart[np.ix_(rows, pattern)], np.ix_(pattern, pattern))
        return np.clip(odds, -surest, surest)

    def _odds_of(self, apart: Doubles, block: tuple[BoolArray, ...]) -> Doubles:
        same, different = self.same[block], self.different[block]
        return _log_density(apart, same) - _log_density(apart, different)


def _alike(known: BoolArray) -> list[IntArray]:
    """The rows of a table in groups of equal ones."""
    groups = np.zeros(len(known), dtype=np.int64)
    for start in range(0, known.shape[1], _BITS):
        columns = known[:, start : start + _BITS]
        _, groups = np.unique(
            (groups << _BITS) + columns @ (1 << np.arange(columns.shape[1])), return_inverse=True
        )
    order = np.argsort(groups, kind="stable")
    return [rows for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(rows)]


def _log_density(values: Doubles, covariance: Doubles) -> Doubles:
    """Of a normal distribution around 0, but for a constant."""
    if not values.shape[1]:
        return np.zeros(len(values))
    squares = (values * np.linalg.solve(covariance, values.T).T).sum(axis=1)
    return np.asarray(-(squares + np.linalg.slogdet(covariance)[1]) / 2, dtype=np.float64)


def batches(pieces: Sequence[Track]) -> list[IntArray]:
    """Places of tracklets that follow one another: many at once, to save time, but not all, to save memory."""
    frames = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    return np.split(np.arange(len(pieces)), np.flatnonzero(np.diff(frames // _FRAMES_AT_ONCE)) + 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Chunks:
    """C half seconds of tracklets.

    Attributes:
        owners: int64 [C], the tracklet.
        bins: int64 [C], the half second, counted from the middle of the clip.
        means: float64 [C, D]; NaN where nothing is known.
    """

    owners: IntArray
    bins: IntArray
    means: Doubles

    def __getitem__(self, chosen: BoolArray) -> _Chunks:
        return _Chunks(self.owners[chosen], self.bins[chosen], self.means[chosen])


def learn(pieces: Sequence[Track], clip: Clip) -> Looks | None:
    """What the tracklets of a clip teach of appearance; ``None`` if they have none, or too little of it.

    Args:
        pieces: Tracklets. No two that share a frame are one person.
        clip: Their clip.
    """
    chunks = _chunks(pieces, clip)
    covariances = _covariances(chunks)
    if covariances is None:
        return None
    same, different = covariances
    return Looks(same=same, different=different, separation=_separation(chunks))


def usual_looks(pieces: Sequence[Track], clip: Clip) -> Doubles | None:
    """float64 [N, D]: descriptor of each tracklet, the mean of its chunks; NaN where nothing is known."""
    chunks = _chunks(pieces, clip)
    if not len(chunks.owners):
        return None
    looks = np.full((len(pieces), chunks.means.shape[1]), np.nan)
    owners, rows = np.unique(chunks.owners, return_inverse=True)
    looks[owners] = _means(chunks.means, rows)
    return looks


def _chunks(pieces: Sequence[Track], clip: Clip) -> _Chunks:
    # counted from the middle, so that time reversed gives the same chunks
    middle = (clip.times[0] + clip.times[-1]) / 2 if len(clip.times) else 0.0
    parts = []
    for batch in batches(pieces):
        known = [number for number in batch.tolist() if pieces[number].appearance is not None]
        if known:
            parts.append(_chunks_of([pieces[number] for number in known], np.array(known), middle))
    if not parts:
        return _Chunks(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0)))
    columns = ([getattr(part, name) for part in parts] for name in ("owners", "bins", "means"))
    return _Chunks(*(np.concatenate(column) for column in columns))


def _chunks_of(pieces: Sequence[Track], numbers: IntArray, middle: float) -> _Chunks:
    looks = np.concatenate([piece.appearance for piece in pieces if piece.appearance is not None])
    seen = ~np.isnan(looks).all(axis=1)
    owners = np.repeat(numbers, [len(piece) for piece in pieces])[seen]
    times = np.concatenate([piece.times for piece in pieces])[seen]
    bins = np.rint((times - middle) / _CHUNK_S).astype(np.int64)
    begins = (np.diff(owners, prepend=-1) != 0) | (np.diff(bins, prepend=0) != 0)  # in order of owner and time
    means = _means(looks[seen].astype(np.float64), np.cumsum(begins) - 1)
    return _Chunks(owners[begins], bins[begins], means)


def _means(values: Doubles, groups: IntArray) -> Doubles:
    """float64 [G, D]: mean of each group of rows, of what is known; NaN where nothing is."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    ordered = values[order]
    known = ~np.isnan(ordered)
    sums = np.add.reduceat(np.where(known, ordered, 0), starts, axis=0)
    counts = np.add.reduceat(known, starts, axis=0, dtype=np.int64)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _covariances(chunks: _Chunks) -> tuple[Doubles, Doubles] | None:
    """Of differences within people, and between them; ``None`` if either cannot be told."""
    if not len(chunks.owners):
        return None
    within = _deviations(chunks.means, chunks.owners)
    between = _deviations(chunks.means, chunks.bins)
    if min(len(within), len(between)) < _LEAST_PAIRS:
        return None
    scale = np.sqrt(np.maximum(np.square(between).mean(axis=0), 1e-12))
    outer = 2 * scale[:, None] * scale
    return _shrunk(within / scale) * outer, _shrunk(between / scale) * outer


def _deviations(means: Doubles, groups: IntArray) -> Doubles:
    """float64 [R, D]: differences from the group's mean, in groups of two and more; 0 where nothing is known.

    Longer by the share that the mean of a small group takes away.
    """
    _, rows, counts = np.unique(groups, return_inverse=True, return_counts=True)
    several = counts[rows] > 1
    apart = (means - _means(means, rows)[rows]) * np.sqrt(counts / np.maximum(counts - 1, 1))[rows, None]
    return np.nan_to_num(apart[several])


def _shrunk(deviations: Doubles) -> Doubles:
    """float64 [D, D]: covariance of deviations around 0, [R, D], shrunk towards a sphere (Ledoit & Wolf)."""
    count, size = deviations.shape
    sample = deviations.T @ deviations / count
    sphere = np.eye(size) * np.trace(sample) / size
    distance = np.square(sample - sphere).sum()
    # mean squared error of the sample covariance: of the rows' own products around it
    lengths = np.square(deviations).sum(axis=1)
    error = (np.square(lengths).mean() - np.square(sample).sum()) / count
    share = 1.0 if distance <= 0 else float(np.clip(error / distance, 0, 1))
    return np.asarray(share * sphere + (1 - share) * sample + 1e-6 * np.eye(size))


def _separation(chunks: _Chunks) -> float:
    """How well what is learnt from one half of the clip separates people in the other."""
    middle = np.median(chunks.bins)
    # the middle belongs to either half by turns, so that time reversed gives the same
    halves = [chunks.bins < middle, chunks.bins <= middle]
    scores = [_scores(chunks[part], chunks[~part]) for half in halves for part in (half, ~half)]
    same, different = (np.concatenate(both) for both in zip(*scores, strict=True))
    if min(len(same), len(different)) < _LEAST_PAIRS:
        return float("nan")
    ordered = np.sort(different)
    below, up_to = (np.searchsorted(ordered, same, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(different))


def _scores(learnt: _Chunks, tested: _Chunks) -> tuple[Doubles, Doubles]:
    """Odds of pairs of one person's chunks, and of different people's, by what other chunks teach."""
    covariances = _covariances(learnt)
    if covariances is None:
        return np.zeros(0), np.zeros(0)
    looks = Looks(same=covariances[0], different=covariances[1], separation=float("nan"))
    scores = []
    for first, second in (_later_pairs(tested), _simultaneous_pairs(tested)):
        scores.append(looks.odds(tested.means[first], tested.means[second]))
    return scores[0], scores[1]


def _later_pairs(chunks: _Chunks) -> tuple[IntArray, IntArray]:
    """Pairs of chunks of one tracklet, each with the next half second."""
    places = {key: row for row, key in enumerate(zip(chunks.owners.tolist(), chunks.bins.tolist(), strict=True))}
    pairs = [
        (row, places[owner, half + 1]) for (owner, half), row in places.items() if (owner, half + 1) in places
    ]
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return first, second


def _simultaneous_pairs(chunks: _Chunks) -> tuple[IntArray, IntArray]:
    """Pairs of chunks of different tracklets in the same half second, each with the next."""
    order = np.lexsort((chunks.owners, chunks.bins))
    together = np.diff(chunks.bins[order]) == 0
    return order[:-1][together], order[1:][together]
