"""A trained network made ready to run: batch norms folded, on its device, in its precision, perhaps compiled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError
from posetrack.models.devices import resolve_precision
from posetrack.models.folding import folded
from posetrack.models.runtime import CPU, Runtime

_ROUNDING = 1e-3
"""How much of an output's largest value a compiled network may be off in fp32."""

_MOST = 0.2
"""The same in any precision."""


def prepared(network: nn.Module, runtime: Runtime = CPU, *, channels_last: bool = True) -> Prepared:
    """A copy of a network for inference.

    Args:
        network: Takes and gives tensors, or lists, tuples and dictionaries of tensors.
        runtime: Where and how it runs.
        channels_last: Lay out maps with their channels innermost, as convolutions like them.

    Raises:
        ConfigError: the precision is unknown, or the device does not have it.
    """
    dtype = resolve_precision(runtime.precision, runtime.device)
    ready = folded(network).requires_grad_(False).to(runtime.device)
    if channels_last:
        ready = ready.to(memory_format=torch.channels_last)
    return Prepared(ready, runtime.device.type, dtype, compiled=runtime.compile)


class Prepared(nn.Module):
    """What ``prepared`` makes: called like the network, in inference mode; outputs are float32.

    A compiled network's output is compared with that of the network itself for each shape of inputs when it first
    comes, and is used only if they agree: compilers have been seen to change what a network says.

    Raises (when called):
        ConfigError: the network cannot be compiled here, or says something else once it is.
    """

    def __init__(self, network: nn.Module, device_type: str, dtype: torch.dtype, *, compiled: bool) -> None:
        super().__init__()
        self.network = network
        self._device_type = device_type
        self._dtype = dtype
        self._compiled = _compiled(network) if compiled else None
        self._compared: set[tuple[tuple[int, ...], ...]] = set()

    @torch.inference_mode()
    def forward(self, *inputs: Any) -> Any:
        reduced = self._dtype != torch.float32
        with torch.autocast(self._device_type, self._dtype if reduced else None, enabled=reduced):
            output = self._output(inputs)
        return _single(output) if reduced else output

    def _output(self, inputs: tuple[Any, ...]) -> Any:
        if self._compiled is None:
            return self.network(*inputs)
        shapes = tuple(tuple(tensor.shape) for tensor in _tensors(inputs))
        if shapes in self._compared:
            return self._compiled(*inputs)
        output = self._first_compiled(inputs)
        self._check(inputs, output)
        self._compared.add(shapes)
        return output

    def _check(self, inputs: tuple[Any, ...], output: Any) -> None:
        """Compare with the network in fp32: twice as far off as it is itself in this precision is rounding."""
        with torch.autocast(self._device_type, enabled=False):
            exact = self.network(*inputs)
        by_precision = 0.0 if self._dtype == torch.float32 else _difference(exact, self.network(*inputs))
        difference = _difference(exact, output)
        if not difference <= min(_ROUNDING + 2 * by_precision, _MOST):
            raise ConfigError(
                "the compiled network's output is not that of the network: it differs by "
                f"{100 * difference:.2g} % of the largest value; run without --compile."
            )

    def _first_compiled(self, inputs: tuple[Any, ...]) -> Any:
        from torch._dynamo.exc import TorchDynamoException

        assert self._compiled is not None
        try:
            return self._compiled(*inputs)
        except TorchDynamoException as error:
            raise ConfigError(_cannot_compile(error)) from error


def _compiled(network: nn.Module) -> Any:
    try:
        return torch.compile(network.forward, dynamic=True)
    except RuntimeError as error:
        raise ConfigError(_cannot_compile(error)) from error


def _cannot_compile(error: Exception) -> str:
    reason = next(iter(str(error).splitlines()), type(error).__name__).rstrip(".")
    return (
        f"this network cannot be compiled here ({reason}): run without --compile, or install what is missing "
        "(a C++ compiler for the CPU, Triton for a GPU)."
    )


def _tensors(value: Any) -> Iterator[Tensor]:
    """All tensors in lists, tuples and dictionaries, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _single(value: Any) -> Any:
    """The same with all floating-point tensors as float32."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, dict):
        return type(value)((name, _single(part)) for name, part in value.items())
    if isinstance(value, list | tuple):
        parts = [_single(part) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def _difference(expected: Any, found: Any) -> float:
    """Largest difference between two outputs, tensor by tensor, over the largest value; infinite with NaN."""
    pairs = list(zip(_tensors(expected), _tensors(found), strict=True))
    if any(one.shape != other.shape for one, other in pairs):
        return float("inf")
    differences = [
        float((one.float() - other.float()).abs().max() / one.float().abs().max().clamp(min=1e-12))
        for one, other in pairs
        if one.numel()
    ]
    return max((float("inf") if each != each else each for each in differences), default=0.0)
