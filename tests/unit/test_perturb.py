"""Edited nets against values computed by hand, step by step, from the tensors of the unedited net."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet.analysis.calibrate import calibrate
from graphnet.analysis.perturb import sequence
from graphnet.edits import (
    AddNoise,
    DropBlock,
    EditError,
    Lesion,
    Override,
    ReadOutEarly,
    RepeatLastBlock,
    ShowAnother,
    Silence,
)
from graphnet.spec.write import to_toml

SHAPE = (3, 6, 6)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small convolutions wait for threads longer than they take; nothing here needs gradients."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(threads)


def spec(*slabs: dict[str, Any], t: Any = 3, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "graphnet": 1,
        "input": {"shape": [2, 6, 6]},
        "states": {name: list(SHAPE) for name in ("h1", "h2", "h3")},
        "transitions": list(slabs),
        "pre_net": {"ops": "CB"},
        "post_net": {"ops": "BRGL", "classes": 4},
        "readout": {"t": t},
    }
    return {key: value for key, value in (made | changes).items() if value is not None}


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def shaken(spec: dict[str, Any], seed: int = 0) -> nn.Module:
    """A net in float64 and evaluation mode with random weights, statistics and affine parts."""
    net = graphnet.compile(spec).double().eval()
    for place, (name, tensor) in enumerate(net.state_dict().items()):
        values = random(*tensor.shape, seed=1000 * seed + place)
        tensor.copy_(0.3 + values.abs() if name.endswith("running_var") else 0.5 * values)
    return net


IMAGES, OTHERS = random(3, 2, 6, 6, seed=1), random(3, 2, 6, 6, seed=2)


def close(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for t in wanted:
            close(found[t], wanted[t])
    else:
        assert found.shape == wanted.shape
        assert float((found - wanted).abs().max()) <= 1e-10 * float(wanted.abs().max())


def edited(net: nn.Module, *edits: Any) -> Any:
    """The edited net, with what holds of all of them: nothing is copied, nothing changes, its spec is what it is."""
    before, chance = deepcopy(net.state_dict()), torch.get_rng_state()
    made = graphnet.perturb(net, *edits)
    assert torch.equal(torch.get_rng_state(), chance)
    storage = {tensor.data_ptr() for tensor in net.state_dict().values()}
    assert {tensor.data_ptr() for tensor in made.state_dict().values()} <= storage
    assert not made.training
    assert made.meta["plan"] == graphnet.plan(made.meta["spec"])
    assert graphnet.plan(tomllib.loads(to_toml(made.meta["spec"].as_data()))) == made.meta["plan"]
    made(torch.zeros(2, *made.meta["plan"].input_shape, dtype=next(iter(made.parameters())).dtype))
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    return made


class Hand:
    """Transition functions by hand: letters (S is a convolution of stride 2), with the tensors of a place at a time."""

    def __init__(self, net: nn.Module) -> None:
        self.tensors = deepcopy(net.state_dict())

    def tensor(self, layer: str, role: str, t: int) -> Any:
        """Of time t; or of weights that began earlier; or of all times."""
        since = 0 if "conv" in layer else t
        names = [*(f"{layer}.t{time}.{role}" for time in range(t, since - 1, -1)), f"{layer}.{role}"]
        return next((self.tensors[name] for name in names if name in self.tensors), None)

    def __call__(self, ops: str, place: str, x: Tensor, t: int) -> Tensor:
        for op in ops:
            layer = f"{place}.{dict(B='norm1', C='conv1', S='conv1', L='linear1').get(op, op)}"
            if op == "B":
                roles = ("running_mean", "running_var", "weight", "bias")
                x = F.batch_norm(x, *(self.tensor(layer, role, t) for role in roles))
            elif op in "CS":
                weight = self.tensor(layer, "weight", t)
                x = F.conv2d(x, weight, padding=weight.shape[-1] // 2, stride=1 + (op == "S"))
            elif op == "L":
                x = x @ self.tensor(layer, "weight", t).T + self.tensor(layer, "bias", t)
            else:
                x = x.relu() if op == "R" else x.mean((2, 3))
        return x


# Two stages, one after the other


def staged(t: Any = 8, **changes: Any) -> dict[str, Any]:
    slabs = (
        {"t": "1..4", "h1": {"h1": "BRC+I"}},
        {"t": 5, "h1": {"h2": "BRC"}},
        {"t": "6..8", "h2": {"h2": "BRC+I"}},
    )
    return spec(*slabs, t=t, **{"states": {"h1": [3, 6, 6], "h2": [4, 3, 3]}, **changes})


def by_hand(net: nn.Module, one: Iterable[int] = (1, 2, 3, 4), two: Iterable[int] = (6, 7, 8), read: int = 8) -> Tensor:
    """The logits where h1 and h2 have blocks with the weights and statistics of these times."""
    f = Hand(net)
    x = f("CB", "pre_net", IMAGES, 0)
    for t in one:
        x = x + f("BRC", "h1.from_h1", x, t)
    x = f("BRS", "h2.from_h1", x, 5)
    for t in two:
        x = x + f("BRC", "h2.from_h2", x, t)
    return f("BRGL", "post_net", x, read)


VARIANTS: dict[str, dict[str, Any]] = {
    "tied": {},
    "untied": {"sharing": {"over_time": False}},
    "sets with times": {"sharing": {"sets": [{"members": ["h1->h1@1..2"]}, {"members": [["h2", "h2", 6], "h2->h2@7"]}]}},
    "coupled": {"sharing": {"sets": [{"members": ["h1->h1"], "except": ["h1->h1@1"], "coupling": 0.5}]}},
    "affine shared": {"norm": {"affine": "shared"}},
    "affine per time": {"norm": {"affine": "per-time"}},
    "all shared": {"norm": {"affine": "shared", "statistics": "shared"}},
    "untied, statistics too": {"norm": {"affine": "shared", "statistics": "shared"}, "sharing": {"over_time": False}},
}
ONE, TWO = (1, 2, 3, 4), (6, 7, 8)
STAGED: list[tuple[tuple[Any, ...], tuple[int, ...], tuple[int, ...]]] = [
    ((), ONE, TWO),
    *(((ReadOutEarly("h1", b),), ONE[:b], TWO) for b in range(5)),
    *(((ReadOutEarly("h2", b),), ONE, TWO[:b]) for b in range(4)),
    *(((DropBlock("h1", b),), ONE[: b - 1] + ONE[b:], TWO) for b in (1, 2, 3, 4)),
    *(((DropBlock("h2", b),), ONE, TWO[: b - 1] + TWO[b:]) for b in (1, 2, 3)),
    *(((RepeatLastBlock("h1", more),), ONE + (4,) * more, TWO) for more in range(4)),
    *(((RepeatLastBlock("h2", more),), ONE, TWO + (8,) * more) for more in range(1, 4)),
    ((RepeatLastBlock("h1", 2), RepeatLastBlock("h2", 3)), (*ONE, 4, 4), (*TWO, 8, 8, 8)),
    ((RepeatLastBlock("h2", 3), RepeatLastBlock("h1", 2)), (*ONE, 4, 4), (*TWO, 8, 8, 8)),
    ((RepeatLastBlock("h1", 1), RepeatLastBlock("h1", 2)), (*ONE, 4, 4, 4), TWO),
    ((RepeatLastBlock("h1", 2), DropBlock("h1", 2), ReadOutEarly("h2", 1)), (1, 3, 4, 4, 4), TWO[:1]),
    ((RepeatLastBlock("h1", 2), ReadOutEarly("h1", 5), DropBlock("h2", 3)), (*ONE, 4), TWO[:2]),
    ((DropBlock("h2", 1), RepeatLastBlock("h1", 1), {"t": 2, "h1": {"h1": "I"}}), (1, 3, 4, 4), TWO[1:]),
    ((RepeatLastBlock("h1", 1), Override(({"t": [5, 9], "h1": {"h1": "I"}, "h2": {"h2": "I"}},))), ONE, TWO[:2]),
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks_are_dropped_and_repeated(variant: str) -> None:
    net = shaken(staged(**VARIANTS[variant]))
    for edits, one, two in STAGED:
        made = edited(net, *edits)
        close(made(IMAGES), by_hand(net, one, two))
        if len(edits) > 1:
            rest = edited(graphnet.perturb(net, *edits[:1]), *edits[1:])
            assert torch.equal(rest(IMAGES), made(IMAGES))


def test_readouts_move_with_what_they_read() -> None:
    net = shaken(staged(t="5..8", post_net={"ops": "BRGL", "classes": 4, "norm": {"affine": "per-time"}}))

    def wanted(times: tuple[int, ...], one: tuple[int, ...], *two: tuple[int, ...]) -> dict[int, Tensor]:
        return {t: by_hand(net, one, blocks, 5 + k) for k, (t, blocks) in enumerate(zip(times, two, strict=True))}

    all_of_them = ((), TWO[:1], TWO[:2], TWO)
    close(edited(net)(IMAGES), wanted((5, 6, 7, 8), ONE, *all_of_them))
    close(edited(net, RepeatLastBlock("h1", 2))(IMAGES), wanted((7, 8, 9, 10), (*ONE, 4, 4), *all_of_them))
    repeated = (*all_of_them[:3], (*TWO, 8, 8))
    close(edited(net, RepeatLastBlock("h2", 2))(IMAGES), wanted((5, 6, 7, 10), ONE, *repeated))
    close(edited(net, ReadOutEarly("h2", 1))(IMAGES), wanted((5, 6, 7, 8), ONE, (), *[TWO[:1]] * 3))
    close(edited(net, DropBlock("h2", 2))(IMAGES), wanted((5, 6, 7, 8), ONE, (), (6,), (6,), (6, 8)))
    mean = shaken(staged(readout={"t": [6, 8], "combine": "mean"}))
    two = by_hand(mean, two=TWO[:1], read=6) + by_hand(mean, two=(*TWO, 8))
    close(edited(mean, RepeatLastBlock("h2", 1))(IMAGES), two / 2)


# Two states that drive each other at every step

Change = Callable[[tuple[str, str], int, Tensor, Tensor], Tensor | None]
"""What becomes of an arrival: (source, target), t, what it reads, what arrives → what arrives instead, if anything."""


def looped(own: Any = "BRC+I", unroll: str = "biological", h1: dict[str, Any] | None = None, **changes: Any) -> Any:
    states = {"h1": {"shape": list(SHAPE), **(h1 or {})}, "h2": list(SHAPE)}
    slab = {"h1": {"h1": own, "h2": "BRC"}, "h2": {"h1": "BC", "h2": "BRC+I"}}
    return spec(slab, **{"states": states, "unroll": unroll, **changes})


def step_by_step(
    net: nn.Module,
    repeat: tuple[str, int, int] = ("", 0, 0),
    change: Change = lambda key, t, x, y: y,
    shown: dict[int, Tensor] | None = None,
) -> Tensor:
    """The logits of a looped net; a state's block at t is repeated some times, with nothing else arriving."""
    f, how = Hand(net), net.meta["spec"]
    own, update = how.transitions[0].rows["h1"]["h1"], how.states["h1"].update or ""
    start = torch.zeros(3, *SHAPE).double() if how.unpopulated == "zeros" else None
    now: dict[str, Tensor | None] = dict.fromkeys(("h1", "h2"), start)
    first = None
    for t in range(4):
        before = dict(now)
        for target in ("h1", "h2") if t < 3 or how.unroll == "engineering" else ("h2",):  # h1@3 comes too late

            def arrives(source: str, x: Tensor, target: str = target, t: int = t) -> Tensor | None:
                if source == "input":
                    return change((source, target), t, x, f("CB", "pre_net", x, 0))
                y = f("BC" if (source, target) == ("h2", "h1") else "BRC", f"{target}.from_{source}", x, t)
                if source == target:
                    y = y + (first if first is not None and target == "h1" and own.ops == "BRC+I0" else x)
                return change((source, target), t, x, y * (0.3 if source == target == "h1" and own.gain else 1))

            def joined(arrivals: Iterable[Tensor | None], target: str = target, t: int = t) -> Tensor | None:
                there = [each for each in arrivals if each is not None]
                if not there and start is None:
                    return None
                x = torch.stack(there) if there else torch.zeros(1, 3, *SHAPE).double()
                x = x.amax(0) if how.merge == "max" else x.sum(0) / (len(x) if how.merge == "mean" else 1)
                return f(update, "h1.update", x, t) if target == "h1" else x

            sources = {"h1": before["h1"], "h2": before["h2"]}
            if target == "h2" and how.unroll == "engineering":
                sources["h1"] = now["h1"]
            arrivals = [arrives(source, x) for source, x in sources.items() if x is not None]
            image = (shown or {0: IMAGES}).get(t)
            value = joined([arrives("input", image) if image is not None and target == "h1" else None, *arrivals])
            for _ in range(repeat[2] if repeat[:2] == (target, t) else 0):
                assert value is not None
                value = joined([arrives(target, value)])
            now[target] = value
        first = now["h1"] if first is None else first
    assert now["h2"] is not None
    return f("BRGL", "post_net", now["h2"], 3)


