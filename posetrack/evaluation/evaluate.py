"""The whole evaluation: files in, metrics out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.evaluation.average_precision import PoseAssignment, ScoredJoints, average_precision
from posetrack.evaluation.clear_mot import JointTracker, MotCounts
from posetrack.evaluation.error_runs import ErrorRun, by_cost, error_runs
from posetrack.evaluation.hota import HotaMatcher, HotaParts
from posetrack.evaluation.identity import IdentityAssignment
from posetrack.evaluation.pairing import pair_files, read_pair
from posetrack.evaluation.results import EvaluationResult, JointFigures, Scores
from posetrack.evaluation.sequences import distances, prepare
from posetrack.types import IntArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Counted:
    """A sequence's part of the total; None if its ground truth has no people."""

    name: str
    parts: _Parts | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Parts:
    frames: int
    joints: ScoredJoints
    mot: MotCounts
    identity_true_positives: IntArray
    hota: HotaParts | None
    errors: list[ErrorRun]


@dataclass(frozen=True, slots=True)
class _Wanted:
    hota: bool
    errors: bool


def evaluate(
    ground_truth: str | PathLike[str],
    predictions: str | PathLike[str],
    *,
    hota: bool = True,
    errors: bool = False,
    workers: int = 1,
    sequences: Collection[str] | None = None,
) -> EvaluationResult:
    """Evaluate predictions like the official PoseTrack evaluator.

    Args:
        ground_truth: A PoseTrack18 or PoseTrack17 file, or a folder of them.
        predictions: Likewise; files in a folder have the names of their ground truths.
        hota: Also compute HOTA.
        errors: Also list every error.
        workers: Number of processes.
        sequences: Names, without .json, of the ground truths to take from a folder. Defaults to all.

    Returns:
        Figures per joint, per sequence and in total.

    Raises:
        DataFormatError: a file is missing or malformed; the message names file, frame and remedy.
        ConfigError: ``workers`` is not positive.

    The official evaluator's rules hold even where they are surprising. Where it crashes or ignores input, this
    deviates: a sequence of one labelled frame is evaluated in that frame, all videos of a file are evaluated,
    and equal scores are sorted stably (the official order depends on the processor).
    """
    if not (isinstance(workers, int) and workers >= 1):
        raise ConfigError(f"workers must be a whole number, 1 or more, not {workers!r}.")
    wanted = _Wanted(hota, errors)
    files = pair_files(Path(ground_truth), Path(predictions), sequences)
    pairs = [(truth, prediction, wanted) for truth, prediction in files]
    if workers == 1 or len(pairs) == 1:
        return _combined(chain.from_iterable(map(_evaluate_pair, pairs)), Path(ground_truth))
    with ProcessPoolExecutor(min(workers, len(pairs))) as pool:
        return _combined(chain.from_iterable(pool.map(_evaluate_pair, pairs)), Path(ground_truth))


def _evaluate_pair(pair: tuple[Path, Path, _Wanted]) -> list[_Counted]:
    """Evaluate a pair of files. At module level, so that it can be sent to another process."""
    # huge coordinates overflow: such joints are infinitely far from all others
    with np.errstate(over="ignore", invalid="ignore"):
        return list(_counted(*pair))


def _counted(truth_path: Path, prediction_path: Path, wanted: _Wanted) -> Iterator[_Counted]:
    for name, truth, prediction in read_pair(truth_path, prediction_path):
        sequence = prepare(name, truth, prediction)
        if sequence is None:
            yield _Counted(name=name, parts=None)
            continue
        poses, tracks, identities = PoseAssignment(sequence), JointTracker(sequence), IdentityAssignment(sequence)
        matcher = HotaMatcher(sequence) if wanted.hota else None
        for run in distances(sequence):
            for counter in (poses, tracks, identities, matcher):
                if counter is not None:
                    counter.add(run)
        parts = _Parts(
            frames=len(sequence),
            joints=poses.joints(),
            mot=tracks.counts(),
            identity_true_positives=identities.true_positives(),
            hota=matcher.parts() if matcher else None,
            errors=error_runs(sequence, tracks.pairs()) if wanted.errors else [],
        )
        yield _Counted(name=name, parts=parts)


def _combined(counted: Iterable[_Counted], ground_truth: Path) -> EvaluationResult:
    everything = list(counted)
    parts = {one.name: one.parts for one in everything if one.parts is not None}
    if not parts:
        raise DataFormatError(f"{ground_truth}: nobody is annotated in it; there is nothing to compare with.")
    pooled = list(parts.values())
    hota = [one.hota for one in pooled if one.hota is not None]
    total = _Parts(
        frames=sum(one.frames for one in pooled),
        joints=ScoredJoints.concatenate([one.joints for one in pooled]),
        mot=MotCounts.total([one.mot for one in pooled]),
        identity_true_positives=np.sum([one.identity_true_positives for one in pooled], axis=0),
        hota=HotaParts.pooled(hota) if hota else None,
        errors=list(chain.from_iterable(one.errors for one in pooled)),
    )
    return EvaluationResult(
        total=_scores("total", total),
        sequences={name: _scores(name, one) for name, one in parts.items()},
        unlabelled=tuple(one.name for one in everything if one.parts is None),
        joints=total.joints,
        errors=tuple(by_cost(total.errors, total.mot.objects)),
    )


def _scores(name: str, parts: _Parts) -> Scores:
    figures = parts.hota.figures() if parts.hota else {}
    return Scores(
        name=name,
        frames=parts.frames,
        precision=average_precision(parts.joints),
        mot=parts.mot,
        identity_true_positives=parts.identity_true_positives,
        hota={key: JointFigures(values[:-1], float(values[-1])) for key, values in figures.items()},
    )
