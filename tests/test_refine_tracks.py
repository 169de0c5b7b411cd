"""The steps that decide who is who: ghosts, splitting, association."""

from typing import Any

import numpy as np
import pytest

from posetrack.refine.absorption import absorb
from posetrack.refine.association import PeopleLimits, associate
from posetrack.refine.clip import Clip, Track
from posetrack.refine.ghosts import is_furniture, is_ghost
from posetrack.refine.links import possible_links
from posetrack.refine.splitting import split
from posetrack.skeletons import POSETRACK
from tests.refine_clips import clip_of, line, walker

FRAME_S = 0.04
IDS_AND_FRAMES = list[tuple[int, int, int]]


def lost_scores(track: Track, score: float) -> Track:
    return track.replace(joint_scores=np.where(track.present, score, 0.0))


def spans(pieces: list[Track]) -> IDS_AND_FRAMES:
    return [(piece.track_id, int(piece.frames[0]), int(piece.frames[-1])) for piece in pieces]


def people(clip: Clip, pieces: list[Track], limits: PeopleLimits | None = None) -> list[IDS_AND_FRAMES]:
    weights = np.array([4.0 * len(piece) for piece in pieces])
    limits = limits or PeopleLimits()
    links = possible_links(pieces, clip, unlikely=limits.most is not None)
    chains = associate(pieces, links, weights, limits)
    return sorted(spans([pieces[number] for number in chain]) for chain in chains)


def test_a_sign_is_furniture_and_a_person_who_stands_is_not() -> None:
    standing = walker(1, line((100, 400), (0, 0), 50))
    assert is_furniture(lost_scores(standing, 0.12), clip_of(standing))
    assert not is_furniture(standing, clip_of(standing))
    assert not is_furniture(lost_scores(walker(1, line((100, 400), (100, 0), 50)), 0.12), clip_of(standing))


@pytest.mark.parametrize(
    ("frames", "score", "ghost"), [(2, 0.3, True), (2, 0.45, False), (50, 0.3, False), (50, 0.15, True)]
)
def test_the_shorter_a_track_the_stronger_it_must_be(frames: int, score: float, ghost: bool) -> None:
    assert is_ghost(lost_scores(walker(1, line((100, 400), (100, 0), frames)), score), POSETRACK, FRAME_S) is ghost


def test_missing_joints_count_against_a_person() -> None:
    track = walker(1, line((100, 400), (100, 0), 50))
    hidden = np.zeros(track.present.shape, dtype=bool)
    hidden[:, 3:] = True
    assert is_ghost(track.without(hidden), POSETRACK, FRAME_S)


def test_a_steady_walk_is_one_piece() -> None:
    assert spans(split(clip_of(walker(1, line((100, 400), (300, 0), 50))))) == [(1, 0, 49)]


def test_tracks_are_cut_at_jumps_gaps_and_cuts() -> None:
    feet = line((100, 400), (100, 0), 60)
    feet[20:] += 250
    frames = np.concatenate([np.arange(40), np.arange(46, 66)])
    pieces = split(clip_of(walker(1, feet, frames=frames), cuts=(50,)))
    assert spans(pieces) == [(1, 0, 19), (1, 20, 39), (1, 46, 49), (1, 50, 65)]


def test_short_gaps_are_not_doubtful() -> None:
    frames = np.array([0, 1, 2, 6, 7, 8])
    assert spans(split(clip_of(walker(1, line((0, 400), (0, 0), 6), frames=frames)))) == [(1, 0, 8)]


def test_both_tracks_are_cut_where_they_overlap_most() -> None:
    one = walker(1, line((104, 400), (200, 0), 50))
    other = walker(2, line((500, 400), (-200, 0), 51))
    # they meet between frames 24 and 25
    assert spans(split(clip_of(one, other))) == [(1, 0, 24), (1, 25, 49), (2, 0, 24), (2, 25, 50)]


@pytest.mark.parametrize(("apart", "pieces"), [(40, 4), (48, 2)])
def test_people_side_by_side_are_doubted_if_their_boxes_overlap_by_three_tenths(apart: int, pieces: int) -> None:
    # boxes are 82 px wide: 44 px apart, 38 of 126 px are shared
    clip = clip_of(walker(1, line((100, 400), (0, 0), 30)), walker(2, line((100 + apart, 400), (0, 0), 30)))
    assert len(split(clip)) == pieces


