"""HRNet: parallel branches of several resolutions, which exchange their features repeatedly.

Sun, Xiao, Liu, Wang: "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019, section
3. Layers are named as in the official code and in MMPose, so their checkpoints fit.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

HRNET_CHANNELS = {"hrnet_w32": 32, "hrnet_w48": 48}
"""Channels of the highest resolution, by name. Each halving of the resolution doubles them."""

_STEM_CHANNELS = 64
_BLOCKS = 4
_EXCHANGES = {2: 1, 3: 4, 4: 3}
"""Exchange units of each stage; stage s has s branches."""


def _convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the resolution (or halves it), and its batch norm."""
    return [
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class ExchangeUnit(nn.Module):
    """Four residual blocks on every branch; then every branch gets the sum of all, resampled to its resolution.

    ``forward`` takes and returns a list of feature maps, branch b float [B, channels[b], H/2^b, W/2^b].

    Args:
        channels: Channels of the branches, highest resolution first.
        outputs: Number of branches returned, highest resolutions first.
    """

    def __init__(self, channels: list[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width, width) for _ in range(_BLOCKS))) for width in channels
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_resampling(channels, source, target) for source in range(len(channels)))
            for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        levels = [branch(level) for branch, level in zip(self.branches, levels, strict=True)]
        return [self._fused(resamplings, levels) for resamplings in self.fuse_layers]

    def _fused(self, resamplings: nn.Module, levels: list[Tensor]) -> Tensor:
        total = sum(resample(level) for resample, level in zip(resamplings.children(), levels, strict=True))
        fused: Tensor = self.relu(total)
        return fused


def _resampling(channels: list[int], source: int, target: int) -> nn.Module:
    """Resamples branch ``source`` to the resolution and channels of branch ``target``."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            *_convolution(channels[source], channels[target], size=1),
            nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
        )
    width = channels[source]
    halvings = [
        nn.Sequential(*_convolution(width, width, size=3, stride=2), nn.ReLU(inplace=True))
        for _ in range(target - source - 1)
    ]
    return nn.Sequential(*halvings, nn.Sequential(*_convolution(width, channels[target], size=3, stride=2)))


class HRNet(nn.Module):
    """HRNet's stem and four stages, up to the features of the highest resolution.

    ``forward`` takes float [B, 3, H, W], normalised, H and W multiples of 32, and returns one level [B, channels,
    H/4, W/4].

    Args:
        channels: Channels of the highest resolution: 32 for HRNet-W32, 48 for HRNet-W48.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels * 2**branch for branch in range(4)]
        self.conv1, self.bn1 = _convolution(3, _STEM_CHANNELS, size=3, stride=2)
        self.conv2, self.bn2 = _convolution(_STEM_CHANNELS, _STEM_CHANNELS, size=3, stride=2)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _first_stage()
        first = Bottleneck.expansion * _STEM_CHANNELS
        self.transition1 = nn.ModuleList(
            [_changed(first, widths[0]), nn.Sequential(_changed(first, widths[1], stride=2))]
        )
        self.stage2 = _stage(widths[:2])
        self.transition2 = _another_branch(widths[:3])
        self.stage3 = _stage(widths[:3])
        self.transition3 = _another_branch(widths[:4])
        self.stage4 = _stage(widths[:4], last=True)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> tuple[Tensor]:
        stem = self.relu(self.bn1(self.conv1(images)))
        stem = self.layer1(self.relu(self.bn2(self.conv2(stem))))
        levels = self.stage2([change(stem) for change in self.transition1])
        for transition, stage in ((self.transition2, self.stage3), (self.transition3, self.stage4)):
            sources = [*levels, levels[-1]]
            levels = stage([change(level) for change, level in zip(transition, sources, strict=True)])
        return (levels[0],)


def _first_stage() -> nn.Sequential:
    """Four bottlenecks at a quarter of the resolution, one more than in ResNet-50's first stage."""
    outputs = Bottleneck.expansion * _STEM_CHANNELS
    widening = nn.Sequential(*_convolution(_STEM_CHANNELS, outputs, size=1))
    return nn.Sequential(
        Bottleneck(_STEM_CHANNELS, _STEM_CHANNELS, downsample=widening),
        *(Bottleneck(outputs, _STEM_CHANNELS) for _ in range(_BLOCKS - 1)),
    )


def _changed(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_convolution(inputs, outputs, size=3, stride=stride), nn.ReLU(inplace=True))


def _another_branch(channels: list[int]) -> nn.ModuleList:
    """Existing branches pass through; a new one starts from the lowest resolution."""
    started = nn.Sequential(_changed(channels[-2], channels[-1], stride=2))
    return nn.ModuleList([*(nn.Identity() for _ in channels[:-1]), started])


def _stage(channels: list[int], last: bool = False) -> nn.Sequential:
    """A stage's exchange units; the last one of the network returns only the highest resolution."""
    branches = len(channels)
    units = _EXCHANGES[branches]
    return nn.Sequential(
        *(ExchangeUnit(channels, 1 if last and unit == units - 1 else branches) for unit in range(units))
    )
