"""Mutation tests: each of `MUTANTS`, applied to a copy of the compiler, makes the named test fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.property.mutants import MUTANTS, Mutant

FOLDERS = ("graphnet", "specs", "tests")


def copied(mutant: Mutant, folder: Path) -> None:
    """A copy of the repository with one fault."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    file = folder / "graphnet" / mutant.file
    file.write_text(file.read_text().replace(mutant.old, mutant.new))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_every_mutant_still_applies(mutant: Mutant) -> None:
    """Each patch applies exactly once: the list is in step with the code."""
    assert (ROOT / "graphnet" / mutant.file).read_text().count(mutant.old) == 1


@pytest.mark.thorough
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_the_named_test_kills_the_mutant(mutant: Mutant, tmp_path: Path) -> None:
    copied(mutant, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", mutant.killer]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "HYPOTHESIS_PROFILE": "ci"}
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1, result.stdout[-2000:]
