"""Plan → text and JSON: what fires when, what is skipped and why, and the net's figures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from graphnet.errors import clean
from graphnet.network.functions.ops import Attribute
from graphnet.network.network import INPUT, LOGITS, System
from graphnet.passes import Mode, trace_passes
from graphnet.pictures.captions import times_text
from graphnet.pictures.states import COMBINED
from graphnet.planning.cost import BATCH, cost
from graphnet.planning.plan import Fate, Firing, Plan
from graphnet.planning.programs import Run, runs_of


def plan_text(plan: Plan) -> str:
    """Format the plan as plain text by time step, with a final newline."""
    lines = [clean(f"{plan.name}{f' — {plan.cite}' if plan.cite else ''}"), ""]
    lines += _columns([(f"{name}:", value) for name, value in _figures(plan)], indent=0)
    for t, now in groupby(plan.firings, key=lambda firing: firing.t):
        lines += ["", *_step(t, list(now))]
    return "\n".join(lines) + "\n"


def _figures(plan: Plan) -> list[tuple[str, str]]:
    low, high = plan.milliseconds
    combined = f": {COMBINED[plan.combine]}" if plan.combine in COMBINED else ""
    shapes = ", ".join(f"{area.name} {'x'.join(map(str, area.shape))}" for area in plan.areas)
    return [
        ("states", shapes),
        ("input", f"{'x'.join(map(str, plan.input_shape))} at t = {plan.input_times}"),
        ("readout", f"t = {times_text(t for t, _ in plan.outputs)}{combined}"),
        ("parameters", f"{plan.parameters:,} in {len(plan.trainable)} tensors"),
        ("FLOPs", f"{plan.flops:,} per image (2 per multiply-add; convolutions and linear layers)"),
        ("depth", f"{plan.depth}"),
        ("biological time", f"{low} to {high} ms (20 to 50 ms per step)"),
        ("system", system_text(plan.system)),
    ]


def system_text(system: System) -> str:
    """Name the kind of dynamical system: homogeneous or not (LP section 2.2), and what is constant over time."""
    kind = "homogeneous" if system.homogeneous else "inhomogeneous"
    weights = "shared over time" if system.shared_weights else "not shared over time"
    matrix = "constant" if system.constant_matrix else "changes over time"
    statistics = "constant" if system.constant_statistics else "per time"
    return f"{kind}; weights {weights}, matrix {matrix}, statistics {statistics}"


def _step(t: int, firings: Sequence[Firing]) -> list[str]:
    firing = [each for each in firings if each.fate is Fate.FIRES]
    inner = sum(each.source != INPUT and each.target != LOGITS for each in firing)
    head = f"t = {t}: {inner} transition{'' if inner == 1 else 's'} fire{'s' if inner == 1 else ''}"
    rows = [(each.reads, "→", f"{each.target}_t{t}", each.ops) for each in firing]
    lines = [head, *_columns(rows, indent=2)]
    for fate in (Fate.EMPTY, Fate.WAITING, Fate.UNREAD):
        skipped = [f"{each.source}→{each.target}" for each in firings if each.fate is fate]
        if skipped:
            lines.append(f"  skipped, {fate}: {', '.join(skipped)}")
    return lines


def _columns(rows: Iterable[tuple[str, ...]], indent: int) -> list[str]:
    """Align the columns of rows."""
    aligned = []
    for column in zip(*rows, strict=True):
        words = set(column)
        width = max(map(len, words))
        padded = {word: word.ljust(width) for word in words}
        aligned.append(map(padded.__getitem__, column))
    margin = " " * indent
    return [(margin + "  ".join(row)).rstrip() for row in zip(*aligned, strict=True)]


def passes_text(plan: Plan, level: int, mode: Mode) -> str:
    """List what each pass of a level saves, and the number of distinct steps before and after."""
    lines = [f"{len(plan.lines):,} lines, {_steps(plan)}"]
    for run, after in trace_passes(plan, level, mode):
        promise = (run.__doc__ or "").partition("\n")[0]
        lines += [f"{run.__name__}: {promise}", *(f"  {text}" for text in _saved(plan, after, mode))]
        plan = after
    return "\n".join([*lines, f"{len(plan.lines):,} lines, {_steps(plan)}"]) + "\n"


def _saved(before: Plan, after: Plan, mode: Mode) -> list[str]:
    """List the ops removed and added, by kind, and the saving per pass through the net."""
    counts = [Counter(line.op.kind for line in each.lines) for each in (before, after)]
    gone, new = counts[0] - counts[1], counts[1] - counts[0]
    found = [f"{count} {kind} fewer" for kind, count in gone.items()]
    found += [f"{count} {kind} more" for kind, count in new.items() if kind != "item"]
    found += [f"layout {after.layout.replace('_', ' ')}"] if after.layout != before.layout else []
    if not found:
        return ["nothing to do"]
    costs = [cost(each, BATCH, mode) for each in (before, after)]
    saved = [
        f"{abs(old - new) / old:.1%} {'fewer' if new < old else 'more'} {name}"
        for name, old, new in zip(("FLOPs", "bytes", "launches"), *costs, strict=True)
        if old != new
    ]
    return [", ".join(found), *([", ".join(saved)] if saved else [])]


def _steps(plan: Plan) -> str:
    runs = [piece.program for _, piece in runs_of(plan) if isinstance(piece, Run)]
    return f"{len(set(runs))} distinct steps of {len(runs)}"


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return the plan as data for JSON: figures, what fires when, every line and every tensor."""
    return {
        "name": plan.name,
        "cite": plan.cite,
        "input": {"shape": list(plan.input_shape), "t": plan.input_times},
        "states": {area.name: list(area.shape) for area in plan.areas},
        "readouts": {str(t): name for t, name in plan.outputs},
        "combine": plan.combine,
        "parameters": plan.parameters,
        "flops": plan.flops,
        "depth": plan.depth,
        "biological_ms": list(plan.milliseconds),
        "system": plan.system.__dict__ | {"time_invariant": plan.system.time_invariant},
        "steps": [{"t": t, **_fates(list(now))} for t, now in groupby(plan.firings, key=lambda firing: firing.t)],
        "lines": [
            {
                "name": line.name,
                "op": line.op.kind,
                "settings": {key: _plain(value) for key, value in line.op.attributes},
                "arguments": list(line.arguments),
                "tensors": list(line.tensors),
                "shape": list(line.shape),
                "t": line.t,
                "place": line.place,
            }
            for line in plan.lines
        ],
        "tensors": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "trainable": tensor.trainable,
                "size": math.prod(tensor.shape),
            }
            for tensor in plan.tensors
        ],
    }


def _plain(value: Attribute) -> Any:
    return value if isinstance(value, int | float | str | tuple) else str(value)


def _fates(firings: Sequence[Firing]) -> dict[str, list[str]]:
    return {
        fate.name.lower(): [f"{each.source}->{each.target}" for each in firings if each.fate is fate] for fate in Fate
    }
