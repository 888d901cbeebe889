"""The lines of a table for people, and the same as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import PEER, Comparison, Figure, Line

HEAD = ("Measure", "spacer_like", "compared with", "ratio", "target", "met")

SCALES = {"ms": 1e3, "µs": 1e6}


def cells(line: Line) -> tuple[str, ...]:
    """A line as the texts of the columns of HEAD."""
    figure = line.figure
    other = ""
    if line.other is not None and figure.other is not None:
        other = f"{quantity(line.other, figure.unit)}{'' if figure.other == PEER else f' ({figure.other})'}"
    met = {None: "", True: "yes", False: "NO"}[line.is_met]
    return (figure.title, quantity(line.ours, figure.unit), other, _ratio(line), target(figure), met)


def target(figure: Figure) -> str:
    """What a figure should come to, in words; nothing where that was not settled."""
    if figure.target is None:
        return ""
    own_unit = figure.target.comparison.is_of_one or figure.target.comparison is Comparison.APART
    bound = quantity(figure.target.bound, figure.unit) if own_unit else f"{figure.target.bound:g}"
    return figure.target.comparison.value.format(bound)


def _ratio(line: Line) -> str:
    comparison = line.figure.target.comparison if line.figure.target else Comparison.TIMES_LESS
    if line.number is None or comparison.is_of_one:
        return ""
    if comparison is Comparison.APART:
        return f"{line.number:.4f} apart"
    return f"{line.number:.2f}" if line.number < 100 else f"{line.number:,.0f}"


def quantity(value: float, unit: str) -> str:
    """A value with its unit, of three or four digits.

    >>> quantity(0.0123456, "ms"), quantity(785.3, "MiB"), quantity(43.61, "s")
    ('12.3 ms', '785 MiB', '43.6 s')
    """
    value *= SCALES.get(unit, 1)
    digits = "0" if value == 0 else f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".rstrip()


def as_text(lines: Sequence[Line]) -> str:
    """A table aligned for a terminal."""
    rows = [HEAD, *map(cells, lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def as_markdown(lines: Sequence[Line]) -> str:
    """A table for the documentation."""
    rows = [HEAD, ("---", "---:", "---:", "---:", "---", "---"), *map(cells, lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
