"""Faults of `[[measure]]`: unknown kinds, options that a kind does not take, names and factors that are there twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.spec.experiment.edit_faults import edit_faults
from graphnet.spec.experiment.factor_faults import WORDS
from graphnet.spec.experiment.measures import ADDED, BUILT_IN, INDEX_KINDS, MEASURES, OPTIONS, MeasureKind
from graphnet.spec.experiment.model import Experiment, Measure
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.times import FOREVER, parse_times

CODE = "GN808"


def measure_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield the faults of each measure."""
    names = [measure.name for measure in experiment.measure]
    for number, measure in enumerate(experiment.measure):
        path: KeyPath = ("measure", number)
        yield from _name_faults(measure.name, names[:number], path)
        yield from _readout_faults(measure, path)
        if measure.edit:
            yield from edit_faults(measure.edit, (*path, "edit"), every_block=True)
        if kind := MEASURES.get(measure.of):
            yield from _option_faults(measure, kind, path)
            yield from _factor_faults(experiment, measure, kind, path)
        else:
            what, close = f"no measure is called '{measure.of}'", did_you_mean(measure.of, tuple(MEASURES))
            yield Fault((*path, "of"), what, f"{close} known: {LISTED}".strip(), code="GN804")


_ONE_OF = "|".join(INDEX_KINDS)
LISTED = ", ".join(dict.fromkeys(re.sub(rf"\.({_ONE_OF})", ".KIND", name) for name in MEASURES))
LISTED += f"; KIND is one of {', '.join(INDEX_KINDS)}"


def _name_faults(name: str, before: list[str], path: KeyPath) -> Iterator[Fault]:
    here = (*path, "name")
    if name in BUILT_IN:
        what = f"'{name}' is built in"
        yield Fault(here, what, f"call this one otherwise, such as own_{name}", code="GN811")
    elif name in (*WORDS, *ADDED, "seed"):
        yield Fault(
            here, f"no measure is called '{name}': it is another word of expressions", "rename it", code="GN811"
        )
    elif name in before:
        yield Fault(here, f"two measures are called '{name}'", "rename one of them", code="GN811")


def _option_faults(measure: Measure, kind: MeasureKind, path: KeyPath) -> Iterator[Fault]:
    said = [option for option in OPTIONS if option in measure.model_fields_set]
    for option in said:
        if option not in kind.takes:
            takes = f"it takes {', '.join(kind.takes)}" if kind.takes else "it has no options"
            what = f"'{kind.name}' does not take '{option}'"
            yield Fault((*path, option), what, takes, on="key", code=CODE)
    for option in kind.needs:
        if option not in said:
            what, fix = f"'{kind.name}' needs '{option}'", EXAMPLES[option]
            yield Fault((*path, "of"), what, fix, code=CODE, given=((*path, option),))


EXAMPLES = {"at": 'a layer, such as at = "h1.from_h1.norm1"'}
ADDED_BY = {"t": "readout", "block": "edit"}
"""Factor → the option that adds it."""


def _factor_faults(experiment: Experiment, measure: Measure, kind: MeasureKind, path: KeyPath) -> Iterator[Fault]:
    for factor in experiment.added_by(measure.name):
        if factor in experiment.vary:
            key = "of" if factor in kind.adds else ADDED_BY[factor]
            what = f"this adds the factor '{factor}', which is varied too"
            renamed = f"trained_{factor}" if factor == "t" else f"varied_{factor}"
            yield Fault((*path, key), what, f"rename the varied one: [vary.{renamed}]", on="key", code=CODE)


def _readout_faults(measure: Measure, path: KeyPath) -> Iterator[Fault]:
    for index, entry in enumerate(measure.readout or ()):
        here, fix = (*path, "readout", index), 'such as "7..23", 9 or [7, 9]'
        try:
            times = parse_times(entry)
        except Misspelt as wrong:
            span = (wrong.start, wrong.end) if isinstance(entry, str) else None
            yield Fault(here, wrong.what, wrong.fix, span=span, code=wrong.code)
            continue
        if times.names:
            what = f"'{times.names[0]}' is not known here: readout times are written as numbers"
            yield Fault(here, what, fix, code=CODE)
        elif not (spans := times.times({}).spans) or spans[-1].last >= FOREVER - 1:
            yield Fault(here, "these times have no end", fix, code=CODE)
