"""What each key of a spec means, in a line or two: an editor shows it beside the key."""

from __future__ import annotations

SPEC = (
    "A net that graphnet compiles: which states it has, and which transition functions run between them at which times."
)

TABLES = {
    "Norm": "How B normalises; pre_net.norm, post_net.norm and a norm op in list form say only what they change.",
    "Input": "What arrives, and when.",
    "State": "A place that holds one value at each time: a shape such as [64, 32, 32], or a table.",
    "Noise": "Normal noise on a state's value: a standard deviation, or { std = 0.1, t = ... }.",
    "Gain": "A factor for the transition's result: a number, or { init = 0, learn = true }.",
    "Cell": 'A transition function such as "BRCx2+I", as a string or a list; "-", which blocks; or a table with ops.',
    "Slab": "Transition functions from state to state and the times at which they hold: { from = { to = function } }.",
    "Part": "States and transitions of which a state can be made: { shape = [...], part = name }.",
    "PreNet": "What stands before the entry state.",
    "PostNet": "What stands behind the state that is read out.",
    "SharingSet": "Transitions whose weights are tied, layer by layer, or softly coupled.",
    "Sharing": "Which weights are one.",
    "Readout": "When the net is read out.",
}

KEYS = {
    "Spec": {
        "graphnet": "The version of the language: 1.",
        "$schema": "For editors of JSON; means nothing to graphnet.",
        "name": "Shown in pictures and tables.",
        "cite": "Where the net is from; shown beside the name.",
        "extends": "The relative path of a .toml or .json spec that this one is laid over.",
        "let": 'Named whole numbers for times, shapes and widths: N = 3, M = "2N+1".',
        "input": "What arrives, and when.",
        "merge": "How what arrives at a state is joined; a state may say its own.",
        "unroll": "biological: every arrow takes a step; engineering: one to a later state takes none.",
        "unpopulated": "What a state is before anything has arrived: empty, so that it sends nothing, or zeros.",
        "states": "The states, in order: the first takes the input, the last is read out.",
        "parts": "Groups of states of which a state can be made.",
        "transitions": "Slabs of the transition matrix; a later one overrides an earlier one, cell by cell.",
        "norm": "How B normalises.",
        "pre_net": "What stands before the entry state; without it the image itself arrives, and must fit.",
        "post_net": "What stands behind the state that is read out; without it that state's value is the output.",
        "sharing": "Which weights are one.",
        "readout": "When the net is read out.",
    },
    "Norm": {
        "kind": "Over what mean and variance are taken; none: B does nothing.",
        "groups": "Of group norm; divides the channels.",
        "statistics": "Of batch norm: each transition has its own at each time, or one for all times.",
        "affine": "Learned scale and shift.",
        "eps": "Added to the variance.",
        "momentum": "The share of a new batch in the running statistics, as in PyTorch.",
        "scale": "Where the scale of the affine part starts.",
    },
    "Input": {
        "shape": "One image or one slice of a sequence, channels first: [C, H, W], [C, L] or [C].",
        "t": "When the pre-net's output arrives at the entry state.",
        "state": "Where it arrives; the first state if nothing is said.",
        "sequence": "The input is [N, T, C, H, W], and its k-th slice arrives at the k-th of the times t.",
    },
    "State": {
        "shape": "Channels first: [C, H, W], [C, L] or [C].",
        "label": "Shown in pictures instead of the name.",
        "merge": "How arrivals are joined here; as in the whole net if nothing is said.",
        "update": "Applied after the merge; keeps the shape.",
        "hold": "Keep the value at times at which nothing arrives.",
        "unpopulated": "What this state is before anything has arrived; as in the whole net if nothing is said.",
        "noise": "Normal noise that is added after the update, in every pass.",
        "part": "The name of the part that the state is made of.",
    },
    "Noise": {
        "std": "The standard deviation.",
        "t": "The times at which it is added; always if nothing is said.",
    },
    "Gain": {
        "init": "The factor, or where learning starts.",
        "learn": "Whether it is a parameter, one number for the whole transition.",
    },
    "Cell": {
        "ops": 'The transition function, such as "BRCx2+I"; or "-", which blocks.',
        "delay": "How many steps before it arrives the transition reads its source; wins over the slab's.",
        "gain": "A factor for the transition's result, before the merge.",
        "lipschitz": "What the Lipschitz constant of the function beside an identity is held below, such as 0.95.",
        "noise": "The standard deviation of normal noise that is added to the result, in every pass.",
    },
    "Slab": {
        "t": 'When its transitions arrive, such as 4, "5..7", "1..inf" or "T-1"; always if nothing is said.',
        "delay": "How many steps before they arrive the transitions read their source; 1 unless unroll says otherwise.",
    },
    "Part": {
        "states": "Inner states, in order: the first takes what arrives, the last is what others read.",
        "transitions": "Slabs between the inner states.",
        "unroll": "For the transitions inside; as in the whole net if nothing is said.",
    },
    "PreNet": {
        "ops": 'From the input to the entry state, in no time: "CBRC".',
        "norm": "Keys of [norm] that are different here.",
    },
    "PostNet": {
        "ops": 'From the state that is read out to the logits, in no time: "BRGL".',
        "classes": "The length of the logits.",
        "norm": "Keys of [norm] that are different here.",
    },
    "SharingSet": {
        "members": 'Which transitions, at which times: "V1->V1", "V1->V2@1..5", "*->*#conv*", ["V1", "V2", 3].',
        "except": "Which of them are left out.",
        "coupling": "Separate tensors whose gradients are mixed, from 0, not at all, to 1; without it they are one.",
        "kernel": "Of a coupling: all members count alike, or near ones in time more than far ones.",
        "start": "Of a coupling: whether the tensors start with the same values.",
    },
    "Sharing": {
        "over_time": "Whether a transition has the same weights at all times.",
        "sets": "Weight-sharing sets.",
    },
    "Readout": {
        "t": 'When the post-net reads, such as 5, [5, 10] or "2..4"; the last one is T.',
        "state": "What it reads; the last state if nothing is said.",
        "combine": "What several readouts give: all of them, their mean, or at each time the mean (cumulative) or the "
        "sum of those up to then.",
        "weights": "Weights of the losses, one a readout time; at least 0, not all 0.",
    },
}

