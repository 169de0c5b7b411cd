"""``posetrack benchmark``: a tree of images in, official prediction files and the paper's table out."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import posetrack
from posetrack.benchmark import BenchmarkConfig, BenchmarkRow, Setting, run_benchmark
from posetrack.cli.main import app
from posetrack.errors import ConfigError, DataFormatError, VideoError
from posetrack.formats.reading import read_annotations
from posetrack.pose_tracker import PoseTracker
from posetrack.presets import Preset
from tests.posetrack_trees import FRAMES, LABELLED, NAMES, Oracle, write_tree

LAYOUTS = ["posetrack18", "posetrack17"]
RUNNER = CliRunner()


@pytest.fixture(scope="module", params=LAYOUTS)
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Oracle]:
    root = tmp_path_factory.mktemp(request.param)
    return request.param, root, write_tree(root, request.param)


def run(
    tree: tuple[str, Path, Oracle], output: Path, settings: tuple[Setting, ...] = (Setting(),), **options: object
) -> list[BenchmarkRow]:
    layout, root, oracle = tree
    config = BenchmarkConfig(layout=layout, output=output, **options)  # type: ignore[arg-type]
    return run_benchmark(root, config, settings=settings, tracker=partial(oracle_tracker, oracle))


def oracle_tracker(oracle: Oracle, preset: Preset) -> PoseTracker:
    return PoseTracker(preset, detector=oracle, pose=oracle, threads=1, device="cpu")


def test_a_perfect_observer_gets_perfect_figures(tree: tuple[str, Path, Oracle], tmp_path: Path) -> None:
    (row,) = run(tree, tmp_path)
    total = row.result.total
    assert row.result.mean_ap == pytest.approx(100)
    assert row.result.mota == pytest.approx(100)
    assert total.motp_clean.total > 99.9
    assert total.mot_precision.total == total.mot_recall.total == pytest.approx(100)
    assert sorted(row.result.sequences) == [NAMES[tree[0]].format(n) for n in (7, 42)]
    assert row.result.total.frames == 2 * len(LABELLED)


def test_predictions_list_every_image_of_the_ground_truth_in_its_order(
    tree: tuple[str, Path, Oracle], tmp_path: Path
) -> None:
    layout, root, _ = tree
    (row,) = run(tree, tmp_path)
    for truth_file in (root / "annotations" / "val").iterdir():
        file = row.predictions / truth_file.name
        data, truth = json.loads(file.read_text()), json.loads(truth_file.read_text())
        if layout == "posetrack18":
            names = [(image["id"], image["file_name"]) for image in data["images"]]
            assert names == [(image["id"], image["file_name"]) for image in truth["images"]]
        else:
            names = [entry["image"] for entry in data["annolist"]]
            assert names == [entry["image"] for entry in truth["annolist"]]
        (video,) = read_annotations(file)
        assert video.people_per_frame().all(), "unlabelled frames have people, too"
        assert len(video.images) == FRAMES
        assert posetrack.evaluate(truth_file, file).mota == pytest.approx(100)


def test_propagation_brings_back_those_whom_the_detector_misses(
    tree: tuple[str, Path, Oracle], tmp_path: Path
) -> None:
    layout, root, oracle = tree
    missing = layout, root, replace(oracle, blind=frozenset({4, 5, 6}))
    off, on = run(missing, tmp_path, (Setting(propagation=False), Setting(propagation=True)))
    # Four people and two, in seven frames (the last one does not count). In the three blind ones a sequence has,
    # for every joint, one object, one miss and one false positive: 1 - 2 * 3 * 2 / ((4 + 2) * 4 + 2 * 3).
    assert off.result.mota == pytest.approx(60)
    assert off.result.mean_ap == pytest.approx(100 * 5 / 8)
    assert on.result.mota > 95
    assert on.result.mean_ap > 95


def test_the_second_pass_fills_in_those_whom_the_detector_misses(
    tree: tuple[str, Path, Oracle], tmp_path: Path
) -> None:
    layout, root, oracle = tree
    missing = layout, root, replace(oracle, blind=frozenset({4, 5, 6}))
    online, refined = (Setting(propagation=False, second_pass=second) for second in (False, True))
    off, on = run(missing, tmp_path, (online, refined))
    assert off.result.mota == pytest.approx(60) and on.result.mota > 90
    assert on.predictions.name.startswith("detections_multi-flow_greedy_refined_") and on.as_dict()["second_pass"]


def test_finished_sequences_are_not_tracked_again(tree: tuple[str, Path, Oracle], tmp_path: Path) -> None:
    layout, root, oracle = tree
    watched = layout, root, replace(oracle, seen=0)
    (first,) = run(watched, tmp_path, limit=1)
    assert watched[2].seen == FRAMES
    (both,) = run(watched, tmp_path)
    assert watched[2].seen == 2 * FRAMES
    assert both.predictions == first.predictions
    assert list(first.result.sequences) == list(both.result.sequences)[:1]
    run(watched, tmp_path, sequences=(NAMES[layout].format(42),), overwrite=True)
    assert watched[2].seen == 3 * FRAMES
    (other,) = run(watched, tmp_path, (Setting(similarity="bbox"),))
    assert watched[2].seen == 5 * FRAMES, "another setting has predictions of its own"
    assert other.predictions != both.predictions


def test_the_command_prints_the_papers_table(tree: tuple[str, Path, Oracle], tmp_path: Path) -> None:
    layout, root, _ = tree
    settings = tuple(
        Setting(propagation=on, similarity=similarity, matching="hungarian")
        for on in (False, True)
        for similarity in ("bbox", "multi-flow")
    )
    run(tree, tmp_path, settings)  # with the oracle; the command finds the predictions there
    asked = ["--propagation", "off", "--propagation", "on", "--similarity", "bbox", "--similarity", "multi-flow"]
    command = ["benchmark", layout, str(root), "-o", str(tmp_path), "--matching", "hungarian", *asked]
    output = RUNNER.invoke(app, command)
    assert output.exit_code == 0, output.output
    rows = [line.split() for line in output.stdout.splitlines() if "hungarian" in line and ":" not in line]
    assert [row[:3] for row in rows] == [
        [on, similarity, "hungarian"] for on in ("off", "on") for similarity in ("bbox", "multi-flow")
    ]
    assert rows[-1][3:6] == ["off", "100.0", "100.0"]
    for heading in ("Propagation", "Second pass", "mAP", "MOTA", "MOTP", "Prec.", "Rec."):
        assert heading in output.stdout
    data = json.loads(RUNNER.invoke(app, [*command, "--json"]).stdout)
    assert [row["similarity"] for row in data["rows"]] == ["bbox", "multi-flow"] * 2
    assert data["rows"][3]["total"]["MOTA"]["total"] == pytest.approx(100)


@pytest.mark.parametrize(("option", "value"), [("min_track_seconds", 1000.0), ("min_person_score", 0.995)])
def test_people_who_are_short_lived_or_doubtful_are_left_out_where_asked(
    tree: tuple[str, Path, Oracle], tmp_path: Path, option: str, value: float
) -> None:
    layout, root, _ = tree
    (everybody,), (nobody,) = run(tree, tmp_path, limit=1), run(tree, tmp_path, limit=1, **{option: value})
    assert everybody.result.total.mot_recall.total > 0.9 and nobody.result.total.mot_recall.total == 0
    command = ["benchmark", layout, str(root), "-o", str(tmp_path), "--limit", "1"]
    asked = f"--{option.replace('_', '-')}"
    output = RUNNER.invoke(app, [*command, asked, str(value)])
    assert output.exit_code == 0 and str(nobody.predictions) in output.stdout, output.output
    output = RUNNER.invoke(app, [*command, asked, "-1"])
    assert isinstance(output.exception, ConfigError) and option in str(output.exception)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A tree of two black images, one person in each."""
    keypoints = [10.0, 10.0, 1] * 15
    from tests.evaluation_cases import JOINTS

    images = [{"id": n, "file_name": f"images/val/000001_mpii_test/00000{n}.jpg"} for n in range(2)]
    people = [{"image_id": n, "track_id": 0, "keypoints": keypoints, "bbox_head": [0, 0, 9, 9]} for n in range(2)]
    category = {"id": 1, "name": "person", "keypoints": JOINTS}
    folder = tmp_path / "annotations" / "val"
    folder.mkdir(parents=True)
    (folder / "000001_mpii_test.json").write_text(
        json.dumps({"images": images, "annotations": people, "categories": [category]})
    )
    import cv2

    (tmp_path / "images" / "val" / "000001_mpii_test").mkdir(parents=True)
    for image in images:
        cv2.imwrite(str(tmp_path / str(image["file_name"])), np.zeros((20, 30, 3), np.uint8))
    return tmp_path


