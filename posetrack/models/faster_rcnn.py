"""Faster R-CNN (Ren et al., NeurIPS 2015) from torchvision's parts: a small backbone, a narrow feature pyramid.

For images a few hundred pixels high and people only, few channels, anchors and proposals are enough.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from posetrack.errors import ConfigError
from posetrack.models.backbone import STAGE_CHANNELS, PersonShuffleNet
from posetrack.ranges import require_kinds
from posetrack.records import check_numbers

PERSON = 1
"""Label of people (0 is background), here as in torchvision's COCO detectors."""

POOLED_SIZE = 7
"""Side, in cells, of a pooled proposal."""

CANONICAL_SIDE = 72.0
"""Proposals of this side (pixels, root of the area) are pooled from stride 16, half as large ones from 8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorArchitecture:
    """Everything needed to build the network that weights belong to.

    Attributes:
        short_side: The image's short side is scaled to this many pixels, ...
        long_side: ... or less if the long side would exceed this many.
        pyramid_channels: Channels of every level of the feature pyramid.
        head_channels: Channels of the box head's two hidden layers.
        anchor_sizes: Square roots of the anchors' areas in pixels, one tuple for each of strides 8, 16, 32.
        anchor_ratios: Height over width of the anchors.
    """

    short_side: int = 384
    long_side: int = 672
    pyramid_channels: int = 96
    head_channels: int = 256
    anchor_sizes: tuple[tuple[float, ...], ...] = ((20.0, 34.0), (56.0, 92.0), (150.0, 240.0))
    anchor_ratios: tuple[float, ...] = (0.5, 1.1, 2.4)

    def __post_init__(self) -> None:
        require_kinds(self, "architecture.")
        check_numbers(
            self, "architecture.", short_side=(32, 4096), long_side=(32, 8192), pyramid_channels=(1, 512),
            head_channels=(1, 2048), anchor_sizes=(1, 10_000), anchor_ratios=(0.01, 100),
        )  # fmt: skip
        if self.short_side > self.long_side:
            raise ConfigError(
                f"architecture.short_side is {self.short_side}; give 32 to long_side {self.long_side}."
            )
        counts = {len(sizes) for sizes in self.anchor_sizes}
        if len(self.anchor_sizes) != len(STAGE_CHANNELS) or len(counts) != 1 or 0 in counts:
            raise ConfigError(f"architecture.anchor_sizes must be {len(STAGE_CHANNELS)} lists of one length.")
        if not 0 < len(self.anchor_ratios) * counts.pop() <= 100:
            raise ConfigError("architecture.anchor_sizes times anchor_ratios must be 1 to 100 anchors.")


class PyramidBackbone(nn.Module):
    """Three levels (strides 8, 16, 32) of equal width."""

    def __init__(self, body: PersonShuffleNet, channels: int) -> None:
        super().__init__()
        self.out_channels = channels
        self.body = body
        self.pyramid = FeaturePyramidNetwork(list(STAGE_CHANNELS), channels)

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        levels = self.body(images)
        pyramid: OrderedDict[str, Tensor] = self.pyramid(OrderedDict((str(i), x) for i, x in enumerate(levels)))
        return pyramid


def build_detector(architecture: DetectorArchitecture, body: PersonShuffleNet | None = None) -> FasterRCNN:
    """The network: ``body`` (random weights without one), feature pyramid, region proposals, box head."""
    levels = len(architecture.anchor_sizes)
    channels, hidden = architecture.pyramid_channels, architecture.head_channels
    return FasterRCNN(
        PyramidBackbone(body or PersonShuffleNet(), channels),
        min_size=architecture.short_side,
        max_size=architecture.long_side,
        image_mean=[0.0, 0.0, 0.0],  # the backbone normalises
        image_std=[1.0, 1.0, 1.0],
        rpn_anchor_generator=AnchorGenerator(architecture.anchor_sizes, (architecture.anchor_ratios,) * levels),
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=100,
        box_roi_pool=MultiScaleRoIAlign(
            [str(level) for level in range(levels)], POOLED_SIZE, sampling_ratio=2, canonical_scale=CANONICAL_SIDE
        ),
        box_head=TwoMLPHead(channels * POOLED_SIZE**2, hidden),
        box_predictor=FastRCNNPredictor(hidden, num_classes=2),
    )
