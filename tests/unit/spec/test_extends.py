"""Specs made of several texts: `extends` and `--set`."""

from __future__ import annotations

import json
import os
import pickle
import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphnet
from graphnet.errors import Fault, KeyPath
from graphnet.spec.read import read
from graphnet.spec.text.assignments import read_assignment
from graphnet.spec.text.extends import MAX_CHAIN, Merged, merge
from graphnet.spec.text.source import Source, read_text
from tests.conftest import ROOT
from tests.small import SMALL, small

BASE = """graphnet = 1
name = "base"
input = { shape = [1, 8, 8] }
[states]
V1 = [4, 8, 8]
V2 = [8, 4, 4]
[[transitions]]
V1 = { V1 = "BRC+I", V2 = "BRC" }
[pre_net]
ops = "C"
[readout]
t = 1
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def refused(
    spec: str | Path | Mapping[str, Any] | graphnet.Spec, settings: Sequence[str] = ()
) -> tuple[graphnet.Fault, ...]:
    """All faults of a spec."""
    with pytest.raises(graphnet.SpecError) as caught:
        graphnet.plan(graphnet.load(spec, settings=settings))
    return caught.value.faults


def only(spec: str | Path | Mapping[str, Any], settings: Sequence[str] = ()) -> Fault:
    """The only fault of a spec."""
    faults = refused(spec, settings)
    assert len(faults) == 1, [str(fault) for fault in faults]
    return faults[0]


def laid(base: str, *others: str) -> Merged:
    """Merge texts, base first, named 0.toml, 1.toml, …"""
    sources = [read_text(text, "toml", f"{number}.toml") for number, text in enumerate([base, *others])]
    merged = Merged(sources[0].data, sources[0])
    for source in sources[1:]:
        merged.lay(source.data, source)
    return merged


def place(merged: Merged, *path: str | int, on: str = "value") -> str:
    """`file:line:column` of an entry."""
    fault = merged.locate(Fault(path, "", on="key" if on == "key" else "value", code="GN004"))
    assert fault.path == path
    return f"{fault.file}:{fault.line}:{fault.column}"


# Merged data


def test_tables_merge_states_come_last_and_slabs_are_appended(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE)
    more = 'extends = "base.toml"\nname = "more"\n[states]\nV4 = [16, 2, 2]\n[[transitions]]\nV2 = { V4 = "BRC" }\n'
    spec = graphnet.load(write(tmp_path, "more.toml", more + "[readout]\nt = 2\n"))
    assert (spec.name, list(spec.states), len(spec.transitions)) == ("more", ["V1", "V2", "V4"], 2)
    assert "extends" not in spec.as_data()
    assert graphnet.plan(spec).outputs == ((2, "V4_t2"),)


@pytest.mark.parametrize(
    ("base", "over", "data"),
    [
        ("a = 1\nb = 2", "b = 3\nc = 4", {"a": 1, "b": 3, "c": 4}),
        ("[t]\na = 1\nb = 2", "t.b = 3\nt.c = 4", {"t": {"a": 1, "b": 3, "c": 4}}),
        ("[t.u.v]\na = 1", "[t.u.v]\nb = 2", {"t": {"u": {"v": {"a": 1, "b": 2}}}}),
        ("[t]\na = 1", "t = 5", {"t": 5}),
        ("t = 5", "[t]\na = 1", {"t": {"a": 1}}),
        ("[states]\nh = [1, 2, 3]", "[states]\nh = { update = 'R' }", {"states": {"h": {"update": "R"}}}),
        (
            "[states]\nh = { shape = [1, 2, 3], update = 'R' }",
            "[states]\nh = [4, 5, 6]",
            {"states": {"h": [4, 5, 6]}},
        ),
        ("readout = { t = [1, 2] }", "readout = { t = [3] }", {"readout": {"t": [3]}}),
        ("input = { t = 5 }", "input = { t = '1..2' }", {"input": {"t": "1..2"}}),
        ("[[transitions]]\nt = 1", "[[transitions]]\nt = 2", {"transitions": [{"t": 1}, {"t": 2}]}),
        ("transitions = [{ t = 1 }]", "transitions = []", {"transitions": [{"t": 1}]}),
        ("a = 1", "[[transitions]]\nt = 2", {"a": 1, "transitions": [{"t": 2}]}),
        ("[[transitions]]\nt = 1", "transitions = 3", {"transitions": 3}),
        (
            "[sharing]\nover_time = false\n[[sharing.sets]]\nmembers = ['a']",
            "[[sharing.sets]]\nmembers = ['b']",
            {"sharing": {"over_time": False, "sets": [{"members": ["a"]}, {"members": ["b"]}]}},
        ),
        (
            "[parts.x]\nstates = { r = {} }\ntransitions = [{ r = { r = 'C' } }]",
            "[parts.x]\nstates = { q = {} }\ntransitions = [{ t = 2 }]\n[parts.y]\nstates = { r = {} }",
            {
                "parts": {
                    "x": {"states": {"r": {}, "q": {}}, "transitions": [{"r": {"r": "C"}}, {"t": 2}]},
                    "y": {"states": {"r": {}}},
                }
            },
        ),
        (
            "sets = [1]\nx.transitions = [1]",
            "sets = [2]\nx.transitions = [2]",
            {"sets": [2], "x": {"transitions": [2]}},
        ),
        ("parts.x.y.transitions = [1]", "parts.x.y.transitions = [2]", {"parts": {"x": {"y": {"transitions": [2]}}}}),
    ],
)
def test_merging_two_texts(base: str, over: str, data: dict[str, Any]) -> None:
    merged = laid(base, over)
    assert merged.data == data
    assert json.dumps(merged.data) == json.dumps(data), "the order means something"


def test_merging_leaves_its_inputs_unchanged() -> None:
    sources = [read_text(text, "toml", "x") for text in (BASE, "[states]\nV9 = [1, 2, 3]\n[[transitions]]\nt = 2\n")]
    before = [deepcopy(source.data) for source in sources]
    merged = Merged(sources[0].data, sources[0])
    merged.lay(sources[1].data, sources[1])
    for text in ("transitions.0.V1.V1=C", "transitions.1.t=3", "states.V9.1=7", "let.N=3"):
        setting = read_assignment(text)
        merged.set(setting.entry(merged.data), setting)
    assert [source.data for source in sources] == before
    assert merged.data["transitions"] == [{"V1": {"V1": "C", "V2": "BRC"}}, {"t": 3}]
    assert merged.data["states"]["V9"] == [1, 7, 3]


def test_a_dict_with_settings_is_unchanged() -> None:
    data = small()
    data["states"] = {name: tuple(shape) for name, shape in data["states"].items()}
    before = deepcopy(data)
    assert graphnet.load(data, settings=["states.h1.0=9", "transitions.0.h1.h1=C"]).states["h1"].shape == (9, 8, 8)
    assert data == before


TABLES: Any = st.recursive(
    st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "transitions", "parts"]), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "transitions", "parts"]), TABLES), min_size=1, max_size=4))
def test_every_entry_is_found_in_the_text_it_is_from(layers: list[dict[str, Any]]) -> None:
    """The number found at an entry's place is the entry; numbers encode their text."""
    numbered = [_numbered(layer, 10 * number) for number, layer in enumerate(layers)]
    sources = [read_text(json.dumps(layer, indent=1), "json", str(number)) for number, layer in enumerate(numbered)]
    merged = Merged(sources[0].data, sources[0])
    for source in sources[1:]:
        merged.lay(source.data, source)
    for path, value in _leaves(merged.data):
        fault = merged.locate(Fault(path, "", code="GN004"))
        source = sources[value // 10]
        assert fault.file == source.file
        assert source.text.split("\n")[(fault.line or 0) - 1][(fault.column or 0) - 1 :].rstrip(",") == str(value)


def _numbered(data: Any, offset: int) -> Any:
    if isinstance(data, dict):
        return {key: _numbered(value, offset) for key, value in data.items()}
    return [_numbered(value, offset) for value in data] if isinstance(data, list) else data + offset


def _leaves(data: Any, path: KeyPath = ()) -> list[tuple[KeyPath, int]]:
    if isinstance(data, int):
        return [(path, data)]
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    return [leaf for key, value in inner for leaf in _leaves(value, (*path, key))]


def test_a_chain_ends_in_a_flat_spec(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE)
    write(tmp_path, "a/mid.json", json.dumps({"extends": "../base.toml", "name": "mid", "merge": "mean"}))
    path = write(tmp_path, "a/b/top.toml", 'extends = "../mid.json"\nname = "top"\n[states]\nV2 = [6, 4, 4]\n')
    spec = graphnet.load(path)
    data = tomllib.loads(BASE) | {"name": "top", "merge": "mean"}
    data["states"]["V2"] = [6, 4, 4]
    assert spec.as_data() == data
    assert graphnet.load(spec.as_data()) == spec
    assert spec.source is not None
    assert spec.source.data == data


def test_bases_are_relative_to_the_file_that_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "here/base.toml", BASE.replace('"base"', '"here"'))
    write(tmp_path, "there/base.toml", BASE.replace('"base"', '"there"'))
    path = write(tmp_path, "there/top.toml", 'extends = "base.toml"\n')
    monkeypatch.chdir(tmp_path / "here")
    assert graphnet.load(path).name == "there"
    assert graphnet.load("../there/top.toml").name == "there"
    assert graphnet.load({"extends": "base.toml"}).name == "here"
    assert graphnet.load({"extends": "../there/base.toml"}).name == "there"
    text = read_text(path.read_text(), "toml", "<stdin>")
    assert read(text).document == graphnet.load("base.toml")


