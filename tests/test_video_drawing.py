"""People are drawn in the right place, with distinct sides and identities, and within the picture."""

import colorsys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.errors import ConfigError, OutputError
from posetrack.scene import Scene
from posetrack.skeletons import COCO, LSP, POSETRACK, Skeleton
from posetrack.stages import SourceInfo
from posetrack.types import UNLINKED, Frame, Origin, Poses
from posetrack.video import Annotator, AnnotatorConfig, LiveWindow
from posetrack.video.draw import line_thickness
from posetrack.video.faces import heads
from posetrack.video.labels import draw_labels, label_height
from posetrack.video.palette import CENTRE, LEFT, RIGHT, SIDES, person_colour, readable_on

FIGURE = {
    "nose": (0.5, 0.07), "head_bottom": (0.5, 0.16), "head_top": (0.5, 0.0),
    "left_eye": (0.53, 0.05), "right_eye": (0.47, 0.05), "left_ear": (0.56, 0.06), "right_ear": (0.44, 0.06),
    "left_shoulder": (0.7, 0.2), "right_shoulder": (0.3, 0.2), "left_elbow": (0.8, 0.36),
    "right_elbow": (0.2, 0.36), "left_wrist": (0.85, 0.5), "right_wrist": (0.15, 0.5), "left_hip": (0.62, 0.5),
    "right_hip": (0.38, 0.5), "left_knee": (0.64, 0.74), "right_knee": (0.36, 0.74), "left_ankle": (0.66, 0.98),
    "right_ankle": (0.34, 0.98),
}  # fmt: skip
"""Joints of a standing person facing the camera, relative to the box."""

PLAIN = AnnotatorConfig(labels=False)


def standing(boxes: list[tuple[float, float, float, float]], skeleton: Skeleton = POSETRACK) -> Poses:
    """People who fill their boxes, with ids from 0."""
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    figure = np.array([FIGURE[joint] for joint in skeleton.joints])
    scores = np.full((len(corners), len(skeleton)), 0.9)
    scores[:, [slot for slot in range(len(skeleton)) if slot not in skeleton.in_use]] = 0
    size = corners[:, None, 2:] - corners[:, None, :2]
    return Poses(
        boxes=corners,
        scores=np.ones(len(corners)),
        keypoints=corners[:, None, :2] + figure * size,
        keypoint_scores=scores,
        track_ids=np.arange(len(corners)),
        skeleton=skeleton,
    )


def without(poses: Poses, *joints: str) -> Poses:
    scores = poses.keypoint_scores.copy()
    scores[:, [poses.skeleton.index(joint) for joint in joints]] = 0
    return poses.replace(keypoint_scores=scores)


def picture(width: int = 320, height: int = 240, time_s: float = 0.0) -> Frame:
    return Frame(0, time_s, np.full((height, width, 3), 128, np.uint8))


def textured(width: int = 320, height: int = 240) -> Frame:
    return Frame(0, 0.0, np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8))


def changed(before: Frame, after: np.ndarray) -> np.ndarray:
    """bool [H, W]."""
    return (before.image != after).any(axis=-1)


@pytest.mark.parametrize("skeleton", [POSETRACK, COCO, LSP], ids=lambda skeleton: skeleton.name)
def test_a_frame_without_people_is_unchanged(skeleton: Skeleton) -> None:
    frame = textured()
    everything = AnnotatorConfig(boxes=True, trails=True, blur_faces=True)
    assert np.array_equal(Annotator(everything).draw(frame, Poses.empty(skeleton)), frame.image)


def test_the_frame_itself_is_not_drawn_on() -> None:
    frame = textured()
    before = frame.image.copy()
    drawn = Annotator(AnnotatorConfig(blur_faces=True)).draw(frame, standing([(100, 40, 180, 220)]))
    assert np.array_equal(frame.image, before)
    assert changed(frame, drawn).any()


@pytest.mark.parametrize("skeleton", [POSETRACK, COCO, LSP], ids=lambda skeleton: skeleton.name)
def test_limbs_have_the_colour_of_their_side(skeleton: Skeleton) -> None:
    poses = standing([(100, 20, 200, 220)], skeleton)
    drawn = Annotator(PLAIN).draw(picture(), poses)
    for side, colour in (("left", LEFT), ("right", RIGHT)):
        ends = [poses.keypoints[0, skeleton.index(f"{side}_{joint}")] for joint in ("knee", "ankle")]
        x, y = np.mean(ends, axis=0).round().astype(int)
        assert tuple(drawn[y, x]) == colour


