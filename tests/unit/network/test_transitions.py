"""Transition functions as tables and pictures write them."""

from __future__ import annotations

from typing import Any

import pytest

from graphnet.network.functions.transitions import ops_text


@pytest.mark.parametrize(
    ("ops", "text"),
    [
        ("BRCx2+I", "BRCx2+I"),
        (["P", {"conv": {"kernel": 5, "init": "glorot-uniform"}}], "P C5"),
        ([{"conv": {"kernel": 7, "width": 64, "stride": 2, "bias": True}}, "BR"], "C7:64/2 BR"),
        ([{"linear": {"width": "N"}}, {"max_pool": {"stride": 2}}], "L:N P/2"),
        ([{"conv": {"bias": True}}, {"elu": {"alpha": 2}}], "conv elu"),
        ([{"sum": ["I", [{"deconv": {"kernel": 5}}]]}], "(I + D5)"),
        ([{"contrast": {"width": 3}}], "contrast"),
    ],
)
def test_the_list_form_shows_the_sizes_that_a_string_can_hold(ops: Any, text: str) -> None:
    assert ops_text(ops) == text
