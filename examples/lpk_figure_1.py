"""Do ResNets learn to iterate? Figure 1 b-d of Lippl, Peters & Kriegeskorte 2024, drawn anew.

    python examples/lpk_figure_1.py [PICTURE] [--steps N]

An inverse problem: z is hidden, x = (3/2 z1, 3/4 z2) is seen, find z. An iterative method starts from a guess and
corrects it by its error, again and again: it approaches z, one step is like another, and more steps do no harm. A
residual net can do just that; its weights are set by hand in specs/lippl/inverse-model.toml. Does it when it is trained?
Three nets are, and then edited: read out early (b), without their fourth block (c), with their last one repeated (d).

From the paper: the problem, the steps of (0.3, 0.8), the nets and what is done to them. Ours, as it gives no more:
z is normal, ten blocks of linear - ReLU - linear on 16 units, Adam at a rate from 0.001 down to 0, 1500 batches of 128.
What comes out hangs on one choice of ours: residual functions start at zero. See RESIDUAL_START.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from graphnet.edits import DropBlock, Edit, ReadOutEarly, RepeatLastBlock

ALPHA, EPSILON = torch.tensor([3 / 2, 3 / 4]), torch.tensor([0.3, 0.8])
BLOCKS, UNITS = 10, 16
SHOWN = torch.tensor([[1.0, 1.0], [-1.0, -0.6]])  # the two z in the picture
RESIDUAL_START = "zeros"
"""How the last layer of a residual function starts. From "lecun", of the size of its input, the residual net learns
the task too, but its early readouts are as far off as the plain net's, and it does not survive without a block."""


def spec(name: str, function: list, shared: bool) -> dict:
    """A net of ten blocks, each with weights of its own or all with the same; linear layers before and behind."""
    return {
        "graphnet": 1,
        "name": name,
        "input": {"shape": [2]},
        "states": {"h": [UNITS]},
        "transitions": [{"t": "1..inf", "h": {"h": function}}],
        "sharing": {"over_time": shared},
        "pre_net": {"ops": [{"linear": {"width": UNITS, "init": "lecun"}}]},
        "post_net": {"ops": [{"linear": {"width": 2, "init": "lecun"}}]},
        "readout": {"t": BLOCKS},
    }


def block(last: str) -> list:
    """What a block computes; `last` is how its last layer starts."""
    return [{"linear": {"width": UNITS, "init": "lecun"}}, "relu", {"linear": {"width": UNITS, "init": last}}]


RESIDUAL = [{"sum": [block(RESIDUAL_START), "I"]}]
SPECS = {
    "residual": spec("residual", RESIDUAL, shared=False),
    "recurrent": spec("recurrent", RESIDUAL, shared=True),
    "plain": spec("plain", block("he"), shared=False),  # no skip connection
}


def error_corrective() -> nn.Module:
    """The net set by hand, read out after as many steps as the others have blocks."""
    return graphnet.compile(graphnet.load(zoo.path("inverse-model"), settings=[f"readout.t={BLOCKS}"]))


def closed_form(z: Tensor, t: int) -> Tensor:
    """Where the error-corrective algorithm is after t steps: the error shrinks by 1 - epsilon alpha in each."""
    alpha, epsilon = ALPHA.to(z), EPSILON.to(z)
    return z + (1 - alpha.sign() * epsilon * alpha) ** t * (alpha * z - z)


def train(spec: dict, steps: int) -> nn.Module:
    """A net trained to find z, by its mean squared error."""
    net = graphnet.compile(spec, seed=0)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    chance = torch.Generator().manual_seed(0)
    for _ in range(steps):
        z = torch.randn(128, 2, generator=chance)
        optimizer.zero_grad()
        nn.functional.mse_loss(net(ALPHA * z), z).backward()
        optimizer.step()
        rate.step()
    return net


def estimates(net: nn.Module, z: Tensor, *edits: Edit) -> Tensor:
    """What a net with its transition matrix edited makes of x."""
    with torch.no_grad():
        return graphnet.perturb(net, *edits)(ALPHA * z)


def path(net: nn.Module, z: Tensor, *edits: Edit) -> Tensor:
    """The estimates after 0, 1, ... all blocks, [blocks + 1, N, 2]."""
    return torch.stack([estimates(net, z, *edits, ReadOutEarly("h", b)) for b in range(BLOCKS + 1)])


def beyond(net: nn.Module, z: Tensor) -> Tensor:
    """The estimates after 0, 1, ... 10 more of the last block, [11, N, 2]."""
    return torch.stack([estimates(net, z, RepeatLastBlock("h", more)) for more in range(11)])


def report(nets: dict[str, nn.Module]) -> None:
    """Print errors on a thousand new z, as root mean squares; z itself has 1."""
    z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(1))
    print("error (RMS), z is 1   final | read out after 0     3     6     9 | no block 4 | 1, 5, 10 more of the last")
    for name, net in nets.items():
        runs = path(net, z), estimates(net, z, DropBlock("h", 4))[None], beyond(net, z)
        early, dropped, more = ((run - z).square().mean((1, 2)).sqrt().tolist() for run in runs)
        shown = " ".join(f"{early[b]:5.2f}" for b in (0, 3, 6, 9))
        further = " ".join(f"{more[n]:7.4f}" for n in (1, 5, 10))
        print(f"{name:<19} {early[-1]:8.4f} |          {shown} | {dropped[0]:10.4f} | {further}")
        travelled = float((more_estimates(runs) - z).norm(dim=-1).mean())
        print(travelled)


if __name__ == "__main__":
    pass
