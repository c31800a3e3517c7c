"""The exception that ends a command with a message."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - it ends the command with a message and a status
    """Raised when a command cannot do its work; the text is for the user, `status` is the exit status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status
