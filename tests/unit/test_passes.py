"""The runner of passes: verified after each, the guilty one named."""

from __future__ import annotations

from dataclasses import replace

import pytest

import graphnet
from graphnet import passes
from graphnet.ir.plan import Plan
from graphnet.ir.verify import verify
from tests.small import small


def rename(plan: Plan) -> Plan:
    return replace(plan, name=f"{plan.name}'")


def drop_first_line(plan: Plan) -> Plan:
    return replace(plan, lines=plan.lines[1:])


def never(plan: Plan) -> Plan:
    raise RuntimeError("not to be run")


def run(monkeypatch: pytest.MonkeyPatch, *those: passes.Pass) -> Plan:
    plan = graphnet.plan(small())
    monkeypatch.setattr(passes, "PASSES", those)
    return passes.run_passes(plan)


def test_passes_run_in_order_on_each_other_s_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, rename, lambda plan: replace(plan, name=f"[{plan.name}]"), rename).name == "[small']'"


def test_the_compiler_runs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "PASSES", (rename,))
    assert graphnet.plan(small()).name == "small'"


def test_a_broken_plan_names_the_guilty_pass_and_those_before(monkeypatch: pytest.MonkeyPatch) -> None:
    said = r"^pass drop_first_line broke the plan: h1_t0: uses .* before it is defined \(before it: \['rename'\]\)$"
    with pytest.raises(AssertionError, match=said) as caught:
        run(monkeypatch, rename, drop_first_line, never)
    assert isinstance(caught.value.__cause__, AssertionError)


def test_the_passes_there_are_keep_a_plan_right() -> None:
    plan = graphnet.plan(small())
    for each in passes.PASSES:
        assert each.__doc__, f"{each.__name__} promises nothing"
        plan = verify(each(plan))
    assert passes.run_passes(plan) == plan
