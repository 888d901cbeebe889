"""Arrays of AWS Batch."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import islice
from typing import Any, ClassVar

from spacer_like.aws import create_aws_session
from spacer_like.config import settings
from spacer_like.engines.base import Resources
from spacer_like.engines.scheduler import ATTEMPTS_VARIABLE, ArrayJob, ArrayState, Scheduler
from spacer_like.exceptions import (
    AccessDeniedError,
    ConfigError,
    SpacerError,
    SpacerInputError,
    TransientError,
    visible,
)
from spacer_like.mailman import ExitCode

LARGEST_ARRAY = 10_000
_IDS_A_CALL = 100
_LEAST_SECONDS = 60
_ACTIVE = {"SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"}
_NOT_STARTED = {"SUBMITTED", "PENDING", "RUNNABLE"}
_TRANSIENT_CODES = {
    "TooManyRequestsException",
    "ThrottlingException",
    "Throttling",
    "ServerException",
    "RequestLimitExceeded",
}
_DENIED_CODES = {
    "AccessDeniedException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "InvalidSignatureException",
}
_CANCELLED = "Cancelled by the submitter."


class Batch(Scheduler):
    """A queue of AWS Batch.

    The job definition's image is this package's, whose entry point does the shard that the environment names.

    Args:
        queue: the job queue.
        definition: the job definition, with or without its revision.
        attempts: how often a child is started at most, 1 to 10: again where its host was reclaimed, the image could not
            be pulled, or it ended by a transient error, SIGTERM or lack of memory.
        seconds: after which a child is ended, 60 or more; None: as the definition says.
        region: None: that of the settings, or of boto3's chain.
        client: used in place of boto3's client of Batch.

    Raises:
        ConfigError: a value lies outside what Batch allows.
    """

    name = "batch"
    seconds_between_queries: ClassVar[float] = 10.0
    most_dependencies: ClassVar[int | None] = 20

    def __init__(
        self,
        queue: str,
        definition: str,
        attempts: int = 3,
        seconds: int | None = None,
        region: str | None = None,
        client: Any = None,
    ) -> None:
        if not 1 <= attempts <= 10:
            raise ConfigError(f"Batch starts a child 1 to 10 times, not {attempts} times.")
        if seconds is not None and seconds < _LEAST_SECONDS:
            raise ConfigError(f"Batch ends a child after {_LEAST_SECONDS} s or more, not after {seconds} s.")
        self._queue, self._definition, self._region = queue, definition, region
        self._attempts, self._seconds = attempts, seconds
        self._given = client

    @property
    def options(self) -> dict[str, Any]:
        return {
            "queue": self._queue,
            "definition": self._definition,
            "attempts": self._attempts,
            "seconds": self._seconds,
            "region": self._region,
        }

    def resources(self) -> Resources:
        # Also of an ARN; without a revision SubmitJob takes the last one.
        name, _, revision = self._definition.rpartition("/")[2].partition(":")
        named: dict[str, Any] = {"jobDefinitionName": name, "status": "ACTIVE"}
        found: dict[int, dict[str, Any]] = {}
        try:
            while True:
                answer = self._ask("describe the job definition", "describe_job_definitions", **named)
                found |= {int(one["revision"]): one for one in answer["jobDefinitions"]}
                if not answer.get("nextToken"):
                    break
                named["nextToken"] = answer["nextToken"]
        except AccessDeniedError:
            # Who may submit need not be allowed to look at definitions.
            return Resources(seconds=self._seconds)
        wanted = int(revision) if revision.isdecimal() else max(found, default=0)
        if wanted not in found:
            raise SpacerInputError(f"AWS Batch has no active job definition '{visible(self._definition)}'.")
        return _resources_of(found[wanted], self._definition, self._seconds)

    def largest_array(self) -> int:
        return LARGEST_ARRAY

    def start(self, job: ArrayJob) -> str:
        environment = job.environment
        if job.is_awaited:
            # Batch lets nothing start after a child that failed.
            environment = environment | {ATTEMPTS_VARIABLE: str(self._attempts)}
        request: dict[str, Any] = {
            "jobName": job.name,
            "jobQueue": self._queue,
            "jobDefinition": self._definition,
            "containerOverrides": {
                "environment": [{"name": name, "value": value} for name, value in environment.items()]
            },
            "retryStrategy": {"attempts": self._attempts, "evaluateOnExit": _evaluate_on_exit()},
        }
        if job.size > 1:
            # An array has two children or more.
            request["arrayProperties"] = {"size": job.size}
        if job.after:
            request["dependsOn"] = [{"jobId": one} for one in job.after]
        if self._seconds is not None:
            request["timeout"] = {"attemptDurationSeconds": self._seconds}
        answer = self._ask("submit the array", "submit_job", **request)
        return str(answer["jobId"])

    def find(self, name: str) -> str | None:
        request: dict[str, Any] = {"jobQueue": self._queue, "filters": [{"name": "JOB_NAME", "values": [name]}]}
        while True:
            answer = self._ask("list the jobs", "list_jobs", **request)
            if jobs := answer["jobSummaryList"]:
                return str(jobs[0]["jobId"])
            if not answer.get("nextToken"):
                return None
            request["nextToken"] = answer["nextToken"]

    def states(self, ids: Sequence[str]) -> dict[str, ArrayState]:
        return {
            job["jobId"]: ArrayState(
                job["status"] in _ACTIVE, visible(job.get("statusReason", "")), _is_queued(job), _is_waiting(job)
            )
            for job in self._described(ids)
        }

    def reasons(self, ids: Sequence[str]) -> dict[str, str]:
        found = {}
        for job in self._described(ids):
            reason = job.get("statusReason", "")
            if _children_in(job).get("RUNNABLE"):
                # The array itself does not say why its children wait.
                listed = self._ask(
                    "list the jobs", "list_jobs", arrayJobId=job["jobId"], jobStatus="RUNNABLE", maxResults=1
                )["jobSummaryList"]
                children = self._described([one["jobId"] for one in listed])
                reason = next((child.get("statusReason") for child in children), "") or reason
            if reason and job["status"] in _ACTIVE:
                found[job["jobId"]] = visible(reason)
        return found

    def stop(self, ids: Sequence[str]) -> None:
        for job in self._described(ids):
            one = {"jobId": job["jobId"], "reason": _CANCELLED}
            # What has not started is cancelled, what has is terminated: neither call does the other's work. The parent
            # of an array is PENDING while its children run.
            if job["status"] in _NOT_STARTED:
                self._ask("cancel the array", "cancel_job", **one)
            if job["status"] in _ACTIVE:
                self._ask("terminate the array", "terminate_job", **one)

    def _described(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        waiting = iter(ids)
        found: list[dict[str, Any]] = []
        while some := list(islice(waiting, _IDS_A_CALL)):
            if found:
                # Batch allows some ten of these calls a second, of all its callers.
                time.sleep(random.uniform(0.1, 0.2))
            found += self._ask("describe the jobs", "describe_jobs", jobs=some)["jobs"]
        return found

    @property
    def _client(self) -> Any:
        if self._given is None:
            from botocore.config import Config

            # Adaptive: waits with jitter where Batch throttles.
            how = Config(retries={"mode": "adaptive", "max_attempts": 8})
            region = self._region or settings().aws_region
            self._given = create_aws_session().client("batch", region_name=region, config=how)
        return self._given

    def _ask(self, what: str, call: str, **request: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

        try:
            return getattr(self._client, call)(**request)
        except ClientError as error:
            raise _as_ours(what, error.response) from None
        except NoRegionError:
            raise ConfigError("AWS Batch needs a region: set AWS_REGION, or give one.") from None
        except NoCredentialsError:
            raise AccessDeniedError("AWS Batch needs credentials, and boto3 finds none.") from None
        except BotoCoreError as error:
            raise TransientError(f"AWS Batch cannot be asked to {what}: {type(error).__name__}.") from None


def _resources_of(definition: dict[str, Any], name: str, seconds: int | None) -> Resources:
    container = definition.get("containerProperties", {})
    # Those of older definitions are fields of the container.
    said = {"VCPU": container.get("vcpus"), "MEMORY": container.get("memory")}
    said |= {one["type"]: one["value"] for one in container.get("resourceRequirements", [])}
    memory = int(said["MEMORY"]) * 2**20 if said["MEMORY"] else None
    source = f"the job definition '{visible(name)}'"
    seconds = seconds or definition.get("timeout", {}).get("attemptDurationSeconds")
    return Resources(1, float(said["VCPU"]) if said["VCPU"] else None, memory, source, seconds)


def _children_in(job: dict[str, Any]) -> dict[str, int]:
    """How many children of an array are in each state; empty: it is no array."""
    return dict(job.get("arrayProperties", {}).get("statusSummary", {}))


def _is_queued(job: dict[str, Any]) -> bool:
    counts = _children_in(job) or {job["status"]: 1}
    return bool(counts.get("RUNNABLE")) and not any(counts.get(state) for state in ("STARTING", "RUNNING"))


def _is_waiting(job: dict[str, Any]) -> bool:
    counts = _children_in(job) or {job["status"]: 1}
    return job["status"] in _ACTIVE and not any(counts.get(state) for state in ("RUNNABLE", "STARTING", "RUNNING"))


def _as_ours(what: str, response: Any) -> SpacerError:
    error = response.get("Error", {})
    code, reason = error.get("Code", "no code"), visible(error.get("Message", "no reason given"))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _TRANSIENT_CODES or code.startswith("5") or status == 429 or status >= 500:
        return TransientError(f"AWS Batch does not {what} now: {code}.")
    if code in _DENIED_CODES:
        return AccessDeniedError(f"AWS Batch does not let these credentials {what}: {code}.")
    return SpacerInputError(f"AWS Batch refuses to {what}: {reason}")


def _evaluate_on_exit() -> list[dict[str, str]]:
    """Which ends of a child are tried again; the first that applies counts. At most five are allowed."""
    return [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        # An image that cannot be pulled, or a container that cannot be started.
        {"onReason": "Cannot*", "action": "RETRY"},
        {"onExitCode": str(int(ExitCode.TRANSIENT_FAILURE)), "action": "RETRY"},
        {"onExitCode": str(int(ExitCode.INTERRUPTED)), "action": "RETRY"},
        # Without it what none of these applies to would be tried again.
        {"onReason": "*", "action": "EXIT"},
    ]
