"""``spacer-like plan``: photographs, points and checks that intervals of a wanted width take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.points.messages import PlanSurveyReturnMsg


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="How many photographs, points and checks cover takes.")(plan)


def plan(
    labels: Annotated[
        str | None, typer.Argument(metavar="[PILOT.csv]", help="A pilot's points that people labelled.")
    ] = None,
    machine: Annotated[
        str | None, typer.Option(metavar="FILE.csv", help="A machine's labels of the same photographs.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A label to plan for, once for each; without it: every one."),
    ] = None,
    share: Annotated[
        float | None, typer.Option(help="Without a pilot: the cover of the label, above 0 and below 1.")
    ] = None,
    correlation: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Without a pilot: of the points of one photograph.")
    ] = 0.5,
    explained: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Without a pilot: R squared of a machine's shares; 0: no machine.")
    ] = 0.0,
    half_width: Annotated[
        float | None, typer.Option(help="Of the intervals, above 0 and below 0.5: 0.05 for +- 5 percent.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Of people, that there are; above 0.")] = None,
    per_photograph: Annotated[float, typer.Option(min=0.0, help="Minutes that each photograph takes.")] = 1.0,
    per_point: Annotated[float, typer.Option(help="Minutes that people take to label a point; above 0.")] = 0.1,
    coverage: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="How often an interval is to hold the truth.")
    ] = 0.95,
    json_mode: options.JsonMode = False,
) -> int:
    """Plan how many photographs, points and checks cover takes, from a pilot or from published variances."""
    from spacer_like.cli.running import run_for_answers
    from spacer_like.messages import JobMsg, PlanSurveyMsg

    terminal = Terminal(json_mode=json_mode)
    if (labels is None) == (share is None):
        raise options.UsageError("Name a pilot's table of labels, or give --share, a published cover, and not both.")
    if half_width is None and minutes is None:
        raise options.UsageError("Give --half-width, --minutes, or both.")
    message = PlanSurveyMsg(
        labels_loc=options.optional(labels),
        machine_loc=options.optional(machine),
        labels=label or [],
        share=share,
        correlation=correlation,
        explained=explained,
        half_width=half_width,
        minutes=minutes,
        minutes_per_photograph=per_photograph,
        minutes_per_point=per_point,
        coverage=coverage,
    )
    (result,) = run_for_answers(
        JobMsg(task_name=message.task, tasks=[message]), terminal, [labels or "the survey"]
    ).results
    terminal.answer({"ok": True, **result.serialize()})
    if not json_mode:
        terminal.show(*_shown(result))
    return 0


def _shown(result: PlanSurveyReturnMsg) -> list[RenderableType]:
    """How each label varies and its interval, and the survey in a sentence."""
    from rich.text import Text

    from spacer_like.cli.rendering import MOST_ROWS, name, table
    from spacer_like.reports.evaluation import percent

    rows = table("label", "cover", "correlation", "explained", "+-", names=1)
    for one in result.labels[:MOST_ROWS]:
        parts = percent(one.share, 1), f"{one.correlation:.2f}", f"{one.explained:.2f}", percent(one.half_width, 1)
        rows.add_row(name(one.label), *parts)
    checked = f", {result.n_checked:,} of them checked" if result.n_checked < result.n_photographs else ""
    survey = f"{result.n_photographs:,} photographs{checked}, with {result.n_points} points each"
    return [rows, Text(f"{survey}: {result.minutes:,.0f} minutes, intervals of +- {percent(result.half_width, 1)}.")]
