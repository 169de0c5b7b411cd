"""One's own pictures: copied as they come, told what is wrong with them in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from threading import Semaphore
from typing import Any, Self

import cv2
import numpy as np
import pytest

from posetrack.own_frames import own_frames
from posetrack.pose_tracker import PoseTracker
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Image, Poses
from tests.stubs import StubDetector, StubPose
from tests.test_side_by_side import FOLLOWING, moving

PICTURES = moving(2, count=14)


def tracker() -> PoseTracker:
    return PoseTracker(FOLLOWING, detector=StubDetector(), pose=StubPose(), threads=1)


@pytest.fixture(scope="module")
def expected() -> list[Poses]:
    found = [poses for _, poses in tracker().track(PICTURES)]
    assert found[0] != found[-1]
    return found


class Ring:
    """A ``FrameSource`` that fills a few arrays in turn, as a camera's driver does."""

    def __init__(self, arrays: int) -> None:
        self.info = SourceInfo(name="ring", width=160, height=120, fps=Fraction(25), frame_count=None, path=None)
        self._buffers = [np.empty_like(PICTURES[0]) for _ in range(arrays)]

    def __iter__(self) -> Iterator[Frame]:
        for index, picture in enumerate(PICTURES):
            buffer = self._buffers[index % len(self._buffers)]
            buffer[:] = picture
            yield Frame(index, index / 25, buffer)
        for buffer in self._buffers:
            buffer[:] = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@pytest.mark.parametrize("arrays", [1, 2, 4, 16])
@pytest.mark.parametrize("kind", ["images", "frames", "source"])
def test_arrays_may_be_filled_again(kind: str, arrays: int, expected: list[Poses]) -> None:
    ring = Ring(arrays)
    source: Any = {"images": (frame.image for frame in ring), "frames": iter(ring), "source": ring}[kind]
    results = list(tracker().track(source))
    assert [poses for _, poses in results] == expected
    assert all((frame.image == PICTURES[n]).all() for n, (frame, _) in enumerate(results))


@pytest.mark.parametrize("kind", ["images", "source"])
def test_in_real_time_too(kind: str) -> None:
    ring = Ring(1)
    source: Any = ring if kind == "source" else (frame.image for frame in ring)
    results = list(tracker().track(source, realtime=True))
    assert all((frame.image == PICTURES[frame.index]).all() for frame, _ in results)


def test_whoever_gets_a_frame_may_draw_on_it(expected: list[Poses]) -> None:
    """Though the next frame, which comes only then, is compared with it."""
    drawn, found = Semaphore(1), []

    def one_by_one() -> Iterator[Image]:
        for picture in PICTURES:
            assert drawn.acquire(timeout=10)
            yield picture

    for frame, poses in tracker().track(one_by_one()):
        frame.image[:] = 255
        found.append(poses)
        drawn.release()
    assert found == expected


def test_frames_keep_their_numbers_and_times() -> None:
    given = [Frame(7 + 3 * n, 1.5 + n, picture) for n, picture in enumerate(PICTURES[:3])]
    results = [frame for frame, _ in tracker().track(given)]
    assert results == given
    assert not any(np.shares_memory(one.image, other.image) for one, other in zip(results, given, strict=True))


def test_pictures_are_numbered_at_25_a_second() -> None:
    frames = list(own_frames(np.zeros((3, 4, 5, 3), np.uint8)))
    assert [(frame.index, frame.time_s, frame.image.shape) for frame in frames] == [
        (0, 0.0, (4, 5, 3)), (1, 0.04, (4, 5, 3)), (2, 0.08, (4, 5, 3)),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [(80, 60), (320, 240), (120, 160)])
def test_a_picture_of_another_size_begins_another_shot(size: tuple[int, int]) -> None:
    pictures = [*PICTURES[:3], *(cv2.resize(picture, size) for picture in PICTURES[3:6])]
    ids = [poses.track_ids.tolist() for _, poses in tracker().track(pictures)]
    assert ids == [[0]] * 3 + [[1]] * 3


@pytest.mark.parametrize(
    ("picture", "error", "words"),
    [
        (None, TypeError, "image 1 is None; give a numpy array, uint8"),
        ([[[1, 2, 3]]], TypeError, r"image 1 is \[\[\[1, 2, 3\]\]\]; give a numpy array"),
        (Frame(0, 0.0, None), TypeError, "image 1 is None; give a numpy array"),  # type: ignore[arg-type]
        (b"picture", TypeError, "image 1 is b'picture'; give a numpy array"),
        (np.zeros((9, 9, 3)), ValueError, r"image 1 is float64 \(9, 9, 3\); give uint8 \[H, W, 3\] RGB"),
        (np.zeros((9, 9), np.uint8), ValueError, r"image 1 is uint8 \(9, 9\); give"),
        (np.zeros((9, 9, 4), np.uint8), ValueError, r"image 1 is uint8 \(9, 9, 4\); give"),
        (np.zeros((0, 9, 3), np.uint8), ValueError, r"image 1 is uint8 \(0, 9, 3\); give .* with pixels"),
        (np.full((9, 9, 3), None), ValueError, r"image 1 is object \(9, 9, 3\); give"),
    ],
)
@pytest.mark.parametrize("realtime", [False, True])
def test_what_is_no_picture_is_refused_by_its_number(
    picture: Any, error: type[Exception], words: str, realtime: bool
) -> None:
    with pytest.raises(error, match=f"^{words}"):
        list(tracker().track([PICTURES[0], picture], realtime=realtime))


def test_a_source_with_a_damaged_frame_is_refused_too() -> None:
    class Grey(Ring):
        def __iter__(self) -> Iterator[Frame]:
            return (replace(frame, image=frame.image[..., 0]) for frame in super().__iter__())

    with pytest.raises(ValueError, match=r"^image 0 is uint8 \(120, 160\); give uint8"):
        list(tracker().track(Grey(1)))


@pytest.mark.parametrize("source", [None, 2.5, b"video.mp4", {"a": 1}, object()])
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(TypeError, match=r"^source is .*; give the name of a video"):
        list(tracker().track(source))


def test_a_single_picture_is_refused() -> None:
    with pytest.raises(TypeError, match="^source is a single image; give several"):
        list(tracker().track(PICTURES[0]))


def test_a_camera_may_be_given_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def opened(text: object) -> Ring:
        asked.append(text)
        return Ring(1)

    monkeypatch.setattr("posetrack.pose_tracker.open_source", opened)
    assert len(list(tracker().track(0))) == len(PICTURES)
    assert asked == ["0"]


@pytest.mark.parametrize("realtime", [None, "yes", 1])
def test_what_is_no_report_is_refused(realtime: Any) -> None:
    with pytest.raises(TypeError, match="^realtime is .*; give True, False or a RealtimeReport"):
        list(tracker().track([], realtime=realtime))
