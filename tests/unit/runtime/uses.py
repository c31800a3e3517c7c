"""Common uses of PyTorch modules, each tried on a net: the rows of the contract."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.func import functional_call, grad, jvp, stack_module_state, vmap
from torch.nn.utils import (
    clip_grad_norm_,
    parameters_to_vector,
    parametrizations,
    prune,
    vector_to_parameters,
    weight_norm,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.checkpoint import checkpoint

IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
LABELS = torch.tensor([0, 1, 2, 1])

Use = Callable[[Any], None]
USES: dict[str, Use] = {}
"""Uses by name: each applies an operation to a net and raises if the result is not as expected."""


def use(function: Use) -> Use:
    USES[function.__name__.replace("_", " ")] = function
    return function


def close(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> None:
    largest = float(b.detach().abs().max()) if b.numel() else 1.0
    assert a.shape == b.shape
    assert float((a - b).detach().abs().max()) <= tolerance * largest if b.numel() else True


def loss_of(output: Tensor) -> Tensor:
    return nn.functional.cross_entropy(output.float(), LABELS)


def still(net: Any) -> Tensor:
    """The outputs in evaluation mode, in which nothing changes."""
    was = [(module, module.training) for module in net.modules()]
    net.eval()
    with torch.no_grad():
        made: Tensor = net(IMAGES)
    for module, training in was:
        module.training = training
    return made


def layers(net: Any, kind: type[nn.Module]) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, kind)]


# ---- training


@use
def train_by_sgd(net: Any) -> None:
    before, net = still(net), net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = loss_of(net(IMAGES))
        loss.backward()
        clip_grad_norm_(net.parameters(), 10.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert not torch.equal(still(net), before)


@use
def train_by_lbfgs(net: Any) -> None:
    optimizer, losses = torch.optim.LBFGS(net.parameters(), lr=0.1), []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(net(IMAGES))
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(3):
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    assert losses[-1] < losses[0]


@use
def double_backward(net: Any) -> None:
    images = IMAGES.clone().requires_grad_()
    (first,) = torch.autograd.grad(loss_of(net.eval()(images)), images, create_graph=True)
    first.square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


@use
def activation_checkpointing(net: Any) -> None:
    net.eval()
    ours, theirs = IMAGES.clone().requires_grad_(), IMAGES.clone().requires_grad_()
    loss_of(net(ours)).backward()
    loss_of(checkpoint(net, theirs, use_reentrant=False)).backward()
    assert ours.grad is not None
    assert theirs.grad is not None
    close(theirs.grad, ours.grad)


@use
def autocast(net: Any) -> None:
    wanted = still(net)
    with torch.autocast("cpu", torch.bfloat16):
        made = net.eval()(IMAGES)
        assert made.dtype == torch.bfloat16
    close(made.float(), wanted, 0.1)
    loss_of(made).backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in net.parameters())


@use
def a_scaler_of_gradients(net: Any) -> None:
    scaler, optimizer = torch.amp.GradScaler("cpu", init_scale=8.0), torch.optim.SGD(net.parameters(), lr=0.1)
    before = parameters_to_vector(net.parameters()).clone()
    scaler.scale(loss_of(net(IMAGES))).backward()
    scaler.step(optimizer)
    scaler.update()
    assert not torch.equal(parameters_to_vector(net.parameters()), before)


@use
def moving_average_of_weights(net: Any) -> None:
    average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    average.update_parameters(net)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(1.0)
    average.update_parameters(net)
    for mine, parameter in zip(average.module.parameters(), net.parameters(), strict=True):
        close(mine, parameter - 0.5)


@use
def stochastic_weight_averaging(net: Any) -> None:
    average = AveragedModel(net)
    average.update_parameters(net)
    close(still(average), still(net))


@use
def a_frozen_area(net: Any) -> None:
    """Weights and statistics of an area in evaluation mode do not change."""
    net.train()
    net.h2.eval().requires_grad_(False)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    optimizer = torch.optim.SGD((p for p in net.parameters() if p.requires_grad), lr=0.1)
    loss_of(net(IMAGES)).backward()
    optimizer.step()
    moved = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert moved
    assert not any(name.startswith("h2.") for name in moved)
    assert any(name.endswith("running_mean") for name in moved)


# ---- layers


@use
def a_hook_on_a_state_s_output(net: Any) -> None:
    seen: list[Tensor] = []
    handle = net.h1.output.register_forward_hook(lambda module, given, value: seen.append(value))
    net(IMAGES)
    handle.remove()
    assert len(seen) == len(net.h1.times) > 1


@use
def a_hook_on_a_state_s_output_that_changes_it(net: Any) -> None:
    before = still(net)
    net.h1.output.register_forward_hook(lambda module, given, value: value * 0)
    assert not torch.allclose(still(net), before)


@use
def a_hook_on_a_layer(net: Any) -> None:
    seen: list[Tensor] = []
    net.h1.from_h1.conv1.register_forward_hook(lambda module, given, value: seen.append(value))
    net(IMAGES)
    assert len(seen) > 1


@use
def a_backward_hook_on_a_layer(net: Any) -> None:
    """As registered by captum's layer attribution."""
    seen: list[Any] = []
    net.post_net.linear1.register_full_backward_hook(lambda module, given, made: seen.append(made))
    loss_of(net(IMAGES)).backward()
    assert len(seen) == 1


