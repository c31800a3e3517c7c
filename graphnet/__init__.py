"""graphnet: write a brain-like network down as a spec, see it, and train it.

`load` a spec, look at its `plan`, `draw` it, `compile` it to a PyTorch module. Importing graphnet does not load torch:
each name is imported on first use, so that a command loads only what it needs.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphnet import edits, zoo
    from graphnet.analysis.time.sweep import sweep
    from graphnet.edits import perturb
    from graphnet.errors import Fault, SpecError
    from graphnet.interop.foreign_weights import import_state_dict
    from graphnet.network.functions.custom_ops import register_op
    from graphnet.pipeline import compile, draw, load, plan, unroll
    from graphnet.planning.plan import Plan
    from graphnet.spec.model import Spec
    from graphnet.training.calibrate import calibrate
    from graphnet.training.data.registered import register_data
    from graphnet.training.gradient_coupling import couple_gradients

__all__ = [
    "Fault",
    "Plan",
    "Spec",
    "SpecError",
    "activations",
    "calibrate",
    "compile",
    "couple_gradients",
    "draw",
    "edits",
    "import_state_dict",
    "load",
    "perturb",
    "plan",
    "register_data",
    "register_op",
    "sweep",
    "unroll",
    "zoo",
]

_HOMES = {
    "Fault": "errors",
    "Plan": "planning.plan",
    "Spec": "spec.model",
    "SpecError": "errors",
    "activations": "analysis.activations",
    "calibrate": "training.calibrate",
    "compile": "pipeline",
    "couple_gradients": "training.gradient_coupling",
    "draw": "pipeline",
    "import_state_dict": "interop.foreign_weights",
    "load": "pipeline",
    "perturb": "edits",
    "plan": "pipeline",
    "register_data": "training.data.registered",
    "register_op": "network.functions.custom_ops",
    "sweep": "analysis.time.sweep",
    "unroll": "pipeline",
}
"""Module that defines each public name; `edits` and `zoo` are modules themselves."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'graphnet' has no attribute '{name}'")
    module = import_module(f"graphnet.{_HOMES.get(name, name)}")
    globals()[name] = found = getattr(module, name) if name in _HOMES else module
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
