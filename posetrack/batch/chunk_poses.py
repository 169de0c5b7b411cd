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
from posetrack.types import Frame, IntArray, Poses

_ARRAYS = ("boxes", "scores", "keypoints", "keypoint_scores", "track_ids", "origin")
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
        scenes: [F] what each frame shows as a whole; empty if nobody has looked.
        made_with: What the poses depend on besides the clip, as ``PoseTracker.made_with`` says it.
    """

    indices: IntArray
    times_s: NDArray[np.float64]
    starts: IntArray
    people: Poses
    scenes: tuple[Scene, ...]
    made_with: Mapping[str, Any]

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
        parts = [Poses.empty(skeleton), *poses]
        starts = np.cumsum([len(part) for part in parts], dtype=np.int64)
        looked = tuple(scenes) if len(scenes) == len(indices) else ()
        times = np.array(times_s, np.float64)
        return cls(np.array(indices, np.int64), times, starts, Poses.concatenate(parts), looked, made_with)

    def __len__(self) -> int:
        return len(self.indices)

    def poses(self, place: int) -> Poses:
        """The people in the frame at position ``place``, 0 to F - 1."""
        return self.people[slice(int(self.starts[place]), int(self.starts[place + 1]))]

    def part(self, places: slice) -> ChunkPoses:
        """A run of consecutive frames."""
        first, behind, _ = places.indices(len(self))
        behind = max(first, behind)
        starts = self.starts[first : behind + 1]
        people = self.people[slice(int(starts[0]), int(starts[-1]))]
        return ChunkPoses(
            self.indices[first:behind], self.times_s[first:behind], starts - starts[0], people,
            self.scenes[first:behind], self.made_with,
        )  # fmt: skip

    def __iter__(self) -> Iterator[tuple[Frame, Poses]]:
        """Yield each frame, without its image, and its people."""
        for place, (index, time_s) in enumerate(zip(self.indices.tolist(), self.times_s.tolist(), strict=True)):
            scene = self.scenes[place] if self.scenes else None
            yield Frame(index, time_s, _NO_IMAGE, scene), self.poses(place)

    def save(self, path: Path) -> None:
        """Write an npz file atomically.

        Raises:
            OutputError: it cannot be written.
        """
        columns: dict[str, Any] = {name: getattr(self.people, name) for name in _ARRAYS}
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
                people = Poses(
                    **{name: arrays[name] for name in _ARRAYS},
                    skeleton=SKELETONS[str(arrays["skeleton"])],
                    appearance=arrays["appearance"] if "appearance" in arrays else None,
                )
                found = cls(
                    arrays["indices"], arrays["times_s"], arrays["starts"], people, _scenes(arrays), _facts(arrays)
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataFormatError(f"{path} is not a chunk's pose file ({error}): remove it.") from error
        counts = (len(found.indices), len(found.starts) - 1, len(found.times_s))
        whole = len(found.scenes) in (0, len(found.indices))
        if len(set(counts)) != 1 or found.starts[-1] != len(people) or not whole:
            raise DataFormatError(f"{path} is not a chunk's pose file (array lengths disagree): remove it.")
        return found


_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)


def _facts(arrays: Any) -> dict[str, Any]:
    """What the tracker said of itself. Raises ``ValueError`` if that is no JSON object."""
    facts = json.loads(str(arrays["made_with"]))
    if not isinstance(facts, dict):
        raise ValueError("made_with is no object")
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
