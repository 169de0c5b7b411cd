"""SimpleBaseline: a backbone, three transposed convolutions, a 1x1 convolution to heatmaps.

Xiao, Wu, Wei: "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018, section 2. HRNet's pose
network has no transposed convolutions, because its features are already at stride 4.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

HEATMAP_STRIDE = 4
"""Input pixels per heatmap cell: stride 32 of the backbone, doubled three times; or HRNet's own stride 4."""


class SimpleBaseline(nn.Module):
    """Heatmaps of one person's joints.

    Args:
        backbone: Takes float [B, 3, H, W]; returns feature levels, the last at stride 32 (HRNet: 4).
        channels: Channels of that last level.
        deconv_channels: Channels of the three transposed convolutions (4x4, stride 2, batch norm, ReLU); the
            paper has 256 in each. Empty for HRNet.
        heatmaps: Number of joints.

    ``forward`` takes float [B, 3, H, W], H and W multiples of 32, in the colours of its training (RGB in [0, 1]
    for networks trained here), and returns float [B, heatmaps, H/4, W/4].
    """

    def __init__(self, backbone: nn.Module, channels: int, deconv_channels: Sequence[int], heatmaps: int) -> None:
        super().__init__()
        self.backbone = backbone
        layers: list[nn.Module] = []
        for width in deconv_channels:
            layers += [
                nn.ConvTranspose2d(channels, width, kernel_size=4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = nn.Conv2d(channels, heatmaps, kernel_size=1)
        self._initialise()

    def _initialise(self) -> None:
        """Small Gaussian weights, as in the paper's code: the first heatmaps are near zero."""
        for module in (*self.deconv_layers, self.final_layer):
            if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.deconv_layers(self.backbone(images)[-1])
        heatmaps: Tensor = self.final_layer(features)
        return heatmaps
