"""The annotated video keeps the source's size, times, colours and sound, and gets its name only when complete."""

import os
import re
import signal
import struct
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import ConfigError, OutputError
from posetrack.skeletons import POSETRACK
from posetrack.stages import SourceInfo
from posetrack.types import Frame, Poses
from posetrack.video import Annotator, EncodingConfig, ReadOptions, VideoSink, encoder, open_source
from posetrack.video import sink as sink_module
from posetrack.video.ffmpeg import ffmpeg_program
from tests.video_clips import (
    FFMPEG,
    HEIGHT,
    WIDTH,
    chart,
    cut_off,
    describe,
    ffmpeg,
    grey_clip,
    grey_frames,
    level,
    patch_centres,
    presentation_times,
    write_clip,
)

NOBODY = Poses.empty(POSETRACK)


def source_info(width: int = WIDTH, height: int = HEIGHT, path: Path | None = None) -> SourceInfo:
    return SourceInfo(
        name="clip",
        width=width,
        height=height,
        fps=Fraction(25),
        frame_count=None,
        path=str(path) if path else None,
    )


def annotate(source: Path, target: Path, **options: float | None) -> VideoSink:
    """Write the annotated video of a source without people."""
    reading = ReadOptions(**options)
    with open_source(source, reading) as frames:
        sink = VideoSink(target, frames.info, Annotator(), start_s=reading.start_s or 0.0)
        for frame in frames:
            sink.write(frame, NOBODY)
    sink.close()
    return sink


def write_grey(sink: VideoSink, count: int = 5) -> None:
    for index, image in enumerate(grey_frames(count)):
        sink.write(Frame(index, index / 25, image), NOBODY)


def boxes(data: bytes) -> list[str]:
    """Types of the top-level boxes of an MP4 file, in order."""
    found, position = [], 0
    while position < len(data):
        size, kind = struct.unpack(">I4s", data[position : position + 8])
        if size == 1:
            (size,) = struct.unpack(">Q", data[position + 8 : position + 16])
        found.append(kind.decode())
        position += size
    return found


def images(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.image for frame in source]


@pytest.mark.parametrize("sound", [False, True])
def test_file_plays_in_a_browser_and_holds_every_frame(tmp_path: Path, sound: bool) -> None:
    source, target = grey_clip(tmp_path / "a.mp4", 30), tmp_path / "out.mp4"
    if sound:
        ffmpeg("-i", source, "-f", "lavfi", "-i", "sine=440:d=1.2", "-c:v", "copy", tmp_path / "b.mp4")
        source = tmp_path / "b.mp4"
    annotate(source, target)
    kinds = boxes(target.read_bytes())
    assert kinds.index("moov") < kinds.index("mdat")
    video = re.search(r"Video: (\w+).*?, (yuv\w+)\(.*?, (\d+x\d+)", describe(target))
    assert video is not None and video.groups() == ("h264", "yuv420p", f"{WIDTH}x{HEIGHT}")
    written = [float(image.mean()) for image in images(target)]
    assert np.abs(np.array(written) - [level(index) for index in range(30)]).max() < 4
    assert ("Audio: aac" in describe(target)) is sound
    assert sorted(tmp_path.iterdir()) == sorted({tmp_path / "a.mp4", source, target})


@pytest.mark.parametrize("rate", ["25", "30000/1001", "24000/1001", "10"])
def test_even_frame_times_are_kept(tmp_path: Path, rate: str) -> None:
    source = grey_clip(tmp_path / "a.mp4", 20, rate=rate)
    annotate(source, tmp_path / "out.mp4")
    assert presentation_times(tmp_path / "out.mp4") == pytest.approx(
        [k / Fraction(rate) for k in range(20)], abs=1e-5
    )
    assert f"{float(Fraction(rate)):.4g} fps" in describe(tmp_path / "out.mp4")


def test_uneven_frame_times_are_kept(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.041, 0.5, 0.54, 1.7, 1.7333, 3.0]
    sink = VideoSink(tmp_path / "out.mp4", source_info(), Annotator())
    for index, (time_s, image) in enumerate(zip(times, grey_frames(len(times)), strict=True)):
        sink.write(Frame(index, 7 + time_s, image), NOBODY)
    sink.close()
    assert presentation_times(tmp_path / "out.mp4") == pytest.approx(times, abs=2e-5)


