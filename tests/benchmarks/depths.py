"""Dependence of a forward pass's time on the depth of its caller: the interpreter keeps frames in chunks.

    python -m tests.benchmarks.depths [SPEC ...] [--level 1] [--depths 260] [--rounds 5]

Each net runs one image at each call depth; each depth counts with its fastest round. Prints the ratio of the slowest
depth to the median one.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

import graphnet
from graphnet import zoo


def below(depth: int, run: Callable[[], float]) -> float:
    """Call a function that many frames further down, and return its result."""
    return run() if depth == 0 else below(depth - 1, run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("specs", nargs="*", default=["frnn-3-state", "cornet-rt", "conv-gru"])
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--depths", type=int, default=260)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readout", type=int, help="readout time instead of the spec's")
    parser.add_argument("--flat", action="store_true", help="every value as a node")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.specs:
        settings = [f"readout.t={given.readout}"] if given.readout else []
        spec = graphnet.load(zoo.path(name), settings=settings)
        net = graphnet.compile(spec, optimize=given.level, stepwise=False if given.flat else None).eval()
        image = torch.randn(1, *net.meta["plan"].input_shape)

        def run() -> float:
            started = time.perf_counter()
            net(image)  # noqa: B023
            return time.perf_counter() - started

        with torch.no_grad():
            run()
            least = [float("inf")] * given.depths
            for _ in range(given.rounds):
                for depth in range(given.depths):
                    least[depth] = min(least[depth], below(depth, run))
        median = statistics.median(least)
        print(f"{name}: slowest over median {max(least) / median:.2f}, median {1000 * median:.2f} ms", flush=True)


if __name__ == "__main__":
    main()
