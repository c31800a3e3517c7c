import math

import pytest
import torch

from graphnet.training.loop.trainer import readout_loss
from graphnet.training.progress import agreement

LOGITS = {
    2: torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]]),
    5: torch.tensor([[0.0, 0.0], [0.0, math.log(9.0)]]),
}
LABELS = torch.tensor([0, 1])
# By hand: -log of the right class's softmax, averaged over the two images.
LOSS_2 = (-math.log(3 / 4) - math.log(1 / 2)) / 2
LOSS_5 = (-math.log(1 / 2) - math.log(9 / 10)) / 2


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, (LOSS_2 + LOSS_5) / 2),
        ({2: 1.0, 5: 1.0}, (LOSS_2 + LOSS_5) / 2),
        ({5: 3.0, 2: 1.0}, (LOSS_2 + 3 * LOSS_5) / 4),
        ({2: 0.0, 5: 0.5}, LOSS_5),
    ],
)
def test_the_loss_is_averaged_over_readouts_by_weight(weights: dict[int, float] | None, expected: float) -> None:
    assert readout_loss(LOGITS, LABELS, weights).item() == pytest.approx(expected, rel=1e-6)


def test_a_readout_of_no_weight_gives_no_gradient() -> None:
    logits = {t: values.clone().requires_grad_() for t, values in LOGITS.items()}
    logits[2].data[:] = math.nan
    torch.autograd.backward(readout_loss(logits, LABELS, {2: 0.0, 5: 1.0}))
    assert logits[2].grad is None
    assert logits[5].grad is not None
    assert logits[5].grad.isfinite().all()


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
