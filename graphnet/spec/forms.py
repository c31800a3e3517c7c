"""Forms, examples and abbreviated values of spec entries, for error messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_table(key: str, value: Any) -> str:
    """Return the table form of a top-level key that was given a plain value; "" for other keys and values."""
    if isinstance(value, Mapping):
        return ""
    if key == "sets" and isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        return f"[[sharing.sets]] with members = {json_text(value)}"
    if key == "sharing":
        return f"[sharing] with over_time = {json_text(value)}" if isinstance(value, bool) else FORMS["sets"]
    if key not in MAIN_KEYS:
        return ""
    inner, kinds = MAIN_KEYS[key]
    if not isinstance(value, kinds) or isinstance(value, bool):
        return f"[{key}], {EXAMPLES[inner]}"
    return f"[{key}] with {inner} = {json_text(value)}"


MAIN_KEYS: dict[str, tuple[str, Any]] = {
    "input": ("shape", list),
    "readout": ("t", int | str | list),
    "norm": ("kind", str),
    "pre_net": ("ops", str | list),
    "post_net": ("ops", str | list),
    "train": ("recipe", str),
}
"""Top-level table → the key that a plain value would mean, and the types of that key."""
FORMS = {
    "states": "[states] with one entry an area, such as V1 = [64, 32, 32]",
    "transitions": 'each slab begins with [[transitions]], in two brackets; a row is V1 = { V2 = "BRC" }',
    "sets": '[[sharing.sets]], in two brackets, with members = ["V1->V1", "V2->V2"]',
    "members": 'such as members = ["V1->V1", "V2->V2"]',
    "groups": 'such as groups = [{ members = "V1->*", lr = 0.001 }]',
    "claims": "each claim begins with [[claims]], in two brackets",
    "measure": "each measure begins with [[measure]], in two brackets",
    "figure": "each figure begins with [[figure]], in two brackets",
    "reference": "each reference begins with [[reference]], in two brackets",
    "table": "[table], in one pair of brackets, with rows and columns",
    "skip": 'such as skip = [{ sharing = "shared", t = 13 }]',
    "cell": 'leave it out where there is no transition; "I" passes the value on',
}
OUT_OF_BOUNDS = ("greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short", "too_long")
WORDS = {
    "greater_than": "{shown} is too small: above {gt:g}",
    "greater_than_equal": "{shown} is too small: at least {ge}",
    "less_than": "{shown} is too large: below {lt:g}",
    "less_than_equal": "{shown} is too large: at most {le}",
    "int_type": "this must be a whole number, not {shown}",
    "float_type": "this must be a number, not {shown}",
    "string_type": "this must be a string, not {shown}",
    "bool_type": "this must be true or false, not {shown}",
    "dict_type": "this must be a table, not {shown}",
    "tuple_type": "this must be a list, not {shown}",
    "too_short": "{actual_length} entries are too few: {min_length} are needed",
    "too_long": "{actual_length} entries are too many: at most {max_length} fit",
}
EXAMPLES = {
    "graphnet": "graphnet = 1 is the version of the language",
    "graphnet-recipe": "graphnet-recipe = 1 is the version of recipes",
    "graphnet-experiment": "graphnet-experiment = 1 is the version of experiments",
    "says": 'such as says = "shared weights do better"',
    "effect": 'such as effect = "test_error[sharing=unshared] - test_error[sharing=shared]"',
    "expect": 'such as expect = "> 0"',
    "of": 'such as of = "test_error"',
    "name": "a name, for use in expressions",
    "x": 'such as x = "t"',
    "y": 'such as y = "test_error"',
    "rows": 'such as rows = "sharing, t"',
    "columns": 'such as columns = ["test_error", "parameters"]',
    "label": 'such as label = "ResNet-110"',
    "train": "[train] with what differs from the defaults, such as epochs = 60",
    "recipe": 'such as recipe = "lp-cifar"',
    "input": "[input] with a shape, such as shape = [3, 32, 32]",
    "states": "[states] with one entry an area, such as V1 = [64, 32, 32]",
    "readout": "[readout] with a time, such as t = 5",
    "ops": 'such as ops = "BRGL"',
    "shape": "such as shape = [64, 32, 32]",
    "t": "such as t = 5",
    "kind": 'such as kind = "batch"',
    "members": 'such as members = ["V1->V1", "V2->V2"]',
}


def shown(value: Any) -> str:
    """Abbreviate a value of the spec for a message."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple) and value and all(isinstance(entry, Mapping) for entry in value):
        return "a list of tables"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def json_text(value: Any) -> str:
    """Write a value as in a spec, abbreviated."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
