"""The options of the second pass, which ``run``, ``batch`` and ``refine`` share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.shared_options import changed
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.refine.priors import Priors
    from posetrack.refine.second_pass import RefineConfig

_refining = partial(typer.Option, rich_help_panel="Second pass")
_people = partial(typer.Option, rich_help_panel="What you know about the people")


@dataclass(frozen=True, kw_only=True)
class RefineOptions:
    """How tracks are refined, and what is known about the people. Each field is a Typer option."""

    smooth: Annotated[
        str,
        _refining(
            help="Smoothing filter: kalman, butterworth:6Hz, savgol:0.3s, one-euro or none; the strength after "
            "the colon is optional. Live sources allow only one-euro."
        ),
    ] = "kalman"
    max_fill: Annotated[str, _refining(help="Fill gaps of up to this many seconds.")] = "1s"
    people: Annotated[
        str | None, _people(help="How many people there are: 3, or 2-4. Other tracks are dropped.")
    ] = None
    subject: Annotated[
        list[str] | None,
        _people(
            help="Keep only this person: largest, central, longest, or the one at x,y or x,y@time (repeatable)."
        ),
    ] = None
    same: Annotated[
        list[str] | None, _people(help="Numbers that are the same person, such as 3=7 (repeatable).")
    ] = None
    different: Annotated[
        list[str] | None, _people(help="Numbers of different people, such as 2,5 (repeatable).")
    ] = None
    drop: Annotated[list[str] | None, _people(help="Numbers to drop, such as 4 (repeatable).")] = None
    swap_sides: Annotated[
        list[str] | None,
        _people(help="Exchange left and right of person 3 from 10 to 14 s: 3@10-14s (repeatable)."),
    ] = None

    @property
    def given(self) -> list[str]:
        """The options that differ from their defaults, as they are typed."""
        return [f"--{name.replace('_', '-')}" for name in changed(self, RefineOptions())]

    def config(self) -> RefineConfig:
        """The settings of the second pass.

        Raises:
            ConfigError: an option is out of range, or contradicts another.
        """
        from posetrack.refine.second_pass import RefineConfig
        from posetrack.refine.smoothing import Smoothing

        return RefineConfig(
            max_fill_s=_seconds("--max-fill", self.max_fill),
            smoothing=Smoothing.parse(self.smooth),
            priors=self._priors(),
        )

    def _priors(self) -> Priors:
        from posetrack.refine import priors

        least, most = (None, None) if self.people is None else priors.parse_people(self.people)
        return priors.Priors(
            least=least,
            most=most,
            subjects=tuple(map(priors.parse_subject, self.subject or [])),
            same=tuple(map(priors.parse_same, self.same or [])),
            different=tuple(pair for text in self.different or [] for pair in priors.parse_different(text)),
            drop=tuple(number for text in self.drop or [] for number in priors.parse_drop(text)),
            swaps=tuple(map(priors.parse_swap, self.swap_sides or [])),
        )


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text.strip().lower().removesuffix("s"))
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ConfigError(f"{option} {text}: give a time in seconds, such as 1s or 0.5.")
    return seconds
