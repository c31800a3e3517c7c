"""Capture the values of states at given times during a forward pass."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from graphnet.errors import did_you_mean
from graphnet.planning.plan import Plan
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.times import parse_times

Activations = dict[tuple[str, int], Tensor]
"""State and time → `[N, C, H, W]`, or `[N, C]`."""


def activations(net: nn.Module, plan: Plan, images: Tensor, at: str | Iterable[str]) -> Activations:
    """See `Net.activations`; `plan` is the executed one."""
    wanted = selected(plan, at)
    found: Activations = {}
    handles = []
    for state in dict.fromkeys(state for state, _ in wanted):
        output = net.get_submodule(f"{state}.output")
        handles.append(output.register_forward_hook(_Keeper(state, plan.made_at[state], set(wanted), found)))
    try:
        net.forward(images)
    finally:
        for handle in handles:
            handle.remove()
    return {key: found[key] for key in wanted}


class _Keeper:
    """A hook that keeps the values of a state at the wanted times."""

    def __init__(self, state: str, times: Iterable[int], wanted: set[tuple[str, int]], found: Activations) -> None:
        self.state, self.times, self.wanted, self.found = state, iter(times), wanted, found

    def __call__(self, module: nn.Module, given: Any, value: Tensor) -> None:
        key = self.state, next(self.times)
        if key in self.wanted:
            self.found[key] = value


def selected(plan: Plan, at: str | Iterable[str]) -> list[tuple[str, int]]:
    """Parse texts such as `V2@3`, `V2@2..4` or `IT@*` into states and times, in order, each once.

    Raises:
        ValueError: no state of that name, or it is not computed at that time.
    """
    try:
        return chosen(plan.made_at, at, plan.last_time)
    except NotComputedError as fault:
        advice = "values that no readout needs take keep_dead=True, or a later readout"
        raise ValueError(f"{fault}\n  {advice}") from None


class NotComputedError(ValueError):
    """Raised when a state has no value at the wanted times."""


def chosen(made_at: Mapping[str, Sequence[int]], at: str | Iterable[str], last: int) -> list[tuple[str, int]]:
    """Parse texts as `selected` does, given the times at which each state has a value, and T, the last time.

    Raises:
        ValueError: no state of that name, or (NotComputedError) it has no value at that time.
    """
    texts = [at] if isinstance(at, str) else list(at)
    return list(dict.fromkeys(pair for text in texts for pair in _chosen(made_at, text, last)))


def _chosen(made_at: Mapping[str, Sequence[int]], text: str, last: int) -> list[tuple[str, int]]:
    state, _, when = text.partition("@")
    made = made_at.get(state)
    if made is None:
        raise ValueError(f"'{text}': no state of this net has that name\n  {did_you_mean(state, list(made_at))}")
    if when in ("", "*"):
        return [(state, t) for t in made]
    forms = f"write {state}@3, {state}@2..4 or {state}@*"
    try:
        wanted = parse_times(when)
    except Misspelt as error:
        raise ValueError(f"'{text}': {error}\n  {forms}") from None
    if unknown := set(wanted.names) - {"T"}:
        raise ValueError(f"'{text}': '{min(unknown)}' is no time; only T, the last readout time, has a name\n  {forms}")
    meant = wanted.times({"T": last})
    found = [(state, t) for t in made if t in meant]
    if not found:
        times = ", ".join(map(str, made))
        raise NotComputedError(f"'{text}': '{state}' is not computed then, only at t = {times}")
    return found
