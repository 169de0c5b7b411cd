"""Networks are fed and read as their publishers do: compared with a second writing of the publishers' code."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError
from posetrack.models.conventions import CONVENTIONS, InputConvention, convention_of
from posetrack.models.crop import box_transforms, extract_crops
from posetrack.models.decoding import codec_of, decode_argmax
from posetrack.models.heads import HEADS
from posetrack.models.heatmap import gaussian_targets, heatmap_to_input, input_to_heatmap, mirrored_back
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.skeletons import COCO, POSETRACK
from posetrack.types import Boxes, Image
from posetrack.zoo.table import read_entries
from tests import publishers

SIZE, CELLS = (192, 256), (48, 64)
PUBLISHED = ("official_simple_baseline", "official_hrnet", "mmpose")
BOXES = np.array(
    [
        (250.3, 90.7, 331.1, 297.9),  # inside
        (-40.5, -12.25, 60, 200),  # out of the frame at the top left
        (500, 210, 660.4, 380.6),  # out at the bottom right
        (100, 100, 420, 130),  # wide
        (300, 5, 310, 350),  # tall
        (310.2, 170.1, 322.9, 191.8),  # small: the crop is larger than its source
        (-300, -500, 900, 800),  # many source pixels per crop pixel
    ],
    np.float32,
)


def photograph() -> Image:
    """Smooth colours, RGB, that differ between the channels."""
    noise = np.random.default_rng(7).integers(0, 256, (24, 40, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(noise, (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)


class Recorder(nn.Module):
    """Keeps its input and answers with prepared heatmaps of one person after the other, mirrored ones last."""

    def __init__(self, *heatmaps: np.ndarray) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self._heatmaps = [torch.from_numpy(array) for array in heatmaps]

    def forward(self, images: Tensor) -> Tensor:
        first = sum(map(len, self.seen)) // len(self._heatmaps)
        self.seen.append(images.clone())
        people = slice(first, first + len(images) // len(self._heatmaps))
        return torch.cat([array[people] for array in self._heatmaps])


def estimator(
    network: nn.Module, convention: str, skeleton: str = "coco", all_slots: bool = False, **options: object
) -> HeatmapPoseEstimator:
    architecture = PoseArchitecture(
        skeleton=skeleton, width=SIZE[0], height=SIZE[1], convention=convention, all_slots=all_slots
    )
    made = HeatmapPoseEstimator(nn.Identity(), architecture, PoseConfig(**options))  # type: ignore[arg-type]
    made._network = network  # a recorder cannot be copied for folding
    return made


def peaks(people: int, joints: int, seed: int) -> np.ndarray:
    """Heatmaps as networks give them: Gaussians of different heights, at any place, and noise."""
    rng = np.random.default_rng(seed)
    points = rng.uniform((4, 4), (CELLS[0] - 5, CELLS[1] - 5), (people, joints, 2))
    heights = rng.uniform(0.3, 1, (people, joints, 1, 1))
    noise = rng.normal(0, 0.01, (people, joints, CELLS[1], CELLS[0]))
    return (gaussian_targets(points, CELLS, 2.0) * heights + noise).astype(np.float32)


@pytest.mark.parametrize("name", ["official_simple_baseline", "official_hrnet"])
def test_crops_of_the_official_code_are_the_publishers(name: str) -> None:
    """To a grey level: its maps are rounded a little differently."""
    image, convention = photograph(), CONVENTIONS[name]
    ours = extract_crops(image, box_transforms(BOXES, SIZE, 1.25, convention.grid), SIZE, convention)
    theirs = [publishers.crop(image[..., ::-1].copy(), box, SIZE)[..., ::-1] for box in BOXES]
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("name", ["mmpose", "udp"])
@pytest.mark.parametrize("size", [SIZE, (288, 384), (200, 256)])
def test_crops_of_mmposes_networks_are_its_own_to_the_last_bit(name: str, size: tuple[int, int]) -> None:
    """Also in boxes that make rounding errors visible: a matrix in double precision differs in some."""
    rng, image, convention = np.random.default_rng(3), photograph(), CONVENTIONS[name]
    middles, sides = rng.uniform((-60, -60), (700, 420), (60, 2)), np.exp(rng.uniform(2, 6.5, (60, 2)))
    boxes = np.concatenate([BOXES, np.hstack([middles - sides / 2, middles + sides / 2])]).astype(np.float32)
    ours = extract_crops(image, box_transforms(boxes, size, 1.25, convention.grid), size, convention)
    publishers_crop = publishers.udp_crop if name == "udp" else publishers.mmpose_crop
    theirs = [publishers_crop(image[..., ::-1].copy(), box, size)[..., ::-1] for box in boxes]
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("codec", ["dark", "dark-udp"])
@pytest.mark.parametrize("kernel", [11, 17])
def test_joints_of_untrained_networks_are_those_of_mmpose(codec: str, kernel: int) -> None:
    """Their highest cell may be no maximum once smoothed: steps are then long, and rounding errors decide."""
    rng = np.random.default_rng(1)
    heatmaps = np.empty((12, 17, CELLS[1], CELLS[0]), np.float32)
    for place in np.ndindex(12, 17):
        heatmaps[place] = cv2.resize(rng.normal(0.3, 0.1, (6, 8)), CELLS, interpolation=cv2.INTER_CUBIC)
        heatmaps[place][rng.integers(CELLS[1]), rng.integers(CELLS[0])] += 0.4
    published = publishers.udp_peaks if codec == "dark-udp" else publishers.dark_peaks
    cells, _ = codec_of(codec, convention_of("mmpose", kernel))(heatmaps, 2.0)
    theirs = published(heatmaps, kernel)
    assert (np.abs(theirs - decode_argmax(heatmaps)[0]) > max(CELLS)).any()
    np.testing.assert_allclose(cells, theirs, atol=1e-4, rtol=1e-6)


def test_published_networks_see_the_numbers_that_they_were_trained_on() -> None:
    """MMPose's to the last bit, the official code's to a grey level (its crops are rounded differently)."""
    image = photograph()
    bgr = image[..., ::-1].copy()
    official = publishers.crop(bgr, BOXES[1], SIZE)
    expected = {
        "official_simple_baseline": publishers.official_input(official, colour_rgb=False),
        "official_hrnet": publishers.official_input(official, colour_rgb=True),
        "mmpose": publishers.mmpose_input(publishers.mmpose_crop(bgr, BOXES[1], SIZE)),
        "udp": publishers.mmpose_input(publishers.udp_crop(bgr, BOXES[1], SIZE)),
    }
    for name, theirs in expected.items():
        network = Recorder(np.zeros((1, 17, CELLS[1], CELLS[0]), np.float32))
        estimator(network, name).estimate(image, Boxes(BOXES[1:2], np.ones(1, np.float32)))
        off = (network.seen[0][0] - theirs).abs()
        if not name.startswith("official"):
            assert torch.equal(network.seen[0][0], theirs), name
        assert off.max() <= 1.03 / 255 / 0.224 and off.mean() <= 0.05 / 255 / 0.224, name


def test_our_own_networks_see_rgb_from_0_to_1() -> None:
    network = Recorder(np.zeros((1, 17, CELLS[1], CELLS[0]), np.float32))
    image = np.full((300, 300, 3), (255, 51, 0), np.uint8)
    estimator(network, "own").estimate(image, Boxes(np.array([[100, 100, 150, 180]], np.float32), np.ones(1)))
    assert torch.equal(network.seen[0][0, :, 0, 0], torch.tensor([1.0, 0.2, 0.0]))


@pytest.mark.parametrize("codec", ["quarter", "dark"])
@pytest.mark.parametrize("flip_test", [False, True])
@pytest.mark.parametrize("name", PUBLISHED)
def test_joints_are_those_of_the_publishers(name: str, flip_test: bool, codec: str) -> None:
    straight, flipped = peaks(len(BOXES), 17, seed=0), peaks(len(BOXES), 17, seed=1)
    network = Recorder(straight, flipped) if flip_test else Recorder(straight)
    poses = estimator(network, name, flip_test=flip_test, codec=codec).estimate(
        photograph(), Boxes(BOXES, np.ones(len(BOXES), np.float32))
    )
    pairs = [(left, right) for left, right in enumerate(COCO.flip_permutation.tolist()) if left < right]
    heatmaps = publishers.flip_averaged(straight, flipped, pairs) if flip_test else straight
    cells = publishers.quarter_peaks(heatmaps) if codec == "quarter" else publishers.dark_peaks(heatmaps, 11)
    for person, box in enumerate(BOXES):
        official = publishers.official_to_source(cells[person], box, CELLS, SIZE[0] / SIZE[1])
        mmpose = publishers.mmpose_to_source(cells[person], box.astype(np.float64), SIZE, 4)
        theirs = mmpose if name == "mmpose" else official
        np.testing.assert_allclose(poses.keypoints[person], theirs, atol=1e-3)
    np.testing.assert_allclose(poses.keypoint_scores, heatmaps.max(axis=(2, 3)).clip(0, 1), atol=1e-6)


@pytest.mark.parametrize("codec", ["quarter", "dark"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_joints_at_the_border_are_those_of_the_publishers(name: str, codec: str) -> None:
    """Everywhere on the crop, many of them on its outermost cells."""
    rng = np.random.default_rng(5)
    points = rng.uniform((0, 0), (CELLS[0] - 1, CELLS[1] - 1), (20, 17, 2))
    points[:10, :, 0] = rng.choice([0, 1, 2, CELLS[0] - 3, CELLS[0] - 2, CELLS[0] - 1], (10, 17))
    points[5:15, :, 1] = rng.choice([0, 1, 2, CELLS[1] - 3, CELLS[1] - 2, CELLS[1] - 1], (10, 17))
    noise = rng.normal(0, 0.002, (20, 17, *CELLS[::-1]))
    heatmaps = (gaussian_targets(points, CELLS, 2.0) + noise).astype(np.float32)
    boxes = np.tile(BOXES[:1], (20, 1))
    poses = estimator(Recorder(heatmaps), name, codec=codec).estimate(
        photograph(), Boxes(boxes, np.ones(20, np.float32))
    )
    quarter = publishers.quarter_peaks_of_mmpose if name == "mmpose" else publishers.quarter_peaks
    cells = quarter(heatmaps) if codec == "quarter" else publishers.dark_peaks(heatmaps, 11)
    theirs = [publishers.official_to_source(each, boxes[0], CELLS, SIZE[0] / SIZE[1]) for each in cells]
    np.testing.assert_allclose(poses.keypoints, theirs, atol=2e-3)


def test_one_of_the_published_networks_smooths_more_widely_than_the_others() -> None:
    """``blur_kernel_size`` of MMPose 1.3.2's configurations with DARK for 384x288."""
    kernels = {"hrnet_w32": 11, "hrnet_w48": 11, "resnet50": 11, "resnet101": 11, "resnet152": 17}
    found = {
        entry.architecture: entry.pose_architecture().format.convention.dark_kernel_cells
        for entry in read_entries().values()
        if entry.codec == "dark"
        and entry.height == 384
        and entry.publisher == "MMPose"
        and entry.skeleton == "coco"
    }
    assert found == kernels


