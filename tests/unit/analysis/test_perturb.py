"""Edited nets against values computed by hand, step by step, from the tensors of the unedited net."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet import SpecError
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
from graphnet.training.calibrate import calibrate

SHAPE = [3, 6, 6]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small convolutions wait for threads longer than they take; no gradients are needed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(threads)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


IMAGES, OTHERS = random(3, 2, 6, 6, seed=1), random(3, 2, 6, 6, seed=2)
ZEROS = torch.zeros(3, *SHAPE, dtype=torch.float64)


def shaken(*slabs: dict[str, Any], t: Any = 3, **changes: Any) -> nn.Module:
    """A net in float64 and evaluation mode with random weights, statistics and affine parts; None leaves a key out."""
    spec: dict[str, Any] = {"graphnet": 1, "input": {"shape": [2, 6, 6]}, "states": dict.fromkeys(("h1", "h2"), SHAPE)}
    spec |= {"transitions": list(slabs), "pre_net": {"ops": "CB"}, "post_net": {"ops": "BRGL", "classes": 4}}
    spec |= {"readout": {"t": t}} | changes
    net = graphnet.compile({key: value for key, value in spec.items() if value is not None}).double().eval()
    for seed, (name, tensor) in enumerate(net.state_dict().items()):
        values = random(*tensor.shape, seed=seed)
        tensor.copy_(0.3 + values.abs() if name.endswith("running_var") else 0.5 * values)
    return net


def close(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        found, wanted = torch.stack(list(found.values())), torch.stack(list(wanted.values()))
    assert found.shape == wanted.shape
    assert float((found - wanted).abs().max()) <= 1e-10 * float(wanted.abs().max())


def edited(net: nn.Module, *edits: Any) -> Any:
    """Edit a net; check that no tensor is copied or changed, and that the spec is that of the edited net."""
    before, chance = deepcopy(net.state_dict()), torch.get_rng_state()
    made = graphnet.perturb(net, *edits)
    assert torch.equal(torch.get_rng_state(), chance)
    made(torch.zeros(2, *made.meta["plan"].input_shape, dtype=torch.float64))
    ours = net.state_dict()
    assert list(ours) == list(before)
    assert all(torch.equal(ours[name], before[name]) for name in before)
    storage = {tensor.data_ptr() for tensor in ours.values()}
    assert {tensor.data_ptr() for tensor in made.state_dict().values()} <= storage
    assert not made.training
    assert made.meta["plan"] == graphnet.plan(made.meta["spec"])
    assert made.meta["plan"] == graphnet.plan(tomllib.loads(to_toml(made.meta["spec"].as_data())))
    return made


LAYERS = {"B": "norm1", "C": "conv1", "S": "conv1", "L": "linear1"}


class Hand:
    """Transition functions by hand: letters (S is a convolution of stride 2) with the tensors of a place and time."""

    def __init__(self, net: nn.Module) -> None:
        self.tensors = net.state_dict()

    def tensor(self, layer: str, role: str, t: int) -> Any:
        """A tensor of time t, or of weights that began earlier, or of all times."""
        since = 0 if "conv" in layer else t
        names = [*(f"{layer}.t{time}.{role}" for time in range(t, since - 1, -1)), f"{layer}.{role}"]
        return next((self.tensors[name] for name in names if name in self.tensors), None)

    def __call__(self, ops: str, place: str, x: Tensor, t: int) -> Tensor:
        for op in ops:
            layer = f"{place}.{LAYERS.get(op)}"
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


def staged(t: Any = 8, **changes: Any) -> nn.Module:
    one, two = {"t": "1..4", "h1": {"h1": "BRC+I"}}, {"t": "6..8", "h2": {"h2": "BRC+I"}}
    return shaken(one, {"t": 5, "h1": {"h2": "BRC"}}, two, t=t, **{"states": {"h1": SHAPE, "h2": [4, 3, 3]}} | changes)


ONE, TWO = (1, 2, 3, 4), (6, 7, 8)


def by_hand(net: nn.Module, one: Iterable[int] = ONE, two: Iterable[int] = TWO, read: int = 8) -> Tensor:
    """The logits if h1 and h2 have blocks with the weights and statistics of these times."""
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
    "timed sets": {"sharing": {"sets": [{"members": ["h1->h1@1..2"]}, {"members": ["h2->h2@6", ["h2", "h2", 7]]}]}},
    "coupled": {"sharing": {"sets": [{"members": ["h1->h1"], "except": ["h1->h1@1"], "coupling": 0.5}]}},
    "affine shared": {"norm": {"affine": "shared"}},
    "affine per time": {"norm": {"affine": "per-time"}},
    "all shared": {"norm": {"affine": "shared", "statistics": "shared"}},
    "untied, affine": {"norm": {"affine": "shared", "statistics": "shared"}, "sharing": {"over_time": False}},
}
STAGED: list[tuple[tuple[Any, ...], tuple[int, ...], tuple[int, ...]]] = [
    ((), ONE, TWO),
    *(((ReadOutEarly("h1", b),), ONE[:b], TWO) for b in range(5)),
    *(((ReadOutEarly("h2", b),), ONE, TWO[:b]) for b in range(4)),
    *(((DropBlock("h1", b),), ONE[: b - 1] + ONE[b:], TWO) for b in (1, 2, 3, 4)),
    *(((DropBlock("h2", b),), ONE, TWO[: b - 1] + TWO[b:]) for b in (1, 2, 3)),
    *(((RepeatLastBlock("h1", more),), ONE + (4,) * more, TWO) for more in range(4)),
    *(((RepeatLastBlock("h2", more),), ONE, TWO + (8,) * more) for more in (1, 2, 3)),
    ((RepeatLastBlock("h1", 2), RepeatLastBlock("h2", 3)), (*ONE, 4, 4), (*TWO, 8, 8, 8)),
    ((RepeatLastBlock("h2", 3), RepeatLastBlock("h1", 2)), (*ONE, 4, 4), (*TWO, 8, 8, 8)),
    ((RepeatLastBlock("h1", 1), RepeatLastBlock("h1", 2)), (*ONE, 4, 4, 4), TWO),
    ((RepeatLastBlock("h1", 2), DropBlock("h1", 4), ReadOutEarly("h2", 1)), (1, 2, 3, 4, 4), TWO[:1]),
    ((ReadOutEarly("h2", 2), RepeatLastBlock("h1", 1), {"t": [2, 5], "h1": {"h1": "I"}}), (1, 3, 4), TWO[:2]),
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_blocks_are_dropped_and_repeated(variant: str) -> None:
    net = staged(**VARIANTS[variant])
    for edits, one, two in STAGED:
        made = edited(net, *edits)
        close(made(IMAGES), by_hand(net, one, two))
        if len(edits) > 1:  # an edited net can be edited
            close(edited(graphnet.perturb(net, edits[0]), *edits[1:])(IMAGES), made(IMAGES))


def test_readouts_move_with_what_they_read() -> None:
    net = staged("5..8", norm={"affine": "per-time"})
    for edit, one, times, *two in (
        (RepeatLastBlock("h1", 2), (*ONE, 4, 4), (7, 8, 9, 10), (), (6,), (6, 7), TWO),
        (RepeatLastBlock("h2", 2), ONE, (5, 6, 7, 10), (), (6,), (6, 7), (*TWO, 8, 8)),
        (ReadOutEarly("h2", 1), ONE, (5, 6, 7, 8), (), (6,), (6,), (6,)),
        (DropBlock("h2", 2), ONE, (5, 6, 7, 8), (), (6,), (6,), (6, 8)),
    ):
        close(edited(net, edit)(IMAGES), {times[k]: by_hand(net, one, two[k], 5 + k) for k in range(4)})
    mean = staged(readout={"t": [6, 8], "combine": "mean"})
    sum_ = by_hand(mean, two=(6,), read=6) + by_hand(mean, two=(*TWO, 8))
    close(edited(mean, RepeatLastBlock("h2", 1))(IMAGES), sum_ / 2)


@pytest.mark.parametrize("own", ["BRC+I", "BRCx2+I0", {"ops": "BRCx2+I", "lipschitz": 0.5, "gain": {"learn": True}}])
def test_repeats_of_equal_blocks_equal_a_later_readout(own: Any) -> None:
    norm = {"affine": "shared", "statistics": "shared"}
    net, later = (shaken({"h1": {"h1": own}}, states={"h1": SHAPE}, norm=norm, t=t) for t in (2, 5))
    later.load_state_dict(net.state_dict())
    close(edited(net, RepeatLastBlock("h1", 3))(IMAGES), later(IMAGES))


# Two states that drive each other at every step

Change = Callable[[str, int, Tensor, Tensor], Tensor | None]
"""Change of an arrival: "source->target", t, the source's value, the arrival → the new arrival, None for none."""


