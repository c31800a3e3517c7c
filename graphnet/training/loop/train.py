"""Train a net and test it once, at the end, without any files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from graphnet.spec.recipe import Recipe
from graphnet.training.data.dataset import Dataset
from graphnet.training.devices import choose_device
from graphnet.training.events import EpochDone, Report, ignore
from graphnet.training.loop.evaluation import Evaluation
from graphnet.training.loop.state import Nothing
from graphnet.training.loop.stops import StopRequest, never
from graphnet.training.loop.trainer import Trainer


@dataclass(frozen=True, eq=False)
class Result:
    """Results of training.

    Attributes:
        evaluation: of the test part, once, at the end.
        tested: which weights were tested, and are in the net now: `best` (of the smallest validation error),
            `averaged` (the moving average, its statistics calibrated), or `last`.
        epochs: those of this call, in order.
        seconds: from the first step to the end of the test.
        device: where the net is now.
    """

    evaluation: Evaluation
    tested: str
    epochs: tuple[EpochDone, ...]
    seconds: float
    device: str


def train(
    net: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    report: Report = ignore,
    *,
    device: str = "auto",
    workers: int = 0,
    deterministic: bool = False,
    stop: StopRequest = never,
) -> Result:
    """Train `net` in place, then test it.

    The same net, data and recipe give the same weights bit for bit on one machine's CPU. The global random state, the
    modules' modes and torch's settings are restored.

    Args:
        device: "auto" (CUDA if available), or a torch device: "cpu", "cuda", "cuda:1".
        workers: processes that read images that are not in memory.
        deterministic: let torch use deterministic algorithms only; on a CPU a run repeats bit for bit anyway.
        stop: asked before each step; what it returns is raised.

    Raises:
        DivergenceError: the loss is not finite; the net holds the weights and statistics from before that step.
        RecipeError: the recipe does not fit the net or the device.
        TrainingError: the device is missing, or the net has nothing to train.
    """
    keeper = _Best()
    trainer = Trainer(
        net,
        dataset,
        recipe,
        choose_device(device),
        workers=workers,
        deterministic=deterministic,
        keeper=keeper,
        report=report,
        stop=stop,
    )
    started = time.perf_counter()
    epochs = trainer.run()
    tested = load_tested(trainer, keeper.tensors)
    evaluation = trainer.test(net, "test")
    return Result(evaluation, tested, epochs, time.perf_counter() - started, str(trainer.device))


def load_tested(trainer: Trainer, best: Mapping[str, Tensor] | None) -> str:
    """Load into the trainer's net the weights to test: `best`, if given, else the averaged or the last ones.

    Returns:
        `best`, `averaged` or `last`.
    """
    net, averaged = trainer.net, trainer.tested_net()
    if best is not None:
        net.load_state_dict(best)
        return "best"
    if averaged is not net:
        net.load_state_dict(averaged.state_dict())
        return "averaged"
    return "last"


class _Best(Nothing):
    """Keeps the best net in memory."""

    tensors: dict[str, Tensor] | None = None

    def best(self, trainer: Trainer, net: nn.Module) -> None:
        self.tensors = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
