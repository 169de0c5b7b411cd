"""Hashes everything that affects the results, except the clip itself."""

from __future__ import annotations

import hashlib
import json
from dataclasses import is_dataclass, replace
from typing import Any

from posetrack import __version__
from posetrack.batch.tasks import PresetTracker, TrackerFactory
from posetrack.errors import ConfigError
from posetrack.records import as_json
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner import Outputs
from posetrack.video import ReadOptions


def settings_hash(
    tracker: TrackerFactory,
    reading: ReadOptions,
    outputs: Outputs,
    seed: int,
    *,
    refine: RefineConfig | None = None,
    fetch: bool = True,
) -> str:
    """SHA-256 of everything that affects the results.

    Covers the package's version, the preset and its weights, precision, engine, seed, what is read, written and
    drawn, and the second pass. Device, threads and workers are left out: they may change between runs.

    Args:
        tracker, reading, outputs, seed, refine: As in ``ClipTask``.
        fetch: Download missing weights.

    Raises:
        WeightsError: a weights file cannot be read or downloaded.
    """
    formats = tuple(sorted(set(outputs.formats)))
    everything = {
        "version": __version__,
        "tracker": _tracker(tracker, fetch),
        "reading": as_json(reading),
        "outputs": as_json(replace(outputs, formats=formats, overwrite=False, show=False)),
        "seed": seed,
        "refine": as_json(refine),
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def _tracker(factory: TrackerFactory, fetch: bool) -> Any:
    if isinstance(factory, PresetTracker):
        from posetrack.networks import weight_files, weights_hash
        from posetrack.zoo import ModelStore, download

        files = weight_files(factory.preset, ModelStore(factory.models_dir), download if fetch else None)
        weights = {name: weights_hash(path) for name, path in files.items()}
        calculation = {"precision": factory.precision, "engine": factory.engine}
        return {"preset": as_json(factory.preset), "weights": weights} | calculation
    if is_dataclass(factory):
        return as_json(factory)
    name = getattr(factory, "__qualname__", None)
    if name is None:  # such as functools.partial: nothing tells one from another
        raise ConfigError(f"tracker is {factory!r}; give a function of a module, or a frozen dataclass.")
    return f"{factory.__module__}.{name}"
