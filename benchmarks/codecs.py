"""Sub-pixel error of the heatmap codecs: ``codecs.py [--sigma 2] [--noise 0 --noise 0.02 ...] [--json]``.

Draws Gaussians of height 1 at random sub-cell positions, as networks learn them, adds white noise to every cell,
and prints each codec's error in cells: mean and 95th percentile of the distance.
A cell is four pixels of the network's input. Heatmaps are 24 sigma wide and 32 sigma high, as published ones are:
48 x 64 cells for inputs of 192 x 256 pixels, 72 x 96 for 288 x 384.
"""

from __future__ import annotations

import json
import time
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from posetrack.models.decoding import CODECS
from posetrack.models.heatmap import gaussian_targets

_PEOPLE, _JOINTS = 10, 15
_SEED = 0
_TIME = f"ms for {_PEOPLE} people"

Figures = dict[str, dict[str, float]]


def main(
    sigma: Annotated[float, typer.Option(help="Standard deviation of the Gaussians in cells.")] = 2.0,
    noise: Annotated[list[float] | None, typer.Option(help="Standard deviation of the noise.")] = None,
    margin: Annotated[float, typer.Option(help="Minimum distance of a peak from the border, in sigmas.")] = 3.5,
    samples: Annotated[int, typer.Option(help="Number of heatmaps per figure.")] = 6000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure all codecs on the same heatmaps, and print one table."""
    figures: Figures = {codec: {} for codec in CODECS}
    timings: dict[str, float] = {}
    for level in [0.0, 0.02, 0.05] if noise is None else noise:
        for name, (distances, seconds) in measured(sigma, level, margin * sigma, samples).items():
            figures[name][f"mean, noise {level:g}"] = float(distances.mean())
            figures[name][f"p95, noise {level:g}"] = float(np.percentile(distances, 95))
            timings[name] = 1000 * seconds
    for name, milliseconds in timings.items():
        figures[name][_TIME] = milliseconds
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(_table(figures, f"error in cells, sigma {sigma:g}, peaks from {margin:g} sigma inside"))


def measured(sigma: float, noise: float, margin_cells: float, samples: int) -> dict[str, tuple[np.ndarray, float]]:
    """For each codec, errors in cells of at least ``samples`` peaks, and seconds for a batch of people."""
    rng = np.random.default_rng(_SEED)
    width, height = round(24 * sigma), round(32 * sigma)
    found: dict[str, list[np.ndarray]] = {name: [] for name in CODECS}
    seconds: dict[str, list[float]] = {name: [] for name in CODECS}
    for _ in range(-(-samples // (_PEOPLE * _JOINTS))):
        high = (width - 1 - margin_cells, height - 1 - margin_cells)
        truth = rng.uniform(margin_cells, high, (_PEOPLE, _JOINTS, 2))
        heatmaps = gaussian_targets(truth, (width, height), sigma)
        heatmaps += rng.normal(0, noise, heatmaps.shape).astype(np.float32)
        for name, codec in CODECS.items():
            start = time.perf_counter()
            points, _ = codec(heatmaps, sigma)
            seconds[name].append(time.perf_counter() - start)
            found[name].append(np.linalg.norm(points - truth, axis=-1).ravel())
    return {name: (np.concatenate(found[name]), float(np.median(seconds[name]))) for name in CODECS}


def _table(figures: Figures, title: str) -> Table:
    columns = list(next(iter(figures.values())))
    table = Table("codec", *columns, title=title)
    for name, values in figures.items():
        table.add_row(name, *[f"{values[column]:.{2 if column == _TIME else 4}f}" for column in columns])
    return table


if __name__ == "__main__":
    typer.run(main)
