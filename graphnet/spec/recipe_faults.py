"""Faults of a recipe's entries against each other; the models check each entry by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from graphnet.errors import Fault, KeyPath
from graphnet.spec.notation.integers import Misspelt
from graphnet.spec.notation.selectors import parse_selector
from graphnet.spec.recipe import DEFAULT_EPOCHS, OF_OPTIMIZERS, OF_SCHEDULES, Recipe, Second

PUBLISHED = "published"
"""The word for a data set's own validation part."""
ARROW = re.compile("[-=]>|<[-=]|→|←")


def recipe_faults(recipe: Recipe, at: KeyPath = ("train",)) -> list[Fault]:
    """Return the faults of well-formed entries that do not go together; `at` is the path of the recipe."""
    return [
        *_length_faults(recipe, at),
        *_validation_faults(recipe, at),
        *_optimizer_faults(recipe, at),
        *_second_faults(recipe.second, (*at, "second")),
        *_schedule_faults(recipe, at),
        *_rate_faults(recipe, at),
        *_epoch_faults(recipe, at),
        *_group_faults(recipe, at),
        *_weight_faults(recipe, at),
    ]


def _length_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    if recipe.epochs is not None and recipe.steps is not None:
        what = "epochs and steps both say how long the run is"
        yield Fault((*at, "steps"), what, "keep one of them", on="key", code="GN702")


def _validation_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    path, given = (*at, "validation"), recipe.validation
    if isinstance(given, str) and given != PUBLISHED:
        fix = f'"{PUBLISHED}" takes the data set\'s own validation part; 0.1 keeps a tenth of the training images'
        yield Fault(path, f"{given!r} is not known here", fix, code="GN011")
    if isinstance(given, float) and not 0 < given < 1:
        fix = "write a share, such as 0.1 for a tenth of the training images"
        yield Fault(path, f"{given:g} is not between 0 and 1", fix, code="GN012")
    if recipe.patience is not None and given is None:
        what = "early stopping needs a validation error, and there is no validation part"
        fix = "write validation = 0.1, or leave patience out: the test part selects nothing"
        yield Fault((*at, "patience"), what, fix, on="key", code="GN705", given=(path,))


# ---- optimisers


def _optimizer_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    yield from _of_another(recipe.model_fields_set, recipe.optimizer, OF_OPTIMIZERS, at, "optimizer", "GN703")
    if recipe.nesterov and recipe.momentum == 0:
        what = "Nesterov's momentum needs a momentum above 0"
        given = ((*at, "momentum"), (*at, "optimizer"))
        yield Fault((*at, "nesterov"), what, "write momentum = 0.9, or leave nesterov out", code="GN703", given=given)


def _second_faults(second: Second, at: KeyPath) -> Iterator[Fault]:
    yield from _of_another(second.model_fields_set, second.optimizer, OF_OPTIMIZERS, at, "optimizer", "GN703")


def _of_another(
    said: set[str], kind: str, owners: Mapping[str, tuple[str, ...]], at: KeyPath, decided_by: str, code: str
) -> Iterator[Fault]:
    """Yield a fault for each entry that was said and has no effect with this optimiser or schedule."""
    for key, kinds in owners.items():
        if key not in said or kind in kinds:
            continue
        what = f"'{key}' has no effect: it is a setting of {' and '.join(kinds)}, and the {NOUNS[decided_by]} is {kind}"
        own = [other for other, owning in owners.items() if kind in owning and other not in said]
        instead = f"; {kind} has {' and '.join(own)}" if own else ""
        fix = f'leave it out, or write {decided_by} = "{kinds[0]}"{instead}'
        yield Fault((*at, key), what, fix, on="key", code=code, given=((*at, decided_by),))


NOUNS = {"optimizer": "optimizer", "kind": "schedule"}


# ---- learning rates


