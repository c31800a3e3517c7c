"""The expressions of experiment files: `test_error[sharing=unshared] - test_error[sharing=shared]`.

Parsed here, never evaluated as code:

    expression = term {("+" | "-") term}
    term       = atom {("*" | "/") atom}
    atom       = number | name ["[" selection {"," selection} "]"] | function "(" expression "," "over" "=" factor ")"
               | "(" expression ")"
    selection  = factor "=" label | factor "=" label ".." label
"""

from __future__ import annotations

from graphnet.spec.experiment.expression_reader import LABEL, read_expect, read_expression, read_guard
from graphnet.spec.experiment.expression_tree import (
    FUNCTIONS,
    OF_NUMBERS,
    Apply,
    Binary,
    Condition,
    Expect,
    Expression,
    Name,
    Number,
    Selection,
    names_in,
)

__all__ = [
    "FUNCTIONS",
    "OF_NUMBERS",
    "Apply",
    "Binary",
    "Condition",
    "Expect",
    "Expression",
    "Name",
    "Number",
    "Selection",
    "names_in",
    "read_expect",
    "read_expression",
    "read_guard",
    "written",
    "written_label",
]


def written(expression: Expression) -> str:
    """Write an expression as text; `read_expression` returns the same expression."""
    if isinstance(expression, Number):
        return _number(expression.value)
    if isinstance(expression, Name):
        inside = ", ".join(map(_selection, expression.selected))
        return f"{expression.name}[{inside}]" if inside else expression.name
    if isinstance(expression, Apply):
        return f"{expression.function}({written(expression.argument)}, over={expression.over})"
    left, right = written(expression.left), written(expression.right)
    if expression.operator in "*/" and _is_sum(expression.left):
        left = f"({left})"
    if isinstance(expression.right, Binary) and (expression.operator in "*/" or _is_sum(expression.right)):
        right = f"({right})"
    return f"{left} {expression.operator} {right}"


def _is_sum(expression: Expression) -> bool:
    return isinstance(expression, Binary) and expression.operator in "+-"


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _selection(selection: Selection) -> str:
    labels = [selection.first] if selection.last is None else [selection.first, selection.last]
    return f"{selection.factor}={'..'.join(map(written_label, labels))}"


def written_label(label: str) -> str:
    """Write a label as in an expression: in quotes if it has other characters than letters, digits and `_.+-`."""
    if LABEL.fullmatch(label) and not label.startswith(".") and not label.endswith("."):
        return label
    return '"' + label.replace("\\", "\\\\").replace('"', '\\"') + '"'
