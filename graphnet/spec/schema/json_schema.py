"""The language as a JSON Schema (draft 2020-12): editors use it to validate, complete and explain specs.

The models provide the keys with their choices, ranges and defaults. This module adds what they cannot express: short
forms, strings, the rows of a slab and ops. An entry with several forms (a time is a number, a string or a list) is one
schema with the keywords of each form, so that an error has the path of the entry at fault.

The compiler refuses everything that the schema refuses, except in places it never reads (unused parts) and for digits
of other scripts. The converse does not hold: only the compiler checks that names are known, brackets balance and sizes
fit, and that 4.0 is not a whole number.
"""

from __future__ import annotations

import json
import keyword
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from graphnet.spec.model import SLAB_WORDS, Spec
from graphnet.spec.notation.integers import MAX_LENGTH
from graphnet.spec.notation.op_words import OPS, SCHEMES, OpRule
from graphnet.spec.notation.times import FOREVER
from graphnet.spec.recipe import RecipeFile
from graphnet.spec.schema import descriptions, patterns, recipe_descriptions
from graphnet.spec.state_names import MODULE_ATTRIBUTES, OWN

Schema = dict[str, Any]
Forms = dict[tuple[str, str], Schema]
"""Schemas that replace the model's, by (table, key); an empty table name means all tables."""

LARGEST = 1 << 40
"""Largest size of a state."""
WIDEST = 1 << 24
"""Largest width and number of groups of an op."""
_NOTHING: Schema = {"not": {}}
"""Matches no value: the key must be absent. (For a plain `false`, some validators report no place.)"""


def schema() -> Schema:
    """Return the JSON Schema of specs, with the currently registered ops."""
    spec = Spec.model_json_schema()
    tables = {name: table_schema(name, table) for name, table in spec.pop("$defs").items()}
    tables["Slab"] |= {
        "propertyNames": {"anyOf": [{"enum": list(SLAB_WORDS)}, _ref("state_or_inner")]},
        "additionalProperties": _ref("row"),
    }
    del tables["Slab"]["properties"]["rows"]
    tables["State"] |= {"type": ["array", "object"], **_sizes()}
    tables["State"]["dependentSchemas"] = {"part": {"properties": {"update": _NOTHING, "hold": _NOTHING}}}
    tables["Gain"] |= {"type": ["number", "object"]}
    tables["Noise"] |= {"type": ["number", "object"], "exclusiveMinimum": 0, "required": ["std"]}
    tables["Cell"] |= {"type": ["string", "array", "object"], **_ops(patterns.cell())}
    tables["Cell"]["required"] = ["ops"]
    tables |= recipe_tables(tables)
    tables["SharingSet"]["required"] = ["members"]
    tables["Readout"] |= {
        "if": {"required": ["combine"], "properties": {"combine": {"const": "mean"}}},
        "then": {"properties": {"weights": _NOTHING}},
    }
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "graphnet spec",
        **table_schema("Spec", spec),
        "if": {"not": {"required": ["extends"]}},
        "then": _whole_spec(),
        "$defs": dict(sorted((tables | _definitions()).items())),
    }


def recipe_schema() -> Schema:
    """Return the JSON Schema of recipe files."""
    recipe = RecipeFile.model_json_schema()
    tables = {name: table_schema(name, table) for name, table in recipe.pop("$defs").items()}
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "graphnet recipe",
        **table_schema("RecipeFile", recipe),
        "description": recipe_descriptions.FILE,
        "required": ["graphnet-recipe", "train"],
        "$defs": dict(sorted((tables | recipe_tables(tables)).items())),
    }


def recipe_tables(tables: dict[str, Schema]) -> dict[str, Schema]:
    """Return the tables of a recipe that have short forms or required keys."""
    kinds = tables["Schedule"]["properties"]["kind"]["enum"]
    short = {"type": ["string", "object"], "if": {"type": "string"}, "then": {"enum": kinds}}
    return {"Schedule": tables["Schedule"] | short, "Group": tables["Group"] | {"required": ["members"]}}


def schema_text(given: Schema) -> str:
    """Return a schema as JSON text for a file."""
    return json.dumps(given, indent=2, ensure_ascii=False) + "\n"


