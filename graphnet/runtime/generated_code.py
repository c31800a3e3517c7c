"""The Python code of a net: functions of few locals, which reach modules without attribute look-ups.

A frame of thousands of locals that calls functions is slow wherever it happens to end near the end of one of the chunks
that the interpreter keeps frames in: then each call maps a new one and frees it again. So a long forward pass is split
into parts, which hand values on by name.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import fx
from torch.fx.graph import CodeGen

LOCALS = 250
"""So many names a generated function may have, or hardly more."""
SIGNATURE = "def forward("


class PartedCode(CodeGen):
    """Generates `forward`, with a heading for each time step, and the functions that it is split into."""

    def _gen_python_code(self, nodes: Any, *given: Any, **settings: Any) -> Any:
        code = super()._gen_python_code(nodes, *given, **settings)
        if not any(settings.get(name) for name in ("verbose", "colored", "record_func", "expanded_def")):
            head, _, body = code.src.rpartition(SIGNATURE)
            code.src = head + "\n\n\n".join(_functions(list(nodes), SIGNATURE + body)) + "\n"
        return code


@dataclass(frozen=True)
class _Statement:
    """What a node is in the code: its expression, and the names that are not used any more after it."""

    node: fx.Node
    expression: str
    freed: tuple[str, ...]

    @property
    def name(self) -> str:
        return repr(self.node)

    @property
    def reads(self) -> list[str]:
        return [repr(node) for node in self.node.all_input_nodes]


def _functions(nodes: Sequence[fx.Node], source: str) -> Iterator[str]:
    """The functions of a forward pass, from the one function that fx writes; nodes are called as `repr` says."""
    signature, *lines = source.rstrip().split("\n")
    result = lines[-1].strip()
    tensors = [node for node in nodes if node.op == "get_attr"]
    given = {repr(node): str(node.target) for node in nodes if node.op == "placeholder"}
    ends = [repr(node) for node in nodes[-1].all_input_nodes]
    parts = list(_parted(_statements(nodes, lines)))
    if len(parts) < 2:
        body = [f"{name} = {argument}" for name, argument in given.items() if name != argument]
        body += [*_read(tensors), *_written(parts[0] if parts else [], set(map(repr, tensors))), "", result]
        yield "\n".join([signature, *_indented(body)])
        return
    used = [{name for each in part for name in each.reads} for part in parts]
    first: dict[str, int] = {}
    last = dict.fromkeys(ends, len(parts))
    for number, names in reversed(list(enumerate(used))):
        for name in names:
            first[name] = number
            last.setdefault(name, number)
    shared = {repr(node): node for node in tensors if repr(node) in first and first[repr(node)] < last[repr(node)]}
    own: dict[int, list[fx.Node]] = {}
    for node in tensors:
        if repr(node) in first and repr(node) not in shared:
            own.setdefault(first[repr(node)], []).append(node)
    names = set(map(repr, tensors))
    yield "\n".join(["def shared_tensors(self):", *_indented([*_read([*shared.values()]), _list(shared)])])
    for number, part in enumerate(parts):
        made = {each.name for each in part}
        body = [f"{name} = tensors[{k}]" for k, name in enumerate(shared) if name in used[number]]
        body += [
            f"{name} = values{f'[{name!r}]' if last[name] > number else f'.pop({name!r})'}"
            for name in sorted(used[number] - made - names)
        ]
        body += [*_read(own.get(number, ())), *_written(part, names), ""]
        body += [f"values[{each.name!r}] = {each.name}" for each in part if last.get(each.name, -1) > number]
        yield "\n".join([f"def part{number}(self, values, tensors):", *_indented(body)])
    held = ", ".join(f"{name!r}: {argument}" for name, argument in given.items())
    start = [f"values, tensors = {{{held}}}, shared_tensors(self)", f"{' = '.join(given.values())} = None"]
    calls = [f"part{number}(self, values, tensors)" for number in range(len(parts))]
    found = [f"{name} = values[{name!r}]" for name in dict.fromkeys(ends)]
    yield "\n".join([signature, *_indented([*start, *calls, *found, result])])


def _statements(nodes: Sequence[fx.Node], lines: Sequence[str]) -> Iterator[_Statement]:
    texts = dict(line.strip().split(" = ", 1) for line in lines if " = " in line)
    for node in nodes:
        if node.op not in ("get_attr", "placeholder", "output"):
            expression, _, freed = texts[repr(node)].partition(";  ")
            yield _Statement(node, expression, tuple(freed.split(" = ")[:-1]))


def _parted(statements: Iterable[_Statement]) -> Iterator[list[_Statement]]:
    """Statements in parts of few names each."""
    part: list[_Statement] = []
    names: set[str] = set()
    for each in statements:
        mine = {each.name, *each.reads}
        if part and len(names | mine) > LOCALS:
            yield part
            part, names = [], set()
        part.append(each)
        names |= mine
    if part:
        yield part


def _read(tensors: Sequence[fx.Node]) -> list[str]:
    """Parameters and statistics, read from their modules."""
    return ["", "# parameters and statistics", *(f"{node!r} = {_tensor(node)}" for node in tensors)] if tensors else []


def _written(part: Sequence[_Statement], stay: Container[str]) -> list[str]:
    """Statements under the headings of their time steps; what is not used any more is freed, unless it stays anyway."""
    lines: list[str] = []
    now: Any = None
    for each in part:
        t = each.node.meta.get("t", -1)
        if t >= 0 and t != now:
            now = t
            lines += ["", f"# t = {t}"]
        expression = each.expression
        if each.node.op == "call_module":
            expression = _module(str(each.node.target).split(".")) + expression[expression.index("(") :]
        freed = [name for name in each.freed if name not in stay]
        lines.append(f"{each.name} = {expression}" + (f";  {' = '.join(freed)} = None" if freed else ""))
    return lines


def _module(places: Sequence[str]) -> str:
    """How code reaches a module: by the dictionaries that modules are held in, whatever names there are."""
    return "self" + "".join(f"._modules[{place!r}]" for place in places)


def _tensor(node: fx.Node) -> str:
    *places, role = str(node.target).split(".")
    return f"{_module(places)}.{role}"


def _list(names: Iterable[str]) -> str:
    return f"return [{', '.join(names)}]"


def _indented(lines: Iterable[str]) -> list[str]:
    kept = [line for number, line in enumerate(lines) if line or number]
    return [f"    {line}" if line else "" for line in kept]
