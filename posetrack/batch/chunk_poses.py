"""The poses of a tracked chunk, kept in a file until the clip is joined."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.errors import DataFormatError
from posetrack.files.pending import PendingFile, output_errors
from posetrack.skeletons import POSETRACK, SKELETONS
from posetrack.types import Frame, IntArray, Poses

_ARRAYS = ("boxes", "scores", "keypoints", "keypoint_scores", "track_ids", "origin")


@dataclass(frozen=True, slots=True, eq=False)
class ChunkPoses:
    """F frames of a clip and the M people in them.

    Attributes:
        indices: int64 [F], ascending.
        times_s: float64 [F].
        starts: int64 [F + 1]; the people of frame f are rows ``starts[f]`` to ``starts[f + 1]``.
        people: The people of all frames, in frame order. Track ids are local to the chunk.
    """

    indices: IntArray
    times_s: NDArray[np.float64]
    starts: IntArray
    people: Poses

    @classmethod
    def collect(cls, results: Iterable[tuple[Frame, Poses]]) -> ChunkPoses:
        """Collect all results of a tracker."""
        indices: list[int] = []
        times_s: list[float] = []
        poses: list[Poses] = []
        for frame, people in results:
            indices.append(frame.index)
            times_s.append(frame.time_s)
            poses.append(people)
        skeleton = poses[0].skeleton if poses else POSETRACK
        parts = [Poses.empty(skeleton), *poses]
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS}
        starts = np.cumsum([len(part) for part in parts], dtype=np.int64)
        people = Poses(**columns, skeleton=skeleton)
        return cls(np.array(indices, np.int64), np.array(times_s, np.float64), starts, people)

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
        return ChunkPoses(self.indices[first:behind], self.times_s[first:behind], starts - starts[0], people)

    def __iter__(self) -> Iterator[tuple[int, float, Poses]]:
        """Yield each frame's index, time and people."""
        for place, (index, time_s) in enumerate(zip(self.indices.tolist(), self.times_s.tolist(), strict=True)):
            yield index, time_s, self.poses(place)

    def save(self, path: Path) -> None:
        """Write an npz file atomically.

        Raises:
            OutputError: it cannot be written.
        """
        columns: dict[str, Any] = {name: getattr(self.people, name) for name in _ARRAYS}
        with output_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        file = PendingFile(path)
        try:
            with output_errors(path):
                np.savez(
                    file.stream, indices=self.indices, times_s=self.times_s, starts=self.starts,
                    skeleton=np.array(self.people.skeleton.name), **columns,
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
                    **{name: arrays[name] for name in _ARRAYS}, skeleton=SKELETONS[str(arrays["skeleton"])]
                )
                found = cls(arrays["indices"], arrays["times_s"], arrays["starts"], people)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataFormatError(f"{path} is not a chunk's pose file ({error}): remove it.") from error
        counts = (len(found.indices), len(found.starts) - 1, len(found.times_s))
        if len(set(counts)) != 1 or found.starts[-1] != len(people):
            raise DataFormatError(f"{path} is not a chunk's pose file (array lengths disagree): remove it.")
        return found


def is_saved(path: Path) -> bool:
    """Whether an earlier run saved the chunk's poses there in full."""
    if not os.path.exists(path):
        return False
    try:
        ChunkPoses.load(path)
    except DataFormatError:
        return False
    return True
