"""A slow, obvious reference implementation of the language: `value(state, t)` by recursion on the definition.

Imports nothing from graphnet. Rule numbers are those of design.md, section 2. A spec is a plain dict from
tomllib or json, already flattened (`extends`, rule 25) and valid: few faults are reported.

    oracle = Oracle(spec, tensors, training=False)
    logits = oracle(image)            # {readout time: Tensor}
    oracle.value("h2", 4, 5)          # h2@4 of the net read out at T = 5; None if empty

Shape letters: N batch, C channels, H W (or L) space, T the readout time, t a time.
Not covered: random initial values (17), calibration (19), combining readouts (20).
"""
# ruff: noqa: N803, N806 - T is the language's own word

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

sys.setrecursionlimit(max(sys.getrecursionlimit(), 50_000))  # a value at t recurses t times

Shape = tuple[int, ...]
Place = tuple[str, str]
"""(source, target) of a transition; also ("input", entry), (last, "logits") and (state, "update")."""

# ---------------------------------------------------------------- numbers and times (rule 7)


def whole(text: int | str, constants: dict[str, int]) -> int:
    """`4`, `N`, `2N`, `N-1`, `2*(N+1)`: whole-number arithmetic with named constants."""
    if isinstance(text, int):
        return text
    tokens = re.findall(r"\d+|[A-Za-z_]\w*|[-+*()]", text)
    assert "".join(tokens) == re.sub(r"\s", "", text), f"no whole number: {text!r}"

    def atom() -> int:
        token = tokens.pop(0)
        if token == "(":
            result = summed()
            assert tokens.pop(0) == ")"
            return result
        if token == "-":
            return -atom()
        return int(token) if token.isdigit() else constants[token]

    def product() -> int:
        result = atom()
        while tokens and tokens[0] not in "+-)":
            if tokens[0] == "*":
                tokens.pop(0)
            result *= atom()
        return result

    def summed() -> int:
        result = product()
        while tokens and tokens[0] in "+-":
            sign = 1 if tokens.pop(0) == "+" else -1
            result += sign * product()
        return result

    result = summed()
    assert not tokens, f"no whole number: {text!r}"
    return result


def spans(times: Any, constants: dict[str, int]) -> list[tuple[int, float]]:
    """Rule 7: ranges, with both ends, of `4`, `"5..7"`, `"1..inf"` or a list of these."""
    if isinstance(times, list | tuple):
        return [span for entry in times for span in spans(entry, constants)]
    if isinstance(times, int) or ".." not in times:
        return [(whole(times, constants), whole(times, constants))]
    first, last = times.split("..")
    return [(whole(first, constants), math.inf if last.strip() == "inf" else whole(last, constants))]


def names_readout(*texts: Any) -> bool:
    """Whether these times contain `T`."""
    return any("T" in re.findall(r"[A-Za-z_]\w*", json.dumps(text)) for text in texts)


# ---------------------------------------------------------------- transition functions (rules 9, 10)

LETTERS = {
    "B": "norm",
    "R": "relu",
    "C": "conv",
    "D": "deconv",
    "P": "max_pool",
    "A": "avg_pool",
    "G": "global_pool",
    "L": "linear",
    "I": "identity",
    "Ip": "pad_identity",
    "I0": "first_value",
}
ACTIVATIONS = {
    "relu": F.relu,
    "elu": F.elu,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
}
WEIGHTED = ("conv", "deconv", "linear")
POOLS = ("max_pool", "avg_pool")


@dataclass
class Op:
    """One op. `settings` are from the spec; `Transition` determines the rest."""

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = ""
    width: int = 0
    stride: int = 1
    in_shape: Shape = ()
    out_shape: Shape = ()
    tensors: dict[str, tuple[Shape, str]] = field(default_factory=dict)
    """Local name → shape and owner: "W", the arrival "time" (rule 18), or a "vector" of a bound."""

    @property
    def kernel(self) -> int:
        return self.settings.get("kernel", 2 if self.kind in POOLS else 3)

    @property
    def dilation(self) -> int:
        return self.settings.get("dilation", 1)

    @property
    def padding(self) -> int:
        """Rule 9: keep the size at stride 1; even pooling kernels have no padding."""
        keeps = self.dilation * (self.kernel - 1) // 2
        return self.settings.get("padding", 0 if self.kind in POOLS and self.kernel % 2 == 0 else keeps)


@dataclass
class Sum:
    """`+`: the sum of branches on one source (rule 10)."""

    branches: list[Chain]


Chain = list[Op | Sum]


def parse(ops: str | list[Any], constants: dict[str, int]) -> Chain:
    """The ops of a cell, with repeats written out."""
    if isinstance(ops, str):
        return parse_string(ops, constants)
    chain: Chain = []
    for entry in ops:
        if isinstance(entry, str):
            chain += parse_string(entry, constants)
            continue
        ((kind, settings),) = entry.items()
        if kind == "sum":
            chain.append(Sum([parse(branch, constants) for branch in settings]))
            continue
        settings = dict(settings)
        for key in ("width", "kernel", "stride", "padding", "dilation"):
            if key in settings:
                settings[key] = whole(settings[key], constants)
        if kind == "norm" and "groups" in settings:
            settings["groups"] = whole(settings["groups"], constants)
        chain.append(Op({"pool": "max_pool"}.get(kind, kind), settings))
    return chain


def parse_string(text: str, constants: dict[str, int]) -> Chain:
    """sum := chain ('+' chain)*, chain := (op | '(' sum ')' | 'x' number)*."""
    rest = text

    def take(pattern: str) -> re.Match[str] | None:
        nonlocal rest
        match = re.match(pattern, rest)
        if match:
            rest = rest[match.end() :]
        return match

    def number(match: re.Match[str] | None) -> int | None:
        return whole(match[1], constants) if match else None

    def summed() -> Chain:
        branches = [chain()]
        while take(r"\s*\+"):
            branches.append(chain())
        return branches[0] if len(branches) == 1 else [Sum(branches)]

    def chain() -> Chain:
        items: Chain = []
        while True:
            if take(r"\s*\("):
                items.append(Sum([summed()]))
                assert take(r"\s*\)"), f"bracket not closed in {text!r}"
            elif times := take(r"\s*x\s*(\d+)"):
                items = [deepcopy(item) for _ in range(number(times) or 0) for item in items]
            elif letter := take(r"\s*(Ip(?![a-z_])|I0|[A-Z])"):
                items.append(op(LETTERS[letter[1]]))
            elif word := take(r"\s*([a-z_][a-z0-9_]*)"):
                items.append(op(word[1]))
            else:
                assert items, f"an op is missing in {text!r} before {rest!r}"
                return items

    def op(kind: str) -> Op:
        settings = {
            "kernel": number(take(r"(\d+)")),
            "width": number(take(r":(\d+|[A-Za-z_]\w*|\([^)]*\))")),
            "stride": number(take(r"/(\d+|[A-Za-z_]\w*)")),
        }
        return Op(kind, {key: value for key, value in settings.items() if value is not None})

    result = summed()
    assert not rest.strip(), f"cannot read {rest!r} in {text!r}"
    return result


