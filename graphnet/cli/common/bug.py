"""Unexpected exceptions: graphnet bugs, which users are asked to report."""

from __future__ import annotations

import sys
import traceback

from graphnet.errors import Fault

REQUEST = "please tell us: send the spec, the command and the traceback"


def bug_fault(error: Exception, file: str | None = None) -> Fault:
    """Print the traceback to standard error; return a fault that asks for a bug report."""
    traceback.print_exception(error, file=sys.stderr)
    text = " ".join(traceback.format_exception_only(error)[-1].split())
    return Fault((), f"graphnet has a bug: {text}", REQUEST, code="", file=file)
