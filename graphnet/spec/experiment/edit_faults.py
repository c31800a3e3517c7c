"""Faults of edits: of the strings that name blocks and strengths. Whether a net has them is checked with the net."""

from __future__ import annotations

import re
from collections.abc import Iterator

from graphnet.errors import Fault, KeyPath
from graphnet.spec.experiment.expression_reader import NUMBER
from graphnet.spec.experiment.model import Edit

CODE = "GN808"
BLOCK = re.compile(r"[^:@]+:\d{1,9}", re.ASCII)


def edit_faults(edit: Edit, path: KeyPath, every_block: bool) -> Iterator[Fault]:
    """Yield the faults of an edit; with `every_block` a state alone means each of its blocks."""
    if not edit.model_fields_set:
        yield Fault(path, "this edit changes nothing", 'such as { drop = "h1:3" }', code=CODE)
    open_ones = 0
    for key in ("early", "drop", "repeat"):
        for index, word in enumerate(getattr(edit, key)):
            here = (*path, key, index)
            if BLOCK.fullmatch(word):
                continue
            if ":" in word or key == "repeat":
                what = f"'{word}' names no {'number of repeats' if key == 'repeat' else 'block'}"
                yield Fault(here, what, 'write STATE:NUMBER, such as "h1:3"', code=CODE)
            elif not every_block:
                what = f"'{word}' names no block; every block in turn is a matter of a [[measure]]"
                yield Fault(here, what, f'such as "{word}:3", or the edit in a [[measure]]', code=CODE)
            elif (open_ones := open_ones + 1) > 1:
                what = "two edits go through every block"
                yield Fault(here, what, f'name the block of one of them, such as "{word}:3"', code=CODE)
    for index, word in enumerate(edit.noise):
        if not (NUMBER.fullmatch(word.rpartition(":")[2]) and word.rpartition(":")[0]):
            fix = 'write WHAT:STD, such as "h1->h2:0.1"'
            yield Fault((*path, "noise", index), f"'{word}' has no standard deviation", fix, code=CODE)
