"""A worker process, one request after the other: ``python -m spacer_like.engines.worker``, JSON lines in and out.

The first line says how to work: the settings, which may hold secrets and therefore come by the pipe, and how much to
log. Every other line is a job of one task, and is answered by its outcome. The end of the input is the end.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from spacer_like import config, interruption, logs
from spacer_like.data_classes.base import paused_collector
from spacer_like.mailman import run_task
from spacer_like.memory import reuse_thread_memory
from spacer_like.messages import JobMsg

# Images that wait to be counted, what is counted of them, and batches that are being decoded.
PIECES_OF_MEMORY = 12
# Whoever ends it waits for it.
SECONDS_TO_UNWIND = 0.8


def serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer requests until the input ends."""
    how = requests.readline()
    if not how:
        return
    reuse_thread_memory(PIECES_OF_MEMORY)
    with working_as(how):
        for line in requests:
            with paused_collector():
                task = JobMsg.deserialize(json.loads(line)).tasks[0]
            outcome = run_task(task)
            answers.write(json.dumps(outcome.serialize()).encode() + b"\n")
            answers.flush()


@contextmanager
def working_as(how: bytes) -> Iterator[None]:
    """Apply the settings and the log level of the first line."""
    given = json.loads(how)
    with config.override(**_settings(given["settings"])):
        _log(given["log_level"])
        yield


def _settings(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _log(level: int) -> None:
    logs.configure(config.log_lines("%(asctime)s %(name)s %(levelname)s: %(message)s"), logging.WARNING)
    logging.getLogger("spacer_like").setLevel(level)
    if level > logging.DEBUG:
        # The answers say what failed, and which images were left out.
        for name in ("spacer_like.mailman", "spacer_like.rarity.score_table"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def end_with_the_asker() -> None:
    """End the process when its input is closed: nobody waits for the work any more."""
    asking = select.poll()
    asking.register(sys.stdin.fileno(), 0)
    asking.poll()
    os._exit(0)


def main() -> None:
    threading.Thread(target=end_with_the_asker, daemon=True).start()
    interruption.listen(SECONDS_TO_UNWIND, quiet=True)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not come between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # The parent process is gone, or ends it: there is nobody to report to.
    with suppress(interruption.Interrupted, BrokenPipeError):
        interruption.ready()
        serve(sys.stdin.buffer, answers)
    interruption.finish(0)


if __name__ == "__main__":
    main()
