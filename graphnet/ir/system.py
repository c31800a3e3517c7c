"""What kind of dynamical system a net is (LP section 2.2, rule 23)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphnet.ir.network import INPUT, LOGITS, VECTOR, Net, Slot, System, Tensor, Transition
from graphnet.spec.times import Span, Times


def classify(nets: Sequence[Net], input_times: Times) -> System:
    """The kind of system, of the recurrent part; pre-net and post-net do not count."""
    inner = [each for net in nets for each in net.transitions if INPUT not in each.key and LOGITS not in each.key]
    last = max(t for net in nets for t in net.readouts)
    names: dict[str, set[str]] = {}
    steady = True
    for place, slot, tensor in _tensors(inner, last):
        if slot.per_time:
            steady = False
        else:
            names.setdefault(place, set()).add(tensor.name)
    return System(
        homogeneous=len(input_times.upto(last)) <= 1,
        shared_weights=not any(len(found) > 1 or "{t}" in next(iter(found)) for found in names.values()),
        constant_matrix=all(not Times((Span(1, last),)).minus(each.times) for each in inner),
        constant_statistics=steady,
    )


def _tensors(transitions: Sequence[Transition], last: int) -> Iterator[tuple[str, Slot, Tensor]]:
    """Every tensor in use up to the last time, with its place and slot."""
    until = Times((Span(0, last),))
    for each in transitions:
        for layer, bindings in zip(each.function, each.bindings, strict=True):
            for slot, binding in zip(layer.slots, bindings, strict=True):
                if slot.role.startswith(VECTOR):  # of the weights and statistics
                    continue
                for times, tensor in binding.pieces:
                    if times.both(each.times).both(until):
                        yield f"{each.place}.{layer.label}.{slot.role}", slot, tensor
