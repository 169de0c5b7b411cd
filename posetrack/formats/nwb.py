"""NWB files with ndx-pose, for neuroscience. Read and written with pynwb, which sleap-io brings (an extra).

Every person is a ``PoseEstimation`` named ``track3``, with a series of positions and confidences per joint, and
the times of all frames. sleap-io reads these modules and names, but numbers people anew, in the alphabetical order
of their names: zeros in front make this the order of their numbers.
"""

from __future__ import annotations

import hashlib
import itertools
import tempfile
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import numpy as np

from posetrack import __version__
from posetrack.errors import ConfigError, DataFormatError
from posetrack.files.pending import write_file
from posetrack.formats.annotations import Annotations
from posetrack.formats.grid import Grid, grid_of, video_of_grid
from posetrack.formats.names import numbers_in
from posetrack.formats.naming import LARGEST_FRAME
from posetrack.formats.rates import frame_rate
from posetrack.skeletons import skeleton_with
from posetrack.types import Doubles

_NUMBERS = "frame_number"
"""A series of our files: the number of each frame in the footage, which times alone do not tell."""

_UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)
"""NWB needs the time of the recording, which files of poses do not have."""


def _pynwb() -> Any:
    try:
        import ndx_pose
        import pynwb
    except ImportError:
        raise ConfigError(
            "NWB files need the package sleap-io, which is not installed: pip install 'posetrack[sleap]'."
        ) from None
    return pynwb, ndx_pose


def check_nwb() -> None:
    """Refuse to begin work whose result could not be written.

    Raises:
        ConfigError: sleap-io is not installed.
    """
    _pynwb()


def write_nwb(path: Path, video: Annotations, _: float | None) -> None:
    """Write the file of one video.

    Raises:
        ConfigError: sleap-io is not installed.
        DataFormatError: the frames have no times.
        OutputError: the file cannot be written.
    """
    pynwb, _pose = _pynwb()
    grid = grid_of(video)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb's, about its own future
        draft = Path(folder) / "draft.nwb"  # HDF5 needs a file of its own while it writes
        with pynwb.NWBHDF5IO(str(draft), "w") as file:
            file.write(_content(path, grid))
        write_file(path, draft.read_bytes())


def _content(path: Path, grid: Grid) -> Any:
    pynwb, pose = _pynwb()
    new = _maker(grid)
    content = new(
        pynwb.NWBFile,
        session_description=f"Poses of {path.stem}",
        identifier=f"posetrack {path.stem}",
        session_start_time=_UNKNOWN_START,
        file_create_date=_UNKNOWN_START,
    )
    slots = grid.skeleton.in_use
    names = [grid.skeleton.joints[slot] for slot in slots]
    edges = [[names.index(a), names.index(b)] for a, b in grid.skeleton.limbs if a in names and b in names]
    skeleton = new(pose.Skeleton, name=grid.skeleton.name, nodes=names, edges=np.array(edges, dtype=np.uint8))
    behavior = new(pynwb.ProcessingModule, name="behavior", description="Skeleton")
    content.add_processing_module(behavior)
    behavior.add(new(pose.Skeletons, skeletons=[skeleton]))
    behavior.add(
        new(
            pynwb.TimeSeries,
            name=_NUMBERS,
            description="Number of each frame in the footage, from 0",
            data=grid.numbers,
            unit="frames",
            timestamps=grid.times,
        )
    )
    name = f"SLEAP_VIDEO_000_{path.stem}"
    module = new(pynwb.ProcessingModule, name=name, description="Poses of people")
    content.add_processing_module(module)
    digits = len(str(grid.people.max(initial=0)))
    for place, track_id in enumerate(grid.people.tolist()):
        series = [
            new(
                pose.PoseEstimationSeries,
                name=name,
                description=name,
                data=grid.xy[:, place, slot],
                confidence=grid.scores[:, place, slot],
                confidence_definition="probability or score of the joint, 0 to 1",
                timestamps=grid.times,
                unit="pixels",
                reference_frame="(0, 0) is the centre of the top-left pixel; x to the right, y down",
            )
            for name, slot in zip(names, slots, strict=True)
        ]
        person = new(
            pose.PoseEstimation,
            name=f"track{track_id:0{digits}}",
            description=f"Person {track_id}",
            pose_estimation_series=series,
            skeleton=skeleton,
            original_videos=[path.stem],
            source_software="posetrack",
            source_software_version=__version__,
        )
        module.add(person)
    return content


