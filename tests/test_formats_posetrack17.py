"""PoseTrack17 files as read: what the release's lists of one item mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.annotations import VISIBLE
from posetrack.formats.posetrack17 import parse_posetrack17
from posetrack.formats.reading import files_in


def point(joint: Any, x: float, y: float, **more: Any) -> dict[str, Any]:
    return {"id": [joint], "x": [x], "y": [y], **more}


def frame(number: int, *people: dict[str, Any], folder: str = "images/000342_mpii", **more: Any) -> dict[str, Any]:
    return {"image": [{"name": f"{folder}/{number:06d}.jpg"}], "annorect": list(people), **more}


def person(*points: dict[str, Any], number: int = 3) -> dict[str, Any]:
    return {"track_id": [number], "annopoints": [{"point": list(points)}]}


def read(tmp_path: Path, *frames: dict[str, Any]) -> Any:
    content = {"annolist": list(frames)}
    (video,) = parse_posetrack17(tmp_path / "truth.json", content)
    return video


def test_a_video_is_named_by_the_folder_of_its_first_image_and_else_by_its_file(tmp_path: Path) -> None:
    last = frame(1, folder="images/000999_other")
    assert read(tmp_path, frame(0), last).video == "000342"
    assert read(tmp_path).video == "truth"


def test_the_first_of_repeated_joints_counts(tmp_path: Path) -> None:
    video = read(tmp_path, frame(0, person(point(13, 5, 6), point(13, 50, 60))))
    nose = np.flatnonzero(video.present[0])
    assert len(nose) == 1 and video.keypoints[0, nose[0]].tolist() == [5, 6]


def test_visibility_is_that_of_each_joint_and_unknown_where_it_is_not_given(tmp_path: Path) -> None:
    joints = (point(13, 1, 1, is_visible=[1]), point(12, 2, 2, is_visible=[0]), point(14, 3, 3))
    video = read(tmp_path, frame(0, person(*joints)))
    places = {tuple(video.keypoints[0, k]): video.visibility[0, k] for k in np.flatnonzero(video.present[0])}

    assert places[1, 1] == VISIBLE and places[2, 2] == 0 and np.isnan(places[3, 3])


@pytest.mark.parametrize("empty", [[], None, {}, [[]], [{}]])
def test_people_without_a_list_of_joints_are_read_as_such(tmp_path: Path, empty: Any) -> None:
    video = read(tmp_path, frame(0, {"track_id": [3], "annopoints": empty}))
    assert video.listed.tolist() == [False] and not video.present.any()


@pytest.mark.parametrize("wrong", [[{"point": 3}], [{"point": [3]}], "joints", [3]])
def test_joints_that_are_no_list_are_refused(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(DataFormatError, match=r"truth.json, frame 0 .*'annopoints' must be"):
        read(tmp_path, frame(0, {"track_id": [3], "annopoints": wrong}))


def test_whether_a_frame_is_labelled_is_kept_where_it_is_said(tmp_path: Path) -> None:
    video = read(tmp_path, frame(0, is_labeled=[0]), frame(1, is_labeled=[1]), frame(2))
    assert [image.get("is_labeled") for image in video.images] == [False, True, None]


def test_the_files_of_a_folder_are_those_with_the_ending_and_no_folders(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.json").mkdir()
    assert [path.name for path in files_in(tmp_path, ".json")] == ["a.json", "b.json"]
