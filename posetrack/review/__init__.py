"""``posetrack review``: a page in the browser that shows a clip's tracks, their doubts, and takes repairs."""
