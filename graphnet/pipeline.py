"""The compiler, top to bottom. Read this first."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graphnet.atomic_files import write_bytes
from graphnet.compile_options import BACKENDS, Options, check_device
from graphnet.errors import Fault, SpecError
from graphnet.given_specs import SpecLike as SpecLike
from graphnet.given_specs import given_spec, meta_of
from graphnet.passes import DEFAULT, Mode, run_passes
from graphnet.planning.cost import BATCH, Target, seconds
from graphnet.planning.plan import Plan
from graphnet.planning.reference_machine import TYPICAL
from graphnet.planning.schedule import schedule
from graphnet.planning.time_expansion import expand_as_far_as_possible, expand_in_time
from graphnet.planning.verify import verify
from graphnet.spec.model import Spec
from graphnet.spec.read import placed, read, unrelated
from graphnet.spec.write import Settings, to_settings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from graphnet.pictures.views import Style, View
    from graphnet.pictures.write.svg import Drawing
    from graphnet.runtime.net import Net


def compile_plan(spec: Spec, keep_dead: bool = False, unlimited: bool = False) -> Plan:
    """Spec → verified plan. Read this first."""
    with uncollected():
        expansion = expand_in_time(spec, unlimited)  # names, sizes, weights; then what happens when
        return verify(schedule(expansion, keep_dead))


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector of cycles: it would look through all of a large plan or net again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()  # what has been made is old by now: it is not looked through at once
            gc.enable()


def load(path: SpecLike, *, settings: Settings = ()) -> Spec:
    """Read a spec from a TOML or JSON file, from the zoo, or from a dict of the same form.

    Files that it extends are merged into it, then `settings`, as `--set` does.

    Args:
        path: the path of a file (`-` is standard input), a name such as `"cornet-s"` that `graphnet.zoo.names()` lists,
            a dict, or a compiled net, whose spec is meant. A file comes before a spec of the zoo.
        settings: `{"readout.t": 3}` or `["readout.t=3"]`.

    Raises:
        SpecError: every fault that can be found: of the text, of the form, and of the meaning of the entries that are
            well-formed.
        TypeError: `path` is nothing of that kind.
    """
    changes = to_settings(settings)
    given = given_spec(path)
    if isinstance(given, Spec):
        if not changes:
            return given
        given = given.as_data()
    spec, faults, source = read(given, changes)
    if faults or spec is None:
        raise SpecError(placed(faults + _further(spec, faults), source))
    return spec


def plan(spec: SpecLike, *, settings: Settings = (), keep_dead: bool = False, unlimited: bool = False) -> Plan:
    """Compile a spec to its plan, without torch.

    `keep_dead` keeps what no readout needs, for debugging; `unlimited` lets the net be of any size. A compiled net is
    planned as it was compiled. `spec` and `settings` are as for `load`.

    Raises SpecError.
    """
    if isinstance(made := meta_of(spec).get("options"), Options):
        keep_dead, unlimited = keep_dead or made.keep_dead, unlimited or made.unlimited
    spec = load(spec, settings=settings)
    try:
        return compile_plan(spec, keep_dead, unlimited)
    except SpecError as error:
        raise SpecError(placed(error.faults, spec.source)) from None


def unroll(spec: SpecLike, *, settings: Settings = ()) -> Spec:
    """A spec of the same net unrolled in time: feed-forward, one state for each (state, time), tied by sharing sets.

    It compiles to the same function with as many parameters. `spec` and `settings` are as for `load`. Raises SpecError,
    also where the language has no words for it.
    """
    from graphnet.rewrite.unroll import unroll as unrolled_data

    spec = load(spec, settings=settings)
    try:
        return load(unrolled_data(spec))
    except SpecError as error:
        raise SpecError(placed(error.faults, spec.source)) from None


def draw(
    spec: SpecLike,
    path: str | os.PathLike[str] | None = None,
    *,
    settings: Settings = (),
    view: View = "unrolled",
    style: Style = "light",
    dead: bool = False,
    width: float = 174.0,
    elide: bool = False,
    dpi: float | None = None,
    title: bool = True,
) -> Drawing:
    """Draw a spec's net as SVG text that shows itself in a notebook; also write it to `path` if one is given.

    Args:
        spec, settings: as for `load`; of a compiled net the spec is drawn.
        path: where to write it, in the format of its suffix: .svg, .png, .pdf; of the unrolled and the recurrent
            view also .dot, and .gif, of activity spreading step by step.
        view, style, dead, width, elide, dpi, title: as in `graphnet.pictures.views.PictureOptions`: `unrolled`,
            `recurrent`, `matrix` or `plan`; `light` or `dark`; with what never runs; of a page in millimetres, 0 breaks
            nothing; without the inner ones of many steps that are alike; pixels an inch, 300 for PNG and 120 for GIF
            if None; with the net's name above.

    Raises:
        SpecError: the spec is wrong.
        ValueError: no view, style or format of that name, or no such `dpi`.
        OSError: the file cannot be written.
    """
    from graphnet.pictures.formats import drawn
    from graphnet.pictures.views import PictureOptions, Rendering
    from graphnet.pictures.write.svg import to_svg

    options = PictureOptions(view, style, dead, width, elide, dpi, title)
    rendering = Rendering(plan(spec, settings=settings), options)
    if path is not None:
        write_bytes(Path(path), drawn(path, rendering))
    return to_svg(rendering.picture)


def compile(
    spec: SpecLike,
    *,
    settings: Settings = (),
    seed: int = 0,
    keep_dead: bool = False,
    unlimited: bool = False,
    mode: Mode = "train",
    optimize: int = DEFAULT,
    backend: Literal["eager", "inductor"] = "eager",
    stepwise: bool | None = None,
    device: str | None = None,
    batch_size: int = BATCH,
) -> Net:
    """Compile a spec to a PyTorch module.

    Args:
        spec, settings: as for `load`.
        seed: seed of the initial weights; the same seed gives the same weights for a place whatever the
            readout, the order of drawing or the device.
        keep_dead: compute also what no readout needs, for debugging.
        unlimited: let the net be of any size.
        mode: `train` makes a net that can be trained and evaluated; `infer` one for evaluation alone, in which norms
            are folded into the convolutions before them. Checkpoints are the same.
        optimize: 0 runs the plan line by line; 1 computes once what several transitions share; 2 also fuses
            convolutions and lays maps out in memory where a typical CPU is faster so; 3 where this machine is, which
            is measured once, in seconds, and remembered. Values, names and checkpoints are the same at every level.
        backend: `inductor` compiles by `torch.compile`: each distinct step, so that compiling takes as long for many
            time steps as for few.
        stepwise: generate each distinct step once and call it for each time, instead of one graph for all times; None
            does so above level 0 wherever a step recurs, with inductor for all but what is quick to compile whole.
        device: what level 3 chooses for: `cpu`, `cuda`, …; None is a GPU if there is one. The net is made on the CPU.
        batch_size: how many images at once level 3 chooses for.

    Returns:
        A `torch.fx.GraphModule` from images `[N, C, H, W]` to logits `[N, classes]`, or to a dict of them by
        readout time if the spec has several. Its `meta` holds its plan and its spec.

        Its states' modules hold the layers as the classes of `torch.nn`; level 0 calls them. Above it functions use
        what they hold: a hook on a layer, or another class or setting of one, is refused in the next forward pass.
        Weights are contiguous; `net.to(memory_format=torch.channels_last)` saves what laying them out costs, once a
        pass, where maps lie so.

    Raises:
        SpecError: the spec is wrong.
        ValueError: no option of that value.
    """
    return compile_net(
        load(spec, settings=settings),
        Options(seed, keep_dead, unlimited, mode, optimize, backend, stepwise, device, batch_size),
    )


def compile_net(spec: Spec, options: Options, given: Mapping[str, Tensor] | None = None) -> Net:
    """Spec → plan → executed plan → net.

    Tensors that are `given`, by name, are those of another net: they share its storage; all others are drawn from the
    options' seed.
    """
    check_device(options.device)
    from graphnet.runtime.parameters import FIRST_ITERATIONS, modules_of, settle_divisors

    compiled = plan(spec, keep_dead=options.keep_dead, unlimited=options.unlimited)
    with uncollected():
        executed = _executed(compiled, options)
        modules = modules_of(compiled, options.seed, given or {})
        net = _assembled(spec, options, compiled, executed, modules)
    for state, times in executed.made_at.items():
        vars(net.get_submodule(state))["times"] = times
    settle_divisors(net, FIRST_ITERATIONS, given or {})
    if options.backend == "inductor":
        net.compile(dynamic=False)
    return net.eval() if options.mode == "infer" else net


@dataclass(frozen=True)
class _Origin:
    """What a net is made from: with its modules it is the net."""

    spec: Spec
    options: Options

    def structure(self) -> Net:
        """The net without its modules."""
        from torch import nn

        compiled = plan(self.spec, keep_dead=self.options.keep_dead, unlimited=self.options.unlimited)
        with uncollected():
            executed = _executed(compiled, self.options)
            net = _assembled(self.spec, self.options, compiled, executed, nn.Module())
        if self.options.backend == "inductor":
            net.compile(dynamic=False)
        return net

    def __reduce__(self) -> tuple[Any, ...]:
        return _origin, (self.spec.as_data(), self.options)


def _origin(data: Mapping[str, Any], options: Options) -> _Origin:
    return _Origin(load(data), options)


def _executed(compiled: Plan, options: Options) -> Plan:
    """The plan that runs: passes go across layers, which are called without them."""
    if options.optimize == 0:
        return replace(compiled, calls_layers=True)
    return run_passes(compiled, options.optimize, options.mode, _target(options))


def _assembled(spec: Spec, options: Options, compiled: Plan, executed: Plan, modules: nn.Module) -> Net:
    from graphnet.runtime.net import Net, recurs

    stepwise = options.stepwise
    if stepwise is None:
        stepwise = options.optimize > 0 and recurs(executed)
        if options.backend == "inductor":
            stepwise = stepwise and (len(executed.lines) > BACKENDS["inductor"] or _is_slow(executed, options))
    net = Net(compiled, executed, stepwise, modules, _Origin(spec, options))
    net.meta |= {"spec": spec, "options": options, "optimize": options.optimize, "mode": options.mode}
    return net


def _target(options: Options) -> Target | None:
    """What level 3 chooses for."""
    if options.optimize < 3:
        return None
    from graphnet.runtime.machine_profile import machine_of

    return Target(machine_of(options.device), options.batch_size, options.mode)


def _is_slow(plan: Plan, options: Options) -> bool:
    """Whether a pass takes so long that calling compiled programs for each time, 0.2 ms, is nothing beside it."""
    return seconds(plan, Target(TYPICAL, options.batch_size, "train"), "channels_last") > 0.1


def _further(spec: Spec | None, faults: list[Fault]) -> list[Fault]:
    """What is wrong with the meaning of the entries whose form is right, unless it follows from the others."""
    if spec is None:
        return []
    _, more = expand_as_far_as_possible(spec, form_faults=faults)
    return unrelated([fault for fault in more if fault.severity == "error"], faults)
