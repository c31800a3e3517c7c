"""Device, number types and modes of training, set within a block and restored after it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from graphnet.spec.recipe import Recipe
from graphnet.training.errors import RecipeError


def check_precision(recipe: Recipe, device: torch.device) -> None:
    """Raise RecipeError if the device has no such arithmetic."""
    if recipe.precision == "tf32" and not (device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8):
        raise RecipeError(f"precision: {device} has no tf32 arithmetic, as NVIDIA GPUs have since 2020; use fp32")
    if recipe.precision == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise RecipeError(f"precision: {device} has no bf16 arithmetic; use fp32")
    if recipe.precision == "fp64" and device.type == "mps":
        raise RecipeError("precision: mps has no fp64 arithmetic; use fp32")


def is_slow(recipe: Recipe, device: torch.device) -> str:
    """Return why a precision is slow on a device; "" if it is not."""
    if recipe.precision != "bf16" or device.type != "cpu":
        return ""
    if getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)():
        return ""
    return "bf16 is slower than fp32 on this CPU, which has no matrix instructions for it (AMX)"


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[object]:
    """The block in which a forward pass runs in the recipe's precision."""
    return torch.autocast(device.type, torch.bfloat16) if recipe.precision == "bf16" else nullcontext()


def dtype_of(recipe: Recipe) -> torch.dtype:
    """The number type of weights and images."""
    return torch.float64 if recipe.precision == "fp64" else torch.float32


@contextmanager
def in_mode(net: nn.Module, training: bool, frozen: Iterable[nn.Module] = ()) -> Iterator[None]:
    """Set training or evaluation mode within a block; restore each module's mode afterwards.

    `frozen` modules are in evaluation mode in any case.
    """
    modes = [(module, module.training) for module in net.modules()]
    net.train(training)
    for module in frozen:
        module.train(False)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextmanager
def settings(recipe: Recipe, device: torch.device, deterministic: bool) -> Iterator[None]:
    """Set the seed of random ops, torch's determinism and the precision of fp32 within a block."""
    with ExitStack() as undo:
        undo.enter_context(torch.random.fork_rng(devices=[device] if device.type == "cuda" else []))
        torch.manual_seed(recipe.seed)
        if device.type == "cuda":
            undo.enter_context(_fp32(recipe.precision == "tf32"))
        if deterministic:
            before = torch.are_deterministic_algorithms_enabled()
            warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS needs it to be deterministic
            torch.use_deterministic_algorithms(True)
            undo.callback(torch.use_deterministic_algorithms, before, warn_only=warn_only)
        yield


@contextmanager
def _fp32(as_tf32: bool) -> Iterator[None]:
    """Let CUDA use tf32 for fp32, or not: torch lets convolutions use it unless told otherwise."""
    backends: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = as_tf32
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value


def memory_bytes(device: torch.device) -> int:
    """The largest memory so far: of a CUDA device by its tensors, of a CPU by this process; 0 if unknown."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
