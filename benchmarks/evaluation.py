"""Cost of the evaluation: ``evaluation.py [--sequences 50] [--frames 100] [--people 8] [--json]``.

Generates predictions of people who cross each other, with jitter, misses, false positives and identity
switches, and measures CPU seconds and peak memory of whole processes: ours without and with HOTA, and, if
``poseval`` is installed, the official evaluator on the same files. Its figures must agree.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import orjson
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from posetrack.formats.naming import ImageNaming
from posetrack.formats.posetrack18_rows import PERSON_CATEGORY
from posetrack.skeletons import POSETRACK
from posetrack.types import Doubles

_SEED = 0
_WIDTH, _HEIGHT = 1280.0, 720.0
_MISS, _FALSE, _SWITCH, _NO_JOINT = 0.1, 0.1, 0.02, 0.08
# joints of a standing person, relative to body height: x to the side, y down from the top of the head
_BODY = {
    "nose": (0.0, 0.10), "head_bottom": (0.0, 0.16), "head_top": (0.0, 0.0), "left_ear": (0.0, 0.0),
    "right_ear": (0.0, 0.0), "left_shoulder": (0.12, 0.2), "right_shoulder": (-0.12, 0.2),
    "left_elbow": (0.17, 0.36), "right_elbow": (-0.17, 0.36),
    "left_wrist": (0.19, 0.5), "right_wrist": (-0.19, 0.5),
    "left_hip": (0.08, 0.52), "right_hip": (-0.08, 0.52), "left_knee": (0.09, 0.75), "right_knee": (-0.09, 0.75),
    "left_ankle": (0.09, 0.97), "right_ankle": (-0.09, 0.97),
}  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """CPU seconds (user and system) of a process and its children, and peak memory in MiB of the largest."""

    cpu_s: float
    memory_mib: float


def main(
    sequences: Annotated[int, typer.Option(help="Number of sequences.")] = 50,
    frames: Annotated[int, typer.Option(help="Labelled frames per sequence.")] = 100,
    people: Annotated[int, typer.Option(help="People per frame.")] = 8,
    workers: Annotated[
        int | None, typer.Option(help="Number of our processes. Defaults to the command's default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure our evaluator, and the official one if it is installed."""
    with tempfile.TemporaryDirectory() as folder:
        truth, predictions = Path(folder) / "truth", Path(folder) / "predictions"
        write_set(truth, predictions, (sequences, frames, people))
        command = [sys.executable, "-m", "posetrack", "eval", str(truth), str(predictions), "--json"]
        command += [] if workers is None else ["--workers", str(workers)]
        costs, figures = {}, {}
        costs["posetrack"], output = measured([*command, "--no-hota"])
        ours = json.loads(output)["total"]
        figures["posetrack"] = {"mAP": ours["AP"]["total"], "MOTA": ours["MOTA"]["total"]}
        costs["posetrack with HOTA"], _ = measured(command)
        if importlib.util.find_spec("poseval") is not None:
            results = Path(folder) / "official"
            # the official evaluator joins folders and names without a separator
            where = ["-g", f"{truth}/", "-p", f"{predictions}/", "-o", str(results)]
            costs["poseval"], _ = measured([sys.executable, "-m", "poseval.evaluate", "-e", "-t", *where])
            figures["poseval"] = {
                "mAP": json.loads((results / "total_AP_metrics.json").read_text())["ap"][-1],
                "MOTA": json.loads((results / "total_MOT_metrics.json").read_text())["mota"][-1],
            }
    report(costs, figures, f"{sequences} sequences x {frames} frames x {people} people", as_json)


