"""The training loop on tiny networks with known results: rates, averages, curve, checkpoints."""

import csv
import math
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from posetrack.errors import ConfigError, DataFormatError, OutputError, WeightsError
from posetrack.training import loop
from posetrack.training.loop import Record, WeightAverage, train
from posetrack.training.schedule import Schedule

Loss = Callable[[nn.Module, float], Tensor]

STILL = Schedule(epochs=1, learning_rate=0.01, warmup_iterations=0, weight_average_decay=0.0)
"""One epoch without warm-up, whose averaged weights are the last ones."""


class Watch:
    """Records progress."""

    def __init__(self) -> None:
        self.iterations: list[tuple[int, int, int, float]] = []
        self.rows: list[Record] = []

    def iteration(self, epoch: int, done: int, total: int, loss: float) -> None:
        self.iterations.append((epoch, done, total, loss))

    def epoch(self, row: Record) -> None:
        self.rows.append(row)


def towards(network: nn.Module, target: float) -> Tensor:
    """Squared distance of the only output from a target."""
    return (network(torch.ones(1, 1)) - target).square().sum()


@dataclass
class Toy:
    """A ``Task`` that learns one number and has given validation figures."""

    targets: list[float] = field(default_factory=lambda: [1.0, 2.0])
    figures: list[float] = field(default_factory=lambda: [0.5] * 99)
    loss: Loss = towards
    rates: tuple[float, float] = (1.0, 1.0)
    score: str = "goodness"
    saved: dict[str, list[float]] = field(default_factory=dict)
    validated: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network: nn.Module = nn.Linear(1, 1)
        nn.init.zeros_(self.network.weight)
        nn.init.zeros_(self.network.bias)

    def parameter_groups(self) -> list[dict[str, Any]]:
        weight, bias = self.network.parameters()
        return [{"params": [weight], "rate": self.rates[0]}, {"params": [bias], "rate": self.rates[1]}]

    def batches(self, epoch: int) -> list[float]:
        return [target + epoch for target in self.targets]

    def losses(self, batch: float) -> dict[str, Tensor]:
        loss = self.loss(self.network, batch)
        return {"near": 0.75 * loss, "far": 0.25 * loss}

    def validate(self, network: nn.Module) -> Record:
        self.validated.append(number_of(network))
        return {"goodness": self.figures[len(self.validated) - 1]}

    def save(self, network: nn.Module, path: Path) -> None:
        self.saved.setdefault(path.name, []).append(number_of(network))


def number_of(network: nn.Module) -> float:
    return float(network(torch.ones(1, 1)).detach())


# The schedule

