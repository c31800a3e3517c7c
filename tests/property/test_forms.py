"""Drawn nets in both forms: step by step, copied, pickled; and the node names of their graphs."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import torch
from hypothesis import assume, event, given
from hypothesis import strategies as st
from torch import Tensor

import graphnet
from graphnet.runtime.net import Net
from tests.property.agreement import make_case
from tests.property.strategies import specs
from tests.small import statistics

TOLERANCE = 1e-10
"""Tolerance relative to the largest value: two forms of a net differ only by the order of sums."""


def compiled(spec: dict[str, Any], **settings: Any) -> Net:
    try:
        return graphnet.compile(spec, **settings).double()
    except graphnet.SpecError:
        assume(False)
        raise


def outputs(net: Net, image: Tensor) -> dict[int, Tensor]:
    torch.manual_seed(0)
    found = net(image)
    return found if isinstance(found, dict) else {net.meta["plan"].outputs[0][0]: found}


def close(found: Tensor, wanted: Tensor) -> bool:
    return float((found - wanted).detach().abs().max()) <= TOLERANCE * max(1.0, float(wanted.detach().abs().max()))


@given(specs(), st.booleans(), st.sampled_from([0, 2]), st.booleans())
def test_steps_add_up_to_the_forward_pass(spec: dict[str, Any], stepwise: bool, level: int, training: bool) -> None:
    net = compiled(spec, stepwise=stepwise, optimize=level).train(training)
    assume("noise" not in str(spec))
    image = make_case(spec, training=True).image.detach()
    twin = copy.deepcopy(net)
    wanted = outputs(net, image)
    times = twin._timeline
    event(f"sequence {times.sequence}, several outputs {len(wanted) > 1}")
    memory = None
    indices = {line.t: line.op.number("index") for line in net.meta["plan"].lines if line.op.kind == "slice"}
    for t in range(times.arrivals[0], times.last + 1):
        frame = None
        if t in times.arrivals:
            frame = image[:, indices[t]] if times.sequence else image
        output, memory = twin.step(frame, memory)
        early = t == times.arrivals[0] and [at for at in wanted if at < t]  # an output before the first image
        if t in wanted and not early:
            assert output is not None
            assert close(output, wanted[t])
        else:
            assert output is None or t in wanted
    for name, buffer in statistics(net).items():
        assert torch.allclose(twin.get_buffer(name), buffer, rtol=1e-9, atol=1e-12), name


@given(specs(), st.booleans(), st.sampled_from([0, 1, 2]), st.sampled_from(["deepcopy", "pickle"]))
def test_copies_compute_the_same(spec: dict[str, Any], stepwise: bool, level: int, way: str) -> None:
    net = compiled(spec, stepwise=stepwise, optimize=level)
    twin = copy.deepcopy(net) if way == "deepcopy" else pickle.loads(pickle.dumps(net))
    image = make_case(spec, training=True).image.detach()
    assert twin.code == net.code
    for training in (True, False):
        found, wanted = outputs(twin.train(training), image), outputs(net.train(training), image)
        assert all(torch.equal(found[t], value) for t, value in wanted.items())


@given(specs())
def test_nodes_at_level_0_have_the_names_of_the_plan(spec: dict[str, Any]) -> None:
    """All values of states and their terms, except sums of a single term."""
    net = compiled(spec, optimize=0)
    nodes = {node.name for node in net.graph.nodes}
    for line in net.meta["plan"].lines:
        alone = line.op.kind in ("sum", "mean", "max", "product") and len(line.arguments) == 1
        assert alone or line.name in nodes
