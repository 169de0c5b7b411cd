"""``posetrack report``: write the report of a batch again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import tell


def report(
    output: Annotated[Path, typer.Argument(help="Output folder of `posetrack batch`.")],
) -> None:
    """Write the report of a batch again: index.html, a table of all clips to search and sort."""
    from posetrack.batch.report import write_batch_report

    tell(f"Report: {write_batch_report(output)}")
