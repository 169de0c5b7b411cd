"""Renders scenes: pictures with their ground truth, or the ground truth alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from posetrack.errors import ConfigError
from posetrack.synthetic.anatomy import Array, Skeletons, pose_bodies
from posetrack.synthetic.atlas import paint, paint_column
from posetrack.synthetic.backdrops import Backdrop, paint_backdrop
from posetrack.synthetic.camera import Camera, Handheld
from posetrack.synthetic.drawing import quads_of
from posetrack.synthetic.mesh import Cast, Tube, column_tube
from posetrack.synthetic.outfits import Column
from posetrack.synthetic.performers import Performer
from posetrack.synthetic.raster import rasterize
from posetrack.synthetic.shading import illuminate, lookup, resolve, to_display
from posetrack.synthetic.shadows import cast_shadows
from posetrack.synthetic.truth import Observation, Truth, annotatable, observe
from posetrack.types import Frame, Image


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One take: a place, a camera and people.

    Attributes:
        camera, handheld: What looks, and how it moves.
        backdrop: Where.
        people: Person numbers (track ids) and what these people do; the same number in another shot is the
            same person.
        columns: Things that can hide people.
        frame_count: Length.
    """

    camera: Camera
    backdrop: Backdrop
    people: tuple[tuple[int, Performer], ...]
    frame_count: int
    handheld: Handheld = Handheld()
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A clip.

    Attributes:
        name: For file names.
        shots: One after the other, with hard cuts between, all of one frame size.
        fps: Frames per second.
        exposures: Instants averaged into a frame (motion blur), within the first half of its interval.
        noise: Standard deviation of the sensor's noise, grey levels.
        softness: Standard deviation of the lens's blur, pixels.
        seed: Chooses the noise.
    """

    name: str
    shots: tuple[Shot, ...]
    fps: float = 25.0
    exposures: int = 1
    noise: float = 2.0
    softness: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if len({(shot.camera.width, shot.camera.height) for shot in self.shots}) != 1:
            raise ConfigError("all shots of a scene must have one frame size")
        if self.fps <= 0 or self.exposures < 1 or self.noise < 0 or self.softness < 0:
            raise ConfigError("fps must be positive, exposures at least 1, noise and softness not negative")

    @property
    def frame_count(self) -> int:
        """Frames of all shots."""
        return sum(shot.frame_count for shot in self.shots)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.shots[0].camera.width, self.shots[0].camera.height


def render(scene: Scene) -> Iterator[tuple[Frame, Truth]]:
    """Frames (RGB) and their ground truth, one at a time; the same scene gives the same pixels."""
    index = 0
    for number, shot in enumerate(scene.shots):
        stage = _Stage(shot)
        painter = _Painter(shot, scene)
        for instant in range(shot.frame_count):
            time_s = instant / scene.fps
            image = painter.paint(stage, time_s, index)
            yield Frame(index, index / scene.fps, image), stage.truth(time_s, index, number)
            index += 1


def trace(scene: Scene) -> Iterator[Truth]:
    """The ground truth that ``render`` gives, without rendering."""
    index = 0
    for number, shot in enumerate(scene.shots):
        stage = _Stage(shot)
        for instant in range(shot.frame_count):
            yield stage.truth(instant / scene.fps, index, number)
            index += 1


class _Stage:
    """The geometry of a shot."""

    def __init__(self, shot: Shot) -> None:
        self._shot = shot
        self._performers = [performer for _, performer in shot.people]
        self._numbers = np.array([number for number, _ in shot.people], dtype=np.int64)
        self._cast = Cast(tuple(performer.outfit for performer in self._performers))
        self._columns = [column_tube(column, len(shot.people) + k) for k, column in enumerate(shot.columns)]

    def bodies(self, time_s: float) -> Skeletons:
        """Everybody's pose."""
        return pose_bodies(
            self._cast.stature,
            np.stack([performer.posture(time_s) for performer in self._performers]),
            np.stack([performer.position(time_s) for performer in self._performers]),
            np.array([performer.heading(time_s) for performer in self._performers]),
        )

    def tubes(self, bodies: Skeletons) -> list[Tube]:
        """All surfaces."""
        return self._cast.tubes(bodies) + self._columns

    def view(self, time_s: float) -> Array:
        """float [2, 3]: the hand's movement."""
        return self._shot.handheld.transform(time_s, (self._shot.camera.width, self._shot.camera.height))

    def truth(self, time_s: float, index: int, shot: int) -> Truth:
        """Ground truth at a time."""
        camera, view, bodies = self._shot.camera, self.view(time_s), self.bodies(time_s)
        tubes = self.tubes(bodies)
        joints, depths = camera.project(bodies.joints)
        heads, _ = camera.project(tubes[self._cast.head_part].vertices)
        heads = heads @ view[:, :2].T + view[:, 2]
        everyone = observe(
            joints @ view[:, :2].T + view[:, 2],
            depths,
            quads_of([tube.thinned() for tube in tubes], camera, view),
            np.concatenate([heads.min(axis=(1, 2, 3)), heads.max(axis=(1, 2, 3))], axis=-1),
            (camera.width, camera.height),
        )
        named = Observation(
            everyone.poses.replace(track_ids=self._numbers),
            everyone.head_boxes,
            everyone.visible,
            everyone.visible_fraction,
        )
        return Truth(index=index, shot=shot, everyone=named, annotated=named[annotatable(named)])


class _Painter:
    """The pixels of a shot."""

    def __init__(self, shot: Shot, scene: Scene) -> None:
        self._shot, self._scene = shot, scene
        self._canvas = paint_backdrop(shot.backdrop, shot.camera)
        self._light = shot.backdrop.light()
        atlases = [paint(performer.outfit) for _, performer in shot.people]
        self._atlases = np.concatenate(atlases + [paint_column(column) for column in shot.columns])

    def paint(self, stage: _Stage, time_s: float, index: int) -> Image:
        """uint8 [H, W, 3]."""
        count = self._scene.exposures
        instants = time_s + 0.5 / self._scene.fps * np.arange(count) / count
        images = [self._expose(stage, float(instant)) for instant in instants]
        image = images[0] if count == 1 else np.mean(images, axis=0)
        return self._developed(image.astype(np.float32), index)

    def _expose(self, stage: _Stage, time_s: float) -> Image:
        camera, view, bodies = self._shot.camera, stage.view(time_s), stage.bodies(time_s)
        size = (camera.width, camera.height)
        margin = self._shot.backdrop.margin
        from_canvas = view.copy()
        from_canvas[:, 2] -= view[:, :2] @ np.array([margin, margin])
        image = cv2.warpAffine(
            self._canvas, from_canvas, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        cast_shadows(image, bodies, camera, view, self._light)
        fragments = rasterize(quads_of(stage.tubes(bodies), camera, view), size)
        albedo = lookup(self._atlases, fragments.attributes[:, 3:5])
        colours = to_display(illuminate(fragments.attributes[:, :3], albedo, self._light))
        resolve(image, fragments, colours)
        return image

    def _developed(self, image: np.ndarray[tuple[int, ...], np.dtype[np.float32]], index: int) -> Image:
        """Lens and sensor."""
        scene = self._scene
        if scene.softness:
            image = cv2.GaussianBlur(image, (0, 0), scene.softness)
        if scene.noise:
            rng = np.random.default_rng((scene.seed, index))
            image = image + scene.noise * rng.standard_normal(image.shape, dtype=np.float32)
        return np.clip(image, 0, 255).astype(np.uint8)
