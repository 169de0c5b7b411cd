"""Results in object storage, or any other place that fsspec knows: ``s3://bucket/folder``, ``gs://``, ``memory://``.

A folder of this computer stands for the place: the manifest is in it, and every path of a result is a path in it.
What a worker has completed goes from its own disk to the place, and not into the folder.
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

_APPEAR_WHOLE = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "memory"})
"""Places in which a file is seen once all of it is there. In others it is renamed when it is complete."""


def is_url(text: str) -> bool:
    """Whether it names a place for fsspec, not a folder.

    >>> is_url("s3://bucket/results"), is_url("C:/results"), is_url("results")
    (True, False, False)
    """
    return "://" in text


def state_folder(url: str) -> Path:
    """Where the manifest of a batch with results elsewhere is kept on this computer.

    In ``batches`` in the folder that ``POSETRACK_HOME`` names, else in the user's data folder of this system.
    """
    home = os.environ.get("POSETRACK_HOME") or platformdirs.user_data_dir("posetrack", appauthor=False)
    name = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:32]
    return Path(home).expanduser() / "batches" / name


@dataclass(frozen=True)
class RemoteFolder:
    """A place for results. It travels to the workers, where credentials are those of their environment.

    Attributes:
        url: The place, as fsspec takes it.
        base: The folder of this computer that stands for it.

    Raises (by all methods):
        ConfigError: what fsspec needs for such places is not installed, or there are no such places.
        OutputError: the place refuses.
    """

    url: str
    base: Path

    def upload(self, files: Mapping[Path, Path]) -> None:
        """Put files there, each at once complete.

        Args:
            files: File of this computer -> path in ``base`` that stands for where it goes. Both stay as they are.
        """
        with self._errors():
            system, root = self._opened()
            protocols = {system.protocol} if isinstance(system.protocol, str) else set(system.protocol)
            for file, path in files.items():
                target = f"{root}/{self._name(path)}"
                folder = target.rpartition("/")[0]
                with suppress(FileExistsError):
                    system.makedirs(folder, exist_ok=True)
                if protocols & _APPEAR_WHOLE:
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
        """Fetch what stands under a path in ``base``; whether it was there."""
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
        """Bytes of what stands under a path in ``base``; None if nothing does."""
        with self._errors():
            system, root = self._opened()
            try:
                return int(system.info(f"{root}/{self._name(path)}")["size"])
            except FileNotFoundError:
                return None

    def remove(self, path: Path) -> None:
        """Remove a file, or a folder with all that is in it; nothing happens if there is none."""
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
        """Whatever kind of error each storage's own library has, as a sentence."""
        try:
            yield
        except (ConfigError, OutputError):
            raise
        except ImportError as error:
            raise ConfigError(f"{self.url} cannot be used: {error}.") from error
        except ValueError as error:
            raise ConfigError(f"{self.url} is no place that fsspec knows ({error}): correct it.") from error
        except Exception as error:  # each storage's library has errors of its own
            why = str(error).strip().partition("\n")[0] or type(error).__name__
            remedy = "check the address, the network and the access rights"
            raise OutputError(f"{self.url} cannot be used ({why}): {remedy}.") from error
