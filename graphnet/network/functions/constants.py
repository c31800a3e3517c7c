"""Replace named constants in the settings of a transition function by their numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphnet.errors import did_you_mean
from graphnet.spec.notation.integers import Misspelt, Whole
from graphnet.spec.notation.op_words import OPS, Setting
from graphnet.spec.notation.transition_functions import Branches, Call, Chain, FunctionFault, Place


def settle(chain: Chain, constants: Mapping[str, int]) -> Chain:
    """Return the chain with constants replaced. Raises FunctionFault for an unknown or out-of-range constant."""
    return tuple(
        replace(item, chains=tuple(settle(branch, constants) for branch in item.chains))
        if isinstance(item, Branches)
        else replace(
            item, settings=tuple((name, _settled(item, name, value, constants)) for name, value in item.settings)
        )
        for item in chain
    )


def _settled(call: Call, name: str, value: Setting, constants: Mapping[str, int]) -> Setting:
    if not isinstance(value, Whole):
        return value
    place = call.place if call.place.end else Place((*call.place.path, name))
    if unknown := [used for used in value.names if used not in constants]:
        hint = did_you_mean(unknown[0], tuple(constants))
        fix = f"{hint}; or name it in [let]" if hint else "name it in [let]"
        raise FunctionFault(
            f"no constant is called '{unknown[0]}'", place, fix, code="GN106", given=(("let", unknown[0]),)
        )
    number = value.value(constants)
    try:
        OPS[call.op].settings[name](number)
    except Misspelt as fault:
        said = name if value.literal is not None else f"{name} = {value.text}"
        raise FunctionFault(f"{said}: {fault.what}", place, fault.fix, code=fault.code) from None
    return number
