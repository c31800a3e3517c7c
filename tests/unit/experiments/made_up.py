"""Made-up experiments and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphnet.experiments.results import Results, Values
from graphnet.given_experiments import load_experiment
from graphnet.spec.experiment.model import Experiment

FACTS = {"graphnet": "0.1.0", "date": "2026-01-01", "test_images": "4000"}
SHARING: dict[str, Any] = {"shared": {}, "unshared": {"set": {"sharing.over_time": False}}}
TIMES = {"set": "readout.t", "values": [5, 9, 13]}


def experiment(**more: Any) -> Experiment:
    """An experiment with the factors sharing and t."""
    base = {"graphnet-experiment": 1, "name": "made-up", "spec": "resnet-2-state-once", "seeds": "0..4"}
    return load_experiment(base | {"vary": {"sharing": SHARING, "t": TIMES}} | more)


def values(number: Callable[[Mapping[str, str], int], float], seeds: int = 5, **factors: Sequence[str]) -> Values:
    """Values from a function of labels and seed."""
    array = np.empty((*map(len, factors.values()), seeds))
    for place in np.ndindex(array.shape):
        labels = {name: own[k] for (name, own), k in zip(factors.items(), place[:-1], strict=True)}
        array[place] = number(labels, place[-1])
    return Values({name: tuple(labels) for name, labels in factors.items()}, array)


def results(seeds: int = 5, **measures: Values) -> Results:
    return Results("made-up", tuple(range(seeds)), False, measures, FACTS, ())
