"""Pairs files and videos of predictions with those of the ground truth."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from posetrack.errors import DataFormatError
from posetrack.files.text import printable
from posetrack.formats.annotations import Annotations
from posetrack.formats.reading import files_in, is_folder, read_annotations


def pair_files(
    ground_truth: Path, predictions: Path, names: Collection[str] | None = None
) -> list[tuple[Path, Path]]:
    """Pair ground-truth files with predictions of the same name. Either side may be a folder or a file.

    Other files in a folder of predictions are ignored. Two single files are a pair whatever their names.
    ``names`` (without .json) selects from a folder of ground truths.

    Raises:
        DataFormatError: a file is missing.
    """
    many_truths, many_predictions = is_folder(ground_truth), is_folder(predictions)
    if not many_truths:
        return [(ground_truth, _named(predictions, ground_truth) if many_predictions else predictions)]
    truths = [path for path in files_in(ground_truth, ".json") if names is None or path.stem in names]
    if not truths:
        raise DataFormatError(
            f"{ground_truth}: the folder has no .json files; name the folder with the annotations."
        )
    if many_predictions:
        return [(truth, _named(predictions, truth)) for truth in truths]
    chosen = truths if len(truths) == 1 else [truth for truth in truths if truth.name == predictions.name]
    if not chosen:
        raise DataFormatError(
            f"{predictions}: {ground_truth} has several ground truths, but none of this name; "
            "give one of its files."
        )
    return [(chosen[0], predictions)]


def _named(folder: Path, truth: Path) -> Path:
    path = folder / truth.name
    if not path.is_file():
        raise DataFormatError(
            f"{path}: there are no predictions for {truth}; write a file for every ground truth."
        )
    return path


def read_pair(truth_path: Path, prediction_path: Path) -> list[tuple[str, Annotations, Annotations]]:
    """Read the name, ground truth and predictions of each video in a pair of files.

    A single video is named after its file, several are named ``file/video``. Videos are paired by name, or by
    order if some names differ.
    """
    truths, predictions = read_annotations(truth_path), read_annotations(prediction_path)
    if len(predictions) < len(truths):
        raise DataFormatError(
            f"{prediction_path}: {len(predictions)} video(s), but {truth_path} has {len(truths)}; predict all."
        )
    by_video = {prediction.video: prediction for prediction in predictions}
    known = all(truth.video in by_video for truth in truths)
    chosen = [by_video[truth.video] for truth in truths] if known else predictions[: len(truths)]
    stem = printable(truth_path.name.removesuffix(".json"))
    names = [stem] if len(truths) == 1 else [f"{stem}/{printable(truth.video)}" for truth in truths]
    return list(zip(names, truths, chosen, strict=True))
