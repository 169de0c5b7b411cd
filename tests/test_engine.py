"""Networks made ready: devices, precisions, and compilers that are not believed."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError
from posetrack.models import devices
from posetrack.models.devices import resolve_device, resolve_precision
from posetrack.models.engine import prepared
from posetrack.models.engines import PRECISIONS
from posetrack.models.runtime import Runtime

CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3))
    return layers.eval()


class Pair(nn.Module):
    """Gives tensors in containers, some of which count."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 1)

    def forward(self, levels: list[Tensor]) -> dict[str, Any]:
        maps = [self.convolution(level) for level in levels]
        return OrderedDict(maps=maps, both=(maps[0], torch.arange(3)), name="x")


def test_a_prepared_network_gives_what_the_network_gives() -> None:
    original, images = network(), torch.rand(2, 3, 9, 11)
    with torch.no_grad():
        expected = original(images)
    ready = prepared(original)
    found = ready(images)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert not found.requires_grad and found.dtype == torch.float32
    assert any(isinstance(module, nn.BatchNorm2d) for module in original.modules()), "it works on a copy"
    assert not any(isinstance(module, nn.BatchNorm2d) for module in ready.modules())
    convolution = next(module for module in ready.modules() if isinstance(module, nn.Conv2d))
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    plain = prepared(original, channels_last=False)
    torch.testing.assert_close(plain(images), expected, atol=1e-6, rtol=1e-5)


def test_the_processor_calculates_in_fp32_unless_bf16_is_asked_for() -> None:
    images = torch.rand(2, 3, 9, 11)
    exact, auto, half = (
        prepared(network(), Runtime(precision=precision))(images) for precision in ("fp32", "auto", "bf16")
    )
    assert torch.equal(exact, auto)
    assert half.dtype == torch.float32 and not torch.equal(exact, half)
    torch.testing.assert_close(half, exact, atol=0.02, rtol=0.02)


def test_weights_are_reduced_once_with_what_autocast_gives() -> None:
    """Not at every call: a GPU would spend as many launches on that as on the network itself."""
    images, original = torch.rand(2, 3, 9, 11), network()
    ready = prepared(original, Runtime(precision="bf16"))
    exact = prepared(original).get_submodule("network")
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = exact(images).float()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        found = ready(images)
    assert torch.equal(found, expected)
    copies = sum(event.count for event in profile.key_averages() if event.key == "aten::_to_copy")
    assert copies == 2, "the input, and the output"
    assert all(parameter.dtype == torch.float32 for parameter in original.parameters())


def test_outputs_in_containers_are_float32_and_the_rest_is_left_alone() -> None:
    output = prepared(Pair(), Runtime(precision="bf16"))([torch.rand(1, 3, 4, 4), torch.rand(1, 3, 2, 2)])
    assert (
        isinstance(output, OrderedDict) and isinstance(output["maps"], list) and isinstance(output["both"], tuple)
    )
    assert [level.dtype for level in output["maps"]] == [torch.float32] * 2
    assert output["both"][0].dtype == torch.float32 and output["both"][1].dtype == torch.int64
    assert output["name"] == "x"


def test_unknown_and_impossible_precisions_are_told() -> None:
    with pytest.raises(ConfigError, match=r"no precision 'half'; choose one of auto, fp32, fp16, bf16"):
        prepared(network(), Runtime(precision="half"))
    with pytest.raises(ConfigError, match="fp16 is for GPUs"):
        prepared(network(), Runtime(precision="fp16"))


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        (
            (9, 0),
            {"auto": torch.float16, "fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16},
        ),
        ((7, 5), {"auto": torch.float16, "bf16": None}),
        ((6, 1), {"auto": torch.float32, "fp16": torch.float16, "bf16": None}),
    ],
)
def test_gpus_calculate_in_fp16_where_that_is_fast(
    monkeypatch: pytest.MonkeyPatch,
    capability: tuple[int, int],
    expected: dict[str, torch.dtype | None],
) -> None:
    """The rules alone: no GPU is needed."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    for name, dtype in expected.items():
        device = torch.device("cuda:0")
        if dtype is None:
            with pytest.raises(ConfigError, match="'cuda:0' has no bf16; choose fp16 or fp32"):
                resolve_precision(name, device)
        else:
            assert resolve_precision(name, device) == dtype


def test_apples_gpus_calculate_in_fp32_unless_asked() -> None:
    found = [resolve_precision(name, torch.device("mps")) for name in PRECISIONS]
    assert found == [torch.float32, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("name", ["gpu", "", "meta", "xpu", "cpu:1", "mps:1", "cuda:-1", "cuda:x", "cuda 1"])
def test_devices_that_do_not_exist_are_told(name: str) -> None:
    with pytest.raises(ConfigError, match="choose auto, cpu, cuda, cuda:1 or mps"):
        resolve_device(name)


def test_devices_that_are_not_here_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert resolve_device("cuda:0") == torch.device("cuda:0") and resolve_device("cuda") == torch.device("cuda")
    for name in ("cuda:1", "mps"):
        with pytest.raises(ConfigError, match=f"'{name}' is not on this computer"):
            resolve_device(name)


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_what_there_is(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto") == torch.device(expected)
    assert devices.resolve_device("cpu") == CPU


class Compiler:
    """Takes the place of ``torch.compile``: does to a function's output what it is told, and counts its calls."""

    def __init__(self, change: float) -> None:
        self.change, self.calls = change, 0

    def __call__(self, function: Any, dynamic: bool, options: dict[str, bool]) -> Any:
        assert dynamic and options == {"freezing": False}

        def compiled(*inputs: Any) -> Any:
            self.calls += 1
            return function(*inputs) * (1 + self.change)

        return compiled


