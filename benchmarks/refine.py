"""What the second pass is worth on rendered scenes: ``refine.py [SCENE...] [--oracle] [--degraded] [--seeds N]``.

Each scene is rendered and tracked, with the bundled networks of ``lite`` or (``--oracle``) with perfect detections
and joints of the people whom an annotator would label; then the tracks are refined with default options.
``--degraded`` blurs the pictures and packs them as JPEG first.

A person of the truth is found if a track's joints lie, on average, within half a torso. Switches count how often
the track of a person changes; ghosts are tracked poses of nobody. Error bars are meant to hold nine tenths of the
coordinates of limb joints of people who are found ("within"). The last line says how well the mean joint score
of a whole track tells people from ghosts: the share of pairs of a person's track and a ghost's in which the
person's is higher (area under the curve). ``--truth`` adds real footage: files of tracks, each with its truth.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from posetrack import PoseTracker
from posetrack.refine.bodies import joint_evidence
from posetrack.refine.clip import SEEN, Clip
from posetrack.refine.files import read_clip
from posetrack.refine.poses import poses_by_frame
from posetrack.refine.rows import People, RefinedPeople, people_of, tracks_of
from posetrack.refine.second_pass import RefineConfig, refine_clip
from posetrack.skeletons import POSETRACK
from posetrack.synthetic import SCENES, Truth, render
from posetrack.training.appearance import degrade
from posetrack.types import UNLINKED, Boxes, Frame, Image, Poses

DEFAULT_SCENES = ("crossing", "occlusion", "re_entering", "demo")
LIMBS = [POSETRACK.index(f"{side}_{joint}") for side in ("left", "right") for joint in (
    "shoulder", "elbow", "wrist", "hip", "knee", "ankle"
)]  # fmt: skip
TRUNK = [POSETRACK.index(name) for name in ("left_shoulder", "right_hip", "right_shoulder", "left_hip")]
FOUND, NOBODY = 0.5, 1e6
NINE_TENTHS = 1.645
"""Standard deviations on either side."""


class Oracle:
    """Detector and pose network that know the truth of the frame that they are shown."""

    skeleton = POSETRACK

    def __init__(self) -> None:
        self._truths: dict[bytes, Truth] = {}

    def watch(self, scene: Iterable[tuple[Frame, Truth]], truths: list[Truth]) -> Iterator[Frame]:
        """The frames of a scene, whose truth is kept."""
        for frame, truth in scene:
            self._truths[_fingerprint(frame.image)] = truth
            truths.append(truth)
            yield frame

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        """Boxes of the people whom an annotator would label."""
        people = [self._truths[_fingerprint(image)].poses for image in images]
        return [Boxes(each.boxes, each.scores) for each in people]

    def estimate(self, image: Image, boxes: Boxes) -> Poses:
        """The joints of the person whose box is nearest."""
        truth = self._truths[_fingerprint(image)].poses
        if not len(boxes) or not len(truth):
            return Poses.empty(POSETRACK)
        person = np.abs(boxes.xyxy[:, None] - truth.boxes[None]).sum(axis=2).argmin(axis=1)
        return Poses(
            boxes.xyxy, boxes.scores, truth.keypoints[person], 0.9 * truth.keypoint_scores[person],
            np.full(len(boxes), UNLINKED), POSETRACK,
        )  # fmt: skip


def _fingerprint(image: Image) -> bytes:
    return image[::7, ::7].tobytes()


@dataclass(frozen=True)
class Figures:
    """What tracks are worth, against the truth."""

    switches: int
    found: float
    ghosts: float
    coordinates: int = 0
    """Those of limb joints that have error bars, ..."""
    within: int = 0
    """... and how many of them nine tenths' intervals hold."""


def degraded(scene: Iterable[tuple[Frame, Truth]], seed: int) -> Iterator[tuple[Frame, Truth]]:
    """The frames of a scene, blurred and packed."""
    random = np.random.default_rng(seed)
    for frame, truth in scene:
        yield replace(frame, image=degrade(frame.image, 1.0, random)), truth


