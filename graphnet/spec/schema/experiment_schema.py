"""Experiments as a JSON Schema; see `json_schema` for what it can and cannot say."""

from __future__ import annotations

from pydantic.json_schema import GenerateJsonSchema

from graphnet.spec.experiment.entries import MOST_SEEDS
from graphnet.spec.experiment.measures import MEASURES
from graphnet.spec.experiment.model import Experiment
from graphnet.spec.schema import experiment_descriptions, patterns
from graphnet.spec.schema.json_schema import Forms, Schema, recipe_tables, table_schema, times_schema

REQUIRED = {
    "Measure": ["name", "of"],
    "Claim": ["says", "effect", "expect"],
    "Figure": ["x", "y"],
    "Reference": ["label"],
}
"""Table → its required keys; those of `[table]` may stand in two layers."""


def experiment_schema() -> Schema:
    """Return the JSON Schema of experiment files."""
    experiment = Experiment.model_json_schema()
    tables = {name: table_schema(name, table, FORMS) for name, table in experiment.pop("$defs").items()}
    for name, keys in REQUIRED.items():
        tables[name]["required"] = keys
    del tables["Factor"]["properties"]["labels"], tables["Reference"]["properties"]["values"]
    tables["Factor"]["additionalProperties"] = {"$ref": "#/$defs/Variant"}
    tables["Reference"]["additionalProperties"] = {"type": "number"}
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "graphnet experiment",
        **table_schema("Experiment", experiment, FORMS),
        "description": experiment_descriptions.FILE,
        "required": ["graphnet-experiment"],
        "$defs": dict(sorted((tables | recipe_tables(tables)).items())),
    }


_WORDS: Schema = {"type": ["string", "array"], "items": {"type": "string"}}
_SEED: Schema = {"type": "integer", "minimum": 0, "maximum": (1 << 32) - 1}
_LABEL: Schema = {"type": ["string", "number", "boolean"]}
_ANY: Schema = {"type": "object"}
FORMS: Forms = {
    ("", "seeds"): {
        **{"type": ["string", "array", "integer"], "pattern": r"^\s*[0-9]{1,10}\s*\.\.\s*[0-9]{1,10}\s*$"},
        **{"minimum": 0, "maximum": (1 << 32) - 1, "minItems": 1, "maxItems": MOST_SEEDS, "items": _SEED},
    },
    ("Experiment", "set"): _ANY,
    ("Smoke", "set"): _ANY,
    ("Variant", "set"): _ANY,
    ("", "vary"): {
        **{"type": "object", "propertyNames": {"pattern": r"^[A-Za-z_]"}},
        "additionalProperties": {"$ref": "#/$defs/Factor"},
    },
    ("", "skip"): {
        "type": "array",
        "items": {"type": "object", "minProperties": 1, "additionalProperties": _LABEL},
    },
    ("Factor", "values"): {"type": "array", "minItems": 1},
    ("Measure", "of"): {"enum": list(MEASURES)},
    ("Measure", "readout"): times_schema(refused=[patterns.NAMES_READOUT, patterns.OPEN]),
    ("", "y"): _WORDS | {"minItems": 1},
    ("TableOf", "rows"): _WORDS,
    ("", "columns"): _WORDS | {"minItems": 1},
    ("Edit", "slab"): _ANY,
    **{("Edit", key): _WORDS for key in ("early", "drop", "repeat", "lesion", "silence", "noise")},
}
"""Schemas that replace the model's, as in `json_schema`."""
