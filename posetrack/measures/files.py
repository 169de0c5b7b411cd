"""Measures a file and writes tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posetrack.files.pending import check_outputs, output_folder, write_file
from posetrack.measures.measuring import MeasureConfig, Measured, bodies_of, measure_clip
from posetrack.measures.scale import read_scale
from posetrack.measures.tables import check_table, long_table, step_table, wide_table, write_table
from posetrack.observations.names import is_observations
from posetrack.ranges import require_kinds
from posetrack.refine.clip import Clip
from posetrack.refine.files import read_clip
from posetrack.refine.second_pass import RefineConfig, refine_clip

if TYPE_CHECKING:
    from posetrack.types import Image

_DOTS_PER_INCH = 130


@dataclass(frozen=True, kw_only=True)
class MeasureOutputs:
    """What to write.

    Attributes:
        plots: An overview per person (PNG and HTML), and a contact sheet, beside the table.
        video: The footage, for the pictures' background.
        wide: A column per measure instead of a row.
        overwrite: Replace existing files.
    """

    plots: bool = False
    video: Path | None = None
    wide: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        require_kinds(self)


def measure_file(
    source: Path,
    target: Path | None = None,
    config: MeasureConfig | None = None,
    outputs: MeasureOutputs | None = None,
    *,
    scale: str | None = None,
    fps: float | None = None,
) -> tuple[list[Measured], list[Path]]:
    """Measure the people of a file of poses.

    Args:
        source: As ``read_clip`` reads it. Observations (``NAME.tracks``) are refined first, as by ``run``.
        target: The table, CSV or Parquet. Defaults to ``NAME_measures.csv`` beside the source. The other files
            have its name: ``NAME_measures_steps.csv``, ``NAME_measures_person3.png`` and ``.html``,
            ``NAME_measures_sheet.png``.
        config: Whom and what to measure.
        outputs: What to write.
        scale: From pixels to metres, as ``read_scale`` reads it; None keeps pixels.
        fps: Frames per second, for files without times.

    Returns:
        The people with their measures, and the files written.

    Raises:
        ConfigError, DataFormatError: as ``read_clip``, ``read_scale`` and ``measure_clip``.
        VideoError: the footage cannot be read.
        OutputError: a file exists, or cannot be written.
    """
    config, outputs = config or MeasureConfig(), outputs or MeasureOutputs()
    table = source.with_name(f"{source.stem}_measures.csv") if target is None else target
    check_table(table)
    clip = read_clip(source, fps)
    if is_observations(source):  # what was seen, before the second pass
        clip = refine_clip(clip, RefineConfig())
    everybody = bodies_of(source, clip)
    people = measure_clip(source, clip, read_scale(scale, everybody), config)
    steps = table.with_name(f"{table.stem}_steps{table.suffix}") if any(one.steps for one in people) else None
    pages = {one: table.with_name(f"{table.stem}_person{one.body.track.track_id}") for one in people}
    sheet = table.with_name(f"{table.stem}_sheet.png")
    plots = [path.with_name(path.name + ending) for path in pages.values() for ending in (".png", ".html")]
    files = [table, *([steps] if steps else []), *([*plots, sheet] if outputs.plots else [])]
    inputs = [source, *([outputs.video] if outputs.video else [])]
    check_outputs(files, overwrite=outputs.overwrite, inputs=inputs)
    pictures = _pictures(clip, pages, sheet, outputs.video) if outputs.plots else {}
    with output_folder(table.parent):
        write_table(table, wide_table(people) if outputs.wide else long_table(people))
        if steps is not None:
            write_table(steps, step_table(people))
        for path, content in pictures.items():
            write_file(path, content)
    return people, files


def _pictures(clip: Clip, pages: dict[Measured, Path], sheet: Path, footage: Path | None) -> dict[Path, bytes]:
    """All pages and pictures. They are made before anything is written: the footage may be damaged."""
    from posetrack.figures import png_of
    from posetrack.measures.pages import page_of
    from posetrack.measures.pictures import contact_sheet, extent
    from posetrack.measures.plots import overview

    contents = {}
    for person, path in pages.items():
        background = _background(person, footage)
        picture = png_of(partial(overview, person, background), _DOTS_PER_INCH)
        contents[path.with_name(path.name + ".png")] = picture
        contents[path.with_name(path.name + ".html")] = page_of(person, picture).encode()
    return {**contents, sheet: png_of(partial(contact_sheet, clip, footage, extent(clip)), _DOTS_PER_INCH)}


def _background(person: Measured, footage: Path | None) -> Image | None:
    from posetrack.measures.pictures import frame_at

    times = person.body.times
    return None if footage is None else frame_at(footage, float(times[len(times) // 2])).image
