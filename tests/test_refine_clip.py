"""Clips are read from what ``run`` writes, and written so that they can be read again."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import orjson
import pyarrow.parquet
import pytest

from posetrack.errors import ConfigError, DataFormatError
from posetrack.formats import CsvSink, ParquetSink, PoseTrack18Sink
from posetrack.formats.reading import read_annotations
from posetrack.refine.clip import FILLED, SEEN, Clip, joined, observed
from posetrack.refine.files import read_clip, write_clip
from posetrack.skeletons import COCO, POSETRACK
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from tests.refine_clips import clip_of, line, same_tracks, walker

STREET = SourceInfo(name="street", width=640, height=480, fps=Fraction(25), frame_count=10, path=None)
SINKS = {".json": PoseTrack18Sink, ".csv": CsvSink, ".parquet": ParquetSink}


def poses(count: int, shift: float) -> Poses:
    keypoints = np.arange(count * 34, dtype=np.float32).reshape(count, 17, 2) + 50 + shift
    scores = np.full((count, 17), 0.5, dtype=np.float32)
    scores[:, 6] = 0
    return Poses(
        boxes=np.tile(np.array([10, 20, 110, 220], dtype=np.float32), (count, 1)) + shift,
        scores=np.full(count, 0.75, dtype=np.float32),
        keypoints=keypoints, keypoint_scores=scores, track_ids=np.arange(count) + 3, skeleton=POSETRACK,
    )  # fmt: skip


@pytest.fixture(params=SINKS)
def tracked(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file of ``run``: frames 0, 2, 4, 8 with two people, frame 6 with nobody (stride 2)."""
    path = tmp_path / f"street{request.param}"
    sink = SINKS[request.param](path, STREET)
    for index in range(0, 10, 2):
        frame = Frame(index, index / 25, np.zeros((480, 640, 3), dtype=np.uint8))
        sink.write(frame, poses(0 if index == 6 else 2, index))
    sink.close()
    return path


def test_reads_frames_times_people_and_joints_of_what_run_writes(tracked: Path) -> None:
    clip = read_clip(tracked, fps=25)
    assert clip.frames.tolist() == [0, 2, 4, 6, 8]
    assert clip.times.tolist() == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
    assert [track.track_id for track in clip.tracks] == [3, 4]
    first = clip.tracks[0]
    assert first.frames.tolist() == [0, 1, 2, 4]
    assert first.times.tolist() == pytest.approx([0, 0.08, 0.16, 0.32])
    assert first.joints[3, 0].tolist() == pytest.approx([58, 59])
    assert np.isnan(first.joints[:, 6]).all() and not first.present[:, 6].any()
    assert first.present[:, 5].all() and not first.present[:, 3].any()
    assert first.box_scores.tolist() == pytest.approx([0.75] * 4)
    if tracked.suffix == ".json":
        assert first.boxes[0].tolist() == pytest.approx([10, 20, 110, 220])


def test_files_bring_their_times_and_json_without_needs_a_frame_rate(tracked: Path) -> None:
    assert read_clip(tracked).times.tolist() == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])
    if tracked.suffix == ".json":
        data = orjson.loads(tracked.read_bytes())
        for image in data["images"]:
            del image["time_s"]
        tracked.write_bytes(orjson.dumps(data))
        with pytest.raises(DataFormatError, match=r"street\.json: .*no times; give its frame rate \(--fps 25\)\."):
            read_clip(tracked)
    assert read_clip(tracked, fps=50).times.tolist() == pytest.approx([0, 0.04, 0.08, 0.12, 0.16])


def partly_filled() -> Clip:
    track = walker(1, line((100, 400), (50, 0), 6))
    origins = track.origins.copy()
    origins[2, 5:] = FILLED
    raw = np.where((origins == FILLED)[..., None], np.nan, track.raw + 0.5)
    other = walker(7, line((300, 400), (0, 0), 4), frames=np.array([1, 2, 4, 5]))
    return clip_of(track.replace(origins=origins, raw=raw), other)


