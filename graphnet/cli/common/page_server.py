"""Page server on 127.0.0.1 that pushes updates by long polling.

A browser requests `/`, then `/state?after=TOKEN` repeatedly: each answer waits for content newer than the token.
Requests with a foreign `Host` are refused, so that no other site can read a spec through a name that it resolves to
this machine (DNS rebinding).
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
"""Seconds before a waiting browser gets an empty answer."""

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
}


class Board:
    """The content shown now. Each version has its own token, unique across servers."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._number = 0
        self._started = time.time_ns()
        self._content = self._fresh = Content()

    def put(self, content: Content) -> None:
        """Show new content. Without a net, the last one stays behind the faults."""
        with self._changed:
            self._content = content if content.net else replace(self._content, faults=content.faults)
            self._fresh = content
            self._number += 1
            self._changed.notify_all()

    def page(self) -> str:
        """Return the page; wait for the first content."""
        with self._changed:
            self._changed.wait_for(lambda: self._number)
            return page(self._content, self._token)

    def after(self, token: str, wait: float) -> str | None:
        """Return content newer than the token as JSON; None if there is none within `wait` seconds."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._token != token, wait):
                return None
            now, content = self._token, self._fresh
        return as_json({**content.as_data(), "pictures": list(content.markup().items()), "token": now})

    @property
    def _token(self) -> str:
        return f"{self._started}-{self._number}"


class Server(ThreadingHTTPServer):
    """Serves a board at `url`. Raises OSError if the port is taken."""

    daemon_threads = True

    def __init__(self, board: Board, port: int = 0) -> None:
        super().__init__((ADDRESS, port), Handler)
        self.board = board
        self.hosts = {f"{name}:{self.server_port}" for name in (ADDRESS, "localhost")}

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"

    def start(self) -> None:
        """Serve from a background thread until `shutdown`."""
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
        """Log nothing: the terminal is for the spec's faults."""
