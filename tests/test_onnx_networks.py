"""Networks from ONNX files of others: told apart, fed and decoded as their publishers do, or refused."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from posetrack.errors import ConfigError, WeightsError
from posetrack.models.detector import DetectorConfig
from posetrack.models.file_format import FileFormat
from posetrack.models.given_files import load_given_detector, load_given_people, load_given_pose
from posetrack.models.onnx_export import export_onnx
from posetrack.models.onnx_graph import possible_kinds, read_graph
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import load_pose_network
from posetrack.models.runtime import CPU
from posetrack.types import Boxes, Sighting
from posetrack.zoo.store import BUNDLED

from . import onnx_files
from .in_process import posetrack

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (210, 330, 3), dtype=np.uint8), (0, 0), 2)
EVERYTHING = DetectorConfig(score_threshold=0.0, max_people=10_000)


def random_boxes(count: int = 12) -> np.ndarray:
    """Boxes inside the image, across its borders and in its corners, from small to larger than it."""
    generator = np.random.default_rng(1)
    centres = generator.uniform((0, 0), (330, 210), (count, 2))
    centres[:4] = [(0, 0), (329, 0), (0, 209), (329, 209)]
    halves = generator.uniform(4, 150, (count, 2))
    return np.concatenate([centres - halves, centres + halves], 1).astype(np.float32)


def outputs_of(path: Path, tensor: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": tensor.astype(np.float32)})


def rtmlib_crop(box: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A person cut out as rtmlib does it: the crop, its centre and its extent in source pixels."""
    width, height = size
    centre = (box[:2] + box[2:]) * 0.5
    extent = (box[2:] - box[:2]) * 1.25
    if extent[0] > extent[1] * width / height:
        extent = np.array([extent[0], extent[0] * height / width])
    else:
        extent = np.array([extent[1] * width / height, extent[1]])
    source = np.float32([centre, centre - (0, extent[0] / 2), centre - (extent[0] / 2, extent[0] / 2)])
    target = np.float32(
        [(width / 2, height / 2), (width / 2, height / 2 - width / 2), (0, height / 2 - width / 2)]
    )
    return cv2.warpAffine(IMAGE, cv2.getAffineTransform(source, target), size), centre, extent


