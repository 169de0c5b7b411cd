"""A pose network with another head: RTMPose from its ONNX file.

It takes people cut out at 192 x 256 pixels, normalised as in MMPose, and classifies the x and the y of each of
COCO's 17 joints into two bins per pixel (SimCC). The codec names the head: "regression" is another; "quarter" and
"dark" are for heatmaps, of which the format gives ``stride`` and ``sigma_cells``.
"""

import sys
from pathlib import Path

import posetrack
from posetrack.models.conventions import CONVENTIONS
from posetrack.models.onnx_reading import read_onnx
from posetrack.models.pose import CropPoseEstimator, PoseConfig
from posetrack.models.pose_format import PoseFormat
from posetrack.skeletons import COCO

FORMAT = PoseFormat(skeleton=COCO, width=192, height=256, convention=CONVENTIONS["mmpose"], split_ratio=2.0)


def rtmpose(path: str) -> CropPoseEstimator:
    return CropPoseEstimator(read_onnx(Path(path)), FORMAT, PoseConfig(codec="simcc", flip_test=True))


if __name__ == "__main__":
    tracker = posetrack.PoseTracker(pose=rtmpose(sys.argv[1]))
    for frame, poses in tracker.track(sys.argv[2]):
        print(frame.index, poses.track_ids.tolist(), poses.keypoint_scores.mean(axis=1))
