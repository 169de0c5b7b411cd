"""``posetrack benchmark``: the paper's table, on a PoseTrack tree."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.output import answer_json, answered, console
from posetrack.errors import ConfigError

if TYPE_CHECKING:
    from posetrack.benchmark import BenchmarkRow
    from posetrack.evaluation.fitting_table import FittingTable
    from posetrack.pose_tracker import PoseTracker
    from posetrack.presets import Preset

_SWITCH = {"off": False, "on": True}
_rows = partial(typer.Option, rich_help_panel="Rows of the table (options are repeatable)")


def benchmark(
    layout: Annotated[str, typer.Argument(help="Data set: posetrack18, posetrack17 or posetrack21.")],
    root: Annotated[
        Path, typer.Argument(help="Folder with images and annotations/SPLIT/*.json (PoseTrack21: posetrack_data).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for predictions.")] = Path("benchmark"),
    split: Annotated[str, typer.Option(help="Part of the data set: val or train.")] = "val",
    sequences: Annotated[
        list[str] | None, typer.Option(help="Track only the sequence of this annotation file (repeatable).")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Maximum number of sequences, taken by name.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Track finished sequences again.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of a table.")] = False,
    propagation: Annotated[list[str] | None, _rows(help="Joint propagation: on (default) or off.")] = None,
    similarity: Annotated[
        list[str] | None, _rows(help="Similarity used for linking: bbox, pose, flow or multi-flow (default).")
    ] = None,
    matching: Annotated[
        list[str] | None, _rows(help="Assignment used for linking: greedy (default) or hungarian.")
    ] = None,
    second_pass: Annotated[
        list[str] | None,
        _rows(help="Second pass: on, or off (default, because the paper tracks frame by frame)."),
    ] = None,
    all_rows: Annotated[bool, _rows("--all", help="All combinations: sixteen rows.")] = False,
    preset: Annotated[
        str,
        typer.Option(help="Networks and settings that go together: lite, balanced, fast, accurate or posetrack."),
    ] = "lite",
    detector: Annotated[str | None, typer.Option(help="Another detector (see `posetrack run`).")] = None,
    pose: Annotated[str | None, typer.Option(help="Another pose network (see `posetrack run`).")] = None,
    score_threshold: Annotated[float | None, typer.Option(help="Minimum score of detected boxes.")] = None,
    min_joint_score: Annotated[
        float | None, typer.Option(help="Leave out joints whose heatmap peak is lower.")
    ] = None,
    min_person_score: Annotated[
        float | None, typer.Option(help="Report people whose mean joint score over time is at least this.")
    ] = None,
    min_track_seconds: Annotated[
        float | None, typer.Option(help="Report people once they have been tracked for this many seconds.")
    ] = None,
    search_every: Annotated[
        str | None, typer.Option(help="How often to look for hidden people (0.4s), or off.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, fp32, fp16 or bf16.")] = "auto",
    models_dir: Annotated[Path | None, typer.Option(help="Folder of downloaded weights.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads per network; 0 uses half of the cores.")] = 0,
) -> None:
    """Track the images of a PoseTrack tree with each setting, evaluate them, and print the paper's table.

    Predictions go to OUTPUT/LAYOUT_SPLIT/SETTING/ under the official names. Finished sequences are not tracked
    again.
    """
    from posetrack.benchmark import BenchmarkConfig, Setting, run_benchmark
    from posetrack.changes import Changes, customised
    from posetrack.cli.lengths import searching
    from posetrack.presets import get_preset
    from posetrack.tracker.matching import MATCHINGS
    from posetrack.tracker.similarity import SIMILARITIES

    if all_rows:
        if propagation or similarity or matching:
            raise ConfigError("--all takes every row; leave out --propagation, --similarity and --matching.")
        propagation, similarity, matching = list(_SWITCH), list(SIMILARITIES), list(MATCHINGS)
    rows = product(
        [_switch("--propagation", text) for text in propagation or ["on"]],
        similarity or ["multi-flow"],
        matching or ["greedy"],
        [_switch("--second-pass", text) for text in second_pass or ["off"]],
    )
    settings = [
        Setting(propagation=on, similarity=alike, matching=matched, second_pass=again)
        for on, alike, matched, again in dict.fromkeys(rows)
    ]
    changes = Changes(
        detector=detector, pose=pose, score_threshold=score_threshold, min_joint_score=min_joint_score
    )
    config = BenchmarkConfig(
        layout=layout, split=split, sequences=tuple(sequences or ()), limit=limit, output=output,
        overwrite=overwrite, preset=customised(get_preset(preset), changes), models_dir=models_dir,
        min_person_score=min_person_score, min_track_seconds=min_track_seconds,
        search_every_s=searching(search_every),
    )  # fmt: skip

    def tracker(chosen: Preset) -> PoseTracker:
        from posetrack.pose_tracker import PoseTracker

        return PoseTracker(chosen, device=device, precision=precision, models_dir=models_dir, threads=threads)

    from rich.progress import Progress

    with Progress(console=console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading")
        results = run_benchmark(
            root,
            config,
            settings=settings,
            tracker=tracker,
            observer=lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
        )
    if json:
        _print_json(results)
        return
    out = console()
    out.print(_table(results, f"{layout} {split}"))
    for row in results:
        out.print(f"{row.setting.name}: {row.predictions}", soft_wrap=True)
    answered()


def _switch(option: str, text: str) -> bool:
    if text not in _SWITCH:
        raise ConfigError(f"{option} is {text!r}; give on or off.")
    return _SWITCH[text]


def _table(rows: list[BenchmarkRow], title: str) -> FittingTable:
    """Make a table with a row per setting, in the paper's columns and a few more."""
    from posetrack.evaluation.fitting_table import FittingTable
    from posetrack.evaluation.report import TOTAL_HEADINGS, figures_of, percent

    columns = ("AP", "MOTA", "MOTP", "MOTP_clean", "MOT_precision", "MOT_recall", "IDF1", "HOTA")
    lines = []
    for row in rows:
        setting, total = row.setting, row.result.total
        figures = figures_of(total)
        cells = [percent(figures[name].total) for name in columns]
        switch, again = ("on" if on else "off" for on in (setting.propagation, setting.second_pass))
        lines.append(
            [switch, setting.similarity, setting.matching, again, *cells, f"{total.mot.switches.sum():,}"]
        )
    sequences = len(rows[0].result.sequences)
    return FittingTable(
        title=f"{title}, {sequences} sequence{'s' * (sequences > 1)}",
        labels=["Propagation", "Similarity", "Matching", "Second pass"],
        headings=[*(TOTAL_HEADINGS.get(name, name) for name in columns), "Switches"],
        rows=lines,
    )


def _print_json(rows: list[BenchmarkRow]) -> None:
    import orjson

    answer_json(orjson.dumps({"rows": [row.as_dict() for row in rows]}, option=orjson.OPT_INDENT_2))
