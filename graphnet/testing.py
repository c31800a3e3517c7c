"""Hypothesis strategies that generate small specs of the whole language, for testing models, passes and tools.

    from hypothesis import given
    from graphnet.testing import specs

    @given(specs())
    def test_mine(spec):
        net = graphnet.compile(spec)

Specs are drawn state by state, so that most are valid; invalid ones (such as a readout that nothing reaches) are
rejected. Sizes are tiny, for speed. A spec is a dict that prints as TOML, so that you can save a failing one.
"""

from __future__ import annotations

from typing import Any

try:
    from hypothesis import strategies as st
except ImportError:
    raise ImportError("graphnet.testing needs hypothesis: pip install 'graphnet-compiler[testing]'") from None

from graphnet.errors import SpecError
from graphnet.pipeline import plan
from graphnet.spec.write import to_toml

SHAPES = {"map": (4, 4), "line": (8,), "vector": ()}

HEADS = ["", "B", "R", "BR", "tanh ", "sigmoid ", "B elu ", "gelu ", "leaky_relu ", "silu ", "softplus "]
SAME = ["C", "C1", "Cx2", "C:2 C", "C1B + C", "C(R C1 + C)", "P3/1 C", "A3/1 C1", "C5", "D", "C/1"]
SAME_LISTS: list[Any] = [
    [{"conv": {"kernel": 3, "dilation": 2, "bias": True}}, "elu"],
    ["B", {"conv": {"groups": 1, "kernel": 1}}, {"norm": {"kind": "layer", "affine": "shared"}}],
    [{"sum": ["C1", ["R", {"conv": {"padding": 1}}]]}],
    [{"norm": {"kind": "group", "groups": 1, "affine": "shared"}}, {"conv": {"bias": True, "bias_init": 0.5}}],
    [{"leaky_relu": {"negative_slope": 0.1}}, {"conv": {"init": "lecun"}}],
]
ALIKE = ["I", "B", "BRC+I", "CR+I", "I+C1", "R", "sigmoid", "tanh", "Ip", "C1+C+I"]
DOWN = {
    1: ["C", "C/2", "PC", "AC1", "Cx2", "C1B + BRC", "P3C1", "C R C", "CB+C1", "Ip", "P Ip"],
    2: ["Cx2", "PPC1", "C/2 P C1", "PC", "C/4", "Cx3", "Ip"],
}
UP = {1: ["D", "Dx2", "D5", "D/2", "CD", "D1B+D"], 2: ["Dx2", "D/4", "D/2 D"]}
VECTOR = ["L", "LRL", "L:3 tanh L", "L+L", "B R L", [{"linear": {"bias": False}}], [{"linear": {"init": "glorot"}}]]


class TomlSpec(dict[str, Any]):
    """A spec as a dict that prints as TOML."""

    def __repr__(self) -> str:
        return f"\n{to_toml(self)}"


def specs() -> st.SearchStrategy[TomlSpec]:
    """Generate specs that compile, with one to four states."""
    return drafts().filter(_compiles)


@st.composite
def drafts(draw: st.DrawFn) -> TomlSpec:
    """Generate specs with one to four states, most of which compile."""
    return TomlSpec(_Drawing(draw).spec())


def _compiles(spec: TomlSpec) -> bool:
    try:
        plan(spec)
    except SpecError:
        return False
    return True