@pytest.mark.parametrize(
    "name, given, codec, kernel",
    [
        ("mmpose", None, "dark", 11),
        ("mmpose", 17, "dark", 17),
        ("official_hrnet", None, "dark", 17),
        ("udp", None, "dark-udp", 11),
    ],
)
def test_large_heatmaps_are_smoothed_as_their_publisher_does(
    name: str, given: int | None, codec: str, kernel: int
) -> None:
    """Networks for 384x288 were trained on Gaussians of 3 cells; MMPose 1.x smooths them as if they had 2."""
    form = PoseArchitecture(
        skeleton="coco",
        width=SIZE[0],
        height=SIZE[1],
        convention=name,
        sigma_cells=3.0,
        dark_kernel_cells=given,
    ).format
    heatmaps = peaks(4, 17, seed=2)
    theirs = (publishers.udp_peaks if codec == "dark-udp" else publishers.dark_peaks)(heatmaps, kernel)
    pitch = (np.array(SIZE) - 1) / (np.array(CELLS) - 1) if codec == "dark-udp" else 4
    for near in (False, True):
        found, _ = HEADS[codec](form, near).joints([torch.from_numpy(heatmaps)])
        np.testing.assert_allclose(found, theirs * pitch, atol=5e-3)


@pytest.mark.parametrize("flip_test", [False, True])
def test_joints_of_unbiased_data_processing_are_the_publishers(flip_test: bool) -> None:
    """In boxes of all kinds, with peaks anywhere, many of them on the border and in the corners."""
    rng = np.random.default_rng(9)
    straight, flipped = peaks(len(BOXES), 17, seed=0), peaks(len(BOXES), 17, seed=1)
    corners = (
        rng.choice([0, 0.4, 1, 46, 46.7, 47], (len(BOXES), 8)),
        rng.choice([0, 0.3, 62.6, 63], (len(BOXES), 8)),
    )
    straight[:, :8] = gaussian_targets(np.stack(corners, -1), CELLS, 2.0)
    flipped[:, :8] = straight[:, [0, 2, 1, 4, 3, 6, 5, 7], :, ::-1]
    network = Recorder(straight, flipped) if flip_test else Recorder(straight)
    poses = estimator(network, "udp", flip_test=flip_test, codec="dark-udp").estimate(
        photograph(), Boxes(BOXES, np.ones(len(BOXES), np.float32))
    )
    twins = COCO.flip_permutation
    heatmaps = (straight + flipped[:, twins, :, ::-1]) / 2 if flip_test else straight
    cells = publishers.udp_peaks(np.ascontiguousarray(heatmaps), 11)
    for person, box in enumerate(BOXES):
        theirs = publishers.udp_to_source(cells[person], box, SIZE)
        np.testing.assert_allclose(poses.keypoints[person], theirs, atol=0.01)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_flip_test_sees_the_network_mirrored_input(name: str) -> None:
    network = Recorder(*[np.zeros((1, 17, CELLS[1], CELLS[0]), np.float32)] * 2)
    estimator(network, name, flip_test=True).estimate(photograph(), Boxes(BOXES[:1], np.ones(1, np.float32)))
    straight, mirrored = network.seen[0]
    assert torch.equal(mirrored, straight.flip(-1))