def counted(module: nn.Module) -> list[int]:
    calls: list[int] = []
    module.register_forward_pre_hook(lambda _, given: calls.append(len(given[0])))
    return calls


@pytest.mark.parametrize("change", [0.27, -0.01, 0.002, float("nan"), float("inf")])
def test_a_compiler_that_changes_the_output_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, change: float
) -> None:
    monkeypatch.setattr(torch, "compile", Compiler(change))
    ready = prepared(network(), Runtime(compile=True))
    for _ in range(2):
        with pytest.raises(
            ConfigError, match=r"differs from .* by .* % of the largest value; run without --compile"
        ):
            ready(torch.rand(2, 3, 9, 11))


def test_each_shape_is_compared_once_before_its_output_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = Compiler(1e-5)
    monkeypatch.setattr(torch, "compile", compiler)
    ready = prepared(network(), Runtime(compile=True))
    plain = counted(ready.network)
    for batch in (2, 2, 5, 2, 5, 1):
        ready(torch.rand(batch, 3, 9, 11))
    assert compiler.calls == 6 and plain == [2, 5, 1]
    compiler.change = 0.27
    ready(torch.rand(2, 3, 9, 11))
    with pytest.raises(ConfigError, match="27 %"):
        ready(torch.rand(2, 3, 9, 12))


@pytest.mark.parametrize(
    ("change", "believed"), [(0.001, True), (0.05, False), (0.27, False), (float("nan"), False)]
)
def test_reduced_precision_is_no_excuse(monkeypatch: pytest.MonkeyPatch, change: float, believed: bool) -> None:
    monkeypatch.setattr(torch, "compile", Compiler(change))
    ready = prepared(network(), Runtime(precision="bf16", compile=True))
    images = torch.rand(2, 3, 9, 11)
    if believed:
        torch.testing.assert_close(ready(images), prepared(network())(images), atol=0.02, rtol=0.02)
    else:
        with pytest.raises(ConfigError, match="run without --compile"):
            ready(images)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_a_compiled_network_agrees_with_the_plain_one() -> None:
    from torch._inductor import config

    plain, compiled = prepared(network()), prepared(network(), Runtime(compile=True))
    with config.patch(compile_threads=1):  # processes that compile would first load torch
        for batch in (2, 5):
            images = torch.rand(batch, 3, 9, 11)
            torch.testing.assert_close(compiled(images), plain(images), atol=1e-5, rtol=1e-4)


@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
def test_weights_are_never_frozen_even_if_the_environment_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen transposed convolutions were seen to give something else."""
    from torch._inductor import config, freezing

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("frozen")

    monkeypatch.setattr(freezing, "freeze", refuse)
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.ConvTranspose2d(6, 4, 4, 2, 1)).eval()
    images = torch.rand(3, 3, 9, 7)
    torch._dynamo.reset()
    with config.patch(freezing=True, force_disable_caches=True, compile_threads=1):
        found = prepared(layers, Runtime(compile=True))(images)
    torch.testing.assert_close(found, prepared(layers)(images), atol=1e-5, rtol=1e-4)


def test_without_a_compiler_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    layers = nn.Sequential(nn.Conv2d(3, 7, 3), nn.Sigmoid(), nn.Conv2d(7, 7, 1))
    with config.patch({"cpp.cxx": (None, "/nowhere/g++")}):
        with pytest.raises(
            ConfigError, match=r"^this network cannot be compiled here \(.*\): run without --compile"
        ):
            prepared(layers, Runtime(compile=True))(torch.rand(3, 3, 8, 8))
