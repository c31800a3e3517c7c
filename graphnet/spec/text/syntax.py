"""Spec text → plain data, and all its syntax faults (design.md, section 4).

`tomllib` and `json` decide what is valid and what a text means. Offsets count characters. Specs may be untrusted, so
nothing recurses and no pattern backtracks far.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Literal

from graphnet.errors import Fault, printable
from graphnet.spec.text.slips import NEW, right_sign

Format = Literal["toml", "json"]
Found = tuple[int, Fault]
"""The offset of a fault, and the fault."""
Edit = tuple[int, int, str]
"""A repair of a text: replace the characters from the first to the second offset by the string."""
Parsed = tuple[Any, list[Found], str, list[Edit]]
"""Result of a parser: data, faults, the text without these faults, and the edits that removed them."""

MAX_TOKENS = 100_000
MAX_DEPTH = 64
MAX_FAULTS = 20  # listed in full; the others are only counted
MAX_LOOKED_FOR = 1000
MAX_MENDING = 20 * 1024 * 1024  # characters read again after repairs

# Strings, comments and words match unnamed groups, so that a named bracket or newline is never inside one.
_TOKEN = re.compile(
    r"""(?P<deep> (?: (?: [\w-]++ | "(?:[^"\\\n]|\\[^\n])*+" | '[^'\n]*+' ) [ \t]*+ \. [ \t]*+ ){64} )
    | \"""(?:[^"\\]|\\.|"{1,2}(?!"))*+\"""(?:"{0,2}) | '''(?:[^']|'{1,2}(?!'))*+'''(?:'{0,2})
    | "(?:[^"\\\n]|\\[^\n])*+"(?!")[ \t=,]*+ | '[^'\n]*+'(?!') | \#[^\n]*+ | [\w-]++[ \t=,]*+ | [ \t=,]++
    | (?P<quote> \""".*+ | '''.*+ | ["'][^\n]*+ )
    | (?P<open> [\[{] ) | (?P<close> [\]}] ) | (?P<newline> \n )""",
    re.VERBOSE | re.DOTALL,
)
SURROGATE = re.compile("[\ud800-\udfff]")
_CLOSER = {"[": "]", "{": "}"}
LEAVE_OUT = "leave the key out"
HALF = "this is half of a surrogate pair, not a character"
WHOLE = r"write both halves, as in \ud83d\ude00, or the character"
TOO_DEEP = f"this is nested more than {MAX_DEPTH} levels deep"
TOO_LARGE = "this integer does not fit in 64 bits"
SMALLER = f"at most {2**63 - 1} fits"
_VALUE = "a value is a number, true, false, a list, a table or a string in straight quotes"
_CONTROL = r"write a control character as an escape, such as \t"
TWICE = ("Cannot", "Duplicate")  # how tomllib's messages on duplicate keys begin
_FIXES = {  # start of a message of tomllib or json → what would be right
    "Invalid statement": "a line is key = value, or a [table]",
    "Invalid initial": "a key is a word, or text in quotes",
    "Expected '='": "a key is followed by '='",
    "Expected newline": "the line should end here: write one key = value per line",
    "Expected ']": "put a table's name in brackets: [readout]",
    "Unclosed array": "expected ',' or ']'",
    "Unclosed inline": "expected ',' or '}'",
    "Unescaped": r"write a backslash as \\, or put the text in 'single quotes'",
    "Invalid hex": r"\u takes four hexadecimal digits, \U eight",
    "Escaped": r"\u takes four hexadecimal digits, \U eight",
    "Illegal": _CONTROL,
    "Found": _CONTROL,
    "Invalid value": _VALUE,
    "Expecting value": _VALUE,
    "Expecting property": "put keys in double quotes",
    "Expecting ':'": "a key is followed by ':'",
    "Expecting ','": "expected ',' or a closing bracket",
    "Invalid control": _CONTROL,
    "Invalid \\": r"write a backslash as \\",
    "Extra data": "the spec ends before this",
}


def danger(text: str) -> Found | None:
    """Find text that is unsafe to parse: half a character, excessive length, or nesting that overflows the stack."""
    if half := SURROGATE.search(text):
        return half.start(), Fault((), HALF, "save the file as UTF-8", code="GN002")
    depth = 0
    for number, token in enumerate(_TOKEN.finditer(text)):
        if number == MAX_TOKENS:
            what = f"this has over {MAX_TOKENS:,} tokens"
            return token.start(), Fault((), what, "a spec has at most a few hundred lines", code="GN601")
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        if token.lastgroup == "deep" or depth > MAX_DEPTH + 1:  # JSON's outermost braces do not count
            return token.start(), Fault((), TOO_DEEP, "no spec needs that many", code="GN602")
    return None


