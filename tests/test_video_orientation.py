"""Images and videos are rotated and mirrored as their files say; videos by the whole display matrix."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from posetrack.skeletons import POSETRACK
from posetrack.types import Poses
from posetrack.video import Annotator, VideoSink, open_source
from tests.pictures import read_image
from tests.video_clips import HEIGHT, WIDTH, describe, ffmpeg, write_clip

LETTER = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
"""Differs from itself under every rotation and mirroring."""
LETTER[4:44, 8:20] = 230
LETTER[4:16, 8:56] = 150
LETTER[24:32, 8:40] = 90

UPRIGHT = {
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).transpose(1, 0, 2),
    8: lambda image: np.rot90(image),
}
"""EXIF orientation -> function from the stored to the upright picture (CIPA DC-008, 4.6.4)."""

MATRICES = {
    1: (1, 0, 0, 1), 2: (-1, 0, 0, 1), 3: (-1, 0, 0, -1), 4: (1, 0, 0, -1),
    5: (0, 1, 1, 0), 6: (0, 1, -1, 0), 7: (0, -1, -1, 0), 8: (0, -1, 1, 0),
}  # fmt: skip
"""The same as (a, b, c, d) of MP4's display matrix: a stored point (p, q) is shown at (ap + cq, bp + dq)."""


@pytest.fixture(scope="module")
def letter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("letter") / "letter.mp4", LETTER[None].repeat(3, 0))


def with_matrix(clip: Path, target: Path, matrix: tuple[int, int, int, int]) -> Path:
    a, b, c, d = (value * 65536 for value in matrix)
    data = bytearray(clip.read_bytes())
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    target.write_bytes(data)
    return target


def first(path: Path) -> np.ndarray:
    with open_source(path) as source:
        image = next(iter(source)).image
        assert (source.info.width, source.info.height) == image.shape[1::-1]
    return image


def shown_by_ffmpeg(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    raw = ffmpeg("-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-").stdout
    return np.frombuffer(raw, np.uint8).reshape(shape)


@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_every_display_matrix_is_applied(letter: Path, tmp_path: Path, orientation: int) -> None:
    path = with_matrix(letter, tmp_path / "a.mp4", MATRICES[orientation])
    image = first(path)
    assert np.array_equal(image, UPRIGHT[orientation](first(letter)))
    assert np.array_equal(image, shown_by_ffmpeg(path, image.shape))


def test_mirrored_matroska_is_shown_mirrored(letter: Path, tmp_path: Path) -> None:
    mirrored, path = with_matrix(letter, tmp_path / "a.mp4", MATRICES[2]), tmp_path / "a.mkv"
    ffmpeg("-i", mirrored, "-c", "copy", path)
    assert np.array_equal(first(path), shown_by_ffmpeg(path, LETTER.shape))


def test_orientation_in_the_stream_is_applied(letter: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    ffmpeg("-i", letter, "-c", "copy", "-bsf:v", "h264_metadata=display_orientation=insert:flip=horizontal", path)
    assert np.array_equal(first(path), UPRIGHT[2](first(letter)))


@pytest.mark.parametrize("name", ["mirrored_h.mp4", "mirrored_v.mp4"])
def test_real_mirrored_clips_are_shown_as_by_ffmpeg(shared: Path, name: str) -> None:
    image = first(shared / "faults" / name)
    assert np.array_equal(image, shown_by_ffmpeg(shared / "faults" / name, image.shape))


@pytest.mark.parametrize("orientation", [5, 4])
def test_annotated_video_shows_the_upright_picture_and_has_no_matrix(
    letter: Path, tmp_path: Path, orientation: int
) -> None:
    """Another matrix would rotate it again."""
    target = tmp_path / "out.mp4"
    with open_source(with_matrix(letter, tmp_path / "a.mp4", MATRICES[orientation])) as source:
        sink = VideoSink(target, source.info, Annotator())
        for frame in source:
            sink.write(frame, Poses.empty(POSETRACK))
        sink.close()
    assert "matrix" not in describe(target).lower()
    assert np.abs(first(target).astype(int) - UPRIGHT[orientation](LETTER)).mean() < 4


def saved(kind: str, orientation: int) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    how = {"tiffinfo": {0x0112: orientation}} if kind == "TIFF" else {"exif": exif}
    lossless = (
        {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    )
    Image.fromarray(LETTER).save(file, kind, **how, **lossless)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_exif_orientations_are_applied(tmp_path: Path, kind: str, orientation: int) -> None:
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(saved(kind, orientation))
    image = read_image(path)
    assert image is not None
    assert np.abs(image.astype(int) - UPRIGHT[orientation](LETTER)).max() <= 3


@pytest.mark.parametrize("order", ["II", "MM"])
def test_exif_of_either_byte_order_is_applied(tmp_path: Path, order: str) -> None:
    mark = "<" if order == "II" else ">"
    directory = struct.pack(f"{mark}HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b"Exif\0\0" + order.encode() + directory
    done, jpeg = cv2.imencode(".jpg", LETTER[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert done
    data = jpeg.tobytes()
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    image = read_image(path)
    assert image is not None and image.shape == (WIDTH, HEIGHT, 3)
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", 14) + exif[:12] + data[2:])
    image = read_image(path)
    assert image is not None and image.shape == LETTER.shape  # damaged EXIF data is ignored
