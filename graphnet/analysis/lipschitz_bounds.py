"""Upper bounds of the Lipschitz constants of transition functions (LPK, "Upper bound on the Lipschitz constant").

In the 2-norm of one image's values, in evaluation mode: with the net's running statistics, whatever its mode.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from graphnet.network.functions.lipschitz import Bound, Bounds, NoBound, SpectralNorm, work_out
from graphnet.network.functions.ops import Shape
from graphnet.network.network import INPUT
from graphnet.planning.plan import IMAGE, Fate, Firing, Line, Plan
from graphnet.runtime.lipschitz_divisor import Torch, improved, random_unit

Key = tuple[str, str, int]


def bounds(net: nn.Module, iterations: int = 100) -> dict[Key, float]:
    """Bound the Lipschitz constant of every transition from above, at every time at which it fires.

    Rules for the bounds, after LPK; for BRCx2 they give ‖Conv2‖ · ‖BN2 ∘ Conv1 ∘ BN1‖:

    - Consecutive linear ops are one operator, whose norm counts; added constants do not.
    - An elementwise activation multiplies by its largest slope: 1, and 1/4 for sigmoid. Its Jacobian is diagonal, so if
      only norms and gains precede it, they move behind it, into the next operator. (The mean value theorem gives such
      a Jacobian for any two inputs, so this holds for every elementwise activation.)
    - Max pooling multiplies by the square root of the number of windows that contain a pixel: 1 without overlap.
    - Branches add; linear branches of one value are one operator.
    - The state's first value (`I0`) is constant, also at the first step, where it is the value read (LPK: the properly
      convergent ResNet has the constant of its residual function).

    The merge and the update of the target are not part of a transition. If values differ by the readout time they are
    relative to, the largest bound counts.

    Args:
        net: from `graphnet.compile`.
        iterations: of the power iteration for the norms. It converges from below, and so does the bound: for random
            convolutions it is within 1 % after 100 iterations.

    Returns:
        Bounds by source, target and arrival time, in the order of execution; the input is `input`, the post-net's
        result `logits`.

    Raises:
        ValueError: the net was not compiled by graphnet, or a transition has an op without a known bound.
    """
    return {key: float(bound.detach()) for key, bound in LipschitzBounds(net)(iterations).items()}


class LipschitzBounds:
    """The bounds of one net, as tensors; keeps the vectors of its power iterations between calls.

    Call it with a number of iterations; it returns float64 scalars, differentiable in the net's weights.
    """

    def __init__(self, net: nn.Module) -> None:
        plan = getattr(net, "meta", {}).get("plan")
        if not isinstance(plan, Plan):
            raise ValueError("the net was not compiled by graphnet: it has no plan with transitions")
        self.net, self.plan = net, plan
        self.vectors: dict[SpectralNorm, Tensor] = {}

    def __call__(self, iterations: int = 1) -> dict[Key, Tensor]:
        if iterations < 1:
            raise ValueError(f"power iteration needs at least 1 iteration, not {iterations}")
        norms = _Norms(self.net, self.plan, self.vectors, iterations)
        functions = _Functions(self.plan)
        fired = [firing for firing in self.plan.firings if firing.fate is Fate.FIRES]
        return {firing[:3]: functions.bound(firing, norms) for firing in fired}


class _Norms(Torch):
    """Norms in float64, each computed once per call after refining its vector."""

    def __init__(self, net: nn.Module, plan: Plan, vectors: dict[SpectralNorm, Tensor], iterations: int) -> None:
        named = {name: tensor.double() for name, tensor in (*net.named_parameters(), *net.named_buffers())}
        like = next(iter(named.values()), torch.zeros(1)).new_zeros((), dtype=torch.float64)
        super().__init__(like, named, vectors)
        self.kept, self.iterations = vectors, iterations
        self.known: dict[object, SpectralNorm] = {}
        self.found: dict[SpectralNorm, Tensor] = {}
        for line in plan.lines:  # Lipschitz divisors are given: the net's own
            if line.op.kind == "lipschitz":
                bound = line.op["bound"]
                assert isinstance(bound, Bound)
                tensors = dict(zip(bound.names, (named[name] for name in line.tensors), strict=False))
                kept = [named[name] for name in line.tensors[len(bound.names) :]]
                by = Torch(like, tensors, dict(zip(bound.searched, kept, strict=True)))
                named[line.name] = (work_out(bound.formula, by) / line.op.real("mu", 1)).clamp_min(1)

    def norm(self, norm: SpectralNorm) -> Tensor:
        key = (
            norm.shape,
            tuple(tuple((*line[1:2], *line[3:5], *line.arguments[1:]) for line in path) for path in norm.operator),
        )
        norm = self.known.setdefault(key, norm)  # equal operators at different times share a norm
        if norm not in self.found:
            if not norm.is_diagonal:
                self._improve(norm)
            self.found[norm] = super().norm(norm)
        return self.found[norm]

    def _improve(self, norm: SpectralNorm) -> None:
        start = self.kept.get(norm)
        if start is None or start.device != self.like.device:
            start = random_unit(norm.shape, torch.Generator().manual_seed(0)).to(self.like)
        self.kept[norm] = improved(norm, start, self.tensors, self.iterations)


class _Functions:
    """The lines of a plan by transition and time."""

    def __init__(self, plan: Plan) -> None:
        self.places = {(cell.source, cell.target): cell.place for cell in plan.cells}
        self.values = {line.name: (line.place, line.t) for line in plan.lines if line.op.kind in ("value", "zeros")}
        self.shapes: dict[str, Shape] = {IMAGE: plan.input_shape} | {line.name: line.shape for line in plan.lines}
        self.groups: dict[str, dict[int, list[Line]]] = {}
        for line in plan.lines:
            if line.op.kind != "lipschitz":
                self.groups.setdefault(line.place, {}).setdefault(line.t, []).append(line)

    def bound(self, firing: Firing, norms: _Norms) -> Tensor:
        """The bound of one transition at one time; a function without lines is the identity."""
        by_time = self.groups.get(self.places[firing.source, firing.target], {})
        lines = by_time.get(firing.t, [])
        if firing.source == INPUT and not lines and by_time:  # the pre-net sees a constant image once (rule 3)
            lines = next(iter(by_time.values()))
        if not lines:
            return norms.number(0 if firing.ops in ("I0", "first_value") else 1)
        used = {name for line in lines for name in line.arguments}
        followed = self._follow(firing, lines)
        results = [work_out(followed.of(line.name), norms) for line in lines if line.name not in used]
        if firing.ops in ("I", "identity"):  # its name for one of several readout times
            results.append(norms.number(1))
        return torch.stack(results).max()

    def _follow(self, firing: Firing, lines: list[Line]) -> Bounds:
        own = {line.name for line in lines}
        outside = {name for line in lines for name in line.arguments if name not in own}
        outside = {name for name in outside if not name.endswith("_divisor")}
        read = {name: self.shapes[name] for name in outside if self._is_read(name, firing)}
        # At the first step the first value is the value read: that many of the identity branches are I0.
        fixed = firing.ops.count("I0") + firing.ops.count("first_value") if outside == set(read) else 0
        try:
            return Bounds(lines, read, fixed)
        except NoBound as fault:
            where = f"{firing.source}->{firing.target} at t = {firing.t}"
            raise ValueError(f"{fault} ({fault.line.name}), in {where}\n  {fault.fix}") from None

    def _is_read(self, name: str, firing: Firing) -> bool:
        """Whether a value is the source at the time read; if values differ by readout time, any of them."""
        if firing.source == INPUT:
            return True
        return self.values.get(name) == self.values[firing.reads]
