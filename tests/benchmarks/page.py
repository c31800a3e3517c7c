"""Speed of a page of about 2,000 values in Chromium: first drawing, a slider step, a selection, zooming out to all.

    python tests/benchmarks/page.py [READOUT] [ROUNDS]

Prints JSON; times in milliseconds, medians and ranges over the rounds. A step lasts from the key until the next frame
is drawn.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import graphnet
from tests.end_to_end.test_page import ARGUMENTS, CHROMIUM, ROOT, playwright

DRAWN = "await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))));"
LOADED = f"async () => {{ {DRAWN} return performance.now(); }}"
KEY = "document.dispatchEvent(new KeyboardEvent('keydown', {{ key: '{}', bubbles: true }}))"


def measured(page: Any, act: str) -> float:
    """Milliseconds from an action until its effect is on the screen."""
    script = f"async () => {{ const start = performance.now(); {act}; {DRAWN} return performance.now() - start; }}"
    return float(page.evaluate(script))


ACTS: dict[str, Callable[[Any], list[float]]] = {
    "step": lambda page: [measured(page, KEY.format("ArrowLeft")) for _ in range(20)],
    "jump": lambda page: [measured(page, KEY.format(key)) for key in ("Home", "End")],
    "choose_weights": lambda page: [measured(page, "document.querySelectorAll('#weights .chip')[2].click()")],
    "zoom_out_to_all": lambda page: [measured(page, ";".join([KEY.format("-")] * 25))],
}


def main(readout: int, rounds: int) -> None:
    times: dict[str, list[float]] = {"load": [], **{name: [] for name in ACTS}}
    with tempfile.TemporaryDirectory() as folder, playwright.sync_playwright() as started:
        path = Path(folder) / "net.html"
        spec = graphnet.load(ROOT / "specs/liao-poggio/frnn-3-state.toml", settings=[f"readout.t={readout}"])
        begun = time.perf_counter()
        graphnet.draw(spec, path)
        seconds = time.perf_counter() - begun
        browser = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for _ in range(rounds):
            page = browser.new_page(viewport={"width": 1280, "height": 760})
            page.goto(path.as_uri())
            times["load"].append(page.evaluate(LOADED))
            for name, act in ACTS.items():
                times[name] += act(page)
            page.close()
        browser.close()
        size = path.stat().st_size
    plan = graphnet.plan(spec)
    found = {
        "values": sum(line.op.kind == "value" for line in plan.lines),
        "megabytes": round(size / 1e6, 2),
        "draw_seconds": round(seconds, 2),
        "milliseconds": {
            name: {"median": round(statistics.median(each)), "range": [round(min(each)), round(max(each))]}
            for name, each in times.items()
        },
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 700, int(sys.argv[2]) if len(sys.argv) > 2 else 5)
