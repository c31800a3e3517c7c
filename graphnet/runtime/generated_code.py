"""Code generation: Python functions with few locals that reach modules without attribute look-ups.

The interpreter keeps frames in chunks of 16 KB. A function whose frame ends near the end of a chunk is slow: each call
it makes maps a new chunk and frees it again. So a forward pass starts its own chunk, with room for all its calls, and
a long one is split into parts with few locals, which pass values on by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from torch import fx
from torch.fx.graph import CodeGen

from graphnet.planning.body import at

LOCALS = 250
"""Approximate maximum of names in a generated function."""
MANY = 3
"""From this many look-ups in a part of a long pass, a module is kept in a local."""
SIGNATURE = "def forward("


ROOM = 2_100
"""Words of a frame too large for a 16 KB chunk: it gets one of 32 KB, and leaves half of it to the calls."""


def with_room(forward: Any) -> Any:
    """Make a forward pass start its own chunk of frames."""
    assert isinstance(forward, FunctionType)
    forward.__code__ = forward.__code__.replace(co_stacksize=ROOM)
    return forward


class Statement(NamedTuple):
    """A statement of a forward pass.

    Attributes:
        made: the names it assigns.
        module: the name in the net of the module it calls; empty if none.
        text: the call's arguments, or the expression.
        reads: the names of the values and tensors it reads.
        t: its time.
        tensors: further arguments: names of tensors and flags in the net, with `{t}` for the time.
        function: the function it calls, if it calls one instead of a module.
    """

    made: tuple[str, ...]
    module: str
    text: str
    reads: tuple[str, ...]
    t: int
    tensors: tuple[str, ...] = ()
    function: str = ""

    def with_arguments(self, further: Sequence[str], reads: Iterable[str] = ()) -> Statement:
        """Return the statement with its further arguments in its text."""
        text = ", ".join(filter(None, (self.text, *further)))
        return Statement(self.made, self.module, text, (*self.reads, *reads), self.t, (), self.function)


def local(tensor: str) -> str:
    """The name of a tensor in generated code."""
    return tensor.replace(".", "_")


class Forward(NamedTuple):
    """A forward pass.

    Attributes:
        given: name of an input → its parameter.
        tensors: name of a tensor → its name in the net, besides those that statements name themselves.
        statements, result: its body, and its return statement.
        ends: the names of its results.
        maps: the names, as in statements, of tensors to convert to channels last when read.
    """

    given: Mapping[str, str]
    tensors: Mapping[str, str]
    statements: Sequence[Statement]
    result: str
    ends: Sequence[str]
    maps: Container[str] = ()

    def source(self, signature: str) -> str:
        """The source of its functions."""
        read = {name if "{t" not in name else (name, each.t) for each in self.statements for name in each.tensors}
        names = len(self.tensors) + len(read) + sum(len(each.made) for each in self.statements)
        functions = self._one(signature) if names <= LOCALS else self._many(signature)
        return "\n\n\n".join("\n".join([head, *_indented(body)]) for head, body in functions) + "\n"

    def _one(self, signature: str) -> Iterator[tuple[str, list[str]]]:
        body = [f"{name} = {argument}" for name, argument in self.given.items() if name != argument]
        statements, tensors, maps = [], dict(self.tensors), set[str]()
        for each in self.statements:
            further = []
            for template in each.tensors:
                target = at(template, each.t)
                name = local(target)
                further.append(name)
                if template not in self.maps:
                    tensors[name] = target
                elif name not in maps:  # converted at its first use, freed at its last
                    maps.add(name)
                    *places, role = target.split(".")
                    text = f"fused_ops.channels_last({_module(places)}.{role})"
                    statements.append(Statement((name,), "", text, (), each.t))
            statements.append(each.with_arguments(further, further))
        body += [*self._read(tensors, 1 << 30), *self._written(statements, {*self.ends, *tensors}, 1 << 30)]
        yield signature, [*body, "", self.result]

    def _many(self, signature: str) -> Iterator[tuple[str, list[str]]]:
        """Functions for the parts, and `forward`, which calls them; parts pass `values` on and share `tensors`.

        The tensor arguments of each program come from a function of the time.
        """
        helpers: dict[tuple[str, ...], int] = {}
        statements = []
        for each in self.statements:
            further = []
            if each.tensors:
                number = helpers.setdefault(each.tensors, len(helpers))
                further.append(f"*tensors{number}(self, tensors, {each.t})")
            statements.append(each.with_arguments(further))
        parts = list(_parted(statements))
        used = [{name for each in part for name in each.reads} for part in parts]
        first: dict[str, int] = {}
        last = dict.fromkeys(self.ends, len(parts))
        for number, names in reversed(list(enumerate(used))):
            for name in names:
                first[name] = number
                last.setdefault(name, number)
        shared = {name: target for name, target in self.tensors.items() if first.get(name, 0) < last.get(name, 0)}
        shared |= {local(name): name for names in helpers for name in names if "{t" not in name}
        place = {target: f"tensors[{number}]" for number, target in enumerate(shared.values())}
        own: dict[int, dict[str, str]] = {}
        for name, target in self.tensors.items():
            if name in first and name not in shared:
                own.setdefault(first[name], {})[name] = target
        yield "def shared_tensors(self):", [*self._read(shared), f"return [{', '.join(shared)}]"]
        for templates, number in helpers.items():
            holders, reached = self._reached({name: name for name in templates if name not in place})
            found = [place.get(name) or reached[name] for name in templates]
            body = ["now = f't{t}'", *holders, f"return ({', '.join(found)},)"]
            yield f"def tensors{number}(self, tensors, t):", body
        for number, part in enumerate(parts):
            made = {name for each in part for name in each.made}
            kept = [name for each in part for name in each.made if last.get(name, -1) > number]
            body = [f"{name} = tensors[{k}]" for k, name in enumerate(shared) if name in used[number]]
            for name in sorted(used[number] - made - self.tensors.keys()):
                body.append(f"{name} = values{f'[{name!r}]' if last[name] > number else f'.pop({name!r})'}")
            body += [*self._read(own.get(number, {})), *self._written(part, set(kept), MANY), ""]
            body += [f"values[{name!r}] = {name}" for name in kept]
            yield f"def part{number}(self, values, tensors):", body
        held = ", ".join(f"{name!r}: {argument}" for name, argument in self.given.items())
        start = [f"values, tensors = {{{held}}}, shared_tensors(self)", f"{' = '.join(self.given.values())} = None"]
        calls = [f"part{number}(self, values, tensors)" for number in range(len(parts))]
        found = [f"{name} = values[{name!r}]" for name in dict.fromkeys(self.ends)]
        yield signature, [*start, *calls, *found, self.result]

    def _written(self, part: Sequence[Statement], kept: set[str], many: int) -> list[str]:
        """Write statements under a heading per time step; free values after their last use."""
        last = {name: number for number, each in enumerate(part) for name in (*each.made, *each.reads)}
        modules = Counter(each.module for each in part if each.module)
        called = {module: f"_module{k}" for k, (module, count) in enumerate(modules.items()) if count >= many}
        lines = [f"{name} = {_module(module.split('.'))}" for module, name in called.items()]
        now = -1
        for number, each in enumerate(part):
            if each.t >= 0 and each.t != now:
                now = each.t
                lines += ["", f"# t = {now}"]
            text = each.text
            if each.module or each.function:
                text = f"{each.function or called.get(each.module) or _module(each.module.split('.'))}({text})"
            names = dict.fromkeys((*each.reads, *each.made))
            freed = [name for name in names if last[name] == number and name not in kept and name not in self.tensors]
            made = f"{', '.join(each.made)} = " if each.made else ""  # else it only updates statistics
            lines.append(f"{made}{text}" + (f";  {' = '.join(freed)} = None" if freed else ""))
        return lines

    def _read(self, tensors: Mapping[str, str], many: int = MANY) -> list[str]:
        """Read parameters and statistics from their modules; look up a module that holds many of them once."""
        if not tensors:
            return []
        holders, reached = self._reached(tensors, many)
        return ["", "# parameters and statistics", *holders, *(f"{name} = {text}" for name, text in reached.items())]

    def _reached(self, tensors: Mapping[str, str], many: int = MANY) -> tuple[list[str], dict[str, str]]:
        """Expressions that reach tensors, by name, and the lines that must precede them."""
        paths = {name: target.split(".") for name, target in tensors.items()}
        holders = Counter(tuple(path[:-2]) for path in paths.values())
        often = {each: f"_modules{k}" for k, (each, count) in enumerate(holders.items()) if each and count >= many}
        reached = {}
        for name, path in paths.items():
            holder = often.get(tuple(path[:-2]))
            where = f"{holder}[{_key(path[-2])}]" if holder else _module(path[:-1])
            text = f"{where}.{path[-1]}" if "{t" not in path[-1] else f"getattr({where}, {_key(path[-1])})"
            reached[name] = f"fused_ops.channels_last({text})" if tensors[name] in self.maps else text
        return [f"{name} = {_module(holder)}._modules" for holder, name in often.items()], reached


def _parted(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """Split statements into parts with few names each."""
    part: list[Statement] = []
    names: set[str] = set()
    for each in statements:
        mine = {*each.made, *each.reads}
        if part and len(names | mine) > LOCALS:
            yield part
            part, names = [], set()
        part.append(each)
        names |= mine
    if part:
        yield part


def _module(places: Iterable[str]) -> str:
    """Expression that reaches a module through the `_modules` dictionaries, so any name works."""
    return "self" + "".join([f"._modules[{_key(place)}]" for place in places])


def _key(place: str) -> str:
    """A module's name as code; `t` is the time, and `now` the name of a per-time module."""
    if place == "t{t}":
        return "now"
    return f"f{place!r}" if "{t" in place else repr(place)


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" if line else "" for number, line in enumerate(lines) if line or number]


