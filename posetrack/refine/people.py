"""From tracks to people: cut, associated, named, and without ghosts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from posetrack.errors import ConfigError
from posetrack.refine.absorption import absorb
from posetrack.refine.appearance import learn
from posetrack.refine.association import Chains, PeopleLimits, associate
from posetrack.refine.bodies import centres_of, joint_evidence
from posetrack.refine.changes import cut_at_changes
from posetrack.refine.clip import Clip, Track, joined
from posetrack.refine.duplicates import merge_duplicates
from posetrack.refine.ghosts import LEAST_EVIDENCE, is_ghost
from posetrack.refine.identities import probabilities
from posetrack.refine.links import possible_links
from posetrack.refine.priors import Priors
from posetrack.refine.splitting import split
from posetrack.types import Doubles, IntArray

_CLEARLY_S, _CLEAR_EVIDENCE = 1.0, 0.4
"""A track seen for a second with such a mean joint score is a person (see ``ghosts``)."""

_SECOND = 100.0
"""Gain of keeping a second of a person, beyond the evidence of a ghost: three times the loss of the worst link."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Person:
    """A person, as observed.

    Attributes:
        track: All that was seen of the person.
        mirrored: int64: frames in which the user has said that left and right are exchanged.
        settled: An earlier second pass has settled the joints' sides and owners.
        certain: Settled, or the user has said that this is one person.
        ids: Ids of the tracks that the person is made of.
    """

    track: Track
    mirrored: IntArray
    settled: bool
    certain: bool
    ids: frozenset[int]

    @property
    def is_told(self) -> bool:
        """The user, or an earlier second pass, has decided something about the person."""
        track = self.track
        said = (track.name, track.by_hand, track.sides_known)
        return self.certain or len(self.mirrored) > 0 or any(one is not None for one in said)


def find_people(clip: Clip, priors: Priors) -> list[Person]:
    """The people of a clip, whose tracks are as observed and to which ``priors.apply`` has been applied.

    Raises:
        ConfigError: the number of people cannot be kept.
    """
    whole = priors.whole | {track.track_id for track in clip.tracks if track.decided}
    pieces = _in_order(split(clip, whole, set(priors.uncut)), clip)
    looks = learn(pieces, clip)
    pieces = _in_order(cut_at_changes(pieces, looks, whole), clip)
    limits = PeopleLimits(least=priors.least, most=priors.most, different=priors.renamed_pairs())
    links = possible_links(pieces, clip, looks, unlikely=priors.most is not None)
    if priors.most is None:
        links = links.of_undecided(pieces)
    chains = associate(pieces, links, _weights(pieces, clip), limits)
    _refuse_left_over(pieces, chains, priors, clip)
    sure = probabilities(chains, pieces, links)
    chains = absorb(chains, pieces, whole, clip, limits)
    people = []
    for track_id, chain in zip(_names(pieces, chains), chains, strict=True):
        person = _person(track_id, [pieces[piece] for piece in chain], sure[chain], priors)
        if person.certain or priors.most is not None or not is_ghost(person.track, clip.skeleton, clip.frame_s):
            people.append(person)
    return _each_once(people, clip, priors)


def _person(track_id: int, parts: Sequence[Track], sure: Doubles, priors: Priors) -> Person:
    """The person made of N parts, which follow one another, sure with probabilities, float64 [N]."""
    identity = np.concatenate([
        np.full(len(part), probability) * (1.0 if part.identity is None else part.identity)
        for part, probability in zip(parts, sure, strict=True)
    ])  # fmt: skip
    ids = frozenset(part.track_id for part in parts)
    settled = all(part.decided for part in parts)
    return Person(
        track=joined(track_id, parts).replace(identity=identity),
        mirrored=_mirrored(parts, priors),
        settled=settled,
        certain=settled or bool(ids & priors.whole),
        ids=ids,
    )


def _each_once(people: Sequence[Person], clip: Clip, priors: Priors) -> list[Person]:
    """The people without duplicates. People with ``is_told`` are kept."""
    different = [
        (one.track.track_id, other.track.track_id)
        for pair in priors.renamed_pairs()
        for one in people
        for other in people
        if pair[0] in one.ids and pair[1] in other.ids
    ]
    tracks = merge_duplicates(
        [person.track for person in people],
        clip,
        kept={person.track.track_id for person in people if person.is_told},
        different=different,
        least=priors.least or 0,
    )
    once = {track.track_id: track for track in tracks}
    return [
        replace(person, track=once[person.track.track_id]) for person in people if person.track.track_id in once
    ]


def _in_order(pieces: Sequence[Track], clip: Clip) -> list[Track]:
    """By start and place: an order that does not depend on ids."""

    if not pieces:
        return []
    boxes = np.concatenate([piece.boxes[:1] for piece in pieces])
    joints = np.concatenate([piece.joints[:1] for piece in pieces])
    x, y = centres_of(boxes, joints, clip.skeleton).T
    return [pieces[place] for place in np.lexsort((y, x, [piece.frames[0] for piece in pieces]))]


def _weights(pieces: Sequence[Track], clip: Clip) -> Doubles:
    evidence = [joint_evidence(piece, clip.skeleton).sum() - LEAST_EVIDENCE * len(piece) for piece in pieces]
    return np.array(evidence, dtype=np.float64) * clip.frame_s * _SECOND


def _refuse_left_over(pieces: Sequence[Track], chains: Chains, priors: Priors, clip: Clip) -> None:
    """Refuse a number of people that leaves out a person who is clearly seen."""
    kept = {piece for chain in chains for piece in chain}
    for number, piece in enumerate(pieces):
        lasts = number not in kept and len(piece) * clip.frame_s >= _CLEARLY_S
        if lasts and joint_evidence(piece, clip.skeleton).mean() >= _CLEAR_EVIDENCE:
            raise ConfigError(
                f"--people: keeping at most {priors.most} would drop person {piece.track_id}, who is clearly seen "
                f"from {piece.times[0]:.2f} to {piece.times[-1]:.2f} s; ask for more people, or drop this one "
                f"(--drop {piece.track_id})."
            )


def _names(pieces: Sequence[Track], chains: Chains) -> list[int]:
    """An id for every chain: that of most of its frames, unless another chain has more of them; else a new one."""
    shares = []
    for number, chain in enumerate(chains):
        counts: Counter[int] = Counter()
        for piece in chain:
            counts[pieces[piece].track_id] += len(pieces[piece])
        shares += [(-count, number, track_id) for track_id, count in counts.items()]
    names: dict[int, int] = {}
    for _, number, track_id in sorted(shares):
        if number not in names and track_id not in names.values():
            names[number] = track_id
    unused = max((piece.track_id for piece in pieces), default=-1) + 1
    for number in range(len(chains)):
        if number not in names:
            names[number] = unused
            unused += 1
    return [names[number] for number in range(len(chains))]


def _mirrored(parts: Iterable[Track], priors: Priors) -> IntArray:
    frames = [
        part.frames[swap.covers(part)] for part in parts for swap in priors.swaps if swap.track_id == part.track_id
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *frames])
