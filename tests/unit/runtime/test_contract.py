"""PyTorch's usual operations on modules work on nets or are refused with a sentence, at every level, in both forms."""

from __future__ import annotations

import re
from typing import Any

import pytest

import graphnet
from tests.small import small
from tests.unit.runtime.uses import USES

COLUMNS: dict[str, dict[str, Any]] = {
    "level 0": {"optimize": 0},
    "level 1": {"optimize": 1},
    "level 2": {"optimize": 2},
    "infer": {"mode": "infer"},
}
ACROSS = "passes work across layers\n  compile with optimize=0, which calls layers"
HOOK = f"has a hook that would not run: {ACROSS}"
SETTING = f"which would not be used: {ACROSS}"
CLASS = f"and would not be called: {ACROSS}"
TRAINS = "is in training, but the net was compiled for inference\n  call net.eval(), or compile with mode='train'"
REFUSED: dict[str, dict[str, str]] = {
    **dict.fromkeys(
        ("a hook on a layer", "a backward hook on a layer", "pruning", "weight norm by hooks"),
        dict.fromkeys(("level 1", "level 2", "infer"), HOOK),
    ),
    **dict.fromkeys(
        ("another momentum of batch norms", "update of batch norms"),
        dict.fromkeys(("level 1", "level 2", "infer"), SETTING),
    ),
    **dict.fromkeys(
        ("a layer of another class", "dynamic quantisation", "conversion to sync batch norm"),
        dict.fromkeys(("level 1", "level 2", "infer"), CLASS),
    ),
    "train by sgd": {"infer": TRAINS},
    "a frozen area": {"infer": TRAINS},
    "torchvision s feature extractor": {"infer": TRAINS},  # it traces a net in training too
}


@pytest.mark.parametrize("stepwise", [False, True], ids=["flat", "bodies"])
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("name", USES)
def test_a_use_works_or_is_refused_with_a_sentence(name: str, column: str, stepwise: bool) -> None:
    net = graphnet.compile(small(), stepwise=stepwise, **COLUMNS[column])
    sentence = REFUSED.get(name, {}).get(column)
    if sentence is None:
        USES[name](net)
    else:
        with pytest.raises(RuntimeError, match=re.escape(sentence)):
            USES[name](net)
