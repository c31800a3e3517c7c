"""Experiment files by path or name, and their layers: the files that they use, and `[smoke]`.

`uses` takes another file's runs (`TAKEN`) as the lowest layer; this file's entries are laid over them, and then the
entries of `[smoke]`, of the used file first. Layers merge key by key; lists are replaced. A value of `set` is replaced
as a whole, and so is a factor that is written in the other form. Layers of `train` drop what they supersede, as in
`given_recipes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from graphnet.errors import Fault, KeyPath, SpecError, did_you_mean
from graphnet.given_recipes import supersede
from graphnet.given_specs import ALIASES, FOLDER, path_or_shipped, zoo_files
from graphnet.spec.doubtful_faults import doubtful
from graphnet.spec.experiment.entries import SHORT_FORM
from graphnet.spec.experiment.faults import experiment_faults
from graphnet.spec.experiment.model import Experiment, Smoke, is_file
from graphnet.spec.key_faults import keys_of
from graphnet.spec.read import EMPTY, placed, refuse_another_kind, unrelated, validated
from graphnet.spec.text.extends import Merged
from graphnet.spec.text.source import Located, Source, read_file

EXPERIMENTS = FOLDER / "experiments"
"""Folder of the experiments that come with graphnet."""
TAKEN = ("spec", "seeds", "set", "train", "vary", "skip", "smoke")
"""Keys of a used file that hold for the file that uses it."""
NOT_TAKEN = ("measure", "claims", "figure", "table", "reference")
"""Keys of a used file's `[smoke]` that do not."""
MAX_CHAIN = 5
USES = "uses takes the relative path of another experiment, a .toml or .json file"
CODE = "GN801"


def experiment_files() -> dict[str, Path]:
    """Return the file of each experiment that comes with graphnet, by name."""
    return {file.stem: file for file in sorted(EXPERIMENTS.glob("*.toml"))}


def experiment_file(given: str | os.PathLike[str]) -> str:
    """Return the path of an experiment, given a path or the name of a shipped one; a file takes precedence.

    Raises SpecError if there is neither.
    """
    return path_or_shipped(given, experiment_files(), "experiment", CODE)


def load_experiment(given: str | os.PathLike[str] | Source | Mapping[str, Any], smoke: bool = False) -> Experiment:
    """Read an experiment by path or name, or from a dict; with `smoke`, in its small form.

    Both forms are checked. Raises SpecError with every fault found.
    """
    layers = list(_layers(given))[::-1]
    found: dict[bool, Experiment] = {}
    faults: dict[tuple[object, ...], Fault] = {}
    for layer in layers:
        for fault in placed(_smoke_faults(layer), layer.source):
            faults.setdefault((fault.path, fault.what), fault)
    for is_smoke in (False, True):
        whole = _merged(layers, is_smoke)
        document, wrong = validated(whole.data, Experiment)
        if document is not None:
            document._source, document._is_smoke, document._folder = whole, is_smoke, layers[-1].folder
            found[is_smoke] = document
            more = [*experiment_faults(document), *_file_faults(document)]
            wrong = [*wrong, *(fault for fault in unrelated(more, wrong) if not doubtful(fault, wrong))]
        for fault in placed(wrong, whole):
            noted = replace(fault, note=fault.note or SMALL) if is_smoke else fault
            faults.setdefault((fault.path, fault.what), noted)
    if faults:
        raise SpecError(_in_order(faults.values()))
    return found[smoke]


def _in_order(faults: Iterable[Fault]) -> list[Fault]:
    """Sort the faults of both forms in the order of the text."""
    found = list(faults)
    files = list(dict.fromkeys(fault.file for fault in found))
    return sorted(found, key=lambda fault: (files.index(fault.file), fault.line or 0, fault.column or 0))


# ---- layers


@dataclass(frozen=True)
class _Layer:
    """A file, or what another file takes from it.

    Attributes:
        folder: what its paths are relative to.
    """

    data: dict[str, Any]
    source: Located | None
    folder: str


