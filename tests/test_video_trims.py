"""Healthy trims are not called damaged: only visible frames count. Damage is still detected."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from posetrack.video import open_source
from tests.video_clips import FFMPEG, HEIGHT, WIDTH, ffmpeg, grey_frames, presentation_times, write_clip

FRAMES = 60
GROUP = 20


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same noisy clip in several encodings; the sound of ``sound.mp4`` is 0.5 s longer."""
    folder = tmp_path_factory.mktemp("clips")
    noise = np.random.default_rng(0).integers(0, 60, (FRAMES, HEIGHT, WIDTH, 3), dtype=np.uint8)
    frames = grey_frames(FRAMES) // 2 + noise
    groups = ["-g", str(GROUP), "-bf", "3", "-b_strategy", "0"]
    closed = write_clip(folder / "closed.mp4", frames, *groups, "-x264-params", "scenecut=0")
    write_clip(folder / "open.mp4", frames, *groups, "-x264-params", "scenecut=0:open-gop=1")
    tone = ["-f", "lavfi", "-i", f"sine=440:d={FRAMES / 25 + 0.5}"]
    ffmpeg("-i", closed, *tone, "-c:v", "copy", folder / "sound.mp4")
    return folder


def read(path: Path) -> tuple[list[float], str | None]:
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
        return times, source.incomplete


def assert_whole(path: Path) -> None:
    """No complaint, and the same frames as ffmpeg's own decoder shows."""
    times, complaint = read(path)
    assert complaint is None
    assert times == pytest.approx(presentation_times(path), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "frames"), [("trim_lossless_a.mp4", 63), ("trim_lossless_b.mp4", 48), ("trim_lossless_sound.mp4", 52)]
)
def test_real_lossless_trims_are_whole(shared: Path, name: str, frames: int) -> None:
    times, complaint = read(shared / "faults" / name)
    assert (len(times), complaint) == (frames, None)


@pytest.mark.parametrize("source", ["closed", "open", "sound"])
@pytest.mark.parametrize("part", [["-ss", "0.5"], ["-ss", "0.9", "-t", "0.7"]], ids=["end", "middle"])
def test_lossless_trims_are_whole(clips: Path, tmp_path: Path, source: str, part: list[str]) -> None:
    ffmpeg(*part, "-i", clips / f"{source}.mp4", "-c", "copy", tmp_path / "a.mp4")
    assert_whole(tmp_path / "a.mp4")
    times, _ = read(tmp_path / "a.mp4")
    assert len(times) < FRAMES - 10


@pytest.mark.parametrize(
    ("source", "name"),
    [("closed", "a.ts"), ("open", "a.mkv"), ("closed", "a.avi"), ("sound", "a.mov"), ("sound", "a.ts")],
)
def test_trims_into_every_container_are_whole(clips: Path, tmp_path: Path, source: str, name: str) -> None:
    ffmpeg("-ss", "0.9", "-i", clips / f"{source}.mp4", "-c", "copy", tmp_path / name)
    assert_whole(tmp_path / name)


