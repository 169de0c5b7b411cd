"""BVH: a moving skeleton as text, for Blender, Maya and MotionBuilder. Written, not read.

The skeleton lies in the plane of the picture: X to the right, Y up, all rotations about Z. BVH holds bones of
constant length, here the median over the clip, so bones do not shorten when a limb points at the camera. It has
no gaps either: where joints are missing, each angle and place goes straight from the last known one to the next.
Source of the format: Meredith and Maddock, "Motion Capture File Formats Explained" (2001).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.files.pending import write_file
from posetrack.formats.annotations import Annotations, Doubles
from posetrack.formats.grid import Grid, grid_of

ROOT = "Hips"
_TREE = {
    "Chest": (ROOT, ("left_shoulder", "right_shoulder")),
    "Head": ("Chest", ("nose",)),
    **{f"{side}{name}": (f"{side}{parent}" if own else parent, (f"{side.lower()}_{joint}",))
       for side in ("Left", "Right")
       for name, parent, own, joint in (
           ("Arm", "Chest", False, "shoulder"), ("ForeArm", "Arm", True, "elbow"), ("Hand", "ForeArm", True,
           "wrist"), ("UpLeg", ROOT, False, "hip"), ("Leg", "UpLeg", True, "knee"), ("Foot", "Leg", True, "ankle"),
       )},
}  # fmt: skip
"""Node -> its parent, and the joints whose middle it is. The root is the middle of the hips."""

_TURNS = "Zrotation Xrotation Yrotation"
"""All about Z: the others are 0, and Blender reads no bone without them."""

_UNIT_CM = 100.0
"""BVH files are usually in centimetres: with a scale, these are. Otherwise a unit is a pixel."""


_NOBODY = f"""ROOT {ROOT}
{{
  OFFSET 0.0000 0.0000 0.0000
  CHANNELS 3 Xposition Yposition Zposition
  End Site
  {{
    OFFSET 0.0000 0.0000 0.0000
  }}
}}
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """One person over F frames: the root's place [F, 2], and of every node its bone's length and angle [F]."""

    name: str
    root: Doubles
    lengths: dict[str, float]
    angles: dict[str, Doubles]


def write_bvh(path: Path, video: Annotations, metres_per_pixel: float | None) -> None:
    """Write the people of a video, each with a root of their own.

    Raises:
        DataFormatError: the frames have no times.
        OutputError: the file cannot be written.
    """
    grid = grid_of(video)
    unit = 1.0 if metres_per_pixel is None else _UNIT_CM * metres_per_pixel
    write_file(path, "".join(bvh_lines(grid, unit)).encode())


def bvh_lines(grid: Grid, unit: float) -> Iterator[str]:
    """The lines of a file, with their ends; ``unit`` is the length of a pixel."""
    everybody = (_body(grid, place, unit) for place in range(len(grid.people)))
    bodies = [body for body in everybody if body is not None]
    yield "HIERARCHY\n"
    for body in bodies:
        yield from _node(body, ROOT, 0)
    if not bodies:  # readers need a root
        yield _NOBODY
    yield f"MOTION\nFrames: {len(grid.numbers)}\nFrame Time: {1 / grid.rate:.8f}\n"
    still = np.zeros(len(grid.numbers))
    columns = [column for body in bodies for column in _columns(body, ROOT, still)] or [still] * 3
    for row in np.stack(columns, axis=1).tolist():
        yield " ".join(f"{value:.4f}" for value in row) + "\n"


def left_out(grid: Grid) -> list[int]:
    """The people who cannot be written: a part of the skeleton is missing in all frames."""
    return [int(who) for place, who in enumerate(grid.people) if _body(grid, place, 1.0) is None]


def children(node: str) -> list[str]:
    """The nodes that hang on a node."""
    return [name for name, (parent, _) in _TREE.items() if parent == node]


