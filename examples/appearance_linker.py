"""A linker with appearance: people keep their number if they look alike; overlapping boxes help."""

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from posetrack.tracker import iou_matrix


class ColourHistogram:  # of the hues and saturations in the middle of the box
    def describe(self, image, poses):
        return np.array([self.histogram(image, box) for box in poses.boxes]).reshape(-1, 32)

    def histogram(self, image, box):
        x1, y1, x2, y2 = (box * [0.75, 0.75, 0.25, 0.25] + np.roll(box, 2) * [0.25, 0.25, 0.75, 0.75]).clip(0)
        part = image[int(y1) : int(y2) + 1, int(x1) : int(x2) + 1]
        hsv = cv2.cvtColor(part, cv2.COLOR_RGB2HSV) if part.size else np.zeros((1, 1, 3), np.uint8)
        counts = cv2.calcHist([hsv], [0, 1], None, [8, 4], [0, 180, 0, 256]).ravel()
        return np.sqrt(counts / counts.sum())  # a dot product is then the Bhattacharyya coefficient


class AppearanceLinker:
    def __init__(self):
        self.known, self.next_id = None, 0

    def reset(self):
        self.known = None

    def link(self, poses, flow, time_s):
        ids = np.full(len(poses), -1)
        if self.known is not None and len(self.known) and len(poses):
            score = self.known.appearance @ poses.appearance.T + iou_matrix(self.known.boxes, poses.boxes) / 2
            for old, new in zip(*linear_sum_assignment(-score), strict=True):
                if score[old, new] > 0.9:
                    ids[new] = self.known.track_ids[old]
        born = np.flatnonzero(ids < 0)
        ids[born] = self.next_id + np.arange(len(born))
        self.next_id += len(born)
        self.known = poses.replace(track_ids=ids)
        return self.known