def test_joints_are_drawn_to_a_fraction_of_a_pixel() -> None:
    """Centre of gravity of one joint's dot, with its centre off the pixel grid."""
    poses = standing([(0, 0, 320, 240)])
    scores = np.zeros_like(poses.keypoint_scores)
    keypoints = poses.keypoints.copy()
    scores[0, 0], keypoints[0, 0] = 1, (100.75, 60.25)
    drawn = Annotator(PLAIN).draw(picture(), poses.replace(keypoints=keypoints, keypoint_scores=scores))
    weight = np.abs(drawn.astype(int) - 128).sum(axis=-1)
    rows, columns = np.indices(weight.shape)
    assert (columns * weight).sum() / weight.sum() == pytest.approx(100.75, abs=0.15)
    assert (rows * weight).sum() / weight.sum() == pytest.approx(60.25, abs=0.15)


def test_joints_below_the_threshold_and_their_limbs_are_not_drawn() -> None:
    frame, poses = picture(), standing([(100, 20, 200, 220)])
    scores = poses.keypoint_scores.copy()
    scores[0, poses.skeleton.index("left_ankle")] = 0.29
    poses = poses.replace(keypoint_scores=scores)
    x, y = poses.keypoints[0, poses.skeleton.index("left_ankle")].round().astype(int)
    shown, hidden = (
        Annotator(replace(PLAIN, min_joint_score=threshold)).draw(frame, poses)[y - 4 : y + 4, x - 4 : x + 4]
        for threshold in (0.28, 0.3)
    )
    assert (shown != 128).any() and (hidden == 128).all()


def test_missing_joints_at_the_origin_are_not_drawn() -> None:
    poses = without(standing([(100, 20, 200, 220)]), "left_wrist", "nose")
    keypoints = poses.keypoints.copy()
    keypoints[0, [0, poses.skeleton.index("left_wrist")]] = 0
    drawn = Annotator(PLAIN).draw(picture(), poses.replace(keypoints=keypoints))
    assert (drawn[:15, :90] == 128).all()


def test_lines_grow_with_the_person_and_stay_thin_in_small_frames() -> None:
    boxes = np.array([[0, 0, 20, 50], [0, 0, 100, 270], [0, 0, 400, 1000]], np.float32)
    assert line_thickness(boxes, frame_height=2160).tolist() == [1, 3, 11]
    assert line_thickness(boxes, frame_height=240).tolist() == [1, 2, 2]
    assert line_thickness(boxes[:0], frame_height=240).tolist() == []


def test_colours_of_people_are_stable_and_apart() -> None:
    colours = np.array([person_colour(track_id) for track_id in range(24)], float)
    distance = np.linalg.norm(colours[:, None] - colours[None], axis=-1) + 1000 * np.eye(24)
    assert distance.min() > 50
    assert person_colour(7) == person_colour(7)
    assert colorsys.rgb_to_hsv(*person_colour(UNLINKED))[1] == 0


def test_sides_differ_for_colour_blind_people_too() -> None:
    """Simulated protanopia, deuteranopia and tritanopia (Machado et al. 2009, severity 1)."""
    matrices = [
        np.eye(3),
        np.array(
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
        ),
        np.array(
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
        ),
        np.array(
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
        ),
    ]
    linear = (np.array(SIDES) / 255) ** 2.2
    for matrix in matrices:
        seen = np.clip(linear @ matrix.T, 0, 1) ** (1 / 2.2) * 255
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert np.linalg.norm(seen[a] - seen[b]) > 80


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_text_contrasts_with_its_background(colour: tuple[int, int, int]) -> None:
    luma = np.array([0.299, 0.587, 0.114])
    assert abs(luma @ readable_on(colour) - luma @ colour) > 100


