"""The language reference is correct: its examples compile, and its tables match the models exactly."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
import torch
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import graphnet
from graphnet.given_recipes import load_recipe, recipe_files, resolve_recipe
from graphnet.network.functions.ops import KINDS, MERGES
from graphnet.pictures.text import plan_text
from graphnet.spec import model, recipe
from graphnet.spec.document import Document
from graphnet.spec.notation.op_words import OPS, SCHEMES
from graphnet.spec.state_names import OWN
from graphnet.spec.table import Table
from tests.conftest import ROOT

TEXT = (ROOT / "specs/README.md").read_text(encoding="utf-8")
BASE = "v1-v2-it.toml"
TABLES: dict[str, type[Table]] = {
    "The top level": model.Spec,
    "`[input]`": model.Input,
    "`[states]`": model.State,
    "`[[transitions]]`": model.Slab,
    "A cell": model.Cell,
    "`noise` of a state": model.Noise,
    "`gain`": model.Gain,
    "`[parts.NAME]`": model.Part,
    "`[norm]`": model.Norm,
    "`[pre_net]`": model.PreNet,
    "`[post_net]`": model.PostNet,
    "`[sharing]`": model.Sharing,
    "`[[sharing.sets]]`": model.SharingSet,
    "`[readout]`": model.Readout,
    "A recipe file": recipe.RecipeFile,
    "`[train]`": recipe.Recipe,
    "`schedule`": recipe.Schedule,
    "`groups`": recipe.Group,
    "`second`": recipe.Second,
}
"""Heading → the model whose keys its table lists."""


class Block(NamedTuple):
    """A fenced block; `mark` is the comment above it, such as `refused: …`."""

    line: int
    mark: str
    language: str
    text: str


BLOCKS = [
    Block(TEXT.count("\n", 0, match.start("language")) + 1, match["mark"] or "", match["language"], match["text"])
    for match in re.finditer(
        r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", TEXT, re.M | re.S
    )
]
EXAMPLES = [block for block in BLOCKS if block.language == "toml"]


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its header."""
    section = re.split(rf"^#+ {re.escape(heading)}$", TEXT, flags=re.M)[1]
    table = re.search(r"^\|.*\n\|[ |-]*\n((?:\|.*\n)+)", re.split(r"^#+ ", section, flags=re.M)[0], re.M)
    assert table, f"no table below {heading}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def codes(text: str) -> list[str]:
    """The texts in `backticks`."""
    return re.findall(r"`([^`]+)`", text)


def write(block: Block, path: Path) -> Path:
    """Write an example to a file; a fragment extends the base."""
    (base,) = [each.text for each in EXAMPLES if f'name  = "{BASE.removesuffix(".toml")}"' in each.text]
    (path / BASE).write_text(base)
    is_whole = {"graphnet", "graphnet-recipe", "extends"} & tomllib.loads(block.text).keys()
    (path / "example.toml").write_text(("" if is_whole else f'extends = "{BASE}"\n') + block.text)
    return path / "example.toml"


@pytest.mark.parametrize("block", EXAMPLES, ids=lambda block: f"line {block.line}")
def test_an_example_compiles_or_is_refused_as_marked(block: Block, tmp_path: Path) -> None:
    path = write(block, tmp_path)
    kind, _, said = block.mark.partition(": ")
    if kind == "refused":
        with pytest.raises(graphnet.SpecError, match=re.escape(said)):
            graphnet.plan(path)
        return
    if "graphnet-recipe = 1" in block.text:
        assert resolve_recipe(recipe=load_recipe(path)).recipe is None
        return
    resolve_recipe(graphnet.load(path))
    plan = graphnet.plan(path)
    warnings = "\n".join(map(str, plan.warnings))
    assert (kind == "warns") == bool(warnings), warnings
    assert said in warnings
    if "graphnet = 1" in block.text:
        graphnet.compile(path)(torch.zeros(2, *plan.input_shape))


def test_quotes_of_the_plan_are_correct(tmp_path: Path) -> None:
    plan, quoted = "", 0
    for block in BLOCKS:
        if block.language == "toml" and not block.mark and "graphnet-recipe" not in block.text:
            plan = plan_text(graphnet.plan(write(block, tmp_path)))
        elif block.language == "text" and ":=" not in block.text:
            quoted += 1
            assert block.text in plan, f"line {block.line}"
    assert quoted > 2


def fields(table: type[Table]) -> dict[str, FieldInfo]:
    """The keys of a table, as written in a spec."""
    found = {field.alias or name: field for name, field in table.model_fields.items()}
    return {key: found[key] for key in (model.SLAB_WORDS if table is model.Slab else found)}


