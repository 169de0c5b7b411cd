"""Our tracker beside others on the same detections: ``trackers.py [SEQUENCE...] [--rendered 4] [--json]``.

A sequence is a folder as MOTChallenge has it, with ``img1``, ``gt/gt.txt`` and ``seqinfo.ini``; ``--rendered``
adds the scene ``demo`` with as many seeds, whose figures are also given as means. The detector of
``lite`` runs once; SORT, OC-SORT, ByteTrack and BoT-SORT of roboflow's ``trackers`` (``pip install trackers``) and
posetrack with each kind of propagation get its boxes: those that use faint ones from 0.1 on, the others from 0.5.
Scored by the same package's MOTA, IDF1 and HOTA over boxes.

People of the truth who are smaller or less visible than asked for count neither way. Visible is the share of a box
inside the picture and not covered by boxes that end lower down.
"""

from __future__ import annotations

import configparser
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

sys.path.pop(0)  # this folder, or `trackers` would be this file

import numpy as np
import supervision
import trackers
import typer
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment
from trackers.eval.clear import compute_clear_metrics
from trackers.eval.hota import compute_hota_metrics
from trackers.eval.identity import compute_identity_metrics

from posetrack.changes import Changes, customised
from posetrack.models.runtime import Runtime
from posetrack.networks import Networks
from posetrack.pipeline import Pipeline
from posetrack.presets import get_preset
from posetrack.synthetic import demo, render
from posetrack.top_down import TopDown
from posetrack.tracker import FlowLinker, LimbColours, iou_matrix
from posetrack.types import Boxes, FloatArray, Frame, Image
from posetrack.video import ReadOptions, open_source
from posetrack.zoo import ModelStore

OTHERS = {
    "SORT": (trackers.SORTTracker, 0.5),
    "OC-SORT": (trackers.OCSORTTracker, 0.5),
    "ByteTrack": (trackers.ByteTrackTracker, 0.1),
    "BoT-SORT": (trackers.BoTSORTTracker, 0.1),
}
"""Each tracker, and the score from which on it takes boxes."""

PROPAGATIONS = ("paper", "off", "evidence")
FAINT, SURE = 0.1, 0.5

Rows = dict[int, FloatArray]
"""By frame: [N, 5] of id, x1, y1, x2, y2."""


@dataclass(frozen=True)
class Footage:
    """A sequence's frames, its truth, and the detector's boxes in each frame."""

    frames: list[Frame]
    fps: Fraction
    truth: Rows
    found: list[Boxes]


class Replayed:
    """A detector that gives the boxes found before, from a score on."""

    def __init__(self, found: list[Boxes], min_score: float) -> None:
        self._found = iter(found)
        self._min_score = min_score

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        boxes = [next(self._found) for _ in images]
        return [each[each.scores >= self._min_score] for each in boxes]


def read(folder: Path, networks: Networks) -> Footage:
    """A sequence, with people looked for in every frame."""
    info = configparser.ConfigParser()
    info.read(folder / "seqinfo.ini")
    fps = Fraction(info["Sequence"]["frameRate"])
    with open_source(folder / "img1", ReadOptions(images_per_second=float(fps))) as source:
        frames = list(source)
    truth: dict[int, list[list[float]]] = defaultdict(list)
    for line in (folder / "gt" / "gt.txt").read_text().split():
        frame, person, left, top, width, height = map(float, line.split(",")[:6])
        truth[int(frame) - 1].append([person, left - 1, top - 1, left - 1 + width, top - 1 + height])
    rows = {frame: np.array(people, np.float32) for frame, people in truth.items()}
    found = [networks.detector.detect([frame.image])[0] for frame in frames]
    return Footage(frames, fps, rows, found)


def rendered(seed: int, networks: Networks) -> Footage:
    """The scene ``demo``; its truth are the people whom an annotator would label."""
    scene = demo(seed)
    frames, rows = [], {}
    for frame, truth in render(scene):
        frames.append(frame)
        rows[frame.index] = np.column_stack([truth.poses.track_ids, truth.poses.boxes]).astype(np.float32)
    found = [networks.detector.detect([frame.image])[0] for frame in frames]
    return Footage(frames, Fraction(scene.fps), rows, found)


def by_others(sequence: Footage, name: str) -> Rows:
    """What another tracker makes of the boxes."""
    build, min_score = OTHERS[name]
    tracker, rows = build(frame_rate=float(sequence.fps)), {}
    for frame, boxes in zip(sequence.frames, sequence.found, strict=True):
        kept = boxes[boxes.scores >= min_score]
        given = supervision.Detections(
            kept.xyxy.copy(), confidence=kept.scores.copy(), class_id=np.zeros(len(kept), int)
        )
        images = {"frame": frame.image[..., ::-1].copy()} if name == "BoT-SORT" else {}
        tracked = tracker.update(given, **images)
        known = tracked.tracker_id >= 0
        rows[frame.index] = np.column_stack([tracked.tracker_id[known], tracked.xyxy[known]])
    return rows


