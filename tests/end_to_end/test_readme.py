"""The README's Python blocks run as printed, in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_blocks_run_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "specs").symlink_to(ROOT / "specs")
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    blocks = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "quickstart.svg").exists()
    logits, memory = names["logits"], names["memory"]
    assert isinstance(logits, torch.Tensor)
    assert logits.shape[0] == 2
    assert memory is not None


def test_links_of_the_readme_exist() -> None:
    targets = re.findall(r'\]\(([^)#]+)\)|src="([^"]+)"', README)
    assert len(targets) > 5
    for target in {a or b for a, b in targets}:
        assert (ROOT / target).exists(), target


def test_the_readme_fits_a_front_page() -> None:
    assert len(README.splitlines()) <= 170
