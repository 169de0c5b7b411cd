"""Results in object storage, or anywhere else fsspec can write: ``s3://bucket/folder``, ``gs://``, ``memory://``.

A local folder mirrors the remote one: it holds the manifest, and result paths are given as paths in it. Workers
upload finished files from their own disks; the local folder does not receive them.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from posetrack.errors import ConfigError, OutputError

_ATOMIC_PROTOCOLS = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "memory"})
"""Protocols where a file becomes visible only when complete. Elsewhere it is renamed when complete."""


def is_url(text: str) -> bool:
    """Whether it is an fsspec URL rather than a local folder.

    >>> is_url("s3://bucket/results"), is_url("C:/results"), is_url("results")
    (True, False, False)
    """
    return "://" in text


def state_folder(url: str) -> Path:
    """The local folder for the manifest of a batch with remote results.

    It lies in ``batches`` under ``POSETRACK_HOME``, by default the user's data folder.
    """
    home = os.environ.get("POSETRACK_HOME") or platformdirs.user_data_dir("posetrack", appauthor=False)
    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:32]
    return Path(home).expanduser() / "batches" / name


@dataclass(frozen=True)
class RemoteFolder:
    """A remote folder for results. Workers receive it and use the credentials of their own environment.

    Attributes:
        url: An fsspec URL.
        base: The local folder that mirrors it.

    Raises (all methods):
        ConfigError: fsspec or the library it needs is not installed, or the URL is invalid.
        OutputError: the storage refuses.
    """

    url: str
    base: Path

    def upload(self, files: Mapping[Path, Path]) -> None:
        """Upload files. Each appears there only when complete.

        Args:
            files: Local file -> path in ``base`` of its destination. Neither is changed.
        """
        with self._errors():
            system, root = self._opened()
            protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
            for file, path in files.items():
                target = f"{root}/{self._name(path)}"
                folder = target.rpartition("/")[0]
                with suppress(FileExistsError):
                    system.makedirs(folder, exist_ok=True)
                if protocols & _ATOMIC_PROTOCOLS:
                    system.put_file(str(file), target)
                    continue
                part = f"{folder}/.{uuid.uuid4().hex}.part"
                try:
                    system.put_file(str(file), part)
                    system.mv(part, target)
                except BaseException:
                    with suppress(OSError):
                        system.rm_file(part)
                    raise

    def download(self, path: Path, file: Path) -> bool:
        """Download the file for a path in ``base``. Returns whether it exists."""
        with self._errors():
            system, root = self._opened()
            file.parent.mkdir(parents=True, exist_ok=True)
            try:
                system.get_file(f"{root}/{self._name(path)}", str(file))
            except FileNotFoundError:
                file.unlink(missing_ok=True)
                return False
            return True

    def size(self, path: Path) -> int | None:
        """Size in bytes of the file for a path in ``base``; ``None`` if there is none."""
        with self._errors():
            system, root = self._opened()
            try:
                return int(system.info(f"{root}/{self._name(path)}")["size"])
            except FileNotFoundError:
                return None

    def remove(self, path: Path) -> None:
        """Remove a file or a whole folder, if it exists."""
        with self._errors():
            system, root = self._opened()
            with suppress(FileNotFoundError):
                system.rm(f"{root}/{self._name(path)}", recursive=True)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.base).as_posix()

    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ConfigError("fsspec is not installed: pip install '.[ray]' in posetrack's clone.") from error
        system, root = url_to_fs(self.url)
        system.invalidate_cache()
        return system, str(root).rstrip("/")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of any storage library into sentences."""
        try:
            yield
        except (ConfigError, OutputError):
            raise
        except ImportError as error:
            raise ConfigError(f"{self.url} cannot be used: {error}.") from error
        except ValueError as error:
            raise ConfigError(f"{self.url} is not a URL that fsspec can open ({error}): correct it.") from error
        except Exception as error:  # each storage library raises its own errors
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            remedy = "check the address, the network and the access rights"
            raise OutputError(f"{self.url} cannot be used ({why}): {remedy}.") from error
