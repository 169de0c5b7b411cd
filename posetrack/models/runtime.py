"""Where and how networks run, as one object that travels to all of them."""

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
        device: Of all networks.
        precision: A name of ``posetrack.models.engines.PRECISIONS``; anything but fp32 is autocast, outputs are
            float32 all the same.
        compile: Have ``torch.compile`` make them faster, which takes a minute at the beginning.
        engine: What they run in: torch, or ONNX Runtime (on the processor, in fp32).
        exports: Folder of the networks that have been exported for ONNX Runtime; None: they are exported anew,
            for this process alone.
        side_by_side: Batches of a pose network that run at once, on a processor, in threads of their own.

    Raises:
        ConfigError: there is no such engine or precision, the engine is not installed, or other settings do not
            go with it.
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
"""torch on the processor, in fp32."""
