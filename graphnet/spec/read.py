"""Text or dict → Spec, RecipeFile or Experiment, with all faults of form; places of faults in the text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from graphnet.errors import Fault, KeyPath, SpecError
from graphnet.spec.document import KINDS, Document, kind_of
from graphnet.spec.doubtful_faults import doubtful
from graphnet.spec.experiment.model import Experiment
from graphnet.spec.form_faults import data_path, form_faults, one_each
from graphnet.spec.forms import EXAMPLES
from graphnet.spec.model import SLAB_WORDS, Spec
from graphnet.spec.recipe import RecipeFile
from graphnet.spec.recipe_faults import recipe_faults
from graphnet.spec.text.extends import merge
from graphnet.spec.text.slips import NEW
from graphnet.spec.text.source import Located, Source, read_file

MAX_ROUNDS = 4
MOST_ERRORS = 100
"""Number of errors that are reported one by one."""
MOST_ENTRIES = 200_000
"""Limit on states and cells: only a bug in a program writes more."""


Root = TypeVar("Root", bound=Document)
"""A kind of file: Spec, RecipeFile or Experiment."""


class Reading(NamedTuple, Generic[Root]):
    """Result of reading: the spec or recipe file, the faults of its form, and its text (None for a dict).

    If there are faults, the document is what remains after repairing or dropping the entries at fault, so that later
    checks can report more; None if nothing remains.
    """

    document: Root | None
    faults: list[Fault]
    source: Located | None


def read(given: str | os.PathLike[str] | Mapping[str, Any] | Source, settings: Sequence[str] = ()) -> Reading[Spec]:
    """Read a spec, as `read_document` does."""
    return read_document(given, Spec, settings)


def read_document(
    given: str | os.PathLike[str] | Mapping[str, Any] | Source, root: type[Root], settings: Sequence[str] = ()
) -> Reading[Root]:
    """Read a spec or a recipe file from a file (`-` is standard input) or a dict, merged with the files it extends.

    Args:
        given: what to read.
        root: the kind of file: `Spec` or `RecipeFile`.
        settings: each is a `KEY=VALUE` that is then set.

    Raises SpecError if a text cannot be read at all, or is of another kind.
    """
    source: Located | None = None
    if isinstance(given, Mapping):
        data, text, name = dict(given), None, ""
    else:
        text = given if isinstance(given, Source) else read_file(given)
        source, data, name = text, text.data, text.file if isinstance(given, Source) else os.fspath(given)
    if text is not None and not data and not settings:
        raise SpecError([text.locate(Fault((), *EMPTY[root.kind], code="GN009"))])
    if settings or ("extends" in root.model_fields and isinstance(data.get("extends"), str)):
        source = merge(data, text, name, settings)
        data = source.data
    refuse_another_kind(data, root, source)
    if _entries(data) > MOST_ENTRIES:
        what = f"this net is too large: over {MOST_ENTRIES:,} states and cells"
        raise SpecError([Fault(("states",), what, "a spec has at most a few hundred lines", on="key", code="GN601")])
    document, faults = validated(data, root)
    if document is not None:
        document._source = source
    return Reading(document, faults, source)


EMPTY = {
    Spec.kind: ("the spec is empty", NEW),
    RecipeFile.kind: ("the recipe is empty", EXAMPLES["train"]),
    Experiment.kind: ("the experiment is empty", 'such as graphnet-experiment = 1 and spec = "resnet-2-state-once"'),
}
"""Kind of file → fault and fix for an empty one."""


def refuse_another_kind(data: Mapping[str, Any], root: type[Document], source: Located | None) -> None:
    """Raise SpecError if a file's data is of another kind than `root`."""
    if (kind := kind_of(data)) and kind != root.kind:
        what = f"this is {KINDS[kind]}, not {KINDS[root.kind]}"
        fix = BEGINS.get(root.kind) or INSTEAD[kind]
        raise SpecError(placed([Fault((kind,), what, fix, on="key", code="GN701")], source))


BEGINS = {
    Experiment.kind: "an experiment begins with graphnet-experiment = 1, and names its spec",
    RecipeFile.kind: "a recipe file begins with graphnet-recipe = 1; a spec has its recipe in [train]",
}
"""Kind of file that is wanted → how it begins."""
INSTEAD = {
    Experiment.kind: "graphnet run FILE runs an experiment; give the spec that it names",
    RecipeFile.kind: "give the spec, and the recipe with --recipe: graphnet train SPEC --recipe FILE",
}
"""Kind of file that was given where a spec is wanted → what to do with it."""


def _entries(data: Mapping[str, Any]) -> int:
    """Count the states and cells of a spec."""
    states, slabs = data.get("states"), data.get("transitions")
    rows = (
        [row for slab in slabs if isinstance(slab, Mapping) for row in slab.values()]
        if isinstance(slabs, list | tuple)
        else []
    )
    tables = [table for table in (states, *rows) if isinstance(table, Mapping)]
    return sum(map(len, tables))