@pytest.mark.parametrize("ending", SINKS)
def test_a_refined_clip_comes_back_with_raw_coordinates_and_origins(ending: str, tmp_path: Path) -> None:
    clip, path = partly_filled(), tmp_path / f"street{ending}"
    write_clip(path, clip)
    again = read_clip(path)
    assert again.frames.tolist() == clip.frames.tolist()
    assert again.times.tolist() == pytest.approx(clip.times.tolist())
    for one, other in zip(clip.tracks, again.tracks, strict=True):
        assert one.track_id == other.track_id
        assert same_tracks(one, other, tolerance=1e-3)
    write_clip(tmp_path / f"again{ending}", again)
    if ending != ".json":
        assert (tmp_path / f"again{ending}").read_bytes() == path.read_bytes()


def test_refined_json_is_still_posetrack18(tmp_path: Path) -> None:
    path = tmp_path / "street.json"
    write_clip(path, partly_filled())
    (video,) = read_annotations(path)
    assert len(video.images) == 6 and len(video) == 10
    assert video.boxes[0].tolist() == pytest.approx((partly_filled().tracks[0].boxes[0] + 0.5).tolist(), abs=1e-3)


def test_observed_takes_filled_joints_and_smoothing_back() -> None:
    before = observed(partly_filled().tracks[0])
    assert (before.origins[before.origins > 0] == SEEN).all()
    assert before.joints[0, 0].tolist() == pytest.approx(
        (walker(1, line((100, 400), (50, 0), 6)).joints[0, 0] + 0.5).tolist()
    )
    assert np.isnan(before.joints[2, 5:]).all() and not np.isnan(before.joints[2, 0]).any()


def test_frames_that_are_filled_throughout_are_not_observed() -> None:
    track = walker(1, line((100, 400), (50, 0), 3))
    origins = track.origins.copy()
    origins[1] = np.where(origins[1] > 0, FILLED, 0)
    assert observed(track.replace(origins=origins)).frames.tolist() == [0, 2]


def test_parts_are_joined_in_the_order_of_their_frames() -> None:
    track = walker(1, line((100, 400), (50, 0), 6))
    whole = joined(9, [track[4:], track[:4]])
    assert whole.track_id == 9 and same_tracks(whole, track)


def test_parts_with_and_without_appearance_are_joined() -> None:
    track = walker(1, line((100, 400), (50, 0), 6))
    seen = track[:4].replace(appearance=np.ones((4, 2), dtype=np.float32))
    whole = joined(1, [track[4:], seen])
    assert whole.appearance is not None and whole.sds is None
    assert np.array_equal(whole.appearance[:, 0], [1, 1, 1, 1, np.nan, np.nan], equal_nan=True)


def test_error_bars_are_in_tables_and_only_identities_are_kept(tmp_path: Path) -> None:
    track = walker(1, line((100, 400), (50, 0), 6))
    sds = np.where(track.present, 1.5, np.nan)
    refined = clip_of(track.replace(sds=sds, identity=np.full(6, 0.75)), walker(2, line((0, 0), (0, 0), 6)))
    write_clip(tmp_path / "street.parquet", refined)
    rows = pyarrow.parquet.read_table(tmp_path / "street.parquet").to_pylist()
    assert {(row["sd"], row["identity"]) for row in rows if row["person"] == 1 and row["x"]} == {(1.5, 0.75)}
    assert {(row["sd"], row["identity"]) for row in rows if row["person"] == 2} == {(None, None)}
    again = read_clip(tmp_path / "street.parquet").tracks[0]
    assert np.array_equal(again.sds, sds, equal_nan=True)
    assert observed(refined.tracks[0]).sds is None and observed(again).sds is None
    assert again.identity is not None and (again.identity == 0.75).all() and again.decided
    assert not read_clip(tmp_path / "street.parquet").tracks[1].decided


