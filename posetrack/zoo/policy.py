"""How patient a download is, and who is told how it goes on."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Protocol

from posetrack.ranges import require_above, require_at_least, require_kinds, require_whole
from posetrack.zoo.entries import Entry


@dataclass(frozen=True, kw_only=True)
class DownloadPolicy:
    """How patient a download is.

    Attributes:
        tries: How often it is tried before it is given up. Tries that brought at least a hundredth of the file do
            not count.
        timeout_s: Seconds without an answer, or without a byte worth mentioning, that end a try.
        backoff_s: Seconds between the first and the second try; doubled from try to try, and varied by half so
            that many machines do not come back at once.
        longest_wait_s: Longest pause. A server that asks for a longer one is not waited for.
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
        """Seconds to wait after so many failures in a row, and after what the server asked for."""
        doubled_s: float = self.backoff_s * 2.0 ** min(max(failures - 1, 0), 30)
        backoff_s = min(doubled_s, self.longest_wait_s)
        return max(random.uniform(0.5, 1.5) * backoff_s, retry_after_s or 0.0)


class DownloadObserver(Protocol):
    """Is told how a download goes on."""

    def progressed(self, entry: Entry, done_bytes: int, total_bytes: int | None) -> None:
        """So many bytes of the file are there, of so many if that is known."""

    def noticed(self, entry: Entry, sentence: str) -> None:
        """Something happened that somebody who watches wants to know."""


class Unobserved:
    """Nobody watches."""

    def progressed(self, entry: Entry, done_bytes: int, total_bytes: int | None) -> None:
        """Nobody is told."""

    def noticed(self, entry: Entry, sentence: str) -> None:
        """Nobody is told."""
