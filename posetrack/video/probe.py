"""The properties of a media file, as reported by FFmpeg."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from posetrack.video.colour import HD, Colour
from posetrack.video.containers import declared_frames
from posetrack.video.ffmpeg import REFUSED, reading, run_ffmpeg
from posetrack.video.timing import frame_rate

_NAMELESS = ("unknown", "unspecified", "reserved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The properties of a media file.

    Attributes:
        container: FFmpeg's name of the format (``mov,mp4,m4a,3gp,3g2,mj2``); empty if it is not a media file.
        refused: The format is one whose files may lead to other files.
        video_codec: Codec of the first video stream, cover pictures aside; None if there is no video.
        audio_codecs: Codecs of the audio streams, in order.
        duration_s: Duration of the whole file according to its header.
        declared_frames: Number of frames listed in the header; None if it has no list.
        colour: Meaning of the video's Y'CbCr values.
        picture_colour: Colour of decoded frames and of the annotated video.
        size: Upright width and height of the first frame; None if no frame can be decoded.
        fps: Nominal frames per second; None if unknown.
        sample_aspect: Width of an upright pixel divided by its height; None if pixels are square, or it is
            unknown.
    """

    container: str
    refused: bool
    video_codec: str | None
    audio_codecs: tuple[str, ...]
    duration_s: float | None
    declared_frames: int | None
    colour: Colour
    picture_colour: Colour
    size: tuple[int, int] | None
    fps: Fraction | None
    sample_aspect: Fraction | None

    @property
    def frame_count(self) -> int | None:
        """Estimated number of visible frames; None if unknown. Edit lists hide some declared frames."""
        lasting = round(self.duration_s * self.fps) if self.duration_s and self.fps else None
        if self.declared_frames is None:
            return lasting
        return self.declared_frames if lasting is None else min(self.declared_frames, lasting + 1)


def probe(path: str | Path) -> Media:
    """Get a file's streams and first frame from FFmpeg. Reads only the beginning of the file.

    The result is cached until the file changes: several parts of a run need it.
    """
    try:
        status = os.stat(path)
    except OSError:
        return _probed(path)
    return _cached(Path(path).absolute(), (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=64)
def _cached(path: Path, identity: tuple[int, ...]) -> Media:
    return _probed(path)


def _probed(path: str | Path) -> Media:
    one_frame = ["-map", "0:V:0", "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"]
    report = run_ffmpeg(["-hide_banner", *reading(path), *one_frame]).stderr
    found = re.search(r"^Input #0, (\S+), from ", report, re.MULTILINE)
    container = found[1] if found else ""
    _, _, described = report.partition("\n  Duration: ")
    described, _, _ = described.partition("\nOutput #0")
    videos = [line for line in _streams(described, "Video") if "(attached pic)" not in line]
    video = videos[0] if videos and container else ""
    duration = re.match(r"(\d+):(\d+):([\d.]+)", described)
    frame = "\n".join(re.findall(r"^\[Parsed_showinfo_.*", report, re.MULTILINE))
    in_stream = _colour_in_stream(frame)
    colour = _colour(video).completed(in_stream)
    return Media(
        container=container,
        refused=REFUSED in report,
        video_codec=_codec(video) if video else None,
        audio_codecs=tuple(_codec(line) for line in _streams(described, "Audio")),
        duration_s=_seconds(duration) if duration else None,
        declared_frames=declared_frames(Path(path), container),
        colour=colour,
        picture_colour=HD if colour.is_hdr or in_stream.is_hdr else colour,
        size=_size(frame),
        fps=_fps(frame),
        sample_aspect=_sample_aspect(frame),
    )


def _streams(described: str, kind: str) -> list[str]:
    return re.findall(rf"^ *Stream #0:\d+.*?: ({kind}: .*)$", described, re.MULTILINE)


def _codec(stream: str) -> str:
    """The codec in ``Video: h264 (High), yuv420p, ...``."""
    return re.split(r"[ ,]", stream.partition(": ")[2])[0]


def _seconds(duration: re.Match[str]) -> float:
    return int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3])


def _colour(video: str) -> Colour:
    """The container's tags: ``yuv420p(tv, bt709, progressive)`` or ``yuv420p(tv, bt709/unknown/unknown)``."""
    for inside in re.findall(r"\b\w+\(([^)]*)\)", video):
        for part in inside.split(", "):
            if "/" in part or part in ("bt709", "bt470bg", "smpte170m", "smpte240m"):
                return _named(*(part.split("/") if "/" in part else [part] * 3))
    return Colour()


def _colour_in_stream(frame: str) -> Colour:
    found = re.search(r"color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)", frame)
    return _named(*found.groups()) if found else Colour()


def _named(matrix: str, primaries: str, transfer: str) -> Colour:
    matrix_, primaries_, transfer_ = (
        None if name in _NAMELESS else name for name in (matrix, primaries, transfer)
    )
    return Colour(matrix=matrix_, primaries=primaries_, transfer=transfer_)


def _size(frame: str) -> tuple[int, int] | None:
    found = re.search(r" s:(\d+)x(\d+) ", frame)
    return (int(found[1]), int(found[2])) if found else None


def _fps(frame: str) -> Fraction | None:
    found = re.search(r"frame_rate: (\d+)/(\d+)", frame)
    if found is None or int(found[2]) == 0:
        return None
    return frame_rate(Fraction(int(found[1]), int(found[2])))


def _sample_aspect(frame: str) -> Fraction | None:
    found = re.search(r" sar:(\d+)/(\d+) ", frame)
    if found is None or int(found[1]) * int(found[2]) == 0 or found[1] == found[2]:
        return None
    return Fraction(int(found[1]), int(found[2]))
