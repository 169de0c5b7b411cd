"""Other people's checkpoints: weights of the official PyTorch code and of MMPose in our pose networks.

The layers of SimpleBaseline and HRNet have the same names everywhere; the prefixes differ:

| layout | backbone | head |
|---|---|---|
| official (Microsoft's SimpleBaseline and HRNet) | ``conv1`` ... | ``deconv_layers.`` ..., ``final_layer.`` ... |
| MMPose 0.x | ``backbone.conv1`` ... | ``keypoint_head.deconv_layers.`` ..., ``keypoint_head.final_layer.`` ... |
| MMPose 1.x | ``backbone.conv1`` ... | ``head.deconv_layers.`` ..., ``head.final_layer.`` ... |
| ours | ``backbone.conv1`` ... | ``deconv_layers.`` ..., ``final_layer.`` ... |

All names may also begin with ``module.``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn

from posetrack.errors import WeightsError
from posetrack.models.checkpoint_reading import read_checkpoint
from posetrack.models.hrnet import HRNET_CHANNELS
from posetrack.models.loading import load_weights
from posetrack.models.pose_weights import AT_STRIDE_4, PoseArchitecture, PoseNetwork
from posetrack.models.remedies import COUNTER, for_joints, of_another, of_another_family
from posetrack.records import shortened

Network = TypeVar("Network", bound=nn.Module)

_FINAL = "final_layer.weight"

_LISTED = 10
"""Maximum number of names of each kind in an error message."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a publisher's names become ours.

    Attributes:
        name: The publisher.
        prefixes: Pairs of their prefix and ours; the first match counts.
    """

    name: str
    prefixes: tuple[tuple[str, str], ...]

    def ours(self, name: str) -> str | None:
        """Our name for their tensor; None if the layout does not have it."""
        for theirs, ours in self.prefixes:
            if name.startswith(theirs):
                return ours + name.removeprefix(theirs)
        return None

    def theirs(self, name: str) -> str:
        """Their name for our tensor."""
        theirs, ours = next(pair for pair in self.prefixes if name.startswith(pair[1]))
        return theirs + name.removeprefix(ours)


def _mmpose(version: str, head: str) -> Layout:
    return Layout(
        name=f"MMPose {version}",
        prefixes=(
            ("backbone.", "backbone."),
            (f"{head}.deconv_layers.", "deconv_layers."),
            (f"{head}.final_layer.", "final_layer."),
        ),
    )


def parallel(layout: Layout) -> Layout:
    """The same, saved from within ``DataParallel``, which adds a prefix to every name."""
    prefixes = tuple((f"module.{theirs}", ours) for theirs, ours in layout.prefixes)
    return Layout(name=f"{layout.name}, parallel", prefixes=prefixes)


def unchanged(publisher: str) -> tuple[Layout, ...]:
    """The layouts of a publisher whose names are ours."""
    layout = Layout(name=publisher, prefixes=(("", ""),))
    return layout, parallel(layout)


_HEAD = (("deconv_layers.", "deconv_layers."), ("final_layer.", "final_layer."))
_SINGLE = (
    Layout(name="official", prefixes=(*_HEAD, ("", "backbone."))),
    _mmpose("0.x", "keypoint_head"),
    _mmpose("1.x", "head"),
    Layout(name="posetrack", prefixes=(("backbone.", "backbone."), *_HEAD)),
)

LAYOUTS = (*_SINGLE, *map(parallel, _SINGLE))
"""All known layouts."""


def load_checkpoint(path: str | Path, architecture: PoseArchitecture) -> PoseNetwork:
    """A pose network with the weights of a published checkpoint, in evaluation mode on the CPU.

    The layout is recognised from the names. No weight may be missing or left over, and all shapes must match; only
    batch norm's counters (``num_batches_tracked``) may be missing, as in files of older PyTorch. Weights become
    float32. The architecture's ``convention`` says how to prepare the network's input.

    Args:
        path: A PyTorch file (.pth, .pt) or safetensors. No code in it is run (see ``checkpoint_reading``).
        architecture: The network of the checkpoint.

    Raises:
        WeightsError: the file cannot be read, or belongs to another network; lists the names that are missing,
            unexpected or of another shape.
    """
    return pose_network(read_checkpoint(Path(path)), Path(path), architecture)


def pose_network(tensors: Mapping[str, Tensor], path: Path, architecture: PoseArchitecture) -> PoseNetwork:
    """The same from tensors that were read from a file.

    Raises:
        WeightsError: they belong to another network.
    """
    return fill(
        architecture.build(), tensors, (path, architecture.backbone), LAYOUTS,
        lambda weights, expected: _remedy(weights, expected, architecture, list(tensors)),
    )  # fmt: skip


def transposed_channels(tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Channels of the transposed convolutions among tensors of any layout, in order."""
    return tuple(
        value.shape[1]
        for name, value in tensors.items()
        if "deconv_layers" in name.split(".") and name.endswith(".weight") and value.ndim == 4
    )


