"""``PoseTracker``: the pipeline with its networks, ready to use from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import torch

from posetrack.errors import ConfigError
from posetrack.models.devices import resolve_device
from posetrack.models.processors import available_processors
from posetrack.models.runtime import Runtime
from posetrack.networks import Networks
from posetrack.pipeline import Pipeline
from posetrack.presets import Preset, get_preset
from posetrack.stages import Detector, FlowEstimator, FrameSource, PoseEstimator
from posetrack.stopwatch import Stopwatch
from posetrack.tracker import FlowLinker
from posetrack.types import Frame, Image, Poses
from posetrack.video import open_source
from posetrack.zoo import ModelStore


class PoseTracker:
    """Finds and follows people. The networks are loaded once; every ``track`` numbers its people from 0.

    Args:
        preset: Name of a preset, or a preset of one's own (see ``posetrack.presets``).
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        precision: ``auto`` (reduced on GPUs only), ``fp32``, ``fp16`` or ``bf16``.
        compile: Have ``torch.compile`` make the networks faster, which takes a minute at the beginning.
        models_dir: Folder of downloaded weights; None: ``POSETRACK_HOME``, or one in the user's data folder.
        detector: Instead of the preset's: anything with ``Detector.detect``.
        pose: Instead of the preset's: anything with ``PoseEstimator.estimate`` and ``skeleton``.
        flow: Instead of the preset's: anything with ``FlowEstimator.estimate``.
        threads: Processor threads of each network, set for the whole program; 0: half of the processors,
            because detector and pose network work side by side.
        seed: Of torch's and OpenCV's random numbers: the same input and settings give the same output.
        stopwatch: Where the time of each stage is added up.

    Raises:
        ConfigError: unknown preset, device or setting.
        WeightsError: a network's file is missing and cannot be downloaded, or is damaged.
    """

    def __init__(  # noqa: PLR0913 (the three stages that one may bring, where and how they run)
        self,
        preset: str | Preset = "lite",
        *,
        device: str = "auto",
        precision: str = "auto",
        compile: bool = False,
        models_dir: str | Path | None = None,
        detector: Detector | None = None,
        pose: PoseEstimator | None = None,
        flow: FlowEstimator | None = None,
        threads: int = 0,
        seed: int = 0,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        if threads < 0:
            raise ConfigError(f"threads is {threads}; give a number of threads, or 0 for half of the processors.")
        torch.set_num_threads(threads or max(1, available_processors() // 2))
        torch.manual_seed(seed)
        cv2.setRNGSeed(seed)
        self.preset = get_preset(preset) if isinstance(preset, str) else preset
        self.stopwatch = stopwatch or Stopwatch()
        runtime = Runtime(device=resolve_device(device), precision=precision, compile=compile)
        networks = Networks(self.preset, runtime, ModelStore(None if models_dir is None else Path(models_dir)))
        self._detector = detector or networks.detector
        self._pose = pose or networks.pose
        self._flow = flow or networks.flow

    def pipeline(self, fps: Fraction | None = None) -> Pipeline:
        """A new pipeline over the same networks, for one video of that many frames a second."""
        return Pipeline(
            detector=self._detector,
            flow=self._flow,
            pose=self._pose,
            linker=FlowLinker(self.preset.linker),
            config=self.preset.pipeline_config(fps),
            stopwatch=self.stopwatch,
        )

    def track(self, source: str | Path | FrameSource | Iterable[Image]) -> Iterator[tuple[Frame, Poses]]:
        """Track the people of one video, in constant memory.

        Args:
            source: A video file, a folder or glob of images, a camera index, a stream's URL; a source from
                ``posetrack.video.open_source``; or one's own images, uint8 [H, W, 3] RGB, taken as 25 a second.

        Yields:
            Each frame and its people, in order; ``track_ids`` are theirs throughout.

        Raises:
            VideoError: the source cannot be opened or read.
        """
        if isinstance(source, str | Path):
            with open_source(source) as opened:
                yield from self.pipeline(opened.info.fps).run(opened)
        elif isinstance(source, FrameSource):
            yield from self.pipeline(source.info.fps).run(source)
        else:
            yield from self.pipeline().run(own_frames(source))


def own_frames(images: Iterable[Image], fps: float = 25.0) -> Iterator[Frame]:
    """Frames of one's own images, uint8 [H, W, 3] RGB, in order.

    Raises:
        ValueError: an image of another shape or type.
    """
    for index, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != "uint8":
            raise ValueError(f"image {index} is {image.dtype} {image.shape}; give uint8 [H, W, 3] RGB")
        yield Frame(index, index / fps, image)