def at(what: str, times: Sequence[int], to: str) -> Change:
    """Replace a transition, or all into a state except the input, by zeros (0), nothing (-) or the identity (I)."""
    arrows = re.compile(what if "->" in what else f"h.->{what}")

    def change(arrow: str, t: int, x: Tensor, y: Tensor) -> Tensor | None:
        return {"0": 0 * y, "-": None, "I": x}[to] if t in times and arrows.fullmatch(arrow) else y

    return change


def looped(own: Any = "BRC+I", update: str | None = None, **changes: Any) -> Any:
    h1 = {"shape": SHAPE, "update": update} if update else SHAPE
    slab = {"h1": {"h1": own, "h2": "BRC"}, "h2": {"h1": "BC", "h2": "BRC+I"}}
    return shaken(slab, **{"states": {"h1": h1, "h2": SHAPE}} | changes)


AS_IT_IS = at("", [], "-")


def step_by_step(net: nn.Module, change: Change = AS_IT_IS, repeat: Any = (), shown: Any = None) -> Tensor:
    """The result of a looped net; a state's block at t may be repeated, without other arrivals."""
    f, how = Hand(net), net.meta["spec"]
    own, update = how.transitions[0].rows["h1"]["h1"], how.states["h1"].update or ""
    zeros, fast = how.unpopulated == "zeros", how.unroll == "engineering"
    shown = shown or ({0: IMAGES} if how.input.t == (0,) else dict.fromkeys(range(4), IMAGES))
    now: dict[str, Tensor | None] = dict.fromkeys(("h1", "h2"), ZEROS if zeros else None)
    first: Tensor | None = None

    def arrives(source: str, target: str, t: int, x: Tensor) -> Tensor | None:
        function = {"input": ("CB", "pre_net"), "h2h1": ("BC", "h1.from_h2")}
        ops, place = function.get(source) or function.get(source + target) or ("BRC", f"{target}.from_{source}")
        y = f(ops, place, x, 0 if source == "input" else t)
        if source == target:
            y = y + (first if first is not None and target == "h1" and own.ops == "BRC+I0" else x)
        return change(f"{source}->{target}", t, x, y * own.gain.init if source == target == "h1" and own.gain else y)

    def joined(target: str, t: int, *given: tuple[str, Tensor | None]) -> Tensor | None:
        arrivals = [arrives(source, target, t, x) for source, x in given if x is not None]
        there = [each for each in arrivals if each is not None] or [ZEROS] * zeros
        if not there:
            return None
        x = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}[how.merge](torch.stack(there), 0)
        return f(update, "h1.update", x, t) if target == "h1" else x

    for t in range(4):
        before = dict(now)
        for target in ("h1", "h2") if t < 3 or fast else ("h2",):  # h1@3 comes too late
            image, h1 = shown.get(t) if target == "h1" else None, now["h1"] if fast and target == "h2" else before["h1"]
            now[target] = joined(target, t, ("input", image), ("h1", h1), ("h2", before["h2"]))
            for _ in range(repeat[2] if repeat[:2] == (target, t) else 0):
                now[target] = joined(target, t, (target, now[target]))
        first = now["h1"] if first is None else first
    assert now["h2"] is not None
    return f("BRGL", "post_net", now["h2"], 3) if how.post_net else now["h2"]