def _body(grid: Grid, place: int, unit: float) -> _Body | None:
    """None for a person whose hips are never seen, or who lacks a node in all frames."""
    at = {name: _middle(grid, place, joints) for name, (_, joints) in _TREE.items()}
    at[ROOT] = _middle(grid, place, ("left_hip", "right_hip"))
    if any(np.isnan(xy).all() for xy in at.values()):
        return None
    lengths, angles = {}, {}
    for name, (parent, _) in _TREE.items():
        bone = (at[name] - at[parent]) * (unit, -unit)
        if np.isnan(bone).all():
            return None
        lengths[name] = float(np.nanmedian(np.hypot(*bone.T)))
        angles[name] = _bridged(np.unwrap(_bridged(np.arctan2(bone[:, 1], bone[:, 0]), around=True)))
    root = at[ROOT] * (unit, -unit)
    number = int(grid.people[place])
    name = f"person{number}_" if len(grid.people) > 1 else ""
    return _Body(name, np.stack([_bridged(root[:, 0]), _bridged(root[:, 1])], axis=1), lengths, angles)


def _middle(grid: Grid, place: int, joints: tuple[str, ...]) -> Doubles:
    """float64 [F, 2]; NaN where one of the joints is missing."""
    slots = [grid.skeleton.joints.index(joint) for joint in joints if joint in grid.skeleton.joints]
    if len(slots) < len(joints):
        return np.full((len(grid.numbers), 2), np.nan)
    return np.asarray(grid.xy[:, place, slots].mean(axis=1))


def _bridged(values: Doubles, *, around: bool = False) -> Doubles:
    """[F] values without NaN: straight lines between known ones, in angles the shorter way."""
    known = np.flatnonzero(~np.isnan(values))
    given = np.unwrap(values[known]) if around else values[known]
    return np.interp(np.arange(len(values)), known, given)


def _node(body: _Body, node: str, depth: int) -> Iterator[str]:
    """The text of a node and of those below. Bones that fork get a node of length 0 each, to turn by
    themselves."""
    indent = "  " * depth
    yield f"{indent}{'ROOT' if node == ROOT else 'JOINT'} {body.name}{node}\n{indent}{{\n"
    yield f"{indent}  OFFSET {body.lengths.get(node, 0.0):.4f} 0.0000 0.0000\n"
    channels = f"6 Xposition Yposition Zposition {_TURNS}" if node == ROOT else f"3 {_TURNS}"
    below = children(node)
    if below:
        yield f"{indent}  CHANNELS {channels}\n"
    for child in below:
        if _forks(node):
            yield f"{indent}  JOINT {body.name}To{child}\n{indent}  {{\n{indent}    OFFSET 0.0000 0.0000 0.0000\n"
            yield f"{indent}    CHANNELS 3 {_TURNS}\n"
            yield from _node(body, child, depth + 2)
            yield f"{indent}  }}\n"
        else:
            yield from _node(body, child, depth + 1)
    if not below:
        yield f"{indent}  CHANNELS {channels}\n"
        yield f"{indent}  End Site\n{indent}  {{\n{indent}    OFFSET 0.0000 0.0000 0.0000\n{indent}  }}\n"
    yield f"{indent}}}\n"


def _forks(node: str) -> bool:
    return node == ROOT or len(children(node)) > 1


def _columns(body: _Body, node: str, heading: Doubles) -> Iterator[Doubles]:
    """[F] of every channel, in the order of ``_node``. ``heading``: how far the node's parent is turned."""
    below, still = children(node), np.zeros(len(heading))
    if node == ROOT:
        yield from (body.root[:, 0], body.root[:, 1], still)
    turned = still if _forks(node) or not below else body.angles[below[0]] - heading
    yield from (np.degrees(turned), still, still)
    for child in below:
        if _forks(node):
            yield from (np.degrees(body.angles[child] - heading), still, still)
        yield from _columns(body, child, body.angles[child])
