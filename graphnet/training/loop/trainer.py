"""Training and testing of a net; prints and writes nothing.

N images, C channels, H W pixels. The net maps images `[N, C, H, W]` to logits `[N, classes]`, or to a dict of them
by readout time.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graphnet.spec.recipe import Recipe as RecipeTable
from graphnet.training.data.dataset import Dataset
from graphnet.training.errors import DivergenceError, RecipeError, TrainingError
from graphnet.training.events import ByTime, EpochDone, Report, Started, StepDone
from graphnet.training.gradient_coupling import couple_gradients
from graphnet.training.recipe import Recipe

EVALUATION_BATCH = 256


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Loss and accuracy of a net on labelled images.

    Attributes:
        loss, accuracy: for each readout time, in order of time; the key is None if there is a single readout.
            The loss is the mean cross-entropy in nats, the accuracy is from 0 to 1.
        predictions: the most likely class at the last readout; int64 `[N]`, on the CPU.
    """

    loss: ByTime
    accuracy: ByTime
    predictions: Tensor

    @property
    def final_accuracy(self) -> float:
        """The accuracy of the last readout."""
        return list(self.accuracy.values())[-1]


@dataclass(frozen=True, eq=False)
class Result:
    """Results of training.

    Attributes:
        evaluation: the test of the net after its last epoch.
        epochs: all of them, in order.
        seconds: from the first step to the last test, including the report.
        device: where the net is now.
    """

    evaluation: Evaluation
    epochs: tuple[EpochDone, ...]
    seconds: float
    device: str


def train(net: nn.Module, dataset: Dataset, recipe: Recipe, report: Report) -> Result:
    """Train `net` in place, on the recipe's device, and test it.

    The same net, data and recipe give the same weights bit for bit on one machine's CPU. The global random state, the
    modules' modes and torch's settings are restored. An interrupt passes through: `report` has then received every
    whole epoch, and the net holds the weights of the last step.

    Raises:
        DivergenceError: the loss is not finite; the net holds the weights and statistics from before that step.
        RecipeError: the readout weights do not name the net's readout times.
        TrainingError: the device is missing, or the net has nothing to train.
    """
    device = choose_device(recipe.device)
    net.to(device)
    optimizer = _optimizer(net, recipe)
    if _is_coupled(net):
        couple_gradients(net, optimizer)
    data = replace(dataset, train_images=dataset.train_images.to(device), train_labels=dataset.train_labels.to(device))
    generator = torch.Generator().manual_seed(recipe.seed)
    steps = len(split_batches(torch.arange(len(data.train_labels)), recipe.batch_size))
    images, size = len(data.train_labels), recipe.batch_size
    table = RecipeTable(epochs=recipe.epochs, batch_size=size, lr=recipe.lr, momentum=recipe.momentum)
    report(Started(table, dataset.name, steps, recipe.epochs, str(device), images, 0, size))
    epochs: list[EpochDone] = []
    started = time.perf_counter()
    with _settings(recipe, device):
        for epoch in range(1, recipe.epochs + 1):
            done = _train_epoch(net, optimizer, data, recipe, epoch, generator, report)
            if recipe.evaluate == "epoch" or epoch == recipe.epochs:
                evaluation = evaluate(net, dataset.test_images, dataset.test_labels)
                done = replace(done, monitored_error={t: 1 - each for t, each in evaluation.accuracy.items()})
            epochs.append(done)
            report(done)
    return Result(evaluation, tuple(epochs), time.perf_counter() - started, str(device))


def _is_coupled(net: nn.Module) -> bool:
    """Whether the net has softly coupled weights; only compiled nets can."""
    plan = getattr(net, "meta", {}).get("plan")
    return plan is not None and bool(plan.couplings)


def evaluate(net: nn.Module, images: Tensor, labels: Tensor, batch_size: int = EVALUATION_BATCH) -> Evaluation:
    """Test `net` in evaluation mode on its device; restore its modes.

    Args:
        images: `[N, C, H, W]`, at least one.
        labels: int64 `[N]`.
        batch_size: the same size gives the same predictions bit for bit.
    """
    device = next((tensor.device for tensor in chain(net.parameters(), net.buffers())), torch.device("cpu"))
    losses: dict[int | None, float] = {}
    hits: dict[int | None, int] = {}
    predictions: list[Tensor] = []
    with in_mode(net, training=False), torch.no_grad():
        for some, wanted in zip(torch.split(images, batch_size), torch.split(labels, batch_size), strict=True):
            targets = wanted.to(device)
            for t, logits in by_time(net(some.to(device))).items():
                best = logits.argmax(dim=1)
                losses[t] = losses.get(t, 0.0) + F.cross_entropy(logits, targets, reduction="sum").item()
                hits[t] = hits.get(t, 0) + int((best == targets).sum())
            predictions.append(best.cpu())
    count = len(labels)
    loss = {t: total / count for t, total in losses.items()}
    return Evaluation(loss, {t: hit / count for t, hit in hits.items()}, torch.cat(predictions))