def by_us(sequence: Footage, networks: Networks, kind: str) -> Rows:
    """What posetrack makes of them, with people looked for in every frame."""
    preset = customised(get_preset("lite"), Changes(propagation=kind, detect_every=1, pose_every=1))  # type: ignore[arg-type]
    people = TopDown(Replayed(sequence.found, FAINT if kind == "evidence" else SURE), networks.pose)
    config = preset.pipeline_config(sequence.fps)
    pipeline = Pipeline(
        people=people,
        flow=networks.flow,
        appearance=LimbColours() if preset.limb_colours else None,
        linker=FlowLinker(preset.linker),
        config=replace(config, selection=replace(config.selection, calibration=people.calibration)),
    )
    return {
        frame.index: np.column_stack([people.track_ids, people.boxes])
        for frame, people in pipeline.run(sequence.frames)
    }


def visible(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """Of each box, the share of its pixels inside the picture and not covered by boxes that end lower down."""
    shares = []
    for row, (x1, y1, x2, y2) in enumerate(boxes):
        xs, ys = np.arange(x1, x2) + 0.5, np.arange(y1, y2) + 0.5
        seen = ((ys >= 0) & (ys <= height))[:, None] & ((xs >= 0) & (xs <= width))
        for other, (u1, v1, u2, v2) in enumerate(boxes):
            if other != row and v2 > y2:
                seen[np.ix_((ys > v1) & (ys < v2), (xs > u1) & (xs < u2))] = False
        shares.append(seen.mean())
    return np.array(shares, np.float32)


def counted(
    sequence: Footage, tracks: Rows, limits: tuple[float, float]
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Of each frame the people and the tracked boxes that count."""
    nobody = np.zeros((0, 5), np.float32)
    for frame in sequence.frames:
        people, rows = sequence.truth.get(frame.index, nobody), tracks.get(frame.index, nobody)
        height, width = frame.image.shape[:2]
        small = people[:, 4] - people[:, 2] < limits[0]
        small |= visible(people[:, 1:], width, height) < limits[1] if len(people) else False
        overlaps = iou_matrix(people[:, 1:], rows[:, 1:])
        matched = [(p, r) for p, r in zip(*linear_sum_assignment(-overlaps), strict=True) if overlaps[p, r] >= 0.5]
        kept = np.ones(len(rows), np.bool_)
        kept[[r for p, r in matched if small[p]]] = False
        tall = rows[:, 4] - rows[:, 2] >= limits[0]
        kept &= tall | (overlaps[~small].max(axis=0, initial=0) >= 0.5)
        yield people[~small], rows[kept]


def score(sequence: Footage, tracks: Rows, limits: tuple[float, float]) -> dict[str, float]:
    """MOTA, IDF1, HOTA in per cent, and identity switches."""
    numbers: tuple[dict[float, int], dict[float, int]] = ({}, {})
    ids: tuple[list[Any], list[Any]] = ([], [])
    overlaps = []
    for sides in counted(sequence, tracks, limits):
        for known, given, rows in zip(numbers, ids, sides, strict=True):
            given.append(np.array([known.setdefault(float(each), len(known)) for each in rows[:, 0]], int))
        overlaps.append(iou_matrix(sides[0][:, 1:], sides[1][:, 1:]).astype(np.float64))
    clear = compute_clear_metrics(*ids, overlaps)
    return {
        "MOTA": 100 * clear["MOTA"],
        "IDF1": 100 * compute_identity_metrics(*ids, overlaps)["IDF1"],
        "HOTA": 100 * float(np.mean(compute_hota_metrics(*ids, overlaps)["HOTA"])),
        "switches": int(clear["IDSW"]),
    }


Figures = dict[str, dict[str, float]]
"""By tracker."""


def compared(sequence: Footage, networks: Networks, limits: tuple[float, float]) -> Figures:
    """Figures of every tracker on one sequence."""
    rows = {name: by_others(sequence, name) for name in OTHERS}
    rows |= {f"posetrack, {kind}": by_us(sequence, networks, kind) for kind in PROPAGATIONS}
    return {name: score(sequence, each, limits) for name, each in rows.items()}


def means(figures: Sequence[Figures]) -> Figures:
    """The mean over sequences, of switches too."""
    return {
        name: {key: float(np.mean([each[name][key] for each in figures])) for key in figures[0][name]}
        for name in figures[0]
    }


def main(
    sequences: Annotated[
        list[Path] | None, typer.Argument(help="Folders with img1, gt/gt.txt and seqinfo.ini.")
    ] = None,
    seeds: Annotated[int, typer.Option("--rendered", help="Rendered scenes to measure on.")] = 0,
    min_height: Annotated[float, typer.Option(help="Smaller people count neither way (px).")] = 80,
    min_visible: Annotated[float, typer.Option(help="Nor do less visible ones (share).")] = 0.3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure, and print one table."""
    networks, limits = Networks(get_preset("lite"), Runtime(), ModelStore(None)), (min_height, min_visible)
    figures = {folder.name: compared(read(folder, networks), networks, limits) for folder in sequences or []}
    scenes = {f"rendered {seed}": compared(rendered(seed, networks), networks, limits) for seed in range(seeds)}
    figures |= scenes
    if scenes:
        figures[f"rendered, mean of {seeds}"] = means(list(scenes.values()))
    if as_json:
        print(json.dumps(figures))
        return
    table = Table("", *(f"{name}: MOTA / IDF1 / HOTA / switches" for name in figures))
    for name in next(iter(figures.values())):
        cells = (
            f"{each['MOTA']:.1f} / {each['IDF1']:.1f} / {each['HOTA']:.1f} / {each['switches']:g}"
            for each in (sequence[name] for sequence in figures.values())
        )
        table.add_row(name, *cells)
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
