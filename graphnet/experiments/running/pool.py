"""Processes that carry out the tasks of an experiment, one for each device."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from graphnet.experiments.running.worker import Outcome, Task, work
from graphnet.training.errors import Stopped
from graphnet.training.loop.stops import StopRequest

PAUSE = 2.0
"""Seconds after which a run that another process trains is looked at again."""
PATIENCE = 120.0
"""Seconds that processes have to save their run after a stop."""


@dataclass(frozen=True)
class Machine:
    """What runs are trained on.

    Attributes:
        devices: one for each process.
        threads: of PyTorch in each process; on a CPU results depend on it in their last bits.
        plugins: modules that register ops and data sets; each process imports them.
    """

    devices: tuple[str, ...]
    threads: int = 1
    plugins: tuple[str, ...] = ()


def _context() -> SpawnContext | ForkServerContext:
    """How processes start: from a server that has imported PyTorch once, where the system has such a thing.

    It has begun no threads and no CUDA, so that a process may fork from it.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["graphnet.experiments.running.measuring", "graphnet.training.runs.train_run"])
    return context


class _Worker:
    """A process and its task."""

    def __init__(self, device: str, machine: Machine) -> None:
        context = _context()
        self.device = device
        self.connection, theirs = context.Pipe()
        arguments = (theirs, device, machine.threads, machine.plugins)
        self.process: BaseProcess = context.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.task: Task | None = None

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it died: its connection will say so
            self.connection.send(task)

    def take(self) -> Outcome:
        """What became of the task."""
        assert self.task is not None
        number = self.task.number
        try:
            outcome: Outcome = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode or 0
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
            outcome = Outcome(number, "failed", f"its process {how}; perhaps memory was short: try fewer --jobs")
        self.task = None
        return outcome


def carry_out(
    tasks: Sequence[Task],
    machine: Machine,
    told: Callable[[Outcome], None],
    stop: StopRequest,
) -> None:
    """Carry out all tasks, several at once, and tell each outcome but `busy` when it is known.

    Args:
        told: called in this process.
        stop: asked twice a second.

    Raises:
        Stopped: on request, once all processes have saved their runs.
    """
    todo, waiting = deque(tasks), deque[tuple[float, Task]]()
    with _workers(machine, len(tasks)) as workers:
        while todo or waiting or any(worker.task for worker in workers):
            if (why := stop()) is not None:
                raise why
            while waiting and waiting[0][0] <= time.monotonic():
                todo.append(waiting.popleft()[1])
            for k, worker in enumerate(workers):
                if worker.task is None and todo:
                    if not worker.process.is_alive():
                        workers[k] = worker = _Worker(worker.device, machine)
                    worker.give(todo.popleft())
            for worker in _ready(workers):
                task = worker.task
                outcome = worker.take()
                if outcome.kind == "stopped":
                    raise Stopped("stopped", 128 + signal.SIGTERM)
                if outcome.kind == "busy" and task is not None:
                    waiting.append((time.monotonic() + PAUSE, task))
                else:
                    told(outcome)


def _ready(workers: Sequence[_Worker]) -> list[_Worker]:
    busy: dict[Connection, _Worker] = {worker.connection: worker for worker in workers if worker.task}
    if not busy:
        time.sleep(0.2)
    return [busy[each] for each in wait(list(busy), 0.5) if isinstance(each, Connection)]


@contextmanager
def _workers(machine: Machine, most: int) -> Iterator[list[_Worker]]:
    """Start at most so many processes; at the end, ask those that work to save and stop, and wait for them."""
    workers = [_Worker(device, machine) for device in machine.devices[:most]]
    try:
        yield workers
    finally:
        for worker in workers:
            if worker.task is not None:
                worker.process.terminate()
            worker.connection.close()
        until = time.monotonic() + PATIENCE
        for worker in workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
