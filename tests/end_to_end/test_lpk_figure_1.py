"""The example that reproduces LPK's Figure 1: exact for the hand-set net, robust properties for the trained ones."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import Tensor

import graphnet
from examples import lpk_figure_1 as figure
from graphnet import zoo
from graphnet.edits import DropBlock
from tests.conftest import ROOT

Z = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
ALPHA, EPSILON = torch.tensor([[1.5, 0.75], [0.3, 0.8]]).double()  # rounded to float32, like initial weights


def closed_form(t: int) -> Tensor:
    """The estimate of the error-corrective algorithm after t steps, each of which shrinks its error by a factor."""
    return Z + (1 - ALPHA.sign() * EPSILON * ALPHA) ** t * (ALPHA * Z - Z)


def close(found: Tensor, wanted: Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_the_hand_set_net_equals_the_closed_form() -> None:
    run = graphnet.compile(zoo.path("inverse-model")).double()(ALPHA * Z)
    assert list(run) == list(range(11))
    for t, estimate in run.items():
        close(estimate, closed_form(t))


def test_edits_of_the_hand_set_net() -> None:
    """All blocks are alike: early readouts and repeats are other times, and dropping any block has the same effect."""
    net = figure.error_corrective().double()
    for t, estimate in enumerate(figure.path(net, Z)):
        close(estimate, closed_form(t))
    for more, estimate in enumerate(figure.beyond(net, Z)):
        close(estimate, closed_form(10 + more))
    for block in (1, 4, 10):
        without = figure.estimates(net, Z, DropBlock("h", block))
        close(without, closed_form(9))


@pytest.mark.parametrize(("name", "weights"), [("residual", 10), ("recurrent", 1), ("plain", 10)])
def test_trained_nets(name: str, weights: int) -> None:
    plan = graphnet.plan(figure.SPECS[name])
    assert (plan.depth, plan.parameters) == (22, 3 * 16 + 17 * 2 + weights * 2 * 17 * 16)


@pytest.fixture
def _threads() -> Iterator[None]:
    """Restore the number of threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("_threads")
def test_the_figure_is_drawn_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ROOT / "examples" / "lpk_figure_1.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "figure.svg"), "--steps", "200"])
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    rows = [line.replace("|", " ").split() for line in said.splitlines() if line.count("|") == 3][1:]
    errors = {name: [float(error) for error in row] for name, *row in rows}
    assert list(errors) == ["error-corrective", "residual", "recurrent", "plain"]
    assert all(len(row) == 9 and torch.tensor(row).isfinite().all() for row in errors.values())
    final, *_, ten_more = errors["error-corrective"]
    assert ten_more <= final <= 1e-3
    for name in ("residual", "recurrent"):  # training has begun, and the last block is not the final point
        final, first, *_, ten_more = errors[name]
        assert final < 0.1 < ten_more
        assert final < first
    assert "b  the error falls with every block: error-corrective" in said
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
