"""Broken files: one sentence that names the file, the frame where there is one, and the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import posetrack
from posetrack.cli.main import main
from posetrack.errors import DataFormatError
from tests.evaluation_cases import JOINTS, write_posetrack17, write_posetrack18

TRUTH, PREDICTION = "truth.json", "prediction.json"


def sequence() -> list[dict[str, Any]]:
    def somebody(track_id: int, x: float) -> dict[str, Any]:
        return {"id": track_id, "head": 20, "points": {joint: (x, 50.0, 0.9) for joint in range(15)}}

    truth, prediction = [somebody(0, 100), somebody(1, 300)], [somebody(4, 100), somebody(5, 300)]
    return [{"truth": truth, "predictions": prediction, "regions": []} for _ in range(3)]


def write(folder: Path, form: Callable[..., None] = write_posetrack18) -> None:
    form(folder / TRUTH, sequence(), "truth")
    form(folder / PREDICTION, sequence(), "predictions")


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def person(data: Any, frame: int = 1) -> Any:
    """The first person of a frame of PoseTrack18 data."""
    return next(a for a in data["annotations"] if a["image_id"] == data["images"][frame]["id"])


def rect(data: Any, frame: int = 1) -> Any:
    """The first person of a frame of PoseTrack17 data."""
    return data["annolist"][frame]["annorect"][0]


def only(categories: Any, **change: Any) -> None:
    categories[0].update(change)


BROKEN_18: dict[str, tuple[str, Callable[[Any], Any], list[str]]] = {
    "prediction frame missing": (PREDICTION, lambda d: d["images"].pop(), [PREDICTION, "2 frames", "3"]),
    "track id missing": (PREDICTION, lambda d: person(d).pop("track_id"), [PREDICTION, "frame 1", "track_id"]),
    "truth's track id missing": (TRUTH, lambda d: person(d).pop("track_id"), [TRUTH, "frame 1", "track_id"]),
    "track id no number": (PREDICTION, lambda d: person(d).update(track_id="a"), [PREDICTION, "frame 1", "'a'"]),
    "track id too large": (PREDICTION, lambda d: person(d).update(track_id=10_000), ["frame 1", "10000"]),
    "track ids too large": (
        PREDICTION,
        lambda d: [person(d, n).update(track_id=10_000 + n) for n in (1, 2)],
        ["frame 1", "10001"],
    ),
    "no head boxes": (TRUTH, lambda d: [person(d, n).pop("bbox_head") for n in (1, 2)], ["frame 1", "bbox_head"]),
    "track id twice": (
        PREDICTION,
        lambda d: person(d).update(track_id=5),
        ["frame 1", "track id 5", "two people"],
    ),
    "truth's track id twice": (TRUTH, lambda d: person(d).update(track_id=1), [TRUTH, "frame 1", "two people"]),
    "NaN": (PREDICTION, lambda d: person(d)["keypoints"].__setitem__(0, float("nan")), ["frame 1", "finite"]),
    "NaN twice": (
        PREDICTION,
        lambda d: [person(d, n)["keypoints"].__setitem__(0, float("nan")) for n in (1, 2)],
        ["frame 1", "finite"],
    ),
    "infinity": (TRUTH, lambda d: person(d)["keypoints"].__setitem__(1, float("inf")), ["frame 1", "finite"]),
    "null": (PREDICTION, lambda d: person(d)["keypoints"].__setitem__(2, None), ["frame 1", "finite"]),
    "text": (PREDICTION, lambda d: person(d)["keypoints"].__setitem__(2, "x"), ["frame 1", "keypoints"]),
    "short keypoints": (PREDICTION, lambda d: person(d)["keypoints"].pop(), ["frame 1", "keypoints", "numbers"]),
    "no keypoints": (PREDICTION, lambda d: person(d).pop("keypoints"), ["frame 1", "keypoints"]),
    "short scores": (PREDICTION, lambda d: person(d).update(scores=[0.5]), ["frame 1", "scores"]),
    "no head box": (TRUTH, lambda d: person(d).pop("bbox_head"), [TRUTH, "frame 1", "bbox_head"]),
    "short head box": (TRUTH, lambda d: person(d).update(bbox_head=[1, 2]), [TRUTH, "frame 1", "bbox_head"]),
    "no image id": (PREDICTION, lambda d: person(d).pop("image_id"), [PREDICTION, "image_id"]),
    "image without name": (PREDICTION, lambda d: d["images"][1].pop("file_name"), ["image 1", "file_name"]),
    "image id twice": (PREDICTION, lambda d: d["images"][1].update(id=700), [PREDICTION, "700"]),
    "unknown joint": (
        PREDICTION,
        lambda d: only(d["categories"], keypoints=["snout" if j == "nose" else j for j in JOINTS]),
        [PREDICTION, "nose", "snout"],
    ),
    "16 joints": (PREDICTION, lambda d: only(d["categories"], keypoints=[*JOINTS, "tail"]), [PREDICTION, "16"]),
    "no joint names": (PREDICTION, lambda d: d["categories"][0].pop("keypoints"), [PREDICTION, "keypoints"]),
    "no category": (PREDICTION, lambda d: d.update(categories=[]), [PREDICTION, "category"]),
    "no categories": (PREDICTION, lambda d: d.pop("categories"), [PREDICTION, "categories"]),
    "two categories": (PREDICTION, lambda d: d["categories"].append({}), [PREDICTION, "one category"]),
    "no annotations": (PREDICTION, lambda d: d.pop("annotations"), [PREDICTION, "annotations"]),
    "no images": (PREDICTION, lambda d: d.pop("images"), [PREDICTION, "PoseTrack18"]),
    "nobody in the truth": (TRUTH, lambda d: d.update(annotations=[]), [TRUTH, "nobody"]),
    "degenerate region": (
        TRUTH,
        lambda d: d["images"][1].update(ignore_regions_x=[[0, 9]], ignore_regions_y=[[0, 9]]),
        [TRUTH, "frame 1", "region"],
    ),
    "region of text": (
        TRUTH,
        lambda d: d["images"][1].update(ignore_regions_x=[["a"]], ignore_regions_y=[["b"]]),
        [TRUTH, "frame 1", "ignore_regions"],
    ),
}

BROKEN_18 |= {
    "huge track id": (PREDICTION, lambda d: person(d).update(track_id=2**70), ["frame 1", "track id"]),
    "huge coordinate": (PREDICTION, lambda d: person(d)["keypoints"].__setitem__(0, 10**400), ["frame 1", "1000"]),
    "list as coordinate": (
        PREDICTION,
        lambda d: person(d)["keypoints"].__setitem__(0, [7]),
        ["frame 1", "has [7]"],
    ),
    "list as image id": (PREDICTION, lambda d: d["images"][1].update(id=[1]), [PREDICTION, "image 1", "'id'"]),
    "list as person's image": (PREDICTION, lambda d: d["annotations"][3].update(image_id=[1]), ["annotation 3"]),
    "person is text": (PREDICTION, lambda d: d["annotations"].__setitem__(3, "me"), ["annotation 3", "image_id"]),
    "null in a score": (PREDICTION, lambda d: person(d)["scores"].__setitem__(0, None), ["frame 1", "scores"]),
    "region nowhere": (
        TRUTH,
        lambda d: d["images"][1].update(ignore_regions_x=[[0, 9, None]], ignore_regions_y=[[0, 9, 5]]),
        [TRUTH, "frame 1", "ignore_regions"],
    ),
}

BROKEN_17: dict[str, tuple[str, Callable[[Any], Any], list[str]]] = {
    "prediction frame missing": (PREDICTION, lambda d: d["annolist"].pop(), [PREDICTION, "2 frames"]),
    "track id missing": (PREDICTION, lambda d: rect(d).pop("track_id"), [PREDICTION, "frame 1", "track_id"]),
    "track id twice": (PREDICTION, lambda d: rect(d).update(track_id=[5]), ["frame 1", "two people"]),
    "coordinate missing": (
        PREDICTION,
        lambda d: rect(d)["annopoints"][0]["point"][0].pop("x"),
        ["frame 1", "x, y"],
    ),
    "NaN": (
        PREDICTION,
        lambda d: rect(d)["annopoints"][0]["point"][0].update(x=[float("nan")]),
        ["frame 1", "finite"],
    ),
    "points no list": (PREDICTION, lambda d: rect(d).update(annopoints=[{"point": 3}]), ["frame 1", "annopoints"]),
    "bad score": (PREDICTION, lambda d: rect(d)["annopoints"][0]["point"][0].update(score=[None]), ["frame 1"]),
    "no head box": (TRUTH, lambda d: rect(d).pop("x1"), [TRUTH, "frame 1", "x1"]),
    "no people": (PREDICTION, lambda d: d["annolist"][1].pop("annorect"), ["frame 1", "annorect"]),
    "no image": (PREDICTION, lambda d: d["annolist"][1].pop("image"), ["frame 1", "image"]),
    "joint without id": (
        PREDICTION,
        lambda d: rect(d)["annopoints"][0]["point"][0].pop("id"),
        ["frame 1", "'id'", "0 to 14"],
    ),
    "region nowhere": (
        TRUTH,
        lambda d: d["annolist"][1].update(
            ignore_regions=[{"point": [{"x": [v], "y": [v]} for v in (0, 9, float("nan"))]}]
        ),
        [TRUTH, "frame 1", "ignore_regions"],
    ),
    "region without points": (
        TRUTH,
        lambda d: d["annolist"][1].update(ignore_regions=[{}]),
        [TRUTH, "frame 1", "ignore_regions"],
    ),
}


def check_message(folder: Path, words: list[str]) -> None:
    with pytest.raises(DataFormatError) as caught:
        posetrack.evaluate(folder / TRUTH, folder / PREDICTION)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    for word in words:
        assert word in message, message


@pytest.mark.parametrize("name", BROKEN_18)
def test_broken_posetrack18(tmp_path: Path, name: str) -> None:
    file, change, words = BROKEN_18[name]
    write(tmp_path)
    edit(tmp_path / file, change)
    check_message(tmp_path, words)


@pytest.mark.parametrize("name", BROKEN_17)
def test_broken_posetrack17(tmp_path: Path, name: str) -> None:
    file, change, words = BROKEN_17[name]
    write(tmp_path, write_posetrack17)
    edit(tmp_path / file, change)
    check_message(tmp_path, words)


@pytest.mark.parametrize("content", ["", "{", '{"images": [1, 2', "\x00\xff", "[" * 100_000])
def test_malformed_json(tmp_path: Path, content: str) -> None:
    write(tmp_path)
    (tmp_path / PREDICTION).write_bytes(content.encode("latin-1"))
    check_message(tmp_path, [PREDICTION, "JSON"])


@pytest.mark.parametrize("content", ["3", "{}", '"images"', '{"images": 3}', '{"annolist": {}}'])
def test_json_of_another_kind(tmp_path: Path, content: str) -> None:
    write(tmp_path)
    (tmp_path / PREDICTION).write_text(content)
    check_message(tmp_path, [PREDICTION, "PoseTrack18"])


VALUES = [None, True, -1, 1.5, 2**70, 10**400, float("nan"), float("inf"), "", "x", [], [1], [None], {}, {"a": 1}]


def places(data: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a tree of lists and objects there is something; of lists only the first and the last."""
    keys = list(data) if isinstance(data, dict) else [0, -1] if isinstance(data, list) and data else []
    for key in keys:
        yield (*above, key)
        yield from places(data[key], (*above, key))


