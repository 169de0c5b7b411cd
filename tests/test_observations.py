"""Files of observations give back what was written, and nothing that is damaged, foreign or newer is read."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.errors import DataFormatError, OutputError
from posetrack.observations.everybody import everybody_by_frame
from posetrack.observations.header import Header
from posetrack.observations.reader import ObservationFile, Observations
from posetrack.observations.writer import ObservationSink
from posetrack.refine.clip import CARRIED, SEEN
from posetrack.refine.files import read_clip
from posetrack.scene import Scene
from posetrack.skeletons import COCO, POSETRACK, Skeleton
from posetrack.types import Frame, Poses

HEADER = Header(
    name="street \udce9", width=1920, height=1080, fps=Fraction(30000, 1001), delivered_fps=Fraction(30000, 2002),
    source_bytes=17, source_digest="ab", made_with={"preset": {"name": "lite"}}, formats=("posetrack18", "csv"),
)  # fmt: skip
NO_IMAGE = np.zeros((1, 1, 3), np.uint8)


def people(rng: np.random.Generator, count: int, skeleton: Skeleton = POSETRACK, width: int = 0) -> Poses:
    scores = rng.random((count, len(skeleton))).astype(np.float32)
    scores[rng.random(scores.shape) < 0.2] = 0
    appearance = None
    if width:
        appearance = rng.normal(size=(count, width)).astype(np.float32)
        appearance[rng.random(count) < 0.3] = np.nan
    return Poses(
        boxes=rng.normal(500, 4000, (count, 4)), scores=rng.random(count),
        keypoints=rng.normal(500, 4000, (count, len(skeleton), 2)), keypoint_scores=scores,
        track_ids=rng.permutation(1000)[:count] - 1, skeleton=skeleton, appearance=appearance,
        origin=rng.integers(1, 3, scores.shape),
    )  # fmt: skip


def scene(rng: np.random.Generator, cut: bool) -> Scene:
    flow = rng.normal(0, 5, (4, 4, 2)).astype(np.float32)
    flow[rng.random((4, 4)) < 0.2] = np.nan
    return Scene(cut=cut, camera=rng.normal(size=(2, 3)).astype(np.float32), flow=flow)


def write(path: Path, frames: list[tuple[Frame, Poses]], header: Header = HEADER) -> Path:
    sink = ObservationSink(path, header)
    for frame, poses in frames:
        sink.write(frame, poses)
    sink.close()
    return path


def read(path: Path) -> list[Observations]:
    with ObservationFile(path) as file:
        return list(file.pieces())


@settings(max_examples=25)
@given(
    counts=st.lists(st.integers(0, 4), max_size=6),
    seed=st.integers(0, 2**32 - 1),
    skeleton=st.sampled_from([POSETRACK, COCO]),
    width=st.sampled_from([0, 5]),
    looked=st.booleans(),
    others=st.sampled_from([(0,), (2, 0, 1)]),
)
def test_what_was_written_is_read_again(  # noqa: PLR0913 (what a file may hold)
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], seed: int, skeleton: Skeleton, width: int,
    looked: bool, others: tuple[int, ...],
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    written = [
        (
            Frame(3 * n, n / 7, NO_IMAGE, scene(rng, n == 2) if looked else None),
            people(rng, count, skeleton, width).replace(
                unreported=people(rng, others[n % len(others)], skeleton, width)
            ),
        )
        for n, count in enumerate(counts)
    ]
    path = write(tmp_path_factory.mktemp("tracks") / "a.tracks", written)
    with ObservationFile(path) as file:
        assert file.header == HEADER
        assert file.skeleton == (skeleton if written else POSETRACK)
        pieces = list(file.pieces())
    assert len(pieces) == bool(written)
    for piece in pieces:
        assert piece.frames.tolist() == [frame.index for frame, _ in written]
        assert piece.times_s.tolist() == [frame.time_s for frame, _ in written]
        for place, (frame, poses) in enumerate(written):
            rows = slice(piece.starts[place], piece.starts[place + 1])
            there = poses.present
            assert piece.track_ids[rows].tolist() == poses.track_ids.tolist()
            assert np.array_equal(piece.person_scores[rows], poses.scores)
            assert np.array_equal(piece.origins[rows], poses.origin)
            assert np.array_equal(piece.scores[rows] > 0, there)
            assert np.allclose(piece.scores[rows], poses.keypoint_scores, rtol=0, atol=0.5 / 255 + 0.004)
            assert np.allclose(piece.joints[rows][there], poses.keypoints[there], rtol=1e-6, atol=1 / 32)
            assert np.allclose(piece.boxes[rows], poses.boxes, rtol=1e-6, atol=1 / 32)
            if poses.appearance is not None and piece.appearance is not None:
                assert np.allclose(piece.appearance[rows], poses.appearance, rtol=1e-3, atol=1e-3, equal_nan=True)
            if frame.scene is not None:
                assert piece.cuts[place] == frame.scene.cut
                assert np.array_equal(piece.cameras[place], frame.scene.camera)
                assert np.allclose(piece.flows[place], frame.scene.flow, rtol=0, atol=1 / 32, equal_nan=True)
            else:
                assert np.isnan(piece.cameras[place]).all() and np.isnan(piece.flows[place]).all()

    if written:
        for (frame, poses), (number, everybody) in zip(written, everybody_by_frame(path), strict=True):
            assert number == frame.index
            seen = Poses.concatenate([poses, poses.unreported])  # type: ignore[list-item]
            assert np.array_equal(everybody.present, seen.present)
            assert np.allclose(everybody.boxes, seen.boxes, rtol=1e-6, atol=1 / 32)
            assert np.allclose(
                everybody.keypoints[seen.present], seen.keypoints[seen.present], rtol=1e-6, atol=1 / 32
            )


def test_people_who_are_not_reported_are_in_no_clip_and_never_stop_a_run(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    others = people(rng, 2).replace(boxes=[[np.nan, -np.inf, 5, 1e9], [1, 2, 3, 4]])
    path = write(
        tmp_path / "a.tracks",
        [(Frame(n, n / 25, NO_IMAGE), people(rng, 0).replace(unreported=others)) for n in range(3)],
    )
    assert read_clip(path).tracks == ()
    assert [everybody.boxes[1].tolist() for _, everybody in everybody_by_frame(path)] == [[1, 2, 3, 4]] * 3


def test_files_of_the_first_version_are_read_but_do_not_tell_whose_faces_to_blur(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tracks", [(Frame(0, 0, NO_IMAGE), people(np.random.default_rng(0), 2))])
    rewritten(path, lambda table: versioned(table, 1))
    assert len(read_clip(path).tracks) == 2
    with pytest.raises(
        DataFormatError, match=r"a\.tracks was written by an earlier version .*: track the source again"
    ):
        next(everybody_by_frame(path))


def test_a_long_clip_comes_in_pieces_of_whole_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    crowd = people(rng, 300)
    path = write(tmp_path / "a.tracks", [(Frame(n, n / 25, NO_IMAGE), crowd) for n in range(120)])
    pieces = read(path)
    assert len(pieces) == 3
    assert np.concatenate([piece.frames for piece in pieces]).tolist() == list(range(120))
    assert all((np.diff(piece.starts) == 300).all() for piece in pieces)


def test_an_hour_of_a_person_takes_less_than_25_megabytes(tmp_path: Path) -> None:
    """Measured on 144 s at 25 frames a second, with noisy joints and a descriptor of 40 numbers."""
    rng = np.random.default_rng(0)
    frames, body = [], rng.random((1, 17, 2)) * [80, 200]
    for n in range(3600):
        joints = body + [5.0 * n % 1800, 300] + rng.normal(0, 1, body.shape)
        box = np.concatenate([joints.min(axis=1), joints.max(axis=1)], axis=1)
        one = people(rng, 1, width=40)
        frames.append((Frame(n, n / 25, NO_IMAGE, scene(rng, n == 0)), one.replace(boxes=box, keypoints=joints)))
    size = write(tmp_path / "a.tracks", frames).stat().st_size
    assert 25 * size < 25_000_000


def test_a_clip_is_made_of_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frames = [
        (Frame(n, n / 25, NO_IMAGE, scene(rng, n in (0, 4))), people(rng, 2, width=3).replace(track_ids=[5, 9]))
        for n in range(6)
    ]
    clip = read_clip(write(tmp_path / "a.tracks", frames))
    assert clip.frames.tolist() == list(range(6)) and clip.cuts.tolist() == [4]
    assert [track.track_id for track in clip.tracks] == [5, 9]
    assert clip.camera is not None and np.array_equal(clip.camera[3], frames[3][0].scene.camera)  # type: ignore[union-attr]
    assert clip.images[5]["width"] == 1920
    track, (_, poses) = clip.tracks[1], frames[2]
    there = poses.present[1]
    assert np.allclose(track.joints[2][there], poses.keypoints[1][there], rtol=1e-6, atol=1 / 32)
    assert np.isnan(track.joints[2][~there]).all()
    assert set(np.unique(track.origins[track.present])) == {SEEN, CARRIED}
    assert track.appearance is not None and track.appearance.shape == (6, 3)
    assert np.allclose(track.appearance[2], poses.appearance[1], atol=2e-3, equal_nan=True)  # type: ignore[index]


def test_the_file_appears_when_it_is_complete_and_not_at_all_when_discarded(tmp_path: Path) -> None:
    sink = ObservationSink(tmp_path / "a.tracks", HEADER)
    sink.write(Frame(0, 0, NO_IMAGE), people(np.random.default_rng(0), 2))
    assert not (tmp_path / "a.tracks").exists()
    sink.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="the folder does not exist"):
        ObservationSink(tmp_path / "gone" / "a.tracks", HEADER)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e8])
def test_impossible_coordinates_are_refused(tmp_path: Path, value: float) -> None:
    poses = people(np.random.default_rng(0), 1)
    sink = ObservationSink(tmp_path / "a.tracks", HEADER)
    sink.write(Frame(0, 0, NO_IMAGE), poses.replace(boxes=np.full((1, 4), value)))
    with pytest.raises(
        DataFormatError, match="a coordinate of a person is too large for a pixel, or is not a number"
    ):
        sink.close()
    sink.discard()
    assert list(tmp_path.iterdir()) == []


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("frame,time_s\n" * 100)


def bit_turned(path: Path) -> None:
    """In the middle of the pages, which make up most of the file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 16
    path.write_bytes(data)


