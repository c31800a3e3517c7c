"""The strings of the language as regular expressions, for editors that know no other grammar.

Each matches whatever the parser of its name accepts, and more: brackets need not balance, names need not be known, and
what follows a width in brackets is hardly looked at. They use only what the regular expressions of JavaScript, Rust, Go
and Python have in common, and their alternatives differ in the first character, so that no string takes long.
"""

from __future__ import annotations

from graphnet.spec.notation.op_words import OPS, WIDTH, OpRule
from graphnet.spec.state_names import NAME

_WORD = r"[\w\u0080-\uffff]"
"""A character of a name or number: `\\w` means the letters of all languages to some, and of English to others."""
_OPENED = r"[\s(]*"
_CLOSED = r"[\s)]*"
_JOINT = rf"\s*(?:\){_CLOSED}(?:[-+*(]{_OPENED})?|[-+*(]{_OPENED})"
"""What stands between two numbers: a sign, a bracket, or several."""
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
"""What the name of a state must not match."""
CONSTANT = rf"^[A-Za-z_]{_WORD}*$"
NAMES_READOUT = r"(?:^|[^\w\u0080-\uffff])[0-9]*T(?:[^\w\u0080-\uffff]|$)"
"""Matches times in which `T` stands."""
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
    """A transition function, of the ops that there are now."""
    return f"^{_function()}$"


def cell() -> str:
    """A transition function, or `-`."""
    return f"^(?:-|{_function()})$"


def _function() -> str:
    item = _item()
    return rf"{_OPENED}{item}(?:{_GAP}{item})*(?:{_AFTER_A_BRACKET}|{_END})"


def _item() -> str:
    """One op with its kernel, width and stride, as far as it takes them."""
    by_tail: dict[str, list[str]] = {}
    for word, rule in OPS.items():
        by_tail.setdefault(_tail(word, rule), []).extend(filter(None, (rule.letter, word)))
    return f"(?:{'|'.join(_any_of(names) + tail for tail, names in by_tail.items())})"


def _any_of(names: list[str]) -> str:
    """Letters in one class, then words; a longer one before one that it begins with."""
    letters = "".join(name for name in names if len(name) == 1)
    words = sorted((name for name in names if len(name) > 1), key=lambda name: -len(name))
    return f"(?:{'|'.join([*words, *([f'[{letters}]'] if letters else [])])})"


def _tail(word: str, rule: OpRule) -> str:
    kernel = f"(?:{_ODD if word in WIDTH else _SIZE})?" if "kernel" in rule.settings else ""
    width = rf"(?::(?:[0-9]+|[A-Za-z_]{_WORD}*\b))?" if "width" in rule.settings else ""
    stride = f"(?:/{_SIZE})?" if "stride" in rule.settings else ""
    return kernel + width + stride
