"""Short descriptions of the keys of training recipes, which editors show beside them."""

from __future__ import annotations

FILE = "A training recipe for graphnet train --recipe."

TABLES = {
    "Recipe": "How the net is trained.",
    "Schedule": 'The learning rate over a run: a kind such as "cosine", or a table.',
    "Group": "Parameters with settings of their own.",
    "Second": "The optimizer of what Muon cannot train: everything but matrices.",
}

KEYS = {
    "RecipeFile": {
        "graphnet-recipe": "The version of recipes: 1.",
        "$schema": "For JSON editors; graphnet ignores it.",
        "name": "Shown in lists of runs.",
        "cite": "The recipe's source.",
        "train": "How a net is trained.",
    },
    "Recipe": {
        "recipe": "A recipe that this one extends: the name of a shipped one, or the relative path of a file.",
        "data": "Data set, such as digits, mnist-5k@16 (resized to 16 x 16 pixels) or folder:PATH.",
        "train_size": "Number of training images; a smaller number is a subset.",
        "validation": 'Share of the training images kept for validation, or "published" for a published part.',
        "split_seed": "Draws the held-out parts.",
        "augment": 'Augmentations, in order; "auto" is what is usual for the data set, "none" is none.',
        "epochs": "Passes over the training images; by default 20.",
        "steps": "Steps of the optimizer, instead of epochs.",
        "batch_size": "Images per batch; what is left at the end of an epoch is left out.",
        "accumulate": "Batches per step of the optimizer; their gradients are averaged.",
        "optimizer": "Of torch.optim; muon trains matrices and leaves the rest to second.",
        "lr": "Learning rate.",
        "momentum": "Of sgd and muon.",
        "nesterov": "Nesterov's momentum, of sgd and muon.",
        "betas": "Decay of AdamW's running means of the gradient and its square.",
        "eps": "Added to AdamW's denominator.",
        "weight_decay": "Weight decay of the parameters that decay names.",
        "decay": "Which parameters decay: all, or weights only (no biases and norms).",
        "second": "The optimizer of what muon cannot train.",
        "groups": "Parameters with settings of their own; a later group takes precedence.",
        "schedule": "The learning rate over the run.",
        "label_smoothing": "Of the cross-entropy.",
        "readout_weights": "Weight of each readout time's loss, in order of time; by default those of the spec.",
        "clip_norm": "Largest norm of the gradient; a larger one is scaled down.",
        "ema": "Decay of a moving average of the parameters, which is then validated and tested.",
        "precision": "Number type of the computation; the weights are fp32, except with fp64.",
        "compile": "Compile with torch.compile.",
        "channels_last": "Run with maps in channels-last memory.",
        "seed": "Of the initial weights, the order of images, augmentation and random ops.",
        "patience": "Epochs without a better validation error after which training stops.",
        "monitor": "Test after each epoch; the numbers select nothing.",
    },
    "Schedule": {
        "kind": "How the rate changes over the run.",
        "at": "Of steps: epochs after which the rate changes; by default 4/6 and 5/6 of the run.",
        "factor": "Of steps: factor of each change.",
        "end": "Of logspace and cosine: the last rate.",
        "count": "Of logspace: number of rates; by default one for each epoch.",
        "warmup": "Epochs in which the rate rises linearly from 0; of one-cycle the rise, by default 30 % of the run.",
    },
    "Group": {
        "members": 'Selectors of transitions, such as "V1->*", or of tensors by name, such as "pre_net.*".',
        "lr": "Learning rate of the group; the schedule scales it like that of the others.",
        "weight_decay": "Weight decay of the group.",
        "freeze": "The group is not trained, and its running statistics stay as they are.",
    },
    "Second": {
        "optimizer": "The optimizer of the rest.",
        "lr": "Its learning rate; the schedule scales it like the first.",
        "momentum": "Of sgd.",
        "betas": "Of adamw.",
        "eps": "Of adamw.",
        "weight_decay": "Its weight decay.",
    },
}
