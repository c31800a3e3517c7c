"""Upper bounds of the Lipschitz constants of transition functions (LPK, "Upper bound on the Lipschitz constant").

The 2-norm of one image's values, in evaluation mode: statistics are those that the net holds, whatever its mode.
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
    """An upper bound of the Lipschitz constant of every transition at every time at which it fires.

    How a bound comes about, after LPK, for BRCx2 ‖Conv2‖ · ‖BN2 ∘ Conv1 ∘ BN1‖:

    - Linear ops that follow one another are one operator, whose norm counts; constants added do not.
    - An elementwise activation multiplies by its largest slope: 1, and 1/4 for sigmoid. Its Jacobian is diagonal, so
      where nothing but norms and gains stands before it these move behind it, into the next operator. (For any two
      inputs the mean value theorem gives such a Jacobian, so this holds for every elementwise activation.)
    - Max pooling multiplies by the square root of how many windows a pixel may be in: 1 if they do not overlap.
    - Branches add; linear branches of one value are one operator.
    - The state's first value (`I0`) is held fixed, also at the first step, where it is the value read (LPK: the
      properly convergent ResNet has the constant of its residual function).

    The merge and the update of the target are no part of a transition. Where values differ by the readout time that
    they are relative to, the largest bound counts.

    Args:
        net: what `graphnet.compile` made.
        iterations: of the power iterations that find the norms. They come from below: so does the bound, by less
            than 1 % after 100 iterations for random convolutions.

    Returns:
        Bounds by source, target and arrival time, in the order of execution; the input is `input`, the post-net's
        result `logits`.

    Raises:
        ValueError: the net was not compiled by graphnet, or a transition has an op whose bound is not known.
    """
    return {key: float(bound.detach()) for key, bound in LipschitzBounds(net)(iterations).items()}


class LipschitzBounds:
    """The bounds of one net, as tensors; keeps the vectors of its power iterations from call to call.

    Called with the number of iterations it returns float64 scalars, differentiable in the net's weights.
    """

    def __init__(self, net: nn.Module) -> None:
        plan = getattr(net, "meta", {}).get("plan")
        if not isinstance(plan, Plan):
            raise ValueError("the net was not compiled by graphnet: it has no plan that says what its transitions are")
        self.net, self.plan = net, plan
        self.vectors: dict[SpectralNorm, Tensor] = {}

    def __call__(self, iterations: int = 1) -> dict[Key, Tensor]:
        if iterations < 1:
            raise ValueError(f"power iteration takes at least 1 iteration, not {iterations}")
        norms = _Norms(self.net, self.plan, self.vectors, iterations)
        functions = _Functions(self.plan)
        fired = [firing for firing in self.plan.firings if firing.fate is Fate.FIRES]
        return {firing[:3]: functions.bound(firing, norms) for firing in fired}


class _Norms(Torch):
    """Norms in float64, each found once a call: the vectors are improved first."""

    def __init__(self, net: nn.Module, plan: Plan, vectors: dict[SpectralNorm, Tensor], iterations: int) -> None:
        named = {name: tensor.double() for name, tensor in (*net.named_parameters(), *net.named_buffers())}
        like = next(iter(named.values()), torch.zeros(1)).new_zeros((), dtype=torch.float64)
        super().__init__(like, named, vectors)
        self.kept, self.iterations = vectors, iterations
        self.known: dict[object, SpectralNorm] = {}
        self.found: dict[SpectralNorm, Tensor] = {}
        for line in plan.lines:  # what functions are divided by is given: it is what the net has
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
        norm = self.known.setdefault(key, norm)  # the same at different times is one
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
        if firing.source == INPUT and not lines and by_time:  # an image that stays is looked at once (rule 3)
            lines = next(iter(by_time.values()))
        if not lines:
            return norms.number(0 if firing.ops in ("I0", "first_value") else 1)
        used = {name for line in lines for name in line.arguments}
        followed = self._follow(firing, lines)
        results = [work_out(followed.of(line.name), norms) for line in lines if line.name not in used]
        if firing.ops in ("I", "identity"):  # what it is for one of several readout times
            results.append(norms.number(1))
        return torch.stack(results).max()

    def _follow(self, firing: Firing, lines: list[Line]) -> Bounds:
        own = {line.name for line in lines}
        outside = {name for line in lines for name in line.arguments if name not in own}
        outside = {name for name in outside if not name.endswith("_divisor")}
        read = {name: self.shapes[name] for name in outside if self._is_read(name, firing)}
        # At the first step the first value is the value read: as many of the branches that only pass it on are I0.
        fixed = firing.ops.count("I0") + firing.ops.count("first_value") if outside == set(read) else 0
        try:
            return Bounds(lines, read, fixed)
        except NoBound as fault:
            where = f"{firing.source}->{firing.target} at t = {firing.t}"
            raise ValueError(f"{fault} ({fault.line.name}), which stands in {where}\n  {fault.fix}") from None

    def _is_read(self, name: str, firing: Firing) -> bool:
        """Whether a value is the source at the time read; any of them where they differ by the readout time."""
        if firing.source == INPUT:
            return True
        return self.values.get(name) == self.values[firing.reads]