@pytest.mark.parametrize("form", [write_posetrack18, write_posetrack17])
@pytest.mark.parametrize("file", [TRUTH, PREDICTION])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_stands_somewhere_is_evaluated_or_refused_in_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, form: Callable[..., None], file: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("case")
    write(folder, form)
    content = json.loads((folder / file).read_text())
    *above, key = data.draw(st.sampled_from(list(places(content))))
    reduce(lambda part, name: part[name], above, content)[key] = data.draw(st.sampled_from(VALUES))
    (folder / file).write_text(json.dumps(content))
    try:
        posetrack.evaluate(folder / TRUTH, folder / PREDICTION)
    except DataFormatError as error:
        assert str(folder) in str(error) and str(error).endswith(".") and "\n" not in str(error)


def test_missing_paths(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / PREDICTION).unlink()
    check_message(tmp_path, [PREDICTION, "no such file"])


def test_a_folder_without_the_predictions_of_a_sequence(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFormatError, match="there are no predictions for"):
        posetrack.evaluate(tmp_path / TRUTH, tmp_path / "empty")
    with pytest.raises(DataFormatError, match="no .json files"):
        posetrack.evaluate(tmp_path / "empty", tmp_path / "empty")


def test_a_file_of_a_gigabyte_is_refused_at_once(tmp_path: Path) -> None:
    write(tmp_path)
    with (tmp_path / PREDICTION).open("wb") as file:
        file.truncate(2**30)  # sparse: takes no room
    check_message(tmp_path, [PREDICTION, "1024 MiB", "512"])


def test_the_command_prints_one_sentence_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path)
    edit(tmp_path / PREDICTION, lambda d: person(d).pop("track_id"))
    monkeypatch.setattr("sys.argv", ["posetrack", "eval", str(tmp_path / TRUTH), str(tmp_path / PREDICTION)])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert len(output.err.strip().splitlines()) == 1
    assert "frame 1" in output.err
