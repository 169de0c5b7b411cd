"""The people of a refined clip, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from posetrack.cli.output import console, tell

if TYPE_CHECKING:
    from posetrack.refine.summary import PersonSummary

_SWATCH = "\u25a0 "
"""A square."""


def print_people(people: Sequence[PersonSummary], appearance: str | None) -> None:
    """Print a line for each person, on a terminal with the colour in which the person is drawn.

    Args:
        people: The people.
        appearance: How well appearance tells them apart, as a sentence.
    """
    from posetrack.video.palette import person_colour

    out = console(soft_wrap=True)
    out.print(f"{len(people)} {'person' if len(people) == 1 else 'people'}:", highlight=False)
    shows_colours = out.is_terminal and out.color_system is not None and "utf" in out.encoding
    for one in people:
        red, green, blue = person_colour(one.track_id)
        swatch = Text(_SWATCH, style=f"rgb({red},{green},{blue})") if shows_colours else Text()
        out.print(Text("  ") + swatch + Text(one.sentence()), highlight=False)
    if appearance is not None:
        tell(appearance)
