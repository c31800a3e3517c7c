"""Do ResNets learn to iterate? A reproduction of Figure 1 of Lippl, Peters & Kriegeskorte 2024.

    python examples/lpk_figure_1.py [PICTURE] [--steps N]

An inverse problem: given x = (3/2 z1, 3/4 z2), find z. An iterative method starts from a guess and repeatedly
corrects it by its error: it approaches z, all steps are alike, and extra steps do no harm. A residual net can do
this: specs/lippl/inverse-model.toml does, with hand-set weights. Do trained nets? Three nets are trained and then
edited: read out early (b), without their fourth block (c), with their last block repeated (d).

From the paper: the problem, the hand-set net, the kinds of nets and edits. Our assumptions where it gives no details:
z is normal, ten blocks of linear - ReLU - linear on 16 units, Adam at a rate from 0.001 down to 0, 1500 batches of 128.
The result depends on one of our assumptions: residual functions start at zero. See RESIDUAL_START.
"""

import argparse
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor, nn

import graphnet
from graphnet import zoo
from graphnet.analysis.figures import COLOURS, MARKS, STYLE
from graphnet.edits import DropBlock, Edit, ReadOutEarly, RepeatLastBlock

ALPHA = torch.tensor([3 / 2, 3 / 4])
BLOCKS, UNITS = 10, 16
SHOWN = torch.tensor([[1.5, -0.5], [-1.5, 0.5]])  # the z in the picture, chosen so that lines do not overlap
RESIDUAL_START = "zeros"
"""Initial weights of the last layer of a residual function. With "lecun", which makes the residual about as large as
its input, the residual net also learns the task (error 0.04), but early readouts are off by 1 to 3 and it needs its
fourth block (error 3.7 without it); the recurrent net fails to learn (7.5)."""


def spec_of(name: str, function: list, shared: bool) -> dict:
    """A net of ten blocks, with separate or shared weights, between two linear layers."""
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
    """The ops of a block; `last` initialises its last layer."""
    return [{"linear": {"width": UNITS, "init": "lecun"}}, "relu", {"linear": {"width": UNITS, "init": last}}]


RESIDUAL = [{"sum": [block(RESIDUAL_START), "I"]}]
SPECS = {
    "residual": spec_of("residual", RESIDUAL, shared=False),
    "recurrent": spec_of("recurrent", RESIDUAL, shared=True),
    "plain": spec_of("plain", block("he"), shared=False),  # no skip connection
}


def error_corrective() -> nn.Module:
    """The hand-set net, read out after as many steps as the others have blocks."""
    return graphnet.compile(graphnet.load(zoo.path("inverse-model"), settings=[f"readout.t={BLOCKS}"]))


def train(spec: dict, steps: int) -> nn.Module:
    """Train a net to find z, with mean squared error."""
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
    """Estimates of z from x, by a net with an edited transition matrix."""
    with torch.no_grad():
        return graphnet.perturb(net, *edits)(ALPHA * z)


def path(net: nn.Module, z: Tensor, *edits: Edit) -> Tensor:
    """The estimates after 0, 1, ... all blocks, [blocks + 1, N, 2]."""
    return torch.stack([estimates(net, z, *edits, ReadOutEarly("h", b)) for b in range(BLOCKS + 1)])


def beyond(net: nn.Module, z: Tensor) -> Tensor:
    """The estimates after 0, 1, ... 10 more of the last block, [11, N, 2]."""
    return torch.stack([estimates(net, z, RepeatLastBlock("h", more)) for more in range(11)])


def errors(net: nn.Module, z: Tensor) -> tuple[list[float], float, list[float]]:
    """Root mean square errors: of early readouts, without the fourth block, and with the last block repeated."""
    runs = path(net, z), estimates(net, z, DropBlock("h", 4))[None], beyond(net, z)
    early, (dropped,), more = ((run - z).square().mean((1, 2)).sqrt().tolist() for run in runs)
    return early, dropped, more


