"""How a command ends that cannot do what it was asked to."""

from __future__ import annotations


class Failure(Exception):  # noqa: N818 - it ends the command with a message and status 1
    """A command cannot do what it was asked to; the text is for the user."""
