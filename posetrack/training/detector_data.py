"""Training scenes for the detector: mosaics of cropped and scaled photographs.

A photograph of one person teaches little about crowds and small people, so a scene is a grid of several.
Boxes use the corner convention of COCO and torchvision: an image covers [0, W] x [0, H].
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.records import check_numbers
from posetrack.training.appearance import degrade, recolour
from posetrack.training.cutout import Scene, paste_person
from posetrack.training.photographs import Photograph, read_image
from posetrack.training.turning import turn
from posetrack.types import BoolArray, FloatArray, Image, IntArray

CANVAS_SIDES = (32, 4096)
"""Smallest and largest side of a scene in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """How scenes are composed.

    Attributes:
        canvases: Sizes (height, width) in pixels; each batch draws one.
        grids: Grids (rows, columns) of photographs; each scene draws one.
        grid_weights: Relative frequency of each grid.
        zoom: Range of a photograph's scale, drawn log-uniformly; at 1 it just fills its cell.
        min_visible: A person with a smaller share of the box left becomes an ignored region.
        pasted: Probability of pasting people from other photographs beside and over those in the scene.
        degraded: Probability of blur, and of JPEG artefacts.
        grey: Probability of turning a photograph grey.
        turned: Probability of rotating a photograph with labelled people, so that they lean and lie.
        rotation_deg: Maximum angle of that rotation, in either direction.
    """

    canvases: tuple[tuple[int, int], ...] = ((320, 320), (256, 384), (384, 256), (288, 352))
    grids: tuple[tuple[int, int], ...] = ((1, 1), (1, 2), (2, 2), (2, 3), (3, 4))
    grid_weights: tuple[float, ...] = (4, 2, 3, 1, 1)
    zoom: tuple[float, float] = (0.6, 1.7)
    min_visible: float = 0.35
    pasted: float = 0.3
    degraded: float = 0.15
    grey: float = 0.05
    turned: float = 0.0
    rotation_deg: float = 60.0

    def __post_init__(self) -> None:
        require_kinds(self, "scenes.")
        check_numbers(
            self, "scenes.", canvases=CANVAS_SIDES, grids=(1, 16), grid_weights=(1e-6, 1e6), zoom=(0.05, 20),
            min_visible=(0, 1), pasted=(0, 1), degraded=(0, 1), grey=(0, 1),
            turned=(0, 1), rotation_deg=(0, 180),
        )  # fmt: skip
        if not self.canvases:
            raise ConfigError("scenes.canvases is empty; give at least one [height, width].")
        if len(self.grids) != len(self.grid_weights) or not self.grids:
            raise ConfigError("scenes.grid_weights must hold one number for each of scenes.grids, of one or more.")
        if not self.zoom[0] <= self.zoom[1]:
            raise ConfigError(f"scenes.zoom is {list(self.zoom)}; give the smaller number first.")


@dataclass(frozen=True, slots=True, eq=False)
class SceneBatch:
    """Scenes of one size.

    Attributes:
        images: uint8 [B, 3, H, W] RGB.
        scenes: The B scenes.
        seed: Seed for sampling anchors and proposals.
    """

    images: Tensor
    scenes: Sequence[Scene]
    seed: int


