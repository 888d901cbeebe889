"""A sample of a submission's requests, done for real: how long they take, and how much memory.

``python -m spacer_like.engines.sample FOLDER`` stands for a child of an array, and like one has a worker process do the
requests. The first line of its input is a worker's; each other is a job of one request, and is answered by how it
ended; an empty line ends them, and is answered by the peaks of memory. Outcomes of those that are done are stored in
the folder, so that they are not done again.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Annotated, Any

from pydantic import Field, StrictInt, StrictStr

from spacer_like import config
from spacer_like.data_classes.base import paused_collector
from spacer_like.engines.array import write_outcome
from spacer_like.engines.estimates import Amount
from spacer_like.engines.processes import Processes, beginning, child_environment, peak_memory
from spacer_like.engines.worker import end_with_the_asker, working_as
from spacer_like.exceptions import SpacerInputError, TransientError
from spacer_like.location import DataLocation
from spacer_like.message_base import BaseMessage, Message
from spacer_like.messages import JobMsg, digest_of
from spacer_like.progress import report

LEAST = 3
"""Requests of a task's sample: the first has to load what the others find, and two say how far requests differ."""
Count = Annotated[StrictInt, Field(ge=0)]


class Sample(BaseMessage):
    """What a sample shows.

    Fields:
        seconds: of its requests that were done, until their outcomes were stored: by their task, in their order.
        failures: why the others failed, each in one sentence.
        launch: seconds from the start of the child until it began its first request.
        own_memory: peak memory of the child itself, in bytes.
        worker_memory: peak memory of its worker process, in bytes.
    """

    seconds: dict[StrictStr, Annotated[list[Amount], Field(min_length=1)]]
    failures: list[StrictStr]
    launch: Amount
    own_memory: Count
    worker_memory: Count


def spread(tasks: Sequence[str], count: int) -> list[int]:
    """The indexes of a sample, spread evenly over the requests of each task; those of one task together.

    Args:
        tasks: the name of each request's task.
        count: about how many; of each task there are at least `LEAST`, where it has as many.

    >>> spread(["a"] * 10 + ["b"], 5)
    [1, 3, 5, 7, 9, 10]
    """
    chosen = []
    for task, total in Counter(tasks).items():
        indexes = [index for index, one in enumerate(tasks) if one == task]
        size = min(total, max(LEAST, round(count * total / len(tasks))))
        chosen += [indexes[(2 * number + 1) * total // (2 * size)] for number in range(size)]
    return chosen


def run_sample(folder: DataLocation, messages: Sequence[Message], torch_threads: int | None) -> Sample:
    """Do requests for real, one after the other; outcomes of those that are done are stored in the folder.

    Args:
        folder: the submission's.
        messages: the sample, requests of one task together.
        torch_threads: as of the settings; None: those of the settings.

    Raises:
        TransientError: the process that does them has died, or all of one task failed for now.
        SpacerInputError: all requests of one task failed.
    """
    begun = time.monotonic()
    # In a session of its own it does not hear Ctrl-C; it ends when nobody writes to it any more.
    with subprocess.Popen(
        [sys.executable, "-m", "spacer_like.engines.sample", folder.json_text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
        start_new_session=True,
    ) as process:
        _ask(process, beginning(torch_threads or config.settings().torch_threads))
        launch = time.monotonic() - begun
        ended: dict[str, list[dict[str, Any]]] = {}
        for number, message in enumerate(messages):
            job = JobMsg(task_name=message.task, tasks=[message])
            answer = _ask(process, json.dumps(job.serialize()).encode() + b"\n")
            ended.setdefault(message.task, []).append(answer)
            report("sample", number + 1, len(messages))
        memory = _ask(process, b"\n")
    _check(ended)
    return Sample(
        seconds={task: [one["seconds"] for one in some if not one["failure"]] for task, some in ended.items()},
        failures=[one["failure"] for some in ended.values() for one in some if one["failure"]],
        launch=launch,
        **memory,
    )


def _ask(process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    answer = b""
    with suppress(BrokenPipeError):
        process.stdin.write(line)
        process.stdin.flush()
        answer = process.stdout.readline()
    if not answer.endswith(b"\n"):
        raise TransientError(f"The process that did the sample was ended with exit code {process.wait()}.")
    found: dict[str, Any] = json.loads(answer)
    return found


def _check(ended: dict[str, list[dict[str, Any]]]) -> None:
    for task, some in ended.items():
        if all(one["failure"] for one in some):
            error = TransientError if any(one["transient"] for one in some) else SpacerInputError
            count = f"{len(some)} requests" if len(some) > 1 else "request"
            raise error(f"The sample's {count} of the task {task} failed: {some[0]['failure']}")


def serve(folder: DataLocation, lines: IO[bytes], answers: IO[bytes]) -> None:
    """Do the requests that come, and say how each ended."""
    with working_as(lines.readline()):
        with Processes(1, apart=True) as engine:
            _answer(answers, {})
            while line := lines.readline().strip():
                with paused_collector():
                    message = JobMsg.deserialize(json.loads(line)).tasks[0]
                _answer(answers, _done(folder, message, engine))
        _answer(answers, {"own_memory": _own_memory(), "worker_memory": peak_memory() or 0})
        # The end of the input ends this process.
        lines.readline()


def _done(folder: DataLocation, message: Message, engine: Processes) -> dict[str, Any]:
    begun = time.monotonic()
    ((_, outcome),) = engine.outcomes([message])
    if outcome.status == "done":
        # Failures are shown: whoever mends what is wrong submits them as they are.
        write_outcome(folder, digest_of(message), outcome)
    return {
        "seconds": time.monotonic() - begun,
        "failure": outcome.error_message or "",
        "transient": bool(outcome.transient),
    }


def _own_memory() -> int:
    """The peak memory of this process, in bytes.

    Not that of `getrusage` where the system has another: that counts the process too which started this one.
    """
    with suppress(OSError, ValueError, StopIteration), open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _answer(answers: IO[bytes], value: dict[str, Any]) -> None:
    answers.write(json.dumps(value).encode() + b"\n")
    answers.flush()


def main(folder: str) -> None:
    threading.Thread(target=end_with_the_asker, daemon=True).start()
    serve(DataLocation.deserialize(json.loads(folder)), sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main(sys.argv[1])
