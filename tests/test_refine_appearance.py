"""What a clip teaches of appearance, and what the second pass makes of it."""

from pathlib import Path

import numpy as np
import pytest

from posetrack.refine.appearance import Looks, learn, usual_looks
from posetrack.refine.changes import cut_at_changes
from posetrack.refine.clip import Clip, Track
from posetrack.refine.files import read_clip, write_clip
from posetrack.refine.priors import Priors
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.summary import appearance_sentence
from tests.refine_clips import clip_of, line, walker

LENGTH = 6
CLOTHES = np.random.default_rng(7).normal(0, 1, (4, LENGTH))


def dressed(track: Track, who: int | np.ndarray, noise: float = 0.3) -> Track:
    """A track whose descriptors are those of somebody, with noise that depends on the track."""
    random = np.random.default_rng(track.track_id)
    looks = np.broadcast_to(CLOTHES[who], (len(track), LENGTH)) + random.normal(0, noise, (len(track), LENGTH))
    return track.replace(appearance=looks.astype(np.float32))


def group(noise: float = 0.3, count: int = 200) -> Clip:
    """Three people side by side."""
    return clip_of(
        *(dressed(walker(who, line((100 + 300 * who, 400), (0, 0), count)), who, noise) for who in range(3))
    )


def learnt(clip: Clip) -> Looks:
    looks = learn(clip.tracks, clip)
    assert looks is not None
    return looks


def test_people_in_different_clothes_are_told_apart() -> None:
    looks = learnt(group())
    assert looks.separation > 0.99 and looks.useful
    assert looks.odds(CLOTHES[[0, 0, 1]], CLOTHES[[0, 1, 2]]).tolist() == pytest.approx([4, -4, -4])


def test_descriptors_that_say_nothing_are_not_used() -> None:
    clip = clip_of(*(dressed(track, 0) for track in group().tracks))
    looks = learnt(clip)
    assert 0.35 < looks.separation < 0.65 and not looks.useful


def test_dimensions_that_vary_within_people_count_for_little() -> None:
    clip = group()
    random = np.random.default_rng(1)
    wild = []
    for track in clip.tracks:
        assert track.appearance is not None
        looks = track.appearance.copy()
        looks[:, 5] = random.normal(0, 3, 200)
        wild.append(track.replace(appearance=looks))
    looks = learnt(clip.with_tracks(wild))
    step = np.eye(LENGTH)[[5, 0]]
    far, near = looks.odds(np.zeros((2, LENGTH)), step).tolist()
    assert far > near + 1


def test_unknown_dimensions_are_left_out() -> None:
    looks = learnt(group())
    one, other = CLOTHES[[0, 0, 0]].copy(), CLOTHES[[0, 1, 1]].copy()
    other[2] = np.nan
    one[:2, 3:] = np.nan
    odds = looks.odds(one, other)
    assert odds[0] > 1 and odds[1] < -1 and odds[2] == 0


def test_odds_do_not_depend_on_units() -> None:
    clip = group(noise=1.0)
    feet = clip.with_tracks([t.replace(appearance=t.appearance * np.float32(0.3)) for t in clip.tracks])  # type: ignore[operator]
    pair = CLOTHES[:1] * 0.2, CLOTHES[1:2] * 0.2
    assert learnt(feet).odds(pair[0] * 0.3, pair[1] * 0.3) == pytest.approx(learnt(clip).odds(*pair), abs=1e-3)


def test_separation_is_that_of_what_was_not_learnt_from() -> None:
    """Clothes that are exchanged half way teach what is false afterwards."""
    clip = group()
    half = np.arange(200) < 100
    mixed = [dressed(track, np.where(half, track.track_id, 3)) for track in clip.tracks]
    assert learnt(clip.with_tracks(mixed)).separation < 0.9


def test_without_descriptors_or_company_nothing_is_learnt() -> None:
    bare = clip_of(walker(0, line((100, 400), (0, 0), 50)))
    assert learn(bare.tracks, bare) is None and usual_looks(bare.tracks, bare) is None
    alone = clip_of(dressed(bare.tracks[0], 0))
    assert learn(alone.tracks, alone) is None


