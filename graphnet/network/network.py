"""The resolved network: every name looked up, every size fitted, every tensor named; not yet unrolled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from graphnet.errors import KeyPath
from graphnet.network.functions.ops import Op, Shape
from graphnet.spec.notation.times import Times

INPUT, LOGITS = "input", "logits"
"""The two states every net has: the image, and what the post-net makes of the state that is read out."""

SOURCE, FIRST = -1, -2
"""Stand among a layer's arguments for the value that the transition reads, and for the state's first value (I0)."""


VECTOR = "singular_vector"
"""Roles of the vectors that power iteration keeps begin like this; a number follows."""


class Init(NamedTuple):
    """How a tensor starts.

    Schemes: `he` draws N(0, 2 / fan_in) (He et al. 2015b, eq. 10), `he-fan-out` N(0, 2 / fan_out), `glorot`
    N(0, 2 / (fan_in + fan_out)), `lecun` N(0, 1 / fan_in); `glorot-uniform` has the variance of `glorot`; `identity`
    copies channel k to channel k; `zeros`, `ones`; `constant` is `value`, a number or nested tuples of the tensor's
    shape; `unit` draws a vector of length 1.
    """

    scheme: str
    fan_in: int = 0
    fan_out: int = 0
    value: Any = None


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

    One that belongs to the arrival time has `{t}` in its name and seed until `at` fills it in. `coupled` names the
    group of tensors that it is softly coupled with (rule 16).
    """

    name: str
    role: str
    shape: Shape
    init: Init
    seed: str
    coupled: str = ""

    @property
    def trainable(self) -> bool:
        """Whether an optimiser sees it: statistics and singular vectors are buffers."""
        return not self.role.startswith(("running_", VECTOR))

    @property
    def is_weight_of_maps(self) -> bool:
        """Whether it is a weight of two dimensions of space, which lies in memory as images may."""
        return self.trainable and len(self.shape) == 4

    def at(self, t: int) -> Tensor:
        """The tensor of arrival time t."""
        if "{t}" not in self.name:
            return self
        now = str(t)
        name, seed = self.name.replace("{t}", now), self.seed.replace("{t}", now)
        return Tensor(name, self.role, self.shape, self.init, seed, self.coupled)


class Binding(NamedTuple):
    """Which tensor fills a slot at which times."""

    pieces: tuple[tuple[Times, Tensor], ...]

    def number(self, t: int) -> int:
        """Which of the pieces holds at arrival time t."""
        if len(self.pieces) == 1:
            return 0
        return next(number for number, (times, _) in enumerate(self.pieces) if t in times)

    def piece(self, t: int) -> Tensor:
        """The tensor that holds at arrival time t, its name as it is at all times of its piece."""
        return self.pieces[self.number(t) if len(self.pieces) > 1 else 0][1]

    def at(self, t: int) -> Tensor:
        """The tensor at arrival time t."""
        return self.piece(t).at(t)


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
    kind: Literal["cell", "pre_net", "post_net", "update"] = "cell"
    bindings: tuple[tuple[Binding, ...], ...] = ()

    @cached_property
    def adds_first(self) -> bool:
        """Whether it reads its state's first value too (I0)."""
        return any(FIRST in layer.arguments for layer in self.function)

    @cached_property
    def parted(self) -> tuple[Binding, ...]:
        """The bindings that are of other tensors at other times."""
        return tuple([binding for bindings in self.bindings for binding in bindings if len(binding.pieces) > 1])

    def variant(self, t: int) -> object:
        """The same for times at which it computes the same with the same tensors, apart from those of the time."""
        return (self, *[binding.number(t) for binding in self.parted]) if self.parted else self

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
    update: Transition | None = None
    noise: tuple[float, Times] | None = None

    def noise_at(self, t: int) -> float:
        """The standard deviation of the noise on its value at a time; 0 for none."""
        return self.noise[0] if self.noise and t in self.noise[1] else 0.0


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
    """The kind of dynamical system a net is (LP section 2.2, rule 23), from one step after the first input on.

    Attributes:
        homogeneous: the input arrives at one time only.
        shared_weights: each layer has the same weights at all times, which LP call time-invariant (`w_t = w`).
        constant_matrix: one transition matrix holds at all times.
        constant_statistics: no norm has statistics, or an affine part, of each time.
    """

    homogeneous: bool
    shared_weights: bool
    constant_matrix: bool
    constant_statistics: bool

    @property
    def time_invariant(self) -> bool:
        """Whether weights, matrix and statistics are all the same at every time."""
        return self.shared_weights and self.constant_matrix and self.constant_statistics


@dataclass(frozen=True)
class Network:
    """A net with everything looked up; `states` in the order of the spec, `input` and `logits` not among them."""

    name: str
    cite: str
    input_shape: Shape
    input_times: Times
    sequence: bool
    states: tuple[State, ...]
    read: str
    nets: tuple[Net, ...]
    couplings: dict[int, tuple[float, str]]
    combine: str
    weights: tuple[float, ...]

    @property
    def slice_shape(self) -> Shape:
        """C, H, W of what arrives at one time."""
        return self.input_shape

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
