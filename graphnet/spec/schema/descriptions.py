"""Short descriptions of all keys, which editors show beside them."""

from __future__ import annotations

from graphnet.spec.schema import experiment_descriptions, recipe_descriptions

SPEC = "A net for graphnet to compile: its states, and the transition functions between them over time."

TABLES = {
    "Norm": "Settings of B; pre_net.norm, post_net.norm and a norm op in list form only override some of them.",
    "Input": "The input, and when it arrives.",
    "State": "A node that holds one value at each time: a shape such as [64, 32, 32], or a table.",
    "Noise": "Normal noise on a state's value: a standard deviation, or { std = 0.1, t = ... }.",
    "Gain": "A factor for the transition's result: a number, or { init = 0, learn = true }.",
    "Cell": 'A transition function such as "BRCx2+I", as a string or a list; "-", which blocks; or a table with ops.',
    "Slab": "Transition functions from state to state and the times at which they hold: { from = { to = function } }.",
    "Part": "States and transitions that make up a state: { shape = [...], part = name }.",
    "PreNet": "The function from the input to the entry state.",
    "PostNet": "The function from the state that is read out to the logits.",
    "SharingSet": "Transitions whose weights are tied, layer by layer, or softly coupled.",
    "Sharing": "Weight sharing.",
    "Readout": "When and how the net is read out.",
    **recipe_descriptions.TABLES,
    **experiment_descriptions.TABLES,
}

KEYS = {
    "Spec": {
        "graphnet": "The version of the language: 1.",
        "$schema": "For JSON editors; graphnet ignores it.",
        "name": "Shown in pictures and tables.",
        "cite": "The net's source; shown beside the name.",
        "extends": "Relative path of a .toml or .json spec that this one extends.",
        "let": 'Named whole numbers for times, shapes and widths: N = 3, M = "2N+1".',
        "input": "The input, and when it arrives.",
        "merge": "How arrivals at a state are combined; a state may override it.",
        "unroll": "biological: every arrow takes one step; engineering: arrows to later states take none.",
        "unpopulated": "State before anything has arrived: empty, so that it sends nothing, or zeros.",
        "states": "The states, in order: the first takes the input, the last is read out.",
        "parts": "Groups of states that can make up a state.",
        "transitions": "Slabs of the transition matrix; a later one overrides an earlier one, cell by cell.",
        "norm": "Settings of B.",
        "pre_net": "From the input to the entry state; without it the image itself arrives, and must fit.",
        "post_net": "From the state that is read out to the logits; without it that state's value is the output.",
        "sharing": "Weight sharing.",
        "readout": "When and how the net is read out.",
        "train": "How the net is trained; a recipe file and options of graphnet train override it.",
    },
    "Norm": {
        "kind": "What mean and variance are computed over; none: B does nothing.",
        "groups": "Number of groups of group norm; must divide the channels.",
        "statistics": "For batch norm: each transition has separate statistics per time, or shared ones.",
        "affine": "Learned scale and shift.",
        "eps": "Added to the variance.",
        "momentum": "Weight of a new batch in the running statistics, as in PyTorch.",
        "scale": "Initial value of the affine scale.",
    },
    "Input": {
        "shape": "One image or one slice of a sequence, channels first: [C, H, W], [C, L] or [C].",
        "t": "When the pre-net's output arrives at the entry state.",
        "state": "Where it arrives; by default the first state.",
        "sequence": "The input is [N, T, C, H, W], and its k-th slice arrives at the k-th of the times t.",
    },
    "State": {
        "shape": "Channels first: [C, H, W], [C, L] or [C].",
        "label": "Shown in pictures instead of the name.",
        "merge": "How arrivals are combined here; by default as in the whole net.",
        "update": "A function applied after the merge; keeps the shape.",
        "hold": "Keep the value at times at which nothing arrives.",
        "unpopulated": "This state before anything has arrived; by default as in the whole net.",
        "noise": "Normal noise, added after the update in every pass.",
        "part": "Name of the part that makes up the state.",
    },
    "Noise": {
        "std": "The standard deviation.",
        "t": "The times at which it is added; by default always.",
    },
    "Gain": {
        "init": "The factor, or its initial value if it is learned.",
        "learn": "Learn the factor: one parameter for the whole transition.",
    },
    "Cell": {
        "ops": 'The transition function, such as "BRCx2+I"; or "-", which blocks.',
        "delay": "Steps between reading the source and arriving at the target; overrides the slab's.",
        "gain": "Factor of the transition's result, before the merge.",
        "lipschitz": "Upper bound of the Lipschitz constant of the function beside an identity, such as 0.95.",
        "noise": "Standard deviation of normal noise, added to the result in every pass.",
    },
    "Slab": {
        "t": 'When its transitions arrive, such as 4, "5..7", "1..inf" or "T-1"; by default always.',
        "delay": "Steps between reading the source and arriving at the target; by default as unroll sets it.",
    },
    "Part": {
        "states": "Inner states, in order: the first takes what arrives, the last is what others read.",
        "transitions": "Slabs between the inner states.",
        "unroll": "For the transitions inside; by default as in the whole net.",
    },
    "PreNet": {
        "ops": 'From the input to the entry state, in no time: "CBRC".',
        "norm": "Keys of [norm] to override here.",
    },
    "PostNet": {
        "ops": 'From the state that is read out to the logits, in no time: "BRGL".',
        "classes": "The length of the logits.",
        "norm": "Keys of [norm] to override here.",
    },
    "SharingSet": {
        "members": 'Which transitions, at which times: "V1->V1", "V1->V2@1..5", "*->*#conv*", ["V1", "V2", 3].',
        "except": "Which of them are left out.",
        "coupling": "Mix the gradients of separate tensors, from 0 (not at all) to 1; without it they are one tensor.",
        "kernel": "Weights of a coupling: equal for all members, or higher for members close in time.",
        "start": "Whether coupled tensors start with the same values.",
    },
    "Sharing": {
        "over_time": "Whether a transition has the same weights at all times.",
        "sets": "Weight-sharing sets.",
    },
    "Readout": {
        "t": 'When the post-net reads, such as 5, [5, 10] or "2..4"; the last one is T.',
        "state": "What it reads; by default the last state.",
        "combine": "Output for several readouts: all of them, their mean, or at each time the mean (cumulative) or the "
        "sum (cumulative-sum) of those so far.",
        "weights": "Loss weights, one per readout time; at least 0, not all 0.",
    },
    **recipe_descriptions.KEYS,
    **experiment_descriptions.KEYS,
}