def tracked(name: str, seed: int, oracle: bool, bad: bool) -> tuple[Clip, list[Truth]]:
    """The tracks of a scene, and its truth."""
    scene, truths, seer = SCENES[name](seed, (960, 540)), list[Truth](), Oracle()
    tracker = PoseTracker(detector=seer, pose=seer) if oracle else PoseTracker()
    pictures = degraded(render(scene), seed) if bad else render(scene)
    seen = [(frame.time_s, poses) for frame, poses in tracker.track(seer.watch(pictures, truths))]
    times = np.array([time for time, _ in seen])
    poses = Poses.concatenate([each for _, each in seen])
    there = poses.keypoint_scores > 0
    joints = np.where(there[..., None], poses.keypoints, np.nan).astype(np.float64)
    people = People(
        ids=poses.track_ids,
        frames=np.repeat(np.arange(len(seen)), [len(each) for _, each in seen]),
        boxes=poses.boxes.astype(np.float64),
        box_scores=poses.scores.astype(np.float64),
        joints=joints,
        joint_scores=poses.keypoint_scores.astype(np.float64),
        raw=joints,
        origins=np.where(there, np.uint8(SEEN), np.uint8(0)),
        appearance=poses.appearance,
    )
    shots = np.array([truth.shot for truth in truths])
    clip = Clip(
        name=name, skeleton=POSETRACK, frames=np.arange(len(seen)), times=times, tracks=tracks_of(people, times),
        cuts=np.flatnonzero(np.diff(shots)) + 1,
    )  # fmt: skip
    return clip, truths


def evidence(clip: Clip, truths: Sequence[Poses | None]) -> list[tuple[float, bool]]:
    """For each track its mean joint score, and whether it holds a person in most frames that have a truth."""
    rows = []
    for track in clip.tracks:
        held = []
        for row, frame in enumerate(track.frames.tolist()):
            truth = truths[frame]
            if truth is not None:
                near = _distances(truth, track.joints[row : row + 1])
                held.append(bool((near < FOUND).any()))
        if held:
            rows.append((float(joint_evidence(track, clip.skeleton).mean()), float(np.mean(held)) > 0.5))
    return rows


def real(tracks: Path, truth: Path) -> list[tuple[float, bool]]:
    """``evidence`` of a file of tracks and PoseTrack18 JSON. Tracks in ignored regions count as neither."""
    clip, known = read_clip(tracks), read_clip(truth, fps=1.0)
    labelled = [image.get("is_labeled", True) for image in known.images]
    shown = {one[0]: one[2] for one, given in zip(poses_by_frame(known), labelled, strict=True) if given}
    regions = [
        np.stack([x, y], axis=1).astype(np.float32)
        for image in known.images
        for x, y in zip(image.get("ignore_regions_x", []), image.get("ignore_regions_y", []), strict=True)
    ]
    wanted = [track for track in clip.tracks if not any(_within(track.boxes, region) for region in regions)]
    return evidence(clip.with_tracks(wanted), [shown.get(number) for number in clip.frames.tolist()])


def _within(boxes: Any, region: Any) -> bool:
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return bool(np.mean([cv2.pointPolygonTest(region, tuple(map(float, xy)), False) >= 0 for xy in middle]) > 0.5)


def separation(rows: Sequence[tuple[float, bool]]) -> str:
    """How well the evidence tells people from ghosts, in words."""
    people = np.array([value for value, is_person in rows if is_person])
    ghosts = np.array([value for value, is_person in rows if not is_person])
    if not len(people) or not len(ghosts):
        return f"{len(people)} people's tracks, {len(ghosts)} ghosts'"
    higher = (people[:, None] > ghosts).mean() + (people[:, None] == ghosts).mean() / 2
    return f"{len(people)} people's tracks, {len(ghosts)} ghosts': area under the curve {higher:.3f}"


