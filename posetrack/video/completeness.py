"""Whether all frames of a video file that are to be shown could be decoded."""

from __future__ import annotations

from pathlib import Path

from posetrack.video.endings import is_cut_off
from posetrack.video.packets import list_frames
from posetrack.video.probe import Media

_COUNTLESS = ("gif", "mpegts")
"""Containers whose headers do not even tell how long they are."""


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
    short = expected is None or decoded < expected
    if decoder_is_content and not cut and (expected is None or not short):
        return None
    listed = list_frames(path)
    shown, lost = listed.decodable(first_s), _lost(path, media)
    if cut and media.container in _COUNTLESS:
        return f"{path} is cut short: {decoded} frames could be decoded, the last perhaps in part."
    if cut or lost or (short and not listed.faultless) or (decoded < shown and not decoder_is_content):
        of = f"{shown + lost}" if media.declared_frames else f"about {max(shown, expected or 0)}"
        return f"{path} is damaged or cut short: {decoded} of {of} frames could be decoded."
    return None


def _lost(path: Path, media: Media) -> int:
    """How many packets that the header lists the file does not hold."""
    if media.declared_frames is None:
        return 0
    return max(0, media.declared_frames - list_frames(path, "-ignore_editlist", "1").packets)
