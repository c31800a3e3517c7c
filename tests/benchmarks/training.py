"""Overhead of the training loop, against a bare PyTorch loop on the same net, interleaved epoch by epoch.

    python -m tests.benchmarks.training [SPEC] [--batch 64] [--steps 2] [--rounds 12] [--threads 1] [--clock cpu]

After each epoch of the training loop, at its event, the bare loop runs an epoch of as many steps on a copy of the net,
with the same images. Data are in memory; nothing is validated. Ours is the time from the end of the bare epoch to the
event. The ratio is our time over the bare loop's, paired by round, with the 95 % bootstrap interval of its median. The
first round is left out. Processor time, the default, is that of this process alone, even on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from graphnet.analysis.timing import Clock, ratio
from graphnet.spec.recipe import Recipe
from graphnet.training.data.dataset import build
from graphnet.training.data.images import TensorImages
from graphnet.training.events import EpochDone, Event, Report, Started
from graphnet.training.loop.train import train

RATE, MOMENTUM = 1e-4, 0.9
CLOCKS: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}


class Bare:
    """The loop that anyone would write: no report, no check, no look at the loss."""

    def __init__(self, net: nn.Module, images: Tensor, labels: Tensor, batch: int) -> None:
        self.net, self.images, self.labels, self.batch = net.train(), images, labels, batch
        self.optimizer = torch.optim.SGD(net.parameters(), lr=RATE, momentum=MOMENTUM)

    def epoch(self) -> None:
        """Train an epoch."""
        for chosen in torch.randperm(len(self.images)).split(self.batch):
            loss = F.cross_entropy(self.net(self.images[chosen]), self.labels[chosen])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


def ours(net: nn.Module, images: Tensor, labels: Tensor, batch: int, epochs: int, report: Report) -> None:
    """Train with graphnet's loop on data in memory."""
    parts = [(TensorImages(images[:count], prepared=True), labels[:count]) for count in (len(images), 2)]
    dataset = build("random", *parts, classes=10, held_out_hash="")
    recipe = Recipe(epochs=epochs, batch_size=batch, lr=RATE, momentum=MOMENTUM)
    train(net, dataset, recipe, report, device="cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="frnn-3-state")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=2, help="steps of an epoch")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    net = graphnet.compile(zoo.path(args.spec))
    images = torch.randn(args.batch * args.steps, *net.meta["plan"].input_shape)
    labels = torch.randint(10, (len(images),))
    bare = Bare(deepcopy(net), images, labels, args.batch)
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    clock, ended = CLOCKS[args.clock], 0.0

    def report(event: Event) -> None:
        nonlocal ended
        if isinstance(event, Started):
            ended = clock()
        if isinstance(event, EpochDone):
            times["ours"].append(clock() - ended)
            started = clock()
            bare.epoch()
            ended = clock()
            times["bare"].append(ended - started)

    ours(net, images, labels, args.batch, args.rounds + 1, report)
    mine, theirs = times["ours"][1:], times["bare"][1:]
    found = ratio(mine, theirs)
    print(
        json.dumps(
            {
                "spec": args.spec,
                "batch": args.batch,
                "milliseconds of a step": {
                    "ours": round(1000 * statistics.median(mine) / args.steps, 2),
                    "bare": round(1000 * statistics.median(theirs) / args.steps, 2),
                },
                "ratio": round(found.median, 4),
                "interval": [round(found.low, 4), round(found.high, 4)],
                "rounds": args.rounds,
                "steps": args.steps,
                "threads": args.threads,
                "clock": args.clock,
            }
        )
    )


if __name__ == "__main__":
    main()
