"""The table of published weights against its sources: torchvision's enums, MMPose's tables, the bundled files."""

import hashlib
import importlib
import re
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch

from posetrack.errors import ConfigError
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.decoding import CODECS
from posetrack.models.detector_weights import read_detector
from posetrack.models.heads import HEADS
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network
from posetrack.models.published_pose import build_published_pose
from posetrack.presets import get_preset, weights_of
from posetrack.skeletons import SKELETONS
from posetrack.zoo import ENTRIES_FILE, Entry, ModelStore, get_entry, read_entries

ENTRIES = list(read_entries().values())
POSE = [entry for entry in ENTRIES if entry.task == "pose"]
HEATMAPS = [entry for entry in POSE if entry.loader in ("posetrack_pose", "checkpoint")]
PUBLISHED = [entry for entry in POSE if entry.loader == "published_pose"]
TORCHVISION = [entry for entry in ENTRIES if entry.publisher == "torchvision"]
MMPOSE = [entry for entry in HEATMAPS if entry.publisher == "MMPose"]
METRICS = {
    "box AP": "box_map", "keypoint AP": "kp_map", "end-point error": "epe",
    "end-point error per image": "per_image_epe", "outliers (Fl-all)": "fl_all",
}  # fmt: skip

BOXES = ("ground-truth", "boxes of MMDetection's", "boxes of a detector with person AP 56.4")


