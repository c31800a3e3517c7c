"""The ops of the language: their letters, words and settings. Error messages are generated from this table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from graphnet.errors import closest, did_you_mean
from graphnet.spec.notation.integers import Misspelt, Whole, parse_whole

Setting = Whole | bool | int | float | str | tuple[Any, ...]
Reader = Callable[[Any], Setting]
"""Checks and converts one setting of the list form; raises Misspelt."""


@dataclass(frozen=True)
class OpRule:
    """Syntax of an op: its letter, and its settings in the list form, each with its reader.

    Only registered ops have `defaults`.
    """

    letter: str = ""
    settings: Mapping[str, Reader] = field(default_factory=dict)
    defaults: Mapping[str, Setting] = field(default_factory=dict)


def _whole(least: int, most: int = 1 << 24) -> Reader:
    def read(value: Any) -> Setting:
        if isinstance(value, bool) or not isinstance(value, int | str):
            shown = list(value) if isinstance(value, tuple) else value
            raise Misspelt(f"this must be a whole number, not {shown!r}", 0, 0, 'such as 3, or "N"', code="GN204")
        whole = parse_whole(value)
        if whole.literal is not None and not least <= whole.literal <= most:
            raise Misspelt(f"{value} is not between {least} and {most:,}", 0, 0, code="GN204")
        return whole

    return read


def _number(value: Any) -> Setting:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misspelt(f"this must be a number, not {value!r}", 0, 0, "such as 0.5", code="GN204")
    return float(value)


def _between(least: float, most: float) -> Reader:
    def read(value: Any) -> Setting:
        number = _number(value)
        if not least <= number <= most:  # type: ignore[operator]
            bounds = f"between {least:g} and {most:g}" if most < math.inf else "above 0"
            raise Misspelt(f"{value} is not {bounds}", 0, 0, code="GN204")
        return number

    return read


def _flag(value: Any) -> Setting:
    if not isinstance(value, bool):
        raise Misspelt(f"this must be true or false, not {value!r}", 0, 0, code="GN204")
    return value


def _word(*words: str) -> Reader:
    def read(value: Any) -> Setting:
        if value not in words:
            raise Misspelt(f"{value!r} is not known here", 0, 0, f"one of {', '.join(words)}", code="GN204")
        return str(value)

    return read


SCHEMES = ("he", "he-fan-out", "glorot", "glorot-uniform", "lecun", "identity", "zeros", "ones")


def _init(value: Any) -> Setting:
    if isinstance(value, str):
        return _word(*SCHEMES)(value)
    if isinstance(value, list | tuple):
        return tuple(_array(entry) for entry in value)
    return _number(value)


def _array(value: Any) -> Any:
    return tuple(map(_array, value)) if isinstance(value, list | tuple) else _number(value)


def _padding(value: Any) -> Setting:
    if value in ("same", "valid"):
        fix = "leave it out: padding keeps the size at stride 1" if value == "same" else "padding = 0"
        raise Misspelt(f"this must be a whole number, not {value!r}", 0, 0, fix, code="GN204")
    return _whole(0, 1000)(value)


_WINDOW = {"kernel": _whole(1, 1000), "stride": _whole(1, 1000), "padding": _padding}
_WEIGHTS = {"width": _whole(1), "bias": _flag, "init": _init, "bias_init": _init}
_CONV = {**_WINDOW, "dilation": _whole(1, 1000), "groups": _whole(1), **_WEIGHTS}
NORM_KINDS = ("batch", "group", "layer", "none")
_NORM = {
    "kind": _word(*NORM_KINDS),
    "groups": _whole(1),
    "statistics": _word("per-time", "shared"),
    "affine": _word("none", "shared", "per-time"),
    "eps": _between(math.ulp(0.0), math.inf),
    "momentum": _between(0, 1),
    "scale": _number,
}

OPS: dict[str, OpRule] = {
    "norm": OpRule("B", _NORM),
    "relu": OpRule("R"),
    "conv": OpRule("C", _CONV),
    "deconv": OpRule("D", _CONV),
    "max_pool": OpRule("P", _WINDOW),
    "avg_pool": OpRule("A", _WINDOW),
    "global_pool": OpRule("G"),
    "linear": OpRule("L", _WEIGHTS),
    "identity": OpRule("I"),
    "pad_identity": OpRule("Ip"),
    "first_value": OpRule("I0"),
    "elu": OpRule(settings={"alpha": _number}),
    "gelu": OpRule(),
    "leaky_relu": OpRule(settings={"negative_slope": _number}),
    "sigmoid": OpRule(),
    "silu": OpRule(),
    "softplus": OpRule(settings={"beta": _number}),
    "tanh": OpRule(),
}
"""All ops by word; `register_op` adds to them."""
LETTERS: Mapping[str, str] = MappingProxyType({rule.letter: word for word, rule in OPS.items() if rule.letter})
ACTIVATIONS = ("relu", "elu", "gelu", "leaky_relu", "sigmoid", "silu", "softplus", "tanh")
WIDTH = ("conv", "deconv", "linear")
"""Ops that set the number of output channels."""


def known_letters() -> str:
    """List the known letters, for error messages."""
    return "letters: " + ", ".join(f"{letter} {op}" for letter, op in LETTERS.items())


def known_words(word: str, *more: str) -> str:
    """Return a hint for an unknown word, for error messages: a misspelt op, or an op that is not registered."""
    known = (*OPS, *more)
    hint = did_you_mean(word, known)
    return hint if closest(word, known, 0.8) else f"{OWN}; {hint}".removesuffix("; ")


OWN = "register your own op with graphnet.register_op, in a module given by --plugin"
