"""An output format: one line of JSON per frame. python examples/json_lines.py video.mp4 video.jsonl"""

import json
import os
import sys
from contextlib import closing

import posetrack


class JsonLinesSink:
    def __init__(self, path, source=None):
        self.file = open(path, "w", encoding="utf-8")

    def write(self, frame, poses):
        people = [
            {"id": number, "box": box, "joints": joints, "scores": scores}
            for number, box, joints, scores in zip(
                poses.track_ids.tolist(), poses.boxes.tolist(), poses.keypoints.tolist(),
                poses.keypoint_scores.tolist(), strict=True,
            )
        ]  # fmt: skip
        self.file.write(json.dumps({"frame": frame.index, "time_s": frame.time_s, "people": people}) + "\n")

    def close(self):
        self.file.close()

    def discard(self):
        self.close()
        os.remove(self.file.name)


if __name__ == "__main__":
    with closing(JsonLinesSink(sys.argv[2])) as sink:
        for frame, poses in posetrack.PoseTracker().track(sys.argv[1]):
            sink.write(frame, poses)
