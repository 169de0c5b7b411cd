"""OKS-AP of COCO keypoint results, by pycocotools.

Source: https://cocodataset.org/#keypoints-eval. At most 20 people per image; track ids are ignored.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats.checks import member
from posetrack.formats.reading import load_json
from posetrack.skeletons import COCO as COCO_SKELETON
from posetrack.skeletons import POSETRACK, Skeleton

FIGURES = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")
"""COCO's ten figures, in the order of pycocotools."""

_PERSON = 1
_UNDEFINED = -1  # pycocotools' mark for a figure that nobody falls under


def are_coco_results(path: Path) -> bool:
    """Whether a file is a JSON list, as COCO results are and PoseTrack's files are not."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip()[:1] == b"["


def evaluate_oks(ground_truth: str | PathLike[str], results: str | PathLike[str]) -> dict[str, float]:
    """COCO's ten figures of keypoint results, percent; NaN where undefined.

    Args:
        ground_truth: COCO keypoints JSON, or PoseTrack18 JSON (areas are then those of the boxes).
        results: COCO results JSON: a list of ``image_id``, ``category_id``, ``keypoints``, ``score``.

    Raises:
        DataFormatError: a file is missing, or the two do not fit together.
    """
    truth_path, results_path = Path(ground_truth), Path(results)
    truth, people = load_json(truth_path), load_json(results_path)
    skeleton = _skeleton(truth_path, truth)
    images = {image.get("id") for image in truth["images"] if isinstance(image, dict)}
    _check_people(truth_path, "annotation", truth["annotations"], len(skeleton), images)
    _check_people(results_path, "result", people, len(skeleton), images)
    truth["annotations"] = [_complete(person) for person in truth["annotations"]]
    return dict(zip(FIGURES, _measure(truth, people, skeleton), strict=True))


def _skeleton(path: Path, truth: Any) -> Skeleton:
    for key in ("images", "annotations", "categories"):
        member(path, truth, key, list)
    names = next((tuple(c.get("keypoints", ())) for c in truth["categories"] if c.get("name") == "person"), ())
    for skeleton in (COCO_SKELETON, POSETRACK):
        if names == skeleton.joints:
            return skeleton
    raise DataFormatError(
        f"{path}: the category 'person' names neither COCO's nor PoseTrack's 17 joints; "
        "OKS is defined for these two only."
    )


def _check_people(path: Path, what: str, people: list[Any], joints: int, images: set[Any]) -> None:
    """Every person has its joints and an image of the ground truth, and every result a score."""
    for number, person in enumerate(people):
        keypoints = person.get("keypoints") if isinstance(person, dict) else None
        numbers = keypoints if isinstance(keypoints, list) else []
        if len(numbers) != 3 * joints or not all(isinstance(value, int | float) for value in numbers):
            raise DataFormatError(
                f"{path}, {what} {number}: 'keypoints' must hold {3 * joints} numbers; correct it."
            )
        if what == "result" and not isinstance(person.get("score"), int | float):
            raise DataFormatError(f"{path}, {what} {number}: there is no 'score'; add the person's.")
        if person.get("image_id") not in images:
            raise DataFormatError(
                f"{path}, {what} {number}: the ground truth has no image {person.get('image_id')}; "
                "these people are of other images."
            )


def _complete(person: dict[str, Any]) -> dict[str, Any]:
    """With the fields that pycocotools needs and PoseTrack leaves out."""
    _, _, width, height = person.get("bbox") or _extent(person["keypoints"])
    return {
        "area": width * height,
        "iscrowd": 0,
        "num_keypoints": sum(flag > 0 for flag in person["keypoints"][2::3]),
        "bbox": [0, 0, width, height],
        **person,
        "category_id": _PERSON,
    }


def _extent(keypoints: list[float]) -> list[float]:
    there = np.array(keypoints).reshape(-1, 3)
    there = there[there[:, 2] > 0, :2]
    return [0, 0, *np.ptp(there, axis=0).tolist()] if len(there) else [0, 0, 0, 0]


def _measure(truth: dict[str, Any], people: list[dict[str, Any]], skeleton: Skeleton) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not people:
        return [0.0] * len(FIGURES)
    with redirect_stdout(StringIO()):  # pycocotools reports its progress there
        index = COCO()
        index.dataset = {**truth, "categories": [{"id": _PERSON, "name": "person"}]}
        index.createIndex()
        found = index.loadRes([{**person, "category_id": _PERSON} for person in people])
        evaluation = COCOeval(index, found, "keypoints")
        evaluation.params.kpt_oks_sigmas = skeleton.oks_sigmas.astype(np.float64)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [np.nan if value == _UNDEFINED else 100 * float(value) for value in evaluation.stats]
