"""Line charts as SVG text, for pages that must hold everything themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isnan

from spacer_like.drawing.palette import BLUE

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 24, 12, 40


@dataclass(frozen=True)
class Line:
    """A line through points of x and y; where a y is NaN, the line is broken."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    colour: str = BLUE
    dashes: str = ""
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, with a text at each of `ticks`."""

    name: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]


PERCENT = [(value / 100, f"{value} %") for value in range(0, 101, 20)]


def share_axis(name: str) -> Axis:
    """An axis from 0 to 100 %."""
    return Axis(name, 0.0, 1.0, PERCENT)


def line_chart(
    description: str, x: Axis, y: Axis, lines: Sequence[Line], bars: Sequence[tuple[float, float, float]] = ()
) -> str:
    """An SVG element of 420 x 250 units; `bars` are (from x, to x, height between 0 and 1), drawn behind the lines."""

    def at_x(value: float) -> float:
        return LEFT + (value - x.low) / (x.high - x.low) * (WIDTH - LEFT - RIGHT)

    def at_y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - y.low) / (y.high - y.low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(description)}">']
    for value, text in y.ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {at_y(value):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{at_y(value) + 4:.1f}" text-anchor="end">{escape(text)}</text>')
    for value, text in x.ticks:
        parts.append(f'<path class="grid" d="M{at_x(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(
            f'<text x="{at_x(value):.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{escape(text)}</text>'
        )
    for start, end, share in bars:
        top = HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
        width = at_x(end) - at_x(start) - 2
        box = f'x="{at_x(start) + 1:.1f}" y="{top:.1f}" width="{width:.1f}" height="{HEIGHT - BOTTOM - top:.1f}"'
        parts.append(f'<rect class="bar" {box}/>')
    for line in lines:
        parts.extend(_line(line, [(at_x(a), at_y(b)) for a, b in zip(line.xs, line.ys, strict=True)]))
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.name)}</text></svg>'
    )
    return "".join(parts)


def _line(line: Line, places: Sequence[tuple[float, float]]) -> list[str]:
    commands, pen_down = [], False
    for place_x, place_y in places:
        if isnan(place_y):
            pen_down = False
            continue
        commands.append(f"{'L' if pen_down else 'M'}{place_x:.1f} {place_y:.1f}")
        pen_down = True
    parts = [f'<path class="line" stroke="{line.colour}"{_dashes(line)} d="{"".join(commands)}"/>']
    if line.dots:
        parts += [
            f'<circle cx="{place_x:.1f}" cy="{place_y:.1f}" r="3.5" fill="{line.colour}"/>'
            for place_x, place_y in places
            if not isnan(place_y)
        ]
    return parts


def key(lines: Sequence[Line]) -> str:
    """The names of lines with their colours, as HTML."""
    return f'<p class="key">{"".join(_swatch(line) for line in lines)}</p>'


def _swatch(line: Line) -> str:
    stroke = f'stroke="{line.colour}"{_dashes(line)}'
    sample = f'<svg viewBox="0 0 26 8" class="swatch"><path class="line" {stroke} d="M0 4H26"/></svg>'
    return f"<span>{sample} {escape(line.name)}</span> "


def _dashes(line: Line) -> str:
    return f' stroke-dasharray="{line.dashes}"' if line.dashes else ""
