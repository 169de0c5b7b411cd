"""Rendered scenes: pixels and ground truth must agree."""

import json
import os
from dataclasses import replace
from functools import lru_cache
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import ConfigError, OutputError
from posetrack.evaluation import evaluate
from posetrack.skeletons import POSETRACK
from posetrack.synthetic import (
    SCENES,
    Backdrop,
    Camera,
    Column,
    GroundTruthWriter,
    Handheld,
    Outfit,
    Performer,
    Scene,
    Shot,
    Truth,
    cut,
    displacements,
    random_outfit,
    render,
    trace,
    write_training_set,
)
from posetrack.synthetic.__main__ import main
from posetrack.synthetic.anatomy import pose_bodies, posture

SMALL = (320, 180)
TOWARDS, AWAY, RIGHTWARDS = np.pi, 0.0, np.pi / 2

LIMBS = [POSETRACK.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("elbow", "knee")]


def slowed(scene: Scene, fps: float) -> Scene:
    """The same clip at a lower frame rate."""
    shots = tuple(replace(shot, frame_count=round(shot.frame_count * fps / scene.fps)) for shot in scene.shots)
    return replace(scene, shots=shots, fps=fps)


@lru_cache
def traced(name: str, fps: float = 5.0) -> list[Truth]:
    return list(trace(slowed(SCENES[name](0, SMALL), fps)))


def dressed(**changes: object) -> Outfit:
    """A plain red long-sleeved top, plain blue trousers and green shoes."""
    plain = replace(
        random_outfit(np.random.default_rng(0)),
        sleeve=2.0,
        legs=2.0,
        skirt=0.0,
        hair="short",
        backpack=False,
        pattern="plain",
        top=(0.9, 0.1, 0.1),
        bottom=(0.1, 0.15, 0.9),
        shoe=(0.1, 0.8, 0.1),
    )
    return replace(plain, **changes)


def standing(x: float = 0.0, z: float = 6.0, facing: float = TOWARDS, **degrees: tuple[float, ...]) -> Performer:
    return Performer(
        outfit=dressed(), path=((0.0, x, z),), facing=facing, frozen_posture=tuple(posture(**degrees).tolist())
    )


def filmed(*people: Performer, columns: tuple[Column, ...] = (), frame_count: int = 1, **shot: object) -> Scene:
    """A clean scene (no noise, no blur) of people numbered from 0."""
    camera = Camera(width=480, height=320, focal_px=500, altitude_m=1.5, pitch=0.09)
    return Scene(
        name="test",
        shots=(
            Shot(
                camera=camera,
                backdrop=Backdrop(place="hall", seed=1),
                people=tuple(enumerate(people)),
                columns=columns,
                frame_count=frame_count,
                **shot,
            ),
        ),
        noise=0.0,
        softness=0.0,
        contrast=0.0,
    )


def only(scene: Scene) -> tuple[np.ndarray, Truth]:
    frame, truth = next(iter(render(scene)))
    return frame.image.astype(int), truth


def joint(truth: Truth, person: int, name: str) -> np.ndarray:
    return truth.poses.keypoints[person, POSETRACK.index(name)]


def colour_at(image: np.ndarray, xy: np.ndarray) -> np.ndarray:
    x, y = np.round(xy).astype(int)
    return image[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1))


@pytest.mark.parametrize("name", ["occlusion", "camera_shake"])
def test_the_same_seed_gives_the_same_pixels_and_another_seed_different_ones(name: str) -> None:
    first, again, other = (next(iter(render(SCENES[name](seed, SMALL)))) for seed in (4, 4, 5))
    assert first[0].image.shape == (180, 320, 3) and first[0].image.dtype == np.uint8
    assert np.array_equal(first[0].image, again[0].image)
    assert np.array_equal(first[1].everyone.poses.keypoints, again[1].everyone.poses.keypoints)
    assert not np.array_equal(first[0].image, other[0].image)


