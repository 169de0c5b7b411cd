"""Boxes of refined people are steady, and those that were found are not forgotten."""

from pathlib import Path

import numpy as np
import pytest

from posetrack.refine.boxes import with_steady_boxes
from posetrack.refine.clip import Track, observed
from posetrack.refine.files import read_clip, write_clip
from posetrack.refine.second_pass import RefineConfig, refine_clip
from tests.refine_clips import clip_of, line, walker

WALK = walker(1, line((100, 400), (50, 0), 100))


def jittering(pixels: float = 10) -> Track:
    return WALK.replace(boxes=WALK.boxes + np.random.default_rng(0).normal(0, pixels, WALK.boxes.shape))


def off(track: Track) -> float:
    return float(np.abs(track.boxes - WALK.boxes[track.frames]).mean())


def test_boxes_that_jitter_come_nearer_to_the_truth() -> None:
    steady = with_steady_boxes(jittering(), clip_of(WALK))
    assert off(steady) < off(jittering()) / 2
    assert np.array_equal(steady.raw_boxes, jittering().boxes)
    assert (
        np.abs(np.diff(steady.boxes, 2, axis=0)).mean() < np.abs(np.diff(jittering().boxes, 2, axis=0)).mean() / 4
    )


def test_steady_boxes_of_a_steady_walk_are_the_same_up_to_its_ends() -> None:
    assert np.allclose(with_steady_boxes(WALK, clip_of(WALK)).boxes, WALK.boxes)
    alone = WALK[:1]
    assert np.array_equal(with_steady_boxes(alone, clip_of(alone)).boxes, alone.boxes)


@pytest.mark.parametrize("cuts", [(), (50, 52)])
def test_boxes_are_not_mixed_across_gaps_and_cuts(cuts: tuple[int, ...]) -> None:
    """Two frames between two gaps, or cuts, are elsewhere: a median over more frames would not keep them."""
    rows = np.arange(100)
    track = WALK.replace(boxes=WALK.boxes + np.where((rows >= 50) & (rows < 52), 500, 0)[:, None])
    if not cuts:
        track = track.replace(frames=rows + 20 * (rows >= 50) + 20 * (rows >= 52))
    steady = with_steady_boxes(track, clip_of(track, cuts=cuts, frame_count=140))
    assert np.allclose(steady.boxes, track.boxes)


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".json"])
def test_found_boxes_come_back_from_refined_files(ending: str, tmp_path: Path) -> None:
    seen = jittering()[np.r_[0:40, 50:100]]
    refined = refine_clip(clip_of(seen), RefineConfig())
    path = tmp_path / f"street{ending}"
    write_clip(path, refined)
    again = observed(read_clip(path).tracks[0])
    assert np.allclose(again.boxes, seen.boxes, atol=2e-3) and again.raw_boxes is None
    assert np.allclose(read_clip(path).tracks[0].boxes, refined.tracks[0].boxes, atol=2e-3)
    assert off(refined.tracks[0]) < off(seen) / 2 and len(refined.tracks[0]) == 100
