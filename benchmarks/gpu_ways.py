"""Two ways to run a preset with random weights and given boxes, for ``gpu.py``: ours, and the official loop."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from plain_loop import PlainPose
from torch import nn
from torchvision.models.optical_flow import raft_large, raft_small

from posetrack.demo import write_clip
from posetrack.flow import FLOWS
from posetrack.flow.raft import RAFTS, RaftFlow
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_weights import PoseArchitecture
from posetrack.models.raft import Raft
from posetrack.models.runtime import Runtime
from posetrack.own_frames import own_frames
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import Preset
from posetrack.runner import Outputs, ResultWriter, run
from posetrack.stages import FlowEstimator, PoseEstimator
from posetrack.stopwatch import Stopwatch
from posetrack.synthetic import promenade, render
from posetrack.types import Boxes, Frame, Image, Poses
from posetrack.video import ReadOptions, open_source

OFFICIAL = "official"
OURS = "ours"
FLOW_NAMES = (*FLOWS, *RAFTS)


@dataclass(frozen=True)
class GivenBoxes:
    """A detector that returns given boxes."""

    boxes: Boxes

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """Return the same boxes for every image."""
        return [self.boxes for _ in images]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure, and on which device. ``end_to_end``: from a video file to an annotated one."""

    architecture: PoseArchitecture
    preset: Preset
    flow: str
    device: torch.device
    precisions: list[str]
    batches: list[int]
    frames: int
    rounds: int
    end_to_end: bool
    compiled: bool


@dataclass(frozen=True, kw_only=True)
class Footage:
    """Frames in memory or in a file, and the boxes of people in all of them."""

    size: tuple[int, int]
    boxes: Boxes
    first: Image
    images: list[Image] = field(default_factory=list)
    video: Path | None = None


@dataclass
class Way:
    """A way to run the networks, and its measurements."""

    name: str
    precision: str
    batch: int
    stage: PoseEstimator
    flow: FlowEstimator
    weights_bytes: int
    seconds: list[float] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    peak_bytes: int = 0
    people: int = 0
    poses: Poses | None = None

    def forget(self, footage: Footage) -> None:
        """Reset the measurements, after warming up the networks."""
        torch.backends.cudnn.benchmark = self.name == OFFICIAL
        self.seconds, self.peak_bytes, self.people = [], 0, 0
        self.stopwatch.clear()
        self.flow.estimate(footage.first, footage.first)
        self.poses = self.stage.estimate(footage.first, footage.boxes)


def ways_of(plan: Plan) -> list[Way]:
    """Make all ways, with the same weights, the official loop first."""
    network = random_network(plan.architecture)
    codec = plan.preset.pose_config.codec
    before = allocated(plan.device)
    plain = PlainPose(
        network, plan.architecture, PoseConfig(flip_test=True, codec=codec), plan.device, one_by_one=True
    )
    weights = allocated(plan.device) - before
    ways = [Way(OFFICIAL, "fp32", 1, plain, flow_of(plan, Runtime(device=plan.device, precision="fp32")), weights)]
    for precision in plan.precisions:
        for batch in plan.batches:
            runtime = Runtime(device=plan.device, precision=precision, compile=plan.compiled)
            config = PoseConfig(flip_test=True, codec=codec, max_batch=batch)
            before = allocated(plan.device)
            stage = HeatmapPoseEstimator(network, plan.architecture, config, runtime)
            weights = allocated(plan.device) - before
            ways.append(Way(OURS, precision, batch, stage, flow_of(plan, runtime), weights))
    return ways


