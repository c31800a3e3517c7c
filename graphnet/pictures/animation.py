"""Animation of activity spreading through a net: one picture per time step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from graphnet.network.network import INPUT
from graphnet.pictures.captions import MARGIN, TEXT
from graphnet.pictures.elements import ACCENT, FAINT, PAPER, Curve, Label, Node, Picture, label
from graphnet.pictures.states import takes_time
from graphnet.pictures.unrolled.arrows import is_value
from graphnet.pictures.unrolled.grid import milliseconds
from graphnet.planning.plan import Fate, Plan

FOOT = 20.0
"""Height of the time line at the foot."""


def frames(picture: Picture, plan: Plan) -> Iterator[Picture]:
    """Yield the recurrent or unrolled picture of a net at each time from 0 on.

    States with a value made at that time are filled, arriving arrows are thick, later ones are faint.
    """
    clock = takes_time(plan)
    for t in range(plan.last_time + 1):
        yield _at(picture, _Activity(plan, t), clock)


class _Activity:
    """The activity of a net at a time."""

    def __init__(self, plan: Plan, t: int) -> None:
        self.t = t
        now = [firing for firing in plan.firings if firing.t == t and firing.fate is Fate.FIRES]
        self.fired = {(firing.source, firing.target) for firing in now}
        self.made = {line.place for line in plan.lines if is_value(line) and line.t == t}
        self.made |= {INPUT for firing in now if firing.source == INPUT}

    def of_node(self, node: Node) -> int:
        """Return -1 for the future, 1 for now, 0 otherwise."""
        facts = dict(node.facts)
        if "t" in facts:
            return _sign(self.t, int(facts["t"]))
        return int(facts.get("state") in self.made)

    def of_curve(self, curve: Curve) -> int:
        facts = dict(curve.facts)
        if "t" in facts:
            return _sign(self.t, int(facts["t"]))
        if curve.kind == "part":  # the frame around the states of a part stays
            return 0
        return 1 if (facts["source"], facts["target"]) in self.fired else -1


def _sign(now: int, t: int) -> int:
    return 1 if t == now else -1 if t > now else 0


def _at(picture: Picture, activity: _Activity, clock: bool) -> Picture:
    node_is = {node.name: activity.of_node(node) for node in picture.nodes}
    curve_is = {curve.name: activity.of_curve(curve) for curve in picture.curves if curve.facts}
    faint = {name for known in (node_is, curve_is) for name, when in known.items() if when < 0}

    def curve(each: Curve) -> Curve:
        when = curve_is.get(each.name, 0)
        if when < 0:
            return replace(each, stroke=each.stroke._replace(colour=FAINT))
        return replace(each, stroke=each.stroke._replace(width=2 * each.stroke.width)) if when else each

    def node(each: Node) -> Node:
        when = node_is[each.name]
        if when < 0:
            return replace(each, fill=PAPER, frame=FAINT)
        return replace(each, fill=ACCENT) if when else each

    def text(each: Label) -> Label:
        return replace(each, colour=FAINT) if each.owner in faint else each

    now = f"t = {activity.t}" + (f", {milliseconds(activity.t)} ms" if clock else "")
    return replace(
        picture,
        height=picture.height + FOOT,
        curves=tuple(map(curve, picture.curves)),
        nodes=tuple(map(node, picture.nodes)),
        labels=(*map(text, picture.labels), label(now, TEXT, MARGIN, picture.height + 6, bold=True)),
    )
