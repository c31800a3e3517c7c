"""graphnet: write a brain-like network down as a spec, see it, and train it.

`load` a spec, look at its `plan`, `draw` it, `compile` it to a PyTorch module. Importing this loads no torch.
"""

from graphnet import edits, zoo
from graphnet.edits import perturb
from graphnet.errors import Fault, SpecError
from graphnet.foreign import import_state_dict
from graphnet.ir.custom import register_op
from graphnet.ir.plan import Plan
from graphnet.pipeline import compile, draw, load, plan, unroll
from graphnet.spec.model import Spec
from graphnet.training.coupling import couple_gradients

__all__ = [
    "Fault",
    "Plan",
    "Spec",
    "SpecError",
    "compile",
    "couple_gradients",
    "draw",
    "edits",
    "import_state_dict",
    "load",
    "perturb",
    "plan",
    "register_op",
    "unroll",
    "zoo",
]
