"""Write named arrays along their first axis, a few rows at a time, to .npz and .zarr files; N rows."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from graphnet.atomic_files import TEMPORARY, replacing

Array = NDArray[Any]
Shapes = Mapping[str, tuple[int, ...]]
"""Name → shape, N first."""
Append = Callable[[str, Array], None]
"""Append rows to the array of a name."""


@contextmanager
def npz_arrays(path: Path, shapes: Shapes, dtype: str, whole: Mapping[str, Array]) -> Iterator[Append]:
    """Write an uncompressed .npz file that `numpy.load` reads; it replaces `path` at the end of the block.

    Rows are appended to a file per array in a temporary folder beside `path`. Each of these files is deleted once it is
    in the archive, so that the disk needs room for all arrays and the largest one again.

    Args:
        whole: further arrays, written first.

    Raises OSError.
    """
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=TEMPORARY) as folder:
        parts = {name: Path(folder) / f"{number}.npy" for number, name in enumerate(shapes)}
        for name, part in parts.items():
            header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": shapes[name]}
            with part.open("wb") as empty:
                np.lib.format.write_array_header_1_0(empty, header)

        def append(name: str, rows: Array) -> None:
            with parts[name].open("ab") as file:
                file.write(np.ascontiguousarray(rows, dtype).data)

        yield append
        with replacing(path) as temporary, ZipFile(temporary, "w", ZIP_STORED) as archive:
            for name, array in whole.items():
                with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
            for name, part in parts.items():
                with part.open("rb") as file, archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                    shutil.copyfileobj(file, entry, 1 << 20)
                part.unlink()


@contextmanager
def zarr_arrays(path: Path, shapes: Shapes, dtype: str, whole: Mapping[str, Array]) -> Iterator[Append]:
    """Write a Zarr group (version 3) in a folder; it is renamed to `path` at the end of the block.

    Texts become attributes of the group, as Zarr has no stable type for them.

    Raises:
        ImportError: the package zarr is missing.
        OSError: `path` exists, or cannot be written.
    """
    zarr: Any = import_module("zarr")

    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=TEMPORARY) as folder:
        made = Path(folder) / path.name
        group = zarr.open_group(made, mode="w", zarr_format=3)
        for name, array in whole.items():
            if array.dtype.kind == "U":
                group.attrs[name] = array.tolist()
            else:
                group.create_array(name, data=array)
        stored = {
            name: group.create_array(name, shape=shape, dtype=dtype, chunks=_chunks(shape, dtype))
            for name, shape in shapes.items()
        }
        done = dict.fromkeys(shapes, 0)

        def append(name: str, rows: Array) -> None:
            stored[name][done[name] : done[name] + len(rows)] = rows.astype(dtype)
            done[name] += len(rows)

        yield append
        made.rename(path)


CHUNK = 1 << 22
"""Bytes of a chunk, about."""


def _chunks(shape: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """Whole rows, so that a few images are read without the others."""
    row = int(np.prod(shape[1:], dtype=np.int64)) * np.dtype(dtype).itemsize
    return max(1, min(shape[0], CHUNK // max(row, 1))), *shape[1:]


WRITERS: dict[str, Callable[[Path, Shapes, str, Mapping[str, Array]], AbstractContextManager[Append]]] = {
    ".npz": npz_arrays,
    ".zarr": zarr_arrays,
}
"""Suffix → writer."""
