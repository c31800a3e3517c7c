"""The spec as frozen pydantic models, one class per table (design.md, section 2).

The models check only structure and types; `network.resolve` reads the strings and reports every fault at once. Short
forms (`h1 = [64, 32, 32]`, `h1 = "BRC"`) become long forms here, and `as_data` restores the short forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from graphnet.spec.document import Document
from graphnet.spec.notation.transition_functions import Call
from graphnet.spec.recipe import Recipe, short_recipe
from graphnet.spec.table import (
    AsTuple,
    Delay,
    Merge,
    Number,
    Ops,
    Shape,
    Size,
    Table,
    TimeEntry,
    TimeList,
    Unpopulated,
    Unroll,
    one_of,
)

SLAB_WORDS = ("t", "delay")
"""Keys of a slab that are not rows."""


class Norm(Table):
    """Settings of B; the tables of the pre-net, the post-net and an op inherit what they omit from `[norm]`."""

    kind: Literal["batch", "group", "layer", "none"] = "batch"
    groups: Annotated[int, Field(ge=1)] = 32
    statistics: Literal["per-time", "shared"] = "per-time"
    affine: Literal["none", "shared", "per-time"] = "none"
    eps: Annotated[float, Field(gt=0)] = 1e-5
    momentum: Annotated[float, Field(ge=0, le=1)] = 0.1
    scale: float = 1.0

    def over(self, base: Norm) -> Norm:
        """Return this table laid over another one."""
        return base.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})

    def of(self, call: Call) -> Norm:
        """Return this table overridden by the settings of one B in list form, constants replaced."""
        return self.model_copy(update=dict(call.settings))

    @property
    def has_tensors(self) -> bool:
        """Whether a B owns statistics or an affine part."""
        return self.kind == "batch" or (self.kind != "none" and self.affine != "none")


class Input(Table):
    """The image of `shape` C, H, W; the pre-net's output arrives at the entry state `state` at the times `t` (rule 3).

    A `sequence` is `[N, T, C, H, W]`: its k-th slice arrives at the k-th time of `t`.
    """

    shape: Shape | None = None
    t: TimeList = (0,)
    state: str | None = None
    sequence: bool = False


class Noise(Table):
    """Normal noise on a state's value at the times `t`, by default always."""

    std: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    t: TimeList | None = None

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"std": value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @classmethod
    def expects(cls) -> str:
        return 'a standard deviation such as 0.1, or { std = 0.1, t = "3..5" }'


class State(Table):
    """A node of the net, which holds one value at each time at which it is populated."""

    shape: Shape | None = None
    label: str | None = None
    merge: Merge | None = None
    update: Ops | None = None
    hold: bool | None = None
    unpopulated: Unpopulated | None = None
    noise: Noise | None = None
    part: str | None = None

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"shape": value} if isinstance(value, list | tuple) else value

    @classmethod
    def expects(cls) -> str:
        return "a shape such as [64, 32, 32], or a table with a shape"


class Gain(Table):
    """Factor of a transition: fixed at `init`, or learned from there if `learn`."""

    init: float = 1.0
    learn: bool = False

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"init": value} if isinstance(value, int | float) and not isinstance(value, bool) else value

    @classmethod
    def expects(cls) -> str:
        return "a number, or { init = 0, learn = true }"


class Cell(Table):
    """The transition function from one state to another; `ops == "-"` blocks.

    `lipschitz` bounds the Lipschitz constant of what is added to an identity (LPK eq. 3).
    """

    ops: Ops
    delay: Delay | None = None
    gain: Gain | None = None
    lipschitz: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    noise: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"ops": value} if isinstance(value, str | list | tuple) else value

    @classmethod
    def expects(cls) -> str:
        return 'a transition function such as "BRCx2+I", "-", or a table with ops'

    @property
    def is_short(self) -> bool:
        return self.model_fields_set == {"ops"}


