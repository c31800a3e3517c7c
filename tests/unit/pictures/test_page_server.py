"""The server of `graphnet view`: accepted requests, and notification of changes."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import graphnet
from graphnet.cli.common.page_server import Board, Server
from graphnet.cli.nets.view import Look
from graphnet.pictures.page.content import Content, content_of
from tests.small import faults, small


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(Board())
    made.board.put(content_of(graphnet.plan(small())))
    made.start()
    yield made
    made.shutdown()
    made.server_close()


def ask(server: Server, path: str, host: str = "", method: str = "GET") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.server_port}")
    connection.endheaders()
    return connection.getresponse()


def test_it_listens_on_this_machine_alone(server: Server) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_port}/"


def test_only_its_own_names_are_answered(server: Server) -> None:
    port = server.server_port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}"):
        assert ask(server, "/", host).status == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{port}.evil.example", " "):
        for path in ("/", "/state?after=x"):
            answer = ask(server, path, host)
            assert answer.status == 403
            assert b"small" not in answer.read()


def test_other_paths_and_methods_have_nothing(server: Server) -> None:
    for path in ("/etc/passwd", "/../pyproject.toml", "/page.js"):
        assert ask(server, path).status == 404
    assert ask(server, "/", method="POST").status == 501


def test_the_answer_s_headers(server: Server) -> None:
    answer = ask(server, "/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_changes_are_sent(server: Server) -> None:
    first = json.loads(ask(server, "/state?after=").read())
    assert first["net"]["name"] == "small"
    answers: list[bytes] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(server, f"/state?after={first['token']}").read()))
    waiting.start()
    time.sleep(0.1)
    assert not answers, "there are no news yet"
    server.board.put(Content(faults=faults(small(merge="medium"))))
    waiting.join(timeout=10)
    news = json.loads(answers[0])
    assert news["token"] != first["token"]
    assert (news["net"], news["pictures"]) == (None, [])
    assert len(news["faults"]) == 1
    page = ask(server, "/").read().decode()
    assert "h1_t0" in page, "behind the faults is the last net"
    assert "medium" in page


def test_waiting_ends_without_changes(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr("graphnet.cli.common.page_server.LONGEST_WAIT", 0.05)
    token = json.loads(ask(server, "/state?after=").read())["token"]
    assert ask(server, f"/state?after={token}").status == 204


def test_a_port_that_is_taken(server: Server) -> None:
    with pytest.raises(OSError, match=r"in use"):
        Server(Board(), server.server_port)


def test_a_bug_of_the_compiler_is_shown_and_the_page_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps(small()))
    board, look = Board(), Look(str(path), (), False, None)
    board.put(look())
    for name in ("graphnet.cli.nets.view.plan_of", "graphnet.pictures.page.content.net_data"):
        with monkeypatch.context() as broken:
            broken.setattr(name, lambda *_, **__: 1 / 0)
            board.put(look())
        (fault,) = json.loads(board.after("", 1) or "")["faults"]
        text = "".join(part for _, part in fault["parts"])
        assert "graphnet has a bug: ZeroDivisionError: division by zero\n  please tell us" in text
        assert f"{path}: error" in text
        assert "small" in board.page(), "the last valid drawing"
        assert "Traceback" in capsys.readouterr().err
    board.put(look())
    assert json.loads(board.after("", 1) or "")["faults"] == []
