"""The command line: a thin shell. Each command parses, calls one documented Python function, and prints."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from posetrack import __version__
from posetrack.cli.batch import batch
from posetrack.cli.benchmark import benchmark
from posetrack.cli.convert import convert
from posetrack.cli.demo import demo
from posetrack.cli.eval import evaluate
from posetrack.cli.models import models
from posetrack.cli.report import report
from posetrack.cli.run import INTERRUPTED, run
from posetrack.cli.train import train
from posetrack.errors import PoseTrackError

BAD_INPUT = 2
"""Exit status where the user can cure it: one sentence on standard error, no traceback."""

_USAGE_ERROR: type[Exception] = typer.BadParameter.mro()[1]
"""What wrong arguments raise; of its family typer exports only this child."""


class _Commands(TyperGroup):
    """Says that a command was interrupted; typer ends without a word."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("posetrack: interrupted.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="posetrack",
    cls=_Commands,
    help="Turns footage of several people into identified, tracked body poses.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("batch")(batch)
app.command("demo")(demo)
app.command("eval")(evaluate)
app.command("convert")(convert)
app.command("report")(report)
app.command("benchmark")(benchmark)
app.add_typer(train, name="train")
app.add_typer(models, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"posetrack {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Turns footage of several people into identified, tracked body poses."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(BAD_INPUT)


def main() -> None:
    """Entry point of the ``posetrack`` command."""
    try:
        raise SystemExit(app(standalone_mode=False))
    except _USAGE_ERROR as error:
        print(f"posetrack: {_usage_sentence(error)}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None
    except PoseTrackError as error:
        print(f"posetrack: {error}", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None
    except ImportError as error:
        if "cannot open shared object file" not in str(error):
            raise
        remedy = "OpenCV's on Debian: apt-get install libgl1 libglib2.0-0"
        print(f"posetrack: a system library is missing ({error}); install it ({remedy}).", file=sys.stderr)
        raise SystemExit(BAD_INPUT) from None
    except (KeyboardInterrupt, typer.Abort):  # before there was a command
        print("posetrack: interrupted.", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


def _usage_sentence(error: Exception) -> str:
    """What was wrong with the arguments, and where the right ones are explained."""
    message = " ".join(error.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path if context else 'posetrack'} --help`."