class SceneBatches:
    """An epoch of random scenes; every iteration gives the same ones."""

    def __init__(
        self, photographs: Sequence[Photograph], config: SceneConfig, batch_size: int, seed: tuple[int, int]
    ) -> None:
        self._photographs = photographs
        self._config = config
        self._batch_size = batch_size
        self._seed = seed

    def __len__(self) -> int:
        return max(1, len(self._photographs) // self._batch_size)

    def __iter__(self) -> Iterator[SceneBatch]:
        for number in range(len(self)):
            random = np.random.default_rng((*self._seed, number))
            canvas = self._config.canvases[int(random.integers(len(self._config.canvases)))]
            scenes = [self.scene(random, canvas) for _ in range(self._batch_size)]
            images = torch.from_numpy(np.stack([scene.image for scene in scenes])).permute(0, 3, 1, 2)
            yield SceneBatch(images, scenes, int(random.integers(2**31)))

    def scene(self, random: np.random.Generator, canvas: tuple[int, int]) -> Scene:
        """One scene of ``canvas`` = (height, width)."""
        config = self._config
        weights = np.array(config.grid_weights) / sum(config.grid_weights)
        rows, columns = config.grids[random.choice(len(config.grids), p=weights)]
        image = np.empty((*canvas, 3), np.uint8)
        image[:] = random.integers(0, 256, 3)
        boxes, ignored = [], []
        for top, bottom in _cuts(random, canvas[0], rows):
            for left, right in _cuts(random, canvas[1], columns):
                people, regions = self._place(random, self._photograph(random), image[top:bottom, left:right])
                corner = np.array([left, top, left, top], np.float32)
                boxes.append(people + corner)
                ignored.append(regions + corner)
        scene = Scene(image, np.concatenate(boxes), np.concatenate(ignored))
        if random.random() < config.pasted:
            for _ in range(random.integers(1, 4)):
                scene = paste_person(scene, self._photograph(random), random, config.min_visible)
        return replace(scene, image=degrade(scene.image, config.degraded, random))

    def _photograph(self, random: np.random.Generator) -> Photograph:
        return self._photographs[int(random.integers(len(self._photographs)))]

    def _place(
        self, random: np.random.Generator, photograph: Photograph, cell: Image
    ) -> tuple[FloatArray, FloatArray]:
        """Paint a random crop of the photograph into the cell; returns its people and ignored regions there."""
        room = np.array([cell.shape[1], cell.shape[0]])
        size = np.array([photograph.width, photograph.height])
        scale = (room / size).max() * np.exp(random.uniform(*np.log(self._config.zoom)))
        painted = np.maximum((size * scale).round().astype(int), 1)
        colours = recolour(_read(photograph, scale, painted), self._config.grey, random)
        boxes, ignored = photograph.boxes * np.tile(painted / size, 2), photograph.ignored
        if photograph.annotated.any() and random.random() < self._config.turned:
            angle_deg = random.uniform(-self._config.rotation_deg, self._config.rotation_deg)
            colours, boxes = turn(
                colours, boxes, [each * (painted / size) for each in photograph.joints], angle_deg
            )
            ignored = ~photograph.annotated
        offset = _offset(random, room, painted, boxes[photograph.annotated])
        flip = bool(random.random() < 0.5)
        if flip:
            colours = colours[:, ::-1]
        start, stop = np.maximum(offset, 0), np.minimum(offset + painted, room)
        (left, top), (right, bottom) = start, stop
        (from_x, from_y), (to_x, to_y) = start - offset, stop - offset
        cell[top:bottom, left:right] = colours[from_y:to_y, from_x:to_x]

        if flip:
            boxes[:, [0, 2]] = painted[0] - boxes[:, [2, 0]]
        return _visible(boxes + np.tile(offset, 2), ignored, room, self._config.min_visible)


def _cuts(random: np.random.Generator, length: int, parts: int) -> list[tuple[int, int]]:
    """Starts and ends of roughly equal parts of ``length`` pixels."""
    inner = (np.arange(1, parts) + random.uniform(-0.2, 0.2, parts - 1)) * length / parts
    edges = [0, *inner.round().astype(int).tolist(), length]
    return list(itertools.pairwise(edges))


def _offset(random: np.random.Generator, room: IntArray, painted: IntArray, people: FloatArray) -> IntArray:
    """Where the painted photograph begins in a cell of size ``room``, so that one of its people lies inside."""
    spare = room - painted
    lowest, highest = np.minimum(spare, 0), np.maximum(spare, 0)
    offset = random.uniform(lowest, highest)
    if len(people):
        box = people[random.integers(len(people))]
        centre = (box[:2] + box[2:]) / 2
        offset = np.clip(np.clip(offset, 0.1 * room - centre, 0.9 * room - centre), lowest, highest)
    whole: IntArray = offset.round().astype(np.int64)
    return whole


def _read(photograph: Photograph, scale: float, size: IntArray) -> Image:
    """The photograph at the given size (width, height), shrunk in the JPEG decoder where that is enough."""
    mode = cv2.IMREAD_REDUCED_COLOR_2 if scale <= 0.5 else cv2.IMREAD_COLOR
    image = read_image(photograph.path, mode)
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (int(size[0]), int(size[1])), interpolation=method), np.uint8)


def _visible(
    boxes: FloatArray, ignored: BoolArray, room: IntArray, min_visible: float
) -> tuple[FloatArray, FloatArray]:
    """People and ignored regions clipped to the cell; people clipped too much are ignored."""
    cut = boxes.clip(0, np.tile(room, 2)).astype(np.float32)
    sides, whole = cut[:, 2:] - cut[:, :2], boxes[:, 2:] - boxes[:, :2]
    seen = (sides > 1).all(axis=1)
    share = sides.prod(axis=1) / np.maximum(whole.prod(axis=1), 1e-6)
    people = seen & ~ignored & (share >= min_visible) & (sides.min(axis=1) >= 4)
    return cut[people], cut[seen & ~people]
