"""Legend of an unrolled net: one line per transition, with the stroke and name of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphnet.pictures.captions import row_names
from graphnet.pictures.elements import PALE, Curve, Label, label, text_width, wrapped
from graphnet.pictures.unrolled.arrows import OWN_NAMES, Feed, Weights
from graphnet.planning.plan import Plan

SIZE, LINE, SWATCH = 9.5, 13.5, 15.0
GAP, COLUMN_GAP = 5.0, 14.0
FEW = 3
"""Most weights of a letter to show one by one; of more, show the first and last."""

LEAST_OPS = 60.0
"""Least width of a line of ops."""

NOTE = "Same letter, colour and dash: same weights. Thick: read out."
NEVER = "Grey, dotted: never runs (its source is empty, or no readout needs it)."


@dataclass(frozen=True)
class LegendLine:
    """A line of the legend: weights, `from → to`, ops."""

    weights: tuple[Weights, ...]
    texts: tuple[str, str]

    @property
    def shown(self) -> tuple[tuple[str, Weights], ...]:
        """The weights shown, each with the text before it."""
        if len(self.weights) <= FEW:
            return tuple(("", each) for each in self.weights)
        return ("", self.weights[0]), ("…", self.weights[-1])

    @property
    def widths(self) -> tuple[float, float, float]:
        """Widths of the weights, of `from → to`, and of the ops."""
        before = sum(SWATCH + 5 + text_width(joint, SIZE) + text_width(each.name, SIZE) for joint, each in self.shown)
        return before, text_width(self.texts[0], SIZE), text_width(self.texts[1], SIZE)

    def ops(self, width: float) -> list[str]:
        """The ops in lines that fit the width."""
        return wrapped(self.texts[1], SIZE, width + 0.01) or [""]

    def draw(self, x: float, y: float, tabs: Sequence[float], width: float) -> tuple[list[Curve], list[Label]]:
        """Curves and labels from x on, the first line centred at y; the texts start at the tabs."""
        curves: list[Curve] = []
        first, second = tabs
        labels = [label(self.texts[0], SIZE, x + first, y)]
        labels += [label(text, SIZE, x + second, y + n * LINE) for n, text in enumerate(self.ops(width - second))]
        for joint, each in self.shown:
            if joint:
                labels.append(label(joint, SIZE, x, y))
                x = labels[-1].box.right
            curves.append(Curve((("M", ((x, y),)), ("L", ((x + SWATCH, y),))), each.stroke))
            labels.append(label(each.name, SIZE, x + SWATCH + 2, y))
            x = labels[-1].box.right + 3
        return curves, labels


def legend_lines(plan: Plan, found: Sequence[Feed], weights: Sequence[Weights]) -> tuple[LegendLine, ...]:
    """One line per letter and transition, in order of the letters."""
    used: dict[tuple[str, str], dict[Weights, None]] = {}
    for feed, each in zip(found, weights, strict=True):
        used.setdefault((each.letter, feed.place), {})[each] = None
    names = row_names(plan)
    between = {
        cell.place: f"{names.get(cell.source, cell.source)} → {names.get(cell.target, cell.target)}"
        for cell in plan.cells
    }
    order = sorted(used, key=lambda one: letter_order(one[0]))
    return tuple(
        LegendLine(tuple(used[letter, place]), (between[place], ops_text(plan, place))) for letter, place in order
    )


def shared_in_part(plan: Plan, found: Sequence[Feed], weights: Sequence[Weights]) -> list[str]:
    """A note on weights with different names that share tensors: which names, and which tensors."""
    trainable = {tensor.name for tensor in plan.trainable}
    users: dict[str, dict[str, None]] = {}
    for feed, each in zip(found, weights, strict=True):
        for tensor in filter(trainable.__contains__, feed.tensors):
            users.setdefault(tensor, {})[each.name] = None
    groups: dict[tuple[str, ...], dict[str, None]] = {}
    for tensor, names in users.items():
        if len(names) > 1:
            groups.setdefault(tuple(names), {})[_layer(tensor)] = None
    shown = [f"{', '.join(_few(names))} ({', '.join(_few(tuple(layers)))})" for names, layers in groups.items()]
    return [f"Weights shared in part: {'; '.join(_few(shown))}."] if shown else []


def _layer(tensor: str) -> str:
    """The layer of a tensor within its transition, as in `skip.conv1`, with its first time if any."""
    return tensor.rpartition(".")[0].partition(".from_")[2].partition(".")[2] or tensor


def coupled_notes(plan: Plan, found: Sequence[Feed], weights: Sequence[Weights]) -> list[str]:
    """One line per group of softly coupled weights; the tensors of norms are coupled like their weights."""
    named: dict[str, str] = {}
    for feed, each in zip(found, weights, strict=True):
        for tensor in feed.tensors:
            named.setdefault(tensor, each.name)
    groups = {
        (tuple(dict.fromkeys(named[tensor] for tensor in each.tensors if tensor in named)), each.strength, each.kernel)
        for each in plan.couplings
    }
    return [
        f"~ softly coupled, λ = {strength:g} ({kernel}): {' ~ '.join(_few(names))}"
        for names, strength, kernel in sorted(groups, key=lambda group: (*letter_order(group[0][0]), group[0]))
    ]


def _few(names: Sequence[str]) -> list[str]:
    return [*names] if len(names) <= FEW + 1 else [*names[:2], "…", names[-1]]


def letter_order(letter: str) -> tuple[int, int, str]:
    """Sort key of letters: the pre-net, a, b, …, z, aa, …, the post-net."""
    pre, post = OWN_NAMES.values()
    return {pre: -1, post: 1}.get(letter, 0), len(letter), letter


def ops_text(plan: Plan, place: str) -> str:
    """The transition function; if it changes over time, each with its times."""
    times: dict[str, list[str]] = {}
    for cell in plan.cells:
        if cell.place == place:
            times.setdefault(cell.ops, []).append(cell.times)
    if len(times) == 1:
        return next(iter(times))
    return "; ".join(f"{ops} at t = {', '.join(dict.fromkeys(when))}" for ops, when in times.items())


def least_width(lines: Sequence[LegendLine], width: float) -> float:
    """The width that the lines take, with long ops broken to fit `width`."""
    _, tab, end = _tabs(lines)
    return end if end <= width else max(width, tab + LEAST_OPS)


def legend(
    lines: Sequence[LegendLine], notes: Sequence[str], x: float, y: float, width: float
) -> tuple[list[Curve], list[Label], float]:
    """Draw the legend at x, y in as many columns as fit, with notes below; also return its bottom y."""
    *tabs, column_width = _tabs(lines)
    columns = max(1, int((width + COLUMN_GAP) // (column_width + COLUMN_GAP)))
    column_width = min(column_width, least_width(lines, width))
    rows = -(-len(lines) // columns)
    curves: list[Curve] = []
    labels: list[Label] = []
    top = bottom = y
    for number, line in enumerate(lines):
        if number % rows == 0:
            y = top
        more, texts = line.draw(x + number // rows * (column_width + COLUMN_GAP), y + LINE / 2, tabs, column_width)
        curves += more
        labels += texts
        y += LINE * len(line.ops(column_width - tabs[1]))
        bottom = max(bottom, y)
    y = bottom + 3
    for text in (line for note in notes for line in wrapped(note, SIZE, width)):
        labels.append(label(text, SIZE, x, y + LINE / 2, colour=PALE))
        y += LINE
    return curves, labels, y


def _tabs(lines: Sequence[LegendLine]) -> tuple[float, float, float]:
    """Start of a line's two texts and end of the second, from the line's left end."""
    if not lines:
        return GAP, 2 * GAP, 2 * GAP
    first, second, third = (max(widths) for widths in zip(*(line.widths for line in lines), strict=True))
    return first + GAP, first + second + 2 * GAP, first + second + third + 2 * GAP
