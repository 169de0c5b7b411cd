"""Networks in ONNX Runtime as part of the pipeline: torch's results, and only from files that were checked."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError, OutputError
from posetrack.models import onnx_engine, onnx_file
from posetrack.models.detector import DetectorConfig, PersonDetector, load_detector
from posetrack.models.keypoint_rcnn import KeypointRCNN
from posetrack.models.onnx_engine import OnnxNetwork
from posetrack.models.onnx_file import Interface, Session
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.runtime import Runtime
from posetrack.models.torchvision_detectors import load_torchvision_detector
from posetrack.types import Boxes, Image
from posetrack.zoo.store import BUNDLED
from tests import forked
from tests.rcnn_networks import as_file, photograph, random_weights, small_detector, small_keypoint_rcnn
from tests.test_onnx_export import SMALL, random_network

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

INTERFACE = Interface(name="small", channels=3, size=(16, 12))


class Layers(nn.Module):
    """A network that gives tensors in containers."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, stride=2, padding=1)
        self.eval()

    def forward(self, images: Tensor) -> dict[str, Tensor | tuple[Tensor, list[Tensor]]]:
        features = torch.relu(self.first(images))
        return OrderedDict(fine=features, rest=(self.second(features), [features.mean((2, 3))]))


def as_list(output: object) -> list[Tensor]:
    return list(onnx_file.tensors_in(output))


def files_in(folder: Path) -> list[Path]:
    """All that is kept there; locks aside."""
    return sorted(path for path in folder.iterdir() if path.name != ".locks")


def engine(folder: Path | None) -> Runtime:
    return Runtime(engine="onnxruntime", exports=folder)


