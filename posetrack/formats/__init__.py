"""Files of poses. Sinks write them frame by frame, in constant memory, under a temporary name until complete."""

from posetrack.formats.json_sinks import CocoResultsSink, PoseTrack17Sink, PoseTrack18Sink
from posetrack.formats.table_sinks import CsvSink, MotChallengeSink, ParquetSink

FormatSink = PoseTrack18Sink | PoseTrack17Sink | CocoResultsSink | CsvSink | ParquetSink | MotChallengeSink

FORMATS: dict[str, tuple[str, type[FormatSink]]] = {
    "posetrack18": (".json", PoseTrack18Sink),
    "posetrack17": ("_posetrack17.json", PoseTrack17Sink),
    "coco": ("_coco.json", CocoResultsSink),
    "mot": (".txt", MotChallengeSink),
    "csv": (".csv", CsvSink),
    "parquet": (".parquet", ParquetSink),
}
"""Name on the command line -> what follows the source's name in the file's, and the sink:
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
