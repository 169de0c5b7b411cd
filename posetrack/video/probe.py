"""What FFmpeg tells of a media file, and OpenCV does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from posetrack.video.colour import Colour
from posetrack.video.ffmpeg import ask, file_url

_PACKETS_LOOKED_AT = 32
"""More than any codec's reordering of frames."""

_LATEST_START_S = 5
"""A video that begins later than this after its sound is taken to begin with it."""

_LIST_PACKETS = ["-map", "0:V:0", "-map", "0:a?", "-c", "copy", "-f", "framecrc"]
"""Lists the video's packets as ``stream, dts, pts, duration, size, checksum``; asking for sound as well makes
FFmpeg count time from the file's start instead of the video's, in every format."""

_NO_TIME = {"NOPTS", str(-(2**63))}

_CONTAINERS_THAT_COUNT = {"mov", "mp4", "avi"}

_NO_MEDIA = {"tty"}
"""Plain text, of which FFmpeg makes a video of a text terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One media file.

    Attributes:
        container: FFmpeg's name of the format (``mov,mp4,m4a,3gp,3g2,mj2``); empty: not a media file.
        video_codec: Codec of the first video stream (cover pictures do not count); None if there is none.
        audio_codecs: Codecs of the audio streams, in order.
        duration_s: Of the whole file, as its header says.
        video_start_s: Presentation time of the first frame, from the file's start.
        colour: What the video's tags say.
        sample_aspect: Width to height of an upright pixel; None: square, or not told.
    """

    container: str
    video_codec: str | None
    audio_codecs: tuple[str, ...]
    duration_s: float | None
    video_start_s: float
    colour: Colour
    sample_aspect: Fraction | None

    @property
    def counts_frames(self) -> bool:
        """Whether the container lists its frames, so that its number of frames is no estimate."""
        return bool(_CONTAINERS_THAT_COUNT.intersection(self.container.split(",")))


def probe(path: str | Path) -> Media:
    """Ask FFmpeg for a file's streams and the time of its first frames. Reads no more than its beginning."""
    listing = [*_LIST_PACKETS, "-frames:v", str(_PACKETS_LOOKED_AT), "-t", str(_LATEST_START_S), "-"]
    told = ask(["-hide_banner", "-i", file_url(path), *listing])
    found = re.search(r"^Input #0, (\S+), from ", told.stderr, re.MULTILINE)
    container = found[1] if found and found[1] not in _NO_MEDIA else ""
    _, _, described = told.stderr.partition("\n  Duration: ")
    described, _, _ = described.partition("\nOutput #0")
    videos = [line for line in _streams(described, "Video") if "(attached pic)" not in line]
    video = videos[0] if videos and container else ""
    duration = re.match(r"(\d+):(\d+):([\d.]+)", described)
    times = [time for time in _presentation_times(told.stdout) if time >= 0]
    audio_codecs = tuple(_codec(line) for line in _streams(described, "Audio"))
    return Media(
        container=container,
        video_codec=_codec(video) if video else None,
        audio_codecs=audio_codecs,
        duration_s=_seconds(duration) if duration else None,
        video_start_s=min(times, default=0.0) if audio_codecs else 0.0,
        colour=_colour(video),
        sample_aspect=_sample_aspect(video, described),
    )


def frames_between(path: str | Path, start_s: float, end_s: float) -> int:
    """Frames with ``start_s`` <= presentation time < ``end_s``, counted without decoding them."""
    told = ask(["-v", "error", "-i", file_url(path), *_LIST_PACKETS, "-t", f"{end_s + 1:.3f}", "-"])
    return sum(start_s - 5e-4 <= time < end_s - 5e-4 for time in _presentation_times(told.stdout))


def is_damaged(path: str | Path) -> bool:
    """Whether FFmpeg complains about the container on its way through the whole file (nothing is decoded)."""
    told = ask(["-v", "error", "-i", file_url(path), "-map", "0:V:0", "-c", "copy", "-f", "null", "-"])
    return bool(told.stderr.strip())


def _presentation_times(packets: str) -> list[float]:
    """Seconds from the file's start. Containers that give some packets only a decoding time (AVI, MPEG) have even
    frame times: there, it is the decoding times plus the delay of the first packet."""
    unit = re.search(r"^#tb 0: (\d+)/(\d+)", packets, re.MULTILINE)
    if unit is None:
        return []
    tick = int(unit[1]) / int(unit[2])
    stamps = re.findall(r"^0, *(-?\d+), *(-?\d+|NOPTS),", packets, re.MULTILINE)
    decoded = [int(dts) for dts, _ in stamps]
    shown = [None if pts in _NO_TIME else int(pts) for _, pts in stamps]
    known = [time for time in shown if time is not None]
    if len(known) < len(shown):
        delay = 0 if shown[0] is None else shown[0] - decoded[0]
        known = [time + delay for time in decoded]
    return [time * tick for time in known]


def _streams(described: str, kind: str) -> list[str]:
    return re.findall(rf"^ *Stream #0:\d+.*?: ({kind}: .*)$", described, re.MULTILINE)


def _codec(stream: str) -> str:
    """Of ``Video: h264 (High), yuv420p, ...``."""
    return re.split(r"[ ,]", stream.partition(": ")[2])[0]


def _seconds(duration: re.Match[str]) -> float:
    return int(duration[1]) * 3600 + int(duration[2]) * 60 + float(duration[3])


def _colour(video: str) -> Colour:
    """From ``yuv420p(tv, bt709, progressive)`` or ``yuv420p(tv, bt709/unknown/unknown)``."""
    for inside in re.findall(r"\b\w+\(([^)]*)\)", video):
        for part in inside.split(", "):
            if "/" in part or part in ("bt709", "bt470bg", "smpte170m", "smpte240m"):
                names = part.split("/") if "/" in part else [part] * 3
                matrix, primaries, transfer = (None if name in ("unknown", "reserved") else name for name in names)
                return Colour(matrix=matrix, primaries=primaries, transfer=transfer)
    return Colour()


def _sample_aspect(video: str, described: str) -> Fraction | None:
    told = re.search(r"\bSAR (\d+):(\d+)", video)
    if told is None or int(told[1]) * int(told[2]) == 0:
        return None
    aspect = Fraction(int(told[1]), int(told[2]))
    rotation = re.search(r"display ?matrix: rotation of (-?[\d.]+)", described, re.IGNORECASE)
    lying = rotation is not None and round(float(rotation[1]) / 90) % 2 == 1
    return None if aspect == 1 else 1 / aspect if lying else aspect