def table_schema(name: str, given: Schema, forms: Forms | None = None) -> Schema:
    """Extend a model's table with short forms, of this module and others; no key is required yet."""
    properties = {}
    known = _short_forms() | (forms or {})
    for key, entry in given["properties"].items():
        found = known.get((name, key)) or known.get(("", key)) or _without_null(entry)
        text = descriptions.KEYS[name].get(key)
        properties[key] = found | ({"description": text} if text else {}) | _default(entry)
    return {
        "description": descriptions.TABLES.get(name, descriptions.SPEC),
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _short_forms() -> Forms:
    """Return the short forms of specs and recipes."""
    states = {"type": "object", "propertyNames": _ref("state"), "additionalProperties": _ref("State")}
    members = {"type": "array", "items": _ref("member")}
    words = {"type": ["string", "array"], "items": {"type": "string"}}
    share = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    return {
        ("", "shape"): {"type": "array", **_sizes()},
        ("", "ops"): _ref("function"),
        ("Cell", "ops"): _ref("function_or_block"),
        ("", "update"): _ref("function"),
        ("", "states"): states,
        ("Slab", "t"): times_schema(),
        ("Input", "t"): times_schema(refused=[patterns.NAMES_READOUT]),
        ("Noise", "t"): times_schema(refused=[patterns.NAMES_READOUT]),
        ("Readout", "t"): times_schema(FOREVER - 1, [patterns.NAMES_READOUT, patterns.OPEN]),
        ("Input", "state"): _ref("state_or_inner"),
        ("Readout", "state"): _ref("state_or_inner"),
        ("Readout", "weights"): {"type": "array", "minItems": 1, "items": {"type": "number", "minimum": 0}},
        ("SharingSet", "members"): members | {"minItems": 1},
        ("SharingSet", "except"): members,
        ("Recipe", "augment"): words,
        ("Recipe", "validation"): {"anyOf": [share, {"const": "published"}]},
        ("Group", "members"): words | {"minItems": 1},
        ("Spec", "extends"): {"type": "string", "pattern": patterns.SPEC_FILE},
        ("Spec", "let"): {
            "type": "object",
            "propertyNames": {"pattern": patterns.CONSTANT, "not": {"enum": ["T", "inf", "x"]}},
            "additionalProperties": _whole(),
        },
    }


def _whole_spec() -> Schema:
    """Return what a spec needs unless it extends another."""
    states = {"minProperties": 1}
    return {
        "required": ["graphnet", "input", "states", "readout"],
        "properties": {
            "input": {"required": ["shape"]},
            "states": states | {"additionalProperties": {"anyOf": [{"required": ["shape"]}, {"required": ["part"]}]}},
            "parts": {"additionalProperties": {"required": ["states"], "properties": {"states": states}}},
            "pre_net": {"required": ["ops"]},
            "post_net": {"required": ["ops"]},
            "readout": {"required": ["t"]},
        },
    }


def _definitions() -> dict[str, Schema]:
    """Return the schemas that are used in several places."""
    reserved = sorted({*OWN, *keyword.kwlist, *MODULE_ATTRIBUTES})
    name = {"type": "string", "not": {"anyOf": [{"enum": reserved}, {"pattern": patterns.LIKE_A_VALUE}]}}
    return {
        "state": name | {"pattern": patterns.STATE},
        "state_or_inner": name | {"pattern": patterns.STATE_OR_INNER},
        "row": {
            "description": descriptions.ROW,
            "type": "object",
            "propertyNames": _ref("state_or_inner"),
            "additionalProperties": _ref("Cell"),
        },
        "function": {"type": ["string", "array"], **_ops(patterns.function())},
        "function_or_block": {"type": ["string", "array"], **_ops(patterns.cell())},
        "op": _op(),
        "array": {"type": ["number", "array"], "items": _ref("array")},
        "member": {
            "type": ["string", "array"],
            "pattern": patterns.SELECTOR,
            "minItems": 3,
            "maxItems": 3,
            "prefixItems": [{"type": "string"}, {"type": "string"}, _time()],
        },
    }


def _op() -> Schema:
    """Return the schema of a list-form entry: a string, a list, or a table of one op with its settings."""
    branches = {"description": descriptions.SUM, "type": "array", "minItems": 2, "items": _ref("function")}
    ops = {word: _settings(word, rule) for word, rule in OPS.items()}
    return {
        "type": ["string", "array", "object"],
        **_ops(patterns.function()),
        "properties": ops | {"sum": branches},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _settings(word: str, rule: OpRule) -> Schema:
    """Return the schema of an op's settings in the list form."""
    norm = Spec.model_json_schema()["$defs"]["Norm"]["properties"] if word == "norm" else {}
    properties = {}
    for name in rule.settings:
        if name in rule.defaults:
            found: Schema = {"type": _KINDS[type(rule.defaults[name])], "default": rule.defaults[name]}
        elif name in SETTINGS:
            found = SETTINGS[name] | {"description": descriptions.SETTINGS[name]}
        else:
            found = {key: value for key, value in norm.get(name, {}).items() if key not in ("default", "title")}
        if word == "norm":
            found["description"] = descriptions.KEYS["Norm"][name]
        properties[name] = found
    text = descriptions.OPS.get(word, "A registered op.")
    return {"description": text, "type": "object", "properties": properties, "additionalProperties": False}


_KINDS: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _whole(least: int | None = None, most: int | None = None) -> Schema:
    """Return the schema of a whole number, or a string with constants; the limits apply to numbers."""
    limits = {"minimum": least, "maximum": most}
    said = {key: value for key, value in limits.items() if value is not None}
    return {"type": ["integer", "string"], **said, "pattern": patterns.WHOLE, "maxLength": MAX_LENGTH}


def _sizes() -> Schema:
    """Return the keywords of a shape."""
    return {"minItems": 1, "maxItems": 3, "items": _whole(1, LARGEST)}


def _time(most: int | None = None, refused: list[str] | None = None) -> Schema:
    """Return the schema of one time or range; strings that match one of `refused` are invalid."""
    more = {"maximum": most} if most is not None else {}
    patterned = [{"type": "string", "pattern": pattern} for pattern in refused or ()]
    unlike = {"not": {"anyOf": patterned}} if patterned else {}
    string = {"pattern": patterns.TIME, "maxLength": MAX_LENGTH}
    return {"type": ["integer", "string"], "minimum": 0, **more, **string, **unlike}


def times_schema(most: int | None = None, refused: list[str] | None = None) -> Schema:
    """Return the schema of a time or a list of times."""
    one = _time(most, refused)
    return one | {"type": ["integer", "string", "array"], "minItems": 1, "items": one}


def _ops(pattern: str) -> Schema:
    """Return the keywords of a transition function: its string pattern and its list entries."""
    return {"pattern": pattern, "maxLength": MAX_LENGTH, "minItems": 1, "items": _ref("op")}


def _without_null(entry: Schema) -> Schema:
    """Drop title, default and null from a model's entry: an optional key still must not be null."""
    found = {key: value for key, value in entry.items() if key not in ("title", "default", "anyOf")}
    for choice in entry.get("anyOf", ()):
        if choice != {"type": "null"}:
            found |= choice
    return found


def _default(entry: Schema) -> Schema:
    """Return a model's default in short form, unless it is None."""
    default = entry.get("default")
    if isinstance(default, list) and len(default) == 1:
        default = default[0]
    return {} if default is None else {"default": default}


_INIT: Schema = {"anyOf": [{"enum": list(SCHEMES)}, _ref("array")]}
SETTINGS: dict[str, Schema] = {
    "kernel": _whole(1, 1000),
    "stride": _whole(1, 1000),
    "padding": _whole(0, 1000),
    "dilation": _whole(1, 1000),
    "groups": _whole(1, WIDEST),
    "width": _whole(1, WIDEST),
    "bias": {"type": "boolean"},
    "init": _INIT,
    "bias_init": _INIT,
    "alpha": {"type": "number"},
    "negative_slope": {"type": "number"},
    "beta": {"type": "number"},
}
"""Schemas of op settings by name; those of norm that are missing here come from the model."""
