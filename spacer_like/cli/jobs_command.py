"""Commands on submissions: many requests that run without this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like import interruption
from spacer_like.cli.locations import location
from spacer_like.cli.options import JsonMode, UsageError, group
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import TransientError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from spacer_like.engines.array import ArraySubmission
    from spacer_like.engines.base import Ended, Progress
    from spacer_like.mailman import ExitCode
    from spacer_like.message_base import Message
    from spacer_like.messages import TaskOutcome

_FAILURES_SHOWN = 10
_SECONDS_BETWEEN_LOOKS = 2.0

jobs = group("Many requests at once: here, or on AWS Batch, Slurm or Kubernetes.")
Folder = Annotated[str, typer.Argument(metavar="FOLDER", help="The submission's folder: a path or a URI.")]
# The engine's options by the command's, and what the engine calls them.
_OPTIONS = {
    "local": {"processes": "processes"},
    "slurm": {
        "partition": "partition",
        "account": "account",
        "time": "time_limit",
        "memory": "memory",
        "cores": "cores",
        "logs": "log_folder",
    },
    "batch": {
        "queue": "queue",
        "definition": "definition",
        "attempts": "attempts",
        "seconds": "seconds",
        "region": "region",
    },
    "kubernetes": {"image": "image", "retries": "retries"},
}
_NEEDED = {"batch": ("queue", "definition"), "kubernetes": ("image",)}


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(jobs, name="jobs", short_help="Many requests at once, here or on a cluster.")
    jobs.command(short_help="Store requests, and start the work.")(submit)
    jobs.command(short_help="How far the work is.")(status)
    jobs.command(short_help="The results so far.")(collect)
    jobs.command("retry-failed", short_help="Run what failed again.")(retry_failed)
    jobs.command(short_help="End the work.")(cancel)


def submit(
    files: Annotated[list[str], typer.Argument(metavar="JOB.json...", help="Job messages: paths or URIs.")],
    folder: Annotated[str, typer.Option(metavar="LOC", help="Where the submission is kept: a path or a URI.")],
    engine: Annotated[str, typer.Option(metavar="NAME", help="local, slurm, batch or kubernetes.")] = "local",
    shard: Annotated[int, typer.Option(min=1, metavar="N", help="Requests of each child of an array.")] = 50,
    most_children: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Children of one array: several arrays stand side by side."),
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="local: how many work at once; else one for each core.")
    ] = None,
    partition: Annotated[str | None, typer.Option(metavar="NAME", help="slurm: as of sbatch.")] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="slurm: as of sbatch.")] = None,
    time_limit: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="slurm: of each child, as of sbatch.")
    ] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="slurm: of each child, such as 4G.")] = None,
    cores: Annotated[int | None, typer.Option(min=1, metavar="N", help="slurm: of each child.")] = None,
    logs: Annotated[str | None, typer.Option(metavar="DIR", help="slurm: a folder for the children's logs.")] = None,
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="batch: the job queue.")] = None,
    definition: Annotated[str | None, typer.Option(metavar="NAME", help="batch: the job definition.")] = None,
    attempts: Annotated[
        int | None, typer.Option(metavar="N", help="batch: how often a child is started at most; else 3.")
    ] = None,
    seconds: Annotated[int | None, typer.Option(metavar="N", help="batch: after which a child is ended.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="batch: else that of the settings.")] = None,
    image: Annotated[str | None, typer.Option(metavar="NAME", help="kubernetes: the container's image.")] = None,
    retries: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="kubernetes: how often a child is tried again; else 2.")
    ] = None,
    json_mode: JsonMode = False,
) -> int:
    """Store the requests of job messages in a folder, and start the work on them. Submitting them again harms nothing.

    With the engine kubernetes the Jobs' manifests are printed, for kubectl apply.
    """
    from spacer_like.engines.scheduled import Sharding
    from spacer_like.engines.submissions import submission

    given = {
        "processes": processes,
        "partition": partition,
        "account": account,
        "time": time_limit,
        "memory": memory,
        "cores": cores,
        "logs": logs,
        "queue": queue,
        "definition": definition,
        "attempts": attempts,
        "seconds": seconds,
        "region": region,
        "image": image,
        "retries": retries,
    }
    options = _options_of(engine, {name: value for name, value in given.items() if value is not None})
    terminal = Terminal(json_mode=json_mode)
    made = submission(location(folder), engine, Sharding(shard, most_children), **options)
    requests = _requests(files)
    with interruption.deferred():
        made.submit(requests)
    if engine == "kubernetes":
        return _show_manifests(made)
    terminal.answer({"ok": True, "folder": made.folder.uri, "requests": len(requests)} | made.engine)
    if not json_mode:
        from rich.text import Text

        terminal.show(
            Text(f"{len(requests)} requests submitted. See them by: spacer-like jobs status {folder}", style="green")
        )
    return 0


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
    terminal.answer({"ok": code == 0, "exit_code": int(code), "outcomes": len(ended), "file": out_loc.uri})
    terminal.show(*_shown(progress, failures[:_FAILURES_SHOWN], []))
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


def _options_of(engine: str, given: dict[str, Any]) -> dict[str, Any]:
    """The engine's options of those that are given by the command's names."""
    names = _OPTIONS.get(engine, {})
    for name in given:
        if engine in _OPTIONS and name not in names:
            owner = next(one for one, options in _OPTIONS.items() if name in options)
            raise UsageError(f"The option --{name} is of the engine {owner}, not of {engine}.")
    for name in _NEEDED.get(engine, ()):
        if name not in given:
            raise UsageError(f"The engine {engine} needs the option --{name}.")
    return {names[name]: value for name, value in given.items() if name in names}


def _requests(files: list[str]) -> list[Message]:
    from spacer_like.cli.job_commands import read_job

    return [task for file in files for task in read_job(file).tasks]


def _show_manifests(made: ArraySubmission) -> int:
    import json

    from spacer_like.engines.kubernetes import Kubernetes
    from spacer_like.engines.scheduled import ScheduledSubmission

    assert isinstance(made, ScheduledSubmission)
    assert isinstance(made.scheduler, Kubernetes)
    listed = {"apiVersion": "v1", "kind": "List", "items": made.scheduler.manifests}
    typer.echo(json.dumps(listed, indent=2))
    return 0


def _failures(ended: Iterator[Ended]) -> Iterator[Ended]:
    return (one for one in ended if one[1].status == "failed")


def _notices(found: ArraySubmission) -> list[str]:
    """What the scheduler says of the arrays, and which children were interrupted."""
    from spacer_like.engines.scheduled import ScheduledSubmission, read_child_records

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