def test_standard_input_extends_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "base.toml", BASE)
    monkeypatch.chdir(tmp_path)
    stdin = os.open(write(tmp_path, "in", 'extends = "base.toml"\nname = "in"\nmrege = 1'), os.O_RDONLY)
    with open(stdin) as opened:
        monkeypatch.setattr("sys.stdin", opened)
        fault = only("-")
    assert (fault.file, fault.line, fault.path) == ("<stdin>", 3, ("mrege",))


def test_a_folder_with_a_strange_name(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    write(folder, "base.toml", BASE)
    assert graphnet.load(write(folder, "top.toml", 'extends = "base.toml"\n')).name == "base"


def test_without_extends_nothing_is_merged(tmp_path: Path) -> None:
    spec = graphnet.load(write(tmp_path, "base.toml", BASE))
    assert isinstance(spec.source, Source)
    assert graphnet.load(SMALL).source is None


def test_a_merged_spec_can_be_pickled_and_copied(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE)
    spec = graphnet.load(write(tmp_path, "top.toml", 'extends = "base.toml"'), settings=["readout.t=2"])
    for again in (pickle.loads(pickle.dumps(spec)), deepcopy(spec)):
        assert again == spec
        assert again.source.locate(Fault(("name",), "", code="GN004")).line == 2


# Places of faults


def test_a_fault_has_the_place_of_the_file_it_is_in(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE.replace('"BRC+I"', '"BRJ"'))
    path = write(tmp_path, "more.toml", 'extends = "base.toml"\n[[transitions]]\nV2 = { V9 = "BRC" }\n')
    faults = refused(path)
    places = [(Path(fault.file or "").name, fault.line, fault.column, fault.path) for fault in faults]
    assert sorted(places) == [
        ("base.toml", 8, 16, ("transitions", 0, "V1", "V1")),
        ("more.toml", 3, 8, ("transitions", 1, "V2", "V9")),
    ]
    notes = {Path(fault.file or "").name: fault.note for fault in faults}
    assert notes == {"base.toml": f"{path} extends this file", "more.toml": ""}


def test_the_note_stands_below_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "base.toml", BASE.replace("\nt = 1", "\nt = true"))
    write(tmp_path, "top.toml", 'extends = "base.toml"\n')
    monkeypatch.chdir(tmp_path)
    assert str(only("top.toml")).split("\n") == [
        "base.toml:12:5: error[GN010]: readout.t",
        "  | t = true",
        "  |     ^^^^",
        '  this must be a time such as 4, "5..7" or "1..inf", not true',
        "  top.toml extends this file",
    ]