@pytest.mark.parametrize("name", ["cut", "camera_shake"])
def test_trace_gives_the_truth_of_render(name: str) -> None:
    scene = slowed(SCENES[name](0, SMALL), 5.0)
    for (frame, rendered), expected in zip(islice(render(scene), 4), traced(name), strict=False):
        assert frame.index == rendered.index == expected.index
        assert frame.time_s == pytest.approx(frame.index / 5)
        assert np.array_equal(rendered.poses.keypoints, expected.poses.keypoints)
        assert np.array_equal(rendered.visible, expected.visible)
        assert np.array_equal(rendered.visible_fraction, expected.visible_fraction)


@pytest.mark.parametrize("name", SCENES)
def test_every_frame_has_one_truth_with_unique_people_inside_the_frame(name: str) -> None:
    truths = traced(name)
    assert [truth.index for truth in truths] == list(range(SCENES[name](0, SMALL).frame_count // 5))
    for truth in truths:
        assert len(set(truth.poses.track_ids.tolist())) == len(truth.poses)
        shown = truth.poses.keypoints[truth.poses.present]
        assert ((shown >= -0.5) & (shown <= np.array(SMALL) - 0.5)).all()
        assert not truth.poses.present[:, [POSETRACK.index("left_ear"), POSETRACK.index("right_ear")]].any()


def test_visible_joints_have_the_colours_of_the_clothes() -> None:
    image, truth = only(filmed(standing(-0.8, facing=TOWARDS), standing(0.8, facing=RIGHTWARDS)))
    for person in range(2):
        for name, channel in (("left_elbow", 0), ("left_shoulder", 0), ("left_knee", 2)):
            colour = colour_at(image, joint(truth, person, name))
            side = "right" if person else "left"  # of the person in profile, the left arm is behind the trunk
            colour = colour_at(image, joint(truth, person, name.replace("left", side)))
            assert colour.argmax() == channel and colour[channel] > 1.5 * np.delete(colour, channel).max()


def test_left_is_the_persons_own_left() -> None:
    _, truth = only(filmed(standing(-0.8, facing=TOWARDS), standing(0.8, facing=AWAY)))
    for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert joint(truth, 0, f"left_{name}")[0] > joint(truth, 0, f"right_{name}")[0] + 5, "facing the camera"
        assert joint(truth, 1, f"left_{name}")[0] < joint(truth, 1, f"right_{name}")[0] - 5, "turned away"


def test_a_raised_right_hand_is_on_the_persons_right_in_the_image() -> None:
    image, truth = only(filmed(standing(right_shoulder=(0, 150, 0))))
    right, left = joint(truth, 0, "right_wrist"), joint(truth, 0, "left_wrist")
    assert right[1] < joint(truth, 0, "nose")[1] < left[1]
    assert right[0] < joint(truth, 0, "nose")[0]
    red = image[..., 0] - image[..., 1:].max(axis=-1)
    x, y = np.round((right + joint(truth, 0, "right_elbow")) / 2).astype(int)
    assert (red[y - 1 : y + 2, x - 1 : x + 2] > 40).all(), "the sleeve is where the forearm is"


def test_the_face_is_seen_from_the_front_only() -> None:
    skin = dressed(skin=(0.95, 0.75, 0.62), hair_colour=(0.05, 0.05, 0.05))
    front, back = (
        replace(standing(x, facing=facing), outfit=skin) for x, facing in ((-0.8, TOWARDS), (0.8, AWAY))
    )
    image, truth = only(filmed(front, back))
    assert colour_at(image, joint(truth, 0, "nose")).mean() > 2 * colour_at(image, joint(truth, 1, "nose")).mean()


@pytest.mark.parametrize("facing", [TOWARDS, AWAY, RIGHTWARDS, 4.1])
def test_boxes_fit_the_pixels_and_contain_all_joints(facing: float) -> None:
    person = standing(facing=facing, left_shoulder=(70, 60, 0), right_shoulder=(-60, 60, 0))
    image, truth = only(filmed(person))
    empty, _ = only(filmed())
    x1, y1, x2, y2 = truth.poses.boxes[0]
    body = np.abs(image - empty).max(axis=-1) > 25
    above_shadow = body[: round(float(y1 + 0.7 * (y2 - y1)))]
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(above_shadow.any(axis=0))
    assert rows[0] == pytest.approx(y1, abs=2)
    assert columns[0] == pytest.approx(x1, abs=2) and columns[-1] == pytest.approx(x2, abs=2)
    x, y = truth.poses.keypoints[0].T
    assert (x1 <= x).all() and (x <= x2).all() and (y1 <= y).all() and (y <= y2).all()


def test_head_boxes_lie_between_neck_and_crown() -> None:
    _, truth = only(filmed(standing(-0.8), standing(0.8, chest=(0, 60, 0))))
    for person, (x1, y1, x2, y2) in enumerate(truth.head_boxes):
        nose, crown = joint(truth, person, "nose"), joint(truth, person, "head_top")
        assert x1 <= nose[0] <= x2 and y1 <= nose[1] <= y2
        assert y1 - 3 <= crown[1] <= y2
        assert 0.1 < (y2 - y1) / 100 * 0.7 < 0.4  # people stand about 145 px tall here


def test_a_pillar_hides_joints_and_pixels() -> None:
    pillar = Column(x=0.0, z=4.0, radius=0.5, height=4.0, colour=(0.5, 0.5, 0.5))
    beside, behind = standing(1.4), standing(0.0)
    _, truth = only(filmed(beside, behind, columns=(pillar,)))
    assert truth.everyone.visible[0, LIMBS].all() and truth.everyone.visible_fraction[0] > 0.97
    assert not truth.everyone.visible[1].any() and truth.everyone.visible_fraction[1] < 0.02
    assert truth.poses.track_ids.tolist() == [0]
    _, before = only(filmed(beside, behind, columns=(replace(pillar, z=7.5),)))
    assert before.visible_fraction.min() > 0.97, "a pillar behind people hides nothing"


def test_the_nearer_person_hides_the_farther_one() -> None:
    image, truth = only(filmed(standing(0.0, z=7.0), standing(0.05, z=5.0)))
    assert truth.everyone.visible_fraction[0] < 0.35 < 0.97 < truth.everyone.visible_fraction[1]
    assert not truth.everyone.visible[0, LIMBS].any() and truth.everyone.visible[1, LIMBS].all()
    colour = colour_at(image, truth.everyone.poses.keypoints[1, LIMBS[1]])
    assert colour.argmax() == 2


def test_half_a_person_at_the_border_is_half_visible() -> None:
    edge = 480 / 2 / 500 * 6.0
    _, truth = only(filmed(standing(edge)))
    assert truth.visible_fraction[0] == pytest.approx(0.5, abs=0.08)
    assert truth.poses.present[0].sum() in range(4, 12)
    assert truth.poses.boxes[0, 2] > 480, "the box goes on outside the frame"


def test_a_shot_without_people_has_pixels_and_an_empty_truth() -> None:
    image, truth = only(filmed())
    assert image.std() > 5 and len(truth.poses) == len(truth.everyone) == 0
    assert displacements(truth, truth)[0].shape == (0, len(POSETRACK), 2)


def test_occlusion_scene_hides_a_person_for_several_frames_and_shows_them_again() -> None:
    fractions = np.array([truth.everyone.visible_fraction for truth in traced("occlusion", 25.0)])
    hidden = np.flatnonzero(fractions[:, 0] < 0.1)
    assert 3 <= len(hidden) <= 25 and np.ptp(hidden) == len(hidden) - 1
    assert fractions[0].min() > 0.9 and fractions[-1].min() > 0.9
    assert fractions[:, 2].min() < 0.5, "the third passes behind the second"


def test_leaving_scene_loses_two_of_three_people_for_good() -> None:
    counts = [len(truth.poses) for truth in traced("leaving")]
    assert counts[0] == 3 and counts[-1] == 1
    assert all(later <= earlier for earlier, later in pairwise(counts))


def test_re_entering_scene_brings_the_same_number_back() -> None:
    present = [set(truth.poses.track_ids.tolist()) for truth in traced("re_entering")]
    gone = [frame for frame, people in enumerate(present) if 0 not in people]
    assert present[0] == present[-1] == {0, 1}
    assert len(gone) >= 4 and gone == list(range(gone[0], gone[-1] + 1))
    assert all(1 in people for people in present)


def test_cut_changes_shot_people_and_picture_at_once() -> None:
    scene = cut(0, SMALL)
    scene = replace(scene, shots=tuple(replace(shot, frame_count=2) for shot in scene.shots))
    frames, truths = zip(*render(scene), strict=True)
    assert [truth.shot for truth in truths] == [0, 0, 1, 1]
    before, after = truths[1], truths[2]
    assert not set(before.poses.track_ids.tolist()) & set(after.poses.track_ids.tolist())
    assert not displacements(before, after)[1].any()
    first, jump, second = (np.abs(a.image.astype(int) - b.image).mean() for a, b in pairwise(frames))
    assert jump > 5 * max(first, second)


def test_displacements_follow_a_walker_and_the_camera() -> None:
    truths = traced("camera_shake")[:12]
    for earlier, later in pairwise(truths):
        motion, valid = displacements(earlier, later)
        same = [later.everyone.poses.track_ids.tolist().index(person) for person in earlier.poses.track_ids]
        moved = earlier.poses.keypoints + motion
        assert np.allclose(moved[valid], later.everyone.poses.keypoints[same][valid], atol=1e-3)
        assert np.array_equal(valid, earlier.poses.present)
    standing_still = displacements(truths[0], truths[1])[0][1]
    assert np.abs(standing_still).max() > 0.2, "the camera shakes"


def test_shaking_moves_people_and_place_together() -> None:
    still = filmed(standing())
    hand = Handheld(pan=(-200.0, 0.0))
    moving = replace(still, shots=(replace(still.shots[0], handheld=hand, frame_count=2),))
    (first, one), (second, two) = ((frame.image, truth) for frame, truth in render(moving))
    shift = (two.poses.keypoints - one.poses.keypoints).mean(axis=(0, 1))
    assert shift == pytest.approx([8.0, 0.0], abs=1e-3)
    difference = np.abs(first[:, 50:400].astype(int) - second[:, 58:408])
    assert difference.mean() < 0.2 and (difference > 2).mean() < 0.005


def test_exposures_blur_only_what_moves() -> None:
    runner = Performer(outfit=dressed(), path=((0.0, -0.8, 6.0), (0.5, 1.2, 6.0)))
    sharp = replace(filmed(runner), name="sharp")
    blurred = replace(sharp, exposures=4)
    (clear, truth), (smeared, same) = (only(scene) for scene in (sharp, blurred))
    assert np.array_equal(truth.poses.keypoints, same.poses.keypoints)
    x1, y1, x2, y2 = truth.poses.boxes[0].astype(int)
    difference = np.abs(clear - smeared)
    assert difference[y1:y2, x1:x2].mean() > 2
    assert difference[: y1 - 5].max() == 0


def test_feet_do_not_slide_and_stay_on_the_ground() -> None:
    walker = Performer(outfit=dressed(), path=((0.0, 0.0, 9.0), (10.0, 0.0, 2.0)), vigour=0.75)
    times = np.arange(2.0, 6.0, 0.04)
    bodies = pose_bodies(
        np.full(len(times), walker.outfit.stature_m),
        np.array([walker.posture(t) for t in times]),
        np.array([walker.position(t) for t in times]),
        np.array([walker.heading(t) for t in times]),
    )
    ankles = bodies.limb_joints("ankle")
    speeds = np.linalg.norm(np.diff(ankles[..., [0, 2]], axis=0), axis=-1) / 0.04
    assert np.median(speeds.min(axis=1)) < 0.3 * 0.7, "one foot rests while the body walks at 0.7 m/s"
    assert ankles[..., 1].min(axis=1).max() < 0.2


def test_ground_truth_file_scores_perfectly_against_itself(tmp_path: Path) -> None:
    scene = SCENES["crossing"](0, SMALL)
    path = tmp_path / "crossing.json"
    with GroundTruthWriter(path, scene) as writer:
        for frame, truth in islice(render(scene), 6):
            writer.write(frame, truth)
    document = json.loads(path.read_text())
    assert len(document["images"]) == 6 and len(document["annotations"]) == 24
    person = document["annotations"][0]
    assert len(person["keypoints"]) == 51 and len(person["bbox_head"]) == 4 and person["track_id"] == 0
    assert person["keypoints"][9:15] == [0, 0, 0, 0, 0, 0], "ears are never annotated"
    result = evaluate(path, path)
    assert result.mota == pytest.approx(100) and result.mean_ap == pytest.approx(100)


def test_ground_truth_is_discarded_when_rendering_fails(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    with pytest.raises(RuntimeError), GroundTruthWriter(path, SCENES["crossing"](0, SMALL)):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_training_set_is_coco_keypoints_and_depends_only_on_seed_and_number(tmp_path: Path) -> None:
    pycocotools = pytest.importorskip("pycocotools.coco")
    paths = [
        write_training_set(tmp_path / name, count, (320, 240), seed)
        for name, count, seed in (("a", 3, 0), ("b", 2, 0), ("c", 2, 1))
    ]
    coco = pycocotools.COCO(str(paths[0]))
    assert coco.cats[1]["keypoints"] == list(POSETRACK.joints)
    for image in coco.imgs.values():
        assert (paths[0].parent / "images" / image["file_name"]).stat().st_size > 1000
    for person in coco.anns.values():
        image = coco.imgs[person["image_id"]]
        x, y, width, height = person["bbox"]
        assert x >= 0 and y >= 0 and x + width <= image["width"] + 0.01 and y + height <= image["height"] + 0.01
        points = np.array(person["keypoints"]).reshape(17, 3)
        assert person["num_keypoints"] == (points[:, 2] > 0).sum() and set(points[:, 2]) <= {0, 1, 2}
        shown = points[points[:, 2] > 0]
        assert ((shown[:, :2] + 1.5 >= [x, y]) & (shown[:, :2] - 1.5 <= [x + width, y + height])).all()
    images = [sorted((path.parent / "images").iterdir()) for path in paths]
    assert images[0][0].read_bytes() == images[1][0].read_bytes()
    assert images[0][0].read_bytes() != images[2][0].read_bytes()


def test_training_images_go_into_folders_of_any_name_and_obstacles_are_named(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9 \x1b")
    write_training_set(folder, 1, (320, 240))
    assert (folder / "images" / "r000_000000.jpg").read_bytes()[:2] == b"\xff\xd8"
    (tmp_path / "images" / "r000_000000.jpg").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"^Cannot write .*r000_000000\.jpg: .*folder"):
        write_training_set(tmp_path, 1, (320, 240))


def test_the_command_writes_a_set_and_reports_mistakes_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(tmp_path / "set"), "--images", "1", "--seed", "7"])
    document = json.loads((tmp_path / "set" / "annotations.json").read_text())
    assert [image["file_name"] for image in document["images"]] == ["r007_000000.jpg"]
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "file"), "--images", "1"])
    assert stopped.value.code == 2 and str(tmp_path / "file") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: Backdrop(place="moon", seed=0), "place"),
        (lambda: Camera(width=4, height=4, focal_px=10, altitude_m=1, pitch=0), "frame size"),
        (lambda: dressed(hair="mohawk"), "hair"),
        (lambda: Performer(outfit=dressed(), path=((1.0, 0, 5), (0.5, 1, 5))), "times"),
        (lambda: Performer(outfit=dressed(), path=((0.0, 0, 5),), standing="flying"), "standing"),
        (lambda: replace(filmed(), fps=0), "fps"),
        (lambda: Scene(name="none", shots=()), "shot"),
        (lambda: filmed(frame_count=0), "frame_count"),
        (lambda: replace(filmed().shots[0], people=((1, standing()), (1, standing()))), "number"),
        (lambda: write_training_set(Path("unused"), -1), "images"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(build: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build()