def test_shifting_brings_mirrored_heatmaps_of_the_corners_grid_within_a_quarter_of_a_cell() -> None:
    """Without the shift they are three quarters off: a network is trained on targets at x / 4."""
    joints = np.random.default_rng(0).uniform(20, 150, (1, 17, 2))
    mirrored = np.stack([159 - joints[..., 0], joints[..., 1]], -1)[:, COCO.flip_permutation]
    flipped = gaussian_targets(input_to_heatmap(mirrored, 4, "corners"), (40, 40), 2.0)
    cells = input_to_heatmap(joints, 4, "corners")
    for shift, error in ((0, -0.75), (1, 0.25)):
        back = mirrored_back(torch.from_numpy(flipped), torch.from_numpy(COCO.flip_permutation), shift)
        expected = gaussian_targets(cells + (error, 0), (40, 40), 2.0)
        np.testing.assert_allclose(back[..., shift:], expected[..., shift:], atol=1e-6)


def test_both_grids_are_inverse_to_themselves() -> None:
    points = np.array([[-0.5, 159.5], [3.2, 7.9]])
    for grid in ("centres", "corners"):
        np.testing.assert_allclose(heatmap_to_input(input_to_heatmap(points, 4, grid), 4, grid), points)
    assert input_to_heatmap(np.array([8.0]), 4, "corners")[0] == 2