@pytest.mark.parametrize(
    "box", [(-50, -80, 30, 100), (300, 200, 400, 300), (100, -300, 200, -100), (0, 0, 320, 240)]
)
def test_labels_stay_within_the_picture(box: tuple[float, float, float, float]) -> None:
    config = AnnotatorConfig(skeletons=False)
    poses = standing([box]).replace(track_ids=np.array([108]))
    frame = picture()
    rows, columns = np.nonzero(changed(frame, Annotator(config).draw(frame, poses)))
    height, width = rows.max() - rows.min() + 1, columns.max() - columns.min() + 1
    inside = Annotator(config).draw(frame, standing([(150, 100, 170, 200)]).replace(track_ids=np.array([108])))
    expected_rows, expected_columns = np.nonzero(changed(frame, inside))
    assert (height, width) == (np.ptp(expected_rows) + 1, np.ptp(expected_columns) + 1)


def test_people_without_id_have_no_label() -> None:
    frame, poses = picture(), standing([(100, 20, 200, 220)]).replace(track_ids=np.array([UNLINKED]))
    assert np.array_equal(Annotator(AnnotatorConfig(skeletons=False)).draw(frame, poses), frame.image)


def test_boxes_are_drawn_on_request() -> None:
    config = AnnotatorConfig(skeletons=False, labels=False, boxes=True)
    drawn = Annotator(config).draw(picture(), standing([(100, 50, 200, 220)]))
    for y, x in ((50, 150), (220, 150), (130, 100), (130, 200)):
        assert tuple(drawn[y, x]) == person_colour(0)
    assert (drawn[60:210, 110:190] == 128).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1e9, 1e9) | st.sampled_from([float("nan"), float("inf")]), min_size=4, max_size=4),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_any_pose_in_any_picture_can_be_drawn(values: list[float], size: tuple[int, int]) -> None:
    poses = standing([(5, 5, 15, 25), (0, 0, 3, 3)])
    keypoints, boxes = poses.keypoints.copy(), poses.boxes.copy()
    keypoints[0, :2] = np.reshape(values, (2, 2))
    if np.isfinite(values).all():
        boxes[1] = np.sort(np.reshape(values, (2, 2)), axis=0).reshape(-1)
    poses = poses.replace(keypoints=keypoints, boxes=boxes)
    frame = picture(*size)
    drawn = Annotator(AnnotatorConfig(boxes=True, trails=True, blur_faces=True)).draw(frame, poses)
    assert drawn.shape == frame.image.shape and drawn.dtype == np.uint8


def walk(annotator: Annotator, times: list[float]) -> np.ndarray:
    """The last picture of a person walking to the right at 40 pixels per second."""
    for time_s in times:
        drawn = annotator.draw(picture(time_s=time_s), standing([(20 + 40 * time_s, 40, 60 + 40 * time_s, 200)]))
    return drawn


def trail(annotator: Annotator, times: list[float]) -> tuple[int, int]:
    """First and last column of the trail at the height of the hips."""
    columns = np.nonzero((walk(annotator, times)[118:123] != 128).any(axis=(0, 2)))[0]
    return int(columns[0]), int(columns[-1])


TRAILS = AnnotatorConfig(skeletons=False, labels=False, trails=True, trail_s=1.0)


def test_trail_is_as_long_as_set() -> None:
    first, last = trail(Annotator(TRAILS), [k / 10 for k in range(41)])
    assert last == pytest.approx(40 + 160, abs=2) and first == pytest.approx(40 + 120, abs=2)


def test_trail_restarts_after_a_reset_and_in_another_video() -> None:
    annotator = Annotator(TRAILS)
    walk(annotator, [k / 10 for k in range(21)])
    annotator.reset()
    assert trail(annotator, [2.1, 2.2])[0] == pytest.approx(40 + 84, abs=2)
    assert trail(annotator, [0.0, 0.1])[1] == pytest.approx(40 + 4, abs=2)


def test_trails_do_not_cross_a_cut() -> None:
    annotator = Annotator(TRAILS)
    annotator.draw(picture(time_s=0), standing([(20, 40, 60, 200)]))
    drawn = annotator.draw(
        replace(picture(time_s=0.04), scene=Scene.of_new_shot()), standing([(220, 40, 260, 200)])
    )
    assert (drawn[:, 80:200] == 128).all()


