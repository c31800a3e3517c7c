"""Eager writer for the lowering rules: runs each call immediately, in evaluation mode."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import torch

from graphnet.network.functions.ops import KINDS, Line


class Eager:
    """Runs calls immediately."""

    def call(self, function: str, *arguments: Any, **settings: Any) -> Any:
        first, _, rest = function.partition(".")
        return attrgetter(rest)({"torch": torch, "operator": operator}[first])(*arguments, **settings)

    def method(self, name: str, *arguments: Any) -> Any:
        owner, *rest = arguments
        return getattr(owner, name)(*rest)

    def divisor(self, line: Line, given: Sequence[Any]) -> Any:
        raise AssertionError("a linear operator has no divisor")

    def custom(self, kind: str, *arguments: Any, **settings: Any) -> Any:
        function = KINDS[kind].function
        assert function is not None
        return function(*arguments, **settings)


EAGER = Eager()