def normalised(image: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    return ((image - np.array(mean)) / np.array(std)).transpose(2, 0, 1)[None]


@pytest.mark.parametrize("fixed", [False, True], ids=["any batch", "batch of one"])
def test_simcc_joints_are_rtmlibs(tmp_path: Path, fixed: bool) -> None:
    options = {"dynamic_axes": {}} if fixed else {}
    path = onnx_files.simcc(tmp_path / "pose.onnx", **options)
    boxes = random_boxes()
    poses = load_given_pose(path, None, PoseConfig(), CPU).estimate(IMAGE, Boxes(boxes, np.ones(len(boxes))))
    assert poses.skeleton.name == "coco"
    for box, joints, scores in zip(boxes, poses.keypoints, poses.keypoint_scores, strict=True):
        crop, centre, extent = rtmlib_crop(box, (48, 64))
        x, y = outputs_of(path, normalised(crop, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
        bins = np.stack([x[0].argmax(-1), y[0].argmax(-1)], -1)
        expected = bins / 2 / (48, 64) * extent + centre - extent / 2
        assert np.abs(joints - expected).max() < 0.01
        assert np.allclose(scores, np.clip(np.minimum(x[0].max(-1), y[0].max(-1)), 0, 1), atol=1e-3)


def exchanged(path: Path, names: tuple[str, str] | None = None) -> Path:
    """The same network with its two outputs exchanged, perhaps under other names."""
    model = onnx.load(path)
    outputs = list(model.graph.output)[::-1]
    for output, name in zip(outputs, names or (), strict=False):
        node = next(node for node in model.graph.node if output.name in node.output)
        node.output[list(node.output).index(output.name)] = output.name = name
    del model.graph.output[:]
    model.graph.output.extend(outputs)
    other = path.with_name(f"exchanged_{path.name}")
    onnx.save(model, other)
    return other


@pytest.mark.parametrize(
    ("size", "names"), [((48, 64), None), ((48, 64), ("a", "b")), ((64, 64), None)], ids=["", "unnamed", "square"]
)
def test_simcc_outputs_may_be_exchanged(tmp_path: Path, size, names) -> None:
    path = onnx_files.simcc(tmp_path / "pose.onnx", size)
    boxes = Boxes(random_boxes(), np.ones(12))
    expected, found = (
        load_given_pose(each, None, PoseConfig(), CPU).estimate(IMAGE, boxes)
        for each in (path, exchanged(path, names))
    )
    assert np.ptp(expected.keypoints[..., 0] - expected.keypoints[..., 1]) > 10
    assert np.array_equal(found.keypoints, expected.keypoints)


@pytest.mark.parametrize("make", [onnx_files.detector, onnx_files.raw_rtmdet])
def test_boxes_may_come_after_their_scores_or_classes(tmp_path: Path, make) -> None:
    path = make(tmp_path / "detector.onnx")
    form = FileFormat(onnx_kind="rtmdet")
    expected, found = (
        load_given_detector(each, form, EVERYTHING, CPU).detect([IMAGE])[0] for each in (path, exchanged(path))
    )
    assert len(found) > 3 and np.array_equal(found.xyxy, expected.xyxy)


def test_a_network_of_half_precision_gets_and_gives_it(tmp_path: Path) -> None:
    """The weights are a sum over cells of 4x4: the heatmap of what a grey level in a crop becomes."""
    path = tmp_path / "half.onnx"
    weights = numpy_helper.from_array(np.full((17, 3, 4, 4), 0.25, np.float16), "w")
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT16, [1, 3, 64, 48])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 17, 16, 12])]
    node = helper.make_node("Conv", ["input", "w"], ["y"], strides=[4, 4])
    graph = helper.make_graph([node], "g", inputs, outputs, [weights])
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    network = read_graph(path)
    (found,) = network(torch.full((2, 3, 64, 48), 0.5))
    assert found.dtype == torch.float32 and torch.equal(found, torch.full((2, 17, 16, 12), 6.0))
    poses = load_given_pose(path, None, PoseConfig(flip_test=True), CPU).estimate(
        IMAGE, Boxes(random_boxes(), np.ones(12))
    )
    assert poses.present.any()


