"""Submitting, collecting, retrying and cancelling jobs, so that several processes may do it at once."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid4

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from spacer_like.contrib.django.engine_settings import engine_for, folder_of_jobs, submission_in
from spacer_like.contrib.django.models import (
    CANCELLED,
    FAILED,
    SUBMITTED,
    SUCCEEDED,
    UNFINISHED,
    WAITING,
    SpacerJob,
    digest_of_job,
)
from spacer_like.contrib.django.signals import job_failed, job_succeeded
from spacer_like.engines.array import ArraySubmission, read_manifest
from spacer_like.engines.base import failed
from spacer_like.engines.scheduled import ScheduledSubmission
from spacer_like.exceptions import (
    MessageError,
    SpacerError,
    SpacerInputError,
    TransientError,
    visible,
)
from spacer_like.location import DataLocation
from spacer_like.messages import JobMsg, JobReturnMsg, TaskOutcome
from spacer_like.storage import exists, list_keys

logger = logging.getLogger(__name__)

WITHOUT_SUBMISSION = timedelta(minutes=30)
"""After which a job that is still waiting is looked up, and submitted again."""
MOST_ATTEMPTS = 3
"""How often a job is begun at most whose requests were lost or failed by a transient error."""
_ASKED_AT_ONCE = 100
_CANCELLED = "The job was cancelled."


class Collected(NamedTuple):
    """What is known of a job: its status, and its result where this call is the one that ended it."""

    status: str
    result: JobReturnMsg[Any] | None = None


def create(message: JobMsg[Any], job_id: str = "", spec_level: str = "") -> SpacerJob:
    """Store a job, which is submitted when the transaction is committed; the stored one where it has not ended yet.

    Args:
        message: the job.
        job_id: the caller's own name for it; where it is empty, an equal job is the same whatever its name.
        spec_level: the key of the engine in SPACER_JOBS.

    Raises:
        MessageError: an equal job of another `job_id` has not ended yet.
        ConfigError: SPACER_JOBS names no folder, or no engine for the level.
    """
    engine, _ = engine_for(spec_level)
    digest = digest_of_job(message)
    folder = folder_of_jobs().below(uuid4().hex).json_text
    while True:
        job = SpacerJob(digest=digest, job_id=job_id, spec_level=spec_level, engine=engine, folder=folder)
        job.task_name, job.message = message.task_name, message.serialize()
        try:
            with transaction.atomic():
                job.save(force_insert=True)
                transaction.on_commit(partial(begin, job), robust=True)
            return job
        except IntegrityError:
            found: SpacerJob | None = SpacerJob.objects.unfinished().filter(digest=digest).first()
            if found is not None and job_id in ("", found.job_id):
                return found
            if found is not None:
                raise MessageError(
                    f"An equal job has not ended yet, with the id '{found.job_id}' in place of '{job_id}'."
                ) from None
            if not SpacerJob.objects.filter(digest=digest).exists():
                raise


def begin(job: SpacerJob) -> None:
    """Submit a waiting job, or run again what it lacks where its folder holds a submission that has stopped.

    What cannot be submitted is on record in the row, and ends when it is collected. After a transient error the job
    waits until it is looked up again.
    """
    job = SpacerJob.objects.unfinished().filter(pk=job.pk, status=WAITING, error_class="").first()
    if job is None:
        return
    try:
        made = _submission(job)
        if not exists(made.folder.below("manifest.json")):
            made.submit(job.job_msg.tasks)
        elif not made.is_at_work():
            made.retry_failed()
        ids = made.array_ids() if isinstance(made, ScheduledSubmission) else []
    except TransientError as error:
        logger.warning("job %s is not submitted yet: %s", job.pk, error)
    except SpacerError as error:
        job.change(**_error_of(error))
    else:
        is_stored = job.change(status=SUBMITTED, external_id=" ".join(ids))
        if not is_stored and SpacerJob.objects.filter(pk=job.pk, status=CANCELLED).exists():
            made.cancel()


def collect_all(jobs: Iterable[SpacerJob]) -> Iterator[Collected]:
    """`collect` of each of some jobs; schedulers are asked for a hundred at a time."""
    waiting = iter(jobs)
    while some := list(islice(waiting, _ASKED_AT_ONCE)):
        active = _active(some)
        for job in some:
            yield collect(job, active)


def collect(job: SpacerJob, active: Container[str] = ()) -> Collected:
    """Look after a job that has not ended: submit it again, begin another attempt, or store how it ended.

    Of several processes one gets the result, and the others its status alone. Transient errors leave the job as it is.

    Args:
        active: ids of arrays that are known to be at work; of others the scheduler is asked.
    """
    if job.is_due:
        is_ours = job.change(is_due=False)
        return Collected(job.status, _return_cancelled(job) if is_ours else None)
    with _claimed(job) as found:
        if found is None:
            return Collected(SpacerJob.objects.values_list("status", flat=True).filter(pk=job.pk).first() or "")
        try:
            return _advance(found, active)
        except TransientError as error:
            logger.warning("job %s cannot be collected now: %s", found.pk, error)
            return Collected(found.status)
        except SpacerError as error:
            return _end(found, [failed(error)])


def retry(job: SpacerJob) -> None:
    """Begin another attempt of a job that failed or was cancelled; requests that succeeded are not done again.

    Raises:
        MessageError: it is in another state, or an equal job has not ended yet.
    """
    if job.status not in (FAILED, CANCELLED):
        raise MessageError(f"Job {job.pk} is {job.status}: only what failed or was cancelled is retried.")
    try:
        with transaction.atomic():
            is_stored = _begin_again(job)
    except IntegrityError:
        raise MessageError(f"Job {job.pk} has an equal one that has not ended yet.") from None
    if not is_stored:
        raise MessageError(f"Job {job.pk} was changed meanwhile.")


def cancel(job: SpacerJob) -> None:
    """End a job and its work; results of its requests are kept, and twice is no error.

    Raises:
        MessageError: it has succeeded or failed, or was changed meanwhile.
        TransientError: the engine does not answer, and its work goes on: cancel again.
    """
    if job.status in UNFINISHED:
        with transaction.atomic():
            if not job.change(status=CANCELLED, is_due=True, **_error_of(SpacerInputError(_CANCELLED))):
                raise MessageError(f"Job {job.pk} was changed meanwhile.")
            _send(job, _return_cancelled(job))
    elif job.status != CANCELLED:
        raise MessageError(f"Job {job.pk} has {job.status}: it cannot be cancelled.")
    _submission(job).cancel()


def abandon(job: SpacerJob) -> None:
    """End the work of a job whose row is being deleted, when that is committed; where that fails, the log says so."""
    if job.status not in UNFINISHED:
        return

    def end() -> None:
        try:
            _submission(job).cancel()
        except SpacerError as error:
            logger.warning("the work in %s of a deleted job goes on: %s", job.folder, error)

    transaction.on_commit(end, robust=True)


def result_of(job: SpacerJob) -> JobReturnMsg[Any] | None:
    """The return message of a job that has ended, from its folder; None: it has not.

    Raises:
        SpacerError: the folder cannot be read.
    """
    if job.status in UNFINISHED:
        return None
    sentence = None if job.status == SUCCEEDED else _error_line(job.error_class, job.error_message)
    return _return_message(job, list(outcomes_of(job).values()), sentence)


def outcomes_of(job: SpacerJob, wanted: Container[int] | None = None) -> dict[int, TaskOutcome]:
    """The outcomes of requests that have one so far, by the index of the request; of `wanted` indexes alone.

    Raises:
        SpacerError: the folder cannot be read.
    """
    holds_some = exists(job.folder_loc.below("manifest.json"))
    return dict(_submission(job).collect(wanted)) if holds_some else {}


@contextmanager
def _claimed(job: SpacerJob) -> Iterator[SpacerJob | None]:
    """The row of a job that has not ended; None: it has, or another process looks after it.

    Databases that can, lock the row meanwhile. On the others several processes may look after the job, and
    `SpacerJob.change` decides whose change is stored.
    """
    unfinished = SpacerJob.objects.unfinished().filter(pk=job.pk)
    if connection.features.has_select_for_update_skip_locked:
        with transaction.atomic():
            yield unfinished.select_for_update(skip_locked=True).first()
    else:
        yield unfinished.first()


def _advance(job: SpacerJob, active: Container[str]) -> Collected:
    if job.error_class:
        return _end(job, [])
    if job.status == WAITING:
        if timezone.now() - job.updated > WITHOUT_SUBMISSION and job.change():
            transaction.on_commit(partial(begin, job), robust=True)
        return Collected(job.status)
    made = _submission(job)
    requests = [digest for _, digest in read_manifest(made.folder)["requests"]]
    # Storage is asked first: of a job that has ended, the scheduler need not be.
    if not _all_have_outcomes(made.folder, requests) and (
        any(one in active for one in job.external_id.split()) or made.is_at_work()
    ):
        return Collected(job.status)
    outcomes = dict(made.collect())
    count = len(requests)
    why = " ".join(made.notices(made.counted(at_work=False))) if len(outcomes) < count else ""
    lost = failed(TransientError(f"The engine '{job.engine}' has lost a request: retry the job. {why}".strip()))
    if len(outcomes) < count and exists(made.folder.below("cancelled")):
        # By `spacer-like jobs cancel`: it is not begun again by itself.
        lost = failed(SpacerInputError(f"The submission in '{made.folder.display_name}' was cancelled: retry the job."))
    ended = [outcomes.get(index, lost) for index in range(count)]
    is_transient = any(outcome.transient for outcome in ended)
    is_permanent = any(outcome.status == "failed" and not outcome.transient for outcome in ended)
    if is_transient and not is_permanent and job.attempt < MOST_ATTEMPTS:
        _begin_again(job)
        return Collected(job.status)
    return _end(job, ended)


def _active(jobs: Iterable[SpacerJob]) -> set[str]:
    """The ids of those arrays of jobs that are at work; none where the scheduler does not answer."""
    by_engine: dict[tuple[str, str], list[SpacerJob]] = {}
    for job in jobs:
        if job.status == SUBMITTED and job.external_id:
            by_engine.setdefault((job.engine, job.spec_level), []).append(job)
    found: set[str] = set()
    for some in by_engine.values():
        with suppress(SpacerError):
            made = _submission(some[0])
            if isinstance(made, ScheduledSubmission):
                states = made.scheduler.states([one for job in some for one in job.external_id.split()])
                found |= {one for one, state in states.items() if state.is_active}
    return found


def _all_have_outcomes(folder: DataLocation, digests: list[str]) -> bool:
    """Whether each request has a file of its outcome: names are listed, and no outcome of a job at work is read."""
    found = {loc.filename.partition(".")[0] for loc in list_keys(folder.below("results/"))}
    return found.issuperset(digests)


def _begin_again(job: SpacerJob) -> bool:
    is_stored = job.change(status=WAITING, attempt=job.attempt + 1, error_class="", error_message="", is_due=False)
    if is_stored:
        transaction.on_commit(partial(begin, job), robust=True)
    return is_stored


def _end(job: SpacerJob, outcomes: list[TaskOutcome]) -> Collected:
    """Store how a job ended, by the outcomes of its requests or the error in its row."""
    first = next((outcome for outcome in outcomes if outcome.status != "done"), None)
    error = (first.error_class or "", first.error_message or "") if first else (job.error_class, job.error_message)
    is_failed = bool(first) or not outcomes
    status = FAILED if is_failed else SUCCEEDED
    result = _return_message(job, outcomes, _error_line(*error) if is_failed else None)
    with transaction.atomic():
        if not job.change(status=status, error_class=error[0], error_message=error[1]):
            # Another process has stored it, and has the result.
            return Collected(status)
        _send(job, result)
    return Collected(status, result)


def _send(job: SpacerJob, result: JobReturnMsg[Any]) -> None:
    signal = job_succeeded if result.ok else job_failed
    transaction.on_commit(partial(signal.send_robust, sender=SpacerJob, job=job, result=result), robust=True)


def _return_message(job: SpacerJob, outcomes: list[TaskOutcome], error: str | None) -> JobReturnMsg[Any]:
    """The answer as `mailman` makes it: results of a job that succeeded, outcomes where one of several failed."""
    try:
        original: Any = job.job_msg
    except MessageError:
        original = job.message
    return JobReturnMsg(
        original_job=original,
        ok=error is None,
        results=[outcome.result for outcome in outcomes] if error is None else None,
        error_message=error,
        outcomes=outcomes if error is not None and len(outcomes) > 1 else None,
    )


def _error_of(error: SpacerError) -> dict[str, Any]:
    """The fields of a row that say what an error is."""
    outcome = failed(error)
    return {"error_class": outcome.error_class, "error_message": outcome.error_message}


def _return_cancelled(job: SpacerJob) -> JobReturnMsg[Any]:
    return _return_message(job, [], _error_line(job.error_class, job.error_message))


def _error_line(error_class: str, sentence: str) -> str:
    """An error as the last line of a traceback says it, from which PySpacer's callers take the class."""
    return visible(f"{error_class}: {sentence}" if error_class else sentence)


def _submission(job: SpacerJob) -> ArraySubmission:
    return submission_in(job.folder_loc, job.engine, job.spec_level)