def test_places_in_three_texts() -> None:
    merged = laid(
        "a = 1\n[t]\nx = 1\ny = 2\n[[transitions]]\nt = 1\n[[transitions]]\nt = 2",
        "b = 1\n[t]\ny = 3\n[[transitions]]\nt = 3\n[[sharing.sets]]\nmembers = ['x']",
        "\n[t]\nz = 3\n[[transitions]]\nt = 4\n[[sharing.sets]]\nmembers = ['y']\n[n]",
    )
    assert place(merged, "a") == "0.toml:1:5"
    assert place(merged, "b") == "1.toml:1:5"
    assert place(merged, "b", on="key") == "1.toml:1:1"
    assert place(merged, "t") == "0.toml:2:1"
    assert [place(merged, "t", key) for key in "xyz"] == ["0.toml:3:5", "1.toml:3:5", "2.toml:3:5"]
    slabs = [place(merged, "transitions", index, "t") for index in range(4)]
    assert slabs == ["0.toml:6:5", "0.toml:8:5", "1.toml:5:5", "2.toml:5:5"]
    assert place(merged, "transitions", 3) == "2.toml:4:1"
    assert place(merged, "transitions", 3, on="key") == "2.toml:4:3"
    assert place(merged, "sharing", "sets", 1, "members", 0) == "2.toml:7:12"
    assert place(merged, "n") == "2.toml:8:1"
    assert place(merged, "transitions", 2, "h1", "h2") == "1.toml:4:1", "a missing cell is placed in its slab"
    assert place(merged, "readout") == "2.toml:1:1", "a key missing everywhere is placed in the last text"
    assert place(merged, "readout", "t") == "2.toml:1:1"
    assert place(merged) == "2.toml:1:1"
    assert place(merged, "t", "w") == "0.toml:2:1"


