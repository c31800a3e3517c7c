"""Time of `graphnet check` on a spec of 300 lines, as a multiple of importing pydantic and networkx.

    python tests/benchmarks/start_up.py [ROUNDS]

The two alternate, so that a busy machine slows both; prints the median ratio, and what check imports.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

IMPORTS = "import pydantic, networkx"
CHECK = "import sys; sys.argv = ['graphnet', 'check', sys.argv[1]]; from graphnet.cli.main import main; main()"
LOADED = "import sys; from graphnet.cli.main import main; print(*sorted({m.partition('.')[0] for m in sys.modules}))"


def spec_of_300_lines() -> str:
    """Forty-eight areas, each connected to itself and its neighbours, with one slab per pair."""
    lines = ["graphnet = 1", "input = { shape = [3, 16, 16] }", "", "[states]"]
    lines += [f"A{n} = [8, 16, 16]" for n in range(48)]
    for n in range(47):
        lines += ["", "[[transitions]]", 't = "1..inf"', f'A{n} = {{ A{n} = "BRC+I", A{n + 1} = "BRC" }}']
        lines += [f'A{n + 1} = {{ A{n} = "BRC" }}']
    return "\n".join([*lines, "", "[pre_net]", 'ops = "C"', "", "[readout]", "t = 48", ""])


def seconds(*command: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    return time.perf_counter() - started


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.toml"
        path.write_text(spec_of_300_lines())
        pairs = [(seconds("-c", CHECK, str(path)), seconds("-c", IMPORTS)) for _ in range(rounds)]
    ratios = sorted(check / imports for check, imports in pairs)
    loaded = subprocess.run([sys.executable, "-c", LOADED], check=True, capture_output=True, text=True).stdout.split()
    found = {
        "lines": spec_of_300_lines().count("\n"),
        "ratio_median": round(statistics.median(ratios), 2),
        "ratio_range": [round(ratios[0], 2), round(ratios[-1], 2)],
        "check_seconds": round(statistics.median(check for check, _ in pairs), 2),
        "imported": [name for name in loaded if not name.startswith("_") and name not in sys.stdlib_module_names],
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
