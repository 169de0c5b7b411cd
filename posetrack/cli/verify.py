"""``posetrack verify``: repeat a run and compare its results."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack import __version__
from posetrack.cli.output import complain, tell
from posetrack.cli.recorded import recorded_options
from posetrack.cli.run import track
from posetrack.errors import DataFormatError
from posetrack.files.pending import check_outputs

if TYPE_CHECKING:
    from posetrack.provenance.meta import Meta
    from posetrack.trust.comparing import Verdict

DIFFERENT = 1
"""Exit status if a file came out differently."""


def verify(
    source: Annotated[Path, typer.Argument(metavar="META", help="NAME.meta.json beside the results of a run.")],
    video: Annotated[
        Path | None, typer.Option(help="The footage, if it has been moved or renamed since it was tracked.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Also pack results, settings, hashes, a quality sheet and a video with blurred faces into this "
            ".zip."
        ),
    ] = None,
    no_repeat: Annotated[bool, typer.Option("--no-repeat", help="With --bundle: do not repeat the run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing .zip.")] = False,
) -> None:
    """Repeat a run, and check that its results are the same.

    They must be equal byte for byte, or, on another processor or with other libraries, within a tolerance.
    """
    from posetrack.provenance.meta import read_meta
    from posetrack.trust.bundling import require_files, write_bundle

    meta = read_meta(source)
    _require_footage(meta)
    if meta.hindrance is not None and not no_repeat:
        raise DataFormatError(
            f"{source}: this run cannot be repeated, because {meta.hindrance}; pack its results as they are "
            "(--bundle with --no-repeat)."
        )
    footage = _footage(meta, video)
    if bundle is not None:
        check_outputs([bundle], overwrite=overwrite, inputs=[source, Path(footage)])
        require_files(meta)
    verdicts = [] if no_repeat else _repeated(meta, footage)
    for one in verdicts:
        tell(f"{one.file} {one.words}")
    if not all(one.same for one in verdicts) and meta.posetrack != __version__:
        complain(
            f"{source} is from posetrack {meta.posetrack}, and this is {__version__}: "
            "repeat the run with that version."
        )
    if bundle is not None:
        write_bundle(bundle, meta, footage, verdicts)
        tell(str(bundle))
    if not all(one.same for one in verdicts):
        raise typer.Exit(DIFFERENT)


def _require_footage(meta: Meta) -> None:
    if meta.source["sha256"] is None:
        raise DataFormatError(
            f"{meta.path}: the footage was not kept, or was gone by the end of the run: it can be neither tracked "
            "again nor masked."
        )


def _footage(meta: Meta, video: Path | None) -> str:
    """The footage, if it is still what was tracked."""
    from posetrack.provenance.footage import footage_hash
    from posetrack.video.sources import is_stored

    given = meta.source["path"]
    beside = str(meta.path.parent / given)
    path = str(video or (beside if is_stored(beside) and not is_stored(given) else given))
    if footage_hash(path) != meta.source["sha256"]:
        raise DataFormatError(
            f"{path}: this is not the footage that {meta.path} describes; give the right one (--video)."
        )
    return path


def _repeated(meta: Meta, footage: str) -> list[Verdict]:
    """Track the footage again, in a folder that is removed, and compare."""
    from posetrack.trust.comparing import compare

    options, refining = recorded_options(meta.path, meta.options)
    with tempfile.TemporaryDirectory() as folder:
        called = meta.source["name"]  # footage under another name is still the same
        track(footage, Path(folder), options, refining, name=meta.name, source_name=called)
        return compare(meta, Path(folder))
