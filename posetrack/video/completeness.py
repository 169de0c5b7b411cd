"""Whether all frames of a video file that are to be shown could be decoded."""

from __future__ import annotations

from pathlib import Path

from posetrack.video.endings import is_cut_off
from posetrack.video.packets import FrameList, list_frames
from posetrack.video.probe import Media

_NEARLY = 1.5
"""Periods: less is not missing at the end."""


def fault_at_end(
    path: Path, media: Media, *, decoded: int, first_s: float, decoder_is_content: bool
) -> str | None:
    """What is wrong with a file that has been decoded to its end, as a sentence; None: nothing.

    Headers do not prove that frames are missing: edit lists hide some that are declared, durations may be those of
    the sound, and a stream may begin with frames that need earlier ones. If there is a doubt, the packets are
    listed, and those that are to be shown are counted.

    Args:
        path: The file.
        media: What its header says.
        decoded: Frames that could be decoded.
        first_s: When the first of them is shown.
        decoder_is_content: The decoder has found nothing wrong.
    """
    cut = is_cut_off(path, media.container)
    expected = media.declared_frames or media.frame_count
    if decoder_is_content and not cut and (expected is None or decoded >= expected):
        return None
    listed = list_frames(path)
    shown = _decodable(listed, first_s)
    lost = _lost(path, media, listed)
    if lost or not listed.faultless or (decoded < shown and not decoder_is_content):
        of = f"{shown + lost}" if media.declared_frames else f"about {max(shown, expected or 0)}"
        return f"{path} is damaged or cut short: {decoded} of {of} frames could be decoded."
    if cut:
        return f"{path} is cut short: {decoded} frames could be decoded, the last perhaps in part."
    return None


def _decodable(listed: FrameList, first_s: float) -> int:
    """Frames that are shown, without those before the first key frame: they need others that the file lacks."""
    if not listed.keys.any():
        return len(listed.times_s)
    first_key_s = float(listed.times_s[listed.keys.argmax()])
    return listed.between(min(first_s, first_key_s), float("inf"))


def _lost(path: Path, media: Media, listed: FrameList) -> int:
    """How many packets that the header lists the file does not hold."""
    if media.declared_frames is None:
        return 0
    if media.container != "avi":
        return max(0, media.declared_frames - list_frames(path, "-ignore_editlist", "1").packets)
    lost = media.declared_frames - listed.packets
    if lost <= 0 or not media.fps or not len(listed.times_s):
        return max(0, lost)
    end_s = float(listed.times_s[-1])  # dropped frames have no packets: time must be missing as well
    return lost if media.declared_frames / media.fps - end_s >= (1 + _NEARLY) / media.fps else 0
