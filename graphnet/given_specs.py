"""The forms in which a spec is given: a dict, the path of a file, a name of the zoo, a compiled net."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from graphnet.errors import Fault, SpecError, did_you_mean
from graphnet.spec.model import Spec
from graphnet.spec.text.source import Source


class Compiled(Protocol):
    """A net that `graphnet.compile` made."""

    meta: dict[str, Any]


SpecLike = Spec | Mapping[str, Any] | str | os.PathLike[str] | Compiled
"""A spec, its dict, the path of its file, its name in the zoo, or a compiled net."""

_PACKAGED = Path(__file__).parent / "specs"
FOLDER = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parent.parent / "specs"
"""Where the zoo's files are: inside an installed package, beside it in a checkout."""
GROUPS = ("", "small", "liao-poggio", "lippl", "he", "vision")
"""The folders, simple nets first."""
ALIASES = {"blt-as-published": "blt"}
"""Earlier names of specs; they are not listed."""
SUFFIXES = (".toml", ".json")


class SpecNameWarning(UserWarning):
    """A name can mean a file and a spec of the zoo; the text says which one is read."""


def given_spec(given: SpecLike | Source) -> Spec | Mapping[str, Any] | str | Source:
    """A spec, a dict, a text that has been read, or the path of a spec's file.

    Raises:
        SpecError: there is no file of that path, and a spec of the zoo has nearly this name.
        TypeError: it is given in no such form.
    """
    if isinstance(given, str | os.PathLike):
        return spec_file(given)
    if isinstance(given, Spec | Mapping | Source):
        return given
    if isinstance(spec := meta_of(given).get("spec"), Spec):
        return spec
    forms = "a dict, the path of a file, a name of the zoo or a compiled net"
    raise TypeError(f"a spec is given as {forms}, not as a {type(given).__name__}")


def meta_of(given: object) -> dict[str, Any]:
    """The `meta` of a compiled net; empty for anything else."""
    meta = getattr(given, "meta", None)
    return meta if isinstance(meta, dict) else {}


def zoo_files() -> dict[str, Path]:
    """The file of each spec of the zoo, group by group."""
    return {file.stem: file for folder in GROUPS for file in sorted((FOLDER / folder).glob("*.toml"))}


def spec_file(given: str | os.PathLike[str]) -> str:
    """The path of a spec's file, given as a path or as a name of the zoo; `-` is standard input.

    A file comes before a spec of the zoo. Where a name can mean both, a SpecNameWarning says which one is read.

    Raises SpecError if there is no such file and a spec of the zoo has nearly this name.
    """
    path = os.fspath(given)
    stem, suffix = os.path.splitext(os.path.basename(path))
    if path == "-" or os.path.isfile(path):
        if path == stem + suffix and path in zoo_files():
            _warn(f"'{path}' is the file of that name here, not the spec of the zoo")
        return path
    zoo = zoo_files()
    if ALIASES.get(path, path) in zoo:
        if beside := next((path + each for each in SUFFIXES if os.path.isfile(path + each)), None):
            _warn(f"'{path}' is the spec of the zoo, not the file {beside} here")
        return str(zoo[ALIASES.get(path, path)])
    is_name = path == stem + suffix and suffix not in SUFFIXES
    if not os.path.lexists(path) and (stem in zoo or is_name):
        hint = did_you_mean(path if is_name else stem, tuple(zoo))
        file = path.encode(errors="replace").decode()
        what = "there is no such file, and no spec of the zoo is called so"
        fix = f"{hint} `graphnet zoo` lists them".strip()
        raise SpecError([Fault((), what, fix, file=file, code="GN001")])
    return path


def _warn(text: str) -> None:
    warnings.warn(text, SpecNameWarning, stacklevel=5)
