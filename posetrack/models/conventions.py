"""How a network's publisher prepared images and targets: input must be prepared as in training.

All use an upright crop around a person's box, grown to the crop's aspect ratio and then by
``PoseArchitecture.padding``, 1.25 everywhere: ``_xywh2cs`` in the official code (``scale * 1.25``),
``GetBBoxCenterScale(padding=1.25)`` in MMPose. They differ in colours, in the border outside the frame, in
sampling, and by half a pixel here and there:

``own``
    Networks trained here. Colours in [0, 1]; the network normalises further if it needs to. Pixel and cell centres
    lie at integers and crops are centred, so a mirrored image gives exactly mirrored heatmaps.
``official_simple_baseline``
    github.com/microsoft/human-pose-estimation.pytorch, and the ResNets of the HRNet code (``COLOR_RGB: false`` in
    experiments/*/resnet/*.yaml). ``JointsDataset`` reads images with ``cv2.imread``, which gives BGR, and does not
    convert them; ``valid.py`` still normalises with ImageNet's RGB constants, so blue gets the mean of red. The
    published weights were trained that way.
``official_hrnet``
    github.com/leoxiaobin/deep-high-resolution-net.pytorch. ``JointsDataset`` converts to RGB where the
    configuration says so, and experiments/*/hrnet/*.yaml say ``COLOR_RGB: true``. Otherwise as above.
``mmpose``
    github.com/open-mmlab/mmpose, configurations td-hm_*: ``PoseDataPreprocessor(bgr_to_rgb=True)`` with mean
    (123.675, 116.28, 103.53) and standard deviation (58.395, 57.12, 57.375), ImageNet's times 255;
    ``TopdownAffine`` without UDP; ``MSRAHeatmap``, whose ``blur_kernel_size`` is 11 for inputs of any size, but
    17 in td-hm_res152_dark-8xb32-210e_coco-384x288; ``shift_heatmap=True``.
``udp``
    MMPose's configurations with ``UDPHeatmap`` and ``TopdownAffine(use_udp=True)``, ViTPose's among them: unbiased
    data processing (Huang et al., CVPR 2020), ``get_udp_warp_matrix``, ``shift_heatmap=False``.

All but ``own`` and ``udp`` share ``get_affine_transform`` / ``get_warp_matrix``: the box's centre goes to size / 2
of both input and heatmap (``transform_preds``), so heatmap cell h is input pixel h * stride. A flipped input is
mirrored about (size - 1) / 2, so its heatmap, mirrored back, is (stride - 1) / stride of a cell too far to the
left: all these move it one cell to the right (``SHIFT_HEATMAP``). ``cv2.warpAffine`` samples bilinearly at any
scale and fills with black outside the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds

ColourOrder = Literal["rgb", "bgr"]

Grid = Literal["centres", "corners", "ends"]
"""Where crops and heatmaps have their origin.

``centres``: the box's centre is at (size - 1) / 2 of the crop, cell h is at input (h + 0.5) * stride - 0.5.
``corners``: the box's centre is at size / 2 of the crop, cell h is at input h * stride.
``ends``: the crop's first and last pixels are at the box's two ends, as are the heatmap's first and last cells.
"""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True, slots=True)
class InputConvention:
    """How people are cut out and normalised for a network, and where its heatmaps lie.

    Attributes:
        colour_order: Order of the network's three input channels.
        mean: Subtracted from values in [0, 1], in the network's channel order.
        std: Divided by after that, in the network's channel order.
        border_rgb: Colour outside the frame, 0 to 255, red first regardless of ``colour_order``.
        antialias: Whether large people are first shrunk by area, rather than sampled bilinearly at any scale.
        grid: Origin of crops and heatmaps, see ``Grid``.
        flip_shift_cells: Cells by which the mirrored image's heatmaps are moved to the right after mirroring back.
        quarter_each_axis: Whether the quarter offset applies to each axis by itself near the border.
        dark_kernel_cells: Length of the kernel with which both DARKs smooth heatmaps as MMPose does, odd; ``None``
            for our own DARK, which smooths for the Gaussians that the network was trained on.
    """

    colour_order: ColourOrder = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    border_rgb: tuple[int, int, int] = (124, 116, 104)
    antialias: bool = True
    grid: Grid = "centres"
    flip_shift_cells: int = 0
    quarter_each_axis: bool = False
    dark_kernel_cells: int | None = None

    def __post_init__(self) -> None:
        require_kinds(self)
        if min(self.std) <= 0:
            raise ConfigError(f"std is {self.std}; every channel's must be above 0.")
        if not all(0 <= value <= 255 for value in self.border_rgb):
            raise ConfigError(f"border_rgb is {self.border_rgb}; give values from 0 to 255.")
        kernel = self.dark_kernel_cells
        if kernel is not None and (kernel < 1 or kernel % 2 == 0):
            raise ConfigError(f"dark_kernel_cells is {kernel}; give an odd number above 0.")
        if self.flip_shift_cells < 0:
            raise ConfigError(f"flip_shift_cells is {self.flip_shift_cells}; give at least 0.")


_OFFICIAL_HRNET = InputConvention(
    colour_order="rgb",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    border_rgb=(0, 0, 0),
    antialias=False,
    grid="corners",
    flip_shift_cells=1,
)

CONVENTIONS: dict[str, InputConvention] = {
    "own": InputConvention(),
    "official_simple_baseline": replace(_OFFICIAL_HRNET, colour_order="bgr"),
    "official_hrnet": _OFFICIAL_HRNET,
    "mmpose": replace(_OFFICIAL_HRNET, quarter_each_axis=True, dark_kernel_cells=11),
    "udp": replace(_OFFICIAL_HRNET, grid="ends", flip_shift_cells=0, dark_kernel_cells=11),
}
"""Conventions by name. MMPose and the official HRNet feed the same numbers."""


def convention_of(name: str, dark_kernel_cells: int | None = None) -> InputConvention:
    """A convention of ``CONVENTIONS``; for a network that needs another smoothing kernel, with that one."""
    convention = CONVENTIONS[name]
    return convention if dark_kernel_cells is None else replace(convention, dark_kernel_cells=dark_kernel_cells)
