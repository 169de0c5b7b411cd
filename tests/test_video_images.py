"""Images of any depth become 8-bit RGB with white at 255; damaged images print nothing."""

import io
import logging
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from posetrack.video import open_source
from posetrack.video.image_bytes import stated_bits, stated_white
from tests.pictures import read_image
from tests.video_clips import cut_off

RAMP = np.linspace(0, 1, 16 * 16 * 3).reshape(16, 16, 3)


def save(path: Path, image: np.ndarray) -> Path:
    done, data = cv2.imencode(path.suffix, image[..., ::-1])
    assert done
    path.write_bytes(data.tobytes())
    return path


def deep(path: Path, bits: int, brightness: float = 1.0) -> Path:
    """A 16-bit image that uses only the lowest bits."""
    return save(path, (RAMP * brightness * (2**bits - 1)).round().astype(np.uint16))


def frames(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.image for frame in source]


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "posetrack")
    return caplog


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_few_bits_in_16_are_scaled_with_a_warning(
    tmp_path: Path, warnings: pytest.LogCaptureFixture, suffix: str, bits: int
) -> None:
    deep(tmp_path / f"a{suffix}", bits)
    (image,) = frames(tmp_path)
    assert np.abs(image - 255 * RAMP).max() <= 1
    white = 2**bits - 1
    expected = f"The 16-bit images in {tmp_path} use {bits} bits; {white} is taken as white."
    assert [record.getMessage() for record in warnings.records] == [expected]
    frames(tmp_path)
    assert len(warnings.records) == 1  # warned once


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_all_16_bits_give_no_warning(tmp_path: Path, warnings: pytest.LogCaptureFixture, suffix: str) -> None:
    deep(tmp_path / f"a{suffix}", 16)
    assert np.abs(frames(tmp_path)[0] - 255 * RAMP).max() <= 1
    assert not warnings.records


def test_all_images_of_a_folder_are_scaled_alike(tmp_path: Path) -> None:
    """Dark images stay dark: none is scaled by its own values."""
    brightness = [0.05] * 20 + [1.0] + [0.3] * 20
    for number, level in enumerate(brightness):
        deep(tmp_path / f"{number}.png", 12, level)
    shown = frames(tmp_path)
    assert [image.max() for image in shown] == pytest.approx([255 * level for level in brightness], abs=1)


def test_stated_bits_count_in_a_dark_image(tmp_path: Path) -> None:
    path = deep(tmp_path / "a.png", 12, 0.2)
    data = path.read_bytes()
    kind = b"sBIT" + bytes([12, 12, 12])
    chunk = struct.pack(">I", 3) + kind + struct.pack(">I", zlib.crc32(kind))
    path.write_bytes(data[:33] + chunk + data[33:])
    assert frames(tmp_path)[0].max() == pytest.approx(51, abs=1)
    assert stated_bits(path.read_bytes()) == 12


def test_stated_bits_of_values_that_fill_the_range_change_nothing(tmp_path: Path) -> None:
    """As in the PNG standard: 12 significant bits in the upper part of the 16."""
    path = save(tmp_path / "a.png", (RAMP * 4095).round().astype(np.uint16) << 4)
    data, kind = path.read_bytes(), b"sBIT" + bytes([12, 12, 12])
    path.write_bytes(data[:33] + struct.pack(">I", 3) + kind + struct.pack(">I", zlib.crc32(kind)) + data[33:])
    assert np.abs(frames(tmp_path)[0] - 255 * RAMP).max() <= 1


def test_stated_maximum_of_a_dark_tiff_file_counts(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray((RAMP[..., 0] * 500).astype(np.uint16)).save(file, "TIFF", tiffinfo={281: 4095})
    (tmp_path / "a.tif").write_bytes(file.getvalue())
    assert frames(tmp_path)[0].max() == pytest.approx(255 * 500 / 4095, abs=1)


@pytest.mark.parametrize("white", [100, 255, 1023, 4095, 65535])
def test_stated_white_of_a_pnm_file_is_used(
    tmp_path: Path, warnings: pytest.LogCaptureFixture, white: int
) -> None:
    values = (RAMP * white).round().astype(">u2" if white > 255 else np.uint8)
    (tmp_path / "a.ppm").write_bytes(b"P6\n# made by a test\n16 16\n%d\n" % white + values.tobytes())
    assert np.abs(frames(tmp_path)[0] - 255 * RAMP).max() <= 2
    assert not warnings.records


def test_stated_white_of_a_jpeg_2000_file_is_found() -> None:
    size = struct.pack(">HHIIIIIIIIH", 41, 0, 16, 16, 0, 0, 16, 16, 0, 0, 1)
    stream = b"\xff\x4f\xff\x51" + size + bytes([11, 1, 1])
    assert stated_white(stream) == 4095
    assert stated_white(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40) + stream) == 4095
    assert stated_white(stream[:30]) is None