ROW = "The state that the transitions come from: { to = function, ... }."

OPS = {
    "norm": "B: normalisation; defaults are those of [norm].",
    "relu": "R: max(x, 0).",
    "conv": "C: convolution, by default 3x3.",
    "deconv": "D: transposed convolution, by default 3x3; doubles the size.",
    "max_pool": "P: max pooling, by default 2x2.",
    "avg_pool": "A: average pooling, by default 2x2.",
    "global_pool": "G: global average pooling; a map becomes a vector.",
    "linear": "L: linear layer; a map is flattened first.",
    "identity": "I: the value itself.",
    "pad_identity": "Ip: every s-th pixel, padded with channels of zeros.",
    "first_value": "I0: in a self-transition, the state's first value instead of the previous one.",
    "elu": "ELU.",
    "gelu": "GELU.",
    "leaky_relu": "Leaky ReLU.",
    "sigmoid": "Sigmoid.",
    "silu": "SiLU: x * sigmoid(x).",
    "softplus": "Softplus.",
    "tanh": "Hyperbolic tangent.",
}
SUM = "Branches that read the same value and are added."

SETTINGS = {
    "kernel": "Window size; odd for convolutions, unless padding is set.",
    "stride": "By default fitted to the sizes of the two states; 2 for pooling.",
    "padding": "By default keeps the size at stride 1.",
    "dilation": "Spacing between the window's pixels.",
    "groups": "Number of groups; must divide the input and the output channels.",
    "width": "Output channels.",
    "bias": "Whether there is a bias; by default only in linear layers.",
    "init": "Initial weights: a scheme, a number, or an array of the tensor's shape.",
    "bias_init": "Initial bias: zeros, ones, a number or an array.",
    "alpha": "Tends to -alpha for large negative inputs.",
    "negative_slope": "Slope for negative inputs.",
    "beta": "Sharpness of the bend.",
}
