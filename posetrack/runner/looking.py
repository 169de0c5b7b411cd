"""The pose network of an earlier run, for a second look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.errors import ConfigError
from posetrack.observations.header import Header
from posetrack.records import read_record
from posetrack.stages import PoseEstimator

if TYPE_CHECKING:
    from posetrack.presets import Preset


def pose_network(observations: Path, header: Header) -> PoseEstimator:
    """The pose network of a run, with its settings. Other networks are not loaded.

    Args:
        observations: The run's file, for messages.
        header: What the file says about the run.

    Raises:
        ConfigError: it does not say which network, or that network is no longer the same.
        WeightsError: its weights are missing, or cannot be read.
    """
    from posetrack.models.runtime import Runtime
    from posetrack.networks import Networks, made_with
    from posetrack.zoo import ModelStore

    table: Any = header.made_with.get("preset")
    if not isinstance(table, dict) or not all(isinstance(table.get(key), str) for key in ("name", "pose")):
        raise _unknown(observations)
    preset, store = _preset(observations, table), ModelStore(None)
    pose, networks = preset.pose, header.made_with.get("networks")
    present = made_with(preset, store, {pose})["networks"]
    if not isinstance(networks, dict) or networks.get(pose) != present[pose]:
        raise ConfigError(
            f"{observations} was made with other weights of '{pose}' than those that are here; leave out "
            "--look-again, or track the source again."
        )
    return Networks(preset, Runtime(), store).pose


def _preset(observations: Path, table: Mapping[str, Any]) -> Preset:
    """The run's preset, as far as its pose network is concerned."""
    from posetrack.changes import Changes, customised
    from posetrack.models.file_format import FileFormat
    from posetrack.models.pose import PoseConfig
    from posetrack.presets import get_preset

    preset = get_preset(table["name"])
    try:
        form, config = table.get("pose_format"), table.get("pose_config")
        used = None if config is None else read_record(PoseConfig, config, "pose_config")
        changes = Changes(
            pose=None if table["pose"] == preset.pose else table["pose"],
            pose_format=None if form is None else read_record(FileFormat, form, "pose_format"),
            codec=None if used is None else used.codec,
            flip_test=None if used is None else used.flip_test,
        )
    except ConfigError as error:
        raise _unknown(observations) from error
    return customised(preset, changes)


def _unknown(observations: Path) -> ConfigError:
    return ConfigError(
        f"{observations} does not say which pose network was used; leave out --look-again, or track the source "
        "again."
    )