def readout_loss(output: Tensor | Mapping[int, Tensor], labels: Tensor, weights: Mapping[int, float] | None) -> Tensor:
    """The cross-entropy averaged over the images and, by weight, over the readout times.

    Args:
        output: logits `[N, classes]`, or a dict of them by readout time.
        labels: int64 `[N]`.
        weights: one per readout time, with any positive sum; None weighs all equally.

    Returns:
        A scalar, in nats.

    Raises:
        RecipeError: the weights do not name the output's times.
    """
    readouts = by_time(output)
    if weights is None:
        return torch.stack([F.cross_entropy(logits, labels) for logits in readouts.values()]).mean()
    if set(weights) != set(readouts):
        raise RecipeError(_weights_do_not_fit(weights, readouts))
    parts = [weights[t] * F.cross_entropy(readouts[t], labels) for t in sorted(weights) if weights[t] > 0]
    return torch.stack(parts).sum() / sum(weights.values())


def by_time(output: Tensor | Mapping[int, Tensor]) -> dict[int | None, Tensor]:
    """A net's output by readout time, in order of time; a single output has the key None."""
    if isinstance(output, Tensor):
        return {None: output}
    return {t: output[t] for t in sorted(output)}


def split_batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """Split indices `[N]` into batches; drop a last batch of one image, as batch norm needs two."""
    batches = list(torch.split(order, batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1 < batch_size:
        batches.pop()
    return batches


def choose_device(name: str) -> torch.device:
    """Return the torch device of that name; "auto" is CUDA if available, else the CPU.

    Raises:
        TrainingError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        reason = str(fault).splitlines()[0]
        raise TrainingError(f"device '{name}' cannot be used here: {reason}\n  use auto or cpu") from fault
    return device


def _train_epoch(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: Dataset,
    recipe: Recipe,
    epoch: int,
    generator: torch.Generator,
    report: Report,
) -> EpochDone:
    """One pass over the training images, on the net's device, in an order drawn from `generator`."""
    rate = recipe.learning_rate(epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    order = torch.randperm(len(data.train_labels), generator=generator).to(data.train_labels.device)
    batches = split_batches(order, recipe.batch_size)
    total, hits, seen, started = 0.0, 0, 0, time.perf_counter()
    with in_mode(net, training=True):
        for step, batch in enumerate(batches, start=1):
            images, labels = data.train_images[batch], data.train_labels[batch]
            statistics = [(buffer, buffer.clone()) for buffer in net.buffers()]
            output = net(images if data.augment is None else data.augment(images, generator))
            loss = readout_loss(output, labels, recipe.readout_weights)
            value = loss.item()
            if not math.isfinite(value):
                for buffer, before in statistics:
                    buffer.copy_(before)
                raise DivergenceError(_diverged(value, epoch, step, len(batches), rate))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            last = list(by_time(output).values())[-1]
            total += value * len(labels)
            hits += int((last.detach().argmax(dim=1) == labels).sum())
            seen += len(labels)
            report(StepDone(epoch, step, None, value))
    seconds = time.perf_counter() - started
    return EpochDone(epoch, rate, total / seen, 1 - hits / seen, None, None, None, seconds, seen / seconds, None)


def _optimizer(net: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not parameters:
        raise TrainingError("the net has no parameters to train")
    return torch.optim.SGD(parameters, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


def _diverged(loss: float, epoch: int, step: int, steps: int, rate: float) -> str:
    where = f"the loss is {loss} in epoch {epoch}, step {step} of {steps}, at learning rate {rate:g}"
    return f"{where}\n  a smaller lr often helps; so may normalisation on the transitions that repeat"


def _weights_do_not_fit(weights: Mapping[int, float], readouts: Mapping[int | None, Tensor]) -> str:
    if None in readouts:
        return "readout_weights are for a net with several readouts; this one has a single readout"
    named, there = (", ".join(map(str, times)) for times in (sorted(weights), readouts))
    return f"readout_weights name t = {named}; the net reads out at t = {there}\n  give each of these a weight"


@contextmanager
def in_mode(net: nn.Module, training: bool) -> Iterator[None]:
    """Set training or evaluation mode within a block; restore each module's mode afterwards."""
    modes = [(module, module.training) for module in net.modules()]
    net.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def _settings(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Set the seed of random ops and torch's determinism within a block."""
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with ExitStack() as undo:
        undo.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        torch.manual_seed(recipe.seed)
        if recipe.deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS needs it to be deterministic
            torch.use_deterministic_algorithms(True)
            undo.callback(torch.use_deterministic_algorithms, before, warn_only=warn_only)
        yield
