"""Reference machine for level 2: with fixed figures, a spec gives the same net everywhere."""

from __future__ import annotations

from graphnet.planning.cost import Machine

TYPICAL = Machine(
    device="a core of a Xeon server at 2.5 GHz with AVX-512, PyTorch 2.15",
    concurrent=False,
    launch={"conv infer": 7.7e-6, "conv train": 1.1e-5, "other infer": 2.4e-6, "other train": 3.2e-6},
    convolving={
        "conv contiguous infer": ((4, 8.7e-11), (16, 1.9e-11), (64, 9.8e-12), (256, 9.3e-12)),
        "conv contiguous train": ((4, 1.6e-10), (16, 1.9e-11), (64, 1.1e-11), (256, 1e-11)),
        "conv channels_last infer": ((4, 5.2e-11), (16, 1.1e-11), (64, 8.1e-12), (256, 9.3e-12)),
        "conv channels_last train": ((4, 5.5e-11), (16, 1.3e-11), (64, 9.4e-12), (256, 1e-11)),
        "conv_transpose contiguous infer": ((4, 2.6e-10), (16, 1.9e-11), (64, 1e-11), (256, 9.1e-12)),
        "conv_transpose contiguous train": ((4, 1.6e-10), (16, 1.9e-11), (64, 1.1e-11), (256, 1e-11)),
        "conv_transpose channels_last infer": ((4, 5.2e-11), (16, 1.1e-11), (64, 8.2e-12), (256, 9.3e-12)),
        "conv_transpose channels_last train": ((4, 5.6e-11), (16, 1.3e-11), (64, 9.4e-12), (256, 1e-11)),
        "linear contiguous infer": ((4, 1.3e-10), (16, 2.5e-11), (64, 1.1e-11), (256, 8.3e-12)),
        "linear contiguous train": ((4, 1.4e-10), (16, 3.3e-11), (64, 1.4e-11), (256, 1e-11)),
        "linear channels_last infer": ((4, 1.3e-10), (16, 2.5e-11), (64, 1.1e-11), (256, 8.3e-12)),
        "linear channels_last train": ((4, 1.4e-10), (16, 3.3e-11), (64, 1.4e-11), (256, 1e-11)),
    },
    moving={
        "batch_norm contiguous infer": 1e-10,
        "batch_norm contiguous train": 3.5e-10,
        "batch_norm channels_last infer": 1e-10,
        "batch_norm channels_last train": 2.5e-10,
        "group_norm contiguous infer": 1.3e-10,
        "group_norm contiguous train": 2.3e-10,
        "group_norm channels_last infer": 1.3e-10,
        "group_norm channels_last train": 4.1e-10,
        "layer_norm contiguous infer": 1.7e-10,
        "layer_norm contiguous train": 2.4e-10,
        "layer_norm channels_last infer": 4e-10,
        "layer_norm channels_last train": 4.5e-10,
        "elementwise contiguous infer": 8.7e-11,
        "elementwise contiguous train": 1.3e-10,
        "elementwise channels_last infer": 8.7e-11,
        "elementwise channels_last train": 1.3e-10,
    },
)
"""Measured by `graphnet.runtime.machine_profile.measure`: the minimum of three."""
