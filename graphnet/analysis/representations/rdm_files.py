"""Files of dissimilarity matrices: reading those of others, writing tables of ours."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphnet.analysis.representations.rdm import Array, condensed, square
from graphnet.analysis.representations.responses import Key
from graphnet.atomic_files import replacing
from graphnet.training.errors import DataError


def read_matrix(path: Path) -> Array:
    """Read a dissimilarity matrix from a .npy or .csv file, square or condensed; return it condensed, `[P]`.

    A CSV file may have a header line and a first column of names.

    Raises:
        DataError: the file cannot be read, or holds no dissimilarity matrix.
    """
    try:
        if path.suffix.lower() == ".npy":
            found = np.load(path, allow_pickle=False)
        elif path.suffix.lower() == ".csv":
            found = _numbers(path)
        else:
            raise DataError(f"{path}: a matrix is read from a .csv or .npy file")
        return condensed(found)
    except OSError as fault:
        raise DataError(f"{path} cannot be read: {fault.strerror or 'it is damaged'}") from None
    except (ValueError, TypeError, EOFError) as fault:
        raise DataError(f"{path} holds no dissimilarity matrix: {str(fault).splitlines()[0]}") from None


def _numbers(path: Path) -> Array:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    if rows and not _is_number(rows[0][-1]):
        rows = rows[1:]
    if rows and not _is_number(rows[0][0]):
        rows = [row[1:] for row in rows]
    if len({len(row) for row in rows}) != 1:
        raise ValueError("its lines differ in length")
    return np.array([[float(cell) for cell in row] for row in rows])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def write_matrices(path: Path, rdms: Mapping[Key, Array]) -> None:
    """Write square matrices to an npz file, an array such as `V2@3` for each state and time."""
    arrays = {f"{state}@{t}": square(rdm) for (state, t), rdm in rdms.items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def write_pairs(path: Path, rdms: Mapping[Key, Array], count: int) -> None:
    """Write condensed matrices of `count` conditions: a line per pair, a column per state and time."""
    first, second = np.triu_indices(count, 1)
    names = [f"{state}@{t}" for state, t in rdms]
    columns = [rdm.tolist() for rdm in rdms.values()]
    write_table(path, ("first", "second", *names), zip(first.tolist(), second.tolist(), *columns, strict=True))


def write_conditions(path: Path, images: Sequence[NDArray[np.int64]], classes: NDArray[np.int64] | None) -> None:
    """Write a line per condition: the number of its images, its only image if it has one, and its class if known."""
    labels = [""] * len(images) if classes is None else classes.tolist()
    rows = (
        (number, len(own), int(own[0]) if len(own) == 1 else "", label)
        for number, (own, label) in enumerate(zip(images, labels, strict=True))
    )
    write_table(path, ("condition", "images", "image", "class"), rows)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV table, atomically. Raises OSError."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
