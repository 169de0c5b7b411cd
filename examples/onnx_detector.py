"""A detector from an ONNX file. It takes RGB in [0, 1], float32 [1, 3, 640, 640], and returns [1, M, 6]: box,
score and class of each object, after non-maximum suppression. Class 0 is a person, as in COCO."""

import sys

import cv2
import numpy as np
import onnxruntime

import posetrack
from posetrack.pixels import from_corner


class OnnxDetector:
    def __init__(self, path: str) -> None:
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def detect(self, images):
        return [self.people(image) for image in images]

    def people(self, image):
        height, width = image.shape[:2]
        scale = 640 / max(height, width)
        canvas = np.zeros((640, 640, 3), np.float32)
        small = cv2.resize(image, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        canvas[: small.shape[0], : small.shape[1]] = small / 255
        objects = self.session.run(None, {self.input: canvas.transpose(2, 0, 1)[None]})[0][0]
        people = objects[(objects[:, 5] == 0) & (objects[:, 4] >= 0.3)]
        return posetrack.Boxes(from_corner(people[:, :4] / scale), people[:, 4])


if __name__ == "__main__":
    tracker = posetrack.PoseTracker(detector=OnnxDetector(sys.argv[1]))
    for frame, poses in tracker.track(sys.argv[2]):
        print(frame.index, poses.track_ids.tolist())