HELD = {"shape": [2, 6, 6], "t": "0..3"}
LOOPED: dict[str, dict[str, Any]] = {
    "sum": {},
    "mean": {"merge": "mean"},
    "max": {"merge": "max"},
    "no time between areas, untied": {"unroll": "engineering", "sharing": {"over_time": False}},
    "update": {"update": "BR", "norm": {"affine": "per-time"}},
    "zeros, mean, update": {"unpopulated": "zeros", "merge": "mean", "update": "BR"},
    "first value": {"own": "BRC+I0"},
    "first value, update, no time": {"own": "BRC+I0", "update": "BR", "unroll": "engineering"},
    "held, mean": {"input": HELD, "merge": "mean"},
    "held, zeros, no time": {"input": HELD, "unpopulated": "zeros", "unroll": "engineering"},
    "gain": {"own": {"ops": "BRC+I", "gain": 0.3}},
    "timed sets": {"sharing": {"sets": [{"members": ["h1->h2@2..3"]}]}, "unroll": "engineering"},
    "no post-net": {"post_net": None},
}


@pytest.mark.parametrize("variant", LOOPED)
def test_other_reads_are_unchanged(variant: str) -> None:
    net = looped(**LOOPED[variant])
    last, begin = 2 + ("unroll" in LOOPED[variant]), 1 - ("unpopulated" in LOOPED[variant])
    close(edited(net)(IMAGES), step_by_step(net))
    for more in (1, 2, 3):
        close(edited(net, RepeatLastBlock("h1", more))(IMAGES), step_by_step(net, repeat=("h1", last, more)))
        close(edited(net, RepeatLastBlock("h2", more))(IMAGES), step_by_step(net, repeat=("h2", 3, more)))
    for t in range(begin, last + 1):
        dropped, early = (at("h1->h1", times, "I") for times in ([t], range(t, last + 1)))
        close(edited(net, DropBlock("h1", t - begin + 1))(IMAGES), step_by_step(net, dropped))
        close(edited(net, ReadOutEarly("h1", t - begin))(IMAGES), step_by_step(net, early))


WHERE = [("h2->h1", None, range(4)), ("h2->h1", 2, [2]), ("h1->h1", "2..inf", [2, 3]), ("h1->h2", [1, "3..4"], [1, 3])]
WHERE += [("h2", 1, [1]), ("h1", 2, [2]), ("h1", [1, 2], [1, 2])]


def test_a_state_or_transition_may_be_named_with_its_time() -> None:
    assert Lesion("h1->h2@2..3") == Lesion("h1->h2", "2..3")
    assert Silence("h2@2") == Silence("h2", "2")
    assert Silence("h2@*") == Silence("h2")
    assert AddNoise("h1->h2@2", 0.5) == AddNoise("h1->h2", 0.5, "2")
    with pytest.raises(EditError, match="gives a time, and so does"):
        Lesion("h1->h2@2", 3)


