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
from graphnet.training.loop.evaluation import evaluate
from graphnet.training.loop.train import train

TRAINED, TIMES = 6, range(3, 13)
DATA = load_dataset("digits")


def accuracy_at(net: torch.nn.Module, t: int, calibrated: bool = True) -> float:
    """Read a trained net out at another time, with its weights; statistics that it lacks may be calibrated."""
    other = graphnet.compile(net, settings={"readout.t": t})
    lacking = other.load_state_dict(net.state_dict(), strict=False).missing_keys
    if calibrated and lacking:
        graphnet.calibrate(other, DATA.train.batches(64), lacking)
    return evaluate(other, DATA.test.batches(256)).final_accuracy


def main(figure: Path) -> None:
    """Train, measure and draw."""
    torch.set_num_threads(1)  # small nets are slower on several threads
    net = graphnet.compile("quickstart", settings={"readout.t": TRAINED})
    result = train(net, DATA, Recipe(epochs=5), device="cpu")
    print(f"trained at t = {TRAINED}: {result.evaluation.final_accuracy:.2%} of the test images\n")
    lesioned = graphnet.perturb(net, Lesion("V1->V1"))
    curves = {
        "as trained": [accuracy_at(net, t, calibrated=False) for t in TIMES],
        "calibrated": [accuracy_at(net, t) for t in TIMES],
        "without V1->V1": [accuracy_at(lesioned, t) for t in TIMES],
    }
    print(f"{'readout time':<17}" + "".join(f"{t:>6}" for t in TIMES))
    for name, accuracies in curves.items():
        print(f"{name:<17}" + "".join(f"{accuracy:6.2f}" for accuracy in accuracies))
    with mpl.rc_context(STYLE):
        page = Figure(figsize=(84 / 25.4, 2.2), layout="constrained")
        axes = page.subplots()
        for (name, accuracies), colour, mark in zip(curves.items(), COLOURS, MARKS, strict=False):
            axes.plot(TIMES, accuracies, label=name, color=colour, marker=mark, markersize=3)
        axes.axvline(TRAINED, color="black", linestyle=":", linewidth=0.8)
        axes.set(xlabel="readout time", ylabel="test accuracy", ylim=(0, 1.02), xticks=TIMES)
        page.legend(loc="outside upper center", ncols=3, frameon=False)
        for suffix, dates in {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}.items():
            page.savefig(figure.with_suffix(suffix), dpi=300, metadata=dates)
    print(f"\ndrawn in {figure.with_suffix('.svg')}, .pdf and .png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("time-axis.svg"))
