"""Prepares a trained network for inference: batch norms folded, device, precision, perhaps compiled."""

from __future__ import annotations

import threading
from typing import Any

import torch
from torch import nn

from posetrack.errors import ConfigError
from posetrack.forking import threads_at_work
from posetrack.models.devices import resolve_precision
from posetrack.models.folding import folded
from posetrack.models.onnx_engine import OnnxNetwork
from posetrack.models.onnx_file import Interface
from posetrack.models.outputs import in_fp32, largest_difference, tensors_in
from posetrack.models.pointwise import use_onednn
from posetrack.models.runtime import CPU, Runtime

_COMPILING = threading.Lock()
"""torch compiles one network at a time."""

_ROUNDING = 1e-3
"""Allowed difference of a compiled network in fp32, as a share of the output's largest value."""

_MOST = 0.2
"""The same for any precision."""


def prepared(
    network: nn.Module, runtime: Runtime = CPU, interface: Interface | None = None, *, channels_last: bool = True
) -> nn.Module:
    """A copy of a network for inference: called like the network, in inference mode; outputs are float32.

    Args:
        network: Takes and returns tensors, or lists, tuples and dictionaries of tensors.
        runtime: Where and how it runs.
        interface: Its input, if that is one tensor; needed by every engine except torch.
        channels_last: Store maps with channels innermost, which is faster for torch's convolutions.

    Raises:
        ConfigError: the precision is unknown, or the device does not support it; the exported network gives other
            results, or packages for the export are missing.
        OutputError: an exported network cannot be written.
    """
    dtype = resolve_precision(runtime.precision, runtime.device)
    ready = folded(network).requires_grad_(False).to(runtime.device)
    if runtime.engine != "torch":
        if interface is None:
            raise ValueError("this network cannot be exported, as nothing is known of its input")
        return OnnxNetwork(ready, interface, runtime.exports, runtime.engine)
    if channels_last:
        ready = ready.to(memory_format=torch.channels_last)
        if runtime.device.type == "cpu" and dtype == torch.float32 and not runtime.compile:
            use_onednn(ready)
    return Prepared(ready, runtime.device.type, dtype, compiled=runtime.compile)


class Prepared(nn.Module):
    """A network in torch, perhaps compiled.

    For the first inputs of each shape, a compiled network's output is compared with the network's own, and is used
    only if they agree: compilers have been seen to change results.

    Any number of threads may call it at once. While one compiles, the others wait.

    Raises (when called):
        ConfigError: the network cannot be compiled here, or gives other results once it is; or the threads it
            works with are missing in this process.
    """

    def __init__(self, network: nn.Module, device_type: str, dtype: torch.dtype, *, compiled: bool) -> None:
        super().__init__()
        self.network = network
        self._device_type = device_type
        self._dtype = dtype
        self._compiled = _compiled(network) if compiled else None
        if dtype != torch.float32 and not compiled:
            _reduce_weights(network, dtype)
        self._compared: set[tuple[tuple[int, ...], ...]] = set()

    @torch.inference_mode()
    def forward(self, *inputs: Any) -> Any:
        threads_at_work(torch.get_num_threads())
        reduced = self._dtype != torch.float32
        with torch.autocast(self._device_type, self._dtype if reduced else None, enabled=reduced):
            output = self._output(inputs)
        return in_fp32(output) if reduced else output

    def _output(self, inputs: tuple[Any, ...]) -> Any:
        if self._compiled is None:
            return self.network(*inputs)
        shapes = tuple(tuple(tensor.shape) for tensor in tensors_in(inputs))
        if shapes in self._compared:
            return self._compiled(*inputs)
        with _COMPILING:
            output = self._first_compiled(inputs)
            self._check(inputs, output)
            self._compared.add(shapes)
        return output

    def _check(self, inputs: tuple[Any, ...], output: Any) -> None:
        """Compare with the network in fp32; up to twice the error of the precision itself counts as rounding."""
        with torch.autocast(self._device_type, enabled=False):
            exact = self.network(*inputs)
        by_precision = 0.0 if self._dtype == torch.float32 else largest_difference(exact, self.network(*inputs))
        difference = largest_difference(exact, output)
        if not difference <= min(_ROUNDING + 2 * by_precision, _MOST):
            raise ConfigError(
                "the compiled network's output differs from the plain network's by "
                f"{100 * difference:.2g} % of the largest value; run without --compile."
            )

    def _first_compiled(self, inputs: tuple[Any, ...]) -> Any:
        from torch._dynamo.exc import TorchDynamoException

        assert self._compiled is not None
        try:
            return self._compiled(*inputs)
        except TorchDynamoException as error:
            raise ConfigError(_cannot_compile(error)) from error


def _reduce_weights(network: nn.Module, dtype: torch.dtype) -> None:
    """Convert once what autocast would convert at every call, with the same result."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            module.to(dtype)


def _compiled(network: nn.Module) -> Any:
    try:
        # Freezing has changed a network's output by a quarter: off, regardless of the environment.
        return torch.compile(network.forward, dynamic=True, options={"freezing": False})
    except RuntimeError as error:
        raise ConfigError(_cannot_compile(error)) from error


def _cannot_compile(error: Exception) -> str:
    reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
    return (
        f"this network cannot be compiled here ({reason}): run without --compile, or install what is missing "
        "(a C++ compiler for the CPU, Triton for a GPU)."
    )
