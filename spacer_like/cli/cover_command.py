"""``spacer-like cover``: the share of each class, with intervals that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spacer_like.cli import options
from spacer_like.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.points.messages import EstimateCoverReturnMsg

_MOST_NAMED = 5


def add_to(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command(short_help="How much each class covers, with intervals.")(cover)


def cover(
    labels: Annotated[
        str | None,
        typer.Argument(metavar="[LABELS.csv]", help="Points that people labelled: columns image, row, col, label."),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(metavar="FILE.csv", help="Points that a machine labelled, as classify --out writes them."),
    ] = None,
    group_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="A column of either table that groups photographs.")
    ] = None,
    folder_level: Annotated[
        int | None, typer.Option(min=1, max=100, help="Group by a folder of the paths: 1 is the first.")
    ] = None,
    taxonomy: Annotated[
        str | None, typer.Option(metavar="FILE.csv", help="Labels in its first column, their groups in the others.")
    ] = None,
    coverage: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="How often an interval is to hold the truth.")
    ] = 0.95,
    out: Annotated[
        str | None, typer.Option(metavar="FILE.csv", help="Write the cover of all, each group and each photograph.")
    ] = None,
    plot: Annotated[str | None, typer.Option(metavar="FILE.png", help="Draw stacked bars and intervals.")] = None,
    json_mode: options.JsonMode = False,
) -> int:
    """Estimate how much each class covers: of photographs that people labelled, or that people checked in part."""
    from spacer_like.cli.running import run_for_answers
    from spacer_like.messages import EstimateCoverMsg, JobMsg

    terminal = Terminal(json_mode=json_mode)
    if labels is None and machine is None:
        raise options.UsageError("Name a table of labels, or one of a machine's with --machine.")
    message = EstimateCoverMsg(
        labels_loc=options.optional(labels),
        machine_loc=options.optional(machine),
        group_column=group_column,
        folder_level=folder_level,
        taxonomy_loc=options.optional(taxonomy),
        coverage=coverage,
        cover_loc=options.optional(out),
        picture_loc=options.optional(plot),
    )
    job = JobMsg(task_name=message.task, tasks=[message])
    # Its sentences name the table that they are about.
    (result,) = run_for_answers(job, terminal, [""]).results
    terminal.answer({"ok": True, **result.serialize()})
    if not json_mode:
        from spacer_like.cli.rendering import written

        terminal.show(*_shown(result), *written({"Cover": out, "Picture": plot}))
    return 0


def _shown(result: EstimateCoverReturnMsg) -> list[RenderableType]:
    """The cover of each label, on what it rests, and what was left out."""
    from rich.text import Text

    from spacer_like.cli.rendering import MOST_ROWS, name, table
    from spacer_like.drawing.class_style import plain_text
    from spacer_like.reports.evaluation import count_of, percent

    rows = table("level", "label", "cover", "from", "to", "photographs", "", names=2)
    for one in result.cover[:MOST_ROWS]:
        ends = ("" if end is None else percent(end, 1) for end in (one.low, one.high))
        mark = Text("few" if one.too_few else "", style="yellow")
        rows.add_row(name(one.level), name(one.label), percent(one.share, 1), *ends, f"{one.n_with_label:,}", mark)
    shown: list[RenderableType] = [rows]
    if len(result.cover) > MOST_ROWS:
        shown.append(Text(f"… and {len(result.cover) - MOST_ROWS} more"))
    if result.basis == "machine":
        why = "too few of the photographs were checked by people to say how far the machine is right"
        shown.append(Text(f"No intervals: {why}.", style="yellow"))
    if result.n_unlabelled:
        shown.append(Text(f"{count_of(result.n_unlabelled, 'point')} without a label left out.", style="yellow"))
    if result.ungrouped:
        first = ", ".join(map(plain_text, result.ungrouped[:_MOST_NAMED]))
        count = count_of(len(result.ungrouped), "label")
        shown.append(Text(f"{count} that the taxonomy lacks, such as {first}.", style="yellow"))
    counts = f"{count_of(result.n_photographs, 'photograph')}, {result.n_checked:,} labelled by people"
    groups = f", in {count_of(len(result.groups), 'group')}" if result.groups else ""
    shown.append(Text(f"{count_of(result.n_points, 'point')} of {counts}{groups}.", style="green"))
    return shown
