"""Running statistics of a net's batch norms over time (Liao & Poggio 2016, Figure 5 B); T times, C channels."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphnet.atomic_files import replacing
from graphnet.planning.plan import Plan
from graphnet.runtime.net import Net

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class NormStatistics:
    """The running statistics of one batch norm at the times at which it runs.

    Attributes:
        layer: its name in the net, without a time: `h1.from_h1.norm1`.
        names: the name in the net of the layer that holds the statistics of each time: `h1.from_h1.norm1.t3`.
        times: when it runs, ascending.
        mean, variance: `[T, C]`.
        eps: the constant that the norm adds to the variance.
    """

    layer: str
    names: tuple[str, ...]
    times: tuple[int, ...]
    mean: Values
    variance: Values
    eps: float

    @property
    def gain(self) -> Values:
        """1/σ with σ = sqrt(variance + eps), `[T, C]`: the norm's factor, without an affine weight."""
        return np.asarray(1 / np.sqrt(self.variance + self.eps))

    @property
    def median_gain(self) -> Values:
        """The median of the gain over channels, `[T]`."""
        return np.asarray(np.median(self.gain, axis=1))

    @property
    def is_shared(self) -> bool:
        """Whether several times have the same statistics."""
        return len(set(self.names)) < len(self.times)

    @property
    def varies(self) -> bool:
        """Whether there are statistics of at least two times, each with its own."""
        return len(self.times) > 1 and not self.is_shared


def norm_statistics(net: Net) -> tuple[NormStatistics, ...]:
    """Return the running statistics of every batch norm, in the order in which the norms first run."""
    return tuple(_statistics(net, layer, at) for layer, at in _uses(net.meta["plan"]).items())


def _uses(plan: Plan) -> dict[str, dict[int, tuple[str, float]]]:
    """Layer → time → the name of what holds its statistics, and eps."""
    found: dict[str, dict[int, tuple[str, float]]] = {}
    for line in plan.lines:
        if line.op.kind == "batch_norm":
            name = line.tensors[0].removesuffix(".running_mean")
            layer = re.sub(r"\.t\d+$", "", name)
            found.setdefault(layer, {})[line.t] = name, line.op.real("eps", 1e-5)
    return found


def _statistics(net: Net, layer: str, at: dict[int, tuple[str, float]]) -> NormStatistics:
    times = tuple(sorted(at))
    names = tuple(at[t][0] for t in times)

    def values(role: str) -> Values:
        return np.stack([net.get_buffer(f"{name}.{role}").detach().cpu().double().numpy() for name in names])

    return NormStatistics(layer, names, times, values("running_mean"), values("running_var"), at[times[0]][1])


def write_statistics(path: Path, norms: Iterable[NormStatistics]) -> None:
    """Write a line per norm, time and channel. Raises OSError."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("layer", "time", "channel", "mean", "variance", "gain"))
        for norm in norms:
            gain = norm.gain
            for k, t in enumerate(norm.times):
                columns: Sequence[Values] = (norm.mean[k], norm.variance[k], gain[k])
                for channel, row in enumerate(zip(*(each.tolist() for each in columns), strict=True)):
                    table.writerow((norm.layer, t, channel, *row))
