"""Description of one set of published weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from posetrack.errors import ConfigError
from posetrack.models.conventions import CONVENTIONS, convention_of
from posetrack.models.pose_format import PoseFormat
from posetrack.ranges import require_one_of
from posetrack.skeletons import SKELETONS

if TYPE_CHECKING:
    from posetrack.models.pose_weights import PoseArchitecture

Task = Literal["pose", "detector", "detector+pose", "flow"]
TASKS: tuple[Task, ...] = ("detector", "pose", "detector+pose", "flow")

SHORTEST_PREFIX = 8
"""Minimum number of hex digits of the SHA-256 in a published file name."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_HEX = re.compile(r"[0-9a-f]+")
_SHA256_DIGITS = 64
_BYTES_PER_PARAMETER = 4


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """One published figure.

    Attributes:
        dataset: What it was measured on.
        metric: What was measured.
        value: The figure.
        unit: ``percent``, ``fraction``, ``px`` or ``per image``.
        conditions: Conditions of the measurement: which boxes, flip test.
        source: Where it is published: a page, or the name of torchvision's weight enum.
    """

    dataset: str
    metric: str
    value: float
    unit: str
    conditions: str
    source: str

    def __post_init__(self) -> None:
        if self.unit not in ("percent", "fraction", "px", "per image"):
            raise ConfigError(f"the unit of {self.metric} is {self.unit!r}.")
        if not 0 <= self.value < float("inf"):
            raise ConfigError(f"{self.metric} is {self.value}.")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One set of published weights.

    Attributes:
        name: As on the command line.
        task: What the network does.
        loader: How its file becomes a stage: a key of ``posetrack.networks.LOADERS``.
        purpose: The same in a few words.
        publisher: Who published the weights.
        architecture: Name of the network; for pose networks that of the backbone.
        licence: Licence of the weights, as published.
        trained_on: Training data, which may have its own terms.
        file: The publisher's file name.
        page: The publisher's page about the weights.
        colour_order: Order of the input's channels, ``rgb`` or ``bgr``.
        mean: Subtracted from colours in [0, 1], in the network's channel order.
        std: Divided by after that, in the network's channel order.
        convention: How to prepare inputs and what heatmaps mean: for pose networks a key of
            ``posetrack.models.conventions.CONVENTIONS``; ``torchvision`` for the transforms of its weight enums;
            ``rtmdet`` or ``yolox`` for images scaled and padded as these do.
        accuracy: Published figures, the most important first.
        bundled: The file is part of this package.
        sources: Addresses of the file, tried in order: the publisher's, then copies elsewhere. Those that end with
            ``.zip`` are of archives around it (``posetrack.zoo.archives``). Empty if it can only be fetched by
            hand from ``page``.
        elsewhere: Where else the file is known to lie, for people: pages, not addresses of the file.
        sha256: The file's hash, 64 hex digits, if known.
        sha256_prefix: The first digits of the hash, if only these are published, in the file's name.
        size_bytes: Exact size of the file.
        size_mib: Published size in units of 2^20 bytes, rounded to 0.001.
        parameters: Number of trainable parameters.
        skeleton: Name of the skeleton, for networks that estimate joints.
        joints: Names of the joints in the order of the network's channels.
        width, height: Input size in pixels, for networks that take crops or padded images.
        short_side, long_side: Size in pixels to which detectors scale an image's short side, or less if the long
            side would exceed ``long_side``.
        multiple_of, shortest_side: Sides of images must be multiples of the one, and at least the other, in
            pixels.
        padding: Factor by which a person's box grows before it is cut out.
        codec: How its output becomes joints, a key of ``posetrack.models.heads.HEADS``.
        stride: Input pixels per heatmap cell.
        sigma_cells: Standard deviation in heatmap cells of the Gaussians that it was trained on.
        dark_kernel_cells: Length of the kernel with which DARK smooths, odd, if it is not the convention's.
        split_ratio: Bins per input pixel of SimCC networks.
        all_slots: The network has a heatmap for every slot of the skeleton, including unused ones.
        deconv_channels: Channels of the pose network's transposed convolutions.
        notes: Further remarks.
    """

    name: str
    task: Task
    loader: str
    purpose: str
    publisher: str
    architecture: str
    licence: str
    trained_on: str
    file: str
    page: str
    colour_order: Literal["rgb", "bgr"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    convention: str
    accuracy: tuple[Accuracy, ...]
    bundled: bool = False
    sources: tuple[str, ...] = ()
    elsewhere: str | None = None
    sha256: str | None = None
    sha256_prefix: str | None = None
    size_bytes: int | None = None
    size_mib: float | None = None
    parameters: int | None = None
    skeleton: str | None = None
    joints: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    short_side: int | None = None
    long_side: int | None = None
    multiple_of: int | None = None
    shortest_side: int | None = None
    padding: float | None = None
    codec: str | None = None
    stride: float | None = None
    sigma_cells: float | None = None
    dark_kernel_cells: int | None = None
    split_ratio: float | None = None
    all_slots: bool = False
    deconv_channels: tuple[int, ...] = ()
    notes: str | None = None

    def __post_init__(self) -> None:
        for wrong, what in (
            (not _NAME.fullmatch(self.name), "its name may only have lower-case letters, digits and _"),
            (not _FILE.fullmatch(self.file), f"{self.file!r} is not a file name"),
            (self.task not in TASKS, f"task is {self.task!r}; choose one of {', '.join(TASKS)}"),
            (self.colour_order not in ("rgb", "bgr"), f"colour_order is {self.colour_order!r}; choose rgb or bgr"),
            (len(self.mean) != 3 or len(self.std) != 3, "mean and std have three values each"),
            (min(self.std) <= 0, "every channel's std must be above 0"),
            (any(size <= 0 for size in self._sizes()), "sizes must be above 0"),
        ):
            if wrong:
                raise ConfigError(f"entry {self.name!r}: {what}.")
        self._check_origin()
        self._check_joints()

    def _sizes(self) -> list[float]:
        sizes = (
            self.size_bytes, self.size_mib, self.parameters, self.width, self.height, self.short_side,
            self.long_side, self.multiple_of, self.shortest_side, self.padding, self.stride, self.sigma_cells,
            self.dark_kernel_cells, self.split_ratio, *self.deconv_channels,
        )  # fmt: skip
        return [size for size in sizes if size is not None]

    def _check_origin(self) -> None:
        """Anything that can be downloaded must have a hash."""
        for digits, least in ((self.sha256, _SHA256_DIGITS), (self.sha256_prefix, SHORTEST_PREFIX)):
            if digits is not None and not (_HEX.fullmatch(digits) and least <= len(digits) <= _SHA256_DIGITS):
                raise ConfigError(f"entry {self.name!r}: {digits!r} is not a SHA-256 in lower-case hex digits.")
        if self.sha256 and not self.sha256.startswith(self.sha256_prefix or ""):
            raise ConfigError(f"entry {self.name!r}: sha256 and sha256_prefix contradict each other.")
        for source in self.sources:
            if urlsplit(source).scheme not in ("http", "https"):
                raise ConfigError(f"entry {self.name!r}: {source!r} is not an http or https address.")
            if source.lower().endswith(".zip") and (self.sha256 is None or not self.file.endswith(".onnx")):
                raise ConfigError(f"entry {self.name!r}: an archive needs the sha256 of the .onnx file in it.")
        if self.sources and self.expected_digits is None:
            raise ConfigError(f"entry {self.name!r}: a download needs a hash to check it.")
        if self.bundled and (self.sources or not self.sha256):
            raise ConfigError(f"entry {self.name!r}: a bundled file has a sha256 and no sources.")

    def _check_joints(self) -> None:
        if (self.skeleton is None) != (not self.joints) or ("pose" in self.task) != bool(self.joints):
            raise ConfigError(f"entry {self.name!r}: networks that estimate joints, and only those, list them.")
        needed = (self.width, self.height, self.padding, self.codec)
        if self.task == "pose" and None in needed:
            raise ConfigError(f"entry {self.name!r}: a pose network needs width, height, padding, codec.")

    @property
    def expected_digits(self) -> str | None:
        """The SHA-256 or its published first hex digits; None if nothing is published."""
        return self.sha256 or self.sha256_prefix

    def agrees(self, sha256: str) -> bool:
        """Whether a hash matches the published digits; True if nothing is published."""
        return sha256.startswith(self.expected_digits or "")

    @property
    def estimated_bytes(self) -> int | None:
        """Size of the file: exact, published and rounded, or estimated from the parameters; None if unknown."""
        if self.size_bytes is not None:
            return self.size_bytes
        if self.size_mib is not None:
            return round(self.size_mib * 2**20)
        return None if self.parameters is None else self.parameters * _BYTES_PER_PARAMETER

    @property
    def by_hand(self) -> bool:
        """Whether the file must be fetched by hand from its publisher's page."""
        return not self.sources and not self.bundled

    def pose_format(self) -> PoseFormat:
        """What a pose network takes and gives.

        Raises:
            ConfigError: these are not the weights of a pose network that sees crops, or its skeleton, joints or
                convention are unknown.
        """
        if self.task != "pose" or self.skeleton is None or self.width is None or self.height is None:
            raise ConfigError(f"{self.name} is not a pose network but for {self.task}.")
        require_one_of(SKELETONS, skeleton=self.skeleton)
        require_one_of(CONVENTIONS, convention=self.convention)
        skeleton = SKELETONS[self.skeleton]
        if not set(self.joints) <= set(skeleton.joints):
            raise ConfigError(f"entry {self.name!r}: its joints are not all in the skeleton {self.skeleton}.")
        given = {name: getattr(self, name) for name in ("padding", "stride", "sigma_cells", "split_ratio")}
        return PoseFormat(
            skeleton=skeleton,
            width=self.width,
            height=self.height,
            convention=convention_of(self.convention, self.dark_kernel_cells),
            slots=tuple(skeleton.index(joint) for joint in self.joints),
            **{name: value for name, value in given.items() if value is not None},
        )

    def pose_architecture(self) -> PoseArchitecture:
        """The architecture that ``posetrack.models.checkpoints.load_checkpoint`` builds.

        Raises:
            ConfigError: these are not the weights of a pose network that sees crops.
        """
        from posetrack.models.pose_weights import PoseArchitecture

        if (
            self.task != "pose"
            or self.skeleton is None
            or self.width is None
            or self.height is None
            or self.padding is None
            or self.sigma_cells is None
        ):
            raise ConfigError(f"{self.name} is not a pose network but for {self.task}.")
        return PoseArchitecture(
            backbone=self.architecture,
            skeleton=self.skeleton,
            width=self.width,
            height=self.height,
            padding=self.padding,
            deconv_channels=self.deconv_channels,
            convention=self.convention,
            all_slots=self.all_slots,
            sigma_cells=self.sigma_cells,
            dark_kernel_cells=self.dark_kernel_cells,
        )
