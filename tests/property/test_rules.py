"""One small spec for each rule of the language: a compiler that breaks the rule disagrees with the oracle on it.

Rules are numbered as in the language's design; specs/README.md explains them to users. `tests/property/mutants.py`
breaks each of them once.
"""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from tests.property.agreement import TOLERANCE, compare


def spec(transitions: list[dict[str, Any]], readout: Any = 3, **more: Any) -> dict[str, Any]:
    """Two states of unequal size and width, unless `more` overrides them."""
    return {
        "graphnet": 1,
        "input": {"shape": [2, 4, 4]},
        "states": {"a": [2, 4, 4], "b": [3, 2, 2]},
        "transitions": transitions,
        "pre_net": {"ops": "C"},
        "post_net": {"ops": "BRGL", "classes": 3},
        "readout": {"t": readout},
    } | more


CHAIN = {"a": {"a": "BRC+I", "b": "BRC"}, "b": {"b": "BRC+I"}}
LOOP = {"a": {"a": "BRC+I", "b": "BRC"}, "b": {"a": "BRD", "b": "BRC+I"}}
BACK = {"a": {"a": "BRC+I"}, "b": {"a": "BRD"}}
READ_A = {"readout": {"t": 4, "state": "a"}}
SAME = {"states": {"a": [2, 4, 4], "b": [2, 4, 4]}}

