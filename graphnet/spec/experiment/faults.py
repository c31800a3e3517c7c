"""Faults of an experiment's entries against each other; the models check each entry by itself."""

from __future__ import annotations

from collections.abc import Iterator

from graphnet.errors import Fault
from graphnet.spec.experiment.claim_faults import claim_faults, figure_faults, reference_faults, table_faults
from graphnet.spec.experiment.entries import FEWEST_SEEDS
from graphnet.spec.experiment.factor_faults import factor_faults, layer_faults, skip_faults
from graphnet.spec.experiment.measure_faults import measure_faults
from graphnet.spec.experiment.model import Experiment


def experiment_faults(experiment: Experiment) -> list[Fault]:
    """Return the faults of well-formed entries that do not go together."""
    return [
        *_spec_faults(experiment),
        *_seed_faults(experiment),
        *layer_faults(experiment),
        *factor_faults(experiment),
        *skip_faults(experiment),
        *measure_faults(experiment),
        *claim_faults(experiment),
        *figure_faults(experiment),
        *table_faults(experiment),
        *reference_faults(experiment),
    ]


def _spec_faults(experiment: Experiment) -> Iterator[Fault]:
    varied = any(labels and all(each.spec for each in labels.values()) for labels in experiment.factors.values())
    if experiment.spec is None and not varied:
        what = "the key 'spec' is missing, and no file that has one is used"
        fix = 'such as spec = "resnet-2-state-once", or uses = "other.toml"'
        yield Fault(("spec",), what, fix, code="GN009", given=(("uses",), ("vary",)))


def _seed_faults(experiment: Experiment) -> Iterator[Fault]:
    seeds = experiment.seeds
    twice = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if twice is not None:
        yield Fault(("seeds",), f"the seed {twice} is there twice", "leave one out", code="GN809")
    elif experiment.claims and len(seeds) < FEWEST_SEEDS:
        what = f"a claim needs at least {FEWEST_SEEDS} seeds, and there {'is 1' if len(seeds) == 1 else 'are 2'}"
        yield Fault(("seeds",), what, 'such as seeds = "0..4"', code="GN809", given=(("seeds",),))
