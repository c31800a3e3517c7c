"""Warnings about valid but probably unintended specs, and the budget."""

from __future__ import annotations

from typing import Any

import pytest

import graphnet
from graphnet import zoo
from graphnet.errors import dotted
from graphnet.planning import time_expansion
from tests.small import fault, small

A, B = [4, 8, 8], [6, 4, 4]


def warned(spec: dict[str, Any]) -> list[str]:
    """`path: what` of each warning."""
    return [f"{dotted(each.path)}: {each.what}" for each in graphnet.plan(spec).warnings]


def test_a_part_that_no_state_is_made_of() -> None:
    assert warned(small(parts={"p": {"states": {"r": {}}}})) == ["parts.p: no state uses this part"]


def test_a_state_that_never_holds_a_value() -> None:
    spec = small(states={"h1": A, "h3": A, "h2": B})
    assert warned(spec) == ["states.h3: 'h3' never holds a value up to the last readout"]


@pytest.mark.parametrize(
    ("readout", "blind"), [([0, 1, 2], "t = 0 and t = 1"), ([1], "t = 1"), ([2], ""), ([2, 3], "t = 3")]
)
def test_a_readout_that_the_image_has_not_reached(readout: list[int], blind: str) -> None:
    """With zeros everywhere the last state is populated from t = 0 on; the image reaches it at t = 2."""
    states = {"h1": A, "h2": A, "h3": A}
    slab = {"t": "1..inf", "h1": {"h2": "C"}, "h2": {"h3": "C"}}
    spec = small(slab, states=states, unpopulated="zeros", readout={"t": readout})
    texts = [text for text in warned(spec) if text.startswith("readout.t")]
    what = f"at {blind} the output is the same for every image: no signal of it is at 'h3' then"
    assert texts == ([f"readout.t: {what}"] if blind else [])


def test_parameters_that_only_see_zeros() -> None:
    states = {"h1": A, "h2": {"shape": A, "unpopulated": "zeros"}, "h3": A}
    slab = {"t": "1..inf", "h1": {"h3": "C"}, "h2": {"h2": "C", "h3": "RC"}}
    texts = [text for text in warned(small(slab, states=states, readout={"t": 2})) if "no gradient" in text]
    assert [text.split(" gets")[0] for text in texts] == [
        "transitions[0].h2.h2: h2.from_h2.conv1.weight",
        "transitions[0].h2.h3: h3.from_h2.conv1.weight",
    ]


def test_a_bias_makes_zeros_nonzero() -> None:
    states = {"h1": A, "h2": {"shape": A, "unpopulated": "zeros"}}
    slab = {"t": "1..inf", "h1": {"h2": "C"}, "h2": {"h2": [{"conv": {"bias": True}}]}}
    assert not [text for text in warned(small(slab, states=states, readout={"t": 2})) if "no gradient" in text]


def test_parameters_behind_a_gain_of_zero() -> None:
    slab = {"h1": {"h1": "I", "h2": "C"}, "h2": {"h2": {"ops": "C", "gain": 0}}}
    (text,) = [text for text in warned(small(slab)) if "no gradient" in text]
    assert text.startswith("transitions[0].h2.h2: h2.from_h2.conv1.weight gets no gradient")
    learned = slab | {"h2": {"h2": {"ops": "C", "gain": {"init": 0, "learn": True}}}}
    assert not [text for text in warned(small(learned)) if "no gradient" in text]


def test_exactly_the_reported_parameters_have_zero_gradient() -> None:
    """Exactly the parameters in the warning have zero gradient."""
    import torch

    states = {"h1": A, "h2": {"shape": A, "unpopulated": "zeros"}, "h3": A}
    slab = {"t": "1..inf", "h1": {"h3": "C"}, "h2": {"h2": "C", "h3": "RC"}}
    spec = small(slab, states=states, readout={"t": 2}, input={"shape": [1, 8, 8], "t": "0..inf"})
    net = graphnet.compile(spec)
    logits = net(torch.randn(2, 1, 8, 8))
    (logits.square().sum() + logits.sum()).backward()
    still = {name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()}
    assert still == {text.split(": ")[1].split(" gets")[0] for text in warned(spec) if "no gradient" in text}


@pytest.mark.parametrize(
    ("norm", "shape", "what"),
    [
        ({}, [4, 1, 1], "batch norm of a 1x1 map"),
        ({"kind": "group", "groups": 4}, [4, 1, 1], "group norm of single values"),
        ({"kind": "layer"}, [1, 1, 1], "layer norm of a single value"),
        ({"kind": "group", "groups": 2}, [4, 1, 1], ""),
        ({}, [4, 2, 1], ""),
        ({}, [4], ""),
    ],
)
def test_norms_of_single_values(norm: dict[str, Any], shape: list[int], what: str) -> None:
    ops = "BC1" if len(shape) > 1 else "BL"
    spec = small({"a": {"a": ops}}, states={"a": shape}, input={"shape": shape}, norm=norm, pre_net=None, post_net=None)
    texts = warned(spec)
    assert [text.partition(": ")[2].startswith(what) for text in texts] == ([True] if what else [])


