"""The clips that ``posetrack batch`` finds, and the names of their results."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.batch.discovery import Discovery, FoundClip, find_clips
from posetrack.batch.manifest import Manifest
from posetrack.batch.names import assign_names, folder_of
from posetrack.batch.patterns import Choice, Pattern
from posetrack.errors import VideoError


def files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return folder


def clips(folder: Path, **choice: tuple[str, ...]) -> list[str]:
    return [clip.clip for clip in find_clips(folder, Choice(**choice)).clips]


def reasons(found: Discovery) -> dict[str, str]:
    return {left.path: left.reason for left in found.left_out}


def test_videos_are_found_at_any_depth_in_natural_order_ignoring_case(tmp_path: Path) -> None:
    files(tmp_path, "b/clip10.mp4", "b/clip9.MP4", "a/x/y/z/deep.MoV", "top.mkv", "notes.txt", "b/table.csv")
    assert clips(tmp_path) == ["a/x/y/z/deep.MoV", "b/clip9.MP4", "b/clip10.mp4", "top.mkv"]


def test_strange_names_are_found(tmp_path: Path) -> None:
    names = ["-dash.mp4", "new\nline.mp4", "100 %03d.mp4", "[1].mp4", "~home.mp4", "ü 日本.mp4", "a;b'$c.mp4"]
    files(tmp_path, *names)
    assert set(clips(tmp_path)) == set(names)


def test_a_name_that_is_not_utf8_is_a_clip_with_a_fault(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.mp4", "wb"):
        pass
    (clip,) = find_clips(tmp_path).clips
    assert clip.clip == "caf\\xe9.mp4" and "not valid UTF-8" in (clip.fault or "")


def test_hidden_files_and_system_folders_are_skipped(tmp_path: Path) -> None:
    files(tmp_path, "._a.mp4", ".hidden/b.mp4", "__MACOSX/c.mp4", "@eaDir/d.mp4", "$RECYCLE.BIN/e.mp4", "f.mp4")
    assert clips(tmp_path) == ["f.mp4"]


def test_a_folder_of_images_is_a_clip_unless_there_are_videos_or_few_images_in_it(tmp_path: Path) -> None:
    files(tmp_path, *(f"walk/{number}.PNG" for number in range(3)), "poster/a.jpg", "poster/b.jpg", "match/m.mp4")
    files(tmp_path, *(f"match/{number}.jpg" for number in range(5)))
    found = find_clips(tmp_path)
    assert [(clip.clip, clip.kind) for clip in found.clips] == [("match/m.mp4", "video"), ("walk", "images")]
    assert "needs at least 3" in reasons(found)["poster"] and "has videos" in reasons(found)["match"]


def test_the_footage_itself_may_be_a_folder_of_images(tmp_path: Path) -> None:
    files(tmp_path, "1.png", "2.png", "3.png")
    assert clips(tmp_path) == ["."]
    assert assign_names(find_clips(tmp_path).clips, {}) == {".": tmp_path.name}


def test_thumbnails_of_neighbouring_videos_are_not_a_clip(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "b.mp4", "c.mp4", "thumbs/a.jpg", "thumbs/b.jpg", "thumbs/c.mp4.jpg")
    assert clips(tmp_path) == ["a.mp4", "b.mp4", "c.mp4"]


def test_results_are_not_footage(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "a_tracked.mp4", "out/old.mp4", "earlier/results.mp4", "beside/b.mp4", "manifest")
    for folder, footage in (("earlier", tmp_path), ("beside", tmp_path / "beside")):
        with Manifest.create(tmp_path / folder / "manifest") as manifest:
            manifest.footage = str(footage.resolve())
    found = find_clips(tmp_path, output=tmp_path / "out")
    assert [clip.clip for clip in found.clips] == ["a.mp4", "beside/b.mp4"]
    assert set(reasons(found)) == {"a_tracked.mp4", "out", "earlier"}
    assert "a_tracked.mp4" in clips(tmp_path, globs=("*_tracked.mp4",)), "asked for by name"


def test_links_are_followed_and_nothing_is_found_twice(tmp_path: Path) -> None:
    root = files(tmp_path / "in", "z/1.mp4", "z/deep/2.mp4")
    files(tmp_path / "elsewhere", "3.mp4")
    files(tmp_path, "4.mp4", "around.mp4")
    (root / "z" / "loop").symlink_to(root)
    (root / "a_link").symlink_to(root / "z")
    (root / "up").symlink_to(tmp_path)
    (root / "out").symlink_to(tmp_path / "elsewhere")
    (root / "same.mp4").symlink_to(root / "z" / "1.mp4")
    (root / "four.mp4").symlink_to(tmp_path / "4.mp4")
    (root / "self.mp4").symlink_to(root / "self.mp4")
    (root / "broken.mp4").symlink_to(tmp_path / "nowhere.mp4")
    assert clips(root) == ["broken.mp4", "four.mp4", "out/3.mp4", "self.mp4", "z/1.mp4", "z/deep/2.mp4"]


def test_pipes_and_unreadable_folders_are_clips_with_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files(tmp_path, "a.mp4", "closed/b.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root can read everything, so permissions alone do not suffice
    faults = {clip.clip: clip.fault for clip in find_clips(tmp_path).clips}
    assert faults["a.mp4"] is None
    assert "cannot be listed: Permission denied" in str(faults["closed"])
    assert "pipe" in str(faults["pipe.mp4"])


@pytest.mark.parametrize("name", ["nowhere", "file.mp4"])
def test_footage_that_is_not_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    files(tmp_path, "file.mp4")
    with pytest.raises(VideoError, match="is not a folder"):
        find_clips(tmp_path / name)


@pytest.mark.parametrize(
    "choice, expected",
    [
        ({"globs": ("*.MP4",)}, ["day1/a.mp4", "day1/raw/b.mp4"]),
        ({"globs": ("day1/*",)}, ["day1/a.mp4", "day1/c.avi"]),
        ({"globs": ("day1/**",)}, ["day1/a.mp4", "day1/c.avi", "day1/raw/b.mp4"]),
        ({"globs": ("*.bin",)}, ["day2/d.bin"]),
        ({"globs": ("day2/d*",)}, []),
        ({"globs": ("seq",)}, ["seq"]),
        ({"globs": ("*.png", "c.*")}, ["day1/c.avi", "seq"]),
        ({"excludes": ("raw", "*.avi")}, ["day1/a.mp4", "seq"]),
        ({"excludes": ("day1/",)}, ["seq"]),
        ({"excludes": ("*.png",)}, ["day1/a.mp4", "day1/c.avi", "day1/raw/b.mp4"]),
        ({"globs": ("*.mp4",), "excludes": ("b.*",)}, ["day1/a.mp4"]),
    ],
)
def test_globs_choose_and_excludes_skip(
    tmp_path: Path, choice: dict[str, tuple[str, ...]], expected: list[str]
) -> None:
    files(tmp_path, "day1/a.mp4", "day1/raw/b.mp4", "day1/c.avi", "day2/d.bin", "day2/d.txt")
    files(tmp_path, "seq/1.png", "seq/2.png", "seq/3.png")
    assert clips(tmp_path, **choice) == expected


@given(st.text(st.sampled_from("ab.*?[]!-/"), max_size=8), st.text(st.sampled_from("ab.-/"), max_size=8))
def test_any_pattern_can_be_compared_with_any_path(pattern: str, path: str) -> None:
    assert Pattern(pattern).matches(path) in (True, False)


@given(st.text(st.sampled_from("ab.ü ^$()+%"), min_size=1, max_size=8))
def test_a_pattern_without_wildcards_matches_only_itself(name: str) -> None:
    assert Pattern(name).matches(f"folder/{name}")
    assert not Pattern(name).matches(f"folder/{name}x")


def found(*names: str) -> list[FoundClip]:
    return [
        FoundClip(clip=name, kind="video" if re.search(r"\.\w+$", name) else "images", path=Path("/in") / name)
        for name in names
    ]


def test_results_are_named_as_by_run() -> None:
    names = assign_names(found("a.mp4", "day 1/b.c.avi", "day 1/walk"), {})
    assert names == {"a.mp4": "a", "day 1/b.c.avi": "b.c", "day 1/walk": "walk"}


def test_clips_that_would_share_a_file_keep_their_suffix() -> None:
    names = assign_names(found("a.mp4", "a.avi", "A.mov", "b/a.mp4", "b/a"), {})
    assert names == {"a.mp4": "a.mp4", "a.avi": "a.avi", "A.mov": "A.mov", "b/a.mp4": "a.mp4", "b/a": "a_images"}
    names = assign_names(found("x.mp4", "x_coco.mp4", "summary.mp4"), {})
    assert names == {"x.mp4": "x.mp4", "x_coco.mp4": "x_coco.mp4", "summary.mp4": "summary.mp4"}


def test_folders_named_like_our_files_do_not_clash_with_them() -> None:
    clips_there = found("manifest/a.mp4", "manifest~/a.mp4", "Summary.csv/b.mp4", "deep/manifest/c.mp4")
    names = assign_names(clips_there, {})
    files = [str(folder_of(clip.clip) / names[clip.clip]) for clip in clips_there]
    assert files == ["manifest~/a.mp4", "manifest~/a.mp4~2", "Summary.csv~/b", "deep/manifest/c"]


def test_names_do_not_change_when_clips_are_added() -> None:
    assert assign_names(found("a.avi", "a.mp4"), {"a.mp4": "a"}) == {"a.mp4": "a", "a.avi": "a.avi"}
    assert assign_names(found("a.mp4"), {"a.mp4": "a", "a.avi": "a.avi"})["a.mp4"] == "a"


@given(st.sets(st.text(st.sampled_from("aA._~2mp4"), min_size=1, max_size=6), max_size=12))
def test_no_two_clips_ever_share_a_file(names: set[str]) -> None:
    everything = found(*sorted(names))
    given_names = assign_names(everything, {})
    folded = [name.casefold() for name in given_names.values()]
    assert len(set(folded)) == len(names)
