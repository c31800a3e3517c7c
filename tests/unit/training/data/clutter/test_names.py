"""Names of Digitclutter data sets."""

import pytest

import graphnet
from graphnet.training.data.clutter.options import Clutter, read_clutter
from graphnet.training.data.named import load_dataset, names
from graphnet.training.errors import DataError

NAMES = {
    "digitclutter-1": Clutter(1),
    "digitclutter-5": Clutter(5),
    "digitclutter-3-debris-10": Clutter(3, 10),
    "digitclutter-3-handwritten": Clutter(3, handwritten=True),
    "digitclutter-2-handwritten-debris-50": Clutter(2, 50, True),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_read_and_written(name: str) -> None:
    assert read_clutter(name) == NAMES[name]
    assert NAMES[name].name == name
    assert read_clutter(name, (64, 64)).name == f"{name}@64"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("digitclutter", "the form is digitclutter-N\\[-handwritten\\]\\[-debris-M\\]\n  write digitclutter-3, "),
        ("digitclutter-", "the form is"),
        ("digitclutter-three", "the form is"),
        ("digitclutter-3-debris", "the form is"),
        ("digitclutter-3-debris-10-handwritten", "write .* or digitclutter-3-handwritten-debris-50"),
        ("digitclutter-3\n", "the form is"),
        ("digitclutter-٣", "the form is"),
        ("digitclutter-0", "1 to 5 digits in an image, not 0"),
        ("digitclutter-6", "1 to 5 digits in an image, not 6"),
        ("digitclutter-3-debris-1000", "0 to 500 fragments of debris in an image, not 1,000"),
        ("digitclutter-3@16x24", "are square, not 16 x 24\n  write digitclutter-3@24"),
        ("digitclutter-3@x", "'x' is no size"),
        ("digit-clutter", "no data set is called 'digit-clutter'\n  .*digitclutter-N"),
    ],
)
def test_a_wrong_name_says_what_would_be_right(name: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        load_dataset(name)


def test_the_names_are_taken() -> None:
    assert "digitclutter-N[-handwritten][-debris-M]" in names()
    with pytest.raises(ValueError, match="already exists"):
        graphnet.register_data("digitclutter-7", lambda: None)
