"""What Digitclutter's images show: digits, places, occlusion, debris."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import features

from graphnet.training.data.clutter import glyphs
from graphnet.training.data.clutter.glyphs import GROUND, font_glyph
from graphnet.training.data.clutter.options import Clutter
from graphnet.training.data.clutter.painter import Painter
from graphnet.training.data.clutter.scenes import Scene, digits_of, scene
from graphnet.training.data.named import load_dataset
from graphnet.training.errors import DataError

NONE = np.empty((0, 8))


def painter(digits: int = 3, **options: int) -> Painter:
    return Painter(Clutter(digits, **options), 0, "train")


def pixels(drawn: Painter, shown: Scene | int) -> NDArray[np.int64]:
    image = drawn.image(shown) if isinstance(shown, int) else drawn.drawn(shown)
    return np.asarray(image).astype(np.int64)


def alone(digit: int, place: tuple[float, float]) -> Scene:
    return Scene((digit,), (place,), (0.0,), NONE)


@pytest.mark.parametrize("count", range(1, 6))
def test_digits_differ_and_lie_in_their_bounds(count: int) -> None:
    scenes = [scene(Clutter(count), 0, "train", k) for k in range(500)]
    assert all(len(set(each.digits)) == count == len(each.middles) for each in scenes)
    x, y = np.array([place for each in scenes for place in each.middles]).T
    assert -0.29 <= x.min() < -0.28
    assert 0.28 < x.max() <= 0.29
    assert 0.076 - 0.19 <= y.min() < -0.10
    assert 0.25 < y.max() <= 0.076 + 0.19


def test_every_digit_is_as_frequent_as_any_other_and_everywhere_in_the_stack() -> None:
    digits = digits_of(Clutter(3), 0, "train", 20_000)
    counts = np.stack([np.bincount(column, minlength=10) for column in digits.T])
    assert np.abs(counts - 2000).max() < 5 * 43  # standard deviation 42.4


def test_many_scenes_at_once_are_the_single_ones() -> None:
    for part in ("train", "test"):
        digits = digits_of(Clutter(5), 3, part, 300)
        assert [scene(Clutter(5), 3, part, k).digits for k in range(300)] == list(map(tuple, digits.tolist()))


def test_seeds_and_parts_have_draws_of_their_own() -> None:
    places = [
        scene(Clutter(1), seed, part, k).middles for seed in (0, 1) for part in ("train", "test") for k in range(2000)
    ]
    assert len(set(places)) == len(places)


def test_the_last_digit_is_fully_visible_over_the_others() -> None:
    """Where the last digit covers the canvas, the image is that of the digit alone."""
    for k in range(20):
        shown = scene(Clutter(5), 0, "train", k)
        last = alone(shown.digits[-1], shown.middles[-1])
        large = painter(5, side=512)
        whole, single = pixels(large, shown), pixels(large, last)
        x, y = shown.middles[-1]
        mask = font_glyph(shown.digits[-1], 512).mask
        corner = round((0.5 + x) * 512 - mask.width / 2), round((0.5 + y) * 512 - mask.height / 2)
        canvas = glyphs.font_glyph(0, 512).mask.resize((512, 512)).point([0] * 256)
        canvas.paste(mask, corner)
        covered = np.asarray(canvas) == 255
        assert covered.sum() > 10_000
        assert (whole == single)[covered].all()
        reordered = replace(shown, digits=shown.digits[::-1], middles=shown.middles[::-1])
        assert not (pixels(large, reordered) == single)[covered].all()


def test_a_digit_is_black_with_a_white_edge_on_grey() -> None:
    image = pixels(painter(1, side=512), alone(1, (0, 0)))
    assert (image[0, 0], image.min(), image.max()) == (GROUND, 0, 255)
    row = image[300]  # through the stem of the 1
    black = np.flatnonzero(row < 10)
    edges = np.flatnonzero(row > 245)
    assert abs((black[0] - edges[0]) - 20) <= 1
    assert abs((edges[-1] - black[-1]) - 20) <= 1


def test_a_digit_lies_where_its_scene_says() -> None:
    """The middle of what is not ground, at 512 pixels; the image is cut off nowhere."""
    for digit in range(10):
        image = pixels(painter(1, side=512), alone(digit, (0.1, -0.05)))
        rows, columns = np.nonzero(image != GROUND)
        assert (columns.min() + columns.max() + 1) / 2 / 512 - 0.5 == pytest.approx(0.1, abs=0.003)
        assert (rows.min() + rows.max() + 1) / 2 / 512 - 0.5 == pytest.approx(-0.05, abs=0.003)


def test_other_sizes_show_the_same_scene() -> None:
    small, large = pixels(painter(), 4), pixels(painter(side=64), 4)
    assert small.shape == (32, 32)
    averaged = large.reshape(32, 2, 32, 2).mean((1, 3))
    assert np.abs(averaged - small).max() <= 1
    assert pixels(painter(side=28), 4).shape == (28, 28)


@pytest.mark.parametrize("debris", [1, 10, 50])
def test_debris_lies_over_the_same_digits(debris: int) -> None:
    plain, littered = painter(), painter(debris=debris)
    for k in range(20):
        shown = scene(littered.clutter, 0, "train", k)
        assert shown.digits == scene(plain.clutter, 0, "train", k).digits
        fragments = list(littered._fragments(shown))
        assert len(fragments) == debris
        expected = plain.image(k)
        for fragment, (x, y) in fragments:
            width, height = fragment.mask.size
            assert width == height
            assert 6 <= width <= 9
            assert min(x, y) >= 0
            assert max(x, y) + width <= 32
            expected.paste(fragment.picture, (x, y), fragment.mask)
        assert np.array_equal(np.asarray(expected), pixels(littered, k))
    assert not np.array_equal(pixels(plain, 0), pixels(littered, 0))


def test_fragments_have_all_sizes_and_reach_all_edges() -> None:
    littered = painter(1, debris=50)
    found = [each for k in range(100) for each in littered._fragments(scene(littered.clutter, 0, "train", k))]
    assert {fragment.mask.width for fragment, _ in found} == {6, 7, 8, 9}
    for axis in (0, 1):
        assert min(corner[axis] for _, corner in found) == 0
        assert max(corner[axis] + fragment.mask.width for fragment, corner in found) == 32
    doubled = painter(1, debris=50, side=64)
    sizes = {each.mask.width for each, _ in doubled._fragments(scene(doubled.clutter, 0, "train", 0))}
    assert sizes <= set(range(12, 19))


def test_handwritten_digits_have_their_own_shapes_and_parts() -> None:
    train, test = (Painter(Clutter(1, handwritten=True), 0, part) for part in ("train", "test"))
    centred = [Scene((8,), ((0, 0),), (draw,), NONE) for draw in (0.0, 0.3, 0.6, 0.9)]
    shapes = {pixels(own, shown).tobytes() for own in (train, test) for shown in centred}
    assert len(shapes) == 8
    image = pixels(train, centred[0])
    assert (image[0, 0], image.min(), image.max() > 240) == (GROUND, 0, True)
    drawings = len(load_dataset("digits").train)
    from graphnet.training.data.clutter.painter import _drawings

    assert sum(map(len, _drawings(0, "train"))) == drawings
    assert sum(map(len, _drawings(0, "test"))) == 1797 - drawings


def test_without_freetype_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    font_glyph.cache_clear()
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(DataError, match="Pillow was built without FreeType"):
        load_dataset("digitclutter-1")
