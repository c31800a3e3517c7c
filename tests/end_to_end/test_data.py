"""`graphnet data`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.test_cli import run


def test_what_digits_hold(tmp_path: Path) -> None:
    done = run("data", "digits", "-o", tmp_path / "new" / "grid.svg", "--images", "6", "--part", "test")
    assert done.returncode == 0
    assert "images        1,347 training, 450 test\n" in done.stdout
    assert "test          0: 45 1: 46 2: 44 " in done.stdout
    assert "chance        error 0.8978 on the test part\n" in done.stdout
    assert "SHA-256 a18a99c68d6d634f466a1043abdea6f85b1af3f0a63da33ca9bc39d1e71b5e34" in done.stdout
    assert "6 of 450 test images" in (tmp_path / "new" / "grid.svg").read_text()


def test_what_digitclutter_holds(tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path)}
    done = run("data", "digitclutter-3-debris-10@16", "--seed", "4", "-o", tmp_path / "grid.png", **env)
    assert done.returncode == 0
    assert "task          labels, 10 labels\nimages        100,000 training, 10,000 test\n" in done.stdout
    assert "shape         1 x 16 x 16 (channels, rows, columns)\n" in done.stdout
    assert "chance        set error 0.9917 on the test part\n" in done.stdout
    assert (tmp_path / "grid.png").stat().st_size > 1000
    assert run(
        "data", "digitclutter-3-debris-10@16", "--seed", "4", **env
    ).stdout + f"picture in {tmp_path}/grid.png\n" == (done.stdout)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["digitz"], "error: no data set is called 'digitz'\n  did you mean 'digits'?"),
        (["cifar10"], "error: cifar10 needs a data root"),
        (["digits", "-o", "grid.jpg"], "error: cannot draw grid.jpg: the ending of the file must be one of .svg, .pdf"),
        (["digits", "-o", "/proc/grid.png"], "cannot write /proc/grid.png"),
    ],
)
def test_faults(arguments: list[str], says: str) -> None:
    done = run("data", *arguments)
    assert done.returncode == 1
    assert says in done.stderr
