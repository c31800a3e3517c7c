"""Cost of a sweep over 30 readout times, relative to an evaluation of the longest one.

    python tests/benchmarks/sweep.py [ROUNDS] [SPEC] [IMAGES]

`quickstart`, or another net of the zoo whose slabs do not name `T`, at random weights, is read out at each of 30 times
on 2,048 images, and at the last one only. Both run in turn, in evaluation mode; nothing is calibrated, as the net has
all statistics, but `sweep` also compiles a net. The ratio is the median over the rounds, with the smallest and largest.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable

import torch

import graphnet
from graphnet import zoo
from graphnet.training.loop.evaluation import EVALUATION_BATCH, evaluate

TIMES = 30


def main(rounds: int, name: str, images: int) -> None:
    data = graphnet.load(zoo.path(name)).as_data()
    first = next(t for t in range(100) if _is_read_at(data, t))
    times = list(range(first, first + TIMES))
    net = graphnet.compile(data | {"readout": {"t": times}}).eval()
    longest = graphnet.compile(data | {"readout": {"t": times[-1]}}).eval()
    longest.load_state_dict(net.state_dict(), strict=False)
    shape = net.meta["plan"].input_shape
    batches = [(torch.randn(EVALUATION_BATCH, *shape), torch.randint(10, (EVALUATION_BATCH,)))] * (
        -(-images // EVALUATION_BATCH)
    )
    compiling = _seconds(lambda: graphnet.sweep(net, [(x[:1], y[:1]) for x, y in batches[:1]], times))
    swept, single = [], []
    for _ in range(rounds + 1):  # the first one warms up
        swept.append(_seconds(lambda: graphnet.sweep(net, batches, times)))
        single.append(_seconds(lambda: evaluate(longest, batches)))
    ratios = [a / b for a, b in zip(swept[1:], single[1:], strict=True)]
    found = {
        "ratio": round(statistics.median(ratios), 3),
        "smallest": round(min(ratios), 3),
        "largest": round(max(ratios), 3),
        "sweep_seconds": round(statistics.median(swept[1:]), 3),
        "longest_seconds": round(statistics.median(single[1:]), 3),
        "compiling_seconds": round(compiling, 3),
        "net": name,
        "times": f"{times[0]}..{times[-1]}",
        "images": len(batches) * EVALUATION_BATCH,
        "threads": torch.get_num_threads(),
        "cpu": platform.processor() or platform.machine(),
    }
    print(json.dumps(found, indent=1))


def _is_read_at(data: dict[str, object], t: int) -> bool:
    try:
        graphnet.plan(data | {"readout": {"t": t}})
    except graphnet.SpecError:
        return False
    return True


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    main(int(given.get(1, 3)), given.get(2, "quickstart"), int(given.get(3, 2048)))
