"""Speed of this machine for convolutions, memory traffic and kernel launches: measured once and cached in a file."""

from __future__ import annotations

import json
import os
import platform
import re
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from graphnet.atomic_files import write_text
from graphnet.planning.cost import LAYOUTS, Machine
from graphnet.planning.reference_machine import TYPICAL

CHANNELS = (4, 16, 64, 256)
WORK = {"cpu": 2e8, "cuda": 2e10}
"""Floating-point operations of a timed convolution: enough for milliseconds."""
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def machine_of(device: torch.device | str | None = None, again: bool = False) -> Machine:
    """Return this machine's profile, cached or measured now: in float32, with PyTorch's threads; a GPU if available.

    The cache is in `graphnet/` below `$XDG_CACHE_HOME` or `~/.cache`, one file per device, number of threads and
    version of PyTorch; if it is not writable, each process measures. `again` repeats the measurement.
    """
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    path = _place(device)
    if not again and (known := _read(path)) is not None:
        return known
    measured = measure(device)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(asdict(measured), indent=1))
    except OSError:
        pass
    return measured


def measure(device: torch.device) -> Machine:
    """Time convolutions of four widths, norms and sums in both layouts, and a nearly empty kernel."""
    modes = ("infer", "train")
    convolving: dict[str, tuple[tuple[int, float], ...]] = {}
    moving: dict[str, float] = {}
    for mode, layout in product(modes, LAYOUTS):
        for kind in ("conv", "conv_transpose", "linear"):
            rates = tuple((width, _convolution(kind, width, layout, mode, device)) for width in CHANNELS)
            convolving[f"{kind} {layout} {mode}"] = rates
        for kind, function in MOVERS.items():
            moving[f"{kind} {layout} {mode}"] = _moved(function, layout, mode, device)
    launch = {f"{kind} {mode}": _launch(kind, mode, device) for kind, mode in product(("conv", "other"), modes)}
    return Machine(_name(device), device.type != "cpu", launch, convolving, moving)


def _convolution(kind: str, width: int, layout: str, mode: str, device: torch.device) -> float:
    """Seconds per floating-point operation."""
    batch, side = 8, 16
    weight = torch.randn(width, width, device=device)
    if kind == "linear":
        batch = max(1, int(WORK[_type(device)] / 4 / (2 * width * width)))
        x, work = torch.randn(batch, width, device=device), 2 * batch * width * width
        return _seconds(lambda x, w: F.linear(x, w), (x, weight), mode, device) / (work * _gradients(mode))
    weight = torch.randn(width, width, 3, 3, device=device)
    side = min(128, max(8, int((WORK[_type(device)] / (2 * 9 * width * width * batch)) ** 0.5)))
    x = torch.randn(batch, width, side, side, device=device).to(memory_format=FORMATS[layout])
    work = 2 * 9 * width * width * side * side * batch
    function: Callable[..., Tensor] = F.conv2d if kind == "conv" else F.conv_transpose2d
    return _seconds(lambda x, w: function(x, w, padding=1), (x, weight), mode, device) / (work * _gradients(mode))


def _gradients(mode: str) -> int:
    """Passes over a convolution's work: forward, and for the gradients of its input and its weight."""
    return 1 if mode == "infer" else 3


MOVERS: dict[str, Callable[[Tensor, bool], Tensor]] = {
    "batch_norm": lambda x, training: F.batch_norm(
        x, torch.zeros_like(x[0, :, 0, 0]), torch.ones_like(x[0, :, 0, 0]), training=training
    ),
    "group_norm": lambda x, training: F.group_norm(x, 32),
    "layer_norm": lambda x, training: F.layer_norm(x, x.shape[1:]),
    "elementwise": lambda x, training: x + x,
}


def _moved(function: Callable[[Tensor, bool], Tensor], layout: str, mode: str, device: torch.device) -> float:
    """Seconds per byte read or written; the backward pass counts as one more."""
    x = torch.randn(16, 64, 56, 56, device=device).to(memory_format=FORMATS[layout])
    moved = 2 * x.numel() * x.element_size() * (1 if mode == "infer" else 2)
    return _seconds(lambda x: function(x, mode == "train"), (x,), mode, device) / moved


def _launch(kind: str, mode: str, device: torch.device) -> float:
    """Seconds per kernel on tiny tensors, from a chain of a hundred; in training with its two gradient kernels."""
    x, weight = torch.ones(1, 1, 1, 1, device=device), torch.ones(1, 1, 1, 1, device=device)

    def chain(x: Tensor, weight: Tensor) -> Tensor:
        for _ in range(100):
            x = F.conv2d(x, weight) if kind == "conv" else x + weight
        return x

    kernels = 100 if mode == "infer" else 300
    return _seconds(chain, (x, weight), mode, device) / kernels


def _seconds(
    function: Callable[..., Tensor], given: tuple[Tensor, ...], mode: str, device: torch.device, rounds: int = 6
) -> float:
    """The minimum over rounds, after a warm-up: other jobs on the machine only add time."""
    times = []
    given = tuple(each.clone().requires_grad_(mode == "train") for each in given)
    for _ in range(rounds + 1):
        wait(device)
        started = time.perf_counter()
        with torch.set_grad_enabled(mode == "train"):
            made = function(*given)
            if mode == "train":
                torch.autograd.grad(made, given, torch.ones_like(made))
        wait(device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def wait(device: torch.device) -> None:
    """Wait until a GPU has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _type(device: torch.device) -> str:
    return device.type if device.type in WORK else "cpu"


def _name(device: torch.device) -> str:
    """The device name with the conditions of the measurement."""
    known = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    threads = "" if device.type == "cuda" else f", {torch.get_num_threads()} threads"
    return f"{known}{threads}, torch {torch.__version__}"


def _processor() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def cache_folder() -> Path:
    """The folder of graphnet's caches: `graphnet/` below `$XDG_CACHE_HOME` or `~/.cache`; it may not exist.

    Raises:
        RuntimeError: there is no home folder.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "graphnet"


def _place(device: torch.device) -> Path:
    return cache_folder() / (re.sub(r"[^A-Za-z0-9.]+", "-", _name(device)) + ".json")


def _read(path: Path) -> Machine | None:
    """The machine in a file; None if the file is missing, broken or has other fields."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        convolving = {
            key: tuple((int(channels), float(rate)) for channels, rate in rates)
            for key, rates in data["convolving"].items()
        }
        launch, moving = ({key: float(rate) for key, rate in data[name].items()} for name in ("launch", "moving"))
        known = Machine(str(data["device"]), bool(data["concurrent"]), launch, convolving, moving)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    names = ("launch", "convolving", "moving")
    same = all(getattr(known, name).keys() == getattr(TYPICAL, name).keys() for name in names)
    return known if same and all(convolving.values()) else None