def test_trails_do_not_mix_people() -> None:
    annotator = Annotator(TRAILS)
    for time_s in (0.0, 0.1):
        poses = standing([(20, 40, 60, 200), (220, 40, 260, 200)])
        order = [0, 1] if time_s == 0 else [1, 0]
        drawn = annotator.draw(picture(time_s=time_s), poses[order])
    assert (drawn[:, 80:200] == 128).all()


def test_trail_does_not_jump_when_the_hips_are_hidden() -> None:
    annotator, poses = Annotator(TRAILS), standing([(20, 40, 60, 200)])
    for number in range(8):
        seen = poses if number % 2 else without(poses, "left_hip", "right_hip")
        drawn = annotator.draw(picture(time_s=number / 10), seen)
    assert (drawn[80:115] == 128).all()  # between shoulders and hips


def detail(image: np.ndarray, x: float, y: float, radius: float) -> float:
    """Difference between neighbouring pixels within a circle."""
    rows, columns = np.indices(image.shape[:2])
    inside = (columns - x) ** 2 + (rows - y) ** 2 < (0.9 * radius) ** 2
    return float(np.abs(np.diff(image.astype(float), axis=1))[inside[:, 1:]].mean())


@pytest.mark.parametrize("skeleton", [POSETRACK, COCO, LSP], ids=lambda skeleton: skeleton.name)
@pytest.mark.parametrize("seen", ["all", "nose", "head_top", "none"])
def test_faces_cannot_be_recognised(skeleton: Skeleton, seen: str) -> None:
    frame, poses = textured(), standing([(100, 20, 170, 220)], skeleton)
    head = [joint for joint in FIGURE if joint in skeleton.joints and FIGURE[joint][1] < 0.19 and joint != seen]
    if seen != "all":
        poses = without(poses, *head)
    config = AnnotatorConfig(skeletons=False, labels=False, blur_faces=True)
    drawn = Annotator(config).draw(frame, poses)
    nose, size = (135, 20 + 0.07 * 200), 0.07 * 200  # a face, from crown to chin
    assert detail(frame.image, *nose, size) > 50
    assert detail(drawn, *nose, size) < 8
    blurred = changed(frame, drawn)
    assert not blurred[110:].any() and not blurred[:, :70].any() and not blurred[:, 200:].any()


def test_head_turned_sideways_is_covered_whatever_the_box() -> None:
    """A person lying down: the head is at its joints, not at the top of the box."""
    poses = standing([(20, 100, 220, 180)])
    keypoints = poses.keypoints.copy()
    keypoints[0, :, 0], keypoints[0, :, 1] = 20 + 200 * (poses.keypoints[0, :, 1] - 100) / 80, 140
    x, y, radius = heads(poses.replace(keypoints=keypoints))[0]
    assert 20 <= x <= 60 and y == pytest.approx(140)
    assert radius >= 16


def test_face_in_a_close_up_is_covered_by_the_shoulder_width() -> None:
    """Only eyes and shoulders are visible, as wide as the picture; the face is over a third as high."""
    poses = standing([(10, 40, 210, 240)], COCO)
    hidden = [joint for joint in COCO.joints if "eye" not in joint and "shoulder" not in joint]
    keypoints = poses.keypoints.copy()
    seen = [COCO.index(joint) for joint in ("left_eye", "right_eye", "left_shoulder", "right_shoulder")]
    keypoints[0, seen] = (125, 90), (95, 90), (190, 170), (30, 170)
    x, y, radius = heads(without(poses.replace(keypoints=keypoints), *hidden))[0]
    assert (x, y) == (110, 90) and 60 <= radius <= 100


def test_faces_at_the_border_are_covered() -> None:
    frame = textured()
    config = AnnotatorConfig(skeletons=False, labels=False, blur_faces=True)
    drawn = Annotator(config).draw(frame, standing([(-30, -10, 40, 190), (290, 30, 350, 200), (500, 0, 560, 200)]))
    assert changed(frame, drawn)[:20, :20].mean() > 0.9
    assert changed(frame, drawn)[35:45, 312:].mean() > 0.9


