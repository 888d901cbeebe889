"""Commands that work on messages: run, validate, schema, env-job."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spacer_like import interruption
from spacer_like.cli.locations import location, read_text_source
from spacer_like.cli.options import JsonMode, source
from spacer_like.cli.terminal import Terminal
from spacer_like.exceptions import MessageError, SpacerInputError, nearest

if TYPE_CHECKING:
    from spacer_like.messages import JobMsg


def add_to(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(short_help="Run a job message.")(run)
    app.command(short_help="Check a message or a table of points.")(validate)
    app.command(short_help="Print the JSON Schema of messages.")(schema)
    app.command("env-job", short_help="A container's entry point.")(env_job)


def run(
    job: Annotated[str, typer.Argument(metavar="JOB.json", help="The job message: a path, a URI, or '-'.")],
    result: Annotated[
        str | None, typer.Option(metavar="LOC", help="Where the return message goes: a path or a URI.")
    ] = None,
    json_mode: JsonMode = False,
) -> int:
    """Run a job message and show how each of its tasks ended."""
    from spacer_like.cli.running import run_with_progress
    from spacer_like.overwriting import check_locations, named_locations

    terminal = Terminal(json_mode=json_mode)
    # An unusable destination is refused before the work, not after it.
    result_location = location(result) if result else None
    if result_location is not None and not result_location.is_writable:
        raise SpacerInputError(
            f"The result cannot be written to {result_location.display_name}: a URL can only be read."
        )
    message = read_job(job)
    used = named_locations({"--result": result_location}, {"the job": source(job)})
    check_locations(used)
    end = run_with_progress(message, terminal, used)
    if result_location is not None:
        with interruption.deferred():
            end.message.store(result_location)
    elif json_mode:
        # What nobody could read is not printed either.
        end.message.to_json("The return message")
    terminal.answer(end.message.serialize())
    if not json_mode:
        from spacer_like.cli.rendering import job_end, written

        terminal.show(*job_end(end, message), *written({"Result": result}))
    return int(end.exit_code)


def read_job(source: str) -> JobMsg:
    """The job message at a path or a URI, or on standard input; errors name the file beside the field."""
    from spacer_like.data_classes.base import parse_json
    from spacer_like.messages import JobMsg

    data, name = read_text_source(source)
    job: JobMsg = _deserialized(JobMsg, parse_json(data, name), name)
    return job


def _deserialized(message_class: Any, value: Any, name: str) -> Any:
    """The message, or an error that names the file beside the field."""
    try:
        return message_class.deserialize(value)
    except MessageError as error:
        raise type(error)(f"{name}: {error}") from error


def validate(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A message, or a table of points (.csv): a path, a URI, or '-'.")
    ],
    kind: Annotated[
        str | None,
        typer.Option("--as", metavar="TASK", help="The task whose single request it is, such as classify_image."),
    ] = None,
    json_mode: JsonMode = False,
) -> int:
    """Check a job message, a return message, one task's request, or a table of points, without running anything."""
    terminal = Terminal(json_mode=json_mode)
    data, name = read_text_source(file)
    found = (
        _table_found(data, name, terminal)
        if name.lower().endswith((".csv", ".tsv"))
        else _message_found(data, name, kind)
    )
    terminal.answer({"ok": True, "file": name, **found})
    if not json_mode:
        from rich.text import Text

        terminal.show(Text(f"{name} is valid: {found['what']}."))
    return 0


def _table_found(data: bytes, name: str, terminal: Terminal) -> dict[str, Any]:
    from spacer_like.points.point_table import read_points

    table = read_points(data, name)
    for notice in table.notices():
        terminal.note(notice)
    classes = len(table.labels)
    what = f"{table.point_count} points in {len(table.images)} images, " + (
        f"{classes} classes" if classes else "no labels"
    )
    return {"what": what, "points": table.point_count, "images": len(table.images), "classes": classes}


def _message_found(data: bytes, name: str, kind: str | None) -> dict[str, Any]:
    from spacer_like.data_classes.base import parse_json
    from spacer_like.messages import JobMsg, JobReturnMsg

    value = parse_json(data, name)
    if kind is not None:
        message_class = _message_class(kind)
        _deserialized(message_class, value, name)
        return {"what": f"a message of the class {message_class.__name__}", "message": message_class.__name__}
    if isinstance(value, dict) and "original_job" in value:
        _deserialized(JobReturnMsg, value, name)
        return {"what": "a JobReturnMsg", "message": "JobReturnMsg"}
    job = _deserialized(JobMsg, value, name)
    what = f"a JobMsg of {len(job.tasks)} {job.task_name} task{'' if len(job.tasks) == 1 else 's'}"
    return {"what": what, "message": "JobMsg", "task_name": job.task_name, "tasks": len(job.tasks)}


def _message_class(name: str) -> Any:
    """The message class of a task, or of its own name.

    Raises:
        SpacerInputError: there is none.
    """
    from spacer_like.messages import TASKS, JobMsg, JobReturnMsg, TaskOutcome

    classes: dict[str, Any] = {one.__name__: one for one in (JobMsg, JobReturnMsg, TaskOutcome)}
    for task in TASKS.values():
        classes |= {one.__name__: one for one in (task.message, task.return_message)}
    if name in TASKS:
        return TASKS[name].message
    if name not in classes:
        near = nearest(name, [*TASKS, *classes]) or f" Choose one of {', '.join(TASKS)}."
        raise SpacerInputError(f"There is no task or message '{name}'.{near}")
    return classes[name]


def schema(
    message: Annotated[
        str | None, typer.Argument(metavar="[TASK]", help="A task, or a message's class; without it: the job message.")
    ] = None,
    json_mode: JsonMode = False,
) -> int:
    """Print the JSON Schema of job messages, or of one message."""
    from spacer_like.messages import JobMsg, json_schema

    found = _message_class(message) if message else JobMsg
    described = json_schema() if found is JobMsg else found.model_json_schema()
    typer.echo(json.dumps(described, indent=None if json_mode else 2))
    return 0


def env_job() -> int:
    """Run the job that JOB_MSG_LOC names and store its answer at RES_MSG_LOC: a container's entry point.

    Where the environment names a submission (SUBMISSION_LOC), a shard of it is done instead.
    """
    if os.getenv("SUBMISSION_LOC"):
        from spacer_like.engines import shard

        return shard.main()
    from spacer_like import mailman

    return mailman.main(["env_job"], exit_codes=True)