@pytest.mark.parametrize(
    ("members", "more", "ties"),
    [
        (["h1->h1"], {}, False),
        (["h1->h1@2"], {}, False),
        (["h1->h1@2..3"], {}, True),
        (["h1->h1"], {"coupling": 0.5}, True),
        (["h1->h1@2"], {"coupling": 0.5}, False),
        (["h1->h1", "h2->h2"], {}, True),
        (["*->*#conv1"], {}, True),
    ],
)
def test_sets_that_tie_nothing(members: list[str], more: dict[str, Any], ties: bool) -> None:
    states = {"h1": A, "h2": A}
    slab = {"h1": {"h1": "C", "h2": "C"}, "h2": {"h2": "C"}}
    spec = small(slab, states=states, sharing={"sets": [{"members": members} | more]})
    what = "sharing.sets[0].members: this set ties nothing: it has one transition's weights, each alone"
    assert warned(spec) == ([] if ties else [what])


def test_a_set_over_time_ties_what_is_not_shared_over_time() -> None:
    slab = {"h1": {"h1": "C", "h2": "C"}}
    sharing = {"over_time": False, "sets": [{"members": ["h1->h1"]}]}
    assert warned(small(slab, sharing=sharing)) == []


LARGE: dict[str, dict[str, Any]] = {
    "late readout": {"readout": {"t": 10**9}},
    "many readouts": {"readout": {"t": "0..1000000000"}},
    "a net for each of many readouts": {
        "readout": {"t": "2..900000"},
        "transitions": [{"h1": {"h1": "C"}}, {"t": "T", "h1": {"h2": "C"}}],
    },
    "large state": {"states": {"h1": [10**12, 8, 8], "h2": B}},
    "held for ever": {"states": {"h1": {"shape": A, "hold": True}, "h2": B}, "readout": {"t": 10**8}},
    "constants": {"let": {"N": 100_000}, "readout": {"t": "100*N"}},
    "many states": {"states": {f"s{n}": [1] for n in range(250_000)}},
}


@pytest.mark.parametrize("name", LARGE)
def test_specs_that_are_too_large_are_refused_with_an_estimate_before_unrolling(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_expansion, "follow", None)
    found = fault(small(**LARGE[name]))
    assert found.what.startswith("this net is too large: ")
    assert found.path in (("readout", "t"), ("states",))


def test_the_estimate_is_an_upper_bound_for_the_zoo() -> None:
    from graphnet.network.budget import estimate
    from graphnet.planning.time_expansion import expand_in_time

    for name in zoo.names():
        spec = graphnet.load(zoo.path(name))
        network, plan = expand_in_time(spec).network, graphnet.plan(spec)
        cells = [cell for net in network.nets for cell in net.transitions]
        cells += [state.update for state in network.states if state.update]
        found = estimate(cells, network.states, [t for t, _ in plan.outputs], 1)
        fires = sum(firing.fate == "fires" for firing in plan.firings)
        assert found.parameters >= plan.parameters
        assert found.lines >= len(plan.lines) - len(plan.outputs)
        assert found.transitions >= fires
        assert found.lines < 40 * len(plan.lines), "and not far above"


def test_the_budget_can_be_lifted() -> None:
    spec = small(readout={"t": 400_000}, transitions=[{"t": "400000", "h1": {"h2": "C"}}], states={"h1": A, "h2": B})
    spec["input"]["t"] = 399_999
    graphnet.plan(spec)
    held = spec | {"states": {"h1": A, "h2": B, "h3": {"shape": A, "hold": True}}, "readout": {"t": 1_100_000}}
    assert "too large" in fault(held).what


def test_a_product_with_zeros_is_zeros() -> None:
    states = {"h1": A, "h2": {"shape": A, "unpopulated": "zeros"}, "h3": {"shape": A, "merge": "product"}}
    slab = {"t": "1..inf", "h1": {"h3": "C"}, "h2": {"h3": "I"}}
    same, *still = warned(small(slab, states=states, readout={"t": 1}))
    assert same == "readout.t: at t = 1 the output is the same for every image: no signal of it is at 'h3' then"
    assert [text.split(" gets")[0] for text in still] == [
        "transitions[0].h1.h3: h3.from_h1.conv1.weight",
        "pre_net: pre_net.conv1.weight",
    ]


def test_dead_values_that_are_kept_get_no_gradient() -> None:
    spec = small(readout={"t": 3, "state": "h2"})
    spec["states"]["h3"] = [8, 2, 2]
    spec["transitions"].append({"h2": {"h3": "BRC"}})
    assert not any(fault.code == "GN506" for fault in graphnet.plan(spec).warnings)
    (fault,) = (fault for fault in graphnet.plan(spec, keep_dead=True).warnings if fault.code == "GN506")
    assert fault.what.startswith("h3.from_h2.conv1.weight gets no gradient")


def test_a_norm_of_single_values_in_a_part_names_the_states_concerned() -> None:
    part = {"states": {"r": {}, "s": {}}, "transitions": [{"r": {"s": "BC1"}}]}
    states = {f"h{n}": {"shape": [4, size, size], "part": "p"} for n, size in ((1, 8), (2, 1), (3, 1))}
    slab = {"h1": {"h2": "CCC"}, "h2": {"h3": "C1"}}
    spec = small(slab, states=states, parts={"p": part}, post_net={"ops": "L", "classes": 3}, readout={"t": 5})
    assert [text.split(" batch norm")[0] for text in warned(spec)] == ["parts.p.transitions[0].r.s: in 'h2' and 'h3':"]
