"""A program in a fresh process of its own, and what it took.

This module, and whatever else runs in the harness's own process, imports the standard library alone: Linux counts the
largest memory of a process from before its `exec`, so that no child could show a smaller peak than the harness had.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from benchmarks.cores import THREADS, ShareOfOthers

REPOSITORY = Path(__file__).resolve().parents[1]
OTHERS = "share_of_others"

Quantities = dict[str, float]


class ProgramFailed(Exception):
    """A program under measurement ended with an error; the message is the end of what it wrote."""


@dataclass(frozen=True)
class Command:
    """A Python and its arguments; what it prints last is a JSON object of numbers, its answer.

    `without` is a folder that is removed before the program starts.
    """

    python: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    without: Path | None = None


def run(command: Command) -> Quantities:
    """Run a program to its end.

    Returns:
        Its answer, and of the whole process: ``wall_seconds`` from start to end, ``cpu_seconds``, user and system,
        ``peak_mib``, the largest resident memory, and ``share_of_others``, what part of the cores' time went to other
        programs meanwhile.

    Raises:
        ProgramFailed: it ended with an error, or printed no answer.
    """
    if command.without is not None:
        shutil.rmtree(command.without, ignore_errors=True)
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        others = ShareOfOthers()
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(command.python), *command.arguments],
            stdout=output,
            stderr=errors,
            cwd=REPOSITORY,
            env={**_environment(), **command.environment},
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall_seconds = time.perf_counter() - started
        cpu_seconds = usage.ru_utime + usage.ru_stime
        share_of_others = others.share(cpu_seconds, wall_seconds)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise ProgramFailed(f"{_name(command)} ended with {process.returncode}:\n{_end_of(errors)}")
        answer = _answer(command, _end_of(output))
    return {
        **answer,
        "wall_seconds": wall_seconds,
        "cpu_seconds": cpu_seconds,
        "peak_mib": usage.ru_maxrss / 1024,
        OTHERS: share_of_others,
    }


def _environment() -> dict[str, str]:
    # Settings of the person who measures would measure something else.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPACER_", "AWS_", "PYTHON"))}
    return {**kept, "OMP_NUM_THREADS": str(THREADS)}


def _answer(command: Command, text: str) -> Quantities:
    try:
        answer = json.loads(text.splitlines()[-1])
        return {str(name): float(value) for name, value in answer.items()}
    except (IndexError, ValueError, AttributeError, TypeError):
        raise ProgramFailed(f"{_name(command)} printed no JSON object of numbers:\n{text}") from None


def _name(command: Command) -> str:
    return " ".join((command.python.name, *command.arguments))


def _end_of(stream: IO[bytes], size: int = 4000) -> str:
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - size))
    return stream.read().decode(errors="replace")
