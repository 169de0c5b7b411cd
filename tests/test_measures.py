"""Measures against figures worked out by hand or by other means: known angles, walks and floors."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image as Picture

from posetrack.errors import ConfigError, DataFormatError
from posetrack.figures import png_of
from posetrack.measures.angles import JOINT_ANGLES, joint_angle
from posetrack.measures.body import Body
from posetrack.measures.measuring import MeasureConfig, measure_clip
from posetrack.measures.scale import Scale, floor_homography, read_scale
from posetrack.refine.clip import Clip, Track
from posetrack.refine.files import write_clip
from posetrack.refine.table_clips import write_table_clip
from posetrack.skeletons import HALPE_26, POSETRACK, Skeleton
from tests.in_process import posetrack
from tests.refine_clips import clip_of, line, walker

FPS = 25.0
SOURCE = Path("street.csv")


def track_of(joints: dict[str, np.ndarray], skeleton: Skeleton = POSETRACK, sds: float | None = None) -> Track:
    """A track with some joints, [T, 2] each."""
    count = len(next(iter(joints.values())))
    xy = np.full((count, len(skeleton), 2), np.nan)
    for name, values in joints.items():
        xy[:, skeleton.index(name)] = values
    there = np.isfinite(xy[..., 0])
    return Track(
        track_id=4, frames=np.arange(count), times=np.arange(count) / FPS,
        boxes=np.tile([0.0, 0.0, 100.0, 200.0], (count, 1)), box_scores=np.ones(count), joints=xy,
        joint_scores=np.where(there, 0.9, 0), raw=xy, origins=there.astype(np.uint8),
        sds=None if sds is None else np.where(there, sds, np.nan),
    )  # fmt: skip


def body_of(joints: dict[str, np.ndarray], skeleton: Skeleton = POSETRACK, sds: float | None = None) -> Body:
    track = track_of(joints, skeleton, sds)
    return Body(Clip(name="a", skeleton=skeleton, frames=track.frames, times=track.times, tracks=(track,)), track)


def at(x: float, y: float, count: int = 1) -> np.ndarray:
    return np.tile([float(x), float(y)], (count, 1))


def leg(flexion: float, hip: float = 0.0, facing: int = 1) -> dict[str, np.ndarray]:
    """A left leg seen from the side, thigh forward by ``hip`` degrees, knee bent by ``flexion``."""
    thigh, shank = math.radians(hip), math.radians(hip - flexion)
    knee = np.array([[100 + 100 * facing * math.sin(thigh), 200 + 100 * math.cos(thigh)]])
    ankle = knee + [[90 * facing * math.sin(shank), 90 * math.cos(shank)]]
    return {
        "left_hip": at(100, 200), "right_hip": at(100, 200), "left_knee": knee, "left_ankle": ankle,
        "left_shoulder": at(100, 50), "right_shoulder": at(100, 50), "nose": at(100 + 30 * facing, 20),
    }  # fmt: skip


@pytest.mark.parametrize("facing", [1, -1])
@pytest.mark.parametrize(("knee", "hip"), [(0, 0), (90, 90), (30, -20), (120, 60), (60, 10)])
def test_knee_and_hip_flexion_are_those_of_the_posture(knee: float, hip: float, facing: int) -> None:
    body = body_of(leg(knee, hip, facing))
    assert joint_angle(body, JOINT_ANGLES["left_knee_flexion"])[0] == pytest.approx([knee], abs=1e-9)
    assert joint_angle(body, JOINT_ANGLES["left_hip_flexion"])[0] == pytest.approx([hip], abs=1e-9)


def test_elbow_shoulder_and_ankle_angles_of_a_known_posture() -> None:
    body = body_of(
        {
            **leg(0), "left_elbow": at(150, 50), "left_wrist": at(150, 0),  # arm forward, forearm up
            "left_heel": at(90, 400), "left_big_toe": at(120, 400 - 30 / math.sqrt(3)),  # toes up by 30 degrees
        },
        HALPE_26,
    )  # fmt: skip
    assert joint_angle(body, JOINT_ANGLES["left_elbow_flexion"])[0] == pytest.approx([90])
    assert joint_angle(body, JOINT_ANGLES["left_shoulder_flexion"])[0] == pytest.approx([90])
    assert joint_angle(body, JOINT_ANGLES["left_ankle_dorsiflexion"])[0] == pytest.approx([30])


@settings(max_examples=30, deadline=None)
@given(
    turn=st.floats(-180, 180), shift=st.floats(-500, 500), size=st.floats(0.2, 5), knee=st.floats(5, 170),
)  # fmt: skip
def test_flexion_does_not_depend_on_place_size_or_roll(
    turn: float, shift: float, size: float, knee: float
) -> None:
    angle = math.radians(turn)
    matrix = size * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = {name: xy @ matrix.T + shift for name, xy in leg(knee).items()}
    assert joint_angle(body_of(moved), JOINT_ANGLES["left_knee_flexion"])[0] == pytest.approx([knee], abs=1e-6)


def test_deviations_of_angles_are_those_of_repeated_noise() -> None:
    rng = np.random.default_rng(0)
    clean = {name: np.repeat(xy, 20_000, axis=0) for name, xy in leg(70, 20).items()}
    sd = 1.5
    noisy = {name: xy + rng.normal(0, sd, xy.shape) for name, xy in clean.items()}
    body = body_of(clean, sds=sd)
    for name in ("left_knee_flexion", "left_hip_flexion"):
        measured = joint_angle(body_of({**noisy, "nose": clean["nose"]}), JOINT_ANGLES[name])[0]
        assert joint_angle(body, JOINT_ANGLES[name])[1][0] == pytest.approx(np.std(measured), rel=0.05)


def test_limbs_that_point_at_the_camera_have_angles_of_which_nothing_is_known() -> None:
    posture = leg(30.0) | {"left_ankle": leg(30.0)["left_knee"] + 0.01}
    _, sds = joint_angle(body_of(posture, sds=3.0), JOINT_ANGLES["left_knee_flexion"])
    assert sds == pytest.approx([180 / np.sqrt(3)]), "as if any angle were as likely"


def test_signed_angles_are_empty_from_the_front() -> None:
    front = {**leg(30), "nose": at(100, 20), "left_shoulder": at(130, 50), "right_shoulder": at(70, 50)}
    body = body_of(front)
    assert np.isnan(joint_angle(body, JOINT_ANGLES["left_hip_flexion"])[0]).all()
    assert joint_angle(body, JOINT_ANGLES["left_knee_flexion"])[0] == pytest.approx([30])
    assert "front" in body.view


def measured(clip: Clip, scale: Scale | None = None, *names: str) -> dict[str, np.ndarray]:
    people = measure_clip(SOURCE, clip, scale or Scale(), MeasureConfig(measures=names))
    return {f"{one.body.track.track_id}:{series.name}": series.values for one in people for series in one.series}


def test_speeds_and_lengths_of_a_steady_walk_in_pixels_and_metres() -> None:
    clip = clip_of(walker(1, line((50, 400), (75, 0), 50)))
    pixels, metres = measured(clip), measured(clip, Scale(per_pixel=0.01))
    assert pixels["1:speed"][1:-1] == pytest.approx(75)
    assert metres["1:speed"][1:-1] == pytest.approx(0.75)
    assert metres["1:left_wrist_speed"][1:-1] == pytest.approx(0.75)
    assert pixels["1:left_shank_length"] == pytest.approx(0.24 * 200)
    assert metres["1:left_shank_length"] == pytest.approx(0.24 * 2)
    assert np.isnan(pixels["1:speed"][[0, -1]]).all(), "no speed without a frame on either side"


def test_no_speed_is_measured_across_a_gap() -> None:
    feet = line((50, 400), (75, 0), 20)
    frames = np.concatenate([np.arange(10), np.arange(30, 40)])
    speeds = measured(clip_of(walker(1, feet, frames=frames), frame_count=40))["1:speed"]
    assert np.isnan(speeds[[9, 10]]).all() and np.isfinite(speeds[[8, 11]]).all()


def test_distances_are_those_between_hips_and_empty_where_one_is_missing() -> None:
    feet = line((50, 400), (0, 0), 20)
    other = walker(7, feet[:10] + (30, 40))
    apart = measured(clip_of(walker(1, feet), other), None, "distance_to_7")["1:distance_to_7"]
    assert apart[:10] == pytest.approx(50) and np.isnan(apart[10:]).all()


def walking(steps_per_minute: float, seconds: float = 6.0, direction: int = 1) -> Track:
    """Someone whose ankles swing about the hips like pendulums, walking at the matching pace."""
    times = np.arange(0, seconds, 1 / FPS)
    hips = np.stack([400 + direction * 120 * times, np.full(len(times), 200)], axis=1)
    swing = np.sin(2 * np.pi * (steps_per_minute / 2) / 60 * times)
    joints = {
        "left_hip": hips, "right_hip": hips, "left_shoulder": hips - (0, 100), "right_shoulder": hips - (0, 100),
        "nose": hips + (20 * direction, -130),
        "left_ankle": hips + np.stack([60 * swing, np.full(len(times), 150)], axis=1),
        "right_ankle": hips + np.stack([-60 * swing, np.full(len(times), 150)], axis=1),
    }  # fmt: skip
    return track_of(joints)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("cadence", [80, 115])
def test_cadence_and_strikes_of_a_walk(cadence: float, direction: int) -> None:
    track = walking(cadence, direction=direction)
    clip = Clip(name="a", skeleton=POSETRACK, frames=track.frames, times=track.times, tracks=(track,))
    (person,) = measure_clip(SOURCE, clip, Scale())
    assert person.cadence == pytest.approx(cadence, rel=0.04)
    times = [track.times[step.place] for step in person.steps if step.event == "strike" and step.side == "left"]
    period = 2 * 60 / cadence
    first = period / 4 if direction > 0 else 3 * period / 4
    expected = np.arange(first, track.times[-1] - period / 4, period)  # the last is seen once the foot swings back
    assert len(times) == len(expected) and np.allclose(times, expected, atol=1.01 / FPS)


def test_no_cadence_follows_from_strikes_with_a_gap_between_them() -> None:
    """Two strikes, three seconds in which the person is missing, and one more."""
    track = walking(80)
    track = track[(track.times < 1.5) | ((track.times >= 4.5) & (track.times < 5.4))]
    clip = Clip(name="a", skeleton=POSETRACK, frames=np.arange(150), times=np.arange(150) / FPS, tracks=(track,))
    (person,) = measure_clip(SOURCE, clip, Scale())
    assert [step.event for step in person.steps].count("strike") == 3
    assert math.isnan(person.cadence) and "steps" not in person.sentence()


def test_who_stands_makes_no_steps() -> None:
    (person,) = measure_clip(SOURCE, clip_of(walker(1, line((50, 400), (0, 0), 50))), Scale())
    assert not person.steps and math.isnan(person.cadence)


def test_a_persons_height_gives_the_scale() -> None:
    clip = clip_of(walker(3, line((50, 400), (0, 0), 10)))
    height = 200 * 0.97 / (1 - 0.039)  # the ankles are 0.03 above the feet's point, the crown at 1
    scale = read_scale("3=1.80m", [Body(clip, clip.tracks[0])])
    assert scale.per_pixel == pytest.approx(1.8 / height)


def test_a_floor_gives_metres_wherever_people_stand(tmp_path: Path) -> None:
    camera = np.array([[900.0, 300, 640], [0, 120, 300], [0, 0.35, 1.0]])  # floor in metres -> pixels
    rng = np.random.default_rng(1)
    floor = rng.uniform(-4, 8, (6, 2))
    projected = np.column_stack([floor, np.ones(6)]) @ camera.T
    rows = np.column_stack([projected[:, :2] / projected[:, 2:], floor])
    path = tmp_path / "floor.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["x", "y", "X", "Y"], *rows.tolist()])
    scale = Scale(floor=floor_homography(path))
    assert scale.on_floor(rows[:, :2]) == pytest.approx(floor, abs=1e-6)
    walked = np.column_stack([np.linspace(0, 3, 60), np.full(60, 2.0), np.ones(60)]) @ camera.T
    ankles = walked[:, :2] / walked[:, 2:]
    track = track_of({"left_ankle": ankles, "right_ankle": ankles, "nose": ankles})
    clip = Clip(name="a", skeleton=POSETRACK, frames=track.frames, times=track.times, tracks=(track,))
    assert measured(clip, scale)["4:speed"][1:-1] == pytest.approx(3 / 59 * FPS)


BAD_SCALES = {
    "0.4": None, "2": "2 m per pixel, at which no person can be seen", "9m=3px": "3 m per pixel",
    "1e-9": "1e-09 m per pixel, at which no person fits into the image",
    "1.8m": "known length", "0": "metres per pixel", "1.8m=0px": "known length",
    "9=1.8m": "no person 9",
    "1=18m": "between 0.3 m and 3 m", "1=tallm": "between 0.3 m", "": "metres per pixel",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_SCALES)
def test_a_scale_without_a_length_is_refused(text: str) -> None:
    clip = clip_of(walker(1, line((50, 400), (0, 0), 10)))
    bodies = [Body(clip, clip.tracks[0])]
    if BAD_SCALES[text] is None:
        assert read_scale(text, bodies).per_pixel == 0.4
        return
    with pytest.raises(ConfigError, match=BAD_SCALES[text]):
        read_scale(text, bodies)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x,y,X,Y\n1,2,3,4\n", "needs 4"), ("a,b\n1,2\n", "columns"), ("x,y,X,Y\n1,2,3,q\n", "number"),
        ("x,y,X,Y\n" + "".join(f"{n},{n},{n},{n}\n" for n in range(5)), "on a line"),
    ],
)  # fmt: skip
def test_a_useless_floor_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "floor.csv").write_text(content)
    with pytest.raises(DataFormatError, match=words):
        floor_homography(tmp_path / "floor.csv")


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Three people; only number 2 has ankles that are always seen, number 5 never has a left ankle."""
    limping = walker(5, line((300, 420), (-40, 0), 30))
    gone = np.zeros(limping.origins.shape, dtype=bool)
    gone[:, POSETRACK.index("left_ankle")] = True
    walking, brief = walker(2, line((50, 400), (60, 0), 30)), walker(8, line((500, 400), (0, 0), 9))
    clip = clip_of(walking, limping.without(gone), brief)
    path = tmp_path / "street.csv"
    write_table_clip(path, clip)
    return path


