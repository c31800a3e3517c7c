"""Requests to stop: signals and a time limit, noticed between two steps."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from graphnet.training.errors import Stopped

StopRequest = Callable[[], Stopped | None]
"""Returns why training must stop now, or None."""

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
TIME_IS_UP = 124
"""Exit status of `--max-time`, as of the `timeout` command; that of a signal is 128 + its number, as in a shell."""


def never() -> Stopped | None:
    """No request."""
    return None


@contextmanager
def stop_requests(max_seconds: float | None = None) -> Iterator[StopRequest]:
    """Turn SIGINT, SIGTERM, SIGHUP and a time limit into a request that training polls; SIGINT twice stops at once.

    Signals that are ignored on entry (as `nohup` does with SIGHUP) stay ignored. Outside the main thread only the time
    limit counts.
    """
    found: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and signal.SIGINT in found:
            raise KeyboardInterrupt
        found.append(number)

    until = None if max_seconds is None else time.monotonic() + max_seconds

    def request() -> Stopped | None:
        if found:
            return Stopped(f"stopped by {signal.Signals(found[0]).name}", 128 + found[0])
        if until is not None and time.monotonic() >= until:
            return Stopped("stopped: the time limit is reached", TIME_IS_UP)
        return None

    is_main = threading.current_thread() is threading.main_thread()
    watched = [each for each in SIGNALS if is_main and signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, note) for each in watched}
    try:
        yield request
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
