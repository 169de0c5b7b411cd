"""The stages of the pipeline, as protocols. Bring your own: a class with the method is a stage.

Stages know the types and nothing of each other; ``observation.py`` and ``pipeline.py`` put them together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf
from numbers import Real
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, Boxes, FloatArray, Frame, Image, Poses


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What is known of a source before it is read.

    Attributes:
        name: Short name for outputs (the file's stem, the folder's name, ``camera0``).
        width, height: Upright size in pixels.
        fps: Nominal frames per second; None if the source does not say (a folder of images).
        frame_count: Frames that will be delivered; an estimate, None if unknown (streams, damaged headers).
        path: The file the sound is taken from; None for cameras, streams and images.
        delivered_fps: Frames that will be delivered for a second of footage: fewer where some are left out, and
            images' rate as the user has it. Not given: as many as ``fps`` says.
    """

    name: str
    width: int
    height: int
    fps: Fraction | None
    frame_count: int | None
    path: str | None
    delivered_fps: Fraction | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "delivered_fps", self.delivered_fps or self.fps)
        check_rate(self.fps)
        check_rate(self.delivered_fps)


def check_rate(fps: object) -> None:
    """Raises ``ValueError`` for what is neither None nor a number of frames a second."""
    if fps is not None and not (isinstance(fps, Real) and 0 < float(fps) < inf):
        raise ValueError(f"fps is {fps!r}; give frames per second as a number, such as Fraction(30000, 1001).")


@runtime_checkable
class FrameSource(Protocol):
    """Delivers upright RGB frames in order; a context manager that lets go of its file or device."""

    @property
    def info(self) -> SourceInfo: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Detector(Protocol):
    """Finds people."""

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """Boxes of the people in each image (uint8 [H, W, 3] RGB), in source pixels, best score first."""
        ...


class Flow(Protocol):
    """Motion from one frame to the next, which samples itself."""

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Displacement of points of the *previous* frame.

        Args:
            xy: float32 [M, 2], points in the previous frame, source pixels.

        Returns:
            float32 [M, 2], where they went minus where they were (pixels); and bool [M]: the
            displacement can be trusted. Points outside the frame are not valid, and have displacement 0.
        """
        ...


class DetectionSchedule(Protocol):
    """Says in which frames people are looked for."""

    def due(self, frame: Frame, since: int) -> bool:
        """Whether this frame is one; the last that was due was ``since`` >= 1 frames ago. Shots begin with one."""
        ...

    def between(self, found: Boxes) -> Collection[int]:
        """How many frames after one that was due, in which ``found`` are the people, others are looked at as well.

        Asked once for every frame that was due; they are left out from where the next is due.
        """
        ...


class FlowEstimator(Protocol):
    """Estimates motion between consecutive frames."""

    def estimate(self, previous: Image, current: Image) -> Flow:
        """Flow from ``previous`` to ``current``, both uint8 [H, W, 3] RGB of one size."""
        ...


@runtime_checkable
class BatchFlowEstimator(FlowEstimator, Protocol):
    """A ``FlowEstimator`` to which several pairs of frames at once are less work than one after the other."""

    def estimate_batch(self, pairs: Sequence[tuple[Image, Image]]) -> Sequence[Flow]:
        """What ``estimate`` gives for each pair of a previous and a current frame, all of one size."""
        ...


class PoseEstimator(Protocol):
    """Finds the joints of the people in given boxes."""

    @property
    def skeleton(self) -> Skeleton: ...

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """One pose for every box, in the boxes' order, joints in source pixels, not linked."""
        ...


@runtime_checkable
class BatchPoseEstimator(PoseEstimator, Protocol):
    """A ``PoseEstimator`` to which several frames at once are less work than one after the other."""

    def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[Poses]:
        """What ``estimate`` gives for each image and its boxes."""
        ...


@runtime_checkable
class PerVideo(Protocol):
    """A stage that remembers something of the frames that it has seen: every pipeline uses one of its own."""

    def for_video(self) -> Self:
        """The same stage for another video, with nothing to remember yet.

        What it shares with the others (networks) must be safe to use from several threads. An object that is two
        stages of a pipeline is asked once, and the result is both.
        """
        ...


class Linker(Protocol):
    """Gives every pose the id of the track that it continues, or a new one."""

    def link(self, poses: Poses, flow: Flow, time_s: float) -> Poses:
        """The same poses in the same order, with ids.

        ``flow`` leads from the previous frame to theirs, which is at ``time_s`` seconds of the source.
        """
        ...

    def reset(self) -> None:
        """Forget the past (a shot cut): nobody is linked across. Ids are never given again."""
        ...


class Sink(Protocol):
    """Writes results as they come. Its file bears its final name only once it is complete."""

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame. Every frame is written, also those without people."""
        ...

    def close(self) -> None:
        """Finish the file and give it its name (also after an interruption: with the frames so far)."""
        ...

    def discard(self) -> None:
        """Remove what was written: the file is not wanted."""
        ...
