"""Hints for transition functions written in the style of other tools, for error messages."""

from __future__ import annotations

import re

from graphnet.spec.notation.op_words import LETTERS, OPS, known_letters, known_words
from graphnet.synonyms import ELSEWHERE, plain, synonym

NO_TRANSITION = 'leave the cell out where there is no transition; "I" passes the value on'
_SHORTHAND = re.compile(
    r"(?P<op>[A-Z]|[A-Za-z]*?[a-z])_?(?:k?(?P<kernel>\d+)(?:x(?P=kernel))?)?(?:s(?P<stride>\d+))?(?:p\d+)?(?:d\d+)?"
)
"""An op with kernel and stride in other notations: `C3s2`, `conv3x3`, `Ck3s2p1`."""


def hint_for_op(written: str) -> str:
    """Return a hint for a word that is not an op."""
    if (match := _SHORTHAND.fullmatch(written[:40])) and (match["kernel"] or match["stride"]):
        rule = OPS.get(LETTERS.get(match["op"]) or synonym(match["op"], tuple(OPS)) or "")
        if rule and rule.letter and "kernel" in rule.settings:
            stride = f"/{match['stride']}" if match["stride"] else ""
            return f"write {rule.letter}{match['kernel'] or ''}{stride}: the kernel, then '/' and the stride"
    letters = written.upper()
    if len(letters) > 1 and written.islower() and all(letter in LETTERS for letter in letters):
        return f"letters of ops are upper case: {letters}"
    if written.lower() in ("none", "null", "no", "zero"):
        return NO_TRANSITION
    return ELSEWHERE.get(plain(written)) or known_words(written.lower())


def hint_for_table(word: str) -> str:
    """Return a hint for a key that is not an op, of a table in the list form."""
    if word == "ops":
        return "a pair of states has one transition at a time; put cells for other times in another slab"
    return ELSEWHERE.get(plain(word)) or known_words(word, "sum")


def hint_for_sign(rest: str) -> str:
    """Return a hint for an unexpected sign in a function."""
    if repeat := re.match(r"[*×·^X]\s*(\d+)", rest):
        return f"write a repeat as x{repeat[1]}"
    if rest[0] in "-,>|;→._":
        return "write ops side by side, such as BRC"
    return known_letters() if rest[0] == "X" else "remove it"


def hint_for_nothing(before: str, rest: str) -> str:
    """Return a hint for a missing op."""
    if before.endswith("(") and (width := re.match(r"\s*(\w+)\s*\)", rest)):
        return f"a width follows ':', as in C:{width[1]}"
    if re.match(r"\s*\d", rest):
        return "a repeat follows what it repeats, such as BRCx2"
    return known_letters() if (before + rest).strip() else NO_TRANSITION
