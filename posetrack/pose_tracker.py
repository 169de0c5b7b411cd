"""``PoseTracker``: the pipeline with its networks, ready to use from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from posetrack.models.devices import resolve_device
from posetrack.models.engines import Engine, check_threads_and_seed, device_for
from posetrack.models.processors import available_processors
from posetrack.models.runtime import Runtime
from posetrack.networks import Networks
from posetrack.pipeline import Pipeline
from posetrack.presets import Preset, get_preset
from posetrack.realtime import RealtimeReport, follow_live, one_by_one
from posetrack.stages import DetectionSchedule, Detector, FlowEstimator, FrameSource, PoseEstimator
from posetrack.stopwatch import Stopwatch
from posetrack.tracker import FlowLinker
from posetrack.types import Boxes, Frame, Image, Poses
from posetrack.video import Source, open_source
from posetrack.video.live import stamped
from posetrack.zoo import ModelStore


class PoseTracker:
    """Finds and follows people. The networks are loaded once; every ``track`` numbers its people from 0.

    Args:
        preset: Name of a preset, or a preset of one's own (see ``posetrack.presets``).
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        precision: ``auto`` (reduced on GPUs only), ``fp32``, ``fp16`` or ``bf16``.
        compile: Have ``torch.compile`` make the networks faster, which takes a minute at the beginning.
        engine: What the networks run in: ``torch``, or ``onnxruntime`` on the processor, in fp32; with that,
            device ``auto`` is the processor.
        models_dir: Folder of downloaded weights; None: ``POSETRACK_HOME``, or one in the user's data folder.
        detector: Instead of the preset's: anything with ``Detector.detect``.
        pose: Instead of the preset's: anything with ``PoseEstimator.estimate`` and ``skeleton``.
        flow: Instead of the preset's: anything with ``FlowEstimator.estimate``.
        threads: Processor threads of each network, set for the whole program; 0: half of the processors,
            because detector and pose network work side by side, and two batches of the pose network.
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
        engine: Engine = "torch",
        models_dir: str | Path | None = None,
        detector: Detector | None = None,
        pose: PoseEstimator | None = None,
        flow: FlowEstimator | None = None,
        threads: int = 0,
        seed: int = 0,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        check_threads_and_seed(threads, seed)
        torch.set_num_threads(threads or max(1, available_processors() // 2))
        torch.manual_seed(seed)
        cv2.setRNGSeed(seed)
        self.preset = get_preset(preset) if isinstance(preset, str) else preset
        self.stopwatch = stopwatch or Stopwatch()
        place = resolve_device(device_for(engine, device))
        runtime = Runtime(
            device=place,
            precision=precision,
            compile=compile,
            engine=engine,
            side_by_side=1 if threads else min(2, available_processors()),
        )
        networks = Networks(self.preset, runtime, ModelStore(None if models_dir is None else Path(models_dir)))
        self._flow = flow or networks.flow
        self._detector = detector or networks.detector
        self._pose = pose or networks.pose

    def pipeline(self, fps: Fraction | None = None, schedule: DetectionSchedule | None = None) -> Pipeline:
        """A new pipeline over the same networks, for one video of which it gets that many frames a second.

        A schedule replaces the preset's detection interval; frames then go through one by one, none far ahead.

        Raises:
            ConfigError: a schedule, but no propagation between detections.
        """
        config = self.preset.pipeline_config(fps)
        return Pipeline(
            detector=self._detector,
            flow=self._flow,
            pose=self._pose,
            linker=FlowLinker(self.preset.linker),
            config=config if schedule is None else one_by_one(config),
            schedule=schedule,
            stopwatch=self.stopwatch,
        )

    def track(
        self, source: str | Path | FrameSource | Iterable[Image], *, realtime: RealtimeReport | bool = False
    ) -> Iterator[tuple[Frame, Poses]]:
        """Track the people of one video, in constant memory.

        Args:
            source: A video file, a folder or glob of images, a camera index, a stream's URL; a source from
                ``posetrack.video.open_source``; or one's own images, uint8 [H, W, 3] RGB, taken as 25 a second.
            realtime: Keep up with the source, which is taken as live: a file's frames come at their times, one's
                own images when they do (which is their time then). People are looked for as often as there is time
                for; if that does not suffice frames are dropped. A report is filled in as it goes. The results
                depend on how fast the computer is; each network is called once more, to warm up.

        Yields:
            Each frame and its people, in order; ``track_ids`` are theirs throughout.

        Raises:
            VideoError: the source cannot be opened or read.
            ConfigError: ``realtime`` with a preset without propagation.
        """
        if isinstance(source, str | Path):
            with open_source(source) as opened:
                yield from self.track(opened, realtime=realtime)
        elif realtime is not False:
            yield from self._track_live(source, RealtimeReport() if realtime is True else realtime)
        elif isinstance(source, FrameSource):
            yield from self.pipeline(source.info.delivered_fps).run(source)
        else:
            yield from self.pipeline().run(own_frames(source))

    def _track_live(
        self, source: FrameSource | Iterable[Image], report: RealtimeReport
    ) -> Iterator[tuple[Frame, Poses]]:
        frames: Iterable[Frame]
        if isinstance(source, FrameSource):
            frames, fps = source, source.info.delivered_fps
            paced = not (isinstance(source, Source) and source.live)
        else:
            frames, fps, paced = stamped(own_frames(source)), None, False
        return follow_live(frames, partial(self.pipeline, fps), paced=paced, warm_up=self._warm_up, report=report)

    def _warm_up(self, image: Image) -> None:
        """Call each network once."""
        height, width = image.shape[:2]
        self._flow.estimate(image, image)
        self._detector.detect([image])
        self._pose.estimate(
            image, Boxes(np.array([[0, 0, width - 1, height - 1]], np.float32), np.ones(1, np.float32))
        )


def own_frames(images: Iterable[Image], fps: float = 25.0) -> Iterator[Frame]:
    """Frames of one's own images, uint8 [H, W, 3] RGB, in order.

    Raises:
        ValueError: an image of another shape or type.
    """
    for index, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != "uint8":
            raise ValueError(f"image {index} is {image.dtype} {image.shape}; give uint8 [H, W, 3] RGB")
        yield Frame(index, index / fps, image)
