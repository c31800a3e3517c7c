"""Numbers of single cases → tables with named axes."""

from __future__ import annotations

import numpy as np
import pytest

from graphnet.experiments.running.assemble import assembled
from graphnet.training.errors import RunError

FACTORS = {"a": ("x", "y")}


def test_axes_are_factors_then_added_ones_then_seeds() -> None:
    found = [
        ({"a": a}, seed, [({"t": t}, 100 * k + 10 * int(t) + seed) for t in ("10", "9")])
        for k, a in enumerate("xy")
        for seed in (0, 1)
    ]
    values = assembled(found, FACTORS, (0, 1))
    assert values.factors == {"a": ("x", "y"), "t": ("9", "10")}
    assert values.array.tolist() == [[[90, 91], [100, 101]], [[190, 191], [200, 201]]]


def test_what_was_not_measured_is_not_a_number() -> None:
    values = assembled([({"a": "x"}, 1, [({}, 5.0)])], FACTORS, (0, 1))
    assert np.isnan(values.array).tolist() == [[True, False], [True, True]]


def test_readout_times_in_some_conditions_only_are_refused() -> None:
    found = [({"a": "x"}, 0, [({"t": "2"}, 1.0)]), ({"a": "y"}, 0, [({}, 1.0)])]
    with pytest.raises(RunError, match="factor 't'"):
        assembled(found, FACTORS, (0,))