ROW = "The state that the transitions come from: { to = function, ... }."

OPS = {
    "norm": "B: normalisation; what is not said is as in [norm].",
    "relu": "R: max(x, 0).",
    "conv": "C: convolution, 3x3 unless told.",
    "deconv": "D: transposed convolution, 3x3 unless told; doubles the size.",
    "max_pool": "P: max pooling, 2x2 unless told.",
    "avg_pool": "A: average pooling, 2x2 unless told.",
    "global_pool": "G: global average pooling; a map becomes a vector.",
    "linear": "L: linear layer; a map is flattened first.",
    "identity": "I: nothing.",
    "pad_identity": "Ip: every s-th pixel, and new channels that are zero.",
    "first_value": "I0: from a state to itself, the state's first value instead of the one before.",
    "elu": "ELU.",
    "gelu": "GELU.",
    "leaky_relu": "Leaky ReLU.",
    "sigmoid": "Sigmoid.",
    "silu": "SiLU: x * sigmoid(x).",
    "softplus": "Softplus.",
    "tanh": "Hyperbolic tangent.",
}
SUM = "Branches that read one value and are added."

SETTINGS = {
    "kernel": "The window's size; odd for convolutions, unless a padding is given.",
    "stride": "Fitted to the sizes of the two states if nothing is said; 2 for pooling.",
    "padding": "Keeps the size at stride 1 if nothing is said.",
    "dilation": "Steps between the window's pixels.",
    "groups": "Groups of channels; divides those that come and those that go.",
    "width": "The channels that go on.",
    "bias": "Whether there is a bias: none in convolutions, one in linear layers if nothing is said.",
    "init": "How the weights start: a scheme, a number, or an array of the tensor's shape.",
    "bias_init": "How the bias starts: zeros, ones, a number or an array.",
    "alpha": "What it tends to on the left, with its sign changed.",
    "negative_slope": "The slope on the left.",
    "beta": "How sharp the bend is.",
}
