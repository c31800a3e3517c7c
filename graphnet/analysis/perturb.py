"""Edit the transition matrix of trained nets: a new plan on the same weights (LPK Figure 2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from graphnet.compile_options import Options
from graphnet.errors import SpecError, and_more
from graphnet.network.network import VECTOR
from graphnet.pipeline import compile_net
from graphnet.pipeline import plan as plan_of
from graphnet.planning.plan import Line, Plan
from graphnet.planning.time_expansion import expand_in_time
from graphnet.rewrite.perturbations import Edit, Override, ShowAnother, edited
from graphnet.rewrite.spec_editor import EditError, Moved, Slab
from graphnet.runtime.loading import uncalibrated
from graphnet.runtime.net import Net
from graphnet.spec.model import Spec
from graphnet.training.calibrate import Batch, calibrate
from graphnet.training.data.dataset import Part


def perturbed(net: nn.Module, edits: Iterable[Edit | Slab], batches: Iterable[Batch] | None) -> Net:
    """Implementation of `graphnet.perturb`."""
    ours, spec = origin_of(net)
    found = find(ours, spec, list(edits))
    if found.weights:
        what = f"the edit needs weights that the net does not have: {and_more(found.weights)}"
        raise EditError(f"{what}\n  use functions the net already has")
    if found.statistics and batches is None:
        hint = "the edit runs norms at other times: pass images as calibrate, on the command line with --calibrate"
        raise EditError(f"{uncalibrated(found.statistics)}\n  {hint}")
    tensors = dict(net.named_parameters()) | dict(net.named_buffers())
    made = compile_net(found.spec, options_of(net), {name: tensors[old] for name, old in found.table.items()})
    if found.statistics and batches is not None:
        calibrate(made, batches, found.statistics)
    return made.train(net.training)


def origin_of(net: nn.Module) -> tuple[Plan, Spec]:
    """Return the plan and the spec of a compiled net. Raises EditError for any other."""
    meta = getattr(net, "meta", {})
    plan, spec = meta.get("plan"), meta.get("spec")
    if not isinstance(plan, Plan) or not isinstance(spec, Spec):
        raise EditError("the net was not compiled by graphnet from a spec: nothing to edit")
    return plan, spec


def options_of(net: nn.Module) -> Options:
    """The compile options of a net."""
    options: Options = net.meta["options"]  # type: ignore[index, assignment]
    return options


@dataclass(frozen=True)
class Found:
    """An edited net, and the origins of its tensors.

    Attributes:
        table: tensor name in the edited net → name in the old one.
        weights, statistics: names without a counterpart in the old net.
    """

    spec: Spec
    plan: Plan
    table: dict[str, str]
    weights: tuple[str, ...]
    statistics: tuple[str, ...]


def find(plan: Plan, spec: Spec, edits: Sequence[Edit | Slab]) -> Found:
    """Edit a spec, plan it, and find its tensors among those of the old plan.

    If its sharing sets do not fit the edited net, untie it: tensors that were one still share storage.
    """
    try:
        found = _find(plan, spec, edits, untied=False)
        if not found.weights or not spec.sharing.sets:
            return found
    except (EditError, SpecError):
        if not spec.sharing.sets:
            raise
    try:
        return _find(plan, spec, edits, untied=True)
    except (EditError, SpecError):
        return _find(plan, spec, edits, untied=False)  # the fault is unrelated to the sets


def _find(plan: Plan, spec: Spec, edits: Sequence[Edit | Slab], untied: bool) -> Found:
    new, moved = edited(spec, [Override((each,)) if isinstance(each, dict) else each for each in edits], untied)
    theirs = plan_of(new)
    table = _table(plan, theirs, moved)
    missing = [tensor for tensor in theirs.tensors if tensor.name not in table and not tensor.role.startswith(VECTOR)]
    return Found(
        new,
        theirs,
        table,
        tuple(tensor.name for tensor in missing if tensor.trainable),
        tuple(tensor.name for tensor in missing if not tensor.trainable),
    )


BY_TIME = re.compile(r"\.t\d+(_T\d+)?\.")


def _table(old: Plan, new: Plan, moved: Moved) -> dict[str, str]:
    """Tensor of the new plan → old tensor of the same layer, transition and time, or else of the same name."""
    shapes = {tensor.name: tensor.shape for tensor in old.tensors}
    ours = {(line.place, line.t, label): tensors for line, label, tensors in _layers(old)}
    places = {place for place, _ in moved}
    table: dict[str, str] = {}
    for line, label, tensors in _layers(new):
        is_new = line.place in places and (line.place, line.t) not in moved
        theirs = () if is_new else ours.get((line.place, moved.get((line.place, line.t), line.t), label), ())
        roles = {_role(name): name for name in theirs}
        sources = theirs if len(theirs) == len(tensors) else [roles.get(_role(name), name) for name in tensors]
        for name, source in zip(tensors, sources, strict=True):
            if is_new and BY_TIME.search(name):  # this name now belongs to another time
                continue
            if table.setdefault(name, source) != source:
                raise EditError(f"{name} would be both {table[name]} and {source}\n  set over_time = false")
    wanted = {tensor.name: tensor.shape for tensor in new.tensors}
    return {name: source for name, source in table.items() if shapes.get(source) == wanted[name]}


def _layers(plan: Plan) -> Iterator[tuple[Line, str, tuple[str, ...]]]:
    """Lines with tensors and the label of their layer; a Lipschitz divisor belongs to its own place."""
    divisors = {line.name: line.tensors for line in plan.lines if line.op.kind == "lipschitz"}
    for line in plan.lines:
        tensors = divisors[line.arguments[1]] if line.op.kind == "divide" else line.tensors
        if tensors and line.name not in divisors:
            yield line, re.sub(r"^.*?_t\d+(_T\d+)?_", "", line.name.removeprefix(line.place.replace(".", "_"))), tensors


def _role(name: str) -> str:
    return name.rpartition(".")[2]


def shown_to(
    spec: Spec, edits: Sequence[Edit], part: Part, batch_size: int, most: int | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the input of an edited net, and targets: if another image is shown from some time on, the one before.

    Args:
        spec: of the net without the edits.
        part: of the data.
        most: number of images after which to stop.
    """
    other = next((edit.t for edit in edits if isinstance(edit, ShowAnother)), None)
    if other is None:
        yield from part.batches(batch_size, most=most)
        return
    masked = edited(spec, edits)[0]
    before = part.subset([len(part) - 1]).first(1)[0]
    for images, targets in part.batches(batch_size, most=most):
        yield sequence(masked, images, torch.cat([before, images[:-1]]), other), targets
        before = images[-1:]


def sequence(net: nn.Module | Spec, images: Tensor, others: Tensor, t: int) -> Tensor:
    """Make the input `[N, T, C, H, W]` of a net edited by `ShowAnother(t)`: images `[N, C, H, W]`, from t on `others`.

    Raises:
        EditError: the net's input is not a sequence.
    """
    spec = net if isinstance(net, Spec) else origin_of(net)[1]
    if not spec.input.sequence:
        raise EditError("the input of this net is not a sequence\n  edit it with ShowAnother first")
    network = expand_in_time(spec).network
    times = network.input_times.upto(max(time for each in network.nets for time in each.readouts))
    return torch.stack([images if time < t else others for time in times], 1)