def test_replaced_entries_have_no_places_in_the_base() -> None:
    merged = laid("[states.h]\nshape = [1, 2]", "[states.h]\nupdate = 'R'", "[states]\nh = [3, 4]")
    assert place(merged, "states", "h") == "2.toml:2:5"
    assert place(merged, "states", "h", 1) == "2.toml:2:9"
    assert place(merged, "states", "h", "update") == "2.toml:2:1"


def test_a_place_inside_a_string() -> None:
    merged = laid("[[transitions]]\nt = 1", "[[transitions]]\nh = { h = 'BRZ' }")
    assert merged.locate(Fault(("transitions", 1, "h", "h"), "", span=(2, 3), code="GN004")).column == 14


def test_faults_stand_file_by_file(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE.replace("\nt = 1", "\nt = []").replace('"base"', "3"))
    path = write(tmp_path, "top.toml", 'extends = "base.toml"\ncite = 3\nmerge = 3\nunroll = 3\n')
    files = [Path(fault.file or "").name for fault in refused(path)]
    assert sorted(files) == ["base.toml"] * 2 + ["top.toml"] * 3
    assert len(list(dict.fromkeys(files))) == 1 + sum(a != b for a, b in pairwise(files))


def test_syntax_in_a_base(tmp_path: Path) -> None:
    base = write(tmp_path, "base.toml", "graphnet = 1\nname = = 3\nname =\n")
    path = write(tmp_path, "top.toml", 'extends = "base.toml"\n')
    faults = refused(path)
    assert [(fault.file, fault.line, fault.note) for fault in faults] == [
        (str(base), 2, f"{path} extends this file"),
        (str(base), 3, f"{path} extends this file"),
    ]


def test_a_fault_below_a_dict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "base.toml", BASE.replace("\nt = 1", "\nt = true"))
    monkeypatch.chdir(tmp_path)
    faults = refused({"extends": "base.toml", "merge": "meen"})
    assert [(fault.path, fault.file, fault.line, fault.note) for fault in faults] == [
        (("merge",), None, None, ""),
        (("readout", "t"), "base.toml", 12, "the spec extends this file"),
    ]


