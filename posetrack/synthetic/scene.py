"""Shots, and scenes of one or more shots."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.stages import SourceInfo
from posetrack.synthetic.backdrops import Backdrop
from posetrack.synthetic.camera import Camera, Handheld
from posetrack.synthetic.outfits import Column
from posetrack.synthetic.performers import Performer

MAX_ACTORS = 60
"""Maximum number of people and columns in a shot: OpenCV samples textures of up to 32,767 rows; each has 512."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One take: a place, a camera and people.

    Attributes:
        camera, handheld: The camera, and how it moves.
        backdrop: The place.
        people: Person numbers (track ids) and performers. A number means the same person in every shot.
        columns: Objects that can hide people.
        frame_count: Length in frames.
    """

    camera: Camera
    backdrop: Backdrop
    people: tuple[tuple[int, Performer], ...]
    frame_count: int
    handheld: Handheld = Handheld()
    columns: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)
        if self.frame_count < 1:
            raise ConfigError(f"frame_count must be at least 1, not {self.frame_count}")
        numbers = [number for number, _ in self.people]
        if len(set(numbers)) != len(numbers):
            raise ConfigError("two people of a shot have the same number")
        if len(self.people) + len(self.columns) > MAX_ACTORS:
            raise ConfigError(f"a shot has room for {MAX_ACTORS} people and columns")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A clip.

    Attributes:
        name: Used in file names.
        shots: Consecutive shots of one frame size, with hard cuts between them.
        fps: Frames per second.
        exposures: Instants averaged into a frame (motion blur), over the first half of its interval. The ground
            truth is that of the first instant.
        contrast: Steepness of the film's S-shaped tone curve; 0 is a straight line.
        noise: Standard deviation of the sensor noise, grey levels.
        softness: Standard deviation of the lens blur, pixels.
        seed: Seed of the noise.
    """

    name: str
    shots: tuple[Shot, ...]
    fps: float = 25.0
    exposures: int = 1
    contrast: float = 4.0
    noise: float = 2.0
    softness: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        require_kinds(self)
        if not self.shots:
            raise ConfigError("a scene needs at least one shot")
        if len({(shot.camera.width, shot.camera.height) for shot in self.shots}) != 1:
            raise ConfigError("all shots of a scene must have one frame size")
        if self.fps <= 0 or self.exposures < 1 or min(self.contrast, self.noise, self.softness) < 0:
            raise ConfigError(
                "fps must be positive, exposures at least 1, and contrast, noise and softness not negative"
            )

    @property
    def frame_count(self) -> int:
        """Number of frames in all shots."""
        return sum(shot.frame_count for shot in self.shots)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.shots[0].camera.width, self.shots[0].camera.height

    @property
    def exposure_delays(self) -> tuple[float, ...]:
        """Delays in seconds of a frame's further exposures."""
        return tuple(0.5 * k / (self.exposures * self.fps) for k in range(1, self.exposures))

    @property
    def source_info(self) -> SourceInfo:
        """The information that a source of these frames gives."""
        width, height = self.size
        return SourceInfo(
            name=self.name,
            width=width,
            height=height,
            fps=Fraction(self.fps).limit_denominator(1001),
            frame_count=self.frame_count,
            path=None,
        )
