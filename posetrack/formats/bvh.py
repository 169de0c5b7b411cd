"""BVH: a moving skeleton as text, for Blender, Maya and MotionBuilder. Written, not read.

The skeleton lies in the plane of the picture: X to the right, Y up, all rotations about Z. BVH holds bones of
constant length, here the median over the clip, so bones do not shorten when a limb points at the camera. It has
no gaps either: where joints are missing, each angle and place goes straight from the last known one to the next.
Bones of joints that are never seen are left out, rather than made up: what hangs on them hangs on the nearest
bone above that is seen, and without hips the chest is the root.
Source of the format: Meredith and Maddock, "Motion Capture File Formats Explained" (2001).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posetrack.files.pending import write_file
from posetrack.formats.annotations import Annotations
from posetrack.formats.grid import Grid, grid_of
from posetrack.skeletons import Skeleton
from posetrack.types import BoolArray, Doubles

_TREE: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "Hips": (None, ("left_hip", "right_hip")),
    "Chest": ("Hips", ("left_shoulder", "right_shoulder")),
    "Head": ("Chest", ("nose",)),
    **{f"{side}{name}": (f"{side}{parent}" if own else parent, (f"{side.lower()}_{joint}",))
       for side in ("Left", "Right")
       for name, parent, own, joint in (
           ("Arm", "Chest", False, "shoulder"), ("ForeArm", "Arm", True, "elbow"), ("Hand", "ForeArm", True,
           "wrist"), ("UpLeg", "Hips", False, "hip"), ("Leg", "UpLeg", True, "knee"), ("Foot", "Leg", True,
           "ankle"), ("ToeBase", "Foot", True, "big_toe"),
       )},
}  # fmt: skip
"""Node -> its parent, and the joints whose middle it is; parents come first."""

_TURNS = "Zrotation Xrotation Yrotation"
"""All about Z: the others are 0, and Blender reads no bone without them."""

_UNIT_CM = 100.0
"""BVH files are usually in centimetres: with a scale, these are. Otherwise a unit is a pixel."""


_NOBODY = """ROOT Hips
{
  OFFSET 0.0000 0.0000 0.0000
  CHANNELS 3 Xposition Yposition Zposition
  End Site
  {
    OFFSET 0.0000 0.0000 0.0000
  }
}
"""


@dataclass(frozen=True, slots=True, eq=False)
class _Body:
    """One person over F frames: the bones' tree, the root's place [F, 2], and each bone's length and angle [F]."""

    name: str
    tree: dict[str, str | None]
    place: Doubles
    lengths: dict[str, float]
    angles: dict[str, Doubles]

    @property
    def root(self) -> str:
        return next(iter(self.tree))

    def children(self, node: str) -> list[str]:
        """The nodes that hang on a node."""
        return [name for name, parent in self.tree.items() if parent == node]

    def forks(self, node: str) -> bool:
        """Whether the bones below a node turn by themselves, each about a node of length 0 of its own."""
        return node == self.root or len(self.children(node)) > 1


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
    bodies = [_body(grid, place, tree, unit) for place, tree in enumerate(_trees(grid)) if tree]
    yield "HIERARCHY\n"
    for body in bodies:
        yield from _node(body, body.root, 0)
    if not bodies:  # readers need a root
        yield _NOBODY
    yield f"MOTION\nFrames: {len(grid.numbers)}\nFrame Time: {1 / grid.rate:.8f}\n"
    still = np.zeros(len(grid.numbers))
    columns = [column for body in bodies for column in _columns(body, body.root, still)] or [still] * 3
    for row in np.stack(columns, axis=1).tolist():
        yield " ".join(f"{value:.4f}" for value in row) + "\n"


def lost_in_bvh(grid: Grid) -> list[str]:
    """What the file does not hold of a video, in sentences."""
    sentences = [
        "Lengths of limbs, which are constant.",
        "Which places are missing: BVH has no empty values, so people move straight from where they were last "
        "seen to where they are next seen, and stand still before and after.",
    ]
    has, trees = grid.skeleton.names_in_use, _trees(grid)
    sentences += joints_lost_in_bvh(grid.skeleton)
    lacking: dict[str, list[str]] = {}
    for who, tree in zip(grid.people.tolist(), trees, strict=True):
        bones = [node for node, (_, joints) in _TREE.items() if node not in tree and has.issuperset(joints)]
        if bones:
            lacking.setdefault(", ".join(bones), []).append(str(who))
    if lacking:
        whose = "; ".join(f"{bones} (person {', '.join(who)})" for bones, who in lacking.items())
        sentences.append(f"Bones that are never seen, which are left out: {whose}.")
    if not any(trees):
        sentences.append("All people: the file holds one bone of length 0 that does not move.")
    return sentences