class PartedCode(CodeGen):
    """Code generator that turns the single function fx writes into a `Forward`."""

    def _gen_python_code(self, nodes: Any, *given: Any, **settings: Any) -> Any:
        code = super()._gen_python_code(nodes, *given, **settings)
        if not any(settings.get(name) for name in ("verbose", "colored", "record_func", "expanded_def")):
            head, _, body = code.src.rpartition(SIGNATURE)
            signature, *lines = (SIGNATURE + body).rstrip().split("\n")
            code.src = head + _forward_of(list(nodes), lines).source(signature)
        return code


def _forward_of(nodes: Sequence[fx.Node], lines: Sequence[str]) -> Forward:
    """The forward pass of nodes and the lines that fx writes for them; the name of a node is its `repr`."""
    texts = dict(line.strip().split(" = ", 1) for line in lines if " = " in line)
    names = {node: repr(node) for node in nodes}
    statements = []
    for node in nodes:
        if node.op not in ("get_attr", "placeholder", "output"):
            text = texts[names[node]].partition(";  ")[0]
            module = str(node.target) if node.op == "call_module" else ""
            arguments = text[text.index("(") + 1 : -1] if module else text
            reads = tuple([names[each] for each in node.all_input_nodes])
            statements.append(Statement((names[node],), module, arguments, reads, node.meta.get("t", -1)))
    given = {names[node]: str(node.target) for node in nodes if node.op == "placeholder"}
    tensors = {names[node]: str(node.target) for node in nodes if node.op == "get_attr"}
    ends = [names[node] for node in nodes[-1].all_input_nodes]
    return Forward(given, tensors, statements, lines[-1].strip(), ends)
