"""The table of jobs."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from spacer_like.location import DataLocation
from spacer_like.messages import JobMsg, digest_of

WAITING, SUBMITTED, SUCCEEDED, FAILED, CANCELLED = "waiting", "submitted", "succeeded", "failed", "cancelled"
"""The states of a job; it is waiting until it is submitted, and again before another attempt."""
STATES = (WAITING, SUBMITTED, SUCCEEDED, FAILED, CANCELLED)
UNFINISHED = (WAITING, SUBMITTED)


class Jobs(models.QuerySet):
    """Jobs, in the order in which they were made."""

    def unfinished(self) -> Jobs:
        """Those that have not ended; their messages, which may be large, are read when they are asked for."""
        found: Jobs = self.filter(status__in=UNFINISHED).defer("message")
        return found

    def collectable(self) -> Jobs:
        """Those that have not ended, and those that were cancelled since the queue was collected."""
        found: Jobs = self.filter(models.Q(status__in=UNFINISHED) | models.Q(is_due=True)).defer("message")
        return found


class SpacerJob(models.Model):
    """A job: its message, the submission that runs it, and how it ended.

    The row is written first and the submission made when that is committed, so that no work runs that no row knows.
    """

    digest = models.CharField(max_length=64, db_index=True, help_text="SHA-256 of the requests.")
    job_id = models.CharField("caller's id", max_length=100, blank=True, help_text="As the caller gave it.")
    spec_level = models.CharField(max_length=50, blank=True, help_text="The key of the engine in SPACER_JOBS.")
    task_name = models.CharField("task", max_length=50, help_text="The task of the requests.")
    engine = models.CharField(max_length=20, help_text="What runs the job: local, batch or slurm.")
    folder = models.TextField(help_text="The location of the submission, as JSON.")
    external_id = models.TextField(blank=True, help_text="The engine's ids of the job's arrays, separated by spaces.")
    status = models.CharField(max_length=10, choices=[(state, state) for state in STATES], default=WAITING)
    attempt = models.PositiveIntegerField(default=1, help_text="How often the job was begun.")
    message = models.JSONField(help_text="The job message.")
    error_class = models.CharField(max_length=200, blank=True, help_text="Dotted name of the first failure's class.")
    error_message = models.TextField(blank=True, help_text="The first failure in one sentence.")
    is_due = models.BooleanField(
        default=False, editable=False, help_text="Whether the queue has still to return that it was cancelled."
    )
    created = models.DateTimeField(default=timezone.now, editable=False)
    updated = models.DateTimeField(default=timezone.now, editable=False)

    objects = Jobs.as_manager()

    class Meta:
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(
                fields=["digest"], condition=models.Q(status__in=UNFINISHED), name="spacer_like_unfinished_once"
            ),
        )
        indexes = (models.Index(fields=["status", "updated"], name="spacer_like_status"),)

    def __str__(self) -> str:
        return f"{self.task_name} {self.digest[:12]}"

    @property
    def job_msg(self) -> JobMsg[Any]:
        """The job message.

        Raises:
            MessageError: it was written by a version whose messages are not known here.
        """
        return JobMsg.deserialize(self.message)

    @property
    def folder_loc(self) -> DataLocation:
        """Where the submission is kept."""
        return DataLocation.deserialize(json.loads(self.folder))

    def change(self, **fields: Any) -> bool:
        """Store fields, unless the row was changed since it was read; returns whether they were stored.

        It is one UPDATE with conditions: of several processes that have read the same row, one stores its fields.
        """
        fields["updated"] = max(timezone.now(), self.updated + timedelta(microseconds=1))
        same = {name: getattr(self, name) for name in ("pk", "status", "attempt", "updated")}
        if not SpacerJob.objects.filter(**same).update(**fields):
            return False
        for name, value in fields.items():
            setattr(self, name, value)
        return True


def digest_of_job(job: JobMsg[Any]) -> str:
    """The SHA-256 (hexadecimal) of the requests of a job; equal jobs have the same one."""
    return hashlib.sha256(json.dumps([digest_of(message) for message in job.tasks]).encode()).hexdigest()
