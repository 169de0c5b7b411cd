"""``refine_observations``: the second pass alone, from the file that the first one left."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from posetrack.errors import ConfigError, DataFormatError, OutputError, VideoError
from posetrack.files.descriptions import description_path
from posetrack.files.drafts import clear_drafts
from posetrack.files.pending import check_outputs, draft_folder, output_folder, publish
from posetrack.formats import OUTPUT_FORMATS
from posetrack.interruption import interruptible
from posetrack.observations.header import Header
from posetrack.observations.reader import ObservationFile
from posetrack.provenance.derived import footage_hash_of
from posetrack.provenance.footage import footage_hash
from posetrack.records import read_record
from posetrack.refine.second_pass import RefineConfig
from posetrack.runner.looking import pose_network
from posetrack.runner.second_pass import SecondPass
from posetrack.runner.summary import RunObserver, RunSummary
from posetrack.stages import SourceInfo
from posetrack.stopwatch import Stopwatch
from posetrack.video import AnnotatorConfig, ReadOptions, Source, open_source
from posetrack.video.identity import Identity
from posetrack.video.outputs import Outputs


def refine_observations(  # noqa: PLR0913 (what the command line offers)
    observations: Path,
    config: RefineConfig | None = None,
    *,
    formats: tuple[str, ...] = (),
    video: str | Path | None = None,
    edits: Path | None = None,
    output: Path | None = None,
    look_again: bool = False,
    drawing: AnnotatorConfig | None = None,
    overwrite: bool = False,
    observer: RunObserver | None = None,
) -> RunSummary:
    """Refine a run's observations, and write the files that the run would have written.

    Args:
        observations: The file (``NAME.tracks``). It stays as it is.
        config: How to refine.
        formats: Formats of the pose files. Defaults to those that the run was asked for.
        video: The source that was tracked: draws it again, to ``NAME_tracked.mp4``.
        edits: Repairs of ``posetrack review``, made in addition to those of ``config``.
        output: Folder for the results; created if missing. Defaults to that of the observations.
        look_again: Run the pose network again where joints were filled; what it finds counts as seen. Needs
            ``video``, and the network that the run has used.
        drawing: What to draw into ``video``, and how.
        overwrite: Replace existing files. Until the new ones are complete, the old ones stay.
        observer: Called at the start, and after each frame that is drawn.

    Raises:
        DataFormatError: the file is missing, damaged, of another kind, or of a later version.
        ConfigError: a format is unknown, or a constraint or setting cannot be kept; or ``look_again`` lacks the
            video, or the pose network that the run has used.
        VideoError: the video cannot be read, or is no longer the one that was tracked.
        OutputError: a file exists, or cannot be written.
        KeyboardInterrupt: Ctrl-C; nothing is written.
    """
    with ObservationFile(observations) as file:
        header = file.header
    known = formats or tuple(name for name in header.formats if name in OUTPUT_FORMATS) or ("posetrack18",)
    outputs = Outputs(
        video=video is not None, formats=known, tracks=False, meta=False, overwrite=overwrite,
        drawing=drawing or AnnotatorConfig(),
    )  # fmt: skip
    folder, name = output or observations.parent, observations.stem
    inputs = [observations, *(Path(one) for one in (video, edits) if one is not None)]
    planned = list(outputs.paths(folder, name).values())
    check_outputs([*planned, *map(description_path, planned)], overwrite=overwrite, inputs=inputs)
    clear_drafts([folder / name])
    if look_again and video is None:
        raise ConfigError(
            "a second look needs the video that was tracked: give --video, or leave out --look-again."
        )
    pose = pose_network(observations, header) if look_again else None
    reading = _reading(observations, header)
    info = header.info if video is None else _checked(video, observations, header, reading)
    summary, stopwatch = RunSummary(), Stopwatch()

    def reopened() -> Source:
        assert video is not None
        return open_source(video, reading)

    with ExitStack() as stack:
        stack.enter_context(output_folder(folder))
        drafts = stack.enter_context(draft_folder(folder / name))
        interruption = stack.enter_context(interruptible())
        paths = outputs.paths(drafts, name)
        second = SecondPass(config or RefineConfig(), outputs, reading, reopened, stopwatch, observer, edits, pose)
        second.run(observations, info, paths, summary, interruption)
        files = outputs.paths(folder, name)
        if not publish({paths[kind]: files[kind] for kind in files}, replace=overwrite):
            raise OutputError(f"another program wrote results of {name} in the meantime: give --overwrite.")
        summary.files = list(files.values())
        summary.compare(outputs.formats)
        summary.warning = summary.warning and summary.warning.replace(str(drafts), str(folder))
    return summary


def _reading(observations: Path, header: Header) -> ReadOptions:
    """The part of the source that was read."""
    table: Any = header.made_with.get("reading", {})
    try:
        known = {key: value for key, value in table.items() if key and value is not None}
        return read_record(ReadOptions, known, "reading")
    except (AttributeError, ConfigError) as error:
        raise DataFormatError(f"{observations} is damaged ({error}): track the source again.") from error


def _checked(video: str | Path, observations: Path, header: Header, reading: ReadOptions) -> SourceInfo:
    """The source, if it is the one that was tracked.

    The run's description knows the whole content; where it is missing, the observations have a quick fingerprint.
    """
    with open_source(video, reading) as source:
        info = source.info
    described = footage_hash_of(observations)
    if described is None:
        same = Identity.now(Path(video)).has_content(header.source_bytes, header.source_digest)
    else:
        same = footage_hash(video) == described
    if not same:
        times = "" if info.path or described else " (copies of images must keep their times of modification)"
        raise VideoError(
            f"{video} is not, or no longer, what was tracked: give the source that was{times}, "
            "or leave out --video."
        )
    return replace(info, name=header.name)