HELD = {"shape": [2, 6, 6], "t": "0..inf"}
LOOPED: dict[str, dict[str, Any]] = {
    "sum": {},
    "mean": {"merge": "mean"},
    "max": {"merge": "max"},
    "no time between areas": {"unroll": "engineering"},
    "no time between areas, untied": {"unroll": "engineering", "sharing": {"over_time": False}},
    "update": {"h1": {"update": "BR"}, "norm": {"affine": "per-time"}},
    "zeros": {"unpopulated": "zeros"},
    "zeros, mean, update": {"unpopulated": "zeros", "merge": "mean", "h1": {"update": "BR"}},
    "first value": {"own": "BRC+I0"},
    "first value, update, no time": {"own": "BRC+I0", "h1": {"update": "BR"}, "unroll": "engineering"},
    "held": {"input": HELD},
    "held, mean": {"input": HELD, "merge": "mean"},
    "held, zeros, no time": {"input": HELD, "unpopulated": "zeros", "unroll": "engineering"},
    "gain": {"own": {"ops": "BRC+I", "gain": 0.3}},
    "sets with times": {"sharing": {"sets": [{"members": ["h1->h2@2..3"]}]}, "unroll": "engineering"},
}


@pytest.mark.parametrize("variant", LOOPED)
def test_what_is_read_across_the_steps_put_in_stays(variant: str) -> None:
    how = LOOPED[variant]
    net = shaken(looped(**how))
    shown = dict.fromkeys(range(4), IMAGES) if how.get("input") else None
    last = 3 if how.get("unroll") else 2
    close(edited(net)(IMAGES), step_by_step(net, shown=shown))
    for more in (1, 2, 3):
        close(edited(net, RepeatLastBlock("h1", more))(IMAGES), step_by_step(net, ("h1", last, more), shown=shown))
        close(edited(net, RepeatLastBlock("h2", more))(IMAGES), step_by_step(net, ("h2", 3, more), shown=shown))
    begin = 0 if how.get("unpopulated") else 1
    for block in range(1, last - begin + 2):

        def dropped(key: tuple[str, str], t: int, x: Tensor, y: Tensor, block: int = block) -> Tensor:
            return x if key == ("h1", "h1") and t == begin + block - 1 else y

        def early(key: tuple[str, str], t: int, x: Tensor, y: Tensor, block: int = block) -> Tensor:
            return x if key == ("h1", "h1") and begin + block - 1 <= t <= last else y

        close(edited(net, DropBlock("h1", block))(IMAGES), step_by_step(net, change=dropped, shown=shown))
        close(edited(net, ReadOutEarly("h1", block - 1))(IMAGES), step_by_step(net, change=early, shown=shown))


