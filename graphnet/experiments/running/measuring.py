"""Measures on a trained net, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from graphnet.analysis.blocks.residual_norms import residual_norms
from graphnet.analysis.blocks.weight_similarity import weight_similarity
from graphnet.analysis.perturb import origin_of, perturbed, shown_to
from graphnet.analysis.time.norm_statistics import norm_statistics
from graphnet.analysis.time.readouts import Calibration, read_out
from graphnet.equivalence import compare_trained, unrolled
from graphnet.errors import did_you_mean
from graphnet.experiments.running.measured import Points
from graphnet.experiments.running.measuring_indices import INDICES
from graphnet.experiments.running.runs import Request
from graphnet.experiments.running.trained import Trained
from graphnet.planning.time_expansion import expand_in_time
from graphnet.rewrite.edit_texts import edits_of
from graphnet.rewrite.perturbations import Edit
from graphnet.rewrite.spec_editor import EditError, stages
from graphnet.runtime.net import Net
from graphnet.training.events import ByTime
from graphnet.training.loop.evaluation import EVALUATION_BATCH, Evaluation, evaluate
from graphnet.training.tasks import TASKS


def measure(trained: Trained, request: Request) -> Points:
    """Measure a trained net.

    Raises:
        EditError: the measure does not fit the net.
        TrainingError: the data cannot be read.
    """
    return list(MEASURES[request.of](trained, request))


def _points(choose: Callable[[Evaluation], ByTime]) -> Callable[[Trained, Request], Iterator[tuple[Any, float]]]:
    """A measure of what the net answers for the test images, by readout time."""

    def found(trained: Trained, request: Request) -> Iterator[tuple[dict[str, str], float]]:
        for labels, edits in _edits(trained.net, request.edit):
            found = _by_time(trained, request, edits, choose)
            one = request.readout is None or request.readout.isdecimal()
            for t, value in found.items():
                yield labels | ({} if t is None or (one and len(found) == 1) else {"t": str(t)}), value

    return found


def _by_time(
    trained: Trained, request: Request, edits: Sequence[Edit], choose: Callable[[Evaluation], ByTime]
) -> dict[int | None, float]:
    spec = trained.net.meta["spec"]

    def training() -> Iterator[tuple[Tensor, Tensor]]:
        return shown_to(spec, edits, trained.dataset.train, trained.batch_size)

    which: Calibration = request.calibrate  # type: ignore[assignment]
    net = trained.net
    if edits:
        net = perturbed(net, edits, None if which == "none" else training())
    nets: Sequence[Net] = (net,)
    if request.readout is not None or which == "all":
        times = request.readout or [t for t, _ in origin_of(net)[0].outputs]
        nets = read_out(net, times, training(), which).nets
    found: dict[int | None, float] = {}
    for each in nets:
        test = shown_to(spec, edits, trained.dataset.test, EVALUATION_BATCH, request.images)
        values = choose(evaluate(each, test, TASKS[trained.dataset.task]))
        last = each.meta["plan"].last_time if request.readout is not None else None
        found |= {last if t is None else t: value for t, value in values.items()}
    return dict(sorted(found.items(), key=lambda item: item[0] or 0))


def _edits(net: Net, given: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], list[Edit]]]:
    """The edits of a request; where it names a stage without a block, those of each block, with its label."""
    word, state = next(((word, text) for word in STAGED for text in given.get(word, ()) if ":" not in text), ("", ""))
    if not word:
        yield {}, edits_of(given)
        return
    known = stages(expand_in_time(net.meta["spec"]))
    if state not in known:
        raise EditError(f"'{state}' is not a stage\n  stages: {', '.join(known) or 'none'}")
    for block in range(STAGED[word], known[state] + 1):
        texts = [f"{state}:{block}" if text == state else text for text in given[word]]
        yield {"block": str(block)}, edits_of({**given, word: texts})


STAGED = {"early": 0, "drop": 1}
"""Edits that may name a stage without a block → the first block."""


def _statistics(values: Callable[[Any], Any]) -> Callable[[Trained, Request], Iterator[tuple[Any, float]]]:
    """A measure of one batch norm, by time and channel."""

    def found(trained: Trained, request: Request) -> Iterator[tuple[dict[str, str], float]]:
        norms = {norm.layer: norm for norm in norm_statistics(trained.net)}
        if request.at not in norms:
            hint = did_you_mean(request.at, list(norms))
            raise EditError("\n  ".join(filter(None, (f"no batch norm is called '{request.at}'", hint))))
        norm = norms[request.at]
        for t, row in zip(norm.times, values(norm), strict=True):
            for channel, value in enumerate(row.tolist()):
                yield {"t": str(t), "channel": str(channel)}, value

    return found


def _unrolled_difference(trained: Trained, request: Request) -> Iterator[tuple[dict[str, str], float]]:
    report = compare_trained(trained.net, unrolled(trained.net), trained.dataset, most=request.images)
    yield {}, report.worst.size


def _similarity(trained: Trained, request: Request) -> Iterator[tuple[dict[str, str], float]]:
    for stage, value in weight_similarity(trained.net).items():
        yield {"stage": stage}, value


def _residual_norm(trained: Trained, request: Request) -> Iterator[tuple[dict[str, str], float]]:
    test = trained.dataset.test.batches(EVALUATION_BATCH, most=request.images)
    for stage, norms in residual_norms(trained.net, test).items():
        for block, value in enumerate(norms, start=1):
            yield {"stage": stage, "block": str(block)}, value


MEASURES: Mapping[str, Callable[[Trained, Request], Iterator[tuple[dict[str, str], float]]]] = {
    "test_error": _points(lambda evaluation: evaluation.error),
    "loss": _points(lambda evaluation: evaluation.loss),
    "running_mean": _statistics(lambda norm: norm.mean),
    "running_var": _statistics(lambda norm: norm.variance),
    "gain": _statistics(lambda norm: norm.gain),
    **INDICES,
    "similarity": _similarity,
    "residual_norm": _residual_norm,
    "unrolled_difference": _unrolled_difference,
}
"""Name → what it measures."""