@pytest.mark.parametrize("bits", [10, 12])
def test_packed_tiff_files_are_read(tmp_path: Path, bits: int) -> None:
    """10-bit or 12-bit values without padding."""
    values = np.linspace(0, 2**bits - 1, 256).round().astype(np.uint16).reshape(16, 16)
    as_bits = (values[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8)
    strip = np.packbits(as_bits.reshape(16, -1), axis=1).tobytes()
    tags = {256: 16, 257: 16, 258: bits, 259: 1, 262: 1, 273: 8 + 2 + 12 * 9 + 4, 277: 1, 278: 16, 279: len(strip)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<IH", 8, 9) + entries + bytes(4) + strip)
    assert np.abs(frames(tmp_path)[0][..., 0] - 255.0 * values / (2**bits - 1)).max() <= 1


@pytest.mark.parametrize("kind", ["grey", "colour", "progressive", "cmyk"])
def test_jpeg_files_of_every_kind_are_read(tmp_path: Path, kind: str) -> None:
    smooth = cv2.resize((RAMP * 255).astype(np.uint8), (64, 48), interpolation=cv2.INTER_CUBIC)
    picture = Image.fromarray(smooth)
    picture = picture.convert({"grey": "L", "cmyk": "CMYK"}.get(kind, "RGB"))
    picture.save(tmp_path / "a.jpg", quality=95, progressive=kind == "progressive", comment="taken at noon")
    image = read_image(tmp_path / "a.jpg")
    assert image is not None
    assert np.abs(image.astype(int) - np.asarray(picture.convert("RGB"))).mean() < 4


DAMAGED = {
    "cut": lambda data: data[: len(data) * 6 // 10],
    "cut and ended": lambda data: data[: len(data) * 6 // 10] + data[-2:],
    "zeros": lambda data: data[: len(data) // 2] + bytes(40) + data[len(data) // 2 + 40 :],
    "junk": lambda data: data[:20] + bytes(range(200, 240)) + data[60:],
    "header only": lambda data: data[:40],
}


def test_damaged_images_print_nothing(tmp_path: Path) -> None:
    """libpng and libjpeg print on the terminal directly."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)
    for suffix in (".png", ".jpg", ".tif", ".webp", ".bmp"):
        whole = save(tmp_path / f"whole{suffix}", noise)
        for damage, change in DAMAGED.items():
            (tmp_path / f"{damage}{suffix}").write_bytes(change(whole.read_bytes()))
    odd = save(tmp_path / "odd.png", noise).read_bytes()
    profile = b"iCCP" + b"bad\0\0" + zlib.compress(b"no profile")
    chunk = struct.pack(">I", len(profile) - 4) + profile + struct.pack(">I", zlib.crc32(profile))
    (tmp_path / "odd.png").write_bytes(odd[:33] + chunk + odd[33:])
    huge = bytearray(odd)
    huge[16:24] = struct.pack(">II", 2**31 - 1, 2**31 - 1)
    huge[29:33] = struct.pack(">I", zlib.crc32(bytes(huge[12:29])))
    (tmp_path / "huge.png").write_bytes(huge)
    code = (
        "from pathlib import Path\nfrom tests.pictures import read_image\n"
        f"for path in sorted(Path({str(tmp_path)!r}).iterdir()):\n"
        "    image = read_image(path)\n"
        "    print(path.name, image is not None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    read = {
        name for name, _, good in (line.rpartition(" ") for line in done.stdout.splitlines()) if good == "True"
    }
    assert read >= {"whole.png", "whole.jpg", "whole.tif", "whole.webp", "whole.bmp", "odd.png"}
    assert not read & {f"{damage}.png" for damage in DAMAGED} and "huge.png" not in read
    assert "cut.jpg" not in read


def test_images_of_any_name_are_read(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode(errors="surrogateescape")
    save(tmp_path / "plain.png", (RAMP * 255).astype(np.uint8)).rename(tmp_path / name)
    assert len(frames(tmp_path)) == 1
    cut_off(tmp_path / name, 0.5, tmp_path / name)
    with pytest.raises(Exception, match="cannot be read as an image"):
        frames(tmp_path)
