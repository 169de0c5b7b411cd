"""``posetrack models``: list, download, import and export weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posetrack.cli.export import export_model
from posetrack.cli.output import answer, answer_json, complain, tell
from posetrack.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    from posetrack.zoo import Entry, ModelStore

models = typer.Typer(help="List, download and import published weights.", no_args_is_help=True)
models.command("export")(export_model)

NOT_ALL_FINE = 1
"""Exit status of ``check`` if an address does not have its file."""

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--models-dir",
        help="Folder of the weights. Defaults to $POSETRACK_HOME/models, or one in the user's data folder.",
    ),
]
NameArgument = Annotated[str, typer.Argument(help="Name of the weights, from `posetrack models list`.")]


@models.command("list")
def list_models(
    models_dir: FolderOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print all fields as JSON.")] = False,
) -> None:
    """List all weights: purpose, accuracy, size, and whether they are on this computer."""
    from posetrack.cli.models_table import as_json, print_table
    from posetrack.zoo import ModelStore, read_entries

    store = ModelStore(models_dir)
    if json:
        answer_json(as_json(read_entries().values(), store).encode())
    else:
        print_table(read_entries().values(), store)


@models.command("download")
def download_models(
    names: Annotated[list[str] | None, typer.Argument(help="Names of weights.")] = None,
    preset: Annotated[str | None, typer.Option(help="Download what this preset needs.")] = None,
    models_dir: FolderOption = None,
    tries: Annotated[int, typer.Option(help="Maximum attempts without progress.")] = 5,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 30.0,
) -> None:
    """Download missing weights, and check them against their published hashes.

    Uses the proxies in https_proxy, http_proxy and no_proxy. POSETRACK_MIRROR is the address of a mirror to use
    instead of the publishers.
    """
    from posetrack.cli.download_progress import DownloadProgress
    from posetrack.zoo import DownloadPolicy, ModelStore, download

    entries = _wanted(names or [], preset)
    store, policy = ModelStore(models_dir), DownloadPolicy(tries=tries, timeout_s=timeout)
    failures = []
    with DownloadProgress() as progress:
        for entry in entries:
            try:
                path = download(entry, store, policy=policy, observer=progress)
            except WeightsError as error:
                failures.append(str(error))
                progress.ended(entry, "failed")
            else:
                progress.ended(entry, f"{path} ({_check_of(entry, store)})")
    if failures:
        for failure in failures[:-1]:
            complain(failure)
        raise WeightsError(failures[-1])


@models.command("check")
def check_models(
    names: Annotated[list[str] | None, typer.Argument(help="Names of weights. Defaults to all.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for an answer.")] = 10.0,
    whole: Annotated[bool, typer.Option("--whole", help="Fetch every file and compare its hash.")] = False,
) -> None:
    """Ask every address of the weights whether it has the file, and how large it is.

    Nothing is kept. The exit status is 1 if an address does not have its file.
    """
    from posetrack.cli.models_table import print_reports
    from posetrack.zoo import DownloadPolicy, check_sources, get_entry, read_entries

    entries = [get_entry(name) for name in dict.fromkeys(names)] if names else list(read_entries().values())
    without = [entry.name for entry in entries if not entry.sources]
    if names and without:
        raise ConfigError(f"{', '.join(without)}: no address to ask; the file is bundled or fetched by hand.")
    reports = check_sources(entries, DownloadPolicy(tries=2, timeout_s=timeout), whole=whole)
    print_reports(reports)
    if any(report.fault for report in reports):
        raise typer.Exit(NOT_ALL_FINE)


@models.command("path")
def path_of_models(
    name: Annotated[
        str | None, typer.Argument(help="Name of the weights. Without it, the folder is printed.")
    ] = None,
    models_dir: FolderOption = None,
) -> None:
    """Print the folder of the weights, or the path of one file, which must exist."""
    from posetrack.zoo import ModelStore, get_entry

    store = ModelStore(models_dir)
    answer(str(store.folder if name is None else store.require(get_entry(name))))


@models.command("import")
def import_model(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="The file, downloaded by hand. It is copied.")],
    models_dir: FolderOption = None,
) -> None:
    """Import a file downloaded by hand, if it has the published hash or, without one, fits its network."""
    from posetrack.zoo import ModelStore, get_entry, import_file

    store, entry = ModelStore(models_dir), get_entry(name)
    import_file(entry, store, file)
    tell(f"{name}: {store.path(entry)} ({_check_of(entry, store)})")


def _wanted(names: list[str], preset: str | None) -> list[Entry]:
    """The entries of the names and the preset, without duplicates."""
    from posetrack.zoo import get_entry

    if preset is not None:
        from posetrack.presets import get_preset, weights_of

        names = [*names, *weights_of(get_preset(preset))]
    if not names:
        raise ConfigError("say which weights to download: names from `posetrack models list`, or --preset.")
    return [get_entry(name) for name in dict.fromkeys(names)]


def _check_of(entry: Entry, store: ModelStore) -> str:
    """How far the hash of an existing file could be checked."""
    if entry.bundled:
        return "part of posetrack"
    sha256 = store.checked(entry).sha256
    if entry.sha256:
        return f"SHA-256 {sha256}, as published"
    if entry.sha256_prefix:
        digits = len(entry.sha256_prefix)
        return f"SHA-256 {sha256}; its first {digits} digits agree with the published ones"
    return f"SHA-256 {sha256}, recorded but not checked: the publisher gives none"
