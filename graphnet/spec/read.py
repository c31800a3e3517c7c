"""Text or dict → Spec, with every fault of its form and the places of all faults."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from graphnet.errors import Fault, KeyPath, SpecError, did_you_mean
from graphnet.spec.model import Spec
from graphnet.spec.text.extends import merge
from graphnet.spec.text.source import Located, Source, read_file

MAX_ROUNDS = 4
MOST_ENTRIES = 200_000
"""States and cells that are looked at: more come from a mistake in a program only."""


class Reading(NamedTuple):
    """What was read: the spec, the faults of its form, and its text (None for a dict).

    With faults, the spec is what is left when the entries at fault are mended or left out, so that more can be found
    out about it; None if nothing is left.
    """

    spec: Spec | None
    faults: list[Fault]
    source: Located | None


def read(given: str | os.PathLike[str] | Mapping[str, Any] | Source, settings: Sequence[str] = ()) -> Reading:
    """Read the spec in a file (`-` is standard input), or given as a dict, with what it extends.

    Of `settings`, each is a `KEY=VALUE` that is put into the spec.

    Raises SpecError where a text cannot be read at all.
    """
    source: Located | None = None
    if isinstance(given, Mapping):
        data, text, name = dict(given), None, ""
    else:
        text = given if isinstance(given, Source) else read_file(given)
        source, data, name = text, text.data, text.file if isinstance(given, Source) else os.fspath(given)
    if settings or isinstance(data.get("extends"), str):
        source = merge(data, text, name, settings)
        data = source.data
    if _entries(data) > MOST_ENTRIES:
        what = f"this net is too large: over {MOST_ENTRIES:,} states and cells"
        raise SpecError([Fault(("states",), what, "a spec is a text of some hundred lines", on="key", code="GN601")])
    spec, faults = _validated(data)
    if spec is not None:
        spec._source = source
    return Reading(spec, faults, source)


def _entries(data: Mapping[str, Any]) -> int:
    """How many states and cells a spec has."""
    states, slabs = data.get("states"), data.get("transitions")
    rows = (
        [row for slab in slabs if isinstance(slab, Mapping) for row in slab.values()]
        if isinstance(slabs, list | tuple)
        else []
    )
    tables = [table for table in (states, *rows) if isinstance(table, Mapping)]
    return sum(map(len, tables))


def placed(faults: Iterable[Fault], source: Located | None) -> list[Fault]:
    """The faults with their places in the text, in the order of the text, none twice."""
    found = list(dict.fromkeys(_located(fault, source) if source and fault.line is None else fault for fault in faults))
    if source is not None:
        files = list(dict.fromkeys(fault.file for fault in found))
        found.sort(key=lambda fault: (files.index(fault.file), fault.line or 0, fault.column or 0))
    return found


def _located(fault: Fault, source: Located) -> Fault:
    """A fault with its place; parts of its path that only the long form has are left out."""
    path = _data_path(fault.path, source.data, keep_last=fault.path[-1:] not in LONG_FORM)
    return source.locate(replace(fault, path=path))


LONG_FORM = (("shape",), ("ops",), ("init",))
"""Keys that short forms leave out."""


def unrelated(faults: Iterable[Fault], known: Iterable[Fault]) -> list[Fault]:
    """The faults whose entry is none of the known ones' entries, holds none, and is inside none."""
    entries = {fault.path for fault in known}
    holders = {path[:size] for path in entries for size in range(len(path))}
    return [
        fault
        for fault in faults
        if fault.path not in holders and not any(fault.path[:size] in entries for size in range(len(fault.path) + 1))
    ]


def _validated(data: Mapping[str, Any]) -> tuple[Spec | None, list[Fault]]:
    """Validate, and after faults validate again with the entries at fault mended."""
    faults: list[Fault] = []
    left: Any = data
    for _ in range(MAX_ROUNDS):
        try:
            return Spec.model_validate(left), faults
        except ValidationError as error:
            if not faults:
                left = deepcopy(dict(data))
            found = [_fault(details, left) for details in error.errors(include_url=False)]
            faults += unrelated(found, faults)
            for fault in found:
                _mend(left, fault.path)
    return None, faults


def _fault(details: ErrorDetails, data: Any) -> Fault:
    kind, loc = details["type"], details["loc"]
    path = _data_path(loc, data, keep_last=kind == "missing")
    context = details.get("ctx", {})
    if kind == "extra_forbidden":
        hint = did_you_mean(str(path[-1]), _keys(loc))
        return Fault(path, f"no key is called '{path[-1]}' here", hint, on="key", code="GN008")
    if kind == "missing":
        return Fault(path, f"the key '{path[-1]}' is missing", _example(path), code="GN009")
    if kind == "literal_error":
        options = [word.strip("' ") for word in str(context["expected"]).replace(" or ", ", ").split(",")]
        return Fault(
            path,
            f"{_shown(details['input'])} is not known here",
            did_you_mean(str(details["input"]), options),
            code="GN011",
        )
    what = details["msg"]
    if kind in WORDS:
        what = WORDS[kind].format(shown=_shown(details["input"]), **context)
    elif kind != "kind":
        what = what.removeprefix("Input should be ").removeprefix("Value error, ")
        what = f"this must be {what}" if details["msg"].startswith("Input") else what
    what = what if kind != "kind" else f"{what}, not {_shown(details['input'])}"
    return Fault(path, what, _form(path, kind), code="GN012" if kind in OUT_OF_BOUNDS else "GN010")


