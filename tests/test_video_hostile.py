"""Hostile files neither crash this process nor make it open other files."""

import http.server
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from posetrack.errors import VideoError
from posetrack.skeletons import POSETRACK
from posetrack.types import Frame, Poses
from posetrack.video import Annotator, ReadOptions, VideoSink, open_source
from posetrack.video.encoder import encodable
from tests.video_clips import describe, ffmpeg, grey_clip, write_clip

NOT_UTF8 = b"caf\xe9 \xff".decode(errors="surrogateescape")

LEADING_ELSEWHERE = {
    "concat.mp4": "ffconcat version 1.0\nfile victim.mp4\n",
    "concat.mov": "ffconcat version 1.0\nfile '{folder}/victim.mp4'\n",
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nfile://{folder}/victim.mp4\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nvictim.mp4\n#EXT-X-ENDLIST\n",
    "list.ts": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nsubfile,,start,0,end,0,,:victim.mp4\n",
    "dash.mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" mediaPresentationDuration="PT1S"><Period>'
    '<AdaptationSet contentType="video"><Representation id="1" mimeType="video/mp4" bandwidth="1">'
    "<BaseURL>victim.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "session.mp4": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "picture.mp4": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{folder}/victim.mp4"/></svg>',
    "script.avs": 'AviSource("{folder}/victim.mp4")\n',
}


@pytest.mark.parametrize("name", LEADING_ELSEWHERE)
def test_files_that_lead_to_other_files_are_refused(tmp_path: Path, name: str) -> None:
    grey_clip(tmp_path / "victim.mp4", 3)
    (tmp_path / name).write_text(LEADING_ELSEWHERE[name].replace("{folder}", str(tmp_path)))
    with pytest.raises(VideoError, match="is not a video") as caught:
        open_source(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("scheme", ["concat", "subfile", "pipe", "data", "unix", "async", "lavfi"])
def test_addresses_that_lead_to_files_are_not_streams(tmp_path: Path, scheme: str) -> None:
    grey_clip(tmp_path / "victim.mp4", 3)
    with pytest.raises(VideoError, match=f"{scheme}:// is not a kind of stream"):
        open_source(f"{scheme}://{tmp_path}/victim.mp4")


def test_address_of_a_file_is_that_file(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "two words.mp4", 3)
    with open_source(clip.as_uri()) as source:
        assert (len(list(source)), source.info.path) == (3, str(clip))


class Serving(http.server.BaseHTTPRequestHandler):
    """Serves the files of a folder."""

    folder = Path()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write((self.folder / self.path.strip("/")).read_bytes())

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def test_playlists_of_a_server_play_its_files_and_none_of_this_machine(tmp_path: Path) -> None:
    Serving.folder = tmp_path / "served"
    Serving.folder.mkdir()
    victim = tmp_path / "victim.ts"
    ffmpeg("-i", grey_clip(tmp_path / "clip.mp4", 12), "-c", "copy", victim)
    (Serving.folder / "part.ts").write_bytes(victim.read_bytes())
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
    (Serving.folder / "good.m3u8").write_text(playlist.format("part.ts"))
    (Serving.folder / "bad.m3u8").write_text(playlist.format(victim.as_uri()))
    (Serving.folder / "script.mp4").write_text(f"ffconcat version 1.0\nfile file:{victim}\n")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        with open_source(f"{address}/good.m3u8") as source:
            assert len(list(source)) == 12
        for name in ("bad.m3u8", "script.mp4"):
            with pytest.raises(VideoError, match="cannot be opened as a video stream"):
                open_source(f"{address}/{name}")
        server.shutdown()


def test_video_of_any_name_is_read_and_written(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "plain.mp4", 12)
    ffmpeg("-i", clip, "-f", "lavfi", "-i", "sine=440:d=1", "-c:v", "copy", tmp_path / "sound.mp4")
    source_path, target = tmp_path / f"{NOT_UTF8}.mp4", tmp_path / f"{NOT_UTF8}_tracked.mp4"
    (tmp_path / "sound.mp4").rename(source_path)
    with open_source(source_path) as source:
        sink = VideoSink(target, source.info, Annotator())
        for frame in source:
            sink.write(frame, Poses.empty(POSETRACK))
        sink.close()
    assert source.info.name == NOT_UTF8 and sink.warning is None
    with open_source(target) as source:
        assert len(list(source)) == 12
    target.rename(tmp_path / "plain_again.mp4")
    assert "Audio: aac" in describe(tmp_path / "plain_again.mp4")


def test_names_that_are_not_utf8_crash_nothing(tmp_path: Path) -> None:
    """In a child process, which may crash; also with an ASCII locale."""
    clip = grey_clip(tmp_path / "plain.mp4", 2)
    clip.rename(tmp_path / f"{NOT_UTF8}.mp4")
    (tmp_path / f"{NOT_UTF8}.png").write_bytes(b"no image")
    code = (
        "import sys\nfrom posetrack.errors import VideoError\nfrom posetrack.video import open_source\n"
        "from posetrack.report.thumbnail import thumbnail_of\nfrom pathlib import Path\n"
        "for place in sys.argv[1:]:\n"
        "    try:\n        print(len(list(open_source(place))))\n"
        "    except VideoError as error:\n        print('refused')\n"
        "print(thumbnail_of(Path(sys.argv[1]), 1).webp is not None)\n"
    )
    places = [tmp_path / f"{NOT_UTF8}.mp4", tmp_path / f"{NOT_UTF8}.png", f"http://127.0.0.1:1/{NOT_UTF8}"]
    places += [tmp_path / f"none{NOT_UTF8}.mp4", f"rtsp://{NOT_UTF8}/"]
    plain_c = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    for environment in (None, plain_c):
        done = subprocess.run(
            [sys.executable, "-c", code, *places], capture_output=True, text=True, env=environment
        )
        assert (done.stdout.split(), done.stderr) == (["2", *["refused"] * 4, "True"], "")


def children() -> set[int]:
    """Process ids of this process's children."""
    listed = [(task / "children").read_text() for task in Path("/proc/self/task").iterdir()]
    return {int(child) for line in listed for child in line.split()}


@pytest.mark.skipif(sys.platform != "linux", reason="child processes are listed in /proc on Linux only")
def test_a_decoder_that_crashes_costs_only_the_rest_of_its_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 240, 320, 3), dtype=np.uint8)  # more than a pipe holds
    clip = write_clip(tmp_path / "a.mp4", noise, "-crf", "40")
    others = children()
    with open_source(clip) as source:
        frames = iter(source)
        images = [next(frames).image for _ in range(5)]
        (decoder,) = children() - others
        os.kill(decoder, signal.SIGSEGV)
        images += [frame.image for frame in frames]
        assert source.incomplete == f"{clip} is damaged or cut short: {len(images)} of 20 frames could be decoded."
    assert 5 <= len(images) < 20
    with open_source(clip) as source:
        assert all(np.array_equal(image, frame.image) for image, frame in zip(images, source, strict=False))


