"""`graphnet calibrate`: a checkpoint of a trained net for other readout times."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphnet.cli.common.calibration import MOST_IMAGES, CalibrationImages, calibration_batches
from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, folder_for
from graphnet.cli.measuring.sweep import ReadoutTimes
from graphnet.cli.training.evaluate import DataRoot, Device, RunPath, WhichCheckpoint, run_told
from graphnet.training.runs.run_folder import RunFolder


def calibrate(
    run: RunPath,
    readout: ReadoutTimes,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The checkpoint to write.", show_default="RUN/readout-TIMES.safetensors"),
    ] = None,
    all_statistics: Annotated[
        bool, typer.Option("--all", help="Estimate all running statistics, not only the missing ones.")
    ] = False,
    calibration_images: CalibrationImages = MOST_IMAGES,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    plugins: Plugins = None,
) -> None:
    """Estimate batch-norm statistics for other readout times and save them as a checkpoint.

    The weights stay the same; the statistics come from training images.
    Test it with `graphnet eval RUN --checkpoint FILE`. `graphnet sweep` does the same for itself.
    """
    path = output or run / f"readout-{readout.replace(' ', '')}.safetensors"
    if path.suffix != ".safetensors":
        raise Failure(f"{path}: error: a checkpoint is a .safetensors file")
    with run_told():
        folder = RunFolder.open(run)

        from graphnet.analysis.time.readouts import calibrated_for
        from graphnet.spec.write import to_json
        from graphnet.training.runs.checkpoint import save_checkpoint
        from graphnet.training.runs.load_run import load_run

        net, dataset = load_run(folder, device, data_root, checkpoint)
        batches = calibration_batches(folder, dataset, calibration_images)
        try:
            made, names = calibrated_for(net, readout, batches, "all" if all_statistics else "missing")
        except ValueError as fault:
            raise Failure(f"error: {run}: {fault}") from None
    folder_for(path)
    data = {key: value for key, value in made.meta["spec"].as_data().items() if key != "train"}
    try:
        save_checkpoint(path, made, to_json(data))
    except OSError as fault:
        raise Failure(f"cannot write {path}: {fault.strerror}") from None
    times = ", ".join(str(t) for t, _ in made.meta["plan"].outputs)
    print(f"{len(names)} running statistics calibrated for t = {times}; the checkpoint is in {path}")
    print(f"  graphnet eval {run} --checkpoint {path}")
