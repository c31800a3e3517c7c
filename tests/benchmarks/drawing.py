"""Time of drawing: a net of about 2,000 values unrolled, and each view and format of a small one.

    python tests/benchmarks/drawing.py [SPEC [T]]

Prints seconds, the best of three, without reading and compiling the spec, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial

import graphnet
from graphnet.pictures.elements import Picture
from graphnet.pictures.formats import FORMATS, drawn
from graphnet.pictures.views import VIEWS, PictureOptions, Rendering, picture
from graphnet.pictures.write.svg import to_svg


def seconds(what: Callable[[], object]) -> float:
    """Time of the fastest of three runs."""
    found = []
    for _ in range(3):
        started = time.perf_counter()
        what()
        found.append(time.perf_counter() - started)
    return round(min(found), 3)


def main(spec: str, t: int) -> None:
    large = graphnet.plan(graphnet.load(spec, settings=[f"readout.t={t}"]))
    small = graphnet.plan(spec)
    shown: Picture = picture(large, PictureOptions(width=0))
    found = {
        "spec": f"{spec}, readout.t = {t}",
        "values": len(shown.nodes),
        "arrows": sum(curve.kind == "arrow" for curve in shown.curves),
        "svg_bytes": len(to_svg(shown)),
        "unrolled_seconds": seconds(lambda: to_svg(picture(large, PictureOptions(width=0)))),
        "unrolled_in_systems_seconds": seconds(lambda: to_svg(picture(large, PictureOptions()))),
        "unrolled_dead_seconds": seconds(lambda: to_svg(picture(large, PictureOptions(dead=True, width=0)))),
        "layout_of_large_seconds": {view: seconds(partial(picture, large, view)) for view in VIEWS},
        "formats_of_small_seconds": {
            suffix: seconds(partial(drawn, f"net{suffix}", Rendering(small, PictureOptions(each.views[0]))))
            for suffix, each in FORMATS.items()
        },
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        arguments[0] if arguments else "specs/liao-poggio/frnn-3-state.toml",
        int(arguments[1] if arguments[1:] else 700),
    )