def report(nets: dict[str, nn.Module]) -> None:
    """Print errors on a thousand new z, with conclusions."""
    z = torch.randn(1000, 2, generator=torch.Generator().manual_seed(1))
    table = {name: errors(net, z) for name, net in nets.items()}
    print("root mean square errors (always predicting 0 gives 1)\n")
    print(f"{'':17} {'final':>8} | {'after blocks 0, 3, 6, 9':>23} | no block 4 | last block 1, 5, 10 more times")
    for name, (early, dropped, more) in table.items():
        first, last = "".join(f"{e:6.2f}" for e in early[:-1:3]), "".join(f"{more[n]:9.4f}" for n in (1, 5, 10))
        print(f"{name:17} {early[-1]:8.4f} |{first} | {dropped:10.4f} |{last}")
    falls = [name for name, (early, _, _) in table.items() if early == sorted(early, reverse=True)]
    stays = [name for name, (_, _, more) in table.items() if max(more) < 0.1]
    print(f"\nb  the error falls with every block: {', '.join(falls)}")
    print(f"c  the residual net is off by {table['residual'][1]:.2f} without its fourth block")
    print(f"d  ten more of the last block leave the error below 0.1: {', '.join(stays)}")


def draw(nets: dict[str, nn.Module], picture: Path) -> None:
    """Draw the three panels, as SVG and PNG."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    b, c, d = figure.subplots(1, 3, sharex=True, sharey=True)
    for name, net in nets.items():
        line(b, path(net, SHOWN), name, alpha=0.4 if name == "plain" else 1)
        if name != "plain":
            line(d, path(net, SHOWN), name, alpha=0.4, markersize=0)
            line(d, beyond(net, SHOWN), name, linestyle="--", markersize=1.5)
    line(c, path(nets["residual"], SHOWN), "residual", linestyle=":", markersize=0)
    line(c, path(nets["residual"], SHOWN, DropBlock("h", 4)), "residual")
    across = "readouts after 0-10 blocks,\nstarting at the hollow mark"
    titles = across, "without the fourth block\n(dotted: with it)", "last block ten more times\n(dashed lines)"
    for panel, letter, title in zip((b, c, d), "bcd", titles, strict=True):
        panel.plot(*SHOWN.T, "x", color="black", markersize=6, zorder=5, label="z")
        panel.set_title(letter, loc="left", fontweight="bold")
        panel.set(title=title, xlabel="$z_1$", xlim=(-2.8, 2.8), ylim=(-2.8, 2.8), aspect="equal")
    b.set_ylabel("$z_2$")
    figure.legend(*b.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    for suffix in (".svg", ".png"):
        figure.savefig(picture.with_suffix(suffix), dpi=200, metadata={"Date": None} if suffix == ".svg" else None)


def line(panel: Axes, run: Tensor, name: str, **style: object) -> None:
    """Draw a net's estimates of each z in the picture, starting at a hollow mark."""
    number = ["error-corrective", *SPECS].index(name)
    look = {"color": COLOURS[number], "marker": MARKS[number], "markersize": 2.5, "linewidth": 0.8} | style
    for index in range(run.shape[1]):
        panel.plot(*run[:, index].T, label="" if index else name, zorder=4 - number, **look)
        panel.plot(*run[:1, index].T, zorder=4 - number, **look | {"markersize": 4, "markerfacecolor": "white"})


def main(picture: Path, steps: int) -> None:
    """Build one net by hand, train three, report and draw the results."""
    torch.set_num_threads(1)  # small nets are slower on several threads
    nets = {"error-corrective": error_corrective()} | {name: train(spec, steps) for name, spec in SPECS.items()}
    report(nets)
    with mpl.rc_context(STYLE):
        draw(nets, picture)
    print(f"\ndrawn in {picture.with_suffix('.svg')} and {picture.with_suffix('.png').name}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path, default=Path("lpk-figure-1.svg"))
    parser.add_argument("--steps", type=int, default=1500, help="batches that each net is trained on")
    main(**vars(parser.parse_args()))
