"""``posetrack.run`` and the command line: what is written, when, and what happens when something goes wrong."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

import posetrack
from posetrack.cli.main import main
from posetrack.errors import ConfigError, OutputError, VideoError
from posetrack.files.text import printable
from posetrack.interruption import interruptible
from posetrack.pose_tracker import PoseTracker
from posetrack.runner import Outputs, RunObserver, RunSummary
from posetrack.stages import SourceInfo
from posetrack.types import Boxes, Image, Poses
from posetrack.video import ReadOptions
from tests import forked, in_process
from tests.stubs import StubDetector, StubPose
from tests.video_clips import ffmpeg

FRAMES = 12

ENDINGS = ("_tracked.mp4", ".json", ".tracks", ".meta.json")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Twelve frames of noise at 25 a second; the noise does not change, so there is no cut and no motion."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (160, 120))
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8), (9, 9), 0)
    for _ in range(FRAMES):
        writer.write(image)
    writer.release()
    return path


def stub_tracker() -> PoseTracker:
    return PoseTracker(detector=StubDetector(), pose=StubPose())


def frames_of(video: Path) -> int:
    capture = cv2.VideoCapture(str(video))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def test_a_run_writes_video_and_json_with_one_identity(clip: Path, tmp_path: Path) -> None:
    summary = posetrack.run(clip, tmp_path / "out", tracker=stub_tracker)
    assert (summary.frames, summary.tracks, summary.most_people) == (FRAMES, 1, 1)
    assert not summary.interrupted and summary.incomplete is None
    content = json.loads((tmp_path / "out" / "clip.json").read_text())
    assert len(content["images"]) == FRAMES
    assert {person["track_id"] for person in content["annotations"]} == {0}
    assert frames_of(tmp_path / "out" / "clip_tracked.mp4") == FRAMES
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["clip.json", "clip.meta.json", "clip.tracks", "clip_tracked.mp4"]


def test_every_format_is_written_beside_the_others(clip: Path, tmp_path: Path) -> None:
    names = ("posetrack18", "posetrack17", "coco", "mot", "csv", "parquet")
    outputs = Outputs(formats=names, video=False)
    summary = posetrack.run(clip, tmp_path / "out", tracker=stub_tracker, outputs=outputs)
    assert len(summary.files) == len(names) + 2
    assert all(path.stat().st_size > 0 for path in summary.files)


@pytest.mark.parametrize("name", [b"caf\xe9 \xff", b"half \xed\xa0\xbd", b"red \x1b[31m"], ids=str)
def test_names_that_are_no_utf8_lose_no_result(clip: Path, tmp_path: Path, name: bytes) -> None:
    odd = clip.rename(tmp_path / f"{os.fsdecode(name)}.avi")
    outputs = Outputs(formats=("posetrack18", "posetrack17", "coco", "mot", "csv", "parquet"))
    summary = posetrack.run(odd, tmp_path / "out", tracker=stub_tracker, outputs=outputs)
    assert len(summary.files) == 9 and all(path.stem.startswith(odd.stem) for path in summary.files)
    images = json.loads((tmp_path / "out" / f"{odd.stem}.json").read_bytes())["images"]
    folder = f"000000_mpii_{printable(odd.stem)}"
    assert [image["file_name"] for image in images] == [f"images/{folder}/{n:06d}.jpg" for n in range(FRAMES)]


def test_earlier_results_are_not_replaced_unasked(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.json").write_text("precious")
    with pytest.raises(OutputError, match=r"clip\.json exists already: give --overwrite"):
        posetrack.run(clip, tmp_path, tracker=stub_tracker)
    assert (tmp_path / "clip.json").read_text() == "precious"
    assert not (tmp_path / "clip_tracked.mp4").exists()
    posetrack.run(clip, tmp_path, tracker=stub_tracker, outputs=Outputs(overwrite=True))
    assert (tmp_path / "clip.json").read_text() != "precious"


def test_a_failure_in_the_middle_leaves_nothing_behind(clip: Path, tmp_path: Path) -> None:
    class Failing(StubPose):
        calls = 0

        def estimate(self, image: Image, boxes: Boxes) -> Poses:
            self.calls += 1
            if self.calls == 2:
                raise RuntimeError("out of memory")
            return super().estimate(image, boxes)

    with pytest.raises(RuntimeError, match="out of memory"):
        posetrack.run(clip, tmp_path / "out", tracker=lambda: PoseTracker(detector=StubDetector(), pose=Failing()))
    assert not (tmp_path / "out").exists()


def test_a_failure_leaves_folders_that_were_there_and_what_others_put_into_new_ones(
    clip: Path, tmp_path: Path
) -> None:
    def failing() -> PoseTracker:
        (tmp_path / "new" / "theirs.txt").touch()
        raise ConfigError("no")

    (tmp_path / "old").mkdir()
    for folder in ("old", "old/new/er", "new/out", "a/../b"):
        (tmp_path / "new").mkdir(exist_ok=True)
        with pytest.raises(ConfigError):
            posetrack.run(clip, tmp_path / folder, tracker=failing)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["theirs.txt"]
    assert list((tmp_path / "old").iterdir()) == []
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_finishes_the_files_with_the_frames_so_far(
    clip: Path, tmp_path: Path, number: signal.Signals
) -> None:
    def press(info: SourceInfo, summary: RunSummary) -> None:
        if summary.frames == 4:
            os.kill(os.getpid(), number)

    summary = posetrack.run(clip, tmp_path / "out", tracker=stub_tracker, observer=press)
    assert summary.interrupted and summary.frames == 4
    assert len(json.loads((tmp_path / "out" / "clip.json").read_text())["images"]) == 4
    assert frames_of(tmp_path / "out" / "clip_tracked.mp4") == 4


@pytest.mark.parametrize("pressed_before", ["finish", "cut_sound", "give_name"])
def test_ctrl_c_again_while_files_are_closed_leaves_them_whole(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pressed_before: str
) -> None:
    """On the command line; the second to fifth time while the encoder, the sound or the renaming is at work."""
    from posetrack.video import encoder, sink

    def press(times: int) -> None:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    written = 0
    write = encoder.Encoder.write

    def count_and_press(self: encoder.Encoder, image: Image, time_s: float) -> None:
        nonlocal written
        write(self, image, time_s)
        written += 1
        if written == 4:
            press(1)

    place = encoder.Encoder if pressed_before == "finish" else sink
    original = getattr(place, pressed_before)

    def pressing(*arguments: object) -> object:
        press(4)
        return original(*arguments)

    monkeypatch.setattr(encoder.Encoder, "write", count_and_press)
    monkeypatch.setattr(place, pressed_before, pressing)
    ffmpeg("-i", clip, "-f", "lavfi", "-i", "sine=440:d=1", "-c:v", "copy", tmp_path / "a.avi")
    line = ["posetrack", "run", str(tmp_path / "a.avi"), "-o", str(tmp_path / "out"), "-f", "csv", "--online"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.csv", "a.json", "a.meta.json", "a.tracks", "a_tracked.mp4"]
    assert len(json.loads((tmp_path / "out" / "a.json").read_text())["images"]) == 4
    assert frames_of(tmp_path / "out" / "a_tracked.mp4") == 4


def test_ctrl_c_while_the_last_files_are_closed_loses_nothing(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posetrack.video import encoder

    finish = encoder.Encoder.finish

    def pressing(self: encoder.Encoder) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        finish(self)

    monkeypatch.setattr(encoder.Encoder, "finish", pressing)
    assert posetrack.run(clip, tmp_path / "out", tracker=stub_tracker).frames == FRAMES
    assert frames_of(tmp_path / "out" / "clip_tracked.mp4") == FRAMES


def test_ctrl_c_ends_the_wait_that_it_meets_and_every_later_one() -> None:
    with interruptible() as interruption:
        with pytest.raises(KeyboardInterrupt), interruption.waiting():
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)  # while files are closed
        assert interruption.requested
        with pytest.raises(KeyboardInterrupt), interruption.waiting():
            raise AssertionError("waits in vain")


def test_ctrl_c_just_before_a_wait_ends_it() -> None:
    with interruptible() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), interruption.waiting():
            time.sleep(60)


def interrupted_after(frames: int) -> RunObserver:
    def press(info: SourceInfo, summary: RunSummary) -> None:
        if summary.frames == frames:
            os.kill(os.getpid(), signal.SIGINT)

    return press


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def frames_in(path: Path) -> int:
    return len(json.loads(path.read_text())["images"])


def test_ctrl_c_keeps_earlier_results_and_puts_what_there_is_beside_them(clip: Path, tmp_path: Path) -> None:
    out, outputs = tmp_path / "out", Outputs(overwrite=True)
    posetrack.run(clip, out, tracker=stub_tracker)
    before = contents(out)
    for number, frames in (("", 4), ("2", 3)):
        summary = posetrack.run(
            clip, out, tracker=stub_tracker, outputs=outputs, observer=interrupted_after(frames)
        )
        assert summary.interrupted and summary.beside and summary.frames == frames
        files = [out / f"clip_interrupted{number}{ending}" for ending in ENDINGS]
        assert summary.files == files
        assert frames_of(files[0]) == frames_in(files[1]) == frames
    assert before.items() <= contents(out).items() and len(contents(out)) == 3 * len(ENDINGS)
    summary = posetrack.run(clip, out, tracker=stub_tracker, outputs=outputs)
    assert not summary.beside and summary.files[:2] == [out / "clip_tracked.mp4", out / "clip.json"]


def test_one_earlier_file_is_enough_for_all_to_go_beside(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clip.csv").write_text("precious")
    outputs = Outputs(overwrite=True, formats=("posetrack18", "csv"))
    posetrack.run(clip, tmp_path / "out", tracker=stub_tracker, outputs=outputs, observer=interrupted_after(2))
    added = {f"clip_interrupted{end}" for end in (*ENDINGS, ".csv")}
    assert set(contents(tmp_path / "out")) == {"clip.csv", *added}
    assert (tmp_path / "out" / "clip.csv").read_text() == "precious"


def test_a_source_that_breaks_off_keeps_earlier_results_too(tmp_path: Path) -> None:
    from tests.batch_cases import truncated_clip

    clip = truncated_clip(tmp_path / "clip.mp4")
    out, outputs = tmp_path / "out", Outputs(video=False, overwrite=True)
    out.mkdir()
    (out / "clip.json").write_text("precious")
    summary = posetrack.run(clip, out, tracker=stub_tracker, outputs=outputs)
    assert summary.incomplete and summary.files == [out / f"clip_incomplete{end}" for end in ENDINGS[1:]]
    assert (out / "clip.json").read_text() == "precious"
    assert 0 < frames_in(out / "clip_incomplete.json") == summary.frames < 60


def test_what_others_have_written_meanwhile_is_not_replaced(clip: Path, tmp_path: Path) -> None:
    def meanwhile(info: SourceInfo, summary: RunSummary) -> None:
        (tmp_path / "out" / "clip.json").write_text("precious")

    summary = posetrack.run(clip, tmp_path / "out", tracker=stub_tracker, observer=meanwhile)
    names = [f"clip_new{end}" for end in ENDINGS]
    assert [path.name for path in summary.files] == names
    assert (tmp_path / "out" / "clip.json").read_text() == "precious"
    assert set(contents(tmp_path / "out")) == {"clip.json", *names}


def test_a_failure_with_overwrite_leaves_every_earlier_file(clip: Path, tmp_path: Path) -> None:
    """Also those whose successors are complete already: all are replaced, or none."""
    posetrack.run(clip, tmp_path / "out", tracker=stub_tracker)
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "clip.csv").mkdir()

    def failing(info: SourceInfo, summary: RunSummary) -> None:
        raise RuntimeError("no")

    for observer, error in ((failing, RuntimeError), (None, OutputError)):
        formats = ("posetrack18", "csv") if observer is None else ("posetrack18",)
        outputs = Outputs(overwrite=True, formats=formats)
        with pytest.raises(error):
            posetrack.run(clip, tmp_path / "out", tracker=stub_tracker, outputs=outputs, observer=observer)
    (tmp_path / "out" / "clip.csv").rmdir()
    assert contents(tmp_path / "out") == before


def test_ctrl_c_before_the_first_frame_writes_nothing(clip: Path, tmp_path: Path) -> None:
    class Pressing(StubDetector):
        def detect(self, images: Sequence[Image]) -> list[Boxes]:
            os.kill(os.getpid(), signal.SIGINT)
            return super().detect(images)

    with pytest.raises(KeyboardInterrupt):
        posetrack.run(clip, tmp_path / "out", tracker=lambda: PoseTracker(detector=Pressing(), pose=StubPose()))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["clip.mp4", "clip.json"])
def test_a_source_is_not_replaced_by_its_own_output(clip: Path, tmp_path: Path, name: str) -> None:
    """A link to what is written, or a video under an odd name."""
    if name == "clip.mp4":
        os.rename(clip, tmp_path / "clip_tracked.mp4")
        (tmp_path / "clip.mp4").symlink_to("clip_tracked.mp4")
    else:
        os.rename(clip, tmp_path / "clip.json")
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match="which is read"):
        posetrack.run(tmp_path / name, tmp_path, tracker=stub_tracker, outputs=Outputs(overwrite=True))
    assert contents(tmp_path) == before


def test_a_link_that_leads_nowhere_is_not_replaced_unasked(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clip.json").symlink_to("another disk")
    with pytest.raises(OutputError, match="exists already"):
        posetrack.run(clip, tmp_path, tracker=stub_tracker)
    assert os.readlink(tmp_path / "clip.json") == "another disk"


def test_the_same_input_gives_the_same_output(clip: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        posetrack.run(clip, tmp_path / name, outputs=Outputs(video=False), reading=ReadOptions(max_frames=4))
    assert (tmp_path / "a" / "clip.json").read_bytes() == (tmp_path / "b" / "clip.json").read_bytes()


def test_the_tracker_is_made_only_after_source_and_outputs_have_been_checked(tmp_path: Path) -> None:
    def never() -> PoseTracker:
        raise AssertionError("made too early")

    with pytest.raises(VideoError, match="nowhere"):
        posetrack.run(tmp_path / "nowhere.mp4", tmp_path, tracker=never)


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no format 'xml'"):
        Outputs(formats=("xml",))


def own_images() -> Iterator[Image]:
    for _ in range(5):
        yield np.full((120, 160, 3), 90, np.uint8)


def test_ones_own_images_are_tracked() -> None:
    results = list(stub_tracker().track(own_images()))
    assert [frame.index for frame, _ in results] == list(range(5))
    assert [poses.track_ids.tolist() for _, poses in results] == [[0]] * 5


def test_ones_own_images_of_another_type_are_refused() -> None:
    with pytest.raises(ValueError, match=r"image 0 is float64 \(4, 4, 3\)"):
        list(stub_tracker().track([np.zeros((4, 4, 3))]))  # type: ignore[list-item]


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["nowhere.mp4"], "nowhere.mp4"),
        (["clip.avi", "--stride", "0"], "stride is 0; give a whole number, at least 1"),
        (["clip.avi", "--start", "5", "--end", "2"], "give a time after the start"),
        (["clip.avi", "--preset", "best"], "there is no preset 'best'"),
        (["clip.avi", "--device", "abacus"], "there is no device 'abacus'"),
        (["clip.avi", "--device", "cuda:99"], "is not on this computer"),
        (["clip.avi", "--flow", "raft9"], "there is no flow 'raft9'"),
        (["clip.avi", "--similarity", "guess"], "similarity must be one of"),
        (["clip.avi", "--min-joint-score", "7"], "min_joint_score must lie between 0 and 1"),
        (["clip.avi", "--detect-every", "often"], "--detect-every is 'often'"),
        (["clip.avi", "--detect-every", "²"], "--detect-every is '²'"),
        (["clip.avi", "--pose-every", "9" * 20], "--pose-every is '999"),
        (["clip.avi", "--threads", "1000000000"], "threads is 1000000000; give 1 to 1024"),
        (["clip.avi", "--seed", str(2**63)], "seed is 9223372036854775808; give a number from 0"),
        (["clip.avi", "--detect-every", "3", "--no-propagation"], "needs propagation"),
        (["clip.avi", "--format", "xml"], "there is no format 'xml'"),
        (["clip.avi", "-o", "clip.avi/out"], "cannot be made"),
        (["clip.avi", "--precision", "fp8"], "there is no precision 'fp8'"),
        (["clip.avi", "--pose", "detector_lite"], "are for detector, not for a pose network"),
        (["clip.avi", "--pose", "nowhere.safetensors"], "nowhere.safetensors"),
        (["text.mp4"], "text.mp4"),
        ([""], "The source is empty: give a video file"),
        ([" "], "The source is empty: give a video file"),
        (["empty.mp4"], "empty.mp4 is empty"),
    ],
    ids=lambda value: " ".join(value[1:]) or value[0] if isinstance(value, list) else "",
)
def test_bad_input_gets_one_sentence_and_status_two(
    clip: Path,
    arguments: list[str],
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(clip.parent)
    (clip.parent / "text.mp4").write_text("This is no video.\n" * 100)
    (clip.parent / "empty.mp4").touch()
    before = sorted(clip.parent.rglob("*"))
    output = [] if "-o" in arguments else ["-o", "new/out"]
    done = in_process.posetrack("run", *arguments, *output)
    assert done.returncode == 2
    assert capfd.readouterr().err == "", "no library adds words of its own"
    assert sentence in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(clip.parent.rglob("*")) == before


def test_the_command_tracks_with_the_bundled_networks_and_sums_up(clip: Path, tmp_path: Path) -> None:
    done = in_process.posetrack(
        "run", clip, "-o", tmp_path / "out", "--max-frames", "3", "--boxes", "--trails", "-f", "csv"
    )
    assert done.returncode == 0, done.stderr
    assert "tracks" in done.stdout and "time by stage" in done.stdout
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["clip.csv", "clip.json", "clip.meta.json", "clip.tracks", "clip_tracked.mp4"]


def test_ctrl_c_on_the_command_line_leaves_finished_files(clip: Path, tmp_path: Path) -> None:
    """Of a source that never ends in this test: the clip, at one frame a second or so, interrupted early."""
    running = forked.posetrack("run", clip, "-o", tmp_path / "out", told=tmp_path / "told")
    while running.is_alive() and not list(tmp_path.glob("out/.clip*")):
        time.sleep(0.02)
    os.kill(running.pid or 0, signal.SIGINT)
    running.join()
    told = (tmp_path / "told").read_text()
    assert running.exitcode in (0, 130), told
    assert "Traceback" not in told
    assert not list(tmp_path.glob("out/.*"))
    if running.exitcode == 130:
        assert "posetrack: interrupted" in told