def test_heatmaps_are_decoded_in_mmposes_convention(tmp_path: Path) -> None:
    path = onnx_files.heatmap(tmp_path / "pose.onnx")
    boxes = random_boxes()
    pose = load_given_pose(path, None, PoseConfig(codec="argmax"), CPU)
    joints = pose.estimate(IMAGE, Boxes(boxes, np.ones(len(boxes)))).keypoints
    for box, found in zip(boxes, joints, strict=True):
        crop, centre, extent = rtmlib_crop(box, (48, 64))
        (maps,) = outputs_of(path, normalised(crop, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
        peaks = maps[0].reshape(17, -1).argmax(-1)
        cells = np.stack([peaks % 12, peaks // 12], -1)
        assert np.abs(found - (cells / (12, 16) * extent + centre - extent / 2)).max() < 0.01


def test_what_posetrack_exports_needs_no_description(tmp_path: Path) -> None:
    network, architecture = load_pose_network(BUNDLED / "pose_lite.safetensors")
    path = export_onnx(network, architecture, tmp_path / "lite.onnx").path
    boxes = Boxes(random_boxes(), np.ones(12))
    config = PoseConfig(codec="dark", flip_test=True)
    expected = HeatmapPoseEstimator(network, architecture, config).estimate(IMAGE, boxes)
    stage = load_given_pose(path, None, config, CPU)
    found = stage.estimate(IMAGE, boxes)
    assert found.skeleton is expected.skeleton and stage.calibration == architecture.calibration
    assert np.allclose(found.keypoint_scores, expected.keypoint_scores, atol=1e-4)
    assert (np.abs(found.keypoints - expected.keypoints).max(-1) < 0.05).mean() > 0.98  # but for equal cells
    model = onnx.load(path)
    for text, reason in (
        ("{", "its architecture is not JSON"),
        ('{"width": 64, "height": 64}', "metadata describe"),
    ):
        onnx.helper.set_model_props(model, {"posetrack.architecture": text})
        onnx.save(model, path)
        with pytest.raises(WeightsError, match=reason):
            load_given_pose(path, None, config, CPU)


def letterbox(width: int, height: int) -> tuple[np.ndarray, float]:
    """The image for a detector as rtmlib prepares it, in BGR."""
    ratio = min(height / 210, width / 330)
    scaled = cv2.resize(IMAGE[..., ::-1], (int(330 * ratio), int(210 * ratio)), interpolation=cv2.INTER_LINEAR)
    canvas = np.full((height, width, 3), 114, np.uint8)
    canvas[: scaled.shape[0], : scaled.shape[1]] = scaled
    return canvas, ratio


def plain_nms(boxes: np.ndarray, scores: np.ndarray, most: float) -> list[int]:
    """Greedy suppression, box by box."""
    kept: list[int] = []
    for one in np.argsort(-scores, kind="stable"):

        def overlap(other: int, one: int = int(one)) -> float:
            low = np.maximum(boxes[one, :2], boxes[other, :2])
            high = np.minimum(boxes[one, 2:], boxes[other, 2:])
            shared = np.prod(np.maximum(high - low, 0))
            areas = [np.prod(boxes[each, 2:] - boxes[each, :2]) for each in (one, other)]
            return float(shared / (sum(areas) - shared))

        if all(overlap(other) <= most for other in kept):
            kept.append(int(one))
    return kept


RTMDET = ((103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
YOLOX = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def agree(found: Boxes, boxes: np.ndarray, scores: np.ndarray) -> None:
    """Ours are rtmlib's in order of their scores, cut off at the border and counted from pixels' centres."""
    cut = np.clip(boxes, 0, (330, 210, 330, 210))
    seen = (cut[:, 2:] > cut[:, :2]).all(1)
    order = np.argsort(-scores[seen], kind="stable")
    assert len(found) == len(order) > 3
    assert np.allclose(found.xyxy, cut[seen][order] - 0.5, atol=0.01)
    assert np.allclose(found.scores, scores[seen][order], atol=1e-4)


@pytest.mark.parametrize("kind, colours", [("rtmdet", RTMDET), ("yolox", YOLOX)])
@pytest.mark.parametrize("labels", [True, False])
def test_boxes_suppressed_in_the_graph_are_rtmlibs(tmp_path: Path, kind, colours, labels: bool) -> None:
    path = onnx_files.detector(tmp_path / "detector.onnx", labels=labels)
    found = load_given_detector(path, FileFormat(onnx_kind=kind), EVERYTHING, CPU).detect([IMAGE])[0]
    canvas, ratio = letterbox(64, 64)
    dets, *classes = outputs_of(path, normalised(canvas, *colours))
    people = classes[0][0] == 0 if labels else np.ones(len(dets[0]), bool)
    agree(found, dets[0, people, :4] / ratio, dets[0, people, 4])
    assert not labels or 0 < people.sum() < len(people)


def test_rtmdet_without_suppression_gets_it_here(tmp_path: Path) -> None:
    path = onnx_files.raw_rtmdet(tmp_path / "detector.onnx")
    found = load_given_detector(path, None, EVERYTHING, CPU).detect([IMAGE])[0]
    canvas, ratio = letterbox(64, 64)
    boxes, scores = outputs_of(path, normalised(canvas, *RTMDET))
    kept = plain_nms(boxes[0], scores[0, :, 0], 0.5)
    assert len(kept) < len(boxes[0])
    agree(found, boxes[0, kept] / ratio, scores[0, kept, 0])


@pytest.mark.parametrize("decoded", [False, True])
def test_yolox_without_suppression_is_decoded_from_its_cells(tmp_path: Path, decoded: bool) -> None:
    """Here, or in the graph, as its exporter's option ``--decode_in_inference`` does."""
    path = onnx_files.raw_yolox(tmp_path / "detector.onnx")
    given = onnx_files.decoded_yolox(tmp_path / "decoded.onnx") if decoded else path
    found = load_given_detector(given, None, EVERYTHING, CPU).detect([IMAGE])[0]
    canvas, ratio = letterbox(64, 96)
    (values,) = outputs_of(path, normalised(canvas, *YOLOX))
    boxes, row = np.empty((len(values[0]), 4), np.float32), 0
    for stride in (8, 16, 32):
        for y in range(96 // stride):
            for x in range(64 // stride):
                dx, dy, w, h = values[0, row, :4]
                centre = np.array([x + dx, y + dy]) * stride
                half = np.exp([w, h]) * stride / 2
                boxes[row], row = np.concatenate([centre - half, centre + half]), row + 1
    scores = values[0, :, 4] * values[0, :, 5]
    kept = plain_nms(boxes, scores, 0.5)
    agree(found, boxes[kept] / ratio, scores[kept])


def test_rtmos_people_are_rtmlibs(tmp_path: Path) -> None:
    path = onnx_files.rtmo(tmp_path / "people.onnx")
    people = load_given_people(path, None, DetectorConfig(score_threshold=0.0, nms_iou=0.45), CPU)
    canvas, ratio = letterbox(64, 64)
    dets, joints = outputs_of(path, normalised(canvas, *YOLOX))
    kept = plain_nms(dets[0, :, :4], dets[0, :, 4], 0.45)
    found = people.find([IMAGE])[0].found
    assert found is not None and found.skeleton.name == "coco"
    agree(Boxes(found.boxes, found.scores), dets[0, kept, :4] / ratio, dets[0, kept, 4])
    cut = np.clip(dets[0, kept, :4] / ratio, 0, (330, 210, 330, 210))
    seen = np.array(kept)[(cut[:, 2:] > cut[:, :2]).all(1)]
    assert np.allclose(found.keypoints, joints[0, seen, :, :2] / ratio, atol=0.01)
    assert np.allclose(found.keypoint_scores, joints[0, seen, :, 2], atol=1e-4)


def test_a_box_gets_the_joints_of_the_person_found_there(tmp_path: Path) -> None:
    people = load_given_people(onnx_files.rtmo(tmp_path / "people.onnx"), None, EVERYTHING, CPU)
    sighting = people.find([IMAGE])[0]
    found = sighting.found
    two = np.argsort(-np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1))[:2]
    boxes = Boxes(np.concatenate([found.boxes[two] + 0.5, [[-90, -90, -80, -80]]]).astype(np.float32), np.ones(3))
    for seen in (sighting, Sighting(IMAGE)):
        poses = people.refine([seen], [boxes])[0]
        assert np.array_equal(poses.keypoints[:2], found.keypoints[two])
        assert np.array_equal(poses.boxes, boxes.xyxy)
        assert (poses.keypoint_scores[2] == 0).all()
    assert len(people.refine([sighting], [Boxes.empty()])[0]) == 0


def test_a_one_stage_network_is_given_twice(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(2):
        cv2.imwrite(str(frames / f"{index}.png"), IMAGE)
    path = onnx_files.rtmo(tmp_path / "people.onnx")
    for flags, status in (
        (["--pose", path], 2),
        (["--detector", path], 2),
        (["--pose", path, "--detector", path], 0),
    ):
        done = posetrack("run", frames, *flags, "--score-threshold", "0.3", "--no-video", "-o", tmp_path)
        assert done.returncode == status, done.stderr
        assert status == 0 or "give it as both --detector and --pose" in done.stderr
    assert '"category_id"' in (tmp_path / "frames.json").read_text()


def test_thresholds_apply(tmp_path: Path) -> None:
    path = onnx_files.detector(tmp_path / "detector.onnx", labels=False)
    every = load_given_detector(path, FileFormat(onnx_kind="yolox"), EVERYTHING, CPU).detect([IMAGE, IMAGE[:100]])
    few = DetectorConfig(score_threshold=0.6, max_people=3)
    some = load_given_detector(path, FileFormat(onnx_kind="yolox"), few, CPU).detect([IMAGE, IMAGE[:100]])
    for all_boxes, few_boxes in zip(every, some, strict=True):
        above = all_boxes.scores[all_boxes.scores > 0.6]
        assert np.array_equal(few_boxes.scores, above[:3])
    with pytest.raises(ValueError, match="expected uint8"):
        load_given_detector(path, FileFormat(onnx_kind="yolox"), few, CPU).detect([IMAGE[..., :2]])


@pytest.mark.parametrize(
    "size, shapes, kinds",
    [
        ((192, 256), [(1, 17, 384), (1, 17, 512)], ["simcc"]),
        ((192, 256), [(1, 17, 512), (1, 17, 384)], []),
        ((192, 256), [(1, 17, 64, 48)], ["heatmap"]),
        ((192, 256), [(1, 17, 48, 64)], []),
        ((320, 320), [(1, 100, 5), (1, 100)], ["rtmdet", "yolox"]),
        ((416, 416), [(1, 0, 5), (1, 0)], ["rtmdet", "yolox"]),
        ((640, 640), [(1, 8400, 4), (1, 8400, 80)], ["rtmdet"]),
        ((640, 640), [(1, 8400, 85)], ["yolox"]),
        ((640, 640), [(1, 25200, 85)], []),
        ((640, 640), [(1, 10, 5), (1, 10, 17, 3)], ["rtmo"]),
        ((224, 224), [(1, 1000)], []),
        ((192, 256), [(1, 17, 384), (1, 17, 512), (1, 17, 576)], []),
    ],
)
def test_kinds_are_told_by_their_outputs(size, shapes, kinds) -> None:
    assert possible_kinds(size, shapes) == kinds


def one_node(
    path: Path, channels: int = 3, opset: int = 17, kind: int = TensorProto.FLOAT, **options: object
) -> Path:
    """A convolution that gives 17 heatmaps of a quarter of the size."""
    weights = numpy_helper.from_array(np.full((17, channels, 4, 4), options.get("weight", 1), np.float32), "w")
    node = helper.make_node(str(options.get("operator", "Conv")), ["input", "w"], ["y"], strides=[4, 4])
    shape = options.get("shape", ["batch", channels, 64, 48])
    inputs = [helper.make_tensor_value_info("input", kind, shape)]
    inputs += [helper.make_tensor_value_info("more", kind, shape)] if options.get("two") else []
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 17, "h", "w"])]
    graph = helper.make_graph([node], "g", inputs, outputs, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    if options.get("external"):
        onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    else:
        path.write_bytes(model.SerializeToString())
    return path


def huge(path: Path) -> Path:
    with path.open("wb") as file:
        file.truncate(2**31)
    return path


def classification(path: Path) -> Path:
    return onnx_files.export(onnx_files.Network((48, 64), [(1000,)]), path, (48, 64), ["y"])


def content(data: bytes) -> Callable[[Path], Path]:
    return lambda path: path.write_bytes(data) and path or path


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path, "cannot read"),
    "empty": (content(b""), "is not an ONNX network"),
    "rubbish": (content(b"rubbish" * 100), "is not an ONNX network"),
    "zip": (content(b"PK\x03\x04 and more"), "is a zip archive: unpack it"),
    "2 GB": (huge, "has 2 GB or more"),
    "external data": (partial(one_node, external=True), "keeps weights in another file, which is not read"),
    "newer opset": (partial(one_node, opset=99), "needs a newer ONNX version than this ONNX Runtime knows"),
    "weights that are no numbers": (partial(one_node, weight=np.nan), "gives values that are not numbers"),
    "unknown operator": (partial(one_node, operator="Konv"), "ONNX Runtime cannot load"),
    "four channels": (partial(one_node, channels=4), r"takes \[.*4, 64, 48\] instead of \[batch, 3, height, "),
    "channels last": (partial(one_node, channels=64, shape=[1, 64, 48, 3]), "for images of three channels"),
    "float16": (partial(one_node, kind=TensorProto.FLOAT16), "ONNX Runtime cannot load|instead of one float32"),
    "two inputs": (partial(one_node, two=True), "instead of one float32"),
    "batch of 8": (partial(one_node, shape=[8, 3, 64, 48]), "takes 8 images at once"),
    "any size": (partial(one_node, shape=["b", 3, "h", "w"]), "say WIDTHxHEIGHT with --input"),
    "classification": (classification, "is not a network of the kind simcc, heatmap, rtmdet, yolox or rtmo"),
    "detector": (onnx_files.raw_yolox, "of the kind yolox, not one that estimates joints"),
    "doubt": (onnx_files.detector, "may be rtmdet or yolox, which its outputs .* do not show"),
    "21 joints": (partial(onnx_files.simcc, joints=21), "gives 21 joints, but no known skeleton has as many"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, case: str) -> None:
    make, reason = REFUSED[case]
    path = make(tmp_path / "pose.onnx")
    with pytest.raises((WeightsError, ConfigError), match=reason) as caught:
        load_given_pose(path, None, PoseConfig(), CPU)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value) and len(str(caught.value)) < 500


def test_what_the_user_says_must_fit_the_file(tmp_path: Path) -> None:
    path = onnx_files.simcc(tmp_path / "pose.onnx")
    for form, reason in (
        (FileFormat(onnx_kind="heatmap"), "is not a network of the kind heatmap: its outputs are"),
        (FileFormat(width=192, height=256), "takes images of 48x64, not 192x256"),
        (FileFormat(skeleton="lsp"), "gives 17 joints, but lsp has 14"),
        (FileFormat(skeleton="cat"), "there is no skeleton 'cat'"),
    ):
        with pytest.raises((WeightsError, ConfigError), match=reason):
            load_given_pose(path, form, PoseConfig(), CPU)
    with pytest.raises(ConfigError, match="not a detector of people"):
        load_given_detector(path, None, EVERYTHING, CPU)
    posetrack_joints = load_given_pose(path, FileFormat(skeleton="posetrack"), PoseConfig(), CPU)
    assert posetrack_joints.skeleton.name == "posetrack"


def test_a_network_of_any_size_gets_the_size_given(tmp_path: Path) -> None:
    path = one_node(tmp_path / "pose.onnx", shape=["b", 3, "h", "w"])
    assert read_graph(path, FileFormat(width=48, height=64)).kind == "heatmap"


def in_a_function(path: Path) -> Path:
    """The same network, whose weights another file has, as constants of a function."""
    model = onnx.load(one_node(path, external=True), load_external_data=False)
    weights = model.graph.initializer.pop()
    constant = helper.make_node("Constant", [], ["k"], value=weights)
    imports = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "Weights", [], ["k"], [constant], imports))
    model.graph.node.insert(0, helper.make_node("Weights", [], [weights.name], domain="own"))
    model.opset_import.append(helper.make_opsetid("own", 1))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("make", [partial(one_node, external=True), in_a_function])
def test_external_data_is_not_read_from_the_current_folder(tmp_path: Path, monkeypatch, make) -> None:
    path = make(tmp_path / "pose.onnx")
    monkeypatch.chdir(tmp_path)  # where ONNX Runtime would find it
    assert onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    with pytest.raises(WeightsError, match="another file"):
        load_given_pose(path, None, PoseConfig(), CPU)


def test_both_files_run_on_the_command_line(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(2):
        cv2.imwrite(str(frames / f"{index}.png"), IMAGE)
    torch.manual_seed(0)
    pose, detector = onnx_files.simcc(tmp_path / "p.onnx"), onnx_files.detector(tmp_path / "d.onnx")
    files = ["--pose", pose, "--detector", detector, "--no-video", "--score-threshold", "0.2", "-o", tmp_path]
    doubt = posetrack("run", frames, *files)
    assert doubt.returncode == 2 and "choose with --onnx-kind" in doubt.stderr
    assert len(doubt.stderr.splitlines()) == 1
    done = posetrack("run", frames, *files, "--onnx-kind", "rtmdet", "--onnx-kind", "simcc")
    assert done.returncode == 0, done.stderr
    assert '"category_id"' in (tmp_path / "frames.json").read_text()
