"""A refined clip in the formats of ``run``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posetrack.formats import OUTPUT_FORMATS
from posetrack.refine.clip import Clip
from posetrack.refine.files import write_clip
from posetrack.refine.poses import poses_by_frame
from posetrack.stages import Sink, SourceInfo
from posetrack.types import NO_IMAGE, Frame

WITH_RAW = ("posetrack18", "csv", "parquet")
"""Formats that also hold the joints before filling and smoothing."""


def write_results(clip: Clip, info: SourceInfo, paths: Mapping[str, Path]) -> None:
    """Write the pose files of a clip.

    Args:
        clip: Refined.
        info: Its source.
        paths: Format, a key of ``OUTPUT_FORMATS`` -> file.

    Raises:
        OutputError: a file cannot be written.
        DataFormatError: a number is too large for a format.
    """
    sinks: list[Sink] = []
    for kind, path in paths.items():
        if kind in WITH_RAW:
            write_clip(path, clip)
        else:
            sinks.append(OUTPUT_FORMATS[kind][1](path, info))
    try:
        if sinks:
            for number, time_s, poses in poses_by_frame(clip):
                for sink in sinks:
                    sink.write(Frame(number, time_s, NO_IMAGE), poses)
        for sink in sinks:
            sink.close()
    except BaseException:
        for sink in sinks:
            sink.discard()
        raise
