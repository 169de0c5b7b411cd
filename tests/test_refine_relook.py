"""A second look with the pose network where joints were filled."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext

import numpy as np
import pytest

from posetrack.errors import ConfigError
from posetrack.refine.clip import FILLED, SEEN, Track
from posetrack.refine.relook import VideoLook
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.refine.smoothing import Smoothing
from posetrack.skeletons import COCO, POSETRACK, Skeleton
from posetrack.types import Boxes, Frame, Poses
from tests.refine_clips import clip_of, line, walker

PLAIN = RefineConfig(smoothing=Smoothing(name="none"))
WRIST = POSETRACK.index("left_wrist")
TRUTH = walker(1, line((100, 400), (50, 0), 60))
LOST = TRUTH[np.r_[0:20, 35:60]]


class Network:
    """Sees the truth, shifted."""

    def __init__(self, *, shift: float = 1.0, score: float = 0.8, skeleton: Skeleton = POSETRACK) -> None:
        self.skeleton, self._shift, self._score = skeleton, shift, score
        self.asked: list[tuple[int, np.ndarray]] = []

    def poses(self, place: int, boxes: Boxes) -> Poses:
        self.asked.append((place, boxes.xyxy))
        joints = np.nan_to_num(TRUTH.joints[place] + (0, self._shift))
        scores = np.where(TRUTH.present[place], self._score, 0)
        count = np.ones((len(boxes), 1, 1))
        return Poses(
            boxes.xyxy, boxes.scores, count * joints, count[:, 0] * scores, np.full(len(boxes), -1), self.skeleton
        )

    def __call__(self, wanted: Mapping[int, Boxes]) -> Iterator[tuple[int, Poses]]:
        yield from ((place, self.poses(place, boxes)) for place, boxes in wanted.items())

    def estimate(self, image: np.ndarray, boxes: Boxes) -> Poses:
        return self.poses(int(image[0, 0, 0]), boxes)


def looked(network: Network, *others: Track) -> Track:
    return refine_clip(clip_of(LOST, *others), PLAIN, network).tracks[0]


def test_what_was_filled_becomes_seen_and_is_where_the_network_sees_it() -> None:
    network = Network()
    track = looked(network)
    assert [place for place, _ in network.asked] == list(range(20, 35))
    assert np.allclose(network.asked[5][1], TRUTH.boxes[25], atol=1)
    assert (track.origins[track.present] == SEEN).all()
    assert np.allclose(track.joints[20:35], TRUTH.joints[20:35] + (0, 1), equal_nan=True, atol=1e-4)
    assert np.allclose(track.raw[20:35], track.joints[20:35], equal_nan=True)
    assert track.joint_scores[25, WRIST] == pytest.approx(0.8)
    assert track.identity is not None and track.sds is not None and track.sds[25, WRIST] < 5


@pytest.mark.parametrize("network", [Network(score=0.3), Network(shift=60)])
def test_what_is_unsure_or_far_from_the_path_is_not_taken(network: Network) -> None:
    track = looked(network)
    assert (track.origins[20:35][track.present[20:35]] == FILLED).all()
    assert np.allclose(track.joints, TRUTH.joints, equal_nan=True, atol=1e-3)


def test_what_is_fairly_sure_and_near_is_taken() -> None:
    track = looked(Network(score=0.45, shift=4))
    assert (track.origins[20:35][track.present[20:35]] == SEEN).all()


def test_joints_of_somebody_else_are_not_taken() -> None:
    """Whoever hides the person is seen there all the time: standing, a few pixels away."""
    other = walker(2, line((155, 404), (0, 0), 60))
    track = looked(Network(shift=4), other)
    assert (track.origins[20:35][track.present[20:35]] == FILLED).all()


def test_nothing_is_looked_at_where_nothing_was_filled() -> None:
    network = Network()
    refine_clip(clip_of(TRUTH), PLAIN, network)
    assert not network.asked


def test_a_network_with_other_joints_is_refused() -> None:
    with pytest.raises(ConfigError, match="gives the joints of 'coco', the clip has those of 'posetrack'"):
        looked(Network(skeleton=COCO))


def frames(count: int, rate: float = 25) -> list[Frame]:
    return [Frame(n, n / rate, np.full((2, 2, 3), n, np.uint8)) for n in range(count)]


def test_the_frames_of_the_video_that_are_wanted_are_shown_to_the_network() -> None:
    network, clip = Network(), clip_of(LOST)
    opened = iter(frames(60))
    refined = refine_clip(clip, PLAIN, VideoLook(lambda: nullcontext(opened), network, clip))  # type: ignore[arg-type,return-value]
    assert (refined.tracks[0].origins != FILLED).all() and [place for place, _ in network.asked] == list(
        range(20, 35)
    )
    assert next(opened).index == 35, "nothing is decoded in vain"


@pytest.mark.parametrize(
    ("video", "words"),
    [
        (frames(30), "ends before frame 34, which was tracked"),
        (frames(60, 30), r"frame 20 .* at 0.67 s, but .* 0.80 s"),
    ],
)
def test_another_video_is_refused(video: list[Frame], words: str) -> None:
    clip = clip_of(LOST)
    with pytest.raises(ConfigError, match=words):
        refine_clip(clip, PLAIN, VideoLook(lambda: nullcontext(iter(video)), Network(), clip))  # type: ignore[arg-type,return-value]