class _Drawing:
    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        count = draw(st.integers(1, 4))
        self.names: list[str] = draw(st.permutations(["a", "b", "V1", "IT"]))[:count]
        kind = draw(st.sampled_from(["map", "map", "map", "map", "line", "vector"]))
        self.sizes = SHAPES[kind]
        steps = draw(st.lists(st.integers(0, 2), min_size=count - 1, max_size=count - 1)) if self.sizes else []
        self.levels = [0, *sorted(steps)] if steps else [0] * count
        self.channels = draw(st.lists(st.integers(1, 3), min_size=count, max_size=count))
        self.last = draw(st.integers(count, count + 3))
        self.flags = draw(st.lists(st.sampled_from(FEATURES), min_size=2, max_size=9, unique=True))

    def has(self, feature: str) -> bool:
        return feature in self.flags

    @property
    def joins(self) -> bool:
        """Whether the last state concatenates its arrivals."""
        return self.has("concat") and len(self.names) > 1

    def pick(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def spec(self) -> dict[str, Any]:
        merge = self.pick("sum", "mean", "max", "product", "product") if self.has("merge") else self.pick("sum", "mean")
        image = [self.pick(1, 2), *self.sizes]
        first = "L" if not self.sizes else self.pick("C", "CBR", "C1", "CBRC", "BC")
        head = (
            self.pick("L", "BL") if not self.sizes else self.pick("BRGL", "GL", "L", "BAL" if len(self.sizes) else "L")
        )
        spec: dict[str, Any] = {
            "graphnet": 1,
            "name": "drawn",
            "input": {"shape": image} | self.input_times(),
            "merge": merge,
            "transitions": self.slabs(),
            "states": {name: self.state(number) for number, name in enumerate(self.names)},
            "norm": self.norm(),
            "pre_net": {"ops": first, "norm": self.norm()},
            "post_net": {"ops": head, "classes": 3},
            "readout": {
                "t": self.pick(self.last, [self.last], [self.last, self.last + 1], f"{self.last}..{self.last + 2}")
            },
        }
        if self.has("unroll"):
            spec["unroll"] = "engineering"
        if self.has("zeros"):
            spec["unpopulated"] = "zeros"
        if self.has("constants"):
            spec["let"] = {"N": self.last, "M": "N-1"}
            spec["readout"]["t"] = self.pick("N", ["M", "N"], "M..N+1")
        if self.has("combine"):
            spec["readout"]["combine"] = self.pick("mean", "cumulative", "cumulative-sum")
        if self.has("sharing") or self.has("sets"):
            spec["sharing"] = self.sharing()
        if self.has("parts") and not self.joins and not self.has("T"):
            self.add_part(spec)
        return spec

    def input_times(self) -> dict[str, Any]:
        if self.has("sequence"):
            return {"sequence": True, "t": self.pick("0..inf", "0..2", [0, 2], "1..3")}
        if self.has("held"):
            return {"t": self.pick("0..inf", "0..2", [0, 2], "1..3")}
        times: dict[str, Any] = self.pick({}, {"t": 0}, {"t": 1})
        return times

    def shape(self, number: int) -> list[int]:
        return [self.channels[number], *(-(-size // 2 ** self.levels[number]) for size in self.sizes)]

    def state(self, number: int) -> Any:
        shape: Any = self.shape(number)
        more: dict[str, Any] = {}
        if self.has("hold") and self.pick(True, False):
            more["hold"] = True
        if self.has("state zeros") and self.pick(True, False):
            more["unpopulated"] = self.pick("zeros", "zeros", "empty")
        if self.has("update") and self.pick(True, False):
            more["update"] = self.pick("R", "B", "sigmoid", "tanh R", "BR" if self.sizes else "B tanh")
        if self.has("merge") and self.pick(True, False):
            more["merge"] = self.pick("sum", "mean", "max", "product")
        if self.joins and number == len(self.names) - 1:
            more["merge"] = "concat"
        return {"shape": shape} | more if more else shape

    def norm(self) -> dict[str, Any]:
        found: dict[str, Any] = self.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "statistics": st.sampled_from(["per-time", "shared"]),
                    "affine": st.sampled_from(["none", "shared", "per-time"]),
                },
            )
        )
        if self.has("norm"):
            found |= self.pick({"kind": "group", "groups": 1}, {"kind": "layer"}, {"kind": "none"}, {"momentum": 0.3})
        return found

    def slabs(self) -> list[dict[str, Any]]:
        """Draw a first slab that leads to the last state, then slabs that add, change or block cells."""
        first: dict[str, Any] = {"t": "1..inf"} if self.pick(True, False) else {}
        for at, name in enumerate(self.names):
            goals = [at, at + 1] if at + 1 < len(self.names) else [at]
            first[name] = {self.names[to]: self.cell(at, to) for to in goals}
        if self.joins:
            return [self.concatenated(first)]
        if self.has("T"):
            return [first, self.relative(first)]
        return [first, *(self.slab() for _ in range(self.draw(st.integers(0, 2))))]

    def slab(self) -> dict[str, Any]:
        slab: dict[str, Any] = {"t": self.times()}
        if self.has("delay"):
            slab["delay"] = self.pick(1, 2)
        for at, name in enumerate(self.names):
            goals = self.draw(st.lists(st.sampled_from(range(len(self.names))), max_size=2, unique=True))
            row = {self.names[to]: self.cell(at, to) for to in goals}
            if row and self.pick(*[False] * 4, True):
                row[next(iter(row))] = "-"
            if row:
                slab[name] = row
        return slab

    def relative(self, first: dict[str, Any]) -> dict[str, Any]:
        """Draw times relative to T, only for cells that repeat the first slab's function or block it.

        The oracle names tensors of cells relative to T differently, so other cells, and sets beside them, are excluded.
        """
        slab: dict[str, Any] = {"t": self.pick("T", "T-1", "1..T-1", "T-2..T", "2..T-2")}
        for name in self.names:
            row = {to: self.pick("-", cell) for to, cell in first[name].items() if self.pick(True, False)}
            if row:
                slab[name] = row
        return slab

    def concatenated(self, slab: dict[str, Any]) -> dict[str, Any]:
        """Make the last state concatenate one or two arrivals of one channel each."""
        last = len(self.names) - 1
        sources = range(max(last - 2, 0), last)
        for at in sources:
            step = 2 ** (self.levels[last] - self.levels[at])
            slab[self.names[at]][self.names[last]] = f"C:1/{step}" if self.sizes else "L:1"
        slab[self.names[last]][self.names[last]] = "-"
        self.channels[last] = len(sources)
        return slab

    def times(self) -> Any:
        start, length = self.draw(st.integers(0, self.last)), self.draw(st.integers(0, 3))
        return self.pick(start, f"{start}..{start + length}", [start, start + 2], f"{start}..inf")

    def cell(self, at: int, to: int) -> Any:
        ops = self.function(at, to)
        more: dict[str, Any] = {}
        if self.has("gain") and self.pick(True, False):
            more["gain"] = self.pick(0.5, 2, {"init": 0.5, "learn": True}, {"init": 0.5})
        if self.has("lipschitz") and self.pick(True, False) and self.may_be_bounded(ops):
            more["lipschitz"] = self.pick(0.3, 0.95, 100)
        if self.has("delay") and self.pick(True, False):
            more["delay"] = self.pick(1, 2, 0 if at < to else 1)
        return {"ops": ops} | more if more else ops

    def may_be_bounded(self, ops: Any) -> bool:
        """Whether a function's Lipschitz constant has a bound."""
        text = str(ops)
        unknown = ("gelu", "silu", "'layer'", "'group'", *(["B"] if self.has("norm") else []))
        return ops not in ("I", "Ip") and not any(word in text for word in unknown)

    def function(self, at: int, to: int) -> Any:
        """Draw a transition function that fits between two states."""
        step = self.levels[to] - self.levels[at]
        alike = self.channels[at] == self.channels[to]
        if not self.sizes:
            return self.pick(*VECTOR, *(["I", "L+I", "tanh"] if alike else []))
        if self.has("I0") and at == to and self.pick(True, False):
            return self.pick("BRC+I0", "C+I0", "I0+R C", "C1+I+I0")
        if self.has("lists") and step == 0:
            return self.pick(*SAME_LISTS)
        head = self.pick(*HEADS)
        if step == 0:
            return self.pick(head + self.pick(*SAME), *(ALIKE[: 8 + 2 * alike] if alike else []))
        wider = [ops for ops in (DOWN[step] if step > 0 else UP[-step]) if "Ip" not in ops or self.grows(at, to)]
        body = self.pick(*wider)
        return body if "+" in body else head + body

    def grows(self, at: int, to: int) -> bool:
        return self.channels[to] >= self.channels[at]

    def sharing(self) -> dict[str, Any]:
        found: dict[str, Any] = {"over_time": self.pick(True, False)}
        if self.has("sets") and not self.has("T"):
            name = self.pick(*self.names)
            times = self.pick("", "@1..2", "@2..inf", "@0..3")
            layer = "#conv1" if self.sizes else "#linear1"
            members = self.pick(
                [f"{name}->{name}{times}"],
                [f"{name}->{name}{times}{layer}"],
                [[name, name, 2], [name, name, 3]],
            )
            group: dict[str, Any] = {"members": members}
            if self.pick(False, True):
                group["except"] = [f"{name}->{name}@2"]
            if self.pick(False, True):
                group["coupling"] = 0.5
            found["sets"] = [group]
        return found

    def add_part(self, spec: dict[str, Any]) -> None:
        """Make the last state from a small part of two inner states."""
        name = self.names[-1]
        op = "L" if not self.sizes else self.pick("BRC", "C1 tanh", "C+I")
        spec["parts"] = {
            "pair": {
                "states": {"r": {}, "s": {"merge": self.pick("sum", "mean")}},
                "transitions": [{"r": {"s": op}, "s": {"r": op}}],
                "unroll": self.pick("biological", "engineering"),
            }
        }
        shape = spec["states"][name]
        shape = shape if isinstance(shape, list) else shape["shape"]
        spec["states"][name] = {"shape": shape, "part": "pair"}


FEATURES = [
    *("merge", "delay", "unroll", "hold", "zeros", "held", "sequence", "constants", "T", "combine", "update", "gain"),
    *("I0", "lists", "norm", "sharing", "parts", "concat", "state zeros", "lipschitz"),
    *("sets", "sets"),  # twice as often: many sets tie nothing, or weights that cannot be tied
]
