"""Formats of files of poses: sinks write them frame by frame, readers and writers convert between them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from posetrack.formats.sinks import (
    CocoResultsSink,
    CsvSink,
    MotChallengeSink,
    ParquetSink,
    PoseTrack17Sink,
    PoseTrack18Sink,
)
from posetrack.formats.whole_clips import CLIP_FORMATS, WholeClipSink
from posetrack.stages import Sink, SourceInfo

FormatSink = PoseTrack18Sink | PoseTrack17Sink | CocoResultsSink | CsvSink | ParquetSink | MotChallengeSink

FORMATS: dict[str, tuple[str, type[FormatSink]]] = {
    "posetrack18": (".json", PoseTrack18Sink),
    "posetrack17": ("_posetrack17.json", PoseTrack17Sink),
    "coco": ("_coco.json", CocoResultsSink),
    "mot": (".txt", MotChallengeSink),
    "csv": (".csv", CsvSink),
    "parquet": (".parquet", ParquetSink),
}
"""Formats written frame by frame: name on the command line -> what follows the source's name in the file's name,
and the sink: ``sink(path, source_info)``."""

OUTPUT_FORMATS: dict[str, tuple[str, Callable[[Path, SourceInfo], Sink]]] = {
    **FORMATS,
    **{name: (form.ending, partial(WholeClipSink, form=form)) for name, form in CLIP_FORMATS.items()},
}
"""All formats of ``run`` and ``batch``: also those written from the whole clip at the end."""

__all__ = [
    "FORMATS",
    "OUTPUT_FORMATS",
    "CocoResultsSink",
    "CsvSink",
    "FormatSink",
    "MotChallengeSink",
    "ParquetSink",
    "PoseTrack17Sink",
    "PoseTrack18Sink",
]