def _stop(text: str, format: Format, offset: int, message: str) -> Found:
    """Return the fault at the offset where a parser stopped with a message."""
    rest = text[offset : offset + 200].partition("\n")[0].rstrip()
    fix = next((fix for start, fix in _FIXES.items() if message.startswith(start)), "")
    if fix == _VALUE and (word := re.match(r"[A-Za-z_][\w+:/.*-]*", rest)):
        plain = {"true": "write true", "false": "write false", "null": LEAVE_OUT, "none": LEAVE_OUT}
        fix = plain.get(rest.rstrip(",]} ").lower(), f'put text in quotes: "{word[0]}"')
    elif fix == _VALUE and rest.startswith("'"):
        fix = "put text in double quotes"
    line = text[text.rfind("\n", 0, offset) + 1 : offset].strip()
    if format == "toml" and (right := right_sign(line, text[offset : offset + 200])):
        fix = right
    if "{" in line and rest[:1] in ("", "}") and message.startswith(("Invalid initial", "Unclosed inline")):
        fix = "write an inline table on one line, without a comma before its '}'"
    if rest:
        return offset, Fault((), f"this is not {format.upper()}: {short(rest)}", fix, code="GN003")
    if not text.strip():
        return offset, Fault((), "the spec is empty", NEW, code="GN003")
    what = f"this ends too early: {short(line)}" if line else "this ends too early"
    return offset, Fault((), what, fix, code="GN003")


def short(text: str) -> str:
    """Quote at most 30 characters of a text, unprintable ones escaped."""
    shown = printable(text[:30])
    return f"'{shown}...'" if len(text) > 30 else f"'{shown}'"


def _endless(text: str, offset: int) -> Found:
    """Return the fault of a quote or bracket that is never closed."""
    mark, line = text[offset], text[offset : offset + 200].partition("\n")[0].rstrip()
    if mark in "[{":
        fix = f"close it with '{_CLOSER[mark]}'"
        return offset, Fault((), f"this '{mark}' is never closed", fix, code="GN004")
    what = f"this string is never closed: {short(line)}"
    return offset, Fault((), what, "a string needs a closing quote", code="GN004")


def read_toml(text: str) -> Parsed:
    """Read TOML; if it is invalid, read each statement separately, to find all faults."""
    try:
        return tomllib.loads(text), [], text, []
    except ValueError as error:
        refusal = _toml_fault(text, 0, len(text), error)
    faults: list[Found] = []
    clean: list[str] = []
    lost = False  # after a broken header the table of the keys is unknown
    for start, end, endless in _statements(text):
        if len(faults) >= MAX_LOOKED_FOR:
            break
        found, statement = None, text[start:end]
        try:
            tomllib.loads(statement)
        except ValueError as error:
            if not str(error).startswith(TWICE):
                found = _toml_fault(text, start, end, error)
                faults.append(found if endless is None or found[0] < endless else _endless(text, endless))
        if found and _HEADER.search(statement):
            lost = True
        elif statement.lstrip().startswith("["):
            lost = False
        clean.append(re.sub(r"[^\n]", " ", statement) if found or lost else statement)
    return None, faults or [refusal], "".join(clean), []


def _toml_fault(text: str, start: int, end: int, error: ValueError) -> Found:
    """Convert tomllib's error in `text[start:end]` to a fault."""
    message, _, place = str(error).rpartition(" (at ")
    if not message:  # no place: Python refuses integers of thousands of digits
        digits = re.compile(r"[\d_]{4000,}").search(text, start)
        return digits.start() if digits else start, Fault((), TOO_LARGE, SMALLER, code="GN007")
    offset = start + len(text[start:end].rstrip())
    if at := re.match(r"line (\d+), column (\d+)", place):
        for _ in range(int(at[1]) - 1):
            start = text.index("\n", start) + 1
        offset = start + int(at[2]) - 1
    if message.startswith(("Unescaped", "Invalid hex", "Escaped")):
        offset = text.rfind("\\", 0, offset)
    if message.startswith(TWICE):
        return offset, Fault((), message, "keep one", code="GN006")
    return _stop(text, "toml", offset, message)


_HEADER = re.compile(r"^[ \t]*\[|(?<![\w.-])[\d.-]*+[A-Za-z_][\w.-]*+\]")  # a header, or text that may be meant as one
_STATEMENT = re.compile(
    r"""\[\[?[A-Za-z_][\w. "'-]*\]\]?[ \t]*(?:\#|\r?$) | (?:[\w.-]|"[^"\n]*"|'[^'\n]*')+[ \t]*=""",
    re.VERBOSE | re.MULTILINE,
)


