"""Association: which tracklets are one person, for the whole clip at once.

People are chains of tracklets, each of which ends before the next begins, so no person is in two places. Of all
ways to form chains, the one with the highest sum of gains is found by linear or integer programming (HiGHS). A
tracklet has links only to those that begin soon after it, so that the problem grows with the clip's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.refine.clip import Track
from posetrack.refine.links import Links
from posetrack.types import BoolArray, Doubles, IntArray

Chains = list[list[int]]
"""Each person's tracklets, in order of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleLimits:
    """What is known of the people.

    Attributes:
        least, most: How many people there are; ``None`` if unknown.
        different: Pairs of track ids that are not the same person.
    """

    least: int | None = None
    most: int | None = None
    different: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)


def associate(pieces: Sequence[Track], links: Links, weights: Doubles, limits: PeopleLimits) -> Chains:
    """The people of a clip. With ``limits.most``, tracklets that are none of them are in no chain.

    Args:
        pieces: Tracklets.
        links: Their possible links (``possible_links``).
        weights: float64 [N]: how much is lost with a tracklet.
        limits: What is known of the people.

    Raises:
        ConfigError: there are fewer tracklets than people.
    """
    if limits.least is not None and len(pieces) < limits.least:
        raise ConfigError(
            f"--people asks for {limits.least} people, but only {len(pieces)} are seen; ask for fewer."
        )
    if not pieces:
        return []
    problem = _Problem(links, weights, limits)
    ids = [piece.track_id for piece in pieces]
    while True:
        chains = problem.solve()
        paths = [path for chain in chains for path in _forbidden(chain, ids, limits.different)]
        if not paths:
            return chains
        for path in paths:
            problem.forbid(path)


def _forbidden(chain: list[int], ids: list[int], different: tuple[tuple[int, int], ...]) -> Chains:
    """The parts of a chain that lead from one to the other of two people known to be different."""
    paths = []
    for pair in different:
        ends = [place for place, piece in enumerate(chain) if ids[piece] in pair]
        paths += [
            chain[one : other + 1]
            for one, other in zip(ends[:-1], ends[1:], strict=True)
            if ids[chain[one]] != ids[chain[other]]
        ]
    return paths


class _Problem:
    """The programme. Its variables: a link is taken, a tracklet is kept, a tracklet is the first one."""

    def __init__(self, links: Links, weights: Doubles, limits: PeopleLimits) -> None:
        self._links, self._count = links, len(weights)
        self._weights, self._limits = weights, limits
        self._places = {
            pair: e for e, pair in enumerate(zip(links.before.tolist(), links.after.tolist(), strict=True))
        }
        self._forbidden: list[list[int]] = []

    def forbid(self, path: list[int]) -> None:
        """Rule out that all links of a path are taken."""
        self._forbidden.append([self._places[pair] for pair in zip(path[:-1], path[1:], strict=True)])

    def solve(self) -> Chains:
        """The best chains, in order of their first tracklets."""
        links, count = len(self._links.gains), self._count
        gains = np.concatenate([self._links.gains, self._weights, np.zeros(count)])
        kept_low = np.zeros(count) if self._limits.most is not None else np.ones(count)
        low = np.concatenate([np.zeros(links), kept_low, np.zeros(count)])
        # chains alone are a network flow, whose best solution is whole without asking; forbidden paths are not
        found = milp(
            -gains,
            integrality=np.full(len(gains), int(bool(self._forbidden))),
            bounds=Bounds(low, 1),
            constraints=self._constraints(),
        )
        if found.x is None:
            raise ConfigError(
                f"--people: the tracks cannot be divided among {self._limits.least} people; ask for fewer, or "
                "leave it out."
            )
        taken = found.x > 0.5
        return self._chains(taken[:links], taken[links : links + count])

    def _constraints(self) -> list[LinearConstraint]:
        links, count = len(self._links.gains), self._count
        edges, pieces = np.arange(links), np.arange(count)
        # each tracklet that is kept is the first of its chain or has one before it, and has at most one after it
        entering = _matrix(
            [self._links.after, pieces, pieces],
            [edges, links + pieces, links + count + pieces],
            [np.ones(links), -np.ones(count), np.ones(count)],
            (count, links + 2 * count),
        )
        leaving = _matrix(
            [self._links.before, pieces], [edges, links + pieces], [np.ones(links), -np.ones(count)],
            (count, links + 2 * count),
        )  # fmt: skip
        rules = [LinearConstraint(entering, 0, 0), LinearConstraint(leaving, -np.inf, 0)]
        if self._limits.most is not None:
            firsts = np.concatenate([np.zeros(links + count), np.ones(count)])[None]
            rules.append(LinearConstraint(firsts, self._limits.least or 0, self._limits.most))
        for path in self._forbidden:
            row = np.zeros((1, links + 2 * count))
            row[0, path] = 1
            rules.append(LinearConstraint(row, -np.inf, len(path) - 1))
        return rules

    def _chains(self, taken: BoolArray, kept: BoolArray) -> Chains:
        following = dict(zip(self._links.before[taken].tolist(), self._links.after[taken].tolist(), strict=True))
        later = set(following.values())
        chains = []
        for piece in np.flatnonzero(kept).tolist():
            if piece not in later:
                chain = [piece]
                while chain[-1] in following:
                    chain.append(following[chain[-1]])
                chains.append(chain)
        return chains


def _matrix(
    rows: list[IntArray], columns: list[IntArray], values: list[Doubles], shape: tuple[int, int]
) -> coo_array:
    places = (np.concatenate(rows), np.concatenate(columns))
    return coo_array((np.concatenate(values), places), shape=shape)
