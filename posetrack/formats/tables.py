"""Reads the CSV and Parquet tables: one row per frame, person and joint, of one clip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from posetrack.errors import DataFormatError
from posetrack.formats import found
from posetrack.formats.annotations import Annotations, Joints
from posetrack.formats.names import names_by_id
from posetrack.formats.naming import LARGEST_FRAME, frame_numbers
from posetrack.formats.results import images_up_to, results_video
from posetrack.formats.table_content import (
    BOX,
    Table,
    groups_of,
    numbers_of,
    shared_numbers,
    whole_numbers,
)
from posetrack.pixels import from_centre
from posetrack.skeletons import SKELETONS, Skeleton, skeleton_with
from posetrack.types import BoolArray, Doubles, IntArray

_BOX_DIGITS = 10
"""The noise of half a pixel less is rounded off."""

_LARGEST_ID = 2**31 - 1


def parse_table(table: Table, images: list[dict[str, Any]] | None) -> Annotations:
    """The people of a table as one video.

    Args:
        table: One clip. A joint is present if it has ``x`` and ``y``; without a ``score``, its score is unknown.
        images: The video's images; their names give their frame numbers. ``None`` makes up all frames to the last.

    Raises:
        DataFormatError: a value is missing or wrong, a joint is unknown or given twice, or rows of one person or
            frame contradict each other. The message names the line.
    """
    numbers = whole_numbers(table, "frame", range(LARGEST_FRAME))
    ids = whole_numbers(table, "person", range(-_LARGEST_ID, _LARGEST_ID + 1))
    images, frames = _images(table, numbers, images)
    skeleton, slots = _joints(table)
    people, firsts = _people(frames, ids)
    _check_once(table, people * len(skeleton) + slots)
    times = shared_numbers(table, "time_s", frames, "frame")
    person_scores = shared_numbers(table, "person_score", people, "person and frame")
    video = results_video(
        table.path,
        _with_times(images, frames, times),
        (frames[firsts], ids[firsts]),
        _placed(table, skeleton, slots, people),
        person_scores[firsts],
        _boxes(table, people, firsts),
    )
    given = zip(ids.tolist(), table.columns.get("name", [""] * len(ids)), strict=True)
    return replace(
        video,
        names=names_by_id(table.path, given),
        found=_found(table, (people, firsts), slots, len(skeleton)),
    )


def _clip(table: Table) -> str:
    """What the column of clips says, or else the file's name."""
    names = table.columns.get("clip", [])
    for row, name in enumerate(names):
        if name != names[0]:
            raise DataFormatError(
                f"{table.place(row)}: the clip is {name!r}, and {names[0]!r} before; a table holds one clip: "
                "write one file per clip."
            )
    return (names[0] if names else "") or table.path.stem


def _boxes(table: Table, people: IntArray, firsts: IntArray) -> Doubles | None:
    """float64 [M, 4] from the image's corner, NaN where there is none. ``None`` if the table has no boxes."""
    if not set(BOX) <= table.columns.keys():
        return None
    sides = [shared_numbers(table, name, people, "person and frame")[firsts] for name in BOX]
    return from_centre(np.stack(sides, axis=1)).round(_BOX_DIGITS)


def _images(
    table: Table, numbers: IntArray, images: list[dict[str, Any]] | None
) -> tuple[list[dict[str, Any]], IntArray]:
    """The video's images, and int64 [R] the image of each row."""
    if images is None:
        return images_up_to(_clip(table), int(numbers.max(initial=-1))), numbers
    places = {number: place for place, number in enumerate(frame_numbers(images))}
    found = [places.get(number, -1) for number in numbers.tolist()]
    if -1 in found:
        row = found.index(-1)
        raise DataFormatError(
            f"{table.place(row)}: there is no image of frame {numbers[row]}; name the file that has it (--like)."
        )
    return images, np.array(found, dtype=np.int64)