def test_the_command_writes_a_table_that_pandas_reads(street: Path) -> None:
    done = posetrack("measure", street)
    assert done.returncode == 0, done.stderr
    assert "person 2: 30 frames" in done.stdout
    table = pandas.read_csv(street.with_name("street_measures.csv"))
    assert set(table.person) == {2, 5, 8} and table.value.notna().all()
    knees = table[(table.measure == "left_knee_flexion") & (table.person == 2)]
    assert len(knees) == 30 and set(knees.unit) == {"deg"} and knees.value.max() < 10
    assert "left_knee_flexion" not in set(table[table.person == 5].measure), "no ankle, no angle, and no 0 either"


def test_wide_parquet_has_a_column_per_measure_and_empty_cells(street: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "m.parquet"
    done = posetrack("measure", street, "-o", target, "--wide", "--scale", "2=1.8m")
    assert done.returncode == 0, done.stderr
    table = pandas.read_parquet(target)
    assert len(table) == 69
    assert table[table.person == 5].left_knee_flexion_deg.isna().all()
    assert table[table.person == 2].speed_m_per_s.dropna().to_numpy() == pytest.approx(
        60 * 1.8 / (200 * 0.97 / (1 - 0.039)), abs=1e-3
    )


def test_plots_are_whole_pictures_and_pages_without_links(street: Path, tmp_path: Path) -> None:
    target = tmp_path / "out" / "m.csv"
    done = posetrack("measure", street, "-o", target, "--plots", "--person", "2", "--person", "5")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in target.parent.iterdir()}
    assert names == {"m.csv", "m_sheet.png", *(f"m_person{n}{end}" for n in (2, 5) for end in (".png", ".html"))}
    for name in ("m_person2.png", "m_sheet.png"):
        with Picture.open(target.parent / name) as picture:
            picture.load()
            assert min(picture.size) > 300 and picture.convert("L").getextrema()[0] < 60
    page = (target.parent / "m_person5.html").read_text()
    assert "http" not in page and "right knee flexion" in page and "left knee flexion" not in page
    again = posetrack("measure", street, "-o", target, "--plots")
    assert again.returncode == 2 and "--overwrite" in again.stderr


