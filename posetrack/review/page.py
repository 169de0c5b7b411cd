"""The page as one self-contained document: style and scripts inside, and nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from importlib.resources import files

from posetrack import __version__
from posetrack.files.text import printable

_SCRIPTS = ("model", "footage", "stage", "lanes", "lists", "keys", "repairs", "main")
"""In the order in which they build on one another; they share one scope."""


def live_page(title: str) -> bytes:
    """The page that a server fills, in UTF-8."""
    before, after = _filled(title, connect="'self'", images="'self' blob: data:")
    return before + after


def exported_page(title: str) -> tuple[bytes, bytes]:
    """What stands before and after the data, which are JSON, in a page that asks for nothing."""
    before, after = _filled(title, connect="'none'", images="blob: data:")
    return before + b'<script type="application/json" id="packed">', b"</script>\n" + after


def _filled(title: str, *, connect: str, images: str) -> tuple[bytes, bytes]:
    """The page, parted where data may stand."""
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
    }
    template = (here / "page.html").read_text("utf-8")
    before, after = (
        re.sub(r"\{\{(\w+)\}\}", lambda place: values[place[1]], part).encode()
        for part in template.split("{{data}}")
    )
    return before, after


def _hash(content: str) -> str:
    """Source in a Content Security Policy that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
