"""`graphnet perturb`: test a trained net with its transition matrix edited."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import write
from graphnet.cli.evaluate import DataRoot, Device, RunPath, WhichCheckpoint, run_told
from graphnet.flattened import flattened
from graphnet.rewrite.perturbations import (
    AddNoise,
    DropBlock,
    Edit,
    Lesion,
    Override,
    ReadOutEarly,
    RepeatLastBlock,
    ShowAnother,
    Silence,
)
from graphnet.rewrite.spec_editor import EditError
from graphnet.spec.write import to_json, to_toml
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.training.data.dataset import Part

Many = list[str] | None


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
        edits: list[Edit] = [ReadOutEarly(*_block(text)) for text in early or ()]
        edits += [DropBlock(*_block(text)) for text in drop or ()]
        edits += [RepeatLastBlock(*_block(text)) for text in repeat or ()]
        edits += [Lesion(text) for text in lesion or ()]
        edits += [Silence(text) for text in silence or ()]
        edits += [_noise(text) for text in noise or ()]
        edits += [ShowAnother(mask)] if mask is not None else []
        edits += [Override((_slab(text),)) for text in slab or ()]
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
    import torch
    from torch import Tensor

    from graphnet.analysis.perturb import perturbed, sequence
    from graphnet.rewrite.perturbations import edited as made
    from graphnet.training.loop.evaluation import EVALUATION_BATCH, evaluate
    from graphnet.training.progress import accuracies, agreement
    from graphnet.training.runs.load_run import load_run

    net, dataset = load_run(folder, device, data_root, checkpoint)
    other = next((edit.t for edit in edits if isinstance(edit, ShowAnother)), None)

    def shown(part: Part, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the input of the edited net, and labels: with --mask, the image before is shown from then on."""
        if other is None:
            yield from part.batches(batch_size)
            return
        before = part.subset([len(part) - 1]).first(1)[0]
        for images, labels in part.batches(batch_size):
            yield sequence(spec, images, torch.cat([before, images[:-1]]), other), labels
            before = images[-1:]

    spec = made(net.meta["spec"], edits)[0]
    batches = (images for images, _ in shown(dataset.train, 64))
    edited = perturbed(net, edits, batches if calibrate else None)
    before = evaluate(net, dataset.test.batches(EVALUATION_BATCH))
    after = evaluate(edited, shown(dataset.test, EVALUATION_BATCH))
    print(f"test accuracy {accuracies(after.accuracy)}, unperturbed {accuracies(before.accuracy)}")
    now, then = after.predictions.tolist(), before.predictions.tolist()
    print(agreement(now, then, after.accuracy, "of the unperturbed net"))
    if output is not None:
        data = flattened(edited.meta["spec"])
        is_json = output.suffix == ".json"
        write(output, to_json(data) if is_json else to_toml(data))
        print(f"the edited spec is in {output}")


def _block(text: str) -> tuple[str, int]:
    state, _, number = text.rpartition(":")
    if not state or not number.isdecimal() or len(number) > 9:
        raise EditError(f"'{text}' names no block\n  write STATE:NUMBER, such as h1:3")
    return state, int(number)


def _noise(text: str) -> AddNoise:
    where, _, std = text.rpartition(":")
    try:
        return AddNoise(where, float(std))
    except ValueError:
        raise EditError(f"'{text}' has no standard deviation\n  write h1->h2:0.1") from None


def _slab(text: str) -> dict[str, Any]:
    try:
        slab: dict[str, Any] = tomllib.loads(f"slab = {{ {text} }}")["slab"]
    except tomllib.TOMLDecodeError as fault:
        raise EditError(f"--slab {text}: {fault}\n  write it as in a spec: 't = 3, h1 = {{ h1 = \"I\" }}'") from None
    return slab
