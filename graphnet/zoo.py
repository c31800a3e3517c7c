"""Specs that come with graphnet: published models, and small nets to start from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from graphnet.errors import did_you_mean
from graphnet.given_specs import ALIASES as ALIASES
from graphnet.given_specs import FOLDER as FOLDER
from graphnet.given_specs import GROUPS as GROUPS
from graphnet.given_specs import zoo_files
from graphnet.pipeline import plan


class UnknownName(LookupError):  # noqa: N818 - the name says what is missing
    """Raised for a name that does not exist; the message lists those that do."""


def names() -> tuple[str, ...]:
    """Return the names of all specs, group by group: `graphnet.load(name)` reads one, `path(name)` is its file."""
    return tuple(zoo_files())


def path(name: str) -> Path:
    """Return the file of a zoo spec. Raises UnknownName."""
    files = zoo_files()
    name = ALIASES.get(name, name)
    if name not in files:
        hint = did_you_mean(name, tuple(files)) or "`graphnet zoo` lists them"
        raise UnknownName(f"no zoo spec is called '{name}'; {hint}")
    return files[name]


def text(name: str) -> str:
    """Return a spec's text without its `#:schema` line, whose path is relative."""
    return _SCHEMA.sub("", path(name).read_text(encoding="utf-8"))


_SCHEMA = re.compile(r"\A#:schema .*\n")


def summary(name: str) -> str:
    """Return the first line of a spec's header, which describes it."""
    return text(name).partition("\n")[0].removeprefix("# ")


def group(name: str) -> str:
    """Return the folder that a spec is in, or ""."""
    parent = path(name).parent
    return "" if parent == FOLDER else parent.name


def foreign_names(name: str, tensors: Iterable[str] | None = None) -> dict[str, str]:
    """Map the names of a net's tensors to those of the original implementation.

    For `resnet18`, `resnet34`, `resnet50` (torchvision's), `cornet-z`, `cornet-rt`, `cornet-rt-skipping`, `cornet-s`,
    `blt`, `blt-b`, `blt-bl`, `blt-bt` (the published modules') and `bl-net` (the published Keras model's).
    `graphnet.import_state_dict` also takes a zoo name and builds this table.

    Args:
        name: a zoo spec.
        tensors: the names in the `state_dict()` of a net compiled from it, possibly with other settings; None takes
            those of the unchanged spec.

    Raises UnknownName for other specs.
    """
    name = ALIASES.get(name, name)
    if name not in FOREIGN:
        raise UnknownName(f"there is no table of foreign names for '{name}'; there are tables for {', '.join(FOREIGN)}")
    ours = [tensor.name for tensor in plan(path(name)).tensors] if tensors is None else list(tensors)
    first: dict[str, int] = {}
    for place, time in (_TIMED.match(tensor).groups() for tensor in ours if _TIMED.match(tensor)):  # type: ignore[union-attr]
        first[place] = min(first.get(place, int(time)), int(time))
    return {tensor: FOREIGN[name](tensor, first) for tensor in ours}


def unused(name: str) -> tuple[str, ...]:
    """Return the tensors that the original implementation holds but never uses, by its names."""
    return _UNUSED.get(ALIASES.get(name, name), ())


_UNUSED = dict.fromkeys(("blt", "blt-b", "blt-bl", "blt-bt"), ("v1.lateral.weight", "v1.top_down.weight"))
_TIMED = re.compile(r"(\w+)\..*\.t(\d+)\.\w+")


def _torchvision_resnet(name: str, first: dict[str, int]) -> str:
    """`h2.from_h1.conv1.t3.weight` → `layer2.0.conv1.weight`."""
    found = re.fullmatch(r"h(\d)\.from_h\d\.(skip\.)?(conv|norm)(\d)\.t(\d+)\.(\w+)", name)
    if found is None:
        return _replaced(
            name,
            {r"pre_net.conv1": "conv1", "pre_net.norm1.t0": "bn1", "pre_net.norm1": "bn1", "post_net.linear1": "fc"},
        )
    stage, skip, kind, number, t, role = found.groups()
    layer = f"downsample.{('conv', 'norm').index(kind)}" if skip else f"{'bn' if kind == 'norm' else kind}{number}"
    return f"layer{stage}.{int(t) - first[f'h{stage}']}.{layer}.{role}"


