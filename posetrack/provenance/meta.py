"""``NAME.meta.json``: how the files of a run were made, so that the run can be repeated."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from posetrack import __version__
from posetrack.errors import DataFormatError, OutputError
from posetrack.files.descriptions import DESCRIPTION
from posetrack.files.pending import write_file
from posetrack.formats.reading import load_json

SCHEMA = 1
"""Version of descriptions. Those of a later one are refused."""

_LIBRARIES = ("torch", "numpy", "opencv-contrib-python", "scipy", "onnxruntime")
_FIELDS = {
    "posetrack": str, "source": dict, "options": dict, "made_with": dict, "files": dict, "machine": dict,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Meta:
    """Where the files of a run come from.

    Attributes:
        path: Of the ``.meta.json`` itself; files are named relative to its folder.
        posetrack: Version that made them.
        source: ``path`` (as it was given), ``name``, ``width``, ``height``, ``fps`` and ``sha256``.
        options: The options that differ from their defaults, by the names they have in Python.
        hindrance: Why the run cannot be repeated, as the end of a sentence; ``None`` if it can.
        made_with: Settings, and the networks with their SHA-256.
        files: Name -> ``bytes`` and ``sha256``.
        machine: What the last digits of results depend on: processor, system and libraries.
    """

    path: Path
    posetrack: str
    source: Mapping[str, Any]
    options: Mapping[str, Any]
    made_with: Mapping[str, Any]
    files: Mapping[str, Mapping[str, Any]]
    machine: Mapping[str, str]
    hindrance: str | None = None

    @property
    def name(self) -> str:
        """What the names of the files begin with."""
        return self.path.name.removesuffix(DESCRIPTION)

    def file(self, name: str) -> Path:
        """Where a file lies."""
        return self.path.parent / name

    def is_of_this_machine(self) -> bool:
        """Whether results should be the same to the last byte here."""
        return dict(self.machine) == machine()


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """How ``posetrack verify`` repeats a run.

    Attributes:
        options: Of the command line, by the names they have in Python; those that differ from their defaults.
        hindrance: Why it cannot, as the end of a sentence; ``None`` if it can.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    hindrance: str | None = None


IN_PYTHON = Repetition(hindrance="it was started from Python, with stages and settings of its own")


def write_meta(
    path: Path,
    files: Iterable[Path],
    *,
    source: Mapping[str, Any],
    repetition: Repetition,
    made_with: Mapping[str, Any],
) -> None:
    """Write the ``.meta.json`` of a run.

    Args:
        path: Where to.
        files: Of the run, all in one folder.
        source: From ``source_facts``.
        repetition: How to repeat the run.
        made_with: Settings and networks.

    Raises:
        OutputError: it cannot be written, or a file of the run is gone.
    """
    try:
        hashes = {one.name: {"bytes": one.stat().st_size, "sha256": sha256_of(one)} for one in sorted(files)}
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written: {error.filename} cannot be read ({error.strerror})."
        ) from error
    content = {
        "schema": SCHEMA,
        "posetrack": __version__,
        "source": dict(source),
        "options": dict(repetition.options),
        "hindrance": repetition.hindrance,
        "made_with": dict(made_with),
        "files": hashes,
        "machine": machine(),
    }
    write_file(path, json.dumps(content, indent=2).encode() + b"\n")  # ASCII: names may be no valid Unicode


def read_meta(path: Path) -> Meta:
    """Read and check a ``.meta.json``.

    Raises:
        DataFormatError: it is missing, damaged, of a later version, or names files outside its folder.
    """
    if path.suffix != ".json":
        raise DataFormatError(f"{path}: this does not describe results; give the NAME{DESCRIPTION} beside them.")
    data = load_json(path)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise DataFormatError(
            f"{path}: this is not a {DESCRIPTION} that this version can read; give the one beside the results."
        )
    if isinstance(data.get("command"), str):
        raise DataFormatError(
            f"{path}: it describes what `posetrack {data['command']}` made of another file, and only runs are "
            "repeated: verify the .meta.json of the run, and give the command again with the options listed there."
        )
    for name, kind in _FIELDS.items():
        if not isinstance(data.get(name), kind):
            raise DataFormatError(f"{path}: {name!r} is missing or damaged; run `posetrack run` again.")
    for name, facts in data["files"].items():
        if not _is_file_name(name) or not isinstance(facts, dict) or not isinstance(facts.get("sha256"), str):
            raise DataFormatError(f"{path}: the entry of the file {name!r} is damaged; run `posetrack run` again.")
    hindrance = data.get("hindrance")
    _check_source(path, data["source"], hindrance)
    return Meta(
        path=path,
        hindrance=None if hindrance is None else str(hindrance),
        **{name: data[name] for name in _FIELDS},
    )


def _check_source(path: Path, source: Mapping[str, Any], hindrance: object) -> None:
    for name in ("path",) if source.get("sha256") is None and hindrance else ("path", "sha256"):
        if not isinstance(source.get(name), str):
            raise DataFormatError(f"{path}: the source has no {name!r}; run `posetrack run` again.")
    if not _is_file_name(source.get("name")):  # files of a repetition are called so
        raise DataFormatError(f"{path}: the source's 'name' is missing or damaged; run `posetrack run` again.")


def _is_file_name(name: object) -> bool:
    """Whether it names a file in a folder, and cannot lead out of it."""
    return isinstance(name, str) and Path(name).name == name and name not in ("", "..") and "\0" not in name


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def machine() -> dict[str, str]:
    """What the last digits of results depend on."""
    facts = {"system": platform.system(), "processor": _processor(), "python": platform.python_version()}
    return facts | {name: found for name in _LIBRARIES if (found := _version(name))}


def _processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}".strip()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
