"""What FFmpeg tells of a media file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from posetrack.video.colour import HD, Colour
from posetrack.video.containers import declared_frames
from posetrack.video.ffmpeg import REFUSED, ask, reading

_FASTEST = 1000
"""A frame rate above this is a container's clock, not a rate."""

_NAMELESS = ("unknown", "unspecified", "reserved")


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One media file.

    Attributes:
        container: FFmpeg's name of the format (``mov,mp4,m4a,3gp,3g2,mj2``); empty: not a media file.
        refused: FFmpeg knows the format, but it is not one whose files are sure to hold all they show.
        video_codec: Codec of the first video stream (cover pictures do not count); None if there is none.
        audio_codecs: Codecs of the audio streams, in order.
        duration_s: Of the whole file, as its header says.
        declared_frames: How many the header lists; None: it does not count them.
        colour: What the video's Y'CbCr values mean.
        picture_colour: What decoded frames have, and the annotated video gets.
        size: Upright width and height of the first frame; None: none can be decoded.
        fps: Nominal frames per second; None: not told.
        sample_aspect: Width to height of an upright pixel; None: square, or not told.
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
        """Frames that will be shown, an estimate; None: unknown. Edit lists hide some of those declared."""
        lasting = round(self.duration_s * self.fps) if self.duration_s and self.fps else None
        if self.declared_frames is None:
            return lasting
        return self.declared_frames if lasting is None else min(self.declared_frames, lasting + 1)


def probe(path: str | Path) -> Media:
    """Ask FFmpeg for a file's streams and its first frame. Reads no more than its beginning."""
    one_frame = ["-map", "0:V:0", "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"]
    told = ask(["-hide_banner", *reading(path), *one_frame]).stderr
    found = re.search(r"^Input #0, (\S+), from ", told, re.MULTILINE)
    container = found[1] if found else ""
    _, _, described = told.partition("\n  Duration: ")
    described, _, _ = described.partition("\nOutput #0")
    videos = [line for line in _streams(described, "Video") if "(attached pic)" not in line]
    video = videos[0] if videos and container else ""
    duration = re.match(r"(\d+):(\d+):([\d.]+)", described)
    frame = "\n".join(re.findall(r"^\[Parsed_showinfo_.*", told, re.MULTILINE))
    in_stream = _colour_in_stream(frame)
    colour = _colour(video).completed(in_stream)
    return Media(
        container=container,
        refused=REFUSED in told,
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
    """Of ``Video: h264 (High), yuv420p, ...``."""
    return re.split(r"[ ,]", stream.partition(": ")[2])[0]


def _seconds(duration: re.Match[str]) -> float:
    return int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3])


def _colour(video: str) -> Colour:
    """What the container says: ``yuv420p(tv, bt709, progressive)`` or ``yuv420p(tv, bt709/unknown/unknown)``."""
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
    fps = Fraction(int(found[1]), int(found[2])).limit_denominator(1001)
    return fps if 0 < fps <= _FASTEST else None


def _sample_aspect(frame: str) -> Fraction | None:
    found = re.search(r" sar:(\d+)/(\d+) ", frame)
    if found is None or int(found[1]) * int(found[2]) == 0 or found[1] == found[2]:
        return None
    return Fraction(int(found[1]), int(found[2]))
