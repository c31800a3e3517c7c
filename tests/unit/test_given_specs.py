"""Ways to pass a spec: zoo names, files of the same name, compiled nets, settings as a dict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import graphnet
from graphnet import zoo
from graphnet.given_specs import SpecNameWarning
from tests.small import SMALL, faults, small


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_names_of_the_zoo_are_specs(here: Path) -> None:
    assert graphnet.load("lstm") == graphnet.load(zoo.path("lstm"))
    assert graphnet.load(Path("lstm")).name == "lstm"
    assert graphnet.plan("cornet-s").parameters == 53_416_616
    assert graphnet.draw("elman") == graphnet.draw(zoo.path("elman"))
    assert graphnet.unroll("elman") == graphnet.unroll(zoo.path("elman"))
    assert graphnet.compile("elman").meta["spec"].name == "elman"


def test_a_base_is_found_beside_the_spec_of_the_zoo_not_in_the_current_folder(here: Path) -> None:
    assert "extends" in zoo.text("cornet-rt-skipping")
    (here / "cornet-rt.toml").write_text("this is no spec")
    assert graphnet.load("cornet-rt-skipping").name == "cornet-rt-skipping"


def test_a_file_of_that_name_takes_precedence_with_one_warning(here: Path) -> None:
    (here / "lstm").write_text(zoo.text("quickstart"))
    with pytest.warns(SpecNameWarning) as said:
        assert graphnet.plan("lstm").name == "quickstart"
    assert [str(each.message) for each in said] == ["'lstm' is the file of that name here, not the zoo spec"]
    assert graphnet.load("./lstm").name == "quickstart", "a path is not a name: no warning"


@pytest.mark.parametrize("suffix", [".toml", ".json"])
def test_a_file_with_a_suffix_is_another_name_with_a_warning(here: Path, suffix: str) -> None:
    (here / f"lstm{suffix}").write_text("{}")
    with pytest.warns(SpecNameWarning, match=rf"^'lstm' is the zoo spec, not the file lstm\{suffix} here$"):
        assert graphnet.load("lstm").name == "lstm"


def test_a_run_folder_is_the_spec_of_the_run(here: Path) -> None:
    run = here / "lstm"
    run.mkdir()
    (run / "run.json").write_text("{}")
    (run / "spec.json").write_text(json.dumps(SMALL))
    with pytest.warns(SpecNameWarning) as said:
        assert graphnet.plan("lstm").name == "small"
    assert [str(each.message) for each in said] == ["'lstm' is the run folder of that name here, not the zoo spec"]
    assert graphnet.load(run).name == "small"
    (run / "spec.json").unlink()
    (found,) = faults(run)
    assert (found.file, found.what) == (str(run / "spec.json"), "there is no such file")


def test_a_folder_of_that_name_is_no_file(here: Path) -> None:
    (here / "lstm").mkdir()
    assert graphnet.load("lstm").name == "lstm"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("cornet_s", "did you mean 'cornet-s'? `graphnet zoo` lists them"),
        ("cornet-s.toml", "did you mean 'cornet-s'? `graphnet zoo` lists them"),
        ("specs/vision/cornet-s.toml", "did you mean 'cornet-s'? `graphnet zoo` lists them"),
        ("qqqqqq", "`graphnet zoo` lists them"),
    ],
)
def test_an_unknown_name_suggests_similar_ones(here: Path, given: str, hint: str) -> None:
    (fault,) = faults(given)
    assert (fault.file, fault.code, fault.fix) == (given, "GN001", hint)
    assert fault.what == "there is no such file, and no zoo spec of this name"


@pytest.mark.parametrize("given", ["bl-netz.toml", "some/bl-netz", "mine.json"])
def test_a_path_is_not_taken_for_a_name(here: Path, given: str) -> None:
    (fault,) = faults(given)
    assert fault.what == "there is no such file"
    assert "graphnet zoo" in fault.fix


def test_a_compiled_net_is_drawn_planned_and_compiled_again() -> None:
    net = graphnet.compile(SMALL)
    assert graphnet.load(net) is net.meta["spec"]
    assert graphnet.draw(net) == graphnet.draw(SMALL)
    assert graphnet.plan(net) == net.meta["plan"]
    assert graphnet.plan(net, settings={"readout.t": 3}) == graphnet.plan(SMALL, settings={"readout.t": 3})
    shorter = graphnet.perturb(graphnet.compile(small(readout={"t": 3})), {"h1": {"h1": "I"}})
    assert graphnet.plan(shorter) == shorter.meta["plan"]


def test_a_net_is_planned_as_it_was_compiled() -> None:
    dead = small(readout={"t": 1})
    assert graphnet.plan(dead) != graphnet.plan(dead, keep_dead=True)
    net = graphnet.compile(dead, keep_dead=True)
    assert graphnet.plan(net) == net.meta["plan"]


@pytest.mark.parametrize("given", [nn.Linear(2, 2), 3, None])
def test_anything_else_is_no_spec(given: Any) -> None:
    with pytest.raises(TypeError, match=f"a spec must be a dict, .* not {type(given).__name__}$"):
        graphnet.plan(given)


@pytest.mark.parametrize(
    "settings",
    [["let.N=2", "readout.t=9"], {"let.N": 2, "readout.t": 9}, {"let.N": np.int64(2), "readout": {"t": 9}}],
)
def test_settings_are_a_list_or_a_dict_wherever_they_are_taken(settings: Any) -> None:
    wanted = graphnet.plan(graphnet.load("resnet-3-state", settings=["let.N=2", "readout.t=9"]))
    assert graphnet.plan("resnet-3-state", settings=settings) == wanted
    assert graphnet.compile("resnet-3-state", settings=settings).meta["plan"] == wanted
    assert graphnet.draw("resnet-3-state", settings=settings) == graphnet.draw(
        graphnet.load("resnet-3-state", settings=settings)
    )
    assert graphnet.unroll("resnet-3-state", settings=settings) == graphnet.unroll(
        graphnet.load("resnet-3-state", settings=settings)
    )


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("name", 'a "b" \\ =\n c', None),
        ("merge", "mean", None),
        ("sharing.over_time", False, None),
        ("norm.eps", 1e-3, None),
        ("norm.eps", np.float32(0.5), None),
        ("states.h1", {"shape": (4, 8, 8), "update": "R"}, {"shape": [4, 8, 8], "update": "R"}),
    ],
)
def test_a_value_of_a_setting_is_kept_whatever_its_kind(key: str, value: Any, text: Any) -> None:
    found: Any = graphnet.load(SMALL, settings={key: value}).as_data()
    for word in key.split("."):
        found = found[word]
    assert found == (text or value)


def test_one_setting_needs_no_list() -> None:
    assert (
        graphnet.load(SMALL, settings="readout.t=3").readout.t
        == graphnet.load(SMALL, settings=["readout.t=3"]).readout.t
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"readout.t": None}, "None has no meaning in a spec"),
        ({"readout.t": [1, None]}, "[1, None] cannot be a value of a spec"),
        ({"norm": {1: 2}}, "{1: 2} cannot be a value of a spec"),
        ({"norm.eps": float("nan")}, "nan is not a finite number"),
        ({"readout.tt": 3}, "no key is called 'tt' here"),
    ],
)
def test_wrong_settings_of_a_dict_are_named(settings: Any, said: str) -> None:
    with pytest.raises(graphnet.SpecError) as caught:
        graphnet.load(SMALL, settings=settings)
    (fault,) = caught.value.faults
    assert fault.what == said
    assert fault.file is not None
    assert fault.file.startswith(f"--set {next(iter(settings))}")
