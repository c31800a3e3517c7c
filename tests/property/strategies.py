"""Language features of drawn specs, for statistics."""

from __future__ import annotations

import json
import re
from typing import Any

from graphnet.testing import drafts as specs

__all__ = ["features", "specs"]


def features(spec: dict[str, Any]) -> set[str]:
    """Language features that a spec uses."""
    text = json.dumps(spec)
    strings = " ".join(re.findall(r'"((?:[^"\\]|\\.)*)"', text))
    found = {
        f"letter {letter}" for letter in "BRCDPAGLI" if re.search(rf"(?<![a-z]){letter}(?![a-z0]*[a-oq-z])", strings)
    }
    found |= {f"word {word}" for word in ("Ip", "I0", "elu", "sigmoid", "tanh", "gelu", "silu") if word in strings}
    merges = [spec["merge"], *(s["merge"] for s in spec["states"].values() if isinstance(s, dict) and "merge" in s)]
    found |= {f"merge {merge}" for merge in merges}
    for key, value in [("kind", "group"), ("kind", "layer"), ("kind", "none"), ("unroll", "engineering")]:
        if f'"{key}": "{value}"' in text:
            found.add(f"{key} {value}")
    for key in ("statistics", "affine"):
        found |= {f"{key} {value}" for value in re.findall(rf'"{key}": "([a-z-]+)"', text)}
    for word in ("delay", "hold", "zeros", "sequence", "let", "combine", "update", "part", "coupling"):
        if f'"{word}"' in text:
            found.add(word)
    found |= {word for word in ("gain", "learn", "lipschitz") if f'"{word}"' in text}
    found |= {"T-relative"} if re.search(r'"t": "[^"]*T', text) else set()
    found |= {"held input"} if isinstance(spec["input"].get("t"), str) and "sequence" not in spec["input"] else set()
    sharing = spec.get("sharing", {})
    found |= {"untied"} if sharing.get("over_time") is False else set()
    for group in sharing.get("sets", []):
        found.add("hard set" if "coupling" not in group else "soft set")
        found |= {"triple"} if isinstance(group["members"][0], list) else set()
        found |= {"layer set"} if "#" in str(group["members"][0]) else set()
        found |= {"except"} if "except" in group else set()
    return found
