"""The tables of an experiment file, as frozen pydantic models; `model` is the whole file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.times import FOREVER, parse_times, union
from graphnet.spec.recipe import Recipe, Seed, Words, short_recipe
from graphnet.spec.table import AsTuple, Table, TimeList, one_of

MOST_SEEDS = 1000
FEWEST_SEEDS = 3
"""Number of seeds that a claim needs."""
SHORT_FORM = ("set", "values")
"""Keys of a factor's short form."""
SEEDS = 'seeds such as "0..4", [0, 1, 2] or 0'


def plain_layer(recipe: Recipe) -> Any:
    """Return what a layer of a recipe says, as plain data."""
    return short_recipe(recipe.model_dump(mode="json", by_alias=True))


def _seeds(value: Any) -> Any:
    """Expand `"0..4"`, and make one number a list."""
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d{1,10})\s*\.\.\s*(\d{1,10})\s*", value, re.ASCII)
        if match is None or not 0 <= int(match[2]) - int(match[1]) < MOST_SEEDS:
            raise PydanticCustomError("kind", "{saying}", {"saying": f"this must be {SEEDS}"})
        return tuple(range(int(match[1]), int(match[2]) + 1))
    return (value,) if type(value) is int else tuple(value) if isinstance(value, list) else value


def _split(value: Any) -> Any:
    """Split factors in a string: `"sharing, t"`."""
    return tuple(word.strip() for word in value.split(",")) if isinstance(value, str) else _listed(value)


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def with_names(value: Any) -> Any:
    """Give figures without a name their default."""
    if not isinstance(value, list | tuple):
        return value
    names = ("figure" if number == 1 else f"figure-{number}" for number in range(1, len(value) + 1))
    return tuple(
        {"name": name} | dict(entry) if isinstance(entry, Mapping) else entry
        for name, entry in zip(names, value, strict=True)
    )


_NAME = r"^[A-Za-z_](?:[A-Za-z0-9_]|[.](?=[A-Za-z0-9_]))*$"
_FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"


def _like(pattern: str, saying: str) -> AfterValidator:
    """Accept only strings that match a pattern."""

    def check(value: str) -> str:
        if not re.match(pattern, value):
            raise PydanticCustomError("kind", "{saying}", {"saying": f"this must be {saying}"})
        return value

    return AfterValidator(check)


MeasureName = Annotated[str, _like(_NAME, "a name of letters, digits, '_' and '.'")]
FactorName = Annotated[str, _like(_NAME, "a name of letters, digits, '_' and '.'")]
Skip = Annotated[dict[str, Annotated[Any, one_of(str, int, float, bool, saying="a label")]], Field(min_length=1)]
"""Factor → label of conditions that are left out."""
FileName = Annotated[str, _like(_FILE_NAME, "a file's name of letters, digits, '-', '_' and '.'")]
Settings = dict[str, Any]
"""Dotted keys of a spec → values, as with `--set`."""
Layer = Annotated[Recipe, Field(alias="train", default_factory=Recipe)]
"""What a recipe's `[train]` says differently."""
Seeds = Annotated[
    tuple[Annotated[Seed, one_of(int, saying="a whole number")], ...],
    BeforeValidator(_seeds),
    Field(min_length=1, max_length=MOST_SEEDS),
]


class Edit(Table):
    """A perturbation of the trained net, with the options of `graphnet perturb`; they are applied in this order.

    Attributes:
        early, drop, repeat: `"STATE:BLOCK"`; in a `[[measure]]` also `"STATE"` for every block (not of `repeat`).
        lesion, silence: `"WHAT[@T]"`.
        noise: `"WHAT[@T]:STD"`.
        mask: the time from which another test image is shown.
        slab: a slab that is added.
    """

    early: Words = ()
    drop: Words = ()
    repeat: Words = ()
    lesion: Words = ()
    silence: Words = ()
    noise: Words = ()
    mask: Annotated[int, Field(ge=0, lt=FOREVER)] | None = None
    slab: dict[str, Any] | None = None

    @property
    def every_block_of(self) -> tuple[str, str] | None:
        """The edit and the state of `drop = "h1"`, which means every block; None if there is no such edit."""
        found = [(key, word) for key in ("early", "drop") for word in getattr(self, key) if ":" not in word]
        return found[0] if found else None

    @classmethod
    def expects(cls) -> str:
        return 'an edit such as { drop = "h1:3" }'


