"""Pose networks of others that see one person at a time: RTMPose, ViTPose, and ResNets with other heads.

They give other outputs than heatmaps at stride 4, or take other inputs, than the networks that can be trained here
(``pose_weights``), and are only run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.checkpoints import fill, unchanged
from posetrack.models.engine import prepared
from posetrack.models.onnx_file import Interface
from posetrack.models.pose import CropPoseEstimator, PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.models.remedies import COUNTER, for_joints, of_another, of_another_family
from posetrack.models.resnet_poses import (
    REGRESSION_RESNETS,
    SIMCC_RESNETS,
    RegressionResNet,
    SimCCResNet,
    regression_tensors,
    values_per_joint,
)
from posetrack.models.rtmpose import RTMPOSES, RTMPose
from posetrack.models.runtime import CPU, Runtime
from posetrack.models.vitpose import VITPOSES, ViTPose, set_epsilon, vitpose_tensors
from posetrack.skeletons import SKELETONS

_BUILDERS: dict[str, Callable[[PoseFormat], nn.Module]] = {
    **{name: partial(RTMPose, name) for name in RTMPOSES},
    **{name: partial(ViTPose, name) for name in VITPOSES},
    **{name: partial(SimCCResNet, name) for name in SIMCC_RESNETS},
    **{name: partial(RegressionResNet, name) for name in REGRESSION_RESNETS},
}

PUBLISHED_POSES = {
    **dict.fromkeys((*RTMPOSES, *SIMCC_RESNETS), "simcc"),
    **dict.fromkeys(VITPOSES, "dark-udp"),
    **dict.fromkeys(REGRESSION_RESNETS, "regression"),
}
"""Names of the networks, and the codec of each."""

_MULTIPLE = 32
"""Sides of their inputs are multiples of this."""

_JOINTS = ("head.final_layer.bias", "head.conv.bias", "head.deconv_head.final_layer.bias", "head.fc.bias")
"""Tensors with a value, or several, for each joint."""

_OF_THE_FORMAT = (
    "head.final_layer", "head.conv", "head.deconv_head.final_layer", "head.fc", "head.mlp", "head.cls",
    "backbone.embeddings.position",
)  # fmt: skip
"""Beginnings of the names of tensors whose shapes depend on the joints or on the input's size."""


def build_published_pose(name: str, form: PoseFormat) -> nn.Module:
    """One of ``PUBLISHED_POSES`` with fresh weights, for an input size and joints.

    Raises:
        ConfigError: there is no network of that name, or it cannot have inputs of that size.
    """
    if name not in _BUILDERS:
        raise ConfigError(f"the network {name!r} is unknown; choose one of {', '.join(_BUILDERS)}.")
    if form.width % _MULTIPLE or form.height % _MULTIPLE:
        raise ConfigError(f"the input of {name} is {form.width}x{form.height}; give multiples of {_MULTIPLE}.")
    return _BUILDERS[name](form)


def read_published_pose(name: str, path: Path, form: PoseFormat) -> nn.Module:
    """The same with the weights of its publisher's checkpoint, strictly; in evaluation mode on the CPU.

    Args:
        name: One of ``PUBLISHED_POSES``.
        path: A PyTorch file or safetensors; no code in it is run.
        form: What the network takes and gives.

    Raises:
        ConfigError: there is no network of that name, or it cannot have inputs of that size.
        WeightsError: the file cannot be read, or is of another network; lists the names that differ.
    """
    network, tensors = build_published_pose(name, form), read_checkpoint(path)
    if name in VITPOSES:
        set_epsilon(network, tensors)
        tensors = vitpose_tensors(tensors, form)
    elif name in REGRESSION_RESNETS:
        tensors = regression_tensors(tensors)
    return fill(network, tensors, (path, name), unchanged("MMPose 1.x"), partial(_remedy, name, form))


def load_published_pose(
    name: str, path: Path, form: PoseFormat, config: PoseConfig | None = None, runtime: Runtime = CPU
) -> CropPoseEstimator:
    """The same as a stage; see ``CropPoseEstimator``.

    Raises:
        ConfigError, WeightsError: see ``read_published_pose``; or the device does not support the precision.
    """
    network = read_published_pose(name, path, form)
    interface = Interface(name=name, channels=3, size=(form.height, form.width))
    return CropPoseEstimator(prepared(network, runtime, interface), form, config, runtime)


def _remedy(name: str, form: PoseFormat, weights: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """What to change, as far as the weights show which network they belong to."""
    known = {len(skeleton) for skeleton in SKELETONS.values()}
    alike = [other for other in (name, *PUBLISHED_POSES) if _is_of(other, form, weights)]
    # Layers of the two regressions differ only in how many values a joint has.
    other = min(alike, key=lambda each: _joints_of(each, weights) not in known, default=None)
    if other is None:
        return of_another_family(name, weights)
    if other != name:
        return of_another(other)
    joints = _joints_of(name, weights)
    if joints not in (None, len(form.channels)):
        return for_joints(joints, len(form.channels))
    if any(weights[key].shape != value.shape for key, value in expected.items() if key in weights):
        return f"it was trained for another input size than {form.width}x{form.height}, or for other joints"
    return "give a checkpoint of exactly this network"


def _is_of(name: str, form: PoseFormat, weights: Mapping[str, Tensor]) -> bool:
    """Whether weights are those of a network for some joints and some size of the input."""
    with torch.device("meta"):
        theirs = build_published_pose(name, form).state_dict()
    return weights.keys() <= theirs.keys() and all(_is_like(key, weights.get(key), theirs[key]) for key in theirs)


def _joints_of(name: str, weights: Mapping[str, Tensor]) -> int | None:
    """The number of joints that a network of that name with these weights gives; None if it is no whole number."""
    values = next((weights[key].numel() for key in _JOINTS if key in weights), None)
    if name not in REGRESSION_RESNETS or values is None:
        return values
    joints, rest = divmod(values, values_per_joint(name))
    return None if rest else joints


def _is_like(name: str, found: Tensor | None, expected: Tensor) -> bool:
    """Whether a tensor is that of a network for some joints and some size of the input."""
    if found is None:
        return name.endswith(COUNTER)
    return name.startswith(_OF_THE_FORMAT) or found.shape == expected.shape