@pytest.mark.parametrize(
    ("clip", "person"),
    [("lauf_$5_v1_$10", r"A $\frac{$ B"), ("跑步 \udce9", "李雷 \u0e01\u0627")],
    ids=["dollars", "letters"],
)
def test_plots_take_any_name(tmp_path: Path, recwarn: pytest.WarningsRecorder, clip: str, person: str) -> None:
    """Two dollar signs are no formula, and characters that no font has no reason for warnings."""
    path = tmp_path / f"{clip}.json"
    somebody = walker(2, line((50, 400), (60, 0), 30)).replace(name=person)
    write_clip(path, replace(clip_of(somebody), name=clip))
    done = posetrack("measure", path, "--plots", "--measure", "left_knee_flexion")
    assert done.returncode == 0, done.stderr
    assert not done.stderr and not [str(one.message) for one in recwarn if issubclass(one.category, UserWarning)]
    for name in ("person2.png", "sheet.png"):
        Picture.open(tmp_path / f"{clip}_measures_{name}").verify()


def test_dollar_signs_are_drawn_as_they_stand() -> None:
    def figure(**settings: bool) -> Figure:
        drawn = Figure(figsize=(2, 1))
        drawn.suptitle("$a_b$", **settings)
        return drawn

    assert png_of(figure, 100) == png_of(lambda: figure(parse_math=False), 100)
    assert png_of(figure, 100) != png_of(lambda: figure(parse_math=True), 100)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--person", "5", "--measure", "left_knee_flexion"], "frames 0 to 29: left_knee_flexion of person 5"),
        (["--person", "5", "--measure", "left_knee_flexion"], "left_ankle is never seen"),
        (["--person", "3"], "no person 3; the file has 2, 5, 8"),
        (["--measure", "tail_flexion"], "no measure 'tail_flexion'"),
        (["--measure", "left_nee_flexion"], "no measure 'left_nee_flexion'; choose from left_knee_flexion, "),
        (["--scale", "1.8m"], "known length"),
        (["-o", "m.xlsx"], ".csv or .parquet"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_sentence(street: Path, arguments: list[str], words: str) -> None:
    done = posetrack("measure", street, *arguments)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert sorted(path.name for path in street.parent.iterdir()) == ["street.csv"]


@pytest.mark.parametrize("command", ["measure", "refine", "review"])
def test_files_without_poses_are_refused_by_their_ending(tmp_path: Path, command: str) -> None:
    path = tmp_path / "street.bvh"
    path.write_text("HIERARCHY\n")
    done = posetrack(command, path)
    assert done.returncode == 2 and "street.bvh: poses are read from .tracks, .json" in done.stderr, done.stderr


def test_who_lacks_a_measure_does_not_keep_it_from_others(street: Path) -> None:
    done = posetrack("measure", street, "--measure", "left_knee_flexion", "--measure", "trunk_length")
    assert done.returncode == 0, done.stderr
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("person 5")]
    assert told.endswith("; no left_knee_flexion, because left_ankle is never seen")
    table = pandas.read_csv(street.with_name("street_measures.csv"))
    assert set(table[table.measure == "left_knee_flexion"].person) == {2, 8}
    assert set(table[table.measure == "trunk_length"].person) == {2, 5, 8}
    refused = posetrack("measure", street, "--measure", "left_ankle_dorsiflexion", "--overwrite")
    assert refused.returncode == 2 and "person 2 cannot be measured" in refused.stderr, "nobody has it"


