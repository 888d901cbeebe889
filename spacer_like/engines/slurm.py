"""Arrays of Slurm, by its commands sbatch, squeue, scancel and scontrol."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from spacer_like.engines.base import Resources
from spacer_like.engines.processes import child_environment
from spacer_like.engines.scheduler import ArrayJob, ArrayState, Scheduler
from spacer_like.exceptions import ConfigError, SpacerInputError, TransientError, damage_as, visible

_SECONDS_TO_ANSWER = 60.0
_ACTIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "RESIZING", "STOPPED"}
# What its commands say while its controller is away, busy or restarting.
_TRANSIENT = (
    "unable to contact",
    "connection refused",
    "timed out",
    "temporarily",
    "slurm_load_jobs error: zero bytes",
)
_UNKNOWN = "invalid job id"
_LESS = "cancel, and submit again with less --memory or --cores, or another --partition"
# What squeue says in one word of why children do not run.
_REASONS = {
    "BadConstraints": f"no node has what a child asks for: {_LESS}",
    "Dependency": "they wait for other arrays",
    "JobHeldAdmin": "an administrator holds them",
    "JobHeldUser": "they are held: scontrol release lets them start",
    "JobLaunchFailure": "a node could not start them: see the log of its slurmd, then retry-failed",
    "NodeDown": "a node failed: retry-failed begins them again",
    "NonZeroExitCode": "",
    "PartitionConfig": f"the partition has no node with what a child asks for: {_LESS}",
    "PartitionDown": "the partition takes jobs and starts none",
    "PartitionInactive": "the partition takes no jobs: cancel, and submit again to another --partition",
    "PartitionNodeLimit": f"the partition allows no such child: {_LESS}",
    "PartitionTimeLimit": "the partition ends jobs sooner than --time: cancel, and submit again with less",
    "Priority": "others come first",
    "ReqNodeNotAvail": "the nodes are down, drained or reserved",
    "Resources": "they wait for free nodes",
}
_LIMITED = ("Assoc", "QOS", "MaxJobs")


class Slurm(Scheduler):
    """The Slurm of this machine.

    Its compute nodes must see this Python environment and the submission's folder under the same paths. A child that
    was killed is not started again by Slurm: `retry_failed` does it.

    Args:
        partition, account, time_limit, memory: as sbatch's options of these names (``--time``, ``--mem``); None: the
            cluster's default.
        cores: processor cores of each child, which works on as many requests at once.
        log_folder: for the children's logs, made where it does not exist; None: there are none.

    Raises:
        ConfigError: a number of cores below 1.
    """

    name = "slurm"

    def __init__(
        self,
        partition: str | None = None,
        account: str | None = None,
        time_limit: str | None = None,
        memory: str | None = None,
        cores: int = 1,
        log_folder: str | None = None,
    ) -> None:
        self._values = {"partition": partition, "account": account, "time": time_limit, "mem": memory}
        if cores < 1:
            raise ConfigError(f"A child has at least 1 core, not {cores}.")
        self._cores = cores
        self._log_folder = os.path.abspath(log_folder) if log_folder else None

    @property
    def options(self) -> dict[str, Any]:
        values = self._values
        return {
            "partition": values["partition"],
            "account": values["account"],
            "time_limit": values["time"],
            "memory": values["mem"],
            "cores": self._cores,
            "log_folder": self._log_folder,
        }

    def resources(self) -> Resources:
        memory = _bytes(self._values["mem"])
        return Resources(
            self._cores,
            float(self._cores),
            memory,
            "--mem of sbatch" if memory else "",
            _seconds(self._values["time"]),
        )

    def largest_array(self) -> int:
        return self._max_array_size

    @cached_property
    def _max_array_size(self) -> int:
        # The largest index is one less: an array from 0 has as many children.
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _answer("scontrol", "show", "config"), re.MULTILINE)
        return max(1, int(found[1])) if found else 1001

    def start(self, job: ArrayJob) -> str:
        if self._log_folder:
            # Slurm starts no child whose log it cannot write, and does not say why.
            with damage_as(SpacerInputError, self._log_folder, "The folder for logs cannot be made"):
                os.makedirs(self._log_folder, exist_ok=True)
        log = os.path.join(self._log_folder, "%x-%a.log") if self._log_folder else os.devnull
        options = [f"--{name}={value}" for name, value in self._values.items() if value is not None]
        if job.after:
            options.append(f"--dependency=afterany:{':'.join(job.after)}")
        answer = _answer(
            "sbatch",
            "--parsable",
            # Slurm would start a child again by itself after a node's failure; the outcomes allow that.
            "--requeue",
            f"--array=0-{job.size - 1}",
            f"--job-name={job.name}",
            f"--cpus-per-task={self._cores}",
            f"--output={log}",
            *options,
            script=f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m spacer_like.engines.shard\n",
            environment=job.environment | {"SUBMISSION_PROCESSES": str(self._cores)},
        )
        return answer.strip().partition(";")[0]

    def find(self, name: str) -> str | None:
        found = _answer("squeue", "--noheader", "--states=all", f"--name={name}", "--format=%F").split()
        return found[0] if found else None

    def states(self, ids: Sequence[str]) -> dict[str, ArrayState]:
        try:
            lines = _answer(
                "squeue", "--noheader", "--states=all", f"--jobs={','.join(ids)}", "--format=%F|%T|%r"
            ).splitlines()
        except _UnknownJobError:
            # It has forgotten one of them, and does not say which.
            return {} if len(ids) == 1 else {key: state for one in ids for key, state in self.states([one]).items()}
        parts: dict[str, list[tuple[str, str]]] = {}
        for line in lines:
            key, state, reason = line.split("|", 2)
            parts.setdefault(key, []).append((state, "" if reason == "None" else reason))
        return {key: _state_of(of_array) for key, of_array in parts.items()}

    def stop(self, ids: Sequence[str]) -> None:
        for one in ids:
            try:
                _answer("scancel", one)
            except _UnknownJobError:
                continue


def _bytes(size: str | None) -> int | None:
    """A size as of sbatch's option --mem; None: the cluster's default, or all that a node has."""
    found = re.fullmatch(r"(\d+)([KMGT]?)B?", (size or "").strip().upper())
    if not found:
        return None
    return int(found[1]) * 1024 ** (1 + "KMGT".index(found[2] or "M")) or None


def _state_of(parts: list[tuple[str, str]]) -> ArrayState:
    """The state of an array, of the states and reasons of its children, of which those that wait stand together."""
    active = [part for part in parts if part[0] in _ACTIVE]
    is_waiting = any(reason.startswith("Dependency") for _, reason in active)
    is_queued = bool(active) and not is_waiting and all(state == "PENDING" for state, _ in active)
    return ArrayState(bool(active), _sentence((active or parts)[0][1]), is_queued, is_waiting)


def _sentence(reason: str) -> str:
    """
    >>> _sentence("PartitionDown"), _sentence("Odd"), _sentence("")
    ('PartitionDown: the partition takes jobs and starts none.', 'Odd', '')
    """
    code = reason.partition(",")[0]
    limit = (
        "a limit of the account is reached: they start when others of it end, or cancel"
        if code.startswith(_LIMITED)
        else None
    )
    meaning = _REASONS.get(code, limit)
    if meaning is None:
        return reason
    return f"{reason}: {meaning}." if meaning else ""


def _seconds(time: str | None) -> float | None:
    """A time as of sbatch's option --time, such as 90 (minutes), 1:30:00 or 1-12; None: the cluster's default."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", (time or "").strip())
    if not found:
        return None
    days, first, second, third = (int(one or 0) for one in found.groups())
    # After days, or with seconds, the first are hours; else they are minutes.
    if found[1] is not None or found[4] is not None:
        total = days * 86_400 + first * 3600 + second * 60 + third
    else:
        total = first * 60 + second
    # 0 is no limit.
    return float(total) or None