# Invalid bases


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("none.toml", "none.toml: there is no such file"),
        ("none/none.toml", "none/none.toml: there is no such file"),
        ("folder.toml", "folder.toml: this is a directory"),
        ("fifo.toml", "fifo.toml: this is not a regular file"),
        ("zero.toml", "zero.toml: this is not a regular file"),
        ("loop.toml", "loop.toml: this cannot be read: "),
        ("big.toml", "big.toml: this is over 1 MB"),
        ("nul\\u0000.toml", "nul\0.toml: this cannot be read: "),
        (".", "'.' ends neither in .toml nor in .json"),
        ("", "'' ends neither in .toml nor in .json"),
        ("-", "'-' ends neither in .toml nor in .json"),
        ("secret", "'secret' ends neither in .toml nor in .json"),
        ("/etc/passwd", "'/etc/passwd' is an absolute path"),
        ("/base.toml", "'/base.toml' is an absolute path"),
    ],
)
def test_an_invalid_base_is_a_fault_at_the_string(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.toml").mkdir()
    os.mkfifo("fifo.toml")
    Path("zero.toml").symlink_to("/dev/zero")
    Path("loop.toml").symlink_to("loop.toml")
    Path("big.toml").write_text(" " * (1024 * 1024 + 1))
    Path("secret").write_text("graphnet = 1")
    Path("top.toml").write_text(f'graphnet = 1\nextends = "{target}"\n')
    fault = only("top.toml")
    assert (fault.file, fault.line, fault.column, fault.path) == ("top.toml", 2, 11, ("extends",))
    assert fault.what.startswith(what)
    assert fault.fix == "extends takes the relative path of a .toml or .json file"
    assert "\0" not in str(fault)


def test_invalid_uses_of_extends_in_a_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/base.toml", 'extends = "none.toml"\n')
    write(tmp_path, "top.toml", 'extends = "a/base.toml"\n')
    monkeypatch.chdir(tmp_path)
    fault = only("top.toml")
    assert (fault.file, fault.line, fault.what) == ("a/base.toml", 1, "a/none.toml: there is no such file")
    assert fault.note == "top.toml extends this file"


@pytest.mark.parametrize("value", ["3", "true", '["base.toml"]', "{ a = 1 }"])
def test_invalid_paths(tmp_path: Path, value: str) -> None:
    fault = next(fault for fault in refused(write(tmp_path, "top.toml", f"extends = {value}\n{BASE}")) if fault.path)
    assert (fault.path, fault.line) == (("extends",), 1)
    assert fault.what.startswith("this must be a string")


@pytest.mark.parametrize("links", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_a_cycle_names_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    for name, base in zip(links, [*links[1:], links[0]], strict=True):
        write(tmp_path, f"{name}.toml", f'extends = "{base}.toml"\n')
    write(tmp_path, "top.toml", 'extends = "a.toml"\n')
    for start in ("a.toml", "top.toml"):
        fault = only(start)
        cycle = " -> ".join(f"{name}.toml" for name in [*links, "a"])
        assert (fault.file, fault.what) == (f"{links[-1]}.toml", f"files extend each other: {cycle}")
        assert fault.path == ("extends",)


def test_a_cycle_by_another_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a.toml", 'extends = "./x/../link.toml"\n')
    (tmp_path / "x").mkdir()
    (tmp_path / "link.toml").symlink_to("a.toml")
    assert only(path).what.startswith("files extend each other: ")


def test_one_base_twice_is_no_cycle_and_chains_are_at_most_twenty(tmp_path: Path) -> None:
    write(tmp_path, "0.toml", BASE)
    for number in range(1, MAX_CHAIN + 2):
        slab = f"[[transitions]]\nt = {number}\n"
        write(tmp_path, f"{number}.toml", f'extends = "{number - 1}.toml"\n{slab}')
    spec = graphnet.load(tmp_path / f"{MAX_CHAIN}.toml")
    assert [slab.t for slab in spec.transitions] == [None, *((number,) for number in range(1, MAX_CHAIN + 1))]
    fault = only(tmp_path / f"{MAX_CHAIN + 1}.toml")
    assert fault.what.startswith("over 20 files extend one another: ")
    assert Path(fault.file or "").name == "1.toml"


def test_files_are_not_too_large_together(tmp_path: Path) -> None:
    write(tmp_path, "0.toml", BASE)
    for number in range(1, 8):
        write(tmp_path, f"{number}.toml", f'extends = "{number - 1}.toml"\n' + f"x{number} = [{'1,' * 20_000}]\n")
    fault = only(tmp_path / "7.toml")
    assert fault.what == "with this file the spec has over 100,000 entries"


# Settings


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("readout.t=3", ("readout", "t"), 3),
        (" readout . t = 3 ", ("readout", "t"), 3),
        ("a=-1.5e3", ("a",), -1500.0),
        ("a=true", ("a",), True),
        ('a="x y"', ("a",), "x y"),
        ("a='x=y'", ("a",), "x=y"),
        ("a=[1, 2]", ("a",), [1, 2]),
        ("a={ b = 1, c = [] }", ("a",), {"b": 1, "c": []}),
        ("a={}", ("a",), {}),
        ("a=1 # why", ("a",), 1),
        ('states."V1.r"=[1]', ("states", "V1.r"), [1]),
        ("states.'V=1'=[1]", ("states", "V=1"), [1]),
        ('"a\\u0062"=1', ("ab",), 1),
        ("transitions.0.h1.h1=BRC", ("transitions", "0", "h1", "h1"), "BRC"),
        ("norm.affine=shared", ("norm", "affine"), "shared"),
        ("norm.statistics=per-time", ("norm", "statistics"), "per-time"),
        ("a=BRCx2+I", ("a",), "BRCx2+I"),
        ("a=C1:512/2", ("a",), "C1:512/2"),
        ("a=-", ("a",), "-"),
        ("a=1..inf", ("a",), "1..inf"),
        ("a=2N", ("a",), "2N"),
        ("a=h1->h1@1..5", ("a",), "h1->h1@1..5"),
        ("a=True", ("a",), "True"),
        ('a="\\u001b"', ("a",), "\x1b"),
        ("name=é", ("name",), "é"),
        ('a="""\nx\ny"""', ("a",), "x\ny"),
    ],
)
def test_settings(text: str, key: tuple[str, ...], value: Any) -> None:
    setting = read_assignment(text)
    assert (setting.key, setting.value, type(setting.value)) == (key, value, type(value))


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("transitions[0].t=3", "this is not KEY=VALUE", "write an index after a dot: --set transitions.0.t="),
        ("", "this is not KEY=VALUE", "--set readout.t=3"),
        ("readout.t", "this is not KEY=VALUE", "--set readout.t=3"),
        ("=3", "this is not KEY=VALUE", ""),
        ("a b=3", "this is not KEY=VALUE", ""),
        ("a..b=3", "this is not KEY=VALUE", ""),
        ("a.=3", "this is not KEY=VALUE", ""),
        ("[a]\nb=3", "this is not KEY=VALUE", ""),
        ("a\nb=3", "this is not KEY=VALUE", ""),
        ('"a=3', "this is not KEY=VALUE", ""),
        ("é=3", "this is not KEY=VALUE", ""),
        ("a#b=3", "this is not KEY=VALUE", ""),
        ("a=", "there is no value", "--set readout.t=3"),
        ("a=  ", "there is no value", ""),
        ("a=two words", "this is not TOML: 'two words'", """--set a='"two words"'"""),
        ("a=b=c", "this is not TOML: 'b=c'", """--set a='"b=c"'"""),
        ("a=BR,C", "this is not TOML: 'BR,C'", """--set a='"BR,C"'"""),
        ("t=5,6", "this is not TOML: ',6'", "put a list in square brackets: --set t='[5, 6]'"),
        ("t=5, 7..8", "this is not TOML: ', 7..8'", """--set t='[5, "7..8"]'"""),
        ("a=[1, 2", "this '[' is never closed", "close it with ']'"),
        ('a="x', "this string is never closed", "closing quote"),
        ("a=[x]", "this is not TOML: 'x]'", 'put text in quotes: "x"'),
        ("a=nan", "nan is not a finite number", ""),
        ("a=1979-05-27", "a date or time has no meaning in a spec", ""),
        (f"a={2**63}", "this integer does not fit in 64 bits", ""),
        ("a={ b = 1, b = 2 }", "'b' is written twice", ""),
        ("a=1\nb=2", "this sets more than one entry", "its own --set"),
        ("a.b=1\na.c=2", "this sets more than one entry", "its own --set"),
        ("a=1\n[b]", "this sets more than one entry", "its own --set"),
        (".".join("a" * 70) + "=1", "this is nested more than 64 levels deep", ""),
        ("a=" + "[" * 70 + "]" * 70, "this is nested more than 64 levels deep", ""),
    ],
)
def test_invalid_settings(text: str, what: str, fix: str) -> None:
    with pytest.raises(graphnet.SpecError) as caught:
        read_assignment(text)
    (fault,) = caught.value.faults
    assert (fault.file, fault.line, fault.column) == (f"--set {text}", None, None)
    assert fault.what.startswith(what)
    assert fix in fault.fix
    assert str(fault).count("\n") == 2 - (not fault.fix) + 2 * bool(text), "one line each, for any setting"