LIMITS: dict[str, tuple[float, float]] = {
    "epochs": (1, 1_000_000),
    "validate_every_epochs": (1, 1_000_000),
    "warmup_iterations": (0, 1_000_000_000),
    "threads": (0, 1024),
    "weight_decay": (0, 100),
    "seed": (0, 4_294_967_296),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_the_schedules_numbers_are_inclusive(name: str) -> None:
    least, most = LIMITS[name]
    for value in (least, most):
        assert getattr(replace(STILL, **{name: value}), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(ConfigError, match=rf"schedule\.{name} is {value}; give {least} to {most}"):
            replace(STILL, **{name: value})


def test_every_step_of_the_schedule_is_an_epoch() -> None:
    assert replace(STILL, steps=(0, 1_000_000)).steps == (0, 1_000_000)
    for steps in ((3, -1), (1_000_001,)):
        with pytest.raises(ConfigError, match=r"schedule\.steps is .*; give 0 to 1000000"):
            replace(STILL, steps=steps)


@pytest.mark.parametrize("name", ["learning_rate", "gradient_norm"])
def test_rate_and_norm_are_positive_and_finite(name: str) -> None:
    assert getattr(replace(STILL, **{name: 1e-12}), name) == 1e-12
    for value in (0.0, -1.0, math.inf):
        with pytest.raises(ConfigError, match=f"{name} is {value}; give a positive number"):
            replace(STILL, **{name: value})


def test_the_averages_decay_must_be_below_1() -> None:
    for value in (0.0, 0.999999):
        assert replace(STILL, weight_average_decay=value).weight_average_decay == value
    for value in (-0.001, 1.0):
        with pytest.raises(ConfigError, match=f"weight_average_decay is {value}; give 0 to below 1"):
            replace(STILL, weight_average_decay=value)


@pytest.mark.parametrize(
    "name, choices", [("decay", ("steps", "cosine")), ("precision", ("auto", "fp32", "bf16"))]
)
def test_unknown_kinds_of_decay_and_precision_are_refused(name: str, choices: tuple[str, str]) -> None:
    for value in choices:
        assert getattr(replace(STILL, **{name: value}), name) == value
    with pytest.raises(ConfigError, match=f"{name} must be {' or '.join(map(repr, choices))}, not 'other'"):
        replace(STILL, **{name: "other"})


def test_the_default_schedule_is_plain_adam_on_the_cpu_at_a_thousandth() -> None:
    schedule = Schedule(epochs=2)
    rates = [schedule.rate(iteration, 500) for iteration in (0, 198, 199, 999)]
    assert rates == pytest.approx([0.001 / 200, 0.001 * 199 / 200, 0.001, 0.001])
    assert (schedule.weight_decay, schedule.weight_average_decay, schedule.gradient_norm) == (0, 0.999, 10)
    assert (schedule.validate_every_epochs, schedule.threads, schedule.seed) == (1, 0, 0)
    assert (schedule.precision, schedule.device) == ("fp32", "cpu")


# The rate


def test_the_rate_falls_to_a_tenth_at_every_step() -> None:
    schedule = replace(STILL, epochs=9, steps=(2, 5))
    for iteration, expected in ((0, 1e-2), (19, 1e-2), (20, 1e-3), (49, 1e-3), (50, 1e-4), (89, 1e-4)):
        assert schedule.rate(iteration, 10) == pytest.approx(expected)


def test_the_cosine_falls_smoothly_to_a_hundredth() -> None:
    schedule = replace(STILL, epochs=4, decay="cosine")
    for iteration in range(40):
        share = 0.5 + 0.5 * math.cos(math.pi * iteration / 40)
        assert schedule.rate(iteration, 10) == pytest.approx(1e-2 * (0.01 + 0.99 * share))


def test_the_rate_rises_over_the_first_iterations() -> None:
    schedule = replace(STILL, epochs=9, warmup_iterations=4)
    rates = [schedule.rate(iteration, 10) for iteration in range(6)]
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    cosine = replace(schedule, decay="cosine", warmup_iterations=0)
    for iteration, share in ((0, 0.25), (2, 0.75), (3, 1.0), (50, 1.0)):
        warm = replace(cosine, warmup_iterations=4).rate(iteration, 10)
        assert warm == pytest.approx(share * cosine.rate(iteration, 10))


def test_the_rate_times_the_groups_factor_sets_the_step(tmp_path: Path) -> None:
    """Adam's first step equals the rate, whatever the gradient."""
    task = Toy(targets=[7.0], rates=(1.0, 0.25))
    train(task, replace(STILL, warmup_iterations=2), tmp_path / "out", Watch())
    weight, bias = (float(value.detach()) for value in task.network.parameters())
    assert (weight, bias) == pytest.approx((0.005, 0.00125))


def test_a_group_without_a_rate_has_the_schedules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = Toy(targets=[7.0])
    monkeypatch.setattr(task, "parameter_groups", lambda: [{"params": list(task.network.parameters())}])
    train(task, STILL, tmp_path / "out", Watch())
    assert [float(value.detach()) for value in task.network.parameters()] == pytest.approx([0.01, 0.01])


def test_the_network_is_moved_to_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, devices = Toy(), list[str]()
    monkeypatch.setattr(task.network, "to", devices.append)
    train(task, STILL, tmp_path / "out", Watch())
    assert devices == ["cpu"]


def test_a_parameter_without_a_gradient_does_not_move(tmp_path: Path) -> None:
    """The bias learns from the first batch only; its momentum must not move it further."""

    def loss(network: nn.Module, target: float) -> Tensor:
        weight, _ = network.parameters()
        return towards(network, target) if target == 1 else (weight - target).square().sum()

    task = Toy(targets=[1.0, 2.0, 3.0], loss=loss)
    train(task, STILL, tmp_path / "out", Watch())
    weight, bias = (float(value.detach()) for value in task.network.parameters())
    assert bias == pytest.approx(0.01) and weight > 0.02


def test_every_epoch_runs_in_training_mode_even_after_validation(tmp_path: Path) -> None:
    modes: list[bool] = []

    def loss(network: nn.Module, target: float) -> Tensor:
        modes.append(network.training)
        network.eval()
        return towards(network, target)

    train(Toy(targets=[1.0], loss=loss), replace(STILL, epochs=3), tmp_path / "out", Watch())
    assert modes == [True] * 3


def test_an_epoch_without_batches_learns_nothing(tmp_path: Path) -> None:
    row, *_ = train(Toy(targets=[]), STILL, tmp_path / "out", Watch())
    assert {**row, "seconds": 0} == {"epoch": 1, "learning_rate": 0, "goodness": 0.5, "seconds": 0}


@dataclass
class Prepared(Toy):
    """A ``Toy`` whose batches come from a generator of two."""

    prepare: Callable[[], Iterator[float]] = lambda: iter(())

    def batches(self, epoch: int) -> Any:
        prepare = self.prepare

        class Two:
            def __len__(self) -> int:
                return 2

            def __iter__(self) -> Iterator[float]:
                return prepare()

        return Two()


def test_the_next_batch_is_prepared_while_the_network_learns(tmp_path: Path) -> None:
    second_prepared = threading.Event()
    waits: list[bool] = []

    def prepare() -> Iterator[float]:
        yield 1.0
        second_prepared.set()
        yield 2.0

    def learn(network: nn.Module, target: float) -> Tensor:
        waits.append(second_prepared.wait(60))
        return towards(network, target)

    train(Prepared(prepare=prepare, loss=learn), STILL, tmp_path, Watch())
    assert waits == [True, True]


def test_a_batch_that_cannot_be_prepared_stops_the_training_with_its_error(tmp_path: Path) -> None:
    def prepare() -> Iterator[float]:
        yield 1.0
        raise DataFormatError("photograph.jpg is damaged.")

    task = Prepared(prepare=prepare)
    with pytest.raises(DataFormatError, match=r"photograph\.jpg is damaged"):
        train(task, STILL, tmp_path, Watch())
    assert not task.saved


def test_weight_decay_is_decoupled_from_the_gradient(tmp_path: Path) -> None:
    """AdamW: without a gradient a weight shrinks by rate times decay at each step."""
    task = Toy(targets=[0.0] * 3, loss=lambda network, _: 0 * network(torch.ones(1, 1)).sum())
    nn.init.ones_(task.network.weight)
    train(task, replace(STILL, weight_decay=5.0), tmp_path / "out", Watch())
    assert float(task.network.weight) == pytest.approx(0.95**3)


def test_only_long_gradients_are_clipped(tmp_path: Path) -> None:
    for target, expected in ((1000.0, 0.5), (0.01, math.hypot(0.02, 0.02))):
        task = Toy(targets=[target])
        train(task, replace(STILL, gradient_norm=0.5), tmp_path / f"{target}", Watch())
        length = torch.cat(
            [value.grad.ravel() for value in task.network.parameters() if value.grad is not None]
        ).norm()
        assert float(length) == pytest.approx(expected, rel=1e-4)


# The average


def average_after(decay: float, iteration: int, values: list[float]) -> float:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average = WeightAverage(network, decay)
    for number, value in enumerate(values):
        nn.init.constant_(network.weight, value)
        average.update(network, iteration + number)
    return float(average.network.weight)


def test_the_average_moves_by_one_minus_its_decay() -> None:
    assert average_after(0.9, 10_000, [1.0]) == pytest.approx(0.1)
    assert average_after(0.9, 10_000, [1.0, 3.0]) == pytest.approx(0.9 * 0.1 + 0.1 * 3)
    assert average_after(0.0, 10_000, [1.0]) == 1.0


@pytest.mark.parametrize("iteration, decay", [(0, 0.1), (1, 2 / 11), (90, 0.91), (899, 900 / 909), (10**6, 0.999)])
def test_the_decay_grows_to_its_value_so_that_the_initial_weights_fade(iteration: int, decay: float) -> None:
    assert average_after(0.999, iteration, [1.0]) == pytest.approx(1 - decay)


def test_statistics_are_averaged_and_counters_are_copied() -> None:
    network = nn.BatchNorm1d(2)
    average = WeightAverage(network, 0.9)
    network.running_mean.fill_(2.0)  # type: ignore[union-attr]
    network.num_batches_tracked.fill_(7)  # type: ignore[union-attr]
    average.update(network, 10_000)
    state = average.network.state_dict()
    assert state["running_mean"].tolist() == pytest.approx([0.2, 0.2]) and int(state["num_batches_tracked"]) == 7
    assert not average.network.training and not any(value.requires_grad for value in average.network.parameters())
    assert network.training and all(value.requires_grad for value in network.parameters())


def test_the_averaged_weights_are_validated_and_saved(tmp_path: Path) -> None:
    task = Toy(targets=[5.0])
    train(task, replace(STILL, weight_average_decay=0.999), tmp_path / "out", Watch())
    # The first step of both parameters is 0.01, of which the average takes nine tenths.
    assert task.validated == pytest.approx([0.018]) and task.saved["last.safetensors"] == pytest.approx([0.018])
    assert number_of(task.network) == pytest.approx(0.02)


# The record


def test_the_curve_has_mean_losses_rates_and_epochs_from_one(tmp_path: Path) -> None:
    watch, task = Watch(), Toy()
    rows = train(task, replace(STILL, epochs=2, learning_rate=1e-9, decay="cosine"), tmp_path / "out", watch)
    first, second = rows
    assert first["epoch"] == 1 and second["epoch"] == 2 and watch.rows == rows
    assert (first["loss_near"], first["loss_far"]) == pytest.approx((0.75 * 2.5, 0.25 * 2.5), rel=1e-4)
    assert second["loss_near"] == pytest.approx(0.75 * 6.5, rel=1e-4)
    assert first["learning_rate"] == pytest.approx(1e-9 * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi / 4))))
    assert [one[:3] for one in watch.iterations] == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2)]
    assert [one[3] for one in watch.iterations] == pytest.approx([1, 4, 4, 9], rel=1e-4)
    written = list(csv.DictReader((tmp_path / "out" / "curve.csv").open()))
    assert [{name: float(value) for name, value in row.items()} for row in written] == rows


