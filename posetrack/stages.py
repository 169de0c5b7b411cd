"""The stages of the pipeline, as protocols. Any object with the methods is a stage (see docs/extending.md).

Stages know the types and nothing of each other; ``lookahead.py`` and ``pipeline.py`` put them together.
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
from posetrack.types import BoolArray, Boxes, FloatArray, Frame, Image, Poses, Sighting


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What is known about a source before it is read.

    Attributes:
        name: Short name for outputs (the file's stem, the folder's name, ``camera0``).
        width, height: Upright size in pixels.
        fps: Nominal frames per second; None if the source does not say (a folder of images).
        frame_count: Number of frames to come, an estimate; None if unknown (streams, damaged headers).
        path: The file to take the sound from; None for cameras, streams and images.
        delivered_fps: Frames delivered per second of footage: fewer than ``fps`` with a stride; for images, the
            rate the user gave. Defaults to ``fps``.
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
    """Raises ``ValueError`` unless ``fps`` is None or a number above 0."""
    if fps is not None and not (isinstance(fps, Real) and 0 < float(fps) < inf):
        raise ValueError(f"fps is {fps!r}; give frames per second as a number, such as Fraction(30000, 1001).")


@runtime_checkable
class FrameSource(Protocol):
    """Delivers upright RGB frames in order. As a context manager, it closes its file or device."""

    @property
    def info(self) -> SourceInfo: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class People(Protocol):
    """Finds people in images, and estimates joints where people are expected.

    ``posetrack.top_down.TopDown`` makes one of a ``Detector`` and a ``PoseEstimator``. One-stage and bottom-up
    networks implement it directly.
    """

    @property
    def skeleton(self) -> Skeleton: ...

    def find(self, images: Sequence[Image]) -> list[Sighting]:
        """The people in each image (uint8 [H, W, 3] RGB), in source pixels, best score first, not linked.

        A stage that estimates joints box by box may leave them pending (``Poses.pending_in``): the pipeline asks
        ``refine`` for the people who are still needed once detected and carried boxes have become one set.
        """
        ...

    def refine(self, sightings: Sequence[Sighting], boxes: Sequence[Boxes]) -> list[Poses]:
        """The pose of the person in each box: for each sighting one pose per box, in the boxes' order, not linked.

        Args:
            sightings: From ``find``, or of images for which it was not called (``found`` is None).
            boxes: For each sighting, where people are expected. They need not be the boxes that ``find`` gave.
        """
        ...


class Detector(Protocol):
    """Finds the boxes of people."""

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """Boxes of the people in each image (uint8 [H, W, 3] RGB), in source pixels, best score first."""
        ...


class Flow(Protocol):
    """Motion from one frame to the next, which can be sampled at any point."""

    def at(self, xy: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Displacement of points of the *previous* frame.

        Args:
            xy: float32 [M, 2], points in the previous frame, source pixels.

        Returns:
            float32 [M, 2], position in this frame minus position in the previous one (pixels); and bool [M]: the
            displacement can be trusted. Points outside the frame are not valid; their displacement is 0.
        """
        ...


class DetectionSchedule(Protocol):
    """Chooses the frames in which people are detected."""

    def advance(self, frame: Frame, since: int) -> bool:
        """Whether a detection is due in this frame. Called once for each frame, in order.

        The last detection that was due is ``since`` >= 1 frames ago. At the first frame of a shot one is always
        due, and the schedule is not asked.
        """
        ...

    def between(self, found: Poses) -> Collection[int]:
        """Extra detections: how many frames after one that was due and found these people.

        Called once after every detection that was due. Those that would come after the next one are dropped.
        """
        ...


class FlowEstimator(Protocol):
    """Estimates motion between consecutive frames."""

    def estimate(self, previous: Image, current: Image) -> Flow:
        """Flow from ``previous`` to ``current``, both uint8 [H, W, 3] RGB of one size."""
        ...


@runtime_checkable
class BatchFlowEstimator(FlowEstimator, Protocol):
    """A ``FlowEstimator`` that is faster on a batch than pair by pair."""

    def estimate_batch(self, pairs: Sequence[tuple[Image, Image]]) -> Sequence[Flow]:
        """The flow of each pair of a previous and a current frame, all of one size."""
        ...


class PoseEstimator(Protocol):
    """Estimates the joints of the people in given boxes."""

    @property
    def skeleton(self) -> Skeleton: ...

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """One pose per box, in the boxes' order, joints in source pixels, not linked."""
        ...


@runtime_checkable
class BatchPoseEstimator(PoseEstimator, Protocol):
    """A ``PoseEstimator`` that is faster on a batch than frame by frame."""

    def estimate_batch(self, images: Sequence[Image], boxes: Sequence[Boxes]) -> list[Poses]:
        """The poses in the boxes of each image."""
        ...


@runtime_checkable
class PerVideo(Protocol):
    """A stage that keeps state from frame to frame: every pipeline uses its own copy."""

    def for_video(self) -> Self:
        """The same stage for another video, without that state.

        What the copies share (networks) must be safe to use from several threads. For an object that is several
        stages of a pipeline, this is called once, and the result takes all its places.
        """
        ...


class Appearance(Protocol):
    """Computes appearance descriptors, by which a linker can tell people apart."""

    def describe(self, image: Image, poses: Poses) -> FloatArray:
        """float32 [N, D]: a descriptor of each person in an image (uint8 [H, W, 3] RGB). D never changes."""
        ...


class Linker(Protocol):
    """Gives every pose the id of the track that it continues, or a new one. One linker serves one video."""

    def link(self, poses: Poses, flow: Flow, time_s: float) -> Poses:
        """The same poses in the same order, with ``track_ids``: distinct ids from 0 on, or ``UNLINKED``.

        Args:
            poses: The people of a frame. Their ``appearance`` is what the ``Appearance`` stage gave, or None.
            flow: From the frame of the previous call to this one.
            time_s: Time of the frame in seconds from the source's start.
        """
        ...

    def reset(self) -> None:
        """Forget the past (a shot cut): nobody is linked across it. Ids are never used again."""
        ...


@runtime_checkable
class Expecting(Linker, Protocol):
    """A linker that predicts where hidden people are."""

    def hidden(self) -> Poses:
        """The people of current tracks who were not in the last linked poses, at their predicted positions."""
        ...


class Sink(Protocol):
    """Writes results as they come. Its file gets its final name only when it is complete."""

    def write(self, frame: Frame, poses: Poses) -> None:
        """Append one frame. Frames without people are written too."""
        ...

    def close(self) -> None:
        """Finish the file and give it its name (after an interruption, with the frames so far)."""
        ...

    def discard(self) -> None:
        """Remove what was written, after an error."""
        ...
