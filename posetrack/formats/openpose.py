"""OpenPose JSON: one file per frame, in a folder or a ZIP archive, for Pose2Sim, FieldTrip and many scripts.

Files are named ``NAME_000000000012_keypoints.json``; ``people`` is a list of objects with ``person_id`` and
``pose_keypoints_2d``: x, y and score of each joint, zeros where it is missing. Joints are those of BODY_25 or of
OpenPose's COCO model. Source: OpenPose's documentation, "Output". Coordinates count from the top-left pixel's
centre.
"""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import orjson

from posetrack.errors import DataFormatError
from posetrack.files.archives import add_file
from posetrack.files.drafts import temporary_beside
from posetrack.files.pending import output_errors
from posetrack.formats.annotations import Annotations
from posetrack.formats.checks import LARGEST_FILE_BYTES, check_size, check_unique_ids, rows_of_numbers
from posetrack.formats.joints import joints_in, joints_of_triples
from posetrack.formats.naming import LARGEST_FRAME, frame_numbers
from posetrack.formats.results import images_up_to, results_video
from posetrack.skeletons import BODY_25, OPENPOSE_COCO, Skeleton

ENDING = "_keypoints.json"
_NAMED = re.compile(r"(?:(.*)_)?(\d{1,12})_keypoints\.json", re.DOTALL)
_VERSION = 1.3

_EMPTY: dict[str, list[float]] = {
    f"{part}_keypoints_{dimensions}": []
    for dimensions in ("2d", "3d")
    for part in ("pose", "face", "hand_left", "hand_right")
}
"""The lists that OpenPose writes for every person."""


def frame_files(video: Annotations, skeleton: Skeleton) -> Iterator[tuple[str, bytes]]:
    """Name and content of the file of every frame, also of those without people; named after the clip.

    Args:
        video: The people.
        skeleton: ``BODY_25`` or ``OPENPOSE_COCO``; joints are converted, those that cannot be are missing.

    Raises:
        DataFormatError: a coordinate is too large to compute with.
    """
    joints = joints_in(video, skeleton)
    scores = np.where(np.isnan(joints.scores), 1.0, joints.scores)
    triples = np.where(joints.present[..., None], np.concatenate([joints.xy, scores[..., None]], axis=2), 0).round(
        4
    )
    flat = triples.reshape(len(video), 3 * len(skeleton)).tolist()
    starts = np.searchsorted(video.frames, np.arange(len(video.images) + 1)).tolist()
    clip = video.clip.replace("\\", "_")  # which Windows takes for a folder's mark
    for frame, number in enumerate(frame_numbers(video.images)):
        people = [
            {"person_id": [int(video.track_ids[row])], **_EMPTY, "pose_keypoints_2d": flat[row]}
            for row in range(starts[frame], starts[frame + 1])
        ]
        yield f"{clip}_{number:012d}{ENDING}", orjson.dumps({"version": _VERSION, "people": people}) + b"\n"


