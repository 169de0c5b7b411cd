"""Frames come in order, upright, with true colours, times and indices; faults are reported."""

import http.server
import io
import os
import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.errors import ConfigError, VideoError
from posetrack.types import Frame
from posetrack.video import ReadOptions, open_source
from posetrack.video.endings import is_cut_off
from tests.video_clips import (
    HEIGHT,
    WIDTH,
    chart,
    cut_off,
    ffmpeg,
    grey_clip,
    grey_frames,
    level,
    patch_centres,
    write_clip,
)


def read(path: Path | str, **options: float | None) -> list[Frame]:
    with open_source(path, ReadOptions(**options)) as source:
        return list(source)


def levels(frames: list[Frame]) -> list[int]:
    return [round(float(frame.image.mean())) for frame in frames]


def assert_levels(frames: list[Frame]) -> None:
    """Every frame is the one with its index."""
    assert np.abs(np.array(levels(frames)) - [level(frame.index) for frame in frames]).max() <= 4


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 s with uneven frame times and B-frames."""
    path = tmp_path_factory.mktemp("uneven") / "uneven.mp4"
    kept = "select='not(between(mod(n,40),3,5+20*gt(n,300)))'"
    return grey_clip(path, 600, "-vf", kept, "-fps_mode", "vfr", "-bf", "3", "-g", "60", rate="30")


def test_frames_come_in_order_with_index_and_time(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "a.mp4", 30, "-bf", "3", rate="30000/1001")
    with open_source(path) as source:
        info, frames = source.info, list(source)
        assert source.incomplete is None
    assert (info.name, info.width, info.height, info.frame_count) == ("a", WIDTH, HEIGHT, 30)
    assert info.fps == Fraction(30000, 1001) and info.path == str(path)
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time_s for frame in frames] == pytest.approx([k * 1001 / 30000 for k in range(30)], abs=1e-5)
    assert all(frame.image.dtype == np.uint8 and frame.image.shape == (HEIGHT, WIDTH, 3) for frame in frames)
    assert_levels(frames)


VP8 = ["-c:v", "libvpx", "-b:v", "1M", "-deadline", "realtime", "-cpu-used", "16", "-t", "4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".webm"])
def test_uneven_frame_times_are_kept(uneven: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    ffmpeg("-i", uneven, *(VP8 if suffix == ".webm" else ["-c", "copy"]), path)
    frames = 4 * 30 if suffix == ".webm" else 600
    truth = [n / 30 for n in range(frames) if not 3 <= n % 40 <= (25 if n > 300 else 5)]
    assert [frame.time_s for frame in read(path)] == pytest.approx(truth, abs=6e-4)


def test_video_that_begins_after_its_sound_begins_late(tmp_path: Path) -> None:
    grey_clip(tmp_path / "a.mp4", 20)
    sound = ["-f", "lavfi", "-i", "sine=440:d=1.5"]
    for name in ("late.mp4", "late.mkv", "late.ts"):
        late = ["-itsoffset", "0.5", "-i", tmp_path / "a.mp4", "-map", "1:v", "-map", "0:a", "-c:v", "copy"]
        ffmpeg(*sound, *late, tmp_path / name)
        frames = read(tmp_path / name)
        assert frames[0].time_s == pytest.approx(0.5, abs=0.03)
        assert frames[-1].time_s - frames[0].time_s == pytest.approx(19 / 25, abs=2e-3)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_metadata_turn_the_frames_upright(tmp_path: Path, degrees: int) -> None:
    ramp = np.broadcast_to(
        np.arange(20, 20 + 3 * WIDTH, 3, dtype=np.uint8)[None, None, :, None], (3, HEIGHT, WIDTH, 3)
    )
    flat, turned = write_clip(tmp_path / "flat.mp4", ramp), tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", str(degrees), "-i", flat, "-c", "copy", turned)
    with open_source(turned) as source:
        image = next(iter(source)).image
        assert (source.info.width, source.info.height) == image.shape[1::-1]
    assert np.array_equal(image, np.rot90(read(flat)[0].image, degrees // 90))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", ["-pix_fmt", "gray"]),
        ("a.mp4", ["-pix_fmt", "yuv420p10le"]),
        ("a.mp4", ["-pix_fmt", "yuv444p"]),
        ("a.mkv", ["-c:v", "ffv1", "-pix_fmt", "gray16le"]),
        ("a.mkv", ["-c:v", "ffv1", "-pix_fmt", "gbrp"]),
        ("a.avi", ["-c:v", "mjpeg", "-q:v", "1", "-pix_fmt", "yuvj420p"]),
        ("a.avi", ["-c:v", "rawvideo", "-pix_fmt", "bgr24"]),
        ("a.mpg", ["-c:v", "mpeg2video", "-b:v", "2M"]),
    ],
)
def test_every_pixel_format_gives_the_same_frames(tmp_path: Path, name: str, options: list[str]) -> None:
    frames = read(grey_clip(tmp_path / name, 12, *options))
    assert len(frames) == 12
    assert_levels(frames)


def test_odd_sizes_are_kept(tmp_path: Path) -> None:
    frames = grey_frames(5, width=65, height=49)
    assert read(write_clip(tmp_path / "a.mp4", frames, "-pix_fmt", "yuv444p"))[0].image.shape == (49, 65, 3)


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m"])
def test_colours_are_decoded_as_their_tags_say(tmp_path: Path, matrix: str) -> None:
    tags = ["-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix, "-color_range", "tv"]
    convert = ["-vf", f"scale=out_color_matrix={matrix}:out_range=tv,format=yuv444p", "-pix_fmt", "yuv444p"]
    image = read(write_clip(tmp_path / "a.mp4", chart()[None].repeat(2, 0), *convert, *tags))[0].image
    assert np.abs(patch_centres(image) - patch_centres(chart())).mean() < 2


def test_raw_stream_without_times_is_evenly_spaced(tmp_path: Path) -> None:
    frames = read(grey_clip(tmp_path / "a.h264", 10, "-f", "h264"))
    assert [frame.time_s for frame in frames] == pytest.approx([k / 25 for k in range(10)])
    assert_levels(frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_part_is_the_same_as_in_the_whole(uneven: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    ffmpeg("-i", uneven, "-c", "copy", path)
    whole = read(path)
    for start in (0.31, 10.0, 13.37, 19.9):
        expected = [frame for frame in whole if start - 1e-3 <= frame.time_s < start + 1]
        found = read(path, start_s=start, end_s=start + 1)
        assert [frame.index for frame in found] == [frame.index for frame in expected]
        assert [frame.time_s for frame in found] == [frame.time_s for frame in expected]
        assert all(np.array_equal(a.image, b.image) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.avi", ["-c:v", "mpeg4", "-bf", "2", "-q:v", "2"]),
        ("a.mpg", ["-c:v", "mpeg1video", "-bf", "2", "-q:v", "2"]),
        ("a.h264", []),
        ("a.gif", []),
        ("a.flv", []),
    ],
)
def test_start_far_into_a_file_with_few_time_stamps(tmp_path: Path, name: str, options: list[str]) -> None:
    path = tmp_path / name
    if name == "a.gif":
        ffmpeg("-i", grey_clip(tmp_path / "a.mp4", 400), path)
    else:
        grey_clip(path, 400, *options, "-g", "50")
    whole = {frame.time_s: frame for frame in read(path)}
    part = read(path, start_s=14.0)
    assert part[0].time_s == pytest.approx(14.0, abs=0.03)
    assert [frame.index for frame in part] == [whole[frame.time_s].index for frame in part]
    assert all(np.array_equal(frame.image, whole[frame.time_s].image) for frame in part)


def test_stride_counts_the_frames_it_leaves_out(tmp_path: Path) -> None:
    path = grey_clip(tmp_path / "a.mp4", 30)
    frames = read(path, start_s=0.2, stride=4, max_frames=3)
    assert [frame.index for frame in frames] == [5, 9, 13]
    assert [frame.time_s for frame in frames] == pytest.approx([0.2, 0.36, 0.52])
    assert_levels(frames)


@given(
    total=st.integers(0, 300),
    fps=st.sampled_from([5.0, 25.0, 50.0]),
    start=st.integers(0, 200),
    length=st.integers(1, 200),
    stride=st.integers(1, 7),
    most=st.none() | st.integers(1, 50),
)
def test_expected_number_of_frames_is_the_number_chosen(
    total: int, fps: float, start: int, length: int, stride: int, most: int | None
) -> None:
    options = ReadOptions(start_s=start / fps, end_s=(start + length) / fps, stride=stride, max_frames=most)
    chosen = list(range(total))[start : start + length][::stride][:most]
    counted = options.count(total, fps)
    assert counted is not None and abs(counted - len(chosen)) <= 1  # times are rounded


@pytest.mark.parametrize(
    "options",
    [
        {"start_s": -1.0}, {"start_s": float("nan")}, {"start_s": 5.0, "end_s": 5.0}, {"end_s": 0.0},
        {"stride": 0}, {"max_frames": 0}, {"images_per_second": 0.0},
        {"images_per_second": 1e-300}, {"images_per_second": 1e9}, {"images_per_second": float("nan")},
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options)).removesuffix("_s")[:3]):
        ReadOptions(**options)


def test_an_infinite_end_means_all_frames() -> None:
    assert ReadOptions(end_s=float("inf")).count(100, 25.0) == 100
    assert ReadOptions(end_s=1e308).count(100, 1000.0) == 100
    assert ReadOptions(start_s=1e308).count(100, 1000.0) == 0


def test_a_part_without_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"ends at 0\.36 s"):
        read(grey_clip(tmp_path / "a.mp4", 10), start_s=60)


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.mp4", ["-movflags", "+faststart"]), ("a.mkv", []), ("a.avi", ["-c:v", "mjpeg"]), ("a.flv", [])],
)
def test_cut_off_file_gives_its_frames_and_reports_their_number(
    tmp_path: Path, name: str, options: list[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (60, HEIGHT, WIDTH, 3), dtype=np.uint8)
    whole = write_clip(tmp_path / name, grey_frames(60) // 2 + noise, *options, "-g", "10")
    part = cut_off(whole, 0.6, tmp_path / f"part_{name}")
    with open_source(part) as source:
        frames = list(source)
        assert 20 <= len(frames) <= 50
        assert source.incomplete is not None
        assert f"{part} is damaged or cut short: {len(frames)} of " in source.incomplete
    assert [frame.index for frame in frames] == list(range(len(frames)))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.gif", ["-c:v", "gif", "-pix_fmt", "rgb8"]),
        ("a.ts", []),
        ("a.m2ts", ["-c:v", "mpeg2video", "-mpegts_m2ts_mode", "1"]),
    ],
)
def test_cut_off_file_without_a_number_of_frames_is_detected(
    tmp_path: Path, name: str, options: list[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (30, HEIGHT, WIDTH, 3), dtype=np.uint8)
    whole = write_clip(tmp_path / name, grey_frames(30) // 2 + noise, *options, "-g", "10")
    part = tmp_path / f"part_{name}"
    with open_source(whole) as source:
        assert len(list(source)) == 30 and source.incomplete is None
    for lost in (1, 1000, 5001):
        part.write_bytes(whole.read_bytes()[: -lost - 1])
        with open_source(part) as source:
            frames = len(list(source))
            assert source.incomplete == (
                f"{part} is cut short: {frames} frames could be decoded, the last perhaps in part."
            )
    with open_source(part, ReadOptions(max_frames=2)) as source:
        assert len(list(source)) == 2 and source.incomplete is None


def test_unusual_ends_of_whole_files_are_not_called_cut(tmp_path: Path) -> None:
    gif = grey_clip(tmp_path / "a.gif", 5, "-c:v", "gif", "-pix_fmt", "rgb8").read_bytes()
    stream = grey_clip(tmp_path / "a.ts", 50).read_bytes()
    endings = {
        "no_trailer.gif": gif[:-1],
        "comment_behind.gif": gif + b"made by a program",
        "zeros_behind.gif": gif + bytes(1000),
        "begins_within_a_packet.ts": stream[100:],
        "zeros_behind.ts": stream + bytes(1000),
        "from_another_channel_first.ts": bytes(77) + stream,
    }
    for name, data in endings.items():
        (tmp_path / name).write_bytes(data)
        with open_source(tmp_path / name) as source:
            assert list(source)
            assert source.incomplete is None, name


def test_a_file_shortened_or_removed_meanwhile_raises_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Shortened(io.BytesIO):
        def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
            return super().seek(offset, whence) + (9_999 if whence == os.SEEK_END else 0)

    gif = grey_clip(tmp_path / "a.gif", 5, "-c:v", "gif", "-pix_fmt", "rgb8").read_bytes()
    stream = grey_clip(tmp_path / "a.ts", 50).read_bytes()
    assert not is_cut_off(tmp_path / "removed.gif", "gif")
    for data, container in ((gif, "gif"), (gif[:500], "gif"), (stream, "mpegts"), (stream[:-9999], "mpegts")):
        monkeypatch.setattr(Path, "open", lambda *_, data=data: Shortened(data))
        is_cut_off(tmp_path / "a", container)  # any answer will do, but no exception


def test_reading_continues_after_a_damaged_part(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, HEIGHT, WIDTH, 3), dtype=np.uint8)
    path = write_clip(tmp_path / "a.mp4", noise, "-movflags", "+faststart", "-g", "10")
    data = bytearray(path.read_bytes())
    data[len(data) * 4 // 10 : len(data) // 2] = bytes(len(data) // 2 - len(data) * 4 // 10)
    path.write_bytes(data)
    with open_source(path) as source:
        frames = list(source)
        assert frames[-1].time_s == pytest.approx(79 / 25, abs=0.05)
        assert 50 < len(frames) < 80
        assert source.incomplete is not None and f"{len(frames)} of 80 frames" in source.incomplete


def test_whole_files_are_not_called_incomplete(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 50, "-g", "25", "-bf", "2")
    ffmpeg("-i", clip, "-f", "lavfi", "-i", "sine=440:d=4", "-c:v", "copy", tmp_path / "longer_sound.mkv")
    ffmpeg("-i", clip, "-f", "lavfi", "-i", "sine=440:d=4", "-c:v", "copy", tmp_path / "longer_sound.mp4")
    ffmpeg("-ss", "0.6", "-i", clip, "-c", "copy", tmp_path / "edit_list.mp4")
    ffmpeg("-i", clip, "-c", "copy", tmp_path / "stream.ts")
    ffmpeg("-i", clip, "-c:v", "mpeg4", "-bf", "2", tmp_path / "old.avi")
    for path in sorted(tmp_path.iterdir()):
        with open_source(path) as source:
            assert list(source)
            assert source.incomplete is None, path.name


def test_faults_are_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "words.mp4").write_text("not a video\n" * 50)
    (tmp_path / "words.txt").write_text("not a video\n" * 50)
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=1", tmp_path / "song.mp3")
    ffmpeg("-f", "lavfi", "-i", "sine=440:d=1", tmp_path / "song.mp4")
    lost = cut_off(grey_clip(tmp_path / "a.mp4", 20), 0.5, tmp_path / "no_index.mp4")
    (tmp_path / "folder").mkdir()
    cases = {
        tmp_path / "none.mp4": "There is no file",
        tmp_path / "empty.mp4": "is empty",
        tmp_path / "words.mp4": "is not a video",
        tmp_path / "words.txt": "is not a video",
        tmp_path / "song.mp3": "holds sound but no video",
        tmp_path / "song.mp4": "holds sound but no video",
        lost: "header is lost",
        tmp_path / "folder": "no images in the folder",
        tmp_path / "*.bmp": "Nothing matches",
        tmp_path / "song.*": "No images match",
        tmp_path / ("x" * 300): "name too long",
        tmp_path / "a.mp4" / "b.mp4": "cannot be opened",
    }
    for path, words in cases.items():
        with pytest.raises(VideoError, match=words) as caught:
            open_source(path)
        assert str(path).removesuffix("*") in str(caught.value)
        assert "\n" not in str(caught.value)


def test_pictures_in_sound_files_are_not_video(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "cover.png"), np.zeros((32, 32, 3), np.uint8))
    sound = ["-f", "lavfi", "-i", "sine=440:d=1", "-i", tmp_path / "cover.png", "-map", "0", "-map", "1"]
    ffmpeg(*sound, "-disposition:v", "attached_pic", tmp_path / "song.mp3")
    with pytest.raises(VideoError, match="no video"):
        open_source(tmp_path / "song.mp3")


def test_nothing_is_printed_whatever_is_opened(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "a.mp4", 30, "-movflags", "+faststart")
    cut_off(clip, 0.6, tmp_path / "cut.mp4")
    cut_off(clip, 0.1, tmp_path / "stub.mp4")
    cv2.imwrite(str(tmp_path / "image.jpg"), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    cut_off(tmp_path / "image.jpg", 0.5, tmp_path / "half.jpg")
    (tmp_path / "words.png").write_text("no image")
    places = ["a.mp4", "cut.mp4", "stub.mp4", "image.jpg", "half.jpg", "words.png", "none.mp4"]
    code = (
        "from posetrack.errors import VideoError\nfrom posetrack.video import open_source\n"
        f"for place in {[str(tmp_path / place) for place in places] + ['99', 'rtsp://127.0.0.1:1/a']}:\n"
        "    try:\n        list(open_source(place))\n    except VideoError:\n        pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    "name", ["-a.mp4", "100%d.mp4", "a:b.mp4", 'it\'s "a" clip.mp4', "two\nlines.mp4", "[1]*?.mp4"]
)
def test_any_file_name_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    clip = grey_clip(tmp_path / "plain.mp4", 5)
    clip.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read(name)) == 5


def test_source_is_read_in_another_thread(tmp_path: Path) -> None:
    frames: list[Frame] = []
    with open_source(grey_clip(tmp_path / "a.mp4", 12)) as source:
        thread = threading.Thread(target=lambda: frames.extend(source))
        thread.start()
        thread.join()
    assert_levels(frames)
    assert len(frames) == 12


def save(path: Path, image: np.ndarray) -> None:
    assert cv2.imwrite(str(path), image)


def test_images_come_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 100, 1):
        save(tmp_path / f"frame{number}.png", np.full((8, 9, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    for place in (tmp_path, tmp_path / "*.png", str(tmp_path / "frame*")):
        with open_source(place) as source:
            frames = list(source)
            assert (source.info.name, source.info.fps, source.info.frame_count) == (tmp_path.name, None, 4)
        assert levels(frames) == [1, 9, 10, 100]
        assert [frame.time_s for frame in frames] == pytest.approx([0, 0.04, 0.08, 0.12])


def test_part_of_a_folder(tmp_path: Path) -> None:
    for number in range(20):
        save(tmp_path / f"{number}.png", np.full((8, 8, 3), number, np.uint8))
    frames = read(tmp_path, start_s=0.5, end_s=1.5, stride=2, images_per_second=10)
    assert [frame.index for frame in frames] == [5, 7, 9, 11, 13] == levels(frames)


@pytest.mark.parametrize("kind", ["rgba", "rgb16", "grey", "grey16", "jpeg"])
def test_images_of_every_depth_become_rgb(tmp_path: Path, kind: str) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[:] = (100, 100, 100) if "grey" in kind else (30, 100, 200)  # OpenCV's blue, green, red
    stored = {
        "rgba": np.dstack([image, np.full((16, 16), 255, np.uint8)]),
        "rgb16": image.astype(np.uint16) * 257,
        "grey": image[..., 0],
        "grey16": image[..., 0].astype(np.uint16) * 257,
        "jpeg": image,
    }[kind]
    save(tmp_path / ("a.jpg" if kind == "jpeg" else "a.png"), stored)
    (frame,) = read(tmp_path)
    assert frame.image.dtype == np.uint8
    assert np.abs(frame.image.astype(int) - image[..., ::-1]).max() <= 3


def test_damaged_images_are_skipped_and_reported(tmp_path: Path) -> None:
    for number in range(6):
        save(tmp_path / f"{number}.jpg", np.full((32, 32, 3), 40 * number, np.uint8))
    cut_off(tmp_path / "2.jpg", 0.7, tmp_path / "2.jpg")
    (tmp_path / "3.jpg").write_text("no image")
    with open_source(tmp_path) as source:
        assert [frame.index for frame in source] == [0, 1, 4, 5]
        assert source.incomplete is not None
        assert "2 of 6 images" in source.incomplete and str(tmp_path / "2.jpg") in source.incomplete


def test_images_of_another_size_are_an_error_that_names_the_file(tmp_path: Path) -> None:
    save(tmp_path / "1.png", np.zeros((8, 10, 3), np.uint8))
    save(tmp_path / "2.png", np.zeros((8, 12, 3), np.uint8))
    with pytest.raises(VideoError, match=r"2\.png has 12x8 pixels where the images before it have 10x8"):
        read(tmp_path)


def test_no_readable_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_text("no image")
    for place in (tmp_path, tmp_path / "1.png"):
        with pytest.raises(VideoError, match=r"1\.png cannot be read as an image"):
            open_source(place)


class BreakingServer(http.server.BaseHTTPRequestHandler):
    """Sends half of a stream, then closes the connection."""

    content = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        self.wfile.write(self.content[: len(self.content) // 2])

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def test_interrupted_stream_gives_the_frames_received(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, HEIGHT, WIDTH, 3), dtype=np.uint8)
    BreakingServer.content = write_clip(tmp_path / "a.ts", noise, "-g", "5").read_bytes()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), BreakingServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://user:secret@127.0.0.1:{server.server_port}/live/a.ts?token=hidden"
        with open_source(url) as source:
            assert (source.info.name, source.info.path) == ("a", None)
            frames = list(source)
            assert 10 < len(frames) < 30
            assert frames[0].time_s == 0
            assert np.diff([frame.time_s for frame in frames]) == pytest.approx(0.04, abs=1e-3)
            assert source.incomplete is not None and f"after {len(frames)} frames" in source.incomplete
            assert "secret" not in source.incomplete and "hidden" not in source.incomplete
        server.shutdown()


def test_sources_that_do_not_answer_are_errors_without_passwords() -> None:
    with pytest.raises(VideoError, match="Camera 99 cannot be opened"):
        open_source("99")
    with pytest.raises(VideoError, match="rtsp://127.0.0.1:1/a cannot be opened") as caught:
        open_source("rtsp://user:secret@127.0.0.1:1/a")
    assert "secret" not in str(caught.value)


def test_opencv_that_cannot_be_loaded_is_explained(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    code = (
        "from posetrack.errors import PoseTrackError\n"
        "try:\n    import posetrack.video\nexcept PoseTrackError as error:\n    print(error)"
    )
    paths = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert "libGL.so.1" in done.stdout and "apt-get install libgl1" in done.stdout


def test_real_clip_is_read_whole(shared: Path) -> None:
    path = shared / "data" / "clips" / "paris_street.avi"
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
        assert (source.info.width, source.info.height, source.info.fps) == (1280, 720, 50)
        assert source.incomplete is None
    assert times == pytest.approx([index / 50 for index in range(205)], abs=1e-4)
