"""Memory that is available, and what to try when it does not suffice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from rich.filesize import decimal

from graphnet.planning.memory.training_step import Memory
from graphnet.spec.recipe import Recipe

FULL = 0.9
"""Share of the available memory to plan with: kernels and the data need some, too."""

MESSAGES = re.compile(
    r"DefaultCPUAllocator: (can't allocate memory|not enough memory)|out of memory|_ALLOC_FAILED", re.IGNORECASE
)


def is_out_of_memory(fault: BaseException) -> bool:
    """Whether a fault means that memory ran out, on a GPU or on the CPU."""
    if isinstance(fault, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(fault, RuntimeError) and MESSAGES.search(str(fault)) is not None


def available_bytes(device: torch.device) -> int | None:
    """Memory that a new allocation can have on a device; None if unknown."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type != "cpu":
        return None
    known = re.search(r"^MemAvailable:\s*(\d+) kB", _text(Path("/proc/meminfo")), re.MULTILINE)
    limit = _text(Path("/sys/fs/cgroup/memory.max")).strip()
    found = [1024 * int(known[1])] if known else []
    return min([*found, *([int(limit)] if limit.isdigit() else [])], default=None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""


def out_of_memory_advice(
    recipe: Recipe, memory: Memory, peaks: Mapping[int, int], device: torch.device, available: int | None = None
) -> str:
    """Say what a step needs and what to try, in two or three sentences.

    Args:
        recipe: the one that does not fit.
        memory: of its step.
        peaks: smaller batch size → bytes at the peak.
        device: where it does not fit.
        available: bytes; None if unknown.
    """
    saved = memory.saved.bytes(recipe.batch_size)
    states = " and ".join(list(memory.saved.places)[:2])
    needs = (
        f"a step with {_images(recipe.batch_size)} needs about {decimal(memory.peak)} of memory, "
        f"{decimal(saved)} of it for values saved for the backward pass (most of it in {states})"
    )
    if available is not None:
        needs += f"; {decimal(available)} are available"
    return f"{needs}\n  {_advice(recipe, memory, peaks, device, available)}"


def _advice(
    recipe: Recipe, memory: Memory, peaks: Mapping[int, int], device: torch.device, available: int | None
) -> str:
    smaller = sorted((size for size in peaks if size < recipe.batch_size), reverse=True)
    fitting = [size for size in smaller if available is None or peaks[size] <= FULL * available]
    more = []
    if device.type == "cuda" and recipe.precision in ("fp32", "tf32"):
        more.append("--train.precision=bf16")
    if memory.optimizer + memory.average > memory.peak / 4:
        more.append("an optimiser that keeps less, such as sgd, and no ema")
    more.append("fewer time steps (--set readout.t=…)")
    if not fitting:
        least = f"even {_images(smaller[-1])} at a time would need {decimal(peaks[smaller[-1]])}: " if smaller else ""
        return f"{least}try {' or '.join(more)}"
    size = fitting[0]
    batches = -(-recipe.batch_size * recipe.accumulate // size)
    return (
        f"try --train.batch_size={size} --train.accumulate={batches} ({decimal(peaks[size])}; the step still averages "
        f"over {_images(size * batches)}, batch norms see {size}), or {' or '.join(more)}"
    )


def _images(count: int) -> str:
    return f"{count:,} image" + "s" * (count != 1)
