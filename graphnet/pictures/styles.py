"""Colour styles of pictures: replacements for the colours of the light style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from graphnet.pictures.elements import ACCENT, FAINT, FILL, INK, PALE, PAPER, Curve, Picture

STYLES: Mapping[str, Mapping[str, str]] = {
    "light": {},
    "dark": {
        PAPER: "#14171a",
        INK: "#e8e8e8",
        PALE: "#9aa0a6",
        FAINT: "#454b52",
        FILL: "#2a2f35",
        ACCENT: "#7a5c00",
        "#0072B2": "#3f9fe0",
        "#D55E00": "#ef7a2a",
        "#009E73": "#1fbf91",
    },
}
"""Replaced colours of each style; all others are also visible on a dark page."""


def in_style(picture: Picture, style: str) -> Picture:
    """Return the picture in the colours of a style."""
    colours = STYLES[style]
    if not colours:
        return picture

    def of(colour: str) -> str:
        return colours.get(colour, colour)

    def curve(each: Curve) -> Curve:
        return replace(each, stroke=each.stroke._replace(colour=of(each.stroke.colour)))

    return replace(
        picture,
        paper=of(picture.paper),
        curves=tuple(
            replace(each, stroke=each.stroke._replace(colour=of(each.stroke.colour))) for each in picture.curves
        ),
        nodes=tuple(replace(each, fill=of(each.fill), frame=of(each.frame)) for each in picture.nodes),
        labels=tuple(replace(each, colour=of(each.colour)) for each in picture.labels),
    )
