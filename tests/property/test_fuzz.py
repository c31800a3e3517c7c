"""Hostile and broken specs: any input quickly gives a plan or errors with places.

Files of the zoo are mutated by bytes, words and entries; about half of the results are well-formed text, which reaches
the validator, the resolver and the scheduler. Specs that have a plan are also shown, written as code, unrolled, and
drawn in each view. `thorough` runs over 5,000 cases.
"""

from __future__ import annotations

import ast
import json
import re
import resource
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from io import StringIO
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

import graphnet
from graphnet import zoo
from graphnet.cli.nets.show import show_plan
from graphnet.pictures.elements import PictureWarning
from graphnet.pictures.text import plan_data, plan_text
from graphnet.runtime.python_source import write_source
from graphnet.spec.schema.json_schema import schema as graphnet_schema
from graphnet.spec.text.source import read_text
from graphnet.spec.write import to_toml
from graphnet.testing import specs

NAMES = [name for name in zoo.names() if len(graphnet.plan(zoo.path(name)).lines) < 150]
TEXTS = {name: to_toml(graphnet.load(zoo.path(name)).as_data()) for name in NAMES}
WORDS = sorted(
    {word for text in TEXTS.values() for word in re.findall(r'"[^"\n]*"|[A-Za-z_]\w*|\d+|[\[\]{}=,.]|\n', text)}
    | {'"T-1"', '"1..inf"', "-1", "1e400", "nan", "null", "true", "99999999999999999999", '"x1000000"', '"V1->V1@3..1"'}
    | {'"C:99999999"', '"BR(C+"', '"5..3"', '"N"', "1979-05-27", "'''", '"\\u0000"', "é", "\t", "#"}
)
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 3, 10**9, 10**30, 0.5, float("nan"), "", "x", "T", "1..inf", "5..3", "0..99999999"),
    *("BRC", "BRCx2+I", "Cx9999", "BRJ", "-", [], {}, [[]], [1, 2], [64, 32, 32], [10**12, 8, 8], {"ops": "C"}),
    *({"a": {"a": "C"}}, "V1->V1#conv*", ["V1", "V1", 2], "group", "zeros", "shared", "mean", "\ud800", "\x1b[2J"),
    *([{"sum": 0}], [{"sum": [0, "I"]}], [{"conv": 3}], [{"conv": {"kernel": "N"}}], [["BRC"]], [3], [{}]),
]
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
MOST_SECONDS = 5
MOST_PARSED = 1_000_000
"""Characters of generated code above which Python itself takes seconds to parse it."""
SEEN: Counter[str] = Counter()
MOST_KILOBYTES = 1_000_000
"""Memory limit, beyond the peak of this process before its first case: other tests leave large peaks behind."""
BEFORE: list[int] = []
FUZZ = settings(
    max_examples=max(settings.default.max_examples, 20),
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)


def attempt(text: str, format: str = "toml") -> None:
    """Read and plan a text; check that faults have places, and limit time and memory."""
    started = time.process_time()
    if not BEFORE:
        BEFORE.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    SEEN["all"] += 1
    faults: tuple[graphnet.Fault, ...] = ()
    try:
        source = read_text(text, format, "fuzzed")
        SEEN["past the parser"] += 1
        spec = plan_of_source(source)
        SEEN["right"] += 1
        for name, use in USES.items():
            begun = time.process_time()
            with suppress(graphnet.SpecError):  # some nets cannot be unrolled
                use(spec)
                SEEN[name] += 1
            assert time.process_time() - begun < MOST_SECONDS, name
        return
    except graphnet.SpecError as error:
        faults = error.faults
        if not faults:
            raise
    for fault in faults:
        assert fault.what
        assert fault.code.startswith("GN")
        assert (fault.file, bool(fault.line), bool(fault.column)) == ("fuzzed", True, True), fault
        assert str(fault).replace("\n", "").isprintable()
    assert time.process_time() - started < MOST_SECONDS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < BEFORE[0] + MOST_KILOBYTES


def _drawn(spec: graphnet.Spec, **how: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PictureWarning)
        assert graphnet.draw(spec, **how).endswith("</svg>\n")


def _shown(spec: graphnet.Spec) -> None:
    compiled = graphnet.plan(spec)
    assert plan_text(compiled)
    assert json.dumps(plan_data(compiled))
    written = StringIO()
    show_plan(compiled, Console(file=written, width=100))
    assert not CONTROLS.search(written.getvalue())


def _is_python(source: str) -> None:
    if len(source) < MOST_PARSED:
        ast.parse(source)


USES: dict[str, Callable[[graphnet.Spec], object]] = {
    "show": _shown,
    "code": lambda spec: _is_python(write_source(graphnet.plan(spec))),
    "unroll": graphnet.unroll,
    "draw": _drawn,
    "draw dead": lambda spec: _drawn(spec, dead=True, elide=True, width=84),
    "draw recurrent": lambda spec: _drawn(spec, view="recurrent"),
    "draw matrix": lambda spec: _drawn(spec, view="matrix", width=84),
    "draw plan": lambda spec: _drawn(spec, view="plan", title=False),
}
"""Commands to run on a spec that has a plan."""


