"""Experiment files as frozen pydantic models: which runs are made, what is measured on them and what is claimed.

The models check structure, types and ranges of single entries; `faults` checks entries against each other.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import product
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PrivateAttr

from graphnet.spec.document import Document
from graphnet.spec.experiment.entries import (
    Claim,
    Edit,
    Factor,
    FactorName,
    Figure,
    FileName,
    Layer,
    Measure,
    Reference,
    Seeds,
    Settings,
    Skip,
    TableOf,
    Variant,
    is_file,
    label_of,
    number_of,
    plain_layer,
    with_names,
)
from graphnet.spec.experiment.expressions import Apply, Binary, Expression, Name
from graphnet.spec.experiment.measures import BUILT_IN, MEASURES, MeasureKind
from graphnet.spec.table import AsTuple, Table, one_of

__all__ = [
    "Claim",
    "Edit",
    "Experiment",
    "Factor",
    "Figure",
    "Measure",
    "Reference",
    "Smoke",
    "TableOf",
    "Variant",
    "is_file",
    "label_of",
    "number_of",
]


class Keys(Table):
    """The keys that both a file and its `[smoke]` may have."""

    seeds: Seeds = (0,)
    exploratory: bool = False
    set: Settings = Field(default_factory=dict)
    layer: Layer
    vary: Annotated[dict[FactorName, Factor], Field(default_factory=dict)]
    skip: Annotated[tuple[Skip, ...], AsTuple] = ()
    measure: Annotated[tuple[Measure, ...], AsTuple] = ()
    claims: Annotated[tuple[Claim, ...], AsTuple] = ()
    figure: Annotated[tuple[Figure, ...], BeforeValidator(with_names)] = ()
    table: TableOf | None = None
    reference: Annotated[tuple[Reference, ...], AsTuple] = ()


class Smoke(Keys):
    """Entries for a small form of the experiment, which are laid over the file before it is validated."""

    spec: str | None = None


class Head(Document):
    """What stands at the top of an experiment file."""

    kind: ClassVar[str] = "graphnet-experiment"

    graphnet_experiment: Annotated[Literal[1], one_of(int, saying="1, the version of experiments"), Field(alias=kind)]
    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: FileName = "experiment"
    cite: str = ""
    headline: bool = False
    spec: str | None = None
    uses: str | None = None


class Experiment(Keys, Head):
    """An experiment file, in one of its two forms: with `[smoke]` laid over it, or without.

    Attributes:
        spec: a spec's path, relative to this file, or a zoo name.
        seeds: of the runs; they are fixed before anything runs.
        set: dotted keys of the spec → values.
        vary: the factors: each combination of their labels is a condition.
        skip: conditions that are left out: factor → label.
        headline: its claims stand first in the report.
        exploratory: its verdicts are marked as such.
    """

    smoke: Smoke | None = None

    _folder: str = PrivateAttr(default="")
    _is_smoke: bool = PrivateAttr(default=False)

    @property
    def is_smoke(self) -> bool:
        """Whether `[smoke]` is laid over the file."""
        return self._is_smoke

    @property
    def train(self) -> Mapping[str, Any]:
        """What the recipe says differently in all conditions, as plain data."""
        return plain_layer(self.layer)  # type: ignore[no-any-return]

    @cached_property
    def factors(self) -> dict[str, dict[str, Variant]]:
        """Factor → label → what differs, in the order of the file."""
        return {name: factor.variants for name, factor in self.vary.items()}

    @property
    def conditions(self) -> Iterator[dict[str, str]]:
        """Yield each combination of labels, factor → label, that is not skipped; the last factor varies fastest."""
        skips = [{factor: label_of(label) for factor, label in skip.items()} for skip in self.skip]
        for labels in product(*self.factors.values()):
            condition = dict(zip(self.factors, labels, strict=True))
            if not any(skip.items() <= condition.items() for skip in skips):
                yield condition

    def path_of(self, given: str) -> str:
        """Return the path of a file that this one names, of a spec or a recipe; a name without suffix is unchanged."""
        return os.path.join(self._folder, given) if is_file(given) else given

    def kind_of(self, measure: str) -> MeasureKind | None:
        """Return the kind of a measure of this file or of a built-in one; None if there is none of this name."""
        of = next((each.of for each in self.measure if each.name == measure), None)
        found = MEASURES.get(measure if of is None else of)
        return found if of is not None or (found and found.built_in) else None

    @property
    def measures(self) -> tuple[str, ...]:
        """The names of the measures, built-in ones first."""
        return (*BUILT_IN, *(each.name for each in self.measure))

    def added_by(self, measure: str) -> tuple[str, ...]:
        """Return the factors that a measure adds. The `t` of a built-in one is known only from the plan: not here."""
        kind, own = self.kind_of(measure), next((each for each in self.measure if each.name == measure), None)
        added = list(kind.adds) if kind else []
        if own and kind and kind.by_readout and len(own.times) > 1:
            added.append("t")
        if own and own.edit and own.edit.every_block_of:
            added.append("block")
        return tuple(added)

    def factors_of(self, measure: str) -> tuple[str, ...]:
        """Return all factors of a measure: those that are varied, and those that it adds."""
        return tuple(dict.fromkeys((*self.vary, *self.added_by(measure))))

    def open_in(self, expression: Expression) -> tuple[str, ...]:
        """Return the factors that an expression leaves open, in the order of their first appearance."""
        if isinstance(expression, Name):
            gone = {each.factor for each in expression.selected if each.last is None}
            return tuple(factor for factor in self.factors_of(expression.name) if factor not in gone)
        if isinstance(expression, Binary):
            return tuple(dict.fromkeys(self.open_in(expression.left) + self.open_in(expression.right)))
        if isinstance(expression, Apply):
            return tuple(factor for factor in self.open_in(expression.argument) if factor != expression.over)
        return ()
