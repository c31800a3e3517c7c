"""What kind of dynamical system a net is (LP section 2.2, rule 23)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphnet.network.network import INPUT, LOGITS, VECTOR, Net, Slot, System, Tensor, Transition
from graphnet.spec.notation.times import Times, TimeSpan


def classify(nets: Sequence[Net], input_times: Times) -> System:
    """The kind of system, of the recurrent part; pre-net and post-net do not count."""
    inner = [each for net in nets for each in net.transitions if INPUT not in each.key and LOGITS not in each.key]
    last = max(t for net in nets for t in net.readouts)
    recurrent = Times((TimeSpan(1, last),))
    names: dict[tuple[str, str, str], str] = {}
    steady = shared = True
    for place, label, slot, tensor in _tensors(inner, last):
        if slot.per_time:
            steady = False
        elif names.setdefault((place, label, slot.role), tensor.name) != tensor.name or "{t}" in tensor.name:
            shared = False
    return System(
        homogeneous=len(input_times.upto(last)) <= 1,
        shared_weights=shared,
        constant_matrix=not any(recurrent.minus(times) for times in {each.times for each in inner}),
        constant_statistics=steady,
    )


def _tensors(transitions: Sequence[Transition], last: int) -> Iterator[tuple[str, str, Slot, Tensor]]:
    """Every tensor in use up to the last time, with its place, layer and slot."""
    until = Times((TimeSpan(0, last),))
    for each in transitions:
        holds = each.times.both(until)
        for layer, bindings in zip(each.function, each.bindings, strict=True):
            for slot, binding in zip(layer.slots, bindings, strict=True):
                if slot.role.startswith(VECTOR):  # of the weights and statistics
                    continue
                for times, tensor in binding.pieces:
                    if times.both(holds):
                        yield each.place, layer.label, slot, tensor