def test_a_tree_of_posetrack21_is_read_as_its_archive_unpacks(tmp_path: Path) -> None:
    oracle = write_tree(tmp_path, "posetrack18")
    (tmp_path / "annotations").rename(tmp_path / "posetrack_data")
    truths = sorted((tmp_path / "posetrack_data" / "val").iterdir())
    for path in truths:
        content = json.loads(path.read_text())
        owners = {person["image_id"] for person in content["annotations"]}
        for image in content["images"]:
            image |= {"has_labeled_person": image["id"] in owners, "is_labeled": image["id"] in owners}
        for person in content["annotations"]:
            person["person_id"] = 1000 + person["track_id"]
            del person["scores"], person["score"]
        path.write_text(json.dumps(content))
    output = tmp_path / "out"
    (row,) = run(("posetrack21", tmp_path, oracle), output, limit=1)
    assert row.result.mean_ap == pytest.approx(100) and row.result.mota == pytest.approx(100)
    assert row.result.total.frames == len(LABELLED)
    assert row.predictions.parent == output / "posetrack21_val"
    assert sorted(path.name for path in row.predictions.iterdir()) == [truths[0].name]
    with pytest.raises(DataFormatError, match="posetrack_data/test and images"):
        run(("posetrack21", tmp_path, oracle), output, split="test")


