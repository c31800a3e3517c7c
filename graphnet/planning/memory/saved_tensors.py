"""What autograd saves for the backward pass, from a plan.

The plan is an executed one (`net.meta["executed"]`): passes change what is saved.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from graphnet.network.functions.lipschitz import Bound, norms_in
from graphnet.network.functions.ops import KINDS, Line, Shape
from graphnet.network.network import Tensor
from graphnet.planning.body import IMAGE, inlined
from graphnet.planning.plan import Plan

WIDTHS: Mapping[str, tuple[int, int]] = {"fp32": (4, 4), "tf32": (4, 4), "fp64": (8, 8), "bf16": (4, 2)}
"""Number type of a recipe → bytes of a parameter, and of an element that a convolution makes (bf16 is autocast)."""

CONVOLUTIONS = ("conv", "conv_transpose", "linear", "convs")
SAVES_ARGUMENT = (
    *("batch_norm", "shared_norm", "group_norm", "layer_norm", "max_pool", "avg_pool"),
    *("elu", "gelu", "leaky_relu", "silu", "softplus"),
)
SAVES_VALUE = ("relu", "sigmoid", "tanh")
SAVES_FACTORS = ("product", "max")
"""Ops whose backward pass needs their argument, their value, or both factors; those in no table need nothing."""

VIEWS = ("item", "part", "value", "slice", "flatten")
"""Ops whose value shares the storage of their argument."""

INDEX = 8
"""Bytes of an index of a max pool."""


class Storage(NamedTuple):
    """Bytes that live and die together: those of each image, those of the batch, and their place."""

    per_image: int
    fixed: int
    place: str


@dataclass(frozen=True)
class Saved:
    """What autograd saves in the forward pass of a net in training mode, without the loss.

    It counts each storage once, as hooks of `torch.autograd.graph.saved_tensors_hooks` see it. Storages of parameters
    and buffers are not counted, copies of weights in another layout or number type are.

    Attributes:
        per_image: bytes per image of the batch.
        fixed: bytes of a batch of any size.
        places: `pre_net`, states and `post_net` → their part of `per_image`, the largest first.
    """

    per_image: int
    fixed: int
    places: Mapping[str, int]

    def bytes(self, batch: int) -> int:
        """Bytes for a batch."""
        return self.fixed + batch * self.per_image


def saved_for_backward(executed: Plan, precision: str = "fp32") -> Saved:
    """Estimate what autograd saves; `precision` is a number type of `Recipe`."""
    return saved_by(tape_of(executed, precision))


def saved_by(tape: Tape) -> Saved:
    """Add up what a forward pass has saved."""
    found = tape.saved.values()
    places: dict[str, int] = defaultdict(int)
    for storage in found:
        places[_state_of(storage.place, tape.plan)] += storage.per_image
    largest = dict(sorted(places.items(), key=lambda entry: -entry[1]))
    return Saved(sum(each.per_image for each in found), sum(each.fixed for each in found), largest)


def _state_of(place: str, plan: Plan) -> str:
    """The state, pre-net or post-net that a line's place belongs to: `h2` of `h2.from_h1`."""
    above = [place]
    while "." in above[-1]:
        above.append(above[-1].rpartition(".")[0])
    states = {area.name for area in plan.areas}
    return next((name for name in above if name in states), above[-1])


class Value(NamedTuple):
    """A value in memory.

    Attributes:
        storage: the name of its storage, which it may share.
        width: bytes per element.
        learns: whether gradients reach it.
        elements: of one image.
        shared: elements of the whole batch, of joined weights.
    """

    storage: str
    width: int
    learns: bool
    elements: int
    shared: int = 0


def tape_of(executed: Plan, precision: str) -> Tape:
    """Follow a whole forward pass."""
    tape = Tape(executed, *WIDTHS[precision])
    for body, t in executed.calls:
        for line in body.lines:
            layer = executed.called(body, line)
            left = len(layer.left_by(line)) if layer is not None else 0
            tape.line(inlined(line, t), body.given(line), bool(left))
    return tape


