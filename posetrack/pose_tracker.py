"""``PoseTracker``: the pipeline with its networks, ready to use from Python."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from posetrack.forking import require_threads
from posetrack.models.devices import resolve_device
from posetrack.models.engines import Engine, check_threads_and_seed, device_for
from posetrack.models.processors import available_processors
from posetrack.models.runtime import Runtime
from posetrack.networks import Networks
from posetrack.own_frames import own_frames
from posetrack.own_stages import OwnStages
from posetrack.pipeline import Pipeline
from posetrack.presets import Preset, get_preset
from posetrack.realtime import RealtimeReport, follow_live, one_by_one
from posetrack.stages import DetectionSchedule, Detector, FlowEstimator, FrameSource, PoseEstimator, check_rate
from posetrack.stopwatch import Stopwatch
from posetrack.tracker import FlowLinker
from posetrack.types import Frame, Image, Poses
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
        flow: Instead of the preset's: anything with ``FlowEstimator.estimate``. Each of these three objects is
            called by one thread at a time, and may fill the same arrays again and again. If it remembers anything
            from frame to frame, give it a method ``for_video`` (``stages.PerVideo``): every ``track`` then uses
            its own.
        threads: Processor threads of each network, set for the whole program; 0: half of the processors,
            because detector and pose network work side by side, and two batches of the pose network.
        seed: Of torch's and OpenCV's random numbers: the same input and settings give the same output.
        stopwatch: Where the time of each stage is added up.

    Raises:
        ConfigError: unknown preset, device or setting; or this process was forked from one in which networks had
            been at work in several threads (see ``posetrack.forking``).
        WeightsError: a network's file is missing and cannot be downloaded, or is damaged.
        TypeError: an argument is something else than it should be.
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
        per_network = threads or max(1, available_processors() // 2)
        side_by_side = 1 if threads else min(2, available_processors())
        self._threads = max(per_network, side_by_side)
        require_threads(self._threads)
        torch.set_num_threads(per_network)
        torch.manual_seed(seed)
        cv2.setRNGSeed(seed)
        self.preset = _preset(preset)
        self.stopwatch = Stopwatch() if stopwatch is None else stopwatch
        own = OwnStages()
        place = resolve_device(device_for(engine, device))
        runtime = Runtime(
            device=place,
            precision=precision,
            compile=compile,
            engine=engine,
            side_by_side=side_by_side,
        )
        networks = Networks(self.preset, runtime, _store(models_dir))
        self._flow = networks.flow if flow is None else own.flow(flow)
        self._own_detector = detector is not None
        self._detector = networks.detector if detector is None else own.detector(detector)
        self._pose = networks.pose if pose is None else own.pose(pose)

    def pipeline(self, fps: Fraction | None = None, schedule: DetectionSchedule | None = None) -> Pipeline:
        """A new pipeline over the same networks, for one video of which it gets that many frames a second.

        A schedule replaces the preset's detection interval; frames then go through one by one, none far ahead.

        Raises:
            ConfigError: a schedule, but no propagation between detections; or this process has been forked (see
                ``track``).
            ValueError: ``fps`` is no number above 0.
        """
        require_threads(self._threads)
        check_rate(fps)
        config = self.preset.pipeline_config(fps)
        if self._own_detector:  # whose scores mean something else: all its boxes are people
            config = replace(config, faint_below=0.0)
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
        self,
        source: str | Path | int | FrameSource | Iterable[Image | Frame],
        *,
        realtime: RealtimeReport | bool = False,
    ) -> Iterator[tuple[Frame, Poses]]:
        """Track the people of one video, in constant memory.

        Any number of videos may be tracked at once, in threads or by turns: each gives what it gives alone.

        Args:
            source: A video file, a folder or glob of images, a camera's number, a stream's URL; a source from
                ``posetrack.video.open_source``; or one's own images, uint8 [H, W, 3] RGB, taken as 25 a second, or
                ``Frame``s. Own images are copied as they come.
            realtime: Keep up with the source, which is taken as live: a file's frames come at their times, one's
                own images when they do (which is their time then). People are looked for as often as there is time
                for; if that does not suffice frames are dropped. A report is filled in as it goes. The results
                depend on how fast the computer is; each network is called once more, to warm up.

        Yields:
            Each frame and its people, in order; ``track_ids`` are theirs throughout.

        Raises:
            VideoError: the source cannot be opened or read.
            ConfigError: ``realtime`` with a preset without propagation; or this process was forked from one in
                which networks had been at work in several threads (see ``posetrack.forking``).
            TypeError: this is no source, no image, or no report.
            ValueError: an image of another shape or type.
        """
        if not isinstance(realtime, bool | RealtimeReport):
            raise TypeError(f"realtime is {reprlib.repr(realtime)}; give True, False or a RealtimeReport.")
        if isinstance(source, str | Path | int):
            with open_source(source if isinstance(source, Path) else str(source)) as opened:
                yield from self._track(opened, realtime)
        else:
            yield from self._track(source, realtime)

    def _track(
        self, source: FrameSource | Iterable[Image | Frame], realtime: RealtimeReport | bool
    ) -> Iterator[tuple[Frame, Poses]]:
        _check_source(source)
        fps = source.info.delivered_fps if isinstance(source, FrameSource) else None
        # The package's own sources give a new array for each frame.
        frames: Iterable[Frame] = source if isinstance(source, Source) else own_frames(source)
        if realtime is False:
            return self.pipeline(fps).run(frames)
        report = RealtimeReport() if realtime is True else realtime
        paced = isinstance(source, FrameSource) and not (isinstance(source, Source) and source.live)
        live = frames if isinstance(source, FrameSource) else stamped(frames)
        return follow_live(live, partial(self.pipeline, fps), paced=paced, report=report)


def _preset(preset: str | Preset) -> Preset:
    if isinstance(preset, str):
        return get_preset(preset)
    if isinstance(preset, Preset):
        return preset
    raise TypeError(f"preset is {reprlib.repr(preset)}; give the name of one, or a posetrack.presets.Preset.")


def _store(models_dir: str | Path | None) -> ModelStore:
    if not isinstance(models_dir, str | Path | None):
        raise TypeError(f"models_dir is {reprlib.repr(models_dir)}; give the name of a folder.")
    return ModelStore(None if models_dir is None else Path(models_dir))


def _check_source(source: object) -> None:
    if isinstance(source, np.ndarray) and source.ndim == 3:
        raise TypeError("source is a single image; give several, or a list with this one.")
    if not isinstance(source, Iterable) or isinstance(source, bytes | dict):
        raise TypeError(
            f"source is {reprlib.repr(source)}; give the name of a video, a folder or glob of images, a camera's "
            "number, a URL, a source from posetrack.video.open_source, or images: uint8 [H, W, 3] RGB."
        )