def assert_is_the_network(made: OnnxNetwork, network: nn.Module) -> None:
    for batch in (1, 2, 7):
        images = torch.rand(batch, 3, 16, 12)
        with torch.inference_mode():
            expected = network(images)
        found = made(images)
        assert isinstance(found, OrderedDict) and list(found) == ["fine", "rest"] and type(found["rest"]) is tuple
        for one, other in zip(as_list(expected), as_list(found), strict=True):
            torch.testing.assert_close(other, one, atol=1e-5, rtol=1e-4)


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nothing may be exported."""

    def refuse(*_: object) -> None:
        raise AssertionError("exported again")

    monkeypatch.setattr(onnx_engine, "write_onnx", refuse)


def test_the_second_start_uses_the_file_of_the_first(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    network = Layers()
    assert_is_the_network(OnnxNetwork(network, INTERFACE, tmp_path / "made"), network)
    [file] = files_in(tmp_path / "made")
    onnx.checker.check_model(onnx.load(file))
    before = file.stat().st_mtime_ns
    request.getfixturevalue("forbidden")
    assert_is_the_network(OnnxNetwork(Layers(), INTERFACE, tmp_path / "made"), network)
    assert files_in(tmp_path / "made") == [file] and file.stat().st_mtime_ns == before


def test_other_weights_structures_and_sizes_have_files_of_their_own(tmp_path: Path) -> None:
    wider = Layers()
    wider.second.stride = (3, 3)  # the same weights
    for network, interface in (
        (Layers(), INTERFACE),
        (Layers(1), INTERFACE),
        (wider, INTERFACE),
        (Layers(), Interface(name="small", channels=3)),
    ):
        made = OnnxNetwork(network, interface, tmp_path)
        assert_is_the_network(made, network)
    assert len(files_in(tmp_path)) == 4


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o077])
def test_the_folder_and_its_files_are_the_users_alone(tmp_path: Path, umask: int) -> None:
    """Whatever the user lets others do with other files; a folder of an earlier version is closed to them."""
    before = os.umask(umask)
    try:
        (tmp_path / "old").mkdir(mode=0o777)
        for folder in (tmp_path / "new" / "exported", tmp_path / "old"):
            OnnxNetwork(Layers(), INTERFACE, folder)
            assert mode_of(folder) == 0o700 and [mode_of(file) for file in files_in(folder)] == [0o600]
    finally:
        os.umask(before)


@pytest.fixture
def as_another_user(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From then on this process is of a user who owns nothing here."""
    return lambda: monkeypatch.setattr(os, "geteuid", lambda: 4321)


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A network of somebody else, under its right name, with the right hash; it must not reach ONNX Runtime."""
    OnnxNetwork(Layers(), INTERFACE, tmp_path / "made")
    [file] = files_in(tmp_path / "made")
    content = file.read_bytes() + b"\x0a\x00"  # one field more of ONNX's protobuf: as good for ONNX Runtime
    digest = hashlib.sha256(content).hexdigest()[:32]
    planted = file.with_name(f"{file.stem.rpartition('-')[0]}-{digest}.onnx")
    file.unlink()
    planted.write_bytes(content)
    load, loaded = onnx_file.Session, []

    def watched(given: bytes, threads: int) -> Session:
        loaded.append(given)
        return load(given, threads)

    monkeypatch.setattr(onnx_file, "Session", watched)
    yield planted
    assert content not in loaded


def test_another_users_folder_is_refused_before_anything_in_it_is_loaded(
    planted: Path, as_another_user: Callable[[], None]
) -> None:
    as_another_user()
    with pytest.raises(OutputError, match="made belongs to another user.*choose another folder with --models-dir"):
        OnnxNetwork(Layers(), INTERFACE, planted.parent)


def test_a_link_in_the_place_of_the_folder_is_refused(planted: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(planted.parent)
    planted.parent.chmod(0o755)
    with pytest.raises(OutputError, match="link is a link"):
        OnnxNetwork(Layers(), INTERFACE, tmp_path / "link")
    assert mode_of(planted.parent) == 0o755


@pytest.mark.parametrize("how", ["writable", "link", "fifo"])
def test_a_file_that_others_may_have_written_is_exported_anew(planted: Path, how: str, tmp_path: Path) -> None:
    if how == "writable":
        planted.chmod(0o662)
    else:
        planted.rename(tmp_path / "elsewhere")
        if how == "link":
            planted.symlink_to(tmp_path / "elsewhere")
        else:
            os.mkfifo(planted)
    assert_is_the_network(OnnxNetwork(Layers(), INTERFACE, planted.parent), Layers())
    [file] = files_in(planted.parent)
    assert file != planted and mode_of(file) == 0o600 and not file.is_symlink()


def test_another_users_file_is_exported_anew(planted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that is the user's by now, but was not always."""
    others, fstat = planted.stat().st_ino, os.fstat

    def of_another(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        changed = [*status[:4], 4321, *status[5:]]
        return os.stat_result(changed) if status.st_ino == others else status

    monkeypatch.setattr(os, "fstat", of_another)
    assert_is_the_network(OnnxNetwork(Layers(), INTERFACE, planted.parent), Layers())
    [file] = files_in(planted.parent)
    assert file != planted


def test_a_folder_that_cannot_be_closed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on file systems without owners and modes."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    with pytest.raises(OutputError, match="open cannot be closed to other users"):
        OnnxNetwork(Layers(), INTERFACE, tmp_path / "open")


def test_without_a_folder_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    network = Layers()
    assert_is_the_network(OnnxNetwork(network, INTERFACE, None), network)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["truncated", "one bit", "empty", "rubbish", "folder"])
def test_a_damaged_file_is_exported_anew(tmp_path: Path, damage: str) -> None:
    network = Layers()
    OnnxNetwork(network, INTERFACE, tmp_path)
    [file] = files_in(tmp_path)
    content = file.read_bytes()
    if damage == "folder":
        file.unlink()
        file.mkdir()
        with pytest.raises(OutputError, match="Cannot write"):
            OnnxNetwork(network, INTERFACE, tmp_path)
        return
    weights = network.first.weight.detach().numpy().tobytes()
    place = content.index(weights[:64])  # the lowest bits of the first weight: no comparison would see them
    flipped = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    file.write_bytes(
        {"truncated": content[:-100], "one bit": flipped, "empty": b"", "rubbish": b"x" * 999}[damage]
    )
    assert_is_the_network(OnnxNetwork(network, INTERFACE, tmp_path), network)
    [again] = files_in(tmp_path)
    assert hashlib.sha256(again.read_bytes()).hexdigest().startswith(again.stem.split("-")[-1])