def _schedule_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    schedule = recipe.schedule
    path = (*at, "schedule")
    yield from _of_another(schedule.model_fields_set, schedule.kind, OF_SCHEDULES, path, "kind", "GN704")
    if not _increase(schedule.at or ()):
        what = "these epochs do not increase"
        fix = f"write at = [{', '.join(f'{each:g}' for each in sorted(set(schedule.at or ())))}]"
        yield Fault((*path, "at"), what, fix, code="GN704")


def _increase(epochs: Sequence[float]) -> bool:
    return all(one < other for one, other in pairwise(epochs))


def _rate_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    """Yield the fault of a last rate that does not suit the first."""
    schedule, lr = recipe.schedule, recipe.lr
    if schedule.kind not in OF_SCHEDULES["end"]:
        return
    said = "end" in schedule.model_fields_set
    path: KeyPath = (*at, "schedule", "end") if said else (*at, "schedule")
    given = ((*at, "lr"), (*at, "schedule"))
    if schedule.kind == "logspace" and schedule.end == 0:
        what = "the logarithms of the rates are evenly spaced, so the last one is above 0"
        fix = f"write end = {lr / 1000:g}, a thousandth of lr"
        if not said:
            fix = f'say the last rate, such as schedule = {{ kind = "logspace", end = {lr / 1000:g} }}'
        yield Fault(path, what, fix, code="GN704", given=given)
    elif schedule.end >= lr:
        what = f"the last rate, {schedule.end:g}, is not below the first, lr = {lr:g}"
        yield Fault(path, what, f"such as end = {lr / 1000:g}", code="GN704", given=given)


def _epoch_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    """Yield faults of epochs in the schedule that the run does not reach; a run in steps is checked with its data."""
    if recipe.steps is not None:
        return
    epochs, schedule = recipe.epochs or DEFAULT_EPOCHS, recipe.schedule
    path, given = (*at, "schedule"), ((*at, "epochs"), (*at, "steps"))
    run = f"the run has {epochs:,} epoch{'' if epochs == 1 else 's'}"
    late = [each for each in schedule.at or () if each >= epochs]
    if late and _increase(schedule.at or ()):
        what = f"the rate would change after epoch {late[0]:g}, and {run}"
        fix = f"such as schedule.at = [{', '.join(_fitting(epochs))}]; without it these are 4/6 and 5/6 of the run"
        yield Fault((*path, "at"), what, fix, code="GN704", given=given)
    if (schedule.warmup or 0) >= epochs:
        what = f"the rate would rise for {schedule.warmup:g} epochs, and {run}"
        fix = f"write warmup = {epochs / 10:g}, or train longer"
        yield Fault((*path, "warmup"), what, fix, code="GN704", given=given)


def _fitting(epochs: int) -> list[str]:
    """Return epochs near 4/6 and 5/6 of the run, whole if it is long enough."""
    return [f"{epochs * share / 6:.{0 if epochs > 3 else 1}f}" for share in (4, 5)]


# ---- groups and readouts


def _group_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    for number, group in enumerate(recipe.groups):
        path = (*at, "groups", number)
        for index, member in enumerate(group.members):
            if not ARROW.search(member):  # a tensor's name
                continue
            try:
                parse_selector(member)
            except Misspelt as fault:
                yield Fault(
                    (*path, "members", index), fault.what, fault.fix, span=(fault.start, fault.end), code=fault.code
                )
        if group.freeze and not {"lr", "weight_decay"}.isdisjoint(group.model_fields_set):
            what = "a frozen group is not trained, so it has no learning rate and no weight decay"
            yield Fault(path, what, "leave out freeze, or lr and weight_decay", code="GN702")
        elif group.model_fields_set == {"members"}:
            what = "this group has no settings of its own"
            yield Fault(path, what, "such as lr = 0.001, or freeze = true", code="GN702")


def _weight_faults(recipe: Recipe, at: KeyPath) -> Iterator[Fault]:
    weights = recipe.readout_weights
    if weights is not None and not any(weights):
        yield Fault((*at, "readout_weights"), "all weights are 0", "give one readout a weight above 0", code="GN012")
