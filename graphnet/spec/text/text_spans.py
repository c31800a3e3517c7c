"""Places of a spec's entries in its text, and duplicate keys, read from tree-sitter's syntax tree."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import suppress
from typing import Literal, NamedTuple

import tree_sitter_json
import tree_sitter_toml
from tree_sitter import Language, Node, Parser

from graphnet.errors import KeyPath

Twice = tuple[KeyPath, int, int]
"""Path of a duplicate key, offset of the first one and of the second one."""


class Place(NamedTuple):
    """Offsets of an entry's key, of its value, and of the value's end."""

    key: int
    value: int
    end: int


_GRAMMARS = {
    "toml": Language(tree_sitter_toml.language()),
    "json": Language(tree_sitter_json.language()),
}
_MAY_FOLLOW = {  # role of an entry: earlier roles that it may repeat; tomllib forbids a few more
    "part": ("part", "head", "table", "array"),  # a and b of a.b.c = 1
    "head": ("part", "head", "table", "array"),  # a and b of [a.b.c]
    "table": ("head",),
    "array": ("array",),
    "value": (),
}


class Outline:
    """Places of a text's entries, and its duplicate keys, read from its syntax tree.

    Attributes:
        places: offsets of the entries.
        twice: the duplicate keys.
    """

    def __init__(self, text: str, format: Literal["toml", "json"]) -> None:
        self.places: dict[KeyPath, Place] = {}
        self.twice: list[Twice] = []
        self._text = text
        self._roles: dict[KeyPath, str] = {}
        self._sizes: dict[KeyPath, int] = {}  # of arrays of tables
        tree = Parser(_GRAMMARS[format]).parse(text.encode("ascii", "replace"))  # one byte per character
        self._read(tree.root_node)

    def _read(self, root: Node) -> None:
        for node in root.named_children:
            if node.type in ("table", "table_array_element") and not node.named_children[0].has_error:
                path, quiet = self._header(node)
                self._walk([(pair, path, quiet) for pair in reversed(node.named_children) if pair.type == "pair"])
            elif node.type in ("pair", "object"):
                self._walk([(node, (), False)])

    def _walk(self, todo: list[tuple[Node, KeyPath, bool]]) -> None:
        """Read pairs and values at their paths, from the end of `todo`; report nothing below a duplicate key."""
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
        """Read `[a.b]` or `[[a.b]]`: return the path of its entries, and whether to report nothing about them."""
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
        """Return the path of the last table of an array of tables; any other path unchanged."""
        return (*path, self._sizes[path] - 1) if path in self._sizes else path

    def _claim(self, path: KeyPath, role: str, place: Place, quiet: bool) -> bool:
        """Record an entry; return whether it, or a table that holds it, is a duplicate."""
        before = self._roles.get(path)
        if before is None or (role == "table" and before == "head"):
            self._roles[path], self.places[path] = role, place
        elif before not in _MAY_FOLLOW[role]:
            if not quiet:
                self.twice.append((path, self.places[path].key, place.key))
            return True
        return quiet

    def _words(self, key: Node) -> list[tuple[str, int]]:
        """Return the words of a key and their offsets."""
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


# One match is one character of the string, or none if a backslash joins two lines.
_CHARACTER = re.compile(
    r"(?P<join>\\[ \t]*\r?\n[ \t\r\n]*)|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u.{4}|\\U.{8}|\\.|\r\n|.",
    re.DOTALL,
)
_LITERAL_CHARACTER = re.compile(r"(?P<join>\b\B)|\r\n|.", re.DOTALL)


def inside_string(literal: str, index: int) -> int:
    """Map the index of a character in a string to its offset in the literal, with quotes and escapes."""
    quote = literal[:3] if literal[:3] in ('"""', "'''") else literal[0]
    pattern = _CHARACTER if quote[0] == '"' else _LITERAL_CHARACTER
    offset, end = len(quote), len(literal) - len(quote)
    if len(quote) == 3:  # a newline right after the quotes is not part of the string
        offset += 2 if literal.startswith("\r\n", offset) else literal.startswith("\n", offset)
    while offset < end and (match := pattern.match(literal, offset, end)):
        index -= match["join"] is None
        if index < 0:
            break
        offset = match.end()
    return offset
