"""The command ``jobs submit``: requests are stored, and the work on them begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like import interruption
from spacer_like.cli.engines import check_reached
from spacer_like.cli.jobs_planning import Planning, shown_plan
from spacer_like.cli.locations import location
from spacer_like.cli.options import JsonMode, UsageError
from spacer_like.cli.terminal import Terminal

if TYPE_CHECKING:
    from rich.text import Text

    from spacer_like.engines.array import ArraySubmission
    from spacer_like.engines.plan import Plan
    from spacer_like.message_base import Message

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
    "dask": {"address": "address", "retries": "retries"},
    "kubernetes": {"image": "image", "retries": "retries"},
}
_SHARD = 50
_NEEDED = {"batch": ("queue", "definition"), "dask": ("address",), "kubernetes": ("image",)}


def submit(
    files: Annotated[list[str], typer.Argument(metavar="JOB.json...", help="Job messages: paths or URIs.")],
    folder: Annotated[str, typer.Option(metavar="LOC", help="Where the submission is kept: a path or a URI.")],
    engine: Annotated[str, typer.Option(metavar="NAME", help="local, slurm, batch, dask or kubernetes.")] = "local",
    shard: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Requests of each child of an array; else as planned, or 50.")
    ] = None,
    shard_seconds: Annotated[
        float | None,
        typer.Option(min=1.0, metavar="N", help="How long a child is to work, by a sample; else 900 of --dry-run."),
    ] = None,
    most_children: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Children of one array: several arrays stand side by side."),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="TEMPLATE",
            help="A place for each outcome besides, such as s3://bucket/{job}/{name}.json; or index, task, digest.",
        ),
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
    address: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="dask: of the cluster's scheduler.")
    ] = None,
    image: Annotated[str | None, typer.Option(metavar="NAME", help="kubernetes: the container's image.")] = None,
    retries: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="dask, kubernetes: how often a shard is tried again; else 2.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do a sample, show what the work will take, and submit nothing.")
    ] = False,
    sample: Annotated[
        int | None, typer.Option(min=3, metavar="N", help="About how many requests the sample has; else 5.")
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="X", help="Of a vCPU hour, in any currency, for what the work costs."),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="X", help="Submit nothing that may cost more, by a sample; needs --price."),
    ] = None,
    json_mode: JsonMode = False,
) -> int:
    """Store the requests of job messages in a folder, and start the work on them. Submitting them again harms nothing.

    With the engine kubernetes the Jobs' manifests are printed, for kubectl apply. The requests of a sample are done for
    real: they write what they are asked to write, and the submission does not do them again.
    """
    from spacer_like.engines.scheduled import Sharding
    from spacer_like.engines.submissions import submission

    planning = Planning(dry_run, shard, shard_seconds, sample, price, max_cost)
    planning.check()

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
        "address": address,
        "image": image,
        "retries": retries,
    }
    options = _options_of(engine, {name: value for name, value in given.items() if value is not None})
    terminal = Terminal(json_mode=json_mode)
    made = submission(location(folder), engine, Sharding(shard or _SHARD, most_children), results, **options)
    for place in filter(None, [folder, results]):
        check_reached(engine, location(place))
    requests = _requests(files)
    plan = planning.plan(made, requests, terminal)
    if plan is not None and dry_run:
        return _show_plan(plan, max_cost, terminal)
    if plan is not None and max_cost is not None:
        plan.check_cost(max_cost)
    with interruption.deferred():
        made.submit(requests)
    progress = made.counted(at_work=True)
    known = progress.done + progress.failed
    if engine == "kubernetes":
        return show_manifests(made)
    planned = {} if plan is None else {"plan": plan.serialize()}
    terminal.answer({"ok": True, "folder": made.folder.uri, "requests": len(requests)} | made.engine | planned)
    if not json_mode:
        terminal.show(_said(len(requests), known, folder))
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


def _said(count: int, known: int, folder: str) -> Text:
    from rich.text import Text

    from spacer_like.reports.evaluation import count_of

    if known == count:
        again = f"To run again those that failed: spacer-like jobs retry-failed {folder}"
        return Text(f"Nothing is begun: all {count_of(count, 'request')} have results. {again}")
    have = f" {known} of them have results already." if known else ""
    return Text(
        f"{count_of(count, 'request')} submitted.{have} See them by: spacer-like jobs status {folder}", style="green"
    )


def _show_plan(plan: Plan, max_cost: float | None, terminal: Terminal) -> int:
    from rich.text import Text

    terminal.show(*shown_plan(plan))
    if max_cost is not None:
        plan.check_cost(max_cost)
    terminal.answer({"ok": True, "dry_run": True} | plan.serialize())
    kept = "The sample's results are kept" if plan.to_do else "The sample was all that was to do"
    terminal.show(Text(f"{kept}; nothing is submitted.", style="green"))
    return 0


def show_manifests(made: ArraySubmission) -> int:
    """Print the manifests of the Jobs that were begun last, for kubectl."""
    import json

    from spacer_like.engines.kubernetes import Kubernetes
    from spacer_like.engines.scheduled import ScheduledSubmission

    assert isinstance(made, ScheduledSubmission)
    assert isinstance(made.scheduler, Kubernetes)
    listed = {"apiVersion": "v1", "kind": "List", "items": made.scheduler.manifests}
    typer.echo(json.dumps(listed, indent=2))
    return 0
