import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import graphnet
from graphnet.training.data.dataset import Dataset, load_dataset
from graphnet.training.errors import DivergenceError, RecipeError, TrainingError
from graphnet.training.events import EpochDone, Event, Started, StepDone, ignore
from graphnet.training.loop.trainer import choose_device, evaluate, split_batches, train
from graphnet.training.recipe import Recipe
from tests.small import small


class TwoReadouts(nn.Module):
    """A recurrent net by hand: one convolution, read at t = 2 and t = 3; the dict has the later time first."""

    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.again = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.classify = nn.Linear(8, 10)

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        h1 = torch.relu(self.entry(images))
        h2 = torch.relu(self.again(h1))
        return {3: self.classify(h2.mean(dim=(2, 3))), 2: self.classify(h1.mean(dim=(2, 3)))}


def small_cnn(seed: int = 0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * 16, 10),
        )


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def few(digits: Dataset) -> Dataset:
    return replace(
        digits,
        train_images=digits.train_images[:130],
        train_labels=digits.train_labels[:130],
        test_images=digits.test_images[:50],
        test_labels=digits.test_labels[:50],
    )


def test_a_small_net_learns_digits(digits: Dataset) -> None:
    result = train(small_cnn(), digits, Recipe(epochs=4, lr=0.05, device="cpu"), ignore)
    assert result.evaluation.final_accuracy > 0.95
    assert [epoch.epoch for epoch in result.epochs] == [1, 2, 3, 4]
    assert result.epochs[-1].train_loss < result.epochs[0].train_loss / 3
    assert result.epochs[-1].train_error < 0.03
    assert result.evaluation.accuracy == {None: pytest.approx(0.97, abs=0.03)}
    assert result.epochs[-1].monitored_error == {None: 1 - result.evaluation.final_accuracy}


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_run_repeats_bit_for_bit(dropout: float, few: Dataset) -> None:
    def run(seed: int) -> dict[str, Tensor]:
        net = nn.Sequential(small_cnn(), nn.Dropout(dropout))
        train(net, few, Recipe(epochs=2, seed=seed, device="cpu"), ignore)
        return dict(net.state_dict())

    first = run(3)
    torch.rand(7)  # the global generator is elsewhere now
    again, other = run(3), run(4)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_leaves_the_surroundings_as_found(few: Dataset) -> None:
    net = small_cnn().eval()
    net[1].train()  # type: ignore[index]
    modes = [module.training for module in net.modules()]
    before = torch.get_rng_state()
    train(net, few, Recipe(epochs=1, device="cpu", deterministic=True), ignore)
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_deterministic_algorithms_are_on_while_training(few: Dataset) -> None:
    seen = []
    recipe = Recipe(epochs=1, device="cpu", deterministic=True)
    train(small_cnn(), few, recipe, lambda _: seen.append(torch.are_deterministic_algorithms_enabled()))
    assert seen == [False, True, True, True, True]  # the start, three steps, the epoch