def test_people_who_cross_twice_are_cut_twice() -> None:
    there, back = line((104, 400), (200, 0), 51), line((504, 400), (-200, 0), 51)
    clip = clip_of(walker(1, np.concatenate([there, back])), walker(2, line((300, 400), (0, 0), 102)))
    assert [span[1:] for span in spans(split(clip)) if span[0] == 2] == [(0, 24), (25, 76), (77, 101)]


def test_tracks_that_are_known_to_be_pure_are_not_cut() -> None:
    one = walker(1, line((104, 400), (200, 0), 50))
    other = walker(2, line((500, 400), (-200, 0), 51))
    assert spans(split(clip_of(one, other), kept_whole={1}))[0] == (1, 0, 49)


def test_a_person_hidden_for_a_second_is_one_person() -> None:
    feet = line((100, 400), (100, 0), 75)
    one, later = walker(1, feet[:25]), walker(5, feet[50:], frames=np.arange(50, 75))
    clip = clip_of(one, later, walker(2, line((900, 400), (0, 0), 75)))
    assert people(clip, list(clip.tracks)) == [[(1, 0, 24), (5, 50, 74)], [(2, 0, 74)]]


def absorbed(
    aside: float = 0, frames: int = 5, fixed: frozenset[int] = frozenset(), limits: PeopleLimits | None = None
) -> list[list[int]]:
    """Chains, of somebody who is hidden for a second and of somebody seen meanwhile, so far from the way."""
    feet = line((100, 400), (100, 0), 75)
    one, later = walker(1, feet[:25]), walker(1, feet[50:], frames=np.arange(50, 75))
    moment = np.arange(35, 35 + frames)
    short = walker(2, feet[moment] + [aside, 0], frames=moment)
    clip = clip_of(walker(1, np.concatenate([feet[:25], feet[50:]]), frames=np.r_[:25, 50:75]), short)
    return absorb([[0, 2], [1]], [one, short, later], fixed, clip, limits or PeopleLimits())


def test_whoever_appears_for_a_moment_on_the_way_of_somebody_hidden_is_that_person() -> None:
    assert absorbed() == [[0, 1, 2]]
    assert absorbed(aside=15) == [[0, 1, 2]]


@pytest.mark.parametrize(
    "otherwise",
    [
        {"aside": 40}, {"frames": 14}, {"fixed": {2}}, {"limits": PeopleLimits(different=((1, 2),))},
        {"limits": PeopleLimits(least=2)},
    ],
    ids=["elsewhere", "longer", "named by a person", "known to be another", "two people asked for"],
)  # fmt: skip
def test_whoever_may_be_somebody_else_is_not_absorbed(otherwise: dict[str, Any]) -> None:
    assert absorbed(**otherwise) == [[0, 2], [1]]


def test_two_people_seen_at_once_are_not_both_absorbed() -> None:
    feet = line((100, 400), (100, 0), 75)
    moment = np.arange(35, 40)
    parts = [walker(1, feet[:25]), walker(1, feet[50:], frames=np.arange(50, 75))]
    parts += [walker(number, feet[moment] + [5 * number, 0], frames=moment) for number in (2, 3)]
    clip = clip_of(walker(1, np.concatenate([feet[:25], feet[50:]]), frames=np.r_[:25, 50:75]), *parts[2:])
    assert absorb([[0, 1], [2], [3]], parts, frozenset(), clip, PeopleLimits()) == [[0, 2, 1], [3]]


def test_people_who_stand_far_apart_are_two() -> None:
    clip = clip_of(
        walker(1, line((100, 400), (0, 0), 25)),
        walker(2, line((800, 400), (0, 0), 25), frames=np.arange(30, 55)),
    )
    assert len(people(clip, list(clip.tracks))) == 2


def test_a_crossing_that_the_tracker_got_wrong_is_put_right_by_motion_from_both_sides() -> None:
    right, left = line((104, 400), (200, 0), 51), line((500, 400), (-200, 0), 51)
    swapped = clip_of(
        walker(1, np.concatenate([right[:25], left[25:]])), walker(2, np.concatenate([left[:25], right[25:]]))
    )
    assert people(swapped, split(swapped)) == [[(1, 0, 24), (2, 25, 50)], [(2, 0, 24), (1, 25, 50)]]


def turning_back() -> np.ndarray:
    """[T, 2] a walk to the right for 25 frames, and back again."""
    return np.concatenate([line((100, 400), (180, 0), 25), line((280, 400), (-180, 0), 25)])


