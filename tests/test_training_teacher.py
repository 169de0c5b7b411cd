"""A teacher's joints: stored beside the labelled ones, and weighted in the targets."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from posetrack.cli.train import train
from posetrack.errors import ConfigError, DataFormatError, PoseTrackError
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from posetrack.skeletons import COCO, POSETRACK
from posetrack.training.pose import DataSource, EpochShares, PoseTask, PoseTraining
from posetrack.training.pose_augmentation import Augmentation
from posetrack.training.pose_data import PoseDataset
from posetrack.training.pose_losses import joints_mse_loss
from posetrack.training.pose_people import read_people
from posetrack.training.pose_targets import TargetSettings
from posetrack.training.teacher import add_teacher, read_annotations
from posetrack.types import UNLINKED, Boxes, Image, Poses

PLAIN = Augmentation(scale=0, rotation_deg=0, shift=0, flip=0, recolour=False, grey=0, degrade=0)
SMALL = PoseArchitecture(width=64, height=64, padding=1.0, deconv_channels=(16, 16, 16), all_slots=True)
WRIST, ELBOW, NOSE = (POSETRACK.index(name) for name in ("left_wrist", "left_elbow", "nose"))


class Pointing:
    """A teacher that sees the left wrist at a given place, and nothing else."""

    skeleton = COCO

    def __init__(self, place: tuple[float, float], score: float) -> None:
        self.place, self.score = place, score

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        keypoints, scores = np.zeros((len(boxes), 17, 2), np.float32), np.zeros((len(boxes), 17), np.float32)
        keypoints[:, COCO.index("left_wrist")] = self.place
        scores[:, COCO.index("left_wrist")] = self.score
        return Poses(boxes.xyxy, boxes.scores, keypoints, scores, np.full(len(boxes), UNLINKED), COCO)


def content(*annotations: dict[str, Any]) -> dict[str, Any]:
    entries = [
        {"id": number, "image_id": 1, "category_id": 1, "iscrowd": 0, "num_keypoints": 0, **each}
        for number, each in enumerate(annotations, start=1)
    ]
    return {
        "images": [{"id": 1, "file_name": "1.png", "width": 64, "height": 64}],
        "annotations": entries,
        "categories": [{"id": 1, "name": "person", "keypoints": list(POSETRACK.joints)}],
    }


@pytest.fixture
def images(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "1.png"), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    return tmp_path


def labelled(**joints: tuple[float, float]) -> dict[str, Any]:
    keypoints = np.zeros((17, 3))
    for name, place in joints.items():
        keypoints[POSETRACK.index(name)] = *place, 2
    return {"bbox": [0.5, 0.5, 63, 63], "num_keypoints": len(joints), "keypoints": keypoints.ravel().tolist()}


def taught(images: Path, teacher: Pointing, *annotations: dict[str, Any], **options: Any) -> DataSource:
    """A file of annotations with the teacher's joints."""
    written = add_teacher(content(*annotations), images, teacher, **options)  # type: ignore[arg-type]
    (images / "taught.json").write_text(json.dumps(written))
    return DataSource(annotations=images / "taught.json", images=images)