def _maker(grid: Grid) -> Any:
    """Makes objects of pynwb. Their ids, otherwise random, follow from the poses: so files can be compared."""
    digest = hashlib.sha256(grid.xy.tobytes() + grid.scores.tobytes() + grid.times.tobytes()).hexdigest()
    numbers = itertools.count()

    def new(kind: Any, **settings: Any) -> Any:
        made = kind.__new__(kind, object_id=str(uuid5(NAMESPACE_OID, f"{digest} {next(numbers)}")))
        made.__init__(**settings)
        return made

    return new


def read_nwb(path: Path, fps: float | None) -> Annotations:
    """The people of a file: one per ``PoseEstimation``.

    Args:
        path: The file.
        fps: Frames per second; None takes the usual step of the file's times.

    Raises:
        ConfigError: sleap-io is not installed.
        DataFormatError: the file is damaged, has no poses, or joints of no known skeleton.
    """
    pynwb, _ = _pynwb()
    if not path.is_file():
        raise DataFormatError(f"{path}: there is no such file; check the path.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as file:
                objects = list(file.read().objects.values())
                people = [_person(one) for one in objects if one.neurodata_type == "PoseEstimation"]
                numbers = _frame_numbers(objects)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataFormatError(f"{path}: pynwb cannot read this file ({error}); write it again.") from error
    if not people and not numbers:
        raise DataFormatError(f"{path}: the file holds no poses (PoseEstimation of ndx-pose); name another.")
    return video_of_grid(path, _grid(path, people, numbers, fps))


_Person = tuple[str, dict[str, tuple[Any, Any, Any]]]
"""Name, and joint -> times [T], positions [T, 2] and confidences [T]."""


def _person(container: Any) -> _Person:
    joints = {}
    for name, series in container.pose_estimation_series.items():
        count = len(series.data)
        if series.timestamps is not None:
            times = np.asarray(series.timestamps[:], dtype=np.float64)
        else:
            times = series.starting_time + np.arange(count) / series.rate
        scores = np.full(count, np.nan) if series.confidence is None else np.asarray(series.confidence[:])
        joints[name] = times, np.asarray(series.data[:], dtype=np.float64)[:, :2], scores
    return container.name, joints


def _usual_step(times: Doubles) -> float:
    """Seconds per frame; frames may be missing."""
    gaps = np.diff(times)
    counts = np.rint(gaps / np.median(gaps)).clip(1) if len(gaps) else gaps
    return 1 / frame_rate(times, np.append(0, counts.cumsum()).astype(np.int64))


def _frame_numbers(objects: list[Any]) -> dict[float, int]:
    """Time -> the frame's number, in files that say it."""
    for one in objects:
        if one.name == _NUMBERS and one.neurodata_type == "TimeSeries" and one.timestamps is not None:
            times, numbers = np.asarray(one.timestamps[:], np.float64), np.asarray(one.data[:], np.int64)
            return dict(zip(times.tolist(), numbers.tolist(), strict=True))
    return {}


def _grid(path: Path, people: list[_Person], known: dict[float, int], fps: float | None) -> Grid:
    names = {joint for _, joints in people for joint in joints}
    skeleton = skeleton_with(names)
    if skeleton is None:
        raise DataFormatError(
            f"{path}: no known skeleton has all of the joints {', '.join(sorted(names))}; rename them, for "
            "instance to left_knee."
        )
    given = [part[0] for _, joints in people for part in joints.values()]
    times = np.unique(np.concatenate([np.array(list(known), dtype=np.float64), *given]))
    step = 1 / fps if fps is not None else _usual_step(times)
    counted = np.rint(times / step).astype(np.int64).tolist()
    numbers = np.array([known.get(time, n) for time, n in zip(times.tolist(), counted, strict=True)], np.int64)
    if (np.diff(numbers) <= 0).any() or (len(numbers) and not 0 <= numbers[0] <= numbers[-1] < LARGEST_FRAME):
        raise DataFormatError(
            f"{path}: the times do not fit a frame rate of {1 / step:g}; give the right one (--fps)."
        )
    ids = numbers_in([name for name, _ in people])
    shape = (len(times), len(people), len(skeleton))
    xy, scores = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    for track_id, (_, joints) in zip(ids, people, strict=True):
        for joint, (at, positions, confidences) in joints.items():
            place = np.searchsorted(times, at), sorted(ids).index(track_id), skeleton.index(joint)
            xy[place], scores[place] = positions, confidences
    return Grid(
        numbers=numbers, times=times, people=np.array(sorted(ids), dtype=np.int64), skeleton=skeleton, xy=xy,
        scores=scores,
    )  # fmt: skip
