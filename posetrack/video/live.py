"""Deliver live frames in real time, dropping frames when processing falls behind.

A separate thread reads every frame, so a camera or stream never waits. A short delay (a detection) only queues
frames. When a frame has waited too long, all but the newest are dropped; from then on only the newest is kept,
until no frame has had to be dropped for a while.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from posetrack.ranges import require_at_least, require_kinds, require_whole
from posetrack.types import Frame
from posetrack.video.timing import DEFAULT_PERIOD_S

_PERIODS = 25
"""Number of frames over which the time between frames is measured."""

_SHORTEST_PATIENCE = 3
"""Frames that may always wait, even at a low frame rate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """How far processing may fall behind.

    Attributes:
        patience_s: Maximum time a frame may wait. After that all but the newest are dropped.
        calm_frames: Number of frames in a row without a drop after which frames may wait again.
        in_flight: Maximum number of frames in processing: enough for every stage to have one, but few, as each is
            finished however old it gets.
        in_flight_behind: The same while frames are being dropped, when more would only wait for one another.

    Raises:
        ConfigError: a value is out of its range.
    """

    patience_s: float = 0.5
    calm_frames: int = 12
    in_flight: int = 4
    in_flight_behind: int = 2

    def __post_init__(self) -> None:
        require_kinds(self)
        require_at_least(0, patience_s=self.patience_s)
        require_whole(
            1,
            calm_frames=self.calm_frames,
            in_flight=self.in_flight,
            in_flight_behind=self.in_flight_behind,
        )


class Clock(Protocol):
    """Gives the time, and waits."""

    def now_s(self) -> float:
        """Seconds; never decreases."""
        ...

    def wait(self, changed: threading.Condition, at_most_s: float) -> None:
        """Wait until ``changed`` (held by the caller) is notified or the time is up; may return early."""
        ...


class MonotonicClock:
    """A ``Clock`` on ``time.monotonic``."""

    def now_s(self) -> float:
        """Seconds; never decreases."""
        return time.monotonic()

    def wait(self, changed: threading.Condition, at_most_s: float) -> None:
        """Wait until ``changed`` is notified or the time is up."""
        changed.wait(at_most_s)


class Arrival(NamedTuple):
    """A frame and its time of arrival."""

    frame: Frame
    at_s: float


class Standing(NamedTuple):
    """How far processing is behind, as seen from a frame in processing."""

    age_s: float
    """Time since the frame arrived."""
    period_s: float
    """Time between frames of the source."""
    behind: bool
    """Whether frames are being dropped."""


class Backlog:
    """The queue of frames that wait to be processed. Decides which to drop; has no clock and no threads.

    Attributes:
        arrived: Number of frames that have arrived.
        dropped: Number of them that were dropped.
        behind: Whether only the newest frame is kept.
    """

    def __init__(self, config: LiveConfig | None = None) -> None:
        self._config = config or LiveConfig()
        self._waiting: deque[Arrival] = deque()
        self._periods_s: deque[float] = deque(maxlen=_PERIODS)
        self._previous_s: float | None = None
        self._calm = 0
        self.arrived = 0
        self.dropped = 0
        self.behind = False

    @property
    def period_s(self) -> float:
        """Median time between recent frames of the footage, in seconds."""
        return median(self._periods_s) if self._periods_s else DEFAULT_PERIOD_S

    def add(self, arrival: Arrival) -> None:
        """Add a frame that has arrived."""
        if self._previous_s is not None:
            self._periods_s.append(arrival.frame.time_s - self._previous_s)
        self._previous_s = arrival.frame.time_s
        self.arrived += 1
        self._waiting.append(arrival)
        self._drop(arrival.at_s)

    def take(self, now_s: float) -> Arrival | None:
        """Take the next frame to process; None if there is none yet."""
        if not self._waiting:
            return None
        self._drop(now_s)
        self._calm += 1
        if self._calm >= self._config.calm_frames:
            self.behind = False
        return self._waiting.popleft()

    def _drop(self, now_s: float) -> None:
        """Drop all but the newest frame if the oldest has waited too long, or only the newest is kept."""
        patience_s = max(self._config.patience_s, _SHORTEST_PATIENCE * self.period_s)
        # Their number counts too: frames that arrive in a burst are already old.
        exhausted = now_s - self._waiting[0].at_s > patience_s or len(self._waiting) * self.period_s > patience_s
        if len(self._waiting) > 1 and (self.behind or exhausted):
            self.dropped += len(self._waiting) - 1
            self._waiting = deque([self._waiting[-1]])
            self.behind = True
            self._calm = 0


