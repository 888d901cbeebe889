"""Output for people: rich tables and sentences. Text from outside is shown as plain text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from spacer_like.drawing.class_style import plain_text, shorten
from spacer_like.reports.evaluation import DEFAULT_THRESHOLD, Evaluation, count_of, percent
from spacer_like.reports.image_evaluation import METRICS_HEADING, SOURCES_HEADING, metric_rows, sentences, source_rows

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.cli.classified import Cover
    from spacer_like.mailman import JobEnd
    from spacer_like.messages import JobMsg

MOST_ROWS = 40
NAME_WIDTH = 48


def name(label: object) -> Text:
    """A name from outside, in one line without control characters."""
    return Text(shorten(label, NAME_WIDTH))


def table(*columns: str, names: int = 1) -> Table:
    """A quiet table whose first `names` columns hold names, the others numbers."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        # Where it is narrow, names are folded, so that no number is cut off.
        is_name = number < names
        made.add_column(column, justify="left" if is_name else "right", no_wrap=not is_name, overflow="fold")
    return made


def written(files: Mapping[str, str | None]) -> list[RenderableType]:
    """The locations of a command's files by their kinds; None for files that were not asked for."""
    return [Text(f"{what}: {path}") for what, path in files.items() if path is not None]


def job_end(end: JobEnd, job: JobMsg) -> list[RenderableType]:
    """How each task of a job ended."""
    rows = table("task", "ended", "seconds", names=2)
    rows.add_column("", overflow="fold")
    statuses = [outcome.status for outcome in end.outcomes] + ["not_run"] * (len(job.tasks) - len(end.outcomes))
    for number, (msg, status) in enumerate(zip(job.tasks, statuses, strict=True)):
        if number >= MOST_ROWS and status == "done":
            continue
        outcome = end.outcomes[number] if number < len(end.outcomes) else None
        seconds = getattr(getattr(outcome, "result", None), "runtime", None)
        reason = outcome.error_message if outcome else None
        rows.add_row(
            name(getattr(msg, "job_token", None) or number),
            Text(status.replace("_", " "), style="" if status == "done" else "red"),
            "" if seconds is None else f"{seconds:.2f}",
            Text(plain_text(reason), style="red") if reason else Text(""),
        )
    done = statuses.count("done")
    style = "green" if done == len(statuses) else "red"
    return [rows, Text(f"{done} of {count_of(len(statuses), job.task_name + ' task')} done.", style=style)]


def extraction(files: Sequence[dict[str, Any]]) -> list[RenderableType]:
    """The feature files written."""
    rows = table("image", "features", "points", "seconds", names=2)
    for file in files[:MOST_ROWS]:
        seconds = "unchanged" if file["unchanged"] else f"{file['runtime']:.1f}"
        rows.add_row(name(file["image"]), Text(plain_text(file["features"])), str(file["points"]), seconds)
    points = sum(file["points"] for file in files)
    unchanged = sum(file["unchanged"] for file in files)
    rest = f"; {unchanged:,} of them {'was' if unchanged == 1 else 'were'} there, unchanged" if unchanged else ""
    more = [Text(f"… and {len(files) - MOST_ROWS} more")] if len(files) > MOST_ROWS else []
    return [
        rows,
        *more,
        Text(f"Features of {count_of(points, 'point')} in {count_of(len(files), 'image')}{rest}.", style="green"),
    ]


def evaluation(numbers: Evaluation, macro_f1: float | None) -> list[RenderableType]:
    """An evaluation: metrics of each class, the most frequent confusions, and the reliability of confidences."""
    rows = table("class", "points", "precision", "recall", "F1")
    order = sorted(range(len(numbers.classes)), key=lambda index: -int(numbers.support[index]))
    for index in order:
        values = (numbers.precision[index], numbers.recall[index], numbers.f1[index])
        rows.add_row(
            name(numbers.classes[index]), f"{numbers.support[index]:,}", *(percent(float(one), 1) for one in values)
        )
    parts: list[RenderableType] = [Text(f"{numbers.headline()}.", style="bold green")]
    if numbers.previous_accuracies:
        shares = ", ".join(percent(share, 1) for share in numbers.previous_accuracies)
        parts.append(Text(f"Previous models on the same points: {shares}."))
    parts += [Text(""), rows]
    if macro_f1 is not None:
        parts.append(Text(f"Mean F1 over the classes: {percent(macro_f1, 1)}.", style="dim"))
    if mistakes := numbers.largest_confusions(3):
        parts.append(Text("Most often confused: " + "; ".join(_mistake(*one) for one in mistakes) + ".", style="dim"))
    closing = [Text(""), Text(numbers.sentence(DEFAULT_THRESHOLD), style="bold")]
    return [*parts, *_by_image(numbers), *closing, *_left_out(numbers)]


def _by_image(numbers: Evaluation) -> list[RenderableType]:
    found = numbers.by_image
    if found is None:
        return []
    metrics = table(*METRICS_HEADING)
    for row in metric_rows(found, numbers.accuracy):
        metrics.add_row(*row)
    parts: list[RenderableType] = [Text(""), metrics]
    if found.sources:
        sources = table(*SOURCES_HEADING)
        for row in source_rows(found)[:MOST_ROWS]:
            sources.add_row(*map(Text, row))
        parts += [Text(""), sources]
    return [*parts, *(Text(one) for one in sentences(found, len(numbers.epoch_accuracies)))]


def _left_out(numbers: Evaluation) -> list[RenderableType]:
    if not numbers.left_out:
        return []
    rows = table("left out", "points")
    rows.add_column("why, and what to do", overflow="fold")
    for label, count, reason in numbers.left_out[:MOST_ROWS]:
        rows.add_row(name(label), f"{count:,}", reason)
    return [Text(""), Text(numbers.warning(), style="bold yellow"), rows]


def _mistake(true: str, given: str, count: int, share: float) -> str:
    return f"{shorten(true, 30)} taken for {shorten(given, 30)} ({count:,}, {percent(share)} of them)"


def cover(found: Cover) -> list[RenderableType]:
    """The share of each class in the points of all images, and of points with a confident answer."""
    rows = table("class", "points", "cover", f"score ≥ {found.threshold:.2f}")
    ranked = sorted(found.classes.items(), key=lambda item: -item[1][0])
    for label, (count, decided) in ranked[:MOST_ROWS]:
        rows.add_row(name(plain_text(label)), f"{count:,}", percent(count / found.points, 1), f"{decided:,}")
    decided_count = sum(decided for _, decided in found.classes.values())
    sentence = (
        f"{count_of(found.points, 'point')}; {percent(decided_count / max(found.points, 1))} reach the threshold."
    )
    if found.labelled:
        sentence += f" {percent(found.right / found.labelled, 1)} of the {found.labelled} labelled ones are right."
    return [rows, Text(sentence, style="green")]


def findings(checks: Iterable[dict[str, Any]]) -> list[RenderableType]:
    """The findings of ``doctor``."""
    parts: list[RenderableType] = []
    section = None
    for check in checks:
        if check["section"] != section:
            section = check["section"]
            rows = table("", "", "", names=3)
            rows.show_header = False
            parts += [Text(""), Text(section, style="bold"), rows]
        mark, style = {"ok": ("✓", "green"), "missing": ("–", "yellow"), "failed": ("✗", "red")}.get(
            check["state"], ("·", "")
        )
        rows.add_row(Text(mark, style=style), Text(plain_text(check["name"])), Text(plain_text(check["text"])))
    return parts[1:]