def rewritten(path: Path, change: Callable[[pyarrow.Table], pyarrow.Table]) -> None:
    pyarrow.parquet.write_table(change(pyarrow.parquet.read_table(path)), path)


def versioned(table: pyarrow.Table, version: int | None) -> pyarrow.Table:
    header = json.loads(table.schema.metadata[b"posetrack.tracks"])
    return table.replace_schema_metadata({b"posetrack.tracks": json.dumps({**header, "version": version})})


def another_table(path: Path) -> None:
    rewritten(path, lambda table: table.replace_schema_metadata({}))


def newer(path: Path) -> None:
    rewritten(path, lambda table: versioned(table, 3))


def without_a_version(path: Path) -> None:
    rewritten(path, lambda table: versioned(table, None))


def led_astray(path: Path) -> None:
    """The name of its source is a path."""

    def change(table: pyarrow.Table) -> pyarrow.Table:
        header = json.loads(table.schema.metadata[b"posetrack.tracks"])
        return table.replace_schema_metadata({b"posetrack.tracks": json.dumps({**header, "name": "../../a"})})

    rewritten(path, change)


def without_a_column(path: Path) -> None:
    rewritten(path, lambda table: table.drop_columns(["scores"]))


def backwards(path: Path) -> None:
    rewritten(path, lambda table: table.take(list(range(len(table) - 1, -1, -1))))


