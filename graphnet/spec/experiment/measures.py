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


def _index(kind: str, says: str) -> tuple[MeasureKind, MeasureKind, MeasureKind]:
    """One of LPK's indices, its interval over images, and the curve that it summarises."""
    takes = ("images", "repeats") if kind == "divergence" else ("images",)
    width = f"half width of the 95 % bootstrap interval of indices.{kind} over images"
    return (
        MeasureKind(f"indices.{kind}", says, "number", takes, ("stage",)),
        MeasureKind(f"indices.{kind}.half_width", width, "number", takes, ("stage",)),
        MeasureKind(f"curves.{kind}", f"errors that indices.{kind} summarises", "fraction", takes, BY_BLOCK),
    )


BY_BLOCK = ("stage", "block")
INDEX_KINDS = {
    "convergence": "how early a stage reaches its final error",
    "recurrence": "how little it matters which block is dropped",
    "divergence": "how much repeating the last block harms",
}
"""LPK's indices, and what they say."""
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
        MeasureKind("linear_error", "error of a linear classifier on the pixels", "fraction", built_in=True),
        MeasureKind("running_mean", "running means of a norm", "number", ("at",), ("t", "channel"), needs=("at",)),
        MeasureKind("running_var", "running variances of a norm", "number", ("at",), ("t", "channel"), needs=("at",)),
        MeasureKind("gain", "1/sqrt(variance + eps) of a norm", "number", ("at",), ("t", "channel"), needs=("at",)),
        *(each for kind, says in INDEX_KINDS.items() for each in _index(kind, says)),
        MeasureKind(
            "similarity", "mean cosine of the weights of a stage's blocks, over all pairs", "number", adds=("stage",)
        ),
        MeasureKind(
            "residual_norm", "mean norm of a block's update, relative to its input", "number", ("images",), BY_BLOCK
        ),
        MeasureKind(
            "unrolled_difference",
            "largest relative difference, outputs and gradients in float64, to the same net unrolled",
            "number",
        ),
    )
}
"""Measures by name."""
OPTIONS = ("edit", "readout", "calibrate", "at", "images", "repeats")
"""Options of a `[[measure]]`."""
BUILT_IN = tuple(name for name, kind in MEASURES.items() if kind.built_in)
ADDED = ("t", "block", "stage", "channel")
"""Factors that measures add."""
REPEATS = 16
"""Further applications of a stage's last block, unless `repeats` says otherwise (LPK: up to sixteen)."""
NUMBERED = ("t", "block", "channel")
"""Those of them whose labels are numbers."""
