"""A backend of Django's tasks, whose one task is `tasks.run_message`: jobs are rows that engines run.

For example::

    TASKS = {
        "default": {
            "BACKEND": "spacer_like.contrib.django.task_backend.SpacerBackend",
            "QUEUES": ["default", "high"],
        },
    }

A queue's name is a level of SPACER_JOBS; the queue ``default`` is that of the level ``""``.
"""

from __future__ import annotations

import inspect
import json
from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from spacer_like.contrib.django.engine_settings import engine_for
from spacer_like.contrib.django.models import CANCELLED, FAILED, SUBMITTED, SUCCEEDED, WAITING, SpacerJob
from spacer_like.contrib.django.running import create, result_of
from spacer_like.exceptions import ConfigError
from spacer_like.messages import JobMsg

if find_spec("django.tasks"):
    from django.tasks import DEFAULT_TASK_QUEUE_NAME, TaskResult, TaskResultStatus, task
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import TaskError
    from django.tasks.exceptions import InvalidTask, TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued
elif find_spec("django_tasks"):
    from django_tasks import DEFAULT_TASK_QUEUE_NAME, TaskResult, TaskResultStatus, task
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import TaskError
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultDoesNotExist
    from django_tasks.signals import task_enqueued
else:
    raise ConfigError("Django has tasks from version 6.0 on: run pip install django-tasks for an older one.")

__all__ = [
    "InvalidTask",
    "SpacerBackend",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "task",
    "task_enqueued",
]

_TASK = "spacer_like.contrib.django.tasks.run_message"
_STATUSES = {
    WAITING: TaskResultStatus.READY,
    SUBMITTED: TaskResultStatus.RUNNING,
    SUCCEEDED: TaskResultStatus.SUCCESSFUL,
    FAILED: TaskResultStatus.FAILED,
    CANCELLED: TaskResultStatus.FAILED,
}


class SpacerBackend(BaseTaskBackend):
    """Tasks that are jobs in the database: a task's id is the digest of its job, of which the last row answers.

    Results are those that ``manage.py collect_jobs`` has collected.
    """

    supports_get_result = True

    def validate_task(self, task: Any) -> None:
        """Refuse functions other than `tasks.run_message`.

        Raises:
            InvalidTask: the function is another one, or priorities, times or contexts are asked for.
        """
        super().validate_task(task)
        if task.module_path != _TASK:
            raise InvalidTask(f"The backend '{self.alias}' runs {_TASK} alone, and not {task.module_path}.")

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> TaskResult:
        """Store a job, which is submitted when the transaction is committed; twice is once while it has not ended.

        Raises:
            InvalidTask: see `validate_task`.
            MessageError: the argument is not the JSON of a job message.
            ConfigError: SPACER_JOBS names no folder, or no engine for the queue.
        """
        self.validate_task(task)
        [message] = inspect.signature(task.func).bind(*args, **kwargs).args
        row = create(JobMsg.deserialize(message), spec_level=_level(task.queue_name))
        result = self._result(row, task)
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> TaskResult:
        """The last job of a digest; what it returned is read from its folder.

        Raises:
            TaskResultDoesNotExist: there is none.
            SpacerError: the folder cannot be read.
        """
        row = SpacerJob.objects.filter(digest=result_id).order_by("pk").last()
        if row is None:
            raise TaskResultDoesNotExist(result_id)
        queue = row.spec_level or DEFAULT_TASK_QUEUE_NAME
        return self._result(row, import_string(_TASK).using(backend=self.alias, queue_name=queue))

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """The engines that SPACER_JOBS lacks for the queues."""
        try:
            for queue in sorted(self.queues):
                engine_for(_level(queue))
        except ConfigError as error:
            return [Error(str(error), id="spacer_like.E002")]
        return []

    def _result(self, row: SpacerJob, task: Any) -> TaskResult:
        has_ended = row.status not in (WAITING, SUBMITTED)
        result = TaskResult(
            task=task,
            id=row.digest,
            status=_STATUSES[row.status],
            enqueued_at=row.created,
            # The engine's own records have these times.
            started_at=None,
            last_attempted_at=None,
            finished_at=row.updated if has_ended else None,
            args=[row.message],
            kwargs={},
            backend=self.alias,
            errors=[_error(row)] if row.status in (FAILED, CANCELLED) else [],
            worker_ids=[row.engine] * (row.attempt - (row.status == WAITING)),
        )
        if row.status == SUCCEEDED:
            returned = result_of(row)
            assert returned is not None
            object.__setattr__(result, "_return_value", json.loads(returned.to_json())["results"])
        return result


def _level(queue: str) -> str:
    return "" if queue == DEFAULT_TASK_QUEUE_NAME else queue


def _error(row: SpacerJob) -> TaskError:
    return TaskError(exception_class_path=row.error_class, traceback=f"{row.error_class}: {row.error_message}")
