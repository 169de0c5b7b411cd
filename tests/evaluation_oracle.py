"""The official evaluator's rules again, as plain as they can be said: loops, dictionaries and brute force.

Independent of the package: it shares no code and no data structure with it, and is meant for few people.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.evaluation_cases import Frame, Person

LIMIT = 0.5
THRESHOLDS = [0.05 * (n + 1) for n in range(19)]


def inside(x: float, y: float, polygon: list[tuple[float, float]]) -> bool:
    """Even-odd rule; random points are never on a boundary."""
    result = False
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            result = not result
    return result


def prepared(sequence: list[Frame], form: str) -> list[Frame]:
    """Kept frames with what the ignore regions leave. PoseTrack17 drops people without joints, 18 does not."""
    kept = []
    for frame in sequence:
        if not frame["truth"]:
            continue
        sides = {}
        for side in ("truth", "predictions"):
            people = []
            for person in frame[side]:
                points = {
                    joint: point
                    for joint, point in person["points"].items()
                    if not any(region and inside(point[0], point[1], region) for region in frame["regions"])
                }
                if points or (form == "posetrack18" and not frame["regions"]):
                    people.append({**person, "points": points})
            sides[side] = people
        kept.append(sides)
    return kept


def distance(truth: Person, prediction: Person, joint: int) -> float:
    """In head sizes; infinite if one of them lacks the joint."""
    if joint not in truth["points"] or joint not in prediction["points"] or not truth["head"]:
        return math.inf
    (x1, y1, _), (x2, y2, _) = truth["points"][joint], prediction["points"][joint]
    return math.sqrt((x1 - x2) ** 2 + (y1 - y2) ** 2) / (0.6 * truth["head"])


def matchings(rows: list[int], columns: list[int]) -> Iterator[list[tuple[int, int]]]:
    """All one-to-one matchings, the incomplete ones included."""
    if not rows:
        yield []
        return
    for rest in matchings(rows[1:], columns):
        yield rest
    for column in columns:
        for rest in matchings(rows[1:], [c for c in columns if c != column]):
            yield [(rows[0], column), *rest]


def pose_labels(frames: list[Frame]) -> tuple[list[list[tuple[float, bool]]], list[int]]:
    """Per joint: score and rightness of every predicted joint, in order; and how many there are to find."""
    labels: list[list[tuple[float, bool]]] = [[] for _ in range(15)]
    counts = [0] * 15
    for frame in frames:
        truth, predictions = frame["truth"], frame["predictions"]
        pck = [
            [sum(distance(t, p, j) <= LIMIT for j in range(15)) / max(len(t["points"]), 1) for t in truth]
            for p in predictions
        ]
        winner: dict[int, int] = {}  # truth -> prediction
        for p, row in enumerate(pck):
            best = max(row, default=0)
            if best > 0:
                t = row.index(best)
                if t not in winner or best > pck[winner[t]][t]:
                    winner[t] = p
        for p, person in enumerate(predictions):
            mine = [truth[t] for t, owner in winner.items() if owner == p]
            for joint, (_, _, score) in person["points"].items():
                right = bool(mine) and distance(mine[0], person, joint) <= LIMIT
                labels[joint].append((-9999.0 if score is None else score, right))
        for person in truth:
            for joint in person["points"]:
                counts[joint] += 1
    return labels, counts


def average_precision(labels: list[tuple[float, bool]], count: int) -> tuple[float, float, float]:
    """AP, precision, recall in percent, as the official code computes them."""
    if not labels:
        return 0.0, 0.0, 0.0
    ordered = [labels[n][1] for n in sorted(range(len(labels)), key=lambda n: (labels[n][0], n))[::-1]]
    if count == 0:
        return math.nan, 0.0, math.nan
    area = found = 0.0
    curve = []
    for n, right in enumerate(ordered, 1):
        found += right
        curve.append((found / count, found / n))
    before = 0.0
    for n, (recall, _) in enumerate(curve):
        area += (recall - before) * max(precision for _, precision in curve[n:])
        before = recall
    return 100 * area, 100 * curve[-1][1], 100 * curve[-1][0]


def clear_mot(frames: list[Frame], joint: int) -> dict[str, float]:
    """MOT counts of one joint: matches of before first, then most pairs, then least distance."""
    tracked = frames[:-1] if len(frames) > 1 else frames
    totals: dict[str, float] = defaultdict(float)
    last: dict[int, int] = {}
    owner: dict[int, int] = {}
    ever: set[int] = set()
    for frame in tracked:
        if not frame["truth"] or not frame["predictions"]:
            for name in ("objects", "misses", "false_positives"):
                totals[name] += 1
            continue
        truth = [t for t in frame["truth"] if joint in t["points"]]
        predictions = [p for p in frame["predictions"] if joint in p["points"]]
        near = {
            (t, p): distance(truth[t], predictions[p], joint)
            for t in range(len(truth))
            for p in range(len(predictions))
            if distance(truth[t], predictions[p], joint) <= LIMIT
        }
        totals["events"] += sum(near.values())
        pairs = []
        for t, person in enumerate(truth):
            for p, predicted in enumerate(predictions):
                if last.get(person["id"]) == predicted["id"] and (t, p) in near and p not in {q for _, q in pairs}:
                    pairs.append((t, p))
        kept = list(pairs)
        free = [t for t in range(len(truth)) if t not in {t for t, _ in pairs}]
        left = [p for p in range(len(predictions)) if p not in {p for _, p in pairs}]
        possible = (m for m in matchings(free, left) if all(pair in near for pair in m))
        new = min(possible, key=lambda m: (-len(m), sum(near[pair] for pair in m)))
        for _, p in kept:
            ever.add(predictions[p]["id"])
        for t, p in new:
            object_id, track_id = truth[t]["id"], predictions[p]["id"]
            switch, transfer = object_id in last, owner.get(track_id, object_id) != object_id
            totals["switches"] += switch
            times = (switch and track_id not in ever) + transfer + (transfer and object_id not in last)
            totals["events"] += times * near[t, p]
        for t, p in new:
            ever.add(predictions[p]["id"])
            last[truth[t]["id"]] = predictions[p]["id"]
            owner[predictions[p]["id"]] = truth[t]["id"]
        matched = kept + new
        totals["distance"] += sum(near[pair] for pair in matched)
        totals["events"] += sum(near[pair] for pair in matched)
        totals["objects"] += len(truth)
        totals["detections"] += len(matched)
        totals["misses"] += len(truth) - len(matched)
        totals["false_positives"] += len(predictions) - len(matched)
    return totals


def identity_true_positives(frames: list[Frame], joint: int) -> int:
    """The most joints that a one-to-one assignment of tracks explains."""
    together: dict[tuple[int, int], int] = defaultdict(int)
    for frame in frames[:-1] if len(frames) > 1 else frames:
        for t in frame["truth"]:
            for p in frame["predictions"]:
                together[t["id"], p["id"]] += distance(t, p, joint) <= LIMIT
    rows = sorted({t for (t, _), count in together.items() if count})
    best = {0: 0}  # columns in use, as bits -> most
    columns = sorted({p for (_, p), count in together.items() if count})
    for t in rows:
        after = dict(best)
        for used, value in best.items():
            for n, p in enumerate(columns):
                if not used >> n & 1:
                    key = used | 1 << n
                    after[key] = max(after.get(key, 0), value + together[t, p])
        best = after
    return max(best.values())


def hota(frames: list[Frame], joint: int) -> dict[str, Any]:
    """HOTA's parts of one joint per threshold: TP, FN, FP and sums for AssA and LocA."""

    def valid(person: Person) -> bool:
        return joint in person["points"] and min(person["points"][joint][:2]) > 0

    matches: list[tuple[float, int, int]] = []
    truth_counts: dict[int, int] = defaultdict(int)
    prediction_counts: dict[int, int] = defaultdict(int)
    for frame in frames:
        if not frame["truth"]:
            continue
        truth = [t for t in frame["truth"] if valid(t)]
        predictions = [p for p in frame["predictions"] if valid(p)]
        for t in truth:
            truth_counts[t["id"]] += 1
        for p in predictions:
            prediction_counts[p["id"]] += 1
        similar = {
            (t, p): max(1 - distance(truth[t], predictions[p], joint) / 0.5001, 0)
            for t in range(len(truth))
            for p in range(len(predictions))
        }
        options = matchings(list(range(len(truth))), list(range(len(predictions))))
        best = max(options, key=lambda m: sum(similar[pair] for pair in m))
        matches += [(similar[t, p], truth[t]["id"], predictions[p]["id"]) for t, p in best if similar[t, p] > 0]
    result: dict[str, Any] = {"TP": [], "FN": [], "FP": [], "AssA": [], "LocA": []}
    for alpha in THRESHOLDS:
        passed = [match for match in matches if match[0] >= alpha - 1e-15]
        pairs: dict[tuple[int, int], int] = defaultdict(int)
        for _, t, p in passed:
            pairs[t, p] += 1
        association = sum(n * n / (truth_counts[t] + prediction_counts[p] - n) for (t, p), n in pairs.items())
        result["TP"].append(len(passed))
        result["FN"].append(sum(truth_counts.values()) - len(passed))
        result["FP"].append(sum(prediction_counts.values()) - len(passed))
        result["AssA"].append(association / max(len(passed), 1))
        result["LocA"].append(sum(s for s, _, _ in passed) / len(passed) if passed else 1.0)
    return result
