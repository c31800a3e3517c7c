"""The exception that ends a command with a message."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - it ends the command with a message and status 1
    """Raised when a command cannot do its work; the text is for the user."""
