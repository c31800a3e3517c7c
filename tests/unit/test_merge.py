"""Specs made of several texts: `extends` and `--set`."""

from __future__ import annotations

from pathlib import Path

import pytest

import graphnet
from tests.conftest import ROOT

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
    path.write_text(text)
    return path


def test_tables_merge_states_come_last_and_slabs_are_appended(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE)
    more = 'extends = "base.toml"\nname = "more"\n[states]\nV4 = [16, 2, 2]\n[[transitions]]\nV2 = { V4 = "BRC" }\n'
    spec = graphnet.load(write(tmp_path, "more.toml", more + "[readout]\nt = 2\n"))
    assert (spec.name, list(spec.states), len(spec.transitions)) == ("more", ["V1", "V2", "V4"], 2)
    assert "extends" not in spec.as_data()
    assert graphnet.plan(spec).outputs == ((2, "V4_t2"),)


def test_a_fault_has_the_place_of_the_file_it_is_in(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", BASE.replace('"BRC+I"', '"BRJ"'))
    path = write(tmp_path, "more.toml", 'extends = "base.toml"\n[[transitions]]\nV2 = { V9 = "BRC" }\n')
    with pytest.raises(graphnet.SpecError) as error:
        graphnet.plan(path)
    places = {(Path(fault.file or "").name, fault.line) for fault in error.value.faults}
    assert places == {("base.toml", 8), ("more.toml", 3)}


@pytest.mark.parametrize("target", ["none.toml", ".", "/etc/passwd", "self.toml"])
def test_what_cannot_be_extended_is_a_fault_at_the_key(tmp_path: Path, target: str) -> None:
    path = write(tmp_path, "self.toml", f'extends = "{target}"\n')
    with pytest.raises(graphnet.SpecError) as error:
        graphnet.load(path)
    fault = error.value.faults[0]
    assert (fault.path, fault.line) == (("extends",), 1)


def test_settings_are_laid_over_a_spec() -> None:
    path = ROOT / "specs/quickstart.toml"
    untied = graphnet.load(path, settings=["sharing.over_time=false", "readout.t=5"])
    assert not untied.sharing.over_time
    assert graphnet.plan(untied).last_time == 5


def test_a_fault_of_a_setting_names_it() -> None:
    with pytest.raises(graphnet.SpecError, match=r"(?s)--set sharing\.over_time=3.*this must be true or false"):
        graphnet.load(ROOT / "specs/quickstart.toml", settings=["sharing.over_time=3"])
