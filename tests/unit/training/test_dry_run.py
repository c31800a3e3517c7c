"""Estimates before a run, and the advice when memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphnet
from graphnet.runtime.net import Net
from graphnet.spec.recipe import Recipe
from graphnet.training import out_of_memory
from graphnet.training.dry_run import Estimate, dry_run, duration, estimate_text
from graphnet.training.out_of_memory import available_bytes, is_out_of_memory
from graphnet.training.step_time import StepTime, extrapolated, step_time
from tests.small import small

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)


@pytest.fixture(scope="module")
def net() -> Net:
    return graphnet.compile(small())


def estimate(net: Net, recipe: Recipe, images: int = 1000, **given: Any) -> Estimate:
    return dry_run(net, net.meta["executed"], recipe, images, SHAPE, CPU, **{"timed": False} | given)


@pytest.mark.parametrize(
    ("recipe", "images", "batches", "steps", "epochs"),
    [
        (Recipe(batch_size=64), 1000, 15, 300, 20),
        (Recipe(batch_size=64, epochs=3), 1000, 15, 45, 3),
        (Recipe(batch_size=64, epochs=3, accumulate=2), 1000, 15, 23, 3),
        (Recipe(batch_size=64, steps=30), 1000, 15, 30, 2),
        (Recipe(batch_size=64, steps=30, accumulate=2), 1000, 15, 30, 4),
        (Recipe(batch_size=64, epochs=1), 10, 1, 1, 1),
    ],
)
def test_the_length_of_a_run(net: Net, recipe: Recipe, images: int, batches: int, steps: int, epochs: float) -> None:
    found = estimate(net, recipe, images)
    assert (found.batches, found.steps, found.epochs) == (batches, steps, epochs)


def test_the_text_of_an_estimate(net: Net) -> None:
    found = estimate(net, Recipe(batch_size=64, epochs=3, ema=0.99))
    text = estimate_text(replace(found, available=10**9, time=StepTime(0.25, 10, 64)), "digits").splitlines()
    parameters = sum(parameter.numel() for parameter in net.parameters())
    assert text[0] == "data        digits: 1,000 training images of 1 x 8 x 8"
    assert text[1] == "run         3 epochs of 15 batches of 64 images: 45 steps on cpu"
    assert text[2] == f"parameters  {parameters:,}"
    assert "moving average" in text[3]
    assert text[4].startswith("            most of what is saved belongs to h1 ")
    assert text[5].endswith("; 1.0 GB are available")
    assert text[6].startswith("time        about 3.8 s per epoch, 11 s in all (timed here with 10 batches of 64 ")
    assert text[7].startswith("disk        about ")
    assert len(text) == 8


def test_frozen_parameters_are_not_counted() -> None:
    net = graphnet.compile(small())
    free = estimate(net, Recipe())
    net.get_parameter("pre_net.conv1.weight").requires_grad_(False)
    frozen = estimate(net, Recipe())
    assert free.parameters - frozen.parameters == 4 * 9
    assert free.memory.gradients - frozen.memory.gradients == 4 * 4 * 9


def test_checkpoints_fill_the_disk(net: Net) -> None:
    found = estimate(net, Recipe(momentum=0.0), checkpoints=4)
    assert found.disk == 5 * sum(4 * tensor.numel() for name, tensor in net.state_dict().items() if "num" not in name)


def test_a_step_that_does_not_fit_is_not_timed(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphnet.training.dry_run.available_bytes", lambda device: 10**6)
    found = estimate(net, Recipe(batch_size=4096), timed=True)
    text = estimate_text(found, "digits")
    assert found.time is None
    assert "time        not measured, as a step does not fit in memory" in text
    (advice,) = (line.strip() for line in text.splitlines() if "try " in line)
    size, batches = (int(word.split("=")[1]) for word in advice.split()[1:3])
    assert advice.startswith(f"try --train.batch_size={size} --train.accumulate={batches} (")
    assert size * batches == 4096
    assert found.peaks[size] <= 0.9 * 10**6 < found.peaks[2 * size]


def test_advice_where_nothing_fits(net: Net) -> None:
    found = replace(estimate(net, Recipe(batch_size=64, optimizer="adamw", ema=0.9)), available=10)
    first, second = found.out_of_memory_advice().splitlines()
    assert first.startswith("a step with 64 images needs about ")
    assert first.endswith("(most of it in h1 and h2); 10 bytes are available")
    assert second.startswith("  even 2 images at a time would need ")
    assert second.endswith(": try fewer time steps (--set readout.t=…)")


def test_advice_without_knowing_what_is_available(net: Net) -> None:
    found = replace(estimate(net, Recipe(batch_size=64, accumulate=3)), available=None, device=torch.device("cuda"))
    advice = found.out_of_memory_advice().splitlines()[1]
    assert advice.startswith("  try --train.batch_size=32 --train.accumulate=6 (")
    assert "or --train.precision=bf16 or fewer time steps" in advice


def test_advice_against_an_optimizer_that_keeps_much() -> None:
    wide = graphnet.compile(small(states={"h1": [64, 8, 8], "h2": [64, 4, 4]}))
    found = replace(estimate(wide, Recipe(batch_size=2, optimizer="adamw", ema=0.9)), available=10)
    assert "an optimiser that keeps less, such as sgd, and no ema" in found.out_of_memory_advice()


@pytest.mark.parametrize(
    ("fault", "is_memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: 9 bytes."), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_faults_that_mean_that_memory_ran_out(fault: Exception, is_memory: bool) -> None:
    assert is_out_of_memory(fault) == is_memory


def test_what_pytorch_raises_on_this_machine() -> None:
    with pytest.raises((RuntimeError, MemoryError)) as raised:
        torch.empty(1 << 55, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_available_memory_is_below_a_limit_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n", "/sys/fs/cgroup/memory.max": "max\n"}
    monkeypatch.setattr(out_of_memory, "_text", lambda path: texts.get(str(path), ""))
    assert available_bytes(CPU) == 8000 * 1024
    texts["/sys/fs/cgroup/memory.max"] = "1000\n"
    assert available_bytes(CPU) == 1000
    texts.clear()
    assert available_bytes(CPU) is None
    assert available_bytes(torch.device("meta")) is None


class Clock:
    """Tells the time of a net that takes 0.1 s and `each` seconds per image."""

    def __init__(self, each: float) -> None:
        self.now, self.each = 0.0, each
        self.sizes: list[int] = []

    def __call__(self) -> float:
        return self.now

    def training(self, net: nn.Module) -> Callable[[Tensor], None]:
        def train(images: Tensor) -> None:
            self.sizes.append(len(images))
            self.now += 0.1 + self.each * len(images)

        return train


@pytest.mark.parametrize(
    ("each", "sizes"),
    [
        (0.0001, [2, 2, 8, 32, 100, *[100] * 9]),
        (0.01, [2, 2, 8, 32, 100, *[100] * 7]),
        (0.1, [2, 2, 8, 32, 32]),
        (20.0, [2, 2]),
    ],
)
def test_timing_keeps_to_its_budget(net: Net, each: float, sizes: list[int]) -> None:
    clock = Clock(each)
    found = step_time(net, Recipe(batch_size=100), SHAPE, CPU, clock.training, 10.0, clock)
    assert clock.sizes == sizes
    assert found.batch_size == sizes[-1]
    wanted = 0.1 + 100 * each if len(sizes) > 2 else 50 * (0.1 + 2 * each)
    assert found.seconds == pytest.approx(wanted)


def test_a_line_through_two_sizes() -> None:
    assert extrapolated({2: 1.0}, 8) == 4.0
    assert extrapolated({2: 1.0, 8: 4.0}, 8) == 4.0
    assert extrapolated({2: 1.5, 8: 3.0}, 16) == 5.0
    assert extrapolated({2: 3.0, 8: 2.0}, 16) == 2.0  # noise


@pytest.mark.parametrize("settings", [{}, {"optimizer": "adamw"}, {"precision": "bf16"}, {"precision": "fp64"}])
def test_timing_leaves_the_net_and_the_random_state_alone(net: Net, settings: dict[str, Any]) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state, was_training = torch.get_rng_state(), net.training
    found = estimate(net, Recipe(batch_size=4, **settings), timed=True, budget=0.2)
    assert found.time is not None
    assert found.time.seconds > 0
    assert found.seconds_per_epoch == 250 * found.time.seconds
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert net.training == was_training
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.314, "0.31 s"),
        (26.2, "26 s"),
        (300, "5 min"),
        (3.2 * 3600, "3.2 h"),
        (4.1 * 86400, "4.1 days"),
        (400 * 86400, "400 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
