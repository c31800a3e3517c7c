"""A page on 127.0.0.1 alone: what it shows now, and what comes next as soon as it is there.

A browser asks for `/`, and then for `/state?after=TOKEN` again and again: the answer waits until there is something
newer than the token. Requests whose `Host` is not this server are refused, so that no other site's page, by a name
that it has resolve to this machine, can read a spec.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from urllib.parse import parse_qs, urlsplit

from graphnet.pictures.page.content import Content
from graphnet.pictures.page.document import as_json, page

ADDRESS = "127.0.0.1"
LONGEST_WAIT = 20.0
"""Seconds until a browser that waits for news is told that there are none."""

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
}


class Board:
    """What is shown now; each thing that was shown has a token of its own, also among those of other servers."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._number = 0
        self._started = time.time_ns()
        self._content = self._fresh = Content()

    def put(self, content: Content) -> None:
        """Show something else. Where there is no net, the last one stays behind the faults."""
        with self._changed:
            self._content = content if content.net else replace(self._content, faults=content.faults)
            self._fresh = content
            self._number += 1
            self._changed.notify_all()

    def page(self) -> str:
        """The page; before there is anything to show, it waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._number)
            return page(self._content, self._token)

    def after(self, token: str, wait: float) -> str | None:
        """What is shown, as JSON, once it is not what the token stands for; None if that takes too long."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._token != token, wait):
                return None
            now, content = self._token, self._fresh
        return as_json({**content.as_data(), "pictures": list(content.markup().items()), "token": now})

    @property
    def _token(self) -> str:
        return f"{self._started}-{self._number}"


class Server(ThreadingHTTPServer):
    """Serves a board; `url` is where. Raises OSError if the port is taken."""

    daemon_threads = True

    def __init__(self, board: Board, port: int = 0) -> None:
        super().__init__((ADDRESS, port), Handler)
        self.board = board
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    def start(self) -> None:
        """Serve from a thread of its own, until `shutdown`."""
        Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        with suppress(ConnectionError):
            self._answer()

    def _answer(self) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", f"this is {self.server.url}\n")
            return
        asked = urlsplit(self.path)
        if asked.path == "/":
            self._send(HTTPStatus.OK, "text/html", self.server.board.page())
        elif asked.path == "/state":
            token = parse_qs(asked.query).get("after", [""])[0]
            news = self.server.board.after(token, LONGEST_WAIT)
            self._send(HTTPStatus.OK if news else HTTPStatus.NO_CONTENT, "application/json", news or "")
        else:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", "there is nothing here\n")

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is for the spec's faults."""
