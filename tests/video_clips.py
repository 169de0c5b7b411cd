"""Make small clips with ffmpeg, and inspect files with it."""

import re
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
WIDTH, HEIGHT = 64, 48
LEVELS = (20, 60, 100, 140, 180, 220)
"""Grey levels of consecutive frames, far enough apart that no codec can hide a frame out of order."""


def ffmpeg(*arguments: str | Path, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg; fail the test if it fails."""
    command = [FFMPEG, "-v", "error", "-y", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=True)


def level(index: int) -> int:
    return LEVELS[index % len(LEVELS)]


def grey_frames(count: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """uint8 [T, H, W, 3]."""
    levels = np.array([level(index) for index in range(count)], np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3))


def write_clip(path: Path, frames: np.ndarray, *options: str | Path, rate: str = "25") -> Path:
    """Encode uint8 [T, H, W, 3] RGB as H.264 (unless the options say otherwise)."""
    height, width = frames.shape[1:3]
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate, "-i", "-"]
    ffmpeg(*raw, "-c:v", "libx264", "-crf", "4", "-pix_fmt", "yuv420p", *options, path, data=frames.tobytes())
    return path


def grey_clip(path: Path, count: int, *options: str | Path, rate: str = "25") -> Path:
    return write_clip(path, grey_frames(count), *options, rate=rate)


def describe(path: Path) -> str:
    """The output of ``ffmpeg -i``."""
    command = [FFMPEG, "-hide_banner", "-nostdin", "-i", f"file:{path.absolute()}"]
    return subprocess.run(command, capture_output=True, text=True).stderr


def presentation_times(path: Path) -> list[float]:
    """Presentation times of all frames from the start of the file, by ffmpeg's own decoder."""
    command = [FFMPEG, "-hide_banner", "-nostdin", "-i", f"file:{path.absolute()}", "-map", "0:v", "-map", "0:a?"]
    command += ["-fps_mode", "passthrough", "-vf", "showinfo", "-f", "null", "-"]
    report = subprocess.run(command, capture_output=True, text=True).stderr
    return [float(time) for time in re.findall(r" pts_time:\s*(-?[\d.]+)", report)]


def cut_off(path: Path, share: float, target: Path) -> Path:
    """The beginning of a file, as left by an interrupted copy."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def chart(width: int = 128, height: int = 128) -> np.ndarray:
    """Patches of 64 colours, uint8 [H, W, 3]."""
    steps = np.array([16, 90, 165, 240], np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(8, 8, 3)
    return np.kron(colours, np.ones((height // 8, width // 8, 1), np.uint8))


def patch_centres(image: np.ndarray) -> np.ndarray:
    """The colours at the centres of the chart's patches, int64 [8, 8, 3]."""
    size_y, size_x = image.shape[0] // 8, image.shape[1] // 8
    return image[size_y // 2 :: size_y, size_x // 2 :: size_x].astype(np.int64)
