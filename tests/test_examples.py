"""The worked examples of docs/extending.md do what they say, with small ONNX networks whose answers are known."""

from __future__ import annotations

import importlib.util
import json
import re
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posetrack import Boxes, PoseTracker
from posetrack.types import Frame, Sighting
from tests.in_process import script
from tests.stubs import PERSON, OneStage, StubDetector, StubPose, frames

FOLDER = Path(__file__).parents[1] / "examples"
PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
IMAGES = [frame.image for frame in frames(4)]
TWO = np.concatenate([PERSON, PERSON + [60, 0, 60, 0]]).astype(np.float32)


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Constant(nn.Module):
    """Gives the same rows whatever it sees. (The input must have a part in them, or the export drops it.)"""

    def __init__(self, rows: np.ndarray) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.from_numpy(rows).float()[None])

    def forward(self, images: Tensor) -> Tensor:
        return self.rows + images.mean() * 0


def onnx_file(path: Path, network: nn.Module, *sides: int) -> Path:
    pytest.importorskip("onnxruntime")
    torch.onnx.export(
        network.eval(), (torch.rand(1, 3, *sides),), path, dynamo=False, input_names=["images"],
        dynamic_axes={"images": {0: "batch"}},
    )  # fmt: skip
    return path


def test_examples_are_short_and_the_page_names_each() -> None:
    names = {path.name for path in FOLDER.glob("*.py")}
    assert names == set(re.findall(r"examples/(\w+\.py)", PAGE.read_text())) and len(names) == 5
    for name in names:
        assert len((FOLDER / name).read_text().splitlines()) <= 40, name


def test_a_foreign_detector(tmp_path: Path) -> None:
    """640 / 160 = 4 pixels of its input are one of ours, and its pixels are counted from the corner."""
    rows = np.concatenate([(TWO + 0.5) * 4, [[0.9], [0.8]], [[0], [0]]], axis=1)
    others = np.array([[0, 0, 99, 99, 0.9, 7], [0, 0, 99, 99, 0.2, 0]])
    path = onnx_file(tmp_path / "detector.onnx", Constant(np.concatenate([rows, others])), 640, 640)
    detector = example("onnx_detector").OnnxDetector(str(path))
    boxes = detector.detect(IMAGES[:1])[0]
    np.testing.assert_allclose(boxes.xyxy, TWO, atol=1e-4)
    np.testing.assert_allclose(boxes.scores, [0.9, 0.8], rtol=1e-6)
    tracked = PoseTracker(detector=detector, pose=StubPose(), threads=1).track(IMAGES)
    assert [poses.track_ids.tolist() for _, poses in tracked] == [[0, 1]] * 4


