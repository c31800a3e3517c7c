"""Grids of images."""

from pathlib import Path

import pytest
import torch

from graphnet.analysis.data_figure import displayed, draw_images
from graphnet.training.data.named import load_dataset


def test_grey_colour_and_other_channels_are_shown() -> None:
    whole = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert displayed(whole.view(3, 1, 1, 1)).flatten().tolist() == [0, 0.2, 1]
    assert displayed(whole.view(1, 3, 1, 1)).shape == (1, 1, 1, 3)
    assert displayed(torch.tensor([[0, 255]], dtype=torch.uint8).view(1, 2, 1, 1)).item() == 0.5


def test_real_numbers_are_scaled_to_all_images_shown() -> None:
    assert displayed(torch.tensor([-1.0, 0, 3]).view(3, 1, 1, 1)).flatten().tolist() == [0, 0.25, 1]
    assert displayed(torch.ones(2, 1, 1, 1)).flatten().tolist() == [0.5, 0.5]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_a_grid_has_the_same_bytes_each_time(kind: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.{kind}" for name in ("a", "b")]
    for path in paths:
        draw_images(path, load_dataset("digits"), "test", 5)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    if kind == "svg":
        text = paths[0].read_text()
        assert "digits: 5 of 450 test images" in text
        assert text.count("<image") == 5


def test_a_grid_of_more_images_than_there_are_shows_all(tmp_path: Path) -> None:
    draw_images(tmp_path / "a.svg", load_dataset("fake@8"), "test", 600)
    assert (tmp_path / "a.svg").read_text().count("<image") == 500
