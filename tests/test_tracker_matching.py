"""One-to-one matching against exhaustive search."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.tracker import MATCHINGS
from posetrack.tracker.matching import rows_of
from posetrack.types import UNLINKED

Pairs = list[tuple[int, int]]


def pairs(name: str, similarity: np.ndarray, floor: float) -> Pairs:
    rows, columns = MATCHINGS[name](similarity, floor)
    assert rows.dtype == columns.dtype == np.int64
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def similarities(seed: int, rows: int, columns: int) -> np.ndarray:
    """Coarse values, so that ties occur."""
    return np.random.default_rng(seed).integers(0, 9, (rows, columns)).astype(np.float32) / 8


def best_sum(similarity: np.ndarray, floor: float) -> float:
    """The largest sum over one-to-one matchings of pairs that are allowed, by trying all."""
    allowed = np.where(similarity >= floor, similarity, 0)
    if allowed.shape[0] > allowed.shape[1]:
        allowed = allowed.T
    rows, columns = allowed.shape
    return max(sum(allowed[i, p[i]] for i in range(rows)) for p in permutations(range(columns), rows))


@pytest.mark.parametrize("name", MATCHINGS)
@given(
    seed=st.integers(0, 10_000), n=st.integers(0, 6), m=st.integers(0, 6), floor=st.sampled_from([0.0, 0.25, 0.6])
)
@settings(max_examples=60, deadline=None)
def test_matching_is_one_to_one_and_respects_the_floor(name: str, seed: int, n: int, m: int, floor: float) -> None:
    """Nobody twice, and nobody merely because nothing better is left."""
    similarity = similarities(seed, n, m)
    found = pairs(name, similarity, floor)
    assert found == sorted(found)
    assert len({row for row, _ in found}) == len({column for _, column in found}) == len(found)
    assert all(similarity[pair] >= floor and similarity[pair] > 0 for pair in found)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 5), m=st.integers(1, 5), floor=st.sampled_from([0.0, 0.3]))
@settings(max_examples=60, deadline=None)
def test_hungarian_reaches_the_largest_sum(seed: int, n: int, m: int, floor: float) -> None:
    similarity = similarities(seed, n, m)
    total = sum(similarity[pair] for pair in pairs("hungarian", similarity, floor))
    assert total == pytest.approx(best_sum(similarity, floor), abs=1e-6)


@given(seed=st.integers(0, 10_000), n=st.integers(1, 6), m=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_greedy_takes_the_best_pair_of_all_first(seed: int, n: int, m: int) -> None:
    """The largest element of the whole matrix, not each row's, and not the smallest."""
    similarity = np.random.default_rng(seed).random((n, m))
    expected, left = [], similarity.copy()
    while left.size and left.max() >= 0.2:
        row, column = np.unravel_index(left.argmax(), left.shape)
        expected.append((int(row), int(column)))
        left[row, :] = left[:, column] = -1
    assert pairs("greedy", similarity, 0.2) == sorted(expected)


def test_greedy_and_hungarian_differ_where_they_should() -> None:
    similarity = np.array([[0.8, 0.9], [0.1, 0.8]])
    assert pairs("greedy", similarity, 0.2) == [(0, 1)]
    assert pairs("hungarian", similarity, 0.2) == [(0, 0), (1, 1)]


def test_hungarian_leaves_somebody_alone_where_that_makes_the_sum_larger() -> None:
    """0.9 alone is more than 0.5 and 0.35 together; the 0.1 is below the floor and costs nothing."""
    assert pairs("hungarian", np.array([[0.9, 0.5], [0.35, 0.1]]), 0.3) == [(0, 0)]


@pytest.mark.parametrize("name", MATCHINGS)
def test_a_pair_at_the_floor_is_matched_and_one_below_it_is_not(name: str) -> None:
    assert pairs(name, np.array([[0.25]]), 0.25) == [(0, 0)]
    assert pairs(name, np.array([[0.25]]), 0.251) == []
    assert pairs(name, np.array([[0.01]]), 0.0) == [(0, 0)]
    assert pairs(name, np.array([[0.0]]), 0.0) == []


def test_among_equals_greedy_takes_the_lower_row_then_the_lower_column() -> None:
    """Of a crowd, since short arrays are sorted stably by any method."""
    similarity = similarities(0, 40, 30)
    order = sorted(np.ndindex(40, 30), key=lambda pair: (-similarity[pair], *pair))
    expected: Pairs = []
    for row, column in order:
        if similarity[row, column] >= 0.2 and all(row != i and column != j for i, j in expected):
            expected.append((row, column))
    assert pairs("greedy", similarity, 0.2) == sorted(expected)


def test_ties_are_broken_the_same_way_every_time() -> None:
    assert pairs("greedy", np.full((3, 3), 0.5), 0.2) == [(0, 0), (1, 1), (2, 2)]


@given(seed=st.integers(0, 10_000), known=st.integers(0, 6), count=st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_ids_are_found_where_they_stand_and_no_id_is_found_nowhere(seed: int, known: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    known_ids = rng.permutation(np.arange(UNLINKED, 8))[:known]
    ids = rng.integers(UNLINKED, 8, count)
    rows, found = rows_of(ids, known_ids)
    assert found.tolist() == [i != UNLINKED and i in known_ids.tolist() for i in ids.tolist()]
    assert (
        rows.shape == (count,)
        and [known_ids.tolist().index(i) for i in ids[found].tolist()] == rows[found].tolist()
    )