def test_arrows_with_delays_read_what_they_read() -> None:
    slabs = (
        {"t": "1..3", "h1": {"h1": "BRC+I"}},
        {"t": 2, "h1": {"h2": "BRC"}},
        {"t": 4, "h1": {"h3": "BRC"}, "h2": {"h3": {"ops": "BC", "delay": 2}}},
        {"t": 5, "h1": {"h3": {"ops": "BRC", "delay": 4}}, "h3": {"h3": "BRC+I"}},
    )
    net = shaken(spec(*slabs, t=5))
    f = Hand(net)
    for more in (0, 1, 2, 3):
        values = [f("CB", "pre_net", IMAGES, 0)]
        for t in (1, 2, 3, *[3] * more):
            values.append(values[-1] + f("BRC", "h1.from_h1", values[-1], t))
        h2 = f("BRC", "h2.from_h1", values[1], 2)
        h3 = f("BRC", "h3.from_h1", values[-1], 4) + f("BC", "h3.from_h2", h2, 4)
        h3 = f("BRC", "h3.from_h1", values[1], 5) + f("BRC", "h3.from_h3", h3, 5) + h3
        close(edited(net, RepeatLastBlock("h1", more))(IMAGES), f("BRGL", "post_net", h3, 5))


@pytest.mark.parametrize("merge", ["sum", "product"])
def test_a_held_state_is_held_longer(merge: str) -> None:
    slabs = (
        {"t": "1..3", "h1": {"h1": "BRC+I"}},
        {"t": 2, "h1": {"h2": "BRC"}},
        {"t": 6, "h1": {"h3": "BRC"}, "h2": {"h3": "BC"}},
    )
    held = {"shape": list(SHAPE), "hold": True, "update": "BR"}
    net = shaken(spec(*slabs, states={"h1": held, "h2": held, "h3": {"shape": list(SHAPE), "merge": merge}}, t=6))
    f = Hand(net)
    for more in (0, 1, 2):
        values = [f("BR", "h1.update", f("CB", "pre_net", IMAGES, 0), 0)]
        for t in (1, 2, 3, *[3] * more):
            values.append(f("BR", "h1.update", values[-1] + f("BRC", "h1.from_h1", values[-1], t), t))
        h2 = f("BR", "h2.update", f("BRC", "h2.from_h1", values[1], 2), 2)
        arrivals = f("BRC", "h3.from_h1", values[-1], 6), f("BC", "h3.from_h2", h2, 6)
        h3 = arrivals[0] + arrivals[1] if merge == "sum" else arrivals[0] * arrivals[1]
        close(edited(net, RepeatLastBlock("h1", more))(IMAGES), f("BRGL", "post_net", h3, 6))


