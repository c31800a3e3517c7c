"""Memory of a training step: parameters, optimiser, what autograd saves, and the peak of the backward pass."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from graphnet.network.functions.ops import Line
from graphnet.network.network import Tensor
from graphnet.planning.memory.saved_tensors import CONVOLUTIONS, VIEWS, WIDTHS, Saved, Tape, saved_by, tape_of
from graphnet.planning.plan import Plan
from graphnet.spec.recipe import Recipe

PASSES_GRADIENT = (*VIEWS, "sum", "concat")
"""Ops whose backward pass hands on the gradient of their value, or a view of it."""


@dataclass(frozen=True)
class Memory:
    """Bytes of a training step.

    Attributes:
        parameters: with running statistics.
        gradients: of the parameters that learn.
        optimizer: its state.
        average: the exponential moving average of the parameters.
        saved: what autograd saves for the backward pass.
        backward: the most that saved values and gradients, also those of values, occupy during the backward pass.
    """

    parameters: int
    gradients: int
    optimizer: int
    average: int
    saved: Saved
    backward: int

    @property
    def kept(self) -> int:
        """What stays in memory between steps, without gradients."""
        return self.parameters + self.optimizer + self.average

    @property
    def peak(self) -> int:
        """The most in use at once, without PyTorch itself, its workspaces and the data."""
        return self.kept + self.backward


def memory(executed: Plan, recipe: Recipe, frozen: Container[str] = ()) -> Memory:
    """Estimate the memory of a training step.

    Args:
        executed: `net.meta["executed"]`.
        recipe: for the batch size, number type, optimiser and moving average.
        frozen: names of parameters that do not learn; their saved inputs are counted nevertheless.
    """
    width, _ = WIDTHS[recipe.precision]
    learning = [tensor for tensor in executed.trainable if tensor.name not in frozen]
    tape = tape_of(executed, recipe.precision)
    return Memory(
        parameters=width * _elements(executed.tensors),
        gradients=width * _elements(learning),
        optimizer=width * sum(_optimizer_slots(tensor, recipe) * math.prod(tensor.shape) for tensor in learning),
        average=width * _elements(executed.trainable) if recipe.ema is not None else 0,
        saved=saved_by(tape),
        backward=_Backward(tape, recipe.batch_size, learning, recipe.accumulate > 1).peak(),
    )


def _optimizer_slots(tensor: Tensor, recipe: Recipe) -> int:
    """How many numbers the optimiser keeps for each element of a parameter."""
    kind, momentum = recipe.optimizer, recipe.momentum
    if kind == "muon" and len(tensor.shape) == 2:
        return 1
    if kind == "muon":
        kind, momentum = recipe.second.optimizer, recipe.second.momentum
    return 2 if kind == "adamw" else int(momentum > 0)


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum(math.prod(tensor.shape) for tensor in tensors)


@dataclass
class _Backward:
    """Follows the bytes in use through a backward pass.

    A gradient lives until the line that made its value has used it; a saved storage, until all lines that saved it are
    done. Gradients of parameters are summed over the lines that use them, and stay; with accumulation, a finished sum
    is added to the gradient of the batches before, and goes. Values that share a gradient refer to it by number.
    """

    tape: Tape
    batch: int
    learning: Sequence[Tensor]
    accumulates: bool
    in_use: int = 0
    sizes: dict[int, int] = field(default_factory=dict)
    users: Counter[int] = field(default_factory=Counter)
    gradient_of: dict[str, int] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    left: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.may_learn = {tensor.name for tensor in self.learning}

    def peak(self) -> int:
        """Run the pass and return the most bytes in use."""
        saves = Counter(name for _, names in self.tape.steps for name in names)
        self.left = Counter(name for line, _ in self.tape.steps for name in line.tensors)
        self.in_use = sum(self._size(*storage[:2]) for storage in self.tape.saved.values())
        if self.accumulates:  # the gradients of the batch before
            self.in_use += self.tape.of_parameters * _elements(self.learning)
        for _, name in self.tape.plan.outputs:
            self._give(name, self._make(self._bytes(name)))
        most = self.in_use
        for line, names in reversed(self.tape.steps):
            transient = self._step(line)
            most = max(most, self.in_use + transient)
            self._drop(self.gradient_of.pop(line.name, None))
            for name in names:
                saves[name] -= 1
                if not saves[name]:
                    self.in_use -= self._size(*self.tape.saved[name][:2])
        return most

    def _step(self, line: Line) -> int:
        """Make the gradients of a line's arguments and parameters; return bytes that are used meanwhile only."""
        mine = self.gradient_of.get(line.name)
        if mine is None:
            return 0
        for name in line.arguments:
            if self.tape.values[name].learns:
                passes = line.op.kind in PASSES_GRADIENT
                self._give(name, self._share(mine) if passes else self._make(self._bytes(name)))
        transient = 0
        for tensor in (self.tape.tensors[name] for name in line.tensors):
            size = self.tape.of_parameters * math.prod(tensor.shape)
            if line.op.kind in CONVOLUTIONS:
                transient += size  # the weight in the layout of the kernel
            if tensor.name in self.may_learn:
                transient += size * self.tape.is_copied(tensor)  # the gradient in both layouts
                transient += size * (tensor.name in self.known)  # beside the sum of the gradients so far
                self.in_use += size * (tensor.name not in self.known)
                self.known.add(tensor.name)
                self.left[tensor.name] -= 1
                if self.accumulates and not self.left[tensor.name]:
                    self.in_use -= size
                    transient += size
        return transient

    def _bytes(self, name: str) -> int:
        value = self.tape.values[name]
        return self._size(value.elements * value.width, value.width * value.shared)

    def _size(self, per_image: int, fixed: int) -> int:
        return fixed + self.batch * per_image

    def _make(self, size: int) -> int:
        number = len(self.sizes)
        self.sizes[number] = size
        self.in_use += size
        return self._share(number)

    def _share(self, number: int) -> int:
        self.users[number] += 1
        return number

    def _drop(self, number: int | None) -> None:
        if number is None:
            return
        self.users[number] -= 1
        if not self.users[number]:
            self.in_use -= self.sizes[number]

    def _give(self, name: str, number: int) -> None:
        """Add a gradient to that of a value: a sum is a new tensor."""
        old = self.gradient_of.get(name)
        if old is None:
            self.gradient_of[name] = number
            return
        self.gradient_of[name] = self._make(self._bytes(name))
        self._drop(old)
        self._drop(number)
