"""Coverage-guided fuzzing of the readers with atheris, which is not a dependency: install it, then run

    python tests/fuzz/readers.py -max_total_time=600 [CORPUS]

Any text, as TOML or JSON, must give a spec or errors with places. A failing input is written to crash-….
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["graphnet"]):
    from graphnet.errors import SpecError
    from graphnet.spec.notation.integers import Misspelt
    from graphnet.spec.notation.selectors import parse_selector
    from graphnet.spec.notation.times import parse_times
    from graphnet.spec.notation.transition_functions import FunctionFault, parse_function
    from graphnet.spec.read import read
    from graphnet.spec.text.source import read_text


def one_input(raw: bytes) -> None:
    """Feed a reader, chosen by the first byte, with the rest."""
    data = atheris.FuzzedDataProvider(raw)
    kind = data.ConsumeIntInRange(0, 4)
    text = data.ConsumeUnicode(sys.maxsize)
    try:
        if kind < 2:
            read(read_text(text, ("toml", "json")[kind], "fuzzed"))
        else:
            (parse_times, parse_selector, parse_function)[kind - 2](text)
    except SpecError as error:
        places = [(fault.line, fault.column) for fault in error.faults]
        if not places or None in [part for place in places for part in place]:
            raise AssertionError(f"a fault without a place: {error}") from error
    except (Misspelt, FunctionFault):
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