def test_states_of_parts() -> None:
    inner = [{"r": {"r": "BRC+I", "s": "BRC"}, "s": {"r": "C1"}}]
    loop = {"unroll": "engineering", "states": {"r": {}, "s": {"update": "BR"}}, "transitions": inner}
    states = {"V1": {"shape": list(SHAPE), "part": "loop"}, "IT": list(SHAPE)}
    net = shaken(spec({"V1": {"IT": "BRC"}}, states=states, parts={"loop": loop}))
    f = Hand(net)

    def wanted(blocks: tuple[tuple[int, ...], ...] = ((1,), (2,)), feedback: tuple[int, ...] = (1, 2)) -> Tensor:
        r = f("CB", "pre_net", IMAGES, 0)
        s = torch.zeros(0)
        for t in range(3):
            if t:
                old, (once, *again) = r, blocks[t - 1] or (0,)
                r = r + f("BRC", "V1.r.from_V1.r", r, once) if once else r
                r = r + f("C", "V1.r.from_V1.s", s, t) if t in feedback else r
                for time in again:
                    r = r + f("BRC", "V1.r.from_V1.r", r, time)
                assert old is not r
            s = f("BR", "V1.s.update", f("BRC", "V1.s.from_V1.r", r, t), t)
        return f("BRGL", "post_net", f("BRC", "IT.from_V1.s", s, 3), 3)

    close(edited(net, RepeatLastBlock("V1.r", 2))(IMAGES), wanted(((1,), (2, 2, 2))))
    close(edited(net, DropBlock("V1.r", 1))(IMAGES), wanted(((), (2,))))
    close(edited(net, Lesion("V1.s->V1.r", 2))(IMAGES), wanted(feedback=(1,)))
    close(edited(net, Silence("V1.s->V1.r", "2..inf"))(IMAGES), wanted(feedback=(1,)))


