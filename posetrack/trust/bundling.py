"""Packs a run's results for a paper's supplement: files, settings, hashes, a quality sheet and a masked video."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from posetrack.errors import DataFormatError, VideoError
from posetrack.files.archives import add_file
from posetrack.files.pending import PendingFile, output_errors
from posetrack.measures.pictures import poses_at
from posetrack.observations.everybody import everybody_by_frame
from posetrack.observations.names import ENDING
from posetrack.provenance.meta import Meta
from posetrack.refine.clip import Clip
from posetrack.refine.files import read_clip
from posetrack.refine.summary import summarise
from posetrack.trust.comparing import LEAST_SHARE, TOLERANCE_PX, Verdict, what_became_of
from posetrack.video import AnnotatorConfig, open_source
from posetrack.video.draw import Annotator
from posetrack.video.encoder import EncodingConfig
from posetrack.video.sink import VideoSink

QUALITY, MASKED = "QUALITY.md", "masked.mp4"
_VIDEOS = (".mp4",)
_CLIPS = (".parquet", ".csv", ".json")
_ANY_FPS = 1.0
"""For files without times; those of the frames that were seen replace them."""

_LIMITS = """## Limits
- Joints are places in the picture. Depth is not estimated; angles are those of the picture.
- Identities are those of the tracker: people who touch, leave or look alike may have been exchanged (see Doubts).
- Left and right are exchanged in some frames, mostly of people seen from behind.
- `origin` in the tables: a joint was seen, carried by optical flow, or filled. Filled joints are guesses.
- Figures on accuracy are in posetrack's model card; they were measured on other footage.
"""


def require_files(meta: Meta) -> None:
    """Refuse to pack files that are no longer those of the run.

    Raises:
        DataFormatError: a file is gone, or has been changed.
    """
    for name in _packed(meta):
        if (words := what_became_of(meta, name)) is not None:
            raise DataFormatError(
                f"{meta.file(name)} {words}, so its hash in {meta.path.name} would be wrong; restore it, or run "
                "`posetrack run` again."
            )


def write_bundle(target: Path, meta: Meta, footage: str, verdicts: Sequence[Verdict]) -> None:
    """Write the archive.

    The run's annotated video, in which people can be recognised, is left out: ``masked.mp4`` shows everybody with
    a blurred face and without sound.

    Args:
        target: The ``.zip``.
        meta: Of the run.
        footage: The source, as for ``open_source``.
        verdicts: What a repetition of the run found; empty if it was not repeated.

    Raises:
        DataFormatError: the run has no file of what was seen, or a file is damaged.
        VideoError: the footage cannot be read.
        OutputError: the archive cannot be written.
    """
    observations = _observations_of(meta)
    clip = _clip_of(meta, observations)
    file = PendingFile(target)
    try:
        with output_errors(target), tempfile.TemporaryDirectory() as folder:
            masked = Path(folder) / MASKED
            write_masked(masked, clip, observations, footage)
            with zipfile.ZipFile(file.stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in _contents(meta, clip, masked, verdicts):
                    add_file(archive, name, content)
        file.commit()
    except BaseException:
        file.discard()
        raise


def _contents(meta: Meta, clip: Clip, masked: Path, verdicts: Sequence[Verdict]) -> Iterator[tuple[str, bytes]]:
    folder = meta.name
    yield f"{folder}/{meta.path.name}", meta.path.read_bytes()
    for name in _packed(meta):
        yield f"{folder}/{name}", meta.file(name).read_bytes()
    yield f"{folder}/{QUALITY}", quality_sheet(meta, clip, verdicts).encode()
    yield f"{folder}/{MASKED}", masked.read_bytes()


def _packed(meta: Meta) -> list[str]:
    """The run's files that a bundle holds."""
    return [name for name in sorted(meta.files) if Path(name).suffix not in _VIDEOS]


def _clip_of(meta: Meta, observations: Path) -> Clip:
    """The people of the file that says most: a table, else JSON; in all frames that were seen.

    Tables have no rows of frames without people, and JSON has no times.
    """
    seen = read_clip(observations)
    name = next((name for ending in _CLIPS if (name := f"{meta.name}{ending}") in meta.files), None)
    if name is None:
        return seen
    people = read_clip(meta.file(name), _ANY_FPS)
    numbers = [people.frames[track.frames] for track in people.tracks]
    if not all(np.isin(one, seen.frames).all() for one in numbers):
        raise DataFormatError(f"{observations}: it lacks frames of {name}; run it again.")
    places = [np.searchsorted(seen.frames, one) for one in numbers]
    tracks = [
        track.replace(frames=there, times=seen.times[there])
        for track, there in zip(people.tracks, places, strict=True)
    ]
    return replace(seen, skeleton=people.skeleton, tracks=tuple(tracks))


def _observations_of(meta: Meta) -> Path:
    name = f"{meta.name}{ENDING}"
    if name not in meta.files:
        raise DataFormatError(
            f"{meta.path}: the run has no {name}, which tells where faces must be blurred; run it again."
        )
    return meta.file(name)


def quality_sheet(meta: Meta, clip: Clip, verdicts: Sequence[Verdict]) -> str:
    """Who was found, what is doubtful, what the scores mean and what the results cannot tell; in Markdown."""
    people = summarise(clip)
    doubts = [
        f"- person {one.track_id}: {start:.2f} to {end:.2f} s" for one in people for start, end in one.doubts_s
    ]
    size = f"{meta.source.get('width')}x{meta.source.get('height')}"
    again = [f"- {one.file} {one.words}" for one in verdicts] or ["- The run was not repeated."]
    lines = [
        f"# {meta.name}",
        f"Made by posetrack {meta.posetrack} from {meta.source.get('name')} ({size}, {len(clip.frames)} frames).",
        "",
        f"## People ({len(people)})",
        *(f"- {one.sentence()}" for one in people),
        "",
        "## Doubts",
        *(doubts or ["- none: no stretch of time in which people may have been exchanged was found"]),
        "",
        "## Scores",
        "With the bundled network a joint's score is the probability that it is within 0.2 torso lengths of the "
        "truth,",
        "calibrated on other footage; scores of other networks are their own.",
        "",
        f"## Repeated (elsewhere: {LEAST_SHARE:.0%} of joints within {TOLERANCE_PX:g} px)".replace("%", " %"),
        *again,
        "",
        _LIMITS,
    ]
    return "\n".join(lines)


def write_masked(path: Path, clip: Clip, observations: Path, footage: str) -> None:
    """Write a video of the footage with skeletons and blurred faces, and without sound.

    Faces of people who are not in the clip but were seen (``observations``, of the same frames) are blurred, too.

    Raises:
        DataFormatError: the observations cannot be read.
        VideoError: the footage cannot be read, or lacks frames of the clip.
    """
    places = {number: place for place, number in enumerate(clip.frames.tolist())}
    everybody = (poses for _, poses in everybody_by_frame(observations))
    shown = 0
    with open_source(footage) as source:
        sink = VideoSink(
            path, source.info, Annotator(AnnotatorConfig(blur_faces=True)), config=EncodingConfig(sound=False)
        )
        try:
            for frame in source:
                place = places.get(frame.index)
                if place is not None:
                    sink.write(frame, poses_at(clip, place).replace(unreported=next(everybody)))
                    shown += 1
            if shown < len(places):
                raise VideoError(
                    f"{footage}: it lacks frames of the results; give the footage that they come from."
                )
            sink.close()
        except BaseException:
            sink.discard()
            raise
