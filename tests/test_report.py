"""The report as a file: what it says, whatever the names; and the overviews that it is made from."""

import base64
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import ItemsView
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.errors import DataFormatError, OutputError
from posetrack.formats import PoseTrack17Sink, PoseTrack18Sink
from posetrack.report import ClipOverview, ReportRow, TrackTimeline, clip_overview, write_report
from posetrack.report.charts import people_chart, tracks_chart
from posetrack.report.overview import MOST_BINS, MOST_TRACKS
from posetrack.report.presence import read_presence
from posetrack.report.thumbnail import LARGEST_SIZE, thumbnail_of
from posetrack.skeletons import POSETRACK
from posetrack.stages import SourceInfo
from posetrack.types import UNLINKED, Frame, Poses
from posetrack.video.palette import person_colour
from tests.report_pages import HOSTILE_NAMES, Page, done, file_of, many, overview
from tests.video_clips import grey_clip, level


def visible(name: str) -> str:
    """Control characters as the characters that picture them (Unicode block 2400)."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda c: chr(0x2421 if c[0] == "\x7f" else 0x2400 + ord(c[0])), name)


def people(ids: list[int]) -> Poses:
    """So many people with those ids, all joints certain."""
    count = len(ids)
    return Poses(
        np.tile(np.array([10, 10, 50, 90], np.float32), (count, 1)), np.full(count, 0.9, np.float32),
        np.full((count, 17, 2), 30, np.float32), np.full((count, 17), 0.9, np.float32), np.array(ids, np.int64),
        POSETRACK,
    )  # fmt: skip


def write_poses(path: Path, frames: list[list[int]], sink: type = PoseTrack18Sink) -> Path:
    """A file of poses in which each frame has people with those ids."""
    info = SourceInfo(name="clip", width=64, height=48, fps=None, frame_count=None, path=None)
    writer, image = sink(path, info), np.zeros((48, 64, 3), np.uint8)
    for index, ids in enumerate(frames):
        writer.write(Frame(index, index / 25, image), people(ids))
    writer.close()
    return path


def test_every_clip_is_a_row_with_its_name_picture_charts_and_links(tmp_path: Path) -> None:
    rows = many(60)
    write_report(rows, tmp_path / "index.html", "Footage")
    page = Page(tmp_path / "index.html")
    assert page.names == [row.clip for row in rows]
    assert [list(links) for links in page.links] == [list(row.links) for row in rows]
    for row, elements in zip(rows, page.rows, strict=True):
        kinds = [(tag, attributes.get("class")) for tag, attributes in elements]
        assert (("svg", "curve") in kinds) == (row.status == "done")
        assert (("svg", "lines") in kinds) == bool(row.tracks)
        pictures = [attributes["src"] for tag, attributes in elements if tag == "img"]
        assert len(pictures) == (row.status == "done")
        for picture in pictures:
            data = np.frombuffer(base64.b64decode(picture.removeprefix("data:image/webp;base64,")), np.uint8)
            assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (36, 64, 3)


def test_hostile_names_stay_names(tmp_path: Path) -> None:
    write_report([done(name) for name in HOSTILE_NAMES], tmp_path / "index.html", HOSTILE_NAMES[0])
    page, plain = Page(tmp_path / "index.html"), tmp_path / "plain.html"
    assert page.names == list(map(visible, HOSTILE_NAMES))
    for name, links in zip(HOSTILE_NAMES, page.links, strict=True):
        assert file_of(tmp_path / "index.html", links["video"]) == tmp_path / f"{name}_tracked.mp4"
        assert file_of(tmp_path / "index.html", links["JSON"]) == tmp_path / f"{name}.json"
    write_report([done(f"{number}.mp4") for number in range(len(HOSTILE_NAMES))], plain, "plain")
    tags = [tag for tag, _ in page.elements if tag not in ("wbr", "span")]
    assert tags == [tag for tag, _ in Page(plain).elements if tag not in ("wbr", "span")]


@settings(max_examples=30, deadline=None)
@given(name=st.text(st.characters(exclude_characters="\0\r"), min_size=1, max_size=40), error=st.text(max_size=40))
def test_any_text_is_shown_and_linked_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, name: str, error: str
) -> None:
    folder = tmp_path_factory.mktemp("page")
    row = replace(done("clip"), clip=name, error=error, links={"video": Path("folder") / f"x{name}.mp4"})
    write_report([row, done("last")], folder / "index.html", error)
    page = Page(folder / "index.html")
    assert page.names == [visible(name.encode("utf-8", "replace").decode()), "last"]
    assert file_of(folder / "index.html", page.links[0]["video"]) == folder / row.links["video"]


def test_a_name_that_is_no_unicode_is_linked_byte_by_byte(tmp_path: Path) -> None:
    name = b"caf\xe9.mp4".decode("utf-8", "surrogateescape")
    write_report([done(name)], tmp_path / "index.html", name)
    assert Page(tmp_path / "index.html").links[0]["video"] == "caf%E9.mp4_tracked.mp4"


def test_nothing_is_loaded_and_no_foreign_script_may_run(tmp_path: Path) -> None:
    write_report(many(20), tmp_path / "index.html", "Footage")
    page, text = Page(tmp_path / "index.html"), (tmp_path / "index.html").read_text()
    for tag, attributes in page.elements:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert all(value.startswith("data:image/") for name, value in attributes.items() if name == "src")
    assert not re.search(r"@import|url\(|https?:", text)
    policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.contents[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_totals_and_statuses_are_counted(tmp_path: Path) -> None:
    rows = many(200)
    write_report(rows, tmp_path / "index.html", "Footage")
    text = (tmp_path / "index.html").read_text()
    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert told["clips"] == "200" and told["frames"] == f"{sum(row.frames or 0 for row in rows):,}"
    assert told["people tracked"] == f"{sum(row.tracks or 0 for row in rows):,}"
    assert told["failed"] == str(sum(row.status == "failed" for row in rows))
    assert told["of footage"] == f"{sum(row.frames or 0 for row in rows) / 25 / 3600:.1f} h"
    chips = dict(re.findall(r'data-status="(\w*)".*?<span>(\d+)</span>', text))
    for status in ("done", "failed", "running", "pending"):
        assert chips[status] == str(sum(row.status == status for row in rows))
    assert chips[""] == "200"


def test_no_clips_make_a_page_too(tmp_path: Path) -> None:
    write_report([], tmp_path / "index.html", "")
    assert Page(tmp_path / "index.html").names == []


class Interrupted(dict[str, Path]):
    """Links during which somebody presses Ctrl-C."""

    def items(self) -> ItemsView[str, Path]:
        raise KeyboardInterrupt


def test_a_page_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    write_report([done("old")], tmp_path / "index.html", "old")
    rows = [done("new"), replace(done("newer"), links=Interrupted())]
    with pytest.raises(KeyboardInterrupt):
        write_report(rows, tmp_path / "index.html", "new")
    assert Page(tmp_path / "index.html").names == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    with pytest.raises(OutputError, match="index.html"):
        write_report([], tmp_path / "nowhere" / "index.html", "lost")


def test_a_row_has_a_known_status() -> None:
    with pytest.raises(ValueError, match="finished"):
        ReportRow(clip="a", status="finished")


def presences() -> st.SearchStrategy[list[list[int]]]:
    ids = st.lists(st.sampled_from([UNLINKED, *range(6)]), max_size=5, unique=True)
    return st.lists(ids, max_size=120)


@settings(max_examples=40, deadline=None)
@given(frames=presences())
def test_an_overview_counts_what_is_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[int]]
) -> None:
    made = clip_overview(write_poses(tmp_path_factory.mktemp("poses") / "clip.json", frames), None)
    counts = [len(ids) for ids in frames]
    tracks = {one for ids in frames for one in ids} - {UNLINKED}
    assert (made.frames, made.tracks, made.people) == (len(frames), len(tracks), max(counts, default=0))
    assert len(made.mean_people) == len(made.most_people) == min(len(frames), MOST_BINS)
    assert max(made.most_people, default=0) == max(counts, default=0)
    if len(frames) <= MOST_BINS:
        assert list(made.most_people) == counts and list(made.mean_people) == counts
    shown = {line.track_id: line.stretches for line in made.timelines}
    assert shown.keys() == tracks
    for track in tracks:
        seen = [n for n, ids in enumerate(frames) if track in ids]
        assert shown[track][0][0] == seen[0] and shown[track][-1][1] == seen[-1]
        inside = {n for first, last in shown[track] for n in range(first, last + 1)}
        assert inside >= set(seen)
        gap = max(2, len(frames) / 50)
        missing = [n for n in range(seen[0], seen[-1]) if n not in seen]
        assert all((n in inside) == (run_around(missing, n) < gap) for n in missing)
    assert [line.stretches[0][0] for line in made.timelines] == sorted(
        line.stretches[0][0] for line in made.timelines
    )


def run_around(numbers: list[int], number: int) -> int:
    """Length of the run of consecutive numbers that this one is in."""
    first = last = number
    while first - 1 in numbers:
        first -= 1
    while last + 1 in numbers:
        last += 1
    return last - first + 1


def test_parts_of_a_long_clip_have_its_mean_and_its_most_people(tmp_path: Path) -> None:
    counts = [n * 7 % 5 for n in range(MOST_BINS * 10)]
    made = clip_overview(write_poses(tmp_path / "clip.json", [list(range(n)) for n in counts]), None)
    parts = np.array(counts).reshape(MOST_BINS, 10)
    assert made.most_people == tuple(parts.max(axis=1).tolist())
    np.testing.assert_allclose(made.mean_people, parts.mean(axis=1))


def test_of_many_tracks_the_longest_are_shown(tmp_path: Path) -> None:
    frames = [[track for track in range(40) if frame <= track] for frame in range(40)]
    made = clip_overview(write_poses(tmp_path / "clip.json", frames), None)
    assert made.tracks == 40 and len(made.timelines) == MOST_TRACKS
    assert {line.track_id for line in made.timelines} == set(range(10, 40))
    assert f"Tracks over time: 40, of which the {MOST_TRACKS} longest are shown" in tracks_chart(made)


@pytest.mark.parametrize("frames", [[], [[]], [[], [3, 1], [1], []]])
def test_every_way_of_writing_a_file_reads_the_same(tmp_path: Path, frames: list[list[int]]) -> None:
    by_line = write_poses(tmp_path / "lines.json", frames)
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(json.loads(by_line.read_text()), indent=1))
    older = write_poses(tmp_path / "older.json", frames, PoseTrack17Sink)
    read = [read_presence(path) for path in (by_line, whole, older)]
    for presence in read:
        assert presence.frame_count == len(frames)
        assert presence.frames.tolist() == [n for n, ids in enumerate(frames) for _ in ids]
        assert presence.track_ids.tolist() == [one for ids in frames for one in ids]


def test_damaged_files_of_poses_are_refused(tmp_path: Path) -> None:
    path = write_poses(tmp_path / "clip.json", [[0], [0, 1], []])
    content = path.read_bytes()
    broken = [content[:cut] for cut in range(0, len(content) - 1, 97)]
    broken += [
        content.replace(b'"image_id":10000000001', b'"image_id":5'),
        content.replace(b'"track_id":1', b'"x":1'),
    ]
    broken += [
        content.replace(b'"track_id":1', b'"track_id":"1"'),
        content.replace(b'"track_id":1', b'"track_id":1e999'),
    ]
    for number, data in enumerate(broken):
        path.write_bytes(data)
        with pytest.raises(DataFormatError, match="clip.json"):
            clip_overview(path, None)
            pytest.fail(f"taken for whole: {number}")
    with pytest.raises(DataFormatError, match=r"nothing\.json"):
        clip_overview(tmp_path / "nothing.json", None)


def test_an_overview_is_kept_and_read_again(tmp_path: Path) -> None:
    for made in (overview(), replace(overview(), thumbnail=None, duration_s=None), overview(frames=1, tracks=0)):
        made.save(tmp_path / "kept.json")
        assert ClipOverview.load(tmp_path / "kept.json") == made
    overview().save(tmp_path / "kept.json")
    full = (tmp_path / "kept.json").read_text()
    wrong = [
        full.replace('"thumbnail":"UklG', '"thumbnail":"QUFB'),
        full.replace('"version":1', '"version":2'),
        re.sub(r"\[0,\[\[\d+,\d+\]\]\]", "[0,[]]", full),
        full[:-9],
    ]
    assert full not in wrong
    for damaged in (*wrong, "", "{}", "[]", "null", '"text"'):
        (tmp_path / "kept.json").write_text(damaged)
        with pytest.raises(DataFormatError, match=r"kept\.json"):
            ClipOverview.load(tmp_path / "kept.json")


def test_the_picture_is_of_a_frame_with_most_people(tmp_path: Path) -> None:
    video = grey_clip(tmp_path / "clip.mp4", 60)
    frames = [[0, 1] if 20 <= n <= 22 else [0] for n in range(60)]
    made = clip_overview(write_poses(tmp_path / "clip.json", frames), video)
    assert made.thumbnail is not None and made.duration_s == pytest.approx(60 / 25)
    image = cv2.imdecode(np.frombuffer(made.thumbnail, np.uint8), cv2.IMREAD_COLOR)
    assert abs(float(image.mean()) - level(21)) < 4


def test_pictures_are_small_and_keep_their_shape(tmp_path: Path) -> None:
    for size in ((1280, 720), (90, 1600), (64, 48)):
        cv2.imwrite(str(tmp_path / "image.png"), np.full((size[1], size[0], 3), 99, np.uint8))
        made = thumbnail_of(tmp_path / "image.png", 0)
        assert made.webp is not None
        height, width = cv2.imdecode(np.frombuffer(made.webp, np.uint8), cv2.IMREAD_COLOR).shape[:2]
        assert width <= LARGEST_SIZE[0] and height <= LARGEST_SIZE[1]
        assert abs(width / height - size[0] / size[1]) <= 0.5 * size[0] / size[1] / min(width, height)


def test_without_readable_footage_there_is_no_picture_but_an_overview(tmp_path: Path) -> None:
    poses = write_poses(tmp_path / "clip.json", [[0], [0]])
    (tmp_path / "damaged.mp4").write_bytes(b"no video")
    for footage in (None, tmp_path / "nothing.mp4", tmp_path / "damaged.mp4", tmp_path):
        made = clip_overview(poses, footage)
        assert made.thumbnail is None and made.duration_s is None and made.people == 1
    later = thumbnail_of(grey_clip(tmp_path / "short.mp4", 5), 1000)
    assert later.webp is not None  # the footage ends before: its first frame


def test_charts_show_the_numbers_that_they_are_made_of() -> None:
    made = replace(
        overview(frames=100, tracks=2), people=4, mean_people=(0, 2, 2, 4), most_people=(1, 2, 3, 4),
        timelines=(
            TrackTimeline(track_id=7, stretches=((0, 49), (75, 99))),
            TrackTimeline(track_id=9, stretches=((99, 99),)),
        ),
    )  # fmt: skip
    curve = people_chart(made)
    mean, most = (drawn_steps(path) for path in re.findall(r'd="(M[^"]*)"', curve))
    assert most == [1, 2, 3, 4] and mean[:4] == [0, 2, 2, 4]
    assert "at most 4 in a frame, 2.0 on average" in curve
    bars = re.findall(r'stroke="#(\w+)" d="([^"]*)"', tracks_chart(made))
    for track, (colour, _) in zip((7, 9), bars, strict=True):
        assert tuple(bytes.fromhex(colour)) == person_colour(track)
    assert re.findall(r"M(\d+) 0.5h(\d+)", bars[0][1]) == [("0", "500"), ("750", "250")]
    left, width = map(int, re.findall(r"M(\d+) 1.5h(\d+)", bars[1][1])[0])
    assert left + width <= 1000 and width > 0
    assert people_chart(replace(made, frames=0, mean_people=(), most_people=())) == ""


def drawn_steps(path: str) -> list[float]:
    """Heights over the base line (of 32, for 4 people) at each unit of a step curve."""
    heights: dict[int, float] = defaultdict(float)
    at, height = 0, 0.0
    first = re.match(r"M0 (?:32V)?([\d.]+)", path)
    assert first is not None
    height = float(first[1])
    for run, following in re.findall(r"h(\d+)(?:V([\d.]+))?", path):
        for _ in range(int(run)):
            heights[at] = 4 - height / 8
            at += 1
        height = float(following) if following else height
    return [heights[n] for n in range(at)]
