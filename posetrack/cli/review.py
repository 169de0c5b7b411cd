"""``posetrack review``: check tracks in the browser and repair them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from posetrack.cli.output import tell


def review(
    results: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Tracks of one clip (.tracks, .parquet, .csv, .json), or their folder."
        ),
    ],
    video: Annotated[
        str | None,
        typer.Option(help="The source that was tracked. Defaults to a video of the same name beside FILE."),
    ] = None,
    edits: Annotated[
        Path | None, typer.Option(help="File of repairs. Defaults to NAME.edits.json beside FILE.")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="Frame rate. Needed for JSON without times.")] = None,
    port: Annotated[int, typer.Option(help="Port of the page; 0 takes a free one.")] = 0,
    export: Annotated[
        Path | None, typer.Option(help="Write a read-only page to this .html file, and start no server.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing exported page.")] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the page's address without opening it.")
    ] = False,
) -> None:
    """Check tracks in the browser, and repair mistakes.

    Only this computer can open the page. The command ends with Ctrl-C, or when the page is closed.
    """
    import webbrowser

    from posetrack.review.export import export_review
    from posetrack.review.reviewing import open_session
    from posetrack.review.server import ReviewServer

    session = open_session(results, video, edits=edits, fps=fps)
    try:
        if export is not None:
            export_review(session, export, overwrite=overwrite)
            tell(str(export))
            return
        server = ReviewServer(session, port)
        try:
            tell(f"Open {server.url} (Ctrl-C, or closing the page, ends it)")
            if not no_browser:
                webbrowser.open(server.url)
            server.serve()
        finally:
            server.close()
    finally:
        session.close()
