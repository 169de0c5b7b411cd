"""The poses of a tracked chunk, kept in a file until the clip is joined."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.files.pending import PendingFile, output_errors
from posetrack.scene import Scene
from posetrack.skeletons import POSETRACK, SKELETONS
from posetrack.types import NO_IMAGE, Frame, IntArray, Poses

_ARRAYS = ("boxes", "scores", "keypoints", "keypoint_scores", "track_ids", "origin")
_UNREPORTED = "unreported_"
"""What the names of their arrays begin with."""

_SCENE = {"cuts": (), "cameras": (2, 3), "flows": (4, 4, 2)}
"""Arrays of the scene, and the shape of one frame's."""


@dataclass(frozen=True, slots=True, eq=False)
class ChunkPoses:
    """F frames of a clip and the M people in them.

    Attributes:
        indices: int64 [F], ascending.
        times_s: float64 [F].
        starts: int64 [F + 1]; the people of frame f are rows ``starts[f]`` to ``starts[f + 1]``.
        people: The people of all frames, in frame order. Track ids are local to the chunk.
        scenes: [F] what each frame shows as a whole; empty if it was not computed.
        made_with: What the poses depend on besides the clip, as ``PoseTracker.made_with`` says it.
        unreported: The people of all frames who are not reported, in frame order.
        unreported_starts: int64 [F + 1], as ``starts``, for them.
    """

    indices: IntArray
    times_s: NDArray[np.float64]
    starts: IntArray
    people: Poses
    scenes: tuple[Scene, ...]
    made_with: Mapping[str, Any]
    unreported: Poses
    unreported_starts: IntArray

    @classmethod
    def collect(cls, results: Iterable[tuple[Frame, Poses]], made_with: Mapping[str, Any]) -> ChunkPoses:
        """Collect all results of a tracker, and what it says of itself."""
        indices: list[int] = []
        times_s: list[float] = []
        poses: list[Poses] = []
        scenes: list[Scene] = []
        for frame, people in results:
            if frame.scene is not None:
                scenes.append(frame.scene)
            indices.append(frame.index)
            times_s.append(frame.time_s)
            poses.append(people)
        skeleton = poses[0].skeleton if poses else POSETRACK
        nobody = Poses.empty(skeleton)
        everybody, starts = _joined([nobody, *poses])
        unreported, unreported_starts = _joined([nobody, *(part.unreported or nobody for part in poses)])
        looked = tuple(scenes) if len(scenes) == len(indices) else ()
        times = np.array(times_s, np.float64)
        return cls(
            np.array(indices, np.int64), times, starts, everybody, looked, made_with, unreported, unreported_starts
        )

    def __len__(self) -> int:
        return len(self.indices)

    def poses(self, place: int) -> Poses:
        """The people in the frame at position ``place``, 0 to F - 1."""
        others = self.unreported[_rows(self.unreported_starts, place, place + 1)]
        return self.people[_rows(self.starts, place, place + 1)].replace(
            unreported=others if len(others) else None
        )

    def part(self, places: slice) -> ChunkPoses:
        """A run of consecutive frames."""
        first, behind, _ = places.indices(len(self))
        behind = max(first, behind)
        starts, others = (kept[first : behind + 1] for kept in (self.starts, self.unreported_starts))
        return ChunkPoses(
            self.indices[first:behind], self.times_s[first:behind], starts - starts[0],
            self.people[_rows(starts, 0, -1)], self.scenes[first:behind], self.made_with,
            self.unreported[_rows(others, 0, -1)], others - others[0],
        )  # fmt: skip

    def __iter__(self) -> Iterator[tuple[Frame, Poses]]:
        """Yield each frame, without its image, and its people."""
        for place, (index, time_s) in enumerate(zip(self.indices.tolist(), self.times_s.tolist(), strict=True)):
            scene = self.scenes[place] if self.scenes else None
            yield Frame(index, time_s, NO_IMAGE, scene), self.poses(place)

    def save(self, path: Path) -> None:
        """Write an npz file atomically.

        Raises:
            OutputError: it cannot be written.
        """
        columns: dict[str, Any] = {name: getattr(self.people, name) for name in _ARRAYS}
        columns |= {_UNREPORTED + name: getattr(self.unreported, name) for name in _ARRAYS}
        if self.people.appearance is not None:
            columns["appearance"] = self.people.appearance
        for name, values in zip(_SCENE, zip(*map(_of_scene, self.scenes), strict=True), strict=False):
            columns[name] = np.array(values)
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        file = PendingFile(path)
        try:
            with output_errors(path):
                np.savez(
                    file.stream, indices=self.indices, times_s=self.times_s, starts=self.starts,
                    unreported_starts=self.unreported_starts,
                    skeleton=np.array(self.people.skeleton.name),
                    made_with=np.array(json.dumps(dict(self.made_with))), **columns,
                )  # fmt: skip
            file.commit()
        except BaseException:
            file.discard()
            raise

    @classmethod
    def load(cls, path: Path) -> ChunkPoses:
        """Read a file written by ``save``.

        Raises:
            DataFormatError: it is missing, damaged, or another kind of file.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                skeleton = SKELETONS[str(arrays["skeleton"])]
                people, others = (
                    Poses(**{name: arrays[kind + name] for name in _ARRAYS}, skeleton=skeleton)
                    for kind in ("", _UNREPORTED)
                )
                if "appearance" in arrays:
                    people = people.replace(appearance=arrays["appearance"])
                found = cls(
                    arrays["indices"], arrays["times_s"], arrays["starts"], people, _scenes(arrays),
                    _facts(arrays), others, arrays["unreported_starts"],
                )  # fmt: skip
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataFormatError(f"{path} is not a chunk's pose file ({error}): remove it.") from error
        starts = (found.starts, found.unreported_starts)
        counts = (len(found.indices), len(found.times_s), *(len(one) - 1 for one in starts))
        people_counts = (len(people), len(others))
        whole = len(found.scenes) in (0, len(found.indices))
        if len(set(counts)) != 1 or people_counts != tuple(one[-1] for one in starts) or not whole:
            raise DataFormatError(f"{path} is not a chunk's pose file (array lengths disagree): remove it.")
        return found


def _joined(parts: list[Poses]) -> tuple[Poses, IntArray]:
    """The people of all frames, and where those of each start; the first part is nobody."""
    return Poses.concatenate(parts), np.cumsum([len(part) for part in parts], dtype=np.int64)


def _rows(starts: IntArray, first: int, behind: int) -> slice:
    return slice(int(starts[first]), int(starts[behind]))


def _facts(arrays: Any) -> dict[str, Any]:
    """What the tracker said of itself. Raises ``ValueError`` if that is no JSON object."""
    facts = json.loads(str(arrays["made_with"]))
    if not isinstance(facts, dict):
        raise ValueError("made_with is not an object")
    return facts


def _of_scene(scene: Scene) -> tuple[bool, Any, Any]:
    return scene.cut, scene.camera, scene.flow


def _scenes(arrays: Any) -> tuple[Scene, ...]:
    """The scenes of a file. Raises ``ValueError`` if they have the wrong shape."""
    if not set(_SCENE) <= set(arrays):
        return ()
    columns = [arrays[name] for name in _SCENE]
    if any(
        values.shape != (len(columns[0]), *shape) for values, shape in zip(columns, _SCENE.values(), strict=True)
    ):
        raise ValueError("the scenes have the wrong shape")
    return tuple(Scene(bool(cut), camera, flow) for cut, camera, flow in zip(*columns, strict=True))


def is_saved(path: Path) -> bool:
    """Whether an earlier run saved the chunk's poses there in full."""
    if not os.path.exists(path):
        return False
    try:
        ChunkPoses.load(path)
    except DataFormatError:
        return False
    return True
