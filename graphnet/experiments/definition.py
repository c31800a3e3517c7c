"""What an experiment's numbers depend on in its file, as a hash: results say which file they are of."""

from __future__ import annotations

import hashlib
import json

from graphnet.spec.experiment.model import Experiment

FIELDS = ("spec", "seeds", "set", "layer", "vary", "skip", "measure")
"""Entries of a file that decide its runs and measures; claims, figures and texts may change without new runs."""


def definition_of(experiment: Experiment) -> str:
    """Return a hash of the entries that decide runs and measures, 16 hexadecimal digits.

    The spec counts by its name: a change inside it gives other runs, which are then trained.
    """
    data = experiment.model_dump(mode="json", include=set(FIELDS))
    text = json.dumps({name: data.get(name) for name in FIELDS}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