@dataclass
class Tape:
    """Follows the storages of values, line by line, as PyTorch's ops share and save them.

    Attributes:
        plan: the executed plan.
        of_parameters, of_convolutions: bytes per element.
        storages: name → storage of a value.
        values: name → value.
        saved: name → storage that is saved.
        steps: the lines with the names of the storages that each saves.
    """

    plan: Plan
    of_parameters: int
    of_convolutions: int
    storages: dict[str, Storage] = field(default_factory=dict)
    values: dict[str, Value] = field(default_factory=dict)
    saved: dict[str, Storage] = field(default_factory=dict)
    steps: list[tuple[Line, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.is_channels_last = self.plan.layout == "channels_last"
        self.tensors = {tensor.name: tensor for tensor in self.plan.tensors}
        self.casts = self.of_convolutions != self.of_parameters
        entry = self.plan.input_shape
        self.values[IMAGE] = self._made(IMAGE, entry, self.of_parameters, False, "input")

    def _made(self, name: str, shape: Shape, width: int, learns: bool, place: str) -> Value:
        """A value in a storage of its own."""
        self.storages[name] = Storage(width * math.prod(shape), 0, place)
        return Value(name, width, learns, math.prod(shape))

    def _save(self, storage: str) -> None:
        self.saved[storage] = self.storages[storage]
        self.steps[-1][1].append(storage)

    def _keep(self, name: str, line: Line, per_image: int = 0, fixed: int = 0) -> None:
        """Save a tensor that only the backward pass uses."""
        self.saved[name] = Storage(per_image, fixed, line.place)
        self.steps[-1][1].append(name)

    def line(self, line: Line, given: tuple[Shape, ...], is_scaled_apart: bool) -> None:
        """Add a line; `is_scaled_apart` if a layer without affine part is called, and the affine part follows."""
        kind = line.op.kind
        self.steps.append((line, []))
        arguments = [self.values[name] for name in line.arguments]
        learns = any(value.learns for value in arguments) or any(self.tensors[n].trainable for n in line.tensors)
        width = max((value.width for value in arguments), default=self.of_parameters)
        if kind in CONVOLUTIONS:
            self._convolution(line, arguments, given)
            width = self.of_convolutions
        made = self._value(line, arguments, given, width, learns)
        self.values[line.name] = made
        if not learns:
            return
        if kind in SAVES_ARGUMENT or KINDS[kind].function is not None:
            self._save(arguments[0].storage)
        if kind in SAVES_VALUE or KINDS[kind].function is not None or (kind == "shared_norm" and line.op["relu"]):
            self._save(made.storage)
        if kind in SAVES_FACTORS:
            self._factors(line, arguments, width)
        if kind in ("scale", "divide") and (line.tensors or kind == "divide"):
            self._save(arguments[0].storage)
        if kind == "max_pool":
            self._keep(f"{line.name} indices", line, per_image=INDEX * math.prod(line.shape))
        if kind == "lipschitz":
            self._keep(f"{line.name} norms", line, fixed=self.of_parameters * _elements_of_norms(line))
        self._moments(line)
        if is_scaled_apart:
            self._save(made.storage)
            self.values[line.name] = self._made(f"{line.name} affine", line.shape, self.of_parameters, True, line.place)

    def _value(self, line: Line, arguments: list[Value], given: tuple[Shape, ...], width: int, learns: bool) -> Value:
        """The value of a line: in a storage of its own, or in that of an argument.

        What an op overwrites is not saved itself, so it does not matter that the storage is the same.
        """
        kind = line.op.kind
        if kind == "weights":
            size = math.prod(line.shape)
            self.storages[line.name] = Storage(0, self.of_parameters * size, line.place)
            return Value(line.name, self.of_parameters, True, 0, size)
        is_view = kind in VIEWS or (kind == "sum" and len(arguments) == 1)
        if kind == "pad_identity":
            is_view = not line.op["added"]
        if kind == "flatten" and self.is_channels_last:
            is_view = _is_trivial(given[0])
        if kind == "slice" and self.is_channels_last:
            is_view = _is_trivial(line.shape)
        if is_view:
            return Value(arguments[0].storage, width, learns, math.prod(line.shape))
        return self._made(line.name, line.shape, width, learns, line.place)

    def _convolution(self, line: Line, arguments: list[Value], given: tuple[Shape, ...]) -> None:
        """Save the input and the weight of a convolution or linear layer, in the type it computes in."""
        source, *more = arguments
        if source.width == self.of_convolutions:
            self._save(source.storage)
        else:
            self._keep(f"{line.name} input", line, per_image=self.of_convolutions * math.prod(given[0]))
        joined = next((value for value in more if value.shared), None)
        if joined is not None:
            self._weight(joined.storage, line, joined.shared, is_copy=True, is_parameter=False)
            return
        weight = self.tensors[line.tensors[0]]
        is_parameter = not (self.is_channels_last and weight.is_weight_of_maps)
        self._weight(weight.name, line, math.prod(weight.shape), self.is_copied(weight), is_parameter)

    def _weight(self, name: str, line: Line, size: int, is_copy: bool, is_parameter: bool) -> None:
        """Save a weight unless it is the parameter itself. Autocast keeps its copies of parameters only."""
        if self.casts:
            owner = name if is_parameter else line.name
            self._keep(f"{owner} weight", line, fixed=self.of_convolutions * size)
        elif is_copy:
            self._keep(f"{name} laid out", line, fixed=self.of_parameters * size)

    def is_copied(self, weight: Tensor) -> bool:
        """Whether a weight is copied to the layout of maps."""
        return self.is_channels_last and weight.is_weight_of_maps and not _is_trivial(weight.shape[1:])

    def _factors(self, line: Line, arguments: list[Value], width: int) -> None:
        """Save the factors of a product or maximum, and the results in between."""
        left = arguments[0]
        for k, right in enumerate(arguments[1:]):
            if k:
                name = f"{line.name} {k}"
                left = self._made(name, line.shape, width, left.learns, line.place)
            for one, other in ((left, right), (right, left)):
                if other.learns or (line.op.kind == "max" and one.learns):
                    self._save(one.storage)
            left = left._replace(learns=left.learns or right.learns)

    def _moments(self, line: Line) -> None:
        """Save what a norm keeps of its input: mean and inverse standard deviation."""
        kind, width = line.op.kind, self.of_parameters
        if kind in ("batch_norm", "shared_norm"):
            self._keep(f"{line.name} moments", line, fixed=2 * width * line.shape[0])
        elif kind in ("group_norm", "layer_norm"):
            groups = line.op.number("groups") if kind == "group_norm" else 1
            self._keep(f"{line.name} moments", line, per_image=2 * width * groups)


def _elements_of_norms(line: Line) -> int:
    """Elements of the vectors, and of what each linear line makes of them, for the spectral norms of a bound."""
    bound = line.op["bound"]
    assert isinstance(bound, Bound)
    shapes = [
        shape
        for norm in norms_in(bound.formula)
        for shape in (norm.shape, *(each.shape for path in norm.operator for each in path))
    ]
    return sum(map(math.prod, shapes))


def _is_trivial(shape: Shape) -> bool:
    """Whether a map `[C, H, W]` has the same bytes in both layouts."""
    return len(shape) != 3 or shape[0] == 1 or math.prod(shape[1:]) == 1