def test_uneven_source_is_written_with_its_times(tmp_path: Path) -> None:
    uneven = ["-vf", "select='not(between(mod(n,10),3,5))'", "-fps_mode", "vfr", "-bf", "2"]
    source = grey_clip(tmp_path / "a.mp4", 60, *uneven)
    annotate(source, tmp_path / "out.mp4")
    assert presentation_times(tmp_path / "out.mp4") == pytest.approx(presentation_times(source), abs=2e-5)


def test_stride_keeps_real_time(tmp_path: Path) -> None:
    annotate(grey_clip(tmp_path / "a.mp4", 30), tmp_path / "out.mp4", stride=5)
    assert presentation_times(tmp_path / "out.mp4") == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0], abs=1e-5)


def test_odd_sizes_grow_by_a_repeated_line(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(49) * 3, np.arange(65) * 1)[..., None].repeat(3, axis=2).astype(np.uint8)
    sink = VideoSink(tmp_path / "out.mp4", source_info(65, 49), Annotator())
    sink.write(Frame(0, 0.0, ramp), NOBODY)
    sink.close()
    (written,) = images(tmp_path / "out.mp4")
    assert written.shape == (50, 66, 3)
    padded = np.pad(ramp, ((0, 1), (0, 1), (0, 0)), mode="edge").astype(int)
    assert np.abs(written - padded).mean() < 3
    assert np.abs(written[-1] - padded[-1]).mean() < 5 and np.abs(written[:, -1] - padded[:, -1]).mean() < 5


def test_rotated_source_is_written_upright(tmp_path: Path) -> None:
    flat, turned = grey_clip(tmp_path / "a.mp4", 5), tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", "90", "-i", flat, "-c", "copy", turned)
    annotate(turned, tmp_path / "out.mp4")
    assert f"{HEIGHT}x{WIDTH}" in describe(tmp_path / "out.mp4")
    assert "rotation of" not in describe(tmp_path / "out.mp4")


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", "bt2020nc", None])
@pytest.mark.parametrize("levels", ["tv", "pc"])
def test_colours_are_those_of_the_source(tmp_path: Path, matrix: str | None, levels: str) -> None:
    convert = (
        f"scale=out_color_matrix={(matrix or 'smpte170m').removesuffix('nc')}:out_range={levels},format=yuv420p"
    )
    unknown = "setparams=colorspace=unknown:color_primaries=unknown:color_trc=unknown"
    tags = ["-colorspace", matrix, "-color_range", levels] if matrix else []
    filters = convert if matrix else f"{convert},{unknown}"
    source = write_clip(tmp_path / "a.mp4", chart()[None].repeat(3, 0), "-vf", filters, *tags)
    annotate(source, tmp_path / "out.mp4")
    before, after = patch_centres(images(source)[0]), patch_centres(images(tmp_path / "out.mp4")[0])
    assert np.abs(before - after).mean() < 2.5
    assert np.abs((before - after).mean(axis=(0, 1))).max() < 2
    told = re.search(r"Video: .*?yuv420p\(([^)]*)\)", describe(tmp_path / "out.mp4"))
    assert told is not None and (matrix in told[1] if matrix else not re.search(r"bt|smpte", told[1]))