@pytest.mark.parametrize("name", ["kept", "right"])
def test_another_networks_file_is_never_used(tmp_path: Path, name: str) -> None:
    """Not under the name of the right one, and not with the right hash of its content either."""
    network, other = Layers(), Layers(1)
    OnnxNetwork(other, INTERFACE, tmp_path / "other")
    OnnxNetwork(network, INTERFACE, tmp_path)
    [file] = [path for path in files_in(tmp_path) if path.is_file()]
    [wrong] = files_in(tmp_path / "other")
    file.unlink()
    if name == "right":
        stem = file.stem.rpartition("-")[0]
        file = tmp_path / f"{stem}-{wrong.stem.rpartition('-')[2]}.onnx"
    file.write_bytes(wrong.read_bytes())
    assert_is_the_network(OnnxNetwork(network, INTERFACE, tmp_path), network)
    [left] = [path for path in files_in(tmp_path) if path.is_file()]
    assert left.read_bytes() != wrong.read_bytes()


class Shifty(Layers):
    """Says one thing while it is exported, and another afterwards."""

    def forward(self, images: Tensor) -> dict[str, Tensor | tuple[Tensor, list[Tensor]]]:
        output = super().forward(images)
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            output["fine"] = output["fine"] * 1.001
        return output


class Forgetful(nn.Module):
    """Is exported for one size of batch alone."""

    def forward(self, images: Tensor) -> Tensor:
        if torch.jit.is_tracing() or torch.compiler.is_compiling():
            return images * torch.ones(2, 3, 16, 12)
        return images * 1


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (Shifty(), "differs from the small network's by 0.001 of the largest value, and 1e-04 is allowed"),
        (Forgetful(), r"small network"),
    ],
)
def test_an_export_that_says_something_else_is_refused_and_not_kept(
    tmp_path: Path, network: nn.Module, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        OnnxNetwork(network, INTERFACE, tmp_path)
    assert files_in(tmp_path) == []


def test_what_an_ended_process_has_left_is_removed(tmp_path: Path) -> None:
    network = Layers()
    OnnxNetwork(network, INTERFACE, tmp_path)
    [file] = files_in(tmp_path)
    left = tmp_path / f".{file.stem.rpartition('-')[0]}-abc"
    left.mkdir()
    (left / "network.onnx").write_bytes(b"half")
    file.unlink()
    OnnxNetwork(network, INTERFACE, tmp_path)
    assert files_in(tmp_path) == [file]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="Cannot write .*file"):
        OnnxNetwork(Layers(), INTERFACE, tmp_path / "file")


def export_slowly(folder: Path, number: int) -> None:
    """Use the network as soon as another process does too, and leave a file for each time it is exported."""
    write = onnx_engine.write_onnx

    def slow(network: nn.Module, interface: Interface, path: Path) -> None:
        (folder / f".exported-{number}").touch()
        time.sleep(0.5)
        write(network, interface, path)

    onnx_engine.write_onnx = slow
    (folder / f".ready-{number}").touch()
    while len(list(folder.glob(".ready-*"))) < 2:
        time.sleep(0.01)
    assert_is_the_network(OnnxNetwork(Layers(), INTERFACE, folder), Layers())


def test_of_two_processes_at_once_one_exports_and_both_work(tmp_path: Path) -> None:
    processes = [forked.CONTEXT.Process(target=export_slowly, args=(tmp_path, number)) for number in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(tmp_path.glob(".exported-*"))) == 1
    assert len([file for file in files_in(tmp_path) if file.suffix == ".onnx"]) == 1


def test_idle_threads_sleep_and_there_are_as_many_as_torch_has(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        options = OnnxNetwork(Layers(), INTERFACE, tmp_path)._session._session.get_session_options()
    finally:
        torch.set_num_threads(before)
    assert options.intra_op_num_threads == 2 and options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_any_number_of_people_has_torchs_heatmaps(tmp_path: Path) -> None:
    network, config = random_network(SMALL), PoseConfig(flip_test=True, max_batch=8)
    plain = HeatmapPoseEstimator(network, SMALL, config)
    fast = HeatmapPoseEstimator(network, SMALL, config, engine(tmp_path))
    for count in (1, 2, 8, 11):
        crops = np.random.default_rng(count).integers(0, 256, (count, 96, 64, 3), np.uint8)
        np.testing.assert_allclose(fast.heatmaps(crops), plain.heatmaps(crops), atol=1e-4)
    assert len(fast.estimate(photograph(60, 80), Boxes.empty())) == 0


def boxes_around() -> Boxes:
    return Boxes(np.array([[2.0, 3.0, 50.0, 70.0], [10.0, 5.0, 60.0, 100.0], [0, 0, 20, 30]]), np.ones(3))


def assert_same_boxes(expected: list[Boxes], found: list[Boxes]) -> None:
    assert any(len(boxes) for boxes in expected)
    for one, other in zip(expected, found, strict=True):
        assert len(one) == len(other)
        np.testing.assert_allclose(other.xyxy, one.xyxy, atol=5e-2)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-3)