def _joints(table: Table) -> tuple[Skeleton, IntArray]:
    """The skeleton of a table, or the first that has all its joints, and int64 [R] each row's slot."""
    names = table.columns["joint"]
    known = {joint for skeleton in SKELETONS.values() for joint in skeleton.joints}
    for row, name in enumerate(names):
        if name not in known:
            raise DataFormatError(
                f"{table.place(row)}: there is no joint {name!r}; use the names {', '.join(sorted(known))}."
            )
    skeleton = skeleton_with(set(names))
    if skeleton is None:
        raise DataFormatError(
            f"{table.path}: no skeleton has all of the joints {', '.join(sorted(set(names)))}; leave out those of "
            "one."
        )
    return skeleton, np.array([skeleton.index(name) for name in names], dtype=np.int64)


def _people(frames: IntArray, ids: IntArray) -> tuple[IntArray, IntArray]:
    """int64 [R] each row's person, and int64 [M] each person's first row: by frame, then as they appear in it."""
    groups, firsts = groups_of(frames << 32 | ids + _LARGEST_ID)
    order = np.lexsort((firsts, frames[firsts]))
    return np.argsort(order)[groups], firsts[order]


def _check_once(table: Table, keys: IntArray) -> None:
    groups, firsts = groups_of(keys)
    again = firsts[groups] != np.arange(len(keys))
    for row in np.flatnonzero(again)[:1].tolist():
        frame, person, joint = (table.columns[name][row] for name in ("frame", "person", "joint"))
        raise DataFormatError(
            f"{table.place(row)}: {joint} of person {person} is given twice in frame {frame}; give people "
            "different numbers, and write one file per clip."
        )


def _placed(table: Table, skeleton: Skeleton, slots: IntArray, people: IntArray) -> Joints:
    """The joints of all people, from rows of one joint each."""
    x, y, scores = (numbers_of(table, name) for name in ("x", "y", "score"))
    there: BoolArray = ~np.isnan(x) & ~np.isnan(y)
    wrong = (np.isnan(x) != np.isnan(y)) | (~there & (scores > 0))
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise DataFormatError(
            f"{table.place(row)}: a joint needs both x and y, or neither and a score of 0; correct it."
        )
    shape = (int(people.max(initial=-1)) + 1, len(skeleton))
    xy, joint_scores, present = np.zeros((*shape, 2)), np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    place = (people[there], slots[there])
    xy[place] = np.stack([x, y], axis=1)[there]
    joint_scores[place] = scores[there]
    present[place] = True
    return Joints(skeleton=skeleton, xy=xy, scores=joint_scores, present=present)


def _found(table: Table, people: tuple[IntArray, IntArray], slots: IntArray, joints: int) -> found.Found | None:
    """How the joints were found; ``None`` if the table has none of these columns.

    Args:
        people: int64 [R] each row's person, and int64 [M] each person's first row.
        slots: int64 [R] each row's joint, of ``joints``.
    """
    there = table.columns.keys() & set(found.COLUMNS)
    if not there:
        return None
    rows, firsts = people
    known, place = found.Found.unknown((len(firsts),), joints), (rows, slots)
    if "origin" in there:
        words = ["" if word == "nan" else word for word in table.columns["origin"]]
        known.origins[place] = found.origin_codes(words, table.place)
    for axis, name in enumerate(("raw_x", "raw_y")):
        if name in there:
            known.raw[(*place, axis)] = numbers_of(table, name)
    if "sd" in there:
        known.sds[place] = numbers_of(table, "sd")
    if "identity" in there:
        known.identity[:] = shared_numbers(table, "identity", rows, "person and frame")[firsts]
    if there >= set(found.RAW_BOX):
        sides = [shared_numbers(table, name, rows, "person and frame")[firsts] for name in found.RAW_BOX]
        known.raw_boxes[:] = from_centre(np.stack(sides, axis=1)).round(_BOX_DIGITS)
    return known


def _with_times(images: list[dict[str, Any]], frames: IntArray, times: Doubles) -> list[dict[str, Any]]:
    """The images, with the times of those that have one in the table."""
    known = dict(zip(frames.tolist(), times.tolist(), strict=True))
    return [
        image if np.isnan(known.get(frame, np.nan)) else {**image, "time_s": known[frame]}
        for frame, image in enumerate(images)
    ]
