"""Detected and carried boxes made one set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.errors import ConfigError
from posetrack.tracker import MergeConfig, iou_matrix
from posetrack.tracker import merge as merge_with_rows
from posetrack.types import Boxes

CONFIG = MergeConfig()
NOBODY = Boxes.empty()


def boxes(*rows: tuple[float, float, float, float, float]) -> Boxes:
    """Boxes from rows x1, y1, x2, y2, score."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Boxes(table[:, :4], table[:, 4])


def merge(detected: Boxes, carried: Boxes, config: MergeConfig, faint: Boxes = NOBODY) -> Boxes:
    return merge_with_rows(detected, carried, config, faint).boxes


def listed(merged: Boxes) -> list[tuple[float, ...]]:
    """Rows x1, y1, x2, y2, score."""
    return [(*xyxy, score) for xyxy, score in zip(merged.xyxy.tolist(), merged.scores.tolist(), strict=True)]


def random_boxes(rng: np.random.Generator, count: int) -> Boxes:
    low = rng.uniform(0, 60, (count, 2))
    return Boxes(np.concatenate([low, low + rng.uniform(10, 60, (count, 2))], axis=1), rng.random(count))


def test_a_person_found_twice_is_one_with_the_better_box() -> None:
    fresh, old = boxes((10, 10, 50, 110, 0.9)), boxes((12, 8, 53, 112, 0.8))
    assert listed(merge(fresh, old, CONFIG)) == listed(fresh)
    doubtful = Boxes(fresh.xyxy, np.array([0.6], np.float32))
    assert listed(merge(doubtful, old, CONFIG)) == listed(old)


@pytest.mark.parametrize(
    ("detected", "carried", "origin"), [(0.9, 0.8, "detected"), (0.7, 0.8, "carried"), (0.8, 0.8, "detected")]
)
def test_of_a_pair_that_is_no_near_copy_the_better_box_stays_and_the_fresh_one_among_equals(
    detected: float, carried: float, origin: str
) -> None:
    fresh, old = boxes((0, 0, 100, 100, detected)), boxes((0, 0, 100, 60, carried))
    assert CONFIG.min_iou < iou_matrix(fresh.xyxy, old.xyxy) < CONFIG.duplicate_iou
    assert listed(merge(fresh, old, CONFIG)) == listed(fresh if origin == "detected" else old)


def test_boxes_that_overlap_by_just_the_limit_are_two_people() -> None:
    carried = boxes((0, 0, 10, 10, 0.9), (0, 0, 10, 8, 0.8))
    assert iou_matrix(carried.xyxy, carried.xyxy)[0, 1] == np.float32(0.8)
    assert len(merge(NOBODY, carried, MergeConfig(duplicate_iou=0.8))) == 2
    assert len(merge(NOBODY, carried, MergeConfig(duplicate_iou=0.79))) == 1


def test_a_missed_person_lives_from_the_carried_box() -> None:
    detected, carried = boxes((10, 10, 50, 110, 0.9)), boxes((11, 11, 50, 110, 0.7), (200, 10, 250, 120, 0.6))
    assert listed(merge(detected, carried, CONFIG)) == [*listed(detected), *listed(carried[1:])]


def test_a_detected_box_removes_only_one_of_two_people_who_cross() -> None:
    """One detection over both; the carried box that it does not stand for is the hidden person's."""
    detected = boxes((100, 100, 180, 300, 0.95))
    carried = boxes((120, 100, 200, 300, 0.85), (102, 101, 182, 301, 0.9))
    assert iou_matrix(detected.xyxy, carried.xyxy).min() > CONFIG.min_iou
    merged = merge(detected, carried, CONFIG)
    assert listed(merged) == [*listed(detected), *listed(carried[:1])]


def test_people_side_by_side_are_not_suppressed_between_detections() -> None:
    carried = boxes((120, 100, 200, 300, 0.85), (100, 100, 180, 300, 0.9))
    assert len(merge(NOBODY, carried, CONFIG)) == 2


