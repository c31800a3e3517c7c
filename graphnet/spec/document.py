"""Whole files of the language: a table that knows the text it was read from, and the key that tells its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import PrivateAttr

from graphnet.spec.table import Table
from graphnet.spec.text.source import Located

KINDS = {
    "graphnet": "a spec",
    "graphnet-recipe": "a training recipe",
    "graphnet-experiment": "an experiment",
}
"""Key that a kind of file begins with → what the file is."""


class Document(Table):
    """The content of a whole file; `kind` is its key in `KINDS`."""

    kind: ClassVar[str]

    _source: Located | None = PrivateAttr(default=None)

    @property
    def source(self) -> Located | None:
        """The text that it was read from; None if it was given as a dict."""
        return self._source


def kind_of(data: Mapping[str, Any]) -> str | None:
    """Return the first key of `KINDS` in a file's data; None if there is none."""
    return next((key for key in data if key in KINDS), None)
