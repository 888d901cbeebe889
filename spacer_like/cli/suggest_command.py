"""``spacer-like suggest``: which points to label next, as a list and as a page to label them on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from spacer_like.cli.from_message import Given, from_message, run_and_show
from spacer_like.cli.options import add_on_demand

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.points.messages import SuggestLabelsReturnMsg

_MOST_NAMED = 5


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    add_on_demand(app, "suggest", "Which points to label next, and a page for it.", _command)


def _command() -> Callable[..., int]:
    from spacer_like.points.messages import SuggestLabelsMsg

    return from_message(
        SuggestLabelsMsg,
        _suggest,
        arguments={"features_loc": "FEATURES"},
        names={"classifier_loc": "model", "suggestions_loc": "out"},
    )


def _suggest(given: Given) -> int:
    from spacer_like.cli.rendering import written

    return run_and_show(
        given,
        given["features"],
        lambda result: [*_shown(result), *written({"List": given["out"], "Page": given["page"]})],
    )


def _shown(result: SuggestLabelsReturnMsg) -> list[RenderableType]:
    """The points, their best labels, and what they were chosen from."""
    from rich.text import Text

    from spacer_like.cli.rendering import MOST_ROWS, name, table
    from spacer_like.drawing.class_style import plain_text
    from spacer_like.reports.evaluation import count_of, percent

    rows = table("image", "label", "", "row", "column", "why", names=2)
    for one in result.suggestions[:MOST_ROWS]:
        best = (name(one.labels[0].label), percent(one.labels[0].probability)) if one.labels else ("", "")
        rows.add_row(name(one.image), *best, str(one.row), str(one.column), one.reason)
    shown: list[RenderableType] = [rows] if result.suggestions else []
    if result.n_suggested > MOST_ROWS:
        shown.append(Text(f"… and {result.n_suggested - MOST_ROWS:,} more"))
    if result.unseen:
        first = ", ".join(map(plain_text, result.unseen[:_MOST_NAMED]))
        shown.append(
            Text(f"{count_of(len(result.unseen), 'image')} not on the page, which cannot be read: {first}.", "yellow")
        )
    if result.n_without_features:
        count = count_of(result.n_without_features, "labelled point")
        shown.append(
            Text(f"{count} not compared with, of which no feature file has the image or the position.", "yellow")
        )
    summary = (
        f"{count_of(result.n_suggested, 'point')} of {count_of(result.n_images, 'image')}, chosen by "
        f"{'uncertainty and diversity' if result.by == 'both' else result.by} of "
        f"{result.n_candidates:,} without a label; {result.n_labelled:,} have one."
    )
    return [*shown, Text(summary, style="green")]
