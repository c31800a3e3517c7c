"""Losses, errors and chance levels of tasks, against numbers by hand."""

import math

import pytest
import torch
from torch import Tensor

from graphnet.training.errors import DataError, RecipeError
from graphnet.training.progress import agreement
from graphnet.training.tasks import TASKS, check_output, label_errors, readout_loss

LOGITS = {
    2: torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]]),
    5: torch.tensor([[0.0, 0.0], [0.0, math.log(9.0)]]),
}
CLASSES = torch.tensor([0, 1])
# By hand: -log of the right class's softmax, averaged over the two images.
LOSS_2 = (-math.log(3 / 4) - math.log(1 / 2)) / 2
LOSS_5 = (-math.log(1 / 2) - math.log(9 / 10)) / 2


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, (LOSS_2 + LOSS_5) / 2),
        ((1.0, 1.0), (LOSS_2 + LOSS_5) / 2),
        ((1.0, 3.0), (LOSS_2 + 3 * LOSS_5) / 4),
        ((0.0, 0.5), LOSS_5),
    ],
)
def test_the_loss_is_averaged_over_readouts_by_weight(weights: tuple[float, ...] | None, expected: float) -> None:
    assert readout_loss(LOGITS, CLASSES, weights).item() == pytest.approx(expected, rel=1e-6)


def test_a_readout_of_no_weight_gives_no_gradient() -> None:
    logits = {t: values.clone().requires_grad_() for t, values in LOGITS.items()}
    logits[2].data[:] = math.nan
    torch.autograd.backward(readout_loss(logits, CLASSES, (0.0, 1.0)))
    assert logits[2].grad is None
    assert logits[5].grad is not None
    assert logits[5].grad.isfinite().all()


@pytest.mark.parametrize(
    ("output", "weights", "said"),
    [
        (LOGITS, (1.0,), "readout_weights has 1 weights; the net reads out at 2, 5"),
        (LOGITS, (0.0, 0.0), "readout_weights has 2 weights; the net reads out at 2, 5"),
        (LOGITS[2], (1.0, 1.0), "readout_weights has 2 weights; the net reads out at one time"),
    ],
)
def test_weights_must_fit_the_readout_times(output: Tensor, weights: tuple[float, ...], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        readout_loss(output, CLASSES, weights)
    assert str(caught.value) == f"{said}\n  give a weight of at least 0 for each, one above 0"


def test_label_smoothing_is_torchs() -> None:
    smoothed = readout_loss(LOGITS[2], CLASSES, smoothing=0.2)
    expected = torch.nn.functional.cross_entropy(LOGITS[2], CLASSES, label_smoothing=0.2)
    assert smoothed.item() == pytest.approx(expected.item(), rel=1e-6)


def test_labels() -> None:
    """Four labels; the images have two, two and one of them."""
    task = TASKS["labels"]
    targets = torch.tensor([[1.0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    output = torch.tensor([[3.0, 2, 1, 0], [0, 5, 1, 0.5], [-3, -2, -1, -4]])
    assert task.errors(output, targets).tolist() == [0, 1, 0]  # the third names its one label, though its logit is < 0
    by_hand = [math.log1p(math.exp(-3)), math.log1p(math.exp(-2)), math.log1p(math.exp(1)), math.log(2)]
    assert task.losses(output, targets)[0].item() == pytest.approx(sum(by_hand) / 4, rel=1e-6)
    assert task.chance(targets) == pytest.approx(1 - (1 / 6 + 1 / 6 + 1 / 4) / 3)
    assert task.predictions(output)[2].tolist() == [False] * 4


def test_label_errors_count_missed_and_wrongly_named_labels() -> None:
    targets = torch.tensor([[1.0, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    output = torch.tensor([[3.0, 2, 1, 0], [0, 5, 1, 0.5], [-3, -2, -4, -4]])
    assert label_errors(output, targets).tolist() == [0, 0.5, 0.5]


def test_a_tie_of_labels_is_an_error_for_one_of_the_sets() -> None:
    both = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert TASKS["labels"].errors(torch.zeros(2, 2), both).sum() == 1


def test_chance_of_two_digits_of_ten_is_that_of_digitclutter() -> None:
    targets = torch.zeros(5, 10)
    targets[:, :2] = 1
    assert TASKS["labels"].chance(targets) == pytest.approx(0.978, abs=5e-4)


def test_values() -> None:
    task = TASKS["values"]
    targets, output = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 4.0], [3.0, 3.0]])
    assert task.losses(output, targets).tolist() == [2.0, 0.5]
    assert task.summarised(task.errors(output, targets).mean().item()) == pytest.approx(math.sqrt(1.25))
    assert task.chance(targets) == 1.0


def test_pixels() -> None:
    """Two images of 1 x 2 pixels; one pixel is ignored."""
    task = TASKS["pixels"]
    targets = torch.tensor([[[0, 1]], [[1, -100]]])
    output = torch.tensor([[[[2.0, 2.0]], [[0.0, 0.0]]], [[[0.0, 9.0]], [[0.0, 0.0]]]])
    assert task.errors(output, targets).tolist() == [0.5, 1.0]
    loss = -math.log(math.exp(2) / (math.exp(2) + 1)), -math.log(1 / (math.exp(2) + 1)), math.log(2)
    assert task.losses(output, targets).tolist() == pytest.approx([(loss[0] + loss[1]) / 2, loss[2]], rel=1e-6)
    assert task.chance(targets) == pytest.approx(1 / 3)


def test_chance_of_classes_is_naming_the_most_frequent() -> None:
    assert TASKS["classes"].chance(torch.tensor([0, 0, 0, 2])) == 0.25


@pytest.mark.parametrize(
    ("task", "targets", "output", "said"),
    [
        ("classes", [1], (10,), None),
        ("classes", [1], (7,), "digits need an output [10], for 10 classes; the net's output is [7]\n  set post_net."),
        ("classes", [1], (64, 2, 2), "the net's output is [64, 2, 2]\n  a post-net does it: [post_net] with ops"),
        ("values", [[1.0] * 10], (64, 2, 2), "digits need an output [10], for 10 values; the net's output is [64,"),
        ("pixels", [[[1, 2], [0, 1]]], (10, 2, 2), None),
        ("pixels", [[[1, 2], [0, 1]]], (10,), "digits need an output [10, 2, 2], for 10 classes at each pixel; the"),
        ("pixels", [[[1, 2], [0, 1]]], (10, 1, 1), "read out a state of 2 x 2 pixels, through a post-net"),
    ],
)
def test_the_output_is_held_against_the_task(task: str, targets: list[int], output: tuple[int, ...], said: str) -> None:
    if said is None:
        check_output(TASKS[task], "digits", 10, torch.tensor(targets), output)
        return
    with pytest.raises(DataError) as caught:
        check_output(TASKS[task], "digits", 10, torch.tensor(targets), output)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("by_time", "said"),
    [
        ({None: 0.5}, "2 of 3 predictions are those made before"),
        ({4: 0.5}, "2 of 3 predictions are those made before"),
        ({2: 0.25, 5: 0.5}, "2 of 3 predictions at t = 5 are those made before"),
    ],
)
def test_predictions_say_of_which_readout_they_are(by_time: dict[int | None, float], said: str) -> None:
    assert agreement([1, 2, 3], [1, 0, 3], by_time, "made before") == said