def flat(chain: Chain) -> list[Op]:
    """All ops in reading order."""
    ops: list[Op] = []
    for item in chain:
        ops += [item] if isinstance(item, Op) else [op for branch in item.branches for op in flat(branch)]
    return ops


# ---------------------------------------------------------------- a transition: names, widths, shapes


class Transition:
    """The transition function of a place, with everything inferred that the spec leaves open.

    `source` and `target` are shapes (C, H, W), (C, L) or (C,); a target of None skips fitting (a post-net
    without classes). `middle` is the width of intermediate convolutions.
    """

    def __init__(
        self,
        chain: Chain,
        source: Shape,
        target: Shape | None,
        middle: int,
        norm: dict[str, Any],
        gain: Any = 1,
        fits: bool = True,
        lipschitz: float | None = None,
    ) -> None:
        self.chain = chain
        self.target = target
        self.norm = norm
        for op in flat(chain):
            if op.kind == "norm":
                op.settings = norm | op.settings
        self.skips = 0
        self._name(chain, "", {})
        self._set_widths(chain, target[0] if target else middle, middle)
        fit(chain, source[1:], target[1:] if target is not None and fits else None)
        self.out_shape = self._set_shapes(chain, source)
        self.layers = flat(chain)
        self.bounded = Bounded(chain, source, lipschitz) if lipschitz is not None else None
        if self.bounded:
            self.layers.append(self.bounded.op)
        learnt = isinstance(gain, dict) and gain.get("learn", False)
        self.gain: float | None = None if learnt else gain["init"] if isinstance(gain, dict) else gain
        if learnt:
            self.layers.append(Op("gain", name="gain", tensors={"": ((), "W")}))

    def _name(self, chain: Chain, prefix: str, counts: dict[str, int]) -> None:
        """Rules 15, 24: conv1, norm1, … counted by kind.

        The first branch of a sum with tensors continues the names; the others are skip, skip2, …, numbered within
        the transition, and restart the count inside.
        """
        for item in chain:
            if isinstance(item, Op):
                counts[item.kind] = counts.get(item.kind, 0) + 1
                item.name = f"{prefix}{item.kind}{counts[item.kind]}"
                continue
            continued = False
            for branch in item.branches:
                if not any(map(has_tensors, flat(branch))):
                    continue
                if not continued:
                    continued = True
                    self._name(branch, prefix, counts)
                else:
                    self.skips += 1
                    self._name(branch, "skip." if self.skips == 1 else f"skip{self.skips}.", {})

    def _set_widths(self, chain: Chain, last: int, middle: int) -> None:
        """Rule 11: the last C, D or L has the target's channels, others the mean; an explicit width overrides."""
        last_found = False
        for item in reversed(chain):
            width = middle if last_found else last
            if isinstance(item, Op):
                if item.kind in WEIGHTED:
                    item.width = item.settings.get("width", width)
                    last_found = True
            elif any(op.kind in WEIGHTED for op in flat([item])):
                for branch in item.branches:
                    self._set_widths(branch, width, middle)
                last_found = True

    def _set_shapes(self, chain: Chain, shape: Shape) -> Shape:
        """Propagate shapes through a chain; return the output shape."""
        for item in chain:
            if isinstance(item, Sum):
                outs = {self._set_shapes(branch, shape) for branch in item.branches}
                if len(outs) != 1:
                    raise ValueError(f"the branches of a sum have shapes {outs}: nothing is broadcast")
                (shape,) = outs
            else:
                item.in_shape = shape
                shape = item.out_shape = self._out_shape(item, shape)
                item.tensors = tensors_of(item)
        return shape

    def _out_shape(self, op: Op, shape: Shape) -> Shape:
        if op.kind == "linear":
            return (op.width,)
        if op.kind == "global_pool":
            return shape[:1]
        if op.kind == "pad_identity":
            assert self.target is not None
            if self.target[0] < shape[0]:
                raise ValueError("Ip cannot take channels away")
            return self.target
        if op.kind in (*WEIGHTED, *POOLS):
            channels = op.width if op.kind in WEIGHTED else shape[0]
            return (channels, *(out_size(op, n, op.stride) for n in shape[1:]))
        return shape


def has_tensors(op: Op) -> bool:
    """Whether an op has parameters or statistics."""
    if op.kind == "norm":
        kind = op.settings.get("kind", "batch")
        return kind == "batch" or (kind != "none" and op.settings.get("affine", "none") != "none")
    return op.kind in WEIGHTED


