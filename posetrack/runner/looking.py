"""The pose network of an earlier run, for a second look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from posetrack.errors import ConfigError
from posetrack.observations.header import Header
from posetrack.stages import PoseEstimator


def pose_network(observations: Path, header: Header) -> PoseEstimator:
    """The pose network that a run has used, with the settings of its preset.

    Args:
        observations: The run's file, for messages.
        header: What it says of the run.

    Raises:
        ConfigError: it does not say which network, or that network is no longer the same.
        WeightsError: its weights are missing, or cannot be read.
    """
    from posetrack.models.runtime import Runtime
    from posetrack.networks import Networks, made_with
    from posetrack.presets import get_preset
    from posetrack.zoo import ModelStore

    table: Any = header.made_with.get("preset")
    name, pose = (table.get(key) if isinstance(table, dict) else None for key in ("name", "pose"))
    if not isinstance(name, str) or not isinstance(pose, str):
        raise ConfigError(
            f"{observations} does not say which pose network was used; leave out --look-again, or track the "
            "source again."
        )
    preset, store = replace(get_preset(name), pose=pose), ModelStore(None)
    networks: Any = header.made_with.get("networks")
    if not isinstance(networks, dict) or networks.get(pose) != made_with(preset, store)["networks"].get(pose):
        raise ConfigError(
            f"{observations} was made with other weights of '{pose}' than those that are here; leave out "
            "--look-again, or track the source again."
        )
    return Networks(preset, Runtime(), store).pose
