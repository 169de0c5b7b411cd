"""Values of JSON objects as columns of numbers, and the sentences about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.errors import DataFormatError
from posetrack.formats.checks import (
    check_columns,
    check_unique_ids,
    is_number,
    member,
    number_or_nan,
    polygon,
    rows_of_numbers,
    track_ids,
)

PATH = Path("a.json")


def where(number: int) -> str:
    return f"frame {number}"


def test_rows_of_numbers_are_an_array() -> None:
    assert rows_of_numbers(PATH, "bbox", [[1, 2.5], [3, -4]], 2, where).tolist() == [[1, 2.5], [3, -4]]
    assert rows_of_numbers(PATH, "bbox", [], 4, where).shape == (0, 4)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[1, 2], [3]], "frame 1: 'bbox' must hold 2 numbers, but has 1; correct this entry"),
        ([[1, 2, 3], [1, 2, 3]], "frame 0: 'bbox' must hold 2 numbers, but has 3;"),
        ([[1, 2], None], "frame 1: 'bbox' must hold 2 numbers, but has None;"),
        ([[1, 2], [1, "x"], [2]], "frame 1: 'bbox' must hold 2 numbers, but has 'x';"),
        ([[1, 10**400], [1, 2]], f"frame 0: 'bbox' must hold 2 numbers, but has 1{'0' * 39}...;"),
        ([[1, "x" * 38]], f"but has '{'x' * 38}';"),
        ([[1, "x" * 39]], f"but has '{'x' * 39}...;"),
        ([[1, 2], [None, 1]], "frame 1: 'bbox' holds a value that is not a finite number"),
        ([[1, 2], [1, 2], [1, float("inf")]], "frame 2: 'bbox' holds a value that is not a finite number"),
    ],
)
def test_the_first_wrong_row_is_named(rows: list[Any], words: str) -> None:
    with pytest.raises(DataFormatError) as told:
        rows_of_numbers(PATH, "bbox", rows, 2, where)
    assert f"a.json, {words}" in str(told.value) or words in str(told.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, True), (1, True), (1.5, True), (True, True), (10**299, True), (10**300, False), (-(10**300), False),
        (-(10**299), True), ("1", False), ([1], False), (float("nan"), True),
    ],
)  # fmt: skip
def test_what_counts_as_a_number(value: Any, expected: bool) -> None:
    assert is_number(value) == expected
    assert np.isnan(number_or_nan(value)) == (not expected or value is None or value != value)


def test_numbers_are_floats() -> None:
    assert number_or_nan(7) == 7.0 and number_or_nan(-0.5) == -0.5


@pytest.mark.parametrize("data", [None, [], {}, {"images": {}}])
def test_a_missing_list_is_named(data: Any) -> None:
    with pytest.raises(DataFormatError, match="a.json: there is no list 'images'"):
        member(PATH, data, "images", list)
    assert member(PATH, {"images": [1]}, "images", list) == [1]


def test_the_first_of_several_mistakes_is_named() -> None:
    nan = float("nan")
    with pytest.raises(DataFormatError, match="frame 1: 'score' holds a value"):
        rows_of_numbers(PATH, "score", [[1], [nan], [nan]], 1, where)
    with pytest.raises(DataFormatError, match="frame 1: 'score' must hold 1 numbers, but has 'x'"):
        rows_of_numbers(PATH, "score", [[1], ["x"], ["y"]], 1, where)
    with pytest.raises(DataFormatError, match="frame 0: two people have the track id 5"):
        check_unique_ids(
            PATH, np.array([0, 0, 3, 3]), np.array([5, 5, 5, 5]), lambda n: f"frame {[0, 0, 3, 3][n]}"
        )


def test_polygons_are_pairs_of_finite_numbers() -> None:
    assert polygon([(1, 2), (3, 4), (5, 6)]).tolist() == [[1, 2], [3, 4], [5, 6]]
    for points in ([(1, 2), (3,)], [(1, float("nan"))], [("x", 1)], [1, 2, 3]):
        with pytest.raises((TypeError, ValueError)):
            polygon(points)


@pytest.mark.parametrize("wrong", [None, 1.5, "1", True, 2**31, -(2**31), float("inf"), [1]])
def test_track_ids_are_whole_numbers(wrong: Any) -> None:
    largest = 2**31 - 1
    assert track_ids(PATH, [3, 4.0, largest, -largest], where).tolist() == [3, 4, largest, -largest]
    words = "no 'track_id'" if wrong is None else "the track id"
    with pytest.raises(DataFormatError, match=f"a.json, frame 1: a person has {words}.*; give everyone a whole"):
        track_ids(PATH, [1, wrong], where)


def test_track_ids_must_differ_within_a_frame() -> None:
    frames, ids = np.array([0, 0, 1, 1, 2]), np.array([5, 6, 6, 5, 5])
    check_unique_ids(PATH, frames, ids, where)
    with pytest.raises(DataFormatError, match="a.json, frame 2: two people have the track id 6"):
        check_unique_ids(PATH, np.array([2, 0, 1, 1, 0]), np.array([5, 6, 6, 6, 5]), where)


def test_columns_must_be_there_once() -> None:
    check_columns(PATH, ["a", "b", "c"], ["b", "a"])
    with pytest.raises(DataFormatError, match="no column .b., .c.; a table of poses has the columns a, b, c:"):
        check_columns(PATH, ["a"], ["a", "b", "c"])
    with pytest.raises(DataFormatError, match="two columns are named 'b'"):
        check_columns(PATH, ["a", "b", "b"], ["a"])
