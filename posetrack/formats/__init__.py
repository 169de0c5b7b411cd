"""Formats of files of poses: sinks write them frame by frame, readers and writers convert between them."""

from posetrack.formats.sinks import (
    CocoResultsSink,
    CsvSink,
    MotChallengeSink,
    ParquetSink,
    PoseTrack17Sink,
    PoseTrack18Sink,
)

FormatSink = PoseTrack18Sink | PoseTrack17Sink | CocoResultsSink | CsvSink | ParquetSink | MotChallengeSink

FORMATS: dict[str, tuple[str, type[FormatSink]]] = {
    "posetrack18": (".json", PoseTrack18Sink),
    "posetrack17": ("_posetrack17.json", PoseTrack17Sink),
    "coco": ("_coco.json", CocoResultsSink),
    "mot": (".txt", MotChallengeSink),
    "csv": (".csv", CsvSink),
    "parquet": (".parquet", ParquetSink),
}
"""Name on the command line -> what follows the source's name in the file's name, and the sink:
``sink(path, source_info)``."""

__all__ = [
    "FORMATS",
    "CocoResultsSink",
    "CsvSink",
    "FormatSink",
    "MotChallengeSink",
    "ParquetSink",
    "PoseTrack17Sink",
    "PoseTrack18Sink",
]
