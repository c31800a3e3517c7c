"""The compiler refuses whatever the schema refuses: mutated specs of the zoo."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

import graphnet
from graphnet import SpecError, zoo
from graphnet.spec.schema import descriptions
from tests.unit.spec.test_json_schema import MANY, places


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the zoo, so that specs find their bases."""
    return Path(shutil.copytree(zoo.FOLDER, tmp_path_factory.mktemp("zoo") / "specs"))


VALUES: list[Any] = [
    *(0, -1, 1, 2, 3.5, 1 << 41, True, False, None, [], [1], {}, [2, "T"]),
    *("", "-", "C", "BRC", "x2", "1..3", "T", "N..", "mean", "h1", "V1.r", "*->*#conv*"),
    *(["C"], [["C"]], {"ops": "C"}, {"conv": {}}, [{"conv": {"kernel": 2}}], [{"sum": ["C", "I"]}]),
    *({"shape": [1]}, {"h1": {"h1": "C"}}, ["h1->h1"], ["h1", "h1", 1], {"init": 0}, {"t": 1}),
]
WORDS = [
    "h1",
    "V1",
    "train",
    "h1_t3",
    "V1.r",
    "rows",
    "N",
    *(key for keys in descriptions.KEYS.values() for key in keys),
]
CHARACTERS = "BRCDPAGLIKp+-()x012:/. @#*TNh>"
CHANGES = ["value", "value", "text", "text", "out", "in", "rename", "again"]


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """The name of a spec of the zoo, and its data with one to three changes."""
    name = draw(st.sampled_from(zoo.names()))
    spec = tomllib.loads(zoo.path(name).read_text(encoding="utf-8"))
    for _ in range(draw(st.integers(1, 3))):
        holder, key = draw(st.sampled_from(list(_entries(spec))))
        value, kind = holder[key], draw(st.sampled_from(CHANGES))
        if kind == "text" and isinstance(value, str):
            at, cut = draw(st.integers(0, len(value))), draw(st.integers(0, 1))
            holder[key] = value[:at] + draw(st.text(CHARACTERS, max_size=2)) + value[at + cut :]
        elif kind == "out":
            del holder[key]
        elif kind == "in" and isinstance(value, dict):
            value[draw(st.sampled_from(WORDS))] = draw(st.sampled_from(VALUES))
        elif kind == "rename" and isinstance(holder, dict):
            holder[draw(st.sampled_from(WORDS))] = holder.pop(key)
        elif kind == "again" and isinstance(holder, list):
            holder.append(value)
        else:
            holder[key] = draw(st.sampled_from(VALUES))
        spec = json.loads(json.dumps(spec))
    return name, spec


def _entries(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every entry of a spec, as its container and key."""
    for key in list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ():
        yield data, key
        yield from _entries(data[key])


@MANY
@given(mutated())
def test_whatever_the_schema_refuses_the_compiler_refuses(folder: Path, drawn: tuple[str, dict[str, Any]]) -> None:
    name, spec = drawn
    refused = places(spec)
    event("refused" if refused else "accepted")
    if refused:
        path = folder / zoo.path(name).parent.relative_to(zoo.FOLDER) / "mutated.json"
        path.write_text(json.dumps(spec))
        with pytest.raises(SpecError):
            graphnet.plan(path)
