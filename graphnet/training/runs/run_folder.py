"""Run folders: the files of one training; no torch here."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from graphnet.atomic_files import link, write_text
from graphnet.errors import shortened
from graphnet.training.errors import CheckpointError, RunError
from graphnet.training.runs import metrics
from graphnet.training.runs.checksum import is_intact, metadata_of
from graphnet.training.runs.json_files import dumped, parsed, read_text, reason, table

if TYPE_CHECKING:
    from torch import Tensor, nn

    from graphnet.training.runs.checkpoint import Checkpoint

VERSION_KEY, VERSION = "graphnet_run", 2
"""Version of the folder's layout, in `run.json`; folders of version 1 have none."""
STATUSES = ("training", "finished", "interrupted", "stopped", "failed")
"""`stopped` by SIGTERM, SIGHUP or a time limit, `interrupted` by Ctrl-C."""
SUFFIX = ".safetensors"
LAST, PREVIOUS, BEST, AVERAGED, FIRST = "last", "previous", "best", "averaged", "checkpoint"
"""Checkpoints of a run, beside `epoch-0010` and so on; the last is that of folders of version 1."""
NAMES = re.compile(rf"({LAST}|{PREVIOUS}|{BEST}|{AVERAGED}|{FIRST}|epoch-\d{{1,9}})")


