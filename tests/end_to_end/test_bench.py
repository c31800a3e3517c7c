"""`graphnet bench`: levels side by side, by prediction and by timing, and what was chosen."""

from __future__ import annotations

import re
from pathlib import Path

from graphnet import zoo
from tests.end_to_end.test_cli import run


def test_levels_are_predicted_and_timed(tmp_path: Path) -> None:
    options = ["--batch-size", "4", "--rounds", "3", "--threads", "1", "--device", "cpu"]
    done = run("bench", zoo.path("quickstart"), *options, XDG_CACHE_HOME=str(tmp_path))
    text = done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "graphnet").iterdir())) == 1
    assert [each.split()[0] for each in text.split("\n\n")] == ["quickstart:", "training", "inference"]
    for part in text.split("\n\n")[1:]:
        rows = re.findall(r"^  (level \d) +([0-9.]+) ms +([0-9.]+) ms +([0-9.]+) \[", part, re.MULTILINE)
        assert [name for name, *_ in rows] == [f"level {k}" for k in range(4)]
        assert all(float(figure) > 0 for row in rows for figure in row[1:])
        assert rows[0][3] == "1.00"
        assert "bare convolutions" in part
        assert re.search(r"level 3 chose the layout (contiguous|channels last) and \d+ fused convolutions", part)
