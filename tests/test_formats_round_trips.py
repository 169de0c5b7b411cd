"""Every format converts to every other; independent readers find the same people before and after."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.formats import FORMATS
from posetrack.formats.conversion import SUFFIXES, ConversionConfig, convert_files
from posetrack.skeletons import COCO, LSP, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses

PICTURE = np.zeros((1, 1, 3), np.uint8)
INFO = SourceInfo(name="street", width=640, height=480, fps=None, frame_count=None, path=None)
OFFICIAL_ORDER = (
    "right_ankle right_knee right_hip left_hip left_knee left_ankle right_wrist right_elbow right_shoulder "
    "left_shoulder left_elbow left_wrist head_bottom nose head_top"
).split()
"""The joints of PoseTrack17, as the official evaluator numbers them."""

TABLES = ("csv", "parquet")

Person = dict[str, Any]
People = dict[tuple[int, int], Person]
"""(frame, track id) -> ``score``, and what else the format has: ``box`` (x y width height) and ``joints``."""


def posetrack18(path: Path) -> People:
    data = json.loads(path.read_text())
    frames = {image["id"]: int(Path(image["file_name"]).stem) for image in data["images"]}
    names = data["categories"][0]["keypoints"]
    people = {}
    for person in data["annotations"]:
        triples = np.reshape(person["keypoints"], (17, 3))
        scores = person["scores"] or [None] * 17
        joints = {
            name: (x, y, score) for name, (x, y, flag), score in zip(names, triples, scores, strict=True) if flag
        }
        key = frames[person["image_id"]], person["track_id"]
        people[key] = {"score": person.get("score"), "box": person["bbox"], "joints": joints}
    return people


def posetrack17(path: Path) -> People:
    people = {}
    for frame in json.loads(path.read_text())["annolist"]:
        for person in frame["annorect"]:
            joints = {
                OFFICIAL_ORDER[point["id"][0]]: (point["x"][0], point["y"][0], point.get("score", [None])[0])
                for point in person["annopoints"][0]["point"]
            }
            key = int(Path(frame["image"][0]["name"]).stem), person["track_id"][0]
            people[key] = {"score": person.get("score", [None])[0], "joints": joints}
    return people


def coco(path: Path, skeleton: Skeleton = POSETRACK) -> People:
    people = {}
    for person in json.loads(path.read_text()):
        triples = np.reshape(person["keypoints"], (17, 3)).tolist()
        joints = {name: tuple(triple) for name, triple in zip(skeleton.joints, triples, strict=True) if triple[2]}
        people[person["image_id"] - 10**10, person["track_id"]] = {"score": person["score"], "joints": joints}
    return people


def mot(path: Path) -> People:
    people = {}
    for line in path.read_text().splitlines():
        frame, track_id, left, top, width, height, score = map(float, line.split(",")[:7])
        people[int(frame) - 1, int(track_id) - 1] = {"score": score, "box": [left - 1, top - 1, width, height]}
    return people


def rows_of(path: Path) -> list[dict[str, Any]]:
    """A table's rows as numbers, text and None."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
        return rows
    with path.open(newline="") as file:
        return [
            {
                name: (text if name in ("clip", "name", "joint", "origin") else float(text)) if text else None
                for name, text in row.items()
            }
            for row in csv.DictReader(file)
        ]


def table(path: Path) -> People:
    people: People = {}
    for row in rows_of(path):
        person = people.setdefault((int(row["frame"]), int(row["person"])), {"joints": {}})
        person["score"] = row["person_score"]
        if row["x"] is not None:
            person["joints"][row["joint"]] = (row["x"], row["y"], row["score"])
    return people


READERS: dict[str, Callable[[Path], People]] = {
    "posetrack18": posetrack18,
    "posetrack17": posetrack17,
    "coco": coco,
    "mot": mot,
    "csv": table,
    "parquet": table,
}


def random_frames(seed: int, skeleton: Skeleton = POSETRACK, empty: bool = False) -> list[Poses]:
    """Up to five frames of up to four people; some joints are missing, and some people have none."""
    rng = np.random.default_rng(seed)
    frames = []
    for count in rng.integers(0 if empty else 1, 5, rng.integers(1, 6)).tolist():
        corners = rng.uniform(-5, 900, (count, 2))
        scores = rng.uniform(0.01, 1, (count, len(skeleton))) * (
            rng.random((count, 1)) > rng.random(len(skeleton))
        )
        frames.append(
            Poses(
                boxes=np.concatenate([corners, corners + rng.uniform(0, 300, (count, 2))], axis=1),
                scores=rng.uniform(0.01, 1, count),
                keypoints=rng.uniform(-20, 3000, (count, len(skeleton), 2)),
                keypoint_scores=scores * skeleton.used * (rng.random((count, 1)) > 0.2),
                track_ids=rng.permutation(1000)[:count],
                skeleton=skeleton,
            )
        )
    return frames


def written(folder: Path, form: str, frames: list[Poses], stride: int = 1) -> Path:
    """The file of ``posetrack run``."""
    path = folder / f"street{FORMATS[form][0]}"
    sink = FORMATS[form][1](path, INFO)
    for index, poses in enumerate(frames):
        sink.write(Frame(stride * index, stride * index / 30, PICTURE), poses)
    sink.close()
    return path


def converted(source: Path, target: Path, to: str, **options: Any) -> Path:
    convert_files(source, target, ConversionConfig(to=to, **{"coco_joints": "posetrack", **options}))
    return target


