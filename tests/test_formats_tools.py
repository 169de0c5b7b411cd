"""Files follow the formats' own tools and conventions: pycocotools' and MOTChallenge's."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO as CocoIndex
from pycocotools.cocoeval import COCOeval

from posetrack.evaluation import evaluate_oks
from posetrack.formats import FORMATS
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.reading import read_annotations
from posetrack.skeletons import COCO, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from tests.evaluation_cases import random_sequence, write_posetrack17

PICTURE = np.zeros((1, 1, 3), np.uint8)
INFO = SourceInfo(name="street", width=640, height=480, fps=None, frame_count=None, path=None)


def people(seed: int, count: int, skeleton: Skeleton = POSETRACK) -> Poses:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 300, (count, 2))
    sizes = rng.uniform(40, 200, (count, 2))
    scores = rng.uniform(0.1, 1, (count, 17)) * (rng.random((count, 17)) > 0.2) * skeleton.used
    return Poses(
        boxes=np.concatenate([corners, corners + sizes], axis=1),
        scores=rng.uniform(0.1, 1, count).astype(np.float32),
        keypoints=(corners[:, None] + rng.random((count, 17, 2)) * sizes[:, None]).astype(np.float32),
        keypoint_scores=scores.astype(np.float32),
        track_ids=np.arange(count),
        skeleton=skeleton,
    )


def tracked(folder: Path, form: str, frames: list[Poses]) -> Path:
    suffix, sink_class = FORMATS[form]
    sink = sink_class(folder / f"street{suffix}", INFO)
    for index, poses in enumerate(frames):
        sink.write(Frame(index, index / 25, PICTURE), poses)
    sink.close()
    return folder / f"street{suffix}"


FRAMES = [people(1, 3), Poses.empty(POSETRACK), people(2, 2)]


def figures_of_pycocotools(truth: Path, results: Path, sigmas: Any = None) -> list[float]:
    """COCO's ten figures in percent, computed by pycocotools alone."""
    with redirect_stdout(StringIO()):
        index = CocoIndex(str(truth))
        evaluation = COCOeval(index, index.loadRes(str(results)), "keypoints")
        if sigmas is not None:
            evaluation.params.kpt_oks_sigmas = np.array(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [100 * value if value >= 0 else np.nan for value in evaluation.stats]


def converted_from(folder: Path, form: str) -> Path:
    """PoseTrack18 JSON converted from another format."""
    target = folder / "converted.json"
    if form == "posetrack17":
        write_posetrack17(folder / "a.json", random_sequence(5), "truth")
        source = folder / "a.json"
    else:
        source = tracked(folder, form, FRAMES)
    convert_files(source, target, ConversionConfig(to="posetrack18"))
    return target


@pytest.mark.parametrize("form", [None, "posetrack18", "posetrack17", "coco", "mot"])
def test_posetrack18_has_all_fields_that_pycocotools_needs(tmp_path: Path, form: str | None) -> None:
    path = tracked(tmp_path, "posetrack18", FRAMES) if form is None else converted_from(tmp_path, form)
    with redirect_stdout(StringIO()):
        index = CocoIndex(str(path))
    everybody = index.loadAnns(index.getAnnIds())
    assert everybody
    assert all(person["id"] > 0 for person in everybody)  # 0 is nobody to it
    for person in everybody:
        triples = np.reshape(person["keypoints"], (17, 3))
        assert set(triples[:, 2]) <= {0, 2}
        assert person["num_keypoints"] == (triples[:, 2] == 2).sum()
        assert person["area"] == pytest.approx(person["bbox"][2] * person["bbox"][3], abs=1e-3)
        assert person["iscrowd"] == 0
        assert person["segmentation"] == []
    assert len(index.getAnnIds(iscrowd=False)) == len(everybody)
    assert index.getAnnIds(areaRng=[-1, 1e9]) == index.getAnnIds()


@pytest.mark.parametrize("form", [None, "posetrack18", "posetrack17"])
def test_pycocotools_finds_the_same_people_again(tmp_path: Path, form: str | None) -> None:
    truth = tracked(tmp_path, "posetrack18", FRAMES) if form is None else converted_from(tmp_path, form)
    results = tmp_path / "results.json"
    convert_files(truth, results, ConversionConfig(to="coco", coco_joints="posetrack"))
    figures = figures_of_pycocotools(truth, results)
    assert figures[0] == pytest.approx(100)
    assert figures[5] == pytest.approx(100)


@pytest.mark.parametrize("joints", ["coco", "posetrack"])
def test_oks_figures_are_those_of_pycocotools_on_the_same_files(tmp_path: Path, joints: str) -> None:
    skeleton = {"coco": COCO, "posetrack": POSETRACK}[joints]
    rng = np.random.default_rng(0)
    truth = tracked(tmp_path, "posetrack18", [people(seed, 4) for seed in range(12)])
    data = json.loads(truth.read_text())
    data["categories"][0]["keypoints"] = list(skeleton.joints)
    data["annotations"][3] |= {"iscrowd": 1, "area": 5000.5}
    truth.write_text(json.dumps(data))
    results = []
    for person in data["annotations"]:
        triples = np.reshape(person["keypoints"], (17, 3)) + [1, 1, 0] * rng.normal(0, 6, (17, 3))
        entry = {"keypoints": triples.ravel().tolist(), "score": rng.random(), "image_id": person["image_id"]}
        results.append({**entry, "category_id": 1})
    (tmp_path / "results.json").write_text(json.dumps(results))
    ours = evaluate_oks(truth, tmp_path / "results.json")
    theirs = figures_of_pycocotools(truth, tmp_path / "results.json", skeleton.sigmas)
    assert list(ours.values()) == pytest.approx(theirs, nan_ok=True)
    assert 5 < ours["AP"] < 95


def test_only_the_head_joints_have_our_own_sigmas() -> None:
    default = dict(zip(COCO.joints, COCOeval(iouType="keypoints").params.kpt_oks_sigmas, strict=True))
    assert dict(zip(COCO.joints, COCO.sigmas, strict=True)) == pytest.approx(default)
    ours = dict(zip(POSETRACK.joints, POSETRACK.sigmas, strict=True))
    differ = {joint for joint in ours if ours[joint] != pytest.approx(default.get(joint))}
    assert differ == {"head_bottom", "head_top"}


def mot_rows(path: Path) -> list[list[float]]:
    return [[float(value) for value in line.split(",")] for line in path.read_text().splitlines()]


def test_mot_counts_frames_people_and_pixels_from_one(tmp_path: Path) -> None:
    poses = people(1, 2).replace(boxes=np.array([[-0.5, -0.5, 639.5, 479.5], [9.5, 20, 29.5, 50]], np.float32))
    written = tracked(tmp_path, "mot", [poses])
    source, target = tracked(tmp_path, "posetrack18", [poses]), tmp_path / "converted.txt"
    convert_files(source, target, ConversionConfig(to="mot"))
    for path in (written, target):
        assert [row[:6] for row in mot_rows(path)] == [[1, 1, 1, 1, 640, 480], [1, 2, 11, 21.5, 20, 30]]


@pytest.mark.parametrize("form", ["posetrack17", "posetrack18"])
def test_a_box_around_joints_is_measured_from_the_corner_of_the_image(tmp_path: Path, form: str) -> None:
    points = [{"id": [13], "x": [10], "y": [20]}, {"id": [0], "x": [14.25], "y": [40]}]
    entry = {
        "image": [{"name": "images/a/1.jpg"}],
        "annorect": [{"track_id": [3], "annopoints": [{"point": points}]}],
    }
    source, target = tmp_path / "a.json", tmp_path / "a.txt"
    source.write_text(json.dumps({"annolist": [entry]}))
    if form == "posetrack18":
        convert_files(source, tmp_path / "b.json", ConversionConfig(to=form))
        source = tmp_path / "b.json"
        assert json.loads(source.read_text())["annotations"][0]["bbox"] == [10.5, 20.5, 4.25, 20]
    convert_files(source, target, ConversionConfig(to="mot"))
    assert mot_rows(target)[0][:6] == [1, 4, 11.5, 21.5, 4.25, 20]


def test_a_person_without_joints_or_box_gets_an_empty_box(tmp_path: Path) -> None:
    entry = {"image": [{"name": "images/a/1.jpg"}], "annorect": [{"track_id": [3], "annopoints": []}]}
    (tmp_path / "a.json").write_text(json.dumps({"annolist": [entry]}))
    convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    (person,) = json.loads((tmp_path / "b.json").read_text())["annotations"]
    assert (person["bbox"], person["area"], person["num_keypoints"]) == ([0, 0, 0, 0], 0, 0)
    convert_files(tmp_path / "a.json", tmp_path / "a.txt", ConversionConfig(to="mot"))
    assert mot_rows(tmp_path / "a.txt") == [[1, 4, 1, 1, 0, 0, 1, -1, -1, -1]]


@pytest.mark.parametrize(
    ("ids", "read"),
    [
        ([1, 2, 9], [0, 1, 8]),
        ([0, 1, 9], [0, 1, 9]),  # somebody is 0: the file counts from 0
        ([-1, 2, 9], [-1, 1, 8]),  # a detection of nobody in particular
    ],
)
def test_people_of_mot_text_count_from_zero_here(tmp_path: Path, ids: list[int], read: list[int]) -> None:
    source, there, back = tmp_path / "a.txt", tmp_path / "there.json", tmp_path / "back.txt"
    source.write_text("".join(f"1,{track_id},2,3,4,5,1,-1,-1,-1\n" for track_id in ids))
    convert_files(source, there, ConversionConfig(to="posetrack18"))
    assert read_annotations(there)[0].track_ids.tolist() == read
    convert_files(there, back, ConversionConfig(to="mot"))
    counted = [track_id + (0 in ids) for track_id in ids]
    assert mot_rows(back) == [[1, track_id, 2, 3, 4, 5, 1, -1, -1, -1] for track_id in counted]


def test_mot_ids_and_confidences_of_a_clip_come_back(tmp_path: Path) -> None:
    source = tracked(tmp_path, "posetrack18", FRAMES)
    convert_files(source, tmp_path / "a.txt", ConversionConfig(to="mot"))
    config = ConversionConfig(to="posetrack18", like=source)
    convert_files(tmp_path / "a.txt", tmp_path / "b.json", config)
    (before,), (after,) = read_annotations(source), read_annotations(tmp_path / "b.json")
    for column in ("frames", "track_ids", "boxes", "person_scores"):
        np.testing.assert_allclose(getattr(after, column), getattr(before, column), atol=1e-9)
    large = 2**31 - 2
    (tmp_path / "large.txt").write_text(f"1,{large + 1},2,3,4,5,1")
    convert_files(tmp_path / "large.txt", tmp_path / "large.json", ConversionConfig(to="posetrack18"))
    assert read_annotations(tmp_path / "large.json")[0].track_ids.tolist() == [large]


@pytest.mark.parametrize("flag", [0, 1])
def test_flags_of_posetrack17_come_back(tmp_path: Path, flag: int) -> None:
    point = {"id": [13], "x": [10], "y": [20], "is_visible": [flag]}
    entry = {"image": [{"name": "a/1.jpg"}], "annorect": [{"track_id": [3], "annopoints": [{"point": [point]}]}]}
    (tmp_path / "a.json").write_text(json.dumps({"annolist": [entry]}))
    convert_files(tmp_path / "a.json", tmp_path / "b.json", ConversionConfig(to="posetrack18"))
    person = json.loads((tmp_path / "b.json").read_text())["annotations"][0]
    assert person["keypoints"][:3] == [10, 20, 2 * flag]
    convert_files(tmp_path / "b.json", tmp_path / "c.json", ConversionConfig(to="posetrack17"))
    back = json.loads((tmp_path / "c.json").read_text())["annolist"][0]
    assert back["imgnum"] == [1]
    assert back["annorect"][0]["annopoints"][0]["point"][0] == {**point, "is_visible": [flag]}


def test_posetrack17_says_which_images_are_labelled(tmp_path: Path) -> None:
    source, target = tmp_path / "a.txt", tmp_path / "b.json"
    source.write_text("2,1,2,3,4,5,1")
    convert_files(source, target, ConversionConfig(to="posetrack17"))
    assert [frame["is_labeled"] for frame in json.loads(target.read_text())["annolist"]] == [[1], [1]]
    data = json.loads(tracked(tmp_path, "posetrack18", FRAMES).read_text())
    data["images"][1]["is_labeled"] = False
    (tmp_path / "c.json").write_text(json.dumps(data))
    convert_files(tmp_path / "c.json", tmp_path / "d.json", ConversionConfig(to="posetrack17"))
    labelled = [frame["is_labeled"] for frame in json.loads((tmp_path / "d.json").read_text())["annolist"]]
    assert labelled == [[1], [0], [1]]
    convert_files(tmp_path / "d.json", tmp_path / "e.json", ConversionConfig(to="posetrack18"))
    images = json.loads((tmp_path / "e.json").read_text())["images"]
    assert [image["is_labeled"] for image in images] == [True, False, True]


def test_frames_of_posetrack17_are_numbered_from_one(tmp_path: Path) -> None:
    written = tracked(tmp_path, "posetrack17", FRAMES)
    convert_files(written, tmp_path / "again.json", ConversionConfig(to="posetrack17"))
    for path in (written, tmp_path / "again.json"):
        assert [frame["imgnum"] for frame in json.loads(path.read_text())["annolist"]] == [[1], [2], [3]]


FLAGS = "Flags of visibility."
NO_TWO = "Flags of visibility: PoseTrack17 does not tell 1 from 2."


@pytest.mark.parametrize(
    ("flags", "to", "lost"),
    [
        ([1, 1], "coco", []),
        ([2, 2], "coco", []),
        ([1, 2], "coco", [FLAGS]),
        ([0, 1], "coco", [FLAGS]),
        ([0.5, 0.5], "coco", [FLAGS]),
        ([1, 2], "posetrack17", [NO_TWO]),
        ([0, 1], "posetrack17", []),
        ([0, 2], "posetrack17", []),
        ([1, 2], "posetrack18", []),
    ],
)
def test_flags_that_a_format_cannot_tell_apart_are_listed(
    tmp_path: Path, flags: list[float], to: str, lost: list[str]
) -> None:
    source = tracked(tmp_path, "posetrack18", [people(1, 1)])
    data = json.loads(source.read_text())
    data["annotations"][0]["keypoints"] = [5, 5, flags[0], *[0] * 45, 9, 9, flags[1]]
    source.write_text(json.dumps(data))
    losses = convert_files(source, tmp_path / "b.json", ConversionConfig(to=to))[tmp_path / "b.json"]
    assert [sentence for sentence in losses if "visibility" in sentence] == lost


def test_outlines_crowds_and_areas_are_listed_as_lost(tmp_path: Path) -> None:
    source = tracked(tmp_path, "posetrack18", [people(1, 2)])
    target = tmp_path / "b.json"

    def lost(**change: Any) -> set[str]:
        data = json.loads(source.read_text())
        data["annotations"][1] |= change
        (tmp_path / "a.json").write_text(json.dumps(data))
        config = ConversionConfig(to="posetrack18", overwrite=True)
        return set(convert_files(tmp_path / "a.json", target, config)[target]) - {"Ids of annotations."}

    areas = "Areas of people: the areas of their boxes replace them."
    assert lost() == set()
    assert lost(segmentation=[[0, 0, 9, 0, 9, 9]]) == {"Outlines of people (segmentation)."}
    assert lost(iscrowd=1) == {"That some of the people are crowds (iscrowd)."}
    assert lost(area=1.5) == lost(area="large") == lost(bbox=None) == {areas}
    assert lost(bbox=[1, 2, 3, 4], area=12.009) == lost(bbox=[1, 2, 3, 4], area=11.991) == set()
    assert lost(bbox=[1, 2, 3, 4], area=12.011) == {areas}
    assert lost(area=None) == set()