def random_network(architecture: PoseArchitecture) -> nn.Module:
    """Set random weights that do not vanish in fp16 (below 6e-8), with peaks as high as joints have."""
    torch.manual_seed(0)
    network = architecture.build()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    noise = torch.randn(4, 3, architecture.height // 64 * 32, architecture.width // 64 * 32)
    with torch.no_grad():
        network.train()(noise)
        highest = network.eval()(noise).amax((2, 3)).mean()
        network.final_layer.weight *= 0.7 / highest
        network.final_layer.bias *= 0.7 / highest
    return network


def flow_of(plan: Plan, runtime: Runtime) -> FlowEstimator:
    """Make the flow estimator. Networks get random weights."""
    if plan.flow in FLOWS:
        return FLOWS[plan.flow]()
    network: nn.Module = {"raft_small": raft_small, "raft_large": raft_large}[plan.flow](weights=None)
    return RaftFlow(Raft(network, runtime), device=runtime.device)


def footage_of(plan: Plan, size: tuple[int, int], people: int, folder: Path) -> Footage:
    """Render people, who stay near their first position, into a file, or make soft spots in memory."""
    if not plan.end_to_end:
        images, boxes = clip(size, people, plan.frames)
        return Footage(size=size, boxes=boxes, first=images[0], images=images)
    scene = promenade(people, size=size, seconds=plan.frames / 25)
    frame, truth = next(iter(render(scene)))
    boxes = Boxes(truth.poses.boxes, np.ones(len(truth.poses)))
    return Footage(size=size, boxes=boxes, first=frame.image, video=write_clip(folder, scene).video)


def clip(size: tuple[int, int], people: int, frames: int) -> tuple[list[Image], Boxes]:
    """Make soft spots that move 2 pixels per frame, and boxes within the frame."""
    rng = np.random.default_rng(0)
    width, height = size
    heights = rng.uniform(0.3, 0.8, people) * height
    extent = np.stack([heights * rng.uniform(0.3, 0.6, people), heights], -1)
    low = rng.uniform(0, 1, (people, 2)) * np.maximum(np.array([width, height]) - extent, 0)
    wide = width + 2 * frames
    coarse = rng.integers(0, 256, (max(2, height // 20), max(2, wide // 20), 3), np.uint8)
    spots = np.asarray(cv2.resize(coarse, (wide, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    images = [np.ascontiguousarray(spots[:, 2 * index : 2 * index + width]) for index in range(frames)]
    return images, Boxes(np.hstack([low, low + extent]), np.ones(people))


def run_once(way: Way, plan: Plan, footage: Footage) -> None:
    """Run a round. Fetching joints for each batch waits for the device."""
    official, cuda = way.name == OFFICIAL, plan.device.type == "cuda"
    tracker = tracker_of(way, plan, footage)
    torch.backends.cudnn.benchmark = official
    before = allocated(plan.device)
    if cuda:
        torch.cuda.reset_peak_memory_stats(plan.device)
    start = time.perf_counter()
    if footage.video is None:
        pipeline, frames = tracker.pipeline(), own_frames(footage.images)
        people = counted(pipeline.run_sequentially(frames) if official else pipeline.run(frames))
    else:
        people = (officially if official else as_usual)(tracker, footage.video)
    way.seconds.append(time.perf_counter() - start)
    way.people += people
    if cuda:
        way.peak_bytes = max(way.peak_bytes, torch.cuda.max_memory_allocated(plan.device) - before)


def tracker_of(way: Way, plan: Plan, footage: Footage) -> PoseTracker:
    """Make a tracker that uses exactly the given boxes in every frame."""
    pipeline = replace(plan.preset.pipeline, propagation=None)
    if way.name == OFFICIAL:
        pipeline = replace(pipeline, detect_batch=1, flow_batch=1, pose_batch=1)
    return PoseTracker(
        replace(plan.preset, detect_every=1, pose_every=1, pipeline=pipeline),
        device=str(plan.device),
        precision=way.precision,
        detector=GivenBoxes(footage.boxes),
        pose=way.stage,
        flow=way.flow,
        stopwatch=way.stopwatch,
    )


def as_usual(tracker: PoseTracker, video: Path) -> int:
    """Do what ``posetrack run`` does. Returns the sum of people over all frames."""
    with tempfile.TemporaryDirectory() as folder:
        return run(video, folder, tracker=lambda: tracker, online=True).poses


def officially(tracker: PoseTracker, video: Path) -> int:
    """Do the same work, one step at a time."""
    outputs, reading = Outputs(tracks=False), ReadOptions()
    with tempfile.TemporaryDirectory() as folder, open_source(video, reading) as source:
        paths = outputs.paths(Path(folder), source.info.name)
        with ResultWriter(paths, source.info, outputs, reading, tracker.stopwatch) as writer:
            return counted(written(tracker.pipeline(source.info.delivered_fps).run_sequentially(source), writer))


def written(results: Iterable[tuple[Frame, Poses]], writer: ResultWriter) -> Iterator[tuple[Frame, Poses]]:
    """Yield results, writing each before the next is computed."""
    for frame, poses in results:
        writer.write(frame, poses)
        yield frame, poses


def counted(results: Iterable[tuple[Frame, Poses]]) -> int:
    """Sum of people over all frames."""
    return sum(len(poses) for _, poses in results)


def allocated(device: torch.device) -> int:
    """Bytes allocated for tensors on a CUDA device; 0 elsewhere."""
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
