"""Rendered images of people with joints and boxes, as extra training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import orjson

from posetrack.errors import ConfigError
from posetrack.files.pending import output_errors
from posetrack.formats.posetrack18_rows import PERSON_CATEGORY, xywh
from posetrack.pixels import from_centre
from posetrack.synthetic.backdrops import PLACES, Backdrop
from posetrack.synthetic.camera import Camera, Handheld
from posetrack.synthetic.motions import ON_THE_SPOT, athletic, run, walk
from posetrack.synthetic.outfits import Column, random_outfit
from posetrack.synthetic.performers import Performer
from posetrack.synthetic.rendering import render
from posetrack.synthetic.scene import Scene, Shot
from posetrack.synthetic.truth import Truth
from posetrack.types import Doubles, Image

_JPEG_QUALITY = 88


def write_training_set(
    folder: Path, people_images: int, size: tuple[int, int] = (640, 480), seed: int = 0
) -> Path:
    """Write JPEG images and a COCO-keypoints file of rendered people.

    Args:
        folder: Output folder, made if missing; images go to ``folder/images``.
        people_images: Number of images, each of one to six people.
        size: Width and height of the largest images; others are smaller, and some in portrait format.
        seed: Image ``k`` depends on ``seed`` and ``k`` only.

    Returns:
        The annotation file, ``folder/annotations.json``. Joints of the PoseTrack skeleton have v = 2 if visible, 1
        if hidden, 0 if absent; ``bbox`` encloses the whole silhouette inside the image.

    Raises:
        ConfigError: a negative number of images.
        OutputError: a file cannot be written.
    """
    if people_images < 0:
        raise ConfigError(f"the number of images must not be negative, not {people_images}")
    with output_errors(folder):
        (folder / "images").mkdir(parents=True, exist_ok=True)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(people_images):
        frame, truth = next(render(random_scene(np.random.default_rng((seed, number)), size)))
        name = f"r{seed:03d}_{number:06d}.jpg"
        _write_jpeg(folder / "images" / name, frame.image)
        height, width = frame.image.shape[:2]
        images.append(
            {"id": number + 1, "file_name": name, "width": width, "height": height, "source": "rendered"}
        )
        annotations += _annotations(truth, number + 1, (width, height), len(annotations) + 1)
    path = folder / "annotations.json"
    document = {
        "info": {"description": "Rendered people, PoseTrack18 joint order"},
        "images": images,
        "annotations": annotations,
        "categories": [PERSON_CATEGORY],
    }
    with output_errors(path):
        path.write_bytes(orjson.dumps(document))
    return path


def _write_jpeg(path: Path, image: Image) -> None:
    """Let OpenCV only encode: file names that are not UTF-8 crash it, and it hides the system's errors."""
    data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    with output_errors(path):
        path.write_bytes(data.tobytes())


def _annotations(truth: Truth, image_id: int, size: tuple[int, int], first_id: int) -> list[dict[str, Any]]:
    """COCO annotations of everybody visible; people who are hardly visible become ignore regions."""
    seen = truth.everyone[truth.everyone.visible_fraction > 0.01]
    limits = np.array([*size, *size]) - 0.5
    boxes = np.clip(seen.poses.boxes, -0.5, limits)
    labelled = set(truth.poses.track_ids.tolist())
    rows = []
    for k, (x, y, wide, high) in enumerate(xywh(from_centre(boxes)).round(2).tolist()):
        present = seen.poses.present[k]
        flags = np.where(present, 1 + seen.visible[k], 0)
        points = np.concatenate([seen.poses.keypoints[k] * present[:, None], flags[:, None]], axis=1)
        crowd = int(seen.poses.track_ids[k]) not in labelled
        rows.append({
            "id": first_id + k, "image_id": image_id, "category_id": 1, "iscrowd": int(crowd),
            "bbox": [x, y, wide, high], "area": round(wide * high, 1),
            "num_keypoints": int((flags > 0).sum()),
            "keypoints": [round(float(v), 2) for v in points.ravel()],
            "visible_fraction": round(float(seen.visible_fraction[k]), 3),
            "pseudo": False, "pseudo_joints": [], "box_source": "rendered",
        })  # fmt: skip
    return rows