def tensors_of(op: Op) -> dict[str, tuple[Shape, str]]:
    """Parameters and statistics of an op by local name, in torch's layouts; see `Op.tensors`."""
    settings, dims = op.settings, len(op.in_shape) - 1
    found: dict[str, tuple[Shape, str]] = {}
    if op.kind in ("conv", "deconv"):
        groups, kernel = settings.get("groups", 1), (op.kernel,) * dims
        inside, outside = op.in_shape[0], op.width
        shape = (outside, inside // groups) if op.kind == "conv" else (inside, outside // groups)
        found["weight"] = ((*shape, *kernel), "W")
    if op.kind == "linear":
        found["weight"] = ((op.width, math.prod(op.in_shape)), "W")
    if op.kind in WEIGHTED and settings.get("bias", op.kind == "linear"):
        found["bias"] = ((op.width,), "W")
    if op.kind == "norm" and has_tensors(op):
        kind, affine = settings.get("kind", "batch"), settings.get("affine", "none")
        shape = op.in_shape if kind == "layer" else op.in_shape[:1]
        if affine != "none":
            found["weight"] = found["bias"] = (shape, "W" if affine == "shared" else "time")
        if kind == "batch":
            whose = "W" if settings.get("statistics", "per-time") == "shared" else "time"
            found["running_mean"] = found["running_var"] = (shape, whose)
    return found


# ---------------------------------------------------------------- size inference (rule 11)


def out_size(op: Op, n: int, stride: int) -> int:
    """Size after a convolution, deconvolution (an exact multiple) or pooling."""
    if op.kind == "deconv":
        return (n - 1) * stride - 2 * op.padding + op.dilation * (op.kernel - 1) + stride
    return (n + 2 * op.padding - op.dilation * (op.kernel - 1) - 1) // stride + 1


def fit(chain: Chain, size: Shape, target: Shape | None) -> None:
    """Give stride 2 to the first k convolutions without an explicit stride, for the smallest k that fits.

    C if the target is smaller, D if it is larger. Each branch of a sum at the end of the chain fits
    separately, after the convolutions before it have taken their share.
    """
    if target is None:
        simulate(chain, size, "conv", 0, size)
        return
    *before, end = chain
    if not isinstance(end, Sum):
        before = chain
    plain = simulate(before, size, "conv", 0, target)
    if plain is None or len(plain[0]) != len(target):
        kind, free = "conv", 0
    else:
        kind = "conv" if plain[0] > target else "deconv"
        differs = plain[0] != target
        free = sum(op.kind == kind and "stride" not in op.settings for op in flat(before)) if differs else 0
    for k in range(free + 1):
        result = simulate(chain, size, kind, k, target)
        if result and result[0] == target:
            return
    if not isinstance(end, Sum):
        raise ValueError(f"no stride takes {size} to {target}")
    reached = simulate(before, size, kind, free, target)
    if reached is None:
        raise ValueError(f"the branches inside do not agree on a size from {size}")
    for branch in end.branches:
        fit(branch, reached[0], target)


def simulate(chain: Chain, size: Shape, kind: str, budget: int, target: Shape) -> tuple[Shape, int] | None:
    """Propagate sizes through a chain whose first `budget` free ops of `kind` have stride 2.

    Return the size and the rest of the budget; None if branches disagree.
    """
    for item in chain:
        if isinstance(item, Sum):
            results = [simulate(branch, size, kind, budget, target) for branch in item.branches]
            if None in results or len({size for size, _ in results}) != 1:
                return None
            size, budget = results[0][0], min(left for _, left in results)
        elif item.kind in ("linear", "global_pool"):
            size = ()
        elif item.kind == "pad_identity":
            size = target
        elif item.kind in ("conv", "deconv", *POOLS):
            if not size:
                raise ValueError(f"{item.kind} of a vector")
            item.stride = item.settings.get("stride", 2 if item.kind in POOLS else 1)
            if item.kind == kind and "stride" not in item.settings and budget > 0:
                item.stride, budget = 2, budget - 1
            size = tuple(out_size(item, n, item.stride) for n in size)
    return size, budget


# ---------------------------------------------------------------- Lipschitz bounds (LPK eq. 3)

LINEAR = ("conv", "deconv", "linear", "avg_pool", "global_pool", "pad_identity", "norm")
IDENTITIES = (["identity"], ["first_value"], ["pad_identity"])


@dataclass
class Run:
    """A linear run: consecutive ops from a value of a shape, along paths that are summed at the end."""

    shape: Shape
    paths: list[list[Op]]
    vector: str = ""

    @property
    def is_diagonal(self) -> bool:
        """Whether the run is elementwise (only norms), and so commutes with an activation's slopes."""
        return all(op.kind == "norm" for path in self.paths for op in path)


Bound = list[tuple[float, list[Run]]]
"""A sum of products: of a factor and the spectral norms of runs, the last run first."""
Runs = dict[int, tuple[Bound, Run]]
"""A value as a sum: each run with the bound at its start (the source or an activation)."""


class Bounded:
    """`lipschitz = mu`: a function without its identity branches is divided by c = max(L/mu, 1), L its Lipschitz bound.

    `op` has the vectors of the power iterations, one for each distinct run.
    """

    def __init__(self, chain: Chain, source: Shape, mu: float) -> None:
        self.mu = mu
        branches = chain[0].branches if len(chain) == 1 and isinstance(chain[0], Sum) else [chain]
        self.identities = [
            branch for branch in branches if [getattr(item, "kind", "") for item in branch] in IDENTITIES
        ]
        self.function: Chain = [Sum([branch for branch in branches if branch not in self.identities])]
        self.bound = bound_of(follow(self.function, {0: ([(1.0, [])], Run(source, [[]]))}))
        self.op = Op("lipschitz", name="lipschitz1")
        names: dict[Any, str] = {}
        for run in (run for _, runs in self.bound for run in runs if not run.is_diagonal):
            key = (run.shape, *(tuple(map(id, path)) for path in run.paths))
            run.vector = names.setdefault(key, f"singular_vector{len(names) + 1}")
            self.op.tensors[run.vector] = (run.shape, "vector")


def follow(chain: Chain, value: Runs) -> Runs:
    """Apply a chain to a value."""
    for item in chain:
        if isinstance(item, Sum):
            total: Runs = {}
            for base, (bound, run) in (pair for branch in item.branches for pair in follow(branch, value).items()):
                paths = total[base][1].paths if base in total else []
                total[base] = (bound, Run(run.shape, paths + run.paths))
            value = total
        elif item.kind == "first_value":
            value = {}  # does not depend on the source
        elif item.kind in LINEAR and not does_nothing(item):
            value = {b: (bound, Run(r.shape, [[*path, item] for path in r.paths])) for b, (bound, r) in value.items()}
        elif item.kind not in (*LINEAR, "identity"):
            before, paths = bound_of(value), [[]]
            if len(value) == 1 and item.kind != "max_pool":
                ((bound, run),) = value.values()
                before, paths = (bound, run.paths) if run.is_diagonal else (before, paths)
            value = {id(item): ([(slope(item) * factor, runs) for factor, runs in before], Run(item.out_shape, paths))}
    return value


def bound_of(value: Runs) -> Bound:
    """Sum over runs of the norm times the bound at the start."""
    terms = [(factor, run, runs) for bound, run in value.values() for factor, runs in bound]
    return [(factor, runs if run.paths == [[]] else [run, *runs]) for factor, run, runs in terms]


def does_nothing(op: Op) -> bool:
    same = op.kind == "pad_identity" and op.in_shape == op.out_shape
    return same or (op.kind == "norm" and op.settings.get("kind", "batch") == "none")


def slope(op: Op) -> float:
    """The largest slope of an activation; for max pooling, the root of the number of windows that share a pixel."""
    if op.kind == "max_pool":
        return math.prod(min(math.ceil(op.kernel / op.stride), n) for n in op.out_shape[1:]) ** 0.5
    given = [abs(op.settings.get(name, 1)) for name in ("alpha", "negative_slope")]
    known = {"sigmoid": 0.25} | dict.fromkeys(("relu", "elu", "leaky_relu", "softplus", "tanh"), max(1, *given))
    return known[op.kind]


# ---------------------------------------------------------------- the net: states, cells, times, names


@dataclass(frozen=True)
class Cell:
    """One cell of the transition matrix at one time; ops and gain are JSON, so that cells compare."""

    ops: str
    delay: int
    gain: str
    lipschitz: float | None


@dataclass(frozen=True)
class Arrival:
    """An arrival at a state: the source, its time, and the cell (None: the pre-net)."""

    source: str
    read: int
    cell: Cell | None


@dataclass(frozen=True)
class Selector:
    """Members of a weight-sharing set: `h1->h1@1..5#conv*` or an (i, j, t) triple (rule 15)."""

    source: str
    target: str
    times: Any
    layer: str | None

    @staticmethod
    def read(written: Any) -> Selector:
        if isinstance(written, list | tuple):
            source, target, times = written
            return Selector(source, target, times, None)
        rest, _, layer = written.partition("#")
        rest, _, times = rest.partition("@")
        source, target = (part.strip() for part in rest.split("->"))
        when = [part.strip() for part in times.split(",")] if times else None
        return Selector(source, target, when, layer.strip() or None)

    def has(self, place: Place, layer: str) -> bool:
        """Whether the selector matches a layer of a transition, at any time; `*` matches any characters."""
        pairs = ((place[0], self.source), (place[1], self.target), (layer, self.layer or "*"))
        return all(fnmatchcase(name, pattern) for name, pattern in pairs)


class Net:
    """A spec without tensors: which values exist, how they are computed, and the names of their tensors."""

    def __init__(self, spec: dict[str, Any]) -> None:
        spec = with_parts_written_out(spec)
        self.spec = spec
        self.states = {
            name: {"shape": state} if isinstance(state, list | tuple) else state
            for name, state in spec["states"].items()
        }
        self.order = list(self.states)
        self.input = spec["input"] if isinstance(spec["input"], dict) else {"shape": spec["input"]}
        self.entry = spec.get("entry") or self.input.get("state") or self.order[0]
        self.last = spec["readout"].get("state", self.order[-1])
        self.slabs = spec.get("transitions", [])
        sharing = spec.get("sharing", {})
        self.over_time = sharing.get("over_time", True)
        self.sets = sharing.get("sets", [])
        self.lets = spec.get("let", {})
        self.varies_with_T = names_readout(
            [slab.get("t") for slab in self.slabs], self.input.get("t"), self.lets, self.sets
        )
        self.memo: dict[Any, Any] = {}
        self.numbers: dict[Any, int] = {}
        self.horizon = self._horizon()

    def once(self, key: Any, make: Any) -> Any:
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]

    # -- times

    def constants(self, T: int) -> dict[str, int]:
        """`[let]` and T; a constant may use earlier ones."""
        known = {"T": T}
        for name, value in self.lets.items():
            known[name] = whole(value, known)
        return known

    def spans(self, times: Any, T: int) -> list[tuple[int, float]]:
        return self.once(("spans", json.dumps(times), T), lambda: spans(times, self.constants(T)))

    def holds(self, times: Any, t: int, T: int) -> bool:
        """A slab without `t` holds at every time (rule 2)."""
        return times is None or any(first <= t <= last for first, last in self.spans(times, T))

    def _horizon(self) -> int:
        """A time after which nothing new begins: names depend on it, not on the readout (rule 24)."""
        times = [slab["t"] for slab in self.slabs if "t" in slab]
        for written in (w for s in self.sets for w in (*s["members"], *s.get("except", []))):
            selector = Selector.read(written)
            times += [selector.times] if selector.times is not None else []
        ends = [abs(end) for entry in times for T in (0, 1) for span in self.spans(entry, T) for end in span]
        latest = int(max((end for end in ends if end < math.inf), default=0)) + 2
        return 2 * latest if self.varies_with_T else latest

    def readouts_to_name(self) -> range:
        return range(self.horizon + 1) if self.varies_with_T else range(1)

    def relevant(self, T: int) -> int:
        """The T that matters (rule 7): all readout times share one net unless times name T."""
        return T if self.varies_with_T else 0

    def readout_times(self) -> list[int]:
        written = self.spans(self.spec["readout"]["t"], 0)
        return sorted({t for first, last in written for t in range(first, int(last) + 1)})

    def input_times(self, T: int, upto: int) -> list[int]:
        """Times, up to `upto`, at which the pre-net's output arrives (rule 3)."""
        return [t for t in range(upto + 1) if self.holds(self.input.get("t", 0), t, T)]

    # -- the transition matrix

    def cell(self, source: str, target: str, t: int, T: int) -> Cell | None:
        """Rule 7: a later slab overrides an earlier one cell by cell; `"-"` blocks."""
        return self.once(("cell", source, target, t, T), lambda: self._cell(source, target, t, T))

    def _cell(self, source: str, target: str, t: int, T: int) -> Cell | None:
        for slab in reversed(self.slabs):
            written = slab.get(source, {}).get(target)
            if written is None or not self.holds(slab.get("t"), t, T):
                continue
            cell = written if isinstance(written, dict) else {"ops": written}
            if cell["ops"] == "-":
                return None
            # Rule 6: a cell's delay overrides its slab's, which overrides unroll.
            delay = cell.get("delay", slab.get("delay", self._unrolled(source, target, slab)))
            ops, gain = json.dumps(cell["ops"], sort_keys=True), json.dumps(cell.get("gain", 1))
            return Cell(ops, whole(delay, self.constants(T)), gain, cell.get("lipschitz"))
        return None

    def _unrolled(self, source: str, target: str, slab: dict[str, Any]) -> int:
        """Rule 6: with engineering, an arrow from an earlier to a later state takes no time."""
        unroll = slab.get("(unroll)", self.spec.get("unroll", "biological"))
        return 0 if unroll == "engineering" and self.order.index(source) < self.order.index(target) else 1

    def merge(self, state: str) -> str:
        return self.states[state].get("merge", self.spec.get("merge", "sum"))

    def zeros(self, state: str) -> bool:
        """Rule 4: `unpopulated = "zeros"`, for the net or the state."""
        return self.states[state].get("unpopulated", self.spec.get("unpopulated", "empty")) == "zeros"

    def hold(self, state: str) -> bool:
        return self.states[state].get("hold", False)

    def shape(self, state: str) -> Shape:
        return tuple(whole(size, self.constants(0)) for size in self.states[state]["shape"])

    def transition(self, place: Place, cell: Cell | None = None) -> Transition | None:
        """The transition function of a place; None if there is no function (no pre-net, no update)."""
        return self.once(("transition", place, cell), lambda: self._transition(place, cell))

    def _transition(self, place: Place, cell: Cell | None) -> Transition | None:
        source, target = place
        norm = self.spec.get("norm", {})
        constants = {name: value for name, value in self.constants(0).items() if name != "T"}
        if source == "input":
            if "pre_net" not in self.spec:
                return None
            pre = self.spec["pre_net"]
            pre = pre if isinstance(pre, dict) else {"ops": pre}
            shape = self.shape(target)
            chain = parse(pre["ops"], constants)
            image = tuple(whole(size, constants) for size in self.input["shape"])
            return Transition(chain, image, shape, shape[0], norm | pre.get("norm", {}))
        if target == "logits":
            if "post_net" not in self.spec:
                return None
            post = self.spec["post_net"]
            post = post if isinstance(post, dict) else {"ops": post}
            shape, classes = self.shape(source), post.get("classes")
            chain = parse(post["ops"], constants)
            norm = norm | post.get("norm", {})
            return Transition(chain, shape, (classes,) if classes else None, shape[0], norm, fits=False)
        if target == "update":
            if "update" not in self.states[source]:
                return None
            shape = self.shape(source)
            return Transition(parse(self.states[source]["update"], constants), shape, shape, shape[0], norm)
        assert cell is not None
        shape, into = self.shape(source), self.shape(target)
        middle = (shape[0] + into[0]) // 2
        chain = parse(json.loads(cell.ops), constants)
        return Transition(chain, shape, into, middle, norm, json.loads(cell.gain), lipschitz=cell.lipschitz)

    # -- which values exist (rules 2 to 6)

    def arrivals(self, state: str, t: int, T: int) -> list[Arrival]:
        """Arrivals at a state, input first, then in the order of `[states]`; empty sources do not fire.

        Rule 12: product and concat need every active arrow.
        """
        return self.once(("arrivals", state, t, T), lambda: self._arrivals(state, t, T))

    def _arrivals(self, state: str, t: int, T: int) -> list[Arrival]:
        found, active = [], 0
        if state == self.entry and self.holds(self.input.get("t", 0), t, T):
            active += 1
            found.append(Arrival("input", t, None))
        for source in self.order:
            cell = self.cell(source, state, t, T)
            if cell is not None:
                active += 1
                if self.populated(source, t - cell.delay, T):
                    found.append(Arrival(source, t - cell.delay, cell))
        return [] if self.merge(state) in ("product", "concat") and len(found) < active else found

    def populated(self, state: str, t: int, T: int) -> bool:
        """Rules 3, 4, 5: empty before t = 0 and without arrivals, unless zeros or held."""
        if t < 0 or self.zeros(state):
            return self.zeros(state)
        key = ("populated", state, t, T)
        if key not in self.memo:
            self.memo[key] = None  # in progress
            held = self.hold(state) and self.populated(state, t - 1, T)
            self.memo[key] = bool(self.arrivals(state, t, T)) or held
        if self.memo[key] is None:
            raise ValueError(f"a cycle of arrows without delay through {state} at t = {t}")
        return self.memo[key]

    def first_time(self, state: str, now: int, read: int, T: int) -> int:
        """`I0`: the time of the state's first value, for an arrow that arrives at `now` and reads at `read` (rule 10).

        The first value itself has none from 0 on, so it adds the zeros from before that it reads.
        """
        return next((t for t in range(now) if self.populated(state, t, T)), read)

    def identity(self, state: str, t: int, T: int) -> Any:
        """Rule 7: values are identical if the same cells compute them from the same values; None if empty."""
        return self.once(("identity", state, t, T), lambda: self._identity(state, t, T))

    def _identity(self, state: str, t: int, T: int) -> Any:
        if not self.populated(state, t, T):
            return None
        if t < 0:
            return (state, "zeros before 0")
        arrivals = self.arrivals(state, t, T)
        if not arrivals and self.hold(state):
            return self.identity(state, t - 1, T)
        made_of = []
        for arrival in arrivals:
            if arrival.cell is None:
                made_of.append((arrival, self.input_time(t, T)))
                continue
            reads = [self.identity(arrival.source, arrival.read, T)]
            if self.adds_first(arrival, state):
                reads.append(self.identity(state, self.first_time(state, t, arrival.read, T), T))
            made_of.append((arrival, *reads))
        return (state, t, self.numbers.setdefault((state, t, tuple(made_of)), len(self.numbers)))

    def adds_first(self, arrival: Arrival, state: str) -> bool:
        """Whether an arriving transition contains `I0`, and so is from the state to itself."""
        function = self.transition((arrival.source, state), arrival.cell)
        found = function is not None and any(op.kind == "first_value" for op in function.layers)
        assert not found or arrival.source == state, "I0 is from a state to itself"
        return found

    def input_time(self, t: int, T: int) -> int:
        """Rule 3: a held input runs the pre-net once, at its first time; a sequence at each of its times."""
        return t if self.input.get("sequence", False) else self.input_times(T, t)[0]

    # -- names (rules 14, 15, 18, 24)

    def prefix(self, place: Place) -> str:
        source, target = place
        if source == "input":
            return "pre_net"
        return {"logits": "post_net", "update": f"{source}.update"}.get(target, f"{target}.from_{source}")

    def name(self, place: Place, op: Op, tensor: str, t: int, T: int) -> str:
        """The name of a tensor used by an arrival at time t."""
        if op.tensors[tensor][1] == "time":
            return dotted(self.prefix(place), op.name, f"t{t}", tensor)
        if place[0] == "input" or place[1] == "logits":
            return dotted(self.prefix(place), op.name, tensor)
        if place[1] == "update":
            return dotted(self.prefix(place), op.name, "" if self.over_time else f"t{t}", tensor)
        group = self.group(place, op, tensor, t, T)
        if group[0] == "time":
            return dotted(self.prefix(place), op.name, f"t{t}", tensor)
        if group[0] == "set":
            place, layer = self.home(group[1], group[2])
        else:
            layer = op.name
        here = self.groups_at(place, layer, tensor)
        return dotted(self.prefix(place), layer, f"t{here[group]}" if len(here) > 1 else "", tensor)

    def group(self, place: Place, op: Op, tensor: str, t: int, T: int) -> tuple[Any, ...]:
        """The group that a tensor of W at (i, j, t) shares with: a set, its place, or only its time."""
        if op.tensors[tensor][1] != "W":
            steady = op.tensors[tensor][1] == "vector" and self.is_steady(place)
            return ("place", op.tensors[tensor][0]) if steady else ("time", t)
        for number, written in enumerate(self.sets):
            if not self.in_set(written, place, op.name, t, T):
                continue
            if "coupling" in written:  # rule 16: coupled tensors are separate; coupling acts on gradients
                return ("time", t)
            key = (tensor,) if self.by_layer(written) else (op.name, tensor)
            users = self.census(number).get(key, {})
            if len(users) > 1:
                if len(set(users.values())) > 1:
                    raise ValueError(f"tensors tied by set {number} have shapes {set(users.values())}")
                return ("set", number, key)
        return ("place", op.tensors[tensor][0]) if self.over_time else ("time", t)

    def is_steady(self, place: Place) -> bool:
        """Whether all times share singular vectors: the place has the same bounds, layers and tensors at all times."""

        def steady() -> bool:
            found = set()
            for t, T, function in self.functions(place):
                if function.bounded and function.bounded.op.tensors:
                    layers = [op for op in function.layers if op.kind not in ("identity", "lipschitz")]
                    used = [(k, op, name) for k, op in enumerate(layers) for name in op.tensors]
                    tensors = [(k, repr(op), name, self.group(place, op, name, t, T)) for k, op, name in used]
                    found.add((repr((function.bounded.mu, function.bounded.bound)), *tensors))
            return len(found) == 1 and all(group[0] != "time" for *_, group in next(iter(found))[1:])

        return self.once(("steady", place), steady)

    def in_set(self, written: dict[str, Any], place: Place, layer: str, t: int, T: int) -> bool:
        def among(selectors: list[Any]) -> bool:
            found = [selector for selector in map(Selector.read, selectors) if selector.has(place, layer)]
            return any(self.holds(selector.times, t, T) for selector in found)

        return among(written["members"]) and not among(written.get("except", []))

    def by_layer(self, written: dict[str, Any]) -> bool:
        """Rule 15: with `#`, all matches are one tensor."""
        return any(Selector.read(member).layer is not None for member in written["members"])

    def functions(self, place: Place) -> Iterator[tuple[int, int, Transition]]:
        """Every (t, T, function) of a place, dead or live, by time."""
        for t in range(self.horizon + 1):
            for T in self.readouts_to_name():
                cell = self.cell(*place, t, T)
                if cell is not None:
                    function = self.transition(place, cell)
                    assert function is not None
                    yield t, T, function

    def uses(self, place: Place) -> Iterator[tuple[int, int, Op]]:
        """Every (t, T, layer) of a place, in reading order."""
        return ((t, T, op) for t, T, function in self.functions(place) for op in function.layers)

    def places(self) -> list[Place]:
        """All (i, j), source first, then target."""
        return [(source, target) for source in self.order for target in self.order]

    def census(self, number: int) -> dict[Any, dict[Any, Shape]]:
        """Tensors tied by a set: key → {(place, layer, t): shape}, in the order of its members."""

        def count() -> dict[Any, dict[Any, Shape]]:
            written, found = self.sets[number], {}
            for selector in map(Selector.read, written["members"]):
                for place in self.places():
                    if not replace(selector, layer=None).has(place, ""):
                        continue
                    for t, T, op in self.uses(place):
                        if not (selector.has(place, op.name) and self.holds(selector.times, t, T)):
                            continue
                        if not self.in_set(written, place, op.name, t, T):
                            continue
                        for tensor, (shape, whose) in op.tensors.items():
                            if whose == "W":
                                key = (tensor,) if self.by_layer(written) else (op.name, tensor)
                                found.setdefault(key, {}).setdefault((place, op.name, t), shape)
            return found

        return self.once(("census", number), count)

    def home(self, number: int, key: Any) -> tuple[Place, str]:
        """Rule 24: a set has the name of its first listed member (the first with the tensor)."""
        place, layer, _ = next(iter(self.census(number)[key]))
        return place, layer

    def groups_at(self, place: Place, layer: str, tensor: str) -> dict[tuple[Any, ...], int]:
        """The tensors of one name of a place over time, each with its first time."""

        def count() -> dict[tuple[Any, ...], int]:
            found: dict[tuple[Any, ...], int] = {}
            for t, T, op in self.uses(place):
                if op.name == layer and tensor in op.tensors:
                    found.setdefault(self.group(place, op, tensor, t, T), t)
            assert len(set(found.values())) == len(found), f"two tensors of {place} {layer} begin at one time"
            return found

        return self.once(("groups", place, layer, tensor), count)


