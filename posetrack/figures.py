"""Figures as PNG. Their text is drawn as is: names of clips and people may contain any character."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from warnings import catch_warnings, filterwarnings

from matplotlib import rc_context, rcParams
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager

_FURTHER_FONTS = (
    "Noto Sans CJK SC", "Noto Sans CJK TC", "Noto Sans CJK JP", "Noto Sans CJK KR", "Noto Sans SC", "Noto Sans JP",
    "Noto Sans KR", "Source Han Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Droid Sans Fallback",
    "Microsoft YaHei", "SimHei", "Yu Gothic", "MS Gothic", "Malgun Gothic", "Hiragino Sans GB", "Hiragino Sans",
    "PingFang SC", "Heiti SC", "Apple SD Gothic Neo", "Arial Unicode MS", "Unifont",
)  # fmt: skip
"""Usual fonts of Linux, Windows and macOS with the characters that matplotlib's own font lacks."""


def png_of(draw: Callable[[], Figure], dots_per_inch: int) -> bytes:
    """A figure as PNG. ``$`` in its text begins no formula; characters that no installed font has are boxes.

    Args:
        draw: Makes the figure; texts take their settings when they are made.
        dots_per_inch: Resolution.
    """
    installed = {font.name for font in fontManager.ttflist}
    fonts = [*rcParams["font.family"], *(name for name in _FURTHER_FONTS if name in installed)]
    content = BytesIO()
    with rc_context({"text.parse_math": False, "font.family": fonts}), catch_warnings():
        filterwarnings("ignore", "Glyph|Matplotlib currently does not support", UserWarning)
        draw().savefig(content, format="png", dpi=dots_per_inch, metadata={"Software": None})
    return content.getvalue()
