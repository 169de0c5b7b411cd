"""The networks of a preset: bundled with the package, trained by the user, or downloaded from their publishers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import orjson
import torch

from posetrack.errors import ConfigError, WeightsError
from posetrack.flow import FLOWS
from posetrack.flow.raft import RaftFlow
from posetrack.models.checkpoints import load_checkpoint
from posetrack.models.detector import load_detector
from posetrack.models.file_format import FileFormat
from posetrack.models.given_files import (
    TRAINED_SUFFIX,
    load_given_detector,
    load_given_people,
    load_given_pose,
    read_given_pose,
)
from posetrack.models.keypoint_rcnn import load_keypoint_rcnn
from posetrack.models.onnx_networks import load_onnx_detector
from posetrack.models.onnx_reading import read_onnx
from posetrack.models.pose import CropPoseEstimator, HeatmapPoseEstimator
from posetrack.models.pose_weights import PoseArchitecture, PoseNetwork, load_pose_network
from posetrack.models.published_detectors import load_published_detector
from posetrack.models.published_pose import load_published_pose
from posetrack.models.raft import load_raft
from posetrack.models.rtmo_people import load_rtmo
from posetrack.models.runtime import Runtime
from posetrack.models.torchvision_detectors import load_torchvision_detector
from posetrack.presets import Preset, is_file, weights_of
from posetrack.skeletons import COCO
from posetrack.stages import Detector, FlowEstimator, People, PoseEstimator
from posetrack.top_down import TopDown
from posetrack.zoo import Entry, ModelStore, download, get_entry

EXPORTS = "exported"
"""Folder for networks exported for ONNX Runtime, inside the folder of weights."""

Fetch = Callable[[Entry, ModelStore], Path]

Reader = Callable[[Entry, Path], tuple[PoseNetwork, PoseArchitecture]]

POSE_READERS: dict[str, Reader] = {
    "posetrack_pose": lambda entry, path: load_pose_network(path),
    "checkpoint": lambda entry, path: (
        load_checkpoint(path, entry.pose_architecture()),
        entry.pose_architecture(),
    ),
}
"""Reads the files of heatmap networks built here, by the ``loader`` of their entries."""

Loader = Callable[[Entry, Path, Preset, Runtime], Any]


def _load_pose(entry: Entry, path: Path, preset: Preset, runtime: Runtime) -> PoseEstimator:
    return HeatmapPoseEstimator(*POSE_READERS[entry.loader](entry, path), preset.pose_config, runtime)


def _load_onnx_pose(entry: Entry, path: Path, preset: Preset, runtime: Runtime) -> PoseEstimator:
    on_cpu = replace(runtime, device=torch.device("cpu"))
    return CropPoseEstimator(read_onnx(path, runtime.engine), entry.pose_format(), preset.pose_config, on_cpu)


def _load_published_detector(entry: Entry, path: Path, preset: Preset, runtime: Runtime) -> Detector:
    size = _input_size(entry)
    return load_published_detector(entry.architecture, path, size, preset.lowest_detector_config, runtime)


def _load_rtmo(entry: Entry, path: Path, preset: Preset, runtime: Runtime) -> People:
    size = _input_size(entry)
    return load_rtmo(entry.architecture, path, COCO, size, preset.lowest_detector_config, runtime)


def _input_size(entry: Entry) -> tuple[int, int]:
    if entry.width is None or entry.height is None:
        raise ConfigError(f"entry {entry.name!r}: width and height of the input are missing.")
    return entry.width, entry.height


LOADERS: dict[str, Loader] = {
    "posetrack_detector": lambda entry, path, preset, runtime: load_detector(
        path, preset.lowest_detector_config, runtime
    ),
    "torchvision": lambda entry, path, preset, runtime: load_torchvision_detector(
        entry.architecture, path, preset.lowest_detector_config, runtime
    ),
    "keypoint_rcnn": lambda entry, path, preset, runtime: load_keypoint_rcnn(
        entry.architecture, path, preset.lowest_detector_config, runtime
    ),
    "onnx_pose": _load_onnx_pose,
    "onnx_rtmdet": lambda entry, path, preset, runtime: load_onnx_detector(
        path, FileFormat(onnx_kind="rtmdet"), preset.lowest_detector_config, runtime
    ),
    "onnx_yolox": lambda entry, path, preset, runtime: load_onnx_detector(
        path, FileFormat(onnx_kind="yolox"), preset.lowest_detector_config, runtime
    ),
    "published_detector": _load_published_detector,
    "published_pose": lambda entry, path, preset, runtime: load_published_pose(
        entry.architecture, path, entry.pose_format(), preset.pose_config, runtime
    ),
    "rtmo": _load_rtmo,
    "raft": lambda entry, path, preset, runtime: RaftFlow(
        load_raft(entry.architecture, path, runtime), device=runtime.device
    ),
} | dict.fromkeys(POSE_READERS, _load_pose)
"""Makes the stage of an entry from its file, by the entry's ``loader``.