def figures(clip: Clip, truths: Sequence[Truth]) -> Figures:
    """Match tracks and truth in every frame, and count."""
    people = people_of(clip.tracks, len(POSETRACK))
    last: dict[int, int] = {}
    switches = found = there = ghosts = 0
    errors = [np.zeros(0)]
    for number, truth in enumerate(truths):
        rows = np.flatnonzero(people.frames == number)
        distances = _distances(truth.poses, people.joints[rows])
        pairs = [pair for pair in zip(*linear_sum_assignment(distances), strict=True) if distances[pair] < FOUND]
        there, found, ghosts = there + len(truth.poses), found + len(pairs), ghosts + len(rows) - len(pairs)
        for person, row in pairs:
            name, track = int(truth.poses.track_ids[person]), int(people.ids[rows[row]])
            switches += last.get(name, track) != track
            last[name] = track
            errors.append(_errors(truth.poses, person, people, rows[row]))
    every = np.concatenate(errors)
    return Figures(
        switches=switches, found=found / there, ghosts=ghosts / len(truths), coordinates=len(every),
        within=int((every <= NINE_TENTHS).sum()),
    )  # fmt: skip


def _errors(truth: Poses, person: int, people: RefinedPeople, row: int) -> Any:
    """[N]: errors of a person's limb joints in x and in y, in standard deviations, where those are known."""
    known = (truth.keypoint_scores[person, LIMBS] > 0) & ~np.isnan(people.sds[row, LIMBS])
    apart = np.abs(truth.keypoints[person, LIMBS] - people.joints[row, LIMBS])[known]
    return (apart / people.sds[row, LIMBS][known, None]).ravel()


def _distances(truth: Poses, joints: Any) -> Any:
    """[N, M]: mean distance of the limbs' joints, in torsos; joints in the picture and estimated."""
    wanted = truth.keypoints[:, LIMBS].astype(np.float64)
    trunk = truth.keypoints[:, TRUNK].astype(np.float64)
    torso = np.linalg.norm(trunk[:, ::2] - trunk[:, 1::2], axis=-1).max(axis=1)
    apart = np.linalg.norm(wanted[:, None] - joints[None][:, :, LIMBS], axis=-1) / torso[:, None, None]
    known = ~np.isnan(apart) & (truth.keypoint_scores[:, LIMBS] > 0)[:, None]
    mean = np.where(known, np.minimum(apart, 1), 0).sum(axis=-1) / np.maximum(known.sum(axis=-1), 1)
    return np.where(known.sum(axis=-1) >= 3, mean, NOBODY)


def main(
    scenes: Annotated[
        list[str] | None, typer.Argument(help="Names of scenes; by default those with crossings.")
    ] = None,
    oracle: Annotated[bool, typer.Option(help="Perfect detections and joints.")] = False,
    bad: Annotated[bool, typer.Option("--degraded", help="Blur the pictures and pack them.")] = False,
    truth: Annotated[
        list[str] | None, typer.Option(help="FILE.tracks=TRUTH.json, for the last line (repeatable).")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Variants of each scene.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print switches, people found and ghosts, before and after the second pass, and what error bars hold."""
    rows, told = [], list[tuple[float, bool]]()
    for pair in truth or []:
        told += real(*map(Path, pair.split("=")))
    for name in scenes or DEFAULT_SCENES:
        for seed in range(seeds):
            clip, truths = tracked(name, seed, oracle, bad)
            told += evidence(clip, [each.poses for each in truths])
            before, after = figures(clip, truths), figures(refine_clip(clip, RefineConfig()), truths)
            rows.append({"scene": f"{name} {seed}", "run": before.__dict__, "refined": after.__dict__})
    if as_json:
        print(json.dumps({"scenes": rows, "ghosts": separation(told)}))
        return
    table = Table("scene", "switches", "refined", "found", "refined", "ghosts per frame", "refined", "within")
    for row in rows:
        one, two = row["run"], row["refined"]
        table.add_row(
            str(row["scene"]), str(one["switches"]), str(two["switches"]), f"{one['found']:.3f}",
            f"{two['found']:.3f}", f"{one['ghosts']:.2f}", f"{two['ghosts']:.2f}",
            f"{two['within'] / max(two['coordinates'], 1):.3f}",
        )  # fmt: skip
    Console().print(table)
    print(separation(told))


if __name__ == "__main__":
    typer.run(main)