class Variant(Table):
    """What differs for one label of a factor.

    Attributes:
        spec: another spec: a file's path, relative to this file, or a zoo name.
        set: dotted keys of the spec → values.
        train: what the recipe says differently.
        edit: a perturbation of the trained net.
    """

    spec: str | None = None
    set: Settings = Field(default_factory=dict)
    layer: Layer
    edit: Edit | None = None

    @property
    def train(self) -> Mapping[str, Any]:
        """What the recipe says differently, as plain data."""
        return plain_layer(self.layer)  # type: ignore[no-any-return]

    @classmethod
    def expects(cls) -> str:
        return 'a table of what differs, such as { set = { "sharing.over_time" = false } }, or {}'


class Factor(Table):
    """What is varied: label → what differs; or in short form one key and its values."""

    set: str | None = None
    values: Annotated[tuple[Any, ...], AsTuple, Field(min_length=1)] | None = None
    labels: Annotated[dict[str, Variant], Field(default_factory=dict)]

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        own = {key: entry for key, entry in value.items() if key in SHORT_FORM}
        return own | {"labels": {key: entry for key, entry in value.items() if key not in SHORT_FORM}}

    @classmethod
    def expects(cls) -> str:
        return (
            'a factor such as { set = "readout.t", values = [5, 9] }, or a table with a label for each of its variants'
        )

    @property
    def variants(self) -> dict[str, Variant]:
        """Label → what differs, in the order of the file."""
        if self.set is None or self.values is None:
            return self.labels
        return {label_of(value): Variant.model_validate({"set": {self.set: value}}) for value in self.values}


class Measure(Table):
    """A measure beside the built-in ones.

    Attributes:
        name: its name in expressions.
        of: its kind, one of `measures.MEASURES`.
        edit: a perturbation of the net before it is measured.
        readout: the times at which it is read out; several add the factor `t`.
        calibrate: which running statistics are estimated on training images first.
        at: a layer, such as `"h1.from_h1.norm1"`.
        images: how many test images are used; by default all.
        repeats: how often the last block is applied again at most.
    """

    name: MeasureName
    of: str
    edit: Edit | None = None
    readout: TimeList | None = None
    calibrate: Literal["missing", "all", "none"] = "missing"
    at: str | None = None
    images: Annotated[int, Field(ge=1)] | None = None
    repeats: Annotated[int, Field(ge=1)] | None = None

    @property
    def times(self) -> tuple[int, ...]:
        """The readout times, ascending; none if it does not say any, or not rightly."""
        try:
            spans = union(parse_times(entry).times({}) for entry in self.readout or ())
        except (Misspelt, KeyError):
            return ()
        return () if spans and spans.spans[-1].last >= FOREVER - 1 else tuple(spans.upto(FOREVER))


class Claim(Table):
    """A claim.

    Attributes:
        says: the claim in words.
        effect: an expression.
        expect: what is expected of it: `"> 0"`, `"< 0.02"`, `"within 0.01"`.
        guard: conditions for a verdict, such as `"train_accuracy > 0.98"`.
        cite: where the claim is made.
    """

    says: str
    effect: str
    expect: str
    guard: str | None = None
    cite: str = ""


class Figure(Table):
    """A figure: `y` over `x`, with a line for each label of `line` and a panel for each of `panel`."""

    name: FileName
    x: str
    y: Annotated[Words, Field(min_length=1)]
    line: str | None = None
    panel: str | None = None
    title: str = ""


class TableOf(Table):
    """The table of results: a row for each combination of the labels of `rows`."""

    rows: Annotated[tuple[str, ...], BeforeValidator(_split)]
    columns: Annotated[Words, Field(min_length=1)]


class Reference(Table):
    """Published numbers: a row of the table, and a dashed line in figures."""

    label: str
    cite: str = ""
    values: dict[str, Annotated[float, Field(allow_inf_nan=False)]]

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        own = {key: entry for key, entry in value.items() if key in ("label", "cite")}
        return own | {"values": {key: entry for key, entry in value.items() if key not in own}}


def is_file(given: str) -> bool:
    """Whether a spec or a recipe is named by its file."""
    return os.path.splitext(given)[1].lower() in (".toml", ".json")


def label_of(value: Any) -> str:
    """Return the label of a value in a factor's short form: 0.9 → `0.9`, true → `true`, [1, 2] → `[1,2]`."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def number_of(label: str) -> float | None:
    """Return the number that a label is; None if it is none."""
    return float(label) if re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", label, re.ASCII) else None
