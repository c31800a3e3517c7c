"""The public functions: arguments, results, and places of faults."""

from __future__ import annotations

import gc
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import graphnet
from graphnet.pipeline import uncollected
from tests.small import SMALL, faults, small


def written(tmp_path: Path, spec: dict[str, Any]) -> Path:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(spec, indent=1))
    return path


def test_a_spec_may_be_a_dict_a_path_or_a_spec(tmp_path: Path) -> None:
    path = written(tmp_path, small())
    plans = [graphnet.plan(given) for given in (SMALL, path, str(path), graphnet.load(path))]
    assert plans.count(plans[0]) == 4
    nets = [graphnet.compile(given).state_dict() for given in (SMALL, path, graphnet.load(path))]
    assert all(torch.equal(nets[0][name], nets[2][name]) for name in nets[0])
    assert graphnet.draw(SMALL) == graphnet.draw(path)


def test_standard_input_is_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.BytesIO(json.dumps(small()).encode())
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=text))
    assert graphnet.load("-") == graphnet.load(SMALL)


@pytest.mark.parametrize("call", [graphnet.plan, graphnet.compile, graphnet.draw])
def test_faults_of_meaning_have_their_place_in_the_file(call: Any, tmp_path: Path) -> None:
    path = written(tmp_path, small(readout={"t": 0}, merge="mean"))
    with pytest.raises(graphnet.SpecError) as caught:
        call(path)
    (fault,) = caught.value.faults
    line = path.read_text().splitlines().index('  "t": 0') + 1
    assert (fault.file, fault.line, fault.column) == (str(path), line, 8)
    assert fault.path == ("readout", "t")


def test_a_spec_keeps_its_places_after_loading(tmp_path: Path) -> None:
    spec = graphnet.load(written(tmp_path, small(readout={"t": 0})))
    with pytest.raises(graphnet.SpecError) as caught:
        graphnet.plan(spec)
    assert caught.value.faults[0].line is not None


def test_all_faults_of_a_file_come_in_the_order_of_the_text(tmp_path: Path) -> None:
    wrong = small({"h1": {"h1": "Z", "h9": "C", "h2": "C"}}, merge="all", readout={"t": 1, "state": "h8"}, nmae="x")
    found = faults(written(tmp_path, wrong))
    assert len(found) == 5
    places = [(fault.line, fault.column) for fault in found]
    assert places == sorted(places)
    assert None not in dict(places)


def test_draw_writes_what_it_returns(tmp_path: Path) -> None:
    path = tmp_path / "net.svg"
    svg = graphnet.draw(SMALL, path)
    assert path.read_text(encoding="utf-8") == svg
    assert svg.startswith("<svg") or svg.startswith("<?xml")
    with pytest.raises(OSError, match="No such file"):
        graphnet.draw(SMALL, tmp_path / "none" / "net.svg")


def test_dead_transitions_can_be_kept() -> None:
    spec = small({"h1": {"h1": "C", "h2": "C"}}, readout={"t": 1})
    assert "h1.from_h1.conv1.weight" not in graphnet.compile(spec).state_dict()
    assert "h1.from_h1.conv1.weight" in graphnet.compile(spec, keep_dead=True).state_dict()
    assert graphnet.plan(spec, keep_dead=True).parameters > graphnet.plan(spec).parameters


def test_objects_made_without_the_collector_count_as_old() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        made = [[number] for number in range(1000)]
    assert gc.isenabled()
    young = {id(each) for generation in (0, 1) for each in gc.get_objects(generation)}
    assert not young.intersection(map(id, made))
