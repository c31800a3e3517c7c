"""`graphnet bench`: how fast a net runs, and what optimising gives."""

from __future__ import annotations

import statistics
from typing import Annotated

import typer

from graphnet.cli.evaluate import Device
from graphnet.cli.plugins import Plugins
from graphnet.cli.report import Failure, Settings, SpecPath, planned
from graphnet.passes import Mode
from graphnet.training.errors import TrainingError


def bench(
    spec: SpecPath,
    settings: Settings = None,
    batch_size: Annotated[int, typer.Option(min=2, help="Images at once.")] = 32,
    rounds: Annotated[int, typer.Option(min=3, help="How often each variant runs.")] = 10,
    threads: Annotated[int, typer.Option(min=0, help="Of PyTorch on the CPU; 0 leaves them as they are.")] = 0,
    inductor: Annotated[bool, typer.Option("--inductor", help="Compile steps by torch.compile, too.")] = False,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Time a net at each optimisation level, interleaved: milliseconds, and ratios with 95 % intervals.

    Training is forward and backward; inference forward alone, by the net compiled for it.
    """
    import torch

    from graphnet.analysis.timing import interleaved, ratio
    from graphnet.pipeline import compile
    from graphnet.training.loop import choose_device

    loaded, plan = planned(spec, settings)
    if threads:
        torch.set_num_threads(threads)
    try:
        where = choose_device(device)
    except TrainingError as error:
        raise Failure(f"error: {error}") from None
    images = torch.randn(batch_size, *plan.input_shape, device=where)
    print(f"{plan.name}: {batch_size} images on {where}, {torch.get_num_threads()} threads, {rounds} rounds")
    modes: tuple[Mode, ...] = ("train", "infer")
    for mode in modes:
        nets = {f"level {level}": compile(loaded, mode=mode, optimize=level) for level in (0, 1, 2)}
        nets["level 2, stepwise"] = compile(loaded, mode=mode, stepwise=True)
        if inductor:
            nets["level 2, inductor"] = compile(loaded, mode=mode, backend="inductor")
        times = interleaved({name: (net.to(where), images) for name, net in nets.items()}, mode == "train", rounds)
        print(f"\n{'training' if mode == 'train' else 'inference'}")
        for name, found in times.items():
            faster = ratio(times["level 0"], found)
            told = f"{faster.median:5.2f} times as fast as level 0 [{faster.low:.2f}, {faster.high:.2f}]"
            print(f"  {name:18} {1000 * statistics.median(found):9.1f} ms   {told}")
