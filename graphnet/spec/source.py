"""Text of a spec → plain data, and where every entry stands in the text (design.md, sections 2 and 4).

`tomllib` and `json` decide what a text says and what is wrong with it; tree-sitter says where each key and value
stands and which keys come twice. Offsets count characters. Nothing recurses: a spec may come from a stranger.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import sys
import tomllib
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, NoReturn

import tree_sitter_json
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from graphnet.errors import Fault, KeyPath, SpecError

Format = Literal["toml", "json"]
Found = tuple[int, Fault]
"""A fault behind its offset."""
Edit = tuple[int, int, str]
"""A mend of a text: what stands from the first to the second offset becomes the string."""
Twice = tuple[KeyPath, int, int]
"""A key that comes again, the offset of the first and of the second."""
Reading = tuple[Any, list[Found], str, list[Edit]]
"""What a parser made of a text: data, faults, the text without these faults, and the edits that made it so."""

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_FAULTS = 20  # listed in full; of the others only the number is told


class Place(NamedTuple):
    """Offsets of an entry's key, of its value, and of the value's end."""

    key: int
    value: int
    end: int


@dataclass(frozen=True)
class Source:
    """A spec as it was written.

    Attributes:
        file: the name to show, `<stdin>` for standard input.
        data: the spec as dict, list, str, int, float and bool; keys in the order of the text.
        places: where each entry of `data` stands in `text`.
    """

    file: str
    text: str = field(repr=False)
    format: Format
    data: dict[str, Any]
    places: dict[KeyPath, Place] = field(repr=False)

    def locate(self, fault: Fault) -> Fault:
        """The fault with its file, line and column; what the text lacks is placed at what would hold it."""
        return _at(self.text, self.file, (self.offset(fault), fault))

    def offset(self, fault: Fault) -> int:
        """The character of the text that a fault means."""
        place = self.places.get(fault.path)
        if place is None:
            held = (fault.path[:size] for size in range(len(fault.path) - 1, 0, -1))
            near = next((self.places[path] for path in held if path in self.places), Place(0, 0, 0))
            return min(near.key, near.value)  # the `[` of a header, or the key
        if fault.on == "key":
            return place.key
        literal = self.text[place.value : place.end]
        if fault.span is None or not literal.startswith(('"', "'")):
            return place.value
        return place.value + _inside_string(literal, fault.span[0])


def read_file(path: str | os.PathLike[str]) -> Source:
    """Read a TOML or JSON spec; the path `-` is standard input.

    The suffix decides between the two; without one of them, a text that starts with `{` is JSON.

    Raises:
        SpecError: the file cannot be read, or what it says is wrong.
    """
    name = os.fspath(path)
    file = "<stdin>" if name == "-" else name.encode(errors="replace").decode()
    raw = _read_bytes(name, file).removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        fault = Fault((), f"this is not UTF-8: byte 0x{raw[error.start]:02x}", "save the file as UTF-8")
        _refuse(before, file, [(len(before), fault)])
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in (".toml", ".json"):
        suffix = ".json" if text.lstrip().startswith("{") else ".toml"
    return read_text(text, "json" if suffix == ".json" else "toml", file)


def _read_bytes(name: str, file: str) -> bytes:
    """The bytes of a regular file or of standard input, at most `MAX_BYTES`."""
    what, fix, raw = "", "give the path of a .toml or .json file, or - for standard input", b""
    try:
        if name == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        elif stat.S_ISREG(mode := os.stat(name).st_mode):
            with open(name, "rb") as opened:
                raw = opened.read(MAX_BYTES + 1)
        else:
            what = "this is a directory" if stat.S_ISDIR(mode) else "this is not a regular file"
    except FileNotFoundError:
        what = "there is no such file"
    except (OSError, ValueError, AttributeError) as error:  # a NUL in the path; standard input is closed
        what = f"this cannot be read: {getattr(error, 'strerror', None) or error}"
    if len(raw) > MAX_BYTES:
        what, fix = f"this is over {MAX_BYTES // 1024**2} MB", "a spec is a text of some hundred lines"
    if what:
        raise SpecError([Fault((), what, fix, file=file)])
    return raw


def read_text(text: str, format: Format, file: str) -> Source:
    """Read a spec.

    Raises:
        SpecError: all faults of syntax and all duplicate keys; if the syntax is right, also all values that no
            spec can hold.
    """
    text = text.removeprefix("\ufeff")
    if unsafe := _unsafe(text):
        _refuse(text, file, [unsafe])
    data, faults, clean, edits = _read_toml(text) if format == "toml" else _read_json(text)
    outline = Outline(clean)
    tree = Parser(_GRAMMARS[format]).parse(clean.encode("ascii", "replace"))  # one byte a character
    outline.read(tree.root_node)
    source = Source(file, text, format, data, outline.places)
    if not faults:
        faults = [(source.offset(fault), fault) for fault in _value_faults(data)]
    if outline.twice:
        faults = _with_twice(text, faults, outline.twice, edits)
    if faults:
        _refuse(text, file, faults)
    return source


def _with_twice(text: str, faults: list[Found], twice: list[Twice], edits: list[Edit]) -> list[Found]:
    """The faults and the keys that come twice, but for lines where a fault of syntax can make them up."""
    faults = [found for found in faults if not found[1].what.startswith(_TWICE)]
    ends = [match.start() for match in re.finditer("\n", text)]
    taken = {bisect_left(ends, offset) for offset, _ in faults}
    for path, before, again in twice:
        first, second = (bisect_left(ends, _origin(offset, edits)) for offset in (before, again))
        if second not in taken:
            key = _short(str(path[-1]))
            fault = Fault(
                path, f"{key} is written twice", f"the first {key} is on line {first + 1}; keep one", on="key"
            )
            faults.append((_origin(again, edits), fault))
    return faults


def _at(text: str, file: str, found: Found) -> Fault:
    offset, fault = found
    return fault.at(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def _refuse(text: str, file: str, faults: list[Found]) -> NoReturn:
    """Raise the faults in the order of the text, the first `MAX_FAULTS` of them in full."""
    faults = sorted(faults, key=lambda found: found[0])
    if (more := len(faults) - MAX_FAULTS) > 0:
        rest = Fault((), f"{more} more {'fault' if more == 1 else 'faults'} from here on", "mend the first ones first")
        faults[MAX_FAULTS:] = [(faults[MAX_FAULTS][0], rest)]
    raise SpecError(_at(text, file, (offset, _printable(fault))) for offset, fault in faults)


def _printable(fault: Fault) -> Fault:
    """The fault without halves of characters in its path, which no terminal can show."""
    path = (part if isinstance(part, int) else part.encode(errors="replace").decode() for part in fault.path)
    return replace(fault, path=tuple(path))


# Strings, comments and words have no name: a bracket or a line's end that is found here is a real one.
_TOKEN = re.compile(
    r"""(?P<deep> (?: (?: [\w-]++ | "(?:[^"\\\n]|\\[^\n])*+" | '[^'\n]*+' ) [ \t]*+ \. [ \t]*+ ){64} )
    | \"""(?:[^"\\]|\\.|"{1,2}(?!"))*+\"""(?:"{0,2}) | '''(?:[^']|'{1,2}(?!'))*+'''(?:'{0,2})
    | "(?:[^"\\\n]|\\[^\n])*+"(?!")[ \t=,]*+ | '[^'\n]*+'(?!') | \#[^\n]*+ | [\w-]++[ \t=,]*+ | [ \t=,]++
    | (?P<quote> \""".*+ | '''.*+ | ["'][^\n]*+ )
    | (?P<open> [\[{] ) | (?P<close> [\]}] ) | (?P<newline> \n )""",
    re.VERBOSE | re.DOTALL,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CLOSER = {"[": "]", "{": "}"}
_LEAVE_OUT = "leave the key out"
_HALF = "this is half of a surrogate pair, no character"
_WHOLE = r"write both halves, as in \ud83d\ude00, or the character"
_DEEP = f"this is nested more than {MAX_DEPTH} levels deep"
_LARGE = "this integer does not fit in 64 bits"
_VALUE = "a value is a number, true, false, a list, a table or a string in straight quotes"
_CONTROL = r"a control character is written as an escape, such as \t"
_TWICE = ("Cannot", "Duplicate")  # so begin tomllib's messages on keys that come twice
_FIXES = {  # what tomllib and json say: what would be right
    "Invalid statement": "a line is key = value, or a [table]",
    "Invalid initial": "a key is a word, or text in quotes",
    "Expected '='": "a key is followed by '='",
    "Expected newline": "the line should end here: one key = value a line",
    "Expected ']": "a table's name stands in brackets: [readout]",
    "Unclosed array": "expected ',' or ']'",
    "Unclosed inline": "expected ',' or '}'",
    "Unescaped": r"a backslash is written \\, or the text stands in 'single quotes'",
    "Invalid hex": r"\u takes four hexadecimal digits, \U eight",
    "Escaped": r"\u takes four hexadecimal digits, \U eight",
    "Illegal": _CONTROL,
    "Found": _CONTROL,
    "Invalid value": _VALUE,
    "Expecting value": _VALUE,
    "Expecting property": "a key stands in double quotes",
    "Expecting ':'": "a key is followed by ':'",
    "Expecting ','": "expected ',' or a closing bracket",
    "Invalid control": _CONTROL,
    "Invalid \\": r"a backslash is written \\",
    "Extra data": "the spec ends before this",
}


def _unsafe(text: str) -> Found | None:
    """What no parser should be given: half a character, or a nesting that would overflow its stack."""
    if half := _SURROGATE.search(text):
        return half.start(), Fault((), _HALF, "save the file as UTF-8")
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        if token.lastgroup == "deep" or depth > MAX_DEPTH + 1:  # JSON's outermost braces are no level
            return token.start(), Fault((), _DEEP, "no spec needs that many")
    return None


def _stop(text: str, format: Format, offset: int, message: str) -> Found:
    """The fault where a parser stopped with a message."""
    rest = text[offset : offset + 200].partition("\n")[0].rstrip()
    fix = next((fix for start, fix in _FIXES.items() if message.startswith(start)), "")
    if fix == _VALUE and (word := re.match(r"[A-Za-z_][\w+:/.*-]*", rest)):
        plain = {"true": "write true", "false": "write false", "null": _LEAVE_OUT, "none": _LEAVE_OUT}
        fix = plain.get(rest.rstrip(",]} ").lower(), f'text stands in quotes: "{word[0]}"')
    elif fix == _VALUE and rest.startswith("'"):
        fix = "text stands in double quotes"
    line = text[text.rfind("\n", 0, offset) + 1 : offset].strip()
    if "{" in line and rest[:1] in ("", "}") and message.startswith(("Invalid initial", "Unclosed inline")):
        fix = "an inline table stands on one line, without a comma before its '}'"
    if rest:
        return offset, Fault((), f"this is not {format.upper()}: {_short(rest)}", fix)
    return offset, Fault((), f"this ends too early: {_short(line)}" if line else "there is nothing here", fix)


def _short(text: str) -> str:
    """A text in quotes, at most 30 characters of it, and none that would disturb a terminal."""
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:30])
    return f"'{shown}...'" if len(text) > 30 else f"'{shown}'"


