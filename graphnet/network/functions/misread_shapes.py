"""Blame a shape that fits none of its transitions: one fault at the shape, not one per transition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from graphnet.errors import Fault, KeyPath
from graphnet.network.functions.ops import Shape
from graphnet.network.functions.sizes import size_text
from graphnet.network.functions.transitions import CellReader
from graphnet.network.network import INPUT, LOGITS, Transition
from graphnet.spec.notation.times import Times

SIZES = ("GN207", "GN208", "GN209", "GN303", "GN304")
"""Codes of faults that a wrong shape can cause."""
MOST_GUESSES = 20


def blame_shapes(
    reader: CellReader, cells: Sequence[Transition], times: Times, readouts: Sequence[int], paths: Mapping[str, KeyPath]
) -> None:
    """Replace the reader's faults of sizes by faults of shapes, if other shapes would resolve them all.

    `paths` holds the places of the shapes of the states and of the input.
    """
    wrong = _wrong(reader)
    if not wrong:
        return
    for mended in islice(_guesses(reader, cells, wrong), MOST_GUESSES):
        image = mended.get(INPUT, reader.image)
        tried = replace(reader, shapes={**reader.shapes, **mended}, image=image, faults=[], fitted={})
        tried.cells(times, readouts)
        if not _wrong(tried):
            break
    else:
        return
    reader.faults[:] = [fault for fault in reader.faults if fault not in wrong]
    for name, shape in mended.items():
        given = reader.image if name == INPUT else reader.shapes[name]
        assert given is not None
        turned = "channels come first" if sorted(shape) == sorted(given) else "did you mean"
        axes = ("channels", "height", "width") if len(given) == 3 else ("channels", "length")
        what = f"no transition fits {size_text(given)}, which is read as {', '.join(axes[: len(given)])}"
        reader.faults.append(Fault(paths[name], what, f"{turned}: {list(shape)}", code="GN207"))


def _wrong(reader: CellReader) -> list[Fault]:
    return [fault for fault in reader.faults if fault.code in SIZES]


def _guesses(reader: CellReader, cells: Sequence[Transition], wrong: Sequence[Fault]) -> Iterator[dict[str, Shape]]:
    """Yield shapes that may have been meant: channels first, or sizes like those of a neighbour."""
    shapes = dict(reader.shapes) | ({INPUT: reader.image} if reader.image else {})
    last = {name: shape for name, shape in shapes.items() if len(shape) == 3 and shape[0] == shape[1] != shape[2]}
    turned: dict[str, Shape] = {name: (shape[2], *shape[:2]) for name, shape in last.items()}
    if turned:
        yield turned
        yield from ({name: shape} for name, shape in turned.items())
    ends = [
        {cell.source, cell.target} for fault in wrong for cell in cells if fault.path[: len(cell.path)] == cell.path
    ]
    if len(ends) < 2:
        return
    for name in set.intersection(*ends) & set(reader.shapes):
        around = {end for cell in cells if name in (cell.source, cell.target) for end in (cell.source, cell.target)}
        maps = [
            _scaled(shapes[end][1:], factor)
            for end in sorted(around - {name, LOGITS} & set(shapes))
            for factor in FACTORS
        ]
        if shapes[name][1:] not in maps:  # else the functions are wrong
            alike = sorted(dict.fromkeys(filter(None, maps)), key=lambda sizes: -len({*sizes} & {*shapes[name][1:]}))
            yield from ({name: (shapes[name][0], *sizes)} for sizes in alike)


FACTORS = (0, 1, -1, 2, -2, 3, -3)
"""Number of times to halve a map; negative numbers double it."""


def _scaled(sizes: Shape, times: int) -> Shape:
    return tuple(-(-size // 2**times) if times >= 0 else size * 2**-times for size in sizes)
