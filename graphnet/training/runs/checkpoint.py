"""A net's tensors in a safetensors file that carries the spec; a GraphModule is never pickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from graphnet.atomic_files import replacing
from graphnet.errors import and_more
from graphnet.runtime.loading import CALIBRATE, is_statistic, is_vector, uncalibrated
from graphnet.runtime.parameters import settle_divisors
from graphnet.training.errors import CheckpointError
from graphnet.training.runs.checksum import BLANK, CHECKSUM_KEY, is_intact, seal

VERSION_KEY = "graphnet_checkpoint"
VERSION, FIRST = "2", "1"
"""Versions of the format; files of the first have no checksum."""
SPEC_KEY = "spec"
ITERATIONS = 100
"""Power iterations for singular vectors missing from a checkpoint."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The contents of a checkpoint file.

    Attributes:
        tensors: by the names of the net's `state_dict()`, on the CPU.
        spec_text: the flattened spec, as JSON.
        metadata: further entries passed when saving.
        has_checksum: whether the file holds its SHA-256, which matches.
    """

    tensors: dict[str, Tensor]
    spec_text: str
    metadata: dict[str, str]
    has_checksum: bool = True

    @property
    def spec_data(self) -> dict[str, Any]:
        """The spec as a dict. Raises CheckpointError if it is not one."""
        try:
            data = json.loads(self.spec_text)
        except (ValueError, RecursionError) as fault:
            raise CheckpointError(f"the spec in the checkpoint is not JSON: {fault}") from None
        if not isinstance(data, dict):
            raise CheckpointError(f"the spec in the checkpoint is not a table of keys: {self.spec_text[:40]}")
        return data


@dataclass(frozen=True)
class LoadReport:
    """Names that loading skipped.

    Attributes:
        left: tensors of the checkpoint that the net does not use.
        uncalibrated: running statistics of the net that the checkpoint lacks; they are unchanged.
    """

    left: tuple[str, ...]
    uncalibrated: tuple[str, ...]


def save_checkpoint(path: Path, net: nn.Module, spec_text: str, extra: Mapping[str, str] | None = None) -> None:
    """Write the net's parameters and buffers, its spec, further metadata and the file's SHA-256, atomically."""
    own = {VERSION_KEY: VERSION, SPEC_KEY: spec_text, CHECKSUM_KEY: BLANK}
    if taken := sorted(own.keys() & (extra or {}).keys()):
        raise ValueError(f"reserved in a checkpoint's metadata: {', '.join(taken)}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {**own, **(extra or {})})
        seal(temporary)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file that `save_checkpoint` wrote.

    Raises:
        CheckpointError: the file is missing, its bytes have changed, or it is not from graphnet.
    """
    try:
        intact = is_intact(path)
        if intact is False:
            raise CheckpointError(f"{path} is damaged: its bytes have changed since it was written (SHA-256)")
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except FileNotFoundError as fault:
        raise CheckpointError(f"no checkpoint at {path}") from fault
    except (SafetensorError, OSError) as fault:
        raise CheckpointError(f"{path} is not a safetensors file, or is damaged: {fault}") from fault
    version, spec_text = metadata.pop(VERSION_KEY, None), metadata.pop(SPEC_KEY, None)
    if version is None or spec_text is None:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint from graphnet: it has no spec")
    if version not in (VERSION, FIRST):
        raise CheckpointError(f"{path} is a checkpoint of version {version}; this graphnet reads up to {VERSION}")
    metadata.pop(CHECKSUM_KEY, None)
    if intact is None and version != FIRST:
        raise CheckpointError(f"{path} is damaged: it lacks the SHA-256 of a checkpoint of version {version}")
    return Checkpoint(tensors, spec_text, metadata, bool(intact))


def load_into(net: nn.Module, tensors: Mapping[str, Tensor], *, calibrate: bool = False) -> LoadReport:
    """Copy into `net` the tensors it needs; copy nothing if any is missing or does not fit.

    Power iteration finds missing singular vectors of Lipschitz bounds.

    Args:
        net: keeps its device and number types.
        tensors: by the names of `state_dict()`.
        calibrate: running statistics may be missing, as the caller calibrates them next.

    Raises:
        CheckpointError: weights or statistics are missing, or shapes differ; all of these at once, a line per kind.
    """
    needed: dict[str, Tensor] = net.state_dict()
    missing = [name for name in needed if name not in tensors]
    statistics = tuple(filter(is_statistic, missing))
    vectors = list(filter(is_vector, missing))
    weights = [name for name in missing if name not in (*statistics, *vectors)]
    unfit = [name for name in needed if name in tensors and tensors[name].shape != needed[name].shape]
    faults = [f"the weights hold no {and_more(weights)}"] if weights else []
    if unfit:
        shapes = f"{list(tensors[unfit[0]].shape)} in the weights, {list(needed[unfit[0]].shape)} in the net"
        faults.append(f"{unfit[0]} is {shapes}" + (f"; {len(unfit) - 1} more differ in shape" if unfit[1:] else ""))
    kinds = [name for name in needed if name in tensors and _is_other_kind(tensors[name], needed[name])]
    if kinds:
        types = f"{tensors[kinds[0]].dtype} in the weights, {needed[kinds[0]].dtype} in the net".replace("torch.", "")
        faults.append(f"{kinds[0]} is {types}" + (f"; {len(kinds) - 1} more differ in type" if kinds[1:] else ""))
    if statistics and not calibrate:
        faults.append(f"{uncalibrated(statistics)}\n  load_into(net, tensors, calibrate=True), then {CALIBRATE}")
    if faults:
        raise CheckpointError("\n".join(faults))
    with torch.no_grad():
        for name, tensor in needed.items():
            if name in tensors:
                tensor.copy_(tensors[name])
    if vectors:
        settle_divisors(net, ITERATIONS, tensors)
    return LoadReport(tuple(name for name in tensors if name not in needed), statistics)


def _is_other_kind(given: Tensor, wanted: Tensor) -> bool:
    """Whether only one holds floating-point numbers; float64 weights may be copied into a float32 net."""
    return given.is_floating_point() != wanted.is_floating_point()


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that hold NaN or infinity."""
    return [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