@pytest.mark.parametrize("variant", ["mean", "no time between areas, untied", "zeros, mean, update", "gain"])
def test_lesions_and_silence(variant: str) -> None:
    net = looped(**LOOPED[variant])
    for what, t, times in WHERE:
        close(edited(net, Lesion(what, t))(IMAGES), step_by_step(net, at(what, times, "-")))
        if what != "h1" or "update" not in LOOPED[variant]:
            close(edited(net, Silence(what, t))(IMAGES), step_by_step(net, at(what, times, "0")))
    both = edited(net, Lesion("h2->h*", 2), Silence("h1->h2", 2))
    cut, silent = at("h2->h.", [2], "-"), at("h1->h2", [2], "0")
    close(both(IMAGES), step_by_step(net, lambda arrow, t, x, y: (cut if "h2->" in arrow else silent)(arrow, t, x, y)))


@pytest.mark.parametrize(("t", "times"), [(0, [0]), (1, [1]), (["2..3"], [2, 3]), ("1..inf", [1, 2, 3])])
def test_a_lesion_of_the_entry_cuts_the_input_too(t: Any, times: list[int]) -> None:
    net = looped(input=HELD)
    shown = {time: IMAGES for time in range(4) if time not in times}
    close(edited(net, Lesion("h1", t))(IMAGES), step_by_step(net, at("h1", times, "-"), shown=shown))


def test_a_silent_state_is_zeros() -> None:
    for update in (None, "R", "tanh elu"):
        made, seen = edited(looped(update=update), Silence("h1", "1..inf")), []
        made.get_submodule("h1.output").register_forward_hook(lambda *given, seen=seen: seen.append(given[-1]))
        made(IMAGES)
        assert [bool(value.any()) for value in seen] == [True, False, False]
    for update, layer in (("BR", "norm1"), ("R sigmoid", "sigmoid1")):
        with pytest.raises(EditError, match=rf"has an update that does not keep zeros \({layer}\)\n  lesion it"):
            graphnet.perturb(looped(update=update), Silence("h1", 2))


def test_a_held_state_does_not_fall_silent_unnoticed() -> None:
    states = {"h1": SHAPE, "h2": {"shape": SHAPE, "hold": True}, "h3": SHAPE}
    net = shaken({"t": 1, "h1": {"h2": "BRC"}}, {"t": 3, "h2": {"h3": "BC"}}, states=states)
    with pytest.raises(EditError, match="hold"):  # or else h2@2 must be zeros
        graphnet.perturb(net, Silence("h2", 2))


def test_silence_is_without_noise() -> None:
    net = looped({"ops": "BRC+I", "noise": 0.5})
    close(edited(net, Silence("h1->h1"))(IMAGES), step_by_step(net, at("h1->h1", range(4), "0")))


def test_noise() -> None:
    net = shaken({"h1": {"h1": {"ops": "C", "gain": 0.5}}}, states={"h1": [2, 6, 6]}, pre_net=None, post_net=None, t=2)
    weight = 0.5 * net.get_parameter("h1.from_h1.conv1.weight")
    for t, times in ((1, (1,)), (2, (2,)), (None, (1, 2))):
        made = edited(net, AddNoise("h1->h1", 0.3, t))
        torch.manual_seed(5)
        found, other = made(IMAGES), made(IMAGES)
        torch.manual_seed(5)
        wanted = IMAGES
        for time in (1, 2):
            wanted = F.conv2d(wanted, weight, padding=1)
            wanted = wanted + (0.3 * torch.randn(wanted.shape, dtype=wanted.dtype) if time in times else 0)
        close(found, wanted)
        assert not torch.equal(found, other)
    # The difference is white noise after a convolution, with σ = 0.3 ‖weights that reach the pixel‖. Over n images the
    # typical error is σ/√n of a mean and σ/√(2n) of a standard deviation; one of 72 exceeds 5 times that in 1 of 20,000
    # seeds.
    n = 20_000
    torch.manual_seed(6)
    found = edited(net, AddNoise("h1->h1", 0.3, 1))(IMAGES[:1].expand(n, -1, -1, -1)) - net(IMAGES[:1])
    sigma = 0.3 * F.conv2d(torch.ones(2, 6, 6).double(), weight**2, padding=1).sqrt()
    assert float((found.mean(0) / sigma).abs().max()) < 5 / n**0.5
    assert float((found.std(0) / sigma - 1).abs().max()) < 5 / (2 * n) ** 0.5


STEPS: dict[str, Any] = {"states": {name: [2, 6, 6] for name in ("h1", "h2", "h3")}, "pre_net": None, "post_net": None}