def test_shots_count_the_cuts_up_to_a_frame() -> None:
    clip = clip_of(walker(1, line((0, 0), (0, 0), 6)), cuts=(2, 5))
    assert clip.shots(np.arange(6)).tolist() == [0, 0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("time_s", "when"), "no column 'time_s'"),
        (lambda text: text.replace("\nstreet,0,", "\nstreet,x,", 1), "line 2: 'frame' is 'x'"),
        (lambda text: text.replace("left_hip", "tail"), "no joint 'tail'"),
        (lambda text: text + text.splitlines()[1] + "\n", "given twice"),
        (lambda text: text.replace("0.08", "0.04", 1), "'time_s' differs"),
        (lambda text: text.replace("0.16", "0.08"), "frame 4 is not after"),
    ],
)
def test_damaged_tables_are_refused_by_name_and_line(change, words: str, tmp_path: Path) -> None:
    path = tmp_path / "street.csv"
    sink = CsvSink(path, STREET)
    for index in range(0, 6, 2):
        sink.write(Frame(index, index / 25, np.zeros((4, 4, 3), dtype=np.uint8)), poses(1, index))
    sink.close()
    path.write_text(change(path.read_text()))
    with pytest.raises(DataFormatError, match=words) as caught:
        read_clip(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_parquet_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "street.parquet"
    write_clip(path, partly_filled())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataFormatError, match=r"street\.parquet: cannot be read as Parquet"):
        read_clip(path)


def test_json_of_several_videos_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "both.json"
    write_clip(path, partly_filled())
    data = orjson.loads(path.read_bytes())
    data["images"][0]["file_name"] = "images/000002_mpii_other/000000.jpg"
    path.write_bytes(orjson.dumps(data))
    with pytest.raises(DataFormatError, match="holds 2 videos; write one file per video"):
        read_clip(path)


def test_marks_that_are_not_a_refined_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "street.json"
    write_clip(path, partly_filled())
    path.write_text(path.read_text().replace('"seen"', '"dreamt"', 1))
    with pytest.raises(
        DataFormatError, match=r"street\.json, frame 0 .*'origins' is 'dreamt', but must be seen, carried"
    ):
        read_clip(path)


def test_a_frame_rate_of_nothing_and_unknown_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fps must be above 0"):
        read_clip(tmp_path / "street.json", fps=0)
    with pytest.raises(ConfigError, match=r"\.json, \.csv, \.parquet, \.txt"):
        write_clip(tmp_path / "street.xml", partly_filled())
    assert not list(tmp_path.iterdir())


def test_json_has_posetracks_joints_whatever_those_of_the_clip_are(tmp_path: Path) -> None:
    body, clip = walker(1, line((100, 400), (50, 0), 4)), clip_of()
    slots = [POSETRACK.joints.index(joint) if joint in POSETRACK.joints else 3 for joint in COCO.joints]
    track = body.replace(
        joints=body.joints[:, slots], raw=body.raw[:, slots], joint_scores=body.joint_scores[:, slots],
        origins=body.origins[:, slots],
    )  # fmt: skip
    write_clip(
        tmp_path / "street.json",
        replace(clip, skeleton=COCO, frames=np.arange(4), times=np.arange(4.0), tracks=(track,)),
    )
    (found,) = read_clip(tmp_path / "street.json").tracks
    knee, neck = POSETRACK.index("left_knee"), POSETRACK.index("head_bottom")
    assert np.allclose(found.joints[:, knee], body.joints[:, knee], atol=1e-3)
    shoulders = body.joints[:, [POSETRACK.index("left_shoulder"), POSETRACK.index("right_shoulder")]].mean(axis=1)
    nose = body.joints[:, POSETRACK.index("nose")]
    assert np.allclose(found.joints[:, neck], 0.7 * shoulders + 0.3 * nose, atol=1e-3)
    assert set(found.origins[:, [knee, neck]].ravel()) == {SEEN}


def test_numbers_that_no_camera_gives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "street.json"
    track = walker(1, line((100, 400), (50, 0), 6))
    write_clip(path, clip_of(track.replace(joints=track.joints * 1e8)))
    with pytest.raises(DataFormatError, match=r"street\.json: a coordinate of person 1 is too large"):
        read_clip(path)
    write_clip(path, clip_of(track))
    with pytest.raises(DataFormatError, match=r"1e-09 s apart, which no camera has; .*--fps"):
        read_clip(path, fps=1e9)


def test_an_empty_clip_is_an_ordinary_clip(tmp_path: Path) -> None:
    for ending in SINKS:
        path = tmp_path / f"street{ending}"
        write_clip(path, clip_of(frame_count=3))
        assert read_clip(path).tracks == ()
