"""Which joints another skeleton loses, and which it makes up, in sentences."""

from __future__ import annotations

from collections.abc import Collection

from posetrack.formats.bvh import joints_lost_in_bvh
from posetrack.formats.whole_clips import CLIP_FORMATS, ClipFormat
from posetrack.skeleton_conversion import APPROXIMATIONS
from posetrack.skeletons import COCO, FEET, POSETRACK, Skeleton

_PARTS = {
    "Eyes and ears": {"left_eye", "right_eye", "left_ear", "right_ear"},
    "head_bottom and head_top": {"head_bottom", "head_top"},
    "neck and mid_hip": {"neck", "mid_hip"},
    "Feet": set(FEET),
}
"""Joints that some skeletons have and others lack."""

_ESTIMATES = (
    (("head_bottom", "head_top"), "nose and shoulders"),
    (("nose",), "head_bottom and head_top"),
    (("neck", "mid_hip"), "shoulders and hips"),
)
"""What a skeleton may lack, and what it is estimated from."""

_HOW = {
    "neck": "the middle of the shoulders",
    "mid_hip": "the middle of the hips",
    "head_bottom": "a point between shoulders and nose",
    "head_top": "a point beyond the nose",
    "nose": "a point between head_bottom and head_top",
}

_NAMES = {POSETRACK: "PoseTrack", COCO: "COCO"}
_TARGETS = {"posetrack18": POSETRACK, "posetrack17": POSETRACK, "coco": COCO}


def joints_lost_by_format(own: Skeleton, to: str) -> list[str]:
    """What a format makes of people with all joints of a skeleton.

    >>> from posetrack.skeletons import LSP
    >>> joints_lost_by_format(POSETRACK, "posetrack18"), joints_lost_by_format(LSP, "posetrack18")
    ([], ['That the nose was not detected: it is estimated from head_bottom and head_top.'])
    >>> joints_lost_by_format(POSETRACK, "bvh")
    ['Joints that the format does not have: head_bottom, head_top.']

    Args:
        own: The people's.
        to: A format of ``run``. MOTChallenge text has no joints at all, and tables have any.
    """
    if to in _TARGETS:
        return joints_lost(own, _TARGETS[to], own.joints)
    if to == "bvh":
        return joints_lost_in_bvh(own)
    return joints_lost_by_tool(own, CLIP_FORMATS[to]) if to in CLIP_FORMATS else []


def joints_lost(own: Skeleton, target: Skeleton, seen: Collection[str]) -> list[str]:
    """What PoseTrack's skeleton, or that of COCO results, lacks or makes up.

    Args:
        own: The people's.
        target: That of the file.
        seen: Names of the joints that at least one person has.
    """
    if target == own:
        return []
    ours, theirs = own.names_in_use, target.names_in_use
    lost = [
        f"{what}, which {_NAMES.get(target, target.name)} does not have."
        for what, joints in _PARTS.items()
        if (ours & joints - theirs) & set(seen)
    ]
    estimated = [
        _estimated([joint for joint in joints if joint in theirs - ours], origin)
        for joints, origin in _ESTIMATES
        if (theirs - ours) & set(joints)
    ]
    return lost + estimated


def _estimated(joints: list[str], origin: str) -> str:
    names = " and ".join("the nose" if joint == "nose" else joint for joint in joints)
    were = "was not detected: it is" if len(joints) == 1 else "were not detected: they are"
    return f"That {names} {were} estimated from {origin}."


def joints_lost_by_tool(own: Skeleton, form: ClipFormat) -> list[str]:
    """How the joints of another tool's skeleton are made of others."""
    if form.skeleton is None or form.skeleton == own:
        return []
    have = set(own.joints) - own.unused
    made = [
        joint
        for joint in form.skeleton.joints
        if joint not in have and have >= set(APPROXIMATIONS.get(joint, "?"))
    ]
    missing = [joint for joint in form.skeleton.joints if joint not in have and joint not in made]
    dropped = sorted(have - set(form.skeleton.joints))
    sentences = [f"That {joint} was not detected: it is {_HOW[joint]}." for joint in made]
    if missing:
        sentences.append(f"Joints that stay missing: {', '.join(missing)}.")
    if dropped:
        sentences.append(f"Joints that the format does not have: {', '.join(dropped)}.")
    return sentences
