"""The networks of a preset, from files that the package brings, the user has, or their publishers have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from posetrack.errors import ConfigError
from posetrack.flow import FLOWS
from posetrack.flow.raft import RaftFlow
from posetrack.models.checkpoints import load_checkpoint
from posetrack.models.detector import load_detector
from posetrack.models.keypoint_rcnn import KeypointRCNN, load_keypoint_rcnn
from posetrack.models.pose import HeatmapPoseEstimator
from posetrack.models.pose_weights import PoseArchitecture, PoseNetwork, load_pose_network
from posetrack.models.raft import load_raft
from posetrack.models.runtime import Runtime
from posetrack.models.torchvision_detectors import load_torchvision_detector
from posetrack.presets import Preset, is_file, weights_of
from posetrack.stages import Detector, FlowEstimator, PoseEstimator
from posetrack.zoo import Entry, ModelStore, download, get_entry

EXPORTS = "exported"
"""Folder for networks exported for ONNX Runtime, in that of the weights."""

Fetch = Callable[[Entry, ModelStore], Path]


def weight_files(preset: Preset, store: ModelStore, fetch: Fetch | None = download) -> dict[str, Path]:
    """The files of a preset's networks, under their names; what is not there is fetched.

    Raises:
        ConfigError: there are no weights of a name.
        WeightsError: a file is neither there nor can be fetched.
    """
    own = {weights: Path(weights) for weights in (preset.detector, preset.pose) if is_file(weights)}
    return own | {name: store.require(get_entry(name), fetch) for name in weights_of(preset)}


def read_pose_network(
    weights: str, store: ModelStore, fetch: Fetch | None = download
) -> tuple[PoseNetwork, PoseArchitecture]:
    """A heatmap network and what must be known to feed it, in evaluation mode on the CPU.

    Args:
        weights: A name in the table of weights, or a file that ``posetrack train pose`` wrote.
        store: Where weights lie.
        fetch: Brings weights that are not there; None: they must be there.

    Raises:
        ConfigError: there are no weights of that name, or they are for something else.
        WeightsError: the weights are not there, cannot be fetched, are damaged, or of another network.
    """
    if is_file(weights):
        return load_pose_network(Path(weights))
    entry = get_entry(weights)
    if entry.task != "pose":
        raise ConfigError(f"the weights {weights} are for {entry.task}, not for a pose network that sees crops.")
    path = store.require(entry, fetch)
    if entry.bundled:
        return load_pose_network(path)
    architecture = entry.pose_architecture()
    return load_checkpoint(path, architecture), architecture


class Networks:
    """Loads the networks of a preset, each once and only if it is asked for.

    Args:
        preset: Which networks, and how they are used.
        runtime: Where they run.
        store: Where their weights lie; what is not there is downloaded. Networks exported for ONNX Runtime lie in
            its folder ``exported``, unless the runtime says where.

    Raises (by the properties):
        ConfigError: there are no weights of that name, or they are for something else.
        WeightsError: the weights are neither there nor can be downloaded, are damaged, or of another network.
    """

    def __init__(self, preset: Preset, runtime: Runtime, store: ModelStore) -> None:
        self._preset = preset
        self._runtime = replace(runtime, exports=runtime.exports or store.folder / EXPORTS)
        self._store = store
        self._keypoint_rcnns: dict[str, KeypointRCNN] = {}

    @cached_property
    def detector(self) -> Detector:
        """Finds people."""
        name, config, runtime = self._preset.detector, self._preset.lowest_detector_config, self._runtime
        if is_file(name):
            return load_detector(name, config, runtime)
        entry = get_entry(name)
        if entry.task not in ("detector", "detector+pose"):
            raise ConfigError(f"the weights {name} are for {entry.task}, not for a detector.")
        if entry.task == "detector+pose":
            return self._keypoint_rcnn(entry)
        path = self._file(entry)
        if entry.bundled:
            return load_detector(path, config, runtime)
        return load_torchvision_detector(entry.architecture, path, config, runtime)

    @cached_property
    def pose(self) -> PoseEstimator:
        """Finds their joints. One network that does both is loaded once."""
        name, runtime = self._preset.pose, self._runtime
        if not is_file(name) and get_entry(name).task == "detector+pose":
            return self._keypoint_rcnn(get_entry(name))
        network, architecture = read_pose_network(name, self._store)
        return HeatmapPoseEstimator(network, architecture, self._preset.pose_config, runtime)

    @cached_property
    def flow(self) -> FlowEstimator:
        """Tells the motion between frames."""
        name = self._preset.flow
        if name in FLOWS:
            return FLOWS[name]()
        entry = get_entry(name)
        runtime = self._runtime
        raft = load_raft(entry.architecture, self._file(entry), runtime)
        return RaftFlow(raft, device=runtime.device)

    def _keypoint_rcnn(self, entry: Entry) -> KeypointRCNN:
        """Detector and pose network in one."""
        if entry.name not in self._keypoint_rcnns:
            preset = self._preset
            self._keypoint_rcnns[entry.name] = load_keypoint_rcnn(
                entry.architecture,
                self._file(entry),
                preset.lowest_detector_config,
                self._runtime,
                kept_images=preset.pipeline_config(None).detections_in_flight,
            )
        return self._keypoint_rcnns[entry.name]

    def _file(self, entry: Entry) -> Path:
        return self._store.require(entry, download)
