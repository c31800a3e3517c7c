"""Cost of mixing the gradients of softly coupled weights, relative to a training step.

    python tests/benchmarks/coupling.py [STEPS] [KERNEL]

One step of `lpk-recurrent` with coupling 0.5 on 64 images as in CIFAR-10, with the mixing timed inside it: their ratio,
with its 95 % interval over the steps.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time

import torch

import graphnet
from graphnet import zoo
from graphnet.training.gradient_coupling import mix_gradients


def main(steps: int, kernel: str) -> None:
    data = graphnet.load(zoo.path("lpk-recurrent")).as_data()
    for group in data["sharing"]["sets"]:
        group |= {"coupling": 0.5, "kernel": kernel}
    net = graphnet.compile(data)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    parameters = dict(net.named_parameters())
    groups = [(each, [parameters[name] for name in each.tensors]) for each in net.meta["plan"].couplings]
    images, labels = torch.randn(64, 3, 32, 32), torch.randint(10, (64,))
    shares = []
    for step in range(steps + 1):
        started = time.perf_counter()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        mixing = time.perf_counter()
        for coupling, members in groups:
            mix_gradients(coupling, members)
        mixed = time.perf_counter()
        optimizer.step()
        if step:  # the first one warms up
            shares.append((mixed - mixing) / (time.perf_counter() - started))
    middle, spread = statistics.mean(shares), statistics.stdev(shares)
    found = {
        "share_of_step": round(middle, 5),
        "interval_95": [round(middle + sign * 1.96 * spread / len(shares) ** 0.5, 5) for sign in (-1, 1)],
        "kernel": kernel,
        "coupled_tensors": sum(len(coupling.tensors) for coupling, _ in groups),
        "threads": torch.get_num_threads(),
        "cpu": platform.processor() or platform.machine(),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, sys.argv[2] if len(sys.argv) > 2 else "uniform")
