"""The measures of experiments: what each is, the options it takes, and the factors it adds.

Only what can be said without a net; how they are measured stands elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MeasureKind:
    """A kind of measure.

    Attributes:
        name: as written in `of`, and for a built-in one in expressions.
        says: what it is, in a few words.
        unit: fractions are printed as per cent.
        takes: the options of `[[measure]]` that it takes, besides `name` and `of`.
        adds: the factors that it always adds.
        built_in: whether it is there without a `[[measure]]`.
        needs: the options that it cannot do without.
        by_readout: whether it has the factor `t` if the net has several readout times.
    """

    name: str
    says: str
    unit: Literal["fraction", "count", "number"]
    takes: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    built_in: bool = False
    needs: tuple[str, ...] = ()
    by_readout: bool = False


_TESTED = ("edit", "readout", "calibrate", "images")
MEASURES = {
    kind.name: kind
    for kind in (
        MeasureKind("test_error", "error on the test images", "fraction", _TESTED, built_in=True, by_readout=True),
        MeasureKind("train_accuracy", "accuracy of the last epoch, in training mode", "fraction", built_in=True),
        MeasureKind("loss", "loss on the test images", "number", _TESTED, built_in=True, by_readout=True),
        MeasureKind("train_loss", "loss of the last epoch, in training mode", "number", built_in=True),
        MeasureKind("parameters", "trained numbers", "count", built_in=True),
        MeasureKind("depth", "layers with weights on the longest path", "count", built_in=True, by_readout=True),
        MeasureKind("chance", "error of a guess that knows no image", "fraction", built_in=True),
        MeasureKind("running_mean", "running means of a norm", "number", ("at",), ("t", "channel"), needs=("at",)),
        MeasureKind("running_var", "running variances of a norm", "number", ("at",), ("t", "channel"), needs=("at",)),
        MeasureKind("gain", "1/sqrt(variance + eps) of a norm", "number", ("at",), ("t", "channel"), needs=("at",)),
        MeasureKind(
            "indices.convergence", "how early a stage reaches its final error", "number", ("images",), ("stage",)
        ),
        MeasureKind(
            "indices.recurrence", "how little it matters which block is dropped", "number", ("images",), ("stage",)
        ),
        MeasureKind("indices.divergence", "how much repeating the last block harms", "number", ("images",), ("stage",)),
        MeasureKind(
            "unrolled_difference",
            "largest relative difference, outputs and gradients in float64, to the same net unrolled",
            "number",
        ),
    )
}
"""Measures by name."""
OPTIONS = ("edit", "readout", "calibrate", "at", "images")
"""Options of a `[[measure]]`."""
BUILT_IN = tuple(name for name, kind in MEASURES.items() if kind.built_in)
ADDED = ("t", "block", "stage", "channel")
"""Factors that measures add."""
NUMBERED = ("t", "block", "channel")
"""Those of them whose labels are numbers."""
