"""Figures of experiments: their data, and what is drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.text import Text

from graphnet.experiments.judging.effects import EffectError
from graphnet.experiments.results import Results, Values
from graphnet.experiments.shown.curves import Chart, chart
from graphnet.experiments.shown.figure_labels import apart
from graphnet.experiments.shown.figures import drawn, figure_svg, style, write_figures
from tests.unit.experiments.made_up import experiment, results, values

LABELS = {"sharing": ("shared", "unshared"), "t": ("5", "9", "13")}
PUBLISHED = [{"label": name, "test_error": error} for name, error in (("A", 0.0661), ("B", 0.0660), ("C", 0.0725))]


def made(**more: Values) -> Results:
    error = values(lambda at, seed: 0.1 + 0.001 * seed - 0.004 * float(at["t"]), **LABELS)
    size = values(lambda at, seed: 1000 * float(at["t"]) * (1 + (at["sharing"] == "unshared")), **LABELS)
    return results(test_error=error, parameters=size, train_accuracy=Values(error.factors, 1 - error.array), **more)


def charted(found: Results | None = None, published: Any = (), **figure: Any) -> Chart:
    file = experiment(figure=[{"x": "t", "y": "test_error", **figure}], reference=list(published))
    return chart(file.figure[0], file, found or made())


def test_a_curve_is_means_in_per_cent_with_each_seed() -> None:
    found = charted(line="sharing")
    (curves,) = found.panels.values()
    assert [curve.line for curve in curves] == [0, 1]
    np.testing.assert_allclose(curves[0].x, [5, 9, 13])
    np.testing.assert_allclose(curves[0].mean, [8.2, 6.6, 5.0])
    assert curves[0].seeds.shape == (3, 5)
    assert (found.x_label, found.y_label, found.ticks) == ("readout time t", "test error (%)", (5.0, 9.0, 13.0))


def test_panels_and_categories() -> None:
    found = charted(x="sharing", panel="t")
    assert list(found.panels) == ["t = 5", "t = 9", "t = 13"]
    assert found.categories == ("shared", "unshared")
    np.testing.assert_allclose(found.panels["t = 9"][0].x, [0, 1])


def test_x_may_be_an_expression_and_points_are_in_its_order() -> None:
    found = charted(x="10000 - parameters", line="sharing")
    (curves,) = found.panels.values()
    np.testing.assert_allclose(curves[1].x, [10000 - 26000, 10000 - 18000, 10000 - 10000])
    np.testing.assert_allclose(curves[1].mean, [5.0, 6.6, 8.2])
    assert not found.ticks


def test_an_expression_without_the_lines_factor_is_drawn_once() -> None:
    error = values(lambda at, seed: 0.9, t=LABELS["t"])
    found = charted(made(chance=error), y=["test_error", "chance"], line="sharing")
    (curves,) = found.panels.values()
    assert [(curve.line, curve.y) for curve in curves] == [(0, 0), (1, 0), (0, 1)]


def test_published_numbers_stand_only_at_their_measure() -> None:
    assert [level.value for level in charted(published=PUBLISHED, line="sharing").levels] == pytest.approx(
        [6.61, 6.60, 7.25]
    )
    assert charted(published=PUBLISHED, y="train_accuracy", line="sharing").levels == ()


@pytest.mark.parametrize(
    ("y", "label"),
    [
        (["test_error[sharing=unshared] - test_error[sharing=shared]"], "(points)"),
        (["1 - train_accuracy"], "1 - train_accuracy (%)"),
        (["parameters"], "parameters"),
        (["test_error", "parameters"], "test error (%), parameters"),
        (["test_error", "1 - train_accuracy"], "per cent"),
    ],
)
def test_units_stand_at_the_axis(y: list[str], label: str) -> None:
    line = None if "[" in y[0] else "sharing"
    assert charted(y=y, **({"line": line} if line else {})).y_label.endswith(label)


def test_a_missing_seed_leaves_a_gap_and_nothing_at_all_is_an_error() -> None:
    found = made()
    found.measures["test_error"].array[:, 1, 2] = math.nan
    (curves,) = charted(found, line="sharing").panels.values()
    assert np.isnan(curves[0].mean).tolist() == [False, True, False]
    found.measures["test_error"].array[:] = math.nan
    with pytest.raises(EffectError, match="no numbers to draw"):
        charted(found, line="sharing")


FIGURES = [
    {"x": "t", "y": ["test_error", "1 - train_accuracy"], "line": "sharing", "title": "A title above the legend"},
    {"x": "sharing", "y": "test_error", "panel": "t"},
    {"x": "parameters", "y": "test_error", "line": "sharing"},
    {"x": "t", "y": "test_error[sharing=unshared] - test_error[sharing=shared]"},
    {"x": "sharing", "y": "test_error", "line": "t", "title": "Marks beside each other"},
]


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure["x"])
def test_no_texts_overlap(figure: dict[str, Any]) -> None:
    assert_no_texts_overlap(charted(published=PUBLISHED, **figure))


@pytest.mark.parametrize("panel", [None, "kind"])
@pytest.mark.parametrize("published", [(), PUBLISHED])
def test_long_names_of_categories_do_not_overlap(panel: str | None, published: Any) -> None:
    names = ("three convolutions and identity", "none", "one convolution", "both, with a very long name")
    error = values(lambda at, seed: 0.1 + 0.01 * seed, pre=names, kind=("full", "adjacent"))
    vary = {"pre": {name: {} for name in names}, "kind": {"full": {}, "adjacent": {}}}
    look = {"x": "pre", "y": "test_error"} | ({"panel": "kind"} if panel else {"line": "kind"})
    file = experiment(vary=vary, figure=[look], reference=list(published))
    assert_no_texts_overlap(chart(file.figure[0], file, results(test_error=error)))


def assert_no_texts_overlap(found: Chart) -> None:
    """Check that texts lie beside each other and inside the page; turned ones are left out."""
    with style():
        picture = drawn(found)
        picture.draw_without_rendering()
    hidden = set(_not_drawn(picture))
    texts = [text for text in picture.findobj(Text) if text.get_text().strip() and text.get_visible()]
    texts = [text for text in texts if text not in hidden]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if not text.get_rotation() % 90]
    over = [(a, b) for k, (a, one) in enumerate(boxes) for b, other in boxes[:k] if one.padded(-0.5).overlaps(other)]
    assert over == []
    page = picture.bbox
    assert [a for a, box in boxes if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y1 > page.y1 + 1] == []


def _not_drawn(picture: Any) -> Iterator[Text]:
    """Ticks beyond an axis, and all text of panels that are not there."""
    for axis in picture.axes:
        yield from () if axis.axison else axis.findobj(Text)
        for own, (low, high) in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
            for tick in (*own.get_major_ticks(), *own.get_minor_ticks()):
                if not low <= tick.get_loc() <= high:
                    yield from (tick.label1, tick.label2)


def test_files_in_three_forms_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    file = experiment(figure=[{"x": "t", "y": "test_error", "line": "sharing"}])
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths = write_figures(tmp_path / folder, file, made())
        assert [path.name for path in paths] == ["figure.svg", "figure.pdf", "figure.png"]
    for name in ("figure.svg", "figure.pdf", "figure.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("label", ["$\\frac{", "<b>&amp;", "_hidden", "a\nb\x1b[31m", "日本", "x" * 200])
def test_hostile_labels_are_drawn_as_they_are(label: str) -> None:
    vary = {"sharing": {label: {}, "unshared": {}}}
    error = Values({"sharing": (label, "unshared")}, np.array([[0.1] * 5, [0.2] * 5]))
    for look in ({"x": "sharing"}, {"x": "chance", "line": "sharing"}, {"x": "chance", "panel": "sharing"}):
        file = experiment(vary=vary, figure=[{"y": "test_error", **look}])
        svg = figure_svg(chart(file.figure[0], file, results(test_error=error, chance=Values({}, np.full(5, 0.9)))))
        text = "".join(ElementTree.fromstring(svg).itertext())
        assert "\x1b" not in svg
        assert (label if label.isprintable() else "a b")[:10].strip() in text


def test_labels_are_moved_apart_as_little_as_can_be() -> None:
    assert apart([0.1, 0.5, 0.9], 0.1) == pytest.approx([0.1, 0.5, 0.9])
    assert apart([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    moved = apart([0.5, 0.51, 0.6, 0.61, 0.9], 0.1)
    assert (np.diff(moved) >= 0.1 - 1e-12).all()
    assert np.mean(moved[:4]) == pytest.approx(np.mean([0.5, 0.51, 0.6, 0.61]))


def test_many_lines_are_a_scale_of_colours_with_three_names() -> None:
    channels = tuple(map(str, range(20)))
    gain = values(lambda at, seed: 0.1 * float(at["channel"]) - 0.01 * float(at["t"]), channel=channels, t=LABELS["t"])
    vary = {"channel": {name: {} for name in channels}, "t": {name: {} for name in LABELS["t"]}}
    file = experiment(vary=vary, figure=[{"x": "t", "y": "chance", "line": "channel"}])
    found = chart(file.figure[0], file, results(chance=gain))
    with style():
        picture = drawn(found)
    names = [text.get_text() for text in picture.legends[0].get_texts()]
    assert names == ["channel = 0", "channel = 10", "channel = 19"]
    assert len({line.get_color() for line in picture.axes[0].lines}) == 20