def test_usual_looks_are_means_of_what_is_known() -> None:
    track = walker(0, line((100, 400), (0, 0), 50))
    looks = np.full((50, 2), np.nan, dtype=np.float32)
    looks[10:20, 0], looks[30:50] = 1, 3
    clip = clip_of(track.replace(appearance=looks), walker(1, line((500, 400), (0, 0), 50)))
    usual = usual_looks(clip.tracks, clip)
    assert usual is not None and np.isnan(usual[1]).all()
    assert 1 < usual[0, 0] < 3 and usual[0, 1] == 3


def test_a_tracklet_is_cut_where_somebody_else_goes_on() -> None:
    clip = group()
    mixed = dressed(clip.tracks[0], np.where(np.arange(200) < 90, 0, 3))
    tracks = [mixed, *clip.tracks[1:]]
    pieces = cut_at_changes(tracks, learnt(clip))
    assert [len(piece) for piece in pieces] == [pytest.approx(90, abs=1), pytest.approx(110, abs=1), 200, 200]
    assert [len(piece) for piece in cut_at_changes(tracks, learnt(clip), kept_whole={0})] == [200] * 3
    assert cut_at_changes(tracks, None) == tracks


def test_people_of_one_gait_are_told_apart_by_their_clothes() -> None:
    """Two walk together behind a wall and change places there: motion would join the wrong ones."""
    high, low = line((100, 300), (100, 0), 150), line((100, 420), (100, 0), 150)
    before, after = np.arange(60), np.arange(85, 150)
    tracks = [
        dressed(walker(0, high[before]), 0),
        dressed(walker(1, low[before]), 1),
        dressed(walker(2, low[after], frames=after), 0),
        dressed(walker(3, high[after], frames=after), 1),
    ]
    bare = [track.replace(appearance=None) for track in tracks]
    assert _partners(clip_of(*bare)) == [{0, 3}, {1, 2}]
    assert _partners(clip_of(*tracks)) == [{0, 2}, {1, 3}]


def test_somebody_who_comes_back_after_long_is_known_by_the_clothes() -> None:
    stays = walker(1, line((500, 300), (0, 0), 400))
    leaves, comes = line((80, 300), (-60, 0), 40), line((-10, 300), (60, 0), 100)
    back = np.arange(300, 400)
    for clothes, people in ((0, 2), (2, 3)):
        tracks = [
            dressed(walker(0, leaves), 0),
            dressed(stays, 1),
            dressed(walker(2, comes, frames=back), clothes),
        ]
        clip = clip_of(*tracks, size=(640, 480))
        assert len(refine_clip(clip, RefineConfig()).tracks) == people


def test_the_summary_says_how_well_appearance_tells_people_apart() -> None:
    same = clip_of(*(dressed(track, 0) for track in group().tracks))
    assert appearance_sentence(group()) == "appearance tells two people apart in 100 % of cases"
    assert (appearance_sentence(same) or "").endswith(", so it was not used")
    assert appearance_sentence(clip_of(walker(1, line((100, 400), (0, 0), 50)))) is None


@pytest.mark.parametrize("ending", [".parquet", ".json"])
def test_who_was_known_by_the_clothes_stays_known_without_them(ending: str, tmp_path: Path) -> None:
    stays, back = dressed(walker(1, line((500, 300), (0, 0), 400)), 1), np.arange(300, 400)
    leaves = dressed(walker(0, line((80, 300), (-60, 0), 40)), 0)
    comes = dressed(walker(2, line((-10, 300), (60, 0), 100), frames=back), 0)
    once = refine_clip(clip_of(leaves, stays, comes, size=(640, 480)), RefineConfig())
    path = tmp_path / f"clip{ending}"
    write_clip(path, once)
    twice = refine_clip(read_clip(path), RefineConfig())
    assert [(t.track_id, len(t)) for t in twice.tracks] == [(t.track_id, len(t)) for t in once.tracks]
    for one, two in zip(once.tracks, twice.tracks, strict=True):
        assert one.identity is not None and two.identity is not None
        assert np.allclose(one.identity, two.identity, atol=1e-3) and one.identity.max() == 1
    assert len(refine_clip(read_clip(path), RefineConfig(priors=Priors(least=1, most=2))).tracks) == 2


def _partners(clip: Clip) -> list[set[int]]:
    """Of each person, the ids of the tracks that the person holds."""
    people = []
    for person in refine_clip(clip, RefineConfig()).tracks:
        boxes = {tuple(box) for box in person.boxes.tolist()}
        people.append(
            {track.track_id for track in clip.tracks if {tuple(box) for box in track.boxes.tolist()} & boxes}
        )
    return sorted(people, key=min)