def _statements(text: str) -> Iterator[tuple[int, int, int | None]]:
    """Yield the start and end of each TOML statement, and its quote or bracket that is never closed, if any."""
    start, opened, quote = 0, list[int](), None
    for token in _TOKEN.finditer(text):
        kind, offset = token.lastgroup, token.start()
        if kind == "open":
            opened.append(offset)
        elif kind == "close":
            del opened[-1:]
        elif kind == "quote" and quote is None:
            quote = offset
        elif kind == "newline" and (not opened or _STATEMENT.match(text, offset + 1)):
            yield start, offset + 1, quote if quote is not None else opened[-1] if opened else None
            start, opened, quote = offset + 1, [], None
    yield start, len(text), quote if quote is not None else opened[-1] if opened else None


def read_json(text: str) -> Parsed:
    """Read JSON; if it is invalid, repair the place and continue, to find all faults."""
    work, faults, edits = text, dict[int, Found](), list[Edit]()
    for _ in range(min(5 * MAX_FAULTS, 1 + MAX_MENDING // (len(text) + 1))):
        try:
            data = json.loads(work, parse_int=lambda digits: int(digits) if len(digits) < 40 else 1 << 64)
            clean = _NAN.sub(lambda it: it[0] if it[0][0] == '"' else "0".ljust(len(it[0])), work)
            return data, [*faults.values()], clean, edits
        except RecursionError:  # a repair has exposed a former comment
            break
        except json.JSONDecodeError as error:
            (offset, fault), mend = _json_fault(work, error.pos, error.msg)
            offset = origin(offset, edits)
            if not (edits and error.msg == "Extra data"):
                faults.setdefault(text.count("\n", 0, offset), (offset, fault))  # later ones may follow from it
            if mend is None:
                break
            work = work[: mend[0]] + mend[2] + work[mend[1] :]
            edits.append(mend)
    return None, [*faults.values()], "", edits  # the nesting is unknown


def origin(offset: int, edits: list[Edit]) -> int:
    """Map an offset to the text before the edits."""
    for start, end, new in reversed(edits):
        if offset >= start + len(new):
            offset += end - start - len(new)
        elif offset > start:
            offset = start
    return offset


_NAN = re.compile(r'"(?:[^"\\]|\\.)*+"|-?\b(?:NaN|Infinity)\b')  # tree-sitter's JSON grammar has no NaN
_MENDS = [  # start of json's message, text there, replacement that lets json continue, fault if clear
    ("", r"//[^\n]*|/\*.*?\*/|\#[^\n]*", " ", "JSON has no comments", "remove it"),
    ("Expecting", r",(?=\s*[\]},])", " ", "a comma too many", "remove it"),
    ("Expecting property", r"""['"]?([^\s,:\[\]{}"'\\]+)['"]?""", r'"\1"', "", ""),
    ("Expecting ':'", "=?", ":", "", ""),
    ("Expecting ','", r"(?=\})", "]", "", ""),
    ("Expecting ','", r"(?=\])", "}", "", ""),
    ("Expecting ','", r";?(?=.)", ",", "", ""),
    ("Expecting value", r"""'[^'\n]*'|[^\s,:\[\]{}"']+|(?=[,\]}])""", "0", "", ""),
    ("Invalid \\", r".", " ", "", ""),
    ("Invalid control", r"[^\n]", " ", "", ""),
]


def _json_fault(text: str, at: int, message: str) -> tuple[Found, Edit | None]:
    """Return the fault where `json` stopped, and an edit that lets it continue."""
    line = text[text.rfind("\n", 0, at) + 1 :].partition("\n")[0]
    if text.startswith("\n", at) and message.startswith("Invalid control"):
        end = at - len(line) + len(line.rstrip(" \r,]}"))
        swallowed = re.search(r"[:\[{]", line[line.rfind('"') :])
        return _endless(text, text.rfind('"', 0, at)), None if swallowed else (end, end, '"')
    *_, (_, _, endless) = _statements(text) if at == len(text) else [(0, 0, None)]
    if message.startswith("Unterminated") or endless is not None:
        return _endless(text, at if endless is None else endless), None
    if message.startswith("Invalid \\"):
        at = text.rfind("\\", 0, at + 1)
    elif text[:at].rstrip().endswith(",") and text[at : at + 1] in list(",]}"):
        at = text.rindex(",", 0, at)
    for start, there, new, what, fix in _MENDS:
        if message.startswith(start) and (match := re.compile(there, re.DOTALL).match(text, at)):
            found = (at, Fault((), what, fix, code="GN005")) if what else _stop(text, "json", at, message)
            astray = line.replace(r"\"", "").count('"') % 2 and not what  # would turn strings inside out
            return found, None if astray else (at, match.end(), match.expand(new))
    return _stop(text, "json", at, message), None
