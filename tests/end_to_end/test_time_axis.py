"""The tutorial on time: what calibration and a lesion do to a net that is read out at other times."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT


@pytest.mark.usefixtures("one_thread")
def test_a_trained_net_over_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = ROOT / "examples" / "time_axis.py"
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "figure.svg")])
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("trained at t = 6: 9")
    first = next(k for k, line in enumerate(said) if line.startswith("readout time"))
    times, *curves = ([float(each) for each in line[17:].split()] for line in said[first : first + 4])
    assert times == list(range(3, 13))
    trained, calibrated, lesioned = (dict(zip(times, curve, strict=True)) for curve in curves)
    assert trained[6] == calibrated[6] > 0.95
    assert trained[12] < 0.4
    assert min(calibrated.values()) > 0.9
    assert lesioned[12] < calibrated[12]
    assert said[-1] == f"drawn in {tmp_path / 'figure.svg'}, .pdf and .png"
    assert ElementTree.parse(tmp_path / "figure.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