@given(st.text(max_size=30) | st.text("ab.=\"'[]{}0 \n#,\\", max_size=12))
def test_any_text_is_a_setting_or_refused(text: str) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        setting = read_assignment(text)
    except graphnet.SpecError as error:
        faults = error.faults
    assert all(fault.file == f"--set {text}" and fault.line is None for fault in faults)
    inner = {} if faults else setting.data
    for word in () if faults else setting.key:
        assert len(inner) == 1
        inner = inner[word]


def test_settings_are_laid_over_a_spec() -> None:
    path = ROOT / "specs/quickstart.toml"
    untied = graphnet.load(path, settings=["sharing.over_time=false", "readout.t=5"])
    assert not untied.sharing.over_time
    assert graphnet.plan(untied).last_time == 5


@pytest.mark.parametrize(
    ("settings", "path", "value"),
    [
        (["name=other"], ("name",), "other"),
        (["transitions.0.h1.h1=C"], ("transitions", 0, "h1", "h1"), "C"),
        (["transitions.0.delay=2"], ("transitions", 0, "delay"), 2),
        (["states.h2.0=7"], ("states", "h2", 0), 7),
        (["states.h3=[6, 4, 4]"], ("states", "h3"), [6, 4, 4]),
        (["sharing.over_time=false"], ("sharing",), {"over_time": False}),
        (["readout.t=3", "readout.t=4"], ("readout", "t"), 4),
        (["norm={ affine = 'shared', eps = 0.1 }", "norm={ eps = 0.2 }"], ("norm",), {"eps": 0.2}),
        (["norm.affine=shared", "norm.eps=0.2"], ("norm",), {"affine": "shared", "eps": 0.2}),
        (["let.N=2", "readout.t=2N"], ("readout", "t"), "2N"),
        (
            ["transitions.0.h1.h1={ ops = 'C' }", "transitions.0.h1.h1.delay=3"],
            ("transitions", 0, "h1", "h1", "delay"),
            3,
        ),
    ],
)
def test_entries_that_are_set(settings: list[str], path: KeyPath, value: Any) -> None:
    data: Any = graphnet.load(SMALL, settings=settings).as_data()
    for part in path:
        data = data[part]
    assert data == value