def only(source: DataSource, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Targets and weights of the only sample."""
    people = read_people(source.annotations, source.images, POSETRACK)
    assert len(people) == 1
    _, targets, weights, _, _ = PoseDataset(people, SMALL, PLAIN, TargetSettings(sigma=1.0, **options))[0]
    return targets, weights


def heights(targets: torch.Tensor, joint: int, *places: tuple[int, int]) -> list[float]:
    """Values of a target at the cells that contain these pixels."""
    return [round(float(targets[joint, y // 4, x // 4]), 2) for x, y in places]


# Pixels at the centres of 4 x 4 cells, so that a Gaussian's peak lies on a cell.
HERE, THERE = (21.5, 21.5), (41.5, 41.5)
HERE_PIXEL, THERE_PIXEL = (21, 21), (41, 41)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_label_and_teacher_share_a_joints_target(images: Path, share: float) -> None:
    source = taught(images, Pointing(THERE, 0.6), labelled(left_wrist=HERE, left_elbow=HERE))
    targets, weights = only(source, teacher_share=share)
    assert heights(targets, WRIST, HERE_PIXEL, THERE_PIXEL) == pytest.approx([1 - share, 0.6 * share], abs=0.01)
    assert weights[WRIST] == 1


def test_a_label_counts_in_full_if_the_teacher_lacks_the_joint(images: Path) -> None:
    source = taught(images, Pointing(THERE, 0.6), labelled(head_top=HERE, left_wrist=HERE, left_elbow=HERE))
    targets, weights = only(source)
    assert heights(targets, POSETRACK.index("head_top"), HERE_PIXEL) == [1.0]
    assert weights[POSETRACK.index("head_bottom")] == 0


def test_the_teachers_height_grows_with_its_gain_up_to_one(images: Path) -> None:
    source = taught(images, Pointing(THERE, 0.6), labelled(left_wrist=HERE))
    for gain, height in ((1.5, 0.9), (4.0, 1.0)):
        targets, _ = only(source, teacher_share=1.0, teacher_gain=gain)
        assert heights(targets, WRIST, THERE_PIXEL) == [height]


def test_a_teachers_joint_outside_the_box_is_unknown(images: Path) -> None:
    box = {"bbox": [0, 0, 20, 20]}
    (outside,) = add_teacher(content(box), images, Pointing((60, 60), 0.9))["annotations"]  # type: ignore[arg-type]
    (unsure,) = add_teacher(content(box), images, Pointing((60, 60), 0.1))["annotations"]  # type: ignore[arg-type]
    wrist = COCO.index("left_wrist")
    assert outside["teacher_keypoints"][3 * wrist + 2] == -1
    assert unsure["teacher_keypoints"][3 * wrist + 2] == pytest.approx(0.1)


def test_the_teacher_replaces_older_labels_by_a_network(images: Path) -> None:
    old = {**labelled(left_wrist=HERE, left_elbow=HERE), "pseudo_joints": ["left_wrist"]}
    targets, _ = only(taught(images, Pointing(THERE, 0.8), old), teacher_share=0.5)
    assert heights(targets, WRIST, HERE_PIXEL, THERE_PIXEL) == pytest.approx([0, 0.8], abs=0.01)


def test_the_teacher_labels_people_without_labels_unless_it_may_have_seen_others(images: Path) -> None:
    alone, pair = {"bbox": [0, 0, 30, 60]}, {"bbox": [5, 0, 30, 60]}

    class Everything(Pointing):
        def estimate(self, image: Image, boxes: Boxes) -> Poses:
            keypoints = np.full((len(boxes), 17, 2), 15, np.float32)
            scores = np.full((len(boxes), 17), self.score, np.float32)
            return Poses(boxes.xyxy, boxes.scores, keypoints, scores, np.full(len(boxes), UNLINKED), COCO)

    def read(score: float, *boxes: dict[str, Any]) -> int:
        source = taught(images, Everything((15, 15), score), *boxes)
        return len(read_people(source.annotations, source.images, POSETRACK))

    assert read(0.6, alone) == 1
    assert read(0.6, alone, pair) == 0
    assert read(0.1, alone) == 0


def test_boxes_without_people_overlap_no_annotation_and_have_empty_targets(images: Path) -> None:
    wide = {"bbox": [0, 0, 24, 64]}
    written = add_teacher(content(wide), images, Pointing((3, 3), 0.1), backgrounds=40)  # type: ignore[arg-type]
    empty = [each for each in written["annotations"] if each.get("nobody")]
    assert len(empty) >= 3
    assert all(each["bbox"][0] >= 24 for each in empty)
    assert len({each["id"] for each in written["annotations"]}) == len(written["annotations"])
    (images / "taught.json").write_text(json.dumps({**written, "annotations": empty[:1]}))
    targets, weights = only(DataSource(annotations=images / "taught.json", images=images))
    assert targets.max() == 0
    assert weights.min() == 1


def test_a_box_in_which_the_teacher_sees_somebody_is_not_added(images: Path) -> None:
    class InTheMiddle(Pointing):
        def estimate(self, image: Image, boxes: Boxes) -> Poses:
            poses = super().estimate(image, boxes)
            middle = (boxes.xyxy[:, :2] + boxes.xyxy[:, 2:]) / 2
            return replace(poses, keypoints=np.repeat(middle[:, None], 17, axis=1))

    for score, count in ((0.5, 0), (0.1, 20)):
        written = add_teacher(content(), images, InTheMiddle((0, 0), score), backgrounds=20)  # type: ignore[arg-type]
        assert len(written["annotations"]) == count


def test_an_epoch_has_all_labelled_people_and_the_given_shares_of_others(images: Path) -> None:
    people = [*read_people(*files(images, [labelled(left_wrist=HERE)] * 60), POSETRACK)]
    nobody = read_people(*files(images, [{"bbox": [0, 0, 9, 9], "nobody": True}] * 100), POSETRACK)
    unlabelled = read_people(*files(images, [spread(n) for n in range(100)]), POSETRACK)
    shares = EpochShares([*people, *nobody, *unlabelled], unlabelled=0.3, nobody=0.1)
    orders = [shares.order(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert orders[0] == orders[1]
    assert sorted(orders[0]) != sorted(orders[2])
    kinds = np.array([0] * 60 + [1] * 100 + [2] * 100)[orders[0]]
    assert np.bincount(kinds).tolist() == [60, 10, 30]
    assert len(set(orders[0])) == 100


def files(images: Path, annotations: list[dict[str, Any]]) -> tuple[Path, Path]:
    category = {
        "id": 1, "name": "person", "keypoints": list(POSETRACK.joints), "teacher_keypoints": list(COCO.joints),
    }  # fmt: skip
    (images / "some.json").write_text(json.dumps({**content(*annotations), "categories": [category]}))
    return images / "some.json", images


def spread(number: int) -> dict[str, Any]:
    """A person without labels, far from the others."""
    return {"bbox": [100 * number, 0, 9, 9], "teacher_keypoints": [5, 5, 0.9] * 17}


def test_only_the_hardest_joints_count() -> None:
    heatmaps, targets = torch.zeros(2, 4, 2, 2), torch.zeros(2, 4, 2, 2)
    targets[:, 0], targets[:, 1], targets[:, 2], targets[:, 3] = 4.0, 3.0, 2.0, 1.0
    weights = torch.ones(2, 4)
    assert joints_mse_loss(heatmaps, targets, weights, 2) == pytest.approx(0.5 * (16 + 9) / 2)
    weights[:, 0] = 0
    assert joints_mse_loss(heatmaps, targets, weights, 2) == pytest.approx(0.5 * (9 + 4) / 2)
    assert joints_mse_loss(heatmaps, targets, weights) == pytest.approx(0.5 * (9 + 4 + 1) / 4)


def test_hard_joints_apply_from_their_epoch_on(images: Path) -> None:
    source = DataSource(annotations=files(images, [labelled(left_wrist=HERE)])[0], images=images)
    config = PoseTraining(
        train=(source,), validation=source, architecture=SMALL, augmentation=PLAIN, min_joints=1,
        hard_joints=1, hard_joints_from_epoch=2,
    )  # fmt: skip
    task = PoseTask(config)
    losses = []
    for epoch in (1, 2):
        (batch,) = task.batches(epoch)
        losses.append(task.losses(batch)["heatmap"].item())
    assert losses[1] == pytest.approx(17 * losses[0], rel=1e-3)  # one labelled joint of 17 slots


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"teacher_share": 1.5}, "teacher_share"),
        ({"unlabelled_share": 0.6, "nobody_share": 0.4}, "leave nothing"),
        ({"teacher_gain": 0.0}, "teacher_gain"),
        ({"hard_joints": -1}, "hard_joints"),
    ],
)
def test_shares_out_of_range_give_one_sentence(images: Path, options: dict[str, Any], sentence: str) -> None:
    source = DataSource(annotations=images / "x.json", images=images)
    with pytest.raises(ConfigError, match=sentence):
        PoseTraining(train=(source,), validation=source, **options)


@pytest.fixture
def teacher_file(tmp_path: Path) -> Path:
    save_pose_network(SMALL.build(), SMALL, tmp_path / "teacher.safetensors")
    return tmp_path / "teacher.safetensors"


def test_the_command_adds_the_teachers_joints_and_replaces_no_file(images: Path, teacher_file: Path) -> None:
    (images / "boxes.json").write_text(json.dumps(content({"bbox": [4, 4, 40, 50]})))
    out = images / "out.json"
    arguments = ["label", str(images), "-o", str(out), "--teacher", str(teacher_file), "--device", "cpu"]
    result = CliRunner().invoke(train, [*arguments, "--annotations", str(images / "boxes.json")])
    assert result.exit_code == 0, result.output
    written = json.loads(out.read_text())
    assert len(written["annotations"][0]["teacher_keypoints"]) == 3 * len(POSETRACK)
    assert written["categories"][0]["teacher_keypoints"] == list(POSETRACK.joints)
    before = out.read_bytes()
    again = CliRunner().invoke(train, [*arguments, "--annotations", str(images / "boxes.json")])
    assert isinstance(again.exception, PoseTrackError)
    assert "--overwrite" in str(again.exception)
    assert out.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"categories": [], "images": [], "annotations": []}', "\xff"])
def test_a_file_other_than_coco_gives_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataFormatError, match="not a COCO file of people"):
        read_annotations(tmp_path / "x.json")


def test_other_peoples_joints_in_the_image_get_targets_of_the_given_height(images: Path) -> None:
    annotations, folder = files(images, [labelled(left_wrist=HERE), labelled(left_wrist=THERE, nose=HERE)])
    people = read_people(annotations, folder, POSETRACK)
    both = TargetSettings(sigma=1.0, others_height=0.5)
    _, targets, weights, points, _ = PoseDataset(people, SMALL, PLAIN, both)[0]
    assert heights(targets, WRIST, HERE_PIXEL, THERE_PIXEL) == [1.0, 0.5]
    assert heights(targets, NOSE, HERE_PIXEL) == [0.5]
    assert weights[NOSE] == 0  # of this person it is unknown
    assert points[WRIST].tolist() == pytest.approx([5, 5], abs=0.05)
    _, targets, *_ = PoseDataset(people, SMALL, PLAIN, TargetSettings(sigma=1.0))[0]
    assert heights(targets, WRIST, HERE_PIXEL, THERE_PIXEL) == [1.0, 0.0]


def test_a_joint_counts_as_placed_if_it_is_labelled_or_the_teacher_is_sure(images: Path) -> None:
    for score, sure in ((0.3, False), (0.6, True)):
        source = taught(images, Pointing(THERE, score), labelled(left_elbow=HERE))
        people = read_people(source.annotations, source.images, POSETRACK)
        placed = PoseDataset(people, SMALL, PLAIN, TargetSettings())[0][4]
        assert placed[ELBOW] == 1 and bool(placed[WRIST]) is sure
        assert placed.sum() == 1 + sure


def test_targets_get_finer_from_epoch_to_epoch(images: Path) -> None:
    annotations, folder = files(images, [labelled(left_wrist=HERE)])
    source = DataSource(annotations=annotations, images=folder)
    task = PoseTask(
        PoseTraining(
            train=(source,), validation=source, architecture=SMALL, augmentation=PLAIN, min_joints=1,
            sigma=2.0, later_sigmas=(1.5, 1.0),
        )
    )  # fmt: skip
    for epoch, sigma in enumerate((2.0, 1.5, 1.0, 1.0)):
        (batch,) = task.batches(epoch)
        beside = float(batch.targets[0, WRIST, 5, 6])
        assert beside == pytest.approx(np.exp(-1 / (2 * sigma**2)), abs=0.03)
    task.save(task.network, images / "last.safetensors")
    assert load_pose_network(images / "last.safetensors")[1].sigma_cells == 1.0
