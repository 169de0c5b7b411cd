"""Ids of images and annotations are unique in clips and crowds of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.errors import DataFormatError
from posetrack.evaluation import evaluate_oks
from posetrack.formats import FORMATS
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.naming import ImageNaming, official_ids, packed_id, unpacked_id, video_of
from posetrack.formats.reading import read_annotations
from posetrack.formats.results import are_frame_numbers
from posetrack.report.presence import read_presence
from posetrack.skeletons import POSETRACK
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from tests.evaluation_cases import random_sequence, write_posetrack18

FRAMES = (0, 5, 9999, 10_000, 10_005)
PICTURE = np.zeros((1, 1, 3), np.uint8)
NUMBERS_LOST = "Numbers of frames, which the images' ids do not give: images are numbered in order."


def somebody(count: int = 1) -> Poses:
    keypoints = np.arange(count * 34, dtype=np.float32).reshape(count, 17, 2) + 10
    return Poses(
        boxes=np.tile(np.array([[9.5, 19.5, 29.5, 49.5]]), (count, 1)),
        scores=np.full(count, 0.5),
        keypoints=keypoints,
        keypoint_scores=np.tile(np.where(POSETRACK.used, np.float32(0.5), 0), (count, 1)),
        track_ids=np.arange(count),
        skeleton=POSETRACK,
    )


def tracked(folder: Path, form: str, frames: tuple[int, ...] = FRAMES, name: str = "street") -> Path:
    """A file of one person in some frames of a clip, as `posetrack run` writes it."""
    suffix, sink_class = FORMATS[form]
    path = folder / f"{name}{suffix}"
    info = SourceInfo(name=name, width=640, height=480, fps=None, frame_count=None, path=None)
    sink = sink_class(path, info)
    for index in frames:
        sink.write(Frame(index, index / 25, PICTURE), somebody())
    sink.close()
    return path


def image_ids(path: Path) -> list[int]:
    return [person["image_id"] for person in json.loads(path.read_text())]


def mot_frames(source: Path, target: Path) -> tuple[list[int], list[str]]:
    """Frames of a file converted to MOTChallenge text, and what was lost."""
    losses = convert_files(source, target, ConversionConfig(to="mot"))
    return [int(line.split(",")[0]) for line in target.read_text().splitlines()], losses[target]


def results(path: Path, ids: list[Any]) -> Path:
    person = {"category_id": 1, "track_id": 0, "score": 1, "keypoints": [9, 9, 1] * 17}
    path.write_text(json.dumps([{"image_id": image_id, **person} for image_id in ids]))
    return path


def test_frames_that_posetrack_has_get_its_ids() -> None:
    assert ImageNaming.of("000342_mpii_test").image_id(7) == 10003420007
    assert ImageNaming.of("000015_bonn_train").image_id(9999) == 20000159999
    assert ImageNaming.of("024642_mpiinew").image_id(0) == 30246420000
    assert ImageNaming.of("street").image_id(7) == 10000000007


def test_frames_beyond_9999_continue_in_front_of_the_source() -> None:
    assert packed_id(10003420000, 120007) == 1210003420007
    assert unpacked_id(1210003420007) == (10003420000, 120007)
    assert ImageNaming.of("000342_mpii_test").image_id(10_000) == 110003420000


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["images/000342_mpii/7.jpg", "images/000343_bonn/9_mpii.jpg"], [10003420007, 20003430009]),
        (["images/000342_mpii/7.jpg", "images/000343_mpii/7.jpg"], [10003420000, 10003430001]),
        (["a/b.jpg", "a/7.jpg", "c"], [10**10, 10**10 + 7, 10**10 + 2]),
        ([], []),
    ],
)
def test_images_get_the_ids_of_the_numbers_in_their_names(names: list[str], ids: list[int]) -> None:
    assert official_ids([{"file_name": name} for name in names]) == ids


@pytest.mark.parametrize(
    ("name", "video"),
    [
        ("images/val/000342_mpii_test/1.jpg", "000342"),
        ("000342/1.jpg", "000342"),
        ("a_7/1.jpg", "a_7"),
        ("1.jpg", ""),
    ],
)
def test_a_video_is_named_after_its_images_folder(name: str, video: str) -> None:
    assert video_of(name) == video


PLACES = st.tuples(st.integers(0, 9), st.integers(0, 999_999), st.integers(0, 10**9))


@given(one=PLACES, other=PLACES)
def test_ids_are_unique_tell_the_frame_and_ascend_with_it(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    (source, sequence, frame), (_, _, later) = one, other
    first_id = packed_id((source * 10**6 + sequence) * 10**4, 0)
    assert unpacked_id(packed_id(first_id, frame)) == (first_id, frame)
    assert (packed_id(first_id, frame) < packed_id(first_id, later)) == (frame < later)


def test_ids_of_a_long_sequence_do_not_run_into_the_next_one(tmp_path: Path) -> None:
    long = tracked(tmp_path, "coco", FRAMES, "000001_mpii")
    following = tracked(tmp_path, "coco", FRAMES, "000002_mpii")
    assert len({*image_ids(long), *image_ids(following)}) == 2 * len(FRAMES)


@pytest.mark.parametrize("name", ["street", "000342_mpii_test"])
def test_coco_results_of_a_long_clip_keep_their_frames(tmp_path: Path, name: str) -> None:
    frames, losses = mot_frames(tracked(tmp_path, "coco", FRAMES, name), tmp_path / "a.txt")
    assert frames == [frame + 1 for frame in FRAMES]
    assert NUMBERS_LOST not in losses


def test_coco_results_in_which_ids_ran_on_into_the_sequence_keep_their_frames(tmp_path: Path) -> None:
    older = results(tmp_path / "a.json", [10**10 + frame for frame in FRAMES])
    frames, losses = mot_frames(older, tmp_path / "a.txt")
    assert frames == [frame + 1 for frame in FRAMES]
    assert NUMBERS_LOST not in losses
    convert_files(older, tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    (video,) = read_annotations(tmp_path / "b.json")
    assert [video.images[frame]["id"] for frame in video.frames] == [10**10 + frame for frame in FRAMES]


def test_plain_numbers_of_frames_are_taken_as_they_are(tmp_path: Path) -> None:
    frames, losses = mot_frames(results(tmp_path / "a.json", [0, 5, 10_005]), tmp_path / "a.txt")
    assert frames == [1, 6, 10_006]
    assert NUMBERS_LOST not in losses
    assert are_frame_numbers([0, 999_999]) and are_frame_numbers([packed_id(10**10, 999_999)])
    assert not are_frame_numbers([0, 10**6]) and not are_frame_numbers([packed_id(10**10, 10**6)])


@pytest.mark.parametrize(
    "ids",
    [
        [10003420005, 10003430007],  # of two sequences
        [5, 10003430007],
        [10**10 + 5, 2 * 10**10 + 5],
        [10**10 + 5, 10**10 + 2 * 10**6],  # made up up to the last, they would be too many
        [3, 10**6],
        [-1, 7],
        ["frame9.jpg", "frame10.jpg"],
        ["a", "b"],
        [1, "a"],
        [1.0, 2],
        [9.5, 10.5],
    ],
)
def test_ids_that_do_not_tell_frames_are_taken_in_order_and_this_is_listed(tmp_path: Path, ids: list[Any]) -> None:
    frames, losses = mot_frames(results(tmp_path / "a.json", ids), tmp_path / "a.txt")
    assert frames == [1, 2]
    assert NUMBERS_LOST in losses
    assert NUMBERS_LOST not in mot_frames(results(tmp_path / "b.json", []), tmp_path / "b.txt")[1]


def test_names_of_images_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    source = results(tmp_path / "a.json", ["frame10.jpg", "frame9.jpg"])
    convert_files(source, tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    (video,) = read_annotations(tmp_path / "b.json")
    assert [image["id"] for image in video.images] == ["frame9.jpg", "frame10.jpg"]
    like = ConversionConfig(to="mot", like=tmp_path / "b.json")
    assert NUMBERS_LOST not in convert_files(source, tmp_path / "c.txt", like)[tmp_path / "c.txt"]


@pytest.mark.parametrize("form", ["posetrack18", "posetrack17", "coco"])
def test_a_long_clip_is_read_converted_and_evaluated(tmp_path: Path, form: str) -> None:
    poses = tracked(tmp_path, "posetrack18")
    assert read_presence(poses).frames.tolist() == list(range(len(FRAMES)))
    there, back = tmp_path / "there.json", tmp_path / "back.json"
    convert_files(poses, there, ConversionConfig(to=form, coco_joints="posetrack"))
    convert_files(there, back, ConversionConfig(to="posetrack18", coco_joints="posetrack", like=poses))
    (before,), (after,) = read_annotations(poses), read_annotations(back)
    assert [image["id"] for image in after.images] == [image["id"] for image in before.images]
    np.testing.assert_array_equal(after.frames, before.frames)
    results_file = tmp_path / "results.json"
    convert_files(back, results_file, ConversionConfig(to="coco", coco_joints="posetrack"))
    assert evaluate_oks(poses, results_file)["AP"] == pytest.approx(100)


def test_numbers_of_posetrack17s_images_follow_the_frames(tmp_path: Path) -> None:
    frames = json.loads(tracked(tmp_path, "posetrack17").read_text())["annolist"]
    assert [frame["imgnum"] for frame in frames] == [[frame + 1] for frame in FRAMES]


def test_files_with_ids_of_any_kind_keep_them(tmp_path: Path) -> None:
    older = tmp_path / "a.json"
    data = json.loads(tracked(tmp_path, "posetrack18").read_text())
    for entry in data["images"] + data["annotations"]:
        for key in {"id", "image_id"} & set(entry) if "file_name" in entry else {"image_id"}:
            frame = unpacked_id(entry[key])[1]
            entry[key] = 10**10 + frame
    older.write_text(json.dumps(data))
    convert_files(older, tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    kept = json.loads((tmp_path / "b.json").read_text())
    assert [image["id"] for image in kept["images"]] == [10**10 + frame for frame in FRAMES]
    assert [person["image_id"] for person in kept["annotations"]] == [10**10 + frame for frame in FRAMES]


def annotation_ids(path: Path) -> list[int]:
    return [person["id"] for person in json.loads(path.read_text())["annotations"]]


def test_annotations_are_numbered_as_posetrack_does(tmp_path: Path) -> None:
    write_posetrack18(tmp_path / "a.json", random_sequence(5), "predictions")
    convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    (video,) = read_annotations(tmp_path / "b.json")
    numbers = np.concatenate([np.arange(people) for people in video.people_per_frame()])
    assert annotation_ids(tmp_path / "b.json") == (100 * (700 + video.frames) + numbers).tolist()


@pytest.mark.parametrize("people", [100, 101])
def test_annotations_of_a_crowd_have_unique_ids(tmp_path: Path, people: int) -> None:
    source = tmp_path / "street.json"
    sink = FORMATS["posetrack18"][1](
        source, SourceInfo(name="street", width=9, height=9, fps=None, frame_count=None, path=None)
    )
    for index in range(2):
        sink.write(Frame(index, 0.0, PICTURE), somebody(people))
    sink.close()
    assert annotation_ids(source) == list(range(1, 2 * people + 1))
    convert_files(source, tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    ids = annotation_ids(tmp_path / "b.json")
    assert len(set(ids)) == 2 * people
    assert (ids == list(range(1, 2 * people + 1))) == (people > 100)


@pytest.mark.parametrize("image_id", [0, -3, "first", 10**18, 1.5])
def test_annotations_of_images_with_odd_ids_are_numbered_from_one(tmp_path: Path, image_id: Any) -> None:
    data = json.loads(tracked(tmp_path, "posetrack18", (0, 1)).read_text())
    data["images"][0]["id"] = data["annotations"][0]["image_id"] = image_id
    (tmp_path / "a.json").write_text(json.dumps(data))
    losses = convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    assert annotation_ids(tmp_path / "b.json") == [1, 2]
    assert "Ids of annotations." in losses[tmp_path / "b.json"]


@pytest.mark.parametrize("name", ["\u00b2", "9" * 5000, "123456789", "12x", ""])
def test_names_of_images_without_a_usable_number_are_numbered_in_order(tmp_path: Path, name: str) -> None:
    frames = [{"image": [{"name": f"images/a/{n}{name}.jpg"}], "annorect": []} for n in ("", "x")]
    (tmp_path / "a.json").write_text(json.dumps({"annolist": frames}))
    convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    images = json.loads((tmp_path / "b.json").read_text())["images"]
    assert [image["id"] for image in images] in ([10**10, 10**10 + 1],)


def test_people_of_unlisted_images_are_ignored_and_others_keep_their_order(tmp_path: Path) -> None:
    data = json.loads(tracked(tmp_path, "posetrack18", (0, 1)).read_text())
    person, images = data["annotations"][0], [image["id"] for image in data["images"]]
    ids = np.random.default_rng(0).permutation(60).tolist()
    data["annotations"] = [
        {**person, "track_id": track_id, "image_id": [*images, 77][n % 3]} for n, track_id in enumerate(ids)
    ]
    (tmp_path / "a.json").write_text(json.dumps(data))
    (video,) = read_annotations(tmp_path / "a.json")
    assert video.frames.tolist() == [0] * 20 + [1] * 20
    assert video.track_ids.tolist() == ids[::3] + ids[1::3]
    data["categories"][0]["keypoints"].remove("left_ear")
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(DataFormatError, match="the category names 16 joints"):
        read_annotations(tmp_path / "a.json")