def fill(
    network: Network,
    tensors: Mapping[str, Tensor],
    names: tuple[Path, str],
    layouts: Sequence[Layout],
    remedy: Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], str],
) -> Network:
    """A network with a file's tensors, strictly, as for ``load_checkpoint``; in evaluation mode on the CPU.

    Args:
        network: Its weights are replaced.
        tensors: The file's.
        names: Of the file and of the network, for messages.
        layouts: Those that the file may have.
        remedy: What to do, from the file's weights under our names, and the network's own.

    Raises:
        WeightsError: the tensors belong to another network.
    """
    path, name = names
    expected = network.state_dict()
    layout = _recognised(tensors, expected, layouts)
    weights = {ours: value for name, value in tensors.items() if (ours := layout.ours(name)) is not None}
    strangers = [name for name in tensors if layout.ours(name) is None]
    differences = _differences(weights, expected, layout, strangers)
    if differences:
        raise WeightsError(f"{path} does not fit {name}: {differences}; {remedy(weights, expected)}.")
    load_weights(network, {**expected, **weights}, path, f"{path} does not fit {name}")
    return network.eval()


def _recognised(
    tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor], layouts: Sequence[Layout]
) -> Layout:
    """The layout that matches most of the network's names; a few stray names do not matter."""
    return max(layouts, key=lambda layout: sum(layout.ours(name) in expected for name in tensors))


def _differences(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], layout: Layout, strangers: list[str]
) -> str:
    """What is missing, unexpected or of another shape or type, by the publisher's names; empty if nothing is."""
    absent = [name for name in expected if name not in weights and not name.endswith(COUNTER)]
    unexpected = [layout.theirs(name) for name in weights if name not in expected] + strangers
    misshapen = [
        f"{layout.theirs(name)} {_described(weights[name])} instead of {_described(value)}"
        for name, value in expected.items()
        if name in weights and _described(weights[name]) != _described(value)
    ]
    kinds = {"missing": list(map(layout.theirs, absent)), "unexpected": unexpected, "of another shape": misshapen}
    return "; ".join(f"{len(names)} {kind} ({_some(names)})" for kind, names in kinds.items() if names)


def _described(value: Tensor) -> str:
    """Shape, and the type of integers; a weight's precision does not matter."""
    shape = "x".join(map(str, value.shape)) or "scalar"
    return shape if value.is_floating_point() else f"{shape} of {str(value.dtype).removeprefix('torch.')}"


def _some(names: list[str]) -> str:
    rest = len(names) - _LISTED
    return ", ".join(map(shortened, names[:_LISTED])) + (f" and {rest} more" if rest > 0 else "")


def _remedy(
    weights: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    architecture: PoseArchitecture,
    names: Sequence[str],
) -> str:
    """What to change, as far as the weights, and all names in the file, show which network they belong to."""
    backbone = _backbone_of(weights)
    if backbone is None:
        return of_another_family(architecture.backbone, names)
    if backbone != architecture.backbone:
        return of_another(backbone)
    if _FINAL not in weights:
        return _other_head(backbone, names)
    channels = transposed_channels(weights)
    if backbone not in AT_STRIDE_4 and channels != architecture.deconv_channels:
        found, wanted = map(_listed, (channels, architecture.deconv_channels))
        return f"its transposed convolutions give {found} channels, not {wanted}"
    heatmaps = [_length(tensors[_FINAL]) for tensors in (weights, expected)]
    if heatmaps[0] != heatmaps[1] and architecture.all_slots:
        return for_joints(*heatmaps)
    if heatmaps[0] != heatmaps[1]:
        return (
            f"it has {heatmaps[0]} heatmaps and the architecture {heatmaps[1]}: choose the skeleton and all_slots "
            "that it was trained for"
        )
    return "give a checkpoint of exactly this network"


def _listed(channels: Sequence[int]) -> str:
    return ", ".join(map(str, channels)) or "no"


def _other_head(backbone: str, names: Sequence[str]) -> str:
    """What to do about a backbone without the layer that gives heatmaps."""
    for layer, head in (
        ("head.mlp_head_x.", "_simcc"),
        ("head.loss_module.", "_rle"),
        ("head.fc.", "_regression"),
    ):
        if any(layer in name for name in names):
            return f"its head gives no heatmaps: say --architecture {backbone}{head}"
    return "it has no pose head: give the checkpoint of a whole pose network"


def _length(value: Tensor | None) -> int:
    return value.shape[0] if value is not None and value.ndim else 0


def _backbone_of(weights: Mapping[str, Tensor]) -> str | None:
    """The backbone with these layers; None if unknown."""
    if any(".branches." in name for name in weights):
        width = _length(weights.get("backbone.transition1.0.0.weight"))
        return next((name for name, channels in HRNET_CHANNELS.items() if channels == width), None)
    blocks = {name.split(".")[2] for name in weights if name.startswith("backbone.layer3.")}
    if blocks and any(name.startswith("backbone.layer1.0.conv3.") for name in weights):
        return {6: "resnet50", 23: "resnet101", 36: "resnet152"}.get(len(blocks))
    shuffled = any(name.startswith("backbone.stage2.0.branch1.") for name in weights)
    return "shufflenet_v2_x1_0" if shuffled else None
