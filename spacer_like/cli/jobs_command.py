"""Commands on submissions: many requests that run without this process."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like.cli.jobs_planning import shown_bill
from spacer_like.cli.jobs_submit_command import show_manifests, submit
from spacer_like.cli.locations import location
from spacer_like.cli.options import JsonMode, duration, group
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import MessageError, SpacerError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.engines.array import ArraySubmission
    from spacer_like.engines.base import Ended, Progress
    from spacer_like.engines.shard_progress import ShardProgress
    from spacer_like.mailman import ExitCode
    from spacer_like.messages import TaskOutcome

_FAILURES_SHOWN = 10
_SHARDS_SHOWN = 20
_SECONDS_BETWEEN_LOOKS = 2.0

jobs = group("Many requests at once: here, or on AWS Batch, Slurm, Dask or Kubernetes.")
Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="The submission's folder: a path or a URI.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(jobs, name="jobs", short_help="Many requests at once, here or on a cluster.")
    jobs.command(short_help="Store requests, and start the work.")(submit)
    jobs.command(short_help="How far the work is.")(status)
    jobs.command(short_help="The results so far.")(collect)
    jobs.command("retry-failed", short_help="Run what failed again.")(retry_failed)
    jobs.command(short_help="End the work.")(cancel)


def status(
    folder: Folder,
    wait: Annotated[bool, typer.Option("--wait", help="Return when nothing is at work any more.")] = False,
    give_up_after: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Cancel what waits for machines in vain for longer: 900, 30m, 2h, 1d."),
    ] = None,
    json_mode: JsonMode = False,
) -> int:
    """Show how far the work is, shard by shard, and the first failures.

    With --wait, a shard that takes far longer than the others gets a second child, and the first to end wins.
    """
    from spacer_like.engines.scheduled import ScheduledSubmission
    from spacer_like.engines.submissions import open_submission
    from spacer_like.engines.watching import Watch, give_up

    seconds = None if give_up_after is None else duration(give_up_after, "give-up-after")
    terminal = Terminal(json_mode=json_mode)
    found = open_submission(location(folder))
    if seconds is not None and isinstance(found, ScheduledSubmission):
        give_up(found, seconds)
    watch = Watch(found, seconds)
    progress, unknown = (watch.look(), "") if wait else _progress(found)
    with terminal.progress({"requests": "Requests"}) as show:
        while wait and progress.at_work:
            show("requests", progress.done + progress.failed, progress.total)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            progress = watch.look()
    shards = found.shards(progress.at_work) if isinstance(found, ScheduledSubmission) else []
    failures = list(islice(_failures(found.collect()), _FAILURES_SHOWN)) if progress.failed else []
    blocked = found.count_blocked() if progress.waiting and not progress.at_work else 0
    notices = [] if unknown else found.notices(progress)
    code = _exit_code(progress, failures)
    terminal.answer(
        {
            "ok": code == 0,
            "exit_code": int(code),
            **progress._asdict(),
            "waiting": progress.waiting,
            "blocked": blocked,
            "failures": [_described(index, outcome) for index, outcome in failures],
            "notices": notices + ([unknown] if unknown else []),
            "shards": [one._asdict() | {"waiting": one.waiting} for one in shards],
            "reason": found.cancellation(),
        }
        | ({"at_work": None} if unknown else {})
        | found.engine
    )
    if progress.waiting and not progress.at_work and not unknown:
        notices.append(_advice(folder, blocked))
    terminal.show(*_shown(progress, failures, notices, found.cancellation(), unknown), *_shard_rows(shards))
    return int(code)


def collect(
    folder: Folder,
    out: Annotated[str, typer.Option(metavar="FILE.jsonl", help="The outcomes, one line each: a path or a URI.")],
    json_mode: JsonMode = False,
) -> int:
    """Write the outcome of each request that has one, in the order of the requests."""
    import json

    from spacer_like.engines.bill import bill
    from spacer_like.engines.submissions import open_submission
    from spacer_like.overwriting import check_locations, named_locations
    from spacer_like.storage import write_bytes

    terminal = Terminal(json_mode=json_mode)
    out_loc = location(out)
    check_locations(named_locations({"--out": out_loc}, {}))
    found = open_submission(location(folder))
    progress, unknown = _progress(found)
    ended = list(found.collect())
    lines = (json.dumps({"index": index} | outcome.serialize()) for index, outcome in ended)
    write_bytes(out_loc, "".join(f"{line}\n" for line in lines).encode())
    failures = list(_failures(iter(ended)))
    code = _exit_code(progress, failures)
    took, notices = None, []
    try:
        took = bill(found.folder, is_complete=not (progress.at_work or progress.waiting))
    except MessageError as error:
        # A record of a child says nothing about the outcomes.
        notices = [f"What the children took is not known: {error}"]
    answer = {"ok": code == 0, "exit_code": int(code), "outcomes": len(ended), "file": out_loc.uri}
    terminal.answer(answer | {"bill": None if took is None else took.serialize()})
    shown = _shown(progress, failures[:_FAILURES_SHOWN], notices, unknown=unknown)
    terminal.show(*shown, *([] if took is None else shown_bill(took)))
    return int(code)


def retry_failed(folder: Folder, json_mode: JsonMode = False) -> int:
    """Run the requests again that failed, or that have no result."""
    from rich.text import Text

    from spacer_like.engines.submissions import open_submission
    from spacer_like.reports.evaluation import count_of

    terminal = Terminal(json_mode=json_mode)
    found = open_submission(location(folder))
    count = found.retry_failed()
    if found.engine["engine"] == "kubernetes":
        return show_manifests(found)
    terminal.answer({"ok": True, "requests": count})
    what = f"{count_of(count, 'request')} run again" if count else "There is nothing to be run again"
    terminal.show(Text(f"{what}.", style="green"))
    return 0


def cancel(folder: Folder, json_mode: JsonMode = False) -> int:
    """End the work; results are kept, and retry-failed goes on with it."""
    from rich.text import Text

    from spacer_like.engines.submissions import open_submission

    terminal = Terminal(json_mode=json_mode)
    found = open_submission(location(folder))
    found.cancel()
    progress = found.status()
    terminal.answer({"ok": True} | progress._asdict())
    terminal.show(Text(f"Cancelled: {progress.done} of {progress.total} requests are done.", style="green"))
    return 0


def _progress(found: ArraySubmission) -> tuple[Progress, str]:
    """The progress; where the scheduler does not say whether anything is at work, that of the results, and why."""
    if found.engine["engine"] == "kubernetes":
        return found.status(), "Kubernetes says it: kubectl get jobs."
    try:
        return found.status(), ""
    except SpacerError as error:
        return found.counted(at_work=False), str(error)


def _advice(folder: str, blocked: int) -> str:
    """What to do about requests that have no result, and of which nothing is at work."""
    why = f"{blocked} of those that wait need the outputs of others that are not done. " if blocked else ""
    return f"{why}To do again what failed, and what has no result: spacer-like jobs retry-failed {folder}"


def _failures(ended: Iterator[Ended]) -> Iterator[Ended]:
    return (one for one in ended if one[1].status == "failed")


def _exit_code(progress: Progress, failures: list[Ended]) -> ExitCode:
    from spacer_like.mailman import ExitCode

    if progress.at_work or progress.done == progress.total:
        return ExitCode.DONE
    if any(not outcome.transient for _, outcome in failures):
        return ExitCode.PERMANENT_FAILURE
    return ExitCode.TRANSIENT_FAILURE


def _described(index: int, outcome: TaskOutcome) -> dict[str, Any]:
    return {"index": index, "class": outcome.error_class, "message": outcome.error_message}


def _shown(
    progress: Progress, failures: list[Ended], notices: list[str], reason: str = "", unknown: str = ""
) -> list[RenderableType]:
    from rich.text import Text

    from spacer_like.cli.rendering import table
    from spacer_like.drawing.class_style import plain_text

    rows = table("requests", "done", "failed", "waiting", names=0)
    rows.add_row(*(str(one) for one in (progress.total, progress.done, progress.failed, progress.waiting)))
    state = "It is at work." if progress.at_work else "It is cancelled." if progress.cancelled else "It is not at work."
    if unknown:
        state = f"Whether anything is at work is not known. {plain_text(unknown)}"
    lines = [Text(f"Request {index}: {plain_text(outcome.error_message)}", style="red") for index, outcome in failures]
    more = progress.failed - len(failures)
    hidden = [Text(f"… and {more} more failures", style="red")] if more > 0 and failures else []
    return [
        rows,
        Text(state + (f" {plain_text(reason)}" if reason else "")),
        *lines,
        *hidden,
        *(Text(plain_text(one)) for one in notices),
    ]


def _shard_rows(shards: list[ShardProgress]) -> list[RenderableType]:
    """A row for each shard; of many, for those that are not done."""
    from rich.text import Text

    from spacer_like.cli.rendering import table
    from spacer_like.drawing.class_style import plain_text

    wanted = shards if len(shards) <= _SHARDS_SHOWN else [one for one in shards if one.state != "done"]
    rows = table("shard", "requests", "done", "failed", "waiting", "seconds", names=0)
    rows.add_column("state", overflow="fold")
    for one in wanted[:_SHARDS_SHOWN]:
        numbers = (one.shard, one.total, one.done, one.failed, one.waiting)
        seconds = "" if one.seconds is None else f"{one.seconds:.0f}"
        state = one.state + (", by two children" if one.has_copy else "")
        rows.add_row(*map(str, numbers), seconds, Text(plain_text(f"{state}. {one.notice}" if one.notice else state)))
    counts = Counter(one.state for one in shards)
    count = ", ".join(f"{number} {state}" for state, number in counts.items())
    summary = [Text(f"{len(shards)} shards: {count}.")] if len(wanted[:_SHARDS_SHOWN]) < len(shards) else []
    return [*([rows] if wanted else []), *summary] if shards else []
