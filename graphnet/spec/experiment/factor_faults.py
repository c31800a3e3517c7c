"""Faults of factors, of the conditions that are left out, and of what layers say about the spec and the recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.spec.experiment.edit_faults import edit_faults
from graphnet.spec.experiment.expressions import FUNCTIONS
from graphnet.spec.experiment.model import Experiment, Factor, label_of
from graphnet.spec.recipe import Recipe

CODE = "GN802"
WITHIN_A_SEED = "all arithmetic is within a seed; seeds are joined last"
RESERVED = ("seed", "measure", "value")
"""Names that no factor has: columns of the table of results."""
WORDS = (*FUNCTIONS, "and", "over", "within")
"""Words of expressions, which name nothing else."""
MOST_CONDITIONS = 10_000
SHORT = 'such as { set = "readout.t", values = [5, 9] }'


def factor_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield faults of each factor by itself, and of its name."""
    for name, factor in experiment.vary.items():
        path: KeyPath = ("vary", name)
        yield from _name_faults(name, experiment, path)
        yield from _form_faults(factor, path)
        for label, variant in factor.labels.items():
            here = (*path, label)
            yield from _layer_faults(variant.set, variant.layer, here)
            if variant.edit:
                yield from edit_faults(variant.edit, (*here, "edit"), every_block=False)
        if factor.set is not None and factor.values is not None:
            yield from _setting_faults({factor.set: factor.values[0]}, path, (*path, "set"))
    if (count := prod(max(1, len(labels)) for labels in experiment.factors.values())) > MOST_CONDITIONS:
        what = f"the factors have {count:,} combinations; at most {MOST_CONDITIONS:,} are run"
        yield Fault(("vary",), what, "vary less in one file", on="key", code="GN601")


def _name_faults(name: str, experiment: Experiment, path: KeyPath) -> Iterator[Fault]:
    if name == "seed":
        fix = f'write seeds = "0..4" instead: {WITHIN_A_SEED}'
        yield Fault(path, "'seed' is no factor", fix, on="key", code=CODE)
    elif name in RESERVED + WORDS:
        what = f"no factor is called '{name}': results and expressions use the word"
        yield Fault(path, what, f"call it otherwise, such as varied_{name}", on="key", code=CODE)
    elif name in experiment.measures:
        what = f"a measure is called '{name}' too"
        yield Fault(path, what, f"call the factor otherwise, such as varied_{name}", on="key", code=CODE)


def _form_faults(factor: Factor, path: KeyPath) -> Iterator[Fault]:
    """Yield faults of the two forms of a factor."""
    short = factor.set is not None or factor.values is not None
    if short and factor.labels:
        label = next(iter(factor.labels))
        what = f"'{label}' is a label, and a factor has either labels or 'set' and 'values'"
        yield Fault((*path, label), what, f"keep one form, {SHORT}", on="key", code=CODE)
    elif factor.set is not None and factor.values is None:
        given = ((*path, "values"),)
        yield Fault((*path, "set"), "'set' has no 'values'", SHORT, on="key", code=CODE, given=given)
    elif factor.values is not None and factor.set is None:
        what, given = "'values' has no 'set': the key of the spec", ((*path, "set"),)
        yield Fault((*path, "values"), what, SHORT, on="key", code=CODE, given=given)
    elif not short and not factor.labels:
        fix = f"{SHORT}, or a table for each label: shared = {{}}"
        yield Fault(path, "this factor has no labels", fix, on="key", code=CODE)
    labels = [label_of(value) for value in factor.values or ()]
    if twice := next((number for number, label in enumerate(labels) if label in labels[:number]), None):
        what = f"the label '{labels[twice]}' is there twice"
        yield Fault((*path, "values", twice), what, "leave one out", code=CODE)


def layer_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield faults of what the whole file says about the spec and the recipe."""
    yield from _layer_faults(experiment.set, experiment.layer, ())


def _layer_faults(settings: Mapping[str, Any], layer: Recipe, path: KeyPath) -> Iterator[Fault]:
    yield from _setting_faults(settings, (*path, "set"))
    if "seed" in layer.model_fields_set:
        fix = 'write seeds = "0..4" at the top of the file'
        yield Fault((*path, "train", "seed"), "an experiment has several seeds", fix, on="key", code="GN809")


def _setting_faults(settings: Mapping[str, Any], path: KeyPath, at: KeyPath = ()) -> Iterator[Fault]:
    """Yield faults of keys of a spec; `at` is the entry that holds the key, if it is not a key itself."""
    for key, value in settings.items():
        place, on = (at, "value") if at else ((*path, key), "key")
        if key.split(".")[0] in ("train", "extends"):
            what = f"'{key}' is not set in the spec"
            fix = "what the recipe says differently stands in train: train = { lr = 0.1 }"
            if key == "extends":
                fix = "name the other spec with 'spec'"
            yield Fault(place, what, fix, on=on, code=CODE)  # type: ignore[arg-type]
        elif isinstance(value, Mapping) and value and "." not in key and not at:
            inner = f"{key}.{next(iter(value))}"
            fix = f'write "{inner}" = …, in quotes: TOML reads {inner} as a key in a table'
            yield Fault(place, f"this sets the whole table '{key}'", fix, on="key", code=CODE)


def skip_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield faults of the conditions that are left out; the small form may lack some of them anyway."""
    factors, before = experiment.factors, None
    for number, skip in enumerate(experiment.skip):
        for factor, given in skip.items():
            path, label = ("skip", number, factor), label_of(given)
            if factor not in factors:
                fix = did_you_mean(factor, tuple(factors)) or "vary it in [vary], or leave this out"
                what = f"no factor is called '{factor}'"
                yield (before := Fault(path, what, fix, on="key", code="GN803", given=(("vary",),)))
            elif factors[factor] and label not in factors[factor] and not experiment.is_smoke:
                what, fix = f"'{factor}' has no label '{label}'", did_you_mean(label, tuple(factors[factor]))
                yield (before := Fault(path, what, fix, code="GN803", given=(("vary",),)))
    if before is None and experiment.skip and all(factors.values()) and not any(experiment.conditions):
        what = "no condition is left"
        yield Fault(("skip",), what, "skip fewer of them", on="key", code="GN810", given=(("vary",),))
