"""Run folders as version 1 wrote them: one checkpoint without a checksum, and a record without a version."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file


def as_version_1(folder: Path) -> None:
    """Rewrite a finished run of today, with its checkpoint `last.safetensors`, as version 1 wrote it."""
    last = folder / "last.safetensors"
    with safe_open(last, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if not name.startswith("train/")}  # noqa: SIM118
        metadata = {key: text for key, text in file.metadata().items() if key in ("spec", "epoch")}
    save_file(tensors, folder / "checkpoint.safetensors", metadata | {"graphnet_checkpoint": "1"})
    kept = r"run\.json|metrics\.jsonl|predictions\.json|checkpoint\.safetensors|spec\.json|plan\.txt|diagram\.svg"
    for path in folder.iterdir():
        if path.is_file() and not re.fullmatch(kept, path.name):
            path.unlink()
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(
        json.dumps({key: value for key, value in record.items() if key not in ("graphnet_run", "tested")}, indent=2)
    )