def _endless(text: str, offset: int) -> Found:
    """A quote or a bracket that is never closed."""
    mark, line = text[offset], text[offset : offset + 200].partition("\n")[0].rstrip()
    if mark in "[{":
        return offset, Fault((), f"this '{mark}' is never closed", f"close it with '{_CLOSER[mark]}'")
    return offset, Fault((), f"this string is never closed: {_short(line)}", "a string needs a closing quote")


def _read_toml(text: str) -> Reading:
    """Read TOML; if it is refused, read every statement on its own, to find all faults."""
    try:
        return tomllib.loads(text), [], text, []
    except ValueError as error:
        refusal = _toml_fault(text, 0, len(text), error)
    faults: list[Found] = []
    clean: list[str] = []
    lost = False  # after a broken header nobody knows which table the keys are for
    for start, end, endless in _statements(text):
        found, statement = None, text[start:end]
        try:
            tomllib.loads(statement)
        except ValueError as error:
            if not str(error).startswith(_TWICE):
                found = _toml_fault(text, start, end, error)
                faults.append(found if endless is None or found[0] < endless else _endless(text, endless))
        if found and _HEADER.search(statement):
            lost = True
        elif statement.lstrip().startswith("["):
            lost = False
        clean.append(re.sub(r"[^\n]", " ", statement) if found or lost else statement)
    return None, faults or [refusal], "".join(clean), []


