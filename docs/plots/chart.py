"""A line chart as SVG: axes with units, a legend, and colours that turn with the reader's light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import attrs

WIDTH, HEIGHT = 720, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 58, 46

LIGHT = ("#fff", "#3b4252", "#dfe3ea", "#1668c1", "#c2410c")
DARK = ("#1e2129", "#c9d1de", "#3a4150", "#6cb0ff", "#ff9b5e")
"""Ground, ink, grid, and the curves "a" and "b"."""


def _colours(ground: str, ink: str, grid: str, *curves: str) -> str:
    lines = "".join(f" .{name} {{ stroke: {colour} }}" for name, colour in zip("ab", curves, strict=True))
    return (
        f".ground {{ fill: {ground} }} text {{ fill: {ink} }} .limit {{ stroke: {ink} }}"
        f" .grid {{ stroke: {grid} }}{lines}"
    )


STYLE = f"""\
text {{ font: 13px sans-serif }} .title {{ font-weight: bold }}
.end {{ text-anchor: end }} .middle {{ text-anchor: middle }}
.line {{ fill: none; stroke-width: 2.2 }} .limit {{ stroke-width: 1.4; stroke-dasharray: 6 4 }}
{_colours(*LIGHT)}
@media (prefers-color-scheme: dark) {{ {_colours(*DARK)} }}"""


@attrs.frozen
class Curve:
    """One line: what the legend calls it, its classes in `STYLE`, and its points in the units of the axes."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@attrs.frozen
class Chart:
    """What is drawn. The axes go from 0 to the last of their ticks."""

    title: str
    across: str
    up: str
    across_ticks: Sequence[int]
    up_ticks: Sequence[int]
    curves: Sequence[Curve]

    def svg(self) -> str:
        """Return the picture."""
        x_of, y_of = self._x, self._y
        foot, edge = HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = [f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>']
        for tick in self.up_ticks:
            y = y_of(tick)
            parts.append(f'<path class="grid" d="M{LEFT} {y}H{edge}"/>')
            parts.append(f'<text class="end" x="{LEFT - 8}" y="{y + 4:g}">{tick}</text>')
        for tick in self.across_ticks:
            x = x_of(tick)
            parts.append(f'<path class="grid" d="M{x} {TOP}V{foot}"/>')
            parts.append(f'<text class="middle" x="{x}" y="{foot + 18}">{tick}</text>')
        middle = (TOP + foot) / 2
        parts.append(
            f'<text class="middle" x="{(LEFT + edge) / 2:g}" y="{HEIGHT - 9}">{escape(self.across)}</text>'
        )
        parts.append(
            f'<text class="middle" transform="translate(17 {middle:g}) rotate(-90)">{escape(self.up)}</text>'
        )
        parts.append(f'<text class="title" x="{LEFT}" y="22">{escape(self.title)}</text>')
        at = LEFT
        for curve in self.curves:
            parts.append(f'<path class="line {curve.style}" d="M{at} 40h24"/>')
            parts.append(f'<text x="{at + 30}" y="44">{escape(curve.name)}</text>')
            at += 52 + 7 * len(curve.name)
            points = "L".join(f"{x_of(x)} {y_of(y)}" for x, y in curve.points)
            parts.append(f'<path class="line {curve.style}" d="M{points}"/>')
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
        return "\n".join(
            [head, f"<title>{escape(self.title)}</title>", f"<style>\n{STYLE}\n</style>", *parts, "</svg>\n"]
        )

    def _x(self, value: float) -> float:
        return round(LEFT + value / self.across_ticks[-1] * (WIDTH - LEFT - RIGHT), 1)

    def _y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self.up_ticks[-1] * (HEIGHT - TOP - BOTTOM), 1)
