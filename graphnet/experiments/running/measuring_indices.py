"""LPK's indices on a trained net, their intervals over images, and the curves behind them; one pass serves them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from graphnet.analysis.error_curves import KINDS, IterativeConvergence, Stage, Wrong, iterative_convergence
from graphnet.analysis.indices import bootstrap
from graphnet.experiments.running.runs import Request
from graphnet.experiments.running.trained import Trained
from graphnet.spec.experiment.measures import REPEATS
from graphnet.training.loop.evaluation import EVALUATION_BATCH

Found = Iterator[tuple[dict[str, str], float]]
BATCH = EVALUATION_BATCH // 4
"""Images of a batch: all perturbed nets run at once."""


def _curves(trained: Trained, request: Request) -> IterativeConvergence:
    """The error curves on the images of a request, with the most repeats that any request for these images asks for."""
    asked = [each for each in (request, *trained.requests) if "divergence" in each.of]
    repeats = max((_repeats(each) for each in asked if each.images == request.images), default=1)
    known = trained.curves.get(request.images)
    if known is None or len(known.stages[0].divergence) <= repeats:
        test = trained.dataset.test.batches(BATCH, most=request.images)
        known = trained.curves[request.images] = iterative_convergence(trained.net, test, more=repeats, samples=1)
    return known


def _repeats(request: Request) -> int:
    return request.repeats or REPEATS


def _wrong(kind: str, stage: Stage, request: Request) -> Wrong:
    """Misclassified images `[P, N]` under one kind of perturbation, with as many repeats as a request asks for."""
    wrong: Wrong = getattr(stage, kind)
    return wrong[: _repeats(request) + 1] if kind == "divergence" else wrong


def _index(kind: str, trained: Trained, request: Request) -> Found:
    curves = _curves(trained, request)
    for stage in curves.stages:
        errors = _wrong(kind, stage, request).mean(axis=1)
        yield {"stage": stage.state}, KINDS[kind](errors, chance=curves.chance, final=curves.final_error)


def _half_width(kind: str, trained: Trained, request: Request) -> Found:
    curves = _curves(trained, request)
    wrong = [_wrong(kind, stage, request) for stage in curves.stages]
    intervals = bootstrap(KINDS[kind], wrong, curves.final, chance=curves.chance).stages
    for stage, interval in zip(curves.stages, intervals, strict=True):
        yield {"stage": stage.state}, (interval.high - interval.low) / 2


def _curve(kind: str, trained: Trained, request: Request) -> Found:
    for stage in _curves(trained, request).stages:
        for place, error in enumerate(_wrong(kind, stage, request).mean(axis=1).tolist(), start=FIRST[kind]):
            yield {"stage": stage.state, "block": str(place)}, error


FIRST = {"convergence": 0, "recurrence": 1, "divergence": 0}
"""Kind → the label of its first error: number of blocks before readout, the block dropped, number of repeats."""
_MEASURED = {"indices.{}": _index, "indices.{}.half_width": _half_width, "curves.{}": _curve}
INDICES: Mapping[str, Callable[[Trained, Request], Found]] = {
    name.format(kind): partial(measured, kind) for kind in KINDS for name, measured in _MEASURED.items()
}
"""Name → what it measures."""