def _toml_fault(text: str, start: int, end: int, error: ValueError) -> Found:
    """The fault that tomllib found in `text[start:end]`."""
    message, _, place = str(error).rpartition(" (at ")
    if not message:  # no place: Python refuses to read thousands of digits
        digits = re.compile(r"[\d_]{4000,}").search(text, start)
        return digits.start() if digits else start, Fault((), _LARGE)
    offset = start + len(text[start:end].rstrip())
    if at := re.match(r"line (\d+), column (\d+)", place):
        for _ in range(int(at[1]) - 1):
            start = text.index("\n", start) + 1
        offset = start + int(at[2]) - 1
    if message.startswith(("Unescaped", "Invalid hex", "Escaped")):
        offset = text.rfind("\\", 0, offset)
    return (offset, Fault((), message)) if message.startswith(_TWICE) else _stop(text, "toml", offset, message)


_HEADER = re.compile(r"^[ \t]*\[|[A-Za-z_][\w.-]*\]")  # meant as a header, or possibly so
_STATEMENT = re.compile(
    r"""\[\[?[A-Za-z_][\w. "'-]*\]\]?[ \t]*(?:\#|\r?$) | (?:[\w.-]|"[^"\n]*"|'[^'\n]*')+[ \t]*=""",
    re.VERBOSE | re.MULTILINE,
)