def test_noise_on_a_state_comes_after_its_update_at_its_times() -> None:
    states = {"h1": [2, 6, 6], "h2": {"shape": [2, 6, 6], "update": "R"}}
    net = shaken({"h1": {"h1": "I", "h2": "C"}, "h2": {"h2": "I"}}, **STEPS | {"states": states}, t=3)
    weight = net.get_parameter("h2.from_h1.conv1.weight")
    for when, times in (("h2", (1, 2, 3)), ("h2@2", (2,)), ("h2@2..3", (2, 3))):
        made = edited(net, AddNoise(when, 0.3))
        torch.manual_seed(5)
        found = made(IMAGES)
        torch.manual_seed(5)
        wanted = 0 * IMAGES
        for time in (1, 2, 3):
            wanted = (wanted + F.conv2d(IMAGES, weight, padding=1)).relu()
            wanted = wanted + (0.3 * torch.randn(wanted.shape, dtype=wanted.dtype) if time in times else 0)
        close(found, wanted)
        for level, stepwise in ((1, False), (2, True)):
            other = graphnet.compile(made.meta["spec"], optimize=level, stepwise=stepwise).double().eval()
            other.load_state_dict(made.state_dict())
            torch.manual_seed(5)
            close(other(IMAGES), wanted)
        unrolled = graphnet.compile(graphnet.unroll(made.meta["spec"])).double().eval()
        assert sum(line.op.kind == "noise" for line in unrolled.meta["plan"].lines) == len(times)


def test_all_readers_of_a_state_see_the_same_noise() -> None:
    slabs = {"h1": {"h2": "I"}}, {"h2": {"h3": {"ops": "I", "delay": 2}}}, {"h3": {"h3": {"ops": "I", "gain": -1}}}
    net = shaken({"t": 1, **slabs[0]}, {"t": 2, "h2": {"h3": "I"}}, {"t": 3, **slabs[1], **slabs[2]}, **STEPS)
    assert float(edited(net, AddNoise("h2", 0.3))(IMAGES).abs().max()) == 0  # h2@1 - h2@1
    assert float(edited(net, AddNoise("h2->h3", 0.3))(IMAGES).abs().max()) > 0.1


def test_a_state_that_is_made_of_a_part_has_noise_where_others_read_it() -> None:
    part = {"pair": {"states": {"r": {}, "s": {}}, "transitions": [{"r": {"s": "C"}}], "unroll": "engineering"}}
    states = {"h1": [2, 6, 6], "h2": {"shape": [2, 6, 6], "part": "pair"}}
    net = shaken({"h1": {"h2": "C"}}, **STEPS | {"states": states}, parts=part, t=1)
    made = edited(net, AddNoise("h2.s", 0.3))
    assert [(line.place, line.t) for line in made.meta["plan"].lines if line.op.kind == "noise"] == [("h2.s", 1)]
    assert made.meta["spec"].states["h2"].noise.std == 0.3
    with pytest.raises(EditError, match=r"'h2\.r' is an inner state of a part"):
        graphnet.perturb(net, AddNoise("h2.r", 0.3))


def test_noise_on_a_state_is_replaced_but_not_silenced() -> None:
    net = shaken({"h1": {"h1": "I", "h2": "C"}}, **STEPS, t=1, readout={"t": 1, "state": "h2"})
    noisy = edited(net, AddNoise("h2", 0.3))
    assert edited(noisy, AddNoise("h2", 0.5)).meta["spec"].states["h2"].noise.std == 0.5
    with pytest.raises(EditError, match="'h2' has noise already"):
        graphnet.perturb(noisy, AddNoise("h2", 0.5, 1))
    with pytest.raises(EditError, match="'h2' has its own noise, which would remain"):
        graphnet.perturb(noisy, Silence("h2"))


@pytest.mark.parametrize("own", ["BC+C1+I", "BRC+I0", ["B", {"sum": ["RC", "I"]}], {"ops": "BRC+I", "lipschitz": 0.5}])
def test_noise_leaves_the_function_as_it_is(own: Any) -> None:
    net = looped(own, norm={"affine": "per-time"}, sharing={"over_time": False})
    close(edited(net, AddNoise("h1->h1", 1e-200))(IMAGES), net(IMAGES))


def test_nets_of_several_readouts_stay_separate() -> None:
    slabs = {"h1": {"h1": "C+I"}}, {"t": "T-1", "h1": {"h1": "-"}}
    net = shaken(*slabs, input=HELD, readout={"t": [2, 3], "state": "h1"})
    with pytest.raises(EditError, match="give one readout time"):
        graphnet.perturb(net, AddNoise("h1->h1", 1e-200))
    one = shaken(*slabs, input=HELD, readout={"t": 3, "state": "h1"})
    close(edited(one, AddNoise("h1->h1", 1e-200))(IMAGES), one(IMAGES))


def test_another_image_from_some_time_on() -> None:
    briefly = HELD | {"t": "0..1"}
    cases = [(None, 0, 0, [0]), (None, 2, 1, [2]), (briefly, 1, 1, [1]), (briefly, 2, 2, [2]), (HELD, 2, 2, [2, 3])]
    for given, t, before, other in cases:
        net = looped(**{"input": given} if given else {})
        made = edited(net, ShowAnother(t))
        shown = dict.fromkeys(range(before), IMAGES) | dict.fromkeys(other, OTHERS)
        images = sequence(made, IMAGES, OTHERS, t)
        assert images.shape == (3, len(shown), 2, 6, 6)
        close(made(images), step_by_step(net, shown=shown))
    longer = edited(net, ShowAnother(2), RepeatLastBlock("h2", 2))
    close(longer(sequence(longer, IMAGES, OTHERS, 2)), step_by_step(net, repeat=("h2", 3, 2), shown=shown))
    with pytest.raises(EditError, match="the input of this net is not a sequence\n  edit it with ShowAnother first"):
        sequence(net, IMAGES, OTHERS, 2)


