"""Best possible speed of a device, and speed of each part of the pose stage, for ``gpu.py``.

A floor is the time per frame for the network's arithmetic alone, or for the copies to and from the device alone,
at the highest speed that the device showed in the same run. Floors are not strict bounds: convolutions can take
fewer operations (Winograd).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from gpu_ways import OFFICIAL, Footage, Plan, Way
from network_costs import multiply_adds
from torch import Tensor, nn

from posetrack.models.conventions import CONVENTIONS
from posetrack.models.crop import box_transforms
from posetrack.models.decoding import reach_cells
from posetrack.models.device_crops import cut_out
from posetrack.models.engine import prepared
from posetrack.models.heads import HEADS
from posetrack.models.runtime import Runtime

MATRIX_SIDE = {"cuda": 8192, "mps": 4096, "cpu": 1024}
COPIED_BYTES = 64 << 20
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """Speeds of a device, measured in this run.

    Attributes:
        tflops: 10^12 floating-point operations per second in a matrix product, by precision; fp32 on CUDA is TF32,
            which PyTorch's convolutions use there.
        up_gb_per_s, down_gb_per_s: 10^9 bytes per second from page-locked memory to the device, and back; None on
            a CPU, which copies nothing.
    """

    tflops: dict[str, float]
    up_gb_per_s: float | None
    down_gb_per_s: float | None


@dataclass(frozen=True, kw_only=True)
class Share:
    """Milliseconds per frame of one way's pose stage.

    Attributes:
        alone_ms: Time of crops (with sending the frame), network (with mirror images) and joints (with fetching
            them), each by itself; empty for the official loop.
        arithmetic_floor_ms, copy_floor_ms: See above. ``copy_floor_ms`` is None on a CPU.
    """

    alone_ms: dict[str, float]
    arithmetic_floor_ms: float
    copy_floor_ms: float | None


def measured_speeds(device: torch.device, precisions: list[str]) -> Speeds:
    """Measure a device's speeds, in these precisions and in fp32, which the official loop uses."""
    tflops = {
        precision: matrix_tflops(device, precision) for precision in {"fp32": 0, **dict.fromkeys(precisions)}
    }
    if device.type == "cpu":
        return Speeds(tflops=tflops, up_gb_per_s=None, down_gb_per_s=None)
    here = torch.empty(COPIED_BYTES, dtype=torch.uint8, pin_memory=device.type == "cuda")
    there = torch.empty(COPIED_BYTES, dtype=torch.uint8, device=device)
    up, down = (
        COPIED_BYTES / best_s(lambda pair=pair: pair[0].copy_(pair[1]), device) / 1e9
        for pair in ((there, here), (here, there))
    )
    return Speeds(tflops=tflops, up_gb_per_s=up, down_gb_per_s=down)


def matrix_tflops(device: torch.device, precision: str) -> float:
    """Measure the speed of a matrix product."""
    side, before = MATRIX_SIDE[device.type], torch.get_float32_matmul_precision()
    a, b = torch.rand(2, side, side, device=device).to(DTYPES[precision])
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    try:
        return 2 * side**3 / best_s(lambda: torch.mm(a, b), device) / 1e12
    finally:
        torch.set_float32_matmul_precision(before)


def best_s(work: Callable[[], object], device: torch.device, times: int = 10) -> float:
    """Minimum seconds that some work takes on a device."""
    seconds = []
    for _ in range(times + 2):
        finish(device)
        start = time.perf_counter()
        work()
        finish(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds[2:])


def finish(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@dataclass
class Floors:
    """Floors and part times of the pose stage of a plan's ways, with random weights."""

    plan: Plan
    speeds: Speeds
    _networks: dict[str, nn.Module] = field(default_factory=dict)

    def share(self, way: Way, footage: Footage) -> Share:
        """Measure one way on footage."""
        people, device = len(footage.boxes), self.plan.device
        flops = 2 * 2 * people * self._multiply_adds()  # two operations each, and the mirror images
        up, down = self._copied_bytes(way, footage)
        copies = None
        if self.speeds.up_gb_per_s is not None and self.speeds.down_gb_per_s is not None:
            copies = 1e-6 * (up / self.speeds.up_gb_per_s + down / self.speeds.down_gb_per_s)
        with torch.inference_mode():
            alone = {} if way.name == OFFICIAL else self._alone(way, footage)
        finish(device)
        return Share(
            alone_ms=alone,
            arithmetic_floor_ms=1e-9 * flops / self.speeds.tflops[way.precision],
            copy_floor_ms=copies,
        )

    def _multiply_adds(self) -> int:
        architecture = self.plan.architecture
        with torch.device("meta"):
            network = architecture.build().eval()
        return multiply_adds(network, torch.empty(1, 3, architecture.height, architecture.width, device="meta"))[0]

    def _copied_bytes(self, way: Way, footage: Footage) -> tuple[int, int]:
        """Bytes per frame to the device and back."""
        architecture, people = self.plan.architecture, len(footage.boxes)
        maps = people * len(architecture.joints.in_use)
        if way.name == OFFICIAL:  # crops to the device, both sets of whole heatmaps back
            crops = 3 * people * architecture.width * architecture.height
            return crops, 2 * 4 * maps * (architecture.width // 4) * (architecture.height // 4)
        convention = CONVENTIONS[architecture.convention]
        reach = reach_cells(self.plan.preset.pose_config.codec, architecture.sigma_cells, convention)
        cells = min((2 * reach + 1) ** 2, (architecture.width // 4) * (architecture.height // 4))
        return footage.first.nbytes, maps * (4 * cells + 16)

    def _alone(self, way: Way, footage: Footage) -> dict[str, float]:
        plan, people = self.plan, len(footage.boxes)
        architecture, device, codec = plan.architecture, plan.device, plan.preset.pose_config.codec
        form, near = architecture.format, device.type != "cpu"
        head = HEADS[codec](form, near)
        grid = CONVENTIONS[architecture.convention].grid
        transforms = box_transforms(footage.boxes.xyxy, architecture.size, architecture.padding, grid)
        together = people * plan.preset.pipeline.pose_batch
        passes = -(-together // max(1, way.batch // 2))
        images = torch.rand(
            2 * -(-together // passes), 3, architecture.height, architecture.width, device=device
        ).contiguous(memory_format=torch.channels_last)
        network = self._network(way.precision)
        heatmaps: Tensor = network(images[:1])[:, : len(architecture.joints.in_use)].repeat(people, 1, 1, 1)
        frames = plan.preset.pipeline.pose_batch
        seconds = {
            "crops": best_s(lambda: cut_out(footage.first, transforms, form, device, near), device),
            "network": best_s(lambda: network(images), device, 5) * passes / frames,
            "joints": best_s(lambda: head.joints([heatmaps]), device),
        }
        return {part: 1000 * each for part, each in seconds.items()}

    def _network(self, precision: str) -> nn.Module:
        if precision not in self._networks:
            runtime = Runtime(device=self.plan.device, precision=precision, compile=self.plan.compiled)
            self._networks[precision] = prepared(self.plan.architecture.build().eval(), runtime)
        return self._networks[precision]