@pytest.mark.parametrize("size", [(16_000, 16_000), (16_000, 4_000), (40_000, 100), (30, 20_000)])
def test_sizes_beyond_h264_are_shrunk_to_its_limits(size: tuple[int, int]) -> None:
    width, height = encodable(*size)
    assert -(-width // 16) * -(-height // 16) <= 139_264 and max(width, height) <= 16_384
    assert width * height > 0.9 * min(139_264 * 256, 16_384**2 * min(size) / max(size))
    assert width / height == pytest.approx(size[0] / size[1], rel=0.03)


@pytest.mark.parametrize("size", [(1920, 1081), (8192, 4352), (16_384, 2_176)])
def test_sizes_within_h264_are_kept(size: tuple[int, int]) -> None:
    assert encodable(*size) == size


def test_frames_too_wide_for_h264_are_shrunk_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.test_video_sink import source_info

    target, image = tmp_path / "out.mp4", np.full((64, 20_000, 3), 90, np.uint8)
    image[:, 10_000:] = 200
    sink = VideoSink(target, source_info(20_000, 64), Annotator())
    assert caplog.messages == [f"{target} is written at 16384x52 pixels: H.264 does not allow 20000x64."]
    sink.write(Frame(0, 0.0, image), Poses.empty(POSETRACK))
    sink.close()
    with open_source(target, ReadOptions(max_frames=1)) as source:
        (frame,) = source
    assert frame.image.shape == (52, 16_384, 3)
    assert frame.image[26, 8000].mean() == pytest.approx(90, abs=4)
    assert frame.image[26, 8400].mean() == pytest.approx(200, abs=4)