def test_json_without_times_asks_for_the_frame_rate(street: Path, tmp_path: Path) -> None:
    posetrack("convert", street, tmp_path / "a.json", "--to", "posetrack18")
    content = json.loads((tmp_path / "a.json").read_text())
    for image in content["images"]:
        image.pop("time_s", None)
    (tmp_path / "a.json").write_text(json.dumps(content))
    done = posetrack("measure", tmp_path / "a.json")
    assert done.returncode == 2 and "--fps" in done.stderr
    assert posetrack("measure", tmp_path / "a.json", "--fps", "25").returncode == 0


def test_error_bars_of_a_refined_table_become_those_of_angles(street: Path) -> None:
    shaky = walker(2, line((50, 400), (60, 0), 30))
    shaky = shaky.replace(sds=np.where(shaky.present, 2.0, np.nan))
    write_table_clip(street, clip_of(shaky))
    assert posetrack("measure", street, "--measure", "left_knee_flexion").returncode == 0
    table = pandas.read_csv(street.with_name("street_measures.csv"))
    thigh, shank = 0.23 * 200, 0.24 * 200
    expected = 2 * math.sqrt(1 / thigh**2 + 1 / shank**2 + (1 / thigh + 1 / shank) ** 2)
    assert table.sd.to_numpy() == pytest.approx(math.degrees(expected), rel=0.02)
