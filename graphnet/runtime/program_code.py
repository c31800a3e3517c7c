"""Programs as Python functions: each is written and compiled once for all nets that run it."""

from __future__ import annotations

import itertools
import linecache
import operator
from functools import lru_cache
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from graphnet.network.functions.ops import KINDS, Line
from graphnet.planning.programs import Program
from graphnet.runtime import fused_ops
from graphnet.runtime.lowering_rules import say
from graphnet.runtime.python_source import SourceWriter

_COUNT = itertools.count()
_GLOBALS = {"torch": torch, "operator": operator, "F": F, "fused_ops": fused_ops}


class ProgramModule(nn.Module):
    """A program: values, then tensors and flags of layers → its result, or a tuple of results."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.forward, self.code = _function(program)


def function_of(source: str, more: dict[str, Any] | None = None) -> FunctionType:
    """Compile the function `forward` of a source text; tracebacks show the text."""
    file = f"<graphnet {next(_COUNT)}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    functions: dict[str, Any] = {**_GLOBALS, **(more or {})}
    exec(compile(source, file, "exec"), functions)
    found: FunctionType = functions["forward"]
    return found


class _Writer(SourceWriter):
    """Writes calls; user-registered functions go by the names of their ops."""

    def call(self, function: str, *arguments: Any, **settings: Any) -> str:
        return super().call(function.removeprefix("graphnet.runtime."), *arguments, **settings)

    def custom(self, kind: str, *arguments: Any, **settings: Any) -> str:
        return super().call(f"custom_{kind}", *arguments, **settings)


@lru_cache(maxsize=1024)
def _function(program: Program) -> tuple[FunctionType, str]:
    """A program as a function, and its source; values are freed after their last use."""
    given = 1 + max((-1 - each for _, arguments, _, _ in program.lines for each in arguments), default=-1)
    tensors = 1 + max((each for _, _, used, _ in program.lines for each in used), default=-1)
    parameters = [*(f"value{k}" for k in range(given)), *(f"tensor{k}" for k in range(tensors))]
    lines, last = [], {}
    for number, (op, arguments, used, shape) in enumerate(program.lines):
        read = tuple(f"line{each}" if each >= 0 else f"value{-1 - each}" for each in arguments)
        last.update(dict.fromkeys((f"line{number}", *read), number))
        lines.append(Line(f"line{number}", op, read, tuple(f"tensor{each}" for each in used), shape, 0, ""))
    results = [f"line{number}" for number in program.results]
    body = []
    for number, line in enumerate(lines):
        text = say(_Writer(), line, [*line.arguments, *line.tensors])
        names = dict.fromkeys((*line.arguments, line.name))
        freed = [name for name in names if last[name] == number and name not in results]
        body.append(f"{line.name} = {text}" + (f";  {' = '.join(freed)} = None" if freed else ""))
    body.append(f"return {', '.join(results)}")
    source = "\n    ".join([f"def forward({', '.join(parameters)}):", *body]) + "\n"
    kinds = {op.kind for op, *_ in program.lines if KINDS[op.kind].function is not None}
    return function_of(source, {f"custom_{kind}": KINDS[kind].function for kind in kinds}), source
