"""Networks from files that the user gives: trained with posetrack, or checkpoints of other programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from posetrack.errors import ConfigError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.checkpoints import pose_network, transposed_channels
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.detector import DetectorConfig, load_detector
from posetrack.models.file_format import FileFormat
from posetrack.models.onnx_networks import load_onnx_detector, load_onnx_pose
from posetrack.models.onnx_people import load_onnx_people
from posetrack.models.pose import HeatmapPoseEstimator, PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.models.pose_weights import (
    AT_STRIDE_4,
    BACKBONES,
    MOST_CHANNELS,
    PoseArchitecture,
    PoseNetwork,
    load_pose_network,
)
from posetrack.models.published_detectors import PUBLISHED_DETECTORS, load_published_detector
from posetrack.models.published_pose import PUBLISHED_POSES, load_published_pose
from posetrack.models.resnet import RESNETS
from posetrack.models.rtmo import RTMOS
from posetrack.models.rtmo_people import PUBLISHED_SIZE, load_rtmo
from posetrack.models.runtime import Runtime
from posetrack.models.torchvision_detectors import TORCHVISION_DETECTORS, load_own_detector
from posetrack.models.vitpose import VITPOSES
from posetrack.skeletons import SKELETONS, Skeleton
from posetrack.stages import Detector, People, PoseEstimator

PEOPLE_ARCHITECTURES = tuple(RTMOS)
"""Architectures of networks for boxes and joints at once."""

POSE_ARCHITECTURES = (*BACKBONES, *PUBLISHED_POSES, *PEOPLE_ARCHITECTURES)
"""Architectures of networks that estimate joints whose checkpoints can be given."""

DETECTOR_ARCHITECTURES = (*TORCHVISION_DETECTORS, *PUBLISHED_DETECTORS)
"""The same for detectors."""

TRAINED_SUFFIX = ".safetensors"
"""Suffix of the files that ``posetrack train`` writes."""

_ONNX = ".onnx"
_DECONV_CHANNELS = (256, 256, 256)
_LARGE_HEIGHT = 384
"""From this height on, publishers draw Gaussians of 3 cells instead of 2."""


def load_given_pose(path: Path, form: FileFormat | None, config: PoseConfig, runtime: Runtime) -> PoseEstimator:
    """A pose network from a file.

    Args:
        path: Written by ``posetrack train pose``, or a checkpoint, or an ONNX network.
        form: What the file does not say of itself.
        config, runtime: See ``HeatmapPoseEstimator``.

    Raises:
        ConfigError: ``form`` lacks something or fits no network.
        WeightsError: the file cannot be read, is damaged, or is of another network. Nothing in it is run.
    """
    if path.suffix.lower() == _ONNX:
        return load_onnx_pose(path, form or FileFormat(), config, runtime)
    if form is not None and form.architecture in PEOPLE_ARCHITECTURES:
        raise ConfigError(
            f"{form.architecture} finds boxes and joints at once: give {path} as both --detector and --pose."
        )
    if form is not None and form.architecture in PUBLISHED_POSES:
        return load_published_pose(form.architecture, path, _pose_format(path, form), config, runtime)
    return HeatmapPoseEstimator(*read_given_pose(path, form), config, runtime)


def read_given_pose(path: Path, form: FileFormat | None) -> tuple[PoseNetwork, PoseArchitecture]:
    """The network of such a file and its architecture, in evaluation mode on the CPU."""
    if form is None or form.architecture is None:
        _require_architecture(path, form, "hrnet_w32 --input 192x256 --convention mmpose")
        return load_pose_network(path)
    architecture = _pose_architecture(path, form.architecture, form)
    tensors = read_checkpoint(path)
    channels = transposed_channels(tensors)
    if len(channels) == len(architecture.deconv_channels) and all(1 <= each <= MOST_CHANNELS for each in channels):
        architecture = replace(architecture, deconv_channels=channels)
    return pose_network(tensors, path, architecture), architecture


def load_given_detector(path: Path, form: FileFormat | None, config: DetectorConfig, runtime: Runtime) -> Detector:
    """A detector from a file, likewise.

    Raises:
        ConfigError, WeightsError: see ``load_given_pose``.
    """
    if path.suffix.lower() == _ONNX:
        return load_onnx_detector(path, form or FileFormat(), config, runtime)
    if form is None or form.architecture is None:
        _require_architecture(path, form, DETECTOR_ARCHITECTURES[0])
        return load_detector(path, config, runtime)
    if form.architecture in PUBLISHED_DETECTORS:
        if form.width is None or form.height is None:
            raise ConfigError(
                f"say how large the input of {path} is: --detector-input WIDTHxHEIGHT, such as 640x640."
            )
        return load_published_detector(form.architecture, path, (form.width, form.height), config, runtime)
    if form.width is not None:
        raise ConfigError(f"{form.architecture} takes images of any size: leave out --detector-input.")
    return load_own_detector(form.architecture, path, config, runtime)


def load_given_people(path: Path, form: FileFormat | None, config: DetectorConfig, runtime: Runtime) -> People:
    """A network for boxes and joints at once from a file: an ONNX network, or a checkpoint of RTMO.

    Raises:
        ConfigError, WeightsError: see ``load_given_pose``.
    """
    form = form or FileFormat()
    if path.suffix.lower() == _ONNX:
        return load_onnx_people(path, form, config, runtime)
    if form.architecture not in PEOPLE_ARCHITECTURES:
        raise ConfigError(
            f"{path} is given as both --detector and --pose, which only ONNX networks and checkpoints of "
            f"--architecture {', '.join(PEOPLE_ARCHITECTURES[:-1])} or {PEOPLE_ARCHITECTURES[-1]} can be."
        )
    if form.convention is not None:
        raise ConfigError(f"inputs of {form.architecture} are prepared in one way: leave out --convention.")
    size = (form.width, form.height) if form.width and form.height else PUBLISHED_SIZE
    return load_rtmo(form.architecture, path, _skeleton(form), size, config, runtime)


def _require_architecture(path: Path, form: FileFormat | None, example: str) -> None:
    if path.suffix.lower() != TRAINED_SUFFIX:
        raise ConfigError(
            f"{path} was not written by `posetrack train`: say which network it is of, such as "
            f"--architecture {example}."
        )
    if form is not None:
        raise ConfigError(
            f"--architecture is missing for {path}; leave the other options out if `posetrack train` wrote it."
        )


def _pose_format(path: Path, form: FileFormat) -> PoseFormat:
    width, height = _size(path, form)
    convention = _convention(path, form, "official_hrnet")
    if form.architecture in VITPOSES and convention != "own":
        convention = "udp"  # whoever published it: ViTPoses were trained with unbiased data processing
    return PoseFormat(
        skeleton=_skeleton(form), width=width, height=height, convention=CONVENTIONS[convention]
    )  # fmt: skip


def _pose_architecture(path: Path, architecture: str, form: FileFormat) -> PoseArchitecture:
    width, height = _size(path, form)
    official = "official_simple_baseline" if architecture in RESNETS else "official_hrnet"
    return PoseArchitecture(
        backbone=architecture,
        skeleton=_skeleton(form).name,
        width=width,
        height=height,
        deconv_channels=() if architecture in AT_STRIDE_4 else _DECONV_CHANNELS,
        convention=_convention(path, form, official),
        all_slots=True,
        sigma_cells=3.0 if height >= _LARGE_HEIGHT else 2.0,
    )


def _size(path: Path, form: FileFormat) -> tuple[int, int]:
    if form.width is None or form.height is None:
        raise ConfigError(f"say how large the input of {path} is: --input WIDTHxHEIGHT, such as --input 192x256.")
    return form.width, form.height


def _convention(path: Path, form: FileFormat, official: str) -> str:
    if form.convention is None:
        raise ConfigError(f"say how inputs of {path} were prepared: --convention mmpose, udp, official or own.")
    return official if form.convention == "official" else form.convention


def _skeleton(form: FileFormat) -> Skeleton:
    name = form.skeleton or "coco"
    if name not in SKELETONS:
        raise ConfigError(f"there is no skeleton {name!r}; choose one of {', '.join(SKELETONS)}.")
    return SKELETONS[name]
