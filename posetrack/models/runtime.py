"""Where and how networks run, as one object that travels to all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Where and how networks run.

    Attributes:
        device: Of all networks.
        precision: A name of ``posetrack.models.devices.PRECISIONS``; anything but fp32 is autocast, outputs are
            float32 all the same.
        compile: Have ``torch.compile`` make them faster, which takes a minute at the beginning.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "auto"
    compile: bool = False


CPU = Runtime()
"""torch on the processor, in fp32."""
