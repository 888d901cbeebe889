"""Requests run in child processes that are killed at a given moment: ``python -m spacer_like.testing.killing``.

JSON lines in and out. A line has a job message of one task, the folder of its results, when the child is killed, and
the number of torch's threads. The answer has how the child ended, and how many results it has put in place.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

from typing_extensions import Self

from spacer_like import config
from spacer_like.messages import TASKS, JobMsg

# What takes long to import, and starts no thread by that: a child is forked from a process that has it.
_HEAVY = (
    *("sklearn.neural_network", "pyarrow.parquet", "rasterio", "shapely", "numba", "torch", "matplotlib.figure"),
    # Comes with the first optimizer.
    "torch._dynamo",
)


class Ended(NamedTuple):
    """How a child ended.

    Fields:
        code: its exit code, of one that a signal ended the signal's number, negative.
        results: how many files it put in place, in the folder of the results.
        outcome: how its request ended, as `TaskOutcome.serialize` describes it; None: it was killed.
    """

    code: int
    results: int
    outcome: Any


class Killing:
    """A process that forks children; it has done no work itself, so that they start like new ones."""

    def __init__(self, class_prefixes: tuple[str, ...] = ()) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "spacer_like.testing.killing", *class_prefixes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.communicate()

    def run(
        self, job: JobMsg, folder: str, kill_before: int = 0, threads: int = 1, kill_after: float | None = None
    ) -> Ended:
        """Run a job of one task in a child, where torch computes with so many threads.

        Args:
            kill_before: the number of the result before which the child is killed; 0: it is not.
            kill_after: the seconds after which it is killed, if it has not ended; None: it is not.
        """
        asked, answers = self._process.stdin, self._process.stdout
        assert asked is not None
        assert answers is not None
        asked.write(json.dumps([job.serialize(), folder, kill_before, threads, kill_after]).encode() + b"\n")
        asked.flush()
        return Ended(*json.loads(answers.readline()))


def _run(job: Any, folder: str, kill_before: int, answer: int) -> None:
    """In the child: do the work, and watch the files that appear in the folder."""
    results = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal results
        # os.replace says "os.rename" as well.
        if event == "os.rename" and os.path.realpath(os.fsdecode(arguments[1])).startswith(f"{folder}/"):
            name = os.path.basename(os.fsdecode(arguments[1]))
            if not name.startswith("."):
                results += 1
                if results == kill_before:
                    os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    from spacer_like.mailman import run_task

    outcome = run_task(JobMsg.deserialize(job).tasks[0])
    os.write(answer, json.dumps([results, outcome.serialize()]).encode())


def main(class_prefixes: list[str]) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for name in (*(task.module for task in TASKS.values()), *_HEAVY):
        if find_spec(name.partition(".")[0]) is not None:
            with suppress(ImportError):
                import_module(name)
    with config.override(allowed_class_prefixes=tuple(class_prefixes)):
        for line in sys.stdin:
            job, folder, kill_before, threads, kill_after = json.loads(line)
            reader, writer = os.pipe()
            if not (child := os.fork()):
                try:
                    with config.override(torch_threads=threads):
                        _run(job, os.path.realpath(folder), kill_before, writer)
                finally:
                    os._exit(0)
            os.close(writer)
            if kill_after is not None and not select.select([reader], [], [], kill_after)[0]:
                os.kill(child, signal.SIGKILL)
            with os.fdopen(reader) as said:
                text = said.read()
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            answers.write(json.dumps([code, *(json.loads(text) if text else (max(0, kill_before - 1), None))]) + "\n")
            answers.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
