"""Plan → the net unrolled in time as DOT text, for Graphviz and other readers of DOT."""

from __future__ import annotations

from graphnet.network.network import INPUT
from graphnet.pictures.captions import row_names, shape_text
from graphnet.pictures.recurrent.picture import dot_frame, dot_text
from graphnet.pictures.unrolled.arrows import feeds, is_value, weigh
from graphnet.planning.plan import IMAGE, Plan


def draw_unrolled_dot(plan: Plan, title: bool = True) -> str:
    """Return DOT text: the computed values, those of a time in one rank, and arrows named after their weights."""
    graph = dot_frame(plan, title)
    graph.attr(rankdir="LR")
    names, read = row_names(plan), {name for _, name in plan.outputs}
    ids = {IMAGE: INPUT}
    graph.node(INPUT, dot_text(INPUT, shape_text(plan.input_shape)))
    times: dict[int, list[str]] = {}
    for line in filter(is_value, plan.lines):
        ids[line.name] = f"value{len(ids)}"
        times.setdefault(line.t, []).append(ids[line.name])
        frames = {"peripheries": "2"} if line.name in read else {}
        graph.node(ids[line.name], dot_text(names[line.place], f"t = {line.t}"), **frames)
    for values in times.values():
        graph.body.append(f"\t{{ rank=same; {'; '.join(values)} }}\n")
    found = feeds(plan)
    for feed, weights in zip(found, weigh(plan, found), strict=True):
        style = "dashed" if weights.stroke.dash else "solid"
        look = {"color": weights.stroke.colour, "style": style}
        graph.edge(ids[feed.source], ids[feed.target], label=dot_text(f" {weights.name} "), **look)
    return str(graph.source)
