"""How long and how fast a network learns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from posetrack.errors import ConfigError
from posetrack.ranges import require_kinds
from posetrack.records import check_numbers


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: Passes over the data.
        learning_rate: Learning rate of AdamW after the warm-up.
        decay: ``steps`` divides the rate by ten at each of ``steps`` (Xiao et al., section 4.1);
            ``cosine`` lets it fall smoothly to a hundredth.
        steps: Epochs at which the rate falls.
        warmup_iterations: Iterations over which the rate rises linearly from zero.
        weight_decay: AdamW's decoupled decay; 0 is plain Adam.
        weight_average_decay: Decay per iteration of the running average of the weights.
        gradient_norm: Maximum norm of the gradients; longer ones are clipped.
        validate_every_epochs: Epochs between validations (the last epoch is always validated).
        threads: CPU threads of torch; 0 keeps its default.
        precision: ``bf16`` trains under autocast; ``auto`` does where the device has instructions for it.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        seed: Seed of torch's random numbers.
    """

    epochs: int
    learning_rate: float = 1e-3
    decay: Literal["steps", "cosine"] = "steps"
    steps: tuple[int, ...] = ()
    warmup_iterations: int = 200
    weight_decay: float = 0.0
    weight_average_decay: float = 0.999
    gradient_norm: float = 10.0
    validate_every_epochs: int = 1
    threads: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "fp32"
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        require_kinds(self, "schedule.")
        check_numbers(
            self, "schedule.", epochs=(1, 10**6), validate_every_epochs=(1, 10**6), warmup_iterations=(0, 10**9),
            threads=(0, 1024), steps=(0, 10**6), weight_decay=(0, 100), seed=(0, 2**32),
        )  # fmt: skip
        for name in ("learning_rate", "gradient_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"schedule.{name} is {getattr(self, name)}; give a positive number.")
        if not 0 <= self.weight_average_decay < 1:
            raise ConfigError(f"schedule.weight_average_decay is {self.weight_average_decay}; give 0 to below 1.")

    def rate(self, iteration: int, iterations_per_epoch: int) -> float:
        """Learning rate at an iteration, counted from the start of the run.

        >>> schedule = Schedule(epochs=3, learning_rate=1.0, steps=(1, 2), warmup_iterations=0)
        >>> [round(schedule.rate(i, 10), 3) for i in (0, 10, 20)]
        [1.0, 0.1, 0.01]
        """
        warm = min(1.0, (iteration + 1) / self.warmup_iterations) if self.warmup_iterations else 1.0
        if self.decay == "steps":
            passed = sum(iteration >= step * iterations_per_epoch for step in self.steps)
            return self.learning_rate * warm * 0.1**passed
        share = iteration / (self.epochs * iterations_per_epoch)
        return self.learning_rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