def test_trims_of_odd_files_are_whole(clips: Path, tmp_path: Path) -> None:
    closed, copy = clips / "closed.mp4", ["-c", "copy"]
    ffmpeg("-i", closed, *copy, "-movflags", "frag_keyframe+empty_moov", tmp_path / "fragments.mp4")
    ffmpeg("-ss", "0.9", "-i", closed, *copy, "-movflags", "frag_keyframe", tmp_path / "fragments_of_a_part.mp4")
    uneven = ["-vf", "select='not(between(mod(n,40),3,20))'", "-fps_mode", "vfr", "-g", "10"]
    ffmpeg("-i", closed, *uneven, tmp_path / "uneven.mp4")
    ffmpeg("-ss", "0.7", "-i", tmp_path / "uneven.mp4", *copy, tmp_path / "part_of_uneven.mp4")
    tone = ["-f", "lavfi", "-i", "sine=440:d=1"]
    late = ["-itsoffset", "0.5", "-i", closed, *tone, "-map", "0:v", "-map", "1:a", "-c:v", "copy"]
    ffmpeg(*late, tmp_path / "late.mp4")  # two entries in its edit list: an empty one, then the frames
    ffmpeg("-ss", "1.1", "-i", tmp_path / "late.mp4", *copy, tmp_path / "part_of_late.mp4")
    for path in sorted(tmp_path.iterdir()):
        assert_whole(path)


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_recordings_that_begin_within_a_group_of_pictures_are_whole(
    clips: Path, tmp_path: Path, codec: str
) -> None:
    """As in a recorded broadcast: the first frames need earlier ones that are missing."""
    whole = tmp_path / "whole.ts"
    ffmpeg("-i", clips / "closed.mp4", "-c:v", codec, "-b:v", "2M", "-bf", "2", "-g", str(GROUP), whole)
    data = whole.read_bytes()
    part = tmp_path / "part.ts"
    part.write_bytes(data[len(data) // 188 // 4 * 188 :])
    times, complaint = read(part)
    assert complaint is None and FRAMES // 2 < len(times) < FRAMES


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
def test_cut_off_trims_are_detected(clips: Path, tmp_path: Path, share: float) -> None:
    trim, cut = tmp_path / "trim.mp4", tmp_path / "cut.mp4"
    ffmpeg("-ss", "0.9", "-i", clips / "closed.mp4", "-c", "copy", "-movflags", "+faststart", trim)
    whole, _ = read(trim)
    data = trim.read_bytes()
    frames = data.index(b"mdat")
    cut.write_bytes(data[: frames + int((len(data) - frames) * share)])
    times, complaint = read(cut)
    assert len(times) < len(whole)
    assert complaint == f"{cut} is damaged or cut short: {len(times)} of {len(whole)} frames could be decoded."


def test_cut_between_two_packets_is_detected(clips: Path, tmp_path: Path) -> None:
    """ffmpeg itself reports no error at the last packet."""
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    ffmpeg("-i", clips / "closed.mp4", "-c", "copy", "-movflags", "+faststart", whole)
    list_packets = [FFMPEG, "-v", "error", "-i", whole, "-c", "copy", "-f", "framecrc", "-"]
    listed = subprocess.run(list_packets, capture_output=True, text=True, check=True).stdout
    sizes = [int(line.split(",")[4]) for line in listed.splitlines() if not line.startswith("#")]
    data = whole.read_bytes()
    cut.write_bytes(data[: data.index(b"mdat") + 4 + sum(sizes[:40])])
    times, complaint = read(cut)
    assert 30 <= len(times) <= 40
    assert complaint == f"{cut} is damaged or cut short: {len(times)} of {FRAMES} frames could be decoded."


@pytest.mark.parametrize("place", [0.0, 0.4], ids=["first", "middle"])
def test_damage_in_a_trim_is_detected(clips: Path, tmp_path: Path, place: float) -> None:
    path = tmp_path / "a.mp4"
    ffmpeg("-ss", "0.5", "-i", clips / "closed.mp4", "-c", "copy", "-movflags", "+faststart", path)
    data = bytearray(path.read_bytes())
    frames = data.index(b"mdat") + 4
    begin = frames + int((len(data) - frames) * place)
    end = begin + (len(data) - frames) // 4
    data[begin:end] = bytes(end - begin)
    path.write_bytes(data)
    times, complaint = read(path)
    assert complaint is not None and f"{len(times)} of " in complaint


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.mov", "fragments.mp4"])
def test_files_cut_at_any_place_are_detected(clips: Path, tmp_path: Path, name: str) -> None:
    whole, cut = tmp_path / name, tmp_path / f"cut_{name}"
    flags = {"a.mov": "+faststart", "fragments.mp4": "frag_keyframe+empty_moov"}
    ffmpeg("-i", clips / "closed.mp4", "-c", "copy", *(["-movflags", flags[name]] if name in flags else []), whole)
    data = whole.read_bytes()
    assert read(whole)[1] is None
    for share in (0.5, 0.77):
        cut.write_bytes(data[: int(len(data) * share)])
        times, complaint = read(cut)
        assert len(times) < FRAMES
        assert complaint is not None and "is damaged or cut short" in complaint


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_files_cut_behind_their_last_frame_are_detected(clips: Path, tmp_path: Path, name: str) -> None:
    """All frames are present, but part of the sound is missing."""
    whole, cut = tmp_path / name, tmp_path / f"cut_{name}"
    late = ["-itsoffset", "4", "-f", "lavfi", "-i", "sine=440:d=1", "-map", "0:v", "-map", "1:a"]
    ffmpeg("-i", clips / "closed.mp4", *late, "-c:v", "copy", "-movflags", "+faststart", whole)
    assert len(read(whole)[0]) == FRAMES and read(whole)[1] is None
    cut.write_bytes(whole.read_bytes()[:-500])
    times, complaint = read(cut)
    assert len(times) == FRAMES
    assert complaint is not None and "is damaged or cut short" in complaint


@pytest.mark.parametrize(("name", "unit"), [("a.mkv", b"\x1f\x43\xb6\x75"), ("a.mp4", b"mdat")])
def test_files_cut_between_two_units_of_their_container_are_detected(
    clips: Path, tmp_path: Path, name: str, unit: bytes
) -> None:
    """Before the last cluster of Matroska, and after the last box header of MP4."""
    whole, cut = tmp_path / name, tmp_path / f"cut_{name}"
    pieces = ["-cluster_time_limit", "400", "-movflags", "frag_keyframe+empty_moov"]
    ffmpeg("-i", clips / "closed.mp4", "-c", "copy", *(pieces[:2] if name == "a.mkv" else pieces[2:]), whole)
    data = whole.read_bytes()
    cut.write_bytes(data[: data.rindex(unit) + (4 if name == "a.mp4" else 0)])
    times, complaint = read(cut)
    assert FRAMES // 2 < len(times) < FRAMES
    assert complaint is not None and f"{cut} is damaged or cut short: {len(times)} of " in complaint


def test_files_cut_within_the_index_at_their_end_are_detected(clips: Path, tmp_path: Path) -> None:
    """All frames can be decoded, but the copy is not complete."""
    ffmpeg("-i", clips / "closed.mp4", "-c", "copy", tmp_path / "a.mkv")
    cut = tmp_path / "cut.mkv"
    cut.write_bytes((tmp_path / "a.mkv").read_bytes()[:-20])
    times, complaint = read(cut)
    assert len(times) == FRAMES
    assert complaint == f"{cut} is damaged or cut short: {FRAMES} of about {FRAMES} frames could be decoded."
