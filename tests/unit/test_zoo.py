"""The zoo: figures of the published models (from papers or code), headers, warnings."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

import graphnet
from graphnet import zoo
from graphnet.given_experiments import EXPERIMENTS
from graphnet.given_recipes import RECIPES, recipe_files

ALL = zoo.names()

PARAMETERS = {
    "cifar-resnet": 269_722,
    "preact-resnet-164": 1_703_258,
    "preact-resnet-1001": 10_327_706,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "frnn-3-state": 4_207_562,
    "frnn-table-1": 4_212_938,
    "cornet-rt": 5_208_936,
    "cornet-rt-skipping": 5_208_936,
    "cornet-s": 53_416_616,
    "blt-b": 2_602_980,
    "blt-bl": 5_961_700,
    "blt-bt": 4_077_540,
    "blt": 7_546_852 - 110_592,
    "bl-net": 27_979_605,
}
DEAD = {
    "frnn-4-state-adjacent": ["transitions[0].h2.h1", "transitions[0].h3.h2", "transitions[0].h4.h3"],
}
"""Warnings of `check`, also mentioned in the headers of these files."""


def by_area(name: str) -> dict[str, int]:
    """Trainable scalars by the first part of their names."""
    found: dict[str, int] = {}
    for tensor in graphnet.plan(zoo.path(name)).tensors:
        if tensor.trainable:
            area = tensor.name.partition(".")[0]
            found[area] = found.get(area, 0) + math.prod(tensor.shape)
    return found


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_parameters(name: str) -> None:
    assert graphnet.plan(zoo.path(name)).parameters == PARAMETERS[name]


@pytest.mark.parametrize(
    ("blocks", "parameters"),
    [(3, 269_722), (5, 464_154), (7, 658_586), (9, 853_018), (18, 1_727_962), (200, 19_421_274)],
)
def test_cifar_resnets_by_one_file_and_a_constant(blocks: int, parameters: int) -> None:
    plan = graphnet.plan(graphnet.load(zoo.path("cifar-resnet"), settings=[f"let.N={blocks}"]))
    assert plan.parameters == parameters
    assert plan.depth == 6 * blocks + 2 + 1, "He counts no pooling"


@pytest.mark.parametrize(("name", "layers"), [("preact-resnet-110", 110), ("preact-resnet-1001", 1001)])
def test_depth_is_the_number_in_the_name_and_the_pooling(name: str, layers: int) -> None:
    assert graphnet.plan(zoo.path(name)).depth == layers + 1


@pytest.mark.parametrize(("readout", "depth"), [(5, 13), (10, 23)])
def test_depth_of_liao_and_poggios_table_1(readout: int, depth: int) -> None:
    spec = graphnet.load(zoo.path("frnn-table-1"), settings=[f"readout.t={readout}"])
    assert graphnet.plan(spec).depth == depth


def test_the_errors_of_table_1_are_in_the_header_of_its_net() -> None:
    assert [name for name in ALL if "7.44" in zoo.text(name)] == ["frnn-table-1"]


@pytest.mark.parametrize("readout", [5, 9, 13, 23])
def test_self_transitions_of_figure_5(readout: int) -> None:
    plan = graphnet.plan(graphnet.load(zoo.path("resnet-2-state-once"), settings=[f"readout.t={readout}"]))
    fired = [(firing.source, firing.target) for firing in plan.firings if firing.fate == "fires"]
    assert fired.count(("h1", "h1")) == readout - 3
    assert fired.count(("h2", "h2")) == 1


def test_lpk_resnets_are_98_layers_two_downsamplings_and_a_pooling_deep() -> None:
    for name in (name for name in ALL if name.startswith("lpk-")):
        assert graphnet.plan(zoo.path(name)).depth == 98 + 2 + 1


def test_areas_of_cornet() -> None:
    rt = by_area("cornet-rt")
    assert rt.pop("pre_net") + rt.pop("V1") == 46_592
    assert rt == {"V2": 221_824, "V4": 886_016, "IT": 3_541_504, "post_net": 513_000}
    s = by_area("cornet-s")
    assert [s["pre_net"], s["V2"] + s["V2i"], s["V4"] + s["V4i"], s["IT"] + s["ITi"], s["post_net"]] == [
        46_528,
        2_519_808,
        10_078_720,
        40_258_560,
        513_000,
    ]


@pytest.mark.parametrize("name", ALL)
def test_check_warns_of_nothing_but_published_dead_wiring(name: str) -> None:
    spec = graphnet.load(zoo.path(name))
    warnings = [graphnet.errors.dotted(fault.path) for fault in graphnet.plan(spec).warnings]
    assert warnings == DEAD.get(name, [])
    if warnings:
        assert re.search("graphnet check` reports", zoo.path(name).read_text())


@pytest.mark.parametrize("name", ALL)
def test_headers_give_summary_source_and_assumptions(name: str) -> None:
    text = zoo.text(name)
    header = "".join(line for line in text.splitlines(keepends=True) if line.startswith("#"))
    assert text.startswith(header)
    assert "#:" not in header, "the line of the schema is gone"
    assert len(zoo.summary(name)) <= 105
    assert zoo.summary(name).endswith(".")
    assert graphnet.load(zoo.path(name)).name == name
    if name != "quickstart":
        assert re.search(r"(19|20)\d\d|[Oo]ur example|BLT|those of", header)
        assert re.search("assumption|assumed", header, re.IGNORECASE)
    assert max(map(len, text.splitlines())) <= 140


@pytest.mark.parametrize("name", ALL)
def test_the_first_line_tells_editors_where_the_schema_is(name: str) -> None:
    line, _, rest = zoo.path(name).read_text().partition("\n")
    assert line.startswith("#:schema ./" if not zoo.group(name) else "#:schema ../")
    schema = zoo.path(name).parent / line.removeprefix("#:schema ")
    assert schema.resolve() == zoo.FOLDER / "graphnet.schema.json"
    assert schema.is_file()
    assert zoo.text(name) == rest


def test_names_groups_and_files() -> None:
    files = [file for file in sorted(zoo.FOLDER.rglob("*.toml")) if file.parent not in (RECIPES, EXPERIMENTS)]
    assert recipe_files().keys().isdisjoint(ALL)
    assert sorted(map(zoo.path, ALL)) == files, "every file is in a known folder"
    assert len(set(ALL)) == len(files)
    assert {zoo.group(name) for name in ALL} == set(zoo.GROUPS)
    assert zoo.ALIASES.keys().isdisjoint(ALL)
    assert all(zoo.path(alias) == zoo.path(name) for alias, name in zoo.ALIASES.items())
    with pytest.raises(zoo.UnknownName, match="called 'frnn-3-stat'; did you mean 'frnn-3-state'"):
        zoo.path("frnn-3-stat")
    with pytest.raises(zoo.UnknownName, match="lists them"):
        zoo.path("/etc/passwd")


@pytest.mark.parametrize("name", zoo.FOREIGN)
def test_foreign_names_are_one_to_one(name: str) -> None:
    table = zoo.foreign_names(name)
    assert list(table) == [tensor.name for tensor in graphnet.plan(zoo.path(name)).tensors]
    assert len(set(table.values())) == len(table)
    assert not [theirs for theirs in table.values() if re.search(r"from_|_net|update|\.t\d", theirs)]


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("resnet18", "pre_net.norm1.t0.running_mean", "bn1.running_mean"),
        ("resnet18", "h1.from_h1.conv2.t2.weight", "layer1.1.conv2.weight"),
        ("resnet50", "h2.from_h1.skip.norm1.t4.bias", "layer2.0.downsample.1.bias"),
        ("resnet34", "h3.from_h3.norm2.t13.weight", "layer3.5.bn2.weight"),
        ("cornet-s", "V4.from_V4.norm3.t8.weight", "V4.norm3_3.weight"),
        ("cornet-s", "V2.from_V2i.skip.norm1.t2.bias", "V2.norm_skip.bias"),
        ("cornet-s", "pre_net.norm2.t0.bias", "V1.norm2.bias"),
        ("cornet-s", "ITi.from_V4.conv1.weight", "IT.conv_input.weight"),
        ("cornet-rt", "pre_net.norm1.weight", "V1.norm_input.weight"),
        ("cornet-rt", "IT.update.conv1.weight", "IT.conv1.weight"),
        ("cornet-z", "pre_net.conv1.bias", "V1.conv.bias"),
        ("blt", "pre_net.conv1.bias", "retina.bias"),
        ("blt", "V1.from_retina.conv1.weight", "v1.bottom_up.weight"),
        ("blt-bt", "V4.from_IT.deconv1.weight", "v4.top_down.weight"),
        ("blt-bl", "GAP.from_GAP.linear1.weight", "gap.lateral.weight"),
        ("blt-as-published", "GAP.update.norm1.bias", "gap_ln.bias"),
        ("cornet-rt-skipping", "V4.from_V2.norm1.bias", "V4.norm_input.bias"),
        ("bl-net", "L2.update.norm1.t3.running_mean", "BatchNorm_Layer_1_Time_3/moving_mean"),
        ("bl-net", "L7.from_L7.conv1.weight", "RCL_6_LConv/kernel"),
        ("bl-net", "pre_net.conv1.weight", "RCL_0_BConv/kernel"),
    ],
)
def test_foreign_names(name: str, ours: str, theirs: str) -> None:
    assert zoo.foreign_names(name)[ours] == theirs


def test_other_specs_have_no_foreign_names() -> None:
    with pytest.raises(zoo.UnknownName, match="'quickstart'; there are tables for resnet18, resnet34"):
        zoo.foreign_names("quickstart")


def test_an_installed_package_has_the_files_inside(tmp_path: Path) -> None:
    config = (zoo.FOLDER.parent / "pyproject.toml").read_text()
    assert '"specs" = "graphnet/specs"' in config
    assert zoo.FOLDER.name == "specs"
