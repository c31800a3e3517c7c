"""`--looks`: how often results are looked at."""

from __future__ import annotations

from typing import Annotated

import typer

from graphnet.cli.common.failure import Failure

Looks = Annotated[
    str,
    typer.Option(
        metavar="N,N,…",
        help="Numbers of seeds at which results are looked at, such as 3,5,8: each look has wider intervals.",
        show_default="one look",
    ),
]


def looks_of(text: str, seeds: int | None = None) -> int:
    """Return the number of looks from numbers of seeds such as `3,5,8`; "" is one look.

    Raises Failure: the text is misspelt, or `seeds` is none of its numbers.
    """
    if not text:
        return 1
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words) or [*map(int, words)] != sorted({*map(int, words)}):
        raise Failure(f"error: --looks {text}\n  write growing numbers of seeds, such as 3,5,8", 2)
    if seeds is not None and str(seeds) not in words:
        raise Failure(f"error: --looks {text} has no look at {seeds} seeds\n  plan all looks before anything runs", 2)
    return len(words)