@pytest.mark.parametrize(
    ("setting", "path", "what", "fix"),
    [
        ("sharing.over_time=maybe", ("sharing", "over_time"), "this must be true or false", ""),
        ("sharing.over_tme=true", ("sharing", "over_tme"), "no key is called 'over_tme' here", "did you mean"),
        ("transitions.0.h1.h1=BRZ", ("transitions", 0, "h1", "h1"), "", ""),
        ("transitions.0.h1.h9=BRC", ("transitions", 0, "h1", "h9"), "", "h2"),
        ("transitions.1.t=3", ("transitions",), "there is no '1' in this list", "its entries are 0 to 0"),
        ("transitions.-1.t=3", ("transitions",), "there is no '-1' in this list", "its entries are 0 to 0"),
        ("transitions.99999999999.t=3", ("transitions",), "there is no '99999999999' in this list", ""),
        (
            "transitions.first.t=3",
            ("transitions",),
            "this is not a table, so it has no 'first'",
            "--set transitions='{",
        ),
        (
            "states.h1.update=R",
            ("states", "h1"),
            "this is not a table, so it has no 'update'",
            "--set states.h1='{ ... }'",
        ),
        ("transitions.0.h1.h1.delay=2", ("transitions", 0, "h1", "h1"), "this is not a table", "transitions.0.h1.h1='"),
        ("readout.t.x=2", ("readout", "t"), "this is not a table, so it has no 'x'", "--set readout.t='{ ... }'"),
        ("extends=base.toml", ("extends",), "'extends' cannot be set", "write it in the spec"),
        ("norm.affine=two words", (), "this is not TOML", """'"two words"'"""),
    ],
)
def test_a_fault_of_a_setting_names_it(setting: str, path: KeyPath, what: str, fix: str) -> None:
    fault = only(SMALL, [setting])
    assert (fault.path, fault.file, fault.line, fault.column) == (path, f"--set {setting}", None, None)
    assert what in fault.what
    assert fix in fault.fix
    assert str(fault).startswith(f"--set {setting}: error[{fault.code}]: ")


