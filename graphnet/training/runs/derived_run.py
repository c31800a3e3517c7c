"""A run folder for a net made from that of another run, such as the net unrolled in time."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from graphnet.atomic_files import write_bytes
from graphnet.training.errors import RunError
from graphnet.training.runs.checksum import metadata_of
from graphnet.training.runs.json_files import read_bytes, reason
from graphnet.training.runs.run_folder import LAST, RunFolder

KEPT = ("started", "recipe", "dataset", "data_root", "versions", "device", "threads", "epochs_done", "seconds")
"""Entries of `run.json` that hold for the derived run too: they are about the data and the training."""


def derive_run(
    folder: RunFolder, source: RunFolder, net: nn.Module, spec_text: str, origin: str, *, same_outputs: bool
) -> None:
    """Write a finished run of a net that was made from the net of another run; its data are those of that run.

    The checkpoint is `last`. It holds no state of training, so the run cannot be resumed.

    Args:
        folder: it holds the caller's texts at most.
        spec_text: the spec of `net`, as JSON.
        origin: the entry of `run.json` that names the source, such as `unrolled_from`.
        same_outputs: whether `net` computes what the tested net of the source does. Then its predictions, logits and
            results are copied, so `graphnet eval` tests `net` against them.

    Raises RunError.
    """
    record = source.read_record()
    extra = {key: value for key, value in metadata_of(source.checkpoint).items() if key == "epoch"}
    folder.save_last(net, spec_text, extra)
    if same_outputs:
        for path in (source.predictions, source.path / "logits.npz"):
            if path.is_file():
                _copy(path, folder.path / path.name)
    kept = (*KEPT, "results") if same_outputs else KEPT
    entries = {key: record[key] for key in kept if key in record}
    folder.write_record(entries | {origin: str(source.path.resolve()), "tested": LAST, "status": "finished"})


def _copy(source: Path, target: Path) -> None:
    try:
        write_bytes(target, read_bytes(source))
    except OSError as fault:
        raise RunError(f"cannot write {target}: {reason(fault)}") from fault
