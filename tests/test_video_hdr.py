"""HDR becomes SDR in BT.709, for the networks and in the annotated video, whose tags match its pixels."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from posetrack.skeletons import POSETRACK
from posetrack.types import Poses
from posetrack.video import Annotator, VideoSink, open_source
from posetrack.video.colour import Colour
from posetrack.video.tone_mapping import tone_mapped
from tests.video_clips import FFMPEG, describe, ffmpeg

TRANSFERS = {"pq": "smpte2084", "hlg": "arib-std-b67"}
WIDTH, HEIGHT = 256, 32


def encoded(path: Path, planes: np.ndarray, *tags: str, levels: str = "tv") -> Path:
    """A clip of two equal 10-bit 4:4:4 frames, uint16 [3, H, W], tagged with matrix, primaries and transfer."""
    matrix, primaries, transfer = tags
    told = f"log-level=none:lossless=1:range={'full' if levels == 'pc' else 'limited'}"
    told += f":colorprim={primaries}:transfer={transfer}:colormatrix={matrix}"
    size = ["-s", f"{planes.shape[2]}x{planes.shape[1]}", "-pix_fmt", "yuv444p10le", "-f", "rawvideo"]
    named = f"setparams=colorspace={matrix}:color_primaries={primaries}:color_trc={transfer}:range={levels}"
    coding = ["-c:v", "libx265", "-x265-params", told, "-vf", named]
    ffmpeg(*size, "-i", "-", *coding, path, data=planes.astype("<u2").tobytes() * 2)
    return path


def greys(path: Path, transfer: str, levels: str = "tv") -> Path:
    """A ramp from black (left) to white (right)."""
    ends = (64, 940) if levels == "tv" else (0, 1023)
    luma = np.broadcast_to(np.linspace(*ends, WIDTH).round(), (HEIGHT, WIDTH))
    grey = np.full((HEIGHT, WIDTH), 512)
    return encoded(path, np.stack([luma, grey, grey]), "bt2020nc", "bt2020", transfer, levels=levels)


def first(path: Path) -> np.ndarray:
    with open_source(path) as source:
        return next(iter(source)).image


def annotate(path: Path, target: Path) -> None:
    with open_source(path) as source:
        sink = VideoSink(target, source.info, Annotator())
        for frame in source:
            sink.write(frame, Poses.empty(POSETRACK))
        sink.close()


def nits(kind: str, coded: float) -> float:
    """Luminance of a grey (BT.2100, tables 4 and 5), implemented independently of the code under test."""
    if kind == "pq":
        m1, m2, c1, c2, c3 = 0.1593017578125, 78.84375, 0.8359375, 18.8515625, 18.6875
        power = coded ** (1 / m2)
        return float(10_000 * (max(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1))
    scene = coded**2 / 3 if coded <= 0.5 else (np.exp((coded - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return float(1000 * scene**1.2)


@pytest.mark.parametrize("levels", ["tv", "pc"])
@pytest.mark.parametrize("kind", TRANSFERS)
def test_greys_below_white_keep_their_luminance(tmp_path: Path, kind: str, levels: str) -> None:
    """Up to 60 % of white (203 cd/m2) an SDR display shows the same luminance; above, it is compressed."""
    row = first(greys(tmp_path / "a.mp4", TRANSFERS[kind], levels))[HEIGHT // 2].astype(int)
    light = np.array([nits(kind, column / (WIDTH - 1)) for column in range(WIDTH)]) / 203
    dark = light <= 0.6
    assert 100 < dark.sum() < 200
    assert np.abs(row[dark, 0] - 255 * light[dark] ** (1 / 2.4)).max() <= 4
    assert (np.ptp(row, axis=1) <= 1).all() and (np.diff(row[:, 1]) >= -1).all()
    white = np.abs(light - 1).argmin()
    assert 225 <= row[white, 0] <= 242 and row[-1, 0] >= 253
    assert row[(light > 1.5) & (light < 2), 0].max() < 252  # highlights keep detail


@pytest.mark.parametrize("kind", TRANSFERS)
def test_exposure_is_that_of_the_sdr_clip(shared: Path, tmp_path: Path, kind: str) -> None:
    """An SDR clip converted to HDR, with its white at HDR's diffuse white, comes back unchanged."""
    clip = shared / "data" / "clips" / "one_by_one.mp4"
    part = ["-ss", "8", "-i", clip, "-frames:v", "2"]
    linear = "scale=384:216,zscale=matrixin=170m:transferin=bt709:primariesin=bt709:rangein=tv"
    convert = (
        f"{linear}:t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020:t={TRANSFERS[kind]}:m=bt2020nc:r=tv:npl=203"
    )
    told = f"log-level=none:crf=4:colorprim=bt2020:transfer={TRANSFERS[kind]}:colormatrix=bt2020nc"
    hdr = ["-vf", f"{convert},format=yuv420p10le", "-c:v", "libx265", "-x265-params", told]
    if "zscale" not in subprocess.run([FFMPEG, "-filters"], capture_output=True, text=True).stdout:
        pytest.skip("this ffmpeg cannot make HDR: it lacks zscale")
    ffmpeg(*part, *hdr, tmp_path / "hdr.mp4")
    ffmpeg(*part, "-vf", "scale=384:216", "-crf", "4", tmp_path / "sdr.mp4")
    sdr, hdr_shown = first(tmp_path / "sdr.mp4").astype(int), first(tmp_path / "hdr.mp4").astype(int)
    assert np.abs(np.percentile(hdr_shown, (25, 50, 75)) - np.percentile(sdr, (25, 50, 75))).max() < 8
    assert np.abs(hdr_shown - sdr).mean() < 6


