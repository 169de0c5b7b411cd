"""What a person knows of the people is kept, or refused with a sentence."""

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.refine import priors as said
from posetrack.refine.clip import Clip
from posetrack.refine.priors import Priors, Subject
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.sides import Swap, mirrored
from posetrack.refine.smoothing import Smoothing
from posetrack.refine.summary import summarise
from posetrack.skeletons import POSETRACK
from tests.refine_clips import clip_of, line, same_tracks, walker


def scene() -> Clip:
    """1 walks; 2, the largest, stands in the middle; 5 is 2 again, later and elsewhere; 7 passes by."""
    return clip_of(
        walker(1, line((100, 300), (100, 0), 100), height=120),
        walker(2, line((500, 500), (0, 0), 50), height=300),
        walker(5, line((900, 500), (0, 0), 40), frames=np.arange(55, 95), height=300),
        walker(7, line((250, 600), (0, 50), 13), frames=np.arange(30, 43), height=150),
    )


def ids(priors: Priors) -> list[int]:
    config = RefineConfig(priors=priors, smoothing=Smoothing(name="none"))
    return [track.track_id for track in refine_clip(scene(), config).tracks]


def test_without_priors_everybody_is_kept() -> None:
    assert ids(Priors()) == [1, 2, 5, 7]


def test_same_joins_what_motion_would_not() -> None:
    refined = refine_clip(scene(), RefineConfig(priors=Priors(same=((5, 2),))))
    assert [track.track_id for track in refined.tracks] == [1, 2, 7]
    assert refined.tracks[1].frames.tolist() == list(range(95))


def test_same_is_not_filled_across_a_long_gap() -> None:
    refined = refine_clip(scene(), RefineConfig(priors=Priors(same=((5, 2),)), max_fill_s=0.1))
    assert refined.tracks[1].frames.tolist() == [*range(50), *range(55, 95)]


def test_same_of_people_seen_together_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--same: 1 and 2 are both seen at 0\.00 s, so they are two people"):
        ids(Priors(same=((2, 1),)))


def test_same_and_different_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="2 and 5 cannot be both"):
        ids(Priors(same=((2, 5),), different=((2, 5),)))


def test_dropped_people_are_gone() -> None:
    assert ids(Priors(drop=(1, 7))) == [2, 5]


@pytest.mark.parametrize(
    ("priors", "option"),
    [
        (Priors(same=((1, 9),)), "--same names 9"),
        (Priors(different=((9, 1),)), "--different names 9"),
        (Priors(drop=(9,)), "--drop names 9"),
        (Priors(swaps=(Swap(track_id=9, start_s=0, end_s=1),)), "--swap-sides names 9"),
    ],
)
def test_constraints_that_name_nobody_are_refused_with_the_ids_there_are(priors: Priors, option: str) -> None:
    with pytest.raises(ConfigError, match=rf"{option}, but nobody has that id; the ids are 1, 2, 5, 7\."):
        ids(priors)


def test_somebody_dropped_cannot_be_constrained() -> None:
    with pytest.raises(ConfigError, match="--different and --drop both name 1"):
        ids(Priors(different=((1, 2),), drop=(1,)))


def test_the_number_of_people_drops_the_rest() -> None:
    assert ids(Priors(least=2, most=2)) == [1, 2]
    assert ids(Priors(least=1, most=3)) == [1, 2, 7]


def test_too_few_people_are_refused_if_another_is_clearly_seen() -> None:
    with pytest.raises(
        ConfigError, match=r"keeping at most 1 would drop person 2, who .* 0\.00 to 1\.96 s; .*--drop 2"
    ):
        ids(Priors(least=1, most=1))
    assert ids(Priors(least=1, most=1, drop=(2, 5))) == [1]


def test_more_people_than_are_seen_are_refused() -> None:
    with pytest.raises(ConfigError, match="--people asks for 9 people, but only 4 are seen"):
        ids(Priors(least=9, most=9))


def at(x: float, y: float, time_s: float | None = None) -> Subject:
    return Subject(kind="at", x=x, y=y, time_s=time_s)


@pytest.mark.parametrize(
    ("subjects", "kept"),
    [
        ((Subject(kind="longest"),), [1]),
        ((Subject(kind="largest"),), [2]),
        ((Subject(kind="central"),), [2]),
        ((at(500, 400),), [2]),
        ((at(300, 250, 2.0),), [1]),
        ((at(900, 400, 3), Subject(kind="longest")), [1, 5]),
    ],
)
def test_subjects_alone_are_kept(subjects: tuple[Subject, ...], kept: list[int]) -> None:
    assert ids(Priors(subjects=subjects)) == kept


@pytest.mark.parametrize(("subject", "when"), [(at(5, 5), "at any time"), (at(900, 400, 1), "at 1 s")])
def test_a_subject_at_a_place_without_anybody_is_refused(subject: Subject, when: str) -> None:
    with pytest.raises(ConfigError, match=f"--subject: nobody is at .* {when}"):
        ids(Priors(subjects=(subject,)))


