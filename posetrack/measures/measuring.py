"""Measures everybody in a clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from posetrack.errors import ConfigError, DataFormatError
from posetrack.measures import motion
from posetrack.measures.angles import (
    JOINT_ANGLES,
    SEGMENTS,
    joint_angle,
    points_of,
    segment_angle,
    segment_length,
)
from posetrack.measures.body import Body, Point
from posetrack.measures.scale import Scale
from posetrack.ranges import require_kinds
from posetrack.refine.clip import Clip
from posetrack.types import BoolArray, Doubles

DEGREES = "deg"


@dataclass(frozen=True, kw_only=True)
class MeasureConfig:
    """What to measure.

    Attributes:
        people: Track ids; all if empty.
        measures: Names of measures, such as ``left_knee_flexion``; all that are seen if empty.
    """

    people: tuple[int, ...] = ()
    measures: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_kinds(self)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Series:
    """One measure of one person in T frames.

    Attributes:
        name: Of the measure.
        unit: ``deg``, ``px``, ``m``, ``px/s`` or ``m/s``.
        values: float64 [T]; NaN where it cannot be measured.
        sds: float64 [T], standard deviations; NaN where unknown.
        scores: float64 [T], the lowest score of its joints; NaN where a joint is missing.
        filled: bool [T]: one of its joints was filled in, not seen.
    """

    name: str
    unit: str
    values: Doubles
    sds: Doubles
    scores: Doubles
    filled: BoolArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Measured:
    """One person's measures and steps.

    Attributes:
        body: The person.
        series: The measures.
        lacks: Name of a measure that was asked for and cannot be taken -> why, in words.
        steps: Steps, by time.
        cadence: Steps per minute; NaN if unknown.
    """

    body: Body
    series: list[Series]
    lacks: Mapping[str, str]
    steps: list[motion.Step]
    cadence: float

    def named(self, name: str) -> Series | None:
        """The series of a measure, if there is one."""
        return next((one for one in self.series if one.name == name), None)

    def sentence(self) -> str:
        """How the person is seen and how they walk, in words."""
        track = self.body.track
        name = f" ({track.name})" if track.name else ""
        frames = f"{len(track)} {'frame' if len(track) == 1 else 'frames'}"
        words = f"person {track.track_id}{name}: {frames}, seen {self.body.view}"
        strikes = sum(step.event == "strike" for step in self.steps)
        if np.isfinite(self.cadence):
            words += f", {strikes} steps, {self.cadence:.0f} per minute"
        return "; ".join((words, *(f"no {name}, because {why}" for name, why in self.lacks.items())))


def measure_clip(path: Path, clip: Clip, scale: Scale, config: MeasureConfig | None = None) -> list[Measured]:
    """Measure the people of a clip.

    Args:
        path: The clip's file, for messages.
        clip: Refined, so that gaps are filled and joints are smooth. (It need not be.)
        scale: From pixels to metres.
        config: What to measure.

    Raises:
        ConfigError: a measure has an unknown name.
        DataFormatError: a person is not in the clip; or a measure that was asked for cannot be taken of one of
            ``config.people``, or of all people.
    """
    config = config or MeasureConfig()
    bodies = bodies_of(path, clip, config.people)
    everybody = [Body(clip, track) for track in clip.tracks]
    others = {f"distance_to_{one.track.track_id}": one for one in everybody}
    _check_names(config.measures, clip, others)
    measured = [_measured(body, scale, config, others) for body in bodies]
    for name in config.measures:
        without = [one for one in measured if one.named(name) is None]
        everybody_lacks_it = len(without) == len(measured)
        if name in others and everybody_lacks_it:
            raise DataFormatError(
                f"{path}: {name} cannot be measured, because none of the people chosen is seen together with that "
                "person; choose others."
            )
        if without and name not in others and (config.people or everybody_lacks_it):
            raise DataFormatError(_unmeasured(path, without[0], name))
    return measured


def bodies_of(path: Path, clip: Clip, people: Sequence[int] = ()) -> list[Body]:
    """The chosen people of a clip, or all.

    Raises:
        DataFormatError: there is nobody, or a person is not in the clip.
    """
    by_id = {track.track_id: track for track in clip.tracks}
    for track_id in people:
        if track_id not in by_id:
            there = ", ".join(map(str, sorted(by_id)[:20])) or "nobody"
            raise DataFormatError(f"{path}: there is no person {track_id}; the file has {there}.")
    if not by_id:
        raise DataFormatError(
            f"{path}: there are no people to measure; check the video, or lower the thresholds of `run`."
        )
    return [Body(clip, by_id[track_id]) for track_id in people or sorted(by_id)]


def names_of(clip: Clip) -> list[str]:
    """Names of the measures that the clip's skeleton allows, without distances."""
    joints = [f"{clip.skeleton.joints[slot]}_speed" for slot in clip.skeleton.in_use]
    segments = [f"{name}_{kind}" for name in SEGMENTS for kind in ("length", "angle")]
    return [*JOINT_ANGLES, *segments, "speed", *joints]