@use
def pruning(net: Any) -> None:
    wanted = _without_half_of_its_weights(copy.deepcopy(net))
    prune.l1_unstructured(net.h1.from_h1.conv1, "weight", 0.5)  # type: ignore[no-untyped-call]
    close(still(net), wanted)


@use
def pruning_that_is_made_permanent(net: Any) -> None:
    wanted = _without_half_of_its_weights(copy.deepcopy(net))
    prune.l1_unstructured(net.h1.from_h1.conv1, "weight", 0.5)  # type: ignore[no-untyped-call]
    prune.remove(net.h1.from_h1.conv1, "weight")  # type: ignore[no-untyped-call]
    close(still(net), wanted)


def _without_half_of_its_weights(net: Any) -> Tensor:
    weight = net.h1.from_h1.conv1.weight
    with torch.no_grad():
        weight[weight.abs() <= weight.abs().flatten().kthvalue(weight.numel() // 2).values] = 0
    return still(net)


@use
def weight_norm_by_hooks(net: Any) -> None:
    before = still(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weight_norm(net.h1.from_h1.conv1)
    close(still(net), before)
    net.h1.from_h1.conv1.weight_g.data.mul_(2)
    assert not torch.allclose(still(net), before)


@use
def weight_norm_by_parametrisation(net: Any) -> None:
    before = still(net)
    parametrizations.weight_norm(net.h1.from_h1.conv1)
    close(still(net), before)
    net.h1.from_h1.conv1.parametrizations.weight.original0.data.mul_(2)
    assert not torch.allclose(still(net), before)


@use
def spectral_norm_by_parametrisation(net: Any) -> None:
    other = copy.deepcopy(net)
    parametrizations.spectral_norm(net.h1.from_h1.conv1)
    other.h1.from_h1.conv1.weight.data.copy_(net.h1.from_h1.conv1.eval().weight.detach())
    close(still(net), still(other))
    loss_of(net(IMAGES)).backward()
    assert net.h1.from_h1.conv1.parametrizations.weight.original.grad is not None


@use
def another_layer_of_its_class(net: Any) -> None:
    before, old = still(net), net.h1.from_h1.conv1
    new = nn.Conv2d(4, 4, 3, padding=1, bias=False)
    net.h1.from_h1.conv1 = new
    assert not torch.allclose(still(net), before)
    new.weight.data.copy_(old.weight)
    close(still(net), before)


@use
def a_layer_of_another_class(net: Any) -> None:
    class Twice(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * super().forward(x)

    before, old = still(net), net.post_net.linear1
    net.post_net.linear1 = Twice(old.in_features, old.out_features)
    net.post_net.linear1.load_state_dict(old.state_dict())
    close(still(net), 2 * before)


@use
def another_momentum_of_batch_norms(net: Any) -> None:
    wanted = {name: value.clone() for name, value in net.train().state_dict().items()}
    for norm in layers(net, nn.BatchNorm2d):
        norm.momentum = 0.0
    net(IMAGES)
    assert all(torch.equal(value, wanted[name]) for name, value in net.state_dict().items())


@use
def update_of_batch_norms(net: Any) -> None:
    """`update_bn`: the mean of the batches' statistics."""
    update_bn([IMAGES[:2], IMAGES[2:]], net)
    found = {name: value.clone() for name, value in net.state_dict().items() if "running_mean" in name}
    total = {name: torch.zeros_like(value) for name, value in found.items()}
    for part in (IMAGES[:2], IMAGES[2:]):
        for norm in layers(net, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = 1.0
        net.train()(part)
        for name in total:
            total[name] += net.get_buffer(name) / 2
    for name, value in found.items():
        close(value, total[name])


@use
def dynamic_quantisation(net: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = torch.ao.quantization.quantize_dynamic(net.eval(), {nn.Linear})
    assert type(made.post_net.linear1) is not nn.Linear
    close(still(made), still(net), 0.1)


@use
def conversion_to_sync_batch_norm(net: Any) -> None:
    before = still(net)
    made = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    assert layers(made, nn.SyncBatchNorm)
    close(still(made), before)


@use
def initialisation_by_apply(net: Any) -> None:
    def start(module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.zeros_(module.weight)

    net.apply(start)
    assert layers(net, nn.Conv2d)
    assert not net.h1.from_h1.conv1.weight.any()
    close(still(net), net.post_net.linear1.bias.detach().expand(4, -1))


# ---- values and types


@use
def inference_mode(net: Any) -> None:
    wanted = still(net)
    with torch.inference_mode():
        close(net.eval()(IMAGES), wanted)


@use
def float64(net: Any) -> None:
    wanted = still(net)
    close(net.double().eval()(IMAGES.double()).float(), wanted)


@use
def half(net: Any) -> None:
    wanted = still(net)
    close(net.half().eval()(IMAGES.half()).float(), wanted, 0.02)


@use
def bfloat16(net: Any) -> None:
    wanted = still(net)
    made = net.bfloat16().eval()(IMAGES.bfloat16())
    loss_of(made).backward()
    close(made.float(), wanted, 0.2)


@use
def an_empty_batch(net: Any) -> None:
    assert net.eval()(IMAGES[:0]).shape == (0, 3)


@use
def expanded_and_strided_inputs(net: Any) -> None:
    net.eval()
    close(net(IMAGES[:1].expand(4, -1, -1, -1)), net(IMAGES[:1].repeat(4, 1, 1, 1)))
    strided = torch.randn(4, 8, 8, 2, generator=torch.Generator().manual_seed(0)).permute(0, 3, 2, 1)[:, :1]
    assert not strided.is_contiguous()
    close(net(strided), net(strided.contiguous()))
    close(net(IMAGES.contiguous(memory_format=torch.channels_last)), net(IMAGES))


@use
def weights_with_channels_last(net: Any) -> None:
    wanted = still(net)
    net.to(memory_format=torch.channels_last)
    close(still(net), wanted)
    loss_of(net(IMAGES)).backward()
    assert net.h1.from_h1.conv1.weight.is_contiguous(memory_format=torch.channels_last)


@use
def weights_as_a_vector(net: Any) -> None:
    before, vector = still(net), parameters_to_vector(net.parameters())
    vector_to_parameters(vector * 2, net.parameters())
    assert not torch.allclose(still(net), before)
    vector_to_parameters(vector, net.parameters())
    close(still(net), before)


# ---- torch.func


def _parts(net: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return dict(net.named_parameters()), dict(net.named_buffers())


@use
def functional_call_with_other_weights(net: Any) -> None:
    parameters, buffers = _parts(net.eval())
    other = {name: value.detach() * 2 for name, value in parameters.items()}
    wanted = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in wanted.parameters():
            parameter.mul_(2)
    close(functional_call(net, (other, buffers), (IMAGES,)), still(wanted))


@use
def gradients_of_each_sample(net: Any) -> None:
    parameters, buffers = _parts(net.eval())
    parameters = {name: value.detach() for name, value in parameters.items()}

    def loss(weights: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        output = functional_call(net, (weights, buffers), (image[None],))
        return nn.functional.cross_entropy(output, label[None])

    found = vmap(grad(loss), (None, 0, 0))(parameters, IMAGES, LABELS)
    (name, value) = next(iter(found.items()))
    for k in range(len(IMAGES)):
        close(value[k], grad(loss)(parameters, IMAGES[k], LABELS[k])[name], 1e-4)


@use
def forward_mode_derivatives(net: Any) -> None:
    net.double().eval()
    images, towards = IMAGES.double(), torch.ones_like(IMAGES.double())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its jit
        value, slope = jvp(net, (images,), (towards,))
    step = 1e-6
    close(slope, (net(images + step * towards) - net(images - step * towards)) / (2 * step), 1e-4)
    close(value, net(images))


@use
def an_ensemble_of_stacked_weights(net: Any) -> None:
    """`stack_module_state` needs modules of one class, but each GraphModule has a separate class: stack by hand."""
    nets = [net.eval(), copy.deepcopy(net).eval()]
    with torch.no_grad():
        for parameter in nets[1].parameters():
            parameter.mul_(1.5)
    try:
        stack_module_state(nets)
    except RuntimeError as error:
        assert "same class" in str(error)  # noqa: PT017 - it is torch that refuses
    else:
        raise AssertionError("torch stacks graph modules: the README need not say how")
    names = [name for name, _ in net.named_parameters()]
    stacked = {name: torch.stack([each.get_parameter(name).detach() for each in nets]) for name in names}
    buffers = {name: torch.stack([each.get_buffer(name) for each in nets]) for name, _ in net.named_buffers()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says which of its functions are slow here
        run = vmap(lambda weights, statistics: functional_call(net, (weights, statistics), (IMAGES,)))
        made = run(stacked, buffers)
    for k, each in enumerate(nets):
        close(made[k], still(each))


# ---- copies


@use
def deepcopy(net: Any) -> None:
    made, wanted = copy.deepcopy(net), still(net)
    close(still(made), wanted, 0)
    with torch.no_grad():
        made.h1.from_h1.conv1.weight.zero_()
    close(still(net), wanted, 0)


@use
def pickling(net: Any) -> None:
    made = pickle.loads(pickle.dumps(net))
    assert made.training == net.training
    close(still(made), still(net), 0)


@use
def torch_save(net: Any) -> None:
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    close(still(torch.load(file, weights_only=False)), still(net), 0)


@use
def a_state_dict(net: Any) -> None:
    made, wanted = copy.deepcopy(net), still(net)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(1)
    counted = {f"{name}.num_batches_tracked": torch.tensor(5) for name in ("h1.from_h1.norm1.t2", "post_net.norm1.t3")}
    assert all(made.get_submodule(name.rpartition(".")[0]) for name in counted)
    made.load_state_dict(net.state_dict() | counted)
    close(still(made), wanted, 0)
    try:
        made.load_state_dict(net.state_dict() | {"h1.unknown": torch.zeros(1)})
    except RuntimeError as error:
        assert "h1.unknown" in str(error)  # noqa: PT017
    else:
        raise AssertionError("a tensor of no layer is loaded")


@use
def meta_device_and_back(net: Any) -> None:
    wanted, state = still(net), copy.deepcopy(net.state_dict())
    net.to("meta")
    assert net(IMAGES.to("meta")).shape == (4, 3)
    net.to_empty(device="cpu").load_state_dict(state)
    close(still(net), wanted, 0)


@use
def forked_workers(net: Any) -> None:
    wanted = still(net)
    with multiprocessing.get_context("fork").Pool(1) as pool, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close(torch.from_numpy(pool.apply(_numbers, (net,))), wanted, 1e-5)


def _numbers(net: Any) -> Any:
    torch.set_num_threads(1)
    return still(net).numpy()


@use
def threads(net: Any) -> None:
    wanted, found = still(net.eval()), [torch.empty(0)] * 4

    def run(k: int) -> None:
        with torch.no_grad():
            found[k] = net(IMAGES)

    running = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for made in found:
        close(made, wanted)


# ---- compilers


@use
def torch_compile(net: Any) -> None:
    wanted = still(net)
    made = torch.compile(net.eval(), backend="aot_eager", fullgraph=True)
    images = IMAGES.clone().requires_grad_()
    output = made(images)
    close(output, wanted)
    loss_of(output).backward()
    assert images.grad is not None


@use
def torch_export(net: Any) -> None:
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(net.eval(), (IMAGES,), dynamic_shapes=({0: batch},))
    close(exported.module()(IMAGES[:3]), net(IMAGES[:3]))


@use
def tracing_by_jit(net: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(net.eval(), (IMAGES,))  # type: ignore[no-untyped-call]
    close(traced(IMAGES), still(net))


@use
def tracing_by_fx(net: Any) -> None:
    close(still(torch.fx.symbolic_trace(net.eval())), still(net))


@use
def torchvision_s_feature_extractor(net: Any) -> None:
    from torchvision.models.feature_extraction import create_feature_extractor

    names = {"h2.output": "first", "h2.output_1": "second"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = create_feature_extractor(net.eval(), names)
    found, wanted = made(IMAGES), net.activations(IMAGES, "h2@*")
    close(found["first"], wanted["h2", net.h2.times[0]])
    close(found["second"], wanted["h2", net.h2.times[1]])


# ---- several processes


@contextmanager
def one_process() -> Iterator[None]:
    with TemporaryDirectory() as folder:
        dist.init_process_group("gloo", init_method=f"file://{Path(folder) / 'store'}", rank=0, world_size=1)
        try:
            yield
        finally:
            dist.destroy_process_group()


@use
def data_parallel(net: Any) -> None:
    _in_parallel(net)


@use
def data_parallel_of_a_static_graph(net: Any) -> None:
    _in_parallel(net, static_graph=True)


def _in_parallel(net: Any, **settings: Any) -> None:
    other = copy.deepcopy(net)
    loss_of(other(IMAGES)).backward()
    with one_process():
        made = nn.parallel.DistributedDataParallel(net, **settings)
        loss_of(made(IMAGES)).backward()
    for mine, theirs in zip(net.parameters(), other.parameters(), strict=True):
        assert mine.grad is not None
        assert theirs.grad is not None
        close(mine.grad, theirs.grad, 1e-4)


@use
def fully_sharded(net: Any) -> None:
    from torch.distributed.fsdp import fully_shard

    wanted = still(net)
    with one_process(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (1,))
        made: Any = fully_shard(net, mesh=mesh)
        loss_of(made.eval()(IMAGES)).backward()
        assert made.h1.from_h1.conv1.weight.grad is not None
        torch.optim.SGD(made.parameters(), lr=0.0).step()
        close(still(made), wanted)
