"""The person detector: torchvision's Faster R-CNN on a small backbone with a narrow feature pyramid."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign

from posetrack.errors import ConfigError
from posetrack.models.backbone import STAGE_CHANNELS, PersonShuffleNet

PERSON = 1
"""Label of people, in this detector as in torchvision's COCO detectors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorArchitecture:
    """What must be known to build the network that weights belong to.

    Attributes:
        short_side: The image's short side is scaled to this many pixels ...
        long_side: ... unless the long side then exceeded this many.
        pyramid_channels: Channels of every level of the feature pyramid.
        head_channels: Channels of the box head's two hidden layers.
        anchor_sizes: Square roots of the anchors' areas in pixels, one tuple for each of strides 8, 16, 32.
        anchor_ratios: Height over width of the anchors.
    """

    short_side: int = 384
    long_side: int = 672
    pyramid_channels: int = 64
    head_channels: int = 256
    anchor_sizes: tuple[tuple[float, ...], ...] = ((20.0, 34.0), (56.0, 92.0), (150.0, 240.0))
    anchor_ratios: tuple[float, ...] = (0.5, 1.1, 2.4)

    def __post_init__(self) -> None:
        if not 32 <= self.short_side <= self.long_side:
            raise ConfigError(f"short_side must lie in 32..long_side, not {self.short_side} ({self.long_side})")
        if min(self.pyramid_channels, self.head_channels) < 1:
            raise ConfigError("pyramid_channels and head_channels must be at least 1")
        if len(self.anchor_sizes) != len(STAGE_CHANNELS) or len({len(sizes) for sizes in self.anchor_sizes}) != 1:
            raise ConfigError(f"anchor_sizes must be {len(STAGE_CHANNELS)} tuples of one length")


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
    """The network on the given backbone, or on one with random weights; labels are 0 background, 1 person."""
    backbone = PyramidBackbone(body or PersonShuffleNet(), architecture.pyramid_channels)
    ratios = (architecture.anchor_ratios,) * len(architecture.anchor_sizes)
    names = [str(level) for level in range(len(architecture.anchor_sizes))]
    return FasterRCNN(
        backbone,
        min_size=architecture.short_side,
        max_size=architecture.long_side,
        image_mean=[0.0, 0.0, 0.0],
        image_std=[1.0, 1.0, 1.0],
        rpn_anchor_generator=AnchorGenerator(architecture.anchor_sizes, ratios),
        box_roi_pool=MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2, canonical_scale=72),
        box_head=TwoMLPHead(architecture.pyramid_channels * 49, architecture.head_channels),
        box_predictor=FastRCNNPredictor(architecture.head_channels, num_classes=2),
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=100,
    )