def test_a_person_who_turns_back_is_doubted_and_remains_one_person() -> None:
    clip = clip_of(walker(1, turning_back()), walker(2, line((900, 400), (0, 0), 50)))
    assert spans(split(clip)) == [(1, 0, 24), (1, 25, 49), (2, 0, 49)]
    assert people(clip, split(clip)) == [[(1, 0, 24), (1, 25, 49)], [(2, 0, 49)]]


def test_a_track_that_goes_over_to_somebody_else_is_put_right() -> None:
    """One walks right and is hidden; the tracker goes on with another, who was hidden and walks left."""
    right, left = line((104, 400), (200, 0), 60), line((500, 400), (-200, 0), 60)
    mixed = walker(1, np.concatenate([right[:25], left[25:]]))
    clip = clip_of(mixed, walker(2, left[:16]), walker(3, right[35:], frames=np.arange(35, 60)))
    assert people(clip, split(clip)) == [[(1, 0, 24), (3, 35, 59)], [(2, 0, 15), (1, 25, 59)]]


@pytest.mark.parametrize(("speed", "frames"), [(200, 40), (300, 26), (400, 20)])
def test_somebody_who_walks_out_of_the_picture_is_one_piece(speed: float, frames: int) -> None:
    person = walker(0, line((300, 400), (-speed, 0), frames))
    outside = (person.joints[..., 0] < 0) & person.present
    boxes = np.maximum(person.boxes, 0)  # the middle of what is left of a box moves at half the speed
    assert spans(split(clip_of(person.without(outside).replace(boxes=boxes)))) == [(0, 0, frames - 1)]


def test_a_walk_in_a_curve_is_one_piece() -> None:
    angle = np.linspace(0, np.pi, 75)[:, None]
    feet = np.array([400, 400]) + 150 * np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    assert len(split(clip_of(walker(1, feet)))) == 1


def test_a_crossing_that_the_tracker_got_right_stays() -> None:
    clip = clip_of(walker(1, line((104, 400), (200, 0), 51)), walker(2, line((500, 400), (-200, 0), 51)))
    assert people(clip, split(clip)) == [[(1, 0, 24), (1, 25, 50)], [(2, 0, 24), (2, 25, 50)]]


def test_people_seen_at_the_same_time_are_never_one() -> None:
    feet = line((100, 400), (50, 0), 50)
    clip = clip_of(walker(1, feet), walker(2, feet[10:40] + 3, frames=np.arange(10, 40)))
    assert people(clip, list(clip.tracks), PeopleLimits(least=2, most=2)) == [[(1, 0, 49)], [(2, 10, 39)]]


def test_nobody_lives_on_in_another_shot() -> None:
    feet = line((100, 400), (0, 0), 50)
    clip = clip_of(walker(1, feet[:25]), walker(2, feet[25:], frames=np.arange(25, 50)), cuts=(25,))
    assert len(people(clip, list(clip.tracks))) == 2


def test_a_child_does_not_become_an_adult() -> None:
    feet = line((100, 400), (0, 0), 50)
    clip = clip_of(walker(1, feet[:25], height=80), walker(2, feet[25:], frames=np.arange(25, 50), height=240))
    assert len(people(clip, list(clip.tracks))) == 2


def test_the_number_of_people_is_kept_and_drops_the_least() -> None:
    clip = clip_of(
        walker(1, line((100, 400), (0, 0), 50)),
        walker(2, line((800, 400), (0, 0), 25), frames=np.arange(60, 85)),
        walker(3, line((2500, 400), (0, 0), 1), frames=np.array([20])),
    )
    assert people(clip, list(clip.tracks), PeopleLimits(least=1, most=1)) == [[(1, 0, 49), (2, 60, 84)]]
    assert people(clip, list(clip.tracks), PeopleLimits(least=2, most=2)) == [[(1, 0, 49)], [(2, 60, 84)]]
    assert len(people(clip, list(clip.tracks), PeopleLimits(least=3, most=3))) == 3


def test_different_people_are_not_joined_through_a_third() -> None:
    feet = line((100, 400), (100, 0), 90)
    clip = clip_of(
        *(walker(n, feet[s : s + 25], frames=np.arange(s, s + 25)) for n, s in ((1, 0), (2, 30), (3, 60)))
    )
    assert len(people(clip, list(clip.tracks))) == 1
    apart = people(clip, list(clip.tracks), PeopleLimits(different=((1, 3),)))
    assert len(apart) == 2 and not any({1, 3} <= {piece[0] for piece in person} for person in apart)
