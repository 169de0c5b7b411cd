"""Where MOTA is lost: switches, and runs of frames in which a joint is missed or wrongly predicted."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np

from posetrack.evaluation.clear_mot import JointPairs, tracked_frames
from posetrack.evaluation.joint_names import JOINT_NAMES
from posetrack.evaluation.sequences import Sequence, Side
from posetrack.files.pending import write_file
from posetrack.files.text import csv_table
from posetrack.types import IntArray

ALL_JOINTS = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRun:
    """An error, or the same error in consecutive labelled frames.

    Attributes:
        mota_points: Percentage points that it costs the total MOTA.
        sequence: Name of the sequence.
        kind: ``switch``, ``miss``, ``false positive`` or ``nobody on one side`` (the official evaluator counts
            such a frame as one miss and one false positive per joint).
        joint: Joint name, or ``all``.
        first_frame, last_frame: Positions in the file, from 0.
        image: The first frame's image.
        x, y: Position in the first frame, in pixels, of the truth's joint or of the false positive.
        truth_id, predicted_id: Track ids in the files, or None.
        previous_id: At a switch, the predicted track id before it.
        errors: Number of errors.
    """

    mota_points: float
    sequence: str
    kind: str
    joint: str
    first_frame: int
    last_frame: int
    image: str
    x: float | None
    y: float | None
    truth_id: int | None
    predicted_id: int | None
    previous_id: int | None
    errors: int


def error_runs(sequence: Sequence, pairs: JointPairs) -> list[ErrorRun]:
    """List all errors of a sequence. ``mota_points`` are 0 until ``by_cost`` fills them in."""
    return [
        *_switches(sequence, pairs),
        *_unmatched_runs(sequence, "miss", sequence.truth, pairs.truth, pairs.joints),
        *_unmatched_runs(sequence, "false positive", sequence.prediction, pairs.prediction, pairs.joints),
        *_one_sided(sequence),
    ]


def by_cost(runs: SequenceOf[ErrorRun], objects: IntArray) -> list[ErrorRun]:
    """Fill in the cost of each run and sort them, most expensive first.

    Args:
        runs: Error runs of all sequences.
        objects: int64 [K]: number of each joint in the whole ground truth; MOTA averages the joints above 0.
    """
    per_error = np.where(objects > 0, 100 / np.maximum(objects, 1), 0) / max(int((objects > 0).sum()), 1)
    costs = {**dict(zip(JOINT_NAMES, per_error.tolist(), strict=True)), ALL_JOINTS: float(per_error.mean())}
    priced = [replace(run, mota_points=run.errors * costs[run.joint]) for run in runs]
    return sorted(priced, key=lambda run: -run.mota_points)


def write_errors(path: Path, runs: SequenceOf[ErrorRun]) -> None:
    """Write the runs as CSV, with a header line and a line per run.

    Raises:
        OutputError: the file cannot be written.
    """
    heading = [field.name for field in fields(ErrorRun)]
    rows = ([_exact(value) if isinstance(value, float) else value for value in astuple(run)] for run in runs)
    write_file(path, csv_table([heading, *rows]))


def _exact(value: float) -> float:
    return float(f"{value:.6g}")


def _switches(sequence: Sequence, pairs: JointPairs) -> Iterator[ErrorRun]:
    truth, prediction = sequence.truth, sequence.prediction
    for number in np.flatnonzero(pairs.previous >= 0).tolist():
        row, predicted = int(pairs.truth[number]), int(pairs.prediction[number])
        yield replace(
            _run(sequence, "switch", truth, (row, row), int(pairs.joints[number])),
            predicted_id=int(prediction.track_ids[prediction.tracks[predicted]]),
            previous_id=int(prediction.track_ids[pairs.previous[number]]),
        )


def _unmatched_runs(
    sequence: Sequence, kind: str, side: Side, matched_rows: IntArray, matched_joints: IntArray
) -> Iterator[ErrorRun]:
    """Runs of unmatched joints of a side, in frames with people on both sides."""
    tracked = np.arange(len(sequence)) < tracked_frames(sequence)
    unmatched = side.present & (sequence.compared & tracked)[side.frames, None]
    unmatched[matched_rows, matched_joints] = False
    rows, joints = np.nonzero(unmatched)
    if not len(rows):
        return
    order = np.lexsort((rows, side.tracks[rows], joints))  # rows are in the order of frames
    rows, joints = rows[order], joints[order]
    changes = (np.diff(joints) != 0) | (np.diff(side.tracks[rows]) != 0) | (np.diff(side.frames[rows]) != 1)
    starts = np.flatnonzero(np.concatenate([[True], changes]))
    ends = np.append(starts[1:], len(rows)) - 1
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield _run(sequence, kind, side, (int(rows[start]), int(rows[end])), int(joints[start]))


def _run(sequence: Sequence, kind: str, side: Side, rows: tuple[int, int], joint: int) -> ErrorRun:
    """A run of one joint, from the first to the last of the given rows of a side."""
    first, last = side.frames[rows[0]], side.frames[rows[1]]
    x, y = side.source.keypoints[side.rows[rows[0]], joint].tolist()
    track_id = int(side.track_ids[side.tracks[rows[0]]])
    of_truth = side is sequence.truth
    return ErrorRun(
        mota_points=0.0,
        sequence=sequence.name,
        kind=kind,
        joint=JOINT_NAMES[joint],
        first_frame=int(sequence.frames[first]),
        last_frame=int(sequence.frames[last]),
        image=sequence.truth.source.images[sequence.frames[first]]["file_name"],
        x=x,
        y=y,
        truth_id=track_id if of_truth else None,
        predicted_id=None if of_truth else track_id,
        previous_id=None,
        errors=int(last - first) + 1,
    )


def _one_sided(sequence: Sequence) -> Iterator[ErrorRun]:
    """Runs of kept frames with people on one side only."""
    frames = np.flatnonzero(~sequence.compared[: tracked_frames(sequence)])
    for run in np.split(frames, np.flatnonzero(np.diff(frames) != 1) + 1):
        if not len(run):
            continue
        first, last = (int(sequence.frames[frame]) for frame in (run[0], run[-1]))
        yield ErrorRun(
            mota_points=0.0,
            sequence=sequence.name,
            kind="nobody on one side",
            joint=ALL_JOINTS,
            first_frame=first,
            last_frame=last,
            image=sequence.truth.source.images[first]["file_name"],
            x=None,
            y=None,
            truth_id=None,
            predicted_id=None,
            previous_id=None,
            errors=2 * len(JOINT_NAMES) * len(run),
        )
