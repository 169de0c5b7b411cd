"""Downloads weights into a store: resumed, verified, retried, and by one process at a time.

A part file may be of any version of the file: the whole is checked against the published hash before it gets its
name. If the hash differs, the file is fetched again from its beginning, once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from posetrack.errors import ConfigError, WeightsError
from posetrack.zoo.connection import Answer, RefusedError, TransferError, requested
from posetrack.zoo.entries import Entry
from posetrack.zoo.policy import DownloadObserver, DownloadPolicy, Unobserved
from posetrack.zoo.store import ModelStore, write_errors

MIRROR_VARIABLE = "POSETRACK_MIRROR"
"""Environment variable: address of a mirror that has all files by name, used instead of the publishers."""

_ROUNDED_MIB = 0.001
_LARGEST_UNKNOWN_BYTES = 2 << 30
_PROGRESS_WORTH_A_TRY = 0.01
_CHUNK_BYTES = 1 << 20


def download(
    entry: Entry,
    store: ModelStore,
    *,
    policy: DownloadPolicy | None = None,
    observer: DownloadObserver | None = None,
) -> Path:
    """An entry's file; downloaded if missing.

    It comes from the publisher, or from the address in ``POSETRACK_MIRROR`` plus the file's name, and goes to
    ``FILE.part``, which is resumed if it exists. If another process is downloading the same file, this waits for
    it. When interrupted, it keeps the part for the next time.

    Returns:
        Path of the file, complete and with the published hash.

    Raises:
        WeightsError: the download failed; says why, where the file comes from and where to put it.
        ConfigError: ``POSETRACK_MIRROR`` is not an http or https address.
    """
    policy, observer = policy or DownloadPolicy(), observer or Unobserved()
    found = _found(entry, store, observer)
    if found is not None:
        return found
    if entry.url is None:
        raise store.missing(entry)
    url = source_of(entry.url, entry.file)
    with store.locked(entry, lambda: observer.noticed(entry, "another process is downloading it; waiting for it")):
        found = _found(entry, store, observer)
        if found is not None:
            return found
        target = store.path(entry)
        part = target.with_name(f"{target.name}.part")
        try:
            with write_errors(part), open(part, "a+b", buffering=0) as file:
                sha256 = _Download(entry, url, file, policy, observer).run()
                os.fsync(file.fileno())
            with write_errors(target):
                os.replace(part, target)
        except RefusedError as refused:
            if part.stat().st_size == 0:
                part.unlink()
            raise store.missing(entry, f"{refused}") from refused
        store.remember(entry, sha256)
        return target


def source_of(url: str, file: str) -> str:
    """The address to download from: the publisher's, or the mirror's."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        return url
    try:
        parts = urlsplit(mirror)
    except ValueError as error:
        raise ConfigError(f"{MIRROR_VARIABLE} is {mirror!r}, which is not an address: {error}.") from error
    if parts.username or parts.password:
        raise ConfigError(f"{MIRROR_VARIABLE} has a user name or password in it, which are not supported.")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(f"{MIRROR_VARIABLE} is {mirror!r}; give an address like https://host/folder.")
    return f"{mirror.rstrip('/')}/{quote(file)}"


def _found(entry: Entry, store: ModelStore, observer: DownloadObserver) -> Path | None:
    try:
        return store.find(entry)
    except WeightsError as error:
        if entry.url is None:
            raise
        observer.noticed(entry, f"{error} It is replaced.")
        return None