SIZES = [(48, 64), (64, 48), (30, 200), (97, 61), (1, 1), (48, 64)]


def pictures() -> list[Image]:
    return [photograph(*size, seed) for seed, size in enumerate(SIZES)]


@pytest.fixture(params=["new", "older"])
def either_exporter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch's newer exporter to ONNX, and once more with the older one, where there is one."""
    if request.param == "new":
        if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 9):
            pytest.skip("before torch 2.9 networks are exported with the older exporter only")
        monkeypatch.setattr(onnx_file, "_has_older_exporter", lambda: False)


def test_images_of_any_shape_have_torchs_boxes(tmp_path: Path, either_exporter: None) -> None:
    network = small_detector(0)
    config = DetectorConfig(score_threshold=0.0, short_side=64, long_side=160, max_people=20)
    expected = PersonDetector(network, config).detect(pictures())
    assert_same_boxes(expected, PersonDetector(network, config, engine(tmp_path)).detect(pictures()))
    assert [file.name.partition("-")[0] for file in files_in(tmp_path)] == ["backbone", "boxes", "proposals"]


def test_published_detectors_have_torchs_boxes(tmp_path: Path) -> None:
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    file = as_file(random_weights(name, smallest_variance=0.1), tmp_path)
    config = DetectorConfig(score_threshold=0.4, max_people=30, short_side=48, long_side=80)
    images = [photograph(120, 170, 1), photograph(61, 43, 2)]
    fast = load_torchvision_detector(name, file, config, engine(tmp_path / "made"))
    assert_same_boxes(load_torchvision_detector(name, file, config).detect(images), fast.detect(images))


def test_an_image_without_proposals_has_no_boxes(tmp_path: Path) -> None:
    """As mobile detectors have it, which drop proposals of low scores: heads get a batch of none."""
    head = small_detector(0).roi_heads.box_head  # with convolutions
    made = OnnxNetwork(head, Interface(name="boxes", channels=16, size=(7, 7)), tmp_path / "made")
    assert made(torch.empty(0, 16, 7, 7)).shape == (0, 32)


def test_keypoint_rcnns_have_torchs_boxes_and_joints(tmp_path: Path) -> None:
    network = small_keypoint_rcnn(3)
    config = DetectorConfig(score_threshold=0.4, max_people=10, short_side=64, long_side=96)
    plain, fast = KeypointRCNN(network, config), KeypointRCNN(network, config, engine(tmp_path))
    image = photograph(110, 90)
    assert_same_boxes(plain.detect([image]), fast.detect([image]))
    one, other = (stage.estimate(image, boxes_around()) for stage in (plain, fast))
    np.testing.assert_allclose(other.keypoints, one.keypoints, atol=0.1)
    np.testing.assert_allclose(other.keypoint_scores, one.keypoint_scores, atol=1e-4)


def test_results_are_the_same_whatever_else_runs(tmp_path: Path) -> None:
    """Bit for bit: detector and pose network one after the other, or in threads side by side."""
    detector = load_detector(
        BUNDLED / "detector_lite.safetensors", DetectorConfig(score_threshold=0.0), engine(tmp_path)
    )
    pose = HeatmapPoseEstimator(random_network(SMALL), SMALL, runtime=engine(tmp_path))
    images = [photograph(72, 96, seed) for seed in range(6)]
    alone = [(detector.detect([image])[0], pose.estimate(image, boxes_around())) for image in images]
    with ThreadPoolExecutor(4) as pool:
        boxes = [pool.submit(detector.detect, [image]) for image in images]
        poses = [pool.submit(pose.estimate, image, boxes_around()) for image in images]
    for (expected_boxes, expected_poses), found_boxes, found_poses in zip(alone, boxes, poses, strict=True):
        np.testing.assert_array_equal(found_boxes.result()[0].xyxy, expected_boxes.xyxy)
        np.testing.assert_array_equal(found_poses.result().keypoints, expected_poses.keypoints)
        np.testing.assert_array_equal(found_poses.result().keypoint_scores, expected_poses.keypoint_scores)
