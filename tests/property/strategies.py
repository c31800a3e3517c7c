"""Hypothesis strategies for small specs: states of fitting sizes, random slabs, norms and sharing."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

SAME = ["BRC", "BRCx2", "C", "C1BR", "BRC:2 C", "RC3/1", "BRC1+C", "C+C1B", "BR(C1:3 R C + C1)", "BCx2"]
ALIKE = ["BRC+I", "BRCx2+I", "I", "BR", "R+I", "B"]
"""Functions between states of one shape."""
DOWN = {
    1: ["BRC", "C", "BRCx2", "C/2", "PC", "AC1", "BR(C1:3 R C + C1)", "C1B + BRC", "BRC/2 C", "P3C1"],
    2: ["BRCx2", "PPC1", "C/2 P C1", "Cx2", "PC", "BRC/4", "BRCx3"],
}
UP = {1: ["BRD", "D", "BRDx2", "D5", "D/2", "CD", "D1B+D"], 2: ["BRDx2", "D/4", "Dx2", "D/2 D"]}


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A spec of one to four states on an image of 4 to 8 pixels, as a dict."""
    count = draw(st.integers(1, 4))
    names = draw(st.permutations(["a", "b", "V1", "IT"]))[:count]
    size = draw(st.sampled_from([4, 5, 8]))
    levels = [0, *sorted(draw(st.lists(st.integers(0, 2), min_size=count - 1, max_size=count - 1)))]
    sizes = [-(-size // 2**level) for level in levels]
    channels = draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
    states = {name: [c, s, s] for name, c, s in zip(names, channels, sizes, strict=True)}
    last = draw(st.integers(count, count + 3))
    spec: dict[str, Any] = {
        "graphnet": 1,
        "name": "drawn",
        "input": {"shape": [draw(st.integers(1, 2)), size, size]},
        "merge": draw(st.sampled_from(["sum", "mean"])),
        "states": states,
        "transitions": draw(slabs(names, levels, channels, size, last)),
        "norm": draw(norms()),
        "pre_net": {"ops": draw(st.sampled_from(["C", "CBR", "C1", "CBRC"])), "norm": draw(norms())},
        "post_net": {"ops": draw(st.sampled_from(["BRGL", "GL", "L", "BL"])), "classes": 3},
        "readout": {"t": draw(st.sampled_from([last, [last], [last, last + 1], f"{last}..{last + 2}"]))},
    }
    if draw(st.booleans()):
        spec["input"]["t"] = draw(st.integers(0, 1))
    if draw(st.booleans()):
        spec["sharing"] = draw(sharing(list(names)))
    return spec


def norms() -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "statistics": st.sampled_from(["per-time", "shared"]),
            "affine": st.sampled_from(["none", "shared", "per-time"]),
        },
    )


@st.composite
def slabs(
    draw: st.DrawFn, names: list[str], levels: list[int], channels: list[int], size: int, last: int
) -> list[dict[str, Any]]:
    """A first slab that leads to the last state, then slabs that add, change or block cells."""
    first: dict[str, Any] = {"t": "1..inf"} if draw(st.booleans()) else {}
    for at, name in enumerate(names):
        goals = [at, at + 1] if at + 1 < len(names) else [at]
        first[name] = {names[to]: draw(functions(levels, channels, size, at, to)) for to in goals}
    found = [first]
    for _ in range(draw(st.integers(0, 3))):
        slab: dict[str, Any] = {"t": draw(times(last))}
        for at, name in enumerate(names):
            goals = draw(st.lists(st.sampled_from(range(len(names))), max_size=2, unique=True))
            row = {names[to]: draw(functions(levels, channels, size, at, to)) for to in goals}
            if row and draw(st.integers(0, 5)) == 0:
                row[next(iter(row))] = "-"
            if row:
                slab[name] = row
        found.append(slab)
    return found


@st.composite
def functions(draw: st.DrawFn, levels: list[int], channels: list[int], size: int, at: int, to: int) -> str:
    """A transition function that fits between two states."""
    step = levels[to] - levels[at]
    if step == 0:
        return draw(st.sampled_from(SAME + (ALIKE if channels[at] == channels[to] else [])))
    if size % 2 == 0:
        return draw(st.sampled_from(DOWN[step] if step > 0 else UP[-step]))
    if step > 0:  # odd sizes: rounding differs between pooling and convolution, so only convolutions
        return "BRC" if step == 1 else "BRCx2"
    return "-"


def times(last: int) -> st.SearchStrategy[Any]:
    ends = st.tuples(st.integers(0, last), st.integers(0, 3))
    return st.one_of(
        st.integers(0, last),
        ends.map(lambda pair: f"{pair[0]}..{pair[0] + pair[1]}"),
        st.lists(st.integers(0, last), min_size=1, max_size=2),
        st.just("2..inf"),
    )


@st.composite
def sharing(draw: st.DrawFn, names: list[str]) -> dict[str, Any]:
    """Sharing over time or not, and perhaps one set over the times of one place."""
    found: dict[str, Any] = {"over_time": draw(st.booleans())}
    if draw(st.booleans()):
        name = draw(st.sampled_from(names))
        found["sets"] = [{"members": [f"{name}->{name}" + draw(st.sampled_from(["", "@1..2", "@2..inf", "@0..3"]))]}]
    return found