def choices(annotation: Any) -> Iterator[str]:
    """The choices of a Literal inside an annotation."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    for inner in get_args(annotation):
        yield from choices(inner)


def test_every_table_of_a_spec_has_its_table_here() -> None:
    models = [*vars(model).values(), *vars(recipe).values()]
    known = {each for each in models if inspect.isclass(each) and issubclass(each, Table)}
    assert set(TABLES.values()) == known - {Table, Document}


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_lists_its_keys_with_their_defaults_and_choices(heading: str) -> None:
    expected = fields(TABLES[heading])
    found = {row[0].strip("`"): row for row in rows(heading) if not row[0].startswith("*")}
    assert list(found) == list(expected)
    for key, (_, kind, default, meaning, source) in found.items():
        field = expected[key]
        assert meaning, key
        assert source, key
        said = list(choices(field.annotation))
        assert codes(kind) == said or not said, key
        value = field.get_default(call_default_factory=True, validated_data={})
        if field.is_required() or value is None:
            assert default.startswith("required" if field.is_required() else "—"), key
            continue
        value = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
        value = (value[0] if len(value) == 1 else list(value)) if isinstance(value, tuple) else value
        written = tomllib.loads(f"value = {default.strip('`')}")["value"]
        assert (written, type(written)) == (value, type(value)), key


def test_recipes_that_come_with_graphnet_are_listed() -> None:
    (line,) = [line for line in TEXT.splitlines() if line.startswith("3. `--recipe`")]
    assert [code for code in codes(line) if code != "--recipe"] == list(recipe_files())


def test_ops_and_their_settings_are_listed() -> None:
    found = {codes(word)[0]: (letter.strip("`"), codes(settings)) for letter, word, settings, _ in rows("Ops")}
    assert {word: letter for word, (letter, _) in found.items()} == {word: rule.letter for word, rule in OPS.items()}
    for word, (_, said) in found.items():
        names = [code.split(" = ")[0] for code in said if re.fullmatch(r"[a-z_]+( = .*)?", code)]
        assert names == list(OPS[word].settings), word


@pytest.mark.parametrize("word", [word for word, rule in OPS.items() if rule.settings and word != "norm"])
def test_the_defaults_of_an_op_are_correct(word: str) -> None:
    (row,) = [row for row in rows("Ops") if codes(row[1]) == [word]]
    said = tomllib.loads("\n".join(code for code in codes(row[2]) if " = " in code))
    if not said.get("bias", True):
        del said["bias_init"]  # there is no bias to initialise
    target = {"linear": [6], "max_pool": [4, 4, 4], "avg_pool": [4, 4, 4]}.get(word, [4, 8, 8])
    outputs = []
    for settings in ({}, said):
        spec = {"graphnet": 1, "input": {"shape": [4, 8, 8]}, "states": {"a": [4, 8, 8], "b": target}}
        spec |= {"transitions": [{"a": {"b": [{word: settings}]}}], "readout": {"t": 1}}
        outputs.append(graphnet.compile(spec)(torch.linspace(-2, 2, 256).reshape(1, 4, 8, 8)))
    assert torch.equal(*outputs)


def test_merges_schemes_and_reserved_names_are_listed() -> None:
    assert [row[0].strip("`") for row in rows("Merges")] == list(MERGES)
    assert [code for row in rows("Initial weights") for code in codes(row[0])] == list(SCHEMES)
    assert set(codes(re.split(r"A state is not called|, nor", TEXT)[1])) == set(OWN)


def test_names_of_tensors_are_those_of_the_net_below(tmp_path: Path) -> None:
    line = TEXT.count("\n", 0, TEXT.index("### Tensor names"))
    spec = next(block for block in EXAMPLES if block.line > line)
    names = {tensor.name for tensor in graphnet.plan(write(spec, tmp_path)).tensors}
    assert {code for row in rows("Tensor names") for code in codes(row[1])} <= names


def test_digitclutter_works_as_shown() -> None:
    (python,) = [block.text for block in BLOCKS if block.language == "python" and "Digitclutter" in block.text]
    names: dict[str, Any] = {}
    exec(python, names)
    assert (names["image"].size, names["image"].mode) == ((32, 32), "L")
    assert names["target"].sum() == 3


def test_a_custom_op_works_as_shown(tmp_path: Path) -> None:
    (python,) = [block.text for block in BLOCKS if block.language == "python" and "contrast" in block.text]
    refused = next(block for block in EXAMPLES if "contrast" in block.mark)
    exec(python, {"__name__": "my_ops"})
    try:
        net = graphnet.compile(write(refused, tmp_path))
        assert "V1.from_V1.contrast1.scale" in net.state_dict()
        assert net(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
    finally:
        del OPS["contrast"], KINDS["contrast"]
