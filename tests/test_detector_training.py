"""Detector training: scenes, losses, accuracy, resuming."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from posetrack.errors import ConfigError, DataFormatError, WeightsError
from posetrack.models.detector import DetectorConfig, load_detector
from posetrack.models.faster_rcnn import DetectorArchitecture, build_detector
from posetrack.training.cutout import Scene, paste_person
from posetrack.training.detection_accuracy import accuracy, find, match
from posetrack.training.detector import DetectorTask, DetectorTraining
from posetrack.training.detector_data import SceneBatch, SceneBatches, SceneConfig
from posetrack.training.detector_losses import DetectorLosses
from posetrack.training.loop import Record, train
from posetrack.training.photographs import Photograph, read_image, read_photographs
from posetrack.training.pose import DataSource
from posetrack.training.schedule import Schedule
from posetrack.types import Boxes, Image

PERSON_BOXES = ((10, 12, 20, 44), (50, 20, 16, 40), (30, 5, 24, 50), (64, 8, 22, 48))


class Silent:
    """Ignores progress."""

    def iteration(self, epoch: int, done: int, total: int, loss: float) -> None: ...

    def epoch(self, row: Record) -> None: ...


def annotation(number: int, image: int, box: Sequence[float], **more: Any) -> dict[str, Any]:
    x, y, width, height = box
    grid = np.mgrid[0:3, 0:5].reshape(2, -1).T / (2, 4) * (width - 1, height - 1) + (x, y)
    keypoints = np.hstack([grid, np.full((15, 1), 2)]).ravel().tolist()
    return {"id": number, "image_id": image, "category_id": 1, "bbox": list(box), "iscrowd": 0} | {
        "keypoints": keypoints,
        "num_keypoints": 15,
        **more,
    }


@pytest.fixture
def data(tmp_path: Path) -> DataSource:
    """Four images of one bright "person" each on a dark background, and one without people."""
    random = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(5):
        picture = random.integers(0, 80, (72, 96, 3)).astype(np.uint8)
        if number < 4:
            x, y, width, height = PERSON_BOXES[number]
            picture[y : y + height, x : x + width] = (40, 200, 250 - 20 * number)
            annotations.append(annotation(number, number, PERSON_BOXES[number]))
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "width": 96, "height": 72})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "people.json").write_text(json.dumps(content))
    return DataSource(annotations=tmp_path / "people.json", images=tmp_path)


@pytest.fixture
def photographs(data: DataSource) -> list[Photograph]:
    return read_photographs(data.annotations, data.images)


def configuration(data: DataSource, **changes: Any) -> DetectorTraining:
    return DetectorTraining(
        **{
            "train": (data,),
            "validation": data,
            "architecture": DetectorArchitecture(
                short_side=96, long_side=128, pyramid_channels=8, head_channels=16
            ),
            "scenes": SceneConfig(canvases=((64, 96),), grids=((1, 1), (1, 2)), grid_weights=(1, 1)),
            "batch_size": 2,
            **changes,
        }
    )


SCHEDULE = Schedule(epochs=2, learning_rate=1e-3, warmup_iterations=0, threads=1)


def test_an_image_and_its_boxes_move_together(photographs: list[Photograph]) -> None:
    plain = SceneConfig(canvases=((80, 112),), degraded=0, grey=0, pasted=0)
    seen = 0
    for batch in SceneBatches(photographs[:4], plain, 8, (3, 0)):
        for scene in batch.scenes:
            for x1, y1, x2, y2 in scene.boxes.round().astype(int):
                inside = scene.image[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].astype(int)
                if inside.size:
                    assert (inside[..., 1] - inside[..., 2] > 40).mean() > 0.9, "people are the green ones"
                    seen += 1
    assert seen > 8


def test_boxes_lie_within_the_scene_and_slivers_of_people_are_ignored(photographs: list[Photograph]) -> None:
    config = SceneConfig(canvases=((48, 64),), zoom=(1.5, 3.0), pasted=1.0)
    ignored = 0
    for batch in SceneBatches(photographs * 8, config, 4, (0, 0)):
        for scene in batch.scenes:
            for boxes in (scene.boxes, scene.ignored):
                assert (boxes >= 0).all() and (boxes <= (64, 48, 64, 48)).all()
                assert (boxes[:, 2:] > boxes[:, :2]).all()
            ignored += len(scene.ignored)
    assert ignored > 0


def test_scenes_depend_only_on_seed_and_epoch(photographs: list[Photograph]) -> None:
    def images(seed: tuple[int, int]) -> list[Image]:
        return [batch.images.numpy() for batch in SceneBatches(photographs, SceneConfig(), 2, seed)]

    first, again = images((1, 0)), images((1, 0))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (images((1, 1)), images((2, 0))):
        assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_pasted_person_is_labelled_and_people_it_covers_are_ignored(photographs: list[Photograph]) -> None:
    image = np.full((120, 160, 3), 30, np.uint8)
    boxes = np.array([[60, 30, 100, 110], [78, 60, 82, 70]], np.float32)
    hidden = 0
    for seed in range(30):
        scene = paste_person(
            Scene(image, boxes, np.zeros((0, 4), np.float32)), photographs[2], np.random.default_rng(seed)
        )
        added = scene.boxes[~(scene.boxes[:, None] == boxes).all(axis=2).any(axis=1)]
        assert len(added) == 1
        x1, y1, x2, y2 = added[0].astype(int)
        changed = (scene.image != image).any(axis=2)
        assert changed[y1:y2, x1:x2].mean() > 0.5
        changed[y1:y2, x1:x2] = False
        assert not changed.any()
        assert len(scene.boxes) + len(scene.ignored) == 3
        hidden += len(scene.ignored)
    assert hidden > 0


def test_nothing_is_pasted_into_a_scene_without_people(photographs: list[Photograph]) -> None:
    scene = Scene(np.zeros((20, 20, 3), np.uint8), *np.zeros((2, 0, 4), np.float32))
    assert paste_person(scene, photographs[0], np.random.default_rng(0)) is scene


def scene_batch(scene: Scene) -> SceneBatch:
    return SceneBatch(torch.from_numpy(scene.image).permute(2, 0, 1)[None], [scene], 0)


def test_an_ignored_region_does_not_change_the_loss() -> None:
    torch.manual_seed(0)
    network = build_detector(DetectorArchitecture(pyramid_channels=8, head_channels=16)).eval()
    losses = DetectorLosses(network)
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    nothing, everything = np.zeros((0, 4), np.float32), np.array([[-999, -999, 999, 999]], np.float32)
    background = losses.train()(scene_batch(Scene(image, nothing, nothing)))
    ignored = losses(scene_batch(Scene(image, nothing, everything)))
    assert background["objectness"] > 0.1 and background["classifier"] > 0.1
    assert all(not value.nan_to_num() for value in ignored.values())


def test_a_few_steps_lower_the_loss_and_leave_frozen_parts_and_statistics_alone(data: DataSource) -> None:
    torch.manual_seed(0)
    task = DetectorTask(configuration(data))
    task.network.train()
    before = {name: value.clone() for name, value in task.network.state_dict().items()}
    batch = next(iter(task.batches(0)))
    optimiser = torch.optim.AdamW(task.parameter_groups(), lr=2e-3)
    totals = []
    for _ in range(4):
        total = torch.stack(list(task.losses(batch).values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        totals.append(total.item())
    assert totals[-1] < totals[0]
    for name, value in task.network.state_dict().items():
        still = "running_" in name or "body.conv1" in name or "body.stage2" in name or "num_batches" in name
        assert torch.equal(value, before[name]) == still, name


def test_an_interrupted_training_ends_like_an_uninterrupted_one(data: DataSource, tmp_path: Path) -> None:
    def weights(folder: str, *epochs: int) -> dict[str, torch.Tensor]:
        for count in epochs:
            torch.manual_seed(0)
            task = DetectorTask(configuration(data))
            rows = train(task, replace(SCHEDULE, epochs=count), tmp_path / folder, Silent())
        assert len(rows) == 2 and "recall@0.5" in rows[-1]
        return task.network.state_dict()

    at_once, in_two = weights("a", 2), weights("b", 1, 2)
    assert all(torch.equal(value, in_two[name]) for name, value in at_once.items())
    load_detector(tmp_path / "a" / "last.safetensors").detect([np.zeros((50, 60, 3), np.uint8)])


def test_training_starts_only_from_a_detector_of_the_same_architecture(data: DataSource, tmp_path: Path) -> None:
    task = DetectorTask(configuration(data))
    path = tmp_path / "first.safetensors"
    task.save(task.network, path)
    again = DetectorTask(configuration(data, initial=path))
    for name, value in task.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], value, atol=1e-6, rtol=1e-3)
    with pytest.raises(WeightsError, match="first.safetensors has another architecture"):
        DetectorTask(configuration(data, initial=path, architecture=DetectorArchitecture()))


def test_later_epochs_can_have_larger_canvases(data: DataSource) -> None:
    task = DetectorTask(configuration(data, late_canvases=((128, 96),), late_from_epoch=3))
    shapes = [next(iter(task.batches(epoch))).images.shape for epoch in (2, 3)]
    assert [tuple(shape[2:]) for shape in shapes] == [(64, 96), (128, 96)]


@pytest.mark.parametrize(
    ("change", "name"),
    [({"batch_size": 0}, "batch_size"), ({"frozen": ("stage9",)}, "frozen")],
)
def test_impossible_settings_are_named(data: DataSource, change: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        configuration(data, **change)


def photograph_of(boxes: Sequence[Sequence[float]], kinds: str) -> Photograph:
    """Boxes of people (p), people labelled by a network (n) and ignored regions (i)."""
    kind = np.array(list(kinds))
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    return Photograph(Path("none"), 200, 200, xyxy, kind == "i", kind == "p", ())


def found(*boxes: tuple[float, float, float, float, float]) -> Boxes:
    """Boxes from corners in the corner convention, and scores."""
    array = np.array(boxes, np.float32).reshape(-1, 5)
    return Boxes(array[:, :4] - 0.5, array[:, 4])


def test_accuracy_of_a_scene_counted_by_hand() -> None:
    truth = photograph_of([[0, 0, 10, 20], [50, 0, 60, 20], [100, 0, 110, 20], [150, 0, 200, 50]], "ppni")
    boxes = found(
        (150, 150, 170, 190, 0.95),  # nobody: false
        (0, 0, 10, 20, 0.9),  # the first person
        (0, 0, 10, 19, 0.8),  # the first person again: false
        (100, 1, 110, 20, 0.7),  # labelled by a network: neither
        (160, 10, 170, 20, 0.6),  # within an ignored region: neither
        (50, 0, 60, 9, 0.5),  # overlaps the second person by 0.45: false
        (50, 0, 60, 11, 0.4),  # the second person, by 0.55
    )
    finding = match(boxes, truth)
    assert accuracy([finding]) == {"recall@0.5": 1.0, "false_boxes_per_image": 3.0}
    assert accuracy([finding], 0.45) == {"recall@0.5": 0.5, "false_boxes_per_image": 3.0}
    assert accuracy([finding], 0.85) == {"recall@0.5": 0.5, "false_boxes_per_image": 1.0}


def test_accuracy_without_boxes_people_or_images() -> None:
    nobody, somebody = photograph_of([], ""), photograph_of([[0, 0, 9, 9]], "p")
    assert accuracy([match(Boxes.empty(), somebody)]) == {"recall@0.5": 0.0, "false_boxes_per_image": 0.0}
    alone = accuracy([match(found((0, 0, 5, 5, 1.0)), nobody)])
    assert np.isnan(alone["recall@0.5"]) and alone["false_boxes_per_image"] == 1.0
    assert np.isnan(list(accuracy([]).values())).all()


def test_applying_a_threshold_later_gives_the_same_accuracy() -> None:
    random = np.random.default_rng(0)
    corners = random.uniform(0, 80, (40, 2))
    boxes = found(*np.hstack([corners, corners + random.uniform(10, 40, (40, 2)), random.random((40, 1))]))
    truth = photograph_of(boxes.xyxy[::3] + random.normal(0, 2, (14, 4)), "ppnppnppnipppp")
    for threshold in (0.0, 0.3, 0.6, 0.9):
        kept = boxes[boxes.scores >= threshold]
        assert accuracy([match(boxes, truth)], threshold) == accuracy([match(kept, truth)])


def test_a_perfect_detector_finds_everybody(photographs: list[Photograph]) -> None:
    class Oracle:
        def __init__(self) -> None:
            self.remaining = iter(photographs)

        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            truth = next(self.remaining)
            assert images[0].shape == (72, 96, 3)
            return [Boxes(truth.boxes - 0.5, np.ones(len(truth.boxes), np.float32))]

    figures = accuracy(find(Oracle(), photographs))
    assert figures == {"recall@0.5": 1.0, "false_boxes_per_image": 0.0}


def test_an_annotation_file_of_another_form_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match="missing.json"):
        read_photographs(tmp_path / "missing.json", tmp_path)
    (tmp_path / "list.json").write_text("[1, 2]")
    with pytest.raises(DataFormatError, match="list.json is not a COCO annotation file"):
        read_photographs(tmp_path / "list.json", tmp_path)


def test_boxes_that_are_not_finite_are_named(data: DataSource, tmp_path: Path) -> None:
    content = json.loads(data.annotations.read_text())
    content["annotations"][0]["bbox"] = [float("nan")] * 4
    (tmp_path / "odd.json").write_text(json.dumps(content))
    with pytest.raises(DataFormatError, match=r"odd\.json .* not finite"):
        read_photographs(tmp_path / "odd.json", data.images)


@pytest.mark.parametrize("size", [(0, 72), (96, -1), (96.5, 72), ("96", 72), (None, 72)])
def test_images_without_a_valid_size_are_named(data: DataSource, tmp_path: Path, size: tuple[Any, Any]) -> None:
    content = json.loads(data.annotations.read_text())
    content["images"][0] |= {"width": size[0], "height": size[1]}
    (tmp_path / "odd.json").write_text(json.dumps(content))
    with pytest.raises(DataFormatError, match=r"odd\.json .* whole numbers of pixels"):
        read_photographs(tmp_path / "odd.json", data.images)


def test_validation_data_without_images_are_named_before_the_training(data: DataSource, tmp_path: Path) -> None:
    content = json.loads(data.annotations.read_text()) | {"images": [], "annotations": []}
    (tmp_path / "empty.json").write_text(json.dumps(content))
    with pytest.raises(DataFormatError, match=r"empty\.json has no images to validate on"):
        DetectorTask(configuration(data, validation=replace(data, annotations=tmp_path / "empty.json")))


def test_a_missing_image_is_named(photographs: list[Photograph], tmp_path: Path) -> None:
    (tmp_path / "1.png").unlink()

    class Nobody:
        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            return [Boxes.empty() for _ in images]

    with pytest.raises(DataFormatError, match="1.png"):
        find(Nobody(), photographs)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_not_an_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.png").write_bytes(content)
    for path in (tmp_path / "odd.png", tmp_path, tmp_path / "\0.png"):
        with pytest.raises(DataFormatError, match=r"cannot read the image .*, which the annotations name"):
            read_image(path)


def test_an_image_with_any_file_name_is_read(tmp_path: Path) -> None:
    """OpenCV cannot open a name that is not UTF-8, and crashes on it."""
    path = Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.png"))
    path.write_bytes(cv2.imencode(".png", np.full((4, 6, 3), (30, 20, 10), np.uint8))[1].tobytes())
    assert (read_image(path) == (10, 20, 30)).all() and read_image(path).shape == (4, 6, 3)


def test_validation_uses_the_configured_threshold(data: DataSource) -> None:
    strict = DetectorTask(configuration(data, score_threshold=1.0))
    assert strict.validate(strict.network) == {"recall@0.5": 0.0, "false_boxes_per_image": 0.0}
    assert DetectorConfig().score_threshold < 1
