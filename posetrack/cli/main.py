"""The command line, a thin shell: each command parses, calls one documented Python function, and prints."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from posetrack import __version__
from posetrack.cli.batch import batch
from posetrack.cli.benchmark import benchmark
from posetrack.cli.convert import convert
from posetrack.cli.demo import demo
from posetrack.cli.eval import evaluate
from posetrack.cli.measure import measure
from posetrack.cli.models import models
from posetrack.cli.output import answer, complain, guarded_streams
from posetrack.cli.refine import refine
from posetrack.cli.report import report
from posetrack.cli.review import review
from posetrack.cli.run import run
from posetrack.cli.start import BAD_INPUT, INTERRUPTED, interrupting_signals
from posetrack.cli.train import train
from posetrack.cli.verify import verify
from posetrack.errors import PoseTrackError, is_out_of_memory

_USAGE_ERROR: type[Exception] = typer.BadParameter.mro()[1]
"""The base class of argument errors; typer exports only this subclass."""


class _Commands(TyperGroup):
    """Prints a line when a command is interrupted; typer prints nothing."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="posetrack",
    cls=_Commands,
    help="Find the people in videos, estimate their body joints, and give each person one number throughout.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("batch")(batch)
app.command("demo")(demo)
app.command("refine")(refine)
app.command("review")(review)
app.command("measure")(measure)
app.command("eval")(evaluate)
app.command("convert")(convert)
app.command("report")(report)
app.command("verify")(verify)
app.command("benchmark")(benchmark)
app.add_typer(train, name="train")
app.add_typer(models, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        answer(f"posetrack {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Find the people in videos, estimate their body joints, and give each person one number throughout."""
    if context.invoked_subcommand is None:
        answer(context.get_help())
        raise typer.Exit(BAD_INPUT)


def main() -> None:
    """Run the command line and exit."""
    with guarded_streams(), interrupting_signals():
        status = _status()
    raise SystemExit(status)


def _status() -> int:
    """Run the command and return the exit status. Prints one sentence for errors that a user can fix."""
    try:
        return int(app(standalone_mode=False) or 0)
    except _USAGE_ERROR as error:
        complain(_usage_sentence(error))
    except PoseTrackError as error:
        complain(" ".join([str(error), *getattr(error, "__notes__", ())]))
    except (KeyboardInterrupt, typer.Abort):  # before a command started
        complain("interrupted.")
        return INTERRUPTED
    except Exception as error:  # many kinds of error can mean that memory ran out
        sentence = _system_fault(error)
        if sentence is None:
            raise
        complain(" ".join([sentence, *getattr(error, "__notes__", ())]))
    return BAD_INPUT


def _system_fault(error: Exception) -> str | None:
    """A sentence on what the computer lacks; ``None`` for other errors."""
    if is_out_of_memory(error):
        return (
            "there is not enough memory: close other programs, raise the limit (ulimit -v) if there is one, or "
            "use a smaller video or network."
        )
    if isinstance(error, ImportError) and "cannot open shared object file" in str(error):
        remedy = "OpenCV's on Debian: apt-get install libgl1 libglib2.0-0"
        return f"a system library is missing ({error}); install it ({remedy})."
    return None


def _usage_sentence(error: Exception) -> str:
    """What was wrong with the arguments, and where to read about them."""
    message = " ".join(error.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path if context else 'posetrack'} --help`."