def joints_lost_in_bvh(skeleton: Skeleton) -> list[str]:
    """The joints of a skeleton that have no bone, as a sentence."""
    others = skeleton.names_in_use - {joint for _, joints in _TREE.values() for joint in joints}
    return [f"Joints that the format does not have: {', '.join(sorted(others))}."] if others else []


def _trees(grid: Grid) -> list[dict[str, str | None]]:
    """For each person the nodes that are seen, and their parents; empty for a person without any."""
    at = {node: _slots(grid, joints) for node, (_, joints) in _TREE.items()}
    there = ~np.isnan(grid.xy[..., 0])
    return [
        _tree({node: np.asarray(there[:, place, slots].all(axis=1)) for node, slots in at.items() if slots})
        for place in range(len(grid.people))
    ]


def _tree(seen: dict[str, BoolArray]) -> dict[str, str | None]:
    """Node -> the one it hangs on, None for the root: the nearest one above that is seen in the same frames."""
    tree: dict[str, str | None] = {}
    for node, frames in seen.items():
        above = [*_above(node), *list(tree)[:1]]
        near = [other for other in above if other in tree and (frames & seen[other]).any()]
        if near or (not tree and frames.any()):
            tree[node] = near[0] if near else None
    return tree


def _above(node: str) -> list[str]:
    """The nodes between a node and the hips, the nearest first."""
    parent = _TREE[node][0]
    return [] if parent is None else [parent, *_above(parent)]


def _body(grid: Grid, place: int, tree: dict[str, str | None], unit: float) -> _Body:
    """A person of whom at least one node is seen."""
    at = {node: _middle(grid, place, _TREE[node][1]) * (unit, -unit) for node in tree}
    lengths, angles = {}, {}
    for node, parent in tree.items():
        if parent is not None:
            bone = at[node] - at[parent]
            lengths[node] = float(np.nanmedian(np.hypot(*bone.T)))
            angles[node] = _bridged(np.unwrap(_bridged(np.arctan2(bone[:, 1], bone[:, 0]), around=True)))
    root = at[next(iter(tree))]
    name = f"person{int(grid.people[place])}_" if len(grid.people) > 1 else ""
    spot = np.stack([_bridged(root[:, 0]), _bridged(root[:, 1])], axis=1)
    return _Body(name, tree, spot, lengths, angles)


def _slots(grid: Grid, joints: tuple[str, ...]) -> list[int]:
    """Where joints are in the skeleton; empty if it lacks one of them."""
    there = set(joints) <= grid.skeleton.names_in_use
    return [grid.skeleton.index(joint) for joint in joints] if there else []


def _middle(grid: Grid, place: int, joints: tuple[str, ...]) -> Doubles:
    """float64 [F, 2]; NaN where one of the joints is missing."""
    return np.asarray(grid.xy[:, place, _slots(grid, joints)].mean(axis=1))


def _bridged(values: Doubles, *, around: bool = False) -> Doubles:
    """[F] values without NaN: straight lines between known ones, in angles the shorter way."""
    known = np.flatnonzero(~np.isnan(values))
    given = np.unwrap(values[known]) if around else values[known]
    return np.interp(np.arange(len(values)), known, given)


def _node(body: _Body, node: str, depth: int) -> Iterator[str]:
    """The text of a node and of those below."""
    indent = "  " * depth
    yield f"{indent}{'ROOT' if node == body.root else 'JOINT'} {body.name}{node}\n{indent}{{\n"
    yield f"{indent}  OFFSET {body.lengths.get(node, 0.0):.4f} 0.0000 0.0000\n"
    channels = f"6 Xposition Yposition Zposition {_TURNS}" if node == body.root else f"3 {_TURNS}"
    yield f"{indent}  CHANNELS {channels}\n"
    below = body.children(node)
    for child in below:
        if body.forks(node):
            yield f"{indent}  JOINT {body.name}To{child}\n{indent}  {{\n{indent}    OFFSET 0.0000 0.0000 0.0000\n"
            yield f"{indent}    CHANNELS 3 {_TURNS}\n"
            yield from _node(body, child, depth + 2)
            yield f"{indent}  }}\n"
        else:
            yield from _node(body, child, depth + 1)
    if not below:
        yield f"{indent}  End Site\n{indent}  {{\n{indent}    OFFSET 0.0000 0.0000 0.0000\n{indent}  }}\n"
    yield f"{indent}}}\n"


def _columns(body: _Body, node: str, heading: Doubles) -> Iterator[Doubles]:
    """[F] of every channel, in the order of ``_node``. ``heading``: how far the node's parent is turned."""
    below, still = body.children(node), np.zeros(len(heading))
    if node == body.root:
        yield from (body.place[:, 0], body.place[:, 1], still)
    turned = still if body.forks(node) or not below else body.angles[below[0]] - heading
    yield from (np.degrees(turned), still, still)
    for child in below:
        if body.forks(node):
            yield from (np.degrees(body.angles[child] - heading), still, still)
        yield from _columns(body, child, body.angles[child])
