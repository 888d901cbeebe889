"""AWS Batch on this machine: its rules and states, with children that are processes of the real entry point."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from random import Random
from typing import Any, Protocol
from uuid import uuid4

from botocore.exceptions import ClientError

from spacer_like.engines.host import DISABLED_VARIABLE
from spacer_like.engines.processes import child_environment

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_EXIT_PATTERN = re.compile(r"\d+\*?|\*")
_MOST_PAYLOAD = 30 * 1024
_SECONDS_TO_KILL = 30.0
_ENDED = ("SUCCEEDED", "FAILED")


class Process(Protocol):
    """A running child, with the methods of `subprocess.Popen`; a container's exit code is 128 more than its signal."""

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def entry_point(environment: dict[str, str]) -> Process:
    """Start the entry point of the image as a process of this machine, with these variables besides its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "spacer_like", "env-job"],
        env=child_environment() | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if os.getenv("LOCAL_BATCH_LOG") else subprocess.DEVNULL,
    )


@dataclass
class _Child:
    """A child of an array, or a job without an array."""

    id: str
    index: int | None
    status: str = "RUNNABLE"
    reason: str = ""
    exit_code: int | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)
    process: Process | None = None
    is_stopped: bool = False


@dataclass
class _Job:
    id: str
    request: dict[str, Any]
    children: list[_Child]
    created: int

    @property
    def after(self) -> list[str]:
        return [one["jobId"] for one in self.request.get("dependsOn", [])]

    @property
    def is_array(self) -> bool:
        return "arrayProperties" in self.request

    @property
    def status(self) -> str:
        """As Batch says it of an array: PENDING until the last child has ended."""
        states = {child.status for child in self.children}
        if not self.is_array:
            return self.children[0].status
        if not states <= set(_ENDED):
            return "PENDING"
        return "FAILED" if "FAILED" in states else "SUCCEEDED"


class LocalBatch:
    """A client of Batch, as boto3's, whose queue is this machine. End it by `close`, or use it as a context.

    Args:
        at_once: how many children run at once.
        seed: of the order in which children start; None: that of their indexes.
        twice: deliver each child twice.
        kill: the share of first attempts that are ended by SIGKILL soon after their start, as if their host had been
            reclaimed.
        queues, definitions: the names that exist.
        environment: variables of the job definitions. No metadata of an instance are asked for, unless they say so.
        vcpus, memory: of the job definitions; the memory in MiB.
        why: the reason that is given of children that wait for a machine.
        start: starts a child with the variables of its request, its array and the definition.
    """

    def __init__(
        self,
        at_once: int = 2,
        seed: int | None = None,
        twice: bool = False,
        kill: float = 0.0,
        queues: tuple[str, ...] = ("queue",),
        definitions: tuple[str, ...] = ("definition",),
        environment: dict[str, str] | None = None,
        vcpus: float = 1.0,
        memory: int = 2048,
        why: str = "",
        start: Callable[[dict[str, str]], Process] = entry_point,
    ) -> None:
        self._random = Random(seed)
        self._is_shuffled, self._twice, self._kill = seed is not None, twice, kill
        self._queues, self._definitions = queues, definitions
        self._environment, self._why, self._start = environment or {}, why, start
        self._resources = {"VCPU": str(vcpus), "MEMORY": str(memory)}
        self._jobs: dict[str, _Job] = {}
        self._waiting: list[tuple[_Job, _Child]] = []
        # What waits for other jobs to succeed.
        self._pending: list[tuple[_Job, list[tuple[_Job, _Child]]]] = []
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(at_once)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> LocalBatch:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End all children at once."""
        with self._changed:
            self._is_closed = True
            self._waiting.clear()
            self._pending.clear()
            running = [child.process for job in self._jobs.values() for child in job.children if child.process]
            self._changed.notify_all()
        for process in running:
            process.kill()
        for thread in self._threads:
            thread.join()

    def submit_job(self, **request: Any) -> dict[str, str]:
        self._check(request)
        with self._changed:
            key = str(uuid4())
            size = request.get("arrayProperties", {}).get("size")
            indexes: list[int | None] = list(range(size)) if size else [None]
            children = [_Child(key if index is None else f"{key}:{index}", index) for index in indexes]
            job = self._jobs[key] = _Job(key, request, children, int(time.time() * 1000))
            deliveries = [(job, child) for child in children] * (2 if self._twice else 1)
            if self._is_shuffled:
                self._random.shuffle(deliveries)
            for child in children:
                child.status = "PENDING"
            self._pending.append((job, deliveries))
            self._release()
        return {"jobId": key, "jobName": request["jobName"]}

    def describe_jobs(self, jobs: list[str]) -> dict[str, Any]:
        if len(jobs) > 100:
            raise _refused("DescribeJobs", f"{len(jobs)} job ids are more than 100.")
        with self._changed:
            return {"jobs": [found for one in jobs if (found := self._described(one))]}

    def describe_job_definitions(self, jobDefinitionName: str, status: str) -> dict[str, Any]:
        resources = [{"type": name, "value": value} for name, value in self._resources.items()]
        container = {"resourceRequirements": resources}
        found = {"jobDefinitionName": jobDefinitionName, "revision": 1, "status": status}
        return {
            "jobDefinitions": [found | {"containerProperties": container}]
            if jobDefinitionName in self._definitions and status == "ACTIVE"
            else []
        }

    def list_jobs(
        self,
        jobQueue: str = "",
        filters: list[dict[str, Any]] | None = None,
        nextToken: str = "",
        arrayJobId: str = "",
        jobStatus: str = "RUNNING",
        maxResults: int = 1000,
    ) -> dict[str, Any]:
        if arrayJobId:
            with self._changed:
                children = self._jobs[arrayJobId].children if arrayJobId in self._jobs else []
                listed = [{"jobId": child.id} for child in children if child.status == jobStatus]
                return {"jobSummaryList": listed[:maxResults]}
        if jobQueue not in self._queues:
            raise _refused("ListJobs", f"Job queue {jobQueue} does not exist.")
        names = {value for one in filters or () if one["name"] == "JOB_NAME" for value in one["values"]}
        with self._changed:
            found = [job for job in self._jobs.values() if job.request["jobName"] in names]
            return {"jobSummaryList": [{"jobId": job.id, "jobName": job.request["jobName"]} for job in found]}

    def cancel_job(self, jobId: str, reason: str) -> dict[str, Any]:
        self._stop(jobId, reason, running=False)
        return {}

    def terminate_job(self, jobId: str, reason: str) -> dict[str, Any]:
        self._stop(jobId, reason, running=True)
        return {}

    def _release(self) -> None:
        """Let jobs start whose dependencies have succeeded, and fail those of which one has failed."""
        before = None
        while before != len(self._pending):
            before, pending, self._pending = len(self._pending), self._pending, []
            for job, deliveries in pending:
                states = {self._jobs[one].status for one in job.after}
                if "FAILED" in states:
                    self._end(job.children, "Dependent Job failed")
                elif states <= {"SUCCEEDED"}:
                    for child in job.children:
                        child.status = child.status if child.is_stopped else "RUNNABLE"
                    self._waiting += deliveries
                else:
                    self._pending.append((job, deliveries))
        self._changed.notify_all()

    def _end(self, children: list[_Child], reason: str) -> None:
        """Fail those that have not started."""
        for child in children:
            if child.status in ("RUNNABLE", "PENDING", "SUBMITTED"):
                child.status, child.reason, child.is_stopped = "FAILED", reason, True

    def _check(self, request: dict[str, Any]) -> None:
        """Refuse what Batch refuses (its API reference and service quotas, 2026)."""
        size = request.get("arrayProperties", {}).get("size", 2)
        strategy = request.get("retryStrategy", {})
        depends = request.get("dependsOn", [])
        rules = {
            f"the name '{request['jobName']}'": _NAME.fullmatch(request["jobName"]),
            f"the queue '{request['jobQueue']}'": request["jobQueue"] in self._queues,
            f"the definition '{request['jobDefinition']}'": request["jobDefinition"] in self._definitions,
            f"an array of {size}": 2 <= size <= 10_000,
            f"{len(depends)} dependencies": len(depends) <= 20,
            "an unknown dependency": all(one.get("jobId") in self._jobs for one in depends),
            "the number of attempts": 1 <= strategy.get("attempts", 1) <= 10,
            "more than 5 conditions": len(strategy.get("evaluateOnExit", [])) <= 5,
            "a pattern of exit codes": all(
                _EXIT_PATTERN.fullmatch(one.get("onExitCode", "*")) for one in strategy.get("evaluateOnExit", [])
            ),
            "a timeout under 60 s": request.get("timeout", {}).get("attemptDurationSeconds", 60) >= 60,
            "a payload over 30 KiB": len(json.dumps(request)) <= _MOST_PAYLOAD,
        }
        for what, holds in rules.items():
            if not holds:
                raise _refused("SubmitJob", f"Not accepted: {what}.")

    def _described(self, key: str) -> dict[str, Any] | None:
        parent, _, index = key.partition(":")
        job = self._jobs.get(parent)
        if job is None or (index and int(index) >= len(job.children)):
            return None
        child = job.children[int(index or 0)]
        found: dict[str, Any] = {"jobId": key, "jobName": job.request["jobName"], "createdAt": job.created}
        if index or not job.is_array:
            container = {"exitCode": child.exit_code} if child.exit_code is not None else {}
            return found | {
                "status": child.status,
                "statusReason": self._why if child.status == "RUNNABLE" else child.reason,
                "container": container,
                "attempts": child.attempts,
            }
        summary = Counter(child.status for child in job.children)
        return found | {
            "status": job.status,
            "arrayProperties": {"size": len(job.children), "statusSummary": dict(summary)},
        }

    def _stop(self, key: str, reason: str, running: bool) -> None:
        parent, _, index = key.partition(":")
        with self._changed:
            job = self._jobs.get(parent)
            children = job.children if job and not index else [job.children[int(index)]] if job else []
            self._end(children, reason)
            for child in children:
                if child.process is not None and running:
                    child.reason, child.is_stopped = reason, True
                    child.process.terminate()
                    threading.Timer(_SECONDS_TO_KILL, child.process.kill).start()
            self._release()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_closed:
                    self._changed.wait()
                if self._is_closed:
                    return
                job, child = self._waiting.pop(0)
                if child.is_stopped:
                    continue
                child.status = "RUNNING"
            self._attempts(job, child)

    def _attempts(self, job: _Job, child: _Child) -> None:
        strategy = job.request.get("retryStrategy", {})
        for attempt in range(1, strategy.get("attempts", 1) + 1):
            code, reason = self._attempt(job, child, attempt)
            with self._changed:
                child.exit_code, child.process = code, None
                child.attempts.append({"container": {} if code is None else {"exitCode": code}, "statusReason": reason})
                child.reason = child.reason or reason
                if code == 0 or child.is_stopped or self._is_closed or not _is_retried(strategy, code, reason):
                    break
        with self._changed:
            child.status = "SUCCEEDED" if code == 0 else "FAILED"
            self._release()

    def _attempt(self, job: _Job, child: _Child, attempt: int) -> tuple[int | None, str]:
        """Run the entry point of the image; the exit code, and the reason why there is none."""
        given = job.request.get("containerOverrides", {}).get("environment", [])
        environment = {DISABLED_VARIABLE: "true"} | self._environment
        environment |= {one["name"]: one["value"] for one in given}
        environment |= {"AWS_BATCH_JOB_ID": child.id, "AWS_BATCH_JOB_ATTEMPT": str(attempt)}
        environment |= {"AWS_BATCH_JQ_NAME": job.request["jobQueue"]}
        if child.index is not None:
            environment["AWS_BATCH_JOB_ARRAY_INDEX"] = str(child.index)
        with self._changed:
            if child.is_stopped or self._is_closed:
                return None, child.reason
            is_reclaimed = attempt == 1 and self._random.random() < self._kill
            seconds = self._random.uniform(0.0, 1.0)
            child.process = process = self._start(environment)
        limit = job.request.get("timeout", {}).get("attemptDurationSeconds")
        try:
            process.wait(seconds if is_reclaimed else limit)
        except subprocess.TimeoutExpired:
            process.kill() if is_reclaimed else process.terminate()
        code = process.wait()
        code = 128 - code if code < 0 else code
        if code == 128 + signal.SIGKILL and is_reclaimed:
            return None, "Host EC2 (instance i-0123456789abcdef0) terminated."
        return code, "Essential container in task exited"


def _is_retried(strategy: dict[str, Any], code: int | None, reason: str) -> bool:
    for condition in strategy.get("evaluateOnExit", []):
        found = {"onExitCode": "" if code is None else str(code), "onStatusReason": reason, "onReason": reason}
        if all(fnmatchcase(found[name], pattern) for name, pattern in condition.items() if name != "action"):
            return bool(condition["action"] == "RETRY")
    return True


def _refused(operation: str, sentence: str) -> ClientError:
    return ClientError({"Error": {"Code": "ClientException", "Message": sentence}}, operation)
