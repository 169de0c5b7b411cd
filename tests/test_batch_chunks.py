"""Long clips in chunks: where they are cut, which frames each shows, and that joining gives the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack.batch.chunk_poses import ChunkPoses, is_saved
from posetrack.batch.chunk_workers import CHUNKS, ChunkingWorkers
from posetrack.batch.chunks import Chunk, ChunkConfig, open_chunk, plan
from posetrack.batch.stitch import SeamError, StitchConfig, matched_tracks, stitched
from posetrack.batch.tasks import ClipResult, ClipTask, Compute, TrackerFactory
from posetrack.batch.workers import Finished, LocalWorkers, Progress
from posetrack.errors import ConfigError, DataFormatError
from posetrack.flow import ZeroFlow
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import get_preset
from posetrack.provenance.meta import read_meta
from posetrack.runner import Outputs
from posetrack.types import Boxes, Frame, Image
from posetrack.video import ReadOptions, open_source
from tests.batch_cases import image_folder
from tests.numbered_clips import PerfectTracker, number_of, numbered, numbered_clip
from tests.pacing import PacingTracker
from tests.stubs import PERSON, StubPose
from tests.video_clips import ffmpeg, grey_clip, write_clip
from tests.walkers import poses_of

TINY = ChunkConfig(chunk_s=2, overlap_s=0.4, overlap_frames=40)
ALL = ReadOptions()
PACING = PacingTracker()


class HandWorkers:
    """``Workers`` that perform one task per call of ``events``, in this process. The work can be replaced."""

    def __init__(self, places: int = 3) -> None:
        self._places = places
        self._tasks: list[ClipTask] = []
        self.done: list[ClipTask] = []
        self.replaced: Callable[[ClipTask], ClipResult | None] = lambda task: None

    @property
    def free(self) -> int:
        return self._places - len(self._tasks)

    def start(self, task: ClipTask) -> None:
        assert self.free > 0
        self._tasks.append(task)

    def events(self) -> list[Progress | Finished]:
        if not self._tasks:
            return []
        task = self._tasks.pop()  # last first: no code may rely on the order
        told: list[Progress | Finished] = []
        result = self.replaced(task) or task.perform(
            lambda frames, total: told.append(Progress(task.clip, frames, total))
        )
        self.done.append(task)
        return [*told, Finished(task.clip, result)]

    def stop(self) -> None:
        self._tasks.clear()

    def __enter__(self) -> HandWorkers:
        return self

    def __exit__(self, *_: object) -> None: ...


def clip_task(source: Path, out: Path, tracker: TrackerFactory = PACING, **changes: object) -> ClipTask:
    formats = ("posetrack18", "posetrack17", "csv", "mot", "coco")
    settings: dict[str, object] = {"outputs": Outputs(video=False, formats=formats), "reading": ALL} | changes
    return ClipTask(
        clip=source.name, source=source, folder=out, name=source.stem,
        unfinished=out / ".unfinished" / source.stem, tracker=tracker,
        compute=Compute(device="cpu", threads=1), **settings,
    )  # type: ignore[arg-type]  # fmt: skip


def outcome(workers: ChunkingWorkers, *tasks: ClipTask) -> dict[str, ClipResult]:
    for task in tasks:
        workers.start(task)
    results: dict[str, ClipResult] = {}
    for _ in range(500):
        for event in workers.events():
            if isinstance(event, Finished):
                results[event.clip] = event.result
        if len(results) == len(tasks):
            return results
    raise AssertionError(f"only {list(results)} came to an end")


def files(folder: Path) -> dict[str, bytes]:
    """All but ``.meta.json``, which say how the clip was tracked."""
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.match("*.meta.json")]
    return {path.name: path.read_bytes() for path in found}


def collected(source: Iterable[Frame]) -> list[tuple[int, float, bytes]]:
    return [(frame.index, frame.time_s, frame.image.tobytes()) for frame in source]


# --- where clips are cut


CLOSED, OPEN = ("-g", "10"), ("-g", "30", "-bf", "3", "-x264-params", "open-gop=1")
UNEVEN = ("-g", "25", "-vf", "setpts='(N+floor(N/3))*0.04/TB'", "-fps_mode", "vfr")


@pytest.mark.parametrize(
    ("reading", "options"),
    [
        (ALL, CLOSED),
        (ALL, UNEVEN),
        (ReadOptions(start_s=1.0, end_s=11.3), OPEN),
        (ReadOptions(stride=3), UNEVEN),
        (ReadOptions(start_s=0.5, stride=2, max_frames=150), OPEN),
    ],
    ids=["all", "uneven", "part", "uneven, every third", "every second of a part"],
)
def test_a_chunk_shows_the_same_frames_as_the_whole_clip(
    tmp_path: Path, reading: ReadOptions, options: tuple[str, ...]
) -> None:
    clip = grey_clip(tmp_path / "long.mp4", 330, *options)
    chunks = plan(clip, reading, ChunkConfig(chunk_s=2.5, overlap_s=0.4, overlap_frames=5))
    assert len(chunks) > 2
    with open_source(clip, reading) as source:
        whole = collected(source)
    places = {index: place for place, (index, _, _) in enumerate(whole)}
    behind = 0
    for chunk in chunks:
        with open_chunk(clip, chunk) as source:
            frames = collected(source)
        first = places[chunk.first]
        assert frames == whole[first : first + chunk.frames]
        assert places[chunk.own_from] == behind
        assert len(frames) - chunk.own_frames == behind - first
        behind = first + chunk.frames
    assert behind == len(whole)


@pytest.mark.parametrize("name", ["clip.mkv", "clip.avi", "clip.ts"])
def test_other_containers_are_cut_the_same_way(tmp_path: Path, name: str) -> None:
    original = grey_clip(tmp_path / "long.mp4", 400, "-g", "12", "-bf", "0")
    clip = tmp_path / name
    ffmpeg("-i", original, "-c", "copy", clip)
    chunks = plan(clip, ALL, ChunkConfig(chunk_s=5, overlap_s=0.4, overlap_frames=5))
    assert len(chunks) == 3
    with open_source(clip) as source:
        whole = collected(source)
    for chunk in chunks:
        with open_chunk(clip, chunk) as source:
            assert collected(source) == whole[chunk.first : chunk.first + chunk.frames]


def test_chunks_begin_at_key_frames(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "long.mp4", 300, "-g", "40", "-sc_threshold", "0")
    chunks = plan(clip, ALL, ChunkConfig(chunk_s=3, overlap_s=0.4, overlap_frames=5))
    assert [chunk.first for chunk in chunks] == [0, 80, 160, 240]


def test_chunks_begin_where_a_detection_is_due(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "long.mp4", 300, "-g", "40", "-sc_threshold", "0")
    reading = ReadOptions(start_s=0.12, stride=2)  # from frame 3 on
    chunks = plan(clip, reading, ChunkConfig(chunk_s=3, overlap_s=0.4, overlap_frames=5, multiple_of=7))
    assert len(chunks) > 2
    assert all((chunk.first - 3) % 14 == 0 for chunk in chunks)
    assert all(0 <= chunk.first - key < 16 for chunk, key in zip(chunks[1:], (80, 160, 240), strict=True))


def test_a_frame_belongs_to_at_most_two_chunks_and_overlaps_are_long_enough(tmp_path: Path) -> None:
    clip = grey_clip(tmp_path / "long.mp4", 500, "-g", "5")
    for config in (
        ChunkConfig(chunk_s=2, overlap_s=1.5, overlap_frames=1),
        ChunkConfig(chunk_s=2, overlap_s=0, overlap_frames=44),
        ChunkConfig(chunk_s=0.4, overlap_s=3, overlap_frames=7),
    ):
        chunks = plan(clip, ALL, config)
        assert len(chunks) > 1
        belongs = np.zeros(500, int)
        for chunk in chunks:
            belongs[chunk.first : chunk.first + chunk.frames] += 1
            shared = chunk.own_from - chunk.first
            assert chunk.number == 0 or shared >= max(config.overlap_frames, round(config.overlap_s * 25))
        assert set(belongs.tolist()) == {1, 2}


def test_clips_not_worth_cutting_stay_whole(tmp_path: Path) -> None:
    many_keys = grey_clip(tmp_path / "short.mp4", 60, "-g", "5")
    assert plan(many_keys, ALL, ChunkConfig(chunk_s=60)) == []
    assert plan(many_keys, ALL, ChunkConfig(chunk_s=0)) == []
    assert plan(many_keys, ALL, ChunkConfig(chunk_s=0.5, overlap_s=60)) == []
    assert plan(many_keys, ReadOptions(start_s=30), ChunkConfig(chunk_s=0.5, overlap_frames=2, overlap_s=0)) == []
    one_key = grey_clip(tmp_path / "one_key.mp4", 200, "-g", "1000", "-sc_threshold", "0")
    assert plan(one_key, ALL, ChunkConfig(chunk_s=1, overlap_frames=2)) == []
    assert plan(tmp_path / "nowhere.mp4", ALL, ChunkConfig(chunk_s=1)) == []
    (tmp_path / "text.mp4").write_text("This is no video.\n" * 100)
    assert plan(tmp_path / "text.mp4", ALL, ChunkConfig(chunk_s=1)) == []


def test_folders_of_images_are_cut_too(tmp_path: Path) -> None:
    folder = image_folder(tmp_path / "images", 25)
    reading = ReadOptions(images_per_second=2)
    chunks = plan(folder, reading, ChunkConfig(chunk_s=4, overlap_s=1, overlap_frames=2))
    assert [(chunk.first, chunk.frames, chunk.own_from) for chunk in chunks] == [
        (0, 10, 0), (8, 10, 10), (16, 9, 18),
    ]  # fmt: skip
    with open_chunk(folder, chunks[1]) as source:
        assert [frame.index for frame in source] == list(range(8, 18))


def test_the_overlap_is_longer_than_the_trackers_memory() -> None:
    preset = replace(get_preset("lite"), detect_every="auto")
    fitted = ChunkConfig(overlap_s=0.5, overlap_frames=1).fitted(preset, None)
    assert fitted.overlap_s > preset.linker.max_gap_s and fitted.overlap_frames < 60
    assert fitted.multiple_of == 5
    frames = replace(preset, linker=replace(preset.linker, max_gap_frames=200))
    fitted = ChunkConfig(overlap_s=0.5, overlap_frames=1).fitted(frames, None)
    assert fitted.overlap_frames > 200 and fitted.overlap_s < 2.4


class Hesitant:
    """A detector that is sure of two people and unsure of one to three, by frame number; records its calls."""

    def __init__(self) -> None:
        self.looked: list[int] = []

    def detect(self, images: Sequence[Image]) -> list[Boxes]:
        numbers = [number_of(image) for image in images]
        self.looked += numbers
        scores = [np.float32([0.95] * 2 + [0.5] * (1 + number % 3)) for number in numbers]
        return [
            Boxes(PERSON + np.arange(len(each))[:, None] * np.float32([60, 0, 60, 0]), each) for each in scores
        ]


@pytest.mark.parametrize("reading", [ALL, ReadOptions(stride=2, start_s=0.53)])
def test_chunks_detect_in_the_same_frames_as_a_whole_run(tmp_path: Path, reading: ReadOptions) -> None:
    scene = np.random.default_rng(0).integers(0, 256, (15, 20, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    images = np.stack([numbered(scene, index) for index in range(150)])
    clip = write_clip(tmp_path / "a.mp4", images, "-g", "12", rate="40")
    detector = Hesitant()
    tracker = PoseTracker(detector=detector, pose=StubPose(), flow=ZeroFlow(), threads=1)
    with open_source(clip, reading) as source:
        interval = tracker.preset.schedule(source.info.delivered_fps).interval
        whole = [frame.index for frame, _ in tracker.track(source)]
    looked, detector.looked = sorted(detector.looked), []
    assert interval > 1 and len(whole) / interval < len(looked) < len(whole)
    config = ChunkConfig(chunk_s=0.8, overlap_s=0.2, overlap_frames=10, multiple_of=interval)
    chunks = plan(clip, reading, config)
    assert len(chunks) > 2
    for chunk in chunks:
        with open_chunk(clip, chunk) as source:
            shown = {frame.index for frame, _ in tracker.track(source)}
        assert sorted(detector.looked) == [index for index in looked if index in shown]
        detector.looked = []


@pytest.mark.parametrize("change", [{"chunk_s": -1}, {"overlap_s": float("nan")}, {"overlap_frames": 0}])
def test_settings_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        ChunkConfig(**change)  # type: ignore[arg-type]


# --- how tracks are matched and joined


def standing(x: float, wobble: float = 0.0) -> np.ndarray:
    column = np.linspace(100, 300, 17)
    return np.stack([x + 20 * np.sin(column) + wobble, column], axis=1)


def chunk_of(
    people: list[dict[int, float]], first: int = 0, unreported: tuple[float | None, ...] = (None,)
) -> ChunkPoses:
    """A chunk from a mapping of track id to x for each frame, and the x of who is not reported in it (or None)."""
    results = []
    for number, frame in enumerate(people):
        joints = np.array([standing(x) for x in frame.values()]).reshape(-1, 17, 2)
        poses = poses_of(joints, np.ones((len(frame), 17), bool), np.array(list(frame), np.int64))
        other = unreported[number % len(unreported)]
        if other is not None:
            poses = poses.replace(
                unreported=poses_of(standing(other)[None], np.ones((1, 17), bool), np.array([-1]))
            )
        results.append((Frame(first + number, (first + number) / 25, np.zeros((1, 1, 3), np.uint8)), poses))
    return ChunkPoses.collect(results, {})


def test_people_in_the_same_place_are_matched() -> None:
    left = chunk_of([{4: 100.0, 7: 400.0}] * 5)
    right = chunk_of([{0: 402.0, 1: 101.0, 2: 900.0}] * 5)
    assert matched_tracks(left, right, StitchConfig()) == {0: 7, 1: 4}


def test_matching_is_one_to_one_and_maximises_the_sum() -> None:
    left = chunk_of([{0: 100.0, 1: 112.0}] * 5)
    right = chunk_of([{5: 106.0, 6: 94.0}] * 5)  # 5 lies between the two
    assert matched_tracks(left, right, StitchConfig(min_oks=0.1)) == {5: 1, 6: 0}


def test_frames_near_the_seam_count_more_than_earlier_ones() -> None:
    left = chunk_of([{0: 100.0, 1: 500.0}] * 40)
    right = chunk_of([{0: 100.0}] * 30 + [{0: 500.0, 1: 100.0}] * 10)
    assert matched_tracks(left, right, StitchConfig()) == {0: 1, 1: 0}


def test_nobody_is_matched_without_a_frame_in_common() -> None:
    left, right = chunk_of([{0: 100.0}, {}, {}]), chunk_of([{}, {}, {0: 100.0}])
    assert matched_tracks(left, right, StitchConfig()) == {}
    assert matched_tracks(chunk_of([]), chunk_of([]), StitchConfig()) == {}


def joined(parts: list[ChunkPoses], chunks: list[Chunk]) -> list[dict[int, float]]:
    """Track id -> x for each frame."""
    frames = []
    for number, (frame, poses) in enumerate(stitched(parts, chunks, StitchConfig())):
        assert (frame.index, round(frame.time_s * 25)) == (number, number)
        xs = (poses.keypoints - standing(0))[:, :, 0].mean(axis=1).round().tolist()
        frames.append(dict(zip(poses.track_ids.tolist(), xs, strict=True)))
    return frames


def seam(number: int, first: int, frames: int, own_from: int) -> Chunk:
    return Chunk(number=number, reading=ALL, first=first, frames=frames, own_from=own_from)


def test_joined_ids_continue_over_seams_and_stay_compact() -> None:
    chunks = [seam(0, 0, 6, 0), seam(1, 3, 7, 6), seam(2, 8, 4, 10)]
    parts = [
        chunk_of([{0: 10.0, 1: 500.0}] * 4 + [{1: 500.0}] * 2),  # the first person leaves
        # a ghost in the overlap only; somebody new
        chunk_of([{0: 500.0, 1: 1500.0}] * 2 + [{0: 500.0}] + [{0: 500.0, 3: 900.0}] * 4, first=3),
        chunk_of([{0: 900.0, 1: 500.0}] * 2 + [{0: 900.0, 1: 500.0, 2: 50.0}] * 2, first=8),
    ]
    assert joined(parts, chunks) == (
        [{0: 10.0, 1: 500.0}] * 4
        + [{1: 500.0}] * 2
        + [{1: 500.0, 2: 900.0}] * 4
        + [{2: 900.0, 1: 500.0, 3: 50.0}] * 2
    )


def test_empty_chunks_can_be_joined() -> None:
    chunks = [seam(0, 0, 4, 0), seam(1, 2, 4, 4)]
    assert joined([chunk_of([{}] * 4), chunk_of([{}] * 4, first=2)], chunks) == [{}] * 6
    assert joined([chunk_of([{}] * 4), chunk_of([{}] * 3 + [{0: 5.0}], first=2)], chunks) == [{}] * 5 + [{0: 5.0}]


def test_people_who_are_not_reported_stay_in_their_frames_when_chunks_are_joined() -> None:
    chunks = [seam(0, 0, 4, 0), seam(1, 2, 4, 4)]
    parts = [
        chunk_of([{0: 10.0}] * 4, unreported=(None, 100.0, None, 300.0)),
        chunk_of([{0: 10.0}] * 4, first=2, unreported=(700.0, 800.0, 400.0, None)),
    ]
    others = [poses.unreported for _, poses in stitched(parts, chunks, StitchConfig())]
    xs = [other and round(float((other.keypoints - standing(0))[..., 0].mean())) for other in others]
    assert xs == [None, 100, None, 300, 400, None]


def test_an_overlap_with_different_frames_is_detected() -> None:
    chunks = [seam(0, 0, 4, 0), seam(1, 2, 4, 4)]
    with pytest.raises(SeamError):
        list(stitched([chunk_of([{}] * 3), chunk_of([{}] * 4, first=2)], chunks, StitchConfig()))


def test_saved_poses_are_loaded_unchanged(tmp_path: Path) -> None:
    poses = chunk_of([{3: 10.0}, {}, {3: 10.0, 5: 20.0}], first=7, unreported=(None, 50.0, 60.0))
    file = tmp_path / "deep" / "chunk.npz"
    assert not is_saved(file)
    poses.save(file)
    assert is_saved(file) and [path.name for path in file.parent.iterdir()] == ["chunk.npz"]
    for (frame, people), (frame_2, people_2) in zip(poses, ChunkPoses.load(file), strict=True):
        assert (frame.index, frame.time_s) == (frame_2.index, frame_2.time_s)
        for name in ("boxes", "scores", "keypoints", "keypoint_scores", "track_ids"):
            np.testing.assert_array_equal(getattr(people, name), getattr(people_2, name))
        assert people.unreported == people_2.unreported
    assert [people.unreported is not None for _, people in poses] == [False, True, True]


@pytest.mark.parametrize("damage", ["cut", "bit", "text", "empty"])
def test_a_damaged_pose_file_is_refused(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "chunk.npz"
    chunk_of([{3: 10.0}] * 50).save(file)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes({"cut": bytes(data[:2000]), "bit": bytes(data), "text": b"no zip", "empty": b""}[damage])
    assert not is_saved(file)
    with pytest.raises(DataFormatError):
        ChunkPoses.load(file)


# --- chunks and whole runs agree


@pytest.mark.parametrize(("name", "detect_every"), [("crossing", 5), ("cut", 1)])
def test_chunked_and_whole_runs_write_the_same_files(tmp_path: Path, name: str, detect_every: int) -> None:
    """Byte for byte, ids included, with perfect detections and poses and flow computed from the images."""
    clip, tracker = numbered_clip(tmp_path, name), PerfectTracker(name, detect_every)
    whole = clip_task(clip, tmp_path / "whole", tracker).perform()
    assert whole.tracks > 2
    hands = HandWorkers()
    config = replace(TINY, multiple_of=detect_every)
    workers = ChunkingWorkers(hands, config, tmp_path / "chunks" / CHUNKS)
    with workers:
        result = outcome(workers, clip_task(clip, tmp_path / "chunks", tracker))[clip.name]
        workers.stop()
    assert len(hands.done) > 3, result.error
    assert (result.status, result.frames, result.people, result.tracks) == (
        "done", whole.frames, whole.people, whole.tracks,
    )  # fmt: skip
    assert files(tmp_path / "chunks") == files(tmp_path / "whole")
    assert not (tmp_path / "chunks" / CHUNKS).exists()


@pytest.fixture
def long_clip(tmp_path: Path) -> Path:
    return grey_clip(tmp_path / "long.mp4", LONG, "-g", "12")


LONG = 130
SHORT = ChunkConfig(chunk_s=2, overlap_s=0.4, overlap_frames=10)


@pytest.mark.usefixtures("forked_workers")
def test_short_and_long_clips_are_tracked_in_parallel(tmp_path: Path, long_clip: Path) -> None:
    """In separate processes."""
    short = grey_clip(tmp_path / "short.mp4", 10)
    tasks = [clip_task(clip, tmp_path / "out", outputs=Outputs()) for clip in (short, long_clip)]
    pool = LocalWorkers([Compute(device="cpu", threads=1)] * 2)
    with ChunkingWorkers(pool, SHORT, tmp_path / CHUNKS) as workers:
        results = outcome(workers, *tasks)
    assert {name: (result.status, result.frames) for name, result in results.items()} == {
        "short.mp4": ("done", 10), "long.mp4": ("done", LONG),
    }  # fmt: skip
    assert set(files(tmp_path / "out")) == {
        f"{name}{ending}" for name in ("short", "long") for ending in (".json", ".tracks", "_tracked.mp4")
    }
    why = {name: read_meta(tmp_path / "out" / f"{name}.meta.json").hindrance for name in ("short", "long")}
    assert "in chunks" in str(why["long"]) and "in chunks" not in str(why["short"])
    assert not (tmp_path / CHUNKS).exists()


def test_progress_ends_at_the_clips_frame_count(tmp_path: Path, long_clip: Path) -> None:
    hands = HandWorkers()
    workers = ChunkingWorkers(hands, SHORT, tmp_path / CHUNKS)
    workers.start(clip_task(long_clip, tmp_path / "out"))
    told: list[Progress | Finished] = []
    while not any(isinstance(event, Finished) for event in told):
        told += workers.events()
    shares = [event.frames for event in told if isinstance(event, Progress)]
    assert {event.clip for event in told} == {"long.mp4"}
    assert shares == sorted(shares) and shares[-1] == LONG
    assert all(event.total == LONG for event in told if isinstance(event, Progress))


def test_a_restarted_clip_tracks_only_the_missing_chunks(tmp_path: Path, long_clip: Path) -> None:
    whole = clip_task(long_clip, tmp_path / "whole")
    assert whole.perform().status == "done"
    task = clip_task(long_clip, tmp_path / "out")

    first = HandWorkers()
    first.replaced = lambda task: ClipResult.failed("It died.", "chance") if task.clip.endswith("\x001") else None
    workers = ChunkingWorkers(first, SHORT, tmp_path / CHUNKS)
    result = outcome(workers, task)[task.clip]
    assert (result.status, result.error, result.cause) == ("failed", "It died.", "chance")

    saved = {path: path.stat().st_mtime_ns for path in (tmp_path / CHUNKS).rglob("*.npz")}
    assert saved
    again = HandWorkers()
    workers = ChunkingWorkers(again, SHORT, tmp_path / CHUNKS)
    workers.start(task)
    while not any(isinstance(event, Finished) for event in workers.events()):
        assert all(path.stat().st_mtime_ns == when for path, when in saved.items() if path.exists())
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize("cause", ["setup", "disk", "clip"])
def test_a_failed_chunk_fails_its_clip(tmp_path: Path, long_clip: Path, cause: str) -> None:
    hands = HandWorkers()
    failure = ClipResult.failed("So it is.", cause)  # type: ignore[arg-type]
    hands.replaced = lambda task: failure if "\0" in task.clip else None
    workers = ChunkingWorkers(hands, SHORT, tmp_path / CHUNKS)
    result = outcome(workers, clip_task(long_clip, tmp_path / "out"))[long_clip.name]
    assert (result.status, result.error, result.cause) == ("failed", "So it is.", cause)
    for _ in range(10):
        assert workers.events() == []
    assert not (tmp_path / "out").exists() or files(tmp_path / "out") == {}


def _told(result: ClipResult) -> ClipResult:
    """All but what depends on how it was tracked."""
    return replace(result, seconds=0, outputs={}, output_bytes={})


def test_a_truncated_clip_gives_the_results_of_a_whole_run(tmp_path: Path) -> None:
    clip = tmp_path / "cut.mkv"
    original = grey_clip(tmp_path / "original.mkv", 200, "-g", "12")
    clip.write_bytes(original.read_bytes()[: int(original.stat().st_size * 0.7)])
    whole = clip_task(clip, tmp_path / "whole").perform()
    result = outcome(ChunkingWorkers(HandWorkers(), SHORT, tmp_path / CHUNKS), clip_task(clip, tmp_path / "out"))
    assert _told(result["cut.mkv"]) == _told(whole)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_chunks_that_do_not_fit_the_clip_are_ignored(tmp_path: Path, long_clip: Path) -> None:
    """The clip is tracked whole if its chunks do not fit or are damaged."""
    whole = clip_task(long_clip, tmp_path / "whole")
    whole.perform()
    for kind in ("fewer", "damaged"):
        hands = HandWorkers()

        def spoiled(task: ClipTask, kind: str = kind) -> ClipResult | None:
            if task.clip.endswith("\x002"):
                result = task.perform()
                file = task.file  # type: ignore[attr-defined]
                if kind == "fewer":
                    ChunkPoses.load(file).part(slice(0, 40)).save(file)
                else:
                    file.write_bytes(b"")
                return result
            return None

        hands.replaced = spoiled
        workers = ChunkingWorkers(hands, SHORT, tmp_path / CHUNKS)
        result = outcome(workers, clip_task(long_clip, tmp_path / kind))[long_clip.name]
        assert (result.status, result.frames) == ("done", LONG)
        assert files(tmp_path / kind) == files(tmp_path / "whole")
        assert not list((tmp_path / CHUNKS).rglob("*.npz"))
