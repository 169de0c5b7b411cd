"""ONNX networks from elsewhere: read without other files, and recognised by their outputs.

| kind | outputs |
|---|---|
| ``simcc`` | [B, K, bins] for x and for y, as many bins per pixel for both |
| ``heatmap`` | [B, K, h, w] |
| ``rtmdet``, ``yolox`` | [B, N, 5] boxes and scores, perhaps [B, N] classes, if suppression is in the graph |
| ``rtmdet`` | [B, N, 4] boxes and [B, N, C] scores |
| ``yolox`` | [B, N, 5 + C] offsets from the cells of strides 8, 16, 32, or boxes of these cells |
| ``rtmo`` | [B, N, 5] boxes and scores, and [B, N, K, 3] joints |

Two outputs may be exchanged. Where SimCC's are equally long, y comes first if their names end in y and x.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from posetrack.errors import ConfigError, WeightsError
from posetrack.forking import threads_at_work
from posetrack.models.engines import Engine
from posetrack.models.file_format import ONNX_KINDS, FileFormat, OnnxKind
from posetrack.models.onnx_file import Runner
from posetrack.models.onnx_reading import end_of_message, open_session
from posetrack.models.outputs import in_fp32

_STRIDES = (8, 16, 32)
_HALF = "tensor(float16)"

Shape = tuple[int, ...]


class OnnxGraph:
    """An ONNX network on the CPU, with an input [B, 3, height, width] of float32 or float16.

    Attributes:
        path: Its file.
        size: Width and height of its input in pixels.
        probe: Its outputs for a black image.
        shapes: Shapes of these.
        kind: What it gives.
    """

    def __init__(self, path: Path, session: Runner, form: FileFormat) -> None:
        self.path = path
        self._session = session
        self._threads = torch.get_num_threads()
        batch, self.size = _input(path, session, form)
        self._one_by_one = batch == 1
        self._half = session.inputs[0][0] == _HALF
        self._order: Sequence[int] = range(len(session.outputs))
        probe = self._probed()
        if any(output.isnan().any() for output in probe if output.is_floating_point()):
            raise WeightsError(
                f"{path} gives values that are not numbers, so its weights are damaged: export it again."
            )
        self._order = _order(self.size, session.outputs, [tuple(output.shape) for output in probe])
        self.probe = tuple(probe[index] for index in self._order)
        self.shapes = [tuple(output.shape) for output in self.probe]
        self.kind = _kind(path, self.size, self.shapes, form.onnx_kind)

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """All outputs for float32 [B, 3, height, width]; several threads may call it at once."""
        threads_at_work(self._threads)
        if self._one_by_one and len(images) > 1:
            each = [self._outputs(image[None]) for image in images]
            return tuple(map(torch.cat, zip(*each, strict=True)))
        return self._outputs(images)

    def _outputs(self, images: Tensor) -> tuple[Tensor, ...]:
        found = in_fp32(self._session(images.half() if self._half else images))
        return tuple(found[index] for index in self._order)

    def _probed(self) -> tuple[Tensor, ...]:
        width, height = self.size
        try:
            return self(torch.zeros(1, 3, height, width))
        except Exception as error:
            raise WeightsError(
                f"{self.path} cannot be run with input {width}x{height}: {end_of_message(error)}."
            ) from error


def read_graph(path: Path, form: FileFormat | None = None, engine: Engine = "onnxruntime") -> OnnxGraph:
    """An ONNX network from a file. No other file is read.

    Args:
        path: The file.
        form: What it does not say of itself.
        engine: What it runs in: OpenVINO, or else ONNX Runtime.

    Raises:
        ConfigError: a package is not installed; or ``form`` lacks the input's size or the kind, or
            contradicts the file.
        WeightsError: the file cannot be read, is no ONNX network, keeps its weights elsewhere, or is none of the
            kinds that are known.
    """
    return OnnxGraph(path, open_session(path, engine), form or FileFormat())


def _input(path: Path, session: Runner, form: FileFormat) -> tuple[int | None, tuple[int, int]]:
    """The batch size, None if it is free, and width and height of the input."""
    inputs = [f"{kind} {shape}" for kind, shape in session.inputs]
    usual = len(inputs) == 1 and len(session.inputs[0][1]) == 4
    if not usual or session.inputs[0][0] not in ("tensor(float)", _HALF):
        raise WeightsError(
            f"{path} takes {' and '.join(inputs) or 'nothing'} instead of one float32 [batch, 3, height, width]."
        )
    batch, channels, height, width = (side if isinstance(side, int) else None for side in session.inputs[0][1])
    if channels not in (3, None):
        raise WeightsError(
            f"{path} takes {session.inputs[0][1]} instead of [batch, 3, height, width]: export it for images "
            "of three channels, channels first."
        )
    if batch not in (1, None):
        raise WeightsError(f"{path} takes {batch} images at once: export it for one, or for any number.")
    found = []
    for fixed, given in ((width, form.width), (height, form.height)):
        if fixed is None and given is None:
            raise ConfigError(
                f"{path} takes images of any size: say WIDTHxHEIGHT with --input, or --detector-input."
            )
        if fixed is not None and given not in (None, fixed):
            raise ConfigError(f"{path} takes images of {width}x{height}, not {form.width}x{form.height}.")
        found.append(fixed or given or 0)
    return batch, (found[0], found[1])


def _order(size: tuple[int, int], names: Sequence[str], shapes: Sequence[Shape]) -> Sequence[int]:
    """The outputs in the order in which ``possible_kinds`` knows them: some exporters exchange two."""
    if len(shapes) == 2 and possible_kinds(size, shapes[::-1]):
        y_first = names[0].endswith("y") and names[1].endswith("x")
        if y_first or not possible_kinds(size, shapes):
            return (1, 0)
    return range(len(shapes))


def _kind(path: Path, size: tuple[int, int], shapes: Sequence[Shape], given: OnnxKind | None) -> OnnxKind:
    possible = possible_kinds(size, shapes)
    if given is not None and given in possible:
        return given
    outputs = " and ".join(str(list(shape)) for shape in shapes)
    if given is not None or not possible:
        wanted = given or f"{', '.join(ONNX_KINDS[:-1])} or {ONNX_KINDS[-1]}"
        raise WeightsError(f"{path} is not a network of the kind {wanted}: its outputs are {outputs}.")
    if len(possible) > 1:
        raise ConfigError(
            f"{path} may be {' or '.join(possible)}, which its outputs {outputs} do not show: choose with "
            "--onnx-kind."
        )
    return possible[0]


def possible_kinds(size: tuple[int, int], shapes: Sequence[Shape]) -> list[OnnxKind]:
    """The kinds of network that outputs of these shapes, for one image, may be of.

    Args:
        size: Width and height of the input.
        shapes: Of the outputs, in order.
    """
    width, height = size
    match [tuple(shape[1:]) for shape in shapes]:
        case [(_, rows, columns)] if rows * width == columns * height:
            return ["heatmap"]
        case [(joints, across), (others, down)] if (
            joints == others and across * height == down * width and across >= width
        ):
            return ["simcc"]
        case [(_, 5), (_, _, 3)]:
            return ["rtmo"]
        case [(_, 5)] | [(_, 5), (_,)]:
            return ["rtmdet", "yolox"]
        case [(boxes, 4), (others, _)] if boxes == others:
            return ["rtmdet"]
        case [(cells, values)] if values > 5 and cells == _cells(size):
            return ["yolox"]
    return []


def _cells(size: tuple[int, int]) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in _STRIDES)
