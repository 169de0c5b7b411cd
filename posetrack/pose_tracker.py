"""``PoseTracker``: the pipeline with its networks, ready to use from Python."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from posetrack.calibration import Calibration
from posetrack.forking import require_threads
from posetrack.models.devices import resolve_device
from posetrack.models.engines import Engine, check_threads_and_seed, device_for
from posetrack.models.processors import available_processors
from posetrack.models.runtime import Runtime
from posetrack.networks import Networks, made_with
from posetrack.own_frames import own_frames
from posetrack.own_stages import OwnStages
from posetrack.pipeline import Pipeline
from posetrack.presets import Preset, get_preset
from posetrack.realtime import RealtimeReport, follow_live, one_by_one
from posetrack.stages import (
    Appearance,
    DetectionSchedule,
    Detector,
    FlowEstimator,
    FrameSource,
    Linker,
    People,
    PoseEstimator,
    check_rate,
)
from posetrack.stopwatch import Stopwatch
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LimbColours
from posetrack.types import Frame, Image, Poses
from posetrack.video import Source, open_source
from posetrack.video.live import stamped
from posetrack.zoo import ModelStore


class PoseTracker:
    """Finds and follows people. The networks are loaded once; every ``track`` numbers its people from 0.

    Your own stages are objects with the methods of their protocol in ``posetrack.stages``. Each is called by one
    thread at a time and may fill the same arrays again and again. A stage that keeps state from frame to
    frame needs a method ``for_video`` (``stages.PerVideo``), which makes a new one for each ``track``.

    Args:
        preset: The name of a preset, or a preset of your own (see ``posetrack.presets``).
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        precision: ``auto`` (fp16 on CUDA GPUs with tensor cores), ``fp32``, ``fp16`` or ``bf16``.
        compile: Compile the networks with ``torch.compile``: faster, after a minute or more.
        engine: What the networks run in: ``torch``, ``onnxruntime`` or ``openvino``. The last two work on the CPU
            (``auto`` is then the CPU), in fp32.
        models_dir: Folder of downloaded weights. Defaults to ``POSETRACK_HOME``, or the user's data folder.
        people: Replaces the preset's detector and pose network: a ``People`` stage.
        detector: Replaces the preset's detector: a ``Detector``.
        pose: Replaces the preset's pose network: a ``PoseEstimator``.
        flow: Replaces the preset's flow: a ``FlowEstimator``.
        appearance: Replaces the preset's appearance descriptors: an ``Appearance`` stage. With ``people``, the
            default is what that stage gives.
        linker: Replaces the preset's linker: a ``Linker``. Each ``track`` uses what its ``for_video`` makes, or
            else a deep copy of it.
        threads: CPU threads of each network, set for the whole program. 0 uses half of the CPUs, because detector
            and pose network, and two batches of the pose network, run side by side.
        seed: Seed of torch's and OpenCV's random numbers: the same input and settings give the same output.
        stopwatch: Adds up the time of each stage.

    Raises:
        ConfigError: unknown preset, device or setting; or this process was forked from one in which networks had
            already run in several threads (see ``posetrack.forking``).
        WeightsError: a network's file is missing and cannot be downloaded, or is damaged.
        TypeError: an argument is of the wrong type, or ``people`` is given with ``detector`` or ``pose``.
    """

    def __init__(  # noqa: PLR0913 (the stages a user may bring; where and how they run)
        self,
        preset: str | Preset = "lite",
        *,
        device: str = "auto",
        precision: str = "auto",
        compile: bool = False,
        engine: Engine = "torch",
        models_dir: str | Path | None = None,
        people: People | None = None,
        detector: Detector | None = None,
        pose: PoseEstimator | None = None,
        flow: FlowEstimator | None = None,
        appearance: Appearance | None = None,
        linker: Linker | None = None,
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
        self._store = _store(models_dir)
        networks = Networks(self.preset, runtime, self._store)
        self._flow = networks.flow if flow is None else own.flow(flow)
        self._own_detector = people is not None or detector is not None
        self._people = _people(networks, own, people, detector, pose)
        self._used = {
            *(() if self._own_detector else (self.preset.detector,)),
            *(() if people is not None or pose is not None else (self.preset.pose,)),
            *(() if flow is not None else (self.preset.flow,)),
        }
        self._calibration = _calibration_of(self._people)
        limb_colours = LimbColours() if self.preset.limb_colours and people is None else None
        self._appearance = limb_colours if appearance is None else own.appearance(appearance)
        self._linker = partial(FlowLinker, self.preset.linker) if linker is None else own.linker(linker)

    @cached_property
    def made_with(self) -> dict[str, Any]:
        """What the results depend on besides the source, as JSON types: settings, and SHA-256 of the networks.

        Networks that the user's own stages replace are left out.
        """
        return made_with(self.preset, self._store, self._used)

    def pipeline(self, fps: Fraction | None = None, schedule: DetectionSchedule | None = None) -> Pipeline:
        """A new pipeline over the same networks, for one video that gives it ``fps`` frames per second.

        A schedule replaces the preset's; frames then go through one by one, without running ahead.

        Raises:
            ConfigError: a schedule, but no propagation between its detections; or this process has been forked
                (see ``track``).
            ValueError: ``fps`` is not a number above 0.
        """
        require_threads(self._threads)
        check_rate(fps)
        config = self.preset.pipeline_config(fps)
        calibration = config.selection.calibration or self._calibration
        config = replace(config, selection=replace(config.selection, calibration=calibration))
        if self._own_detector:  # whose scores mean something else: all its boxes are people
            config = replace(config, faint_below=0.0)
        return Pipeline(
            people=self._people,
            flow=self._flow,
            appearance=self._appearance,
            linker=self._linker(),
            config=config if schedule is None else one_by_one(config),
            schedule=self.preset.schedule(fps) if schedule is None else schedule,
            stopwatch=self.stopwatch,
        )

    def track(
        self,
        source: str | Path | int | FrameSource | Iterable[Image | Frame],
        *,
        realtime: RealtimeReport | bool = False,
    ) -> Iterator[tuple[Frame, Poses]]:
        """Track the people in one video, in constant memory.

        Any number of videos may be tracked at once, in threads or alternately, with the same results as alone.

        Args:
            source: A video file, a folder or glob of images, a camera's number, a stream's URL; a source from
                ``posetrack.video.open_source``; or your own images, uint8 [H, W, 3] RGB, at 25 per second, or
                ``Frame``s. Your images are copied.
            realtime: Keep up with the source, which is played live: a file's frames come at their times, your own
                images when they arrive. People are detected as often as time allows; if that is not enough, frames
                are dropped. A ``RealtimeReport`` is filled in meanwhile. The results depend on the speed of the
                computer. Each network is called once more, to warm up.

        Yields:
            Each frame and its people, in order; a person keeps their ``track_ids`` throughout.

        Raises:
            VideoError: the source cannot be opened or read.
            ConfigError: ``realtime`` with a preset without propagation; or this process was forked from one in
                which networks had already run in several threads (see ``posetrack.forking``).
            TypeError: the source, an image or the report is of the wrong type.
            ValueError: an image has the wrong shape or type.
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
        # The package's own sources return a new array for each frame.
        frames: Iterable[Frame] = source if isinstance(source, Source) else own_frames(source)
        if realtime is False:
            return self.pipeline(fps).run(frames)
        report = RealtimeReport() if realtime is True else realtime
        paced = isinstance(source, FrameSource) and not (isinstance(source, Source) and source.live)
        live = frames if isinstance(source, FrameSource) else stamped(frames)
        return follow_live(live, partial(self.pipeline, fps), paced=paced, report=report)


def _people(
    networks: Networks,
    own: OwnStages,
    people: People | None,
    detector: Detector | None,
    pose: PoseEstimator | None,
) -> People:
    """The user's stages where given, else the preset's networks."""
    if people is not None:
        if detector is not None or pose is not None:
            raise TypeError("people replaces both detector and pose; give either people, or detector and pose.")
        return own.people(people)
    if detector is None and pose is None:
        return networks.people
    return TopDown(
        networks.detector if detector is None else own.detector(detector),
        networks.pose if pose is None else own.pose(pose),
    )


def _calibration_of(stage: object) -> Calibration | None:
    found = getattr(stage, "calibration", None)
    return found if isinstance(found, Calibration) else None


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