def twice(path: Path) -> None:
    rewritten(path, lambda table: table.take([0, 0, *range(1, len(table))]))


def squeezed(path: Path) -> None:
    """The camera has mapped a whole frame to one point."""

    def change(table: pyarrow.Table) -> pyarrow.Table:
        place = table.schema.get_field_index("camera")
        zeros = pyarrow.array([[0.0] * 6] * len(table), table.schema.field(place).type)
        return table.set_column(place, table.schema.field(place), zeros)

    rewritten(path, change)


DAMAGES: dict[Callable[[Path], None], str] = {
    cut_short: "damaged, cut short or not a file of tracks",
    emptied: "damaged, cut short or not a file of tracks",
    text: "damaged, cut short or not a file of tracks",
    bit_turned: "is damaged",
    another_table: "holds no tracks of `posetrack run`",
    newer: r"written by a later version of posetrack \(schema 3, this one reads up to 2\): update posetrack",
    without_a_version: "its version is missing",
    led_astray: "the name is not a file name",
    without_a_column: "its columns are not those of tracks",
    backwards: "its frames are not in order",
    twice: "a person is in a frame twice",
    squeezed: "its numbers are out of range",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_what_is_damaged_foreign_or_newer_is_refused_in_one_sentence(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.tracks", [(Frame(n, n / 25, NO_IMAGE), people(rng, 4)) for n in range(50)])
    damage(path)
    with pytest.raises(DataFormatError, match=DAMAGES[damage]) as caught:
        read(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match=r"gone\.tracks cannot be read \(No such file"):
        read_clip(tmp_path / "gone.tracks")
