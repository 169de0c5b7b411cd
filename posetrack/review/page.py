"""The page as one self-contained document: style and scripts inside, and nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from posetrack import __version__
from posetrack.files.text import printable

_SCRIPTS = ("model", "footage", "stage", "lanes", "lists", "keys", "repairs", "main")
"""In the order in which they build on one another; they share one scope."""


@dataclass(frozen=True, slots=True)
class Page:
    """A document.

    Attributes:
        html: UTF-8.
    """

    html: bytes


def live_page(title: str) -> Page:
    """The page that a server fills."""
    return Page(_filled(title, connect="'self'", images="'self' blob: data:", data=""))


def _filled(title: str, *, connect: str, images: str, data: str) -> bytes:
    here = files(__package__)
    style = (here / "page.css").read_text("utf-8")
    parts = [(here / f"page_{name}.js").read_text("utf-8") for name in _SCRIPTS]
    script = '"use strict";\n(() => {\n' + "\n".join(parts) + "\n})();\n"
    values = {
        "title": escape(printable(title)),
        "version": escape(__version__),
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "connect": connect,
        "images": images,
        "data": data,
    }
    template = (here / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], template).encode()


def _hash(content: str) -> str:
    """Source in a Content Security Policy that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
