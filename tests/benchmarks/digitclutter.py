"""Speed of drawing Digitclutter, beside what a training step of a net consumes.

    python -m tests.benchmarks.digitclutter [SPEC] [--images 1000] [--rounds 5] [--batch 64]

Drawing is by one process, without workers, so `images_per_s` are for each core; glyphs and fragments are made in a
first round, which is not counted. `trains_per_s` are the images that training steps of the net consume with one thread:
where they are more than are drawn, drawing anew in each epoch would be the bottleneck. The best round counts, as other
jobs only add time.
"""

from __future__ import annotations

import argparse
import json
import time

import torch
import torch.nn.functional as F

import graphnet
from graphnet import zoo
from graphnet.training.data.clutter.options import read_clutter
from graphnet.training.data.clutter.painter import Painter

NAMES = (
    *("digitclutter-1", "digitclutter-3", "digitclutter-5", "digitclutter-3@64"),
    *("digitclutter-3-debris-10", "digitclutter-3-debris-50", "digitclutter-5-debris-50", "digitclutter-3-handwritten"),
)


def drawn_per_second(name: str, images: int, rounds: int) -> float:
    """Images of a data set drawn in each second."""
    word, _, side = name.partition("@")
    painter = Painter(read_clutter(word, (int(side), int(side)) if side else None), 0, "train")
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        for k in range(images):
            painter.image(k)
        times.append(time.perf_counter() - started)
    return images / min(times[1:])


def trained_per_second(spec: str, batch: int, rounds: int) -> float:
    """Images that training steps of a net on Digitclutter consume in each second."""
    settings = ["input.shape=[1, 32, 32]", "post_net.classes=10"]
    net = graphnet.compile(graphnet.load(zoo.path(spec), settings=settings)).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    images, labels = torch.randn(batch, 1, 32, 32), torch.randint(2, (batch, 10)).float()
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(net(images), labels).backward()
        optimizer.step()
        times.append(time.perf_counter() - started)
    return batch / min(times[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", nargs="?", default="lpk-resnet-8")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=64)
    args = parser.parse_args()
    torch.set_num_threads(1)
    drawn = {name: round(drawn_per_second(name, args.images, args.rounds)) for name in NAMES}
    trained = round(trained_per_second(args.spec, args.batch, args.rounds))
    print(json.dumps({"images_per_s": drawn, "trains_per_s": {args.spec: trained}}, indent=1))


if __name__ == "__main__":
    main()
