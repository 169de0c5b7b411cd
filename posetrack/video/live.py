"""Frames as they come. Whoever cannot keep up gets the newest one; the others are counted as dropped.

A thread of its own takes every frame from the source: a camera or a stream never has to wait. Frames may wait
their turn while something takes long now and then (people are looked for); once they have waited too long all but
the newest are dropped, and from there on only the newest is kept, until nothing has had to be dropped for a while.
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

_PERIOD_S = 1 / 25
"""From one frame to the next until two have come."""

_PERIODS = 25
"""Frames over which the time between frames is measured."""

_SHORTEST_PATIENCE = 3
"""Frames that may wait in any case, also if they come seldom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """How far processing may fall behind.

    Attributes:
        patience_s: Frames may wait so long; then all but the newest are dropped.
        calm_frames: Frames in a row behind which none had to be dropped, after which frames may wait again.
        in_flight: Frames in processing at once: enough for each part to have one, and few, because they will be
            finished however old they have become.
        in_flight_behind: The same while frames are dropped: more of them would only wait for one another.

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
    """Tells the time, and waits."""

    def now_s(self) -> float:
        """Seconds, never going back."""
        ...

    def wait(self, changed: threading.Condition, at_most_s: float) -> None:
        """Until ``changed`` (held by the caller) is notified, or the time is over; may return early."""
        ...


class MonotonicClock:
    """The computer's ``Clock``."""

    def now_s(self) -> float:
        """Seconds, never going back."""
        return time.monotonic()

    def wait(self, changed: threading.Condition, at_most_s: float) -> None:
        """Until ``changed`` is notified, or the time is over."""
        changed.wait(at_most_s)


class Arrival(NamedTuple):
    """A frame, and when it came."""

    frame: Frame
    at_s: float


class Standing(NamedTuple):
    """How processing stands, seen from a frame in its hands."""

    age_s: float
    """Since the frame came."""
    period_s: float
    """From one frame of the source to the next."""
    behind: bool
    """Frames are being dropped."""


class Backlog:
    """The frames that have come and have not been taken: what waits, and what is dropped. No clock, no threads.

    Attributes:
        arrived: Frames that have come.
        dropped: Those of them that were dropped.
        behind: Frames do not wait: only the newest is kept.
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
        """Seconds of footage from one frame to the next, the median of late."""
        return median(self._periods_s) if self._periods_s else _PERIOD_S

    def add(self, arrival: Arrival) -> None:
        """A frame has come."""
        if self._previous_s is not None:
            self._periods_s.append(arrival.frame.time_s - self._previous_s)
        self._previous_s = arrival.frame.time_s
        self.arrived += 1
        self._waiting.append(arrival)
        self._drop(arrival.at_s)

    def take(self, now_s: float) -> Arrival | None:
        """The next frame to process; None while there is none."""
        if not self._waiting:
            return None
        self._drop(now_s)
        self._calm += 1
        if self._calm >= self._config.calm_frames:
            self.behind = False
        return self._waiting.popleft()

    def _drop(self, now_s: float) -> None:
        """All but the newest, if they have waited too long or frames do not wait."""
        patience_s = max(self._config.patience_s, _SHORTEST_PATIENCE * self.period_s)
        # Counted, too: what comes in a burst is old already.
        exhausted = now_s - self._waiting[0].at_s > patience_s or len(self._waiting) * self.period_s > patience_s
        if len(self._waiting) > 1 and (self.behind or exhausted):
            self.dropped += len(self._waiting) - 1
            self._waiting = deque([self._waiting[-1]])
            self.behind = True
            self._calm = 0


class LiveFrames:
    """Takes frames from a source as they come, in a thread, and hands them out; a context manager, iterated once.

    Whoever has a frame says ``done`` when it is processed: only so many are handed out at a time. An error of the
    source is raised behind the last frame. Leaving the ``with`` ends the thread, and the iteration wherever it is.

    Args:
        frames: The source's frames.
        paced: The source gives frames as fast as they are asked for (a file): each comes at its own time, counted
            from the first one.
        config: How far processing may fall behind.
        clock: Tells the time.
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
        self._in_flight: dict[int, float] = {}  # by the frame's id: this very frame
        self._ended = False
        self._closed = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="live frames", daemon=True)

    @property
    def dropped(self) -> int:
        """Frames that came and were not handed out, because newer ones had come."""
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
        """A frame has been processed, and another one may be handed out."""
        with self._changed:
            del self._in_flight[id(frame)]
            self._changed.notify_all()

    def standing(self, frame: Frame) -> Standing:
        """How processing stands, seen from a frame that has been handed out and is not done."""
        with self._changed:
            age_s = self._clock.now_s() - self._in_flight[id(frame)]
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
                        self._in_flight[id(arrival.frame)] = arrival.at_s
                        return arrival.frame
                    if self._ended:
                        return None
                self._changed.wait()
        return None

    def _read(self) -> None:
        """The thread: every frame of the source, until its end or until nobody wants more."""
        iterator = iter(self._frames)
        try:
            for frame in iterator:
                if not self._admit(frame):
                    break
        except BaseException as error:  # noqa: BLE001 (not handled here: handed over to the iteration)
            self._error = error
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _admit(self, frame: Frame) -> bool:
        """Let a frame come, at its time; False if nobody wants it."""
        with self._changed:
            at_s = self._wait_for(frame) if self._paced else self._clock.now_s()
            if self._closed:
                return False
            self._backlog.add(Arrival(frame, at_s))
            self._changed.notify_all()
        return True

    def _wait_for(self, frame: Frame) -> float:
        """Until a frame is due, and when that was: one that is decoded late is old when it comes."""
        if self._begin_s is None:
            self._begin_s = self._clock.now_s() - frame.time_s
        due_s = self._begin_s + frame.time_s
        while not self._closed and (left_s := due_s - self._clock.now_s()) > 0:
            self._clock.wait(self._changed, left_s)
        return due_s


def stamped(frames: Iterable[Frame], clock: Clock | None = None) -> Iterator[Frame]:
    """The same frames, each with the time at which it came, from the first on."""
    clock = clock or MonotonicClock()
    begin_s: float | None = None
    for frame in frames:
        now_s = clock.now_s()
        begin_s = now_s if begin_s is None else begin_s
        yield Frame(frame.index, now_s - begin_s, frame.image)