def random_scene(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """One frame with one to six people in random poses, places and light."""
    shrink = rng.uniform(0.55, 1.0)
    width, height = (int(side * shrink) for side in (size if rng.random() < 0.65 else size[::-1]))
    pitch = float(np.clip(abs(rng.normal(0, 0.22)), 0, 0.61))
    focal = float(rng.uniform(0.9, 2.0) * max(width, height))
    tall = float(rng.uniform(80**0.5, min(450.0, 0.95 * height) ** 0.5) ** 2)  # pixels, of the nearest
    depth = 1.75 * focal / tall
    level = rng.uniform(0.35, 0.65) * height  # image row of the nearest person's middle
    altitude = max(0.3, 0.9 + depth * float(np.tan(pitch + np.arctan((level - height / 2) / focal))))
    camera = Camera(width=width, height=height, focal_px=focal, altitude_m=altitude, pitch=pitch)
    count = int(rng.choice(6, p=[0.34, 0.24, 0.16, 0.12, 0.08, 0.06])) + 1
    people = tuple((k, _random_performer(rng, camera, depth, k)) for k in range(count))
    clear = 1.0 + 1.3 * max(performer.path[0][2] for _, performer in people)
    columns = (_random_column(rng, people[0][1]),) if rng.random() < 0.12 else ()
    shot = Shot(
        camera=camera,
        backdrop=Backdrop(
            place=str(rng.choice(PLACES)), seed=int(rng.integers(1 << 31)), clear_m=clear, margin=24
        ),
        people=people,
        columns=columns,
        frame_count=1,
        handheld=Handheld(shake_px=3.0, roll=0.06, seed=int(rng.integers(1 << 31))),
    )
    return Scene(
        name="picture",
        shots=(shot,),
        contrast=float(rng.uniform(2.0, 7.5)),
        noise=float(rng.gamma(2.0, 1.6)),
        softness=float(rng.uniform(0.0, 0.9)),
        seed=int(rng.integers(1 << 31)),
    )


def _random_performer(rng: np.random.Generator, camera: Camera, depth: float, number: int) -> Performer:
    """The first person stands near the middle at ``depth``, the others anywhere, some near the middle."""
    away = depth if number == 0 else depth * float(rng.uniform(0.92, 1.8))
    half = 0.5 * camera.width / camera.focal_px * away
    x = float(
        rng.uniform(-0.55, 0.55) * half if number == 0 or rng.random() < 0.4 else rng.uniform(-1.02, 1.02) * half
    )
    z = (away - (camera.altitude_m - 0.9) * np.sin(camera.pitch)) / np.cos(camera.pitch)
    return Performer(
        outfit=random_outfit(rng),
        path=((0.0, x, float(z)),),
        facing=float(rng.uniform(0, 2 * np.pi) if rng.random() < 0.55 else np.pi + rng.normal(0, 0.6)),
        frozen_posture=tuple(_random_posture(rng).tolist()),
    )


def _random_posture(rng: np.random.Generator) -> Doubles:
    kind = rng.random()
    if kind < 0.3:
        vector = walk(rng.random(), rng.uniform(0.5, 1.2))
    elif kind < 0.42:
        vector = run(rng.random(), rng.uniform(0.7, 1.2))
    elif kind < 0.7:
        motion = ON_THE_SPOT[str(rng.choice(list(ON_THE_SPOT)))]
        vector = motion(rng.uniform(0, 60), rng.uniform(0.6, 1.1))
    else:
        return athletic(rng)
    jitter = np.radians(rng.normal(0, 6, len(vector)))
    jitter[-1] = 0
    disturbed: Doubles = vector + jitter
    return disturbed


def _random_column(rng: np.random.Generator, hidden: Performer) -> Column:
    """A column in front of part of the given person."""
    _, x, z = hidden.path[0]
    nearer = rng.uniform(0.75, 0.93)
    tone = rng.uniform(0.1, 0.8)
    red, green, blue = np.clip(tone + rng.normal(0, 0.08, 3), 0.03, 0.95).tolist()
    return Column(
        x=x * nearer + float(rng.normal(0, 0.2)),
        z=z * nearer,
        radius=float(rng.uniform(0.05, 0.22)),
        height=float(rng.choice([0.9, 1.1, 4.0])),
        colour=(red, green, blue),
        seed=int(rng.integers(1 << 31)),
    )
