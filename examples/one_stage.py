"""A one-stage network, which finds people with their joints. It takes RGB in [0, 1], float32 [1, 3, 640, 640], and
returns [1, M, 5 + 17 * 3]: box, score, and x, y, score of each of COCO's joints. The pipeline drops duplicates."""

import cv2
import numpy as np
import onnxruntime

from posetrack import Poses, Sighting
from posetrack.pixels import from_corner
from posetrack.skeletons import COCO
from posetrack.tracker import iou_matrix


class OneStage:
    skeleton = COCO

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def find(self, images):
        seen = [self.candidates(image) for image in images]
        return [Sighting(image, each[each.scores >= 0.3], each) for image, each in zip(images, seen, strict=True)]

    def refine(self, sightings, boxes):  # the best candidate in each box, however unlikely
        return [self.best(*pair) for pair in zip(sightings, boxes, strict=True)]

    def best(self, sighting, boxes):
        known = self.candidates(sighting.image) if sighting.features is None else sighting.features
        overlaps = np.pad(iou_matrix(boxes.xyxy, known.boxes), ((0, 0), (0, 1)), constant_values=0.3)
        chosen = Poses.concatenate([known, Poses.pending_in(boxes[:1], COCO)])[overlaps.argmax(axis=1)]
        return chosen.replace(boxes=boxes.xyxy, scores=boxes.scores)

    def candidates(self, image):
        scale, canvas = 640 / max(image.shape[:2]), np.zeros((640, 640, 3), np.float32)
        small = cv2.resize(image, None, fx=scale, fy=scale)
        canvas[: small.shape[0], : small.shape[1]] = small / 255
        rows = self.session.run(None, {"images": canvas.transpose(2, 0, 1)[None]})[0][0]
        boxes, joints, ids = rows[:, :4] / scale, rows[:, 5:].reshape(-1, 17, 3), np.full(len(rows), -1)
        xy = from_corner(joints[..., :2] / scale)
        return Poses(from_corner(boxes), rows[:, 4], xy, joints[..., 2], ids, COCO)
