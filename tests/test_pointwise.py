"""1x1 convolutions in oneDNN: the network's own numbers, wherever torch can."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from posetrack.models.engine import prepared
from posetrack.models.pointwise import PointwiseConv2d
from posetrack.models.runtime import Runtime

with_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


class Network(nn.Module):
    """Every kind of convolution, one of them used twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.expand = nn.Conv2d(3, 16, 1)
        self.plain = nn.Conv2d(16, 16, 1, bias=False)
        self.others = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1),
            nn.Conv2d(16, 16, 1, groups=4),
            nn.Conv2d(16, 16, 1, padding=1),
            nn.Conv2d(16, 16, 1, stride=2),
            nn.Conv2d(16, 8, 3),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.others(self.plain(self.plain(self.expand(images)).relu()))
        return found


def pointwise_in(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, PointwiseConv2d)]


@with_onednn
@pytest.mark.parametrize("shape", [(2, 3, 9, 11), (1, 3, 5, 5), (17, 3, 4, 4), (0, 3, 8, 8), (3, 6, 7)])
def test_1x1_convolutions_in_onednn_give_what_the_network_gives(shape: tuple[int, ...]) -> None:
    original, images = Network().eval(), torch.rand(shape)
    with torch.no_grad():
        expected = original(images)
    ready = prepared(original)
    assert pointwise_in(ready) == ["network.expand", "network.plain"]
    torch.testing.assert_close(ready(images), expected, atol=1e-6, rtol=1e-6)
    assert not pointwise_in(original), "it works on a copy"
    assert ready.get_submodule("network").state_dict().keys() == original.state_dict().keys()


@with_onednn
def test_1x1_convolutions_run_in_onednn_with_one_thread_too() -> None:
    ready = prepared(nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 4, 1)))
    images = torch.rand(2, 3, 9, 11)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            ready(images)
    finally:
        torch.set_num_threads(threads)
    calls = {event.key: event.count for event in profile.key_averages()}
    assert calls["aten::mkldnn_convolution"] == 2 and "aten::_slow_conv2d_forward" not in calls


@with_onednn
def test_hooks_on_a_1x1_convolution_still_run() -> None:
    original, seen = Network(), []
    original.expand.register_forward_hook(lambda *_: seen.append(1))
    prepared(original)(torch.rand(1, 3, 4, 4))
    assert seen == [1]


def missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "mkldnn_convolution")


def wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "mkldnn_convolution", lambda images, *_: torch.zeros(2, 3, 2, 2))


def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("ATen not compiled with MKLDNN support")

    monkeypatch.setattr(torch, "mkldnn_convolution", refuse)


def switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._C, "_get_mkldnn_enabled", lambda: False)


def not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)


@pytest.mark.parametrize("without", [missing, wrong, refusing, switched_off, not_built])
def test_a_network_stays_as_it_is_where_onednn_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, without: Callable[[pytest.MonkeyPatch], None]
) -> None:
    without(monkeypatch)
    original, images = Network().eval(), torch.rand(2, 3, 9, 11)
    ready = prepared(original)
    assert not pointwise_in(ready)
    with torch.no_grad():
        torch.testing.assert_close(ready(images), original(images), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("runtime", [Runtime(precision="bf16"), Runtime(compile=True)])
def test_reduced_precision_and_compilers_choose_for_themselves(runtime: Runtime) -> None:
    assert not pointwise_in(prepared(Network(), runtime))


def test_double_precision_is_left_to_torch() -> None:
    original, images = Network().double().eval(), torch.rand(2, 3, 9, 11, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(prepared(original)(images), original(images))
