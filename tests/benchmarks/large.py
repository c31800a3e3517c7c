"""Time of planning and compiling large specs, in seconds and relative to a process that imports pydantic.

    python tests/benchmarks/large.py [ROUNDS]

    plan      `graphnet plan` of LP's three states read out at t = 1,001: the whole process; then t and t/2 in one
              process, without start-up: twice the steps should take twice the time
    compile   `graphnet.compile` of the same, without imports
    matrix    `graphnet plan` of 100 states, fully connected by "BRC", read out at t = 10: the whole process

Processes alternate, so that a busy machine slows all; prints medians. Python recompiles all imports where it may not
write bytecode (PYTHONDONTWRITEBYTECODE): `bytecode` is whether it may.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from graphnet import zoo

FRNN = str(zoo.path("frnn-3-state"))
IMPORT = "from pydantic import BaseModel"
COMMAND = "import sys; from graphnet.cli.main import main; sys.argv[0] = 'graphnet'; main()"
TIMED = """
import sys, time
import torch, graphnet.runtime.net
import graphnet
def seconds(run, t):
    spec = graphnet.load(sys.argv[1], settings=[f"readout.t={t}"])
    started = time.perf_counter()
    run(spec)
    return time.perf_counter() - started
graphnet.compile(sys.argv[1])
print(*(seconds(graphnet.compile, t) for t in (501, 1001)), *(seconds(graphnet.plan, t) for t in (501, 1001)))
"""


def matrix(states: int, t: int) -> str:
    """Every state connected to every state."""
    names = [f"A{k}" for k in range(states)]
    rows = {source: dict.fromkeys(names, "BRC") for source in names}
    spec = {
        "graphnet": 1,
        "input": {"shape": [3, 8, 8]},
        "states": {name: [4, 8, 8] for name in names},
        "transitions": [{"t": "1..inf", **rows}],
        "pre_net": {"ops": "C"},
        "post_net": {"ops": "BRGL", "classes": 10},
        "readout": {"t": t},
    }
    return json.dumps(spec)


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - started


def inside() -> list[float]:
    """Compile, and plan for half the steps and for all of them, in a separate process."""
    done = subprocess.run([sys.executable, "-c", TIMED, FRNN], check=True, capture_output=True, text=True)
    return list(map(float, done.stdout.split()))


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "matrix.json"
        path.write_text(matrix(100, 10), encoding="utf-8")
        found = [
            [
                seconds("-c", IMPORT),
                seconds("-c", COMMAND, "plan", FRNN, "--set", "readout.t=1001"),
                seconds("-c", COMMAND, "plan", str(path)),
                *inside(),
            ]
            for _ in range(rounds)
        ]
    start, plan, large, half_compiled, compiled, half_planned, planned = map(
        statistics.median, zip(*found, strict=True)
    )
    result = {
        "pydantic_seconds": round(start, 2),
        "plan_seconds": round(plan, 2),
        "plan_ratio": round(plan / start, 1),
        "plan_twice_the_steps": round(planned / half_planned, 2),
        "compile_seconds": round(compiled, 2),
        "compile_ratio": round(compiled / start, 1),
        "compile_twice_the_steps": round(compiled / half_compiled, 2),
        "matrix_seconds": round(large, 2),
        "matrix_ratio": round(large / start, 1),
        "bytecode": not sys.dont_write_bytecode,
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
