"""The transfer of one file from one address into a part file that survives interruptions."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from posetrack.errors import WeightsError
from posetrack.zoo.archives import ArchiveError, is_archive, unpack
from posetrack.zoo.connection import Answer, RefusedError, TransferError, requested
from posetrack.zoo.entries import Entry
from posetrack.zoo.policy import DownloadObserver, DownloadPolicy
from posetrack.zoo.store import write_errors

_ROUNDED_MIB = 0.001
_LARGEST_UNKNOWN_BYTES = 2 << 30
_PROGRESS_WORTH_A_TRY = 0.01
_CHUNK_BYTES = 1 << 20


_ARCHIVE_MARGIN_BYTES = 2**20
"""By which an archive may be larger than the network in it: names and other programs' notes."""


def possible_bytes(entry: Entry, url: str) -> tuple[int, int]:
    """Least and most bytes that an entry's file, or the archive around it, can have at an address.

    A smaller file is incomplete where the server does not tell the size: an answer that breaks off within its
    headers looks like an empty one of unknown length.
    """
    if is_archive(url):
        return 1, _LARGEST_UNKNOWN_BYTES if entry.size_bytes is None else entry.size_bytes + _ARCHIVE_MARGIN_BYTES
    if entry.size_bytes is not None:
        return entry.size_bytes, entry.size_bytes
    if entry.size_mib is None or entry.estimated_bytes is None:
        return 1, _LARGEST_UNKNOWN_BYTES
    return int((entry.size_mib - _ROUNDED_MIB) * 2**20), 2 * entry.estimated_bytes


class Transfer:
    """A download in progress from one address: the part so far, its hash, and the number of failures.

    Args:
        entry: The weights.
        url: One of their addresses.
        file: The part, opened for reading and appending.
        policy: Retries and time limits.
        observer: Is told of the progress.
    """

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
        self._least, self._most = possible_bytes(entry, url)
        self._found = ""

    def run(self) -> str:
        """Fetch what is missing.

        Returns:
            SHA-256 of the entry's file, which matches the published digits. If the part is an archive, that file
            is in it.

        Raises:
            RefusedError: the download failed for good.
        """
        self._read_part()
        if self._done and self._agrees():
            return self._found
        self._fetch()
        if not self._agrees():
            self._observer.noticed(self._entry, f"{self._disagreement()}; fetching it again")
            self._clear()
            self._fetch()
            if not self._agrees():
                reason = self._disagreement()
                self._clear()
                raise RefusedError(f"{reason}, twice")
        return self._found

    def _agrees(self) -> bool:
        """Whether the part is the published file, or a whole archive around it."""
        if not is_archive(self._url):
            self._found = self._hash.hexdigest()
            return self._entry.agrees(self._found)
        try:
            self._found = unpack(self._file, None, self._entry.size_bytes)
        except ArchiveError:
            return False
        return self._entry.agrees(self._found)

    def _disagreement(self) -> str:
        page = ", a web page" if "html" in self._content_type.lower() else ""
        came = f"what came from {self._url} ({self._done:,} bytes{page})"
        digits = self._entry.expected_digits or ""
        if not is_archive(self._url):
            return f"{came} has a SHA-256 that begins with {self._found[: len(digits)]} instead of {digits}"
        try:
            found = unpack(self._file, None, self._entry.size_bytes)
        except ArchiveError as error:
            return f"{came} {error}"
        return f"{came} holds a network with the SHA-256 {found} instead of {digits}"

    def _read_part(self) -> None:
        """Read and hash the part left by an earlier download."""
        self._file.seek(0)
        while self._done <= self._most and (chunk := self._file.read(_CHUNK_BYTES)):
            self._hash.update(chunk)
            self._done += len(chunk)
        if self._done > self._most:
            self._clear()

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
                worth = _PROGRESS_WORTH_A_TRY * (self._total or self._most)
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
        least = self._least if self._total is None else self._total
        if self._done < least:
            of_all = "" if self._total is None else f" of {self._total:,}"
            raise TransferError(f"the connection broke off after {self._done:,}{of_all} bytes")

    def _receive(self, answer: Answer) -> None:
        most = self._most if self._total is None else self._total
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
        if self._total > self._most:
            raise RefusedError(f"the server's file has {self._total:,} bytes, which is too large for this file")
        folder = Path(self._file.name).parent
        with self._disk():
            free = shutil.disk_usage(folder).free
        missing = self._total - self._done
        if missing > free:
            raise WeightsError(
                f"{self._entry.name} needs {missing:,} more bytes in {folder}, which has room for {free:,}; "
                "make room, or choose another folder with --models-dir."
            )
