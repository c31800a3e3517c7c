"""Short descriptions of the keys of experiments, which editors show beside them."""

from __future__ import annotations

FILE = "An experiment for graphnet run: which nets are trained, what is measured on them, and what is claimed."

TABLES = {
    "Smoke": "Entries for a small form of the experiment (graphnet run --smoke), laid over the file.",
    "Factor": "What is varied: a table with a label for each variant, or one key of the spec and its values.",
    "Variant": "What differs for this label; {} is nothing.",
    "Edit": "A perturbation of the trained net, with the options of graphnet perturb, applied in their order.",
    "Measure": "A measure beside the built-in ones.",
    "Claim": "A claim, and what must be seen for it.",
    "Figure": "A figure of the results.",
    "TableOf": "The table of the results.",
    "Reference": "Published numbers, by measure: a row of the table, and a dashed line in figures.",
}

_KEYS = {
    "seeds": 'Seeds of the runs: "0..4", a list or one number. They are fixed before anything runs.',
    "exploratory": "Verdicts are marked as exploratory.",
    "set": 'Dotted keys of the spec and their values, as with --set: { "readout.t" = 5 }.',
    "train": "What the recipe says differently, with the keys of a recipe, but without seed.",
    "vary": "The factors; each combination of their labels is a condition.",
    "skip": "Conditions that are left out: factor = label, for each.",
    "measure": "Measures beside the built-in ones.",
    "claims": "The claims; each needs at least three seeds.",
    "figure": "Figures of the results.",
    "table": "The table of the results.",
    "reference": "Published numbers.",
}

KEYS = {
    "Experiment": {
        "graphnet-experiment": "The version of experiments: 1.",
        "$schema": "For JSON editors; graphnet ignores it.",
        "name": "Name of the files of results.",
        "cite": "The source of the claims.",
        "headline": "Its claims stand first in the report.",
        "spec": "The net: path of a spec, relative to this file, or the name of a zoo spec.",
        "uses": "Relative path of an experiment whose spec, seeds, set, train, vary, skip and smoke hold here too.",
        **_KEYS,
        "smoke": "Entries for a small form of the experiment, laid over the file.",
    },
    "Smoke": {**_KEYS, "spec": "Another net."},
    "Factor": {
        "set": "Dotted key of the spec that is varied.",
        "values": "Its values, each of which is a label.",
    },
    "Variant": {
        "spec": "Another net: path of a spec, relative to this file, or the name of a zoo spec.",
        "set": "Dotted keys of the spec and their values.",
        "train": "What the recipe says differently.",
        "edit": "A perturbation of the trained net; the net is trained without it.",
    },
    "Edit": {
        "early": 'End a stage after its first blocks, "STATE:B"; in a measure "STATE" is each number of blocks.',
        "drop": 'Replace the B-th block of a stage by the identity, "STATE:B"; in a measure "STATE" is each block.',
        "repeat": 'Apply the last block of a stage more times, "STATE:M".',
        "lesion": 'Cut a transition such as "h1->h2", or all into a state; "@T" for some times.',
        "silence": "Set a transition or a state to zeros.",
        "noise": 'Add Gaussian noise to a transition or a state, "WHAT:STD".',
        "mask": "Show another test image from this time on.",
        "slab": "Add a slab.",
    },
    "Measure": {
        "name": "Its name in expressions.",
        "of": "Its kind.",
        "edit": "A perturbation of the net before it is measured.",
        "readout": 'Times at which the net is read out: "7..23", 9 or [7, 9]. Several add the factor t.',
        "calibrate": "Which running statistics are first estimated on training images.",
        "at": 'A layer, such as "h1.from_h1.norm1".',
        "images": "How many test images are used; by default all.",
        "repeats": "Maximum number of further applications of a stage's last block; by default 16.",
    },
    "Claim": {
        "says": "The claim in words.",
        "effect": 'An expression, such as "test_error[sharing=unshared] - test_error[sharing=shared]".',
        "expect": 'What is expected of the effect: "> 0", "< 0.02" or "within 0.01".',
        "guard": 'Conditions for a verdict, such as "train_accuracy[sharing=shared] > 0.98".',
        "cite": "Where the claim is made.",
    },
    "Figure": {
        "name": "Name of its files.",
        "x": "A factor, or an expression.",
        "y": "An expression, or several.",
        "line": "A factor: a line for each of its labels.",
        "panel": "A factor: a panel for each of its labels.",
        "title": "Its title.",
    },
    "TableOf": {
        "rows": 'Factors, such as "sharing, t": a row for each combination of their labels.',
        "columns": "Expressions.",
    },
    "Reference": {
        "label": "Shown in the table and in figures.",
        "cite": "The source.",
    },
}
