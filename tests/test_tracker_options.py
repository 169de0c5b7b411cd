"""Lengths of time on the command line, and what presets ask of the detector."""

from __future__ import annotations

from fractions import Fraction

import pytest

from posetrack.changes import Changes, customised
from posetrack.cli.options import TrackOptions
from posetrack.errors import ConfigError
from posetrack.presets import get_preset
from posetrack.realtime import one_by_one
from posetrack.tracker import ConfirmationConfig


@pytest.mark.parametrize(
    ("given", "seconds", "frames"),
    [
        ({}, 2.4, None),
        ({"max_gap": "1.5s"}, 1.5, None),
        ({"max_gap": "60f"}, 2.4, 60),
        ({"max_gap_frames": 60}, 2.4, 60),
        ({"max_gap": "0s"}, 0.0, None),
    ],
)
def test_the_longest_gap_is_given_in_seconds_or_frames(given: dict, seconds: float, frames: int | None) -> None:
    linker = TrackOptions(**given).customised_preset().linker
    assert (linker.max_gap_s, linker.max_gap_frames) == (seconds, frames)


def test_the_queue_is_given_in_seconds_or_frames() -> None:
    for given, expected in (({"queue": "1s"}, (1.0, None)), ({"queue": "5f"}, (0.4, 5)), ({}, (0.4, None))):
        linker = TrackOptions(**given).customised_preset().linker
        assert (linker.queue_s, linker.queue_frames) == expected


@pytest.mark.parametrize(
    ("text", "frames", "seconds"), [("5", 5, None), ("5f", 5, None), ("0.2s", "auto", 0.2), ("auto", "auto", None)]
)
def test_how_often_people_are_looked_at_is_given_in_frames_or_seconds(
    text: str, frames: int | str, seconds: float | None
) -> None:
    preset = TrackOptions(detect_every=text, pose_every=text).customised_preset()
    assert (preset.detect_every, preset.detect_every_s) == (frames, seconds)
    assert (preset.pose_every, preset.pose_every_s) == (frames, seconds)


@pytest.mark.parametrize("text", ["", "s", "0.2", "-1s", "nans", "infs", "0s", "0f", "5 f", "1m"])
def test_other_intervals_are_refused_in_one_sentence(text: str) -> None:
    for option in ("detect_every", "pose_every"):
        with pytest.raises(ConfigError, match=option.replace("_", ".")):
            TrackOptions(**{option: text}).customised_preset()


@pytest.mark.parametrize("text", ["60", "s", "", "2.5f", "1m", "nans", "-1s", "infs", "2 f s"])
def test_other_lengths_are_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match="max.gap"):
        TrackOptions(max_gap=text).customised_preset()


def test_one_length_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="--max-gap and --max-gap-frames"):
        TrackOptions(max_gap="60f", max_gap_frames=60).customised_preset()


def test_faint_detections_are_asked_for_only_where_carried_people_must_be_borne_out() -> None:
    lite = get_preset("lite")
    assert lite.lowest_detector_config.score_threshold == 0.1
    assert lite.pipeline_config(Fraction(25)).faint_below == lite.detector_config.score_threshold == 0.5
    for kind in ("paper", "off"):
        preset = customised(lite, Changes(propagation=kind))
        assert preset.lowest_detector_config.score_threshold == 0.5
        assert preset.pipeline_config(None).faint_below == 0 and not preset.pipeline.merge.detections_first
    low = customised(lite, Changes(score_threshold=0.05))
    assert low.lowest_detector_config.score_threshold == 0.05


def test_who_is_reported_is_given_on_the_command_line() -> None:
    made = TrackOptions(min_track_seconds=1.5, min_person_score=0.6).customised_preset().pipeline
    assert made.confirmation == ConfirmationConfig(min_track_seconds=1.5, min_person_score=0.6)
    assert made.report_delay_s == 0.2 and one_by_one(made).report_delay_s == 0
    with pytest.raises(ConfigError, match="min_person_score"):
        TrackOptions(min_person_score=1.5).customised_preset()


def test_the_paper_reports_everybody_at_once_unless_asked_otherwise() -> None:
    paper = TrackOptions(propagation="paper").customised_preset().pipeline
    assert paper.confirmation is None and paper.report_delay_s == 0
    asked = TrackOptions(propagation="paper", min_track_seconds=1.0).customised_preset().pipeline
    assert asked.confirmation == ConfirmationConfig(min_track_seconds=1.0)