def test_images_and_cameras_are_written_as_high_definition_colours(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", source_info(128, 128), Annotator())
    sink.write(Frame(0, 0.0, chart()), NOBODY)
    sink.close()
    assert np.abs(patch_centres(images(tmp_path / "out.mp4")[0]) - patch_centres(chart())).mean() < 3
    assert "(tv, bt709, progressive)" in describe(tmp_path / "out.mp4")


def test_pixel_aspect_is_kept(tmp_path: Path) -> None:
    source = grey_clip(tmp_path / "a.mp4", 3, "-vf", "setsar=64/45")
    annotate(source, tmp_path / "out.mp4")
    assert "SAR 64:45" in describe(tmp_path / "out.mp4")


@pytest.fixture(scope="module")
def flashes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 s, with a white flash of 0.2 s and a tone of 0.1 s at 1 s, 3 s, 5 s, ..."""
    path = tmp_path_factory.mktemp("flashes") / "flashes.mp4"
    tone = r"aevalsrc=0.8*sin(2*PI*1000*t)*between(mod(t\,2)\,1\,1.1):d=40:s=44100"
    flash = "drawbox=c=white:t=fill:enable='between(mod(t+0.001,2),1,1.19)'"
    black = ["-f", "lavfi", "-i", f"color=black:s={WIDTH}x{HEIGHT}:r=25:d=40", "-f", "lavfi", "-i", tone]
    ffmpeg(*black, "-vf", flash, "-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p", "-c:a", "aac", path)
    return path


def delays(path: Path) -> list[float]:
    """Time from each flash to the nearest tone, in seconds."""
    frames = ["-map", "0:v", "-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null", "-"]
    sound = [
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        "8000",
        "-af",
        "aresample=async=1:first_pts=0",
        "-f",
        "s16le",
        "-",
    ]
    command = [FFMPEG, "-hide_banner", "-nostdin", "-i", path, *frames, *sound]
    done = subprocess.run(command, capture_output=True, check=True)
    loud = np.flatnonzero(np.abs(np.frombuffer(done.stdout, np.int16).astype(int)) > 6000)
    tones = loud[np.diff(loud, prepend=-(10**6)) > 4000] / 8000
    shown = re.findall(rb" pts_time:\s*(-?[\d.]+).* mean:\[(\d+)", done.stderr)
    times, luma = np.array(shown, float).T
    white = luma > 128
    flashes = times[white & ~np.concatenate(([False], white[:-1]))]
    assert len(flashes) and len(tones)
    return [float(min(tones - flash, key=abs)) for flash in flashes]


PARTS: list[dict[str, float]] = [
    {"end_s": 6.0},
    {"start_s": 2.3, "end_s": 8.0},
    {"start_s": 34.3, "stride": 3},
]


@pytest.mark.parametrize(
    ("name", "options", "codec", "parts"),
    [
        ("a.mp4", ["-c", "copy"], "aac", PARTS),
        ("a.mkv", ["-c:v", "copy", "-c:a", "libopus"], "opus", PARTS[1:2]),
        ("a.mp4", ["-c:v", "copy", "-c:a", "libmp3lame"], "mp3", PARTS[1:2]),
        ("a.avi", ["-c:v", "mpeg4", "-c:a", "pcm_s16le"], "aac", PARTS[1:]),
        ("a.mkv", ["-c:v", "copy", "-c:a", "libvorbis"], "aac", PARTS[:1]),
        ("a.ts", ["-c:v", "copy", "-c:a", "ac3"], "aac", PARTS[1:]),
    ],
)
def test_sound_stays_with_the_picture(
    flashes: Path, tmp_path: Path, name: str, options: list[str], codec: str, parts: list[dict[str, float]]
) -> None:
    ffmpeg("-i", flashes, *options, tmp_path / name)
    for part in parts:
        sink = annotate(tmp_path / name, tmp_path / "out.mp4", **part)
        assert sink.warning is None
        assert f"Audio: {codec}" in describe(tmp_path / "out.mp4")
        allowed = 0.13 if "stride" in part else 0.03
        assert np.abs(delays(tmp_path / "out.mp4")).max() < allowed


def test_sound_of_a_lossless_trim_stays_with_the_picture(flashes: Path, tmp_path: Path) -> None:
    """An edit list hides frames and sound before the cut, a different length of each."""
    trim = tmp_path / "trim.mp4"
    ffmpeg("-ss", "2.62", "-t", "5", "-i", flashes, "-c", "copy", trim)
    assert annotate(trim, tmp_path / "out.mp4").warning is None
    assert np.abs(delays(tmp_path / "out.mp4")).max() < 0.03


@pytest.mark.parametrize(
    ("suffix", "late", "part"), [(".mp4", 0, 0), (".mp4", 1, 1), (".ts", 0, 1), (".ts", 1, 0)]
)
def test_streams_that_begin_apart_stay_apart(
    flashes: Path, tmp_path: Path, suffix: str, late: int, part: int
) -> None:
    source, target = tmp_path / f"a{suffix}", tmp_path / "out.mp4"
    shifted = ["-itsoffset", "0.6", "-i", flashes, "-map", f"{1 - late}:v", "-map", f"{late}:a"]
    ffmpeg("-i", flashes, *shifted, "-c", "copy", "-t", "9", source)
    annotate(source, target, **PARTS[part])
    found = delays(target)
    assert found == pytest.approx([0.6 if late else -0.6] * len(found), abs=0.04)


def test_sound_is_as_long_as_the_frames(flashes: Path, tmp_path: Path) -> None:
    annotate(flashes, tmp_path / "out.mp4", max_frames=50)
    duration = re.search(r"Duration: 00:00:([\d.]+)", describe(tmp_path / "out.mp4"))
    assert duration is not None and float(duration[1]) == pytest.approx(2.0, abs=0.03)


def test_sound_of_a_cut_off_source_is_copied(flashes: Path, tmp_path: Path) -> None:
    ffmpeg("-i", flashes, "-c", "copy", "-movflags", "+faststart", tmp_path / "a.mp4")
    cut_off(tmp_path / "a.mp4", 0.6, tmp_path / "cut.mp4")
    assert annotate(tmp_path / "cut.mp4", tmp_path / "out.mp4").warning is None
    found = delays(tmp_path / "out.mp4")
    assert len(found) > 4 and np.abs(found[:-1]).max() < 0.03  # the last tone may be incomplete


def test_sound_can_be_left_out(flashes: Path, tmp_path: Path) -> None:
    info = source_info(path=flashes)
    sink = VideoSink(tmp_path / "out.mp4", info, Annotator(), config=EncodingConfig(sound=False))
    write_grey(sink)
    sink.close()
    assert "Audio" not in describe(tmp_path / "out.mp4")


def test_sound_that_is_lost_does_not_lose_the_video(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    ffmpeg("-i", grey_clip(tmp_path / "b.mp4", 5), "-f", "lavfi", "-i", "sine=440:d=1", "-c:v", "copy", source)
    sink = VideoSink(tmp_path / "out.mp4", source_info(path=source), Annotator())
    write_grey(sink)
    source.unlink()
    sink.close()
    assert sink.warning is not None and "no sound" in sink.warning
    assert len(images(tmp_path / "out.mp4")) == 5


def test_part_after_the_end_of_the_sound_is_written_without_a_warning(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    ffmpeg("-i", grey_clip(tmp_path / "b.mp4", 30), "-f", "lavfi", "-i", "sine=440:d=0.4", "-c:v", "copy", source)
    assert annotate(source, tmp_path / "out.mp4", start_s=0.8).warning is None
    assert len(images(tmp_path / "out.mp4")) == 10
    assert "Audio" not in describe(tmp_path / "out.mp4")


def test_sound_that_cannot_be_joined_does_not_lose_the_video(
    flashes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ffmpeg claims success, but has written no sound."""

    def cut_nothing(source: object, codecs: object, start_s: float, length_s: float, target: Path) -> None:
        target.write_bytes(b"\0\0\0\x10mdatnothing!")

    monkeypatch.setattr(sink_module, "cut_sound", cut_nothing)
    sink = VideoSink(tmp_path / "out.mp4", source_info(path=flashes), Annotator())
    write_grey(sink)
    sink.close()
    assert sink.warning is not None and "no sound" in sink.warning
    assert len(images(tmp_path / "out.mp4")) == 5


@pytest.mark.parametrize(
    "name", ["-a.mp4", "100%d.mp4", "a:b.mp4", 'it\'s "a" $(clip);.mp4', "a\nb.mp4", "x" * 251 + ".mp4"]
)
def test_any_file_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    sink = VideoSink(name, source_info(), Annotator())
    write_grey(sink)
    sink.close()
    assert os.listdir() == [name]
    assert len(images(Path(name))) == 5


def test_file_has_its_name_only_when_complete(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_text("from an earlier run")
    sink = VideoSink(target, source_info(), Annotator())
    write_grey(sink)
    assert target.read_text() == "from an earlier run"
    sink.close()
    sink.close()
    assert len(images(target)) == 5
    sink.discard()
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_discarded_video_leaves_nothing(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", source_info(), Annotator())
    write_grey(sink)
    sink.discard()
    sink.discard()
    sink.close()
    assert os.listdir(tmp_path) == []


def test_video_interrupted_while_finishing_leaves_nothing(
    flashes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    target = VideoSink(tmp_path / "out.mp4", source_info(path=flashes), Annotator())
    write_grey(target)
    monkeypatch.setattr(sink_module, "cut_sound", interrupted)
    with pytest.raises(KeyboardInterrupt):
        target.close()
    target.discard()
    assert os.listdir(tmp_path) == []


def test_video_without_frames_leaves_nothing(tmp_path: Path) -> None:
    VideoSink(tmp_path / "out.mp4", source_info(), Annotator()).close()
    assert os.listdir(tmp_path) == []


def test_places_that_cannot_be_written_are_refused_before_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    for place, words in (
        ("none/a.mp4", "does not exist"),
        ("file/a.mp4", "folder"),
        ("folder.mp4", "is a folder"),
    ):
        with pytest.raises(OutputError, match=words) as caught:
            VideoSink(tmp_path / place, source_info(), Annotator())
        assert str(tmp_path / place) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.mp4"]


def write_noise(sink: VideoSink, count: int) -> None:
    rng = np.random.default_rng(0)
    for index in range(count):
        sink.write(Frame(index, index / 25, rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)), NOBODY)
    sink.close()


def test_full_disk_is_reported_and_cleaned_up(tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        with pytest.raises(OutputError, match="disk is full"):
            write_noise(VideoSink(tmp_path / "out.mp4", source_info(), Annotator()), 300)
        assert os.listdir(tmp_path) == []
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_reason_of_a_failing_ffmpeg_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = program(tmp_path / "failing", "echo '[libx264 @ 0x1] out of luck' >&2; exit 1")
    monkeypatch.setattr(encoder, "ffmpeg_program", lambda: failing)
    (tmp_path / "results").mkdir()
    target = tmp_path / "results" / "out.mp4"
    with pytest.raises(OutputError, match=r"out\.mp4: ffmpeg stopped: out of luck"):
        write_noise(VideoSink(target, source_info(), Annotator()), 100)
    assert os.listdir(target.parent) == []


def test_ffmpeg_of_the_system_is_used_if_it_is_suitable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(script: str | None) -> str:
        if script is not None:
            program(tmp_path / "ffmpeg", script)
        ffmpeg_program.cache_clear()
        return ffmpeg_program()

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    try:
        assert chosen(f'exec "{FFMPEG}" "$@"') == str(tmp_path / "ffmpeg")
        assert chosen("echo 'ffmpeg version 4.4.2-0ubuntu'; echo 'Encoder libx264 [...]'") == FFMPEG
        assert chosen("echo 'ffmpeg version n7.1'; echo \"Codec 'libx264' is not recognized\"") == FFMPEG
        monkeypatch.setenv("PATH", "/nowhere")
        assert chosen(None) == FFMPEG
    finally:
        ffmpeg_program.cache_clear()


INTERRUPTED = """
import signal, sys, time
import numpy as np
from posetrack.skeletons import POSETRACK
from posetrack.types import Frame, Poses
from posetrack.video import Annotator, VideoSink, open_source
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts behind a &
source = open_source(sys.argv[1])
sink = VideoSink(sys.argv[2], source.info, Annotator())
try:
    for frame in source:
        sink.write(frame, Poses.empty(POSETRACK))
        if frame.index == 20:
            print("twenty", flush=True)
            time.sleep(60)
except KeyboardInterrupt:
    sink.close()
"""


def test_interrupted_video_is_finished_with_its_frames_so_far(flashes: Path, tmp_path: Path) -> None:
    """The signal goes to the whole process group, as from a terminal; ffmpeg must survive it."""
    target = tmp_path / "out.mp4"
    command = [sys.executable, "-c", INTERRUPTED, str(flashes), str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "twenty\n"
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert len(images(target)) == 21
    assert "Audio: aac" in describe(target)
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_frames_of_another_size_are_a_programming_error(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "out.mp4", source_info(), Annotator())
    with pytest.raises(ValueError, match=r"\(8, 8, 3\)"):
        sink.write(Frame(0, 0.0, np.zeros((8, 8, 3), np.uint8)), NOBODY)
    sink.discard()


def test_frames_out_of_order_are_a_programming_error(tmp_path: Path) -> None:
    target = VideoSink(tmp_path / "out.mp4", source_info(), Annotator())
    for time_s in (0.0, 0.04):
        target.write(Frame(0, time_s, grey_frames(1)[0]), NOBODY)
    with pytest.raises(ValueError, match="after"):
        target.write(Frame(2, 0.04, grey_frames(1)[0]), NOBODY)
    target.discard()


@pytest.mark.parametrize("settings", [{"crf": 52}, {"crf": -1}, {"preset": "placebo; rm"}])
def test_encoding_out_of_range_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        EncodingConfig(**settings)


def test_real_clip_keeps_times_colours_and_sound(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "clips" / "paris_street.avi"
    annotate(source, tmp_path / "out.mp4", max_frames=12)
    written = images(tmp_path / "out.mp4")
    with open_source(source, ReadOptions(max_frames=12)) as frames:
        original = [frame.image for frame in frames]
    assert presentation_times(tmp_path / "out.mp4") == pytest.approx([k / 50 for k in range(12)], abs=1e-5)
    difference = np.array(
        [a.mean(axis=(0, 1)) - b.mean(axis=(0, 1)) for a, b in zip(written, original, strict=True)]
    )
    assert np.abs(difference).max() < 2  # decoders round down
    assert "Audio: aac" in describe(tmp_path / "out.mp4")
