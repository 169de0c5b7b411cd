"""Checks whether all visible frames of a video file were decoded."""

from __future__ import annotations

from pathlib import Path

from posetrack.video.endings import is_cut_off
from posetrack.video.packets import list_frames
from posetrack.video.probe import Media

_WITHOUT_DURATION = ("gif", "mpegts")
"""Containers whose headers do not state a duration."""


def fault_at_end(path: Path, media: Media, *, decoded: int, first_s: float, decoder_succeeded: bool) -> str | None:
    """Describe in one sentence what is wrong with a file that was decoded to its end; None if nothing is.

    Headers do not prove that frames are missing: edit lists hide declared frames, the duration may be that of the
    sound, and a stream may begin with frames that need earlier ones. In doubt, list the packets and count those
    that should be visible.

    Args:
        path: The file.
        media: Its properties, from ``probe``.
        decoded: Number of decoded frames.
        first_s: Time of the first of them.
        decoder_succeeded: The decoder reported no error.
    """
    cut = is_cut_off(path, media.container)
    expected = media.declared_frames or media.frame_count
    short = expected is None or decoded < expected
    if decoder_succeeded and not cut and (expected is None or not short):
        return None
    listed = list_frames(path)
    shown, lost = listed.decodable(first_s), _lost(path, media)
    if cut and media.container in _WITHOUT_DURATION:
        return f"{path} is cut short: {decoded} frames could be decoded, the last perhaps in part."
    if cut or lost or (short and not listed.faultless) or (decoded < shown and not decoder_succeeded):
        of = f"{shown + lost}" if media.declared_frames else f"about {max(shown, expected or 0)}"
        return f"{path} is damaged or cut short: {decoded} of {of} frames could be decoded."
    return None


def _lost(path: Path, media: Media) -> int:
    """Number of packets listed in the header but missing from the file."""
    if media.declared_frames is None:
        return 0
    return max(0, media.declared_frames - list_frames(path, "-ignore_editlist", "1").packets)
