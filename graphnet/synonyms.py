"""Terms from PyTorch, Keras and papers → the words of this language, for hints in error messages."""

from __future__ import annotations

import re

_WRITTEN = """
sum: add added adding addition additive plus summation summed
mean: average averaged averaging avg ave
max: maximum maxout
product: mul mult multiply multiplied multiplication multiplicative prod times hadamard gate gated
concat: cat concatenate concatenated concatenation stack stacked join

states: areas area layers layer nodes node regions region populations modules blocks units neurons
transitions: connections connection connectivity edges edge arrows arrow links synapses projections matrix adjacency
input: in inputs inputshape inputsize inputdim image images stimulus stimuli
pre_net: encoder stem retina backbone preprocess preprocessing frontend embedding lgn
post_net: decoder head classifier outputlayer readoutlayer backend
readout: output outputs out logits timesteps ntimesteps numsteps nsteps tsteps timestep steps readouttime readouttimes
norm: batchnorm batchnorm1d batchnorm2d bn normalization normalisation normalize normalise batch layernorm groupnorm
graphnet: version
name: title
cite: source reference paper citation doi
let: constants constant variables parameters params define defines
extends: base inherits inherit parent import include includes
merge: aggregation aggregate aggregator combination reduce reduction
sharing: weightsharing weighttying tied shared
unroll: unrolling mode
unpopulated: initialstate initial

shape: channels channel size sizes dim dims dimension dimensions height width features inchannels resolution
label: name title displayname
update: activation act nonlinearity function fn
hold: memory persistent persist keep latch

ops: op operation operations function fn transition layers layer transform layertype type sequence modules
delay: lag timedelay latency
gain: weight strength factor scale scaling coefficient multiplier
noise: std sigma

kind: type method mode norm
affine: learnable learned trainable elementwiseaffine
statistics: stats runningstats trackrunningstats
eps: epsilon
groups: numgroups ngroups
per-time: timespecific tsbn perstep pertimestep timedependent
shared: true learnable learned
batch: batchnorm batchnorm2d bn
group: groupnorm gn
layer: layernorm ln
none: false no off null identity

classes: numclasses nclasses numclass outfeatures outputs units
over_time: shareweights sharedovertime acrosstime tiedovertime sharedweights
sets: tie ties tied tying members share shared
members: transitions connections pairs layers weights tie
except: exclude excluding excluded without
coupling: lambda alpha

t: time times timestep timesteps ntimesteps steps step nsteps numsteps when at
state: layer area node source
combine: reduction aggregate aggregation
cumulative: cum running cumulativemean
weights: lossweights

biological: bio
engineering: eng feedforward
zeros: zero
ones: one

conv: conv1d conv2d conv3d convolution convolve
deconv: convtranspose convtranspose2d transposedconv transposeconv deconvolution upconv upsample
max_pool: maxpool maxpool1d maxpool2d maxpooling pool pooling
avg_pool: avgpool avgpool2d averagepool averagepooling meanpool
global_pool: gap globalavgpool globalaveragepool globalaveragepooling adaptiveavgpool adaptiveavgpool2d
linear: fc dense fullyconnected mlp
identity: id skip shortcut residual x
leaky_relu: lrelu
silu: swish
sigmoid: sigm logistic

kernel: kernelsize ksize filtersize windowsize
width: outchannels channels outfeatures filters units features
stride: strides
padding: pad
dilation: dilationrate
bias: usebias
init: kernelinitializer weightinit initializer initialization
negative_slope: slope
he: kaiming kaiminguniform kaimingnormal heinit henormal heuniform
glorot: xavier xavieruniform xaviernormal glorotuniform glorotnormal
"""

_SIGNS = {"+": "sum", "*": "product", "×": "product"}


def plain(word: str) -> str:
    """Normalise a word: lower case, no separators."""
    return re.sub(r"[\W_]+", "", word.lower())


def _read(written: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {sign: (word,) for sign, word in _SIGNS.items()}
    for line in filter(None, written.splitlines()):
        own, _, others = line.partition(": ")
        for other in others.split():
            found[other] = (*found.get(other, ()), own)
    return found


SYNONYMS = _read(_WRITTEN)
"""Normalised term of another tool → the words of this language that it may mean."""

ELSEWHERE = {
    "dropout": "there is no dropout op; register your own with graphnet.register_op",
    "flatten": "leave it out: L flattens the map it reads",
    "softmax": "leave it out: the net returns logits, and the loss takes their softmax",
    "instance": "instance norm is group norm with as many groups as channels",
    "upsample": "D doubles the size of a map",
    "residual": 'an identity is a branch of the function, such as "BRC+I"',
    "bias": "a bias needs the list form: [{ conv = { bias = true } }]",
    "kernel": 'write it in the function, such as "C5:64/2", or in its list form',
    "optimizer": "a spec describes the net alone; training has its options: graphnet train --help",
    "description": "write a comment after '#'; `cite` names a net's source",
}
"""Terms without a counterpart in the language → what to use instead."""
_LIKE = {
    "dropout": "dropout2d drop",
    "flatten": "reshape view",
    "softmax": "logsoftmax",
    "instance": "instancenorm instancenorm2d",
    "upsample": "interpolate unpool",
    "residual": "skip shortcut",
    "bias": "usebias",
    "kernel": "kernelsize stride strides padding groups dilation outchannels inchannels",
    "optimizer": "training train lr learningrate epochs epoch batchsize loss scheduler momentum seed device dtype",
    "description": "comment comments note notes author doc docs license",
}
ELSEWHERE |= {other: ELSEWHERE[word] for word, others in _LIKE.items() for other in others.split()}


def synonym(word: str, known: tuple[str, ...]) -> str | None:
    """Return the known word that a term of another tool, or another spelling, means."""
    bare = plain(word)
    for name in known:
        if plain(name) == bare and bare:
            return name
    return next((name for name in SYNONYMS.get(bare or word, ()) if name in known), None)
