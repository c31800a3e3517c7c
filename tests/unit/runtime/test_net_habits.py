"""Common uses of nets in both forms: copies, pickles, parametrisation, other callers, names of states."""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import parametrize

import graphnet
from graphnet import zoo
from graphnet.runtime.generated_code import LOCALS, ROOM
from graphnet.runtime.net import Net
from graphnet.runtime.python_source import write_source
from tests.small import recurrent, small

FORMS = pytest.mark.parametrize("stepwise", [False, True])


def images(n: int = 3) -> Tensor:
    return torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()


def net_of(stepwise: bool, t: int = 5, **more: Any) -> Net:
    return graphnet.compile(recurrent(t), stepwise=stepwise, **more).double()


class Absolute(nn.Module):
    """Dale's law: a weight is never negative."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight.abs()


def under_dale(net: nn.Module) -> nn.Module:
    for module in list(net.modules()):
        weight = module._parameters.get("weight")
        if weight is not None and weight.dim() == 4:
            parametrize.register_parametrization(module, "weight", Absolute())
    return net


def with_absolute_weights(net: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() == 4:
                parameter.abs_()
    return net


@FORMS
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("way", ["deepcopy", "pickle", "torch.save"])
def test_a_copy_computes_the_same_and_is_a_net_of_its_own(stepwise: bool, training: bool, way: str) -> None:
    net = net_of(stepwise).train(training)
    net.notes = {"by": "a user"}
    net.meta["run"] = 7
    if way == "deepcopy":
        twin = copy.deepcopy(net)
    elif way == "pickle":
        twin = pickle.loads(pickle.dumps(net))
    else:
        file = io.BytesIO()
        torch.save(net, file)
        file.seek(0)
        twin = torch.load(file, weights_only=False)
    assert type(twin).__mro__[1] is Net
    assert (twin.training, twin.notes, twin.meta["run"]) == (training, {"by": "a user"}, 7)
    assert twin.meta["plan"] == net.meta["plan"]
    assert twin.code == net.code
    assert [node.name for node in twin.graph.nodes] == [node.name for node in net.graph.nodes]
    for name, tensor in net.state_dict().items():
        assert torch.equal(twin.state_dict()[name], tensor)
        assert twin.state_dict()[name].data_ptr() != tensor.data_ptr()
    assert torch.equal(twin(images()), net(images()))
    before = {name: tensor.clone() for name, tensor in twin.named_buffers()}
    twin.eval()(images())  # a net saved in training mode does not stay in it
    assert all(torch.equal(tensor, before[name]) for name, tensor in twin.named_buffers())
    assert twin(images()).requires_grad


@FORMS
def test_hooks_and_parametrisations_are_copied(stepwise: bool) -> None:
    net = under_dale(net_of(stepwise)).eval()
    net.h2.output.register_forward_hook(lambda module, given, value: 2 * value)
    assert torch.equal(copy.deepcopy(net)(images()), net(images()))


@FORMS
@pytest.mark.parametrize("optimize", [0, 1, 2])
def test_parameters_that_are_made_of_others_count(stepwise: bool, optimize: int) -> None:
    one, two = (net_of(stepwise, optimize=optimize).eval() for _ in range(2))
    wanted = with_absolute_weights(two)(images())
    assert torch.equal(under_dale(one)(images()), wanted)
    plain = net_of(stepwise, optimize=optimize).eval()
    named = {name: p.abs() if p.dim() == 4 else p for name, p in plain.named_parameters()}
    assert torch.equal(functional_call(plain, named, (images(),)), wanted)
    for name in [name for name, _ in plain.named_parameters()]:
        place, _, role = name.rpartition(".")
        setattr(plain.get_submodule(place), role, nn.Parameter(named[name].detach().clone()))
    assert torch.equal(plain(images()), wanted)


@FORMS
def test_a_submodule_that_is_replaced_by_one_of_its_class_counts(stepwise: bool) -> None:
    net, other = net_of(stepwise).eval(), net_of(stepwise, seed=1).eval()
    before = net(images())
    net.h1.from_h1.conv1 = other.h1.from_h1.conv1
    changed = net(images())
    assert not torch.equal(changed, before)
    net.load_state_dict(net.state_dict())
    assert torch.equal(net(images()), changed)


@FORMS
def test_replicas_compute_the_same(stepwise: bool) -> None:
    """As made by DataParallel: shallow copies with replaced modules and tensors."""
    net = net_of(stepwise).eval()
    replicas = [module._replicate_for_data_parallel() for module in net.modules()]
    place = dict(zip(net.modules(), replicas, strict=True))
    for module, replica in place.items():
        replica._modules = {name: place[child] for name, child in module._modules.items()}
        for name, parameter in module._parameters.items():
            setattr(replica, name, None if parameter is None else 1 * parameter)
    assert torch.equal(place[net](images()), net(images()))


NAMES = ["step", "programs", "compile_steps", "run", "steps", "outputs", "program", "homes", "activations", "tune"]
NAMES += ["freeze", "capture", "initial_state", "last", "sequence", "values", "tensors", "part0", "training_mode"]


@FORMS
def test_states_may_be_called_as_the_net_s_own_methods(stepwise: bool) -> None:
    states = {name: [2, 8, 8] for name in NAMES}
    cells = {name: {name: "BRC+I", other: "C"} for name, other in zip(NAMES, [*NAMES[1:], NAMES[0]], strict=True)}
    spec = small(cells, states=states, readout={"t": len(NAMES)})
    net = graphnet.compile(spec, stepwise=stepwise)
    assert net(torch.randn(2, 1, 8, 8)).shape == (2, 3)
    for name in NAMES:
        state = net.get_submodule(name)
        assert state is net._modules[name]
        assert net.get_submodule(f"{name}.output") is state.output
    assert copy.deepcopy(net).state_dict().keys() == net.state_dict().keys()
    assert callable(net.step)


@FORMS
def test_an_edited_graph_is_neither_copied_nor_pickled_as_another(stepwise: bool) -> None:
    net = graphnet.compile(small(), stepwise=stepwise)
    node = next(node for node in net.graph.nodes if node.name == "logits_t3")
    with net.graph.inserting_after(node):
        doubled = net.graph.call_function(torch.mul, (node, 2))
    node.replace_all_uses_with(doubled, delete_user_cb=lambda user: user is not doubled)
    before = net.eval()(torch.ones(2, 1, 8, 8))
    net.recompile()
    assert torch.equal(net(torch.ones(2, 1, 8, 8)), 2 * before)
    with pytest.raises(RuntimeError, match="the graph of this net was edited"):
        copy.deepcopy(net)


@FORMS
@pytest.mark.parametrize("optimize", [0, 2])
def test_the_graph_computes_what_the_code_does(stepwise: bool, optimize: int) -> None:
    net = net_of(stepwise, optimize=optimize).eval()
    assert torch.equal(torch.fx.Interpreter(net).run(images()), net(images()))


@pytest.mark.parametrize("optimize", [0, 1, 2])
@FORMS
def test_under_autocast_the_type_does_not_depend_on_the_level(stepwise: bool, optimize: int) -> None:
    """The identity is in float32, the convolutions in bfloat16: their sum is in float32."""
    for slabs in ({"h1": {"h1": "C+I", "h2": "C"}, "h2": {"h2": "I"}}, {"h1": {"h1": "BRC+I", "h2": "BRC"}}):
        spec = small(slabs, post_net=None, readout={"t": [1, 2, 3], "state": "h1"})
        types = []
        for level in (0, optimize):
            net = graphnet.compile(spec, optimize=level, stepwise=stepwise)
            with torch.autocast("cpu", torch.bfloat16):
                types.append({t: value.dtype for t, value in net(torch.randn(2, 1, 8, 8)).items()})
        assert types[0] == types[1]


def areas(t: int, count: int = 32) -> dict[str, Any]:
    """A chain of areas with feedback and delays from 1 to 6."""
    states = {f"a{k}": [2, 4, 4] for k in range(count)}
    slab: dict[str, Any] = {f"a{k}": {} for k in range(count)}
    for k in range(count):
        for step in (1, 2, 5, -1):
            if 0 <= k + step < count:
                slab[f"a{k}"][f"a{k + step}"] = {"ops": "BRC", "delay": 1 + (k + step) % 6}
        slab[f"a{k}"][f"a{k}"] = {"ops": "I", "delay": 1 + k % 6}
    return {
        "graphnet": 1,
        "input": {"shape": [2, 4, 4], "t": "0..inf"},
        "states": states,
        "transitions": [slab],
        "post_net": {"ops": "GL", "classes": 3},
        "readout": {"t": t, "state": "a20"},
    }


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("t", [14, 20])
def test_many_areas_with_delays_under_dale_s_law(t: int, dtype: torch.dtype) -> None:
    batch = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(0)).to(dtype)
    one, two = (graphnet.compile(areas(t)).to(dtype).eval() for _ in range(2))
    wanted = with_absolute_weights(two)(batch)
    assert torch.isfinite(wanted).all()
    assert float(wanted.detach().abs().max()) > 0
    assert torch.equal(under_dale(one)(batch), wanted)
    assert torch.equal(copy.deepcopy(one)(batch), wanted)


@pytest.mark.parametrize("path", ["frnn-3-state", "cornet-rt", "conv-gru"])
@pytest.mark.parametrize(
    "settings", [{"optimize": 1}, {"optimize": 2}, {"optimize": 1, "stepwise": False}, {"optimize": 0}]
)
def test_functions_of_a_net_have_few_locals_and_no_lookups(path: str, settings: dict[str, Any]) -> None:
    """Calls from a large frame are slow if it ends near the end of a chunk of the interpreter's frames."""
    spec = graphnet.load(zoo.path(path))
    net = graphnet.compile(spec, **settings).eval()
    calls: list[tuple[str, int, str]] = []

    def watch(frame: Any, event: str, _: object) -> None:
        caller = frame.f_back
        if event == "call" and caller is not None and caller.f_code.co_filename.startswith(("<graphnet", "<eval_with")):
            calls.append((caller.f_code.co_name, caller.f_code.co_nlocals, frame.f_code.co_name))

    image = torch.randn(1, *net.meta["plan"].input_shape)
    with torch.no_grad():
        sys.setprofile(watch)
        try:
            net(image)
        finally:
            sys.setprofile(None)
    assert calls
    assert max(count for _, count, _ in calls) <= LOCALS + 60
    looked_up = sum(called == "__getattr__" for _, _, called in calls)
    assert looked_up <= len(net.state_dict())  # each weight is read once
    assert inspect.unwrap(type(net).forward).__code__.co_stacksize >= ROOM, "its frame begins a chunk"


def test_norms_of_vectors_are_generated_right() -> None:
    """Their shape has one size, but is still written as a tuple."""
    spec = small(
        {"h1": {"h1": "BL+I", "h2": "BRL"}, "h2": {"h1": "BL", "h2": "BL+I"}},
        input={"shape": [3]},
        states={"h1": [4], "h2": [2]},
        norm={"kind": "layer", "affine": "shared"},
        pre_net={"ops": "L"},
        post_net={"ops": "BRL", "classes": 3},
        readout={"t": 6},
    )
    flat, net = (graphnet.compile(spec, stepwise=each).eval() for each in (False, True))
    assert "layer_norm(value0, (4,)" in net.code
    batch = torch.randn(3, 3)
    assert torch.equal(net(batch), flat(batch))
    functions: dict[str, Any] = {}
    exec(write_source(net.meta["plan"]), functions)
    assert torch.allclose(functions["forward"](batch, net.state_dict()), flat(batch), rtol=1e-5)
