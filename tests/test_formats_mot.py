"""MOTChallenge text, line by line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.mot import mot_lines, parse_mot
from posetrack.formats.tracked import EXACT, Digits, annotations_of
from posetrack.skeletons import POSETRACK
from posetrack.types import Poses

PATH = Path("street.txt")
IMAGES = [{"file_name": f"images/000000_mpii_street/{n:06d}.jpg", "id": 10**10 + n} for n in range(3)]


def poses(box: list[float], score: float) -> Poses:
    return Poses(
        boxes=np.array([box]),
        scores=np.array([score]),
        keypoints=np.zeros((1, 17, 2)),
        keypoint_scores=np.zeros((1, 17)),
        track_ids=np.array([4]),
        skeleton=POSETRACK,
    )


@pytest.mark.parametrize(
    ("box", "score", "digits", "line"),
    [
        ([0.5, 1.5, 10.5, 21.5], 1, EXACT, "8,5,2.00,3.00,10.00,20.00,1.0000"),
        ([0.25, 1.125, 10.5, 21.5], 0.5, EXACT, "8,5,1.75,2.625,10.25,20.375,0.5000"),
        ([0, 0, 0.0009765625, 1.100000023841858], 0.123456789, EXACT, "8,5,1.50,1.50,0.000977,1.10,0.123457"),
        ([0.25, 1.125, 10.5, 21.5], 0.123456789, Digits(pixels=2), "8,5,1.75,2.62,10.25,20.38,0.1235"),
    ],
)
def test_numbers_have_two_to_six_decimals_and_scores_four_to_six(
    box: list[float], score: float, digits: Digits, line: str
) -> None:
    video = annotations_of(PATH, "street", IMAGES[:1], [poses(box, score)], digits)
    assert list(mot_lines(video, [7])) == [f"{line},-1,-1,-1\n"]


def test_people_have_boxes_and_no_joints() -> None:
    video = parse_mot(PATH, "2,1,11,21,5,6,0.5\n", None)
    assert [image["file_name"] for image in video.images] == [image["file_name"] for image in IMAGES[:2]]
    assert video.frames.tolist() == [1] and video.boxes.tolist() == [[10, 20, 15, 26]]
    assert video.keypoints.shape == (1, 15, 2) and video.person_scores.tolist() == [0.5]
    assert not video.present.any() and not video.keypoints.any() and np.isnan(video.scores).all()
    assert video.joints is None


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_text_without_lines_is_a_video_without_frames(text: str) -> None:
    video = parse_mot(PATH, text, None)
    assert len(video) == 0 and video.images == [] and video.video == "street"
    assert len(parse_mot(PATH, text, IMAGES)) == 0


@pytest.mark.parametrize(("frames", "allowed"), [((1, 3), True), ((1, 4), False), ((0, 3), False), ((2, 2), True)])
def test_frames_must_be_among_the_images(frames: tuple[int, int], allowed: bool) -> None:
    text = "".join(f"{frame},{n + 1},1,1,1,1,1\n" for n, frame in enumerate(frames))
    if allowed:
        assert parse_mot(PATH, text, IMAGES).frames.tolist() == [frame - 1 for frame in frames]
    else:
        with pytest.raises(DataFormatError, match=r"street\.txt: frames must lie between 1 and 3"):
            parse_mot(PATH, text, IMAGES)


def test_an_error_names_the_first_wrong_line() -> None:
    good = "1,1,1,1,1,1,1\n"
    for text in (f"\n{good}1.5,1,1,1,1,1,1\n0.5,1,1,1,1,1,1\n{good}", f"\n{good}x\ny\n"):
        with pytest.raises(DataFormatError, match=r"street\.txt, line 3: "):
            parse_mot(PATH, text, None)


def test_people_without_a_score_get_one_and_ids_count_from_one() -> None:
    text = "".join(f"1,{track_id},1,1,1,1,1\n" for track_id in (-1, 1, 2, 9))
    video = replace(parse_mot(PATH, text, None), person_scores=np.array([np.nan, 0.5, 0, np.nan]))
    rows = [line.split(",") for line in mot_lines(video, [0])]
    assert [(row[1], row[6]) for row in rows] == [
        ("-1", "1.0000"),
        ("1", "0.5000"),
        ("2", "0.0000"),
        ("9", "1.0000"),
    ]


@pytest.mark.parametrize("line", ["1,2,3", "1,1,1,1,1,1,inf", "1,1,nan,1,1,1,1", "1,x,1,1,1,1,1", "1,1,1,1,1,1"])
def test_lines_without_seven_finite_numbers_are_refused(line: str) -> None:
    with pytest.raises(DataFormatError, match=r"street\.txt, line 1: MOTChallenge lines are"):
        parse_mot(PATH, line, None)


def test_an_id_twice_in_a_frame_is_refused() -> None:
    with pytest.raises(DataFormatError, match="frame 2: two people have the track id 5"):
        parse_mot(PATH, "1,5,1,1,1,1,1\n2,5,1,1,1,1,1\n2,5,1,1,1,1,1\n", None)
    assert len(parse_mot(PATH, "1,5,1,1,1,1,1\n2,5,1,1,1,1,1\n", None)) == 2


def test_numbers_have_limits() -> None:
    good = parse_mot(PATH, f"1,{2**31 - 1},1,1,1,1,1\n", None)
    assert good.track_ids.tolist() == [2**31 - 2]
    assert len(parse_mot(PATH, f"{10**6},1,1,1,1,1,1\n", None).images) == 10**6
    for first in ("1,0.5", f"1,{2**31}", f"{10**6 + 1},1", f"1,{-(2**31)}"):
        with pytest.raises(DataFormatError, match="whole numbers of at most 1000000 and 2147483647"):
            parse_mot(PATH, f"{first},1,1,1,1,1\n", None)
    with pytest.raises(DataFormatError, match="too large to compute with"):
        parse_mot(PATH, "1,1,1.5e308,1,1.5e308,1,1\n", None)


def test_people_of_one_frame_keep_their_order() -> None:
    ids = np.random.default_rng(0).permutation(200) + 1
    lines = [f"{2 - n % 2},{track_id},1,1,1,1,1\n" for n, track_id in enumerate(ids)]
    video = parse_mot(PATH, "".join(lines), None)
    assert video.frames.tolist() == [0] * 100 + [1] * 100
    assert video.track_ids.tolist() == [*(ids[1::2] - 1), *(ids[::2] - 1)]


@pytest.mark.parametrize(
    ("ids", "read"), [([0, -1], [0, -1]), ([0, 5], [0, 5]), ([1, -1], [0, -1]), ([5, 2], [4, 1])]
)
def test_ids_count_from_one_unless_somebody_is_zero(ids: list[int], read: list[int]) -> None:
    text = "".join(f"1,{track_id},1,1,1,1,1\n" for track_id in ids)
    assert parse_mot(PATH, text, None).track_ids.tolist() == read