# Other nets


def test_arrows_with_delays_and_held_states_are_read_as_before() -> None:
    held = {"shape": SHAPE, "hold": True, "update": "BR"}
    slabs = (
        {"t": "1..3", "h1": {"h1": "BRC+I"}},
        {"t": 2, "h1": {"h2": "BRC"}},
        {"t": 5, "h1": {"h3": "BRC"}, "h2": {"h3": {"ops": "BC", "delay": 3}}},
        {"t": 6, "h1": {"h3": {"ops": "BRC", "delay": 5}}, "h2": {"h3": "BC"}, "h3": {"h3": "BRC+I"}},
    )
    net = shaken(*slabs, states={"h1": held, "h2": held, "h3": SHAPE}, t=6)
    f = Hand(net)
    for more in (0, 1, 2, 3):
        h1 = [f("BR", "h1.update", f("CB", "pre_net", IMAGES, 0), 0)]
        for t in (1, 2, 3, *[3] * more):
            h1.append(f("BR", "h1.update", h1[-1] + f("BRC", "h1.from_h1", h1[-1], t), t))
        h2 = f("BR", "h2.update", f("BRC", "h2.from_h1", h1[1], 2), 2)
        h3 = f("BRC", "h3.from_h1", h1[-1], 5) + f("BC", "h3.from_h2", h2, 5)
        h3 = f("BRC", "h3.from_h1", h1[1], 6) + f("BC", "h3.from_h2", h2, 6) + f("BRC", "h3.from_h3", h3, 6) + h3
        close(edited(net, RepeatLastBlock("h1", more))(IMAGES), f("BRGL", "post_net", h3, 6))


def test_statistics_of_zeros_without_arrivals_are_kept() -> None:
    slabs = {"t": "1..2", "h1": {"h1": "BRC+I"}}, {"t": 4, "h1": {"h3": {"ops": "BC", "delay": 2}}, "h2": {"h3": "BC"}}
    zeros = {"shape": SHAPE, "unpopulated": "zeros", "update": "B"}
    net = shaken(*slabs, states={"h1": SHAPE, "h2": zeros, "h3": SHAPE}, t=4)
    f = Hand(net)
    h1 = f("CB", "pre_net", IMAGES, 0)
    for t in (1, 2, 2):
        h1 = h1 + f("BRC", "h1.from_h1", h1, t)
    h3 = f("BC", "h3.from_h1", h1, 4) + f("BC", "h3.from_h2", f("B", "h2.update", ZEROS, 3), 4)
    close(edited(net, RepeatLastBlock("h1", 1))(IMAGES), f("BRGL", "post_net", h3, 4))


def test_states_of_parts() -> None:
    inner = [{"r": {"r": "BRC+I", "s": "BRC"}, "s": {"r": "C1"}}]
    loop = {"unroll": "engineering", "states": {"r": {}, "s": {"update": "BR"}}, "transitions": inner}
    states = {"V1": {"shape": SHAPE, "part": "loop"}, "IT": SHAPE}
    net = shaken({"V1": {"IT": "BRC"}}, states=states, parts={"loop": loop}, t=2)
    f = Hand(net)
    for edit, blocks, feedback in (
        (RepeatLastBlock("V1.r", 2), 3, 1),
        (DropBlock("V1.r", 1), 0, 1),
        (Lesion("V1.s->V1.r", 1), 1, 0),
        (Silence("V1.s->V1.r", "1..inf"), 1, 0),
    ):
        r = f("CB", "pre_net", IMAGES, 0)
        s = f("BR", "V1.s.update", f("BRC", "V1.s.from_V1.r", r, 0), 0)
        back = feedback * f("C", "V1.r.from_V1.s", s, 1)
        for block in range(max(blocks, 1)):
            r = r + (f("BRC", "V1.r.from_V1.r", r, 1) if blocks else 0) + (0 if block else back)
        s = f("BR", "V1.s.update", f("BRC", "V1.s.from_V1.r", r, 1), 1)
        close(edited(net, edit)(IMAGES), f("BRGL", "post_net", f("BRC", "IT.from_V1.s", s, 2), 2))


def test_arrows_before_time_0_stay_there() -> None:
    own, there, back = {"t": "1..T", "h1": {"h1": "BC+I"}}, {"delay": 0, "h1": {"h2": "C"}}, {"h2": {"h1": "C"}}
    net = shaken(own, {"t": 0} | there, {"t": "T-4"} | back, readout={"t": 3, "state": "h1"})
    f, h1 = Hand(net), Hand(net)("CB", "pre_net", IMAGES, 0)
    for t in (1, 2, 3, 3, 3):
        h1 = h1 + f("BC", "h1.from_h1", h1, t)
    close(edited(net, RepeatLastBlock("h1", 2))(IMAGES), f("BRGL", "post_net", h1, 3))


