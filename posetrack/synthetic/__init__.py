"""Rendered clips of clothed, articulated people with exact ground truth.

>>> from posetrack.synthetic import crossing, trace
>>> truth = next(trace(crossing(seed=3, size=(320, 180))))
>>> truth.poses.keypoints.shape, truth.poses.track_ids.tolist()
((4, 17, 2), [0, 1, 2, 3])
"""

from posetrack.synthetic.backdrops import Backdrop
from posetrack.synthetic.camera import Camera, Handheld
from posetrack.synthetic.ground_truth import GroundTruthWriter
from posetrack.synthetic.outfits import Column, Outfit, random_outfit
from posetrack.synthetic.performers import Performer
from posetrack.synthetic.rendering import render, trace
from posetrack.synthetic.scene import Scene, Shot
from posetrack.synthetic.scenes import (
    SCENES,
    camera_shake,
    crossing,
    cut,
    demo,
    leaving,
    occlusion,
    promenade,
    re_entering,
)
from posetrack.synthetic.training_set import write_training_set
from posetrack.synthetic.truth import Observation, Truth, displacements

__all__ = [
    "SCENES",
    "Backdrop",
    "Camera",
    "Column",
    "GroundTruthWriter",
    "Handheld",
    "Observation",
    "Outfit",
    "Performer",
    "Scene",
    "Shot",
    "Truth",
    "camera_shake",
    "crossing",
    "cut",
    "demo",
    "displacements",
    "leaving",
    "occlusion",
    "promenade",
    "random_outfit",
    "re_entering",
    "render",
    "trace",
    "write_training_set",
]