def _statements(text: str) -> Iterator[tuple[int, int, int | None]]:
    """Start and end of each TOML statement, and its quote or bracket that is never closed."""
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


def _read_json(text: str) -> Reading:
    """Read JSON; where it is refused, mend the place and read on, to find all faults."""
    work, faults, edits = text, dict[int, Found](), list[Edit]()
    for _ in range(5 * MAX_FAULTS):
        try:
            data = json.loads(work, parse_int=lambda digits: int(digits) if len(digits) < 40 else 1 << 64)
            clean = _NAN.sub(lambda it: it[0] if it[0][0] == '"' else "0".ljust(len(it[0])), work)
            return data, [*faults.values()], clean, edits
        except RecursionError:  # a mend has uncovered what was a comment before
            break
        except json.JSONDecodeError as error:
            (offset, fault), mend = _json_fault(work, error.pos, error.msg)
            offset = _origin(offset, edits)
            if not (edits and error.msg == "Extra data"):
                faults.setdefault(text.count("\n", 0, offset), (offset, fault))  # later ones may be its echoes
            if mend is None:
                break
            work = work[: mend[0]] + mend[2] + work[mend[1] :]
            edits.append(mend)
    return None, [*faults.values()], "", edits  # nobody knows what is in what


def _origin(offset: int, edits: list[Edit]) -> int:
    """An offset as it was before the edits."""
    for start, end, new in reversed(edits):
        if offset >= start + len(new):
            offset += end - start - len(new)
        elif offset > start:
            offset = start
    return offset