@dataclass(frozen=True)
class _Within:
    """A table of a file, or a file that another one uses."""

    source: Located
    path: KeyPath = ()
    note: str = ""

    @property
    def data(self) -> dict[str, Any]:
        return self.source.data

    def locate(self, fault: Fault) -> Fault:
        """Locate a fault of an entry of this table."""
        there = self.source.locate(replace(fault, path=(*self.path, *fault.path)))
        return replace(there, path=fault.path, note=self.note or there.note)


def _layers(given: str | os.PathLike[str] | Source | Mapping[str, Any]) -> Iterator[_Layer]:
    """Yield a file and those that it uses, one after another, with paths relative to the first one's folder."""
    layer, name = _first(given)
    files, folder = [name], layer.folder
    within = ""
    while True:
        uses = layer.data.pop("uses", None)
        yield layer
        if not isinstance(uses, str):
            if uses is not None:
                layer.data["uses"] = uses
            return
        path = os.path.join(within, _checked_path(uses, layer, within))
        if os.path.realpath(os.path.join(folder, path)) in map(os.path.realpath, filter(None, files)):
            what = f"files use each other: {' -> '.join([*map(os.path.basename, files), os.path.basename(path)])}"
            raise _refused(layer, what, "remove one of the entries 'uses'")
        if len(files) > MAX_CHAIN:
            raise _refused(layer, f"over {MAX_CHAIN} files use one another", "merge some of them")
        source = read_file(os.path.join(folder, path))
        refuse_another_kind(source.data, Experiment, source)
        within = os.path.dirname(path)
        note = f"{os.path.basename(files[-1]) or 'the experiment'} uses this file"
        layer = _Layer(_taken(source.data, within), _Within(source, note=note), folder)
        files.append(os.path.join(folder, path))


def _first(given: str | os.PathLike[str] | Source | Mapping[str, Any]) -> tuple[_Layer, str]:
    """Return the file itself and its path; "" for a dict."""
    if isinstance(given, Mapping):
        refuse_another_kind(given, Experiment, None)
        return _Layer(dict(given), None, ""), ""
    source = given if isinstance(given, Source) else read_file(experiment_file(given))
    if not source.data:
        raise SpecError([source.locate(Fault((), *EMPTY[Experiment.kind], code="GN009"))])
    refuse_another_kind(source.data, Experiment, source)
    name = source.file if isinstance(given, Source) or given == "-" else experiment_file(given)
    return _Layer(dict(source.data), source, os.path.dirname(name)), name


def _checked_path(uses: str, layer: _Layer, within: str) -> str:
    """Return the path of a used file. Raises SpecError."""
    if os.path.isabs(uses):
        raise _refused(layer, f"'{uses}' is an absolute path", USES)
    if not is_file(uses):
        raise _refused(layer, f"'{uses}' ends neither in .toml nor in .json", USES)
    path = os.path.join(layer.folder, within, uses)
    if not os.path.isfile(path):
        raise _refused(layer, f"there is no file '{path}'", USES)
    return uses


def _refused(layer: _Layer, what: str, fix: str) -> SpecError:
    fault = Fault(("uses",), what, fix, code=CODE)
    return SpecError([layer.source.locate(fault) if layer.source else fault])


def _taken(data: Mapping[str, Any], within: str) -> dict[str, Any]:
    """Return what another file takes from a file in the folder `within`."""
    taken = {key: data[key] for key in (*TAKEN, "uses") if key in data}
    if isinstance(smoke := taken.get("smoke"), Mapping):
        taken["smoke"] = _moved({key: smoke[key] for key in smoke if key not in NOT_TAKEN}, within)
    return _moved(taken, within)


def _moved(data: Mapping[str, Any], within: str) -> dict[str, Any]:
    """Return a layer with the paths of specs and recipes relative to the file that takes it."""
    moved = dict(data)
    if isinstance(spec := moved.get("spec"), str) and is_file(spec):
        moved["spec"] = os.path.join(within, spec)
    if isinstance(train := moved.get("train"), Mapping):
        recipe = train.get("recipe")
        if isinstance(recipe, str) and is_file(recipe):
            moved["train"] = {**train, "recipe": os.path.join(within, recipe)}
    if isinstance(vary := moved.get("vary"), Mapping):
        moved["vary"] = {
            name: {label: _moved(one, within) if isinstance(one, Mapping) else one for label, one in factor.items()}
            if isinstance(factor, Mapping)
            else factor
            for name, factor in vary.items()
        }
    return moved


