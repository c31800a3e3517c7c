"""Start training from the weights of another run or file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from torch import Tensor, nn

from graphnet.errors import did_you_mean
from graphnet.interop.checkpoints import read_file, tensors_of
from graphnet.planning.plan import Plan
from graphnet.runtime.loading import CALIBRATE, for_a_run, is_statistic, is_vector, times_of
from graphnet.training.errors import CheckpointError
from graphnet.training.runs.checkpoint import SPEC_KEY, VERSION_KEY, load_into, not_finite, read_checkpoint
from graphnet.training.runs.checksum import metadata_of
from graphnet.training.runs.run_folder import RunFolder

MOST_NAMED = 5
"""Names listed in an error."""


@dataclass(frozen=True)
class StartReport:
    """What was taken from another run or file.

    Attributes:
        source: the file.
        taken: names of the net's tensors that were copied.
        missing: those that keep their initial values: the file does not hold them, or in another shape.
        unused: tensors of the file that the net does not have.
    """

    source: Path
    taken: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{len(self.taken)} tensors from {self.source}"]
        lines += [f"  not in it, so they keep their initial values: {listed(self.missing)}"] if self.missing else []
        lines += [f"  not in the net: {listed(self.unused)}"] if self.unused else []
        return "\n".join(lines)


def start_from(net: nn.Module, source: Path | str, ignore: Iterable[str] = (), *, partial: bool = False) -> StartReport:
    """Copy weights and statistics of the same names from a run or a file into a net; copy nothing unless all fits.

    Args:
        net: keeps its device and number types.
        source: a run folder (its tested checkpoint, else its last), or a file of graphnet, safetensors or `torch.save`;
            nothing in it runs.
        ignore: names, or patterns such as `"post_net.*"`, that are neither taken nor expected.
        partial: names may be missing or unused, and shapes may differ.

    Raises:
        CheckpointError: the file cannot be read, its numbers are not finite, names are missing or unused
            (`num_batches_tracked` of batch norms aside), or shapes differ.
        RunError: `source` is a folder, but no run.
    """
    path = Path(source)
    if path.is_dir():
        path = RunFolder.open(path).tested
    needed: dict[str, Tensor] = net.state_dict()
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    found = _read(path, needed)
    _check_patterns(patterns, [*needed, *found])
    taken = {
        name: found[name]
        for name, tensor in needed.items()
        if name in found and not _matches(name, patterns) and (tensor.shape == found[name].shape or not partial)
    }
    if wrong := not_finite(taken):
        raise CheckpointError(f"{path} holds values that are not finite: {listed(wrong)}")
    missing = tuple(name for name in needed if name not in taken and not is_vector(name))
    unused = tuple(name for name in found if name not in needed and not is_vector(name))
    if not partial:
        plan = getattr(net, "meta", {}).get("plan")
        readouts = [t for t, _ in plan.outputs] if isinstance(plan, Plan) else []
        _refuse(path, missing, unused, patterns, readouts)
    load_into(net, {name: tensor for name, tensor in needed.items() if not is_vector(name)} | taken)
    return StartReport(path, tuple(taken), missing, unused)


def listed(names: Iterable[str]) -> str:
    """Format names; of many, the first ones and the number of the others."""
    names = list(names)
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _read(path: Path, needed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if {VERSION_KEY, SPEC_KEY} <= metadata_of(path).keys():
        return read_checkpoint(path).tensors
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} cannot be read: it is not a regular file")
    return tensors_of(read_file(path), needed)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_patterns(patterns: Iterable[str], names: list[str]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = did_you_mean(pattern, tuple(dict.fromkeys(names)))
            raise CheckpointError(f"nothing is called '{pattern}', which is to be ignored{hint and f'; {hint}'}")


def _refuse(
    path: Path, missing: Iterable[str], unused: Iterable[str], patterns: list[str], readouts: Sequence[int]
) -> None:
    patterns = [*patterns, "*num_batches_tracked"]
    lacking = [name for name in missing if not _matches(name, patterns)]
    left = [name for name in unused if not _matches(name, patterns)]
    statistics = [name for name in lacking if is_statistic(name)]
    weights = [name for name in lacking if not is_statistic(name)]
    faults = [f"{path} holds no {listed(weights)}"] if weights else []
    if statistics:
        faults.append(f"{path} holds no running statistics{times_of(statistics) or f': {listed(statistics)}'}")
    faults += [f"the net has no {listed(left)}, which {path} holds"] if left else []
    if faults:
        hints = ["  --partial takes what fits, and reports the rest"]
        if statistics:
            hints += [f"  for another readout time, calibrate first: {CALIBRATE}", f"  {for_a_run(readouts)}"]
        raise CheckpointError("\n".join([*faults, *hints]))