def plan_of_source(source: Any) -> graphnet.Spec:
    from graphnet.pipeline import compile_plan
    from graphnet.spec.read import placed, read

    reading = read(source)
    faults = reading.faults
    if faults or reading.document is None:
        from graphnet.pipeline import _further

        raise graphnet.SpecError(placed([*faults, *_further(reading.document, faults)], reading.source))
    try:
        compile_plan(reading.document)
    except graphnet.SpecError as error:
        raise graphnet.SpecError(placed(error.faults, reading.source)) from None
    return reading.document


@FUZZ
@given(st.sampled_from(NAMES), st.data())
def test_bytes(name: str, data: st.DataObject) -> None:
    raw = bytearray(TEXTS[name].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(["change", "drop", "add", "cut"]))
        if kind == "change":
            raw[at] = data.draw(st.integers(1, 127))
        elif kind == "drop":
            del raw[at : at + data.draw(st.integers(1, 9))]
        elif kind == "add":
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=4).filter(lambda some: max(some) < 128))
        else:
            del raw[at + 1 :]
        if not raw:
            return
    attempt(raw.decode("utf-8", errors="replace"))


@FUZZ
@given(st.sampled_from(NAMES), st.data())
def test_words(name: str, data: st.DataObject) -> None:
    words = re.findall(r'"[^"\n]*"|[A-Za-z_]\w*|\d+|\s+|.', TEXTS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(words) - 1))
        other = data.draw(st.sampled_from(WORDS))
        kind = data.draw(st.sampled_from(["change", "change", "add", "drop"]))
        words[at : at + (kind != "add")] = [] if kind == "drop" else [other]
    attempt("".join(words))


@FUZZ
@given(st.sampled_from(NAMES), st.data())
def test_entries(name: str, data: st.DataObject) -> None:
    """The tree of a JSON spec with entries changed, dropped, renamed and moved."""
    spec = deepcopy(graphnet.load(zoo.path(name)).as_data())
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(list(_entries(spec))))
        kind = data.draw(st.sampled_from(["change", "change", "drop", "rename", "swap"]))
        if kind == "change":
            holder[key] = deepcopy(data.draw(st.sampled_from(VALUES)))
        elif kind == "drop":
            del holder[key]
        elif kind == "swap":
            other, there = data.draw(st.sampled_from(list(_entries(spec))))
            holder[key] = deepcopy(other[there])
        elif isinstance(holder, dict):
            holder[data.draw(st.sampled_from(["V1", "h1", "t", "ops", "V1.r", "class", "x" * 300, "é", ""]))] = (
                holder.pop(key)
            )
        if not spec:
            return
    attempt(json.dumps(spec), "json")


TEXT = st.text(max_size=30) | st.text("a\x1b\r\x07\x9b\u202e\n\"' é視", max_size=40) | st.just("x" * 5_000)


@FUZZ
@given(specs(), TEXT, TEXT)
def test_drawn_specs_with_any_names(spec: dict[str, Any], name: str, label: str) -> None:
    states = {key: state if isinstance(state, dict) else {"shape": state} for key, state in spec["states"].items()}
    states |= {next(iter(states)): states[next(iter(states))] | {"label": label}}
    attempt(json.dumps(spec | {"name": name, "cite": label, "states": states}), "json")


def _entries(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(items):
        yield tree, key
        yield from _entries(value)


def _from_schema(schema: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """JSON close to what a schema describes; conditions between keys are ignored."""
    if not isinstance(schema, dict):
        return st.sampled_from(VALUES)
    if "$ref" in schema:
        return _from_schema(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], depth)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([_from_schema(each, depth) for each in schema[word]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return st.one_of([_of_kind(kind, schema, depth) for kind in kinds])


def _of_kind(kind: str, schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    if kind == "string":
        return st.from_regex(schema["pattern"]) if "pattern" in schema else st.text(max_size=8)
    if kind in ("integer", "number"):
        return st.integers(schema.get("minimum", -2), 70) | st.integers(schema.get("minimum"), schema.get("maximum"))
    if kind == "boolean":
        return st.booleans()
    if kind == "array":
        inner = _deeper(schema.get("items", {}), depth)
        return st.lists(inner, min_size=schema.get("minItems", 0), max_size=schema.get("maxItems", 3))
    known = {key: _deeper(value, depth) for key, value in schema.get("properties", {}).items()}
    needed = {key: known.pop(key) for key in schema.get("required", ()) if key in known}
    table = st.fixed_dictionaries(needed, optional=known)
    if isinstance(schema.get("additionalProperties"), dict):
        names = st.sampled_from(["V1", "V2", "IT", "N", "pair"])
        more = st.dictionaries(names, _deeper(schema["additionalProperties"], depth), min_size=1, max_size=3)
        return st.builds(lambda a, b: a | b, table, more)
    return table


def _deeper(schema: Any, depth: int) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: _from_schema(schema, depth + 1)) if depth < 8 else st.just("C")


SCHEMA = graphnet_schema()


@settings(FUZZ, max_examples=max(FUZZ.max_examples // 8, 10))  # drawing one takes longer than reading it
@given(_from_schema(SCHEMA))
def test_specs_drawn_from_the_schema(spec: Any) -> None:
    attempt(json.dumps(spec), "json")


@pytest.mark.thorough
def test_a_third_of_the_cases_pass_the_parser() -> None:
    """Counts the cases of the tests above."""
    print(dict(SEEN), f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    assert SEEN["all"] >= 5_000
    assert SEEN["past the parser"] >= SEEN["all"] / 3