def at(key: str, *times: int, to: Callable[[Tensor], Tensor | None]) -> Change:
    """What arrives by a transition, or at a state by any but the input, becomes another value at some times."""

    def change(where: tuple[str, str], t: int, x: Tensor, y: Tensor) -> Tensor | None:
        meant = "->".join(where) == key or (where[1] == key and where[0] != "input")
        return to(y) if meant and (not times or t in times) else y

    return change


WHERE: list[tuple[str, Any, tuple[int, ...]]] = [
    ("h2->h1", None, ()),
    ("h2->h1", 2, (2,)),
    ("h1->h1", "2..inf", (2, 3)),
    ("h1->h2", [1, "3..4"], (1, 3)),
    ("h2->h2", 7, (7,)),
    ("h2", 1, (1,)),
    ("h1", 2, (2,)),
    ("h1", [1, 2], (1, 2)),
]


@pytest.mark.parametrize("variant", ["sum", "mean", "no time between areas, untied", "zeros, mean, update", "gain"])
def test_lesions_and_silence(variant: str) -> None:
    how = LOOPED[variant]
    net = shaken(looped(**how))
    for what, t, times in WHERE:
        cut, silent = (at(what, *times, to=to) for to in (lambda y: None, lambda y: 0 * y))
        close(edited(net, Lesion(what, t))(IMAGES), step_by_step(net, change=cut))
        if what != "h1" or "h1" not in how:
            close(edited(net, Silence(what, t))(IMAGES), step_by_step(net, change=silent))
    two = edited(net, Lesion("h*->h1", 1), Silence("h2->h1", 2))
    both = lambda key, t, x, y: (None, 0 * y)[t - 1] if key[0] != "input" and key[1] == "h1" and t in (1, 2) else y
    close(two(IMAGES), step_by_step(net, change=both))


