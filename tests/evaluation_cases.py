"""Random sequences with every oddity of PoseTrack's files, as plain lists, and as files of both formats.

A sequence is a list of frames: ``{"truth": [...], "predictions": [...], "regions": [...]}``; a person is
``{"id", "head", "points": {joint: (x, y, score)}}`` with joints 0..14 in PoseTrack17's order.
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

JOINTS = [
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle",
    "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
    "head_bottom", "nose", "head_top",
]  # fmt: skip
EARS = ["left_ear", "right_ear"]

Person = dict[str, Any]
Frame = dict[str, Any]


def random_sequence(seed: int, frames: int = 6, people: int = 4) -> list[Frame]:
    """People who drift about with misses, false positives, switched ids, missing joints and ignore regions."""
    rng = random.Random(seed)
    walkers = [(rng.uniform(-20, 300), rng.uniform(-20, 300)) for _ in range(rng.randint(0, people))]
    names = rng.sample(range(50), len(walkers))
    scored = rng.random() < 0.7
    sequence = []
    for number in range(frames):
        walkers = [(x + rng.uniform(-8, 8), y + rng.uniform(-8, 8)) for x, y in walkers]
        if rng.random() < 0.3 and len(names) > 1:
            rng.shuffle(names)
        truth = [
            {"id": i, "head": rng.choice([0, 20, 20, 30]), "points": _points(rng, at, 1.0, False)}
            for i, at in enumerate(walkers)
            if rng.random() < 0.85
        ]
        predictions = [
            {"id": names[i], "head": None, "points": _points(rng, at, 6.0, scored)}
            for i, at in enumerate(walkers)
            if rng.random() < 0.8
        ]
        for extra in range(rng.choice([0, 0, 1, 2])):
            at = rng.choice([*walkers, (rng.uniform(0, 300), rng.uniform(0, 300))])
            predictions.append(
                {"id": 60 + 2 * number + extra, "head": None, "points": _points(rng, at, 9.0, scored)}
            )
        rng.shuffle(predictions)
        regions = []
        if rng.random() < 0.25:
            x, y = rng.uniform(-50, 200), rng.uniform(-50, 200)
            size = rng.choice([60, 150, 1000])
            regions = [[(x, y), (x + size, y + size / 7), (x + size / 2, y + size)], []]
        if rng.random() < 0.1:
            truth = []
        if rng.random() < 0.1:
            predictions = []
        sequence.append({"truth": truth, "predictions": predictions, "regions": regions})
    return sequence


def _points(rng: random.Random, at: tuple[float, float], jitter: float, scored: bool) -> dict[int, Any]:
    points = {}
    for joint in range(15):
        if rng.random() < 0.15:
            continue
        x = at[0] + 11 * (joint % 4) + rng.gauss(0, jitter)
        y = at[1] + 13 * (joint // 4) + rng.gauss(0, jitter)
        points[joint] = (x, y, rng.choice([rng.random(), rng.random(), 0.5]) if scored else None)
    return {} if rng.random() < 0.05 else points


def write_posetrack18(path: Path, sequence: list[Frame], side: str, name: str = "000001_mpii_test") -> None:
    """The truth or the predictions of a sequence; the names of the joints are in an order of the file's own."""
    rng = random.Random(os.fsencode(path))
    names = [*JOINTS, *EARS] if rng.random() < 0.5 else list(JOINTS)
    rng.shuffle(names)
    images, annotations = [], []
    for number, frame in enumerate(sequence):
        image = {
            "id": 700 + number,
            "file_name": f"images/{name}/{number:06d}.jpg",
            "is_labeled": rng.random() < 0.5,
        }
        if frame["regions"]:
            image["ignore_regions_x"] = [[x for x, _ in region] for region in frame["regions"]]
            image["ignore_regions_y"] = [[y for _, y in region] for region in frame["regions"]]
        images.append(image)
        frame_annotations = [_annotation(person, 700 + number, names) for person in frame[side]]
        # frames come in any order, their people in the given one
        annotations = [*frame_annotations, *annotations] if rng.random() < 0.5 else annotations + frame_annotations
    category = {"id": 1, "name": "person", "keypoints": names}
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))


def _annotation(person: Person, image_id: int, names: list[str]) -> dict[str, Any]:
    keypoints: list[float] = []
    scores: list[float] = []
    for joint in names:
        point = person["points"].get(JOINTS.index(joint)) if joint in JOINTS else None
        keypoints += [0, 0, 0] if point is None else [point[0], point[1], 1]
        scores.append(0 if point is None else point[2])
    annotation = {"image_id": image_id, "track_id": person["id"], "keypoints": keypoints}
    if any(point[2] is not None for point in person["points"].values()):
        annotation["scores"] = scores
    if person["head"] is not None:
        annotation["bbox_head"] = [5, 7, 0.6 * person["head"], 0.8 * person["head"]]
    return annotation


def write_posetrack17(path: Path, sequence: list[Frame], side: str, name: str = "000001_mpii_test") -> None:
    """The truth or the predictions of a sequence; people without joints have no list of them."""
    frames = []
    for number, frame in enumerate(sequence):
        people = []
        for person in frame[side]:
            points = [
                {"id": [joint], "x": [x], "y": [y]} | ({} if score is None else {"score": [score]})
                for joint, (x, y, score) in person["points"].items()
            ]
            entry: dict[str, Any] = {
                "track_id": [person["id"]],
                "annopoints": [{"point": points}] if points else [],
            }
            if person["head"] is not None:
                width, height = 0.6 * person["head"], 0.8 * person["head"]
                entry |= {"x1": [5], "y1": [7], "x2": [5 + width], "y2": [7 + height]}
            people.append(entry)
        regions = [{"point": [{"x": [x], "y": [y]} for x, y in region]} for region in frame["regions"]]
        frames.append(
            {"image": [{"name": f"images/{name}/{number:08d}.jpg"}], "annorect": people, "ignore_regions": regions}
        )
    path.write_text(json.dumps({"annolist": frames}))


WRITERS = {"posetrack18": write_posetrack18, "posetrack17": write_posetrack17}


def write_case(folder: Path, sequences: dict[str, list[Frame]], form: str = "posetrack18") -> tuple[Path, Path]:
    """A folder of ground truths and one of predictions."""
    truth, predictions = folder / "truth", folder / "predictions"
    for side, where in (("truth", truth), ("predictions", predictions)):
        where.mkdir(parents=True, exist_ok=True)
        for name, sequence in sequences.items():
            WRITERS[form](where / f"{name}.json", sequence, side)
    return truth, predictions