def test_blurred_faces_hold_no_more_than_a_few_averages() -> None:
    """Two textures with the same coarse averages become the same picture: no finer detail is left."""
    coarse = np.kron(np.arange(36, dtype=np.uint8).reshape(6, 6) * 6 + 20, np.ones((60, 60), np.uint8))
    checks = (np.indices(coarse.shape).sum(axis=0) % 2 * 16 - 8).astype(np.int16)
    images = [np.clip(coarse.astype(np.int16) + sign * checks, 0, 255).astype(np.uint8) for sign in (1, -1)]
    poses = standing([(100, 100, 260, 500)])
    x, y, radius = heads(poses)[0].round().astype(int)
    config = AnnotatorConfig(skeletons=False, labels=False, blur_faces=True)
    first, second = (
        Annotator(config).draw(Frame(0, 0.0, cv2.merge([image] * 3)), poses)[
            y - radius // 2 : y + radius // 2, x - radius // 2 : x + radius // 2
        ]
        for image in images
    )
    assert np.abs(first.astype(int) - second).max() <= 1


@pytest.mark.parametrize("setting", [{"min_joint_score": 1.1}, {"min_joint_score": -0.1}, {"trail_s": 0.0}])
def test_drawing_out_of_range_is_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        AnnotatorConfig(**setting)


def test_window_without_a_display_is_refused_before_work_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    info = SourceInfo(name="a", width=64, height=48, fps=None, frame_count=None, path=None)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(OutputError, match="no display"):
        LiveWindow(info, Annotator())
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(OutputError, match="No window can be opened"):
        LiveWindow(info, Annotator())


def test_joints_fade_with_their_score() -> None:
    poses = standing([(60, 20, 160, 220)])
    colours = []
    for score in (0.95, 0.6, 0.2):
        drawn = Annotator(PLAIN).draw(
            picture(), poses.replace(keypoint_scores=poses.keypoint_scores * score / 0.9)
        )
        x, y = poses.keypoints[0, POSETRACK.index("left_wrist")].round().astype(int)
        colours.append(drawn[y, x].astype(int))
    assert np.array_equal(colours[0], person_colour(0))
    darkness = [int(np.abs(colour - colours[0]).sum()) for colour in colours]
    assert darkness[0] < darkness[1] < darkness[2]


def test_filled_joints_are_hollow() -> None:
    poses = standing([(60, 20, 260, 230)])
    origin = np.full(poses.keypoint_scores.shape, Origin.ESTIMATED, np.uint8)
    origin[0, POSETRACK.index("left_wrist")] = Origin.FILLED
    drawn = Annotator(PLAIN).draw(picture(), poses.replace(origin=origin))
    for joint, colour in (("left_wrist", CENTRE), ("right_wrist", person_colour(0))):
        x, y = poses.keypoints[0, POSETRACK.index(joint)].round().astype(int)
        assert tuple(drawn[y, x]) == colour


