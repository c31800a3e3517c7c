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
train: training recipe fit trainer trainconfig hyperparameters hparams
recipe: extends base inherits inherit parent preset config
data: dataset datadir trainset traindata
train_size: ntrain numtrain trainsamples trainsubset subset
validation: val valid valsplit validationsplit valfraction valsize validationsize validsize
split_seed: valseed splitrandomstate
augment: augmentation augmentations aug aa autoaugment dataaugmentation transform transforms
epochs: epoch nepochs numepochs maxepochs
steps: maxsteps totalsteps iterations iters maxiter trainsteps
batch_size: batch bs batchsize trainbatchsize perdevicetrainbatchsize
accumulate: gradaccumsteps gradientaccumulation gradientaccumulationsteps accumulategradbatches accumgrad
optimizer: opt optim optimiser solver
lr: learningrate baselr initlr initiallr maxlr peaklr eta0
nesterov: usenesterov
betas: beta optbetas adambetas beta1 beta2
eps: opteps
weight_decay: wd l2 weightdecay l2penalty
decay: filterbiasandbn nobiasdecay
groups: paramgroups parametergroups
schedule: sched scheduler lrscheduler lrschedule lrsched policy lrpolicy
label_smoothing: smoothing labelsmooth
readout_weights: lossweights
clip_norm: clipgrad gradclip clipgradnorm gradientclip gradientclipval gradclipnorm clipnorm maxgradnorm clip
ema: modelema modelemadecay emadecay
precision: amp ampdtype mixedprecision dtype fp16 bf16
compile: torchcompile jit
channels_last: memoryformat
seed: randomseed manualseed randomstate
patience: earlystopping earlystop earlystoppingpatience
monitor: testeachepoch evaluate evaleachepoch
kind: name policy schedule
at: milestones decaymilestones decayepochs boundaries stepsize
factor: gamma decayrate drop
end: minlr etamin finallr endlr lrmin
count: n num stages
warmup: warmupepochs numwarmupsteps warmupsteps pctstart
members: params parameters select selector
freeze: frozen fixed
second: secondary adam rest
constant: none fixed constantlr
steps: step multistep multisteplr steplr piecewise piecewiseconstant
logspace: exponential exponentiallr geometric
cosine: cosineannealing cosineannealinglr cosinedecay
one-cycle: onecyclelr superconvergence
fp32: float32 float single full
fp64: float64 double
bf16: bfloat16 mixed bf16mixed
adamw: adam
sgd: momentum sgdm
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
    "optimizer": "how a net is trained stands in the table [train]",
    "device": "a spec does not say what it runs on: graphnet train --device",
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
    "optimizer": "training lr learningrate epochs epoch batchsize loss scheduler momentum seed dtype",
    "device": "gpu gpus cuda accelerator",
    "description": "comment comments note notes author doc docs license",
}
ELSEWHERE |= {other: ELSEWHERE[word] for word, others in _LIKE.items() for other in others.split()}

IN_A_RECIPE = {
    "warmupepochs": 'it is part of the schedule: schedule = { kind = "cosine", warmup = 5 }',
    "milestones": 'it is part of the schedule: schedule = { kind = "steps", at = [40, 50] }',
    "gamma": 'it is part of the schedule: schedule = { kind = "steps", at = [40, 50], factor = 0.1 }',
    "minlr": 'it is part of the schedule: schedule = { kind = "cosine", end = 1e-5 }',
    "workers": "a recipe does not say what it runs on: graphnet train --workers",
    "device": "a recipe does not say what it runs on: graphnet train --device",
    "output": "a recipe names no folders: graphnet train --output",
    "dataroot": "a recipe names no folders: graphnet train --data-root",
    "resume": "a recipe does not say where a run goes on: graphnet train --resume",
    "loss": "leave it out: the task decides it: cross-entropy for classes, mean squared error for values",
    "fp16": 'there is no fp16, which needs scaled losses; precision = "bf16" does not',
    "freeze": 'freezing is a setting of a group: groups = [{ members = "pre_net.*", freeze = true }]',
    "dropout": "it belongs to the net, not to its training: register an op with graphnet.register_op",
    "mixup": "there is no such augmentation; the names in `augment` change one image each",
    "description": "write a comment after '#'; `cite` names a recipe's source",
}
"""Terms of other trainers without a key of that kind in a recipe → what to use instead."""
_LIKE_IN_A_RECIPE = {
    "warmupepochs": "warmup warmupsteps numwarmupsteps warmuplr pctstart",
    "milestones": "at decaymilestones decayepochs stepsize lrsteps",
    "gamma": "factor decayrate lrgamma",
    "minlr": "etamin finallr endlr",
    "workers": "numworkers nworkers dataloaderworkers pinmemory",
    "device": "gpu gpus cuda accelerator devices strategy",
    "output": "outputdir outdir savedir logdir checkpointdir",
    "dataroot": "root datapath",
    "resume": "resumefrom checkpoint initfrom",
    "loss": "criterion lossfn objective",
    "fp16": "float16 half 16 16mixed",
    "freeze": "frozen freezelayers",
    "mixup": "cutmix randaugment autoaugment",
    "description": "comment comments note notes author doc docs license",
}
IN_A_RECIPE |= {other: IN_A_RECIPE[word] for word, others in _LIKE_IN_A_RECIPE.items() for other in others.split()}


def synonym(word: str, known: tuple[str, ...]) -> str | None:
    """Return the known word that a term of another tool, or another spelling, means."""
    bare = plain(word)
    for name in known:
        if plain(name) == bare and bare:
            return name
    return next((name for name in SYNONYMS.get(bare or word, ()) if name in known), None)
