"""A net's tensors in a safetensors file that carries the spec; a GraphModule is never pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from graphnet.errors import and_more
from graphnet.runtime.loading import CALIBRATE, is_statistic, is_vector, uncalibrated
from graphnet.runtime.parameters import settle_divisors
from graphnet.training.atomic_files import replacing
from graphnet.training.errors import CheckpointError

VERSION_KEY = "graphnet_checkpoint"
VERSION = "1"
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
    """

    tensors: dict[str, Tensor]
    spec_text: str
    metadata: dict[str, str]


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
    """Write the net's parameters and buffers, its spec and further metadata, atomically."""
    own = {VERSION_KEY: VERSION, SPEC_KEY: spec_text}
    if taken := sorted(own.keys() & (extra or {}).keys()):
        raise ValueError(f"reserved in a checkpoint's metadata: {', '.join(taken)}")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, {**own, **(extra or {})})


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a file that `save_checkpoint` wrote.

    Raises:
        CheckpointError: the file is missing, damaged, or not from graphnet.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    except FileNotFoundError as fault:
        raise CheckpointError(f"no checkpoint at {path}") from fault
    except (SafetensorError, OSError) as fault:
        raise CheckpointError(f"{path} is no safetensors file, or a damaged one: {fault}") from fault
    version, spec_text = metadata.pop(VERSION_KEY, None), metadata.pop(SPEC_KEY, None)
    if version is None or spec_text is None:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint from graphnet: it has no spec")
    if version != VERSION:
        raise CheckpointError(f"{path} is a checkpoint of version {version}; this graphnet reads version {VERSION}")
    return Checkpoint(tensors, spec_text, metadata)


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