def archive_of(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A ZIP archive of files. The same files give the same bytes."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            add_file(archive, name, data)
    return content.getvalue()


def write_folder(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """A new folder with files, whole or not at all.

    Raises:
        OutputError: it exists, or cannot be written.
    """
    with output_errors(folder):
        draft = temporary_beside(folder)
        draft.mkdir()
        try:
            for name, data in files:
                (draft / name).write_bytes(data)
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def is_openpose(path: Path) -> bool:
    """Whether a path is a ZIP archive, or a folder with OpenPose's files."""
    if path.suffix.lower() == ".zip":
        return True
    return path.is_dir() and any(_NAMED.fullmatch(one.name) for one in path.iterdir())


def load_openpose(path: Path) -> tuple[str, dict[int, dict[str, Any]]]:
    """The clip's name and the objects of a folder's or archive's files: frame number -> object.

    Raises:
        DataFormatError: it cannot be read, a file is damaged, or two are of one frame.
    """
    frames: dict[int, dict[str, Any]] = {}
    clips: set[str | None] = set()
    for name, data in _contents(path):
        match = _NAMED.fullmatch(name)
        if match is None:
            continue
        clips.add(match[1])
        number = int(match[2])
        if number in frames or number >= LARGEST_FRAME or len(clips) > 1:
            raise DataFormatError(
                f"{path}: {name} is a second clip's, a second file of a frame, or beyond frame {LARGEST_FRAME}; "
                "keep "
                "one clip per folder."
            )
        frames[number] = _object(path, name, data)
    if not frames:
        raise DataFormatError(f"{path}: there are no files NAME_000000000000{ENDING}; name the folder with them.")
    return clips.pop() or (path.stem if path.suffix.lower() == ".zip" else path.name), dict(sorted(frames.items()))


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.is_dir():
            for file in sorted(path.iterdir()):
                if file.name.endswith(ENDING):
                    check_size(file)
                    yield file.name, file.read_bytes()
            return
        check_size(path)
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > 4 * LARGEST_FILE_BYTES:
                raise DataFormatError(f"{path}: unpacked, the archive is too large to read; unpack it first.")
            for entry in archive.infolist():
                if entry.filename.endswith(ENDING):
                    yield PurePosixPath(entry.filename).name, archive.read(entry)
    except (OSError, zipfile.BadZipFile, RuntimeError) as error:
        raise DataFormatError(f"{path}: cannot be read ({error}); check the path, or write it again.") from error


def _object(path: Path, name: str, data: bytes) -> dict[str, Any]:
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DataFormatError(f"{path}, {name}: this is not JSON ({error}); write it again.") from error
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise DataFormatError(f"{path}, {name}: there is no list of 'people'; this file is not OpenPose's.")
    return dict(content)


def parse_openpose(path: Path, clip: str, frames: dict[int, dict[str, Any]]) -> Annotations:
    """The people of all frames as one video. People without ids are numbered within each frame.

    Args:
        path: For messages.
        clip: The clip's name.
        frames: Frame number, ascending -> content of the frame's file.

    Raises:
        DataFormatError: names the frame: another number of joints, or an id twice.
    """
    numbers = [number for number, content in frames.items() for _ in content["people"]]
    people = [person for content in frames.values() for person in content["people"]]

    def where(row: int) -> str:
        return f"frame {numbers[row]}"

    lists = [person.get("pose_keypoints_2d") for person in people]
    longest = max((len(one) for one in lists if isinstance(one, list)), default=3 * len(BODY_25))
    skeleton = OPENPOSE_COCO if longest == 3 * len(OPENPOSE_COCO) else BODY_25
    triples = rows_of_numbers(path, "pose_keypoints_2d", lists, 3 * len(skeleton), where)
    triples = triples.reshape(-1, len(skeleton), 3)
    at = np.array(numbers, dtype=np.int64)
    ids = _ids(people, at)
    check_unique_ids(path, at, ids, where)
    joints = joints_of_triples(skeleton, triples)
    images = images_up_to(clip, max(frames))
    return results_video(path, images, (at, ids), joints, np.full(len(people), np.nan))


def _ids(people: list[dict[str, Any]], at: Any) -> Any:
    """int64 [N] the people's ids, or their places within their frames if any has none."""
    given = [person.get("person_id") for person in people]
    ids = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in given]
    if all(type(one) is int and 0 <= one < 2**31 for one in ids):
        return np.array(ids, dtype=np.int64)
    return np.arange(len(at)) - np.searchsorted(at, at)


def lost_in_openpose(frames: dict[int, dict[str, Any]]) -> list[str]:
    """What files hold that is not read."""
    people = [person for content in frames.values() for person in content["people"]]
    others = sorted({key for person in people for key in person if key not in ("person_id", "pose_keypoints_2d")})
    filled = [key for key in others if any(person.get(key) for person in people)]
    unnamed = any(_has_no_id(person) for person in people)
    losses = [f"Fields of people: {', '.join(filled)}."] if filled else []
    if unnamed:
        losses.append("Who is who: the files give no ids, so people are numbered within each frame.")
    return losses


def _has_no_id(person: dict[str, Any]) -> bool:
    given = person.get("person_id")
    return not (isinstance(given, list) and len(given) == 1 and type(given[0]) is int and given[0] >= 0)
