"""Read a trained net out at other times, with its weights."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from torch import Tensor, nn

from graphnet.analysis.interpreter import tensors_of
from graphnet.analysis.perturb import options_of, origin_of
from graphnet.errors import SpecError, and_more
from graphnet.network.matrix import read_constants
from graphnet.pipeline import compile_net, load
from graphnet.pipeline import plan as plan_of
from graphnet.planning.plan import Plan
from graphnet.planning.time_expansion import expand_as_far_as_possible, expand_in_time
from graphnet.rewrite.spec_editor import EditError
from graphnet.runtime.loading import is_statistic, is_vector, uncalibrated
from graphnet.runtime.net import Net
from graphnet.spec.model import Spec
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.times import parse_times
from graphnet.training.calibrate import Batch, calibrate
from graphnet.training.tasks import by_time

Calibration = Literal["missing", "all", "none"]
"""Which running statistics are calibrated: those the net lacks, all, or none."""
Times = str | int | Iterable[int]
"""Times as in a spec, such as `"1..12"`, `"3, 6, 9..T"`, 4 or [4, 5]; `T` is the net's last readout time."""
MOST_TIMES = 1000
EXAMPLE = 'write times as in a spec, such as 6, "3..12" or "3, 6, 9..T+2"'


@dataclass(frozen=True, eq=False)
class Readouts:
    """A trained net compiled for other readout times.

    Attributes:
        nets: one that is read out at all times, or one for each time if slabs name `T`; in evaluation mode. They share
            the parameters of the trained net; their statistics are copies.
        times: the readout times, ascending.
        untrained: those whose output depends on statistics that the trained net lacks.
        calibrated: those whose output depends on statistics that were calibrated here.
        left_out: time → why the net cannot be read out then.
    """

    nets: tuple[Net, ...]
    times: tuple[int, ...]
    untrained: tuple[int, ...]
    calibrated: tuple[int, ...]
    left_out: Mapping[int, str]

    def outputs(self, images: Tensor) -> dict[int, Tensor]:
        """The outputs for images `[N, C, H, W]` by readout time, in order of time.

        Of sequences `[N, T, C, H, W]`, each net takes the first frames, as many as it needs.
        """
        found: dict[int, Tensor] = {}
        for net in self.nets:
            last = net.meta["plan"].last_time
            found |= {last if t is None else t: output for t, output in by_time(net(_frames(net, images))).items()}
        return {t: found[t] for t in self.times}


def read_out(
    net: nn.Module, times: Times, training: Iterable[Batch] | None = None, which: Calibration = "missing"
) -> Readouts:
    """Compile a trained net for other readout times, on the same weights; the net itself does not change.

    Where no slab names `T`, one net is read out at all times; else each time has a net of its own (rule 7).

    Args:
        net: from `graphnet.compile`.
        times: the readout times.
        training: training images to calibrate statistics on, in batches of the size of training; kept in memory if
            there are several nets.
        which: running statistics to calibrate. With "none", norms without trained statistics have mean 0 and variance
            1. Statistics shared over time are calibrated by "all" only, over all times of a net.

    Raises:
        EditError: the net was not compiled by graphnet, it can be read out at none of the times, or calibration needs
            training images.
        ValueError: `which` is no such word, or calibration fails.
    """
    if which not in get_args(Calibration):
        raise ValueError(f"calibrate={which!r}: one of {', '.join(get_args(Calibration))}")
    ours, spec = origin_of(net)
    wanted = times_of(times, ours, spec)
    left, left_out = _readable(spec, wanted, options_of(net).unlimited)
    separate = len(left) > 1 and len(expand_in_time(spec_at(spec, left), True).network.nets) > 1
    nets, lacks = [], dict[int, list[str]]()
    for group in [(t,) for t in left] if separate else [left]:
        lacking = lacking_weights(net, plan_of(spec_at(spec, group), unlimited=True)) if group else {}
        left_out |= {t: f"it needs weights that the net does not have: {and_more(all_)}" for t, all_ in lacking.items()}
        if kept := tuple(t for t in group if t not in lacking):
            made, missing = with_weights_of(net, spec_at(spec, kept))
            nets.append((made, missing))
            lacks |= _dependence(made.meta["plan"], missing)
    read = tuple(t for t in left if t not in left_out)
    if not read:
        reasons = "; ".join(f"t = {t}: {why}" for t, why in sorted(left_out.items())[:3])
        raise EditError(f"the net cannot be read out at any of these times\n  {reasons}")
    if which != "none":
        _calibrate(nets, training, which)
    on_statistics = {t for made, _ in nets for t in _dependence(made.meta["plan"], _statistics(made))}
    calibrated = {"none": set[int](), "missing": set(lacks), "all": on_statistics}[which]
    return Readouts(
        tuple(made.eval() for made, _ in nets),
        read,
        tuple(t for t in read if t in lacks),
        tuple(t for t in read if t in calibrated),
        dict(sorted(left_out.items())),
    )


