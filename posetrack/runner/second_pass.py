"""The second pass of a run: from observations to refined files, and to a video from the source decoded again.

The source is decoded again rather than kept: a kept copy would have to be encoded and decoded, and raw frames fill
a disk (2.8 MB each at 1280 x 720).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import numpy as np

from posetrack.background import ahead
from posetrack.errors import ConfigError, VideoError
from posetrack.interruption import Interruption
from posetrack.observations.everybody import everybody_by_frame
from posetrack.refine.clip import Clip
from posetrack.refine.files import read_clip
from posetrack.refine.poses import poses_by_frame
from posetrack.refine.refining import with_repairs
from posetrack.refine.relook import VideoLook
from posetrack.refine.results import write_results
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.runner.summary import RunObserver, RunSummary
from posetrack.scene import Scene
from posetrack.stages import PoseEstimator, SourceInfo
from posetrack.stopwatch import Stopwatch
from posetrack.types import Frame, Poses
from posetrack.video import AnnotatorConfig, ReadOptions, Source
from posetrack.video.outputs import Outputs, ResultWriter

_FRAMES_AHEAD = 4
_PATIENCE_S = 3.0
_SAME_TIME_S = 1e-3
"""As in ``batch.stitch``: containers round times to milliseconds at worst."""


class SecondPass:
    """Refines observations and writes what is wanted of them.

    Args:
        config: How they are refined.
        outputs: What to draw.
        reading: Which part of the source was read.
        reopened: Opens the source again, for drawing.
        stopwatch: Adds up the time of each part.
        edits: Repairs of ``posetrack review``.
        pose: Looks again where joints were filled.
        observer: Called at the start, and after each frame that is drawn.
    """

    def __init__(  # noqa: PLR0913 (what one pass needs)
        self,
        config: RefineConfig,
        outputs: Outputs,
        reading: ReadOptions,
        reopened: Callable[[], Source],
        stopwatch: Stopwatch,
        observer: RunObserver | None,
        edits: Path | None = None,
        pose: PoseEstimator | None = None,
    ) -> None:
        self._edits, self._pose = edits, pose
        self._config, self._outputs, self._reading = config, outputs, reading
        self._reopened, self._time, self._observer = reopened, stopwatch, observer

    def run(
        self,
        observations: Path,
        info: SourceInfo,
        paths: Mapping[str, Path],
        summary: RunSummary,
        interruption: Interruption,
    ) -> None:
        """Write the refined files.

        Args:
            observations: The file of the first pass.
            info: Properties of the source.
            paths: ``video`` or a format's name -> file.
            summary: Gets the people, the frames drawn, and what the video lacks.
            interruption: Ends the work when the user asks for it.

        Raises:
            KeyboardInterrupt: the user asked to stop.
            ConfigError: a constraint on the people cannot be kept, or the person to show is not there.
            VideoError: the source cannot be read again, or shows other frames.
            OutputError: a file cannot be written.
        """
        self._tell(info, summary)
        with interruption.waiting(), self._time("refine"):
            clip = self._refined(read_clip(observations))
        summary.describe(clip)
        with interruption.waiting(), self._time("files"):
            write_results(clip, info, {kind: path for kind, path in paths.items() if kind != "video"})
        if "video" in paths:
            missing = _not_there(clip, self._outputs.drawing)
            self._draw(self._shown(clip, observations), info, paths["video"], summary, interruption)
            summary.warning = " ".join(sentence for sentence in (summary.warning, missing) if sentence) or None

    def _refined(self, clip: Clip) -> Clip:
        config = self._config if self._edits is None else with_repairs(self._config, self._edits, clip)
        look = None if self._pose is None else VideoLook(self._reopened, self._pose, clip)
        return refine_clip(clip, config, look)

    def _shown(self, clip: Clip, observations: Path) -> Iterator[tuple[int, float, bool, Poses]]:
        """Each frame's number, time, whether a shot begins with it, and its people.

        Faces are blurred also where the second pass keeps nobody.
        """
        blurred = self._outputs.drawing.blur_faces
        others = (seen for _, seen in everybody_by_frame(observations)) if blurred else repeat(None)
        cuts = np.isin(np.arange(len(clip.frames)), clip.cuts).tolist()
        for (number, time_s, poses), cut, seen in zip(poses_by_frame(clip), cuts, others, strict=blurred):
            yield number, time_s, cut, poses.replace(unreported=seen)

    def _draw(
        self,
        shown: Iterator[tuple[int, float, bool, Poses]],
        info: SourceInfo,
        path: Path,
        summary: RunSummary,
        interruption: Interruption,
    ) -> None:
        with ResultWriter({"video": path}, info, self._outputs, self._reading, self._time) as writer:
            coming = ahead(_frames(self._reopened()), _FRAMES_AHEAD, _PATIENCE_S)
            with closing(interruption.until_requested(coming)) as frames:
                for number, time_s, cut, poses in shown:
                    frame = next(frames, None)
                    if interruption.stopped:
                        raise KeyboardInterrupt
                    if frame is None or frame.index != number or abs(frame.time_s - time_s) > _SAME_TIME_S:
                        raise VideoError(
                            f"{info.name} shows other frames than when it was tracked: track it again."
                        )
                    writer.write(replace(frame, scene=Scene.of_new_shot()) if cut else frame, poses)
                    summary.drawn += 1
                    self._tell(info, summary)
        summary.warning = writer.warning

    def _tell(self, info: SourceInfo, summary: RunSummary) -> None:
        if self._observer is not None:
            self._observer(info, summary)


def _not_there(clip: Clip, drawing: AnnotatorConfig) -> str | None:
    """Whom the video was to show, and the clip does not have, as a sentence.

    Raises:
        ConfigError: it is the person whose surroundings the video was to show, so that there is nothing to draw.
    """
    people = {track.track_id for track in clip.tracks}
    wanted = {*drawing.only} if drawing.crop_person is None else {*drawing.only, drawing.crop_person}
    missing = ", ".join(map(str, sorted(wanted - people)))
    if not missing:
        return None
    choice = f"choose from {', '.join(map(str, sorted(people)))}" if people else "nobody was found"
    sentence = f"{clip.name} has no person {missing} to draw: {choice}."
    if drawing.crop_person in wanted - people:
        raise ConfigError(sentence)
    return sentence


def _frames(source: Source) -> Iterator[Frame]:
    """The frames of a source, which is closed in the thread that reads it."""
    with source:
        yield from source
