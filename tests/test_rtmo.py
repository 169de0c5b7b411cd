"""RTMO: people and joints as written a second time, with MMPose's preparation and suppression; refining; files."""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.detector import DetectorConfig
from posetrack.models.rtmo import Candidates
from posetrack.models.rtmo_people import RTMOPeople, build_rtmo, load_rtmo, read_rtmo
from posetrack.skeletons import COCO, HALPE_26
from posetrack.types import Boxes, Poses, Sighting
from tests.in_process import posetrack
from tests.reference_rtmo import cells, joints_of

INPUT = (128, 96)
DEPTH, WIDTH = 0.33, 0.375
JOINTS = 17
OVERLAP = 0.65
SURE = DetectorConfig(score_threshold=0.5)


def photograph(width: int = 80, height: int = 120, seed: int = 4) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (11, 9, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def prepared(image: np.ndarray) -> tuple[Tensor, float, np.ndarray]:
    """MMPose's BottomupResize: blue first, centred, grey around it; the ratio, and where the first pixel lies."""
    height, width = image.shape[:2]
    ratio = min(INPUT[0] / width, INPUT[1] / height)
    first = np.array([INPUT[0] - ratio * width, INPUT[1] - ratio * height]) / 2
    warp = np.array([[ratio, 0, first[0]], [0, ratio, first[1]]])
    canvas = cv2.warpAffine(image[..., ::-1], warp, INPUT, flags=cv2.INTER_LINEAR, borderValue=(114, 114, 114))
    return torch.from_numpy(canvas.astype(np.float32).transpose(2, 0, 1))[None], ratio, first


@cache
def reference() -> tuple[dict[str, Tensor], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Weights; boxes, scores, joints and visibilities of all cells, in the photograph's pixels."""
    weights: dict[str, Tensor] = {}
    image, ratio, first = prepared(photograph())
    people(weights, image)
    in_source, joints, scores, visible = people(exact(weights), image.double())
    return weights, (in_source - np.tile(first, 2)) / ratio, scores, (joints - first) / ratio, visible


def exact(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.double() if each.is_floating_point() else each for name, each in weights.items()}


def people(weights: dict[str, Tensor], image: Tensor) -> tuple[np.ndarray, ...]:
    """Boxes, joints, scores and visibilities of all cells, in the input's pixels."""
    with torch.inference_mode():
        levels = cells(weights, image, DEPTH, WIDTH, JOINTS)
        boxes, centres = [], []
        for level, stride in zip(levels, (16, 32), strict=True):
            for number, (x, y, wide, high) in enumerate(level[0, :, 1:5]):
                row, column = divmod(number, INPUT[0] // stride)
                centre = torch.tensor([column + 0.5, row + 0.5], dtype=image.dtype) * stride - 0.5
                middle = centre + torch.stack([x, y]) * stride
                half = torch.stack([wide, high]).exp() * stride / 2
                boxes.append(torch.cat([middle - half, middle + half]))
                centres.append(centre)
        values = torch.cat(levels, dim=1)[0]
        joints = joints_of(weights, values[:, 5 + JOINTS :], torch.stack(boxes), torch.stack(centres), JOINTS)
    sure = values[:, : 5 + JOINTS].sigmoid().numpy()
    return torch.stack(boxes).numpy(), joints.numpy(), sure[:, 0], sure[:, 5:]


def saved(path: Path, **more: Tensor) -> Path:
    """The weights as MMPose's checkpoint has them, with what only training uses."""
    training = {
        "head.loss_oks.sigmas": torch.rand(JOINTS),
        "head.head_module.out_kpt_reg.0.weight": torch.rand(2 * JOINTS, 104, 1, 1),
        "head.dcc.sigma_fc.2.scale": torch.tensor(0.1),
    }
    torch.save({"meta": {}, "state_dict": {**reference()[0], **training, **more}}, path)
    return path


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> RTMOPeople:
    path = saved(tmp_path_factory.mktemp("rtmo") / "rtmo_t.pth")
    return load_rtmo("rtmo_t", path, size=INPUT, config=SURE)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    common = sides.clip(0).prod()
    return float(common / ((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - common))


def kept(boxes: np.ndarray, scores: np.ndarray) -> list[int]:
    """Cells above the threshold that no better one suppresses, and whose box is in the picture; best first."""
    chosen: list[int] = []
    for index in np.argsort(-scores, kind="stable"):
        if scores[index] > 0.5 and all(overlap(boxes[index], boxes[other]) <= OVERLAP for other in chosen):
            chosen.append(int(index))
    inside = boxes.clip(0, (80, 120, 80, 120))
    return [index for index in chosen if (inside[index, 2:] > inside[index, :2]).all()]


def test_people_and_joints_are_those_of_the_network_written_a_second_time(stage: RTMOPeople) -> None:
    _, boxes, scores, joints, visible = reference()
    chosen = kept(boxes, scores)
    suppressed = int((scores > 0.5).sum()) - len(chosen)
    assert len(chosen) >= 5 and suppressed >= 1
    other = photograph(50, 41, seed=9)
    for sighting in stage.find([photograph(), other, photograph()])[::2]:
        found = sighting.found
        assert found is not None and found.skeleton is COCO
        np.testing.assert_allclose(found.scores, scores[chosen], atol=1e-4)
        np.testing.assert_allclose(found.boxes, boxes[chosen].clip(0, (80, 120, 80, 120)) - 0.5, atol=0.05)
        np.testing.assert_allclose(found.keypoints, joints[chosen], atol=0.05)
        np.testing.assert_allclose(found.keypoint_scores, visible[chosen], atol=1e-4)
    assert stage.find([]) == [] and stage.for_video() is stage


def test_outputs_agree_to_rounding(tmp_path: Path) -> None:
    network = read_rtmo("rtmo_t", saved(tmp_path / "rtmo.pth"))
    image = prepared(photograph())[0].repeat(2, 1, 1, 1)
    with torch.inference_mode():
        expected = cells(exact(reference()[0]), image.double(), DEPTH, WIDTH, JOINTS)
        found = network(image)
        finer = network.double()(image.double())
    assert not network.training and len(found) == 2
    for ours, close, theirs in zip(found, finer, expected, strict=True):
        assert theirs.std() > 0.3
        assert (ours.flatten(2).mT - theirs).abs().max() <= 1e-3
        assert (close.flatten(2).mT - theirs).abs().max() <= 1e-9


def test_the_classifier_puts_joints_where_the_publisher_does_to_a_hundredth_of_a_pixel(tmp_path: Path) -> None:
    """In boxes inside, across borders, in corners, tiny and huge; the network before it rounds more than that."""
    weights = reference()[0]
    network = read_rtmo("rtmo_t", saved(tmp_path / "rtmo.pth"))
    rng = np.random.default_rng(3)
    width, height = INPUT
    grid = torch.from_numpy(rng.uniform((0, 0), (width, height), (60, 2))).float()
    grid[:4] = torch.tensor([[0, 0], [width, 0], [0, height], [width, height]])
    halves = torch.from_numpy(np.exp(rng.uniform(0, np.log(width), (60, 2)))).float()
    middles = grid + torch.from_numpy(rng.normal(0, 8, (60, 2))).float()
    boxes = torch.cat([middles - halves, middles + halves], 1)
    vectors = torch.from_numpy(rng.normal(size=(60, int(512 * WIDTH)))).float()
    unused = torch.zeros(60), torch.zeros(60, JOINTS)
    with torch.inference_mode():
        found = network.head.dcc(Candidates(boxes, *unused, vectors, grid))
        exactly = [each.double() for each in (vectors, boxes, grid)]
        expected = joints_of(exact(weights), *exactly, JOINTS)
    assert (found - middles[:, None]).abs().amax(1).median() > 1, "joints are not all in the middle"
    assert (found - expected).abs().max() <= 0.01


def test_people_carried_into_a_frame_get_the_joints_of_the_candidate_there(stage: RTMOPeople) -> None:
    _, boxes, scores, joints, visible = reference()
    sure = np.flatnonzero(scores > 0.5)
    hidden = [index for index in sure if index not in kept(boxes, scores)]
    wanted = Boxes(np.array([*(boxes[hidden] - 0.5), [500, 500, 510, 520]], np.float32), np.ones(len(hidden) + 1))
    seen = stage.find([photograph()])[0]
    for sighting in (seen, Sighting(photograph())):
        refined = stage.refine([sighting], [wanted])[0]
        np.testing.assert_array_equal(refined.boxes, wanted.xyxy)
        np.testing.assert_allclose(refined.keypoints[:-1], joints[hidden], atol=0.05)
        np.testing.assert_allclose(refined.keypoint_scores[:-1], visible[hidden], atol=1e-4)
        assert not refined.keypoint_scores[-1].any()
    assert len(stage.refine([seen], [Boxes.empty()])[0]) == 0


def test_it_serves_as_detector_and_as_pose_network(stage: RTMOPeople) -> None:
    found = stage.find([photograph()])[0].found
    assert isinstance(found, Poses)
    boxes = stage.detect([photograph()])[0]
    np.testing.assert_array_equal(boxes.xyxy, found.boxes)
    cut = stage.estimate(photograph(), Boxes(np.array([[900.0, 900, 950, 950]]), np.ones(1)))
    assert len(cut) == 1 and not cut.keypoint_scores.any()
    with pytest.raises(ValueError, match="expected uint8"):
        stage.find([photograph().astype(np.float32)])


def test_a_picture_without_people(tmp_path: Path) -> None:
    config = DetectorConfig(score_threshold=1.0)
    nobody = load_rtmo("rtmo_t", saved(tmp_path / "rtmo.pth"), size=INPUT, config=config)
    sighting = nobody.find([photograph()])[0]
    assert sighting.found is not None and len(sighting.found) == 0
    refined = nobody.refine([sighting], [Boxes(np.array([[0.0, 0, 50, 50]]), np.ones(1))])[0]
    assert not refined.keypoint_scores.any()


def test_what_does_not_fit_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = saved(tmp_path / "rtmo.pth")
    with pytest.raises(WeightsError, match="does not fit rtmo_s: .*; it is a checkpoint of rtmo_t"):
        read_rtmo("rtmo_s", path)
    with pytest.raises(WeightsError, match="it gives 17 joints, and not 26: say --skeleton posetrack or coco"):
        read_rtmo("rtmo_t", path, HALPE_26)
    with pytest.raises(WeightsError, match=r"1 unexpected \(head\.extra\)"):
        read_rtmo("rtmo_t", saved(tmp_path / "more.pth", **{"head.extra": torch.ones(2)}))
    with pytest.raises(ConfigError, match="the input of RTMO is 100x96; give multiples of 32"):
        load_rtmo("rtmo_t", path, size=(100, 96))
    with pytest.raises(ConfigError, match="the network 'rtmo_q' is unknown"):
        build_rtmo("rtmo_q", 17)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures") / "frames"
    folder.mkdir()
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), photograph())
    return folder


def test_it_runs_on_the_command_line(frames: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "epoch_9.pth")
    options = ["--architecture", "rtmo_t", "--input", "128x96", "--no-video", "-o", tmp_path / "out"]
    done = posetrack("run", frames, "--detector", path, "--pose", path, *options)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "frames.json").is_file()


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--architecture", "rtmo_t", "--convention", "mmpose"], "prepared in one way: leave out --convention"),
        (["--architecture", "rtmo_t", "--detector-input", "64x64"], "give its input size with --input"),
        (["--architecture", "rtmo_s"], "it is a checkpoint of rtmo_t"),
        (["--architecture", "rtmo_t", "--input", "100x96"], "give multiples of 32"),
        (["--architecture", "hrnet_w32"], "checkpoints of --architecture rtmo_t, rtmo_s, rtmo_m or rtmo_l can be"),
        ([], "checkpoints of --architecture rtmo_t, rtmo_s, rtmo_m or rtmo_l can be"),
    ],
)  # fmt: skip
def test_what_is_missing_or_wrong_is_one_sentence(
    frames: Path, tmp_path: Path, options: list[str], reason: str
) -> None:
    path = saved(tmp_path / "epoch_9.pth")
    files = ["--detector", path, "--pose", path]
    done = posetrack("run", frames, *files, *options, "--no-video", "-o", tmp_path / "out")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and reason in done.stderr, done.stderr


def test_as_the_pose_network_alone_it_is_refused(frames: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "epoch_9.pth")
    done = posetrack("run", frames, "--pose", path, "--architecture", "rtmo_t", "-o", tmp_path / "out")
    assert done.returncode == 2 and "give" in done.stderr and "as both --detector and --pose" in done.stderr