def calibrated_for(
    net: nn.Module, times: Times, training: Iterable[Batch], which: Calibration = "missing"
) -> tuple[Net, tuple[str, ...]]:
    """Compile a trained net for other readout times as one net, which a checkpoint can hold, and calibrate it.

    Its readouts combine as those of the trained net.

    Args:
        net, training, which: as for `read_out`.
        times: the readout times.

    Returns:
        The new net in evaluation mode, and the names of the calibrated statistics.

    Raises:
        SpecError: the spec cannot be read out at one of the times.
        EditError: weights are missing, or the net was not compiled by graphnet.
        ValueError: calibration fails.
    """
    ours, spec = origin_of(net)
    made, missing = with_weights_of(net, spec_at(spec, times_of(times, ours, spec), combined=True))
    names = {"missing": missing, "all": _statistics(made), "none": []}[which]
    if names:
        calibrate(made, _images(made, training), names)
    return made.eval(), tuple(names)


def times_of(times: Times, plan: Plan, spec: Spec) -> tuple[int, ...]:
    """Return readout times, ascending; constants are those of `[let]` and `T`, the net's last readout time.

    Raises:
        EditError: there are none, or they are misspelt, below 0, without an end, or too many.
    """
    if isinstance(times, int) or not isinstance(times, str):
        given = [times] if isinstance(times, int) else list(times)
        if wrong := [t for t in given if t < 0]:
            raise EditError(f"{wrong[0]} is not a time: times are 0, 1, 2, …")
        return _few(given)
    constants = read_constants(spec, []) | {"T": plan.last_time}
    found: list[int] = []
    for part in times.split(","):
        try:
            parsed = parse_times(part.strip())
        except Misspelt as fault:
            raise EditError(f"readout '{times}': {fault.what}\n  {fault.fix or EXAMPLE}") from None
        if unknown := [name for name in parsed.names if name not in constants]:
            raise EditError(f"readout '{times}': no constant is called '{unknown[0]}'\n  {EXAMPLE}")
        if parsed.last is None:
            raise EditError(f"readout '{times}' has no end\n  {EXAMPLE}")
        found += parsed.times(constants).upto(parsed.first.value(constants) + MOST_TIMES)
    return _few(found)


def _few(times: Sequence[int]) -> tuple[int, ...]:
    found = tuple(sorted(set(times)))
    if not found:
        raise EditError(f"no readout times\n  {EXAMPLE}")
    if len(found) > MOST_TIMES:
        raise EditError(f"more than {MOST_TIMES} readout times\n  {EXAMPLE}")
    return found


def spec_at(spec: Spec, times: Sequence[int], combined: bool = False) -> Spec:
    """Return the spec read out at other times; with `combined`, its readouts combine as before."""
    kept = ("state", "combine") if combined else ("state",)
    readout = {key: value for key, value in spec.as_data()["readout"].items() if key in kept}
    return load(spec.as_data() | {"readout": readout | {"t": list(times)}})


