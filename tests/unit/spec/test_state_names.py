"""Valid and reserved names of states."""

import keyword

import pytest
import torch
from torch import fx, nn

import graphnet
from graphnet.spec.state_names import MODULE_ATTRIBUTES, OWN, name_fault
from tests.small import small


@pytest.mark.parametrize("name", ["V1", "h1", "IT", "x", "V1_upper", "h_t", "t5", "from_V1", "Class", "match", "T1"])
def test_good_names(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["", "1a", "_a", "V-1", "V 1", "é", "V1.r", "h1\n"], "is not a valid name"),
        (["h_t3", "T_t0", "V1_t12"], "looks like the name of a value"),
        (["a_from_b"], "looks like the name of a value"),
        (OWN, "is a word of the language"),
        (["class", "None", "lambda"], "is a word of Python"),
        (MODULE_ATTRIBUTES, "is an attribute of every PyTorch module"),
    ],
)
def test_reserved_names(names: list[str], what: str) -> None:
    for name in names:
        fault = name_fault(name)
        assert fault is not None, name
        assert fault[0] == f"'{name}' {what}"


@pytest.mark.parametrize(("name", "listed"), [("input", OWN), ("class", keyword.kwlist), ("train", MODULE_ATTRIBUTES)])
def test_the_error_lists_what_is_reserved(name: str, listed: list[str]) -> None:
    fault = name_fault(name)
    assert fault is not None
    assert fault[1] == f"reserved: {', '.join(listed)}"


def test_no_state_can_hide_an_attribute_of_a_compiled_net() -> None:
    """Compares MODULE_ATTRIBUTES, which is stored without torch, with torch."""
    net = graphnet.compile(small())
    traced = fx.symbolic_trace(nn.Identity())
    annotated = {name for kind in (nn.Module, fx.GraphModule) for name in vars(kind).get("__annotations__", {})}
    public = {*dir(nn.Module), *dir(fx.GraphModule), *dir(traced), *annotated, *(set(vars(net)) - {"h1", "h2"})}
    missing = {name for name in public if not name.startswith("_") and name_fault(name) is None}
    assert not missing, f"torch {torch.__version__} has more attributes"
