"""Arrays of frozen dataclasses: checked, read-only, and compared by value."""

from __future__ import annotations

import reprlib
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


def stored(name: str, values: ArrayLike, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """A read-only array of the given type and shape: frozen dataclasses do not freeze their arrays.

    Raises:
        ValueError: no numbers of that shape, or fractions where whole numbers are asked for. It says ``name``.
    """
    try:
        given = np.asarray(values)
        array = given.astype(dtype, copy=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {reprlib.repr(values)}, expected numbers of shape {shape}") from error
    if array.dtype.kind in "iu" and given.dtype != array.dtype and not np.array_equal(array, given):
        raise ValueError(f"{name} is {reprlib.repr(values)}, expected whole numbers")
    if array.shape != shape:
        if array.size > 0 or 0 not in shape:
            raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
        array = array.reshape(shape)
    if array.flags.writeable:
        array = array.view()
        array.setflags(write=False)
    return array


def count_of(scores: ArrayLike) -> int:
    """The number of people with these scores; ``ValueError`` unless there is one for each."""
    if np.ndim(scores) != 1:
        raise ValueError(f"scores has shape {np.shape(scores)}, expected (people,)")
    return len(np.asarray(scores))


def equal(one: Any, other: Any) -> bool:
    """Whether all fields of two objects of one dataclass hold the same values. NaN equals NaN."""
    return all(_same(getattr(one, each.name), getattr(other, each.name)) for each in fields(one))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    return not isinstance(a, np.ndarray) and not isinstance(b, np.ndarray) and bool(a == b)
