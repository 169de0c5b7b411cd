"""Frame rates are plausible fractions, and presentation times rise, whatever a source says."""

from fractions import Fraction
from math import inf, nan

import pytest

from posetrack.video.timing import RisingTimes, frame_rate


@pytest.mark.parametrize(
    ("stated", "rate"),
    [
        (29.97002997, Fraction(30000, 1001)),
        (Fraction(25), 25),
        (24000 / 1001, Fraction(24000, 1001)),
        (1000, 1000),
        (0.5, 0.5),
    ],
)
def test_frame_rates_are_fractions_of_small_numbers(stated: float, rate: Fraction) -> None:
    assert frame_rate(stated) == rate


@pytest.mark.parametrize("stated", [0, -25.0, -0.5, 1000.5, 90_000, 1e-4, nan, inf])
def test_implausible_frame_rates_are_none(stated: float) -> None:
    assert frame_rate(stated) is None


def test_times_that_are_missing_or_go_back_follow_one_period_later() -> None:
    times = RisingTimes(Fraction(10))
    found = [times.next(stated) for stated in (-0.5, 0.0, 0.04, 0.04, 0.03, nan, 0.3, 7.0, 0.0)]
    assert found == pytest.approx([-0.5, 0.0, 0.04, 0.14, 0.24, 0.34, 0.44, 7.0, 7.1])
    assert times.last_s == pytest.approx(7.1)


def test_the_period_is_a_25th_of_a_second_without_a_frame_rate() -> None:
    times = RisingTimes(None)
    assert [times.next(0.0) for _ in range(3)] == pytest.approx([0.0, 0.04, 0.08])