def test_the_time_of_an_epoch_has_one_decimal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([10.0, 12.34, 100.0, 161.27])
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(readings)))
    rows = train(Toy(), replace(STILL, epochs=2), tmp_path / "out", Watch())
    assert [row["seconds"] for row in rows] == [2.3, 61.3]


def test_the_curve_has_the_rate_of_the_epochs_last_iteration(tmp_path: Path) -> None:
    schedule = replace(STILL, epochs=3, steps=(1, 2), warmup_iterations=3)
    rows = train(Toy(), schedule, tmp_path / "out", Watch())
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.01 * 2 / 3, 0.001, 0.0001])


def test_every_nth_epoch_and_the_last_are_validated(tmp_path: Path) -> None:
    task = Toy()
    rows = train(task, replace(STILL, epochs=5, validate_every_epochs=2), tmp_path / "out", Watch())
    assert ["goodness" in row for row in rows] == [False, True, False, True, True]
    header, *lines = (tmp_path / "out" / "curve.csv").read_text().splitlines()
    assert "goodness" in header and len(lines) == 5


def test_the_best_weights_have_the_highest_score_and_ties_go_to_the_latest(tmp_path: Path) -> None:
    task = Toy(figures=[0.3, 0.6, 0.5, 0.6, 0.2])
    train(task, replace(STILL, epochs=5), tmp_path / "out", Watch())
    last, best = task.saved["last.safetensors"], task.saved["best.safetensors"]
    assert last == task.validated
    assert best == [task.validated[0], task.validated[1], task.validated[3]]


