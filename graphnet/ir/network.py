"""The resolved network: every name looked up, every size fitted, every tensor named; not yet unrolled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from graphnet.errors import KeyPath
from graphnet.ir.ops import Op, Shape
from graphnet.spec.times import Times

INPUT, LOGITS = "input", "logits"
"""The two states every net has: the image, and what the post-net makes of the state that is read out."""

SOURCE = -1
"""Stands among a layer's arguments for the value that the transition reads."""


class Init(NamedTuple):
    """How a tensor starts: `he` draws N(0, 2 / fan_in) (He et al. 2015b, eq. 10); zeros; ones."""

    scheme: Literal["he", "zeros", "ones"]
    fan_in: int = 0


class Slot(NamedTuple):
    """A tensor that a layer needs. `per_time`: it belongs to (place, arrival time), not to W (rule 18)."""

    role: str
    shape: Shape
    init: Init
    per_time: bool = False


class Layer(NamedTuple):
    """One op of a transition function; `arguments` are indices of earlier layers or SOURCE."""

    label: str
    op: Op
    arguments: tuple[int, ...]
    shape: Shape
    slots: tuple[Slot, ...] = ()


Function = tuple[Layer, ...]
"""Layers in order; the last one is the result; no layer at all is the identity."""


class Tensor(NamedTuple):
    """A parameter or statistic under its name in `state_dict()`; `seed` is its place (rule 17).

    One that belongs to the arrival time has `{t}` in its name and seed until `at` fills it in.
    """

    name: str
    role: str
    shape: Shape
    init: Init
    seed: str

    @property
    def trainable(self) -> bool:
        """Whether an optimiser sees it: statistics are buffers."""
        return not self.role.startswith("running_")

    def at(self, t: int) -> Tensor:
        """The tensor of arrival time t."""
        if "{t}" not in self.name:
            return self
        return self._replace(name=self.name.format(t=t), seed=self.seed.format(t=t))


class Binding(NamedTuple):
    """Which tensor fills a slot at which times."""

    pieces: tuple[tuple[Times, Tensor], ...]

    def at(self, t: int) -> Tensor:
        """The tensor at arrival time t."""
        if len(self.pieces) == 1:
            return self.pieces[0][1].at(t)
        return next(tensor for times, tensor in self.pieces if t in times).at(t)


@dataclass(frozen=True, eq=False)
class Transition:
    """One cell of the transition matrix: it arrives at `target` at `times` and reads `source` `delay` steps before.

    `bindings[k]` fill the slots of layer k. `open` cells hold at open or unsaid times. `symbol` is the first time
    of a cell that names T, as it stands in tensor names.
    """

    source: str
    target: str
    place: str
    text: str
    times: Times
    delay: int
    function: Function
    path: KeyPath = ()
    open: bool = True
    symbol: str = ""
    bindings: tuple[tuple[Binding, ...], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.target


@dataclass(frozen=True)
class State:
    """A state with its choices made."""

    name: str
    shape: Shape
    merge: str
    label: str
    hold: bool = False
    zeros: bool = False


@dataclass(frozen=True)
class Net:
    """The transitions that hold for some readout times; all of them, unless a slab's times name T (rule 7).

    `output` is the state whose values at the readout times are the result: logits, or without a post-net the
    state that is read.
    """

    readouts: tuple[int, ...]
    output: str
    transitions: tuple[Transition, ...]


@dataclass(frozen=True)
class System:
    """What kind of dynamical system a net is (LP section 2.2, rule 23)."""

    homogeneous: bool
    shared_weights: bool
    constant_matrix: bool
    constant_statistics: bool

    @property
    def time_invariant(self) -> bool:
        """LP's time-invariant: weights, matrix and statistics are the same at every time."""
        return self.shared_weights and self.constant_matrix and self.constant_statistics


@dataclass(frozen=True)
class Network:
    """A net with everything looked up; `states` in the order of the spec, `input` and `logits` not among them."""

    name: str
    cite: str
    input_shape: Shape
    input_times: Times
    states: tuple[State, ...]
    read: str
    nets: tuple[Net, ...]
    system: System
    readout_path: KeyPath = ("readout", "t")

    @property
    def rank(self) -> dict[str, int]:
        """The order of the states: input first, logits last."""
        names = (INPUT, *(state.name for state in self.states), LOGITS)
        return {name: number for number, name in enumerate(names, start=-1)}

    def state(self, name: str) -> State | None:
        """The state of that name; None for `input` and `logits`."""
        return self._known.get(name)

    @cached_property
    def _known(self) -> dict[str, State]:
        return {state.name: state for state in self.states}
