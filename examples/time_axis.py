"""Time as an axis of a trained net: spec, training, readout times, a lesion and a figure.

    python examples/time_axis.py [FIGURE]

A net of three areas is trained to answer at t = 6, and read out from t = 3 to 12: as it is, with running statistics
calibrated for the times at which it was not trained, and without the recurrence in its first area.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.figure import Figure

import graphnet
from graphnet.analysis.figures import COLOURS, MARKS, STYLE
from graphnet.edits import Lesion
from graphnet.spec.recipe import Recipe
from graphnet.training.data.named import load_dataset
from graphnet.training.loop.train import train

TRAINED, TIMES = 6, "3..12"


def main(figure: Path) -> None:
    """Train, measure and draw."""
    torch.set_num_threads(1)  # small nets are slower on several threads
    net = graphnet.compile("quickstart", settings={"readout.t": TRAINED})
    data = load_dataset("digits")
    result = train(net, data, Recipe(epochs=5), device="cpu")
    print(f"trained at t = {TRAINED}: {result.evaluation.final_accuracy:.2%} of the test images\n")

    def accuracy(net: torch.nn.Module, calibrate: str) -> dict[int, float]:
        return graphnet.sweep(net, data.test.batches(256), TIMES, data.train.batches(64), calibrate=calibrate).accuracy

    curves = {
        "as trained": accuracy(net, "none"),
        "calibrated": accuracy(net, "missing"),
        "without V1->V1": accuracy(graphnet.perturb(net, Lesion("V1->V1")), "missing"),
    }
    print(f"{'readout time':<17}" + "".join(f"{t:>6}" for t in curves["calibrated"]))
    for name, curve in curves.items():
        print(f"{name:<17}" + "".join(f"{each:6.2f}" for each in curve.values()))
    with mpl.rc_context(STYLE):
        page = Figure(figsize=(84 / 25.4, 2.2), layout="constrained")
        axes = page.subplots()
        for (name, curve), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
            axes.plot(curve.keys(), curve.values(), label=name, color=colour, marker=mark, markersize=3)
        axes.axvline(TRAINED, color="black", linestyle=":", linewidth=0.8)
        axes.set(xlabel="readout time", ylabel="test accuracy", ylim=(0, 1.02), xticks=list(curve))
        page.legend(loc="outside upper center", ncols=3, frameon=False)
        for suffix, dates in {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}.items():
            page.savefig(figure.with_suffix(suffix), dpi=300, metadata=dates)
    print(f"\ndrawn in {figure.with_suffix('.svg')}, .pdf and .png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("time-axis.svg"))