def assert_same(people: People, expected: People, tolerance: float = 6e-4) -> None:
    """The same people, in all that both formats hold."""
    assert people.keys() == expected.keys()
    for key, person in people.items():
        for what in person.keys() & expected[key].keys():
            if what == "joints":
                assert person[what].keys() == expected[key][what].keys()
                for joint, values in person[what].items():
                    assert values == pytest.approx(expected[key][what][joint], abs=tolerance)
            else:
                assert person[what] == pytest.approx(expected[key][what], abs=1e-2 if what == "box" else tolerance)


def truth_of(frames: list[Poses], form: str) -> People:
    """What the file of a format should say about frames."""
    people: People = {}
    for index, poses in enumerate(frames):
        for row, track_id in enumerate(poses.track_ids.tolist()):
            x1, y1, x2, y2 = poses.boxes[row].tolist()
            person: Person = {"score": float(poses.scores[row])}
            if form in ("posetrack18", "mot"):
                person["box"] = [x1 + 0.5, y1 + 0.5, x2 - x1, y2 - y1]
            if form != "mot":
                person["joints"] = {
                    joint: (*poses.keypoints[row, slot].tolist(), float(poses.keypoint_scores[row, slot]))
                    for slot, joint in enumerate(poses.skeleton.joints)
                    if poses.keypoint_scores[row, slot] > 0
                }
            people[index, track_id] = person
    return people


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_file_of_a_run_says_what_was_tracked(
    tmp_path_factory: pytest.TempPathFactory, form: str, seed: int
) -> None:
    skeleton = COCO if form == "coco" else POSETRACK
    frames = random_frames(seed, skeleton, empty=True)
    path = written(tmp_path_factory.mktemp("run"), form, frames)
    people = coco(path, COCO) if form == "coco" else READERS[form](path)
    expected = truth_of(frames, form)
    assert_same(people, expected)
    assert all(people[key].keys() == expected[key].keys() for key in people)


PAIRS = [pair for pair in product(FORMATS, FORMATS)]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_format_converts_to_every_other_and_back(
    tmp_path_factory: pytest.TempPathFactory, first: str, second: str, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("pair")
    there, back = folder / f"street{SUFFIXES[second]}", folder / f"street_back{SUFFIXES[first]}"
    (folder / "in").mkdir()
    source = written(folder / "in", first, random_frames(seed))
    if first == "coco":  # whose joints a run writes as COCO's
        source = converted(source, folder / "in" / "street.json", "coco", coco_joints="posetrack")
    converted(source, there, second)
    expected = READERS[first](source)
    assert_same(READERS[second](there), expected)
    between = READERS[second](there)
    kept = {
        key: {what: person[what] for what in person if what in between[key]} for key, person in expected.items()
    }
    assert_same(READERS[first](converted(there, back, first)), kept)


def table_bytes(path: Path) -> bytes:
    """A CSV's bytes; a Parquet's rows as text, as its bytes also tell who wrote it."""
    return path.read_bytes() if path.suffix == ".csv" else repr(rows_of(path)).encode()


def as_32_bits(value: Any) -> Any:
    return np.float32(value) if isinstance(value, float) else value


@pytest.mark.parametrize("skeleton", [POSETRACK, COCO, LSP], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize(("first", "second"), [TABLES, TABLES[::-1], ("csv", "csv"), ("parquet", "parquet")])
def test_tables_become_each_other_without_any_change(
    tmp_path: Path, skeleton: Skeleton, first: str, second: str
) -> None:
    source = written(tmp_path, first, random_frames(7, skeleton, empty=True), stride=3)
    there, back = tmp_path / f"a.{second}", tmp_path / f"b.{first}"
    for origin, target, to in ((source, there, second), (there, back, first)):
        assert convert_files(origin, target, ConversionConfig(to=to)) == {target: []}
    assert table_bytes(back) == table_bytes(source)
    for row, origin in zip(rows_of(there), rows_of(source), strict=True):
        assert list(map(as_32_bits, row.values())) == list(map(as_32_bits, origin.values()))


@pytest.mark.parametrize("to", ["posetrack18", "parquet", "csv"])
def test_a_table_comes_back_from_posetrack18_with_its_times(tmp_path: Path, to: str) -> None:
    source = written(tmp_path, "csv", random_frames(3), stride=2)
    there = tmp_path / f"there{SUFFIXES[to]}"
    assert convert_files(source, there, ConversionConfig(to=to)) == {there: []}
    convert_files(there, tmp_path / "back.csv", ConversionConfig(to="csv"))
    assert (tmp_path / "back.csv").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("to", TABLES)
def test_coco_results_keep_their_eyes_and_ears_in_tables(tmp_path: Path, to: str) -> None:
    source = written(tmp_path, "coco", random_frames(5, COCO))
    there, back = tmp_path / f"a.{to}", tmp_path / "b.json"
    convert_files(source, there, ConversionConfig(to=to))
    convert_files(there, back, ConversionConfig(to="coco"))
    people = coco(source, COCO)
    assert any("left_eye" in person["joints"] for person in people.values())
    assert_same(table(there), people)
    assert_same(coco(back, COCO), people, 1e-9)


def test_frames_of_a_table_have_the_numbers_in_the_images_names(tmp_path: Path) -> None:
    source = written(tmp_path, "posetrack18", random_frames(1), stride=50)
    there = converted(source, tmp_path / "there.csv", "csv")
    assert {frame for frame, _ in table(there)} == {frame for frame, _ in posetrack18(source)}
    back = converted(there, tmp_path / "back.json", "posetrack18", like=source)
    assert json.loads(back.read_text())["images"] == [
        {**image, "ignore_regions_x": [], "ignore_regions_y": []}
        for image in json.loads(source.read_text())["images"]
    ]
    assert_same(posetrack18(back), table(there))
