"""Outputs of networks: tensors, or lists, tuples and dictionaries of tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in lists, tuples and dictionaries, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from tensors_in(tuple(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)


def with_tensors(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same lists, tuples and dictionaries with each tensor changed, in the order of ``tensors_in``."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return type(value)((name, with_tensors(part, change)) for name, part in value.items())
    if isinstance(value, list | tuple):
        parts = [with_tensors(part, change) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    return value


def in_fp32(value: Any) -> Any:
    """The same with all floating-point tensors as float32."""
    return with_tensors(value, lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)


def largest_difference(expected: Any, found: Any) -> float:
    """Largest difference between two outputs, tensor by tensor, as a share of the tensor's largest value.

    Infinite for NaN and for outputs of different shapes.
    """
    ours, theirs = list(tensors_in(expected)), list(tensors_in(found))
    if [one.shape for one in ours] != [other.shape for other in theirs]:
        return float("inf")
    differences = [
        float((one.float() - other.float()).abs().max() / one.float().abs().max().clamp(min=1e-12))
        for one, other in zip(ours, theirs, strict=True)
        if one.numel()
    ]
    return max((float("inf") if each != each else each for each in differences), default=0.0)
