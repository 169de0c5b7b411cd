"""Training scenes for the detector: photographs cut, scaled and laid side by side on one canvas.

A photograph of one person teaches little about crowds and small people, so a scene is a grid of one to nine of them.
Boxes here live in the corner convention of torchvision: the image covers [0, W] x [0, H].
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from posetrack.errors import ConfigError, DataFormatError
from posetrack.types import BoolArray, FloatArray, Image, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Photograph:
    """One annotated image.

    Attributes:
        path: The image file.
        width, height: Its size in pixels.
        boxes: float32 [N, 4], x1 y1 x2 y2, corner convention.
        ignored: bool [N]: a region in which people may be, not a person.
        annotated: bool [N]: a person labelled by hand (not by a network).
    """

    path: Path
    width: int
    height: int
    boxes: FloatArray
    ignored: BoolArray
    annotated: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One training image with what is in it.

    Attributes:
        image: uint8 [H, W, 3] RGB.
        boxes: float32 [N, 4], people, corner convention.
        ignored: float32 [M, 4], regions that teach nothing.
    """

    image: Image
    boxes: FloatArray
    ignored: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneConfig:
    """How scenes are composed.

    Attributes:
        canvases: (height, width) in pixels; each batch draws one.
        grids: (rows, columns) of the photographs on a canvas.
        grid_weights: How often each grid is drawn, in proportion.
        zoom: Range of the scale, drawn log-uniformly, of a photograph relative to the one that fills its cell.
        min_visible: A person of whom less than this share of the box is left becomes an ignored region.
        degraded: Probability that a scene is blurred, and that it is compressed.
        grey: Probability that a photograph loses its colours.
    """

    canvases: tuple[tuple[int, int], ...] = ((320, 320), (256, 384), (384, 256), (288, 352))
    grids: tuple[tuple[int, int], ...] = ((1, 1), (1, 2), (2, 2), (2, 3), (3, 4))
    grid_weights: tuple[float, ...] = (4, 2, 3, 1, 1)
    zoom: tuple[float, float] = (0.6, 1.7)
    min_visible: float = 0.35
    degraded: float = 0.15
    grey: float = 0.05

    def __post_init__(self) -> None:
        if len(self.grids) != len(self.grid_weights) or min(self.grid_weights, default=0) <= 0:
            raise ConfigError("grid_weights must hold one positive number for each of grids")
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ConfigError(f"zoom must be a range of positive numbers, not {self.zoom}")
        if not all(0 <= share <= 1 for share in (self.min_visible, self.degraded, self.grey)):
            raise ConfigError("min_visible, degraded and grey must lie in 0..1")