def _cornet_s(name: str, first: dict[str, int]) -> str:
    """`V2.from_V2.norm1.t3.weight` → `V2.norm1_1.weight`."""
    found = re.fullmatch(r"(\w+)\.from_\w+\.(skip\.)?(conv|norm)(\d)(?:\.t(\d+))?\.(\w+)", name)
    if found is None:
        return _replaced(name, {"pre_net": "V1", ".t0": "", "post_net.linear1": "decoder.linear"})
    area, skip, kind, number, t, role = found.groups()
    if area.endswith("i"):
        return f"{area[:-1]}.conv_input.{role}"
    if skip:
        return f"{area}.{'skip' if kind == 'conv' else 'norm_skip'}.{role}"
    return f"{area}.{kind}{number}{f'_{int(t) - first[area]}' if t else ''}.{role}"


def _cornet_rt(name: str, _: dict[str, int]) -> str:
    """`V2.from_V1.conv1.weight` → `V2.conv_input.weight`, `V2.update.conv1.weight` → `V2.conv1.weight`."""
    name = re.sub(r"^pre_net\.", "V1.from_input.", name)
    name = re.sub(r"\.from_\w+\.(conv|norm)1", r".\1_input", name)
    return _replaced(name, {".update": "", "post_net.linear1": "decoder.linear"})


def _cornet_z(name: str, _: dict[str, int]) -> str:
    """`V2.from_V1.conv1.weight` → `V2.conv.weight`."""
    name = re.sub(r"(\.from_\w+)?\.conv1", ".conv", name)
    return _replaced(name, {"pre_net": "V1", "post_net.linear1": "decoder.linear"})


def _blt(name: str, _: dict[str, int]) -> str:
    """`V2.from_V1.conv1.weight` → `v2.bottom_up.weight`, `V2.update.norm1.bias` → `v2_ln.bias`."""
    words = {"pre_net.conv1": "retina", "post_net.linear1": "readout", ".update.norm1": "_ln"}
    for target, source in re.findall(r"^(\w+)\.from_(\w+)", name):
        kind = "top_down" if ".deconv1" in name else "lateral" if source == target else "bottom_up"
        words[name.rpartition(".")[0]] = f"{target}.{kind}"
    return _replaced(name, words).lower()


def _bl_net(name: str, _: dict[str, int]) -> str:
    """`L2.update.norm1.t3.bias` → `BatchNorm_Layer_1_Time_3/beta`, `L2.from_L1.conv1.weight` → `RCL_1_BConv/kernel`."""
    name = re.sub(r"^pre_net\.", "L1.from_input.", name)
    if norm := re.fullmatch(r"L(\d)\.update\.norm1\.t(\d+)\.(\w+)", name):
        return f"BatchNorm_Layer_{int(norm[1]) - 1}_Time_{norm[2]}/{_KERAS[norm[3]]}"
    if conv := re.fullmatch(r"L(\d)\.from_(\w+)\.conv1\.weight", name):
        return f"RCL_{int(conv[1]) - 1}_{'L' if conv[2] == f'L{conv[1]}' else 'B'}Conv/kernel"
    return _replaced(
        name, {"post_net.linear1.weight": "ReadoutDense/kernel", "post_net.linear1.bias": "ReadoutDense/bias"}
    )


_KERAS = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
"""Names of batch norm's tensors: PyTorch → Keras."""


def _replaced(name: str, words: dict[str, str]) -> str:
    for ours, theirs in words.items():
        name = name.replace(ours, theirs)
    return name


FOREIGN: dict[str, Callable[[str, dict[str, int]], str]] = {
    "resnet18": _torchvision_resnet,
    "resnet34": _torchvision_resnet,
    "resnet50": _torchvision_resnet,
    "cornet-z": _cornet_z,
    "cornet-rt": _cornet_rt,
    "cornet-rt-skipping": _cornet_rt,
    "cornet-s": _cornet_s,
    **dict.fromkeys(("blt", "blt-b", "blt-bl", "blt-bt"), _blt),
    "bl-net": _bl_net,
}
"""Per spec, maps a tensor's name and the first time at each state to its name in the original implementation."""
