"""What the admin pages show of a job's requests: facts, scores, and messages as JSON of bounded length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONEncoder
from typing import Any, NamedTuple

from spacer_like.contrib.django.models import SpacerJob
from spacer_like.contrib.django.running import outcomes_of
from spacer_like.exceptions import MessageError
from spacer_like.messages import TASKS, ClassifyReturnMsg, TaskOutcome

MOST_LISTED = 50
"""Requests in the table on a job's page."""
_MOST_CHARACTERS = 100_000
_MOST_ROWS, _BEST = 200, 3


class Request(NamedTuple):
    """A request of a job, read for its page.

    Fields:
        total: the number of the job's requests.
        message: what was asked for.
        outcome: how it ended; None: it has not.
        result: its return message with all scores, also those in a file of their own; None: it is not done.
    """

    total: int
    message: Any
    outcome: TaskOutcome | None
    result: Any


def request_of(job: SpacerJob, index: int) -> Request:
    """The request of this index.

    Raises:
        IndexError: the job has none.
        SpacerError: it, its outcome or its scores cannot be read.
    """
    described = _requests(job)
    message = TASKS[job.message["task_name"]].message.deserialize(described[index])
    outcome = outcomes_of(job, {index}).get(index)
    result: Any = outcome.result if outcome is not None else None
    if isinstance(result, ClassifyReturnMsg) and result.scores_loc is not None:
        result = ClassifyReturnMsg.load(result.scores_loc)
    return Request(len(described), message, outcome, result)


class Listed(NamedTuple):
    """A row of the table of requests: their numbers from 1, and `token`, the caller's own name of the request."""

    number: int
    token: str
    status: str
    error: str


def listed_requests(job: SpacerJob) -> tuple[int, list[Listed]]:
    """The number of a job's requests, and the first of them with their states.

    Raises:
        SpacerError: the job or its folder cannot be read.
    """
    described = _requests(job)
    outcomes = outcomes_of(job, range(MOST_LISTED))
    rows = []
    for index, one in enumerate(described[:MOST_LISTED]):
        outcome = outcomes.get(index)
        token = str(one.get("job_token", "")) if isinstance(one, dict) else ""
        status = outcome.status if outcome is not None else "no outcome"
        rows.append(Listed(index + 1, token, status, (outcome and outcome.error_message) or ""))
    return len(described), rows


def facts(request: Request) -> list[tuple[str, str]]:
    """How the request ended, and what its return message says in single values."""
    outcome = request.outcome
    if outcome is None:
        return [("status", "no outcome yet")]
    found = [("status", outcome.status)]
    if outcome.error_class is not None:
        found += [("error", f"{outcome.error_class}: {outcome.error_message}")]
    values = request.result.serialize() if request.result is not None else {}
    return found + [(name, str(one)) for name, one in values.items() if isinstance(one, bool | int | float | str)]


def best_labels(result: Any) -> Iterator[tuple[int | None, int | None, list[tuple[str, float]]]]:
    """Row, column and the three best labels with their scores of each classified point; none where none was."""
    if not isinstance(result, ClassifyReturnMsg):
        return
    for row, column, scores in result.scores:
        best = sorted(zip(result.classes, scores, strict=False), key=lambda one: -one[1])[:_BEST]
        yield row, column, [(str(label), score) for label, score in best]


def scores_table(result: Any) -> list[list[str]]:
    """Rows of a table of the first points: row, column, and the best labels with their scores."""
    rows: list[list[str]] = []
    for row, column, best in best_labels(result):
        if len(rows) == _MOST_ROWS:
            break
        texts = [f"{label} ({score:.3f})" for label, score in best]
        rows.append([_text(row), _text(column), *texts, *[""] * (_BEST - len(texts))])
    return rows


def bounded_json(data: Any) -> str:
    """JSON of some length at most; what comes after it is not even made."""
    pieces, length = [], 0
    for piece in JSONEncoder(indent=2).iterencode(data):
        pieces.append(piece)
        length += len(piece)
        if length > _MOST_CHARACTERS:
            pieces = ["".join(pieces)[:_MOST_CHARACTERS], "\n… and more"]
            break
    # Pairs of numbers take a line and not four. No string has a line break: JSON escapes it.
    return re.sub(r"\[\n\s+([^\[\]{}\"]*?)\n\s+\]", lambda found: f"[{' '.join(found[1].split())}]", "".join(pieces))


def _text(number: int | None) -> str:
    return "" if number is None else str(number)


def _requests(job: SpacerJob) -> list[Any]:
    described = job.message.get("tasks") if isinstance(job.message, dict) else None
    if not isinstance(described, list) or job.message.get("task_name") not in TASKS:
        raise MessageError("The job's message is of another version, and its requests are not known here.")
    return described
