"""Checkpoints of others: every layout loads, what does not fit is listed, and nothing in a file is ever run."""

import os
import pickle
import re
import struct
import sys
import time
import types
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from posetrack.errors import WeightsError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.checkpoints import load_checkpoint
from posetrack.models.pose_weights import PoseArchitecture, load_pose_network, save_pose_network
from tests.reference_networks import LAYOUTS, images, published, small_reference

RESNET = PoseArchitecture(backbone="resnet50", skeleton="coco", deconv_channels=(256, 256, 256))
SMALL = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


@pytest.fixture(autouse=True)
def clean(tmp_path: Path) -> Iterator[None]:
    """Checkpoints are large, and pytest keeps folders."""
    yield
    for path in tmp_path.glob("*.*"):
        path.unlink()


def resnet(layout: str = "official") -> dict[str, Tensor]:
    return published(small_reference("resnet50")[0], layout)


def same(network: nn.Module, tolerance: float = 1e-5) -> bool:
    with torch.inference_mode():
        heatmaps = network(images(64, 64))
    return bool((heatmaps - small_reference("resnet50")[1]).abs().max() <= tolerance)


def saved(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def outline(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same names, shapes and types in a small file: each tensor repeats one number."""
    return {name: torch.zeros((), dtype=value.dtype).expand(value.shape) for name, value in tensors.items()}


def without_memory(architecture: PoseArchitecture) -> nn.Module:
    """The network on PyTorch's ``meta`` device: quick to build, and enough to tell what does not fit."""
    with torch.device("meta"):
        return build(architecture)


build = PoseArchitecture.build


def refusal(path: Path, architecture: PoseArchitecture = RESNET) -> str:
    """The sentence with which a file is refused: one line that names it."""
    with patch.object(PoseArchitecture, "build", without_memory), pytest.raises(WeightsError) as refused:
        load_checkpoint(path, architecture)
    sentence = str(refused.value)
    assert str(path) in sentence and "\n" not in sentence and sentence.isprintable()
    return sentence


class HistoryBuffer:
    """In the place of MMEngine's class, whose instances refer to its methods."""

    _log_history: np.ndarray
    _statistics_methods: dict[str, Callable[..., object]]

    def mean(self) -> float:
        return float(self._log_history.mean())


HistoryBuffer.__module__ = HistoryBuffer.mean.__module__ = "mmengine.logging.history_buffer"

# What loads


@pytest.mark.parametrize(("layout", "wrapped"), [("official", False), ("official, parallel", True)])
def test_official_weights_load_bare_or_wrapped(layout: str, wrapped: bool, tmp_path: Path) -> None:
    content = {"epoch": 139, "model": "pose_resnet", "state_dict": resnet(layout)} if wrapped else resnet(layout)
    assert same(load_checkpoint(saved(content, tmp_path / "pose_resnet_50.pth.tar"), RESNET))


def test_files_of_old_pytorch_load_and_need_no_batch_counters(tmp_path: Path) -> None:
    tensors = {name: value for name, value in resnet().items() if not name.endswith("num_batches_tracked")}
    path = saved(tensors, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert path.read_bytes()[:1] == b"\x80"
    assert same(load_checkpoint(path, RESNET))


def test_weights_saved_on_a_gpu_of_another_machine_load_on_the_cpu(tmp_path: Path) -> None:
    path = saved(SMALL, tmp_path / "gpu.pth", _use_new_zipfile_serialization=False)
    content = path.read_bytes().replace(b"ctorch\nFloatStorage", b"ctorch.cuda\nFloatStorage")
    path.write_bytes(content.replace(b"X\x03\0\0\0cpu", b"X\x06\0\0\0cuda:7"))
    for name, value in read_checkpoint(path).items():
        assert torch.equal(value, SMALL[name])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_safetensors_load_in_every_layout(layout: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    save_file({name: value.contiguous() for name, value in resnet(layout).items()}, path)
    assert same(load_checkpoint(str(path), RESNET))


@pytest.mark.parametrize("dtype, tolerance", [(torch.float16, 0.02), (torch.bfloat16, 0.2), (torch.float64, 1e-5)])
def test_weights_of_another_precision_become_single(dtype: torch.dtype, tolerance: float, tmp_path: Path) -> None:
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in resnet().items()}
    network = load_checkpoint(saved(tensors, tmp_path / "half.pth"), RESNET)
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert same(network, tolerance)


@pytest.mark.parametrize("new", [True, False])
def test_notes_that_published_files_hold_are_read_past(
    new: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As MMPose 1.x writes them: arrays in ``dataset_meta``, numpy's numbers, MMEngine's curves, the optimiser."""
    meta = {
        "dataset_meta": {"sigmas": np.full(17, 0.05), "names": np.array(["nose"]), "links": [(0, 1)]},
        "hook_msgs": {"best_score": np.float64(0.76)}, "config": "model = dict()", "flags": {1, 2}, "raw": b"\xff",
    }  # fmt: skip
    losses = HistoryBuffer()
    losses._log_history, losses._statistics_methods = np.arange(5.0), {"mean": HistoryBuffer.mean}
    content = {
        "meta": meta, "state_dict": resnet("MMPose 1.x"), "message_hub": {"log_scalars": {"loss": losses}},
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3}]},
    }  # fmt: skip
    with monkeypatch.context() as mmengine:
        for name in ("mmengine", "mmengine.logging", HistoryBuffer.__module__):
            mmengine.setitem(sys.modules, name, types.ModuleType(name))
        mmengine.setattr(sys.modules[HistoryBuffer.__module__], "HistoryBuffer", HistoryBuffer, raising=False)
        path = saved(content, tmp_path / "mmpose.pth", _use_new_zipfile_serialization=new)
    assert b"getattr" in path.read_bytes() and "mmengine" not in sys.modules
    assert same(load_checkpoint(path, RESNET))


def test_numpys_old_names_are_known_too(tmp_path: Path) -> None:
    path = saved(
        {"state_dict": SMALL, "meta": np.float64(1)}, tmp_path / "n.pth", _use_new_zipfile_serialization=False
    )
    content = path.read_bytes().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")
    assert b"cnumpy.core.multiarray\nscalar" in content
    path.write_bytes(content)
    assert set(read_checkpoint(path)) == set(SMALL)


def test_our_own_files_load_too(tmp_path: Path) -> None:
    architecture = PoseArchitecture(width=64, height=64, deconv_channels=(16, 16, 16))
    path = tmp_path / "own.safetensors"
    save_pose_network(architecture.build(), architecture, path)
    ours, theirs = load_checkpoint(path, architecture), load_pose_network(path)[0]
    for name, value in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], value)


def test_tensors_that_share_or_repeat_their_memory_are_whole(tmp_path: Path) -> None:
    tensors = resnet()
    tensors["bn1.weight"] = torch.ones(1).expand(64)
    tensors["bn1.bias"] = tensors["bn1.running_mean"] = torch.zeros(128)[::2]
    network = load_checkpoint(saved(tensors, tmp_path / "views.pth"), RESNET)
    network.backbone.bn1.bias.data += 1
    assert torch.equal(network.backbone.bn1.running_mean, torch.zeros(64))


# What does not fit


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_missing_unexpected_or_of_another_shape_is_listed_under_its_publishers_name(
    layout: str, tmp_path: Path
) -> None:
    renamed, tensors = LAYOUTS[layout], outline(resnet(layout))
    del tensors[renamed("layer3.5.bn2.running_var")], tensors[renamed("final_layer.bias")]
    tensors[renamed("layer9.0.conv1.weight")] = torch.ones(1)
    tensors[renamed("stray")] = torch.ones(1)
    tensors[renamed("conv1.weight")] = torch.ones(64, 3, 3, 3)
    tensors[renamed("bn1.weight")] = torch.ones(64, dtype=torch.int32)
    sentence = refusal(saved(tensors, tmp_path / "odd.pth"))
    shown = {name: renamed(name) for name in ("final_layer.bias", "stray", "conv1.weight")}
    assert "odd.pth does not fit resnet50: 2 missing (" in sentence
    assert shown["final_layer.bias"] in sentence and "layer3.5.bn2.running_var" in sentence
    assert "2 unexpected (" in sentence and shown["stray"] in sentence and "layer9.0.conv1.weight" in sentence
    assert f"{shown['conv1.weight']} 64x3x3x3 instead of 64x3x7x7" in sentence
    assert "bn1.weight 64 of int32 instead of 64" in sentence


@pytest.mark.parametrize("layout", sorted(set(LAYOUTS) - {"official"}))
def test_names_of_another_layout_do_not_slip_in(layout: str, tmp_path: Path) -> None:
    tensors, name = outline(resnet(layout)), LAYOUTS[layout]("final_layer.bias")
    tensors["final_layer.bias"] = tensors.pop(name)
    sentence = refusal(saved(tensors, tmp_path / "mixed.pth"))
    assert f"1 missing ({name})" in sentence and "1 unexpected (final_layer.bias)" in sentence


@pytest.mark.parametrize("stray", ["head.weight", "keypoint_head.x", "backbone.x", "module.conv1.weight", "x"])
def test_a_stray_name_does_not_change_the_layout(stray: str, tmp_path: Path) -> None:
    sentence = refusal(saved({**outline(resnet()), stray: torch.ones(1)}, tmp_path / "stray.pth"))
    assert f"does not fit resnet50: 1 unexpected ({stray}); give" in sentence


def test_long_lists_are_cut_and_counted(tmp_path: Path) -> None:
    sentence = refusal(saved({"state_dict": {"w": torch.ones(1)}}, tmp_path / "other.pth"))
    assert re.search(r"\d{3} missing \(([\w.]+, ){9}[\w.]+ and \d{3} more\); 1 unexpected \(w\)", sentence)
    assert "not a checkpoint of resnet50" in sentence


@pytest.mark.parametrize(
    "fields, remedy",
    [
        ({"backbone": "resnet101"}, "it is a checkpoint of resnet50"),
        ({"backbone": "hrnet_w32"}, "it is a checkpoint of resnet50"),
        ({"deconv_channels": (128, 96, 64)}, "convolutions give 256, 256, 256 channels, not 128, 96, 64"),
        (
            {"skeleton": "posetrack"},
            "it has 17 heatmaps and the architecture 15: choose the skeleton and all_slots",
        ),
    ],
)
def test_what_to_set_instead_is_said(fields: dict[str, Any], remedy: str, tmp_path: Path) -> None:
    settings = {"skeleton": "coco", "backbone": "resnet50", "deconv_channels": (256, 256, 256), **fields}
    assert remedy in refusal(
        saved(outline(resnet("MMPose 0.x")), tmp_path / "r.pth"), PoseArchitecture(**settings)
    )


def test_a_posetrack_network_of_17_heatmaps_is_one_with_all_slots(tmp_path: Path) -> None:
    settings = PoseArchitecture(backbone="resnet50", deconv_channels=(256, 256, 256), all_slots=True)
    assert same(load_checkpoint(saved(resnet("MMPose 1.x"), tmp_path / "p.pth"), settings))


def test_the_width_of_an_hrnet_and_a_missing_head_are_seen(tmp_path: Path) -> None:
    other = PoseArchitecture(backbone="hrnet_w48", skeleton="coco")
    tensors = outline(published(small_reference("hrnet_w32")[0], "official"))
    assert "it is a checkpoint of hrnet_w32" in refusal(saved(tensors, tmp_path / "w32.pth"), other)
    headless = {
        name: value
        for name, value in outline(resnet()).items()
        if name.split(".")[0].startswith(("conv", "layer"))
    }
    assert "no pose head" in refusal(saved(headless, tmp_path / "imagenet.pth"))


def test_an_hrnet_with_more_exchange_than_the_pose_network_is_refused(tmp_path: Path) -> None:
    """``multiscale_output``: the last unit also serves the lower resolutions."""
    tensors = outline(published(small_reference("hrnet_w32")[0], "MMPose 1.x"))
    tensors["backbone.stage4.2.fuse_layers.1.0.0.0.weight"] = torch.ones(64, 32, 3, 3)
    sentence = refusal(saved(tensors, tmp_path / "m.pth"), PoseArchitecture(backbone="hrnet_w32", skeleton="coco"))
    assert "1 unexpected (backbone.stage4.2.fuse_layers.1.0.0.0.weight)" in sentence


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_weights_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    tensors = resnet()
    tensors["layer2.1.conv2.weight"] = torch.full((128, 128, 3, 3), value, dtype=torch.float64)
    path = saved(tensors, tmp_path / "nan.pth")
    with pytest.raises(WeightsError, match=r"layer2\.1\.conv2\.weight holds values that are not finite"):
        load_checkpoint(path, RESNET)


# What is hostile or damaged


class Asking:
    """A pickle of this calls a function when it is read."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._call


class Shadowing:
    """A pickle of this is an ``OrderedDict`` whose methods are hidden by attributes."""

    def __reduce__(self) -> tuple[object, ...]:
        return OrderedDict, (), {"items": "boom", "keys": "boom", "get": "boom"}, None, iter(SMALL.items())


def wishes(folder: Path) -> dict[str, Asking]:
    """What a hostile checkpoint could ask for; each would leave the file ``ran``, or lead to what could."""
    return {
        "system": Asking(os.system, f"touch {folder / 'ran'}"),
        "eval": Asking(eval, f"open({str(folder / 'ran')!r}, 'w')"),
        "__import__": Asking(__import__, "subprocess"),
        "setattr": Asking(setattr, Asking, "x", 1),
        "torch.serialization.load": Asking(torch.load, str(folder / "other.pth")),
        "fromfile": Asking(np.fromfile, str(folder / "secret")),
    }


WISHES = ("system", "eval", "__import__", "setattr", "torch.serialization.load", "fromfile")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("wish", WISHES)
def test_a_checkpoint_that_asks_for_code_is_refused_and_nothing_runs(wish: str, new: bool, tmp_path: Path) -> None:
    asking = wishes(tmp_path)[wish]
    for content in (
        asking,
        {"state_dict": asking},
        {"state_dict": SMALL, "meta": {"note": [asking]}},
        {"state_dict": {**SMALL, "c": asking}},
    ):
        path = saved(content, tmp_path / "bad.pth", _use_new_zipfile_serialization=new)
        sentence = refusal(path)
        assert re.search(f"is refused: it asks for `.*{re.escape(wish)}.*`, which weights do not need", sentence)
        assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "wanted",
    [
        b"cbuiltins\ngetattr\n(}X\x05\0\0\0cleartR)R",  # getattr({}, "clear")()
        b"cnumpy._core.multiarray\nscalar\n)R)R",  # scalar()()
        b"cnumpy\nndarray\n)\x81)R",  # ndarray.__new__(ndarray)()
        b"cbuiltins\ngetattr\n(cnumpy\nndarray\nX\x06\0\0\0tofiletR(X\x03\0\0\0rantR",  # ndarray.tofile("ran")
        b"cnumpy\ndtype.__setattr__\n)R",
    ],
)
def test_what_allowed_names_give_cannot_be_called(
    wanted: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "chain.pth"
    path.write_bytes(b"\x80\x02" + wanted + b".")
    assert "is refused: it asks for" in refusal(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_never_runs(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "bad.pt"
    path.write_bytes(pickle.dumps(wishes(tmp_path)["system"], protocol))
    refusal(path)
    assert not (tmp_path / "ran").exists()
    pickle.loads(path.read_bytes())
    assert (tmp_path / "ran").exists(), "the pickle would have run"


def test_whole_models_and_programs_are_refused(tmp_path: Path) -> None:
    assert "it asks for `torch.nn.modules.linear.Linear`" in refusal(
        saved(nn.Linear(2, 2), tmp_path / "model.pth")
    )
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(nn.ReLU()), tmp_path / "program.pt")
    assert "program.pt is a TorchScript program" in refusal(tmp_path / "program.pt")


def test_stand_ins_lead_nowhere(tmp_path: Path) -> None:
    """What an allowed name gives cannot be called, nor taken for a weight, nor reach numpy."""
    array = read_checkpoint(saved({"state_dict": SMALL, "meta": np.ones(3)}, tmp_path / "array.pth"))
    assert set(array) == set(SMALL)
    assert "a is not a plain tensor" in refusal(saved({"a": np.ones(3)}, tmp_path / "weight.pth"))
    allowed = {getattr(kind, "__module__", "") for kind in torch.serialization.get_safe_globals()}
    assert not any(name.startswith(("numpy", "mmengine")) for name in allowed), "allowed only while reading"


@pytest.mark.parametrize(
    "content, reason",
    [
        (torch.ones(3), "holds no weights"),
        ([1, 2], "holds no weights"),
        ({}, "holds no weights"),
        ({"state_dict": {}}, "holds no weights"),
        ({"state_dict": {"state_dict": SMALL}}, "state_dict is not a plain tensor"),
        ({"state_dict": 3, "a": torch.ones(1)}, "state_dict is not a plain tensor"),
        ({7: torch.ones(3)}, "an entry named by a int is not a plain tensor"),
        ({"a": torch.eye(3).to_sparse()}, "a is not a plain tensor"),
        ({"a": torch.ones(3, device="meta")}, "a is not a plain tensor"),
        ({"a\n\x1b[31mred": 3}, r"a\\n\\x1b\[31mred is not a plain tensor"),
    ],
)
def test_files_without_a_state_dict_are_refused(content: object, reason: str, tmp_path: Path) -> None:
    assert re.search(
        f"empty.pth {reason}|empty.pth holds no state_dict: {reason}",
        refusal(saved(content, tmp_path / "empty.pth")),
    )


def test_names_that_hide_methods_or_fill_the_screen_do_no_harm(tmp_path: Path) -> None:
    assert set(read_checkpoint(saved({"state_dict": Shadowing()}, tmp_path / "shadow.pth"))) == set(SMALL)
    hostile = {"\x1b[2J\n" + "x" * 10_000: torch.ones(1), "\ud800": torch.ones(1)}
    save = {"state_dict": {**resnet(), **hostile}}
    assert len(refusal(saved(save, tmp_path / "long.pth"))) < 1000


def test_a_tensor_that_claims_more_memory_than_there_is_costs_nothing(tmp_path: Path) -> None:
    tensors = {**resnet(), "bn1.weight": torch.ones(1).expand(10**12)}
    sentence = refusal(saved(tensors, tmp_path / "huge.pth"))
    assert "bn1.weight 1000000000000 instead of 64" in sentence


PLAIN = {
    "empty": (b"", "is empty: download the checkpoint again"),
    "page": (b"\n<!DOCTYPE html><html><body>Sign in", "is a web page, not a checkpoint"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
    "text": (b"hello, this is not a network", "is not a checkpoint: give a PyTorch file"),
    "zeros": (bytes(1000), "is not a checkpoint"),
    "letter": (b"P", "is not a checkpoint"),
    "json": (b'{"state_dict": {}}', "is not a checkpoint"),
    "pk": (b"PK\x03\x04", "is damaged or incomplete"),
    "pickle": (pickle.dumps({"a": 1}, 2), "is damaged or incomplete"),
    "claim": (struct.pack("<Q", 10**15) + b"{}", "is damaged or incomplete"),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_files_that_are_no_checkpoints_are_named_in_a_sentence(kind: str, tmp_path: Path) -> None:
    content, reason = PLAIN[kind]
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    assert reason in refusal(path)


def test_paths_that_are_no_files_are_named(tmp_path: Path) -> None:
    assert "is not a file" in refusal(tmp_path)
    assert "No such file or directory" in refusal(tmp_path / "nowhere.pth")
    os.mkfifo(tmp_path / "pipe.pth")
    assert "is not a file" in refusal(tmp_path / "pipe.pth")


def archive(records: dict[str, bytes], path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in records.items():
            file.writestr(name, content)
    return path


def test_archives_that_are_compressed_or_of_something_else_are_refused(tmp_path: Path) -> None:
    bomb = archive({"archive/data.pkl": bytes(10**6)}, tmp_path / "bomb.pth", zipfile.ZIP_DEFLATED)
    assert "is compressed" in refusal(bomb)
    assert "is an archive but no checkpoint" in refusal(
        archive({"weights.pth": b"inside"}, tmp_path / "packed.zip")
    )


TIMES = 600_000
BUSY = {
    "nested": b")" + b"\x85" * TIMES,
    "listed": b"(" + b")" * TIMES + b"t",
    "forgotten": b"N" + b"q\0" * TIMES,
    "tensors": b"(" + b"(X\0\0\0\0tX\0\0\0\0" * (TIMES // 4) + b"l",
}
"""Pickles that are well formed and take long to follow."""


@pytest.mark.parametrize("kind", BUSY)
@pytest.mark.parametrize("form", ["zip", "case", "twice", "old"])
def test_a_pickle_that_would_keep_us_busy_is_refused_at_once(kind: str, form: str, tmp_path: Path) -> None:
    """Three million tuples in one another, 3 MB, took 26 seconds."""
    path, busy = tmp_path / "busy.pth", b"\x80\x02" + BUSY[kind] + b"."
    if form == "old":
        parts = [torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True}]
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in parts) + busy + pickle.dumps([], 2))
    else:
        small = {"a/data.pkl": pickle.dumps({}, 2)} if form != "zip" else {}
        archive({("a/DATA.PKL" if form == "case" else "a/data.pkl"): busy}, path)
        with zipfile.ZipFile(path, "a") as file, warnings.catch_warnings(action="ignore"):
            for name, content in small.items():
                file.writestr(name, content)
    start = time.perf_counter()
    assert "holds far more than weights" in refusal(path)
    assert time.perf_counter() - start < 10


def test_a_large_training_with_its_optimiser_loads(tmp_path: Path) -> None:
    """As many tensors as HRNet-W48's weights, their average and its optimiser's two moments have together."""
    names = [f"backbone.stage4.2.branches.3.{number}.weight" for number in range(1800)]
    value = torch.ones(1)
    state = {index: {"step": index, "exp_avg": value, "exp_avg_sq": value} for index in range(900)}
    content = {"state_dict": dict.fromkeys(names, value), "ema_state_dict": dict.fromkeys(names, value)}
    path = saved({**content, "optimizer": {"state": state}}, tmp_path / "epoch_210.pth")
    assert list(read_checkpoint(path)) == names


def test_an_archive_of_very_many_records_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posetrack.models.checkpoint_reading._MOST_RECORDS", 9)
    path = archive({"a/data.pkl": b"", **{f"a/data/{number}": b"" for number in range(9)}}, tmp_path / "many.pth")
    assert "holds far more than weights" in refusal(path)


@pytest.mark.parametrize("form", ["zip", "old", "safetensors"])
def test_a_file_cut_off_anywhere_is_refused(form: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.pth"
    if form == "safetensors":
        save_file(SMALL, path)
    else:
        saved({"state_dict": SMALL}, path, _use_new_zipfile_serialization=form == "zip")
    whole = path.read_bytes()
    for length in {*range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1}:
        path.write_bytes(whole[:length])
        refusal(path)


def test_a_changed_weight_is_noticed_by_its_checksum(tmp_path: Path) -> None:
    path = saved(SMALL, tmp_path / "changed.pth")
    content = bytearray(path.read_bytes())
    content[content.index(SMALL["a.weight"].numpy().tobytes()) + 5] ^= 1
    path.write_bytes(content)
    assert "is damaged or incomplete" in refusal(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    new=st.booleans(),
)
def test_bytes_changed_at_random_are_read_or_refused_and_nothing_else(
    changes: list[tuple[int, int]], new: bool, tmp_path: Path
) -> None:
    """In the old form, and in the instructions of the new one, with checksums that agree."""
    path = tmp_path / "fuzzed.pth"
    saved({"state_dict": SMALL, "meta": np.ones(2)}, path, _use_new_zipfile_serialization=new)
    records = {"": path.read_bytes()}
    if new:
        with zipfile.ZipFile(path) as file:
            records = {name: file.read(name) for name in file.namelist()}
    target = next((name for name in records if name.endswith("data.pkl")), "")
    content = bytearray(records[target])
    for place, value in changes:
        content[place % len(content)] = value
    if new:
        archive({**records, target: bytes(content)}, path)
    else:
        path.write_bytes(content)
    try:
        tensors = read_checkpoint(path)
    except WeightsError as error:
        assert str(path) in str(error)
    else:
        assert all(type(value) is Tensor for value in tensors.values())