def test_all_faults_of_settings_come_at_once(tmp_path: Path) -> None:
    faults = refused(write(tmp_path, "x.toml", BASE), ["readout", "readout.t=4", "name=a b", "states.V1.x.y=1"])
    assert [fault.file for fault in faults] == ["--set readout", "--set name=a b", "--set states.V1.x.y=1"]


def test_faults_of_a_setting_and_of_the_file_come_together(tmp_path: Path) -> None:
    path = write(tmp_path, "x.toml", BASE.replace("graphnet = 1", "graphnet = 2"))
    faults = refused(path, ["merge=meen", "transitions.0.V1.V1=BRZ"])
    assert [(fault.file, fault.line, fault.path[0]) for fault in faults] == [
        (str(path), 1, "graphnet"),
        ("--set merge=meen", None, "merge"),
        ("--set transitions.0.V1.V1=BRZ", None, "transitions"),
    ]


def test_entries_that_are_not_set_keep_their_places(tmp_path: Path) -> None:
    source = read_text(BASE, "toml", "x.toml")
    merged = merge(source.data, source, "x.toml", ["transitions.0.V1.V1=C", "let.N=3"])
    assert place(merged, "transitions", 0, "V1", "V2") == "x.toml:8:27"
    assert place(merged, "transitions", 0, "V1", "V1") == "--set transitions.0.V1.V1=C:None:None"
    assert place(merged, "let") == place(merged, "let", "N") == "--set let.N=3:None:None"
    assert place(merged, "readout", "t") == "x.toml:12:5"


def test_settings_come_after_extends(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE)
    path = write(tmp_path, "top.toml", 'extends = "base.toml"\nname = "top"\n[[transitions]]\nV2 = { V1 = "BRD" }\n')
    spec = graphnet.load(path, settings=["name=set", "transitions.1.V2.V1='BRD+D'", "readout.t=2"])
    assert spec.name == "set"
    assert spec.transitions[1].rows["V2"]["V1"].ops == "BRD+D"
    fault = only(path, ["transitions.2.t=3"])
    assert fault.fix == "its entries are 0 to 1"


def test_settings_over_a_spec_that_was_read() -> None:
    spec = graphnet.load(SMALL)
    assert graphnet.load(spec, settings=["readout.t=4"]) == graphnet.load(SMALL, settings=["readout.t=4"])
    assert graphnet.load(spec) is spec
    assert spec.as_data() == SMALL


def test_nothing_that_moves_a_cursor_is_shown(tmp_path: Path) -> None:
    escape = "\x1b]0;x\x07"
    write(tmp_path, "base.toml", BASE + '[norm]\n"k\\u001b[31m\\nk\\u009b" = 1\naffine = "\\u001b[2J"\n')
    path = write(tmp_path, "top.toml", 'extends = "base.toml"\n[states]\n"\\u202eV\\"3" = [1, 2]\n')
    for faults in (refused(path), refused(SMALL, [f"readout.t='{escape}'", f"{escape}=3"])):
        assert faults
        for fault in faults:
            assert str(fault).replace("\n", "").isprintable()
            assert 2 <= len(str(fault).split("\n")) <= 6


def test_a_dropped_entry_leaves_no_place() -> None:
    source = read_text("[a]\nb = 1\n", "toml", "x.toml")
    merged = Merged(source.data, source)
    merged.set(("a", "b"), read_assignment("a.b=2"))
    merged.drop(("a", "b"))
    merged.drop(("c", "d"))
    assert (merged.data, source.data) == ({"a": {}}, {"a": {"b": 1}})
    assert merged.locate(Fault(("a", "b"), "", code="GN010")).file == "x.toml"