def test_epochs_without_a_score_are_not_the_best(tmp_path: Path) -> None:
    task = Toy(figures=[0.3, 0.6])
    train(task, replace(STILL, epochs=4, validate_every_epochs=2), tmp_path / "out", Watch())
    assert task.saved["best.safetensors"] == task.validated


def test_the_seed_and_the_threads_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    noisy = [Toy(loss=lambda network, target: towards(network, target + float(torch.rand(1)))) for _ in range(3)]
    for number, (task, seed) in enumerate(zip(noisy, (1, 1, 2), strict=True)):
        train(task, replace(STILL, seed=seed, threads=number, learning_rate=1.0), tmp_path / f"{number}", Watch())
    first, second, other = (number_of(task.network) for task in noisy)
    assert first == second != other and threads == [1, 2]


def test_bf16_runs_under_autocast(tmp_path: Path) -> None:
    kinds = []

    def loss(network: nn.Module, target: float) -> Tensor:
        kinds.append(network(torch.ones(1, 1)).dtype)
        return towards(network, target)

    for precision in ("fp32", "bf16"):
        train(Toy(loss=loss, targets=[1.0]), replace(STILL, precision=precision), tmp_path / precision, Watch())
    assert kinds == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("fast", [True, False])
def test_automatic_precision_is_bf16_where_it_is_fast(
    fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "has_fast_bf16", lambda device: fast)
    kinds = []

    def loss(network: nn.Module, target: float) -> Tensor:
        kinds.append(network(torch.ones(1, 1)).dtype)
        return towards(network, target)

    train(Toy(loss=loss, targets=[1.0]), replace(STILL, precision="auto"), tmp_path / "auto", Watch())
    assert kinds == [torch.bfloat16 if fast else torch.float32]


# Going on