class LiveFrames:
    """Reads frames from a source in a thread and yields them. A context manager, to be iterated once.

    Call ``done`` when a frame is processed: only a few are handed out at a time. An error of the source is raised
    after the last frame. Leaving the ``with`` block ends the thread and the iteration.

    Args:
        frames: The source's frames.
        paced: Play back a source that can be read at any speed (a file): each frame arrives at its own time,
            counted from the first one.
        config: How far processing may fall behind.
        clock: The clock to use. Defaults to ``time.monotonic``.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        *,
        paced: bool,
        config: LiveConfig | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._frames = frames
        self._paced = paced
        self._config = config or LiveConfig()
        self._clock = clock or MonotonicClock()
        self._backlog = Backlog(self._config)
        self._changed = threading.Condition()
        self._begin_s: float | None = None
        self._in_flight: dict[tuple[int, float], float] = {}  # arrival time by index and time
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="live frames", daemon=True)

    @property
    def dropped(self) -> int:
        """Number of frames not handed out because newer ones had arrived."""
        return self._backlog.dropped

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self._next()) is not None:
            yield frame
        if self._error is not None and not self._closed:
            raise self._error

    def done(self, frame: Frame) -> None:
        """Mark a frame as processed, so that another one may be handed out."""
        with self._changed:
            del self._in_flight[frame.index, frame.time_s]
            self._changed.notify_all()

    def standing(self, frame: Frame) -> Standing:
        """How far processing is behind, as seen from a frame that was handed out and is not done."""
        with self._changed:
            age_s = self._clock.now_s() - self._in_flight[frame.index, frame.time_s]
            return Standing(age_s, self._backlog.period_s, self._backlog.behind)

    @property
    def _most_in_flight(self) -> int:
        return self._config.in_flight_behind if self._backlog.behind else self._config.in_flight

    def _next(self) -> Frame | None:
        with self._changed:
            while not self._closed:
                if len(self._in_flight) < self._most_in_flight:
                    arrival = self._backlog.take(self._clock.now_s())
                    if arrival is not None:
                        self._in_flight[arrival.frame.index, arrival.frame.time_s] = arrival.at_s
                        return arrival.frame
                    if self._ended:
                        return None
                self._changed.wait()
        return None

    def _read(self) -> None:
        """Run in the thread: read every frame until the source ends or the iteration is left."""
        iterator = iter(self._frames)
        try:
            for frame in iterator:
                if not self._admit(frame):
                    break
        except BaseException as error:  # noqa: BLE001 (passed on to the iteration)
            self._error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _admit(self, frame: Frame) -> bool:
        """Queue a frame at its time; False if the iteration was left."""
        with self._changed:
            at_s = self._wait_for(frame) if self._paced else self._clock.now_s()
            if self._closed:
                return False
            self._backlog.add(Arrival(frame, at_s))
            self._changed.notify_all()
        return True

    def _wait_for(self, frame: Frame) -> float:
        """Wait until a frame is due. Returns that time: a frame decoded late is already old when it arrives."""
        if self._begin_s is None:
            self._begin_s = self._clock.now_s() - frame.time_s
        due_s = self._begin_s + frame.time_s
        while not self._closed and (left_s := due_s - self._clock.now_s()) > 0:
            self._clock.wait(self._changed, left_s)
        return due_s


def stamped(frames: Iterable[Frame], clock: Clock | None = None) -> Iterator[Frame]:
    """The same frames with their times of arrival, counted from the first."""
    clock = clock or MonotonicClock()
    begin_s: float | None = None
    for frame in frames:
        now_s = clock.now_s()
        begin_s = now_s if begin_s is None else begin_s
        yield Frame(frame.index, now_s - begin_s, frame.image)
