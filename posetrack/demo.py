"""A rendered clip with exact ground truth, to try the whole system without your own footage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posetrack.files.pending import check_outputs, draft_folder, output_folder, publish
from posetrack.skeletons import POSETRACK
from posetrack.synthetic import GroundTruthWriter, Scene, render
from posetrack.types import Poses
from posetrack.video import Annotator, AnnotatorConfig, VideoSink


@dataclass(frozen=True, kw_only=True)
class RenderedClip:
    """A clip on disk.

    Attributes:
        video: The film, without annotations.
        truth: Folder with its ground truth, PoseTrack18 JSON of the film's name.
    """

    video: Path
    truth: Path


def write_clip(
    folder: Path, scene: Scene, observer: Callable[[int], None] | None = None, *, overwrite: bool = False
) -> RenderedClip:
    """Render a scene to ``folder/NAME.mp4``, and its truth to ``folder/truth/NAME.json``.

    Args:
        folder: Made if it is not there.
        scene: What is filmed.
        observer: Is called with the number of frames done, after each.
        overwrite: Replace a clip of that name.

    Raises:
        OutputError: a file exists, or cannot be written.
    """
    clip = RenderedClip(video=folder / f"{scene.name}.mp4", truth=folder / "truth")
    truth_path = clip.truth / f"{scene.name}.json"
    with output_folder(clip.truth):
        check_outputs([clip.video, truth_path], overwrite=overwrite)
        with draft_folder(clip.video) as drafts:
            files = {drafts / clip.video.name: clip.video, drafts / truth_path.name: truth_path}
            _write(drafts, scene, observer)
            publish(files)
    return clip


def _write(folder: Path, scene: Scene, observer: Callable[[int], None] | None) -> None:
    """The film and its truth, side by side."""
    film = VideoSink(folder / f"{scene.name}.mp4", scene.source_info, Annotator(AnnotatorConfig()))
    try:
        with GroundTruthWriter(folder / f"{scene.name}.json", scene) as truth_file:
            for frame, truth in render(scene):
                film.write(frame, Poses.empty(POSETRACK))
                truth_file.write(frame, truth)
                if observer is not None:
                    observer(frame.index + 1)
        film.close()
    except BaseException:
        film.discard()
        raise
