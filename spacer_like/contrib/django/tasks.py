"""The task, in Django's sense, that runs a job: on `task_backend.SpacerBackend` by an engine, elsewhere by a worker."""

from __future__ import annotations

from typing import Any

from spacer_like.contrib.django.task_backend import task
from spacer_like.engines.base import Serial
from spacer_like.exceptions import SpacerInputError, TransientError
from spacer_like.messages import JobMsg


@task
def run_message(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a job; returns the JSON of each request's return message, in the order of the requests.

    Args:
        message: the job message as `JobMsg.serialize` makes it.

    Raises:
        MessageError: it is no job message.
        TransientError: the first failure is transient.
        SpacerInputError: it is permanent.
    """
    ended = sorted(Serial().outcomes(JobMsg.deserialize(message).tasks), key=lambda one: one[0])
    for _, outcome in ended:
        if outcome.status != "done":
            error = TransientError if outcome.transient else SpacerInputError
            raise error(f"{outcome.error_class}: {outcome.error_message}")
    return [outcome.result.serialize() for _, outcome in ended]
