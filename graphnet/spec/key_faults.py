"""Faults of keys: unknown keys, missing keys, and slab entries that are not rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from graphnet.errors import MOST_LISTED, Fault, KeyPath, closest, did_you_mean
from graphnet.spec.document import Document
from graphnet.spec.experiment import model as experiment
from graphnet.spec.forms import EXAMPLES, as_table, json_text, shown
from graphnet.spec.model import SLAB_WORDS, Cell, Norm, PostNet, PreNet, Readout, SharingSet, Spec, State
from graphnet.spec.notation.op_words import OPS
from graphnet.spec.notation.selectors import arrow_ends
from graphnet.spec.recipe import Recipe, RecipeFile
from graphnet.synonyms import ELSEWHERE, IN_A_RECIPE, plain, synonym

ALIKE = 0.6
"""Similarity above which a known key is offered as a correction."""


# ---- keys


def unknown_key(path: KeyPath, loc: tuple[int | str, ...], data: Any, root: type[Document]) -> Fault:
    """Return the fault of an unknown key: misspelt, of another table, or of another tool."""
    key, known, holder = str(path[-1]), _keys(loc, root), _at(data, path[:-1])
    if path[0] == "vary" and (fault := _unquoted(path, holder, known)):
        return fault
    what, meant = f"no key is called '{key}' here", closest(key, known, 0.75)
    entry: KeyPath = (*path[:-1], meant) if meant else ()
    if meant and meant not in holder:
        hint = did_you_mean(key, known, ALIKE)
        if root is not experiment.Experiment and (example := as_table(meant, holder[key])):
            hint = f"did you mean '{meant}'? write {example}"
        elif meant == "shape" and not isinstance(holder[key], list):
            hint = f"did you mean '{meant}'? {EXAMPLES[meant]}"
        return Fault(path, what, hint, on="key", code="GN008", meant=entry)
    if "ops" in known and "ops" not in holder and key in OPS:
        settings = json_text(holder[key]) if isinstance(holder[key], Mapping) and not holder[key] else "{ … }"
        fix = f'write ops as a list: ops = [{{ {key} = {settings} }}], or as a string: ops = "BRC"'
        return Fault(path, what, fix, on="key", code="GN008", meant=(*path[:-1], "ops"))
    if len(path) > 1 and key in keys_of(root):
        return _top_level(path, holder[key], data, "spec" if root is Spec else "file")
    if len(path) == 1 and (setting := synonym(key, RECIPE_KEYS)) and setting not in HOMES["[norm]"]:
        fix = f"how a net is trained stands in a table of its own: [train] with {setting} = {json_text(holder[key])}"
        return Fault(path, what, fix, on="key", code="GN008")
    elsewhere = elsewhere_of(path, root)
    if hint := elsewhere.get(plain(key), ""):
        return Fault(path, what, hint, on="key", code="GN008")
    homes = [home for home, keys in HOMES_OF[root.kind].items() if home and key in keys]
    homes = [] if elsewhere is IN_A_RECIPE else homes
    if homes and not closest(key, known, ALIKE):
        return Fault(path, what, f"it is a key of {' and of '.join(homes)}", on="key", code="GN008")
    hint = did_you_mean(key, known, ALIKE)
    if not hint and elsewhere is IN_A_RECIPE:
        hint = "`graphnet schema --of recipe` lists the keys of a recipe with their meaning"
    return Fault(path, what, hint, on="key", code="GN008")


def elsewhere_of(path: KeyPath, root: type[Document]) -> Mapping[str, str]:
    """Return what other tools call the keys at a path, and what to write instead."""
    if path[0] == "train" or root is RecipeFile or (root is experiment.Experiment and "train" in path[:-1]):
        return IN_A_RECIPE
    return ELSEWHERE if root is Spec else {}


def _unquoted(path: KeyPath, holder: Any, known: list[str]) -> Fault | None:
    """Return the fault of a label such as 0.9, which TOML reads as a key in a table; None if it is no such label."""
    key = str(path[-1])
    words = [str(word) for word in path[2:]]
    numbers = all(word.isdecimal() for word in words)
    if len(path) != 4 or not (numbers or isinstance(holder.get(key), Mapping)) or closest(key, known, ALIKE):
        return None
    label = ".".join(words)
    fix = f'quote the label: "{label}" = {{ … }}'
    return Fault(path, f"TOML reads {label} as the key {words[1]} in a table {words[0]}", fix, on="key", code="GN802")


def _top_level(path: KeyPath, value: Any, data: Mapping[str, Any], whole: str = "spec") -> Fault:
    """Return the fault of a top-level key inside a table: in TOML a key belongs to the last header above it."""
    key, table = str(path[-1]), _header(path[:-1])
    what = f"here '{key}' is a key of {table}: in TOML a key belongs to the header above it"
    write = as_table(key, value)
    top = f"move it to the top level, in TOML above the first [table]: '{key}' is a key of the whole {whole}"
    fix = f"write {write}" if write else top
    return Fault(path, what, fix, on="key", code="GN008", meant=() if key in data else (key,))


def _header(path: KeyPath) -> str:
    """Return the TOML header of a table."""
    words = ".".join(part for part in path if isinstance(part, str))
    return f"[[{words}]]" if isinstance(path[-1], int) else f"[{words}]"


def missing(path: KeyPath, data: Any, root: type[Document]) -> Fault:
    """Return the fault of a missing key; a top-level key may have ended up among states or constants."""
    key = str(path[-1])
    if isinstance(path[-1], int) and path[0] == "train":
        return Fault(path[:-1], "two numbers are needed", "such as betas = [0.9, 0.999]", code="GN010")
    if isinstance(path[-1], int):  # of a triple
        fix = 'a member is "V1->V1", or a triple with a time, such as ["V1", "V1", 3]'
        return Fault(path[:-1], "this triple has no time", fix, code="GN010")
    for table in ("states", "let"):
        if len(path) == 1 and key in keys_of(root) and isinstance(names := data.get(table), Mapping) and key in names:
            return _top_level((table, key), names[key], data)
    return Fault(path, f"the key '{key}' is missing", EXAMPLES.get(key, ""), code="GN009")


def astray(path: KeyPath, value: Any, data: Any) -> Fault | None:
    """Return the fault of a top-level key that was read as a state or a constant; None if it is no such key."""
    if len(path) == 2 and path[0] in ("states", "let") and path[1] in HOMES[""]:
        return _top_level(path, value, data)
    return None


# ---- rows


def no_row(path: KeyPath, value: Any, data: Any) -> Fault:
    """Return the fault of a slab entry that is not a row because it is not a table."""
    key, slab = str(path[-1]), _at(data, path[:-1])
    states = _at(data, (*path[:-3], "states"))
    states = list(states) if isinstance(states, Mapping) else []
    function = json_text(value) if isinstance(value, str) else '"BRC"'
    if key not in states and (word := closest(key, SLAB_WORDS, 0.75)):
        fix, entry = f"did you mean '{word}'? known: t, delay, and the states", (*path[:-1], word)
        return Fault(path, f"no key is called '{key}' here", fix, on="key", code="GN008", meant=entry)
    if ends := arrow_ends(key, states):
        fix = f"write {ends[0]} = {{ {ends[1]} = {function} }}: the row is the source, the column the target"
        return Fault(path, "a row is a table with a cell for each target", fix, on="key", code="GN010")
    if key not in states and key in HOMES[""]:
        return _top_level(path, value, data)
    if re.search("->|=>|→|<-", key):
        fix = f"write V1 = {{ V2 = {function} }} for V1->V2; states: {', '.join(states[:MOST_LISTED])}"
        return Fault(path, "a row is a table with a cell for each target", fix, on="key", code="GN010")
    if key in EDGES and not EDGES.isdisjoint(set(slab) - {key}):
        source, target, ops = (_first(slab, words) for words in EDGE_WORDS)
        fix = f"write {source or 'V1'} = {{ {target or 'V2'} = {json_text(ops or 'BRC')} }}"
        return Fault(
            path,
            "a slab has a row for each source, with a cell for each target",
            fix,
            on="key",
            code="GN010",
        )
    what = f"a row is a table with a cell for each target, not {shown(value)}"
    others = [state for state in states if state != key] or ["V2"]
    if states and key not in states:
        return Fault(
            path,
            f"'{key}' is no state: {what}",
            f"states: {', '.join(states)}" if len(states) <= MOST_LISTED else "",
            code="GN010",
        )
    return Fault(path, what, f"such as {key} = {{ {others[0]} = {function} }}", code="GN010")


EDGE_WORDS = (("from", "source", "src"), ("to", "target", "dst", "dest"), ("ops", "op", "function", "fn"))
"""Keys for source, target and function in specs written as a list of arrows."""
EDGES = frozenset(word for words in EDGE_WORDS for word in words)


def _first(slab: Mapping[str, Any], words: tuple[str, ...]) -> str:
    return next((slab[word] for word in words if isinstance(slab.get(word), str)), "")


def _at(data: Any, path: KeyPath) -> Any:
    """Return the entry at a path, or an empty table if there is none."""
    for part in path:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return {}
    return data


def _keys(loc: tuple[int | str, ...], root: type[Document]) -> list[str]:
    """Return the keys of the table that holds the entry at a location in the model."""
    model: Any = root
    for part in loc[:-1]:
        model = _below(model, part)
    return keys_of(model)


def keys_of(model: Any) -> list[str]:
    """Return the keys of a table as written in a spec."""
    return [field.alias or name for name, field in getattr(model, "model_fields", {}).items()]


HOMES = {"": keys_of(Spec), "[readout]": keys_of(Readout), "[[transitions]]": list(SLAB_WORDS)} | {
    "a state": keys_of(State),
    "a cell": keys_of(Cell),
    "[norm]": keys_of(Norm),
    "[pre_net]": keys_of(PreNet),
    "[post_net]": keys_of(PostNet),
    "[[sharing.sets]]": keys_of(SharingSet),
}
"""Keys of each kind of table; "" holds those of the top level."""
HOMES_OF = {
    Spec.kind: HOMES,
    RecipeFile.kind: HOMES,
    experiment.Experiment.kind: {
        "a factor's label": keys_of(experiment.Variant),
        "[[measure]]": keys_of(experiment.Measure),
        "an edit": keys_of(experiment.Edit),
        "[[claims]]": keys_of(experiment.Claim),
        "[[figure]]": keys_of(experiment.Figure),
        "[table]": keys_of(experiment.TableOf),
        "[train]": keys_of(Recipe),
    },
}
"""Kind of file → keys of its kinds of table."""
RECIPE_KEYS = tuple(keys_of(Recipe))


def _below(model: Any, part: int | str) -> Any:
    fields = getattr(model, "model_fields", None)
    if fields is None:
        return model
    field = next((field for name, field in fields.items() if part in (name, field.alias)), None)
    return next(_models(field.annotation if field else model), None)


def _models(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
