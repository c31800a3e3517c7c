"""`graphnet perturb`: test a trained net with its transition matrix edited."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import write
from graphnet.cli.training.evaluate import DataRoot, Device, RunPath, WhichCheckpoint, run_told
from graphnet.flattened import flattened
from graphnet.rewrite.edit_texts import edits_of
from graphnet.rewrite.perturbations import Edit
from graphnet.rewrite.spec_editor import EditError
from graphnet.spec.write import to_json, to_toml
from graphnet.training.runs.run_folder import RunFolder

Many = list[str] | None
CALIBRATION_BATCH = 64


def perturb(
    run: RunPath,
    early: Annotated[Many, typer.Option(metavar="STATE:B", help="End a stage after its first B blocks.")] = None,
    drop: Annotated[
        Many, typer.Option(metavar="STATE:B", help="Replace the B-th block of a stage by the identity.")
    ] = None,
    repeat: Annotated[
        Many, typer.Option(metavar="STATE:M", help="Apply the last block of a stage M more times.")
    ] = None,
    lesion: Annotated[
        Many, typer.Option(metavar="WHAT[@T]", help="Cut a transition such as h1->h2, or all into a state.")
    ] = None,
    silence: Annotated[Many, typer.Option(metavar="WHAT[@T]", help="Set a transition or a state to zeros.")] = None,
    noise: Annotated[
        Many, typer.Option(metavar="WHAT[@T]:STD", help="Add Gaussian noise to a transition or a state.")
    ] = None,
    mask: Annotated[int | None, typer.Option(metavar="T", help="Show another test image from time T on.")] = None,
    slab: Annotated[
        Many, typer.Option(metavar="TOML", help="Add any slab, such as 't = 3, h1 = { h1 = \"I\" }'.")
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Estimate missing statistics on training images.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the edited spec to a .toml or .json file.")
    ] = None,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Edit the transition matrix of a trained net and test it on the same weights.

    Edits are applied in the order of the options below. T is a time such as 3 or 2..5.
    The spec written by -o can be drawn and compared like any other.
    """
    with run_told():
        given = {"early": early, "drop": drop, "repeat": repeat, "lesion": lesion, "silence": silence, "noise": noise}
        edits = edits_of(given | {"mask": mask, "slab": [_slab(text) for text in slab or ()]})
        if not edits:
            raise EditError("give at least one edit, such as --drop h1:3")
        _perturb(RunFolder.open(run), edits, calibrate, output, checkpoint, data_root, device)


def _perturb(
    folder: RunFolder,
    edits: list[Edit],
    calibrate: bool,
    output: Path | None,
    checkpoint: str | None,
    data_root: Path | None,
    device: str,
) -> None:
    from graphnet.analysis.perturb import perturbed, shown_to
    from graphnet.training.loop.evaluation import EVALUATION_BATCH, evaluate
    from graphnet.training.progress import accuracies, agreement
    from graphnet.training.runs.load_run import load_run

    net, dataset = load_run(folder, device, data_root, checkpoint)
    spec = net.meta["spec"]
    edited = perturbed(net, edits, shown_to(spec, edits, dataset.train, CALIBRATION_BATCH) if calibrate else None)
    before = evaluate(net, dataset.test.batches(EVALUATION_BATCH))
    after = evaluate(edited, shown_to(spec, edits, dataset.test, EVALUATION_BATCH))
    print(f"test accuracy {accuracies(after.accuracy)}, unperturbed {accuracies(before.accuracy)}")
    now, then = after.predictions.tolist(), before.predictions.tolist()
    print(agreement(now, then, after.accuracy, "of the unperturbed net"))
    if output is not None:
        data = flattened(edited.meta["spec"])
        is_json = output.suffix == ".json"
        write(output, to_json(data) if is_json else to_toml(data))
        print(f"the edited spec is in {output}")


def _slab(text: str) -> dict[str, Any]:
    try:
        slab: dict[str, Any] = tomllib.loads(f"slab = {{ {text} }}")["slab"]
    except tomllib.TOMLDecodeError as fault:
        raise EditError(f"--slab {text}: {fault}\n  write it as in a spec: 't = 3, h1 = {{ h1 = \"I\" }}'") from None
    return slab
