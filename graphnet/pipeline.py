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
from graphnet.spec.text.source import Source
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
    """Disable cyclic garbage collection: it would rescan a large plan or net repeatedly."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()  # moves all objects to the oldest generation, so that they are not scanned at once
            gc.enable()


def load(path: SpecLike | Source, *, settings: Settings = ()) -> Spec:
    """Read a spec from a TOML or JSON file, from the zoo, or from a dict of the same form.

    The files that it extends are merged first, then `settings`, as with `--set`.

    Args:
        path: the path of a file (`-` is standard input), a zoo name such as `"cornet-s"` (`graphnet.zoo.names()` lists
            them), a dict, a compiled net, for its spec, or a text that was read. A file takes precedence over a zoo
            spec.
        settings: `{"readout.t": 3}` or `["readout.t=3"]`.

    Raises:
        SpecError: with every fault found: in the text, in the form, and in the meaning of well-formed entries.
        TypeError: `path` is none of these.
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

    `keep_dead` keeps what no readout needs, for debugging; `unlimited` lifts the size limits. A compiled net is planned
    with the options it was compiled with. `spec` and `settings` are as for `load`.

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
    """Unroll a net in time: return a feed-forward spec with one state per (state, time), tied by sharing sets.

    It compiles to the same function with the same number of parameters; `graphnet.equivalence.unrolled` gives it the
    weights of a net. `spec` and `settings` are as for `load`. Raises SpecError, also where the language cannot express
    the unrolled net.
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
    values: Mapping[str, float] | None = None,
    quantity: str = "",
) -> Drawing:
    """Draw a spec's net as SVG text, which a notebook displays; also write it to `path` if given.

    Args:
        spec, settings: as for `load`.
        path: output file; the suffix chooses the format: .svg, .png or .pdf; for the unrolled and the recurrent view
            also .dot, and .gif, which animates activity spreading step by step.
        view: `unrolled`, `recurrent`, `matrix` or `plan`.
        style: `light` or `dark`.
        dead: also draw what never runs.
        width: page width in millimetres; 0 never breaks the picture.
        elide: leave out the inner ones of many similar steps.
        dpi: pixels per inch; None is 300 for PNG and 120 for GIF.
        title: put the net's name above.
        values: numbers by which to colour the boxes of the unrolled view, `{"V2@3": 0.4}`; `quantity` names them at
            the colour bar.

    Raises:
        SpecError: the spec is wrong.
        ValueError: unknown view, style or format, invalid `dpi`, or a value of a state that is not drawn at that time.
        OSError: the file cannot be written.
    """
    from graphnet.pictures.formats import drawn
    from graphnet.pictures.unrolled.values import Colouring
    from graphnet.pictures.views import PictureOptions, Rendering
    from graphnet.pictures.write.svg import to_svg

    options = PictureOptions(view, style, dead, width, elide, dpi, title, Colouring(values or {}, quantity))
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
        seed: seed of the initial weights. A place gets the same weights whatever the readout, the order of
            initialisation or the device.
        keep_dead: also compute what no readout needs, for debugging.
        unlimited: lift the size limits.
        mode: `train` makes a net for training and evaluation; `infer` one for evaluation only, with norms folded into
            the convolutions before them. Checkpoints are the same.
        optimize: 0 runs the plan line by line; 1 computes shared work once; 2 also fuses convolutions and chooses
            memory layouts where this is faster on a typical CPU; 3 where it is faster on this machine, which is
            measured once, in seconds, and remembered. Values, names and checkpoints are the same at every level.
        backend: `inductor` uses `torch.compile` on each distinct step, so that compile time does not grow with the
            number of time steps.
        stepwise: generate each distinct step once and call it for each time, instead of one flat graph. None does this
            above level 0 if a step recurs; with inductor, not for nets that compile quickly as a whole.
        device: the device that level 3 optimises for: `cpu`, `cuda`, …; None is a GPU if there is one. The net is
            created on the CPU.
        batch_size: the batch size that level 3 optimises for.

    Returns:
        A `torch.fx.GraphModule` from images `[N, C, H, W]` to logits `[N, classes]`, or to a dict of them by
        readout time if the spec has several. Its `meta` holds its plan and its spec.

        The modules of its states hold ordinary `torch.nn` layers. Level 0 calls them; higher levels call functions on
        their tensors, so the next forward pass refuses a layer with a hook, another class or another setting.
        Weights are contiguous. Where maps are channels-last, `net.to(memory_format=torch.channels_last)` saves one
        conversion per pass.

    Raises:
        SpecError: the spec is wrong.
        ValueError: an option has an invalid value.
    """
    return compile_net(
        load(spec, settings=settings),
        Options(seed, keep_dead, unlimited, mode, optimize, backend, stepwise, device, batch_size),
    )


def compile_net(spec: Spec, options: Options, given: Mapping[str, Tensor] | None = None) -> Net:
    """Spec → plan → executed plan → net.

    `given` holds tensors of another net by name: the new net shares their storage, and initialises all others from the
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
    """Everything that a net is made from, except its modules."""

    spec: Spec
    options: Options

    def structure(self) -> Net:
        """Rebuild the net without its modules."""
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
    """Return the plan to run. Passes rewrite across layers; without passes, the layers themselves are called."""
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
    """Return the machine, batch size and mode that level 3 optimises for."""
    if options.optimize < 3:
        return None
    from graphnet.runtime.machine_profile import machine_of

    return Target(machine_of(options.device), options.batch_size, options.mode)


def _is_slow(plan: Plan, options: Options) -> bool:
    """Whether a pass is so slow that 0.2 ms per step for calling compiled programs does not matter."""
    return seconds(plan, Target(TYPICAL, options.batch_size, "train"), "channels_last") > 0.1


def _further(spec: Spec | None, faults: list[Fault]) -> list[Fault]:
    """Return faults in the meaning of the well-formed entries, except consequences of the known faults."""
    if spec is None:
        return []
    _, more = expand_as_far_as_possible(spec, form_faults=faults)
    return unrelated([fault for fault in more if fault.severity == "error"], faults)