def placed(faults: Iterable[Fault], source: Located | None) -> list[Fault]:
    """Locate faults in the text, sort them in its order, drop duplicates, and keep only the first of many errors."""
    given = list(dict.fromkeys(faults))
    errors = [fault for fault in given if fault.severity == "error"]
    if more := errors[MOST_ERRORS:]:
        given = errors[:MOST_ERRORS]
    found = list(dict.fromkeys(_located(fault, source) if source and fault.line is None else fault for fault in given))
    if source is not None:
        files = list(dict.fromkeys(fault.file for fault in found))
        found.sort(key=lambda fault: (files.index(fault.file), fault.line or 0, fault.column or 0))
    if more:
        what = f"{len(more)} more {'fault' if len(more) == 1 else 'faults'}"
        found.append(replace(found[-1], path=(), what=what, fix="fix these first", excerpt="", note=""))
    return found


def _located(fault: Fault, source: Located) -> Fault:
    """Locate a fault, dropping parts of its path that only the long form has."""
    path = data_path(fault.path, source.data, keep_last=fault.path[-1:] not in LONG_FORM)
    return source.locate(replace(fault, path=path))


LONG_FORM = (("shape",), ("ops",), ("init",))
"""Keys that short forms omit."""


def unrelated(faults: Iterable[Fault], known: Iterable[Fault]) -> list[Fault]:
    """Return the faults whose entry neither contains nor lies in an entry of a known fault."""
    entries = {path for fault in known for path in (fault.path, fault.meant) if path or path == fault.path}
    holders = {path[:size] for path in entries for size in range(len(path))}
    return [
        fault
        for fault in faults
        if fault.path not in holders and not any(fault.path[:size] in entries for size in range(len(fault.path) + 1))
    ]


def validated(data: Mapping[str, Any], root: type[Root]) -> tuple[Root | None, list[Fault]]:
    """Validate plain data; return the document, as in `Reading`, and its faults, not yet located."""
    document, faults = _formed(data, root)
    recipe = document.train if isinstance(document, Spec | RecipeFile) else None
    if recipe is not None and recipe.recipe is None:  # one that extends another is checked once both are merged
        faults += [fault for fault in unrelated(recipe_faults(recipe), faults) if not doubtful(fault, faults)]
    return document, faults


def _formed(data: Mapping[str, Any], root: type[Root]) -> tuple[Root | None, list[Fault]]:
    """Validate; after faults, repair the entries at fault and validate again."""
    faults: list[Fault] = []
    left: Any = data
    for _ in range(MAX_ROUNDS):
        try:
            return root.model_validate(left), faults
        except ValidationError as error:
            if not faults:
                left = deepcopy(dict(data))
            found = form_faults(error.errors(include_url=False), left, root)
            faults += unrelated(one_each(found), faults)
            for fault in sorted(found, key=lambda fault: (bool(fault.meant), -len(fault.path))):  # moves come last
                _mend(left, fault, STANDINS | STANDINS_OF.get(root.kind, {}))
    return None, faults


STANDINS: dict[str, Any] = {
    **{"graphnet": 1, "input": {}, "readout": {"t": 0}, "t": 0, "ops": "I", "members": []},
    **{"graphnet-recipe": 1, "train": {}},
}
"""Placeholders for required entries that are missing or wrong, so that the rest can be checked."""
STANDINS_OF: dict[str, dict[str, Any]] = {
    Experiment.kind: {
        **{"graphnet-experiment": 1, "seeds": [0, 1, 2], "says": "", "effect": "test_error", "expect": "> 0"},
        **{"name": "unnamed", "of": "test_error", "x": "test_error", "y": "test_error", "label": ""},
        **{"rows": [], "columns": "test_error", "readout": 0},
    }
}
"""Placeholders of some kinds of file, which take precedence."""


def _mend(data: Any, fault: Fault, standins: Mapping[str, Any]) -> None:
    """Move an entry to where it was meant, drop it, or replace it by a placeholder; lists are repaired as a whole."""
    path = fault.path
    if path[:2] == ("train", "groups") and len(path) > 2 and isinstance(path[2], int):
        data["train"]["groups"][path[2]] = {"members": "*", "lr": 1.0}
        return
    if path[:1] == ("train",) and len(path) > 2:  # a recipe has defaults for all of its tables
        data["train"].pop(path[1], None)
        return
    if fault.meant:
        _move(data, path, fault.meant)
        return
    while len(path) > 1 and isinstance(path[-1], int) and path[-2] not in ("transitions", "sets"):
        path = path[:-1]
    for part in path[:-1]:
        data = data[part]
    last = path[-1] if path else None
    inner = path[2:] if path[:1] == ("parts",) else path
    if isinstance(last, int):
        data[last] = {"members": []} if "sets" in path else {}
    elif path[-3:-2] == ("transitions",) and last not in SLAB_WORDS:
        data.pop(last, None)
    elif last in standins and path[:1] != ("vary",):
        data[last] = standins[str(last)]
    elif inner[:1] == ("states",) and len(inner) == 2:
        data[last] = {}
    elif inner[:1] == ("transitions",) and len(inner) == 4:
        data[last] = "I"
    elif last == "pre_net":
        data[last] = {"ops": "I"}
    elif isinstance(data, dict):
        data.pop(last, None)


def _move(data: Any, path: KeyPath, meant: KeyPath) -> None:
    """Move an entry to the key that was meant, unless that key has a value."""
    holder = _holder(data, path)
    value = holder.pop(path[-1], None) if isinstance(holder, dict) else None
    _holder(data, meant).setdefault(meant[-1], value)


def _holder(data: Any, path: KeyPath) -> Any:
    for part in path[:-1]:
        data = data[part]
    return data