def read_photographs(annotations: Path, images: Path) -> list[Photograph]:
    """The images of a COCO file, in its order, those without people included.

    Annotations with ``iscrowd`` are regions to ignore; those with ``pseudo`` are people found by a network.

    Raises:
        DataFormatError: the file is not a COCO annotation file.
    """
    try:
        content = json.loads(annotations.read_text())
        of_image: dict[int, list[dict[str, object]]] = {entry["id"]: [] for entry in content["images"]}
        for annotation in content["annotations"]:
            of_image[annotation["image_id"]].append(annotation)
        return [
            _photograph(images / entry["file_name"], (entry["width"], entry["height"]), of_image[entry["id"]])
            for entry in content["images"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataFormatError(f"{annotations} is not a COCO annotation file: {error!r}") from error


def _photograph(path: Path, size: tuple[int, int], annotations: Sequence[dict[str, object]]) -> Photograph:
    corners = np.array([annotation["bbox"] for annotation in annotations], np.float32).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    boxes = corners.clip(0, np.array([*size, *size], np.float32))
    ignored = np.array([bool(annotation.get("iscrowd", 0)) for annotation in annotations], bool)
    pseudo = np.array([bool(annotation.get("pseudo", False)) for annotation in annotations], bool)
    return Photograph(path, *size, boxes, ignored, ~ignored & ~pseudo)


class SceneDataset:
    """Random scenes, the same for the same seed, epoch and number."""

    def __init__(self, photographs: Sequence[Photograph], config: SceneConfig, seed: int) -> None:
        if not photographs:
            raise ConfigError("the detector's training data holds no image")
        self._photographs = photographs
        self._config = config
        self._seed = seed

    def batches(self, epoch: int, count: int, batch_size: int) -> Iterator[tuple[Tensor, list[Scene]]]:
        """``count`` batches: uint8 [B, 3, H, W] and their scenes."""
        for number in range(count):
            random = np.random.default_rng((self._seed, epoch, number))
            canvas = self._config.canvases[random.integers(len(self._config.canvases))]
            scenes = [self.scene(random, canvas) for _ in range(batch_size)]
            images = np.stack([scene.image for scene in scenes])
            yield torch.from_numpy(images).permute(0, 3, 1, 2), scenes

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
                photograph = self._photographs[random.integers(len(self._photographs))]
                people, regions = self._place(random, photograph, image[top:bottom, left:right])
                corner = np.array([left, top, left, top], np.float32)
                boxes.append(people + corner)
                ignored.append(regions + corner)
        return Scene(degrade(image, config.degraded, random), np.concatenate(boxes), np.concatenate(ignored))

    def _place(
        self, random: np.random.Generator, photograph: Photograph, cell: Image
    ) -> tuple[FloatArray, FloatArray]:
        """Paint a random cut of the photograph into the cell; the boxes of its people and ignored regions there."""
        room = np.array([cell.shape[1], cell.shape[0]])
        size = np.array([photograph.width, photograph.height])
        scale = (room / size).max() * np.exp(random.uniform(*np.log(self._config.zoom)))
        painted = np.maximum((size * scale).round().astype(int), 1)
        offset = _offset(random, room, painted, photograph.boxes[photograph.annotated] * np.tile(painted / size, 2))
        colours = recolour(_read(photograph.path, scale, painted), self._config.grey, random)
        flip = bool(random.random() < 0.5)
        if flip:
            colours = colours[:, ::-1]
        start, stop = np.maximum(offset, 0), np.minimum(offset + painted, room)
        (left, top), (right, bottom) = start, stop
        (from_x, from_y), (to_x, to_y) = start - offset, stop - offset
        cell[top:bottom, left:right] = colours[from_y:to_y, from_x:to_x]

        boxes = photograph.boxes * np.tile(painted / size, 2)
        if flip:
            boxes[:, [0, 2]] = painted[0] - boxes[:, [2, 0]]
        return _visible(boxes + np.tile(offset, 2), photograph.ignored, room, self._config.min_visible)


def _cuts(random: np.random.Generator, length: int, parts: int) -> list[tuple[int, int]]:
    """``length`` pixels cut into about equal parts: their starts and ends."""
    inner = (np.arange(1, parts) + random.uniform(-0.2, 0.2, parts - 1)) * length / parts
    edges = [0, *inner.round().astype(int).tolist(), length]
    return list(itertools.pairwise(edges))


def _offset(random: np.random.Generator, room: IntArray, painted: IntArray, people: FloatArray) -> IntArray:
    """Where in a cell of size ``room`` the painted photograph begins: one of its people is within the cell."""
    spare = room - painted
    lowest, highest = np.minimum(spare, 0), np.maximum(spare, 0)
    offset = random.uniform(lowest, highest)
    if len(people):
        box = people[random.integers(len(people))]
        centre = (box[:2] + box[2:]) / 2
        offset = np.clip(np.clip(offset, 0.1 * room - centre, 0.9 * room - centre), lowest, highest)
    return offset.round().astype(np.int64)


def _read(path: Path, scale: float, size: IntArray) -> Image:
    """The image file at the given size (width, height); strong reductions start in the JPEG decoder."""
    mode = cv2.IMREAD_REDUCED_COLOR_2 if scale <= 0.5 else cv2.IMREAD_COLOR
    image = cv2.imread(str(path), mode)
    if image is None:
        raise DataFormatError(f"cannot read the training image {path}")
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_LINEAR
    resized = cv2.resize(image, (int(size[0]), int(size[1])), interpolation=method)
    return np.asarray(resized[..., ::-1])


def _visible(
    boxes: FloatArray, ignored: BoolArray, room: IntArray, min_visible: float
) -> tuple[FloatArray, FloatArray]:
    """People and ignored regions after the cell has cut them; people cut too much are ignored."""
    cut = boxes.clip(0, np.tile(room, 2)).astype(np.float32)
    sides, whole = cut[:, 2:] - cut[:, :2], boxes[:, 2:] - boxes[:, :2]
    seen = (sides > 1).all(axis=1)
    share = sides.prod(axis=1) / np.maximum(whole.prod(axis=1), 1e-6)
    people = seen & ~ignored & (share >= min_visible) & (sides.min(axis=1) >= 4)
    return cut[people], cut[seen & ~people]


def recolour(image: Image, grey: float, random: np.random.Generator) -> Image:
    """Another exposure, contrast and white balance; no colours at all with probability ``grey``."""
    gain = random.uniform(0.7, 1.3) * random.uniform(0.9, 1.1, 3)
    level = random.uniform(-25, 25)
    table = np.arange(256)[:, None] * gain + level
    coloured = cv2.LUT(np.ascontiguousarray(image), table.clip(0, 255).astype(np.uint8).reshape(256, 1, 3))
    if random.random() < grey:
        coloured = np.repeat(cv2.cvtColor(coloured, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    return np.asarray(coloured)


def degrade(image: Image, probability: float, random: np.random.Generator) -> Image:
    """Blur of focus or of motion, and JPEG artefacts, each with the given probability."""
    if random.random() < probability:
        length = int(random.integers(3, 10))
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1 / length
        if random.random() < 0.5:
            image = cv2.filter2D(image, -1, kernel if random.random() < 0.7 else kernel.T)
        else:
            image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.8))
    if random.random() < probability:
        packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(15, 70))])[1]
        image = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return np.asarray(image)
