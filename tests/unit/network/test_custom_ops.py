"""Custom ops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import graphnet
from graphnet.network.functions.custom_ops import register_op
from graphnet.network.functions.ops import KINDS
from graphnet.runtime.python_source import write_source
from graphnet.spec.notation.op_words import OPS
from tests.small import fault


def crop_and_weigh(x: Tensor, weight: Tensor, power: float, border: int) -> Tensor:
    """Cut `border` pixels off each side, raise to `power`, weigh the channels."""
    return x[:, :, border:-border, border:-border].abs() ** power * weight[:, None, None]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register_op(
        "crop_and_weigh",
        crop_and_weigh,
        shape=lambda shape, power, border: (shape[0], shape[1] - 2 * border, shape[2] - 2 * border),
        tensors={"weight": (lambda shape: shape[:1], 2.0)},
        settings={"power": 2.0, "border": 1},
    )
    yield
    del OPS["crop_and_weigh"], KINDS["crop_and_weigh"]


def spec(ops: Any) -> dict[str, Any]:
    return {
        "graphnet": 1,
        "input": {"shape": [2, 8, 8]},
        "states": {"a": [2, 8, 8], "b": [2, 6, 6]},
        "transitions": [{"a": {"b": ops}}],
        "readout": {"t": 1},
    }


def test_a_registered_op_runs_with_its_own_parameter() -> None:
    net = graphnet.compile(spec("crop_and_weigh"))
    assert dict(net.named_parameters()).keys() == {"b.from_a.crop_and_weigh1.weight"}
    x = torch.randn(3, 2, 8, 8)
    assert torch.equal(net(x), 2 * x[:, :, 1:-1, 1:-1].abs() ** 2)


def test_its_settings_are_checked_by_type() -> None:
    net = graphnet.compile(spec([{"crop_and_weigh": {"power": 3}}]))
    x = torch.randn(3, 2, 8, 8)
    assert torch.equal(net(x), 2 * x[:, :, 1:-1, 1:-1].abs() ** 3)
    with pytest.raises(graphnet.SpecError, match=r"this must be like 1, not 1\.5"):
        graphnet.plan(spec([{"crop_and_weigh": {"border": 1.5}}]))


def test_a_size_that_it_leaves_unfit_is_an_error() -> None:
    with pytest.raises(graphnet.SpecError, match="this makes 2x4x4"):
        graphnet.plan(spec("crop_and_weigh crop_and_weigh"))


def test_generated_code_imports_it() -> None:
    plan = graphnet.plan(spec("crop_and_weigh"))
    names: dict[str, Any] = {}
    exec(write_source(plan), names)
    net = graphnet.compile(spec("crop_and_weigh"))
    x = torch.randn(3, 2, 8, 8)
    assert torch.equal(names["forward"](x, net.state_dict()), net(x))


@pytest.mark.parametrize("name", ["conv", "crop_and_weigh", "Upper", "x2", "sum", ""])
def test_names_must_be_new_lower_case_words(name: str) -> None:
    with pytest.raises(ValueError, match=r"word|already"):
        register_op(name, crop_and_weigh)


def test_a_spec_cannot_register_an_op() -> None:
    with pytest.raises(graphnet.SpecError, match="no op is called 'os_system'"):
        graphnet.plan(spec("os_system"))


@pytest.mark.parametrize("ops", ["contrast", [{"contrast": {"power": 2}}]])
def test_an_unknown_op_without_similar_ones_explains_registration(ops: Any) -> None:
    found = fault(spec(ops))
    assert found.what == "no op is called 'contrast'"
    assert found.fix.startswith("register your own op with graphnet.register_op, in a module given by")
    assert "--plugin" in found.fix


@pytest.mark.parametrize("ops", ["sigmoyd", [{"sigmoyd": {}}]])
def test_a_misspelt_op_is_not_taken_for_one_of_the_users(ops: Any) -> None:
    assert fault(spec(ops)).fix.startswith("did you mean 'sigmoid'? known: norm")
