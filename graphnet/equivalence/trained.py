"""Equivalence of two trained nets, each with its own weights, on the images of a data set, in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor

from graphnet.equivalence.runs import TOLERANCE, Difference, Parting, Run, apart
from graphnet.equivalence.tensor_tables import floats_of
from graphnet.equivalence.transfer import Match, match
from graphnet.runtime.net import Net
from graphnet.training.data.dataset import Dataset
from graphnet.training.events import ByTime
from graphnet.training.loop.evaluation import EVALUATION_BATCH, Evaluation, evaluate
from graphnet.training.progress import measured
from graphnet.training.tasks import TASKS, readout_loss

BATCH = 64
"""Training images in the batch on which gradients are compared."""
WEIGHTS, STATISTICS, OUTPUTS, GRADIENTS, TESTED = "weights", "statistics", "outputs", "gradients", "test outputs"
"""Kinds of what is compared."""


@dataclass(frozen=True)
class TrainedReport:
    """Result of a comparison of two trained nets; true if they agree.

    Attributes:
        differences: by kind. Weights and statistics are those of the nets; outputs, gradients of the training loss and
            statistics are also compared after a batch of training images, in training and in evaluation mode. The last
            kind are the outputs for the test images.
        images: number of test images.
        errors: of the nets on the test images, by readout time.
        agreeing: number of test images with the same predicted class; None if the task is another.
    """

    names: tuple[str, str]
    differences: Mapping[str, tuple[Difference, ...]]
    tolerance: float
    dataset: str
    task: str
    images: int
    errors: tuple[ByTime, ByTime]
    agreeing: int | None
    parting: Parting | None

    @property
    def worst(self) -> Difference:
        """The largest difference."""
        return max((each for found in self.differences.values() for each in found), key=lambda each: each.size)

    @property
    def equal(self) -> bool:
        return self.worst.size <= self.tolerance

    def __bool__(self) -> bool:
        return self.equal

    def __str__(self) -> str:
        said = "are equal" if self.equal else "differ"
        lines = [f"{' and '.join(self.names)}, with trained weights, {said}; largest differences, in float64:"]
        for kind, found in self.differences.items():
            if found:
                worst = max(found, key=lambda each: each.size)
                where = f"  {worst.what} ({worst.mode})" if worst.size else ""
                lines.append(f"  {kind:<12}  {worst.size:.1e}{where}")
        if self.parting:
            state, t = self.parting.state, self.parting.t
            lines.append(f"they part at {state} at t = {t} (difference {self.parting.size:.1e})")
        what = "accuracy" if self.task == "classes" else ""
        one, other = (measured(errors, self.task) for errors in self.errors)
        lines.append(f"test {what} {one} and {other} on {self.images:,} images of {self.dataset}".replace("  ", " "))
        if self.agreeing is not None:
            lines[-1] += f"; {self.agreeing:,} of {self.images:,} predictions agree"
        return "\n".join(lines)


def compare_trained(
    first: Net,
    second: Net,
    dataset: Dataset,
    *,
    names: tuple[str, str] = ("the first net", "the second net"),
    tolerance: float = TOLERANCE,
    most: int | None = None,
) -> TrainedReport:
    """Compare two trained nets, each with its own weights, on the images of a data set, in float64.

    The nets are copied, not changed. One may be the other unrolled.

    Args:
        names: of the nets, for the report.
        tolerance: bound on a tensor's largest difference over its largest value, as for `compare`.
        most: number of test images; None takes all.

    Raises:
        NoTable: the weights do not correspond.
        DataError: an image cannot be read.
    """
    first, second = (deepcopy(net).double().eval() for net in (first, second))
    found = match(first, second)
    task = TASKS[dataset.task]
    device = next(tensor.device for tensor in first.state_dict().values())
    ((images, targets),) = dataset.train.batches(BATCH, device, most=BATCH)

    def loss(outputs: Mapping[int | None, Tensor]) -> Tensor:
        return readout_loss({t or 0: output for t, output in outputs.items()}, targets, task=task)

    kinds: dict[str, list[Difference]] = {kind: [] for kind in (WEIGHTS, STATISTICS, OUTPUTS, GRADIENTS, TESTED)}
    _compare_tensors(found, kinds)
    parting: Parting | None = None
    for training in (True, False):
        run = Run(found.first, found.second, found.names, images, 0, training, loss)
        here = list(run.differences())
        for each in here:
            kinds[_kind(each)].append(each)
        if parting is None and max(each.size for each in here) > tolerance:
            parting = run.parting(tolerance)
    one, other = (
        evaluate(net, dataset.test.batches(EVALUATION_BATCH, device, most=most), task, keep_outputs=True)
        for net in (first, second)
    )
    kinds[TESTED] = list(_compare_outputs(one, other))
    return TrainedReport(
        names,
        {kind: tuple(differences) for kind, differences in kinds.items()},
        tolerance,
        dataset.name,
        dataset.task,
        len(one.predictions),
        (one.error, other.error),
        int((one.predictions == other.predictions).sum()) if dataset.task == "classes" else None,
        parting,
    )


def _kind(difference: Difference) -> str:
    """The kind of a difference that a run found."""
    prefixes = {"the gradient": GRADIENTS, "the statistic": STATISTICS}
    return next((kind for prefix, kind in prefixes.items() if difference.what.startswith(prefix)), OUTPUTS)


def _compare_tensors(found: Match, kinds: Mapping[str, list[Difference]]) -> None:
    """Compare the weights and statistics of two nets before they run."""
    ours, theirs = dict(floats_of(found.first)), dict(floats_of(found.second))
    weights = {name for name, _ in found.second.named_parameters(remove_duplicate=False)}
    for name, (source, index) in found.names.items():
        kind, what = (WEIGHTS, "the weight") if name in weights else (STATISTICS, "the statistic")
        size = apart(ours[source][index], theirs[name])
        kinds[kind].append(Difference(f"{what} {source}", "as trained", 0, 0, size))


def _compare_outputs(one: Evaluation, other: Evaluation) -> Sequence[Difference]:
    """Compare the outputs for the test images at each readout time that both nets have."""
    return [
        Difference(
            "the output" if t is None else f"the output at t = {t}",
            "eval",
            0,
            len(output),
            apart(output, other.outputs[t]) if t in other.outputs else float("inf"),
        )
        for t, output in one.outputs.items()
    ]
