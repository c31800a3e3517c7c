"""Training epoch by epoch, from any step on: order of events, validation, what is kept, when it stops."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import asdict, replace

import torch
from torch import Tensor, nn

from graphnet.spec.recipe import DEFAULT_EPOCHS, Recipe
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.loader import TrainingBatches
from graphnet.training.errors import DivergenceError, Stopped, TrainingWarning
from graphnet.training.events import EpochDone, Report, Started, StepDone, ignore
from graphnet.training.loop.evaluation import EVALUATION_BATCH, Evaluation, evaluate
from graphnet.training.loop.schedule import learning_rate
from graphnet.training.loop.settings import check_precision, in_mode, is_slow, memory_bytes, settings
from graphnet.training.loop.state import Keeper, Nothing, Progress
from graphnet.training.loop.stepper import NotFinite, Stepper
from graphnet.training.loop.stops import StopRequest, never
from graphnet.training.tasks import TASKS

CHECK_EVERY = 50
"""Steps between two looks at the losses where a look waits for the device."""
REPORT_SECONDS = 0.1
SAVE_SECONDS = 600.0


class Trainer:
    """Trains a net in place by a recipe.

    Args:
        net: moved to the device and to the recipe's number type.
        dataset: its task decides on the loss and the error.
        workers: processes that read images that are not in memory; they do not change the results.
        deterministic: let torch use deterministic algorithms only; on a CPU a run repeats bit for bit anyway.
        stop: asked before each step.
        save_seconds: time between two saves within an epoch.

    Raises:
        RecipeError: the recipe does not fit the net or the device.
        TrainingError: the net has nothing to train.
    """

    def __init__(
        self,
        net: nn.Module,
        dataset: Dataset,
        recipe: Recipe,
        device: torch.device,
        *,
        workers: int = 0,
        deterministic: bool = False,
        keeper: Keeper | None = None,
        report: Report = ignore,
        stop: StopRequest = never,
        save_seconds: float = SAVE_SECONDS,
    ) -> None:
        check_precision(recipe, device)
        if slow := is_slow(recipe, device):
            warnings.warn(slow, TrainingWarning, stacklevel=2)
        self.net, self.dataset, self.recipe, self.device = net, dataset, recipe, device
        self.progress = Progress()
        self._task = TASKS[dataset.task]
        self._stepper = Stepper(net, recipe, device, self._task)
        self._batches = TrainingBatches(
            dataset,
            batch_size=recipe.batch_size,
            seed=recipe.seed,
            augment=recipe.augment,
            device=device,
            workers=workers,
        )
        self.steps = max(1, self._batches.steps // recipe.accumulate)
        self.last_step = recipe.steps or (recipe.epochs or DEFAULT_EPOCHS) * self.steps
        self.epochs = -(-self.last_step // self.steps)
        self._deterministic, self._keeper, self._report, self._stop = deterministic, keeper or Nothing(), report, stop
        self._save_seconds, self._saved_at, self._reported_at = save_seconds, time.monotonic(), 0.0
        self._restored: Mapping[str, Tensor] | None = None

    def state(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        """What training continues from, beside the net's `state_dict()`: tensors by name, and numbers for JSON."""
        self._read_sums()
        return self._stepper.state(), asdict(self.progress)

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, object]) -> None:
        """Let `run` continue from what `state` returned; the caller has loaded the net."""
        self._restored, self.progress = tensors, Progress(**numbers)  # type: ignore[arg-type]

    # ---- the loop

    def run(self) -> tuple[EpochDone, ...]:
        """Train to the end, or until the validation error has not improved for `patience` epochs.

        Returns:
            The epochs that this call finished.

        Raises:
            DivergenceError: a loss is not finite; the message names step, state and time.
            Stopped: on request; the keeper has the state.
        """
        done: list[EpochDone] = []
        with ExitStack() as block:
            block.enter_context(settings(self.recipe, self.device, self._deterministic))
            block.enter_context(_frozen(self._stepper.optimizers.frozen.values()))
            block.callback(self._batches.close)
            self._report(self._started())
            if not self._go_on():
                self._keeper.last(self)
            while self.progress.epoch <= self.epochs and not self._is_out_of_patience():
                try:
                    self._train_epoch()
                    done.append(self._finish_epoch())
                except Stopped:
                    self._keeper.last(self)
                    raise
                except _Unnoticed:
                    self._replay()
        return tuple(done)

    def _go_on(self) -> bool:
        """Whether there is a state to continue from; restore it."""
        if self._restored is None:
            return False
        self._stepper.restore(self._restored)
        self._restored = None
        return True

    def _replay(self) -> None:
        """Go back to the last kept state, and check each step from there on."""
        if not self._keeper.go_back(self):
            where = f"within {CHECK_EVERY} steps before epoch {self.progress.epoch}, step {self.progress.step}"
            raise DivergenceError(f"the loss is not finite {where}\n  {SMALLER}") from None
        self._go_on()
        self._stepper.check_each(True)

    def _started(self) -> Started:
        now = self.progress
        return Started(
            recipe=self.recipe,
            dataset=self.dataset.name,
            steps=self.steps,
            epochs=self.epochs,
            device=str(self.device),
            images=len(self.dataset.train),
            left_out=self._batches.left_out,
            batch_size=self.recipe.batch_size,
            resumed_at=None if self._restored is None else (now.epoch, now.step),
            task=self.dataset.task,
        )

    def _is_out_of_patience(self) -> bool:
        now = self.progress
        return self.recipe.patience is not None and now.epoch - 1 - now.best_epoch >= self.recipe.patience

    def _train_epoch(self) -> None:
        """Take the steps of the epoch that are left."""
        now, stepper = self.progress, self._stepper
        end = min(self.steps, self.last_step - (now.epoch - 1) * self.steps)
        if now.step >= end:
            return
        with (
            closing(self._batches.epoch(now.epoch, now.step * self.recipe.accumulate)) as batches,
            in_mode(self.net, training=True, frozen=stepper.optimizers.still),
        ):
            while now.step < end:
                self._pause()
                started = time.perf_counter()
                try:
                    stepper.step(batches, self._rate(now.step))
                except NotFinite as fault:
                    where = f"the loss is {fault.loss} in epoch {now.epoch}, step {now.step + 1} of {self.steps}"
                    rate = f"at learning rate {self._rate(now.step):g}"
                    raise DivergenceError(f"{where}, {rate}: {fault.why}\n  {SMALLER}") from None
                now.step += 1
                now.seconds += time.perf_counter() - started
                self._after_step()
            started = time.perf_counter()
            self._check()  # waits for the device
            now.seconds += time.perf_counter() - started

    def _rate(self, step: int) -> float:
        """The learning rate of a step of this epoch, counted from 0."""
        step += (self.progress.epoch - 1) * self.steps
        return learning_rate(self.recipe, step, self.steps, self.last_step)

    def _after_step(self) -> None:
        now, stepper = self.progress, self._stepper
        if now.first_loss is None:
            now.first_loss = stepper.last_loss()
        if now.step % CHECK_EVERY == 0:
            self._check()
        clock = time.monotonic()
        if clock - self._reported_at >= REPORT_SECONDS:
            self._reported_at = clock
            images = now.images + stepper.images
            loss = stepper.last_loss() if stepper.checks_each else None
            self._report(StepDone(now.epoch, now.step, images / max(now.seconds, 1e-9), loss))
        if clock - self._saved_at >= self._save_seconds:
            self._save()

    def _check(self) -> None:
        """Raise _Unnoticed if a loss was not finite some steps ago."""
        if not self._stepper.checks_each and not self._stepper.all_finite():
            raise _Unnoticed

    def _save(self) -> None:
        self._check()
        self._keeper.last(self)
        self._saved_at = time.monotonic()

    def _pause(self) -> None:
        """Raise Stopped if there is a request to stop."""
        if stopped := self._stop():
            raise stopped

    def _read_sums(self) -> None:
        losses, errors, images = self._stepper.read()
        self.progress.losses += losses
        self.progress.errors += errors
        self.progress.images += images

    # ---- the end of an epoch

    def _finish_epoch(self) -> EpochDone:
        """Validate, report, and keep the state from which the next epoch starts."""
        self._check()
        self._read_sums()
        now = self.progress
        done = EpochDone(
            epoch=now.epoch,
            learning_rate=self._rate(now.step - 1),
            train_loss=now.losses / now.images,
            train_error=self._task.summarised(now.errors / now.images),
            validation_loss=None,
            validation_error=None,
            monitored_error=None,
            seconds=now.seconds,
            images_per_second=now.images / max(now.seconds, 1e-9),
            memory_bytes=memory_bytes(self.device),
        )
        if self.dataset.validation is not None or self.recipe.monitor:
            done = self._validated(done)
        self._report(done)
        self.progress = Progress(
            now.epoch + 1, first_loss=now.first_loss, best_error=now.best_error, best_epoch=now.best_epoch
        )
        self._save()
        return done

    def _validated(self, done: EpochDone) -> EpochDone:
        now, net = self.progress, self.tested_net()
        if self.dataset.validation is not None:
            found = self.test(net, "validation")
            done = replace(done, validation_loss=found.loss, validation_error=found.error)
            if now.best_error is None or found.final_error < now.best_error:
                now.best_error, now.best_epoch = found.final_error, now.epoch
                self._keeper.best(self, net)
        if self.recipe.monitor:
            done = replace(done, monitored_error=self.test(net, "test").error)
        return done

    def tested_net(self) -> nn.Module:
        """The net to validate and test: the trained one, or the average with calibrated statistics."""
        average = self._stepper.average
        if average is None:
            return self.net
        with self._kept_random():
            return average.net(self.dataset.train, self.recipe.batch_size)

    def test(self, net: nn.Module, part: str, keep_outputs: bool = False) -> Evaluation:
        """Evaluate a net on the `validation` or `test` part. Raises Stopped on request."""
        images = self.dataset.validation if part == "validation" else self.dataset.test
        assert images is not None, f"no {part} part"
        batches = images.batches(EVALUATION_BATCH, self.device)
        with self._kept_random():
            return evaluate(net, batches, self._task, keep_outputs=keep_outputs, pulse=self._pause)

    def _kept_random(self) -> AbstractContextManager[None]:
        """Restore the random state after a block: a test, even one that is stopped, changes nothing."""
        return torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else [])


SMALLER = "a smaller lr often helps; so may normalisation on the transitions that repeat"


class _Unnoticed(Exception):  # noqa: N818 - caught by `run`
    """Raised where a loss was not finite some steps ago."""


@contextmanager
def _frozen(parameters: Collection[nn.Parameter]) -> Iterator[None]:
    """Parameters need no gradient within a block."""
    for each in parameters:
        each.requires_grad_(False)
    try:
        yield
    finally:
        for each in parameters:
            each.requires_grad_(True)
