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
from posetrack.formats.checks import member, number_or_nan, rows_of_numbers
from posetrack.formats.reading import is_folder, load_json
from posetrack.skeletons import COCO as COCO_SKELETON
from posetrack.skeletons import POSETRACK, Skeleton
from posetrack.types import BoolArray, Doubles

FIGURES = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")
"""COCO's ten figures, in the order of pycocotools."""

_PERSON = 1
_LARGEST = np.finfo(np.float64).max  # with an infinite area pycocotools would match this person with everyone
_UNDEFINED = -1  # pycocotools' value for a figure without people


def are_coco_results(path: Path) -> bool:
    """Whether a file is a JSON list, as COCO results are and PoseTrack's files are not.

    Raises:
        DataFormatError: the file is missing or cannot be read.
    """
    if is_folder(path) or not path.is_file():  # a pipe can be read only once
        return False
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip()[:1] == b"["
    except OSError as error:
        raise DataFormatError(f"{path}: cannot be read ({error.strerror}); check the path.") from error


def evaluate_oks(ground_truth: str | PathLike[str], results: str | PathLike[str]) -> dict[str, float]:
    """Compute COCO's ten figures of keypoint results, in percent; NaN where undefined.

    Args:
        ground_truth: COCO keypoints JSON, or PoseTrack18 JSON (where areas are missing, the boxes' are taken).
        results: COCO results JSON: a list of ``image_id``, ``category_id``, ``keypoints``, ``score``.

    Raises:
        DataFormatError: a file is missing or malformed, or a result is for an unknown image.
    """
    truth_path, results_path = Path(ground_truth), Path(results)
    truth, people = load_json(truth_path), load_json(results_path)
    skeleton = _skeleton(truth_path, truth)
    images = _image_ids(truth_path, truth["images"])
    if not isinstance(people, list):
        raise DataFormatError(f"{results_path}: COCO results are a list of people; give such a file.")
    joints = _joints(truth_path, "annotation", truth["annotations"], len(skeleton), images)
    found = _joints(results_path, "result", people, len(skeleton), images)
    _check_scores(results_path, people)
    with np.errstate(over="ignore"):
        annotations = _complete(truth_path, truth["annotations"], joints)
    data = {
        "images": [{"id": image_id} for image_id in images],
        "annotations": annotations,
        "categories": [{"id": _PERSON, "name": "person"}],
    }
    candidates = [
        {"image_id": p["image_id"], "category_id": _PERSON, "keypoints": xys.ravel().tolist(), "score": p["score"]}
        for p, xys in zip(people, found, strict=True)
    ]
    return dict(zip(FIGURES, _measure(data, candidates, skeleton), strict=True))


def _skeleton(path: Path, truth: Any) -> Skeleton:
    for key in ("images", "annotations", "categories"):
        member(path, truth, key, list)
    categories = [category for category in truth["categories"] if isinstance(category, dict)]
    names = next((c.get("keypoints") for c in categories if c.get("name") == "person"), None)
    for skeleton in (COCO_SKELETON, POSETRACK):
        if names == list(skeleton.joints):
            return skeleton
    raise DataFormatError(
        f"{path}: the category 'person' names neither COCO's nor PoseTrack's 17 joints; "
        "OKS is defined for these two only."
    )


def _image_ids(path: Path, images: list[Any]) -> dict[Any, None]:
    ids: dict[Any, None] = {}
    for number, image in enumerate(images):
        if not isinstance(image, dict) or not isinstance(image.get("id"), int | float | str):
            raise DataFormatError(f"{path}: image {number} has no 'id'; give it a number.")
        ids[image["id"]] = None
    return ids


def _joints(path: Path, what: str, people: list[Any], joints: int, images: dict[Any, None]) -> Doubles:
    """float64 [N, K, 3]: the people's joints. Raises an error if someone's image is unknown."""
    for number, person in enumerate(people):
        image_id = person.get("image_id") if isinstance(person, dict) else None
        if not isinstance(image_id, int | float | str) or image_id not in images:
            raise DataFormatError(
                f"{path}, {what} {number}: the ground truth has no image {image_id}; give results for its images."
            )
    rows = [person.get("keypoints") for person in people]
    return rows_of_numbers(path, "keypoints", rows, 3 * joints, lambda n: f"{what} {n}").reshape(-1, joints, 3)


def _check_scores(path: Path, people: list[dict[str, Any]]) -> None:
    for number, person in enumerate(people):
        if not np.isfinite(number_or_nan(person.get("score"))):
            raise DataFormatError(f"{path}, result {number}: 'score' is not a number; add the person's score.")


def _complete(path: Path, people: list[dict[str, Any]], joints: Doubles) -> list[dict[str, Any]]:
    """Annotations for pycocotools, with the fields that PoseTrack leaves out."""
    there = joints[..., 2] > 0
    boxes = _extents(joints[..., :2], there)
    boxed = [number for number, person in enumerate(people) if person.get("bbox")]
    rows = [people[number]["bbox"] for number in boxed]
    boxes[boxed] = rows_of_numbers(path, "bbox", rows, 4, lambda row: f"annotation {boxed[row]}")
    given = np.array([number_or_nan(person.get("area")) for person in people], dtype=np.float64)
    areas = np.where(np.isnan(given), boxes[:, 2:].prod(axis=1), given).tolist()
    return [
        {
            "id": number + 1,  # pycocotools takes 0 for no match
            "image_id": person["image_id"],
            "category_id": _PERSON,
            "keypoints": joints[number].ravel().tolist(),
            "num_keypoints": int(there[number].sum()),
            "bbox": boxes[number].tolist(),
            "area": min(areas[number], _LARGEST),
            "iscrowd": int(bool(person.get("iscrowd"))),
        }
        for number, person in enumerate(people)
    ]


def _extents(xy: Doubles, there: BoolArray) -> Doubles:
    """float64 [N, 4]: 0, 0, width and height of the present joints (xy [N, K, 2], there [N, K])."""
    low = np.where(there[..., None], xy, np.inf).min(axis=1, initial=np.inf)
    high = np.where(there[..., None], xy, -np.inf).max(axis=1, initial=-np.inf)
    sizes = np.where(there.any(axis=1, keepdims=True), high - low, 0)
    return np.concatenate([np.zeros_like(sizes), np.minimum(sizes, _LARGEST)], axis=1)


def _measure(truth: dict[str, Any], people: list[dict[str, Any]], skeleton: Skeleton) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not people:
        return [0.0] * len(FIGURES)
    # pycocotools prints its progress; huge coordinates overflow to infinite distances
    with redirect_stdout(StringIO()), np.errstate(over="ignore", invalid="ignore"):
        index = COCO()
        index.dataset = truth
        index.createIndex()
        found = index.loadRes(people)
        evaluation = COCOeval(index, found, "keypoints")
        evaluation.params.kpt_oks_sigmas = skeleton.oks_sigmas.astype(np.float64)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [np.nan if value == _UNDEFINED else 100 * float(value) for value in evaluation.stats]
