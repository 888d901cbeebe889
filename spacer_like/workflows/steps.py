"""Steps of a workflow, and the records of those that are done."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spacer_like.data_classes import DataLocation
from spacer_like.engines.processes import Processes
from spacer_like.message_base import Message
from spacer_like.messages import TASKS
from spacer_like.progress import report
from spacer_like.storage import exists, write_bytes

logger = logging.getLogger(__name__)

# To be raised when a task makes other files of the same request.
_VERSION = 1


@dataclass(frozen=True)
class Step:
    """A request as a part of a workflow.

    Attributes:
        name: unique in its workflow.
        message: the request.
        inputs: versions of what it reads: of files as they were found, of other steps their `fingerprint`.
        outputs: the files that it makes.
    """

    name: str
    message: Message
    inputs: tuple[str, ...] = ()
    outputs: tuple[DataLocation, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Different for each request, and each version of what it reads."""
        described = [_VERSION, self.message.task, self.message.serialize(), self.inputs]
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


@dataclass
class Ended:
    """How steps ended: the answers of those that are done, and why the others failed, by name."""

    answers: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    run: int = 0
    """How many of the steps had to be run."""


class Steps:
    """Runs steps, and remembers in a folder which are done.

    Args:
        folder: of the records.
        engine: who does the work.
    """

    def __init__(self, folder: Path, engine: Processes) -> None:
        self._folder = folder
        self._engine = engine

    def run(self, work: str, steps: Sequence[Step]) -> Ended:
        """Run those of the steps that are not done, several at once; they must not depend on each other.

        Args:
            work: what the progress is called.
        """
        ended = Ended()
        waiting: list[Step] = []
        for step in steps:
            answer = self._answer_on_record(step)
            if answer is None:
                waiting.append(step)
            else:
                ended.answers[step.name] = answer
        if steps:
            report(work, len(ended.answers), len(steps))
        ended.run = len(waiting)
        for count, (number, outcome) in enumerate(self._engine.outcomes([step.message for step in waiting]), 1):
            step = waiting[number]
            if outcome.status == "done":
                self._record(step, outcome.result.serialize())
                ended.answers[step.name] = outcome.result
            else:
                ended.failures[step.name] = " ".join((outcome.error_message or "It failed.").split())
                logger.info("%s: %s", step.name, ended.failures[step.name])
            report(work, len(steps) - len(waiting) + count, len(steps))
        return ended

    def _answer_on_record(self, step: Step) -> Any:
        try:
            record = json.loads(self._path(step).read_bytes())
            if record["fingerprint"] != step.fingerprint or not all(exists(output) for output in step.outputs):
                return None
            return TASKS[step.message.task].return_message.deserialize(record["answer"])
        # A record that cannot be read is none.
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _record(self, step: Step, answer: dict[str, Any]) -> None:
        # Without its seconds, so that the same work leaves the same files.
        record = {"step": step.name, "fingerprint": step.fingerprint, "answer": answer | {"runtime": 0.0}}
        write_bytes(DataLocation("filesystem", str(self._path(step))), json.dumps(record).encode())

    def _path(self, step: Step) -> Path:
        name = quote(step.name, safe="")
        if len(name) > 200:
            name = f"{name[:120]}-{hashlib.sha256(step.name.encode()).hexdigest()[:32]}"
        return self._folder / f"{name}.json"
