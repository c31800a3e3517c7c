import os
import signal
import threading

import pytest

from graphnet.training.errors import Stopped
from graphnet.training.loop.stops import stop_requests


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_is_a_request(name: str) -> None:
    number = getattr(signal, name)
    first = signal.signal(number, signal.SIG_DFL)  # under nohup, SIGHUP is ignored
    before = signal.getsignal(number)
    with stop_requests() as request:
        assert request() is None
        os.kill(os.getpid(), number)
        found = request()
    assert isinstance(found, Stopped)
    assert (str(found), found.status) == (f"stopped by {name}", 128 + number)
    assert signal.signal(number, first) is before


def test_a_second_interrupt_stops_at_once() -> None:
    with stop_requests() as request:
        signal.raise_signal(signal.SIGINT)
        assert request()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_requests() as request:
            os.kill(os.getpid(), signal.SIGHUP)
            assert request() is None
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_time_limit_has_a_status_of_its_own() -> None:
    with stop_requests(3600) as request:
        assert request() is None
    with stop_requests(0) as request:
        found = request()
        assert found is not None
        assert found.status == 124


def test_in_another_thread_only_time_counts() -> None:
    found = []

    def work() -> None:
        with stop_requests(0) as request:
            found.append(request())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0] is not None
