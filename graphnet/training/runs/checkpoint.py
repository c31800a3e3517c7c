"""A net's tensors in a safetensors file that carries the spec; a GraphModule is never pickled."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from graphnet.atomic_files import replacing
from graphnet.errors import and_more, shortened
from graphnet.planning.plan import Plan
from graphnet.runtime.loading import CALIBRATE, for_a_run, is_statistic, is_vector, uncalibrated
from graphnet.runtime.parameters import settle_divisors
from graphnet.training.errors import CheckpointError
from graphnet.training.runs.checksum import BLANK, CHECKSUM_KEY, is_intact, seal

VERSION_KEY = "graphnet_checkpoint"
VERSION, FIRST = "2", "1"
"""Versions of the format; files of the first have no checksum."""
SPEC_KEY = "spec"
TRAIN = "train/"
"""Prefix of the names of the state of training."""
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
        train: the state of training, if it was asked for, by names without the prefix `train/`.
    """

    tensors: dict[str, Tensor]
    spec_text: str
    metadata: dict[str, str]
    has_checksum: bool = True
    train: dict[str, Tensor] = field(default_factory=dict)

    @property
    def spec_data(self) -> dict[str, Any]:
        """The spec as a dict. Raises CheckpointError if it is not one."""
        try:
            data = json.loads(self.spec_text)
        except (ValueError, RecursionError) as fault:
            raise CheckpointError(f"the spec in the checkpoint is not JSON: {shortened(str(fault))}") from None
        if not isinstance(data, dict):
            raise CheckpointError(f"the spec in the checkpoint is not a table of keys: {self.spec_text[:40]}")
        if "extends" in data:
            raise CheckpointError("the spec in the checkpoint extends a file, but a checkpoint holds a whole spec")
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


def save_checkpoint(
    path: Path,
    net: nn.Module,
    spec_text: str,
    extra: Mapping[str, str] | None = None,
    train: Mapping[str, Tensor] | None = None,
    before_renaming: Callable[[], None] | None = None,
) -> None:
    """Write the net's parameters and buffers, its spec, further metadata and the file's SHA-256, atomically.

    Args:
        path: a new file, or one to replace.
        extra: further metadata.
        train: the state of training, by names without the prefix `train/`; tensors of any type.
        before_renaming: called when the new file is on the disk, before it replaces the old one.

    Raises OSError; the old file is then unchanged.
    """
    own = {VERSION_KEY: VERSION, SPEC_KEY: spec_text, CHECKSUM_KEY: BLANK}
    if taken := sorted(own.keys() & (extra or {}).keys()):
        raise ValueError(f"reserved in a checkpoint's metadata: {', '.join(taken)}")
    state: dict[str, Tensor] = net.state_dict()
    if hidden := [name for name in state if name.startswith(TRAIN)]:
        raise ValueError(f"reserved for the state of training: {and_more(hidden)}")
    state = state | {TRAIN + name: tensor for name, tensor in (train or {}).items()}
    tensors = _apart(state)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with replacing(path, before_renaming) as temporary:
        try:
            save_file(tensors, temporary, {**own, **(extra or {})})
        except SafetensorError as fault:
            raise _of_the_system(fault, path) from None
        seal(temporary)


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, and none in the memory of another, which safetensors refuses."""
    found: dict[str, Tensor] = {}
    used: set[int] = set()
    for name, tensor in state.items():
        tensor = tensor.detach().cpu().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        found[name] = tensor.clone() if memory in used else tensor
        used.add(memory)
    return found


def _of_the_system(fault: SafetensorError, path: Path) -> Exception:
    """The fault of the system, such as a full disk, that a SafetensorError tells in its text."""
    number = re.search(r"os error (\d+)", str(fault))
    return OSError(int(number[1]), os.strerror(int(number[1])), str(path)) if number else fault


def read_checkpoint(path: Path, *, train: bool = False) -> Checkpoint:
    """Read a file that `save_checkpoint` wrote.

    Args:
        train: also read the state of training; otherwise `Checkpoint.train` is empty.

    Raises:
        CheckpointError: the file is missing, its bytes have changed, or it is not from graphnet.
    """
    if path.exists() and not path.is_file():
        what = "it is a folder" if path.is_dir() else "it is not a regular file"
        raise CheckpointError(f"{path} is not a safetensors file, or is damaged: {what}")
    try:
        intact = is_intact(path)
        if intact is False:
            raise CheckpointError(f"{path} is damaged: its bytes have changed since it was written (SHA-256)")
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata() or {})
            names = [name for name in file.keys() if train or not name.startswith(TRAIN)]  # noqa: SIM118, not a dict
            tensors = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError as fault:
        raise CheckpointError(f"no checkpoint at {path}") from fault
    except (SafetensorError, OSError, ValueError, RuntimeError, KeyError, AttributeError) as fault:
        # the last ones are torch's, for types and shapes that only a forged header has
        raise CheckpointError(f"{path} is not a safetensors file, or is damaged: {shortened(str(fault))}") from fault
    version, spec_text = metadata.pop(VERSION_KEY, None), metadata.pop(SPEC_KEY, None)
    if version is None or spec_text is None:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint from graphnet: it has no spec")
    if version not in (VERSION, FIRST):
        version = shortened(version)
        raise CheckpointError(f"{path} is a checkpoint of version {version}; this graphnet reads up to {VERSION}")
    metadata.pop(CHECKSUM_KEY, None)
    if intact is None and version != FIRST:
        raise CheckpointError(f"{path} is damaged: it lacks the SHA-256 of a checkpoint of version {version}")
    state = {name.removeprefix(TRAIN): tensors.pop(name) for name in list(tensors) if name.startswith(TRAIN)}
    return Checkpoint(tensors, spec_text, metadata, bool(intact), state)


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
        plan = getattr(net, "meta", {}).get("plan")
        readouts = [t for t, _ in plan.outputs] if isinstance(plan, Plan) else []
        hint = f"load_into(net, tensors, calibrate=True), then {CALIBRATE}"
        faults.append(f"{uncalibrated(statistics)}\n  {hint}\n  {for_a_run(readouts)}")
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
