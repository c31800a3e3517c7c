"""What a report shows of one experiment: its file, its results, the verdicts on its claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphnet.experiments.definition import definition_of
from graphnet.experiments.judging.verdicts import Verdict, judge
from graphnet.experiments.results import Results, ResultsError, read_results
from graphnet.given_experiments import experiment_file, load_experiment
from graphnet.spec.experiment.model import Claim, Experiment

BESIDE = "results"
"""Folder beside an experiment's file that holds the results that come with it."""


@dataclass(frozen=True)
class Judged:
    """A claim and its verdicts."""

    claim: Claim
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, eq=False)
class Reported:
    """An experiment as reported.

    Attributes:
        experiment: in the form, full or smoke, that was run.
        header: the comment at the beginning of its file, without the `#`.
        results: None if it was not run, or they cannot be read.
        fault: why results cannot be read, or "".
        judged: its claims, each with its verdicts; without verdicts if there are no results.
    """

    experiment: Experiment
    header: str
    results: Results | None
    fault: str
    judged: tuple[Judged, ...]

    @property
    def is_outdated(self) -> bool:
        """Whether the results are not of the runs and measures that the file now describes."""
        made = self.results.facts.get("definition") if self.results else None
        return made is not None and made != definition_of(self.experiment)

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(verdict for each in self.judged for verdict in each.verdicts)


def gather(given: str | Path, folder: Path, looks: int = 1) -> Reported:
    """Read an experiment and its results: `FOLDER/NAME.csv`, or else those beside its file.

    Raises SpecError: the file is wrong. Results that cannot be read are no error here, but are reported.
    """
    path = Path(experiment_file(given))
    experiment = load_experiment(path)
    results, fault = _results(experiment.name, (folder, path.parent / BESIDE))
    if results is not None and results.smoke:
        experiment = load_experiment(path, smoke=True)
    judged = (Judged(claim, judge(claim, experiment, results, looks) if results else ()) for claim in experiment.claims)
    return Reported(experiment, header_of(path), results, fault, tuple(judged))


def _results(name: str, folders: Sequence[Path]) -> tuple[Results | None, str]:
    """Return the first results found, and why they cannot be read."""
    path = next((found for each in folders if (found := each / f"{name}.csv").exists()), None)
    if path is None:
        return None, ""
    try:
        results = read_results(path)
    except ResultsError as fault:
        return None, str(fault)
    if results.name != name:
        return None, f"{path}: these are results of '{results.name}', not of '{name}'"
    return results, ""


def header_of(path: Path) -> str:
    """Return the comment at the beginning of a TOML file, without its signs and without lines for editors."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("#:"):
            lines.append(line.removeprefix("#").strip())
    return "\n".join(lines)