def _merged(layers: Iterable[_Layer], smoke: bool) -> Merged:
    """Lay files over each other, the lowest first, and then their `[smoke]` if it is wanted."""
    lowest, *others = layers
    whole = Merged({}, lowest.source)
    for layer in (lowest, *others):
        _lay(whole, {key: entry for key, entry in layer.data.items() if key != "smoke"}, layer.source)
    for layer in (lowest, *others):
        given = layer.data.get("smoke", {})
        if not isinstance(given, Mapping):
            _lay(whole, {"smoke": given}, layer.source)
        elif smoke:
            _lay(whole, given, layer.source and _Within(layer.source, ("smoke",), SMALL))
    return whole


SMALL = "the small form of the experiment is at fault: [smoke] is laid over the file"


def _lay(whole: Merged, data: Mapping[str, Any], source: Located | None) -> None:
    """Lay a layer over those before; `set` and factors in the other form are replaced."""
    before = whole.data
    if isinstance(train := data.get("train"), Mapping) and isinstance(before.get("train"), dict):
        supersede(whole, train)
    for key in _both(before, data, "set"):
        whole.drop(("set", key))
    for name in _both(before, data, "vary"):
        one, other = before["vary"][name], data["vary"][name]
        if (
            all(isinstance(each, Mapping) for each in (one, other))
            and _is_whole(other)
            and _is_short(one) != _is_short(other)
        ):
            before["vary"] = {**before["vary"], name: {}}
    whole.lay(data, source)


def _both(before: Mapping[str, Any], data: Mapping[str, Any], key: str) -> list[str]:
    """Return the keys of a table that two layers have."""
    one, other = before.get(key), data.get(key)
    return [each for each in one if each in other] if isinstance(one, dict) and isinstance(other, Mapping) else []


def _is_short(factor: Mapping[str, Any]) -> bool:
    return not set(SHORT_FORM).isdisjoint(factor)


def _is_whole(factor: Mapping[str, Any]) -> bool:
    """Whether a factor is more than a part of the short form."""
    return not _is_short(factor) or set(SHORT_FORM) <= set(factor)


def _smoke_faults(layer: _Layer) -> Iterator[Fault]:
    """Yield faults of keys that the small form of an experiment shares with the file."""
    smoke = layer.data.get("smoke")
    for key in smoke if isinstance(smoke, Mapping) else ():
        if key in OF_BOTH:
            what, fix = f"'{key}' holds for both forms of the experiment", "move it to the top of the file"
            yield Fault(("smoke", key), what, fix, on="key", code="GN008")


OF_BOTH = tuple(set(keys_of(Experiment)) - set(keys_of(Smoke)))
"""Keys that `[smoke]` cannot have."""


# ---- the files that it names


def _file_faults(experiment: Experiment) -> Iterator[Fault]:
    """Yield faults of specs that are not there."""
    named: list[tuple[KeyPath, str | None]] = [(("spec",), experiment.spec)]
    for name, factor in experiment.vary.items():
        named += [(("vary", name, label, "spec"), variant.spec) for label, variant in factor.labels.items()]
    for path, spec in named:
        if spec is None:
            continue
        if os.path.isabs(spec):
            what = f"'{spec}' is an absolute path"
            yield Fault(path, what, "write it relative to this file, or the name of a zoo spec", code=CODE)
        elif is_file(spec) and not os.path.isfile(experiment.path_of(spec)):
            what = f"there is no file '{experiment.path_of(spec)}'"
            yield Fault(path, what, "the path is relative to this file", code=CODE)
        elif not is_file(spec) and ALIASES.get(spec, spec) not in zoo_files():
            what = f"no zoo spec is called '{spec}'"
            fix = did_you_mean(spec, tuple(zoo_files())) or "`graphnet zoo` lists them; a file ends in .toml or .json"
            yield Fault(path, what, fix, code=CODE)