@pytest.mark.parametrize("t", [0, 1, [2, 3], "1..inf"])
def test_a_lesion_of_the_entry_cuts_the_input_too(t: Any) -> None:
    times = {0: (0,), 1: (1,)}.get(t, (2, 3)) if not isinstance(t, list | str) else (2, 3) if t != "1..inf" else (1, 2, 3)
    net = shaken(looped(input=HELD))
    shown = {time: IMAGES for time in range(4) if time not in times}
    cut = at("h1", *times, to=lambda y: None)
    close(edited(net, Lesion("h1", t))(IMAGES), step_by_step(net, change=cut, shown=shown))


@pytest.mark.parametrize(("update", "keeps"), [("R", True), ("tanh elu", True), ("BR", False), ("sigmoid", False)])
def test_a_state_is_silent_if_its_update_keeps_zero(update: str, keeps: bool) -> None:
    net = shaken(looped(h1={"update": update}))
    seen: list[Tensor] = []
    if keeps:
        made = edited(net, Silence("h1", 2))
        made.get_submodule("h1.output").register_forward_hook(lambda module, given, value: seen.append(value))
        assert bool(made(IMAGES).any())
        assert [bool(value.any()) for value in seen] == [True, True, False]
    else:
        with pytest.raises(EditError, match=r"'h1' has an update that makes something of zeros \((norm|sigmoid)1\)\n  les"):
            graphnet.perturb(net, Silence("h1", 2))


