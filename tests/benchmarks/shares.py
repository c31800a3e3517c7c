"""Time of a net by kind of op, from PyTorch's profiler, and the share of its bare convolutions.

    python tests/benchmarks/shares.py ["full3 n=5"] [--rounds 5] [--threads 1] [--batch 32] [--compiled]

Training is forward and backward by the net compiled to train, inference forward by the one compiled to infer; level 2
chooses the memory layout. Parts are self time, in per cent of the pass; `python` is time outside of any op. `bare` is
the time of only the plan's convolutions over that of the net, both without the profiler, paired by round, with the
95 % interval.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch._inductor import config as inductor_config
from torch.profiler import ProfilerActivity, profile

import graphnet
from graphnet.analysis.bare_convolutions import Bare
from graphnet.analysis.timing import interleaved, ratio, seconds
from tests.benchmarks.speed import CASES, CLOCKS

PARTS = {
    "convolutions": ("conv", "addmm", "mkldnn", "matmul", "::mm", "weights"),
    "norms": ("batch_norm", "group_norm", "layer_norm"),
    "activations": ("relu", "threshold", "sigmoid", "tanh"),
    "fused kernels": ("cpp_fused",),
    "merges": ("::add", "::div", "::mul", "foreach", "::cat", "::sum"),
    "layout and copies": ("copy", "contiguous", "clone", "::to", "resize", "empty", "fill", "zero"),
}


def part_of(name: str) -> str:
    """The part of a pass that an op belongs to."""
    return next((part for part, words in PARTS.items() if any(word in name for word in words)), "other")


def parts(net: nn.Module, images: Tensor, backward: bool) -> dict[str, float]:
    """Parts of a pass, in per cent."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        started = time.perf_counter()
        seconds(net, images, backward)
        whole = 1e6 * (time.perf_counter() - started)
    spent: Counter[str] = Counter()
    for event in found.key_averages():
        spent[part_of(event.key)] += event.self_cpu_time_total
    spent["python"] = max(0, whole - sum(spent.values()))
    return {part: round(100 * each / whole, 1) for part, each in spent.most_common()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="?", default="full3 n=5", choices=CASES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--compiled", action="store_true", help="also with inductor")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    inductor_config.cpp.enable_kernel_profile = True
    spec, _ = CASES[given.case]()
    for backend in ("eager", "inductor") if given.compiled else ("eager",):
        for mode in ("train", "infer"):
            net: Any = graphnet.compile(spec, mode=mode, backend=backend)
            net.train(mode == "train")
            images = torch.randn(given.batch, *net.meta["plan"].input_shape)
            bare = Bare(net.meta["plan"], images, net.meta["executed"].layout)
            variants = {"net": (net, images), "bare": (bare, images)}
            times = interleaved(variants, mode == "train", given.rounds, CLOCKS[given.clock])
            share = ratio(times["bare"], times["net"])
            found = {"case": given.case, "mode": mode, "backend": backend, "bare": [round(each, 3) for each in share]}
            print(json.dumps(found | {"parts": parts(net, images, mode == "train")}), flush=True)


if __name__ == "__main__":
    main()
