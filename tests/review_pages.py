"""A clip under review, its server, and requests to it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from posetrack.refine.clip import Clip
from posetrack.refine.files import write_clip
from posetrack.review.reviewing import open_session
from posetrack.review.server import ReviewServer
from tests.numbered_clips import numbered
from tests.refine_clips import clip_of, line, walker
from tests.video_clips import write_clip as write_video

SIZE = (640, 360)
FRAMES = 60


def scene() -> Clip:
    """1 is lost for half a second; 2 and 3 cross at frame 30; 4 is there for 10 frames only."""
    return clip_of(
        walker(1, line((60, 340), (40, 0), FRAMES), height=120)[np.r_[0:20, 33:FRAMES]],
        walker(2, line((200, 200), (100, 0), FRAMES), height=140),
        walker(3, line((440, 205), (-100, 0), FRAMES), height=140),
        walker(4, line((600, 350), (0, 0), 10), frames=np.arange(45, 55), height=100),
    )


def numbered_frames(count: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """uint8 [T, H, W, 3]: grey frames that bear their number."""
    ground = np.full((size[1], size[0], 3), 120, np.uint8)
    return np.stack([numbered(ground, index) for index in range(count)])


def write_scene(folder: Path, clip: Clip | None = None, *, video: bool = True) -> Path:
    """``street.parquet`` and its video beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "street.parquet"
    write_clip(path, clip or scene())
    if video:
        write_video(folder / "street.mp4", numbered_frames(FRAMES), "-g", "12")
    return path


@contextmanager
def serving(results: Path, video: Path | None = None) -> Iterator[ReviewServer]:
    """A server in a thread of its own, which does not end when its page is left."""
    session = open_session(results, video)
    server = ReviewServer(session)
    server.page_opened()
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
        server.close()
        session.close()


def ask(
    server: ReviewServer, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Status, content and headers of an answer; ``path`` is as it stands, without the token added."""
    host = server.origin.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=60)
    try:
        sent = {"Host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def get(server: ReviewServer, name: str) -> bytes:
    """What is at a name, asked for as the page does."""
    status, content, _ = ask(server, f"/{server.token}/{name}")
    assert status == 200, content
    return content


def send(server: ReviewServer, request: object, version: int, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """A repair, as the page sends it."""
    given = {"Origin": server.origin, "Content_Type": "application/json", "If_Match": f'"{version}"'} | headers
    return ask(server, f"/{server.token}/edits", "POST", json.dumps(request).encode(), **given)
