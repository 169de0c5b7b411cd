"""Repairs: what each does to the tracks, and what the second pass makes of it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.errors import ConfigError, DataFormatError
from posetrack.refine.bench import Bench
from posetrack.refine.clip import MISSING, SEEN, Clip, Track
from posetrack.refine.edits import (
    KINDS,
    Check,
    Delete,
    Edit,
    Exchange,
    Hide,
    Join,
    Mark,
    Move,
    Name,
    Sides,
    Split,
    applied,
)
from posetrack.refine.edits_file import (
    EditConflict,
    History,
    edit_as_json,
    edits_path,
    parse_edit,
    read_history,
    write_history,
)  # fmt: skip
from posetrack.refine.files import read_clip, write_clip
from posetrack.refine.same_tracks import fingerprint, places
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.sides import mirrored
from posetrack.refine.skeletons import in_skeleton
from posetrack.refine.smoothing import Smoothing
from posetrack.skeletons import HALPE_26, POSETRACK, Skeleton
from tests.in_process import posetrack
from tests.refine_clips import clip_of, line, same_tracks, walker

COUNT = 100


def scene() -> Clip:
    """1 walks, and goes on as 4 later and elsewhere; 2 and 3 cross at frame 50; 5 is a still, unsure thing."""
    return clip_of(
        walker(1, line((100, 300), (50, 0), 40)),
        walker(2, line((200, 600), (200, 0), COUNT)),
        walker(3, line((1000, 605), (-200, 0), COUNT)),
        walker(4, line((700, 300), (50, 0), 30), frames=np.arange(70, COUNT)),
        walker(5, line((50, 800), (0, 0), COUNT), score=0.1),
    )


def tracks(*edits: Edit, clip: Clip | None = None) -> dict[int, Track]:
    return applied(edits, clip or scene()).tracks


def refined(*edits: Edit, clip: Clip | None = None, **settings: Any) -> dict[int, Track]:
    """After the second pass, without smoothing unless it is asked for."""
    config = RefineConfig(edits=edits, **{"smoothing": Smoothing(name="none"), **settings})
    return {track.track_id: track for track in refine_clip(clip or scene(), config).tracks}


def test_people_who_are_joined_are_one_person_for_good() -> None:
    assert set(refined()) == {1, 2, 3, 4}
    people = refined(Join(people=(1, 4)))
    assert set(people) == {1, 2, 3}
    assert people[1].frames.tolist() == [*range(40), *range(70, COUNT)]


def test_of_two_poses_in_a_frame_the_more_certain_one_stays() -> None:
    twin = walker(6, line((110, 300), (50, 0), 60), frames=np.arange(20, 80), score=0.9)
    clip = scene().with_tracks([*scene().tracks[:3], twin])
    whole = tracks(Join(people=(1, 6)), clip=clip)[1]
    assert whole.frames.tolist() == list(range(80))
    assert same_tracks(whole[:20], clip.tracks[0][:20]) and same_tracks(whole[20:], twin)
    assert same_tracks(tracks(Join(people=(6, 1)), clip=clip)[6], whole)


def test_people_in_two_places_cannot_be_joined() -> None:
    with pytest.raises(
        DataFormatError, match=r"repair 1 \(join\) does not fit: 1 and 3 are in two places at 0\.00 s"
    ):
        tracks(Join(people=(1, 3)))


def test_a_person_who_is_split_is_two_even_if_the_motion_goes_on() -> None:
    people = refined(Split(person=2, frame=30, into=9))
    assert people[2].frames.tolist() == list(range(30)) and people[9].frames.tolist() == list(range(30, COUNT))


def test_what_was_split_can_be_joined_again() -> None:
    people = refined(Split(person=2, frame=30, into=9), Join(people=(2, 9)))
    assert same_tracks(people[2], refined()[2])


def test_deleted_people_are_gone_and_others_take_their_pieces_only_if_they_are_split_off() -> None:
    assert set(refined(Delete(person=3))) == {1, 2, 4}
    people = tracks(Split(person=2, frame=60, into=9), Delete(person=9))
    assert people[2].frames.tolist() == list(range(60)) and 9 not in people


def test_exchanged_people_stay_exchanged_though_motion_says_otherwise() -> None:
    before, after = tracks(), refined(Exchange(people=(2, 3), frame=50))
    for number, other in ((2, 3), (3, 2)):
        assert same_tracks(after[number][:50], before[number][:50])
        assert same_tracks(after[number][50:], before[other][50:])


def test_one_exchange_mends_people_whom_the_tracker_has_exchanged() -> None:
    wrong = applied([Exchange(people=(2, 3), frame=50)], scene()).clip()
    mended = refined(Exchange(people=(2, 3), frame=50), clip=wrong)
    for number in (2, 3):
        assert same_tracks(mended[number], tracks()[number])


def wrong_sides(first: int, last: int) -> Clip:
    """Person 2 with left and right exchanged in some frames."""
    clip, rows = scene(), np.zeros(COUNT, dtype=bool)
    rows[first : last + 1] = True
    exchanged = mirrored(clip.tracks[1], POSETRACK, rows)
    return clip.with_tracks([clip.tracks[0], exchanged, *clip.tracks[2:]])


def test_sides_of_one_frame_settle_those_of_all_frames_around_it() -> None:
    """Most frames are wrong, so the second pass makes the others like them, until one frame is known."""
    clip = wrong_sides(0, 69)
    twins = POSETRACK.flip_permutation
    assert np.allclose(refined(clip=clip)[2].joints, tracks()[2].joints[:, twins], equal_nan=True)
    spread = refined(Sides(person=2, first=20, last=20), clip=clip)[2]
    assert np.allclose(spread.joints, tracks()[2].joints, equal_nan=True)


@pytest.mark.parametrize("again", [False, True])
def test_one_frame_settles_sides_that_are_wrong_all_the_time(again: bool) -> None:
    """Neither motion nor the majority tells; nor in results of an earlier second pass."""
    right = walker(2, line((200, 600), (40, 0), 400))
    clip = clip_of(mirrored(right, POSETRACK, np.ones(400, dtype=bool)), frame_count=400)
    if again:
        clip = refine_clip(clip, RefineConfig(smoothing=Smoothing(name="none")))
    spread = refined(Sides(person=2, first=200, last=200), clip=clip)[2]
    assert np.allclose(spread.joints[126:275], right.joints[126:275], equal_nan=True)


def test_sides_exchanged_by_hand_are_not_changed_back() -> None:
    """The step for sides alone would undo it: motion speaks against it."""
    people = refined(Sides(person=2, first=40, last=44))
    twins = POSETRACK.flip_permutation
    assert np.allclose(people[2].joints[40:45], tracks()[2].joints[40:45][:, twins], equal_nan=True)


def test_a_joint_that_is_moved_stays_where_it_was_put_and_its_neighbours_follow() -> None:
    knee = POSETRACK.index("left_knee")
    there = tracks()[2].joints[30, knee]
    edit = Move(person=2, frame=30, joint="left_knee", x=float(there[0]), y=float(there[1]) - 60)
    person = refined(edit, smoothing=Smoothing(name="kalman"))[2]
    usual = refined(smoothing=Smoothing(name="kalman"))[2]
    assert person.joints[30, knee].tolist() == [edit.x, edit.y]
    assert person.raw[30, knee].tolist() == [edit.x, edit.y] and person.joint_scores[30, knee] == 1
    beside = person.joints[[29, 31], knee, 1] - usual.joints[[29, 31], knee, 1]
    assert (beside < -5).all() and (beside > -60).all()
    assert np.allclose(person.joints[:10], usual.joints[:10], atol=1, equal_nan=True)


def test_a_joint_can_be_put_where_the_person_was_not_seen() -> None:
    gone = scene().tracks[1][np.r_[0:30, 36:COUNT]]
    clip = scene().with_tracks([gone])
    person = refined(Move(person=2, frame=33, joint="nose", x=470.5, y=400.25), clip=clip)[2]
    nose = POSETRACK.index("nose")
    assert person.joints[33, nose].tolist() == [470.5, 400.25] and person.origins[33, nose] == SEEN
    assert tracks(Move(person=2, frame=33, joint="nose", x=470, y=400), clip=clip)[2].origins[30].sum() == SEEN


def test_a_hidden_joint_is_missing_though_it_could_be_filled() -> None:
    wrist = POSETRACK.index("right_wrist")
    person = refined(Hide(person=2, first=20, last=24, joint="right_wrist"), smoothing=Smoothing(name="kalman"))[2]
    missing = person.origins[:, wrist] == MISSING
    assert np.flatnonzero(missing).tolist() == [20, 21, 22, 23, 24]
    assert np.isnan(person.joints[missing, wrist]).all() and (person.joint_scores[missing, wrist] == 0).all()


def test_named_people_keep_their_names_and_are_no_ghosts() -> None:
    people = refined(Name(person=5, name="Zoë"), Name(person=2, name="Al"), Name(person=2, name="Bo"))
    assert {number: track.name for number, track in people.items()} == {
        1: None,
        2: "Bo",
        3: None,
        4: None,
        5: "Zoë",
    }
    joined = refined(Name(person=4, name="Al"), Join(people=(1, 4)))
    assert joined[1].name == "Al"
    assert refined(Name(person=2, name="Al"), Name(person=2, name=""))[2].name is None


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json"])
def test_names_are_in_files_and_read_again(tmp_path: Path, ending: str) -> None:
    name = 'Zoë, "the first"'
    path = tmp_path / f"named{ending}"
    write_clip(path, scene().with_tracks(list(refined(Name(person=2, name=name)).values())))
    assert {track.track_id: track.name for track in read_clip(path).tracks} == {1: None, 2: name, 3: None, 4: None}
    write_clip(path, scene())
    assert all(track.name is None for track in read_clip(path).tracks)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".json"])
@pytest.mark.parametrize("skeleton", [POSETRACK, HALPE_26], ids=lambda skeleton: skeleton.name)
def test_hidden_joints_are_marked_in_files_and_stay_hidden(
    tmp_path: Path, ending: str, skeleton: Skeleton
) -> None:
    clip = in_skeleton(scene(), skeleton)
    people = refined(Hide(person=2, first=20, last=24, joint="right_wrist"), clip=clip)
    path, again = tmp_path / f"street{ending}", tmp_path / "again.csv"
    write_clip(path, clip.with_tracks(list(people.values())))
    assert posetrack("refine", path, "-o", again, "--smooth", "kalman").returncode == 0
    rows = [row for row in csv.DictReader(again.open()) if row["person"] == "2" and row["joint"] == "right_wrist"]
    hidden = [row for row in rows if 20 <= int(row["frame"]) <= 24]
    assert [(row["x"], row["y"], row["score"], row["origin"]) for row in hidden] == [("", "", "0", "hidden")] * 5
    assert {row["origin"] for row in rows if row not in hidden} == {"seen"}


def test_people_of_different_names_are_different_people() -> None:
    pieces = clip_of(
        walker(1, line((100, 300), (50, 0), 40)),
        walker(2, line((184, 300), (50, 0), 40), frames=np.arange(42, 82)),
    )
    assert set(refined(clip=pieces)) == {1}
    assert set(refined(Name(person=1, name="Al"), Name(person=2, name="Bo"), clip=pieces)) == {1, 2}


def test_only_subjects_are_kept() -> None:
    assert set(refined(Mark(person=4), Mark(person=2), Mark(person=2, subject=False))) == {4}
    assert set(refined(Mark(person=1), Join(people=(4, 1)))) == {4}


def test_a_doubt_that_was_checked_does_not_cut_the_person() -> None:
    """Without it, the two halves are too far apart to be joined again."""
    jumping = walker(2, np.concatenate([line((200, 600), (50, 0), 50), line((900, 300), (50, 0), 50)]))
    assert len(refined(clip=clip_of(jumping))) == 2
    assert set(refined(Check(people=(2,), frame=50), clip=clip_of(jumping))) == {2}
    assert len(refined(Check(people=(2,), frame=49), clip=clip_of(jumping))) == 2


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Delete(person=8), "there is no person 8"),
        (Join(people=(1, 8)), "there is no person 8"),
        (Join(people=(1, 1)), "1 is one person already"),
        (Split(person=1, frame=0, into=9), "1 is not seen on both sides of frame 0"),
        (Split(person=1, frame=60, into=9), "1 is not seen on both sides of frame 60"),
        (Split(person=1, frame=20, into=2), "2 is not a new person"),
        (Split(person=1, frame=100, into=9), "there is no frame 100"),
        (Exchange(people=(1, 2), frame=-1), "there is no frame -1"),
        (Exchange(people=(2, 2), frame=5), "2 cannot be exchanged with itself"),
        (Sides(person=1, first=50, last=60), "1 is not seen from frame 50 to 60"),
        (Sides(person=1, first=20, last=10), "1 is not seen from frame 20 to 10"),
        (Hide(person=1, first=0, last=5, joint="tail"), "the people have no joint 'tail'"),
        (Move(person=1, frame=5, joint="left_ear2", x=0, y=0), "the people have no joint 'left_ear2'"),
        (Name(person=1, name="a\nb"), "a name has at most 100 printable characters"),
        (Name(person=1, name="=1+1"), "a name has at most 100 printable characters, the first of them a letter"),
        (Check(people=(1, 9), frame=5), "there is no person 9"),
    ],
)
def test_repairs_that_do_not_fit_are_refused_with_their_number(edit: Edit, reason: str) -> None:
    with pytest.raises(DataFormatError, match=rf"repair 2 \(\w+\) does not fit: {reason}"):
        applied([Mark(person=1), edit], scene())


def test_nobody_has_the_name_of_somebody_else() -> None:
    with pytest.raises(DataFormatError, match="Al is person 2: join the two instead"):
        tracks(Name(person=2, name="Al"), Name(person=3, name="Al"))


EDITS = st.one_of(
    st.builds(Join, people=st.tuples(st.integers(0, 9), st.integers(0, 9))),
    st.builds(Split, person=st.integers(1, 9), frame=st.integers(0, 99), into=st.integers(6, 9)),
    st.builds(Delete, person=st.integers(1, 9)),
    st.builds(Exchange, people=st.tuples(st.integers(1, 5), st.integers(1, 5)), frame=st.integers(0, 99)),
    st.builds(Sides, person=st.integers(1, 5), first=st.integers(0, 50), last=st.integers(0, 99)),
    st.builds(Hide, person=st.integers(1, 5), first=st.integers(0, 50), last=st.integers(0, 99),
              joint=st.just("nose")),
    st.builds(Mark, person=st.integers(1, 5), subject=st.booleans()),
    st.builds(Name, person=st.integers(1, 5), name=st.sampled_from(["", "Al", "Bo"])),
)  # fmt: skip


@given(st.lists(EDITS, max_size=8))
def test_after_any_repairs_nobody_is_twice_in_a_frame_and_what_is_known_is_of_people_who_are_there(
    edits: list[Edit],
) -> None:
    bench = Bench(scene())
    for edit in edits:
        before = dict(bench.tracks)
        try:
            edit.apply(bench)
        except ConfigError:
            assert bench.tracks == before  # nothing half done
    for number, track in bench.tracks.items():
        assert track.track_id == number and len(track) > 0 and (np.diff(track.frames) > 0).all()
    known = {*bench.subjects, *bench.certain, *(one for pair in bench.different for one in pair)}
    assert known <= bench.tracks.keys() and {one for one, _ in bench.uncut} <= bench.tracks.keys()


@given(EDITS)
def test_repairs_are_read_as_they_are_written(edit: Edit) -> None:
    assert parse_edit(json.loads(json.dumps(edit_as_json(edit)))) == edit


def a_history(clip: Clip, *edits: Edit) -> History:
    history = History(people=fingerprint(clip), places=places(clip))
    for edit in edits:
        history = history.done(edit)
    return history


def test_undone_repairs_are_kept_and_can_be_done_again() -> None:
    history = a_history(scene(), Mark(person=1), Delete(person=2), Delete(person=3))
    history = history.toggled(2).toggled(1)
    assert history.edits == (Mark(person=1),) and (history.undoable, history.redoable) == (0, 1)
    again = history.toggled(1)
    assert again.edits == (Mark(person=1), Delete(person=2)) and again.redoable == 2
    other = history.done(Delete(person=4))
    assert [step.edit for step in other.steps if step.undone] == [Delete(person=2), Delete(person=3)]
    assert other.redoable is None and other.version == 6


def test_what_was_undone_last_is_done_again_first(results: Path) -> None:
    """Delete(2) was given up before Delete(4) was made: doing again brings back 4, though 2 comes first."""
    history = a_history(scene(), Delete(person=2)).toggled(0).done(Delete(person=4)).toggled(1)
    assert history.redoable == 1
    path = edits_path(results)
    write_history(path, replace(history, version=1), results)
    assert read_history(path, read_clip(results)).redoable == 1  # whoever opens it
    again = history.toggled(1)
    assert again.edits == (Delete(person=4),) and again.redoable is None


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "street.parquet"
    write_clip(path, scene())
    return path


def written(results: Path, *edits: Edit) -> Path:
    path = edits_path(results)
    for count in range(1, len(edits) + 1):
        write_history(path, a_history(read_clip(results), *edits[:count]), results)
    return path


def test_repairs_are_replayed_by_the_command(results: Path) -> None:
    path = written(results, Join(people=(1, 4)), Delete(person=3), Name(person=2, name="Al"))
    before = path.read_bytes(), results.read_bytes()
    done = posetrack("refine", results, "--edits", path, "-o", results.with_name("mended.csv"))
    assert done.returncode == 0, done.stderr
    assert [track.track_id for track in read_clip(results.with_name("mended.csv")).tracks] == [1, 2]
    assert (path.read_bytes(), results.read_bytes()) == before


def test_repairs_fit_the_same_tracks_in_another_format(results: Path) -> None:
    path = written(results, Join(people=(1, 4)))
    for ending in (".csv", ".json"):
        other = results.with_name(f"other{ending}")
        write_clip(other, scene())
        assert read_history(path, read_clip(other)).edits == (Join(people=(1, 4)),)


def test_two_versions_never_overwrite_each_other(results: Path) -> None:
    path = written(results, Mark(person=1))
    ours = a_history(scene(), Mark(person=1), Delete(person=2))
    write_history(path, a_history(scene(), Mark(person=1), Delete(person=3)), results)
    before = path.read_bytes()
    with pytest.raises(
        EditConflict, match=r"street\.edits\.json has been changed elsewhere meanwhile \(version 2\)"
    ):
        write_history(path, ours, results)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: text[:40], r"the file is damaged \(.*\); correct it, restore a copy, or move"),
        (lambda text: "[]", r"this is not a file of repairs; give one that `posetrack review` has written\."),
        (lambda text: text.replace("posetrack edits", "other"), "this is not a file of repairs"),
        (lambda text: text.replace('"format_version":1', '"format_version":2'), "a newer posetrack has written"),
        (lambda text: text.replace('"people":"', '"people":"0'), "these repairs are of other tracks"),
        (lambda text: text.replace('"person":3', '"person":30'), r"repair 2 \(delete\) does not fit: there is no"),
        (lambda text: text.replace('"person":3', '"person":"3"'), r"damaged \(person must be a whole number"),
        (lambda text: text.replace('"person":3', '"whom":3'), r"damaged \('whom' does not belong to 'delete'"),
        (lambda text: text.replace('"kind":"delete",', '"kind":"erase",'), "there is no repair of the kind 'era"),
        (lambda text: text.replace(',"person":3', ""), r"damaged \('delete' lacks a field"),
        (lambda text: text.replace('"version":2,', ""), r"the file is damaged"),
        (lambda text: text.replace('"places":{', '"places":{"9":[1],'), r"the file is damaged"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_refused_and_left_as_they_are(results: Path, change: Any, sentence: str) -> None:
    path = written(results, Mark(person=1), Delete(person=3))
    path.write_text(change(path.read_text()))
    before = path.read_bytes()
    done = posetrack("refine", results, "--edits", path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"posetrack: {path}: " in done.stderr and re.search(sentence, done.stderr), done.stderr
    assert path.read_bytes() == before and not results.with_name("street_refined.parquet").exists()


def moved(clip: Clip, x: float) -> Clip:
    """The same people in the same frames, elsewhere."""
    return replace(clip, tracks=tuple(track.replace(joints=track.joints + (x, 0)) for track in clip.tracks))


def test_repairs_of_other_people_in_the_same_frames_are_refused(results: Path) -> None:
    """As of another clip with one person throughout, which no count of frames tells apart."""
    clip, path = read_clip(results), edits_path(results)
    write_history(path, a_history(clip).done(Mark(person=1)), results)
    other = results.with_name("other.parquet")
    write_clip(other, moved(clip, 5.0))
    done = posetrack("refine", other, "--edits", path)
    assert done.returncode == 2 and f"{path}: these repairs are of other tracks; give the file" in done.stderr
    assert read_history(path, moved(clip, 0.4)).version == 1


def test_repairs_of_earlier_versions_do_not_say_where_people_are(results: Path) -> None:
    clip, path = read_clip(results), edits_path(results)
    write_history(path, replace(a_history(clip), places=None).done(Mark(person=1)), results)
    assert read_history(path, moved(clip, 50.0)).edits == (Mark(person=1),)


def test_repairs_made_over_another_video_are_refused(results: Path) -> None:
    clip = read_clip(results)
    path = edits_path(results)
    write_history(path, replace(a_history(clip), size=(640, 360)).done(Mark(person=1)), results)
    assert read_history(path, clip, (640, 360)).version == read_history(path, clip).version == 1
    with pytest.raises(DataFormatError, match="made over a video of 640x360 pixels, and this one has 320x180"):
        read_history(path, clip, (320, 180))


def test_repairs_made_over_another_video_of_the_same_size_are_refused(results: Path) -> None:
    """Told by what was tracked, where the tracks know it, and by the video that is shown, where they do not."""
    clip, path = read_clip(results), edits_path(results)
    write_history(path, replace(a_history(clip), video="ab").done(Mark(person=1)), results)
    assert read_history(path, clip).video == "ab"
    assert (
        read_history(path, replace(clip, video="ab")).version == read_history(path, clip, None, "ab").version == 1
    )
    for known, shown in (("cd", None), ("cd", "ab"), ("", "cd")):
        with pytest.raises(
            DataFormatError, match=r"street\.edits\.json: these repairs were made over another video"
        ):
            read_history(path, replace(clip, video=known), None, shown)


def test_every_kind_has_a_word() -> None:
    assert len(set(KINDS.values())) == len(KINDS) == 10
