"""Perturbations as short texts, as `graphnet perturb` and experiment files write them: `drop` is `h1:3`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphnet.rewrite.perturbations import (
    AddNoise,
    DropBlock,
    Edit,
    Lesion,
    Override,
    ReadOutEarly,
    RepeatLastBlock,
    ShowAnother,
    Silence,
)
from graphnet.rewrite.spec_editor import EditError


def edits_of(given: Mapping[str, Any]) -> list[Edit]:
    """Return edits, in the order of `FORMS`.

    Args:
        given: word of `FORMS` → one text, time or slab, or several.

    Raises:
        EditError: a text is misspelt.
    """
    return [form(each) for word, form in FORMS.items() for each in _several(given.get(word))]


def _several(given: Any) -> Iterable[Any]:
    if given is None:
        return ()
    return given if isinstance(given, list | tuple) else (given,)


def _block(text: str) -> tuple[str, int]:
    state, _, number = text.rpartition(":")
    if not state or not number.isdecimal() or len(number) > 9:
        raise EditError(f"'{text}' names no block\n  write STATE:NUMBER, such as h1:3")
    return state, int(number)


def _noise(text: str) -> AddNoise:
    where, _, std = text.rpartition(":")
    try:
        return AddNoise(where, float(std))
    except ValueError:
        raise EditError(f"'{text}' has no standard deviation\n  write h1->h2:0.1") from None


FORMS: Mapping[str, Callable[[Any], Edit]] = {
    "early": lambda text: ReadOutEarly(*_block(text)),
    "drop": lambda text: DropBlock(*_block(text)),
    "repeat": lambda text: RepeatLastBlock(*_block(text)),
    "lesion": Lesion,
    "silence": Silence,
    "noise": _noise,
    "mask": ShowAnother,
    "slab": lambda slab: Override((slab,)),
}
"""Word → from its text (of `mask` a time, of `slab` a table) to the edit."""
