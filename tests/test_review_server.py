"""The page's server: who is answered, what with, and when it ends."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest

from posetrack.errors import ConfigError, DataFormatError, VideoError
from posetrack.observations.header import Header
from posetrack.observations.writer import ObservationSink
from posetrack.refine.edits_file import edits_path
from posetrack.refine.files import read_clip, write_clip
from posetrack.review import server as module
from posetrack.review.footage import Footage
from posetrack.review.reviewing import find_results, open_session
from posetrack.review.server import ReviewServer
from posetrack.video.identity import Identity
from tests.numbered_clips import number_of
from tests.refine_clips import clip_of, line, walker
from tests.review_pages import FRAMES, SIZE, ask, get, numbered_frames, scene, send, serving, write_scene
from tests.video_clips import write_clip as write_video


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scene(tmp_path_factory.mktemp("review"))


@pytest.fixture(scope="module")
def server(results: Path) -> Iterator[ReviewServer]:
    with serving(results) as started:
        yield started


def test_the_page_is_served_to_this_computer_only(server: ReviewServer) -> None:
    assert server.url.startswith("http://127.0.0.1:") and len(server.token) >= 32
    assert server._server.socket.getsockname()[0] == "127.0.0.1"
    status, content, headers = ask(server, f"/{server.token}/")
    assert status == 200 and b"street.parquet" in content and headers["Cache-Control"] == "no-store"


def test_every_clip_has_another_token(results: Path, server: ReviewServer) -> None:
    with serving(results) as other:
        assert other.token != server.token and other.origin != server.origin
        assert ask(server, f"/{other.token}/")[0] == 403


@pytest.mark.parametrize(
    "path", ["/", "/clip", "//clip", "/guess/clip", "/guess/", "/é/clip", "*", "/../../etc/passwd"]
)
def test_without_the_token_nothing_is_answered(server: ReviewServer, path: str) -> None:
    status, content, _ = ask(server, path.replace("é", "%C3%A9"))
    assert status == 403 and b"street" not in content


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "posetrack.example"}, 421),
        ({"Host": "localhost"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
    ],
)
def test_other_hosts_and_origins_are_refused(server: ReviewServer, headers: dict[str, str], status: int) -> None:
    told, content, _ = ask(server, f"/{server.token}/clip", **headers)
    assert told == status and b"tracks" not in content


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_other_methods_are_refused(server: ReviewServer, method: str) -> None:
    assert ask(server, f"/{server.token}/clip", method)[0] in (403, 404, 405, 501)


@pytest.mark.parametrize(
    "name",
    [
        "street.parquet",
        "track?key=../street.parquet",
        "track",
        "frame?number=60",
        "person?key=0",
        "page.js",
        "clip/x",
    ],
)
def test_nothing_but_the_clip_and_its_video_is_readable(server: ReviewServer, name: str) -> None:
    assert ask(server, f"/{server.token}/{name}")[0] in (403, 404)


@pytest.mark.parametrize("number", ["", "-1", "x", "1e3", "٣", "99999999999"])
def test_a_frame_needs_a_number(server: ReviewServer, number: str) -> None:
    assert ask(server, f"/{server.token}/frame?number={quote(number)}")[0] == 400


def test_tracks_arrive_as_they_are_in_the_file(server: ReviewServer, results: Path) -> None:
    told = json.loads(get(server, "clip"))
    clip = read_clip(results)
    assert told["frames"] == clip.frames.tolist() and told["size"] == list(SIZE) and told["video"] is True
    assert [one["id"] for one in told["tracks"]] == [1, 2, 3, 4]
    joints = len(clip.skeleton)
    for one, track in zip(told["tracks"], clip.tracks, strict=True):
        data, rows = get(server, f"track?key={one['key']}"), one["length"]
        assert len(data) == rows * (4 + 16 + 10 * joints)
        assert np.frombuffer(data, "<i4", rows).tolist() == track.frames.tolist()
        read = np.frombuffer(data, "<f4", rows * joints * 2, rows * 20).reshape(rows, joints, 2)
        assert np.allclose(read, track.joints, atol=1e-3, equal_nan=True)
        assert np.frombuffer(data, "u1", rows * joints, len(data) - rows * joints).reshape(
            rows, joints
        ).tolist() == (track.origins.tolist())


def test_doubts_come_with_those_that_cost_most_first(server: ReviewServer) -> None:
    doubts = json.loads(get(server, "clip"))["doubts"]
    kinds = {(one["kind"], tuple(one["people"])): one for one in doubts}
    assert set(kinds) == {("meeting", (2, 3)), ("gap", (1,)), ("short", (4,))}
    assert [one["cost_s"] for one in doubts] == sorted((one["cost_s"] for one in doubts), reverse=True)
    meeting, gap, short = (kinds[key] for key in (("meeting", (2, 3)), ("gap", (1,)), ("short", (4,))))
    assert meeting["first"] < FRAMES // 2 < meeting["last"] + 1
    assert meeting["cost_s"] == pytest.approx(2 * 30 / 25, abs=0.2)  # both would be wrong for half of the clip
    assert (gap["first"], gap["last"]) == (19, 33) and gap["cost_s"] == pytest.approx(20 / 25)
    assert (short["first"], short["last"]) == (45, 54) and short["cost_s"] == pytest.approx(10 / 25)


@pytest.mark.parametrize(
    "options", [("-g", "12"), ("-g", "300", "-bf", "3"), ("-g", "250", "-vf", "setpts=PTS+trunc(N/7)*0.02/TB")]
)
def test_frames_are_those_that_were_asked_for(tmp_path: Path, options: tuple[str, ...]) -> None:
    """In any order, across jumps, for frequent and rare key frames, reordered frames and uneven times."""
    video = write_video(
        tmp_path / "numbers.mp4", numbered_frames(300, (240, 136)), "-fps_mode", "passthrough", *options
    )
    footage = Footage(video)
    for number in (0, 299, 298, 140, 139, 262, 5):
        image = footage.image(number)
        assert image is not None and number_of(image) == number % 256, number
    assert footage.jpeg(300) is None
    assert number_of(footage.image(299)) == 299 % 256  # after a frame that is not there
    footage.close()


def test_frames_of_folders_of_images_count_as_the_tracker_does(tmp_path: Path) -> None:
    for index, image in enumerate(numbered_frames(40, (240, 136))):
        cv2.imwrite(str(tmp_path / f"shot{index + 1}.png"), image)
    footage = Footage(tmp_path)
    for number in (30, 3, 39, 0):
        assert number_of(footage.image(number)) == number


def test_large_pictures_are_scaled_down_for_the_screen(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "large.png"), np.full((1000, 4000, 3), 90, np.uint8))
    footage = Footage(tmp_path)
    assert footage.size == (4000, 1000) and footage.image(0).shape == (400, 1600, 3)


def test_the_server_ends_after_the_last_page_has_gone(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GRACE_S", 0.2)
    monkeypatch.setattr(module, "_BEAT_S", 0.05)
    session = open_session(results)
    started = ReviewServer(session)
    thread = threading.Thread(target=started.serve)
    thread.start()
    pages = []
    for _ in range(2):
        page = http.client.HTTPConnection(started.origin.removeprefix("http://"), timeout=30)
        page.request("GET", f"/{started.token}/events")
        answer = page.getresponse()
        assert answer.readline().startswith(b"data: ")
        pages.append(answer)
        page.close()
    pages.pop().close()
    time.sleep(0.5)
    assert thread.is_alive()  # one page is still open
    pages.pop().close()
    thread.join(30)
    assert not thread.is_alive()
    started.close()
    session.close()


def test_a_port_in_use_is_refused_with_a_sentence(results: Path, server: ReviewServer) -> None:
    port = int(server.origin.rpartition(":")[2])
    with pytest.raises(ConfigError, match=rf"--port {port} cannot be used \(.*\); give another, or none"):
        ReviewServer(open_session(results), port)
    with pytest.raises(ConfigError, match="--port 70000 cannot be used"):
        ReviewServer(open_session(results), 70000)


def test_a_folder_stands_for_its_only_clip(tmp_path: Path) -> None:
    results = write_scene(tmp_path / "out", video=False)
    assert find_results(tmp_path / "out") == results
    refined = results.with_name("street_refined.parquet")
    write_clip(refined, scene())
    assert find_results(tmp_path / "out") == refined
    (tmp_path / "out" / "street.edits.json").write_text("{}")
    (tmp_path / "out" / "street.meta.json").write_text("{}")
    assert find_results(tmp_path / "out") == refined
    write_clip(tmp_path / "out" / "park.csv", scene())
    with pytest.raises(DataFormatError, match=r"tracks of 2 clips \(park, street.*give one of them"):
        find_results(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataFormatError, match="no tracks in this folder"):
        find_results(tmp_path / "empty")


def test_another_video_is_refused(tmp_path: Path, results: Path) -> None:
    short = write_video(tmp_path / "short.mp4", numbered_frames(20, (240, 136)))
    with pytest.raises(DataFormatError, match=r"up to frame 59, but .*short.mp4 has only 20 frames"):
        open_session(results, short)
    small = write_video(tmp_path / "small.mp4", numbered_frames(FRAMES, (64, 48)))
    with pytest.raises(DataFormatError, match="most people lie outside the picture"):
        open_session(results, small)
    as_json = tmp_path / "street.json"
    write_clip(as_json, read_clip(results))
    data = json.loads(as_json.read_text())
    for image in data["images"]:
        image |= {"width": 640, "height": 360}
    as_json.write_text(json.dumps(data))
    wide = write_video(tmp_path / "wide.mp4", numbered_frames(FRAMES, (720, 360)))
    with pytest.raises(DataFormatError, match="640x360 pixels, but .*wide.mp4 has 720x360"):
        open_session(as_json, wide)
    with pytest.raises(VideoError, match="There is no file"):
        open_session(results, tmp_path / "missing.mp4")


def test_another_video_of_the_same_size_is_refused_where_the_tracks_know_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = write_scene(tmp_path / "results")
    video = results.with_name("street.mp4")
    known = replace(read_clip(results), video=Identity.now(video).digest)
    monkeypatch.setattr("posetrack.review.reviewing.read_clip", lambda *_: known)
    copy, other = tmp_path / "copy.mp4", tmp_path / "other.mp4"
    copy.write_bytes(video.read_bytes())
    session = open_session(results, copy)
    session.change({"edit": {"kind": "subject", "person": 1, "subject": True}}, 0)
    session.close()
    edits = edits_path(results)
    assert json.loads(edits.read_text())["video"] == known.video
    write_video(other, numbered_frames(FRAMES)[::-1])
    with pytest.raises(DataFormatError, match=r"other\.mp4 is not, or no longer, the video that was tracked"):
        open_session(results, other)
    monkeypatch.undo()  # tracks that do not know their video: the repairs do
    with pytest.raises(DataFormatError, match=r"street\.edits\.json: these repairs were made over another video"):
        open_session(results, other)
    edits.unlink()
    open_session(results, other).close()


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".json"])
def test_a_table_knows_its_video_by_the_observations_beside_it(tmp_path: Path, ending: str) -> None:
    source = write_scene(tmp_path)
    results = source.with_suffix(ending)
    if results != source:
        write_clip(results, read_clip(source))
    video, other = tmp_path / "street.mp4", tmp_path / "other.mp4"
    header = Header(
        name="street", width=SIZE[0], height=SIZE[1], fps=Fraction(25), delivered_fps=Fraction(25),
        source_digest=Identity.now(video).digest,
    )  # fmt: skip
    ObservationSink(tmp_path / "street.tracks", header).close()
    session = open_session(results, pictures=False)
    session.change({"edit": {"kind": "subject", "person": 1, "subject": True}}, 0)
    session.close()
    assert json.loads(edits_path(results).read_text())["video"] == header.source_digest
    open_session(results, video).close()
    write_video(other, numbered_frames(FRAMES)[::-1])
    with pytest.raises(DataFormatError, match=r"other\.mp4 is not, or no longer, the video that was tracked"):
        open_session(results, other)
    ObservationSink(tmp_path / "street.tracks", replace(header, name="avenue", source_digest="cd")).close()
    open_session(results, video).close()  # observations of another source say nothing


def test_a_file_without_people_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nobody.json"
    write_clip(path, clip_of(frame_count=3))
    with pytest.raises(DataFormatError, match=r"nobody.json: nobody is in this file"):
        open_session(path)


def test_without_a_video_the_picture_is_as_large_as_the_people_need(tmp_path: Path) -> None:
    path = write_scene(tmp_path, clip_of(walker(1, line((300, 250), (0, 0), 30))), video=False)
    with serving(path) as started:
        told = json.loads(get(started, "clip"))
        assert told["video"] is False and told["size"][0] > 330 and told["size"][1] >= 250
        assert ask(started, f"/{started.token}/frame?number=0")[0] == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"If_Match": "*"}, 400),
        ({"Content_Type": "text/plain"}, 400),
        ({"Content_Length": "-1"}, 400),
        ({"Content_Length": "99999999"}, 400),
    ],
)
def test_repairs_are_taken_from_the_page_only(results: Path, headers: dict[str, str], status: int) -> None:
    with serving(results) as started:
        told, _, _ = send(started, {"edit": {"kind": "delete", "person": 4}}, 0, **headers)
        assert told == status
        assert ask(started, f"/{started.token}/edits", "POST", b"{}", Content_Type="application/json")[0] == 403
        assert json.loads(get(started, "clip"))["version"] == 0
    assert not results.with_name("street.edits.json").exists()


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        ([], 400, "A repair must be a JSON object."),
        ({}, 422, "There is nothing to undo or to do again."),
        ({"undo": True}, 422, "There is nothing to undo or to do again."),
        ({"toggle": 3}, 422, "There is no repair 4."),
        ({"toggle": True}, 422, "There is nothing to undo"),
        ({"edit": {"kind": "erase"}}, 422, "There is no repair of the kind 'erase'."),
        ({"edit": {"kind": "delete", "person": 40}}, 422, "There is no person 40."),
        ({"edit": {"kind": "delete", "person": "../x"}}, 422, "Person must be a whole number, not '../x'."),
        ({"edit": {"kind": "delete", "person": 1, "path": "/tmp/x"}}, 422, "'path' does not belong to 'delete'."),
    ],
)
def test_repairs_that_do_not_fit_are_answered_with_a_sentence(
    server: ReviewServer, results: Path, request_: object, status: int, sentence: str
) -> None:
    told, content, _ = send(server, request_, 0)
    assert told == status and content.decode().startswith(sentence)
    assert not results.with_name("street.edits.json").exists()


def test_a_change_made_elsewhere_is_taken_up(tmp_path: Path) -> None:
    """Two servers over one file: the second to save is refused, and sees what the first has saved."""
    results = write_scene(tmp_path, video=False)
    with serving(results) as one, serving(results) as other:
        assert send(one, {"edit": {"kind": "delete", "person": 4}}, 0)[0] == 200
        status, sentence, _ = send(other, {"edit": {"kind": "delete", "person": 3}}, 0)
        assert status == 412 and b"changed elsewhere meanwhile (version 1)" in sentence
        assert [track["id"] for track in json.loads(get(other, "clip"))["tracks"]] == [1, 2, 3]
        assert send(other, {"edit": {"kind": "delete", "person": 3}}, 1)[0] == 200


def test_undoing_what_later_repairs_need_is_refused(tmp_path: Path) -> None:
    with serving(write_scene(tmp_path, video=False)) as started:
        send(started, {"edit": {"kind": "split", "person": 2, "frame": 20}}, 0)
        send(started, {"edit": {"kind": "name", "person": 5, "name": "Al"}}, 1)
        status, sentence, _ = send(started, {"toggle": 0}, 2)
        assert status == 422 and b"repair 1 (name) does not fit: there is no person 5" in sentence
        assert json.loads(get(started, "clip"))["version"] == 2


def test_ids_of_splits_are_never_given_twice(tmp_path: Path) -> None:
    with serving(write_scene(tmp_path, video=False)) as started:
        send(started, {"edit": {"kind": "split", "person": 2, "frame": 20}}, 0)
        send(started, {"undo": True}, 1)
        send(started, {"edit": {"kind": "split", "person": 3, "frame": 20}}, 2)
        assert [track["id"] for track in json.loads(get(started, "clip"))["tracks"]] == [1, 2, 3, 4, 6]


def test_damaged_and_foreign_repairs_stop_the_review_before_it_starts(tmp_path: Path) -> None:
    results = write_scene(tmp_path, video=False)
    edits = results.with_name("street.edits.json")
    edits.write_text("{")
    with pytest.raises(DataFormatError, match=r"street\.edits\.json: the file is damaged"):
        open_session(results)
    assert edits.read_text() == "{"


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(write_scene(tmp_path, video=False)) as started:
        send(started, {"edit": {"kind": "delete", "person": 4}}, 0)
        before = (tmp_path / "street.edits.json").read_bytes()

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("posetrack.files.pending.give_name", full)
        status, sentence, _ = send(started, {"edit": {"kind": "delete", "person": 3}}, 1)
        assert status == 422 and b"the disk is full" in sentence
        assert (tmp_path / "street.edits.json").read_bytes() == before
        assert json.loads(get(started, "clip"))["version"] == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["street.edits.json", "street.parquet"]


def test_a_closed_server_ends_the_connections_that_browsers_keep_open(tmp_path: Path) -> None:
    before = threading.active_count()
    with serving(write_scene(tmp_path, video=False)) as server:
        idle, listening = (http.client.HTTPConnection(server.origin.removeprefix("http://")) for _ in range(2))
        idle.request("GET", f"/{server.token}/")
        assert idle.getresponse().read()
        listening.request("GET", f"/{server.token}/events")
        assert listening.getresponse().status == 200
        assert threading.active_count() >= before + 3
    deadline_s = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline_s:
        time.sleep(0.01)  # the last lines of threads that have ended their connection
    assert threading.active_count() == before
    for connection in (idle, listening):
        connection.close()