class Slab(Table):
    """One slab of the transition matrix: `rows[source][target]`, which hold at the times `t`."""

    t: TimeList | None = None
    delay: Delay | None = None
    rows: Annotated[dict[str, dict[str, Cell]], Field(default_factory=dict)]

    @classmethod
    def long_form(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        own = {key: entry for key, entry in value.items() if key in SLAB_WORDS}
        return own | {"rows": {key: entry for key, entry in value.items() if key not in SLAB_WORDS}}


Slabs = Annotated[tuple[Slab, ...], AsTuple]


class Part(Table):
    """States and transitions that a state can be made of (rule 26)."""

    states: Annotated[dict[str, State], Field(min_length=1)]
    transitions: Slabs = ()
    unroll: Unroll | None = None


class PreNet(Table):
    """Function from the image to the entry state."""

    ops: Ops
    norm: Norm = Norm()


class PostNet(Table):
    """Function from the state that is read out to the logits."""

    ops: Ops
    classes: Size | None = None
    norm: Norm = Norm()


Triple = Annotated[tuple[str, str, TimeEntry], AsTuple]
Member = Annotated[
    Annotated[str, Tag("<string>")] | Annotated[Triple, Tag("<triple>")],
    Discriminator(lambda value: "<triple>" if isinstance(value, list | tuple) else "<string>"),
]
"""A selector `h1->h1@1..5#conv*`, or a triple `["h1", "h1", 3]`."""


class SharingSet(Table):
    """Transitions whose weights are tied tensor by tensor, or softly coupled if `coupling` is given (rules 15, 16)."""

    members: Annotated[tuple[Member, ...], AsTuple]
    except_: Annotated[tuple[Member, ...], AsTuple, Field(alias="except")] = ()
    coupling: Annotated[float, Field(ge=0, le=1)] | None = None
    kernel: Literal["uniform", "triangular"] = "uniform"
    start: Literal["equal", "independent"] = "equal"


class Sharing(Table):
    """Weight sharing (rules 14 to 16)."""

    over_time: bool = True
    sets: Annotated[tuple[SharingSet, ...], AsTuple] = ()


class Readout(Table):
    """When and what the post-net reads, and how several readouts are combined (rule 20)."""

    t: TimeList
    state: str | None = None
    combine: Literal["none", "mean", "cumulative", "cumulative-sum"] = "none"
    weights: Annotated[tuple[Annotated[float, Field(ge=0)], ...], AsTuple] | None = None


class Spec(Document):
    """A whole spec. Two specs are equal if their contents are equal, wherever they were read from."""

    kind: ClassVar[str] = "graphnet"

    graphnet: Annotated[Literal[1], one_of(int, saying="1, the version of the language")]
    schema_: Annotated[str | None, Field(alias="$schema")] = None
    name: str = "net"
    cite: str = ""
    extends: str | None = None
    let: Annotated[dict[str, Number], Field(default_factory=dict)]
    input: Input
    merge: Merge = "sum"
    unroll: Unroll = "biological"
    unpopulated: Unpopulated = "empty"
    states: Annotated[dict[str, State], Field(min_length=1)]
    parts: Annotated[dict[str, Part], Field(default_factory=dict)]
    transitions: Slabs = ()
    norm: Norm = Norm()
    pre_net: PreNet | None = None
    post_net: PostNet | None = None
    sharing: Sharing = Sharing()
    readout: Readout
    train: Recipe | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.as_data() == other.as_data() and self._order() == other._order()

    def __hash__(self) -> int:
        return hash(self.model_dump_json(by_alias=True))

    def _order(self) -> tuple[list[str], ...]:
        """Return the orders that have a meaning."""
        return (list(self.let), list(self.states), *(list(part.states) for part in self.parts.values()))

    def as_data(self) -> dict[str, Any]:
        """Return the spec as plain dicts, lists, strings and numbers, in short form; states keep their order."""
        return _short(self.model_dump(mode="json", by_alias=True))


def _short(data: dict[str, Any]) -> dict[str, Any]:
    """Undo `long_form`."""
    short = _short_graph(data)
    if "parts" in data:
        short["parts"] = {name: _short_graph(part) for name, part in data["parts"].items()}
    for table in ("input", "readout"):
        short[table] = {key: _unlisted(value) if key == "t" else value for key, value in short[table].items()}
    if "train" in data:
        short["train"] = short_recipe(data["train"])
    return short


def _short_graph(data: dict[str, Any]) -> dict[str, Any]:
    states = {name: entry["shape"] if set(entry) == {"shape"} else entry for name, entry in data["states"].items()}
    slabs = [
        {key: _unlisted(value) for key, value in slab.items() if key != "rows"}
        | {
            source: {target: _short_cell(cell) for target, cell in row.items()}
            for source, row in slab.get("rows", {}).items()
        }
        for slab in data.get("transitions", [])
    ]
    return data | {"states": states} | ({"transitions": slabs} if "transitions" in data else {})


def _short_cell(cell: dict[str, Any]) -> Any:
    if set(cell) == {"ops"}:
        return cell["ops"]
    return cell | {"gain": cell["gain"]["init"]} if set(cell.get("gain", {})) == {"init"} else cell


def _unlisted(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value