class Brightest(nn.Module):
    """SimCC of a network that puts all joints at the brightest column and row."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        columns, rows = images.mean((1, 2)), images.mean((1, 3))
        x, y = (
            each.softmax(-1).repeat_interleave(2, 1)[:, None].expand(-1, 17, -1) * 20 for each in (columns, rows)
        )
        return x, y


def test_a_pose_network_with_another_head(tmp_path: Path) -> None:
    path = onnx_file(tmp_path / "simcc.onnx", Brightest(), 256, 192)
    rows, columns = np.mgrid[:240, :320]
    bump = 255 * np.exp(-((columns - 170) ** 2 + (rows - 120) ** 2) / 200)
    image = np.repeat(bump[..., None], 3, axis=2).astype(np.uint8)
    stage = example("simcc_pose").rtmpose(str(path))
    poses = stage.estimate(image, Boxes(np.array([[120.0, 60, 216, 188]]), np.ones(1)))
    np.testing.assert_allclose(poses.keypoints[0], np.tile([170.0, 120.0], (17, 1)), atol=1.5)
    tracked = PoseTracker(detector=StubDetector(), pose=stage, threads=1).track(IMAGES)
    assert all(poses.skeleton.name == "coco" for _, poses in tracked)


def test_a_one_stage_network(tmp_path: Path) -> None:
    """Two people, the second twice, and a third whom it hardly believes in."""
    pose = StubPose().estimate(
        IMAGES[0], Boxes(np.concatenate([TWO, TWO[1:] + 1, TWO[:1] + [20, 0, 20, 0]]), np.ones(4))
    )
    joints = np.concatenate([(pose.keypoints + 0.5) * 4, np.full((4, 17, 1), 0.9)], axis=2).reshape(4, -1)
    rows = np.concatenate([(pose.boxes + 0.5) * 4, [[0.9], [0.8], [0.7], [0.1]], joints], axis=1)
    stage = example("one_stage").OneStage(str(onnx_file(tmp_path / "one.onnx", Constant(rows), 640, 640)))
    (sighting,) = stage.find(IMAGES[:1])
    np.testing.assert_allclose(sighting.found.boxes, pose.boxes[:3], atol=1e-4)
    np.testing.assert_allclose(sighting.found.keypoints, pose.keypoints[:3], atol=1e-3)
    asked = Boxes(np.array([TWO[0] + [20, 0, 20, 0], [0, 0, 9, 9]]), np.array([0.6, 0.5]))
    for seen in (sighting, Sighting(IMAGES[0])):
        (refined,) = stage.refine([seen], [asked])
        np.testing.assert_allclose(refined.keypoints[0], pose.keypoints[3], atol=1e-3)
        assert refined.present.any(axis=1).tolist() == [True, False]
        assert Boxes(refined.boxes, refined.scores) == asked
    tracked = [poses for _, poses in PoseTracker(people=stage, threads=1).track(IMAGES)]
    assert [poses.track_ids.tolist() for poses in tracked] == [[0, 1]] * 4


def painted(colours: list[tuple[int, int, int]], boxes: np.ndarray) -> np.ndarray:
    image = np.full((120, 220, 3), 90, np.uint8)
    for colour, (x1, y1, x2, y2) in zip(colours, boxes.astype(int), strict=True):
        image[y1:y2, x1:x2] = colour
    return image


def test_a_linker_with_appearance() -> None:
    """Red and blue change places from one frame to the next: boxes say nothing, colours tell."""
    module, red, blue = example("appearance_linker"), (220, 20, 20), (20, 20, 220)
    far = np.concatenate([PERSON, PERSON + [120, 0, 120, 0]]).astype(np.float32)
    shown = [(red, blue), (red, blue), (blue, red), (blue, red)]
    stages = {"appearance": module.ColourHistogram(), "linker": module.AppearanceLinker()}
    tracker = PoseTracker(people=OneStage(xyxy=far), threads=1, **stages)
    made = [Frame(index, index / 25, painted(list(colours), far)) for index, colours in enumerate(shown)]
    described = module.ColourHistogram().describe(made[0].image, OneStage(xyxy=far).find([made[0].image])[0].found)
    assert described[0] @ described[1] < 0.1 and described[0] @ described[0] == pytest.approx(1)
    linker = module.AppearanceLinker()
    ids = []
    for frame in made:
        poses = OneStage(xyxy=far).find([frame.image])[0].found
        linked = linker.link(
            poses.replace(appearance=module.ColourHistogram().describe(frame.image, poses)), None, 0.0
        )
        ids.append(linked.track_ids.tolist())
    assert ids == [[0, 1], [0, 1], [1, 0], [1, 0]]
    assert len(list(tracker.track([frame.image for frame in made]))) == 4


def test_an_output_format(tmp_path: Path) -> None:
    module = example("json_lines")
    tracked = list(PoseTracker(people=OneStage(), threads=1).track(IMAGES))
    with closing(module.JsonLinesSink(tmp_path / "out.jsonl")) as sink:
        for frame, poses in tracked:
            sink.write(frame, poses)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2, 3]
    for line, (frame, poses) in zip(lines, tracked, strict=True):
        assert line["time_s"] == frame.time_s and [person["id"] for person in line["people"]] == [0]
        np.testing.assert_allclose(line["people"][0]["joints"], poses.keypoints[0], rtol=1e-6)


def test_an_example_is_a_program_too(tmp_path: Path) -> None:
    for index, image in enumerate(IMAGES[:2]):
        (tmp_path / "images").mkdir(exist_ok=True)
        import cv2

        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), image)
    done = script(FOLDER / "json_lines.py", str(tmp_path / "images"), str(tmp_path / "out.jsonl"))
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2


BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_pages_python_runs_and_tracks(number: int) -> None:
    space: dict[str, object] = {"__name__": "example"}
    exec(compile(BLOCKS[number], f"block {number}", "exec"), space)
    tracker = space["tracker"]
    assert isinstance(tracker, PoseTracker)
    assert len(list(tracker.track(IMAGES))) == 4
