"""What a user writes, as frozen pydantic models: one class a table of the spec (design.md, section 2).

The models check shape and type only; what the strings mean is found out by `ir.resolve`, which reports every
fault at once. Short forms (`h1 = [64, 32, 32]`, `h1 = "BRC"`) become the long form here, and `as_data` writes
the short form back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from graphnet.spec.source import Source

Merge = Literal["sum", "mean", "max", "product", "concat"]
Unroll = Literal["biological", "engineering"]
Unpopulated = Literal["empty", "zeros"]
SLAB_WORDS = ("t", "delay")


def _one_of(*kinds: type, saying: str) -> BeforeValidator:
    """Accept only values of these exact types: a boolean is no integer."""

    def check(value: Any) -> Any:
        if type(value) not in kinds:
            raise PydanticCustomError("kind", "{saying}", {"saying": f"this must be {saying}"})
        return value

    return BeforeValidator(check)


TimeEntry = Annotated[int | str, _one_of(int, str, saying='a time such as 4, "5..7" or "1..inf"')]
TimeList = Annotated[
    tuple[TimeEntry, ...],
    BeforeValidator(lambda value: tuple(value) if isinstance(value, list | tuple) else (value,)),
    Field(min_length=1),
]
Size = Annotated[int, Field(ge=1, le=1 << 40)]
AsTuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Shape = Annotated[tuple[Size, ...], AsTuple, Field(min_length=3, max_length=3)]


class Table(BaseModel):
    """A table of a spec: unknown keys are errors, values are never coerced, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_serializer(mode="wrap")
    def _only_what_was_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        said = {fields[name].alias or name for name in self.model_fields_set if name in fields}
        return {key: value for key, value in handler(self).items() if key in said}

    @model_validator(mode="before")
    @classmethod
    def _is_a_table(cls, value: Any) -> Any:
        value = cls.long_form(value)
        if not isinstance(value, Mapping | cls):
            raise PydanticCustomError("kind", "{saying}", {"saying": f"this must be {cls.expects()}"})
        return value

    @classmethod
    def long_form(cls, value: Any) -> Any:
        """The table that a short form stands for; anything else as it is."""
        return value

    @classmethod
    def expects(cls) -> str:
        """What may stand here, for error texts."""
        return "a table"


class Norm(Table):
    """How B normalises; what a table of the pre-net or post-net leaves out is taken from `[norm]`."""

    statistics: Literal["per-time", "shared"] = "per-time"
    affine: Literal["none", "shared", "per-time"] = "none"

    def over(self, base: Norm) -> Norm:
        """This table on top of another one."""
        return base.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class Input(Table):
    """`shape` is C, H, W; `t` says when the pre-net's output arrives at the entry state `state` (rule 3)."""

    shape: Shape | None = None
    t: TimeList = (0,)
    state: str | None = None


class State(Table):
    """A place that holds one value at each time it is populated."""

    shape: Shape | None = None
    label: str | None = None
    merge: Merge | None = None
    hold: bool = False
    unpopulated: Unpopulated | None = None

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"shape": value} if isinstance(value, list) else value

    @classmethod
    def expects(cls) -> str:
        return "a shape such as [64, 32, 32], or a table with a shape"

    @property
    def is_short(self) -> bool:
        return self.model_fields_set == {"shape"}


class Cell(Table):
    """The transition function from one state to another; `ops == "-"` blocks."""

    ops: str
    delay: Annotated[int, Field(ge=0)] | None = None

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"ops": value} if isinstance(value, str) else value

    @classmethod
    def expects(cls) -> str:
        return 'a transition function such as "BRCx2+I", "-", or a table with ops'

    @property
    def is_short(self) -> bool:
        return self.model_fields_set == {"ops"}


class Slab(Table):
    """One slab of the transition matrix: `rows[source][target]`, holding at the times `t`."""

    t: TimeList | None = None
    delay: Annotated[int, Field(ge=0)] | None = None
    rows: dict[str, dict[str, Cell]] = {}

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        own = {key: entry for key, entry in value.items() if key in SLAB_WORDS}
        return own | {"rows": {key: entry for key, entry in value.items() if key not in SLAB_WORDS}}


class PreNet(Table):
    """What stands between the image and the entry state."""

    ops: str
    norm: Norm = Norm()


class PostNet(Table):
    """What stands between the state that is read out and the logits."""

    ops: str
    classes: Size | None = None
    norm: Norm = Norm()


class SharingSet(Table):
    """Transitions whose weights are tied tensor by tensor."""

    members: Annotated[tuple[str, ...], AsTuple]


class Sharing(Table):
    """Which weights are one (rules 14 to 16)."""

    over_time: bool = True
    sets: Annotated[tuple[SharingSet, ...], AsTuple] = ()


class Readout(Table):
    """When the post-net reads, and which state."""

    t: TimeList
    state: str | None = None


class Spec(Table):
    """A whole spec. Two specs are equal when they say the same, wherever they were read from."""

    graphnet: Literal[1]
    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: str = "net"
    cite: str = ""
    let: dict[str, Annotated[int | str, _one_of(int, str, saying='a whole number such as 4, or "2N"')]] = {}
    input: Input
    merge: Merge = "sum"
    unroll: Unroll = "biological"
    unpopulated: Unpopulated = "empty"
    states: Annotated[dict[str, State], Field(min_length=1)]
    transitions: Annotated[tuple[Slab, ...], AsTuple] = ()
    norm: Norm = Norm()
    pre_net: PreNet | None = None
    post_net: PostNet | None = None
    sharing: Sharing = Sharing()
    readout: Readout

    _source: Source | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.as_data() == other.as_data()

    def __hash__(self) -> int:
        return hash(self.model_dump_json(by_alias=True))

    @property
    def source(self) -> Source | None:
        """The text it was read from; None for a spec given as a dict."""
        return self._source

    def as_data(self) -> dict[str, Any]:
        """The spec as plain dicts, lists, strings and numbers, in the short form and the order it was written in."""
        return _short(self.model_dump(mode="json", by_alias=True))


def _short(data: dict[str, Any]) -> dict[str, Any]:
    """Undo what `long_form` did."""
    states = {name: entry["shape"] if set(entry) == {"shape"} else entry for name, entry in data["states"].items()}
    slabs = [
        {key: _unlisted(value) for key, value in slab.items() if key != "rows"}
        | {
            source: {target: cell["ops"] if set(cell) == {"ops"} else cell for target, cell in row.items()}
            for source, row in slab["rows"].items()
        }
        for slab in data.get("transitions", [])
    ]
    short = data | {"states": states} | ({"transitions": slabs} if "transitions" in data else {})
    for table in ("input", "readout"):
        short[table] = {key: _unlisted(value) if key == "t" else value for key, value in short[table].items()}
    return short


def _unlisted(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
