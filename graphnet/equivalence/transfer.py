"""Give a net the weights of another whose transitions correspond in time, such as the net that it unrolls."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from graphnet.equivalence.runs import Names, check_shapes
from graphnet.equivalence.tensor_tables import NoTable, names_of
from graphnet.given_specs import SpecLike
from graphnet.pipeline import compile, unroll
from graphnet.runtime.loading import for_a_run, is_statistic, uncalibrated
from graphnet.runtime.net import Net


@dataclass(frozen=True)
class Match:
    """Two nets whose tensors correspond.

    Attributes:
        names: tensor of `second` → name of a tensor of `first`, and an index into it.
        swapped: whether `first` is the second of the nets given: the table runs from it.
    """

    first: Net
    second: Net
    names: Names
    swapped: bool


def match(a: Net, b: Net) -> Match:
    """Match the tensors of two nets, of which one may be the other unrolled. Raises NoTable."""
    try:
        found = Match(a, b, names_of(a, b, None), swapped=False)
    except NoTable as fault:
        try:
            found = Match(b, a, names_of(b, a, None), swapped=True)
        except NoTable:
            raise fault from None
    check_shapes(found.first, found.second, found.names)
    return found


def transferred(net: Net, spec: SpecLike) -> Net:
    """Compile a spec with the weights and statistics of a net, on its device, in its number type and mode.

    Raises:
        SpecError: the spec is wrong.
        NoTable: the tensors do not correspond, or the net lacks statistics for times at which the spec runs norms.
    """
    made = compile(spec, unlimited=True)
    _check_times(net, made)
    like = next((tensor for tensor in net.state_dict().values() if tensor.is_floating_point()), torch.empty(0))
    made.to(device=like.device, dtype=like.dtype)
    found = match(net, made)
    pairs = [(name, source, index) for name, (source, index) in found.names.items()]
    if found.swapped:
        pairs = [(source, name, index) for name, source, index in pairs]
    ours, theirs = net.state_dict(), made.state_dict()
    with torch.no_grad():
        for name, source, index in pairs:
            theirs[name].copy_(ours[source][index])
    return made.train(net.training)


def unrolled(net: Net) -> Net:
    """Unroll a net in time, with its weights: a feed-forward net that computes the same.

    Its spec, `meta["spec"]`, is that of `graphnet.unroll`: a state for each state and time, tied by sharing sets.

    Raises SpecError where the language cannot express the unrolled net.
    """
    return transferred(net, unroll(net))


def _check_times(net: Net, made: Net) -> None:
    """Raise NoTable if the net has all weights by name, but not all statistics: it was trained at other times."""
    ours = net.state_dict()
    lacking = [name for name in made.state_dict() if name not in ours]
    if lacking and all(map(is_statistic, lacking)) and {name for name, _ in made.named_parameters()} <= ours.keys():
        readouts = [t for t, _ in made.meta["plan"].outputs]
        raise NoTable(f"{uncalibrated(lacking)}\n  {for_a_run(readouts)}")