def _form(path: KeyPath, kind: str) -> str:
    """How an entry of another kind is written."""
    if kind not in ("dict_type", "tuple_type", "kind"):
        return ""
    key = "sets" if path[:2] == ("sharing", "sets") and len(path) == 3 else str(path[-1]) if len(path) == 1 else ""
    return FORMS.get(key, "")


FORMS = {
    "input": "[input] with a shape, as in input = { shape = [3, 32, 32] }",
    "states": "[states] with one entry an area, such as V1 = [64, 32, 32]",
    "readout": "[readout] with a time, as in readout = { t = 5 }",
    "transitions": "each slab begins with [[transitions]], in two brackets",
    "sets": '[[sharing.sets]], in two brackets, with members = ["V1->V1", "V2->V2"]',
}
OUT_OF_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short", "too_long")
WORDS = {
    "greater_than": "{shown} is too small: above {gt:g}",
    "greater_than_equal": "{shown} is too small: at least {ge}",
    "less_than_equal": "{shown} is too large: at most {le}",
    "int_type": "this must be a whole number, not {shown}",
    "string_type": "this must be a string, not {shown}",
    "bool_type": "this must be true or false, not {shown}",
    "dict_type": "this must be a table, not {shown}",
    "tuple_type": "this must be a list, not {shown}",
    "too_short": "{actual_length} entries are too few: {min_length} are needed",
    "too_long": "{actual_length} entries are too many: at most {max_length} fit",
}
EXAMPLES = {
    "graphnet": "graphnet = 1 says which version of the language this is",
    "input": "[input] with a shape, such as shape = [3, 32, 32]",
    "states": "[states] with one entry an area, such as V1 = [64, 32, 32]",
    "readout": "[readout] with a time, such as t = 5",
    "ops": 'such as ops = "BRGL"',
    "shape": "such as shape = [64, 32, 32]",
    "t": "such as t = 5",
    "members": 'such as members = ["V1->V1", "V2->V2"]',
}


def _example(path: KeyPath) -> str:
    return EXAMPLES.get(str(path[-1]), "")


def _shown(value: Any) -> str:
    """A value of the spec in short."""
    if isinstance(value, Mapping):
        return "a table"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _data_path(loc: tuple[int | str, ...], data: Any, keep_last: bool) -> KeyPath:
    """Where in the data a model's location lies: what the long forms put in between is left out."""
    path: list[str | int] = []
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        inside = (
            part in data
            if isinstance(data, Mapping)
            else isinstance(part, int) and isinstance(data, list | tuple) and 0 <= part < len(data)
        )
        if inside:
            data = data[part]
            path.append(part)
        elif last and keep_last:
            path.append(part)
    return tuple(path)


def _keys(loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the table that holds the entry at a model's location."""
    model: Any = Spec
    for part in loc[:-1]:
        model = _below(model, part)
    fields = getattr(model, "model_fields", {})
    return [field.alias or name for name, field in fields.items()]


def _below(model: Any, part: int | str) -> Any:
    fields = getattr(model, "model_fields", None)
    annotation = fields[part].annotation if fields and part in fields else model
    if fields is None:
        return model
    return next(_models(annotation), None)


def _models(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


STANDINS: dict[str, Any] = {"graphnet": 1, "input": {}, "readout": {"t": 0}, "t": 0, "ops": "I", "members": []}
"""What stands for an entry that is needed and missing or wrong, while the rest is looked at."""


def _mend(data: Any, path: KeyPath) -> None:
    """Leave an entry out, or put something harmless in its place; a list is mended as a whole."""
    while len(path) > 1 and isinstance(path[-1], int) and path[-2] not in ("transitions", "sets"):
        path = path[:-1]
    for part in path[:-1]:
        data = data[part]
    last = path[-1] if path else None
    inner = path[2:] if path[:1] == ("parts",) else path
    if isinstance(last, int):
        data[last] = {"members": []} if "sets" in path else {}
    elif last in STANDINS:
        data[last] = STANDINS[last]
    elif inner[:1] == ("states",) and len(inner) == 2:
        data[last] = {}
    elif inner[:1] == ("transitions",) and len(inner) == 4:
        data[last] = "I"
    elif last == "pre_net":
        data[last] = {"ops": "I"}
    elif isinstance(data, dict):
        data.pop(last, None)
