"""The generated Python source computes the same as the compiled net."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import graphnet
from graphnet.runtime.python_source import WIDTH, write_source
from tests.conftest import zoo_up_to
from tests.small import small

Forward = Callable[..., Any]


def run(source: str) -> Forward:
    """Run the function defined by generated source."""
    scope: dict[str, Any] = {}
    exec(compile(source, "<generated>", "exec"), scope)
    forward: Forward = scope["forward"]
    return forward


def agree(spec: Any, training: bool, batch: int = 2) -> None:
    """Check that outputs and, in training, updated statistics are equal bit for bit."""
    net = graphnet.compile(spec, optimize=0).train(training)  # the source is generated from the plan
    state = {name: value.detach().clone() for name, value in net.state_dict().items()}
    before = {name: value.clone() for name, value in state.items()}
    images = torch.randn(batch, *graphnet.plan(spec).input_shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        expected = net(images)
        found = run(write_source(graphnet.plan(spec)))(images, state, training)
    assert type(found) is type(expected)
    pairs = [(found, expected)] if isinstance(expected, Tensor) else [(found[t], expected[t]) for t in expected]
    assert all(torch.equal(a, b) and a.isfinite().all() for a, b in pairs)
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    moved = {name for name in state if not torch.equal(state[name], before[name])}
    assert moved <= {name for name, _ in net.named_buffers()}
    assert bool(moved) == (training and any(True for _ in net.buffers()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("path", zoo_up_to(1e8, thorough=5e9))
def test_the_specs_that_come_with_graphnet(path: Path, training: bool) -> None:
    agree(graphnet.load(path).as_data(), training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("merge", ["sum", "mean", "max"])
def test_several_readouts_merges_branches_and_pools(merge: str, training: bool) -> None:
    slab = {"h1": {"h1": "BR(C+C1+I)", "h2": "P3C sigmoid"}, "h2": {"h1": "BD5", "h2": "A1/1 tanh elu C+I"}}
    agree(small(slab, merge=merge, readout={"t": [2, 4]}, input={"shape": [1, 8, 8], "t": "0..inf"}), training)


def test_zeros_are_of_the_batch_s_size() -> None:
    states = {"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "unpopulated": "zeros"}}
    spec = small({"t": "1..inf", "h1": {"h2": "C"}, "h2": {"h2": "BRI"}}, states=states, readout={"t": 1})
    assert "h2_t0_zeros = input.new_zeros((input.size(0), 6, 4, 4))" in write_source(graphnet.plan(spec))
    agree(spec, training=True, batch=3)


def test_zeros_before_the_first_step_have_no_heading() -> None:
    states = {"h1": [4, 8, 8], "h2": {"shape": [6, 4, 4], "unpopulated": "zeros"}}
    source = write_source(graphnet.plan(small({"h1": {"h2": "C"}, "h2": {"h2": "BRI"}}, states=states)))
    assert "    h2_zeros = input.new_zeros(" in source
    assert "t = -1" not in source


def test_writing_needs_no_more_than_the_plan_and_reads_by_time() -> None:
    source = write_source(graphnet.plan(small(cite="Us 2026")))
    tree = ast.parse(source)
    assert (ast.get_docstring(tree) or "").startswith("small: written by graphnet from a spec. After Us 2026.")
    headings = [line.strip() for line in source.splitlines() if line.strip().startswith("#")]
    assert headings == ["# t = 0", "# t = 1", "# t = 2", "# t = 3"]
    assert "def forward(input: Tensor, w: dict[str, Tensor], training: bool = False) -> Tensor:" in source
    assert source.endswith("return logits_t3\n")
    assert max(map(len, source.splitlines())) <= WIDTH


def test_long_names_are_broken_over_lines() -> None:
    long = "an_area_with_a_very_long_name_indeed_that_fills_half_a_line"
    spec = small({long: {long: "BRC"}}, states={long: [4, 8, 8]}, readout={"t": 2})
    source = write_source(graphnet.plan(spec))
    assert any(line.endswith("= torch.conv2d(") for line in source.splitlines())
    agree(spec, training=False)


def test_lists_are_not_broken() -> None:
    one, two, both = "a" * 40, "b" * 40, "c" * 40
    states = {one: [4, 8, 8], two: [4, 8, 8], both: {"shape": [6, 4, 4], "merge": "concat"}}
    slabs = [{"t": 1, one: {one: "I", two: "I"}}, {"t": 2, one: {both: "C:3"}, two: {both: "C:3"}}]
    spec = small(*slabs, states=states, readout={"t": 2})
    source = write_source(graphnet.plan(spec))
    joined = re.findall(rf"^        \[{both}_from_{one}_t2_conv1, {both}_from_{two}_t2_conv1\],$", source, re.M)
    assert len(joined) == 1
    agree(spec, training=False)


@pytest.mark.parametrize("name", ['quo"""te', "back\\slash", "two\nlines", "ümläut 視覚", "{braces} %s"])
def test_names_that_need_escaping_in_a_docstring(name: str) -> None:
    source = write_source(graphnet.plan(small(name=name, cite=name)))
    tree = ast.parse(source)
    assert len(tree.body) == 5
    assert run(source)(torch.zeros(1, 1, 8, 8), dict(graphnet.compile(small()).state_dict()), False).shape == (1, 3)