For the task ``detector`` it is a ``Detector``, for ``pose`` a ``PoseEstimator``, for ``flow`` a ``FlowEstimator``;
for ``detector+pose`` a ``People`` stage that is a ``Detector`` and a ``PoseEstimator`` too.
"""


def weight_files(
    preset: Preset, store: ModelStore, fetch: Fetch | None = download, only: Collection[str] | None = None
) -> dict[str, Path]:
    """The files of a preset's networks by name; missing ones are fetched.

    Args:
        preset: The preset.
        store: Where its weights are.
        fetch: Fetches missing weights. ``None`` disables it.
        only: Names of the weights that matter. The others need not be there. ``None``: all do.

    Raises:
        ConfigError: there are no weights of a name.
        WeightsError: a file is missing and cannot be fetched.
    """
    given = [weights for weights in (preset.detector, preset.pose) if is_file(weights)]
    names = [name for name in (*given, *weights_of(preset)) if only is None or name in only]
    return {name: Path(name) if is_file(name) else store.require(get_entry(name), fetch) for name in names}


def weights_hash(path: Path) -> str:
    """SHA-256 of a file of weights, in hex digits. A file that has not changed is read only once.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        status = path.stat()
        return _hash(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=64)
def _hash(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def made_with(preset: Preset, store: ModelStore, only: Collection[str] | None = None) -> dict[str, Any]:
    """What results depend on, as JSON types: the preset with all settings, and SHA-256 of its networks by name.

    Args:
        preset: The preset.
        store: Where its weights are.
        only: As for ``weight_files``: leaves out networks that the user's own stages replace.

    Raises:
        ConfigError: there are no weights of a name.
        WeightsError: a file is missing or cannot be read.
    """
    files = weight_files(preset, store, None, only)
    hashes = {name: weights_hash(path) for name, path in files.items()}
    return {"preset": orjson.loads(orjson.dumps(preset, default=_plain)), "networks": hashes}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def read_pose_network(
    weights: str, store: ModelStore, fetch: Fetch | None = download
) -> tuple[PoseNetwork, PoseArchitecture]:
    """A heatmap network built here and its architecture, in evaluation mode on the CPU.

    Args:
        weights: A name in the table of weights, or a file written by ``posetrack train pose``.
        store: The folder of weights.
        fetch: Fetches missing weights. ``None`` disables it.

    Raises:
        ConfigError: there are no weights of that name, or they are for something else.
        WeightsError: the weights are missing and cannot be fetched, are damaged, or of another network.
    """
    if is_file(weights):
        if not weights.endswith(TRAINED_SUFFIX):
            raise ConfigError(
                f"{weights} was not written by `posetrack train pose`: give such a file, or a name from "
                "`posetrack models list`."
            )
        return read_given_pose(Path(weights), None)
    entry = get_entry(weights)
    if entry.loader not in POSE_READERS:
        raise ConfigError(f"the weights {weights} are not of a heatmap network that can be built here.")
    return POSE_READERS[entry.loader](entry, store.require(entry, fetch))


class Networks:
    """Loads the networks of a preset, each once and only when it is needed.

    Args:
        preset: Which networks, and how they are used.
        runtime: Where they run.
        store: The folder of weights; missing ones are downloaded. Networks exported for ONNX Runtime lie in its
            folder ``exported``, unless the runtime names another.

    Raises (by the properties):
        ConfigError: there are no weights of that name, or they are for something else.
        WeightsError: the weights are missing and cannot be downloaded, are damaged, or of another network.
    """

    def __init__(self, preset: Preset, runtime: Runtime, store: ModelStore) -> None:
        self._preset = preset
        self._runtime = replace(runtime, exports=runtime.exports or store.folder / EXPORTS)
        self._store = store

    @cached_property
    def people(self) -> People:
        """Sees people: a single network where detector and pose network have the same name."""
        detector, pose = self._preset.detector, self._preset.pose
        if detector != pose:
            return TopDown(self.detector, self.pose)
        if is_file(pose):
            form = self._preset.pose_format or self._preset.detector_format
            return load_given_people(Path(pose), form, self._preset.lowest_detector_config, self._runtime)
        people: People = self._loaded(pose, detector="a detector", pose="a pose network")
        return people

    @cached_property
    def detector(self) -> Detector:
        """Finds the boxes of people."""
        name = self._preset.detector
        if is_file(name):
            form, config = self._preset.detector_format, self._preset.lowest_detector_config
            return load_given_detector(Path(name), form, config, self._runtime)
        detector: Detector = self._loaded(name, detector="a detector")
        return detector

    @cached_property
    def pose(self) -> PoseEstimator:
        """Estimates joints in boxes."""
        name = self._preset.pose
        if is_file(name):
            return load_given_pose(Path(name), self._preset.pose_format, self._preset.pose_config, self._runtime)
        pose: PoseEstimator = self._loaded(name, pose="a pose network")
        return pose

    @cached_property
    def flow(self) -> FlowEstimator:
        """Estimates motion between frames."""
        name = self._preset.flow
        if name in FLOWS:
            return FLOWS[name]()
        flow: FlowEstimator = self._loaded(name, flow="a flow network")
        return flow

    def _loaded(self, name: str, **wanted: str) -> Any:
        """The stage of an entry, which must be for all wanted tasks; their descriptions are for messages."""
        entry = get_entry(name)
        for task, description in wanted.items():
            if task not in entry.task.split("+"):
                raise ConfigError(f"the weights {name} are for {entry.task}, not for {description}.")
        if entry.loader not in LOADERS:
            raise ConfigError(f"entry {name!r}: loader is {entry.loader!r}; choose one of {', '.join(LOADERS)}.")
        return LOADERS[entry.loader](entry, self._store.require(entry, download), self._preset, self._runtime)
