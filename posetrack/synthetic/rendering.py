"""Renders scenes: frames with their ground truth, or the ground truth alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from posetrack.synthetic.anatomy import POSTURE_SIZE, Skeletons, pose_bodies
from posetrack.synthetic.atlas import paint, paint_column
from posetrack.synthetic.backdrops import paint_backdrop
from posetrack.synthetic.drawing import boxes_of, outlines_of, quads_of
from posetrack.synthetic.mesh import Cast
from posetrack.synthetic.raster import rasterize
from posetrack.synthetic.scene import Scene, Shot
from posetrack.synthetic.shading import film_curve, illuminate, lookup, resolve, to_display
from posetrack.synthetic.shadows import Casters, cast_shadows
from posetrack.synthetic.truth import Projection, Truth, annotatable, observe
from posetrack.synthetic.tubes import Tube, column_tube
from posetrack.types import Doubles, Frame, Image

_GRAIN_SLACK = 64


def render(scene: Scene) -> Iterator[tuple[Frame, Truth]]:
    """Frames (RGB) with their ground truth, one at a time; the same scene gives the same pixels."""
    index = 0
    for number, shot in enumerate(scene.shots):
        stage = _Stage(shot)
        painter = _Painter(shot, scene)
        for instant in range(shot.frame_count):
            time_s = instant / scene.fps
            moment = stage.at(time_s)
            exposed = [moment, *(stage.at(time_s + delay) for delay in scene.exposure_delays)]
            image = painter.paint(exposed, index)
            yield Frame(index, index / scene.fps, image), stage.truth(moment, index, number)
            index += 1


def trace(scene: Scene) -> Iterator[Truth]:
    """The ground truth of ``render``, without rendering."""
    index = 0
    for number, shot in enumerate(scene.shots):
        stage = _Stage(shot)
        for instant in range(shot.frame_count):
            yield stage.truth(stage.at(instant / scene.fps), index, number)
            index += 1


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """A shot at one instant."""

    bodies: Skeletons
    tubes: list[Tube]
    view: Doubles


class _Stage:
    """The geometry of a shot."""

    def __init__(self, shot: Shot) -> None:
        self._shot = shot
        self._performers = [performer for _, performer in shot.people]
        self._numbers = np.array([number for number, _ in shot.people], dtype=np.int64)
        self._cast = Cast(tuple(performer.outfit for performer in self._performers))
        self._columns = [column_tube(column, len(shot.people) + k) for k, column in enumerate(shot.columns)]

    def at(self, time_s: float) -> _Moment:
        """Everybody's pose and surfaces, and the camera's view."""
        bodies = pose_bodies(
            self._cast.stature,
            np.array([performer.posture(time_s) for performer in self._performers]).reshape(-1, POSTURE_SIZE),
            np.array([performer.position(time_s) for performer in self._performers]).reshape(-1, 2),
            np.array([performer.heading(time_s) for performer in self._performers]),
        )
        size = (self._shot.camera.width, self._shot.camera.height)
        return _Moment(
            bodies=bodies,
            tubes=self._cast.tubes(bodies) + self._columns,
            view=self._shot.handheld.transform(time_s, size),
        )

    def truth(self, moment: _Moment, index: int, shot: int) -> Truth:
        """Ground truth at a moment."""
        camera, view = self._shot.camera, moment.view
        joints, depths = camera.project(moment.bodies.joints)
        count = len(joints)
        parts = [tube for tube in moment.tubes if tube.name != "column"]
        heads = [tube for tube in parts if tube.name == "head"]
        people = Projection(
            joints=joints @ view[:, :2].T + view[:, 2],
            depths=depths,
            boxes=boxes_of(parts, camera, view, count),
            head_boxes=boxes_of(heads, camera, view, count),
        )
        everyone = observe(people, outlines_of(moment.tubes, camera, view), (camera.width, camera.height))
        named = replace(everyone, poses=everyone.poses.replace(track_ids=self._numbers))
        return Truth(index=index, shot=shot, everyone=named, annotated=named[annotatable(named)])


class _Painter:
    """The pixels of a shot."""

    def __init__(self, shot: Shot, scene: Scene) -> None:
        self._shot, self._scene = shot, scene
        self._canvas = paint_backdrop(shot.backdrop, shot.camera)
        self._light = shot.backdrop.light()
        atlases = [paint(performer.outfit) for _, performer in shot.people]
        atlases += [paint_column(column) for column in shot.columns]
        self._atlases = np.concatenate(atlases) if atlases else np.zeros((1, 1, 3), np.float32)
        self._film = film_curve(scene.contrast)
        # Each frame's noise is another window of this sheet: drawing noise per frame would take longer than all
        # the rest.
        sheet = (shot.camera.height + _GRAIN_SLACK, shot.camera.width + _GRAIN_SLACK, 3)
        rng = np.random.default_rng(scene.seed)
        self._grain = np.round(scene.noise * rng.standard_normal(sheet, dtype=np.float32)).astype(np.int16)

    def paint(self, moments: list[_Moment], index: int) -> Image:
        """uint8 [H, W, 3]: the mean of the moments (motion blur)."""
        if len(moments) == 1:
            return self._developed(self._expose(moments[0]), index)
        total = np.sum([self._expose(moment) for moment in moments], axis=0, dtype=np.float32)
        return self._developed(np.round(total / len(moments)).astype(np.uint8), index)

    def _expose(self, moment: _Moment) -> Image:
        camera, view = self._shot.camera, moment.view
        size = (camera.width, camera.height)
        image = self._backdrop(view, size)
        cast_shadows(image, Casters(moment.bodies, self._shot.columns), camera, view, self._light)
        fragments = rasterize(quads_of(moment.tubes, camera, view), size)
        albedo = lookup(self._atlases, fragments.attributes[:, 3:5])
        colours = to_display(illuminate(fragments.attributes[:, :3], albedo, self._light))
        resolve(image, fragments, colours)
        return image

    def _backdrop(self, view: Doubles, size: tuple[int, int]) -> Image:
        """The window of the canvas that the camera sees."""
        margin = self._shot.backdrop.margin
        if np.array_equal(view, np.eye(2, 3)):
            return self._canvas[margin : margin + size[1], margin : margin + size[0]].copy()
        from_canvas = view.copy()
        from_canvas[:, 2] -= view[:, :2] @ np.array([margin, margin])
        return np.asarray(
            cv2.warpAffine(self._canvas, from_canvas, size, borderMode=cv2.BORDER_REFLECT_101), np.uint8
        )

    def _developed(self, image: Image, index: int) -> Image:
        """Lens, film and sensor."""
        if self._scene.softness:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._scene.softness), np.uint8)
        image = np.asarray(cv2.LUT(image, self._film), np.uint8)
        if self._scene.noise:
            rng = np.random.default_rng((self._scene.seed, index))
            row, column = rng.integers(0, _GRAIN_SLACK, 2)
            grain = self._grain[row : row + image.shape[0], column : column + image.shape[1]]
            image = np.asarray(cv2.add(image, grain, dtype=cv2.CV_8U), np.uint8)
        return image
