"""Training configurations: each mistake gives one clear sentence."""

from pathlib import Path

import pytest

from posetrack.errors import ConfigError
from posetrack.training.config import read_config
from posetrack.training.detector import DetectorTraining
from posetrack.training.pose import PoseTraining
from posetrack.training.schedule import Schedule

CONFIGS = Path(__file__).parents[1] / "configs"
SECTIONS: dict[str, type] = {"pose": PoseTraining, "detector": DetectorTraining, "schedule": Schedule}
DATA = 'train = [{annotations = "a.json", images = "i"}]\nvalidation = {annotations = "a.json", images = "i"}\n'


@pytest.mark.parametrize(
    "text, message",
    [
        ("[pose]\ntypo = 1\n", r"pose\.typo is unknown; choose one of train, validation"),
        ("[pose]\n", r"pose\.train is missing"),
        ("pose = 1\n", "pose must be a table"),
        ("[pose]\n" + DATA.replace("[{", "1#"), r"pose\.train is 1; give an array"),
        ("[pose]\n" + DATA.replace("[{", "[1]#"), r"pose\.train\[0\] must be a table"),
        ("[pose]\n" + DATA.replace(', images = "i"}]', "}]"), r"pose\.train\[0\]\.images is missing"),
        ("[pose]\n" + DATA.replace("a.json", "\\u0000", 1), r"pose\.train\[0\]\.annotations is .*give a path"),
        ("[pose]\n" + DATA.replace("}]", ", repeat = 0}]"), "repeat is 0; give 1 to"),
        ("[pose]\n" + DATA.replace("[{", "[]#"), r"pose\.train is empty"),
        ("[pose]\nbatch_size = 0\n" + DATA, r"pose\.batch_size is 0; give 1 to"),
        ("[pose]\nbatch_size = 8.0\n" + DATA, r"pose\.batch_size is 8\.0; give a value of type int"),
        ("[pose]\nbatch_size = true\n" + DATA, r"pose\.batch_size is True; give a value of type int"),
        ("[pose]\nworkers = -1\n" + DATA, r"pose\.workers is -1; give 0 to"),
        ("[pose]\nseed = -1\n" + DATA, r"pose\.seed is -1"),
        ("[pose]\nsigma = nan\n" + DATA, r"pose\.sigma must be a number, not nan"),
        ("[pose]\nsigma = 0x1" + 400 * "0" + "\n" + DATA, r"pose\.sigma is \d+\.\.\.; give a value of type float"),
        ("[pose]\nbatch_size = 0x1" + 9999 * "0" + "\n" + DATA, r"pose\.batch_size is too large to show"),
        ("[pose]\naugmentation = {flip = 1.5}\n" + DATA, r"augmentation\.flip is 1\.5; give 0 to 1"),
        ("[pose]\naugmentation = {scale = inf}\n" + DATA, r"augmentation\.scale is inf"),
        ("[pose]\narchitecture = {backbone = ['resnet50']}\n" + DATA, r"architecture\.backbone is \['resnet50'\]"),
        ("[pose]\narchitecture = {width = 96.0}\n" + DATA, r"architecture\.width is 96\.0; give a value"),
        ("[pose]\narchitecture = {width = 100}\n" + DATA, "width is 100; give a multiple of 32"),
        ("[detector]\nscenes = {zoom = [0.5]}\n" + DATA, r"scenes\.zoom is \[0\.5\]; give an array of 2"),
        ("[detector]\nscenes = {zoom = [2, 1]}\n" + DATA, r"scenes\.zoom is \[2\.0, 1\.0\]; give the smaller"),
        ("[detector]\nscenes = {canvases = [[320]]}\n" + DATA, r"canvases\[0\] is \[320\]; give an array of 2"),
        ("[detector]\nscenes = {canvases = [[320, 0]]}\n" + DATA, r"scenes\.canvases is .*; give 32 to 4096"),
        ("[detector]\nscenes = {canvases = []}\n" + DATA, r"scenes\.canvases is empty"),
        ("[detector]\nscenes = {grid_weights = [1]}\n" + DATA, r"grid_weights must hold one number for each"),
        ("[detector]\nlate_canvases = [[0, 0]]\n" + DATA, r"detector\.late_canvases is \[\(0, 0\)\]"),
        ("[schedule]\nepochs = 'three'\n", r"schedule\.epochs is 'three'; give a value of type int"),
        ("[schedule]\nepochs = 0\n", r"schedule\.epochs is 0"),
        ("[schedule]\nepochs = 1\nlearning_rate = nan\n", r"schedule\.learning_rate must be a number, not nan"),
        ("[schedule]\nepochs = 1\nlearning_rate = inf\n", r"schedule\.learning_rate is inf"),
        ("[schedule]\nepochs = 1\nlearning_rate = 0\n", r"schedule\.learning_rate is 0"),
        ("[schedule]\nepochs = 1\ngradient_norm = 0\n", r"schedule\.gradient_norm is 0"),
        ("[schedule]\nepochs = 1\nweight_decay = -1\n", r"schedule\.weight_decay is -1"),
        ("[schedule]\nepochs = 1\nweight_average_decay = 1\n", r"schedule\.weight_average_decay is 1"),
        ("[schedule]\nepochs = 1\nvalidate_every_epochs = 0\n", r"schedule\.validate_every_epochs is 0"),
        ("[schedule]\nepochs = 1\nthreads = -1\n", r"schedule\.threads is -1"),
        ("[schedule]\nepochs = 1\nsteps = [-1]\n", r"schedule\.steps is \[-1\]"),
        ("[schedule]\nepochs = 1\ndecay = 'none'\n", r"schedule\.decay is 'none'; choose 'steps' or 'cosine'"),
        ("[schedule]\nepochs = 1\ndecay = []\n", r"schedule\.decay is \[\]; choose 'steps' or 'cosine'"),
        ("[wrong]\n", r"unknown table \[wrong\]"),
        ("[schedule\n", "is not a TOML file"),
        ("[schedule]\nepochs = " + 5000 * "1", "is not a TOML file"),
        ("[schedule]\nsteps = " + 100_000 * "[", "is not a TOML file"),
        ("#" * 2**23, "is too large for a configuration"),
    ],
)  # fmt: skip
def test_mistakes_in_a_configuration_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    sections = {name: kind for name, kind in SECTIONS.items() if f"[{name}" in text or f"{name} =" in text}
    with pytest.raises(ConfigError, match=f"config.toml.*{message}") as caught:
        read_config(path, sections)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("name", [path.stem for path in sorted(CONFIGS.glob("*.toml"))])
def test_the_configurations_of_the_bundled_networks_are_valid(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("POSETRACK_SHARED", "RENDERINGS", "LABELS", "POSE_START", "DETECTOR_START"):
        monkeypatch.setenv(variable, "/data")
    kind = name.split("_")[0]
    path = CONFIGS / f"{name}.toml"
    assert read_config(path, {kind: SECTIONS[kind], "schedule": Schedule})["schedule"].epochs > 0


def test_paths_may_contain_environment_variables_and_are_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA", str(tmp_path / "somewhere"))
    path = tmp_path / "config.toml"
    path.write_text(
        '[pose]\nsigma = 3\n[[pose.train]]\nannotations = "$DATA/a.json"\nimages = "i"\n'
        '[pose.validation]\nannotations = "b.json"\nimages = "i"\n'
    )
    config = read_config(path, {"pose": PoseTraining})["pose"]
    assert config.train[0].annotations == tmp_path / "somewhere" / "a.json"
    assert config.validation.images == tmp_path / "i"
    assert config.sigma == 3.0