RULES: dict[str, dict[str, Any]] = {
    "2 a transition reads one step back": spec([CHAIN]),
    "3 the input arrives at its time": spec([CHAIN], input={"shape": [2, 4, 4], "t": 1}),
    "3 a held input is looked at once": spec([CHAIN], input={"shape": [2, 4, 4], "t": "0..2"}, pre_net={"ops": "CB"}),
    "3 a sequence gives a slice a time": spec([CHAIN], input={"shape": [2, 4, 4], "t": [0, 2], "sequence": True}),
    "4 empty is not zero": spec([LOOP], merge="mean"),
    "4 unless it is said to be": spec([LOOP], unpopulated="zeros"),
    "4 and then a merge without arrivals is zeros": spec(
        [{"t": 1, "a": {"b": "BRC"}}, BACK], 4, merge="mean", unpopulated="zeros"
    )
    | READ_A,
    "5 a state without arrivals is empty": spec([{"t": 1, "a": {"b": "BRC"}}, BACK], 4) | READ_A,
    "5 or holds": spec(
        [{"t": 1, "a": {"b": "BRC"}}], states={"a": [2, 4, 4], "b": {"shape": [3, 2, 2], "hold": True, "update": "R"}}
    ),
    "6 a delay of two": spec([CHAIN, {"t": "2..inf", "a": {"b": {"ops": "BRC", "delay": 2}}}]),
    "6 engineering unrolling": spec([LOOP], unroll="engineering"),
    "7 a later slab overrides cell by cell": spec([LOOP, {"t": "2..inf", "a": {"a": "C"}, "b": {"a": "-"}}]),
    "7 times relative to T": spec([CHAIN, {"t": "T-1", "a": {"a": "-"}}], readout=[3, 4], norm={"affine": "shared"}),
    "9 every letter": spec([{"a": {"a": "C1B R D", "b": "P3C1"}, "b": {"a": "D5", "b": "A3/1 C:4 C"}}]),
    "10 branches, I, Ip and I0": spec([{"a": {"a": "BRC+I0", "b": "BRC+Ip"}, "b": {"b": "C(R C1 + C)+I"}}]),
    "10 I0 is no value before t = 0": spec(
        [{"a": {"a": {"ops": "BRC+I0", "delay": 3}, "b": "C"}}],
        [2, 3, 5],
        unpopulated="zeros",
        norm={"affine": "shared"},
    ),
    "11 first convolutions take the strides": spec(
        [{"a": {"a": "C", "b": "BRCx3"}}], 1, states={"a": [2, 8, 8], "b": [5, 2, 2]}, input={"shape": [2, 8, 8]}
    ),
    "12 sum": spec([LOOP], merge="sum"),
    "12 mean": spec([LOOP], merge="mean"),
    "12 max": spec([LOOP], merge="max"),
    "12 product": spec(
        [{"a": {"a": "I", "b": "C", "c": "C", "d": "C"}, "b": {"c": "D"}, "c": {"d": "C"}}],
        2,
        states={"a": [2, 4, 4], "b": [3, 2, 2], "c": {"shape": [2, 4, 4], "merge": "product"}, "d": [2, 4, 4]},
    ),
    "12 concat": spec(
        [{"t": 1, "a": {"b": "C", "c": "C"}}, {"t": 2, "b": {"d": "C:1"}, "c": {"d": "C:2"}}],
        2,
        states={"a": [2, 4, 4], "b": [1, 4, 4], "c": [2, 4, 4], "d": {"shape": [3, 4, 4], "merge": "concat"}},
    ),
    "13 an update after the merge": spec(
        [LOOP], states={"a": {"shape": [2, 4, 4], "update": "B tanh"}, "b": {"shape": [3, 2, 2], "update": "R"}}
    ),
    "13 gains": spec(
        [{"a": {"a": {"ops": "C", "gain": -0.5}, "b": {"ops": "C", "gain": {"init": 2, "learn": True}}}}], 2
    ),
    "13 lipschitz, with vectors for all times": spec(
        [{"a": {"a": {"ops": "BRCx2 + I0", "lipschitz": 0.3}, "b": "C"}}], 4, norm={"statistics": "shared"}
    ),
    "13 lipschitz, with vectors of each time": spec(
        [{"a": {"a": {"ops": "BRCx2 + I", "lipschitz": 0.3}, "b": "C"}}], 4, norm={"affine": "shared"}
    ),
    "13 lipschitz of activations and branches": spec(
        [{"a": {"a": {"ops": "C tanh (C + C1) sigmoid P3/1 B R C + I", "lipschitz": 0.3, "gain": 2}, "b": "C"}}]
    ),
    "13 lipschitz of norms alone": spec([{"a": {"a": {"ops": "I + (B + I) R", "lipschitz": 0.3}, "b": "C"}}]),
    "13 lipschitz that is not reached": spec(
        [{"a": {"a": {"ops": "C tanh (C + C1) sigmoid C + I", "lipschitz": 1000}, "b": "C"}}]
    ),
    "13 lipschitz, another at another time": spec(
        [
            {"a": {"a": {"ops": "RC + I", "lipschitz": 0.3}, "b": "C"}},
            {"t": 2, "a": {"a": {"ops": "RC + I", "lipschitz": 0.1}}},
        ],
        4,
    ),
    "13 lipschitz, another function at another time": spec(
        [
            {"a": {"a": {"ops": "C R C + I", "lipschitz": 0.3}, "b": "C"}},
            {"t": 2, "a": {"a": {"ops": "C A3/1 C + I", "lipschitz": 0.3}}},
        ],
        4,
    ),
    "13 lipschitz beside a set that ties nothing": spec(
        [{"a": {"a": {"ops": "RC + I", "lipschitz": 0.3}, "b": "C"}}], 4, sharing={"sets": [{"members": ["a->a@2"]}]}
    ),
    "14 weights shared over time": spec([LOOP]),
    "14 or not": spec([LOOP], sharing={"over_time": False}),
    "14 cells that differ share what agrees": spec([CHAIN, {"t": 2, "a": {"a": "BRC:5 C"}, "b": {"b": "BRC1"}}], 4),
    "15 a set over states": spec(
        [CHAIN, {"a": {"b": "BRC"}}], **SAME, sharing={"sets": [{"members": ["a->a", "b->b"]}]}
    ),
    "15 a set over some times": spec([CHAIN], 5, sharing={"sets": [{"members": ["a->a@1..2"]}]}),
    "15 a set of layers": spec(
        [{"a": {"a": "Cx2", "b": "C"}, "b": {"b": "C+I"}}], **SAME, sharing={"sets": [{"members": ["*->*#conv*"]}]}
    ),
    "15 except some": spec(
        [CHAIN], 5, sharing={"sets": [{"members": ["a->a@1..3"], "except": ["a->a@2"]}], "over_time": False}
    ),
    "16 coupled weights are apart": spec([CHAIN], sharing={"sets": [{"members": ["a->a"], "coupling": 0.5}]}),
    "18 statistics of each time": spec([LOOP], norm={"statistics": "per-time", "affine": "per-time"}),
    "18 statistics shared, updated in order": spec(
        [{"a": {"a": "BRC+I", "b": "C"}, "b": {"b": "BRC+I"}}],
        4,
        **SAME,
        norm={"statistics": "shared", "affine": "shared"},
        sharing={"sets": [{"members": ["a->a", "b->b"]}]},
    ),
    "20 several readouts": spec([LOOP], [2, 3, 4]),
    "20 the mean of the readouts": spec([LOOP], [2, 3, 4]) | {"readout": {"t": [2, 3, 4], "combine": "mean"}},
    "20 the mean so far": spec([LOOP], [2, 3, 4]) | {"readout": {"t": [2, 3, 4], "combine": "cumulative"}},
    "33 the sum so far": spec([LOOP], [2, 3, 4]) | {"readout": {"t": [2, 3, 4], "combine": "cumulative-sum"}},
    "33 the sum of nets by readout time": spec([CHAIN, {"t": "T-1", "a": {"a": "-"}}], norm={"affine": "shared"})
    | {"readout": {"t": [3, 4, 6], "combine": "cumulative-sum"}},
    "33 one readout is its own sum": spec([LOOP]) | {"readout": {"t": [3], "combine": "cumulative-sum"}},
    "21 only what a readout needs": spec([LOOP], norm={"statistics": "shared"}),
    "26 parts": spec(
        [CHAIN, {"b": {"a": "BRD"}}],
        parts={
            "p": {"states": {"r": {}, "s": {"merge": "mean"}}, "transitions": [{"r": {"s": "C"}, "s": {"r": "BRC"}}]}
        },
        states={"a": [2, 4, 4], "b": {"shape": [3, 2, 2], "part": "p"}},
    ),
}


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_holds(rule: str, training: bool) -> None:
    assert max(compare(RULES[rule], training)) < TOLERANCE