def with_weights_of(net: nn.Module, spec: Spec) -> tuple[Net, list[str]]:
    """Compile another spec with the weights of a net: parameters are shared, statistics are copied.

    Returns:
        The new net, and the names of its running statistics that the old one lacks; these are as before training.

    Raises:
        EditError: weights are missing.
    """
    plan = plan_of(spec, unlimited=options_of(net).unlimited)
    if lacking := lacking_weights(net, plan):
        names = dict.fromkeys(name for each in lacking.values() for name in each)
        raise EditError(f"this needs weights that the net does not have: {and_more(list(names))}")
    shapes = {tensor.name: tensor.shape for tensor in plan.tensors}
    fitting = {name: each for name, each in tensors_of(net).items() if shapes.get(name) == tuple(each.shape)}
    parameters = dict(net.named_parameters())
    given = {name: each if name in parameters else each.clone() for name, each in fitting.items()}
    made = compile_net(spec, options_of(net), given)
    return made, [name for name in _statistics(made) if name not in given]


def lacking_weights(net: nn.Module, plan: Plan) -> dict[int, list[str]]:
    """Readout time of a plan → the weights it needs that a net does not have, or has in another shape."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors_of(net).items()}
    wanted = [each for each in plan.tensors if not is_statistic(each.name) and not is_vector(each.name)]
    return _dependence(plan, [each.name for each in wanted if shapes.get(each.name) != each.shape])


def _statistics(net: Net) -> list[str]:
    return [tensor.name for tensor in net.meta["plan"].tensors if is_statistic(tensor.name)]


def _dependence(plan: Plan, names: Collection[str]) -> dict[int, list[str]]:
    """Readout time → those of the tensors that its output depends on; without times that depend on none."""
    if not names:
        return {}
    chosen, none = set(names), frozenset[str]()
    found: dict[str, frozenset[str]] = {}
    for line in plan.lines:
        own = frozenset(name for name in line.tensors if name in chosen)
        below = [found[name] for name in line.arguments if found.get(name)]
        found[line.name] = own.union(*below) if own or below else none
    return {t: [each for each in names if each in found[name]] for t, name in plan.outputs if found.get(name)}


def _readable(spec: Spec, times: Sequence[int], unlimited: bool) -> tuple[tuple[int, ...], dict[int, str]]:
    """Split times into those at which the spec can be read out, and the others with the reason."""
    why: dict[int, str] = {}
    expansion, _ = expand_as_far_as_possible(spec_at(spec, times), unlimited=unlimited)
    if expansion is not None and len(expansion.activities) == len(expansion.network.nets):
        read = expansion.network.read
        for net, activity in zip(expansion.network.nets, expansion.activities, strict=True):
            why |= {t: f"'{read}' is empty" for t in net.readouts if (read, t) not in activity.populated}
    left = [t for t in times if t not in why]
    if left and _refused(spec, left, unlimited):
        why |= {t: fault for t in left if (fault := _refused(spec, [t], unlimited))}
    return tuple(t for t in left if t not in why), why


def _refused(spec: Spec, times: Sequence[int], unlimited: bool) -> str:
    """Why a spec cannot be read out at some times; empty if it can."""
    try:
        expand_in_time(spec_at(spec, times), unlimited)
    except SpecError as error:
        return error.faults[0].what
    return ""


def _calibrate(nets: Sequence[tuple[Net, Sequence[str]]], training: Iterable[Batch] | None, which: Calibration) -> None:
    chosen = [(net, missing if which == "missing" else _statistics(net)) for net, missing in nets]
    todo = [(net, names) for net, names in chosen if names]
    if not todo:
        return
    if training is None:
        hint = "pass batches of training images, or calibrate='none'"
        raise EditError(f"{uncalibrated([name for _, names in todo for name in names])}\n  {hint}")
    batches = training if len(todo) == 1 else list(training)
    for net, names in todo:
        calibrate(net, _images(net, batches), names)


def _images(net: Net, batches: Iterable[Batch]) -> Iterator[Tensor]:
    for batch in batches:
        yield _frames(net, batch if isinstance(batch, Tensor) else batch[0])


def _frames(net: Net, images: Tensor) -> Tensor:
    """The images; of a sequence, as many frames as the net needs."""
    plan: Plan = net.meta["plan"]
    return images[:, : plan.input_shape[0]] if plan.is_sequence else images