def test_missing_parts_of_a_tree_are_named(small: Path, tmp_path: Path) -> None:
    def error(**options: object) -> str:
        with pytest.raises(DataFormatError) as caught:
            run_benchmark(small, BenchmarkConfig(output=tmp_path / "out", **options))  # type: ignore[arg-type]
        return str(caught.value)

    assert "annotations/train" in error(split="train")
    assert "no sequence 000002.json" in error(sequences=("000002",))
    assert "benchmark posetrack18" in error(layout="posetrack17")
    image = small / "images" / "val" / "000001_mpii_test" / "000001.jpg"
    image.unlink()
    assert str(image) in error() and "(1 of its 2" in error()
    (small / "annotations" / "val" / "000001_mpii_test.json").unlink()
    assert "no .json files" in error()


def test_an_image_that_cannot_be_read_is_an_error_and_leaves_no_predictions(small: Path, tmp_path: Path) -> None:
    image = small / "images" / "val" / "000001_mpii_test" / "000001.jpg"
    image.write_bytes(image.read_bytes()[:40])
    tree = "posetrack18", small, BlackOracle()
    with pytest.raises(VideoError, match="000001.jpg"):
        run(tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class BlackOracle(Oracle):
    """Sees nobody."""

    def detect(self, images: object) -> list[posetrack.Boxes]:
        return [posetrack.Boxes.empty() for _ in images]  # type: ignore[attr-defined]

    def estimate(self, image: object, boxes: object) -> posetrack.Poses:
        return posetrack.Poses.empty(posetrack.POSETRACK)


def test_frames_in_which_nobody_is_found_are_listed_all_the_same(small: Path, tmp_path: Path) -> None:
    (row,) = run(("posetrack18", small, BlackOracle()), tmp_path / "out")
    (video,) = read_annotations(row.predictions / "000001_mpii_test.json")
    assert len(video.images) == 2 and not len(video)
    assert row.result.total.mot_recall.total == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["posetrack19"], "posetrack19"),
        (["posetrack18", "--similarity", "iou"], "not 'iou'"),
        (["posetrack18", "--matching", "random"], "not 'random'"),
        (["posetrack18", "--propagation", "maybe"], "on or off"),
        (["posetrack18", "--limit", "0"], "limit"),
        (["posetrack18", "--all", "--matching", "greedy"], "--all"),
    ],
)
def test_unknown_settings_are_refused(small: Path, arguments: list[str], words: str) -> None:
    output = RUNNER.invoke(app, ["benchmark", arguments[0], str(small), *arguments[1:]])
    assert isinstance(output.exception, ConfigError)
    assert words in str(output.exception)
