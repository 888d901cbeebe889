"""A queue of jobs with the methods of CoralNet's queues."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from spacer_like.contrib.django.models import Jobs, SpacerJob
from spacer_like.contrib.django.running import collect_all, create
from spacer_like.messages import JobMsg, JobReturnMsg


class SpacerQueue:
    """Jobs in the database, run by the engines of SPACER_JOBS.

    CoralNet's vision backend takes it by ``SPACER_QUEUE_CHOICE = "spacer_like.contrib.django.queue.SpacerQueue"``.
    """

    def submit_job(self, job: Any, job_id: Any, spec_level: Any = "") -> SpacerJob:
        """Store a job and, when the transaction is committed, submit it. Twice gives one job while it has not ended.

        Args:
            job: a `JobMsg`, of this package or of PySpacer.
            job_id: the caller's own id of it.
            spec_level: a text or an enumeration's member with one, the key of the engine in SPACER_JOBS.

        Raises:
            MessageError: the job is not valid, or an equal one with another `job_id` has not ended.
            ConfigError: SPACER_JOBS names no folder, or no engine for the level.
        """
        message = job if isinstance(job, JobMsg) else JobMsg.deserialize(job.serialize())
        level = spec_level.value if isinstance(spec_level, Enum) else spec_level
        return create(message, str(job_id), str(level))

    def get_collectable_jobs(self) -> Jobs:
        """The jobs whose end was not returned yet, in their order; it may be sliced and counted."""
        found: Jobs = SpacerJob.objects.collectable().order_by("pk")
        return found

    def collect_jobs(self, jobs: Iterable[SpacerJob] | None = None) -> tuple[list[JobReturnMsg[Any]], list[str]]:
        """The results of those jobs that ended by this call, and the status of each job; see `running.collect`.

        Those that were cancelled, as by the admin page, are among them once.

        Args:
            jobs: some of `get_collectable_jobs`; None: all of them.
        """
        found = list(collect_all(self.get_collectable_jobs() if jobs is None else jobs))
        return [one.result for one in found if one.result is not None], [one.status.upper() for one in found]
