"""``posetrack convert`` keeps what the target format can hold, and lists the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import posetrack
from posetrack.cli.main import app
from posetrack.errors import ConfigError, DataFormatError, OutputError
from posetrack.formats.annotations import Annotations
from posetrack.formats.conversion import ConversionConfig, convert_files
from posetrack.formats.reading import read_annotations
from tests.evaluation_cases import random_sequence, write_case


def same_people(a: Annotations, b: Annotations, *columns: str) -> None:
    assert [image["file_name"] for image in a.images] == [image["file_name"] for image in b.images]
    for column in ("frames", "track_ids", *columns):
        np.testing.assert_allclose(getattr(a, column), getattr(b, column), atol=1e-9, err_msg=column)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), first=st.sampled_from(["posetrack17", "posetrack18"]))
def test_posetrack17_and_18_convert_into_each_other_without_changing_a_figure(
    tmp_path_factory: pytest.TempPathFactory, seed: int, first: str
) -> None:
    sequence = [frame for frame in random_sequence(seed) if frame["truth"]]
    for frame in sequence:  # PoseTrack18 has no people without a list of joints
        for side in ("truth", "predictions"):
            frame[side] = [person for person in frame[side] if person["points"]]
    if not any(frame["truth"] for frame in sequence):
        return
    folder = tmp_path_factory.mktemp("case")
    truth, predictions = write_case(folder, {"a": sequence}, first)
    other = "posetrack17" if first == "posetrack18" else "posetrack18"
    for side in (truth, predictions):
        convert_files(side, folder / f"there_{side.name}", ConversionConfig(to=other))
        convert_files(folder / f"there_{side.name}", folder / f"back_{side.name}", ConversionConfig(to=first))
    before = posetrack.evaluate(truth, predictions).as_dict()
    for way in ("there", "back"):
        after = posetrack.evaluate(folder / f"{way}_truth", folder / f"{way}_predictions").as_dict()
        assert str(after) == str(before)


@pytest.fixture
def file_18(tmp_path: Path) -> Path:
    """PoseTrack18 predictions with boxes and scores, and a frame without people."""
    sequence = random_sequence(5)
    sequence[2]["predictions"] = []
    _, predictions = write_case(tmp_path, {"a": sequence})
    data = json.loads((predictions / "a.json").read_text())
    for number, person in enumerate(data["annotations"]):
        person["bbox"] = [10.25 + number, 20.5, 30.125, 40.0]
        person["score"] = 0.5
        person["scores"] = [0.25] * (len(person["keypoints"]) // 3)
    (predictions / "a.json").write_text(json.dumps(data))
    return predictions / "a.json"


def test_posetrack17_keeps_joints_scores_flags_and_regions(file_18: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.json"
    losses = convert_files(file_18, target, ConversionConfig(to="posetrack17"))
    before, after = read_annotations(file_18)[0], read_annotations(target)[0]
    same_people(before, after, "keypoints", "present", "person_scores")
    np.testing.assert_array_equal(before.scores[before.present], after.scores[before.present])
    assert losses == {target: ["Boxes of people.", "Ids of images."]}
    assert before.ignore_regions.keys() == after.ignore_regions.keys()


def test_coco_results_with_posetracks_joints_keep_joints_and_scores(file_18: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "coco.json", tmp_path / "back.json"
    convert_files(file_18, there, ConversionConfig(to="coco", coco_joints="posetrack"))
    convert_files(there, back, ConversionConfig(to="posetrack18", coco_joints="posetrack", like=file_18))
    same_people(read_annotations(file_18)[0], read_annotations(back)[0], "keypoints", "present", "person_scores")


def test_coco_results_with_cocos_joints_keep_the_shared_ones(file_18: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "coco.json", tmp_path / "back.json"
    losses = convert_files(file_18, there, ConversionConfig(to="coco"))
    assert "head_bottom and head_top, which COCO does not have." in losses[there]
    convert_files(there, back, ConversionConfig(to="posetrack18", like=file_18))
    before, after = read_annotations(file_18)[0], read_annotations(back)[0]
    limbs = [*range(12), 13]
    np.testing.assert_allclose(before.keypoints[:, limbs], after.keypoints[:, limbs], atol=1e-9)


def test_coco_results_alone_give_all_frames_up_to_the_last(file_18: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "coco.json", tmp_path / "back.json"
    convert_files(file_18, there, ConversionConfig(to="coco"))
    results = json.loads(there.read_text())
    for person in results:
        person["image_id"] += 10**10 - 700
    there.write_text(json.dumps(results))
    convert_files(there, back, ConversionConfig(to="posetrack18"))
    video = read_annotations(back)[0]
    before = read_annotations(file_18)[0]
    assert len(video.images) == before.frames.max() + 1
    np.testing.assert_array_equal(video.frames, before.frames)


def test_mot_text_keeps_boxes_ids_and_scores(file_18: Path, tmp_path: Path) -> None:
    there, back, again = tmp_path / "a.txt", tmp_path / "back.json", tmp_path / "again.txt"
    losses = convert_files(file_18, there, ConversionConfig(to="mot"))
    assert "Joints and their scores." in losses[there]
    convert_files(there, back, ConversionConfig(to="posetrack18", like=file_18))
    same_people(read_annotations(file_18)[0], read_annotations(back)[0], "boxes", "person_scores")
    convert_files(back, again, ConversionConfig(to="mot"))
    assert again.read_text() == there.read_text()


def test_boxes_of_mot_text_are_the_extent_of_the_joints_where_there_are_none(tmp_path: Path) -> None:
    _, predictions = write_case(tmp_path, {"a": random_sequence(5)})
    convert_files(predictions / "a.json", tmp_path / "a.txt", ConversionConfig(to="mot"))
    video = read_annotations(predictions / "a.json")[0]
    left = float((tmp_path / "a.txt").read_text().splitlines()[0].split(",")[2])
    assert left == pytest.approx(video.keypoints[0][video.present[0]][:, 0].min() + 1.5, abs=1e-5)


def test_null_and_unknown_joints_of_posetrack17_are_skipped(tmp_path: Path) -> None:
    ids: list[object] = [[13], [14.0], None, [99], [-1]]
    points = [{"id": joint, "x": [10 * n], "y": [5]} for n, joint in enumerate(ids)]
    person = {"track_id": [0], "annopoints": [{"point": points}]}
    entry = {"image": [{"name": "images/a/1.jpg"}], "annorect": [person]}
    (tmp_path / "a.json").write_text(json.dumps({"annolist": [entry]}))
    (video,) = read_annotations(tmp_path / "a.json")
    assert np.flatnonzero(video.present[0]).tolist() == [13, 14]
    assert video.keypoints[0, [13, 14], 0].tolist() == [0, 10]


def losses_of(source: Path, content: object, to: str) -> list[str]:
    source.write_text(content if isinstance(content, str) else json.dumps(content))
    target = source.with_name(f"target.{'txt' if to == 'mot' else 'json'}")
    return convert_files(source, target, ConversionConfig(to=to, overwrite=True))[target]


def test_what_is_not_read_is_listed_too(file_18: Path, tmp_path: Path) -> None:
    data = json.loads(file_18.read_text())
    names = data["categories"][0]["keypoints"]
    if len(names) == 15:
        names += ["left_ear", "right_ear"]
        for person in data["annotations"]:
            person["keypoints"] += [0] * 6
            person["scores"] += [0, 0]
    assert losses_of(file_18, data, "posetrack18") == []
    data["annotations"][0] |= {"id": 5, "mood": "good"}
    data["annotations"][0]["keypoints"][3 * names.index("left_ear")] = 7
    data["annotations"].append({**data["annotations"][1], "image_id": 12345})
    data["images"][0]["width"] = 640
    assert losses_of(file_18, data, "posetrack18") == [
        "Fields of people: mood.",
        "Ids of annotations.",
        "Ears, which PoseTrack's files have slots for but never use.",
        "People of images that the file does not list.",
    ]
    assert "Fields of images: width." in losses_of(file_18, data, "posetrack17")


def test_coco_faces_and_further_columns_of_mot_text_are_lost(file_18: Path, tmp_path: Path) -> None:
    person = {"image_id": 1, "track_id": 0, "score": 0.5, "category_id": 1, "keypoints": [3.0, 4.0, 0.5] * 17}
    losses = losses_of(tmp_path / "coco.json", [person], "posetrack18")
    assert "Eyes and ears, which PoseTrack does not have." in losses
    assert any("estimated from nose and shoulders" in sentence for sentence in losses)
    assert losses_of(tmp_path / "coco.json", [person], "mot") == ["Joints and their scores."]
    assert losses_of(tmp_path / "a.txt", "1,2,3,4,5,6,1,-1,-1,-1", "posetrack18") == []
    assert losses_of(tmp_path / "a.txt", "1,2,3,4,5,6,1,1,0.5", "posetrack18") == ["Columns after the confidence."]


def test_a_number_beyond_json_is_one_sentence(file_18: Path) -> None:
    data = json.loads(file_18.read_text())
    data["images"][0]["width"] = 10**400
    with pytest.raises(DataFormatError, match="no place in JSON"):
        losses_of(file_18, data, "posetrack18")


def test_half_a_surrogate_pair_in_a_name_is_kept(file_18: Path, tmp_path: Path) -> None:
    data = json.loads(file_18.read_text())
    data["images"][0]["file_name"] = "images/a\ud800/7.jpg"
    file_18.write_text(json.dumps(data))
    for to, target in (("posetrack18", tmp_path / "b.json"), ("posetrack17", tmp_path / "c.json")):
        convert_files(file_18, target, ConversionConfig(to=to))
        assert read_annotations(target)[0].images[0]["file_name"] == "images/a\ud800/7.jpg"


def test_a_file_does_not_replace_itself(file_18: Path) -> None:
    with pytest.raises(ConfigError, match="another target"):
        convert_files(file_18, file_18, ConversionConfig(to="posetrack17", overwrite=True))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.txt", "1,7,2,3,4,5,1\n\n1,2,three", "line 3: MOTChallenge lines are"),
        ("a.txt", "1,7,2,3,4,5", "line 1: MOTChallenge lines are"),
        ("a.txt", "1,7,2,3,4,5,inf", "line 1: MOTChallenge lines are"),
        ("a.txt", "0,1,2,3,4,5,1", "frames must lie"),
        ("a.txt", "1,7,2,3,4,5,1\n1,7,2,3,4,5,1", "frame 1: two people have the track id 7"),
        ("a.txt", "1,7,2,3,4,5,1\n1.5,7,2,3,4,5,1", "line 2: frame and id must be whole numbers"),
        ("a.txt", "1,0.5,2,3,4,5,1", "line 1: frame and id must be whole numbers"),
        ("a.txt", "1,2147483648,2,3,4,5,1", "2147483647"),
        ("a.txt", "99999999999,7,2,3,4,5,1", "whole numbers of at most 1000000"),
        ("a.json", '[{"image_id": 1, "keypoints": [1, 2]}]', "numbers"),
        ("a.json", '[{"image_id": [1]}]', "image_id"),
        ("a.json", "[3]", "COCO results"),
        ("a.json", '[{"image_id": 1, "keypoints": ' + str([0] * 51) + "}]", "track_id"),
        ("a.json", "{}", "PoseTrack18"),
    ],
)
def test_broken_sources_are_one_sentence(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataFormatError, match=words):
        convert_files(tmp_path / name, tmp_path / "target", ConversionConfig(to="posetrack18"))
    assert not (tmp_path / "target").exists()


def test_unknown_formats_are_refused() -> None:
    with pytest.raises(ConfigError, match="posetrack18"):
        ConversionConfig(to="xml")
    with pytest.raises(ConfigError, match="posetrack"):
        ConversionConfig(to="coco", coco_joints="mpii")


@pytest.mark.parametrize(
    ("ending", "to"),
    [
        ("_wide.csv", "wide"),
        ("_deeplabcut.csv", "deeplabcut"),
        ("_alphapose.json", "alphapose"),
        ("_alphapose26.json", "alphapose26"),
        ("_coco_tracks.json", "coco-tracks"),
        ("_coco.json", "coco"),
        ("_openpose18.zip", "openpose18"),
        (".csv", "csv"),
    ],
)
def test_the_names_that_run_gives_tell_convert_the_format(
    file_18: Path, tmp_path: Path, ending: str, to: str
) -> None:
    by_name, by_option = tmp_path / f"a{ending}", tmp_path / f"b{Path(ending).suffix}"
    base = ["convert", str(file_18)]
    named = ["--to", "csv", "--wide"] if to == "wide" else ["--to", to]
    for arguments in ([*base, str(by_name)], [*base, str(by_option), *named]):
        done = CliRunner().invoke(app, [*arguments, "--fps", "25"])
        assert done.exit_code == 0, done.output
    assert by_name.read_bytes() == by_option.read_bytes()


def test_the_command_says_what_is_lost(file_18: Path, tmp_path: Path) -> None:
    output = CliRunner().invoke(app, ["convert", str(file_18), str(tmp_path / "x.txt"), "--to", "mot"])
    assert output.exit_code == 0
    assert "Joints and their scores." in output.stdout
    output = CliRunner().invoke(app, ["convert", str(file_18), str(tmp_path / "x.json"), "--to", "posetrack18"])
    assert "nothing lost" in output.stdout


def test_times_that_are_replaced_are_said_to_be_lost(file_18: Path, tmp_path: Path) -> None:
    """First there are none, then those of 25, then of 50 frames per second."""
    before = file_18
    for number, (fps, told) in enumerate(
        (("25", "nothing lost"), ("25", "nothing lost"), ("50", "Times of the file"))
    ):
        after = tmp_path / f"{number}.json"
        done = CliRunner().invoke(app, ["convert", str(before), str(after), "--to", "posetrack18", "--fps", fps])
        assert done.exit_code == 0 and told in done.stdout
        assert json.loads(after.read_text())["images"][1]["time_s"] == pytest.approx(1 / float(fps))
        before = after


def test_a_folder_that_cannot_be_converted_leaves_no_empty_one(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.json").write_text("{")
    with pytest.raises(DataFormatError):
        convert_files(tmp_path / "in", tmp_path / "new" / "out", ConversionConfig(to="mot"))
    assert not (tmp_path / "new").exists()


def test_a_folder_of_files_that_name_images_is_matched_by_name(file_18: Path, tmp_path: Path) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    convert_files(file_18.parent, there, ConversionConfig(to="coco", coco_joints="posetrack"))
    assert [path.name for path in there.iterdir()] == ["a.json"]
    config = ConversionConfig(to="posetrack18", coco_joints="posetrack", like=file_18.parent)
    convert_files(there, back, config)
    same_people(read_annotations(file_18)[0], read_annotations(back / "a.json")[0], "keypoints")


def test_existing_files_of_a_folder_are_kept_by_default(file_18: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.json").write_text("kept")
    with pytest.raises(OutputError, match=r"a\.json exists already"):
        convert_files(file_18.parent, out, ConversionConfig(to="posetrack17"))
    assert (out / "a.json").read_text() == "kept"


def test_json_that_is_a_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('"1,2,3,4,5,6,7"')
    with pytest.raises(DataFormatError, match="neither PoseTrack18 JSON"):
        convert_files(tmp_path / "a.json", tmp_path / "b", ConversionConfig(to="mot"))