def test_sides_are_swapped_in_the_given_time_and_only_then() -> None:
    swap = Swap(track_id=1, start_s=1, end_s=2)
    refined = refine_clip(scene(), RefineConfig(priors=Priors(swaps=(swap,)), smoothing=Smoothing(name="none")))
    track = scene().tracks[0]
    asked = (track.frames >= 25) & (track.frames <= 50)
    assert same_tracks(refined.tracks[0], mirrored(track, POSETRACK, asked))
    assert same_tracks(refined.tracks[1], scene().tracks[1])


def test_people_keep_the_id_of_most_of_their_frames_and_others_get_new_ones() -> None:
    """The tracker exchanges 4 and 9 at their crossing; after it both ids go on with the other person."""
    right, left = line((104, 400), (200, 0), 70), line((504, 400), (-200, 0), 70)
    clip = clip_of(
        walker(4, np.concatenate([right[:25], left[25:60]]), frames=np.arange(60)),
        walker(9, np.concatenate([left[:25], right[25:]])),
    )
    refined = refine_clip(clip, RefineConfig(smoothing=Smoothing(name="none")))
    assert [(one.track_id, len(one), one.raw[-1, 0, 0] > one.raw[0, 0, 0]) for one in refined.tracks] == [
        (4, 60, False),
        (9, 70, True),
    ]
    # of one track that is two people, the shorter part gets a new id
    jump = walker(4, np.concatenate([line((100, 400), (0, 0), 40), line((900, 400), (0, 0), 30)]))
    refined = refine_clip(clip_of(jump), RefineConfig())
    assert [(one.track_id, len(one)) for one in refined.tracks] == [(4, 40), (5, 30)]


def test_a_swap_when_the_person_is_not_seen_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"--swap-sides: 7 is not seen from 0 to 1 s, only from 1\.20 to 1\.68 s"
    ):
        ids(Priors(swaps=(Swap(track_id=7, start_s=0, end_s=1),)))


def test_words_on_the_command_line() -> None:
    assert said.parse_people("3") == (3, 3) and said.parse_people("2-4") == (2, 4)
    assert said.parse_subject("320,240@12.5s") == at(320, 240, 12.5)
    assert said.parse_subject("320, 240") == at(320, 240)
    assert said.parse_same("3=7=9") == said.parse_same(" 3 = 7= 9 ") == (3, 7, 9)
    assert said.parse_different("2,5,8") == ((2, 5), (2, 8), (5, 8))
    assert said.parse_drop("4, 6") == (4, 6)
    assert (
        said.parse_swap("3@10-14s") == said.parse_swap("3 @ 10 s - 14 s") == Swap(track_id=3, start_s=10, end_s=14)
    )
    assert said.parse_swap("3") == Swap(track_id=3, start_s=-np.inf, end_s=np.inf)


@pytest.mark.parametrize(
    ("parse", "texts"),
    [
        (said.parse_people, ["0", "4-2", "many", "2-", "-1"]),
        (said.parse_subject, ["tall", "1", "1,2,3", "1,2@", "30 0,250"]),
        (said.parse_same, ["3", "3=", "3=x", "3,7", "3 4=7"]),
        (said.parse_different, ["2", "2,2", "2=5"]),
        (said.parse_drop, ["", "x", "1;2", "4 6"]),
        (said.parse_swap, ["3@", "3@10", "3@14-10s", "x@1-2", "7 1@1-2s"]),
    ],
)
def test_unclear_words_are_refused_with_an_example(parse, texts: list[str]) -> None:
    for text in texts:
        with pytest.raises(ConfigError, match=r"^--[a-z-]+ .*(such as|exchange the times|a position such)"):
            parse(text)


def test_the_summary_says_when_and_how_much_of_everybody_was_seen() -> None:
    track = walker(4, line((100, 300), (100, 0), 100), score=0.5)
    clip = clip_of(track[np.r_[0:20, 30:60, 95:100]])
    (person,) = summarise(refine_clip(clip, RefineConfig()))
    assert (person.track_id, person.first_s, person.last_s) == (4, 0, pytest.approx(3.96))
    assert person.seen == pytest.approx(0.55) and person.filled == pytest.approx(0.1)
    assert person.missing == pytest.approx(0.35) and person.score == pytest.approx(0.5)
    assert person.doubts_s == ((pytest.approx(1.2), pytest.approx(1.2)), (pytest.approx(3.8), pytest.approx(3.8)))
    assert person.sentence() == (
        "person 4: 0.00 to 3.96 s; seen 55 %, filled 10 %, missing 35 %; mean joint score 0.50; "
        "check 1.20 s, 3.80 s"
    )


def test_a_summary_names_the_first_doubts_and_counts_the_others() -> None:
    track = walker(4, line((100, 300), (100, 0), 500), score=0.5)
    seen = np.concatenate([np.arange(start, start + 35) for start in range(0, 500, 50)])
    (person,) = summarise(refine_clip(clip_of(track[seen]), RefineConfig()))
    assert len(person.doubts_s) == 9
    named = person.sentence().partition("check ")[2]
    assert named.count(",") == 7 and named.endswith(" s and 1 more")
