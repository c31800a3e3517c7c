"""Regular expressions for the strings of the language, for editors that have only the JSON Schema.

Each accepts everything that the corresponding parser accepts, and more: brackets need not balance, names need not be
known, and text after a width in brackets is barely checked. They use only syntax common to JavaScript, Rust, Go and
Python, and their alternatives differ in the first character, so that matching is fast.
"""

from __future__ import annotations

from graphnet.spec.notation.op_words import OPS, WIDTH, OpRule
from graphnet.spec.state_names import NAME

_WORD = r"[\w\u0080-\uffff]"
"""A character of a name or number: `\\w` matches all Unicode letters in some engines and only ASCII in others."""
_OPENED = r"[\s(]*"
_CLOSED = r"[\s)]*"
_JOINT = rf"\s*(?:\){_CLOSED}(?:[-+*(]{_OPENED})?|[-+*(]{_OPENED})"
"""Signs and brackets between two numbers."""
_WHOLE = rf"{_OPENED}{_WORD}+(?:{_JOINT}{_WORD}+)*{_CLOSED}"
_TIME = rf"{_WHOLE}(?:\.\.{_WHOLE})?"
_STATES = r"\s*[A-Za-z0-9_.*]+\s*"

WHOLE = rf"^{_WHOLE}$"
TIME = rf"^{_TIME}$"
SELECTOR = rf"^{_STATES}->{_STATES}(?:@{_TIME}(?:,{_TIME})*)?(?:#\s*[\w.*\u0080-\uffff]+\s*)?$"
STATE = rf"^{NAME.pattern}$"
STATE_OR_INNER = rf"^{NAME.pattern}(?:\.{NAME.pattern})?$"
"""A state, or one inside a part: `V1.r`."""
LIKE_A_VALUE = r"_t[0-9]+$|_from_"
"""Matches invalid state names: those that look like the name of a value."""
CONSTANT = rf"^[A-Za-z_]{_WORD}*$"
NAMES_READOUT = r"(?:^|[^\w\u0080-\uffff])[0-9]*T(?:[^\w\u0080-\uffff]|$)"
"""Matches times that contain `T`."""
OPEN = r"\.\.\s*inf\s*$"
"""Matches times without an end."""
SPEC_FILE = r"^[^/][\s\S]*\.(?:[tT][oO][mM][lL]|[jJ][sS][oO][nN])$"

_SIZE = "0*(?:1000|[1-9][0-9]{0,2})"
_ODD = "0*[0-9]{0,2}[13579]"
_REPEAT = r"x\s*0*[1-9][0-9]*"
_END = rf"(?:[\s)]|{_REPEAT})*"
_GAP = rf"{_END}(?:[+(]{_OPENED})?"
_AFTER_A_BRACKET = r":\([\s\w\u0080-\uffff()+*:/-]*"


def function() -> str:
    """Return the pattern of a transition function of the currently registered ops."""
    return f"^{_function()}$"


def cell() -> str:
    """Return the pattern of a transition function or `-`."""
    return f"^(?:-|{_function()})$"


def _function() -> str:
    item = _item()
    return rf"{_OPENED}{item}(?:{_GAP}{item})*(?:{_AFTER_A_BRACKET}|{_END})"


def _item() -> str:
    """Return the pattern of one op with the kernel, width and stride that it takes."""
    by_tail: dict[str, list[str]] = {}
    for word, rule in OPS.items():
        by_tail.setdefault(_tail(word, rule), []).extend(filter(None, (rule.letter, word)))
    return f"(?:{'|'.join(_any_of(names) + tail for tail, names in by_tail.items())})"


def _any_of(names: list[str]) -> str:
    """Return alternatives of words, longest first, then all letters in one class."""
    letters = "".join(name for name in names if len(name) == 1)
    words = sorted((name for name in names if len(name) > 1), key=lambda name: -len(name))
    return f"(?:{'|'.join([*words, *([f'[{letters}]'] if letters else [])])})"


def _tail(word: str, rule: OpRule) -> str:
    kernel = f"(?:{_ODD if word in WIDTH else _SIZE})?" if "kernel" in rule.settings else ""
    width = rf"(?::(?:[0-9]+|[A-Za-z_]{_WORD}*\b))?" if "width" in rule.settings else ""
    stride = f"(?:/{_SIZE})?" if "stride" in rule.settings else ""
    return kernel + width + stride
