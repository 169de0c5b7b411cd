"""Where and how networks run, as one object shared by all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from posetrack.models.engines import Engine, check_engine
from posetrack.ranges import require_kinds


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Where and how networks run.

    Attributes:
        device: Device of all networks.
        precision: A name of ``posetrack.models.engines.PRECISIONS``; anything but fp32 is autocast. Outputs are
            always float32.
        compile: Compile the networks with ``torch.compile``: faster, after about a minute.
        engine: What they run in: torch, or ONNX Runtime or OpenVINO (on the CPU, in fp32).
        exports: Folder of networks exported for other engines. ``None`` exports them for this process only.
        side_by_side: Batches of a pose network that run at once on the CPU, each in its own thread.

    Raises:
        ConfigError: there is no such engine or precision, the engine is not installed, or it does not support the
            other settings.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: str = "auto"
    compile: bool = False
    engine: Engine = "torch"
    exports: Path | None = None
    side_by_side: int = 1

    def __post_init__(self) -> None:
        require_kinds(self)
        check_engine(self.engine, str(self.device), self.precision, self.compile)


CPU = Runtime()
"""torch on the CPU, in fp32."""
