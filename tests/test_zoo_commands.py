"""``posetrack models``, through its command line."""

import hashlib
import json
import os
import pty
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from posetrack.cli.main import main
from posetrack.errors import ConfigError
from posetrack.zoo import ModelStore, get_entry, read_entries
from tests import hostile_server as hs
from tests.test_zoo_download import CONTENT, make_entry

SHA256 = hashlib.sha256(CONTENT).hexdigest()
REAL = get_entry("hrnet_w32_coco_256x192")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``POSETRACK_HOME``, with no proxies about."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "POSETRACK_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "home"


class Done:
    """What a command said, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["posetrack", "models", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return Done(int(caught.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def server(monkeypatch):
    """A mirror that has one file, which the name ``tested`` stands for, besides the true table."""
    with hs.HostileServer({"/tested.pth": CONTENT}) as running:
        monkeypatch.setenv("POSETRACK_MIRROR", running.url)
        entry = make_entry("https://far.away.invalid/tested.pth")
        monkeypatch.setattr("posetrack.zoo.get_entry", lambda name: entry if name == "tested" else get_entry(name))
        yield running


def test_the_list_says_what_for_how_good_how_large_and_whether_here(command, home):
    store = ModelStore()
    store.folder.mkdir(parents=True)
    store.path(get_entry("raft_small")).write_bytes(b"not that")
    done = command("list")
    assert done.status == 0 and done.err == ""
    rows, headings, heading = {}, {}, ""
    for line in done.out.splitlines():
        if re.match(r" \w[\w ]+: ", line):
            heading = line.strip()
        elif line.strip():
            rows[line.split()[0]], headings[line.split()[0]] = line, heading
    assert set(read_entries()) <= set(rows)
    titles = [line for line in done.out.splitlines() if re.match(r" \w[\w ]+: ", line)]
    assert len(titles) == len(set(titles))
    assert re.search(r"74\.9 \w +~114\.1 +no", rows["hrnet_w32_coco_256x192"])
    assert re.search(r"83\.4 \w / 76\.9 \w +~114\.1 +no", rows["hrnet_w32_posetrack18_256x192"])
    assert re.search(r"46\.7 \w +175\.2 +no", rows["fasterrcnn_resnet50_fpn_v2"])
    assert headings["hrnet_w32_coco_256x192"] == "Pose networks: COCO joints"
    assert headings["hrnet_w32_posetrack18_256x192"] == "Pose networks: PoseTrack joints"
    assert headings["fasterrcnn_resnet50_fpn_v2"] == "Detectors: boxes of people"
    assert headings["keypointrcnn_resnet50_fpn"] == "Both in one: boxes and COCO joints"
    assert rows["pose_lite"].rstrip().endswith("bundled")
    assert rows["official_resnet50_coco_256x192"].rstrip().endswith("by hand")
    assert rows["raft_small"].rstrip().endswith("damaged")
    assert "AP, percent: COCO val2017; boxes of a detector with person AP 56.4, flip test" in done.out
    assert str(home / "models") in done.out


def test_every_letter_in_the_list_is_explained(command):
    out = command("list").out
    used = set(re.findall(r"\d ([a-z])(?: /| )", out))
    explained = set(re.findall(r"^([a-z])  \S", out, flags=re.MULTILINE))
    assert used <= explained


def test_the_list_as_json_has_all_fields_and_nothing_else_is_printed(command, home):
    done = command("list", "--json")
    rows = {row["name"]: row for row in json.loads(done.out)}
    assert list(rows) == list(read_entries())
    row = rows["hrnet_w32_posetrack18_384x288"]
    assert (row["width"], row["height"], row["colour_order"]) == (288, 384, "rgb")
    assert row["mean"] == [0.485, 0.456, 0.406] and row["std"] == [0.229, 0.224, 0.225]
    assert row["sha256"] is None and row["sha256_prefix"] == "806f00a3" and row["size_bytes"] is None
    assert row["joints"][:3] == ["nose", "head_bottom", "head_top"] and len(row["joints"]) == 17
    assert row["sources"][0].endswith("hrnet_w32_posetrack18_384x288-806f00a3_20211130.pth")
    assert [figure["value"] for figure in row["accuracy"]] == [83.7, 77.3]
    assert row["present"] is False and row["path"] == str(home / "models" / row["file"])
    assert rows["pose_lite"]["present"] is True and rows["pose_lite"]["state"] == "bundled"
    assert rows["fasterrcnn_resnet50_fpn_v2"]["size_mib"] == 167.104
    assert done.err == ""


def test_models_dir_comes_before_the_environment(command, tmp_path):
    assert command("path").out.strip() == str(tmp_path / "home" / "models")
    assert command("path", "--models-dir", tmp_path / "x").out.strip() == str(tmp_path / "x")
    rows = json.loads(command("list", "--json", "--models-dir", tmp_path / "x").out)
    assert str(tmp_path / "x") in rows[-1]["path"]


def test_the_path_of_what_is_not_here_is_the_offline_sentence(command, home):
    done = command("path", REAL.name)
    assert done.status == 2 and done.out == ""
    file = str(home / "models" / REAL.file)
    for part in (REAL.name, *REAL.sources, file, "`--preset lite`", "models download"):
        assert part in done.err
    assert done.err.count("\n") == 1


def test_the_path_of_bundled_weights_is_there(command):
    assert Path(command("path", "detector_lite").out.strip()).is_file()


@pytest.mark.parametrize(
    "arguments", [("path", "hrnet_w32_coco"), ("download", "hrnet_w32_coco"), ("import", "hrnet_w32_coco", "f")]
)
def test_an_unknown_name_is_one_sentence_with_those_alike(command, arguments):
    done = command(*arguments)
    assert done.status == 2
    assert "there are no weights named 'hrnet_w32_coco'; did you mean hrnet_w32" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("name", ["weights.pkl", "runs/best", "./best.zip"])
def test_a_file_that_cannot_hold_weights_is_no_unknown_name(name):
    with pytest.raises(
        ConfigError, match=rf"^{name} is not a file of weights: give a .safetensors file .*\(.onnx\)\.$"
    ):
        get_entry(name)
    with pytest.raises(ConfigError, match="^there are no weights named 'hrnet'; "):
        get_entry("hrnet")


def test_a_download_is_kept_and_says_how_it_was_checked(command, server, home):
    done = command("download", "tested")
    assert done.status == 0 and done.out == ""
    assert "tested: downloading, 0.1 MB" in done.err
    assert f"SHA-256 {SHA256}; its first 8 digits agree with the published ones" in done.err
    assert (home / "models" / "tested.pth").read_bytes() == CONTENT
    assert command("path", "tested").out.strip() == str(home / "models" / "tested.pth")
    assert command("download", "tested", "tested").status == 0
    assert len(server.requests) == 1


def test_a_download_of_several_goes_on_after_one_that_fails(command, server, home):
    server.files[f"/{REAL.file}"] = CONTENT
    done = command("download", REAL.name, "tested", "--tries", "1")
    assert done.status == 2
    assert (home / "models" / "tested.pth").exists() and not (home / "models" / REAL.file).exists()
    assert f"instead of {REAL.sha256_prefix}, twice" in done.err
    assert done.err.splitlines()[-1].startswith(f"posetrack: the weights {REAL.name} are not here")


def test_tries_and_timeout_are_those_of_the_command_line(command, server):
    server.manners["/tested.pth"] = [hs.silent]
    done = command("download", "tested", "--tries", "1", "--timeout", "0.2")
    assert done.status == 2 and "timed out" in done.err and len(server.requests) == 1
    assert command("download", "tested", "--tries", "0").err.startswith(
        "posetrack: tries must be a whole number, 1 or more"
    )
    assert command("download", "tested", "--timeout", "-1").err.startswith("posetrack: timeout_s must be")


def test_what_has_no_address_is_not_downloaded(command):
    done = command("download", "official_resnet50_coco_256x192")
    assert done.status == 2
    assert "github.com/microsoft/human-pose-estimation.pytorch" in done.err
    assert "models import official_resnet50_coco_256x192 FILE" in done.err


def test_the_lite_preset_needs_no_download(command, server):
    done = command("download", "--preset", "lite")
    assert done.status == 0
    assert "detector_lite" in done.err and "pose_lite" in done.err and server.requests == []
    assert "there is no preset 'best'" in command("download", "--preset", "best").err
    assert "say which weights" in command("download").err


def test_an_import_is_checked_against_the_published_hash(command, server, tmp_path, home):
    file = tmp_path / "brought.pth"
    file.write_bytes(CONTENT)
    done = command("import", "tested", file)
    assert done.status == 0
    assert f"SHA-256 {SHA256}; its first 8 digits agree with the published ones" in done.out
    assert (home / "models" / "tested.pth").read_bytes() == CONTENT
    done = command("import", REAL.name, file)
    assert done.status == 2 and SHA256 in done.err and REAL.sha256_prefix in done.err
    assert not (home / "models" / REAL.file).exists()
    assert "not there" in command("import", REAL.name, tmp_path / "nothing").err


def test_an_import_that_cannot_be_checked_says_so(command, tmp_path):
    name = "official_resnet50_coco_256x192"
    file = tmp_path / "pose_resnet_50_256x192.pth.tar"
    network = get_entry(name).pose_architecture().build()
    theirs = {key.removeprefix("backbone."): value for key, value in network.state_dict().items()}
    torch.save(theirs, file)
    done = command("import", name, file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert done.status == 0 and sha256 in done.out and "not checked" in done.out
    rows = {row["name"]: row for row in json.loads(command("list", "--json").out)}
    assert rows[name]["present"] is True
    assert Path(rows[name]["path"]).read_bytes() == file.read_bytes()


def test_an_import_without_a_published_hash_must_fit_its_network(command, tmp_path, home):
    file = tmp_path / "brought.pth"
    for content, words in (
        ({"conv1.weight": torch.zeros(64, 3, 7, 7)}, "does not fit resnet50"),
        ({"state_dict": torch.nn.Linear(2, 2)}, "is refused"),
    ):
        torch.save(content, file)
        done = command("import", "official_resnet50_coco_256x192", file)
        assert done.status == 2 and f"{file} {words}" in done.err
    file.write_text("no weights at all")
    assert f"{file} is not a checkpoint" in command("import", "official_resnet50_coco_256x192", file).err
    assert not list((home / "models").glob("*pose_resnet*"))


def _in_a_terminal(code: str, environment: dict[str, str]) -> str:
    """What a program prints that runs in a terminal."""
    try:
        ours, its = pty.openpty()
    except OSError as error:
        pytest.skip(f"there are no terminals here: {error}")
    process = subprocess.Popen([sys.executable, "-c", code], stdin=its, stdout=its, stderr=its, env=environment)
    os.close(its)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    assert process.wait(60) == 0
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def test_a_terminal_shows_size_and_time_left(server):
    server.manners["/tested.pth"] = [hs.truncated(48_000), hs.good]
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        import posetrack.zoo
        from tests.test_zoo_download import make_entry
        posetrack.zoo.get_entry = lambda name: make_entry("https://far.away.invalid/tested.pth")
        from posetrack.cli.main import main
        sys.argv = ["posetrack", "models", "download", "tested"]
        main()
    """
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120"}
    shown = _in_a_terminal(textwrap.dedent(code), environment)
    assert re.search(r"96\.0/96\.0 kB", shown), shown
    assert re.search(r"left \d+:\d\d:\d\d", shown)
    assert "broke off after 48,000 of 96,000 bytes; trying again in" in shown


def test_the_list_loads_no_deep_learning_library():
    code = """
        import sys
        from posetrack.cli.main import main
        sys.argv = ["posetrack", "models", "list", "--json"]
        try:
            main()
        except SystemExit:
            heavy = ("torch", "torchvision", "cv2", "scipy")
            print([name for name in heavy if name in sys.modules], file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