def test_tied_transitions_can_be_cut() -> None:
    net = looped(sharing={"sets": [{"members": ["h2->h1", "h1->h2"]}]}, norm={"statistics": "per-time"})
    alone = looped()
    for name, tensor in alone.state_dict().items():
        tensor.copy_(net.state_dict()[name.replace("h2.from_h1.conv1", "h1.from_h2.conv1")])
    close(edited(net)(IMAGES), alone(IMAGES))
    for what, t in (("h2->h1", 2), ("h2->h1", None)):
        close(edited(net, Lesion(what, t))(IMAGES), edited(alone, Lesion(what, t))(IMAGES))


def test_times_may_be_written_as_in_a_slab() -> None:
    net = looped(let={"N": 1})
    for edit, to in ((Lesion, "-"), (Silence, "0")):
        for t, times in (("N+1", [2]), (["N", "T-1"], [1, 2])):
            close(edited(net, edit("h2", t))(IMAGES), step_by_step(net, at("h2", times, to)))


# Tensors


def test_every_tensor_has_the_right_time() -> None:
    net = staged(sharing={"over_time": False}, norm={"affine": "per-time"})
    made = edited(net, RepeatLastBlock("h1", 2), DropBlock("h2", 1))
    ours, then = net.state_dict(), {5: 4, 6: 4, 7: 5, 9: 7, 10: 8}
    for name, tensor in made.state_dict().items():
        old = re.sub(r"\.t(\d+)\.", lambda found: f".t{then.get(int(found[1]), int(found[1]))}.", name)
        assert tensor.data_ptr() == ours[old].data_ptr(), name
    assert graphnet.draw(made.meta["spec"]).startswith("<svg")
    for parameter in net.parameters():
        parameter.mul_(0.9)  # training goes on
    close(made(IMAGES), by_hand(net, (*ONE, 4, 4), TWO[1:]))


NEW = Override(({"t": 5, "h1": {"h1": "BRC+I", "h2": "-"}}, {"t": 6, "h1": {"h2": "BRC"}, "h2": {"h2": "-"}}))
"""A fifth block; then h2 starts a step later."""


def test_new_statistics_are_calibrated_and_only_those() -> None:
    net = staged()
    norms = ("h1.from_h1.norm1.t5", "h2.from_h1.norm1.t6")
    new = [f"{norm}.running_{role}" for norm in norms for role in ("mean", "var")]
    with pytest.raises(EditError) as caught:
        graphnet.perturb(net, NEW)
    assert str(caught.value).split("\n") == [
        "the weights hold no running statistics at t = 5, 6: calibrate them on training images first",
        "  the edit runs norms at other times: pass images as calibrate, on the command line with --calibrate",
    ]
    before, batches = deepcopy(net.state_dict()), [(random(8, 2, 6, 6, seed=seed), torch.zeros(8)) for seed in (3, 4)]
    made = graphnet.perturb(net, NEW, calibrate=iter(batches))
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    ours, theirs = net.state_dict(), made.state_dict()
    assert all(theirs[name].data_ptr() == ours[name].data_ptr() for name in theirs if name not in new)
    fresh = graphnet.compile(made.meta["spec"]).double()
    fresh.load_state_dict({name: tensor * (name not in new) for name, tensor in theirs.items()})
    calibrate(fresh, batches, new)
    assert all(torch.equal(fresh.get_buffer(name), theirs[name]) for name in new)
    assert not made.training


def test_type_device_and_mode_are_those_of_the_net() -> None:
    images = [random(8, 2, 6, 6, seed=3)]
    for net in (staged().float(), staged().bfloat16().train(), staged()):
        made, like = graphnet.perturb(net, NEW, calibrate=images), next(net.parameters())
        assert {tensor.dtype for tensor in made.state_dict().values()} == {like.dtype}
        assert made.training == net.training
    made = graphnet.perturb(staged().to("meta"), RepeatLastBlock("h1", 2))
    assert {tensor.device.type for tensor in made.state_dict().values()} == {"meta"}


def test_an_edited_net_is_compiled_as_the_net_was() -> None:
    spec = staged().meta["spec"]
    for settings in ({"stepwise": True}, {"optimize": 0}, {"mode": "infer"}):
        net = graphnet.compile(spec, **settings).double().eval()
        made = edited(net, RepeatLastBlock("h1", 2))
        assert {key: made.meta[key] for key in settings} == settings
        assert made.meta["stepwise"] == net.meta["stepwise"]
        close(made(IMAGES), by_hand(net, (*ONE, 4, 4), TWO))


def test_statistics_in_another_type_are_shared_too() -> None:
    net = staged()
    for parameter in net.parameters():
        parameter.data = parameter.data.float()
    made = graphnet.perturb(net, DropBlock("h1", 1))
    assert all(tensor.data_ptr() == net.state_dict()[name].data_ptr() for name, tensor in made.state_dict().items())


# Refusals

