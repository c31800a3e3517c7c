"""`graphnet unroll`: a net unrolled in time, as a spec, or as a run with the weights of a trained net."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, Settings, SpecPath, planned, told, write
from graphnet.cli.training.evaluate import WhichCheckpoint, run_told
from graphnet.given_specs import SUFFIXES, is_run_folder
from graphnet.pipeline import unroll as unrolled_spec
from graphnet.spec.write import to_json, to_toml
from graphnet.training.runs.run_folder import RunFolder


def unroll(
    spec: SpecPath,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The spec to write, .toml or .json; of a run also a new folder."),
    ],
    settings: Settings = None,
    checkpoint: WhichCheckpoint = None,
    plugins: Plugins = None,
) -> None:
    """Write the net unrolled in time as a feed-forward spec, with weights shared over time by sharing sets.

    The new spec has one state for each state and time.
    For a run folder, -o may name a new folder: it gets the spec and the trained weights, and is used like a run.
    """
    if is_run_folder(spec) and output.suffix not in SUFFIXES:
        if settings:
            raise Failure("error: --set changes a spec, not a run\n  leave it out, or write a .toml or .json file", 2)
        with run_told():
            _unroll_run(RunFolder.open(Path(spec)), output, checkpoint)
        return
    if checkpoint is not None:
        raise Failure("error: --checkpoint is for a run that is unrolled into a folder: RUN -o FOLDER", 2)
    loaded, _ = planned(spec, settings)
    with told():
        data = unrolled_spec(loaded).as_data()
    write(output, to_json(data) if output.suffix == ".json" else to_toml(data))
    print(output)


def _unroll_run(run: RunFolder, output: Path, checkpoint: str | None) -> None:
    from graphnet.equivalence import unrolled
    from graphnet.pictures.text import plan_text
    from graphnet.pictures.unrolled.picture import draw_unrolled
    from graphnet.training.runs.creation import new_run
    from graphnet.training.runs.derived_run import derive_run
    from graphnet.training.runs.load_run import load_net

    used = run.tested if checkpoint is None else run.checkpoint_called(checkpoint)
    net = unrolled(load_net(run, "cpu", checkpoint))
    spec, plan = net.meta["spec"], net.meta["plan"]
    with new_run(output, spec.name) as folder:
        text = to_json(spec.as_data())
        folder.write_text("spec.json", text)
        folder.write_text("plan.txt", plan_text(plan))
        folder.write_text("diagram.svg", draw_unrolled(plan))
        derive_run(folder, run, net, text, "unrolled_from", same_outputs=used == run.tested)
    print(f"{output}: {len(plan.areas)} states, {plan.parameters:,} parameters, with the weights of {used}")
    print(f"compare them: graphnet compare {run.path} {output}")
