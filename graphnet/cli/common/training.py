"""Start or resume a training from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from graphnet.cli.common.report import told
from graphnet.pipeline import load
from graphnet.planning.plan import Plan
from graphnet.spec.model import Spec
from graphnet.spec.recipe import DEFAULT_EPOCHS, Recipe
from graphnet.training.errors import OutOfMemory, Stopped

if TYPE_CHECKING:
    from graphnet.runtime.net import Net
    from graphnet.training.data.dataset import Dataset
    from graphnet.training.dry_run import Estimate
    from graphnet.training.loop.train import Result
    from graphnet.training.runs.checkpoint import Checkpoint
    from graphnet.training.runs.run_folder import RunFolder
    from graphnet.training.runs.train_run import Machine


def start_run(
    spec: Spec,
    plan: Plan,
    recipe: Recipe,
    machine: Machine,
    output: Path | None,
    data_root: Path | None,
    max_seconds: float | None,
    quiet: bool,
    start: tuple[Path, bool] | None,
    dry_run: bool,
) -> None:
    """Train a net into a new run folder, or estimate what that would take.

    Args:
        start: weights to start from, and whether they may fit in part only.

    Raises TrainingError, and Stopped on request.
    """
    from graphnet.training.data.checks import check_data, check_fits
    from graphnet.training.data.named import load_recipe_data
    from graphnet.training.devices import choose_device
    from graphnet.training.runs.creation import new_run
    from graphnet.training.runs.texts import write_texts
    from graphnet.training.runs.train_run import compile_for

    choose_device(machine.device)
    if data_root is None and recipe.data.startswith("folder:"):
        data_root = Path.cwd()  # kept in `run.json`, so that the folder is found from elsewhere
    dataset = load_recipe_data(recipe, data_root)
    check_fits(dataset, plan.input_shape, plan.output_shape)
    check_data(dataset)
    net = compile_for(spec, recipe)
    if start is not None:
        from graphnet.interop.start_from import start_from

        print(start_from(net, start[0], partial=start[1]))
    if dry_run:
        from graphnet.training.dry_run import estimate_text

        print(estimate_text(_estimate(net, recipe, dataset, machine, timed=True), dataset.name))
        return
    with new_run(output, spec.name) as folder:
        text = write_texts(folder, spec, plan, recipe)
        notes = {"data_root": str(data_root.resolve()) if data_root else ""}
        _train(folder, net, dataset, recipe, text, machine, max_seconds, quiet, notes)


def resume_run(run: Path, machine: Machine, data_root: Path | None, max_seconds: float | None, quiet: bool) -> None:
    """Go on with a run. Raises TrainingError, and Stopped on request."""
    import sys

    from graphnet.training.data.named import load_recipe_data
    from graphnet.training.runs.creation import resumed_run
    from graphnet.training.runs.keeper import recipe_in
    from graphnet.training.runs.load_run import data_root_of
    from graphnet.training.runs.train_run import compile_for

    with resumed_run(run) as folder:
        if folder.read_record().get("status") == "finished":
            print(f"{run} is finished: there is nothing to go on with")
            return
        found = folder.newest_intact()
        for warning in found.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        recipe = recipe_in(found.checkpoint, folder)
        root = data_root or data_root_of(folder)
        with told():
            spec = load(found.checkpoint.spec_data)
            net = compile_for(spec, recipe)
        dataset = load_recipe_data(recipe, root)
        notes = {"data_root": str(root.resolve()) if root else ""}
        text = found.checkpoint.spec_text
        _train(folder, net, dataset, recipe, text, machine, max_seconds, quiet, notes, found.checkpoint)


def _train(
    folder: RunFolder,
    net: Net,
    dataset: Dataset,
    recipe: Recipe,
    spec_text: str,
    machine: Machine,
    max_seconds: float | None,
    quiet: bool,
    notes: Mapping[str, object],
    start: Checkpoint | None = None,
) -> None:
    from rich.console import Console

    from graphnet.training.loop.stops import stop_requests
    from graphnet.training.progress import progress
    from graphnet.training.runs.train_run import train_into

    console = Console()
    try:
        with stop_requests(max_seconds) as stop, progress(console, quiet) as report:
            result = train_into(
                folder,
                net,
                dataset,
                recipe,
                spec_text,
                report,
                machine=machine,
                notes=notes,
                stop=stop,
                start=start,
            )
    except Stopped as stopped:
        raise Stopped(f"{stopped}\n  go on with: graphnet train --resume {folder.path}", stopped.status) from None
    except OutOfMemory as fault:
        advice = _estimate(net, recipe, dataset, machine, timed=False).out_of_memory_advice()
        raise OutOfMemory(f"{fault}\n  {advice}") from None
    console.print("\n".join(_results(folder, result)), highlight=False, soft_wrap=True, markup=False)


def _estimate(net: Net, recipe: Recipe, dataset: Dataset, machine: Machine, timed: bool) -> Estimate:
    from graphnet.training.devices import choose_device
    from graphnet.training.dry_run import dry_run

    kept = (recipe.epochs or DEFAULT_EPOCHS) // machine.keep_every if machine.keep_every else 0
    return dry_run(
        net,
        net.meta["executed"],
        recipe,
        len(dataset.train),
        dataset.image_shape,
        choose_device(machine.device),
        timed=timed,
        checkpoints=2 + (dataset.validation is not None) + (recipe.ema is not None) + kept,
    )


def _results(folder: RunFolder, result: Result) -> list[str]:
    """The last lines of a training."""
    from graphnet.training.progress import measured

    record = folder.read_record()
    what = "test accuracy" if record["dataset"]["task"] == "classes" else "test"
    line = f"{what} {measured(result.evaluation.error, record['dataset']['task'])}"
    facts = [f"after {result.seconds:.1f} s"]
    if linear := record["results"].get("linear_baseline"):
        found = measured({None: 1 - linear["accuracy"]}, record["dataset"]["task"])
        facts.append(f"a linear classifier on {linear['images']:,} images: {found}")
    else:
        facts.append(f"chance: {record['dataset']['chance_error']:.4g}")
    weights = "" if result.tested == "last" else f" of the {result.tested} weights"
    return [f"{line}{weights} {facts[0]} ({facts[1]})", f"results in {folder.path}"]