class _UnknownJobError(SpacerInputError):
    """Slurm does not know the job, or no more."""


def _answer(command: str, *arguments: str, script: str = "", environment: Mapping[str, str] | None = None) -> str:
    """What a command of Slurm prints.

    Raises:
        ConfigError: it is not installed.
        TransientError: the controller does not answer.
        SpacerInputError: it refuses.
    """
    try:
        ended = subprocess.run(
            [command, *arguments],
            input=script,
            capture_output=True,
            text=True,
            timeout=_SECONDS_TO_ANSWER,
            env=child_environment() | dict(environment or {}),
        )
    except FileNotFoundError:
        raise ConfigError(
            f"The command '{command}' of Slurm is not found here: submit on a machine of the cluster, or choose another"
            " engine."
        ) from None
    except subprocess.TimeoutExpired:
        raise TransientError(f"Slurm has not answered '{command}' within {_SECONDS_TO_ANSWER:.0f} s.") from None
    if ended.returncode == 0:
        return ended.stdout
    lines = (line.removeprefix(f"{command}: error:").strip().removesuffix(".") for line in ended.stderr.splitlines())
    said = ". ".join(filter(None, lines))
    reason = visible(said or f"exit code {ended.returncode}").removesuffix(".")
    if _UNKNOWN in reason.lower():
        raise _UnknownJobError(f"Slurm does not know the job: {reason}.")
    if any(one in reason.lower() for one in _TRANSIENT):
        raise TransientError(f"Slurm does not answer '{command}' now: {reason}.")
    raise SpacerInputError(f"Slurm refuses '{command}': {reason}.")
