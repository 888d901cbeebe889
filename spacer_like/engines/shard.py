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
from typing import Any

from spacer_like import interruption

if __name__ == "__main__":
    interruption.listen()

from spacer_like import logs
from spacer_like.engines.child_records import Child, Start, earlier_attempts, now, write_child_record, write_start
from spacer_like.engines.host import Host
from spacer_like.engines.processes import Processes, peak_memory, seconds_lived
from spacer_like.engines.scheduled import (
    COPY_VARIABLE,
    FIRST_VARIABLE,
    RUN_VARIABLE,
    SUBMISSION_VARIABLE,
    read_copied,
    read_run,
)
from spacer_like.engines.scheduler import ATTEMPTS_VARIABLE
from spacer_like.engines.shard_work import work_on_shard
from spacer_like.engines.twin import SUPERSEDED, BesideTwin
from spacer_like.exceptions import ConfigError, SpacerError, sentence_of
from spacer_like.location import DataLocation
from spacer_like.mailman import ExitCode, is_transient, location_from_environment
from spacer_like.messages import TaskOutcome
from spacer_like.request_log import configure_log

logger = logging.getLogger("spacer_like.engines.shard")

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
    run = _number(RUN_VARIABLE, None)
    child, part = _assigned(folder, run)
    begun = time.monotonic() - seconds_lived()
    start = Start(run, child.shard, logs.job_id(), _attempt(), now())
    write_start(folder, child, start)
    requests: Counter[str] = Counter()
    earlier: dict[str, float] = {}
    with suppress(SpacerError):
        earlier = earlier_attempts(folder, run, child, start.attempt)

    def record(code: ExitCode, interrupted: str) -> None:
        end = _end(begun, code, interrupted, host) | {"requests": dict(requests)}
        how = {"job": start.job, "attempt": start.attempt, "started": start.started}
        write_child_record(folder, run, child, how | end | earlier)
        _log(run, child, code, end)

    with Host(lambda notice: _write_notice(folder, child, start._replace(notice=notice))) as host:
        try:
            with (
                Processes(_number(_PROCESSES_VARIABLE, 1), apart=True) as processes,
                BesideTwin(processes, folder, run, Child(child.shard, not child.is_copy)) as engine,
            ):
                ended = work_on_shard(
                    folder, engine, part, start.attempt > 1, lambda _, outcome: _count(requests, outcome)
                )
        except interruption.Interrupted as signal:
            with suppress(SpacerError):
                record(ExitCode(signal.exit_code), str(signal))
            raise
    if engine.is_superseded:
        record(ExitCode.DONE, SUPERSEDED)
        return ExitCode.DONE
    code, requests = _exit_code(ended), ended
    record(code, "")
    attempts = _number(ATTEMPTS_VARIABLE, 0)
    is_over = code != ExitCode.TRANSIENT_FAILURE or start.attempt >= attempts
    return ExitCode.DONE if attempts and is_over else code


def _assigned(folder: DataLocation, run: int) -> tuple[Child, list[str]]:
    """Which child of a run this is, and the digests of its requests, in the order in which it does them."""
    shards = read_run(folder, run)["shards"]
    index = _index()
    if os.getenv(COPY_VARIABLE):
        _, copied, _ = read_copied(folder, run, _number(COPY_VARIABLE, None))
        child = Child(copied[index] if index < len(copied) else len(shards), is_copy=True)
    else:
        child = Child(_number(FIRST_VARIABLE, 0) + index)
    if child.shard >= len(shards):
        raise ConfigError(
            f"Run {run} of '{folder.display_name}' has {len(shards)} shards, and none of number {child.shard}."
        )
    part = shards[child.shard]
    # The two begin at both ends, and do not what the other one has done.
    return child, part[::-1] if child.is_copy else part


def _write_notice(folder: DataLocation, child: Child, start: Start) -> None:
    # Where it cannot be stored the child's own record has it, if the host lets it end.
    with suppress(SpacerError):
        write_start(folder, child, start)


def _count(requests: Counter[str], outcome: TaskOutcome) -> None:
    requests["transient" if outcome.transient else outcome.status] += 1


def _exit_code(ended: Counter[str]) -> ExitCode:
    if ended["transient"]:
        return ExitCode.TRANSIENT_FAILURE
    # What waits needs the outputs of others that are not done, and the next attempt would find as little.
    return ExitCode.PERMANENT_FAILURE if ended["failed"] or ended["waiting"] else ExitCode.DONE


def _end(begun: float, code: int, interrupted: str, host: Host) -> dict[str, Any]:
    return {
        "exit_code": int(code),
        "seconds": round(time.monotonic() - begun, 3),
        "interrupted": interrupted,
        "peak_memory": peak_memory(),
        "vcpus": host.vcpus,
        "notice": host.notice,
    }


def _log(run: int, child: Child, code: ExitCode, end: dict[str, Any]) -> None:
    counts = {name: end["requests"].get(name, 0) for name in ("done", "failed", "transient")}
    how = {"event": "child", "run": run, "shard": child.shard, "copy": child.is_copy, "ended": code.name.lower()}
    logs.log_event(
        logger,
        f"Shard {child.shard} of run {run}: {how['ended']}, {counts['done']} requests done, {counts['failed']} failed.",
        how | {name: value for name, value in end.items() if name != "requests"} | counts,
        {"seconds": "Seconds", "peak_memory": "Bytes"} | dict.fromkeys(counts, "Count"),
        ("ended",),
    )


def _index() -> int:
    names = [name for name in logs.INDEX_VARIABLES if os.getenv(name)]
    return _number(names[0], 0) if names else 0


def _attempt() -> int:
    """The number of this attempt, from 1."""
    own, of_batch, of_slurm = logs.ATTEMPT_VARIABLES
    if os.getenv(own):
        return _number(own, 1)
    return 1 + _number(of_slurm, 0) if os.getenv(of_slurm) else _number(of_batch, 1)


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