def _check_names(names: Sequence[str], clip: Clip, others: dict[str, Body]) -> None:
    known = [*names_of(clip), *(others if len(others) > 1 else ())]
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, cutoff=0.75)
            raise ConfigError(f"there is no measure {name!r}; choose from {', '.join(near or known)}.")


def _measured(body: Body, scale: Scale, config: MeasureConfig, others: dict[str, Body]) -> Measured:
    series, lacks = [], {}
    for one, points in _all_series(body, scale, others):
        wanted = not config.measures or one.name in config.measures
        if wanted and np.isfinite(one.values).any():
            series.append(one)
        elif one.name in config.measures and one.name not in others:
            lacks[one.name] = _why_not(body, one.name, points)
    found = motion.steps(body)
    return Measured(body=body, series=series, lacks=lacks, steps=found, cadence=motion.cadence(body, found))


def _why_not(body: Body, name: str, points: tuple[Point, ...]) -> str:
    """Why a measure cannot be taken of a person, in words."""
    missing = body.never_seen(points)
    if missing:
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} never seen"
    if name in JOINT_ANGLES and JOINT_ANGLES[name].signed:
        return f"it needs a view from the side, and the person is seen {body.view}"
    return "its joints are never seen together"


def _unmeasured(path: Path, person: Measured, name: str) -> str:
    body = person.body
    frames = body.clip.frames[body.track.frames]
    return (
        f"{path}, frames {frames[0]} to {frames[-1]}: {name} of person {body.track.track_id} cannot be measured, "
        f"because {person.lacks[name]}; choose another measure or person."
    )


def _all_series(body: Body, scale: Scale, others: dict[str, Body]) -> Iterator[tuple[Series, tuple[Point, ...]]]:
    for name, angle in JOINT_ANGLES.items():
        points = points_of(angle)
        yield _series(body, name, DEGREES, points, joint_angle(body, angle)), points
    for name, segment in SEGMENTS.items():
        length, sd = segment_length(body, segment)
        measured = length * scale.factor, sd * scale.factor
        yield _series(body, f"{name}_length", scale.unit, segment, measured), segment
        yield _series(body, f"{name}_angle", DEGREES, segment, segment_angle(body, segment)), segment
    unknown = np.full(len(body.track), np.nan)
    unit = "px" if scale.per_pixel is None and scale.floor is None else "m"
    feet: tuple[Point, ...] = (
        ("left_hip", "right_hip") if scale.floor is None else ("left_ankle", "right_ankle"),
    )
    yield (
        _series(body, "speed", f"{unit}/s", feet, (motion.speed(motion.place(body, scale), body.times), unknown)),
        feet,
    )
    for slot in body.skeleton.in_use:
        joint = body.skeleton.joints[slot]
        pace = motion.speed(body.at(joint) * scale.factor, body.times)
        yield _series(body, f"{joint}_speed", f"{scale.unit}/s", (joint,), (pace, unknown)), (joint,)
    for name, other in others.items():
        if other.track.track_id != body.track.track_id:
            apart, _ = motion.distance(body, other, scale)
            yield _series(body, name, unit, feet, (apart, unknown)), feet


def _series(
    body: Body, name: str, unit: str, points: tuple[Point, ...], measured: tuple[Doubles, Doubles]
) -> Series:
    values, sds = measured
    known = np.isfinite(values)
    return Series(
        name=name,
        unit=unit,
        values=np.where(known, values, np.nan),
        sds=np.where(known, sds, np.nan),
        scores=np.where(known, body.score(points), np.nan),
        filled=known & body.filled(points),
    )