def test_a_held_state_is_silent_too() -> None:
    slabs = {"t": 1, "h1": {"h2": "BRC"}}, {"t": 3, "h2": {"h3": "BC"}}
    held = {"shape": list(SHAPE), "hold": True}
    net = shaken(spec(*slabs, states={"h1": list(SHAPE), "h2": held, "h3": list(SHAPE)}))
    f = Hand(net)
    silent = f("BRGL", "post_net", f("BC", "h3.from_h2", torch.zeros(3, *SHAPE).double(), 3), 3)
    try:
        made = graphnet.perturb(net, Silence("h2", 2))
    except EditError as error:
        assert "hold" in str(error)
    else:
        close(made(IMAGES), silent)


def test_noise() -> None:
    net = shaken(spec({"h1": {"h1": "C"}}, states={"h1": [2, 6, 6]}, pre_net=None, post_net=None, t=2))
    f = Hand(net)

    def conv(x: Tensor) -> Tensor:
        return f("C", "h1.from_h1", x, 1)

    for t, times in ((1, (1,)), (2, (2,)), (None, (1, 2))):
        made = edited(net, AddNoise("h1->h1", 0.3, t))
        torch.manual_seed(5)
        found, other = made(IMAGES), made(IMAGES)
        torch.manual_seed(5)
        x = IMAGES
        for time in (1, 2):
            x = conv(x) + (0.3 * torch.randn_like(x) if time in times else 0)
        close(found, x)
        assert not torch.equal(found, other)
        assert not torch.equal(made.train()(IMAGES), made(IMAGES))
    close(edited(net, AddNoise("h1->h1", 0.3, 1), {"t": 1, "h1": {"h1": "C"}})(IMAGES), conv(conv(IMAGES)))
    # The difference is a convolution of white noise, σ = 0.3 ‖weights that reach the pixel‖. Of n = 20,000 images a
    # mean is off by σ/√n and a standard deviation by σ/√(2n); of the 72 pixels none is off by 5 times that but once in
    # 10,000 seeds.
    n = 20_000
    torch.manual_seed(6)
    images = torch.zeros(n, 2, 6, 6).double()
    difference = edited(net, AddNoise("h1->h1", 0.3, 1))(images) - net(images)
    squares = F.conv2d(torch.ones(1, 2, 6, 6).double(), net.get_parameter("h1.from_h1.conv1.weight") ** 2, padding=1)
    sigma = 0.3 * squares[0].sqrt()
    assert float((difference.mean(0) / sigma).abs().max()) < 5 / n**0.5
    assert float((difference.std(0) / sigma - 1).abs().max()) < 5 / (2 * n) ** 0.5


@pytest.mark.parametrize("ops", ["BRC+C1+I", "BRC+I0", ["B", {"sum": ["RC", "I"]}], "I"])
def test_noise_leaves_the_function_as_it_is(ops: Any) -> None:
    net = shaken(looped(own=ops, norm={"affine": "per-time"}, sharing={"over_time": False}))
    close(edited(net, AddNoise("h1->h1", 1e-200))(IMAGES), net(IMAGES))