def dotted(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def with_parts_written_out(spec: dict[str, Any]) -> dict[str, Any]:
    """Rule 26: replace V1 by the states of its part, "V1.a", "V1.b".

    Arrows into V1 go to the part's first state, arrows out of V1 leave from its last; the part's slabs precede
    the net's, so that the net can override them.
    """
    parts = spec.get("parts", {})
    states: dict[str, Any] = {}
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    slabs: list[dict[str, Any]] = []
    for name, state in spec["states"].items():
        if not isinstance(state, dict) or "part" not in state:
            states[name] = state
            continue
        part = parts[state["part"]]
        inner = list(part["states"])
        first[name], last[name] = f"{name}.{inner[0]}", f"{name}.{inner[-1]}"
        for own, written in part["states"].items():
            entry = {"shape": written} if isinstance(written, list) else dict(written)
            entry.setdefault("shape", state["shape"])
            states[f"{name}.{own}"] = entry
        for key in ("merge", "unpopulated"):
            if key in state:
                states[first[name]].setdefault(key, state[key])
        assert not {"update", "hold"} & set(state), "say update and hold in the part"
        for slab in part.get("transitions", []):
            words = {key: slab[key] for key in ("t", "delay") if key in slab}
            rows = {key: row for key, row in slab.items() if key not in words}
            unroll = {"(unroll)": part["unroll"]} if "unroll" in part else {}
            for i, row in rows.items():
                words[f"{name}.{i}"] = {f"{name}.{j}": cell for j, cell in row.items()}
            slabs.append(words | unroll)
    if not first:
        return spec
    for slab in spec.get("transitions", []):
        words = {key: slab[key] for key in ("t", "delay") if key in slab}
        rows: dict[str, Any] = {}
        for i, row in slab.items():
            if i not in words:
                rows.setdefault(last.get(i, i), {}).update({first.get(j, j): c for j, c in row.items()})
        slabs.append(words | rows)
    spec = {**spec, "states": states, "transitions": slabs}

    def moved(member: Any) -> Any:
        selector = Selector.read(member)
        ends = re.escape(selector.source), re.escape(selector.target)
        if isinstance(member, str):
            source = last.get(selector.source, selector.source)
            target = first.get(selector.target, selector.target)
            return re.sub(rf"^\s*{ends[0]}\s*->\s*{ends[1]}", f"{source}->{target}", member)
        return [last.get(member[0], member[0]), first.get(member[1], member[1]), member[2]]

    if "sharing" in spec:
        sets = [dict(written) for written in spec["sharing"].get("sets", [])]
        for written in sets:
            for key in {"members", "except"} & set(written):
                written[key] = [moved(member) for member in written[key]]
        spec["sharing"] = {**spec["sharing"], "sets": sets}
    for table, key, ends in (("input", "state", first), ("readout", "state", last)):
        if isinstance(spec[table], dict) and key in spec[table]:
            spec[table] = {**spec[table], key: ends.get(spec[table][key], spec[table][key])}
    if "entry" in spec:
        spec["entry"] = first.get(spec["entry"], spec["entry"])
    return spec


# ---------------------------------------------------------------- tensors needed by the readouts (rule 21)


def tensor_shapes(spec: dict[str, Any]) -> dict[str, Shape]:
    """Shapes of all parameters and statistics needed by the readouts, by name."""
    net, shapes, seen = Net(spec), {}, set()

    def use(place: Place, cell: Cell | None, t: int, T: int) -> None:
        function = net.transition(place, cell)
        for op in function.layers if function else []:
            for tensor, (shape, _) in op.tensors.items():
                name = net.name(place, op, tensor, t, T)
                if shapes.setdefault(name, shape) != shape:
                    raise ValueError(f"{name} has two shapes, {shapes[name]} and {shape}")

    def visit(state: str, t: int, T: int) -> None:
        if t < 0 or net.identity(state, t, T) in seen:
            return
        seen.add(net.identity(state, t, T))
        arrivals = net.arrivals(state, t, T)
        if not arrivals and net.hold(state):
            seen.discard(net.identity(state, t, T))
            visit(state, t - 1, T)
            return
        for arrival in arrivals:
            if arrival.cell is None:
                use(("input", state), None, net.input_time(t, T), T)
                continue
            visit(arrival.source, arrival.read, T)
            use((arrival.source, state), arrival.cell, t, T)
            if net.adds_first(arrival, state):
                visit(state, net.first_time(state, t, arrival.read, T), T)
        use((state, "update"), None, t, T)

    for readout in net.readout_times():
        T = net.relevant(readout)
        if not net.populated(net.last, readout, T):
            raise ValueError(f"{net.last} is empty at t = {readout}")
        visit(net.last, readout, T)
        use((net.last, "logits"), None, readout, T)
    return shapes


# ---------------------------------------------------------------- values


class Oracle:
    """The net of a spec, computed by recursion on the definition.

    Args:
        spec: a plain dict.
        tensors: parameters and statistics by name (rule 24); never changed.
        training: whether batch norm uses the batch's statistics and updates the running ones, and whether power
            iterations update the singular vectors.
    Attributes:
        running: running statistics and singular vectors by name, after the last call.
        condition: factor by which the last call's norms amplify rounding, if all were in sequence.
    """

    def __init__(self, spec: dict[str, Any], tensors: dict[str, Tensor], training: bool) -> None:
        self.net = Net(spec)
        self.tensors = tensors
        self.training = training
        self._begin(None)

    def _begin(self, image: Tensor | None) -> None:
        self.image = image
        self.values: dict[Any, Tensor] = {}
        self.inputs: dict[int, Tensor] = {}
        self.condition = 1.0
        self.updates: list[tuple[tuple[int, ...], str, str, Tensor, Tensor, float]] = []
        kept = [name for name in self.tensors if name.rpartition(".")[2].startswith(("running_", "singular_vector"))]
        self.running = {name: self.tensors[name].detach().clone() for name in kept}
        self.norms: dict[str, Tensor] = {}

    def __call__(self, image: Tensor) -> dict[int, Tensor]:
        """The output at each readout time (rule 20).

        image: [N, C, H, W], or [N, T, C, H, W] for a sequence.
        """
        self._begin(image)
        outputs = {}
        for readout in self.net.readout_times():
            T = self.net.relevant(readout)
            x = self.value(self.net.last, readout, readout)
            if x is None:
                raise ValueError(f"{self.net.last} is empty at t = {readout}")
            outputs[readout] = self._run((self.net.last, "logits"), None, x, readout, T)
        # Rule 18: shared statistics are updated in the order time, target, source, layer.
        for _, mean_name, var_name, mean, var, momentum in sorted(self.updates, key=lambda update: update[0]):
            for name, new in ((mean_name, mean), (var_name, var)):
                self.running[name] = (1 - momentum) * self.running[name] + momentum * new
        return outputs

    def value(self, state: str, t: int, T: int) -> Tensor | None:
        """state@t in the net read out at T, [N, *shape]; None if empty."""
        assert self.image is not None, "call the oracle with an image first"
        key = self.net.identity(state, t, self.net.relevant(T))
        if key is None:
            return None
        if key not in self.values:
            self.values[key] = self._value(state, t, self.net.relevant(T))
        return self.values[key]

    def _value(self, state: str, t: int, T: int) -> Tensor:
        net = self.net
        if t < 0:
            return self._zeros(state)
        arrivals = net.arrivals(state, t, T)
        if not arrivals and net.hold(state):
            held = self.value(state, t - 1, T)
            assert held is not None
            return held  # not updated again (rule 5)
        merged = self._zeros(state)
        if arrivals:
            merged = join(net.merge(state), [self._arrive(arrival, state, t, T) for arrival in arrivals])
        if tuple(merged.shape[1:]) != net.shape(state):
            raise ValueError(f"what arrives at {state} has shape {tuple(merged.shape[1:])}")
        return self._run((state, "update"), None, merged, t, T)

    def _zeros(self, state: str) -> Tensor:
        assert self.image is not None
        return self.image.new_zeros((self.image.shape[0], *self.net.shape(state)))

    def _arrive(self, arrival: Arrival, state: str, t: int, T: int) -> Tensor:
        if arrival.cell is None:
            return self._input(state, self.net.input_time(t, T), T)
        source = self.value(arrival.source, arrival.read, T)
        assert source is not None
        first = None
        if self.net.adds_first(arrival, state):
            first = self.value(state, self.net.first_time(state, t, arrival.read, T), T)
        return self._run((arrival.source, state), arrival.cell, source, t, T, first)

    def _input(self, state: str, t: int, T: int) -> Tensor:
        """Rule 3: the pre-net's output; the k-th slice of a sequence arrives at the k-th input time."""
        assert self.image is not None
        if t not in self.inputs:
            image = self.image
            if self.net.input.get("sequence", False):
                image = image[:, self.net.input_times(T, t).index(t)]
            self.inputs[t] = self._run(("input", state), None, image, t, T)
        return self.inputs[t]

    # -- a transition

    def _run(self, place: Place, cell: Cell | None, x: Tensor, t: int, T: int, first: Tensor | None = None) -> Tensor:
        function = self.net.transition(place, cell)
        if function is None:
            return x
        at = (place, t, T, function, first)
        out = self._bounded(function.bounded, x, at) if function.bounded else self._chain(function.chain, x, at)
        free = place[1] == "logits" or (place[1] in self.net.states and self.net.merge(place[1]) == "concat")
        if not free and tuple(out.shape[1:]) != function.target:
            raise ValueError(f"{place} gives {tuple(out.shape[1:])}, not {function.target}")
        if function.gain is None:
            return out * self._tensor(place, function.layers[-1], "", t, T)
        return out if function.gain == 1 else out * function.gain

    def _tensor(self, place: Place, op: Op, tensor: str, t: int, T: int) -> Tensor:
        return self.tensors[self.net.name(place, op, tensor, t, T)]

    def _chain(self, chain: Chain, x: Tensor, at: tuple[Any, ...]) -> Tensor:
        for item in chain:
            if isinstance(item, Sum):
                x = reduce(torch.add, [self._chain(branch, x, at) for branch in item.branches])
            else:
                x = self._op(item, x, at)
        return x

    def _bounded(self, bounded: Bounded, x: Tensor, at: tuple[Any, ...]) -> Tensor:
        """LPK eq. 3, with c as in their text (the printed formula is inverted)."""
        products = [reduce(torch.mul, [self._size(r, at) for r in runs], x.new_tensor(f)) for f, runs in bounded.bound]
        c = (sum(products, x.new_zeros(())) / bounded.mu).clamp(min=1)
        identities = [self._chain(branch, x, at) for branch in bounded.identities]
        return reduce(torch.add, identities, self._chain(bounded.function, x, at) / c)

    def _size(self, run: Run, at: tuple[Any, ...]) -> Tensor:
        """The spectral norm of a run's operator A: ‖A v‖, in training after one power iteration on v."""
        place, t, T, function, _ = at

        def applied(x: Tensor) -> Tensor:
            return reduce(torch.add, [reduce(lambda y, op: self._linear(op, y, at), path, x) for path in run.paths])

        if run.is_diagonal:
            return applied(self.image.new_ones(1, *run.shape)).abs().max()
        name = self.net.name(place, function.bounded.op, run.vector, t, T)
        if name not in self.norms:
            v = self.tensors[name][None]
            if self.training:
                v = v.clone().requires_grad_()
                (v,) = torch.autograd.grad(applied(v).square().sum() / 2, v)  # AᵀA v
                v = v / v.norm()
                self.running[name] = v[0]
            self.norms[name] = applied(v).norm()
        return self.norms[name]

    def _linear(self, op: Op, x: Tensor, at: tuple[Any, ...]) -> Tensor:
        """The linear part of an op; norms use the running statistics from before the call, in training too."""
        if op.kind != "norm":
            return self._op(op, x, at) - self._op(op, torch.zeros_like(x), at)
        place, t, T, *_ = at
        own = {name: self._tensor(place, op, name, t, T) for name in op.tensors}
        factor = own.get("weight", 1) / (own["running_var"] + op.settings.get("eps", 1e-5)).sqrt()
        return x * factor.view(-1, *(1 for _ in x.shape[2:]))

    def _op(self, op: Op, x: Tensor, at: tuple[Any, ...]) -> Tensor:
        place, t, T, _, first = at
        own = {name: self._tensor(place, op, name, t, T) for name in op.tensors}
        dims = x.dim() - 2
        if op.kind == "conv":
            conv = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dims]
            groups = op.settings.get("groups", 1)
            return conv(x, own["weight"], own.get("bias"), op.stride, op.padding, op.dilation, groups)
        if op.kind == "deconv":
            deconv = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[dims]
            groups = op.settings.get("groups", 1)
            return deconv(x, own["weight"], own.get("bias"), op.stride, op.padding, op.stride - 1, groups, op.dilation)
        if op.kind == "linear":
            return F.linear(x.flatten(1), own["weight"], own.get("bias"))
        if op.kind == "max_pool":
            pool = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}[dims]
            return pool(x, op.kernel, op.stride, op.padding)
        if op.kind == "avg_pool":
            pool = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}[dims]
            return pool(x, op.kernel, op.stride, op.padding)
        if op.kind == "global_pool":
            return x.flatten(2).mean(2) if dims else x
        if op.kind == "identity":
            return x
        if op.kind == "first_value":
            assert first is not None
            return first
        if op.kind == "pad_identity":
            return pad_identity(x, op.out_shape)
        if op.kind == "norm":
            return self._norm(op, x, own, at)
        options = {key: value for key, value in op.settings.items() if key != "init"}
        return ACTIVATIONS[op.kind](x, **options)

    def _norm(self, op: Op, x: Tensor, own: dict[str, Tensor], at: tuple[Any, ...]) -> Tensor:
        """Rules 9, 18: batch, group, layer norm or none; eps 1e-5, momentum 0.1."""
        settings, kind = op.settings, op.settings.get("kind", "batch")
        eps, weight, bias = settings.get("eps", 1e-5), own.get("weight"), own.get("bias")
        if kind == "none":
            return x
        if kind == "layer":
            self._note_condition(x, x.flatten(1).var(1, unbiased=False), eps)
            return F.layer_norm(x, x.shape[1:], weight, bias, eps)
        if kind == "group":
            groups = x.reshape(x.shape[0], settings["groups"], -1)
            self._note_condition(x, groups.var(2, unbiased=False), eps)
            return F.group_norm(x, settings["groups"], weight, bias, eps)
        column = (1, -1, *(1 for _ in x.shape[2:]))
        if self.training:
            over = [dim for dim in range(x.dim()) if dim != 1]
            mean, var = x.mean(over), x.var(over, unbiased=False)
            count = x.numel() // x.shape[1]
            self._note_update(op, at, mean.detach(), var.detach() * count / (count - 1))
        else:
            mean, var = own["running_mean"], own["running_var"]
        self._note_condition(x, var, eps)
        x = (x - mean.view(column)) / (var.view(column) + eps).sqrt()
        return x if weight is None or bias is None else x * weight.view(column) + bias.view(column)

    def _note_condition(self, x: Tensor, var: Tensor, eps: float) -> None:
        """A norm turns an error of 1e-16·|x| into 1e-16·|x|/sqrt(var + eps), and likewise for gradients.

        Usual gains are ignored: most norms have one of 1 to 5, and few are in sequence.
        """
        largest = max(1.0, float(x.detach().abs().max()))
        gain = largest / (float(var.detach().min()) + eps) ** 0.5
        self.condition *= gain if gain > 100 else 1

    def _note_update(self, op: Op, at: tuple[Any, ...], mean: Tensor, var: Tensor) -> None:
        place, t, T, function, _ = at
        order, (source, target) = self.net.order, place
        if target == "logits":
            when = (t, len(order), T, 0)
        elif target == "update":
            when = (t, order.index(source), T, len(order))
        else:
            when = (t, order.index(target), T, -1 if source == "input" else order.index(source))
        layer = next(i for i, other in enumerate(function.layers) if other is op)
        names = [self.net.name(place, op, name, t, T) for name in ("running_mean", "running_var")]
        self.updates.append(((*when, layer), *names, mean, var, op.settings.get("momentum", 0.1)))


def join(merge: str, values: list[Tensor]) -> Tensor:
    """Rule 12: join the arrivals at a state, in order; nothing is broadcast."""
    if merge == "concat":
        return torch.cat(values, dim=1)
    assert len({x.shape for x in values}) == 1, "nothing is broadcast"
    if merge == "mean":
        return reduce(torch.add, values) / len(values)
    return reduce({"sum": torch.add, "max": torch.maximum, "product": torch.mul}[merge], values)


def pad_identity(x: Tensor, shape: Shape) -> Tensor:
    """`Ip`: subsample, then pad with zero channels at the end (He 2015, option A)."""
    for dim, (have, want) in enumerate(zip(x.shape[2:], shape[1:], strict=True), start=2):
        stride = next(s for s in range(1, have + 1) if -(-have // s) <= want)
        x = x.index_select(dim, torch.arange(0, have, stride, device=x.device))
    padded = x.new_zeros((x.shape[0], *shape))
    padded[:, : x.shape[1]] = x
    return padded
