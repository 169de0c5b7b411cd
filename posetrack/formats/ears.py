"""PoseTrack's ears: its files have slots for them, which are never used."""

from __future__ import annotations

from typing import Any

_EARS = ("left_ear", "right_ear")


def lost_ears(content: dict[str, Any], people: list[dict[str, Any]]) -> list[str]:
    """A sentence if people of a JSON object have ears in the slots that PoseTrack's files never use."""
    categories = content.get("categories")
    first = categories[0] if isinstance(categories, list) and categories else None
    names = first.get("keypoints") if isinstance(first, dict) else None
    slots = [names.index(ear) for ear in _EARS if ear in names] if isinstance(names, list) else []
    flagged = any(_flag(person.get("keypoints"), slot) for person in people for slot in slots)
    return ["Ears, which PoseTrack's files have slots for but never use."] if flagged else []


def _flag(keypoints: Any, slot: int) -> bool:
    """Whether the joint of that slot is present."""
    return isinstance(keypoints, list) and any(keypoints[3 * slot : 3 * slot + 3])
