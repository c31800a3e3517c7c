"""Messages about weights that do not fit a net: a line per kind, not a list of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from graphnet.errors import and_more
from graphnet.network.network import VECTOR

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
CALIBRATE = "graphnet.calibrate(net, batches of training images)"
LATER = f"load them by net.load_state_dict(weights, strict=False), then {CALIBRATE}"


def is_statistic(name: str) -> bool:
    return name.rpartition(".")[2] in STATISTICS


def is_vector(name: str) -> bool:
    """Whether it is a singular vector of a Lipschitz bound."""
    return name.rpartition(".")[2].startswith(VECTOR)


def times_of(names: Iterable[str]) -> str:
    """` at t = 4, 11`: the times in names of tensors; empty if they have none."""
    times = sorted({int(t) for name in names for t in re.findall(r"\.t(\d+)(?:_T\d+)?\.", name)})
    return f" at t = {', '.join(map(str, times))}" if times else ""


def uncalibrated(names: Sequence[str]) -> str:
    """The message about missing statistics."""
    return f"the weights hold no running statistics{times_of(names)}: calibrate them on training images first"


def for_a_run(readouts: Sequence[int]) -> str:
    """The hint that a run can be calibrated for other readout times from the command line."""
    times = ",".join(map(str, readouts)) if 0 < len(readouts) <= MOST_LISTED else "TIMES"
    return f"of a run folder, `graphnet calibrate RUN --readout {times}` writes a checkpoint that holds them"


MOST_LISTED = 10
"""Readout times that a hint lists."""


def misfits(missing: Sequence[str], left: Sequence[str], readouts: Sequence[int] = ()) -> Iterator[str]:
    """The messages about missing and unused tensors of a state dict, a line and hints per kind.

    `readouts` are the readout times of the net, for a hint.
    """
    made = [name for name in missing if is_statistic(name) or is_vector(name)]
    if weights := [name for name in missing if name not in made]:
        yield f"the weights hold no {and_more(weights)}"
    elif made:
        yield f"{uncalibrated(made)}\n  {LATER}\n  {for_a_run(readouts)}"
        left = [name for name in left if not is_statistic(name)]
    if left:
        statistics = all(map(is_statistic, left)) and times_of(left)
        what = f"running statistics{statistics}" if statistics else and_more(left)
        hint = "net.load_state_dict(weights, strict=False) skips what the net does not use"
        yield f"the weights hold {what}, which the net does not use\n  {hint}"
