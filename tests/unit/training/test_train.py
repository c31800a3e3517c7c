import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet.spec.recipe import Recipe
from graphnet.training.data.dataset import Dataset
from graphnet.training.data.images import TensorImages
from graphnet.training.data.named import load_dataset
from graphnet.training.devices import choose_device
from graphnet.training.errors import DivergenceError, RecipeError, Stopped, TrainingError, TrainingWarning
from graphnet.training.events import EpochDone, Event, Started
from graphnet.training.loop.evaluation import evaluate
from graphnet.training.loop.train import train
from tests.small import small
from tests.unit.training.nets import TwoReadouts, few_digits, small_cnn


@pytest.fixture(scope="module")
def few() -> Dataset:
    return few_digits()


def test_a_small_net_learns_digits() -> None:
    result = train(small_cnn(), load_dataset("digits"), Recipe(epochs=4, monitor=True), device="cpu")
    assert result.evaluation.final_accuracy > 0.95
    assert [epoch.epoch for epoch in result.epochs] == [1, 2, 3, 4]
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss / 3
    assert result.epochs[-1].train_error < 0.03
    assert result.epochs[-1].monitored_error == result.evaluation.error
    assert result.tested == "last"


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_run_repeats_bit_for_bit(dropout: float, few: Dataset) -> None:
    def run(seed: int) -> dict[str, Tensor]:
        net = nn.Sequential(small_cnn(), nn.Dropout(dropout))
        train(net, few, Recipe(epochs=2, seed=seed), device="cpu")
        return dict(net.state_dict())

    first = run(3)
    torch.rand(7)  # the global generator is elsewhere now
    again, other = run(3), run(4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_surroundings_as_found(few: Dataset) -> None:
    net = small_cnn().eval()
    net[1].train()
    modes = [module.training for module in net.modules()]
    before = torch.get_rng_state()
    recipe = Recipe(epochs=1, groups=[{"members": "0", "freeze": True}])
    seen = []
    train(
        net,
        few,
        recipe,
        lambda _: seen.append((torch.are_deterministic_algorithms_enabled(), net[0].weight.requires_grad)),
        device="cpu",
        deterministic=True,
    )
    assert set(seen) == {(True, False)}
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_steps_are_sgd_with_momentum_and_decay(few: Dataset) -> None:
    """Three full batches against the explicit update; the third epoch has a tenth of the rate."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False)).double()
    w = net[1].weight.detach().clone().requires_grad_()
    velocity = torch.zeros_like(w)
    images, labels = few.train.first(130)
    for rate in (0.5, 0.5, 0.05):
        loss = F.cross_entropy(images.double().flatten(1) @ w.T, labels)
        (gradient,) = torch.autograd.grad(loss, w)
        velocity = 0.7 * velocity + gradient + 0.01 * w.detach()
        w = (w.detach() - rate * velocity).requires_grad_()
    schedule = {"kind": "steps", "at": [2]}
    settings = {"batch_size": 200, "lr": 0.5, "momentum": 0.7, "weight_decay": 0.01, "schedule": schedule}
    result = train(net, few, Recipe(epochs=3, precision="fp64", **settings), device="cpu")
    torch.testing.assert_close(net[1].weight, w, rtol=1e-10, atol=1e-12)
    assert result.epochs[2].train_loss == pytest.approx(loss.item(), rel=1e-10)


def test_accumulated_batches_are_one_large_batch(few: Dataset) -> None:
    """Without batch norm, two batches of 65 give the step of one batch of 130 (in another order of summation)."""
    weights = []
    for settings in ({"batch_size": 130}, {"batch_size": 65, "accumulate": 2}):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        train(net, few, Recipe(epochs=2, precision="fp64", lr=0.1, **settings), device="cpu")
        weights.append(net[1].weight.detach())
    torch.testing.assert_close(*weights, rtol=1e-10, atol=1e-12)


def test_clipping_bounds_the_step(few: Dataset) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = net[1].weight.detach().clone(), net[1].bias.detach().clone()
    recipe = Recipe(steps=1, lr=1.0, momentum=0, schedule="constant", clip_norm=1e-3)
    train(net, few, recipe, device="cpu")
    moved = [(new.detach() - old).norm() for new, old in zip((net[1].weight, net[1].bias), before, strict=True)]
    assert math.hypot(*moved) == pytest.approx(1e-3, rel=1e-3)


def test_the_average_is_tested_with_statistics_of_its_own(few: Dataset) -> None:
    net = small_cnn()
    result = train(net, few, Recipe(epochs=2, ema=0.5, lr=0.01), device="cpu")
    assert result.tested == "averaged"
    statistics = net[1].running_mean.clone()
    graphnet.calibrate(net, few.train.batches(64, most=128))
    torch.testing.assert_close(net[1].running_mean, statistics)


def test_the_average_is_an_exponential_moving_one(few: Dataset) -> None:
    net, weights = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), []

    def note(event: Event) -> None:
        if isinstance(event, EpochDone):
            weights.append(net[1].weight.detach().clone())

    recipe = Recipe(epochs=4, ema=0.75, batch_size=130, precision="fp64")
    train(net, few, recipe, note, device="cpu")
    mean = weights[0]
    for weight in weights[1:]:
        mean = 0.75 * mean + 0.25 * weight
    torch.testing.assert_close(net[1].weight.detach(), mean, rtol=1e-10, atol=1e-12)


def test_each_image_is_seen_once_an_epoch_in_another_order(few: Dataset) -> None:
    batches: list[Tensor] = []
    net = small_cnn()
    net.register_forward_pre_hook(lambda module, given: batches.append(given[0]) if module.training else None)
    train(net, few, Recipe(epochs=2, batch_size=65), device="cpu")
    assert [len(batch) for batch in batches] == [65] * 4
    first, second = torch.cat(batches[:2]), torch.cat(batches[2:])
    assert not torch.equal(first, second)
    everything = sorted(few.train.first(130)[0].flatten(1).tolist())
    assert sorted(first.flatten(1).tolist()) == sorted(second.flatten(1).tolist()) == everything


def test_an_incomplete_batch_is_left_out_and_told(few: Dataset) -> None:
    events: list[Event] = []
    train(small_cnn(), few, Recipe(epochs=1), events.append, device="cpu")
    assert isinstance(events[0], Started)
    assert (events[0].steps, events[0].left_out, events[0].images) == (2, 2, 130)


def test_readout_weights_change_what_is_learned(few: Dataset) -> None:
    def first_loss(weights: list[float] | None) -> float:
        torch.manual_seed(0)
        recipe = Recipe(steps=1, readout_weights=weights, batch_size=130)
        return train(TwoReadouts(), few, recipe, device="cpu").epochs[0].train_loss

    early, late = first_loss([1, 0]), first_loss([0, 1])
    assert early != late
    assert first_loss(None) == pytest.approx((early + late) / 2, rel=1e-6)
    assert first_loss([1, 3]) == pytest.approx((early + 3 * late) / 4, rel=1e-6)


def test_a_specs_readout_weights_are_used(few: Dataset) -> None:
    def loss(weights: list[float]) -> float:
        readout = {"t": [2, 3], "weights": weights}
        net = graphnet.compile(
            small(input={"shape": [1, 8, 8]}, post_net={"ops": "BRGL", "classes": 10}, readout=readout)
        )
        return train(net, few, Recipe(steps=1), device="cpu").epochs[0].train_loss

    assert loss([1, 1]) == pytest.approx((loss([1, 0]) + loss([0, 1])) / 2, rel=1e-5)
    assert loss([1, 0]) != loss([0, 1])


def test_evaluation_is_by_time_and_predicts_by_the_last(few: Dataset) -> None:
    net = TwoReadouts()
    evaluation = evaluate(net, few.test.batches(16), keep_outputs=True)
    images, labels = few.test.first(50)
    with torch.no_grad():
        output = net(images)
    assert list(evaluation.loss) == list(evaluation.accuracy) == [2, 3]
    for t, logits in output.items():
        assert evaluation.loss[t] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-5)
        right = sum(int(row.argmax()) == label for row, label in zip(logits, labels, strict=True))
        assert evaluation.accuracy[t] == pytest.approx(right / 50)
        torch.testing.assert_close(evaluation.outputs[t], logits)
    assert torch.equal(evaluation.predictions, output[3].argmax(dim=1))
    assert evaluation.final_accuracy == evaluation.accuracy[3]


def test_evaluation_changes_nothing(few: Dataset) -> None:
    net = small_cnn().train()
    net[4].eval()
    modes = [module.training for module in net.modules()]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    evaluate(net, few.test.batches(256))
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes


def test_training_stops_where_the_loss_is_not_finite(few: Dataset) -> None:
    net, polls = small_cnn(), []

    def spoil() -> None:
        polls.append(1)
        if len(polls) == 4:
            net[7].bias.data[0] = math.inf

    with pytest.raises(DivergenceError) as caught:
        train(net, few, Recipe(epochs=3, lr=0.01), stop=spoil, device="cpu")
    where = "the loss is nan in epoch 2, step 2 of 2, at learning rate 0.01: weights are not finite: 7.bias\n"
    assert str(caught.value).startswith(where)
    assert net[0].weight.isfinite().all()


def test_a_divergence_names_state_and_time_and_statistics_stay(few: Dataset) -> None:
    spec = small(
        input={"shape": [1, 8, 8]}, norm={"kind": "none"}, pre_net={"ops": "C"}, post_net={"ops": "GL", "classes": 10}
    )
    net, before = graphnet.compile(spec), {}

    def spoil() -> None:
        before.update((name, buffer.clone()) for name, buffer in net.named_buffers())
        with torch.no_grad():
            net.get_parameter("pre_net.conv1.weight").fill_(1e36)
            net.get_parameter("h1.from_h1.conv1.weight").fill_(1e3)

    with pytest.raises(DivergenceError, match=r"h1 is not finite at t = 1, after values up to \d\.\d+e\+3\d\n"):
        train(net, few, Recipe(epochs=3), stop=spoil, device="cpu")
    assert all(torch.equal(buffer, net.get_buffer(name)) for name, buffer in before.items())


def test_images_that_are_not_finite_are_told(few: Dataset) -> None:
    assert isinstance(few.train.images, TensorImages)
    pixels = few.train.images.pixels.float().clone()
    pixels[5, 0, 3, 3] = math.nan
    spoilt = replace(few, train=replace(few.train, images=TensorImages(pixels)))
    with pytest.raises(DivergenceError, match="the images hold values that are not finite"):
        train(small_cnn(), spoilt, Recipe(epochs=1, batch_size=130), device="cpu")


def test_an_interrupt_passes_through_and_tidies_up(few: Dataset) -> None:
    net, done, polls = small_cnn().eval(), [], []

    def interrupt() -> None:
        polls.append(1)
        if len(polls) == 6:
            raise KeyboardInterrupt

    def note(event: Event) -> None:
        if isinstance(event, EpochDone):
            done.append(event.epoch)

    with pytest.raises(KeyboardInterrupt):
        train(net, few, Recipe(epochs=5), note, stop=interrupt, device="cpu", deterministic=True)
    assert done == [1, 2]
    assert not net.training
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_request_to_stop_is_raised(few: Dataset) -> None:
    with pytest.raises(Stopped, match="enough"):
        train(small_cnn(), few, Recipe(epochs=5), stop=lambda: Stopped("enough", 3), device="cpu")


def test_the_best_weights_are_tested() -> None:
    data = few_digits(130, 50, 60)
    net, kept = small_cnn(), {}

    def note(event: Event) -> None:
        if isinstance(event, EpochDone):
            assert event.validation_error is not None
            kept[event.epoch] = event.validation_error[None], net[0].weight.detach().clone()

    result = train(net, data, Recipe(epochs=6, lr=0.3, schedule="constant"), note, device="cpu")
    best = min(kept, key=lambda epoch: kept[epoch][0])
    assert result.tested == "best"
    assert torch.equal(net[0].weight, kept[best][1])


def test_patience_ends_training_early() -> None:
    data = few_digits(130, 50, 60)
    recipe = Recipe(epochs=40, lr=1e-9, validation=0.1, patience=2)
    assert len(train(small_cnn(), data, recipe, device="cpu").epochs) == 3


def test_a_net_without_parameters_cannot_be_trained(few: Dataset) -> None:
    with pytest.raises(TrainingError, match="no parameters"):
        train(nn.Flatten(), few, Recipe(epochs=1), device="cpu")


def test_precision_is_refused_where_there_is_none(few: Dataset) -> None:
    with pytest.raises(RecipeError, match="cpu has no tf32"):
        train(small_cnn(), few, Recipe(epochs=1, precision="tf32"), device="cpu")


def test_bf16_is_slow_on_a_cpu_without_matrix_instructions(few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with pytest.warns(TrainingWarning, match="slower than fp32 on this CPU"):
        train(small_cnn(), few, Recipe(steps=1, precision="bf16"), device="cpu")


@pytest.mark.filterwarnings("ignore:bf16 is slower:graphnet.training.errors.TrainingWarning")
def test_bf16_computes_in_bf16_and_keeps_fp32_weights(few: Dataset) -> None:
    net, seen = small_cnn(), []
    net[3].register_forward_hook(lambda module, given, out: seen.append(out.dtype) if module.training else None)
    train(net, few, Recipe(steps=1, precision="bf16"), device="cpu")
    assert seen == [torch.bfloat16]
    assert net[0].weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "meta"])
def test_a_missing_device_is_named(name: str) -> None:
    with pytest.raises(TrainingError, match=f"^device '{name}' cannot be used here: .*\n  use auto or cpu$"):
        choose_device(name)


def test_auto_is_an_available_device() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
