"""`graphnet bench`: predicted and measured speed at each optimisation level."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, Settings, SpecPath, planned
from graphnet.cli.training.evaluate import Device
from graphnet.compile_options import Options
from graphnet.errors import clean
from graphnet.passes import Mode
from graphnet.pipeline import compile_net
from graphnet.planning.cost import Target, seconds, seconds_by_kind
from graphnet.planning.plan import Plan
from graphnet.spec.model import Spec
from graphnet.training.errors import TrainingError

if TYPE_CHECKING:
    import torch

LEVELS = (0, 1, 2, 3)


def bench(
    spec: SpecPath,
    settings: Settings = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Images per batch.")] = 32,
    rounds: Annotated[int, typer.Option(min=3, help="Runs of each variant.")] = 10,
    threads: Annotated[int, typer.Option(min=0, help="PyTorch's CPU threads; 0 keeps the default.")] = 0,
    inductor: Annotated[bool, typer.Option("--inductor", help="Also time level 3 compiled by torch.compile.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="First measure this machine's speed again.")] = False,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Time a net at each optimisation level and compare with the predicted times.

    Predictions use this machine's measured speed.
    Training runs forward and backward; inference runs forward in a net compiled for it.
    Runs are interleaved; speedups over level 0 have 95 % intervals.
    The bare convolutions run the plan's convolutions and nothing else: no level can be faster.
    """
    import torch

    from graphnet.runtime.machine_profile import machine_of
    from graphnet.training.devices import choose_device

    loaded, plan = planned(spec, settings)
    if threads:
        torch.set_num_threads(threads)
    try:
        where = choose_device(device)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None
    machine = machine_of(where, again=measure)
    print(f"{clean(plan.name)}: {batch_size} images, {rounds} rounds, on {machine.device}")
    images = torch.randn(batch_size, *plan.input_shape, device=where)
    modes: tuple[Mode, ...] = ("train", "infer")
    for mode in modes:
        print(f"\n{'training' if mode == 'train' else 'inference':20} predicted     timed   speedup over level 0")
        for row in _rows(loaded, plan, Target(machine, batch_size, mode), mode, images, rounds, inductor):
            print(row)


def _rows(
    spec: Spec, plan: Plan, target: Target, mode: Mode, images: torch.Tensor, rounds: int, inductor: bool
) -> list[str]:
    """One row per variant of a net, then what level 3 chose."""
    from graphnet.analysis.bare_convolutions import Bare
    from graphnet.analysis.timing import interleaved, ratio

    like = Options(mode=mode, device=str(images.device), batch_size=len(images))
    nets = {f"level {level}": compile_net(spec, replace(like, optimize=level)) for level in LEVELS}
    if inductor:
        nets["level 3, inductor"] = compile_net(spec, replace(like, optimize=3, stepwise=True, backend="inductor"))
    chosen: Plan = nets["level 3"].meta["executed"]
    variants = {name: (net.to(images.device), images) for name, net in nets.items()}
    bare = Bare(plan, images, chosen.layout)
    times = interleaved({**variants, "bare convolutions": (bare, images)}, mode == "train", rounds)
    rows = []
    for name, found in times.items():
        predicted, faster = "", ratio(times["level 0"], found)
        if name in nets and name != "level 3, inductor":
            executed = nets[name].meta["executed"]
            predicted = f"{1000 * seconds(executed, target, executed.layout):.1f} ms"
        timed = f"{1000 * statistics.median(found):.1f} ms"
        told = f"{faster.median:8.2f} [{faster.low:.2f}, {faster.high:.2f}]"
        rows.append(f"  {name:18} {predicted:>9} {timed:>9}  {told}")
    return [*rows, f"  level 3 chose {_choices(chosen)}", f"  predicted by part: {_parts(chosen, target)}"]


def _choices(plan: Plan) -> str:
    """Layout and fusions that the cost model chose."""
    kinds = Counter(line.op.kind for line in plan.lines)
    fused = kinds["convs"] + sum(line.op.kind == "concat" and line.name.endswith("_sources") for line in plan.lines)
    return f"the layout {plan.layout.replace('_', ' ')} and {fused} fused convolutions"


def _parts(plan: Plan, target: Target) -> str:
    parts = seconds_by_kind(plan, target, plan.layout)
    return ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in parts.items())
