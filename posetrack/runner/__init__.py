"""``run``: tracks one source, and writes an annotated video and files of poses, as ``posetrack run`` does."""

from posetrack.runner.summary import RunObserver, RunSummary
from posetrack.runner.tracking import run
from posetrack.video.outputs import Outputs, ResultWriter

__all__ = ["Outputs", "ResultWriter", "RunObserver", "RunSummary", "run"]
