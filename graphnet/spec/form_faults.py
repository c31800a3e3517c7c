"""Pydantic errors → faults in the words of the language, one per mistake, each with its fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic_core import ErrorDetails

from graphnet.errors import Fault, KeyPath, did_you_mean
from graphnet.spec.document import Document
from graphnet.spec.forms import FORMS, OUT_OF_BOUNDS, WORDS, as_table, shown
from graphnet.spec.key_faults import ALIKE, astray, elsewhere_of, missing, no_row, unknown_key
from graphnet.synonyms import plain


def form_faults(errors: Iterable[ErrorDetails], data: Any, root: type[Document]) -> list[Fault]:
    """Return a fault for each error of a file of the kind `root`; several errors of one mistake are not merged yet."""
    return [_fault(details, data, root) for details in errors]


def one_each(faults: list[Fault]) -> list[Fault]:
    """Drop faults that follow from another; merge similar faults of a list's entries into one of the list."""
    meant = {fault.meant for fault in faults if fault.meant}
    found: dict[object, Fault] = {}
    for fault in faults:
        if not fault.meant and fault.path in meant and fault.code == "GN009":
            continue
        alike: object = fault.meant or fault.path
        if fault.fix and fault.path and isinstance(fault.path[-1], int):
            alike = (fault.path[:-1], fault.fix)
            if alike in found:
                fault, what = found[alike], found[alike].what.replace("this must", "each entry must")
                found[alike] = replace(fault, path=alike[0], what=what)
        elif fault.on == "key" and not fault.meant:
            alike = (fault.path[:-1], fault.what, fault.fix)
        found.setdefault(alike, fault)
    return list(found.values())


def _fault(details: ErrorDetails, data: Any, root: type[Document]) -> Fault:
    kind, loc, given = details["type"], details["loc"], details["input"]
    path = data_path(loc, data, keep_last=kind == "missing")
    if kind == "extra_forbidden":
        return unknown_key(path, loc, data, root)
    if kind == "missing":
        return missing(path, data, root)
    if loc[-2:-1] == ("rows",):
        return no_row(path, given, data)
    if kind == "literal_error":
        return _unknown_word(path, details, root)
    if kind in ("dict_type", "kind") and (stray := astray(path, given, data)):
        return stray
    what, context = details["msg"], details.get("ctx", {})
    if kind in WORDS:
        what = WORDS[kind].format(shown=shown(given), **context)
    elif kind != "kind":
        what = what.removeprefix("Input should be ").removeprefix("Value error, ")
        what = f"this must be {what}" if details["msg"].startswith("Input") else what
    what = what if kind != "kind" else f"{what}, not {shown(given)}"
    return Fault(path, what, _form(path, kind, given), code="GN012" if kind in OUT_OF_BOUNDS else "GN010")


VERSIONS: dict[KeyPath, str] = {
    ("graphnet",): "graphnet = 1 is the only version of the language",
    ("graphnet-recipe",): "graphnet-recipe = 1 is the only version of recipes",
    ("graphnet-experiment",): "graphnet-experiment = 1 is the only version of experiments",
}
"""Key that tells a kind of file → its versions."""


def _unknown_word(path: KeyPath, details: ErrorDetails, root: type[Document]) -> Fault:
    """Return the fault of a value that is none of its allowed words."""
    expected, given = str(details.get("ctx", {})["expected"]), details["input"]
    options = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    what = f"{shown(given)} is not known here"
    if only := VERSIONS.get(path):
        return Fault(path, what, only, code="GN011")
    hint = elsewhere_of(path, root).get(plain(str(given))) or did_you_mean(str(given), options, ALIKE)
    return Fault(path, what, hint, code="GN011")


def _form(path: KeyPath, kind: str, value: Any) -> str:
    """Return the right form of an entry whose value has the wrong type."""
    last = path[-1] if path else ""
    if kind == "too_long" and (last == "shape" or path[:1] == ("states",)):
        return "a shape is [C, H, W], [C, L] or [C], without batch and time"
    if kind not in ("dict_type", "tuple_type", "kind"):
        return ""
    if last in ("members", "except"):
        return FORMS["members"]
    if path[:2] == ("sharing", "sets"):
        return FORMS["sets"] if len(path) < 4 else ""
    if path[-2:-1] == ("transitions",):
        return FORMS["transitions"]
    if path[-3:-2] and isinstance(path[-3], int) and isinstance(last, str):
        return FORMS["cell"]
    return as_table(str(last), value) or FORMS.get(str(last), "")


def data_path(loc: tuple[int | str, ...], data: Any, keep_last: bool) -> KeyPath:
    """Map a location in the model to a path in the data: parts that only long forms have are left out."""
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
        elif (
            last and keep_last and not (isinstance(part, int) and isinstance(data, str | int))
        ):  # the short form of a list
            path.append(part)
    return tuple(path)
