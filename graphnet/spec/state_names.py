"""Rules for state names (design.md, rule 8)."""

from __future__ import annotations

import keyword
import re

OWN = ("input", "logits", "pre_net", "post_net", "t", "delay")
"""Names that every net or slab reserves."""

MODULE_ATTRIBUTES = tuple(
    """T_destination add_module add_submodule apply bfloat16 buffers call_super_init children code compile cpu cuda
    delete_all_unused_submodules delete_submodule double dump_patches eval extra_repr float forward get_buffer
    get_extra_state get_parameter get_submodule graph half ipu load_state_dict meta modules mtia named_buffers
    named_children named_modules named_parameters parameters plan print_readable recompile register_backward_hook
    register_buffer register_forward_hook register_forward_pre_hook register_full_backward_hook
    register_full_backward_pre_hook register_load_state_dict_post_hook register_load_state_dict_pre_hook
    register_module register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule shape_env share_memory spec state_dict to to_empty to_folder train training type
    xpu zero_grad""".split()  # noqa: SIM905 - a long list of names reads better as words
)
"""Public attributes of a compiled net, which states must not hide; a test keeps the list in step with torch."""

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def mended_name(name: str) -> str:
    """Return the name without invalid characters, or "" if no valid name remains."""
    plain = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
    plain = f"s{plain}" if plain[:1].isdigit() else plain
    return plain if NAME.fullmatch(plain) and name_fault(plain) is None else ""


def name_fault(name: str) -> tuple[str, str] | None:
    """Return what is wrong with a state's name and what would be right; None for a valid name."""
    if not NAME.fullmatch(name):
        rule = "a name is a letter, then letters, digits and '_'"
        return f"'{name}' is not a valid name", f"write {mended}; {rule}" if (mended := mended_name(name)) else rule
    if re.search(r"_t\d+$|_from_", name):
        return (
            f"'{name}' looks like the name of a value",
            "names must not end in _t<number> or contain _from_",
        )
    if name in OWN:
        return f"'{name}' is a word of the language", f"reserved: {', '.join(OWN)}"
    if keyword.iskeyword(name):
        return f"'{name}' is a word of Python", f"reserved: {', '.join(keyword.kwlist)}"
    if name in MODULE_ATTRIBUTES:
        return (
            f"'{name}' is an attribute of every PyTorch module",
            f"reserved: {', '.join(MODULE_ATTRIBUTES)}",
        )
    return None