@pytest.mark.parametrize("unroll", ["biological", "engineering"])
def test_another_image(unroll: str) -> None:
    once, briefly, held = {"shape": [2, 6, 6]}, {"shape": [2, 6, 6], "t": "0..1"}, HELD
    for given, t, own, other in (
        (once, 0, (), (0,)),
        (once, 2, (0,), (2,)),
        (briefly, 1, (0,), (1,)),
        (briefly, 2, (0, 1), (2,)),
        (held, 0, (), (0, 1, 2, 3)),
        (held, 2, (0, 1), (2, 3)),
    ):
        net = shaken(looped(input=given, unroll=unroll))
        made = edited(net, ShowAnother(t))
        shown = dict.fromkeys(own, IMAGES) | dict.fromkeys(other, OTHERS)
        images = sequence(made, IMAGES, OTHERS, t)
        assert images.shape == (3, len(shown), 2, 6, 6)
        close(made(images), step_by_step(net, shown=shown))
        if t:
            close(made(sequence(made, IMAGES, IMAGES, t)), step_by_step(net, shown=dict.fromkeys(shown, IMAGES)))
    longer = edited(net, ShowAnother(2), RepeatLastBlock("h2", 2))
    close(longer(sequence(longer, IMAGES, OTHERS, 2)), step_by_step(net, ("h2", 3, 2), shown=shown))


def test_slabs() -> None:
    net = shaken(looped())
    twice = {"t": [1, 2], "h1": {"h1": {"ops": "BRC+I", "gain": 2}}}
    for given in (twice, Override((twice, {"t": 9, "h2": {"h2": "-"}}))):
        close(edited(net, given)(IMAGES), step_by_step(net, change=at("h1->h1", 1, 2, to=lambda y: 2 * y)))
    late = edited(net, RepeatLastBlock("h1", 2), {"t": [3, 4], "h1": {"h1": "-"}}, {"t": 4, "h1": {"h1": "BRC+I"}})
    assert "h1_t3" not in {line.name for line in late.meta["plan"].lines}


# Tensors


def test_every_tensor_is_that_of_the_right_time() -> None:
    net = shaken(staged(sharing={"over_time": False}, norm={"affine": "per-time"}))
    made = edited(net, RepeatLastBlock("h1", 2), DropBlock("h2", 1))
    ours, theirs = net.state_dict(), made.state_dict()
    later = {5: 4, 6: 4, 7: 5, 9: 7, 10: 8}
    for name, tensor in theirs.items():
        t = int((re.search(r"\.t(\d+)\.", name) or "0")[1]) if ".t" in name else 0
        assert tensor.data_ptr() == ours[name.replace(f".t{t}.", f".t{later.get(t, t)}.")].data_ptr(), name
    with_less = {name for name in ours if name.startswith("h2.from_h2") and ".t6." in name}
    assert {tensor.data_ptr() for tensor in theirs.values()} == {
        tensor.data_ptr() for name, tensor in ours.items() if name not in with_less
    }
    assert [name for name, _ in made.named_parameters() if "conv" in name][:3] == [
        "pre_net.conv1.weight",
        "h1.from_h1.conv1.t1.weight",
        "h1.from_h1.conv1.t2.weight",
    ]
    for parameter in net.parameters():
        parameter.mul_(0.9)  # training goes on
    close(made(IMAGES), by_hand(net, (*ONE, 4, 4), TWO[1:]))


def test_type_device_and_mode_are_those_of_the_net() -> None:
    for make in (lambda net: net, lambda net: net.double().train(), lambda net: net.bfloat16(), lambda net: net.to("meta")):
        net = make(graphnet.compile(staged()).eval())
        batches = [(random(8, 2, 6, 6, seed=4), torch.zeros(8))] if next(net.parameters()).device.type == "cpu" else None
        slab = {"t": 1, "h1": {"h1": "I"}} if batches is None else {"t": 0, "delay": 0, "h1": {"h2": "BRC"}}
        made = graphnet.perturb(net, RepeatLastBlock("h1", 1), slab, calibrate=batches)
        like = next(net.parameters())
        assert {(each.dtype, each.device) for each in made.state_dict().values()} == {(like.dtype, like.device)}
        assert made.training == net.training
    mixed = graphnet.compile(staged()).eval()
    mixed.get_parameter("pre_net.conv1.weight").data = mixed.get_parameter("pre_net.conv1.weight").data.double()
    made = graphnet.perturb(mixed, DropBlock("h1", 1))
    for name, tensor in made.state_dict().items():
        assert tensor.data_ptr() == mixed.state_dict()[name].data_ptr()
