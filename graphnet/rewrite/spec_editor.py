"""A spec under edit, and look-ups of its cells, states and blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphnet.errors import did_you_mean
from graphnet.network.matrix import read_constants
from graphnet.network.network import INPUT, Net, Network, Transition
from graphnet.network.parts import expand
from graphnet.planning.activity import Activity
from graphnet.planning.time_expansion import TimeExpansion
from graphnet.spec.model import Spec
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.selectors import parse_selector
from graphnet.spec.notation.times import ALWAYS, Times, parse_times, union

Slab = dict[str, Any]
When = int | str | Sequence[int | str] | None
"""Times as in a slab: 3, "3..5", a list of such; None is always."""
Moved = dict[tuple[str, int], int]
"""(place, time in the new net) → time in the old net; places not listed did not move."""


class EditError(ValueError):
    """Raised when an edit does not fit the net; says what is wrong, and what would be right."""


@dataclass
class Draft:
    """A spec as plain data under edit, with its network and activity."""

    spec: Spec
    expansion: TimeExpansion
    base: dict[str, Any] = field(init=False)
    data: dict[str, Any] = field(init=False)
    moved: Moved = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.base, self.data = self.spec.as_data(), self.spec.as_data()

    def add(self, slabs: Sequence[Slab]) -> None:
        """Append slabs, which override those before them cell by cell."""
        self.data["transitions"] = [*self.data.get("transitions", []), *slabs]

    def written(self, transition: Transition) -> dict[str, Any]:
        """A cell as written, as a table without its delay."""
        entry: Any = self.base
        for key in transition.path:
            entry = entry[key]
        table = dict(entry) if isinstance(entry, Mapping) else {"ops": entry}
        table.pop("delay", None)
        return table

    @property
    def network(self) -> Network:
        return self.expansion.network

    @property
    def net(self) -> Net:
        """The net of the only readout, or the one that all readouts share."""
        self.check_one_net()
        return self.network.nets[0]

    def check_one_net(self) -> None:
        """Raise EditError if each readout has its own net."""
        if len(self.network.nets) > 1:
            what = "each readout time has its own net here, as times are relative to T"
            raise EditError(f"{what}\n  give one readout time")

    @property
    def last(self) -> int:
        """T, the last readout."""
        return max(t for net in self.network.nets for t in net.readouts)

    @property
    def entry(self) -> str:
        """The state that receives the input."""
        return next(cell.target for cell in self.network.nets[0].transitions if cell.source == INPUT)

    @property
    def written_keys(self) -> set[tuple[str, str]]:
        """(source, target) of all written cells, even those that never hold."""
        found = expand(self.spec, read_constants(self.spec, []), [])
        return {(entry.source, entry.target) for entry in found.entries}

    def times(self, when: When) -> Times:
        """Times as written in a slab."""
        if when is None:
            return ALWAYS
        constants = read_constants(self.spec, [])
        if len(self.network.nets) == 1:
            constants["T"] = self.last
        entries = [when] if isinstance(when, int | str) else when
        try:
            parsed = [parse_times(entry) for entry in entries]
            return union(entry.times(constants) for entry in parsed)
        except Misspelt as fault:
            raise EditError(f"{fault.what}\n  {fault.fix}") from None
        except KeyError as unknown:
            what = f"no constant is called {unknown}"
            raise EditError(f"{what}\n  {did_you_mean(unknown.args[0], tuple(constants))}") from None

    @property
    def activity(self) -> Activity:
        self.check_one_net()
        return self.expansion.activities[0]

    def state(self, name: str) -> str:
        known = [state.name for state in self.network.states]
        if name not in known:
            raise EditError("\n  ".join(filter(None, (f"no state is called '{name}'", did_you_mean(name, known)))))
        return name

    def written_state(self, name: str) -> str:
        """The key of a state in `[states]`; for the last inner state of a part, the state that is the part."""
        ends = expand(self.spec, read_constants(self.spec, []), []).last
        written = next((key for key, inner in ends.items() if inner == name), name)
        if written not in self.data["states"]:
            raise EditError(f"'{name}' is an inner state of a part, which others do not read\n  edit its transitions")
        return written

    def cells(self, what: str) -> list[Transition]:
        """The cells from one state to another, `h1->h2`, or all into a state, `h1`."""
        cells = [cell for net in self.network.nets for cell in net.transitions if cell.kind == "cell"]
        cells = list({(cell.path, cell.key, cell.times): cell for cell in cells}.values())
        if what.endswith("-"):  # the shell read `>h2` of h1->h2 as a redirection
            raise EditError(f"'{what}' is half a transition\n  quote it: '{what}>…'")
        if "->" not in what:
            name = self.state(what)
            return [cell for cell in cells if cell.target == name]
        try:
            selector = parse_selector(what)
        except Misspelt as fault:
            raise EditError(f"{fault.what}\n  {fault.fix}") from None
        if selector.layer:
            raise EditError(f"'{what}' names a layer\n  edits apply to whole transitions")
        found = [cell for cell in cells if selector.matches(*cell.key)]
        if not found:
            known = list(dict.fromkeys(f"{cell.source}->{cell.target}" for cell in cells))
            raise EditError("\n  ".join(filter(None, (f"no transition {what}", did_you_mean(what, known)))))
        return found

    def blocks(self, name: str) -> list[tuple[int, Transition]]:
        """The needed self-transitions of a state, with their times: LPK's blocks of a stage."""
        key = (self.state(name), name)
        found = [
            (arrival.t, arrival.transition)
            for node in self.activity.order
            if node in self.activity.needed
            for arrival in self.activity.firing.get(node, ())
            if arrival.transition.key == key
        ]
        if not found:
            stages = list(dict.fromkeys(cell.target for cell in self.net.transitions if cell.source == cell.target))
            fix = f"states that have one: {', '.join(stages)}" if stages else "no state has one"
            raise EditError(f"'{name}' has no self-transition, so it has no blocks\n  {fix}")
        return found


def stages(expansion: TimeExpansion) -> dict[str, int]:
    """State with two or more blocks → number of its blocks (LPK: the stages of a ResNet)."""
    counts: dict[str, int] = {}
    for activity in expansion.activities[:1]:
        for node in activity.order:
            if node in activity.needed:
                own = [arrival for arrival in activity.firing.get(node, ()) if arrival.transition.key == (node[0],) * 2]
                counts[node[0]] = counts.get(node[0], 0) + len(own)
    return {name: count for name, count in counts.items() if count > 1}
