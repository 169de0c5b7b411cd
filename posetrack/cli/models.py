"""``posetrack models``: which weights there are, and how they come here."""

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

FolderOption = Annotated[
    Path | None,
    typer.Option(
        "--models-dir",
        help="Folder of the weights; by default $POSETRACK_HOME/models, or one in the user's data folder.",
    ),
]
NameArgument = Annotated[str, typer.Argument(help="Name of weights, as `posetrack models list` shows it.")]


@models.command("list")
def list_models(
    models_dir: FolderOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print everything that is known as JSON.")] = False,
) -> None:
    """Show all weights: what they are for, how accurate, how large, and whether they are here."""
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
    tries: Annotated[int, typer.Option(help="How often a download that makes no progress is tried.")] = 5,
    timeout: Annotated[float, typer.Option(help="Seconds without an answer after which a try ends.")] = 30.0,
) -> None:
    """Download weights that are not here yet, and check them against their published hash.

    Proxies are taken from https_proxy, http_proxy and no_proxy. POSETRACK_MIRROR names an address that has the
    files, to be asked instead of their publishers.
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


@models.command("path")
def path_of_models(
    name: Annotated[str | None, typer.Argument(help="Name of weights; without it, the folder.")] = None,
    models_dir: FolderOption = None,
) -> None:
    """Print the folder of the weights, or the path of one file, which must be there."""
    from posetrack.zoo import ModelStore, get_entry

    store = ModelStore(models_dir)
    answer(str(store.folder if name is None else store.require(get_entry(name))))


@models.command("import")
def import_model(
    name: NameArgument,
    file: Annotated[Path, typer.Argument(help="The file, fetched by hand. It is copied.")],
    models_dir: FolderOption = None,
) -> None:
    """Take over a file fetched by hand, if it has the published hash or, where there is none, fits its network."""
    from posetrack.zoo import ModelStore, get_entry, import_file

    store, entry = ModelStore(models_dir), get_entry(name)
    import_file(entry, store, file)
    tell(f"{name}: {store.path(entry)} ({_check_of(entry, store)})")


def _wanted(names: list[str], preset: str | None) -> list[Entry]:
    """The entries of names and of a preset, each once."""
    from posetrack.zoo import get_entry

    if preset is not None:
        from posetrack.presets import get_preset, weights_of

        names = [*names, *weights_of(get_preset(preset))]
    if not names:
        raise ConfigError("say which weights to download: names that `posetrack models list` shows, or --preset.")
    return [get_entry(name) for name in dict.fromkeys(names)]


def _check_of(entry: Entry, store: ModelStore) -> str:
    """What is known of the hash of a file that is there."""
    if entry.bundled:
        return "part of posetrack"
    sha256 = store.checked(entry).sha256
    if entry.sha256:
        return f"SHA-256 {sha256}, as published"
    if entry.sha256_prefix:
        digits = len(entry.sha256_prefix)
        return f"SHA-256 {sha256}; its first {digits} digits are published, and agree"
    return f"SHA-256 {sha256}, noted; its publisher gives none, so that it could not be checked"