WRONG: list[tuple[Any, str]] = [
    (DropBlock("h9", 1), r"no state is called 'h9'\n  did you mean 'h\d'\? known: h1, h2$"),
    (DropBlock("h1", 0), r"'h1' has no block 0\n  there are 4$"),
    (DropBlock("h1", 5), r"'h1' has no block 5\n  there are 4$"),
    (ReadOutEarly("h2", 4), r"'h2' has 3 blocks, not 4\n"),
    (ReadOutEarly("h2", -1), r"'h2' has 3 blocks, not -1\n"),
    (RepeatLastBlock("h2", -1), "a block cannot repeat -1 times"),
    (Lesion("h2->h1"), r"no transition h2->h1\n  did you mean 'h2->h2'\? known: h1->h1, h1->h2, h2->h2$"),
    (Lesion("H1->h2"), r"no transition H1->h2\n  did you mean 'h1->h2'\? known"),
    (Lesion("h1-"), r"'h1-' is half a transition\n  quote it: 'h1->…'$"),
    (
        Lesion("h1->h2"),
        r"'h1->h2' is the only way to a readout: without it 'h2' is empty at t = 8: no signal ever reaches it\n"
        r"  silence it instead, so that zeros arrive \(--silence 'h1->h2', Silence in Python\)$",
    ),
    (Lesion("h2", [6, 8]), r"'h2@6, 8' is the only way to a readout: without it 'h2' is empty at t = 8"),
    (Lesion("h1->h1#conv1"), r"'h1->h1#conv1' names a layer\n  edits apply to whole transitions$"),
    (Lesion("h1->h2@7"), r"'h1->h2' selects nothing that fires at t = 7\n  it does at t = 5$"),
    (Silence("h1->h1", 99), r"'h1->h1' selects nothing that fires at t = 99\n  it does at t = 1\.\.4$"),
    (Silence("h2@77"), r"'h2' selects nothing that fires at t = 77\n  it does at t = 5\.\.8$"),
    (AddNoise("h2->h2@1", 1.0), r"'h2->h2' selects nothing that fires at t = 1\n  it does at t = 6\.\.8$"),
    (ShowAnother(6), r"an image shown at t = 6 reaches no readout\n  up to t = 4 it would$"),
    (Lesion("h1->"), "'h1->' selects no transitions\n"),
    (Lesion("h1"), "then no input arrives"),
    (Silence("h3->h1"), "no transition h3->h1\n"),
    (Silence("h1"), r"the input arrives at 'h1' then\n  choose later times"),
    (Silence("h1->h1", "5..3"), r"'5\.\.3' runs backwards\n  did you mean '3\.\.5'"),
    (AddNoise("h2@3", 1.0), r"'h2' selects nothing that fires at t = 3\n  it does at t = 5\.\.8$"),
    (AddNoise("h3", 1.0), r"no state is called 'h3'\n  did you mean"),
    (AddNoise("h1->h1", 0), "a standard deviation must be above 0, not 0"),
    (ShowAnother(9), "t = 9 is not between 0 and the last readout, 8"),
    ({"t": 2, "h1": {"h1": "BRC5+I"}}, r"needs weights that the net does not have: h1\.from_h1\.conv1\.t2\.weight\n"),
    (Override(({"h1": {"h1": "BRCBRC+I"}},)), r"does not have: h1\.from_h1\.conv2\.weight\n  use functions"),
]


@pytest.mark.parametrize(("edit", "message"), WRONG)
def test_edits_that_do_not_fit_are_refused(edit: Any, message: str) -> None:
    with pytest.raises(EditError, match=message):
        graphnet.perturb(staged(), edit)


def test_an_edit_of_a_value_that_is_not_read_is_refused() -> None:
    """No readout reads h1 at t = 3: h2 would read it one step later."""
    net = shaken({"h1": {"h1": "BRC+I", "h2": "BRC"}}, t=3)
    with pytest.raises(EditError, match=r"'h1->h1' fires at t = 3, but no readout depends on that\n  one does at t = "):
        graphnet.perturb(net, Lesion("h1->h1@3"))


def test_other_refusals() -> None:
    with pytest.raises(EditError, match="the net was not compiled by graphnet from a spec"):
        graphnet.perturb(nn.Linear(2, 2), DropBlock("h1", 1))
    nets = shaken({"t": "1..T-1", "h1": {"h1": "BRC+I"}}, {"t": "T", "h1": {"h2": "BRC"}}, t=[3, 4])
    for edit in (DropBlock("h1", 1), RepeatLastBlock("h1", 1), ReadOutEarly("h1", 1)):
        with pytest.raises(EditError, match=r"has its own net here, .* relative to T\n  give one readout time"):
            graphnet.perturb(nets, edit)
    once = shaken({"t": 1, "h1": {"h2": "C"}}, t=1)
    with pytest.raises(EditError, match="'h2' has no self-transition, so it has no blocks\n  no state has one"):
        graphnet.perturb(once, RepeatLastBlock("h2", 1))
    with pytest.raises(EditError, match="the input is a sequence already"):
        graphnet.perturb(staged(), ShowAnother(0), ShowAnother(2))


@pytest.mark.parametrize("slab", [{"t": 5, "h1": {"h2": "-"}}, {"h9": {"h1": "C"}}, {"h1": 5}, {"h1": {"h1": {}}}])
def test_an_edit_that_makes_the_spec_invalid(slab: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        graphnet.perturb(staged(), slab)