def test_heatmaps_of_joints_that_are_never_annotated_are_left_out() -> None:
    """MMPose's PoseTrack networks have a heatmap for every slot; nobody taught them those of the ears."""
    straight, flipped = peaks(2, 17, seed=3), peaks(2, 17, seed=4)
    used = POSETRACK.in_use
    boxes = Boxes(BOXES[:2], np.ones(2, np.float32))
    whole = estimator(Recorder(straight, flipped), "mmpose", "posetrack", all_slots=True, flip_test=True)
    chosen = estimator(Recorder(straight[:, used], flipped[:, used]), "mmpose", "posetrack", flip_test=True)
    a, b = whole.estimate(photograph(), boxes), chosen.estimate(photograph(), boxes)
    np.testing.assert_array_equal(a.keypoints, b.keypoints)
    np.testing.assert_array_equal(a.keypoint_scores, b.keypoint_scores)
    ears = [POSETRACK.index("left_ear"), POSETRACK.index("right_ear")]
    assert (a.keypoint_scores[:, ears] == 0).all() and (a.keypoint_scores[:, used] > 0).all()


def test_outside_of_the_frame_published_networks_see_black() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    for name in PUBLISHED:
        transforms = box_transforms(np.array([[-40, 0, 40, 99]], np.float32), SIZE, 1.0, "corners")
        crop = extract_crops(image, transforms, SIZE, CONVENTIONS[name])[0]
        assert (crop[128, :60] == 0).all() and (crop[128, 120:] == 255).all()


@pytest.mark.parametrize(
    "field, value",
    [("colour_order", "gbr"), ("grid", "edges"), ("std", (0, 1, 1)), ("border_rgb", (0, 0, 256)),
     ("flip_shift_cells", -1), ("dark_kernel_cells", 10), ("dark_kernel_cells", -1)],
)  # fmt: skip
def test_conventions_that_cannot_be_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=field):
        InputConvention(**{field: value})  # type: ignore[arg-type]


def test_unknown_conventions_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="convention is 'detectron'; choose one of own"):
        PoseArchitecture(convention="detectron")
