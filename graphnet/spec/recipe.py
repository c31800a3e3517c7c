"""The `[train]` table of a spec or of a recipe file, as frozen pydantic models.

The models check structure, types and ranges of single entries; `recipe_faults` checks entries against each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from graphnet.spec.table import AsTuple, Table, one_of

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=1 << 40)]
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
Betas = Annotated[tuple[Share, Share], AsTuple]
Words = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value), AsTuple]

DEFAULT_EPOCHS = 20
"""Length of a run whose recipe says neither epochs nor steps."""
OPTIMIZERS = ("sgd", "adamw", "muon")
SCHEDULES = ("constant", "steps", "logspace", "cosine", "one-cycle")
PRECISIONS = ("fp32", "fp64", "tf32", "bf16")


class Schedule(Table):
    """The learning rate over a run, from the rate `lr`.

    Attributes:
        kind: `constant`; `steps` (multiplied by `factor` at each epoch of `at`); `logspace` (`count` equal rates from
            `lr` to `end`, evenly spaced in their logarithm); `cosine` (half a period from `lr` to `end`); `one-cycle`
            (a cosine from lr/25 up to `lr`, then down to lr/250,000; Smith & Topin 2018, as torch's OneCycleLR).
        at: epochs after which the rate changes; by default 4/6 and 5/6 of the run (Liao & Poggio 2016, section 5).
        factor: of each change of `steps`.
        end: the last rate of `logspace` and `cosine`.
        count: rates of `logspace`; by default one for each epoch.
        warmup: epochs in which the rate rises linearly from 0; of `one-cycle` the rise, by default 30 % of the run.
    """

    kind: Literal["constant", "steps", "logspace", "cosine", "one-cycle"] = "steps"
    at: Annotated[tuple[Positive, ...], AsTuple] | None = None
    factor: Positive = 0.1
    end: NotNegative = 0.0
    count: Count | None = None
    warmup: NotNegative | None = None

    @classmethod
    def long_form(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    @classmethod
    def expects(cls) -> str:
        return 'a schedule such as "cosine", or { kind = "steps", at = [40, 50] }'


class Group(Table):
    """Parameters with settings of their own.

    Attributes:
        members: selectors of transitions, such as `"V1->*"`, or of tensors by name, such as `"pre_net.*"`.
        lr: their learning rate; the schedule scales it like that of the others.
        weight_decay: their weight decay.
        freeze: they are not trained; their running statistics stay as they are.
    """

    members: Annotated[Words, Field(min_length=1)]
    lr: Positive | None = None
    weight_decay: NotNegative | None = None
    freeze: bool = False


class Second(Table):
    """The optimiser of what Muon cannot train: everything but matrices."""

    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: Positive = 0.001
    momentum: Share = 0.9
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.0


class Recipe(Table):
    """How a net is trained. What it runs on (device, workers, folders) is no part of it.

    Attributes:
        recipe: a recipe that this one extends: the name of a shipped one, or the path of a file.
        data: data set, such as `digits`, `mnist-5k@16` (resized to 16 x 16 pixels) or `folder:PATH`.
        train_size: number of training images, drawn with `split_seed`, stratified; a smaller number is a subset.
        validation: share of the training images that is kept for validation, or "published" for a published part.
        split_seed: draws the held-out parts.
        augment: names of augmentations, in order; "auto" is what is usual for the data set, "none" is none.
        epochs: passes over the training images; by default 20.
        steps: of the optimiser, instead of epochs.
        batch_size: images per batch; what is left at the end of an epoch is left out.
        accumulate: batches per step of the optimiser; their gradients are averaged.
        optimizer: of torch.optim; `muon` trains matrices, and leaves the rest to `second`.
        lr: learning rate.
        momentum: of SGD and Muon.
        nesterov: Nesterov's momentum.
        betas, eps: of AdamW.
        weight_decay: on every parameter, or on `weights` only (`decay`).
        decay: `all` parameters decay, or only `weights` (not biases and norms).
        groups: parameters with settings of their own; a later group takes precedence.
        schedule: of the learning rate.
        label_smoothing: of the cross-entropy.
        readout_weights: weight of each readout time's loss, in order of time; by default those of the spec.
        clip_norm: largest norm of the gradient.
        ema: decay of an exponential moving average of the parameters, which is then validated and tested.
        precision: number type of the computation; the weights are fp32, except with fp64.
        compile: compile with torch.compile (Inductor).
        channels_last: run with maps in channels-last memory.
        seed: of the initial weights, the order of images, augmentation and random ops.
        patience: epochs without a better validation error after which training stops.
        monitor: test after each epoch; the numbers are for the eye only and select nothing.
    """

    recipe: str | None = None
    data: str = "digits"
    train_size: Count | None = None
    validation: (
        Annotated[
            float | str,
            one_of(float, str, saying='a share of the training images such as 0.1, or "published"'),
        ]
        | None
    ) = None
    split_seed: Seed = 0
    augment: Words = ("auto",)
    epochs: Count | None = None
    steps: Count | None = None
    batch_size: Count = 64
    accumulate: Count = 1
    optimizer: Literal["sgd", "adamw", "muon"] = "sgd"
    lr: Positive = 0.05
    momentum: Share = 0.9
    nesterov: bool = False
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.0
    decay: Literal["all", "weights"] = "all"
    second: Second = Second()
    groups: Annotated[tuple[Group, ...], AsTuple] = ()
    schedule: Schedule = Schedule()
    label_smoothing: Share = 0.0
    readout_weights: Annotated[tuple[NotNegative, ...], AsTuple, Field(min_length=1)] | None = None
    clip_norm: Positive | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    precision: Literal["fp32", "fp64", "tf32", "bf16"] = "fp32"
    compile: bool = False
    channels_last: bool = False
    seed: Seed = 0
    patience: Count | None = None
    monitor: bool = False
