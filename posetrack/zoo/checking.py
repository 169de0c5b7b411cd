"""Asks the addresses in the table whether they still have their files."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from posetrack.errors import PoseTrackError
from posetrack.zoo.archives import is_archive
from posetrack.zoo.connection import Answer, RefusedError, TransferError, requested
from posetrack.zoo.entries import Entry
from posetrack.zoo.policy import DownloadPolicy, Unobserved
from posetrack.zoo.transfer import Transfer, possible_bytes

_AT_ONCE = 8
"""Addresses asked at the same time."""


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """What an address said.

    Attributes:
        entry: The weights.
        url: One of their addresses.
        size_bytes: Size of what lies there, if the server says.
        hash: How far its hash is known to be the published one, in a few words.
        fault: What is wrong; None if nothing is known to be.
    """

    entry: Entry
    url: str
    size_bytes: int | None
    hash: str
    fault: str | None


def check_sources(entries: Iterable[Entry], policy: DownloadPolicy, *, whole: bool = False) -> list[SourceReport]:
    """Ask all addresses of all entries.

    Servers are asked for size and type only. Besides what each says, two sizes of the same file are a fault.

    Args:
        entries: The weights.
        policy: Time limit of an answer; for whole files also the number of tries.
        whole: Fetch every file and compare its hash. Nothing is kept.

    Returns:
        In the order of the entries and of their sources.
    """
    pairs = [(entry, url) for entry in entries for url in entry.sources]
    ask = _fetched if whole else _asked
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return _compared(list(threads.map(lambda pair: ask(pair[0], pair[1], policy), pairs)))


def _asked(entry: Entry, url: str, policy: DownloadPolicy) -> SourceReport:
    try:
        with _headers(url, policy.timeout_s) as answer:
            fault = _fault(entry, url, answer)
            told = fault is None and answer.sha256 is not None and not is_archive(url)
            digits = "told by the server" if told else _digits_in_name(entry, url)
            return SourceReport(entry=entry, url=url, size_bytes=answer.total, hash=digits, fault=fault)
    except (RefusedError, TransferError) as error:
        return SourceReport(entry=entry, url=url, size_bytes=None, hash="", fault=str(error))


@contextmanager
def _headers(url: str, timeout_s: float) -> Iterator[Answer]:
    """What a server says about a file; one that refuses ``HEAD`` is asked for the file, which is not read."""
    with ExitStack() as stack:
        try:
            answer = stack.enter_context(requested(url, 0, timeout_s, "HEAD"))
        except RefusedError:
            answer = stack.enter_context(requested(url, 0, timeout_s))
        yield answer


def _fault(entry: Entry, url: str, answer: Answer) -> str | None:
    if "html" in answer.content_type.lower():
        return "a web page"
    if answer.sha256 is not None and not is_archive(url) and not entry.agrees(answer.sha256):
        digits = entry.expected_digits or ""
        return f"another file: its SHA-256 begins with {answer.sha256[: len(digits)]} instead of {digits}"
    least, most = possible_bytes(entry, url)
    if answer.total is not None and not least <= answer.total <= most:
        expected = f"{least:,}" if least == most else f"{least:,} to {most:,}"
        return f"another file: {answer.total:,} bytes instead of {expected}"
    return None


def _digits_in_name(entry: Entry, url: str) -> str:
    name = PurePosixPath(urlsplit(url).path).name
    return "in its name" if entry.sha256_prefix and entry.sha256_prefix in name else "not told"


def _fetched(entry: Entry, url: str, policy: DownloadPolicy) -> SourceReport:
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        try:
            Transfer(entry, url, file, policy, Unobserved()).run()  # type: ignore[arg-type]
        except (RefusedError, PoseTrackError) as error:
            fault = str(error).removeprefix(f"{url}: ")
            return SourceReport(entry=entry, url=url, size_bytes=None, hash="", fault=fault)
        return SourceReport(entry=entry, url=url, size_bytes=file.tell(), hash="compared", fault=None)


def _compared(reports: list[SourceReport]) -> list[SourceReport]:
    """The same, with a fault where the sources of a file tell different sizes."""
    sizes: defaultdict[tuple[str, bool], set[int]] = defaultdict(set)
    for report in reports:
        if report.size_bytes is not None and report.fault is None:
            sizes[report.entry.name, is_archive(report.url)].add(report.size_bytes)
    return [
        replace(report, fault="its sources have files of different sizes")
        if report.fault is None and len(sizes[report.entry.name, is_archive(report.url)]) > 1
        else report
        for report in reports
    ]
