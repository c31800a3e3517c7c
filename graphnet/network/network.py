"""The resolved network: all names looked up, all sizes fitted, all tensors named; not yet unrolled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from graphnet.errors import KeyPath
from graphnet.network.functions.ops import Op, Shape
from graphnet.spec.notation.times import Times

INPUT, LOGITS = "input", "logits"
"""Two states of every net: the image, and the output of the post-net."""

SOURCE, FIRST = -1, -2
"""Layer arguments that denote the value that the transition reads, and the state's first value (I0)."""


VECTOR = "singular_vector"
"""Prefix of the roles of power-iteration vectors; a number follows."""


class Init(NamedTuple):
    """Initialisation of a tensor.

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
    """A tensor that a layer needs; with `per_time` it belongs to (place, arrival time), not to W (rule 18)."""

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
"""Layers in order; the last one is the result, and an empty function is the identity."""


class Tensor(NamedTuple):
    """A parameter or statistic with its name in `state_dict()`; `seed` encodes its place (rule 17).

    If it belongs to an arrival time, its name and seed contain `{t}` until `at` fills it in. `coupled` names the group
    of tensors that it is softly coupled with (rule 16).
    """

    name: str
    role: str
    shape: Shape
    init: Init
    seed: str
    coupled: str = ""

    @property
    def trainable(self) -> bool:
        """Whether it is a parameter: statistics and singular vectors are buffers."""
        return not self.role.startswith(("running_", VECTOR))

    @property
    def is_weight_of_maps(self) -> bool:
        """Whether it is a weight with two spatial dimensions, whose memory layout may be channels-last."""
        return self.trainable and len(self.shape) == 4

    def at(self, t: int) -> Tensor:
        """Return the tensor of arrival time t."""
        if "{t}" not in self.name:
            return self
        now = str(t)
        name, seed = self.name.replace("{t}", now), self.seed.replace("{t}", now)
        return Tensor(name, self.role, self.shape, self.init, seed, self.coupled)


class Binding(NamedTuple):
    """Tensors of a slot over time."""

    pieces: tuple[tuple[Times, Tensor], ...]

    def number(self, t: int) -> int:
        """Return the index of the piece that holds at arrival time t."""
        if len(self.pieces) == 1:
            return 0
        return next(number for number, (times, _) in enumerate(self.pieces) if t in times)

    def piece(self, t: int) -> Tensor:
        """Return the tensor of the piece that holds at arrival time t, with `{t}` still in its name."""
        return self.pieces[self.number(t) if len(self.pieces) > 1 else 0][1]

    def at(self, t: int) -> Tensor:
        """Return the tensor at arrival time t."""
        return self.piece(t).at(t)


@dataclass(frozen=True, eq=False)
class Transition:
    """One cell of the transition matrix: it arrives at `target` at `times` and reads `source` `delay` steps before.

    `bindings[k]` fill the slots of layer k. `open` cells have open or no explicit times. `symbol` is the first time of
    a cell whose times use T, in the form used in tensor names.
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
        """Whether it also reads its state's first value (I0)."""
        return any(FIRST in layer.arguments for layer in self.function)

    @cached_property
    def parted(self) -> tuple[Binding, ...]:
        """Bindings whose tensors differ between times, apart from per-time ones."""
        return tuple([binding for bindings in self.bindings for binding in bindings if len(binding.pieces) > 1])

    def variant(self, t: int) -> object:
        """Return a key that is equal for times with the same tensors, apart from per-time ones."""
        return (self, *[binding.number(t) for binding in self.parted]) if self.parted else self

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.target


@dataclass(frozen=True)
class State:
    """A state with all defaults filled in."""

    name: str
    shape: Shape
    merge: str
    label: str
    hold: bool = False
    zeros: bool = False
    update: Transition | None = None
    noise: tuple[float, Times] | None = None

    def noise_at(self, t: int) -> float:
        """Return the standard deviation of the noise on its value at a time; 0 for none."""
        return self.noise[0] if self.noise and t in self.noise[1] else 0.0


@dataclass(frozen=True)
class Net:
    """Transitions that hold for some readout times: for all of them, unless a slab's times use T (rule 7).

    `output` is the state whose values at the readout times are the result: the logits, or without a post-net the state
    that is read out.
    """

    readouts: tuple[int, ...]
    output: str
    transitions: tuple[Transition, ...]


@dataclass(frozen=True)
class System:
    """Kind of dynamical system of a net (LP section 2.2, rule 23), from one step after the first input on.

    Attributes:
        homogeneous: the input arrives at one time only.
        shared_weights: each layer has the same weights at all times, which LP call time-invariant (`w_t = w`).
        constant_matrix: the same transition matrix holds at all times.
        constant_statistics: no norm has per-time statistics or a per-time affine part.
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
    """A resolved net; `states` are in the order of the spec, without `input` and `logits`."""

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
        """C, H, W of the input at one time."""
        return self.input_shape

    @property
    def rank(self) -> dict[str, int]:
        """Position of each state: input first, logits last."""
        names = (INPUT, *(state.name for state in self.states), LOGITS)
        return {name: number for number, name in enumerate(names, start=-1)}

    def state(self, name: str) -> State | None:
        """Return the state of that name; None for `input` and `logits`."""
        return self._known.get(name)

    @cached_property
    def _known(self) -> dict[str, State]:
        return {state.name: state for state in self.states}
