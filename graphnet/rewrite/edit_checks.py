"""Checks of edits: each raises EditError if an edit does not fit, or affects no readout."""

from __future__ import annotations

from collections.abc import Sequence, Set

from graphnet.network.network import INPUT
from graphnet.planning.activity import Node
from graphnet.rewrite.spec_editor import Draft, EditError, When
from graphnet.spec.notation.times import times_at


def check(fine: bool, what: str, blocks: Sequence[object] = ()) -> None:
    """Raise EditError unless `fine`; the message gives the number of `blocks`, if any."""
    if not fine:
        raise EditError(what + (f"\n  there are {len(blocks)}" if blocks else ""))


def check_fires(draft: Draft, what: str, when: When) -> None:
    """Raise EditError if an edit of a transition, or of all into a state, affects no readout."""
    keys = {cell.key for cell in draft.cells(what)} | ({(INPUT, what)} if what == draft.entry else set())
    nodes = {
        node
        for activity in draft.expansion.activities
        for node, arrivals in activity.firing.items()
        if any(arrival.transition.key in keys for arrival in arrivals)
    }
    check_times(draft, what, when, nodes)


def check_times(draft: Draft, what: str, when: When, nodes: Set[Node]) -> None:
    """Raise EditError unless a readout depends on one of the nodes at the given times."""
    needed = {node for activity in draft.expansion.activities for node in activity.needed}
    fired, read, meant = {t for _, t in nodes}, {t for _, t in nodes & needed}, draft.times(when)
    if any(t in meant for t in read):
        return
    then = "" if when is None else f" at t = {meant}"
    if unread := times_at(t for t in fired if t in meant):
        problem, does = f"'{what}' fires at t = {unread}, but no readout depends on that", "one does"
    else:
        problem, does = f"'{what}' selects nothing that fires{then}", "it does"
    raise EditError(
        f"{problem}\n  {f'{does} at t = {times_at(read)}' if read else 'no readout depends on it at any time'}"
    )