class Intact(NamedTuple):
    """A checkpoint that can be resumed from, and what is to be told about damaged ones before it."""

    path: Path
    checkpoint: Checkpoint
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class RunFolder:
    """The files of one training.

    `run.json` has recipe, data, versions and results, `metrics.jsonl` a line per epoch, `summary.csv` the same as a
    table, `predictions.json` what was predicted for the test images. Checkpoints are `last.safetensors`, the one before
    it (`previous`), `best`, `averaged` and `epoch-0010`; folders of version 1 have `checkpoint.safetensors`. The
    caller's texts are beside them.
    """

    path: Path

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open an existing run folder.

        Raises:
            RunError: it has no `run.json`.
        """
        folder = cls(path)
        try:
            is_run = folder.record.is_file()
        except (OSError, ValueError) as fault:
            raise RunError(f"{shortened(str(path))} is not a run folder: {reason(fault)}") from None
        if not is_run:
            why = "it is a file" if path.is_file() else f"no {folder.record}"
            raise RunError(f"{path} is not a run folder: {why}")
        return folder

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def summary(self) -> Path:
        return self.path / "summary.csv"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions.json"

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint; that of version 1 if there is no other."""
        last, first = self.path / f"{LAST}{SUFFIX}", self.path / f"{FIRST}{SUFFIX}"
        return first if first.exists() and not last.exists() else last

    def checkpoint_called(self, name: str) -> Path:
        """The file of a checkpoint, by its name in this folder such as `best`, or by its path.

        Raises:
            RunError: there is no such file.
        """
        path = self.checkpoint if name == LAST else self.path / f"{name}{SUFFIX}"
        path = path if NAMES.fullmatch(name) else Path(name)
        try:
            if path.is_file():
                return path
        except (OSError, ValueError):
            pass
        found = ", ".join(self.checkpoints()) or "none"
        raise RunError(f"{self.path} has no checkpoint '{shortened(name)}'\n  it has: {found}; or give the path of one")

    def checkpoints(self) -> list[str]:
        """The names of the checkpoints in this folder."""
        return sorted(path.stem for path in self.path.glob(f"*{SUFFIX}") if NAMES.fullmatch(path.stem))

    @property
    def tested(self) -> Path:
        """The checkpoint that was tested at the end of training; before that, the last one. Raises RunError."""
        name = self.read_record().get("tested", LAST)
        if not isinstance(name, str) or not NAMES.fullmatch(name):
            raise RunError(f"{self.record} does not name the tested checkpoint: it is damaged")
        return self.checkpoint if name == LAST else self.path / f"{name}{SUFFIX}"

    def save_last(
        self,
        net: nn.Module,
        spec_text: str,
        extra: Mapping[str, str] | None = None,
        train: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Save the last checkpoint, and keep the one before it as `previous`, unless that one is damaged.

        At each moment `last` is a whole file. `extra` should hold the `epoch`, for messages and `graphnet runs`.

        Raises:
            RunError: the disk is full or the like; the last checkpoint is unchanged.
        """
        self._save(self.path / f"{LAST}{SUFFIX}", net, spec_text, extra, train, rotate=True)

    def save_as(
        self,
        name: str,
        net: nn.Module,
        spec_text: str,
        extra: Mapping[str, str] | None = None,
        train: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Save a checkpoint called `best`, `averaged` or `epoch-0010`. Raises RunError."""
        if not NAMES.fullmatch(name):
            raise ValueError(f"no name of a checkpoint: {name}")
        self._save(self.path / f"{name}{SUFFIX}", net, spec_text, extra, train)

    def keep_last_as(self, name: str) -> None:
        """Keep the last checkpoint also as `best` or `epoch-0010`: a second name of the same file. Raises RunError."""
        if not NAMES.fullmatch(name):
            raise ValueError(f"no name of a checkpoint: {name}")
        path = self.path / f"{name}{SUFFIX}"
        with self._writing(path):
            link(self.checkpoint, path)

    def newest_intact(self) -> Intact:
        """Read the newest whole checkpoint, with its state of training: the last, or the one before it.

        Raises:
            RunError: there is none; both are named.
        """
        from graphnet.training.runs.checkpoint import read_checkpoint

        faults: list[str] = []
        paths = [self.checkpoint, self.path / f"{PREVIOUS}{SUFFIX}"]
        for path in paths:
            try:
                found = read_checkpoint(path, train=True)
                return Intact(path, found, tuple(f"{fault}; {path} is used" for fault in faults))
            except CheckpointError as fault:
                faults.append(str(fault))
        if not any(path.exists() for path in paths):
            raise RunError(f"{self.path} holds no checkpoint")
        raise RunError(f"{self.path} holds no checkpoint that can be used: {'; '.join(faults)}")

    def write_text(self, name: str, text: str) -> None:
        """Write `spec.json`, `plan.txt`, `diagram.svg` or the like, atomically. Raises RunError."""
        with self._writing(self.path / name):
            write_text(self.path / name, text)

    def add_metrics(self, line: Mapping[str, object]) -> None:
        """Append a line to `metrics.jsonl`; on return it is on the disk. Non-finite numbers become null."""
        with self._writing(self.metrics):
            metrics.append(self.metrics, line)

    def metrics_length(self) -> int:
        """The length of `metrics.jsonl` in bytes, for `truncate_metrics`."""
        return metrics.length(self.metrics)

    def truncate_metrics(self, length: int) -> None:
        """Remove all metrics after the first `length` bytes. Raises RunError if no line ends there."""
        with self._writing(self.metrics):
            metrics.truncate(self.metrics, length)

    def read_metrics(self) -> list[dict[str, Any]]:
        """Read the lines of `metrics.jsonl`, oldest first; none before the end of the first epoch."""
        return metrics.read(self.metrics)

    def write_summary(self) -> None:
        """Write all metrics to `summary.csv`, atomically."""
        with self._writing(self.summary):
            metrics.write_summary(self.summary, self.read_metrics())

    def write_record(self, record: Mapping[str, object]) -> None:
        """Replace `run.json` atomically, with the version of the folder. Non-finite numbers become null."""
        with self._writing(self.record):
            write_text(self.record, dumped({VERSION_KEY: VERSION, **record}, indent=2))

    def read_record(self) -> dict[str, Any]:
        """Read what `write_record` wrote, through JSON: keys are strings, tuples are lists. Raises RunError."""
        record = table(parsed(read_text(self.record), self.record), self.record)
        version = record.get(VERSION_KEY, 1)
        if type(version) is not int:
            raise RunError(f"{self.record} is damaged: its version is not a number")
        if not 1 <= version <= VERSION:
            version = shortened(str(version))
            raise RunError(f"{self.path} is a run folder of version {version}; this graphnet reads up to {VERSION}")
        return record

    def write_predictions(self, classes: Sequence[int]) -> None:
        """Write the class predicted for each test image, in the order of the test set."""
        with self._writing(self.predictions):
            write_text(self.predictions, dumped(list(classes)))

    def read_predictions(self) -> list[int]:
        """Read what `write_predictions` wrote."""
        classes = parsed(read_text(self.predictions), self.predictions)
        if not isinstance(classes, list) or any(type(each) is not int for each in classes):
            raise RunError(f"{self.predictions} is damaged: it is not a list of classes")
        return classes

    def _save(
        self,
        path: Path,
        net: nn.Module,
        spec_text: str,
        extra: Mapping[str, str] | None,
        train: Mapping[str, Tensor] | None,
        rotate: bool = False,
    ) -> None:
        from graphnet.training.runs.checkpoint import save_checkpoint

        def keep_previous() -> None:
            if path.is_file() and is_intact(path):
                link(path, self.path / f"{PREVIOUS}{SUFFIX}")

        with self._writing(path):
            save_checkpoint(path, net, spec_text, extra, train, keep_previous if rotate else None)

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        """Turn faults of writing into a RunError that says which checkpoint remains."""
        try:
            yield
        except OSError as fault:
            full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "the disk is full" if full else f"cannot write {path}: {reason(fault)}"
            epoch = metadata_of(self.checkpoint).get("epoch")
            kept = f"the checkpoint of epoch {shortened(epoch)}" if epoch is not None else "no checkpoint"
            raise RunError(f"{what}: {self.path} keeps {kept}") from fault
