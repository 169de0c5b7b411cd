"""Writes the ground truth of scenes as PoseTrack18 JSON, for evaluation."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from posetrack.formats import PoseTrack18Sink
from posetrack.synthetic.scene import Scene
from posetrack.synthetic.truth import Truth
from posetrack.types import Frame


class GroundTruthWriter:
    """Writes the annotated people of each frame with their head boxes; a context manager that completes the file.

    Args:
        path: The JSON file.
        scene: The scene; its name and size go into the file.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, scene: Scene) -> None:
        self._sink = PoseTrack18Sink(path, scene.source_info)

    def write(self, frame: Frame, truth: Truth) -> None:
        """Append one frame: all joints inside it, hidden or not, of people whom an annotator would label."""
        self._sink.write(frame, truth.poses, head_boxes=truth.head_boxes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._sink.close()
        else:
            self._sink.discard()
