"""Commands on submissions: many requests that run without this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like.cli.jobs_planning import shown_bill
from spacer_like.cli.jobs_submit_command import submit
from spacer_like.cli.locations import location
from spacer_like.cli.options import JsonMode, group
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import TransientError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.engines.array import ArraySubmission
    from spacer_like.engines.base import Ended, Progress
    from spacer_like.mailman import ExitCode
    from spacer_like.messages import TaskOutcome

_FAILURES_SHOWN = 10
_SECONDS_BETWEEN_LOOKS = 2.0

jobs = group("Many requests at once: here, or on AWS Batch, Slurm or Kubernetes.")
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
    json_mode: JsonMode = False,
) -> int:
    """Show how far the work is, and the first failures."""
    from spacer_like.engines.submissions import open_submission

    terminal = Terminal(json_mode=json_mode)
    found = open_submission(location(folder))
    progress = found.status()
    with terminal.progress({"requests": "Requests"}) as show:
        while wait and progress.at_work:
            show("requests", progress.done + progress.failed, progress.total)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            progress = found.status()
    failures = list(islice(_failures(found.collect()), _FAILURES_SHOWN)) if progress.failed else []
    notices = _notices(found)
    code = _exit_code(progress, failures)
    terminal.answer(
        {
            "ok": code == 0,
            "exit_code": int(code),
            **progress._asdict(),
            "waiting": progress.waiting,
            "failures": [_described(index, outcome) for index, outcome in failures],
            "notices": notices,
        }
        | found.engine
    )
    terminal.show(*_shown(progress, failures, notices))
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
    progress = found.status()
    ended = list(found.collect())
    lines = (json.dumps({"index": index} | outcome.serialize()) for index, outcome in ended)
    write_bytes(out_loc, "".join(f"{line}\n" for line in lines).encode())
    failures = list(_failures(iter(ended)))
    code = _exit_code(progress, failures)
    took = bill(found.folder, is_complete=not (progress.at_work or progress.waiting))
    answer = {"ok": code == 0, "exit_code": int(code), "outcomes": len(ended), "file": out_loc.uri}
    terminal.answer(answer | {"bill": None if took is None else took.serialize()})
    terminal.show(*_shown(progress, failures[:_FAILURES_SHOWN], []), *([] if took is None else shown_bill(took)))
    return int(code)


def retry_failed(folder: Folder, json_mode: JsonMode = False) -> int:
    """Run the requests again that failed, or that have no result."""
    from rich.text import Text

    from spacer_like.engines.submissions import open_submission

    terminal = Terminal(json_mode=json_mode)
    count = open_submission(location(folder)).retry_failed()
    terminal.answer({"ok": True, "requests": count})
    terminal.show(Text(f"{count} requests are run again.", style="green"))
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


def _failures(ended: Iterator[Ended]) -> Iterator[Ended]:
    return (one for one in ended if one[1].status == "failed")


def _notices(found: ArraySubmission) -> list[str]:
    """What the scheduler says of the arrays, and which children were interrupted."""
    from spacer_like.engines.child_records import read_child_records
    from spacer_like.engines.scheduled import ScheduledSubmission

    if not isinstance(found, ScheduledSubmission):
        return []
    try:
        states = found.array_states()
    except TransientError as error:
        return [str(error)]
    notices = [f"Array {key}: {state.reason}" for key, state in states.items() if state.reason]
    for record in read_child_records(found.folder):
        if record.get("interrupted"):
            notices.append(f"Shard {record['shard']} of run {record['run']}: {record['interrupted']}")
    return notices


def _exit_code(progress: Progress, failures: list[Ended]) -> ExitCode:
    from spacer_like.mailman import ExitCode

    if progress.at_work or progress.done == progress.total:
        return ExitCode.DONE
    if any(not outcome.transient for _, outcome in failures):
        return ExitCode.PERMANENT_FAILURE
    return ExitCode.TRANSIENT_FAILURE


def _described(index: int, outcome: TaskOutcome) -> dict[str, Any]:
    return {"index": index, "class": outcome.error_class, "message": outcome.error_message}


def _shown(progress: Progress, failures: list[Ended], notices: list[str]) -> list[RenderableType]:
    from rich.text import Text

    from spacer_like.cli.rendering import table
    from spacer_like.drawing.class_style import plain_text

    rows = table("requests", "done", "failed", "waiting", names=0)
    rows.add_row(*(str(one) for one in (progress.total, progress.done, progress.failed, progress.waiting)))
    state = "at work" if progress.at_work else "cancelled" if progress.cancelled else "not at work"
    lines = [Text(f"Request {index}: {plain_text(outcome.error_message)}", style="red") for index, outcome in failures]
    more = progress.failed - len(failures)
    hidden = [Text(f"… and {more} more failures", style="red")] if more > 0 and failures else []
    return [rows, Text(f"It is {state}."), *lines, *hidden, *(Text(plain_text(one)) for one in notices)]