_NAN = re.compile(r'"(?:[^"\\]|\\.)*+"|-?\b(?:NaN|Infinity)\b')  # tree-sitter's JSON knows no NaN
_MENDS = [  # what json says, what stands there, a text with which json gets further, and the fault if it is clear
    ("", r"//[^\n]*|/\*.*?\*/|\#[^\n]*", " ", "JSON has no comments", "take it out"),
    ("Expecting", r",(?=\s*[\]},])", " ", "a comma too many", "take it out"),
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
    """The fault where `json` stopped, and an edit with which it gets further."""
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
            found = (at, Fault((), what, fix)) if what else _stop(text, "json", at, message)
            astray = line.replace(r"\"", "").count('"') % 2 and not what  # what follows would be inside out
            return found, None if astray else (at, match.end(), match.expand(new))
    return _stop(text, "json", at, message), None


_GRAMMARS = {
    "toml": Language(tree_sitter_toml.language()),
    "json": Language(tree_sitter_json.language()),
}
_MAY_FOLLOW = {  # which entries may come again, as what; tomllib forbids a few more
    "part": ("part", "head", "table", "array"),  # a and b of a.b.c = 1
    "head": ("part", "head", "table", "array"),  # a and b of [a.b.c]
    "table": ("head",),
    "array": ("array",),
    "value": (),
}


class Outline:
    """Where the entries of a text stand, and which come twice, read from its syntax tree.

    Attributes:
        twice: the keys that were seen before.
    """

    def __init__(self, text: str) -> None:
        self.places: dict[KeyPath, Place] = {}
        self.twice: list[Twice] = []
        self._text = text
        self._roles: dict[KeyPath, str] = {}
        self._sizes: dict[KeyPath, int] = {}  # of arrays of tables

    def read(self, root: Node) -> None:
        """Walk a whole tree."""
        for node in root.named_children:
            if node.type in ("table", "table_array_element") and not node.named_children[0].has_error:
                path, quiet = self._header(node)
                self._walk([(pair, path, quiet) for pair in reversed(node.named_children) if pair.type == "pair"])
            elif node.type in ("pair", "object"):
                self._walk([(node, (), False)])

    def _walk(self, todo: list[tuple[Node, KeyPath, bool]]) -> None:
        """Read pairs and values at their paths, last one first; quietly below a key that comes twice."""
        while todo:
            node, path, quiet = todo.pop()
            kind = node.type
            if kind not in ("pair", "array", "inline_table", "object"):
                continue
            inner = [child for child in node.named_children if child.type not in ("comment", "ERROR")]
            if kind == "array":
                for index, value in reversed([*enumerate(inner)]):
                    start = value.start_byte
                    self.places[*path, index] = Place(start, start, value.end_byte)
                    todo.append((value, (*path, index), quiet))
            elif kind != "pair":
                todo += [(pair, path, quiet) for pair in reversed(inner)]
            elif len(inner) == 2 and not inner[0].has_error:
                key, value = inner
                *parts, (name, start) = self._words(key)
                for part, offset in parts:
                    path += (part,)
                    quiet = self._claim(path, "part", Place(offset, offset, offset), quiet)
                path += (name,)
                quiet = self._claim(path, "value", Place(start, value.start_byte, value.end_byte), quiet)
                todo.append((value, path, quiet))

    def _header(self, node: Node) -> tuple[KeyPath, bool]:
        """Read `[a.b]` or `[[a.b]]`: the path of what follows, and whether to be quiet about that."""
        role = "table" if node.type == "table" else "array"
        *parts, (name, start) = self._words(node.named_children[0])
        path: KeyPath = ()
        quiet = False
        for part, offset in parts:
            quiet = self._claim((*path, part), "head", Place(offset, offset, offset), quiet)
            path = self._last((*path, part))
        place = Place(start, node.start_byte, node.start_byte)
        quiet = self._claim((*path, name), role, place, quiet)
        if role == "array" and not quiet:
            self._sizes[*path, name] = self._sizes.get((*path, name), 0) + 1
            self.places[self._last((*path, name))] = place
        return self._last((*path, name)), quiet

    def _last(self, path: KeyPath) -> KeyPath:
        """The last table of an array of tables; any other path as it is."""
        return (*path, self._sizes[path] - 1) if path in self._sizes else path

    def _claim(self, path: KeyPath, role: str, place: Place, quiet: bool) -> bool:
        """Note an entry; true if it, or what holds it, comes twice."""
        before = self._roles.get(path)
        if before is None or (role == "table" and before == "head"):
            self._roles[path], self.places[path] = role, place
        elif before not in _MAY_FOLLOW[role]:
            if not quiet:
                self.twice.append((path, self.places[path].key, place.key))
            return True
        return quiet

    def _words(self, key: Node) -> list[tuple[str, int]]:
        """The words of a key and their offsets."""
        words: list[Node] = []
        while key.type == "dotted_key":
            key, word = key.named_children[0], key.named_children[-1]
            words.append(word)
        return [(self._word(word), word.start_byte) for word in [key, *reversed(words)]]

    def _word(self, key: Node) -> str:
        word = self._text[key.start_byte : key.end_byte]
        if word[0] not in "\"'":
            return word
        if word[0] == '"' and "\\" in word:
            for decode in (json.loads, lambda text: tomllib.loads(f"word = {text}")["word"]):
                with suppress(ValueError):
                    return str(decode(word))
        return word[1:-1]


def _value_faults(data: Any) -> Iterator[Fault]:
    """The values that no spec can hold."""
    if not isinstance(data, dict):
        yield Fault((), "a spec is a table of keys and values", 'in JSON: { "graphnet": 1, ... }')
        return
    todo: list[tuple[KeyPath, Any]] = [((), data)]
    while todo:
        path, value = todo.pop()
        if len(path) > MAX_DEPTH:
            yield Fault(path, _DEEP, "no spec needs that many", on="key")
        elif isinstance(value, dict):
            todo += [((*path, key), inner) for key, inner in value.items()]
            yield from (Fault((*path, key), _HALF, _WHOLE, on="key") for key in value if _SURROGATE.search(key))
        elif isinstance(value, list):
            todo += [((*path, index), inner) for index, inner in enumerate(value)]
        elif isinstance(value, str):
            if half := _SURROGATE.search(value):
                yield Fault(path, _HALF, _WHOLE, span=half.span())
        elif value is None:
            yield Fault(path, "null has no meaning in a spec", _LEAVE_OUT)
        elif isinstance(value, int):
            if not -(2**63) <= value < 2**63:
                yield Fault(path, _LARGE)
        elif not isinstance(value, float):
            yield Fault(path, "a date or time has no meaning in a spec", "text stands in quotes")
        elif not math.isfinite(value):
            yield Fault(path, f"{value} is not a finite number", "write a finite number")


# One match is one character of the string, or none where a backslash joins two lines.
_CHARACTER = re.compile(
    r"(?P<join>\\[ \t]*\r?\n[ \t\r\n]*)|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u.{4}|\\U.{8}|\\.|\r\n|.",
    re.DOTALL,
)
_LITERAL_CHARACTER = re.compile(r"(?P<join>\b\B)|\r\n|.", re.DOTALL)


def _inside_string(literal: str, index: int) -> int:
    """Where a string's character of some index stands in the literal, quotes and escapes counted."""
    quote = literal[:3] if literal[:3] in ('"""', "'''") else literal[0]
    pattern = _CHARACTER if quote[0] == '"' else _LITERAL_CHARACTER
    offset, end = len(quote), len(literal) - len(quote)
    if len(quote) == 3:  # a line's end right after the quotes is no part of the string
        offset += 2 if literal.startswith("\r\n", offset) else literal.startswith("\n", offset)
    while offset < end and (match := pattern.match(literal, offset, end)):
        index -= match["join"] is None
        if index < 0:
            break
        offset = match.end()
    return offset
