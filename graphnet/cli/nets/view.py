"""`graphnet view`: the net's page in the browser, redrawn whenever the spec is saved."""

from __future__ import annotations

import errno
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphnet.cli.common.bug import bug_fault
from graphnet.cli.common.calibration import calibration_batches
from graphnet.cli.common.plugins import Plugins
from graphnet.cli.common.report import Failure, Settings, Unlimited, pictures_told, show, told
from graphnet.cli.common.watch import watch
from graphnet.cli.training.evaluate import DataRoot, Device, WhichCheckpoint, run_told
from graphnet.errors import SpecError
from graphnet.given_specs import spec_file
from graphnet.pipeline import load
from graphnet.pipeline import plan as plan_of
from graphnet.spec.read import placed
from graphnet.training.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from graphnet.pictures.page.content import Content

RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run", metavar="RUN", help="Also show a trained net's accuracy over time and the activity of its states."
    ),
]


def view(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A spec file (TOML or JSON) or a zoo spec's name.")],
    settings: Settings = None,
    plugins: Plugins = None,
    unlimited: Unlimited = False,
    run: RunOption = None,
    readout: Annotated[
        str | None,
        typer.Option(
            metavar="TIMES",
            help="Readout times of the run to measure, such as 1..12.",
            show_default="those up to the last one of training",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to serve on; 0 picks a free one.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    checkpoint: WhichCheckpoint = None,
    data_root: DataRoot = None,
    device: Device = "auto",
) -> None:
    """Explore the net in the browser, by time, weights and states; saving the spec redraws it.

    The page is served to this machine only. If the spec is wrong, it shows the errors until they are fixed.
    """
    from graphnet.cli.common.page_server import Board, Server

    if spec == "-":
        raise typer.BadParameter("standard input cannot be watched")
    if readout is not None and run is None:
        raise typer.BadParameter("--readout is about the net of --run", param_hint="--readout")
    with told():
        spec = spec_file(spec)
    if not os.path.isfile(spec):
        raise Failure(f"{spec}: error: there is no such file")
    board = Board()
    try:
        server = Server(board, port)
    except OSError as fault:
        raise Failure(_refused(port, fault)) from None
    try:
        measures = None if run is None else measured(run, data_root, device, checkpoint, readout)
        look = Look(spec, settings or (), unlimited, measures)
        server.start()
        print(server.url, flush=True)
        if browser and _has_screen():
            webbrowser.open(server.url)
        watch([spec], lambda: board.put(look()))
        server.shutdown()
    finally:
        server.server_close()


@dataclass(frozen=True)
class Look:
    """Content of a spec's page; called again whenever the spec may have changed."""

    spec: str
    settings: Sequence[str]
    unlimited: bool
    measures: Mapping[str, Any] | None

    def __call__(self) -> Content:
        """Return the net or the faults, and print the faults; a graphnet bug counts as a fault."""
        from graphnet.pictures.page.content import Content

        try:
            return self._content()
        except SpecError as error:
            faults = error.faults
        except Exception as error:  # noqa: BLE001 - the page stays open and shows what happened
            faults = (bug_fault(error, self.spec),)
        show(faults)
        return Content(faults=faults)

    def _content(self) -> Content:
        from graphnet.pictures.page.content import content_of

        spec = load(self.spec, settings=self.settings)
        plan = plan_of(spec, unlimited=self.unlimited)
        warnings = tuple(placed(plan.warnings, spec.source))
        show(warnings)
        with pictures_told():
            return content_of(plan, warnings, self.measures)


def measured(
    run: Path, data_root: Path | None, device: str, checkpoint: str | None = None, readout: str | None = None
) -> dict[str, Any]:
    """Measure a trained net on test images of its run, for the page. Raises Failure."""
    with run_told():
        folder = RunFolder.open(run)

        from graphnet.analysis.over_time import measure
        from graphnet.training.runs.load_run import load_run

        net, data = load_run(folder, device, data_root, checkpoint)
        batches = calibration_batches(folder, data, MOST_IMAGES)
        found = measure(net, *data.test.first(MOST_IMAGES), batches, readout)
    note = f"Run {run}: measured on {found.images} test images of {data.name}."
    if found.calibrated:
        times = ", ".join(map(str, found.calibrated))
        note += (
            f" It was not trained to be read out at t = {times}: statistics there were calibrated on training images."
        )
    if readout is not None and found.left_out:
        note += f" It cannot be read out at t = {', '.join(map(str, found.left_out))}."
    return {
        "note": note,
        "accuracy": list(found.accuracy.items()),
        "chance": found.chance,
        "norms": list(found.norms.items()),
    }


MOST_IMAGES = 512


def _has_screen() -> bool:
    """Whether a browser can open a window; without a display, a text browser would take over the terminal."""
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def _refused(port: int, fault: OSError) -> str:
    if fault.errno == errno.EADDRINUSE:
        return f"error: port {port} is in use\n  give another port, or leave --port out to use a free one"
    return f"error: cannot serve on port {port}: {fault.strerror}\n  leave --port out to use a free one"
