"""A deep residual net is a shallow recurrent net (Liao & Poggio 2016, section 2), shown on one page.

    python examples/resnet_is_rnn.py [FOLDER]

The system h_t = K(h_{t-1}) + h_{t-1} has one state and one transition. Unrolled in time it is a residual net with one
block per step, all with the same weights. Pictures of both forms are written to FOLDER.
"""

import sys
from pathlib import Path

import torch
from torch import nn

import graphnet
from graphnet.equivalence import compare

BLOCKS = 5
SPEC = {
    "graphnet": 1,
    "name": "resnet is rnn",
    "cite": "Liao & Poggio 2016, Figure 1",
    "input": {"shape": [16, 8, 8]},
    "states": {"h": [16, 8, 8]},
    "transitions": [{"t": "1..inf", "h": {"h": "RCRC + I"}}],  # K + I, at every step
    "readout": {"t": BLOCKS},
}


class ResNet(nn.Module):
    """The same net in the usual form: a stack of blocks x + K(x); here every block is the same module."""

    def __init__(self) -> None:
        super().__init__()
        convolutions = [nn.Conv2d(16, 16, 3, padding=1, bias=False) for _ in range(2)]
        self.block = nn.Sequential(nn.ReLU(), convolutions[0], nn.ReLU(), convolutions[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(BLOCKS):
            x = x + self.block(x)
        return x


def main(folder: Path) -> None:
    """Report what is equal and what is not, and draw both forms."""
    plan = graphnet.plan(SPEC)
    print(
        f"one state, one transition, {plan.parameters:,} parameters; "
        f"read out at t = {BLOCKS} it is {plan.depth} layers deep"
    )

    weights = {"block.1.weight": "h.from_h.conv1.weight", "block.3.weight": "h.from_h.conv2.weight"}
    print("\n1. The recurrent net against a residual net written by hand:")
    print(f"   {compare(SPEC, ResNet(), weights)}")

    unrolled = graphnet.unroll(SPEC)
    print("\n2. The recurrent net against itself unrolled in time, as a feed-forward spec:")
    print(f"   {compare(SPEC, unrolled)}")
    print(
        f"   {len(unrolled.states)} states instead of one, {graphnet.plan(unrolled).parameters:,} parameters as before"
    )

    changed = unrolled.as_data()
    changed["transitions"][0]["h_2"]["h_3"] = "RCRC"
    print("\n3. Without the identity in its third block it is another net:")
    print("   " + str(compare(SPEC, changed)).replace("\n", "\n   "))

    untied = SPEC | {"name": "resnet", "sharing": {"over_time": False}}
    print(f"\n4. An ordinary ResNet does not share: {graphnet.plan(untied).parameters:,} parameters, one set per block")
    for spec in (SPEC, untied):
        system = graphnet.plan(spec).system
        kind = "time-invariant" if system.shared_weights else "time-variant"  # LP, section 2.2: w_t = w
        print(f"   '{spec['name']}' is a homogeneous, {kind} dynamical system" if system.homogeneous else "")

    folder.mkdir(parents=True, exist_ok=True)
    graphnet.draw(SPEC, folder / "unrolled.svg")
    graphnet.draw(SPEC, folder / "recurrent.svg", view="recurrent")
    print(f"\nthe two forms are drawn in {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("resnet_is_rnn"))