@pytest.mark.parametrize("name", ["hdr_hlg.mov", "hdr_pq.mp4"])
def test_stream_and_container_that_contradict_each_other_follow_the_container(
    shared: Path, tmp_path: Path, name: str
) -> None:
    """The streams are tagged HDR, containers and pixels are SDR: expect the source's exposure and SDR tags."""
    path, target = shared / "faults" / name, tmp_path / "out.mp4"
    annotate(path, target)
    assert "(tv, bt709, progressive)" in describe(target)
    with open_source(shared / "data" / "clips" / "one_by_one.mp4") as source:
        original = np.percentile(next(frame.image for frame in source if frame.index == 80), (25, 75))
    for shown in (first(path), first(target)):
        assert np.abs(np.percentile(shown, (25, 75)) - original).max() < 8


@pytest.mark.parametrize("kind", TRANSFERS)
def test_annotated_hdr_is_tagged_as_sdr(tmp_path: Path, kind: str) -> None:
    path, target = greys(tmp_path / "a.mp4", TRANSFERS[kind]), tmp_path / "out.mp4"
    annotate(path, target)
    assert "(tv, bt709, progressive)" in describe(target)
    assert np.abs(first(target).astype(int) - first(path)).mean() < 2


@pytest.mark.parametrize("transfer", ["bt2020-10", "bt709"])
def test_wide_sdr_keeps_its_values_and_tags(tmp_path: Path, transfer: str) -> None:
    path, target = greys(tmp_path / "a.mp4", transfer), tmp_path / "out.mp4"
    row = first(path)[HEIGHT // 2].astype(int)
    assert np.abs(row - np.arange(WIDTH)[:, None]).max() <= 2
    annotate(path, target)
    assert f"bt2020nc/bt2020/{transfer}" in describe(target)
    assert np.abs(first(target).astype(int) - first(path)).mean() < 2


@pytest.mark.parametrize("kind", TRANSFERS)
def test_colours_keep_their_hue(kind: str) -> None:
    """The primaries of BT.709, expressed in BT.2020 at half of white."""
    from_709 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    coded = np.linspace(0, 1, 20_001)
    light = np.array([nits(kind, value) for value in coded])
    colours = np.eye(3) * 0.5 * 203
    wanted = colours @ from_709.T
    if kind == "hlg":  # whose system gamma acts on luminance, not on each colour
        luminance = wanted @ [0.2627, 0.6780, 0.0593]
        scene = wanted / 1000 * (luminance[:, None] / 1000) ** (1 / 1.2 - 1)
        wanted = 1000 * scene**1.2
    signal = np.interp(wanted, light, coded)
    shown = tone_mapped(signal, Colour(transfer=TRANSFERS[kind], primaries="bt2020", matrix="bt2020nc"))
    expected = np.eye(3) * 0.5 ** (1 / 2.4)
    assert np.abs(shown**2.4 - expected**2.4).max() < 0.01
