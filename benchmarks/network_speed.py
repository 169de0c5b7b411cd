"""Speed of published pose networks, random weights, in given boxes: the table in docs/networks_compared.md.

Each network estimates five people in given boxes of a frame of 1280x720 again and again, on one thread of the CPU,
in every engine; the figure is the median CPU time per person. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from posetrack.models.engine import prepared
from posetrack.models.engines import ENGINES
from posetrack.models.onnx_file import Interface
from posetrack.models.pose import CropPoseEstimator, PoseConfig
from posetrack.models.published_pose import PUBLISHED_POSES, build_published_pose
from posetrack.models.runtime import Runtime
from posetrack.types import Boxes
from posetrack.zoo import Entry, get_entry

NETWORKS = (
    "pose_lite", "pose_medium", "rtmpose_t_body7_256x192", "rtmpose_s_body7_256x192", "rtmpose_m_body7_256x192",
    "rtmpose_l_body7_256x192", "rtmpose_l_body7_384x288", "hrnet_w32_coco_256x192", "hrnet_w48_dark_coco_384x288",
)  # fmt: skip
PEOPLE = 5


def network_of(entry: Entry) -> nn.Module:
    """An entry's network with random weights."""
    torch.manual_seed(0)
    if entry.architecture in PUBLISHED_POSES:
        return build_published_pose(entry.architecture, entry.pose_format()).eval()
    return entry.pose_architecture().build().eval()


def multiply_adds(network: nn.Module, entry: Entry) -> float:
    """Multiplications of a forward pass of one person, in thousands of millions."""
    assert entry.width is not None and entry.height is not None
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, entry.height, entry.width))
    return counter.get_total_flops() / 2e9


def ms_per_person(network: nn.Module, entry: Entry, engine: str, seconds: float) -> float:
    """Median over calls, flip test off."""
    runtime = Runtime(engine=engine)  # type: ignore[arg-type]
    form = entry.pose_format()
    interface = Interface(name=entry.architecture, channels=3, size=(form.height, form.width))
    config = PoseConfig(codec=entry.codec or PoseConfig().codec)
    stage = CropPoseEstimator(prepared(network, runtime, interface), form, config, runtime)
    image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    left = np.linspace(20, 1000, PEOPLE)
    boxes = Boxes(
        np.stack([left, left * 0 + 150, left + 180, left * 0 + 650], 1).astype(np.float32), np.ones(PEOPLE)
    )
    stage.estimate(image, boxes)
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.process_time()
        stage.estimate(image, boxes)
        times.append((time.process_time() - start) / PEOPLE)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5, help="for each network and engine")
    parser.add_argument("networks", nargs="*", default=NETWORKS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"| network | parameters, 10⁶ | multiply-adds, 10⁹ | {', '.join(ENGINES)}: CPU ms per person |")
    print("|---|---|---|---|")
    for name in options.networks:
        entry = get_entry(name)
        network = network_of(entry)
        times = [f"{ms_per_person(network, entry, engine, options.seconds):.1f}" for engine in ENGINES]
        millions = sum(value.numel() for value in network.parameters()) / 1e6
        print(
            f"| `{name}` | {millions:.1f} | {multiply_adds(network, entry):.2f} | {', '.join(times)} |", flush=True
        )


if __name__ == "__main__":
    main()