def weights(spec: dict[str, Any], seed: int = 0) -> dict[str, Any]:
    return dict(graphnet.compile(spec, seed=seed).named_parameters())


def test_rule_1_the_order_of_keys_is_kept() -> None:
    states = {"zebra": [2, 4, 4], "ant": [2, 4, 4]}
    plan = graphnet.plan(spec([{"zebra": {"ant": "C"}}], 1, states=states))
    assert [area.name for area in plan.areas] == ["zebra", "ant"]
    assert plan.cells[0].target == "zebra"


def test_rule_8_reserved_names_are_refused() -> None:
    for name in ("logits", "train", "a_t3", "class", "1st", "a_from_b"):
        with pytest.raises(graphnet.SpecError) as error:
            graphnet.plan(spec([], 0, states={name: [2, 4, 4]}))
        assert error.value.faults[0].path == ("states", name)


def test_rule_17_each_tensor_draws_for_itself_from_its_place() -> None:
    small, large = weights(spec([CHAIN], 1)), weights(spec([LOOP], 5))
    assert all((small[name] == large[name]).all() for name in small)
    assert not (large["a.from_a.conv1.weight"] == weights(spec([LOOP], 5), 1)["a.from_a.conv1.weight"]).any()
    kernel = large["b.from_b.conv1.weight"]
    assert abs(kernel.std().item() / (2 / (3 * 9)) ** 0.5 - 1) < 0.25  # He: 81 draws of a normal


def test_rule_16_coupled_weights_start_equal_unless_independent() -> None:
    def started(start: str) -> bool:
        group = {"members": ["a->a"], "coupling": 0.5, "start": start}
        found = weights(spec([CHAIN], sharing={"sets": [group]}))
        one, two = found["a.from_a.conv1.t1.weight"], found["a.from_a.conv1.t2.weight"]
        return bool((one == two).all())

    assert started("equal")
    assert not started("independent")


def test_rule_22_depth_counts_convolutions_linear_layers_and_pools() -> None:
    assert graphnet.plan(spec([CHAIN], 3)).depth == 1 + 3 + 2  # pre-net, three steps, G and L
    assert graphnet.plan(spec([CHAIN], 3)).milliseconds == (60, 150)


def test_rule_23_the_kind_of_system() -> None:
    always = [{"t": "0..inf", "a": {"a": "RC"}}]
    one = {"states": {"a": [2, 4, 4]}}
    assert graphnet.plan(spec(always, **one)).system.time_invariant
    assert not graphnet.plan(spec(always, **one, sharing={"over_time": False})).system.shared_weights
    changing = [*always, {"t": 2, "a": {"a": "RCx2"}}]
    assert not graphnet.plan(spec(changing, **one)).system.constant_matrix
    held = {"shape": [2, 4, 4], "t": "0..inf"}
    assert not graphnet.plan(spec(always, **one, input=held)).system.homogeneous
    assert not graphnet.plan(spec([{"a": {"a": "BC"}}], **one)).system.constant_statistics


def test_rule_24_names_do_not_depend_on_the_readout() -> None:
    """A cell at times relative to T has them in its tensor names: `T_1` for `T-1`."""
    transitions = [CHAIN, {"t": "T-1", "a": {"a": "BRC1"}}]
    names = [set(weights(spec(transitions, t))) for t in (4, 6)]
    assert names[0] == names[1]
    assert {"a.from_a.conv1.t0.weight", "a.from_a.conv1.tT_1.weight"} < names[0]
