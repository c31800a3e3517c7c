"""Forms in which a caller may pass a spec: a dict, a file path, a zoo name or a compiled net."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from graphnet.errors import Fault, KeyPath, SpecError, did_you_mean
from graphnet.spec.model import Spec
from graphnet.spec.text.source import Source


class Compiled(Protocol):
    """A net from `graphnet.compile`."""

    meta: dict[str, Any]


SpecLike = Spec | Mapping[str, Any] | str | os.PathLike[str] | Compiled
"""A spec, its dict, the path of its file, its zoo name, or a compiled net."""

_PACKAGED = Path(__file__).parent / "specs"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "specs"
"""Folder of the zoo's files: inside an installed package, beside it in a checkout."""
GROUPS = ("", "small", "liao-poggio", "lippl", "he", "vision")
"""Folders of the zoo, simple nets first."""
ALIASES = {"blt-as-published": "blt"}
"""Former spec names, accepted but not listed."""
SUFFIXES = (".toml", ".json")


class SpecNameWarning(UserWarning):
    """Issued when a name matches both a file and a zoo spec; the text names the one that is read."""


def given_spec(given: SpecLike | Source) -> Spec | Mapping[str, Any] | str | Source:
    """Return a spec, a dict, a text already read, or the path of a spec's file.

    Raises:
        SpecError: there is no such file, and a zoo spec has a similar name.
        TypeError: `given` has none of these forms.
    """
    if isinstance(given, str | os.PathLike):
        return spec_file(given)
    if isinstance(given, Spec | Mapping | Source):
        return given
    if isinstance(spec := meta_of(given).get("spec"), Spec):
        return spec
    forms = "a dict, the path of a file, a zoo name or a compiled net"
    raise TypeError(f"a spec must be {forms}, not {type(given).__name__}")


def meta_of(given: object) -> dict[str, Any]:
    """Return the `meta` of a compiled net, or an empty dict for anything else."""
    meta = getattr(given, "meta", None)
    return meta if isinstance(meta, dict) else {}


def zoo_files() -> dict[str, Path]:
    """Return the file of each zoo spec, group by group."""
    return {file.stem: file for folder in GROUPS for file in sorted((FOLDER / folder).glob("*.toml"))}


def path_or_shipped(given: str | os.PathLike[str], shipped: Mapping[str, Path], what: str, code: str) -> str:
    """Return the path of a file, given a path or the name of a shipped file; a path takes precedence.

    Args:
        shipped: name → file.
        what: such a file, for the fault: `recipe`.

    Raises SpecError, with the code, if there is neither.
    """
    path = os.fspath(given)
    if path == "-" or os.path.lexists(path):
        return path
    if path in shipped:
        return str(shipped[path])
    raise SpecError([replace(not_shipped(path, shipped, what, code), file=path.encode(errors="replace").decode())])


def not_shipped(name: str, shipped: Mapping[str, Path], what: str, code: str, path: KeyPath = ()) -> Fault:
    """The fault of a name that is neither a file nor shipped; `path` is the entry that holds it."""
    said = f"no {what} is called '{name}', and there is no such file"
    return Fault(path, said, did_you_mean(name, tuple(shipped)), code=code)


def is_run_folder(path: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a run, which holds the run's spec as `spec.json`."""
    return os.path.isfile(os.path.join(path, "run.json"))


def spec_file(given: str | os.PathLike[str]) -> str:
    """Return the path of a spec's file, given a path, a run folder or a zoo name; `-` is standard input.

    A file or a run folder takes precedence over a zoo spec. If a name matches both, a SpecNameWarning names the one
    that is read.

    Raises SpecError if there is no such file and a zoo spec has a similar name.
    """
    path = os.fspath(given)
    stem, suffix = os.path.splitext(os.path.basename(path))
    if path == "-" or os.path.isfile(path):
        if path == stem + suffix and path in zoo_files():
            _warn(f"'{path}' is the file of that name here, not the zoo spec")
        return path
    zoo = zoo_files()
    if is_run_folder(path):
        if path in zoo:
            _warn(f"'{path}' is the run folder of that name here, not the zoo spec")
        return os.path.join(path, "spec.json")
    if ALIASES.get(path, path) in zoo:
        if beside := next((path + each for each in SUFFIXES if os.path.isfile(path + each)), None):
            _warn(f"'{path}' is the zoo spec, not the file {beside} here")
        return str(zoo[ALIASES.get(path, path)])
    is_name = path == stem + suffix and suffix not in SUFFIXES
    if not os.path.lexists(path) and (stem in zoo or is_name):
        hint = did_you_mean(path if is_name else stem, tuple(zoo))
        file = path.encode(errors="replace").decode()
        what = "there is no such file, and no zoo spec of this name"
        fix = f"{hint} `graphnet zoo` lists them".strip()
        raise SpecError([Fault((), what, fix, file=file, code="GN001")])
    return path


def _warn(text: str) -> None:
    warnings.warn(text, SpecNameWarning, stacklevel=5)
