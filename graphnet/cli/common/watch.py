"""`--watch`: repeat an action whenever specs, or files that they extend, are saved."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence

from graphnet.cli.common.bug import bug_fault
from graphnet.spec.text.extends import MAX_CHAIN
from graphnet.spec.text.source import MAX_BYTES

INTERVAL = 0.3
"""Seconds between checks of the files."""
SETTLED = 0.1
"""Seconds without a change after which a file counts as complete."""
_EXTENDS = re.compile(r"""^[\s{]*["']?extends["']?\s*[=:]\s*(["'])(.+?)\1""", re.MULTILINE)

Stamps = dict[str, tuple[int, int] | None]
"""File → time of its last change (ns) and size; None for a missing file."""


def watch(specs: Sequence[str], act: Callable[[], object]) -> None:
    """Act now and whenever a file changes, until Ctrl-C; report unexpected exceptions."""
    try:
        while True:
            before = stamps(specs)
            try:
                act()
            except Exception as error:  # noqa: BLE001 - the next version of the spec may avoid the bug
                print(bug_fault(error), end="\n\n", file=sys.stderr)
            sys.stdout.flush()
            clock = time.strftime("%H:%M:%S")
            print(f"---- {clock}, watching {', '.join(before)}; Ctrl-C ends ----\n", file=sys.stderr, flush=True)
            while stamps(specs) == before:
                time.sleep(INTERVAL)
            while (now := stamps(specs)) != before:  # editors may write a file in steps or replace it
                before = now
                time.sleep(SETTLED)
    except KeyboardInterrupt:
        print(file=sys.stderr)


def stamps(specs: Sequence[str]) -> Stamps:
    """Stamp the specs and all files they extend; finds these without a parser, as specs may be malformed."""
    found: Stamps = {}
    for path in specs:
        for _ in range(MAX_CHAIN + 1):
            if path in found:
                break
            found[path] = _stamp(path)
            extends = _EXTENDS.search(_text(path)) if found[path] else None
            if extends is None:
                break
            path = os.path.join(os.path.dirname(path), extends[2])
    return found


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def _text(path: str) -> str:
    if not os.path.isfile(path):
        return ""
    try:
        with open(path, "rb") as file:
            return file.read(MAX_BYTES).decode(errors="replace")
    except OSError:
        return ""
