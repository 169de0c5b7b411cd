"""ONNX networks: written by torch, run by ONNX Runtime, and compared with each other."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError
from posetrack.models.engines import Engine
from posetrack.models.openvino_session import OpenVinoSession
from posetrack.models.outputs import largest_difference, tensors_in

OPSET = 18
"""ONNX operator set version, which ONNX Runtime supports since 1.14 (2023)."""

TOLERANCE = 1e-4
"""Allowed difference of ONNX Runtime's output from the network's, as a share of the largest value."""

BATCHES = (1, 3)
"""Batch sizes to compare."""

_SIDES = ((2, 3), (1, 1), (12, 22))
"""Heights and widths to compare for networks of any size, in multiples of ``Interface.multiple``."""

_PACKAGES = ("onnx", "onnxscript")
_OLDER_EXPORTER = "torch.onnx._internal.torchscript_exporter"
"""Where torch 2.9 and later keeps the older of its two exporters."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A network's input, float32 [B, channels, height, width], and its one or more output tensors.

    Attributes:
        name: Name of the network, for files and messages.
        channels: Channels of the input.
        size: Height and width; None if they are free.
        multiple: Free heights and widths are multiples of this.
        input, output: Names in the file; several outputs are numbered.
    """

    name: str
    channels: int
    size: tuple[int, int] | None = None
    multiple: int = 1
    input: str = "images"
    output: str = "output"

    def examples(self) -> Iterator[Tensor]:
        """Inputs for comparisons, always the same."""
        generator = torch.Generator().manual_seed(1)
        any_sizes = [(rows * self.multiple, columns * self.multiple) for rows, columns in _SIDES]
        sizes = [self.size] if self.size else any_sizes
        for size in sizes:
            # Large ones one at a time: this runs at every start.
            for batch in BATCHES if size is sizes[0] else (1,):
                yield torch.rand(batch, self.channels, *size, generator=generator)


class Session:
    """A running ONNX network on the CPU. Any number of threads may call it at once.

    Idle threads sleep instead of spinning, because other stages of a pipeline need the CPUs.

    Args:
        content: Content of the file.
        threads: Threads per operator.

    Attributes:
        engine: Name of the engine, for messages.
        inputs: Type, in ONNX Runtime's words, and shape of each input; free sides are names or None.
        outputs: Name of each output.
    """

    engine = "ONNX Runtime"

    def __init__(self, content: bytes, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are also raised
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        inputs = self._session.get_inputs()
        self._input = inputs[0].name if inputs else ""
        self.inputs = [(each.type, list(each.shape)) for each in inputs]
        self.outputs = [each.name for each in self._session.get_outputs()]

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """The network's outputs for one input of its type."""
        found = self._session.run(None, {self._input: images.contiguous().numpy()})
        return tuple(torch.from_numpy(output) for output in found)


Runner = Session | OpenVinoSession
"""A running ONNX network."""


def session_in(engine: Engine, content: bytes, threads: int) -> Runner:
    """An ONNX network in an engine; in ONNX Runtime where the others run in torch."""
    return OpenVinoSession(content, threads) if engine == "openvino" else Session(content, threads)


def require_packages(engine: Engine = "onnxruntime") -> None:
    """Raises ``ConfigError`` if a package for exporting, or the engine, is missing."""
    missing = [name for name in (*_PACKAGES, engine) if name != "torch" and find_spec(name) is None]
    if missing:
        raise ConfigError(f"exporting needs {', '.join(missing)}: pip install '.[onnx]' in posetrack's clone.")


def write_onnx(network: nn.Module, interface: Interface, path: Path) -> None:
    """Export a network on the CPU, in evaluation mode, with torch. The exporter's warnings are hidden."""
    example = next(interface.examples()).repeat(2, 1, 1, 1)
    flat = _Flat(network).eval()
    with torch.inference_mode():
        count = len(flat(example))
    outputs = [interface.output] if count == 1 else [f"{interface.output}_{number}" for number in range(count)]
    names: dict[str, Any] = {"input_names": [interface.input], "output_names": outputs, "opset_version": OPSET}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not _has_older_exporter():
            shapes: Any = (_dimensions(interface),)
            torch.onnx.export(
                flat, (example,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False,
                **names,
            )  # fmt: skip
        else:
            free = {0: "batch"} if interface.size else {0: "batch", 2: "height", 3: "width"}
            axes = {name: free for name in (interface.input, *outputs)}
            torch.onnx.export(flat, (example,), path, dynamo=False, dynamic_axes=axes, **names)


def _has_older_exporter() -> bool:
    """Whether torch still has its tracing exporter.

    It takes a fifteenth of the time of the one based on ``torch.export`` (torch 2.15, the bundled networks), and
    the result runs as fast. Before torch 2.9 it is the default, and the only one that works with today's
    onnxscript.
    """
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    return version < (2, 9) or find_spec(_OLDER_EXPORTER) is not None


def _dimensions(interface: Interface) -> dict[int, Any]:
    """The free dimensions of the input, for ``torch.export``."""
    batch = {0: torch.export.Dim("batch")}
    if interface.size:
        return batch
    height, width = (interface.multiple * torch.export.Dim(name) for name in ("rows", "columns"))
    return batch | {2: height, 3: width}


class _Flat(nn.Module):
    """Returns the output tensors as a flat tuple."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensors_in(self.network(images)))


@torch.inference_mode()
def compare(network: nn.Module, session: Runner, interface: Interface) -> float:
    """Largest difference of an engine's outputs from the network's, as a share of the largest value.

    Raises:
        ConfigError: it is larger than ``TOLERANCE``, or the engine cannot run the network.
    """
    largest = 0.0
    for images in interface.examples():
        expected = list(tensors_in(network(images)))
        try:
            found = session(images)
        except Exception as error:
            raise ConfigError(
                f"{session.engine} cannot run the exported {interface.name} network: {_first_line(error)}."
            ) from error
        difference = largest_difference(expected, found)
        if not difference <= TOLERANCE:
            raise ConfigError(
                f"{session.engine}'s output for input {list(images.shape)} differs from the "
                f"{interface.name} network's by {difference:.2g} of the largest value, and {TOLERANCE:.0e} "
                "is allowed: it is not used."
            )
        largest = max(largest, difference)
    return largest


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
