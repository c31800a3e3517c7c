"""Insert steps into a net, in which only one self-transition runs, repeatedly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from graphnet.network.network import INPUT, Transition
from graphnet.planning.activity import Node
from graphnet.rewrite.spec_editor import Draft, Slab


class Repetition:
    """A net with steps inserted after time t, in which only a state's self-transition runs."""

    def __init__(self, draft: Draft, t: int, cell: Transition, more: int) -> None:
        self.draft, self.t, self.cell, self.more = draft, t, cell, more
        self.state = cell.target
        self.later = self._later()

    def _later(self) -> set[Node]:
        """The values at time t that depend on the repeated one: they move after it."""
        later: set[Node] = {(self.state, self.t)}
        for node in self.draft.activity.order:
            if node[1] == self.t and any(each.reads in later for each in self.draft.activity.firing.get(node, ())):
                later.add(node)
        return later - {(self.state, self.t)}

    def _new(self, node: Node) -> int:
        return node[1] + self.more if node[1] > self.t or node in self.later else node[1]

    def write(self) -> None:
        """Rewrite all slabs, time by time, and move the input and the readouts."""
        data, network = self.draft.data, self.draft.network
        arrivals = list(self._arrivals())
        keys = self.draft.written_keys  # including cells that hold at no time of the old net
        data["readout"]["t"] = [self._readout(t) for t in self.draft.net.readouts]
        rows: dict[str, list[int]] = {}
        for t in range(max(data["readout"]["t"]) + 1):
            now = {key: cell for key, when, cell in arrivals if when == t}
            slab: Slab = {}
            for source, target in sorted(keys, key=lambda key: (network.rank[key[0]], network.rank[key[1]])):
                slab.setdefault(source, {})[target] = now.get((source, target), "-")
            rows.setdefault(json.dumps(slab), []).append(t)
        self.draft.add([{"t": times, **json.loads(slab)} for slab, times in rows.items()])
        entry = next(cell.target for cell in self.draft.net.transitions if cell.source == INPUT)
        inputs = network.input_times.upto(max(self.draft.net.readouts))
        data["input"]["t"] = [self._new((entry, t)) for t in inputs]

    def _readout(self, t: int) -> int:
        new = t + self.more if self._reads_repeated(t) else self._new((self.draft.network.read, t))
        self._note("post_net", new, t)
        return new

    def _reads_repeated(self, t: int) -> bool:
        return (self.draft.network.read, t) == (self.state, self.t)

    def _arrivals(self) -> Iterator[tuple[tuple[str, str], int, dict[str, Any]]]:
        """(source, target), new time and new cell of every arrow that fires, then of the inserted ones."""
        for node in self.draft.activity.order:
            new = self._new(node)
            self._note(f"{node[0]}.update", new, node[1])
            for arrival in self.draft.activity.firing.get(node, ()):
                cell = arrival.transition
                self._note(cell.place, new, node[1])
                if cell.kind == "cell":
                    read = self._new(arrival.reads)
                    if arrival.reads == (self.state, self.t):
                        read = self.t + self.more
                    delay = max(cell.delay, new + 1) if arrival.reads[1] < 0 else new - read
                    yield cell.key, new, self.draft.written(cell) | {"delay": delay}
        for t in range(self.t + 1, self.t + self.more + 1):
            self._note(self.cell.place, t, self.t)
            self._note(f"{self.state}.update", t, self.t)
            yield self.cell.key, t, self.draft.written(self.cell) | {"delay": 1}

    def _note(self, place: str, new: int, old: int) -> None:
        self.draft.moved[place, new] = old
