"""`graphnet stats`: normalisation statistics of a trained net over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure
from graphnet.cli.training.evaluate import RunPath, WhichCheckpoint, run_told
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.analysis.time.decay import Fit
    from graphnet.analysis.time.norm_statistics import NormStatistics
    from graphnet.planning.plan import Plan


def stats(
    run: RunPath,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for tables and figures.", show_default="RUN/stats")
    ] = None,
    checkpoint: WhichCheckpoint = None,
    plugins: Plugins = None,
) -> None:
    """Plot how the running statistics of a trained net's batch norms change over time (Liao & Poggio 2016, Figure 5 B).

    Needs the checkpoint only, no data. Writes three things:

    statistics.csv: mean, variance and gain 1/σ of each norm, time and channel; σ² = variance + eps.
    The gain excludes the affine weight.

    gain-STATE.svg, .pdf, .png: gain over time of the norms in the transitions to each state.

    fits.csv: least-squares fits to the median over channels of each norm's gain, with R².
    The models are a·exp(-n/tau) + c and a·(n+1)^b; n is 0 at the norm's first time.
    """
    from graphnet.analysis.time.norm_statistics import norm_statistics, write_statistics
    from graphnet.training.runs.load_run import load_net

    with run_told():
        folder = RunFolder.open(run)
        net = load_net(folder, "cpu", checkpoint)
    norms = norm_statistics(net)
    if not norms:
        raise Failure(f"error: {folder.path}: the net has no batch norms, so there are no running statistics")
    varying = [norm for norm in norms if norm.varies]
    target = output or folder.path / "stats"
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise Failure(f"cannot make {target}: {fault.strerror}") from None
    try:
        write_statistics(target / "statistics.csv", norms)
        if varying:
            _write_fits(target, varying, net.meta["plan"])
    except OSError as fault:
        raise Failure(f"cannot write {fault.filename or target}: {fault.strerror}") from None
    if not varying:
        print(_why_nothing_varies(norms))
    print(f"results in {target}")


def _write_fits(target: Path, norms: Sequence[NormStatistics], plan: Plan) -> None:
    from graphnet.analysis.time.decay import fit_decay, write_fits
    from graphnet.analysis.time.statistics_figures import plot_gains
    from graphnet.pictures.states import takes_time

    fits = {norm.layer: fit_decay(norm.times, norm.median_gain) for norm in norms}
    write_fits(target / "fits.csv", fits)
    by_state: dict[str, list[NormStatistics]] = {}
    for norm in norms:
        by_state.setdefault(norm.layer.partition(".")[0], []).append(norm)
    for state, own in by_state.items():
        plot_gains(target / f"gain-{state}", own, fits, clock=takes_time(plan))
    _print(norms, fits)


def _print(norms: Sequence[NormStatistics], fits: Mapping[str, Mapping[str, Fit | str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from graphnet.analysis.time.decay import best

    table = Table("norm", "times", "channels", "gain: first", "last", "best fit of the median gain")
    for norm in norms:
        gain, fit = norm.median_gain, best(fits[norm.layer])
        why = "; ".join(dict.fromkeys(str(each) for each in fits[norm.layer].values()))
        ends = (f"{gain[0]:.3g}", f"{gain[-1]:.3g}")
        times = f"{norm.times[0]}..{norm.times[-1]}"
        table.add_row(norm.layer, times, str(norm.mean.shape[1]), *ends, str(fit) if fit else f"none: {why}")
    Console().print(table, highlight=False)


def _why_nothing_varies(norms: Sequence[NormStatistics]) -> str:
    if any(norm.is_shared for norm in norms):
        return 'this net has one set of statistics for all times (statistics = "shared"): nothing changes over time'
    return "each batch norm of this net runs at one time only: nothing changes over time"