def test_copies_of_one_box_are_suppressed() -> None:
    carried = boxes((100, 100, 180, 300, 0.7), (101, 99, 181, 301, 0.9))
    assert listed(merge(NOBODY, carried, CONFIG)) == listed(carried[1:])


def test_nothing_merges_with_nothing() -> None:
    detected = boxes((0, 0, 10, 10, 0.5), (40, 0, 60, 30, 0.8))
    assert len(merge(NOBODY, NOBODY, CONFIG)) == 0
    assert listed(merge(detected, NOBODY, CONFIG)) == listed(detected[[1, 0]])
    assert listed(merge(NOBODY, detected, CONFIG)) == listed(detected[[1, 0]])


@given(seed=st.integers(0, 10_000), n=st.integers(0, 8), m=st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_every_box_keeps_its_own_score_and_the_order_of_input_is_nothing(seed: int, n: int, m: int) -> None:
    """Sorting inside the suppression must not exchange boxes and scores."""
    rng = np.random.default_rng(seed)
    detected, carried = random_boxes(rng, n), random_boxes(rng, m)
    merged = merge(detected, carried, CONFIG)
    assert set(listed(merged)) <= {*listed(detected), *listed(carried)}
    assert (np.diff(merged.scores) <= 0).all()
    overlaps = iou_matrix(merged.xyxy, merged.xyxy) - np.eye(len(merged))
    assert (overlaps <= CONFIG.duplicate_iou).all()
    shuffled = merge(detected[rng.permutation(n)], carried[rng.permutation(m)], CONFIG)
    assert listed(shuffled) == listed(merged)


def test_detections_first_means_whatever_the_scores() -> None:
    fresh, old = boxes((0, 0, 100, 100, 0.5)), boxes((0, 0, 100, 60, 0.9))
    assert listed(merge(fresh, old, CONFIG)) == listed(old)
    assert listed(merge(fresh, old, MergeConfig(detections_first=True))) == listed(fresh)


FIRST = MergeConfig(detections_first=True)


def test_a_faint_detection_stands_for_somebody_expected_and_keeps_the_better_score() -> None:
    faint, old = boxes((0, 0, 100, 100, 0.2)), boxes((0, 0, 100, 60, 0.7))
    assert listed(merge(NOBODY, old, FIRST, faint)) == listed(boxes((0, 0, 100, 100, 0.7)))
    weaker = boxes((0, 0, 100, 60, 0.15))
    assert listed(merge(NOBODY, weaker, FIRST, faint)) == listed(faint)


def test_a_faint_detection_starts_nobody_and_says_nothing_of_people_detected() -> None:
    sure, old = boxes((0, 0, 100, 100, 0.9)), boxes((0, 0, 100, 90, 0.7))
    faint = boxes((0, 0, 100, 70, 0.4), (300, 0, 400, 100, 0.4))
    assert listed(merge(NOBODY, NOBODY, FIRST, faint)) == []
    assert listed(merge(sure, old, FIRST, faint)) == listed(sure)


def test_rows_count_detected_then_faint_then_carried_boxes() -> None:
    sure = boxes((0, 0, 100, 100, 0.9))
    faint = boxes((600, 0, 700, 100, 0.3), (300, 0, 400, 100, 0.3))
    old = boxes((900, 0, 999, 100, 0.6), (300, 0, 400, 90, 0.7))
    merged = merge_with_rows(sure, old, FIRST, faint)
    assert merged.rows.tolist() == [0, 2, 3]
    assert listed(merged.boxes) == [*listed(sure), (300, 0, 400, 100, np.float32(0.7)), *listed(old[:1])]


@pytest.mark.parametrize("option", ["min_iou", "duplicate_iou"])
def test_options_out_of_range_are_named(option: str) -> None:
    with pytest.raises(ConfigError, match=option):
        MergeConfig(**{option: 1.2})
