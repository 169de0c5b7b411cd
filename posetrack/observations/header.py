"""The header of a file of observations: what was tracked, and with what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from posetrack import __version__
from posetrack.skeletons import SKELETONS, Skeleton
from posetrack.stages import SourceInfo

VERSION = 2
"""Version of the schema. Files of a later one are refused; those of version 1 hold only reported people."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What was tracked, and with what.

    Attributes:
        name: Short name of the source, as in ``SourceInfo``.
        width, height: Size of its frames in pixels.
        fps: Its nominal frames per second; ``None`` if unknown.
        delivered_fps: Frames tracked per second of footage.
        source_bytes, source_digest: Identify its file (``video.identity.Identity``); 0 and empty if unknown.
        made_with: What the results depend on: settings, networks and their hashes, the part that was read.
        made_by: Version of posetrack.
        formats: Formats of the pose files that the run was asked for.
    """

    name: str
    width: int
    height: int
    fps: Fraction | None
    delivered_fps: Fraction | None
    source_bytes: int = 0
    source_digest: str = ""
    made_with: Mapping[str, Any] = field(default_factory=dict)
    made_by: str = __version__
    formats: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: SourceInfo, **more: Any) -> Header:
        """The header for a source, with further attributes by name."""
        return cls(
            name=info.name, width=info.width, height=info.height, fps=info.fps, delivered_fps=info.delivered_fps,
            **more,
        )  # fmt: skip

    @property
    def info(self) -> SourceInfo:
        """The source, as sinks take it; its file is not known."""
        return SourceInfo(
            name=self.name, width=self.width, height=self.height, fps=self.fps, frame_count=None, path=None,
            delivered_fps=self.delivered_fps,
        )  # fmt: skip

    def to_json(self, skeleton: Skeleton) -> bytes:
        """As stored in the file, with the skeleton's name and joints. Only ASCII: names can be anything."""
        return json.dumps(
            {
                "version": VERSION,
                "name": self.name,
                "width": self.width,
                "height": self.height,
                "fps": _text(self.fps),
                "delivered_fps": _text(self.delivered_fps),
                "source": {"bytes": self.source_bytes, "digest": self.source_digest},
                "made_with": dict(self.made_with),
                "made_by": self.made_by,
                "formats": list(self.formats),
                "skeleton": {"name": skeleton.name, "joints": list(skeleton.joints)},
            }
        ).encode()

    @classmethod
    def from_json(cls, text: bytes) -> tuple[Header, Skeleton]:
        """The inverse of ``to_json``.

        Raises:
            ValueError: it is no such text, or the skeleton is unknown.
        """
        try:
            data = json.loads(text)
            skeleton = SKELETONS[data["skeleton"]["name"]]
            if list(skeleton.joints) != data["skeleton"]["joints"]:
                raise ValueError("the skeleton has other joints")
            header = cls(
                name=_name(data["name"]),
                width=_count(data["width"]),
                height=_count(data["height"]),
                fps=_rate(data["fps"]),
                delivered_fps=_rate(data["delivered_fps"]),
                source_bytes=_count(data["source"]["bytes"]),
                source_digest=str(data["source"]["digest"]),
                made_with=dict(data["made_with"]),
                made_by=str(data["made_by"]),
                formats=tuple(map(str, data["formats"])),
            )
            header.info  # noqa: B018 (refuses rates that are no rates)
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise ValueError(f"the header is wrong: {error}") from error
        return header, skeleton


def _text(rate: Fraction | None) -> str | None:
    return None if rate is None else str(rate)


def _rate(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _count(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a number of pixels or bytes")
    return value


def _name(name: object) -> str:
    if not isinstance(name, str) or not name or set(name) & {"/", "\0"}:
        raise ValueError("the name is not a file name")
    return name
