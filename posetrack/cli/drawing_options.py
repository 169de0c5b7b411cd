"""Command-line options of what is drawn, shared by `run`, `batch` and `refine`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.video import AnnotatorConfig

_drawing = partial(typer.Option, rich_help_panel="Drawing")


@dataclass(frozen=True, kw_only=True)
class DrawingOptions:
    """What the annotated video shows. Each field is a Typer option."""

    boxes: Annotated[bool, _drawing("--boxes", help="Draw people's boxes.")] = False
    trails: Annotated[bool, _drawing("--trails", help="Draw each person's path.")] = False
    only: Annotated[str | None, _drawing(help="Draw only these people, by number: 2,5.")] = None
    crop_person: Annotated[int | None, _drawing(help="Draw a close-up that follows this person.")] = None
    skeleton_only: Annotated[
        bool, _drawing("--skeleton-only", help="Draw skeletons on black, without the video.")
    ] = False
    blur_faces: Annotated[
        bool, _drawing("--blur-faces", help="Blur the faces of all people found, including those not drawn.")
    ] = False

    def drawing(self) -> AnnotatorConfig:
        """The settings for drawing.

        Raises:
            ConfigError: an option is malformed.
        """
        from posetrack.video import AnnotatorConfig

        return AnnotatorConfig(
            boxes=self.boxes,
            trails=self.trails,
            blur_faces=self.blur_faces,
            skeleton_only=self.skeleton_only,
            only=_numbers("--only", self.only),
            crop_person=self.crop_person,
        )


def _numbers(flag: str, text: str | None) -> tuple[int, ...]:
    """Numbers between commas; none without a text."""
    try:
        return () if text is None else tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{flag} is {text!r}; give people's numbers, such as 2,5.") from None
