"""``FILE.meta.json``: how ``convert`` or ``refine`` made a file from another."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from posetrack import __version__
from posetrack.errors import DataFormatError
from posetrack.files.descriptions import DESCRIPTION, description_path
from posetrack.files.pending import output_errors, write_file
from posetrack.formats import OUTPUT_FORMATS
from posetrack.formats.reading import load_json
from posetrack.observations.names import ENDING, is_observations
from posetrack.observations.reader import ObservationFile
from posetrack.provenance.meta import SCHEMA, machine, sha256_of


def describe_derived(
    made: Mapping[Path, Mapping[Path, Iterable[str]]],
    command: str,
    options: Mapping[str, Any],
    inputs: Sequence[Path],
) -> None:
    """Write where files come from, a description beside each; earlier ones are replaced.

    Size, frame rate, settings and networks are those that are known of the first input: from its own description
    (``of_input``) if there is one that fits its content, else from its header if it holds observations, else from
    the observations of its run beside it, as a batch leaves them.

    Args:
        made: File or folder that was asked for, after which the description is named -> the files or folders
            written for it -> what was lost in them, in sentences.
        command: ``convert`` or ``refine``.
        options: Those that differ from their defaults.
        inputs: Files or folders that were read; the first holds the poses.

    Raises:
        OutputError: one cannot be written, or a file is gone.
    """
    if not made:
        return
    with output_errors(description_path(next(iter(made)))):
        read = {_text(one): _facts(one) for one in inputs}
    naming, content = list(_descriptions_of(inputs[0])), read[_text(inputs[0])]["sha256"]
    earlier = _present(naming, inputs[0], content)
    observations = inputs[0] if is_observations(inputs[0]) else None if naming else _observations_beside(inputs[0])
    origin = _observed(observations) if earlier is None else earlier
    common = {
        "schema": SCHEMA,
        "posetrack": __version__,
        "command": command,
        "options": {name: _text(value) if isinstance(value, Path) else value for name, value in options.items()},
        "inputs": read,
        "source": origin.get("source"),
        "made_with": origin.get("made_with"),
        "told_by": None if earlier is not None or observations is None else _text(observations),
        "of_input": earlier,
        "machine": machine(),
    }
    for target, files in made.items():
        path = description_path(target)
        with output_errors(path):
            written = {
                _text(Path(os.path.relpath(one, path.parent))): _facts(one) | {"lost": list(lost)}
                for one, lost in files.items()
            }
        write_file(path, _json(common | {"files": written}) + b"\n")


def footage_hash_of(path: Path) -> str | None:
    """SHA-256 of the footage that a run's file was made from (``footage.footage_hash``).

    ``None`` unless a description beside the file, of its present content, says so.
    """
    present = _present(_descriptions_of(path), path, sha256_of(path))
    source = None if present is None else present.get("source")
    found = source.get("sha256") if isinstance(source, dict) else None
    return found if isinstance(found, str) else None


def _present(descriptions: Iterable[dict[str, Any]], path: Path, content: str) -> dict[str, Any] | None:
    """The description that names a file with its present content."""
    return next((one for one in descriptions if one["files"][path.name].get("sha256") == content), None)


def _json(content: Any) -> bytes:
    """Only ASCII: names can be anything."""
    return json.dumps(content, indent=2).encode()


def _text(path: Path) -> str:
    """The path in valid Unicode."""
    return path.as_posix().encode("utf-8", "backslashreplace").decode()


def _facts(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    digest, size = hashlib.sha256(), 0
    for one in sorted(path.iterdir()):
        if one.is_file():
            digest.update(f"{one.name}\n{sha256_of(one)}\n".encode("utf-8", "surrogateescape"))
            size += one.stat().st_size
    return {"bytes": size, "sha256": digest.hexdigest()}


def _observations_beside(path: Path) -> Path | None:
    """What the run saw whose file this is by its name; ``None`` if that is not there."""
    endings = sorted((ending for ending, _ in OUTPUT_FORMATS.values() if path.name.endswith(ending)), key=len)
    beside = path.with_name(path.name.removesuffix(endings[-1]) + ENDING) if endings else path
    return beside if is_observations(beside) and beside.is_file() else None


def _observed(path: Path | None) -> dict[str, Any]:
    """What a file of observations says of its source, and what it was made with; nothing without one."""
    if path is None:
        return {}
    with ObservationFile(path) as file:
        header = file.header
    source = {
        "name": header.name,
        "width": header.width,
        "height": header.height,
        "fps": None if header.delivered_fps is None else float(header.delivered_fps),
        "bytes": header.source_bytes,
    }
    return {"source": source, "made_with": {"posetrack": header.made_by, **header.made_with}}


def _descriptions_of(path: Path) -> Iterator[dict[str, Any]]:
    """The descriptions beside a file that name it, with its present content or an earlier one."""
    for one in sorted(path.absolute().parent.glob(f"*{DESCRIPTION}")):
        try:
            data = load_json(one)
            _json([[data]])
        except (DataFormatError, RecursionError):  # of another file, for all that is known
            continue
        files = data.get("files") if isinstance(data, dict) else None
        if isinstance(files, dict) and isinstance(files.get(path.name), dict):
            yield dict(data)