def test_labels_cover_neither_each_other_nor_heads_and_lead_to_their_people() -> None:
    boxes = [(100, 60, 140, 200), (112, 62, 152, 200), (106, 90, 146, 230)]
    poses = standing(boxes).replace(track_ids=np.array([101, 102, 103]))
    image = picture().image.copy()
    draw_labels(image, poses)
    labels = [(image == np.array(person_colour(track))).all(axis=-1) for track in (101, 102, 103)]
    heads = [(x1, y1, x2, y1 + 0.2 * (y2 - y1)) for x1, y1, x2, y2 in boxes]
    for person, label in enumerate(labels):
        thick = cv2.erode(label.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0  # the label without its line
        assert thick.any()
        rows, columns = np.nonzero(thick)
        for other, (x1, y1, x2, y2) in enumerate(heads):
            if other != person:
                assert not ((columns > x1) & (columns < x2) & (rows > y1) & (rows < y2)).any()


def test_labels_grow_with_the_person() -> None:
    small, large = (label_height(np.array([0, 0, size / 3, size], np.float32), 1080) for size in (60, 260))
    assert small < large
    assert label_height(np.array([0, 0, 900, 1800], np.float32), 1080) == round(1080 / 25)


def test_only_the_named_people_are_drawn_but_all_faces_are_blurred() -> None:
    frame, poses = textured(), standing([(20, 40, 100, 220), (200, 40, 280, 220)])
    config = AnnotatorConfig(only=(1,), labels=False)
    drawn = changed(frame, Annotator(config).draw(frame, poses))
    assert drawn[:, 180:].any() and not drawn[:, :140].any()
    blurred = changed(frame, Annotator(replace(config, blur_faces=True)).draw(frame, poses))
    assert blurred[40:60, 50:70].any()


def test_skeleton_only_is_black_where_nobody_is() -> None:
    drawn = Annotator(AnnotatorConfig(skeleton_only=True)).draw(textured(), standing([(20, 40, 100, 220)]))
    assert (drawn[:, 160:] == 0).all() and drawn[:, :120].any()


def test_the_person_stays_in_the_middle_of_a_crop() -> None:
    annotator = Annotator(AnnotatorConfig(crop_person=0, only=(0,), labels=False))
    assert annotator.size(320, 240) == (240, 240)
    for step in range(60):
        left = 20 + 3 * step
        drawn = annotator.draw(
            picture(time_s=step / 25), standing([(left, 60, left + 60, 180), (250, 0, 300, 90)])
        )
    assert drawn.shape == (240, 240, 3)
    skeleton = (drawn != 128).any(axis=-1) & (drawn != 0).any(axis=-1)
    rows, columns = np.nonzero(skeleton)
    assert abs((rows.min() + rows.max()) / 2 - 120) < 20
    assert abs((columns.min() + columns.max()) / 2 - 120) < 20


def test_a_crop_keeps_up_in_a_pan_and_settles_where_the_person_stops() -> None:
    """At 500 px a second for a second; then the person stands for a second."""
    annotator = Annotator(AnnotatorConfig(crop_person=0, labels=False))
    places = [100 + 20 * min(step, 25) for step in range(51)]
    off = {}
    for step, left in enumerate(places):
        frame = Frame(step, step / 25, np.full((240, 900, 3), 128, np.uint8))
        drawn = annotator.draw(frame, standing([(left, 60, left + 60, 180)]))
        columns = np.flatnonzero((drawn != 128).any(axis=(0, 2)))
        off[step] = (columns.min() + columns.max()) / 2 - 120
    assert abs(off[25]) < 20 and abs(off[50]) < 5


def test_a_crop_jumps_to_its_person_after_a_cut() -> None:
    annotator = Annotator(AnnotatorConfig(crop_person=0, labels=False))
    annotator.draw(picture(time_s=0), standing([(20, 60, 80, 180)]))
    after = replace(picture(time_s=0.04), scene=Scene.of_new_shot())
    drawn = annotator.draw(after, standing([(220, 60, 280, 180)]))
    alone = Annotator(AnnotatorConfig(crop_person=0, labels=False))
    there = alone.draw(picture(time_s=0.04), standing([(220, 60, 280, 180)]))
    np.testing.assert_array_equal(drawn, there)


def test_a_crop_without_its_person_is_black_and_later_stays() -> None:
    annotator = Annotator(AnnotatorConfig(crop_person=7, labels=False))
    somebody = standing([(20, 40, 100, 220)])
    assert (annotator.draw(picture(), somebody) == 0).all()
    shown = annotator.draw(picture(time_s=1), somebody.replace(track_ids=np.array([7])))
    later = annotator.draw(picture(time_s=2), Poses.empty(POSETRACK))
    assert (shown == 128).any() and (later == 128).any()


def test_trails_stay_on_the_background_when_the_camera_moves() -> None:
    """The camera follows somebody who walks 4 px a frame: they stay in one place, with their trail behind."""
    wall = cv2.GaussianBlur(np.random.default_rng(3).integers(0, 255, (240, 900, 3), np.uint8), (0, 0), 2)
    wall = cv2.convertScaleAbs(wall, alpha=4, beta=-380)
    annotator = Annotator(replace(TRAILS, trail_s=1.0))
    poses = standing([(140, 60, 180, 200)])
    for step in range(26):
        seen = np.ascontiguousarray(wall[:, 4 * step : 4 * step + 320])
        drawn = annotator.draw(Frame(step, step / 25, seen), poses)
    columns = np.flatnonzero((drawn != seen).any(axis=(0, 2)))
    hips = 160
    assert columns.max() <= hips + 3
    assert columns.min() == pytest.approx(hips - 4 * 25, abs=8), "a second ago, the person was 100 px to the left"