def measured(command: list[str]) -> tuple[Cost, str]:
    """Run a command. Returns its cost, including its children, and its output."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed with status {process.returncode}")
        output.seek(0)
        return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), output.read().decode()


def report(costs: dict[str, Cost], figures: dict[str, dict[str, float]], what: str, as_json: bool) -> None:
    """Print a table or one JSON object."""
    official = costs.get("poseval")
    rows = {
        name: {
            "cpu_s": round(cost.cpu_s, 3),
            "memory_mib": round(cost.memory_mib),
            "ratio_to_official": round(official.cpu_s / cost.cpu_s, 1) if official else None,
            **figures.get(name, {}),
        }
        for name, cost in costs.items()
    }
    if as_json:
        print(json.dumps(rows))
        return
    table = Table(title=f"{what}, {platform.machine()}, Python {platform.python_version()}")
    for heading in ("", "CPU s", "peak MiB", "official / ours", "mAP", "MOTA"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for name, row in rows.items():
        ratio = "-" if row["ratio_to_official"] is None else f"{row['ratio_to_official']}"
        percents = (f"{row[key]:.4f}" if key in row else "" for key in ("mAP", "MOTA"))
        table.add_row(name, f"{row['cpu_s']:.2f}", f"{row['memory_mib']}", ratio, *percents)
    Console().print(table)
    if official is None:
        Console().print("poseval is not installed: no comparison with the official evaluator.")


def write_set(truth: Path, predictions: Path, size: tuple[int, int, int]) -> None:
    """Write ground truth and predictions. ``size`` is the number of sequences, frames and people."""
    sequences, frames, people = size
    rng = np.random.default_rng(_SEED)
    truth.mkdir()
    predictions.mkdir()
    for number in range(sequences):
        name = f"{number:06d}_mpii_test"
        joints, heads = walk(rng, frames, people)
        ids = np.tile(np.arange(people), (frames, 1))
        shown = rng.random(joints.shape[:3]) > _NO_JOINT
        everybody = np.ones((frames, people), dtype=bool)
        write_file(truth / f"{name}.json", (joints, shown, ids, everybody), head_sizes=heads)

        found = np.concatenate([everybody, everybody[:, :1]], axis=1) & (rng.random((frames, people + 1)) > _MISS)
        found[:, -1] = rng.random(frames) < _FALSE * people
        strangers = rng.uniform(0, [_WIDTH, _HEIGHT], (frames, 1, 1, 2)) + joints[:, :1] - joints[:, :1, :1]
        guesses = np.concatenate([joints, strangers], axis=1)
        guesses += rng.normal(0, 0.25, guesses.shape) * np.append(heads, heads[0])[:, None, None]
        tracks = np.concatenate([switched(rng, ids), np.full((frames, 1), people)], axis=1)
        seen = rng.random(guesses.shape[:3]) > _NO_JOINT
        write_file(predictions / f"{name}.json", (guesses, seen, tracks, found), scores=rng.random(seen.shape))


def walk(rng: np.random.Generator, frames: int, people: int) -> tuple[Doubles, Doubles]:
    """Joints [F, N, 17, 2] of people who walk across the picture, swinging slightly, and head sizes [N]."""
    heights = rng.uniform(150, 350, people)
    speeds = rng.uniform(-8, 8, people)
    starts = rng.uniform(0, _WIDTH, people)
    tops = rng.uniform(0, _HEIGHT - 350, people)
    places = np.stack([starts + speeds * np.arange(frames)[:, None], np.tile(tops, (frames, 1))], axis=2)
    body = np.array([_BODY[joint] for joint in POSETRACK.joints])
    phase = rng.uniform(0, 2 * np.pi, (people, len(body)))
    swing = np.zeros((frames, people, len(body), 2))
    swing[..., 0] = 0.04 * np.sin(0.3 * np.arange(frames)[:, None, None] + phase)
    return places[:, :, None] + heights[:, None, None] * (body + swing), 0.14 * heights


def switched(rng: np.random.Generator, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Swap two ids permanently now and then."""
    ids = ids.copy()
    for frame in np.flatnonzero(rng.random(len(ids)) < _SWITCH * ids.shape[1]):
        pair = rng.choice(ids.shape[1], 2, replace=ids.shape[1] < 2)
        ids[frame:, pair] = ids[frame:, pair[::-1]]
    return ids


def write_file(
    path: Path,
    people: tuple[Doubles, NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]],
    *,
    head_sizes: Doubles | None = None,
    scores: Doubles | None = None,
) -> None:
    """PoseTrack18 JSON of joints [F, N, 17, 2], masks of present joints and people, and track ids [F, N]."""
    joints, shown, ids, there = people
    naming = ImageNaming.of(path.stem)
    shown = shown & ~np.isin(POSETRACK.joints, list(POSETRACK.unused))
    triples = np.concatenate([joints, np.ones((*shown.shape, 1))], axis=3).round(2)
    triples[~shown] = 0
    annotations = []
    for number, (frame, person) in enumerate(np.argwhere(there).tolist()):
        annotation: dict[str, Any] = {
            "id": number,
            "image_id": naming.image_id(frame),
            "category_id": 1,
            "track_id": int(ids[frame, person]),
            "keypoints": triples[frame, person].ravel().tolist(),
            "scores": [] if scores is None else scores[frame, person].round(4).tolist(),
        }
        if head_sizes is not None:
            annotation["bbox_head"] = [0, 0, *(2 * [round(float(head_sizes[person]), 2)])]
        annotations.append(annotation)
    images = [
        {"id": naming.image_id(n), "file_name": naming.file_name(n), "is_labeled": True}
        for n in range(len(joints))
    ]
    path.write_bytes(orjson.dumps({"images": images, "annotations": annotations, "categories": [PERSON_CATEGORY]}))


if __name__ == "__main__":
    typer.run(main)
