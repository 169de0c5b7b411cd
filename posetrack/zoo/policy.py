"""Retries and time limits of downloads, and observers of their progress."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

from posetrack.ranges import require_above, require_at_least, require_kinds, require_whole
from posetrack.zoo.entries import Entry


@dataclass(frozen=True, kw_only=True)
class DownloadPolicy:
    """Retries and time limits of a download.

    Attributes:
        tries: Maximum number of tries. A try that brought at least a hundredth of the file does not count.
        timeout_s: Seconds without an answer, or nearly without bytes, that end a try.
        backoff_s: Pause in seconds between the first and the second try. It doubles from try to try, and varies by
            half so that many machines do not retry at once.
        longest_wait_s: Maximum pause. If a server asks for a longer one, the download fails.
    """

    tries: int = 5
    timeout_s: float = 30.0
    backoff_s: float = 1.0
    longest_wait_s: float = 60.0

    def __post_init__(self) -> None:
        require_kinds(self)
        require_whole(1, tries=self.tries)
        require_above(0, timeout_s=self.timeout_s)
        require_at_least(0, backoff_s=self.backoff_s, longest_wait_s=self.longest_wait_s)

    def pause_s(self, failures: int, retry_after_s: float | None) -> float:
        """Seconds to wait after a number of failures in a row, and after the server's request."""
        doubled_s: float = self.backoff_s * 2.0 ** min(max(failures - 1, 0), 30)
        backoff_s = min(doubled_s, self.longest_wait_s)
        return max(random.uniform(0.5, 1.5) * backoff_s, retry_after_s or 0.0)


class DownloadObserver(Protocol):
    """Receives the progress of a download."""

    def progressed(self, entry: Entry, done_bytes: int, total_bytes: int | None) -> None:
        """``done_bytes`` of the file are there, of ``total_bytes`` if known."""

    def noticed(self, entry: Entry, sentence: str) -> None:
        """Something happened that the user should know."""


class Unobserved:
    """Ignores the progress."""

    def progressed(self, entry: Entry, done_bytes: int, total_bytes: int | None) -> None:
        """Ignored."""

    def noticed(self, entry: Entry, sentence: str) -> None:
        """Ignored."""
