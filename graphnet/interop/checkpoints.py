"""Checkpoints of other programs: the tensors in a file or in nested dicts."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from graphnet.errors import and_more
from graphnet.training.errors import CheckpointError

WRAPPERS = re.compile(r"(?<![^./])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""Prefixes that PyTorch adds to names of compiled, sharded or checkpointed modules."""
MAX_DEPTH = 50


def read_file(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Read a file of safetensors or `torch.save`. A checkpoint is data: nothing in it runs.

    Raises CheckpointError.
    """
    name = os.fspath(path)
    try:
        if name.endswith(".safetensors"):
            return load_file(name)
        found = torch.load(name, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"no checkpoint at {name}") from None
    except UnpicklingError:
        raise CheckpointError(
            f"{name} is no file of torch.save, or holds more than tensors, numbers, strings, lists and dicts\n"
            "  nothing in a checkpoint runs here: load it yourself if you trust it, and give its state dict"
        ) from None
    except (SafetensorError, BadZipFile, OSError, RuntimeError, EOFError, ValueError) as fault:
        first = str(fault).partition("\n")[0]
        raise CheckpointError(f"{name} is no file of safetensors or torch.save, or a damaged one: {first}") from None
    if not isinstance(found, Mapping):
        raise CheckpointError(f"{name} holds a {type(found).__name__}, not a dict of tensors")
    return found


def tensors_of(checkpoint: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Tensor]:
    """Find a state dict anywhere inside a checkpoint; return its tensors by names as in `wanted`.

    The state dict is the dict with the most wanted names; prefixes of these names, such as `module.` or `model.`, are
    dropped. Groups of HDF5 are dicts; the names inside are joined by `/`.

    Raises CheckpointError if it finds no tensors, or several dicts with all the wanted names.
    """
    wanted = {cleaned(name) for name in wanted}
    leaves = list(_leaves(checkpoint, "", {}))
    found = {cleaned(name): leaf for name, leaf in leaves}
    if len(found) < len(leaves):
        twice = next(name for name, count in Counter(cleaned(name) for name, _ in leaves).items() if count > 1)
        raise CheckpointError(f"the checkpoint holds {twice} twice")
    if not found:
        keys = list(map(str, checkpoint)) or ["nothing"]
        raise CheckpointError(f"no tensors in the checkpoint: it holds {and_more(keys)}")
    counts = Counter(prefix for name in found for prefix in _before_wanted(name, wanted))
    best = max(counts.values(), default=0)
    fitting = [prefix for prefix, count in counts.items() if count == best] or [_largest(found)]
    if len(fitting) > 1 and best == len(wanted):
        several = " and ".join(f"{prefix}*" for prefix in fitting)
        raise CheckpointError(f"the checkpoint holds these weights {len(fitting)} times: {several}\n  give one of them")
    prefix = fitting[0]
    place = prefix[: prefix.rfind("/") + 1]
    inside = {name.removeprefix(place): leaf for name, leaf in found.items() if name.startswith(place)}
    return {name.removeprefix(prefix.removeprefix(place)): _tensor(leaf) for name, leaf in inside.items()}


def cleaned(name: str) -> str:
    """Remove what wrappers add to a name: `V1._orig_mod.conv.weight` and TensorFlow's `fc/fc/kernel:0`."""
    name = re.sub(r":\d+$", "", WRAPPERS.sub("", name))
    return re.sub(r"(?<![^/])([^/]+)/\1/", r"\1/", name)


def as_here(name: str, tensor: Tensor) -> Tensor:
    """Convert a tensor to PyTorch's layout: the `kernel` of Keras or Flax has channels last, inputs before outputs."""
    if not name.endswith("/kernel") or tensor.ndim < 2:
        return tensor
    return tensor.permute(tensor.ndim - 1, tensor.ndim - 2, *range(tensor.ndim - 2))


def _leaves(entry: Mapping[str, Any], path: str, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """Path → tensor or numeric array, in nested dicts; visit each dict once, as it may contain itself."""
    seen[id(entry)] = entry
    for key, value in entry.items():
        here = f"{path}{key}"
        if isinstance(value, Mapping):
            if id(value) not in seen and here.count("/") < MAX_DEPTH:
                yield from _leaves(value, f"{here}/", seen)
        elif isinstance(value, Tensor) or getattr(getattr(value, "dtype", None), "kind", "") in ("f", "i", "u", "b"):
            yield here, value


def _tensor(leaf: Any) -> Tensor:
    return leaf if isinstance(leaf, Tensor) else torch.as_tensor(np.asarray(leaf))


def _before_wanted(name: str, wanted: set[str]) -> Iterator[str]:
    """The prefix of a name that ends in a wanted name."""
    if name in wanted:
        yield ""
    for at in re.finditer("[./]", name):
        if name[at.end() :] in wanted:
            yield name[: at.end()]


def _largest(found: Iterable[str]) -> str:
    """The dict that holds the most tensors."""
    return Counter(name[: name.rfind("/") + 1] for name in found).most_common(1)[0][0]
