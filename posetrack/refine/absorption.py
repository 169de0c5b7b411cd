"""Absorption: a short chain of tracklets where a hidden person is expected becomes part of that person's track.

Association relies on motion, which a few frames do not determine. If another chain has a gap, the positions on
both sides of it say more: a short chain close to the straight line between them belongs there.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np

from posetrack.refine.arrays import norms
from posetrack.refine.association import Chains, PeopleLimits
from posetrack.refine.background import seen_from
from posetrack.refine.bodies import centres_of, longer_sides
from posetrack.refine.clip import Clip, Track, joined
from posetrack.refine.ends import ends_of

_SHORT_S = 0.5
"""Longer chains know their own motion."""

_GAP_S = 2.0
"""In longer gaps people do not keep to a line."""

_NEAR = 0.15
"""Mean distance from the line, in body sizes: half the width of a person."""

_SMALLEST, _LARGEST = 0.4, 1.25
"""Extent of the joints against the size at both sides of the gap. People partly hidden have few joints."""


def absorb(
    chains: Chains, pieces: Sequence[Track], fixed: AbstractSet[int], clip: Clip, limits: PeopleLimits
) -> Chains:
    """The chains, without the short ones that lie in gaps of others; their tracklets are in those.

    Args:
        chains: The people.
        pieces: All tracklets.
        fixed: Track ids that stay people of their own.
        clip: Whose tracklets they are.
        limits: What is known of the people.
    """
    short = {number: track for number, chain in enumerate(chains) if (track := _short(chain, pieces, fixed, clip))}
    people = dict(enumerate(chains))
    for _, number, owner in _ways(short, chains, pieces, clip):
        if number not in people or owner not in people or len(people) <= (limits.least or 1):
            continue
        together = sorted(people[owner] + people[number], key=lambda piece: int(pieces[piece].frames[0]))
        if _possible(together, pieces, limits):
            people[owner] = together
            del people[number]
    return list(people.values())


def _short(chain: Sequence[int], pieces: Sequence[Track], fixed: AbstractSet[int], clip: Clip) -> Track | None:
    """All of a chain, if it is so short that it may be absorbed."""
    parts = [pieces[piece] for piece in chain]
    if sum(map(len, parts)) * clip.frame_s > _SHORT_S:
        return None
    if any(part.decided or part.track_id in fixed for part in parts):
        return None
    return joined(parts[0].track_id, parts)


def _ways(
    short: dict[int, Track], chains: Chains, pieces: Sequence[Track], clip: Clip
) -> list[tuple[float, int, int]]:
    """Distance, number of a short chain, and number of the chain whose gap it lies in; nearest first."""
    gaps = [
        (number, *pair)
        for number, chain in enumerate(chains)
        for pair in zip(chain[:-1], chain[1:], strict=True)
        if _has_room(pieces[pair[0]], pieces[pair[1]])
    ]
    if not short or not gaps:
        return []
    owners, before, after = np.array(gaps, dtype=np.int64).T
    tails = ends_of([pieces[piece] for piece in before], clip, last=True)
    heads = ends_of([pieces[piece] for piece in after], clip, last=False)
    arrivals = seen_from(heads.places, heads.frames, tails.frames, clip)
    sizes = np.sqrt(tails.sizes * heads.sizes)
    usable = clip.shots(tails.frames) == clip.shots(heads.frames)
    ways = []
    for number, track in short.items():
        shares = _extent(track) / sizes
        around = usable & (tails.frames < track.frames[0]) & (heads.frames > track.frames[-1])
        around &= (shares >= _SMALLEST) & (shares <= _LARGEST)
        centres = centres_of(track.boxes, track.joints, clip.skeleton)
        for gap in np.flatnonzero(around).tolist():
            share = (track.times - tails.times[gap]) / (heads.times[gap] - tails.times[gap])
            expected = tails.places[gap] + share[:, None] * (arrivals[gap] - tails.places[gap])
            apart = seen_from(centres, track.frames, int(tails.frames[gap]), clip) - expected
            distance = float(norms(apart).mean() / sizes[gap])
            if distance <= _NEAR:
                ways.append((distance, number, int(owners[gap])))
    return sorted(ways)


def _has_room(before: Track, after: Track) -> bool:
    """Whether there is a frame between two tracklets, and the gap is short."""
    return bool(after.frames[0] - before.frames[-1] > 1 and after.times[0] - before.times[-1] <= _GAP_S)


def _extent(track: Track) -> float:
    """The longer side of the joints' own box, in pixels; 0 if there are none. Boxes are often larger."""
    low, high = np.fmin.reduce(track.joints, axis=1), np.fmax.reduce(track.joints, axis=1)
    known = longer_sides(np.concatenate([low, high], axis=1)[~np.isnan(low[:, 0])])
    return float(np.median(known)) if len(known) else 0.0


def _possible(chain: Sequence[int], pieces: Sequence[Track], limits: PeopleLimits) -> bool:
    """No person may be in two places at once, or be two people who are known to be different."""
    parts = [pieces[piece] for piece in chain]
    apart = all(one.frames[-1] < other.frames[0] for one, other in zip(parts[:-1], parts[1:], strict=True))
    ids = {part.track_id for part in parts}
    return apart and not any(ids >= set(pair) for pair in limits.different)
