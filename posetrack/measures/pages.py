"""A page in HTML for each person: the overview, and a table of figures. One file, nothing from the internet."""

from __future__ import annotations

from base64 import b64encode
from html import escape

import numpy as np

from posetrack.files.text import printable
from posetrack.measures.measuring import Measured, Series

_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:2rem auto;max-width:60rem;color:#222}"
    "img{max-width:100%}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "td,th{padding:.2rem .8rem;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}@media print{body{margin:0}}"
)
_NOTE = (
    "Angles are measured in the image plane: right for motion across the camera's view, too small where limbs "
    "point towards the camera or away from it. The band around a line is one standard deviation, where it is "
    "known; dots are frames that were filled in."
)
_COLUMNS = ("measure", "unit", "frames", "smallest", "mean", "largest", "mean score")


def page_of(person: Measured, picture: bytes) -> str:
    """The page of a person; ``picture`` is the overview as PNG."""
    title = f"{printable(person.body.clip.name)}: person {person.body.track.track_id}"
    rows = "".join(_row(series) for series in person.series)
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1><p>{escape(person.sentence())}.</p>"
        f'<img alt="Path, presence, angles and scores over time" src="data:image/png;base64,'
        f'{b64encode(picture).decode()}"><p>{_NOTE}</p><table><tr>{head}</tr>{rows}</table></html>\n'
    )


def _row(series: Series) -> str:
    values = series.values[np.isfinite(series.values)]
    scores = series.scores[np.isfinite(series.scores)]
    figures = (f"{value:.1f}" for value in (values.min(), values.mean(), values.max()))
    score = f"{scores.mean():.2f}" if len(scores) else ""
    cells = (series.name.replace("_", " "), series.unit, str(len(values)), *figures, score)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
