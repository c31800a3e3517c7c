"""Plan → the forward pass as plain Python: for reading, for teaching, for repositories without graphnet."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from graphnet.errors import clean
from graphnet.network.functions.lipschitz import Bound, SpectralNorm, work_out
from graphnet.network.functions.ops import KINDS, Op
from graphnet.planning.holders import flags_of
from graphnet.planning.plan import Line, Plan
from graphnet.runtime.lowering_rules import Quoted, say, say_operator

SIGNS = {"operator.add": "+", "operator.mul": "*", "operator.truediv": "/"}
WIDTH = 110


def write_source(plan: Plan) -> str:
    """Write Python source of `forward(input, w, training=False)`; running it needs torch, writing it does not.

    `w` is the net's `state_dict()`; training updates its running statistics in place.
    """
    body: list[str] = []
    now = None
    for line in plan.lines:
        if line.t != now and line.t >= 0:
            now = line.t
            body += ["", f"# t = {now}"]
        body += _statement(line)
    outputs = dict(plan.outputs)
    result = next(iter(outputs.values())) if len(outputs) == 1 else None
    result = result or "{" + ", ".join(f"{t}: {name}" for t, name in outputs.items()) + "}"
    kind = "Tensor" if len(outputs) == 1 else "dict[int, Tensor]"
    helper = SPECTRAL_NORM if any(line.op.kind == "lipschitz" for line in plan.lines) else ""
    cite = f" After {plan.cite}." if plan.cite else ""
    head = f'''"""{_plain(plan.name)}: written by graphnet from a spec.{_plain(cite)}

{plan.parameters:,} parameters, depth {plan.depth}; an image is [N, {", ".join(map(str, plan.input_shape))}].
"""

{_imports(plan)}import torch
import torch.nn.functional as F
from torch import Tensor


{helper}def forward(input: Tensor, w: dict[str, Tensor], training: bool = False) -> {kind}:
    """Logits of images; `w` holds the weights and statistics by name."""'''
    return head + "\n" + textwrap.indent("\n".join([*body, "", f"return {result}"]), "    ").lstrip("\n") + "\n"


def _imports(plan: Plan) -> str:
    """Imports of the modules of user-registered functions."""
    kinds = dict.fromkeys(line.op.kind for line in plan.lines)
    modules = {full_name(kind).rpartition(".")[0] for kind in kinds if KINDS[kind].function}
    return "".join(f"import {module}\n" for module in sorted(modules))


def full_name(kind: str) -> str:
    function: Any = KINDS[kind].function
    return f"{function.__module__}.{function.__qualname__}"


def _plain(text: str) -> str:
    """Escape text for a docstring."""
    return json.dumps(clean(text), ensure_ascii=False)[1:-1]


def _statement(line: Line) -> list[str]:
    given = [*line.arguments, *(f"w[{name!r}]".replace("'", '"') for name in line.tensors)]
    given += ["training" for _ in flags_of(line)]
    expression = given[0] if line.op.kind == "value" else say(SourceWriter(), line, given)
    text = f"{line.name} = {expression}"
    if len(text) + 4 <= WIDTH or not text.endswith(")") or "(" not in text:
        return [text]
    start, inside = text[:-1].split("(", 1)
    return [f"{start}(", *(f"    {part}," for part in _parts(inside)), ")"]


def _parts(text: str, separator: str = ",") -> list[str]:
    """Split arguments at the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == separator and not depth:
            parts.append(text[start:at].strip())
            start = at + 1
    return [*parts, text[start:].strip()]


class _Divisor:
    """Writes max(bound / mu, 1), with each norm of the bound from its vector."""

    def __init__(self, writer: SourceWriter, op: Op, given: Sequence[str]) -> None:
        bound = op["bound"]
        assert isinstance(bound, Bound)
        self.writer, self.bound, self.mu = writer, bound, op["mu"]
        self.tensors = dict(zip(bound.names, given, strict=False))
        self.vectors = dict(zip(bound.searched, given[len(bound.names) :], strict=True))

    def text(self) -> str:
        """The whole expression."""
        return f"torch.clamp({work_out(self.bound.formula, self)} / {self.mu}, min=1)"

    def number(self, value: float) -> str:
        return str(value)

    def norm(self, norm: SpectralNorm) -> str:
        applied = say_operator(self.writer, norm.operator, "x", self.tensors)
        if norm.is_diagonal:
            shape = ", ".join(map(str, norm.shape))
            like = next(iter(self.tensors.values()))
            return f"(lambda x: {applied})({like}.new_ones(1, {shape})).abs().max()"
        return f"spectral_norm(lambda x: {applied}, {self.vectors[norm]}, training)"

    def product(self, parts: Sequence[str]) -> str:
        return " * ".join(parts)

    def sum(self, parts: Sequence[str]) -> str:
        return f"({' + '.join(parts)})"


SPECTRAL_NORM = """def spectral_norm(operator, vector, training):
    \"\"\"The largest singular value; in training each call brings the kept vector nearer by one power iteration.\"\"\"
    if training:
        with torch.no_grad():
            value, transpose = torch.func.vjp(operator, vector[None])
            found = transpose(value)[0][0]
            vector.copy_(torch.where(found.norm() > 0, found / found.norm(), vector))
    return operator(vector[None].clone()).norm()


"""


class SourceWriter:
    """Writes calls as Python expressions."""

    def call(self, function: str, *arguments: Any, **settings: Any) -> str:
        if function in SIGNS:
            left, right = map(self._value, arguments)
            left = f"({left})" if " " in left and function != "operator.add" else left
            return f"{left} {SIGNS[function]} {right}"
        if function == "operator.getitem":
            where = arguments[1] if isinstance(arguments[1], tuple) else (arguments[1],)
            return f"{arguments[0]}[{', '.join(map(self._value, where))}]"
        name = function.replace("torch.nn.functional.", "F.")
        given = [self._value(argument) for argument in arguments]
        given += [f"{key}={self._value(value)}" for key, value in settings.items()]
        return f"{name}({', '.join(given)})"

    def method(self, name: str, *arguments: Any) -> str:
        first, *rest = map(self._value, arguments)
        if len(_parts(first, " ")) > 1:
            first = f"({first})"
        return f"{first}.{name}({', '.join(rest)})"

    def custom(self, kind: str, *arguments: Any, **settings: Any) -> str:
        return self.call(full_name(kind), *arguments, **settings)

    def divisor(self, line: Line, given: Sequence[str]) -> str:
        return _Divisor(self, line.op, given).text()

    def _value(self, value: Any) -> str:
        if isinstance(value, Quoted):
            return repr(str(value))
        if isinstance(value, list | tuple):
            inner = ", ".join(map(self._value, value))
            if isinstance(value, list):
                return f"[{inner}]"
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if isinstance(value, slice):
            return ":" if value.step is None else f"::{value.step}"
        return str(value)