def test_the_steps_are_sgd_with_momentum_and_decay(few: Dataset) -> None:
    """Three full batches against the explicit update; the third epoch has a tenth of the rate."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10, bias=False)).double()
    data = replace(few, train_images=few.train_images.double(), test_images=few.test_images.double())
    w = net[1].weight.detach().clone().requires_grad_()
    velocity = torch.zeros_like(w)
    for rate in (0.5, 0.5, 0.05):
        loss = F.cross_entropy(data.train_images.flatten(1) @ w.T, data.train_labels)
        (gradient,) = torch.autograd.grad(loss, w)
        velocity = 0.7 * velocity + gradient + 0.01 * w.detach()
        w = (w.detach() - rate * velocity).requires_grad_()
    recipe = Recipe(epochs=3, batch_size=200, lr=0.5, momentum=0.7, weight_decay=0.01, device="cpu")
    result = train(net, data, recipe, ignore)
    torch.testing.assert_close(net[1].weight, w, rtol=1e-10, atol=1e-12)
    assert result.epochs[2].train_loss == pytest.approx(loss.item(), rel=1e-10)


def test_each_image_is_seen_once_an_epoch_in_another_order(few: Dataset) -> None:
    batches: list[Tensor] = []

    def spy(images: Tensor, generator: torch.Generator) -> Tensor:
        batches.append(images)
        return images

    train(small_cnn(), replace(few, augment=spy), Recipe(epochs=2, device="cpu"), ignore)
    assert [len(batch) for batch in batches] == [64, 64, 2] * 2
    first, second = torch.cat(batches[:3]), torch.cat(batches[3:])
    assert not torch.equal(first, second)
    everything = sorted(few.train_images.flatten(1).tolist())
    assert sorted(first.flatten(1).tolist()) == sorted(second.flatten(1).tolist()) == everything


def test_the_net_sees_augmented_images_in_training_only(few: Dataset) -> None:
    sums = []
    net = small_cnn()
    net.register_forward_pre_hook(lambda module, arguments: sums.append(arguments[0].abs().sum().item()))
    blank = replace(few, augment=lambda images, _: torch.zeros_like(images))
    train(net, blank, Recipe(epochs=1, device="cpu"), ignore)
    assert sums[:3] == [0, 0, 0]
    assert all(total > 0 for total in sums[3:])
    assert len(sums) == 4


@pytest.mark.parametrize(
    ("images", "sizes"), [(128, [64, 64]), (129, [64, 64]), (130, [64, 64, 2]), (65, [64]), (1, [1])]
)
def test_a_single_image_left_over_is_left_out(images: int, sizes: list[int]) -> None:
    batches = split_batches(torch.arange(images), 64)
    assert [len(batch) for batch in batches] == sizes
    assert torch.cat(batches).tolist() == list(range(sum(sizes)))


def test_batches_of_one_are_kept() -> None:
    assert [len(batch) for batch in split_batches(torch.arange(3), 1)] == [1, 1, 1]


def test_readout_weights_change_what_is_learned(few: Dataset) -> None:
    def first_loss(weights: dict[int, float] | None) -> float:
        torch.manual_seed(0)
        losses = []
        recipe = Recipe(epochs=1, readout_weights=weights, device="cpu")
        train(TwoReadouts(), few, recipe, lambda event: losses.append(getattr(event, "loss", None)))
        return losses[1]

    early, late = first_loss({2: 1, 3: 0}), first_loss({2: 0, 3: 1})
    assert early != late
    assert first_loss(None) == pytest.approx((early + late) / 2, rel=1e-6)
    assert first_loss({2: 1, 3: 3}) == pytest.approx((early + 3 * late) / 4, rel=1e-6)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (
            TwoReadouts,
            "readout_weights name t = 3, 4; the net reads out at t = 2, 3\n  give each of these a weight",
        ),
        (small_cnn, "readout_weights are for a net with several readouts; this one has a single readout"),
    ],
)
def test_readout_weights_must_fit_the_net(net: type[nn.Module], message: str, few: Dataset) -> None:
    recipe = Recipe(epochs=1, readout_weights={4: 1.0, 3: 1.0}, device="cpu")
    with pytest.raises(RecipeError) as caught:
        train(net(), few, recipe, ignore)
    assert str(caught.value) == message


def test_evaluation_is_by_time_and_predicts_by_the_last(few: Dataset) -> None:
    net = TwoReadouts()
    evaluation = evaluate(net, few.test_images, few.test_labels, batch_size=16)
    with torch.no_grad():
        output = net(few.test_images)
    assert list(evaluation.loss) == list(evaluation.accuracy) == [2, 3]
    for t, logits in output.items():
        expected = F.cross_entropy(logits, few.test_labels).item()
        assert evaluation.loss[t] == pytest.approx(expected, rel=1e-5)
        right = sum(int(row.argmax()) == label for row, label in zip(logits, few.test_labels, strict=True))
        assert evaluation.accuracy[t] == right / 50
    assert torch.equal(evaluation.predictions, output[3].argmax(dim=1))
    assert evaluation.final_accuracy == evaluation.accuracy[3]


def test_evaluation_changes_nothing(few: Dataset) -> None:
    net = small_cnn().train()
    net[4].eval()  # type: ignore[index]
    modes = [module.training for module in net.modules()]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    evaluate(net, few.test_images, few.test_labels)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes


def test_the_report_receives_all_events_in_order(few: Dataset) -> None:
    events: list[Event] = []
    recipe = Recipe(epochs=6, lr=0.02, device="cpu", evaluate="end")
    result = train(small_cnn(), few, recipe, events.append)
    assert isinstance(events[0], Started)
    assert (events[0].dataset, events[0].steps, events[0].device) == ("digits", 3, "cpu")
    steps = [(event.epoch, event.step) for event in events if isinstance(event, StepDone)]
    assert steps == [(epoch, step) for epoch in range(1, 7) for step in (1, 2, 3)]
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert tuple(epochs) == result.epochs
    assert [epoch.learning_rate for epoch in epochs] == [0.02] * 4 + [0.002, 0.0002]
    assert [epoch.monitored_error is None for epoch in epochs] == [True] * 5 + [False]
    losses = [event.loss for event in events[1:4] if isinstance(event, StepDone)]
    assert epochs[0].train_loss == pytest.approx((64 * losses[0] + 64 * losses[1] + 2 * losses[2]) / 130)


def test_training_stops_where_the_loss_is_not_finite(few: Dataset) -> None:
    net = small_cnn()

    def spoil(event: Event) -> None:
        if isinstance(event, StepDone) and (event.epoch, event.step) == (2, 1):
            net[7].bias.data[0] = math.inf  # type: ignore[index]

    with pytest.raises(DivergenceError) as caught:
        train(net, few, Recipe(epochs=3, device="cpu"), spoil)
    assert str(caught.value).startswith("the loss is nan in epoch 2, step 2 of 3, at learning rate 0.01\n")
    assert net[0].weight.isfinite().all()  # type: ignore[index]
    assert isinstance(caught.value, TrainingError)


def test_after_a_divergence_statistics_are_as_before_the_step(few: Dataset) -> None:
    spec = small(input={"shape": [1, 8, 8]}, post_net={"ops": "BRGL", "classes": 10})
    net, seen = graphnet.compile(spec), []

    def spoil(event: Event) -> None:
        if isinstance(event, StepDone) and (event.epoch, event.step) == (2, 1):
            seen.extend((name, buffer.clone()) for name, buffer in net.named_buffers())
            with torch.no_grad():
                net.get_parameter("pre_net.conv1.weight").fill_(math.inf)

    with pytest.raises(DivergenceError):
        train(net, few, Recipe(epochs=3, device="cpu"), spoil)
    assert seen
    assert all(buffer.isfinite().all() and torch.equal(buffer, net.get_buffer(name)) for name, buffer in seen)


def test_an_interrupt_passes_through_and_tidies_up(few: Dataset) -> None:
    net = small_cnn().eval()
    done = []

    def interrupt(event: Event) -> None:
        if isinstance(event, EpochDone):
            done.append(event.epoch)
        if isinstance(event, StepDone) and (event.epoch, event.step) == (3, 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(net, few, Recipe(epochs=5, device="cpu", deterministic=True), interrupt)
    assert done == [1, 2]
    assert not net.training
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_net_without_parameters_cannot_be_trained(few: Dataset) -> None:
    with pytest.raises(TrainingError, match="no parameters"):
        train(nn.Flatten(), few, Recipe(epochs=1, device="cpu"), ignore)


@pytest.mark.parametrize("name", ["cuda:99", "gpu"])
def test_a_missing_device_is_named(name: str) -> None:
    with pytest.raises(TrainingError, match=f"^device '{name}' cannot be used here: .*\n  use auto or cpu$"):
        choose_device(name)


def test_auto_is_an_available_device() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