def named(entries: list[Entry]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def test_all_the_promised_weights_are_there():
    tasks = [entry.task for entry in ENTRIES]
    assert {task: tasks.count(task) for task in tasks} == {
        "detector": 21,
        "pose": 75,
        "detector+pose": 8,
        "flow": 2,
    }
    names = set(read_entries())
    for backbone in ("simple_baseline_resnet50", "simple_baseline_resnet101", "simple_baseline_resnet152",
                     "hrnet_w32", "hrnet_w48"):  # fmt: skip
        for size in ("256x192", "384x288"):
            assert {f"{backbone}_coco_{size}", f"{backbone}_dark_coco_{size}"} <= names
    posetrack = {name for name in names if "posetrack18" in name}
    assert posetrack == {
        "simple_baseline_resnet50_posetrack18_256x192", "hrnet_w32_posetrack18_256x192",
        "hrnet_w32_posetrack18_384x288", "hrnet_w48_posetrack18_256x192", "hrnet_w48_posetrack18_384x288",
    }  # fmt: skip


@named(ENTRIES)
def test_every_entry_tells_all_that_is_asked_of_it(entry):
    assert entry.accuracy and entry.licence and entry.trained_on and entry.page
    assert all(figure.source and figure.conditions for figure in entry.accuracy)
    assert (entry.width and entry.height) or (entry.short_side and entry.long_side) or entry.multiple_of
    assert entry.bundled + entry.by_hand + bool(entry.sources) == 1
    assert entry.by_hand == (entry.publisher == "Microsoft")
    assert entry.by_hand == (entry.expected_digits is None)


@named([entry for entry in ENTRIES if entry.sha256_prefix])
def test_the_prefix_is_the_one_in_the_name_of_the_publishers_file(entry):
    file = urlsplit(entry.sources[0]).path.rsplit("/", 1)[1]
    assert entry.file == file
    assert re.search(rf"-{entry.sha256_prefix}(_20\d{{6}})?\.pth$", file)
    assert urlsplit(entry.sources[0]).scheme == "https"


@named([entry for entry in ENTRIES if entry.file.endswith(".onnx")])
def test_onnx_networks_have_a_whole_hash_and_come_as_they_are_or_in_an_archive_of_their_name(entry):
    assert entry.sha256
    for source in entry.sources:
        assert urlsplit(source).scheme == "https"
        assert Path(urlsplit(source).path).stem == Path(entry.file).stem


@named([entry for entry in ENTRIES if entry.publisher == "MMPose"])
def test_mmposes_files_have_sources_elsewhere(entry):
    hosts = [urlsplit(source).hostname for source in entry.sources]
    assert (
        hosts[0] == "download.openmmlab.com"
        and len(set(hosts)) >= 2
        and len(set(entry.sources)) == len(entry.sources)
    )


@named(TORCHVISION)
def test_torchvisions_entries_are_what_its_enums_say(entry):
    module, enum, member = entry.accuracy[0].source.rsplit(".", 2)
    weights = getattr(importlib.import_module(module), enum)[member]
    assert entry.sources[0] == weights.url
    assert entry.parameters == weights.meta["num_params"]
    assert entry.size_mib == weights.meta["_file_size"]
    published = {
        (dataset.replace("-", " ", 1) if dataset.startswith("COCO") else dataset, metric): value
        for dataset, figures in weights.meta["_metrics"].items()
        for metric, value in figures.items()
    }
    assert {(figure.dataset, METRICS[figure.metric]): figure.value for figure in entry.accuracy} == published
    assert list(entry.joints) == weights.meta.get("keypoint_names", [])
    if entry.task == "flow":
        image = torch.rand(3, 8, 8)
        ours = (image - torch.tensor(entry.mean)[:, None, None]) / torch.tensor(entry.std)[:, None, None]
        assert torch.allclose(weights.transforms()(image, image)[0], ours)
        assert entry.shortest_side == weights.meta["min_size"][0]


@named([entry for entry in TORCHVISION if entry.task != "flow"])
def test_torchvisions_detectors_prepare_images_as_the_table_says(entry):
    build = getattr(importlib.import_module("torchvision.models.detection"), entry.architecture)
    with torch.device("meta"):
        transform = build(weights=None, weights_backbone=None).transform
    assert (transform.min_size[-1], transform.max_size) == (entry.short_side, entry.long_side)
    assert (tuple(transform.image_mean), tuple(transform.image_std)) == (entry.mean, entry.std)


def test_mmposes_entries_are_the_rows_of_its_tables(shared):
    rows = []
    for line in (shared / "zoo.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[-1].startswith("https://"):
            rows.append(cells)
    assert len(rows) == 30
    expected = set()
    for data, network, size, accuracy, condition, config, url in rows:
        if "coco-aic" in config or (network, size) == ("pose_resnet_101", "384x288"):
            continue
        percent = float(accuracy) * (1 if data == "posetrack18" else 100)
        boxes = BOXES[2 if data == "coco" else int("MMDetection" in condition)]
        expected.add((data, network.replace("_", ""), size, round(percent, 1), boxes, url))
    found = set()
    for entry in MMPOSE:
        data = "posetrack18" if entry.skeleton == "posetrack" else "coco"
        network = f"pose{entry.architecture}{'dark' * (entry.codec == 'dark')}".replace("_", "")
        for figure in entry.accuracy:
            boxes = next(start for start in BOXES if figure.conditions.startswith(start))
            found.add((data, network, f"{entry.height}x{entry.width}", figure.value, boxes, entry.sources[0]))
    # from earlier tables, where the current ones are wrong
    extra = {row for row in found if "res101_coco_384x288-8c71bdc9" in row[-1] or row[3] == 75.2}
    assert len(extra) == 2
    assert found - extra == expected


def test_no_256x192_file_is_offered_as_384x288():
    entry = get_entry("simple_baseline_resnet101_coco_384x288")
    assert "256x192" not in entry.sources[0] and "065d3625" not in entry.sources[0]
    assert "links the 256x192 file" in entry.notes
    for other in MMPOSE:
        assert f"{other.height}x{other.width}" in other.sources[0]


@cache
def parameters_of(architecture: PoseArchitecture) -> int:
    with torch.device("meta"):
        return sum(tensor.numel() for tensor in architecture.build().parameters())


@named(HEATMAPS)
def test_pose_networks_can_be_built_and_have_that_many_parameters(entry):
    architecture = entry.pose_architecture()
    assert parameters_of(replace(architecture, width=64, height=64, sigma_cells=1.0)) == entry.parameters
    assert [architecture.joints.joints[slot] for slot in architecture.heatmap_slots] == list(entry.joints)
    assert entry.codec in CODECS


@named(PUBLISHED)
def test_published_pose_networks_can_be_built_and_have_that_many_parameters(entry):
    form = entry.pose_format()
    with torch.device("meta"):
        network = build_published_pose(entry.architecture, form)
    assert sum(tensor.numel() for tensor in network.parameters()) == entry.parameters
    assert [form.skeleton.joints[slot] for slot in form.channels] == list(entry.joints)
    assert f"{entry.height}x{entry.width}" in entry.file and f"{entry.height}x{entry.width}" in entry.name
    assert entry.codec in HEADS


@pytest.mark.parametrize(
    ("name", "accuracy"),
    [
        ("rtmpose_t_body7_256x192", 65.9), ("rtmpose_s_body7_256x192", 69.7), ("rtmpose_m_body7_256x192", 74.9),
        ("rtmpose_l_body7_256x192", 76.7), ("rtmpose_m_body7_384x288", 76.6), ("rtmpose_l_body7_384x288", 78.3),
        ("rtmpose_m_aic_coco_256x192", 75.8), ("rtmpose_l_aic_coco_384x288", 77.3),
    ],
)  # fmt: skip
def test_rtmposes_accuracy_is_that_of_its_publishers_tables(name, accuracy):
    entry = get_entry(name)
    assert (entry.accuracy[0].metric, entry.accuracy[0].value) == ("AP", accuracy)
    size = re.fullmatch(r"rtmpose_(.).*", name)[1]
    assert entry.architecture == f"rtmpose_{size}" and entry.file.startswith(f"rtmpose-{size}_simcc")


def test_vitposes_accuracy_is_that_of_its_publishers_table():
    published = {
        "small": 73.9, "base": 75.7, "large": 78.2, "huge": 78.8, "small_simple": 73.6, "base_simple": 75.6,
        "large_simple": 78.1, "huge_simple": 78.9,
    }  # fmt: skip
    for size, accuracy in published.items():
        entry = get_entry(f"vitpose_{size}_coco_256x192")
        assert entry.accuracy[0].value == accuracy and entry.architecture == f"vitpose_{size}"
        assert entry.file.startswith(f"td-hm_ViTPose-{size.replace('_', '-')}_8xb64")


def test_networks_that_have_seen_posetrack_say_so():
    for entry in PUBLISHED:
        assert ("PoseTrack18" in entry.trained_on) == ("include PoseTrack18" in (entry.notes or ""))
    assert sum("PoseTrack18" in entry.trained_on for entry in PUBLISHED) == 13


@named(POSE)
def test_colours_are_those_of_the_convention(entry):
    convention = CONVENTIONS[entry.convention]
    assert (entry.colour_order, entry.mean, entry.std) == (
        convention.colour_order, convention.mean, convention.std,
    )  # fmt: skip


@named([entry for entry in ENTRIES if entry.joints])
def test_joint_orders_are_the_skeletons(entry):
    skeleton = SKELETONS[entry.skeleton]
    slots = range(len(skeleton)) if entry.all_slots else skeleton.in_use
    assert entry.joints == tuple(skeleton.joints[slot] for slot in slots)


@named([entry for entry in ENTRIES if entry.bundled])
def test_bundled_files_are_as_the_table_says(entry):
    path = ModelStore().require(entry)
    content = path.read_bytes()
    now = (hashlib.sha256(content).hexdigest(), len(content))
    assert (entry.sha256, entry.size_bytes) == now, f"{path.name} is another: put {now} into {ENTRIES_FILE}"
    card = (Path(__file__).parents[1] / entry.page).read_text()
    for figure in entry.accuracy:
        assert f"{figure.value:g}" in card


@pytest.mark.parametrize("name", ["pose_lite", "pose_medium"])
def test_bundled_pose_networks_are_what_their_files_say(name):
    entry = get_entry(name)
    network, architecture = load_pose_network(ModelStore().require(entry))
    # What only files of our own have, stands in their headers alone.
    assert replace(architecture, fills_unused=False, calibration=None) == entry.pose_architecture()
    assert architecture.fills_unused and architecture.calibration is not None
    assert sum(tensor.numel() for tensor in network.parameters()) == entry.parameters


def test_the_bundled_detector_is_what_its_file_says():
    _, detector = read_detector(ModelStore().require(get_entry("detector_lite")))
    entry = get_entry("detector_lite")
    assert (detector.short_side, detector.long_side) == (entry.short_side, entry.long_side)


@pytest.mark.parametrize(("preset", "pose"), [("lite", "pose_lite"), ("balanced", "pose_medium")])
def test_offline_presets_need_the_bundled_networks(preset, pose):
    names = weights_of(get_preset(preset))
    assert names == ("detector_lite", pose)
    assert all(get_entry(name).bundled for name in names)


def test_detectors_are_no_pose_architectures():
    for made in (Entry.pose_architecture, Entry.pose_format):
        with pytest.raises(ConfigError, match="not a pose network"):
            made(get_entry("fasterrcnn_resnet50_fpn"))


def test_a_pose_networks_format_is_that_of_its_architecture_or_the_entrys_own(tmp_path):
    entry = get_entry("hrnet_w32_coco_256x192")
    ours, theirs = entry.pose_format(), entry.pose_architecture().format
    assert all(np.array_equal(getattr(ours, field.name), getattr(theirs, field.name)) for field in fields(ours))
    own = read(
        tmp_path, GOOD.replace("sigma_cells = 2", "split_ratio = 3\nstride = 8").replace('"dark"', '"simcc"')
    )
    form = replace(own, skeleton="posetrack").pose_format()
    assert (form.split_ratio, form.stride, form.sigma_cells, form.size) == (3, 8, 2, (192, 256))
    assert form.slots == (0, 2) and form.convention is CONVENTIONS["mmpose"]
    with pytest.raises(ConfigError, match="joints are not all in the skeleton coco"):
        own.pose_format()
    for wrong in ({"skeleton": "cat"}, {"skeleton": "posetrack", "convention": "mine"}):
        with pytest.raises(ConfigError, match="must be one of"):
            replace(own, **wrong).pose_format()


def test_a_misspelt_name_gets_those_alike():
    with pytest.raises(ConfigError, match="did you mean .*hrnet_w32_coco_256x192"):
        get_entry("hrnet_w32_coco_256x129")
    with pytest.raises(ConfigError, match="`posetrack models list`"):
        get_entry("???")


GOOD = """
[joint_orders]
two = ["nose", "head_top"]
[[weights]]
name = "a"
task = "pose"
loader = "checkpoint"
purpose = "p"
publisher = "p"
architecture = "resnet50"
skeleton = "coco"
joint_order = "two"
width = 192
height = 256
padding = 1.25
codec = "dark"
sigma_cells = 2
convention = "mmpose"
colour_order = "rgb"
mean = [0, 0.5, 0.5]
std = [1, 1, 1]
sources = ["https://host/a-01234567.pth"]
page = "https://host/"
file = "a-01234567.pth"
sha256_prefix = "01234567"
licence = "l"
trained_on = "t"
[[weights.accuracy]]
dataset = "d"
metric = "m"
value = 1
unit = "percent"
conditions = "c"
source = "s"
"""


def read(tmp_path: Path, text: str) -> Entry:
    path = tmp_path / "table.toml"
    path.write_text(text)
    read_entries.cache_clear()
    return read_entries(path)["a"]


def test_a_small_table_is_read(tmp_path):
    entry = read(tmp_path, GOOD)
    assert entry.joints == ("nose", "head_top") and entry.accuracy[0].value == 1
    assert not entry.bundled and entry.agrees("01234567" + "0" * 56) and not entry.agrees("1" * 64)


@pytest.mark.parametrize(
    "right, wrong, reason",
    [
        ('purpose = "p"\n', "", "purpose is missing"),
        ('purpose = "p"', 'porpoise = "p"\npurpose = "p"', "porpoise is unknown"),
        ('loader = "checkpoint"\n', "", "loader is missing"),
        ("width = 192", 'width = "192"', "width is '192'; give a value of type int"),
        ("width = 192", "width = 192.5", "width is 192.5; give a value of type int"),
        ("width = 192", "width = true", "width is True; give a value of type int"),
        ("width = 192", "width = 0", "above 0"),
        ("width = 192\n", "", "width, height"),
        ("mean = [0, 0.5, 0.5]", "mean = [0, 0.5]", r"mean is \[0, 0.5\]; give an array of 3"),
        ("std = [1, 1, 1]", "std = [1, 0, 1]", "std must be above 0"),
        ('task = "pose"', 'task = "dance"', "task is 'dance'; choose"),
        ('task = "pose"', 'task = "flow"', "list them"),
        ('colour_order = "rgb"', 'colour_order = "grb"', "colour_order is 'grb'; choose 'rgb' or 'bgr'"),
        ('joint_order = "two"', 'joint_order = "three"', "no joint_order 'three'"),
        ('joint_order = "two"\n', "", "list them"),
        ("01234567\"\nlicence", "0123456\"\nlicence", "not a SHA-256"),
        ("01234567\"\nlicence", "0123456G\"\nlicence", "not a SHA-256"),
        ('sha256_prefix = "01234567"\n', "", "needs a hash"),
        ('sha256_prefix = "01234567"', f'sha256_prefix = "01234567"\nsha256 = "{"f" * 64}"', "contradict"),
        ('["https:', '["file:', "not an http or https address"),
        ("01234567.pth\"]", "01234567.zip\"]", "an archive needs the sha256"),
        ('file = "a-01234567.pth"', 'file = "../../a.pth"', "not a file name"),
        ('file = "a-01234567.pth"', 'file = ".a"', "not a file name"),
        ('name = "a"', 'name = "A b"', "lower-case letters"),
        ('licence = "l"', 'licence = "l"\nbundled = true', "bundled file has a sha256 and no sources"),
        ('unit = "percent"', 'unit = "furlongs"', "unit of m"),
        ("value = 1", "value = nan", "m is nan"),
        ("[joint_orders]", "[other]\nx = 1\n[joint_orders]", "other is unknown"),
        ("[joint_orders]", "[joint_orders", "is not a TOML file"),
        (GOOD, "weights = [1]", r"weights\[0\] must be a table"),
        (GOOD, "weights = 1", "weights an array of tables"),
        (GOOD, "joint_orders = 1", "joint_orders must be a table"),
        (GOOD, "weights = " + "[" * 100_000, "is not a TOML file"),
        ('two = ["nose", "head_top"]', "two = 1", "joints is 1; give an array"),
        ('two = ["nose", "head_top"]', "two = [1]", r"joints\[0\] is 1; give a value of type str"),
        ('joint_order = "two"', 'joint_order = ["two"]', r"no joint_order \['two'\]"),
        ('joint_order = "two"', 'joints = ["nose"]', "joint_order gives the joints"),
        ("value = 1", "value = 0x1" + "0" * 400, "value is .* give a value of type float"),
        ("[[weights]]", GOOD.split("[[weights]]")[1].join(["[[weights]]"] * 2), "twice"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_with_the_reason(tmp_path, right, wrong, reason):
    assert right in GOOD
    with pytest.raises(ConfigError, match=reason):
        read(tmp_path, GOOD.replace(right, wrong, 1))


def test_the_json_has_every_field_of_the_table():
    written = set(re.findall(r"^(\w+) =", ENTRIES_FILE.read_text(), flags=re.MULTILINE))
    known = {field.name for field in fields(Entry)}
    figures = {"dataset", "metric", "value", "unit", "conditions", "source"}
    orders = {"coco_17", "posetrack_17", "posetrack_15", "halpe_26", "joint_order"}
    assert written <= known | figures | orders
