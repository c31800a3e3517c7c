"""Time of torch.compile on one recurrent state: our distinct steps, and the same net by hand as a whole.

    python tests/benchmarks/compiling.py [--steps 5 10 20 40] [--whole 5 40] [--threads 1]

Seconds from the uncompiled net to the end of its first forward and backward pass, less those of the second pass; each
in a separate process with empty caches. The compiler's start-up (imports, probing the C++ compiler, its headers) is
measured by compiling a small function first, and listed separately. `--whole`: numbers of steps for which the net by
hand is compiled.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any


def measure(form: str, steps: int, threads: int) -> None:
    """Measure in this process; print a line of JSON."""
    import torch

    import graphnet
    from graphnet.analysis.timing import seconds
    from tests.benchmarks import hand
    from tests.benchmarks.speed import spec

    torch.set_num_threads(threads)
    images = torch.randn(32, 3, 32, 32)
    net: Any
    started = time.perf_counter()
    layer = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.Conv2d(3, 4, 3))
    seconds(torch.compile(layer), images, backward=True)
    starting = time.perf_counter() - started
    started = time.perf_counter()
    if form == "steps":
        net = graphnet.compile(spec("resnet-1-state", steps + 1), backend="inductor")
    else:
        images = images.contiguous(memory_format=torch.channels_last)
        shape = (net_width(), 32)
        net = torch.compile(hand.Recurrent([shape], steps + 1).to(memory_format=torch.channels_last))
    seconds(net.train(), images, backward=True)
    first = time.perf_counter() - started
    compiling = first - seconds(net, images, backward=True)
    found = {"form": form, "n": steps, "seconds": round(compiling, 1), "starting": round(starting, 1)}
    if form == "steps":
        found["distinct_steps"] = len(net.programs)
    print(json.dumps(found))


def net_width() -> int:
    """Channels of the one state."""
    import graphnet
    from graphnet import zoo

    return graphnet.plan(zoo.path("resnet-1-state")).areas[0].shape[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="*", default=[5, 10, 20, 40])
    parser.add_argument("--whole", type=int, nargs="*", default=[5, 40])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--measure", nargs=2, metavar=("FORM", "N"), help="measure one case in this process")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], int(given.measure[1]), given.threads)
        return
    for form, steps in [*(("steps", n) for n in given.steps), *(("whole", n) for n in given.whole)]:
        with tempfile.TemporaryDirectory() as cache:
            command = [sys.executable, "-m", "tests.benchmarks.compiling", "--measure", form, str(steps)]
            env = os.environ | {"TORCHINDUCTOR_CACHE_DIR": cache, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
            done = subprocess.run(
                [*command, "--threads", str(given.threads)], env=env, stdout=subprocess.PIPE, check=True
            )
        print(done.stdout.decode(), end="", flush=True)


if __name__ == "__main__":
    main()