class _Download:
    """A download in progress: the part so far, its hash, and the number of failures."""

    def __init__(
        self, entry: Entry, url: str, file: BinaryIO, policy: DownloadPolicy, observer: DownloadObserver
    ) -> None:
        self._entry = entry
        self._url = url
        self._file = file
        self._policy = policy
        self._observer = observer
        self._hash = hashlib.sha256()
        self._done = 0
        self._total: int | None = None
        self._content_type = ""

    def run(self) -> str:
        """Fetch what is missing. Returns the SHA-256 of the whole, which matches the published digits.

        Raises:
            RefusedError: the download failed for good.
        """
        self._read_part()
        if self._done and self._agrees():
            return self._hash.hexdigest()
        self._fetch()
        if not self._agrees():
            self._observer.noticed(self._entry, f"{self._disagreement()}; fetching it again")
            self._clear()
            self._fetch()
            if not self._agrees():
                reason = self._disagreement()
                self._clear()
                raise RefusedError(f"{reason}, twice")
        return self._hash.hexdigest()

    def _agrees(self) -> bool:
        return self._entry.agrees(self._hash.hexdigest())

    def _disagreement(self) -> str:
        page = ", a web page" if "html" in self._content_type.lower() else ""
        digits = self._entry.expected_digits or ""
        return (
            f"what came from {self._url} ({self._done:,} bytes{page}) has a SHA-256 that begins with "
            f"{self._hash.hexdigest()[: len(digits)]} instead of {digits}"
        )

    def _read_part(self) -> None:
        """Read and hash the part left by an earlier download."""
        self._file.seek(0)
        while self._done <= self._most_bytes() and (chunk := self._file.read(_CHUNK_BYTES)):
            self._hash.update(chunk)
            self._done += len(chunk)
        if self._done > self._most_bytes():
            self._clear()

    def _most_bytes(self) -> int:
        """A larger file cannot be the published one."""
        if self._entry.size_bytes is not None:
            return self._entry.size_bytes
        published = self._entry.estimated_bytes
        return _LARGEST_UNKNOWN_BYTES if self._entry.size_mib is None or published is None else 2 * published

    def _least_bytes(self) -> int:
        """A smaller file is incomplete, where the server does not tell the size.

        An answer that breaks off within its headers looks like an empty one of unknown length.
        """
        if self._entry.size_bytes is not None:
            return self._entry.size_bytes
        return 1 if self._entry.size_mib is None else int((self._entry.size_mib - _ROUNDED_MIB) * 2**20)

    def _clear(self) -> None:
        """Start over."""
        with self._disk():
            self._file.truncate(0)
        self._hash = hashlib.sha256()
        self._done = 0
        self._total = None

    @contextmanager
    def _disk(self) -> Iterator[None]:
        with write_errors(Path(self._file.name)):
            yield

    def _fetch(self) -> None:
        """Try until the file is complete."""
        failures, furthest = 0, self._done
        while True:
            try:
                self._try()
            except TransferError as error:
                if self._done and self._agrees():
                    return  # complete, although the server announced more
                worth = _PROGRESS_WORTH_A_TRY * (self._total or self._most_bytes())
                failures = 0 if self._done >= furthest + worth else failures + 1
                furthest = max(furthest, self._done)
                if failures >= (min(2, self._policy.tries) if error.unreachable else self._policy.tries):
                    raise RefusedError(f"{self._url}: {error}") from error
                self._wait(failures, error)
            except RefusedError as error:
                raise RefusedError(f"{self._url}: {error}") from error
            else:
                return

    def _wait(self, failures: int, error: TransferError) -> None:
        pause_s = self._policy.pause_s(failures, error.retry_after_s)
        if error.retry_after_s is not None and error.retry_after_s > self._policy.longest_wait_s:
            raise RefusedError(f"{self._url}: {error}, and asks to come back in {error.retry_after_s:.0f} s")
        self._observer.noticed(self._entry, f"{error}; trying again in {pause_s:.1f} s")
        time.sleep(pause_s)

    def _try(self) -> None:
        """One request for the missing bytes."""
        with requested(self._url, self._done, self._policy.timeout_s) as answer:
            self._content_type = answer.content_type
            if answer.start != self._done or (self._total is not None and answer.total not in (None, self._total)):
                fits = answer.start == 0
                self._clear()
                if not fits:
                    raise TransferError("the server does not continue the file where it broke off")
            self._total = answer.total if answer.total is not None else self._total
            self._make_sure_of_room()
            self._observer.progressed(self._entry, self._done, self._total)
            self._receive(answer)
        least = self._least_bytes() if self._total is None else self._total
        if self._done < least:
            of_all = "" if self._total is None else f" of {self._total:,}"
            raise TransferError(f"the connection broke off after {self._done:,}{of_all} bytes")

    def _receive(self, answer: Answer) -> None:
        most = self._most_bytes() if self._total is None else self._total
        for chunk in answer.chunks:
            if self._done + len(chunk) > most:
                self._clear()
                raise RefusedError(f"the server sends more than the {most:,} bytes that the file can have")
            with self._disk():
                self._write(chunk)
            self._observer.progressed(self._entry, self._done, self._total)

    def _write(self, chunk: bytes) -> None:
        """Append a chunk; bytes written count even if the rest does not fit on the disk."""
        rest = memoryview(chunk)
        while rest:
            written = self._file.write(rest)
            self._hash.update(rest[:written])
            self._done += written
            rest = rest[written:]

    def _make_sure_of_room(self) -> None:
        """Check for enough disk space before a long download."""
        if self._total is None:
            return
        if self._total > self._most_bytes():
            raise RefusedError(f"the server's file has {self._total:,} bytes, which is too large to be it")
        folder = Path(self._file.name).parent
        with self._disk():
            free = shutil.disk_usage(folder).free
        missing = self._total - self._done
        if missing > free:
            raise WeightsError(
                f"{self._entry.name} needs {missing:,} more bytes in {folder}, which has room for {free:,}; "
                "make room, or choose another folder with --models-dir."
            )
