"""Speed of graphnet's nets relative to the same nets written by hand, interleaved in one process.

    python -m tests.benchmarks.speed [CASE ...] [--repeats 15] [--threads 1] [--batch 32] [--clock cpu]
        [--what FB] [--against "hand, channels_last" ...] [--compiled] [--output FILE]

For each case: forward (F) in evaluation mode, ours compiled to infer; forward + backward (FB) in training mode. Ratios
are hand's time over ours, paired by round, with the 95 % bootstrap interval of their median. For the bare convolutions
of the same plan, in the same layout, the ratio is their share of our time.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from graphnet.analysis.bare_convolutions import Bare
from graphnet.analysis.timing import Clock, interleaved, ratio, seconds
from tests.benchmarks import hand
from tests.property import test_published_models as models

CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
SHAPES = [(64, 32), (128, 16), (256, 8)]
LAST = torch.channels_last


def spec(name: str, t: int | None = None) -> dict[str, Any]:
    """A spec of the zoo with a pre-net of one convolution, read out at t."""
    data = graphnet.load(zoo.path(name)).as_data()
    data["pre_net"] = {"ops": "C"}
    return data | ({"readout": {"t": t}} if t else {})


def recurrent(name: str, states: int, n: int) -> tuple[Any, nn.Module]:
    """A net of n transition steps: the image arrives at t = 1, so the readout is at n + 1."""
    return spec(name, n + 1), hand.Recurrent(SHAPES[:states], n + 1, "adjacent" in name)


def resnet18() -> tuple[Any, nn.Module]:
    from torchvision.models import resnet18 as theirs

    return graphnet.load(zoo.path("resnet18")).as_data(), theirs()


class CornetRT(nn.Module):
    """The plain version from the tests of our spec, read out at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.net = models.CornetRT(*models.CORNET)

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)["logits", 4]


def table_of(name: str, other: nn.Module) -> dict[str, str]:
    """The hand-written net's names → ours."""
    if name == "resnet18":
        return {theirs: ours for ours, theirs in zoo.foreign_names(name).items() if isinstance(theirs, str)}
    if name == "cornet-rt":
        ours = [tensor.name for tensor in graphnet.plan(zoo.path(name)).tensors]
        pairs = [(own, re.fullmatch(pattern, own), to) for own in ours for pattern, to in models.RT_NAMES.items()]
        return {f"net.{found.expand(to)}": own for own, found, to in pairs if found}
    return {each: hand.our_name(each) for each in other.state_dict()}


STATES = {
    "full3": ("frnn-3-state", 3),
    "adj3": ("frnn-3-state-adjacent", 3),
    "full2": ("frnn-2-state", 2),
}
CASES: dict[str, Callable[[], tuple[Any, nn.Module]]] = {
    **{
        f"{short} n={n}": partial(recurrent, name, states, n)
        for short, (name, states) in STATES.items()
        for n in (5, 10, 40)
    },
    "resnet-3-state": lambda: (spec("resnet-3-state"), hand.Staged([(16, 32), (32, 16), (64, 8)], 5)),
    "resnet18": resnet18,
    "cornet-rt": lambda: (graphnet.load(zoo.path("cornet-rt")).as_data(), CornetRT()),
}


def same_weights(net: nn.Module, other: nn.Module, table: dict[str, str]) -> None:
    """Copy our weights to the hand-written net, and compare the two in float64."""
    ours = net.state_dict()
    time_of_head = max((m[1] for name in ours if (m := re.match(r"post_net\.norm1\.(t\d+)\.", name))), default="")
    used: set[str] = set()
    with torch.no_grad():
        for name, tensor in other.state_dict().items():
            mine = table.get(name, name)
            if "running" in mine and mine.startswith("post_net"):
                mine = mine.replace("norm1.", f"norm1.{time_of_head}.") if time_of_head else mine
            if mine in ours:  # the net by hand has norms for unneeded values too
                tensor.copy_(ours[mine])
                used.add(mine)
    assert used == set(ours), f"the net by hand has no {sorted(set(ours) - used)[:3]}"
    a, b = deepcopy(net).double(), deepcopy(other).double()
    image = torch.randn(2, *net.meta["plan"].input_shape, dtype=torch.float64)
    for training in (True, False):
        with torch.no_grad():
            one, two = a.train(training)(image), b.train(training)(image)
        apart = float((one - two).abs().max() / two.abs().max())
        assert apart < 1e-10, f"the two nets are not the same: {apart}"


def run(
    name: str, repeats: int, batch: int, compiled: bool, clock: Clock, what: Sequence[str], against: Sequence[str]
) -> Iterator[dict[str, Any]]:
    given, other = CASES[name]()
    ours = graphnet.compile(given)
    same_weights(ours, other, table_of(name, other))
    images = torch.randn(batch, *ours.meta["plan"].input_shape)
    bare = Bare(ours.meta["plan"], images, ours.meta["executed"].layout)
    variants = {
        "graphnet": (ours, images),
        "graphnet, plain": (graphnet.compile(given, optimize=0), images),
        "hand": (other, images),
        "hand, channels_last": (deepcopy(other).to(memory_format=LAST), images.contiguous(memory_format=LAST)),
        "bare convolutions": (bare, images),
    }
    variants = {key: value for key, value in variants.items() if key in ("graphnet", *(against or variants))}
    if compiled:  # only forward and backward: compiling takes minutes
        whole = torch.compile(deepcopy(other).to(memory_format=LAST))
        variants["hand, channels_last, compiled"] = (whole, images.contiguous(memory_format=LAST))
        variants["graphnet, inductor"] = (graphnet.compile(given, backend="inductor"), images)
        for each in list(variants)[-2:]:
            started = time.perf_counter()
            seconds(variants[each][0].train(), images, backward=True)
            yield {"case": name, "what": "compiling", "variant": each, "seconds": time.perf_counter() - started}
    for backward in [each == "FB" for each in what if each == "FB" or not compiled]:
        if not backward:  # only forward: the net compiled for it
            inferring = graphnet.compile(given, mode="infer")
            inferring.load_state_dict(ours.state_dict())
            variants = {"graphnet": (inferring, images), "graphnet, to be trained": (ours, images)} | {
                key: value for key, value in variants.items() if key != "graphnet"
            }
        times = interleaved(variants, backward, repeats, clock)
        found = {each: ratio(times[each], times["graphnet"])._asdict() for each in list(variants)[1:]}
        medians = {key: round(statistics.median(value), 4) for key, value in times.items()}
        if compiled:
            inductor, whole = times["graphnet, inductor"], times["hand, channels_last, compiled"]
            found["inductor: hand, channels_last, compiled"] = ratio(whole, inductor)._asdict()
        yield {"case": name, "what": "FB" if backward else "F", "ratios": found, "seconds": medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu if other jobs run at the same time")
    parser.add_argument("--what", nargs="+", choices=("FB", "F"), default=("FB", "F"))
    parser.add_argument("--against", nargs="+", default=(), help="variants to compare with; all by default")
    parser.add_argument("--compiled", action="store_true", help="compare torch.compile with our inductor backend")
    parser.add_argument("--output")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    machine = {
        "threads": given.threads,
        "batch": given.batch,
        "clock": given.clock,
        "cpu": cpu(),
        "torch": torch.__version__,
    }
    print(json.dumps(machine))
    found = []
    for case in given.cases:
        for line in run(
            case, given.repeats, given.batch, given.compiled, CLOCKS[given.clock], given.what, given.against
        ):
            found.append(line)
            print(json.dumps(line), flush=True)
    if given.output:
        with open(given.output, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "results": found}, file, indent=1)


def cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
