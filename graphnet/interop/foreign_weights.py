"""Import weights: copy the state dict of another implementation into a net by a table of names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from graphnet import zoo
from graphnet.errors import and_more, did_you_mean
from graphnet.runtime.loading import CALIBRATE, is_statistic, times_of
from graphnet.training.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor, nn

Foreign = str | tuple[str, Any]
"""A name in the foreign state dict, or a name and an index into that tensor (a slice, say for a gate of an LSTM)."""


def import_state_dict(
    net: nn.Module,
    state_dict: Mapping[str, Any] | str | os.PathLike[str],
    mapping: Mapping[str, Foreign] | str,
    *,
    ignore: str | Iterable[str] = (),
) -> None:
    """Copy foreign weights and statistics into a compiled net; copy nothing unless everything fits.

        graphnet.import_state_dict(net, "cornet_s.pth", "cornet-s")

    Args:
        net: keeps its device and number types.
        state_dict: as the other implementation saved it, or the whole checkpoint around it (`{"state_dict": …}`, also
            in groups, as h5py reads a file of Keras), or the path of a file of `torch.save` or safetensors; only
            tensors are read, nothing runs. Common prefixes such as `module.` do not matter.
        mapping: a name of the zoo for which `graphnet.zoo.foreign_names` has a table, or a dict: name of a tensor of
            the net, or of a module with tensors, → foreign name, or for a tensor the foreign name and an index into it.
        ignore: foreign names to skip, or patterns such as `"V1.lateral.*"`.

    Raises:
        CheckpointError: names are missing on either side, foreign tensors are unused (`num_batches_tracked` of batch
            norms aside), or shapes differ; all of these at once, a line per kind.
        graphnet.zoo.UnknownName: the zoo has no table of that name.
    """
    import torch

    from graphnet.interop.checkpoints import as_here, cleaned, read_file, tensors_of

    ours: dict[str, Tensor] = net.state_dict()
    given = zoo.foreign_names(mapping, ours) if isinstance(mapping, str) else mapping
    unused = zoo.unused(mapping) if isinstance(mapping, str) else ()
    table = {name: found for name in ours if (found := _foreign(name, given))}
    whole = state_dict if isinstance(state_dict, Mapping) else read_file(state_dict)
    theirs = tensors_of(whole, (source for source, _ in table.values()))
    taken = {
        name: as_here(cleaned(source), theirs[cleaned(source)])[index]
        for name, (source, index) in table.items()
        if cleaned(source) in theirs
    }
    used = {*(cleaned(source) for source, _ in table.values()), *unused}
    left = [name for name in theirs if name not in used and not name.endswith("num_batches_tracked")]
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    faults = [
        *_unknown(ours, given, table),
        *_missing(theirs, {name: source for name, (source, _) in table.items() if name not in taken}),
        *_unfit(ours, taken, table),
    ]
    faults += _left(theirs, left, patterns, hinted=not faults)
    if faults:
        raise CheckpointError("\n".join(faults))
    with torch.no_grad():
        for name, tensor in taken.items():
            ours[name].copy_(tensor)


def _foreign(name: str, mapping: Mapping[str, Foreign]) -> tuple[str, Any] | None:
    """The foreign name of a tensor and an index into it, from the tensor's entry or from that of a module around it."""
    if name in mapping:
        found = mapping[name]
        return found if isinstance(found, tuple) else (found, ...)
    module = name
    while "." in module:
        module = module.rpartition(".")[0]
        if isinstance(holder := mapping.get(module), str):
            return holder + name.removeprefix(module), ...
    return None


def _unknown(ours: Mapping[str, Tensor], given: Mapping[str, Foreign], table: Mapping[str, Any]) -> Iterator[str]:
    """Missing and unknown names of the table."""
    modules = {name[:at] for name in ours for at, char in enumerate(name) if char == "."}
    extra = [name for name in given if name not in ours and name not in modules]
    sources = {found if isinstance(found, str) else found[0] for found in given.values()}
    if extra and not table and sources & ours.keys():
        yield "the table is reversed: its keys must be names of this net, its values foreign names"
        return
    if said_nothing := [name for name in ours if name not in table]:
        yield f"the table lacks {and_more(said_nothing)}{_hinted(_calibration(said_nothing))}"
    if extra:
        hint = did_you_mean(extra[0], tuple(ours))
        yield f"the table names {and_more(extra)}, which the net does not have{_hinted(hint)}"


def _missing(theirs: Mapping[str, Tensor], missing: Mapping[str, str]) -> Iterator[str]:
    """Missing foreign tensors."""
    if not missing:
        return
    (name, source), names = next(iter(missing.items())), list(dict.fromkeys(missing.values()))
    hint = _calibration(missing) or did_you_mean(source, tuple(theirs)) or f"its names are like {next(iter(theirs))}"
    what = f" for {name}" if len(names) == 1 else ""
    yield f"the state dict has no {and_more(names)}{what}{_hinted(hint)}"


def _calibration(names: Iterable[str]) -> str:
    """What to do if all that is missing are statistics at some times: the weights are of another readout time."""
    if not all(map(is_statistic, names)) or not (times := times_of(names)):
        return ""
    steps = f"import into a net of the trained readout time, load its state_dict() with strict=False, then {CALIBRATE}"
    return f"no running statistics{times}? {steps}"


def _unfit(ours: Mapping[str, Tensor], taken: Mapping[str, Tensor], table: Mapping[str, Any]) -> Iterator[str]:
    """Tensors whose shapes differ."""
    unfit = [name for name, tensor in taken.items() if tensor.shape != ours[name].shape]
    if unfit:
        name = unfit[0]
        what = f"{table[name][0]} is {list(taken[name].shape)}, but {name} is {list(ours[name].shape)}"
        yield what + (f"; {len(unfit) - 1} more differ in shape" if unfit[1:] else "")


def _left(theirs: Mapping[str, Tensor], left: list[str], patterns: list[str], hinted: bool) -> Iterator[str]:
    """Unused foreign tensors, and `ignore` patterns that match none."""
    idle = [each for each in patterns if not any(fnmatchcase(name, each) for name in theirs)]
    if idle:
        yield f"ignore={idle[0]!r}: the state dict has no such name{_hinted(did_you_mean(idle[0], tuple(theirs)))}"
    if left := [name for name in left if not any(fnmatchcase(name, each) for each in patterns)]:
        modules = list(dict.fromkeys(re.sub(r"[^./]+$", "*", name) for name in left))
        some = left if len(left) <= SHOWN else modules[:SHOWN]
        listed = ", ".join([*(f'"{each}"' for each in some), *(["..."] if len(modules) > SHOWN else [])])
        hint = f"if this net does not need it: ignore=[{listed}]"
        yield f"nothing in the net takes {and_more(left)} of the state dict{_hinted(hint if hinted else '')}"


SHOWN = 3
"""Names or patterns listed in a hint."""


def _hinted(hint: str) -> str:
    return f"\n  {hint}" if hint else ""