def test_a_training_resumes_where_it_stopped(tmp_path: Path) -> None:
    schedule = replace(STILL, epochs=4, weight_average_decay=0.9, decay="cosine")
    whole, watch = Toy(figures=[0.3, 0.9, 0.5, 0.4]), Watch()
    rows = train(whole, schedule, tmp_path / "whole", Watch())
    first, second = Toy(figures=[0.3, 0.9]), Toy(figures=[0.5, 0.4])
    # The cosine is that of the whole: the first half is ended by its third epoch's validation.
    with pytest.raises(IndexError):
        train(first, schedule, tmp_path / "parts", Watch())
    again = train(second, schedule, tmp_path / "parts", watch)
    assert [{**row, "seconds": 0} for row in again] == [{**row, "seconds": 0} for row in rows]
    assert [row["epoch"] for row in watch.rows] == [3, 4]
    assert second.saved["last.safetensors"] == whole.saved["last.safetensors"][2:]
    assert "best.safetensors" not in second.saved, "the best came before"
    assert number_of(second.network) == number_of(whole.network)


@pytest.mark.parametrize("name", ["best.safetensors", "last.safetensors"])
def test_weights_without_a_checkpoint_are_not_replaced(name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).symlink_to("nowhere")  # a dangling link is in the way too
    with pytest.raises(OutputError, match="holds weights, but no checkpoint to resume from"):
        train(Toy(), STILL, out, Watch())
    (out / name).unlink()
    train(Toy(), STILL, out, Watch())
    (out / name).write_bytes(b"weights")
    assert len(train(Toy(), replace(STILL, epochs=2), out, Watch())) == 2


def test_a_complete_training_does_nothing(tmp_path: Path) -> None:
    rows = train(Toy(), replace(STILL, epochs=2), tmp_path / "out", Watch())
    watch = Watch()
    assert train(Toy(), replace(STILL, epochs=2), tmp_path / "out", watch) == rows
    assert not watch.iterations and not watch.rows


def other_network(path: Path) -> None:
    task = Toy()
    task.network = nn.Sequential(nn.Linear(1, 1))  # other names
    train(task, STILL, path.parent / "other", Watch())
    path.write_bytes((path.parent / "other" / "checkpoint.pt").read_bytes())


SPOILT: dict[str, Callable[[Path], object]] = {
    "another network": other_network,
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "text": lambda path: path.write_text("no checkpoint"),
    "empty": lambda path: path.write_bytes(b""),
    "folder": lambda path: (path.unlink(), path.mkdir()),
    "pickle": lambda path: path.write_bytes(b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R."),
    "list": lambda path: torch.save([1], path),
    "nothing": lambda path: torch.save({}, path),
    "epoch": lambda path: torch.save(torch.load(path) | {"epoch": "two"}, path),
    "rows": lambda path: torch.save(torch.load(path) | {"rows": [1]}, path),
    "optimiser": lambda path: torch.save(torch.load(path) | {"optimiser": {}}, path),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_a_checkpoint_of_another_training_is_named(kind: str, tmp_path: Path) -> None:
    train(Toy(), STILL, tmp_path, Watch())
    SPOILT[kind](tmp_path / "checkpoint.pt")
    with pytest.raises(WeightsError, match=r"checkpoint\.pt is damaged or does not belong to this configuration"):
        train(Toy(), replace(STILL, epochs=2), tmp_path, Watch())


class Command:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    train(Toy(), STILL, tmp_path, Watch())
    state = torch.load(tmp_path / "checkpoint.pt")
    torch.save(state | {"more": Command(tmp_path / "made")}, tmp_path / "checkpoint.pt")
    with pytest.raises(WeightsError, match=r"checkpoint\.pt is damaged"):
        train(Toy(), replace(STILL, epochs=2), tmp_path, Watch())
    assert not (tmp_path / "made").exists()


def test_a_training_that_diverges_keeps_the_checkpoint_of_the_epoch_before(tmp_path: Path) -> None:
    train(Toy(), STILL, tmp_path / "out", Watch())
    kept = (tmp_path / "out" / "checkpoint.pt").read_bytes()
    with pytest.raises(ConfigError, match="diverged in epoch 2"):
        train(Toy(targets=[math.inf]), replace(STILL, epochs=2), tmp_path / "out", Watch())
    assert (tmp_path / "out" / "checkpoint.pt").read_bytes() == kept


def test_a_loss_that_is_not_finite_stops_the_training_before_the_weights_change(tmp_path: Path) -> None:
    task = Toy(targets=[1.0, math.nan])
    with pytest.raises(
        ConfigError, match=r"diverged in epoch 1 \(loss nan\): give a schedule\.learning_rate below 0\.01"
    ):
        train(task, STILL, tmp_path / "out", Watch())
    assert number_of(task.network) == pytest.approx(0.02), "after the first step alone"
    assert not (tmp_path / "out").exists()
