"""Downloads weights into a store: resumed, verified, retried, and by one process at a time.

A part file may be of any version of the file: the whole is checked against the published hash before it gets its
name. If the hash differs, the file is fetched again from its beginning, once.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from posetrack.errors import WeightsError
from posetrack.zoo.archives import is_archive, unpack
from posetrack.zoo.connection import RefusedError
from posetrack.zoo.entries import Entry
from posetrack.zoo.policy import DownloadObserver, DownloadPolicy, Unobserved
from posetrack.zoo.sources import sources_of
from posetrack.zoo.store import ModelStore, write_errors
from posetrack.zoo.transfer import Transfer

_TRIES_BEFORE_NEXT = 2
"""Maximum tries without progress at an address while there are others left."""


def download(
    entry: Entry,
    store: ModelStore,
    *,
    policy: DownloadPolicy | None = None,
    observer: DownloadObserver | None = None,
) -> Path:
    """An entry's file; downloaded if missing.

    It comes from the first of the entry's sources that has it, or from the address in ``POSETRACK_MIRROR`` plus
    the file's name. It goes to ``FILE.part``, which is resumed if it exists, at another source too. If another
    process is downloading the same file, this waits for it. When interrupted, it keeps the part for the next time.

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
    sources = sources_of(entry)
    if not sources:
        raise store.missing(entry)
    with store.locked(entry, lambda: observer.noticed(entry, "another process is downloading it; waiting for it")):
        found = _found(entry, store, observer)
        if found is not None:
            return found
        return _from_first_of(sources, entry, store, policy, observer)


def _from_first_of(
    sources: tuple[str, ...], entry: Entry, store: ModelStore, policy: DownloadPolicy, observer: DownloadObserver
) -> Path:
    """The file from the first address that has it."""
    failures: defaultdict[str, list[str]] = defaultdict(list)
    for source in sources:
        is_last = source == sources[-1]
        patience = policy if is_last else replace(policy, tries=min(policy.tries, _TRIES_BEFORE_NEXT))
        try:
            return _fetched(entry, store, source, patience, observer)
        except RefusedError as refused:
            failures[str(refused).removeprefix(f"{source}: ")].append(source)
            if not is_last:
                observer.noticed(entry, f"{refused}; trying the next address")
    raise store.missing(entry, "; ".join(_told(reason, failed) for reason, failed in failures.items()))


def _told(reason: str, sources: list[str]) -> str:
    """Why addresses do not have a file; a reason may name its address itself."""
    return reason if any(source in reason for source in sources) else f"{' and '.join(sources)}: {reason}"


def _fetched(
    entry: Entry, store: ModelStore, source: str, policy: DownloadPolicy, observer: DownloadObserver
) -> Path:
    """The file, downloaded from one address."""
    target = store.path(entry)
    part = target.with_name(f"{target.name}{'.zip' if is_archive(source) else ''}.part")
    try:
        with write_errors(part), open(part, "a+b", buffering=0) as file:
            sha256 = Transfer(entry, source, file, policy, observer).run()
            os.fsync(file.fileno())
            if is_archive(source):
                _unpack(entry, file, target)
        if is_archive(source):
            part.unlink()
        else:
            with write_errors(target):
                os.replace(part, target)
    except RefusedError:
        if part.stat().st_size == 0:
            part.unlink()
        raise
    store.remember(entry, sha256)
    return target


def _unpack(entry: Entry, archive: BinaryIO, target: Path) -> None:
    """Write the network in an archive, which agrees with the published one, to its place."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.unpacked")
    try:
        with write_errors(temporary), open(temporary, "wb") as file:
            unpack(archive, file, entry.size_bytes)
            file.flush()
            os.fsync(file.fileno())
        with write_errors(target):
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _found(entry: Entry, store: ModelStore, observer: DownloadObserver) -> Path | None:
    try:
        return store.find(entry)
    except WeightsError as error:
        if not entry.sources:
            raise
        observer.noticed(entry, f"{error} It is replaced.")
        return None
