"""Speed of nets relative to another checkout, by two processes that take turns.

    python -m tests.benchmarks.against TREE [CASE ...] [--repeats 15] [--what FB] [--batch 32] [--level 2] [--clock cpu]

TREE is another checkout of graphnet, such as a worktree of an earlier commit. Each process compiles the case with its
own code and runs a pass on request; ratios are the other tree's time over ours, paired by round, with the 95 %
bootstrap interval of their median.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from graphnet.analysis.timing import ratio
from tests.conftest import ROOT

WORKER = """
import json, sys, time
import torch, graphnet
given = json.loads(sys.argv[1])
torch.set_num_threads(1)
clock = {"wall": time.perf_counter, "cpu": time.process_time}[given["clock"]]
what = given["what"]
spec = graphnet.load(given["spec"], settings=given["settings"])
net = graphnet.compile(spec, optimize=given["level"], mode="train" if what == "FB" else "infer")
net.train(what == "FB")
image = torch.randn(given["batch"], *net.meta["plan"].input_shape, generator=torch.Generator().manual_seed(0))
def run():
    started = clock()
    if what == "FB":
        output = net(image)
        outputs = output.values() if isinstance(output, dict) else [output]
        sum(each.square().sum() for each in outputs).backward()
    else:
        with torch.no_grad():
            net(image)
    elapsed = clock() - started
    for parameter in net.parameters():
        parameter.grad = None
    return elapsed
run(), run()
print("ready", flush=True)
for line in sys.stdin:
    print(run(), flush=True)
"""


class Worker:
    """A process that runs a case with the code of a tree."""

    def __init__(self, tree: Path, given: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", WORKER, given]
        self.process = subprocess.Popen(
            command, cwd=tree, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answer()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def run(self) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self.answer())


def main() -> None:
    import json

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("cases", nargs="*", default=["liao-poggio/frnn-3-state readout.t=6"])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--what", nargs="*", default=["FB", "F"])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--level", type=int, default=2)
    parser.add_argument("--clock", choices=["wall", "cpu"], default="cpu")
    given = parser.parse_args()
    for case in given.cases:
        name, *settings = case.split()
        for what in given.what:
            told = {"spec": str(ROOT / "specs" / f"{name}.toml"), "settings": settings, "what": what}
            text = json.dumps(told | {"clock": given.clock, "batch": given.batch, "level": given.level})
            theirs, ours = Worker(given.tree.resolve(), text), Worker(ROOT, text)
            times: list[tuple[float, float]] = []
            for k in range(given.repeats):
                if k % 2:
                    mine, other = ours.run(), theirs.run()
                else:
                    other, mine = theirs.run(), ours.run()
                times.append((other, mine))
            found = ratio([other for other, _ in times], [mine for _, mine in times])
            best = min(mine for _, mine in times)
            print(
                f"{case} {what} level {given.level} batch {given.batch}: {found.median:.3f} "
                f"[{found.low:.3f}, {found.high:.3f}]  {1000 * best:.1f} ms",
                flush=True,
            )
            for worker in (theirs, ours):
                worker.process.kill()


if __name__ == "__main__":
    main()
