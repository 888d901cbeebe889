"""A child of an array: ``python -m spacer_like.engines.shard`` does the requests of its shard.

The environment names the submission, the run and the array's first shard, and the scheduler's own variable the child.
A child whose requests have outcomes already ends at once: a duplicated, repeated or restarted one harms nothing.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections import Counter
from contextlib import suppress

from spacer_like import interruption

if __name__ == "__main__":
    interruption.listen()

from spacer_like.engines.array import work_on_shard
from spacer_like.engines.processes import Processes
from spacer_like.engines.scheduled import (
    FIRST_VARIABLE,
    RUN_VARIABLE,
    SUBMISSION_VARIABLE,
    read_run,
    write_child_record,
)
from spacer_like.exceptions import ConfigError, SpacerError, sentence_of
from spacer_like.mailman import ExitCode, configure_log, is_transient, location_from_environment

logger = logging.getLogger("spacer_like.engines.shard")

INDEX_VARIABLES = ("AWS_BATCH_JOB_ARRAY_INDEX", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX")
"""The index of a child, as AWS Batch, Slurm and Kubernetes name it; an array of one child may have none."""
_IDS = ("AWS_BATCH_JOB_ID", "SLURM_JOB_ID", "HOSTNAME")
_PROCESSES_VARIABLE = "SUBMISSION_PROCESSES"


def run_shard() -> ExitCode:
    """Do the requests of this child's shard; returns the exit code, for the scheduler's strategy of retries.

    Raises:
        ConfigError: the environment names no shard.
        SpacerError: the submission cannot be read, or no outcome can be written.
    """
    folder = location_from_environment(SUBMISSION_VARIABLE)
    if folder is None:
        raise ConfigError(
            f"The environment variable {SUBMISSION_VARIABLE} is not set: there is no submission to work on."
        )
    run, shard = _number(RUN_VARIABLE, None), _number(FIRST_VARIABLE, 0) + _index()
    shards = read_run(folder, run)["shards"]
    if shard >= len(shards):
        raise ConfigError(f"Run {run} of '{folder.display_name}' has {len(shards)} shards, and none of number {shard}.")
    begun = time.monotonic()
    record = {"run": run, "shard": shard, "job": _job_id(), "attempt": _attempt()}
    try:
        with Processes(_number(_PROCESSES_VARIABLE, 1), apart=True) as engine:
            ended = work_on_shard(folder, engine, shards[shard], again=_attempt() > 1)
    except interruption.Interrupted as signal:
        with suppress(SpacerError):
            write_child_record(folder, run, shard, record | _end(begun, signal.exit_code, str(signal)))
        raise
    code = _exit_code(ended)
    write_child_record(folder, run, shard, record | {"requests": dict(ended)} | _end(begun, code, ""))
    return code


def _exit_code(ended: Counter[str]) -> ExitCode:
    if ended["transient"]:
        return ExitCode.TRANSIENT_FAILURE
    return ExitCode.PERMANENT_FAILURE if ended["failed"] else ExitCode.DONE


def _end(begun: float, code: int, interrupted: str) -> dict[str, object]:
    return {"exit_code": int(code), "seconds": round(time.monotonic() - begun, 3), "interrupted": interrupted}


def _index() -> int:
    names = [name for name in INDEX_VARIABLES if os.getenv(name)]
    return _number(names[0], 0) if names else 0


def _attempt() -> int:
    """The number of this attempt, from 1."""
    if os.getenv("SLURM_RESTART_COUNT"):
        return 1 + _number("SLURM_RESTART_COUNT", 0)
    return _number("AWS_BATCH_JOB_ATTEMPT", 1)


def _job_id() -> str:
    return next((value for name in _IDS if (value := os.getenv(name))), "")


def _number(name: str, default: int | None) -> int:
    text = os.getenv(name, "")
    if not text and default is not None:
        return default
    if not text.isdecimal():
        raise ConfigError(f"The environment variable {name} must hold a number, not '{text}'.")
    return int(text)


def main() -> int:
    """Run the shard; what goes wrong is one sentence in the log. Returns the exit code."""
    interruption.listen()
    try:
        configure_log()
        interruption.ready()
        code = int(run_shard())
    except interruption.Interrupted as signal:
        code = signal.exit_code
    except SpacerError as error:
        logger.error("%s", sentence_of(error))
        code = int(ExitCode.TRANSIENT_FAILURE if is_transient(error) else ExitCode.PERMANENT_FAILURE)
    interruption.begin_end()
    if (heard := interruption.heard()) is not None:
        interruption.announce(heard)
        code = heard.exit_code
    return interruption.finish(code)


if __name__ == "__main__":
    sys.exit(main())
