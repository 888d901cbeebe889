"""The pipeline of the regression family: images and a catalog in, networks, an evaluation and intervals out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from spacer_like.engines.base import Engine
from spacer_like.engines.processes import Processes
from spacer_like.exceptions import DataNotFoundError, MessageError, StorageUnavailableError, TooFewRowsError
from spacer_like.location import DataLocation
from spacer_like.overwriting import check_locations, named_locations
from spacer_like.storage import delete, write_bytes
from spacer_like.workflows.regression_config import PipelineConfig
from spacer_like.workflows.regression_plan import CALIBRATION, FOLDERS, Stage, plan
from spacer_like.workflows.steps import RECORDS, Ended, Step, Steps, of_any_run, only_run

REPORT, LOG = "report.json", "pipeline.log"
_TOO_FEW_ROWS = f"{TooFewRowsError.__module__}.{TooFewRowsError.__qualname__}"


@dataclass
class PipelineReport:
    """The report of a pipeline.

    Attributes:
        answers: of the steps that are done, by their names.
        failures: why others failed, by their names; steps after them were not tried.
        skipped: why steps were left out that need more galaxies, by their names.
        transient: whether one of the failures may not come again.
        steps_run: how many steps had to be run; 0 when nothing had changed; not serialised.
    """

    config: PipelineConfig
    answers: dict[str, Any] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    transient: bool = False
    steps_run: int = 0

    @property
    def ok(self) -> bool:
        """Whether all steps are done."""
        return not self.failures

    def add(self, ended: Ended, may_lack_rows: bool) -> None:
        """Add how steps of a stage ended."""
        lacking = {
            name: failure.reason
            for name, failure in ended.failures.items()
            if may_lack_rows and failure.error_class == _TOO_FEW_ROWS
        }
        failures = {name: failure for name, failure in ended.failures.items() if name not in lacking}
        self.steps_run += ended.run - len(lacking)
        self.answers |= ended.answers
        self.skipped |= lacking
        self.failures |= {name: failure.reason for name, failure in failures.items()}
        self.transient = self.transient or any(failure.transient for failure in failures.values())

    def serialize(self) -> dict[str, Any]:
        """The report as numbers, texts, lists and dictionaries; the same for the same images and configuration."""
        steps = {name: of_any_run(self.answers[name].serialize()) for name in sorted(self.answers)}
        config = {
            name: value for name, value in asdict(self.config).items() if name not in ("images", "catalog", "out")
        }
        ended = {"failures": self.failures, "skipped": self.skipped}
        return {"ok": self.ok, "transient": self.transient, "config": config, "steps": steps, **ended}


def run_pipeline(
    config: PipelineConfig, engine: Engine | None = None, *, clean: bool = False, name: str | None = None
) -> PipelineReport:
    """Prepare images, pack, split and augment them, train networks, evaluate and calibrate them.

    Steps that are done and unchanged are not repeated, and a training that was interrupted goes on from its last
    snapshot. Everything is checked before the first step. Below `config.out`: a folder for each stage, ``report.json``,
    ``pipeline.log`` of all runs, and ``records/``, by which a run that was interrupted goes on.

    Args:
        engine: who does the work; None: processes of this machine, as many as it has cores.
        clean: remove what earlier runs have made there, before.
        name: what errors call the file of the configuration; None: it is in none.

    Raises:
        MessageError: the configuration does not hold.
        DataNotFoundError: there are no images, or no catalog.
        SpacerInputError: a network takes no images of this size.
        MissingExtraError: torch or matplotlib is not installed.
        TransientError: another run is at work in the folder.
        SpacerError: nothing can be written there.
    """
    with _named(name):
        stages = plan(config)
    out = Path(DataLocation.local(config.out).key)
    inputs = {
        name: DataLocation.from_uri(uri) for name, uri in (("images", config.images), ("catalog", config.catalog))
    }
    check_locations(named_locations({"out": DataLocation.local(config.out)}, inputs))
    report = PipelineReport(config)
    # Even a single training is one of a process with as many threads as all others have: the same bytes then.
    log = _Log(out / LOG)
    with only_run(out) as lock, engine or Processes(apart=True) as at_work:
        if clean:
            log.line("Removing what earlier runs have made.")
            _clean(out)
        with at_work.inheriting(lock):
            _run(stages, Steps(out, at_work, lambda step: _begin(step, out, log)), report, log)
        write_bytes(_report_at(out), json.dumps(report.serialize(), indent=1).encode())
    return report


@contextmanager
def _named(name: str | None) -> Iterator[None]:
    """Say in errors about what a configuration asks for in which file it does."""
    try:
        yield
    except (MessageError, DataNotFoundError) as error:
        if name is None:
            raise
        raise type(error)(f"{name}: {error}") from error


def _begin(step: Step, out: Path, log: _Log) -> None:
    """Remove the report before a step changes a file, so that it never describes other files."""
    delete(_report_at(out))
    log.line(f"{step.name}: begun.")


def _run(stages: list[Stage], steps: Steps, report: PipelineReport, log: _Log) -> None:
    for stage in stages:
        ended = steps.run(stage.work, stage.steps)
        report.add(ended, stage.may_lack_rows)
        for name, failure in ended.failures.items():
            log.line(f"{name}: {'left out' if name in report.skipped else 'failed'}: {failure.reason}")
        log.line(f"{stage.work}: {len(ended.answers)} of {len(stage.steps)} steps done, {ended.run} in this run.")
        for name, answer in ended.answers.items():
            for warning in getattr(answer, "warnings", []):
                log.line(f"{name}: {warning}")
        if report.failures:
            return
        for folder in stage.temporary:
            shutil.rmtree(folder.key, ignore_errors=True)
    # Of steps that other configurations had.
    steps.forget(lambda _: True)


def _report_at(out: Path) -> DataLocation:
    return DataLocation("filesystem", str(out / REPORT))


def _clean(out: Path) -> None:
    """Remove what a pipeline has made in its folder, and nothing else; the lock stays."""
    if not any((out / RECORDS).glob("*.json")):
        # None has been here: a folder ``models`` is somebody's own.
        return
    for name in FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
    for record in (out / RECORDS).glob("*.json"):
        delete(DataLocation("filesystem", str(record)))
    for name in (REPORT, CALIBRATION):
        delete(DataLocation("filesystem", str(out / name)))


class _Log:
    """A file with a line, and the time, for each thing that happens in any run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def line(self, text: str) -> None:
        """Append a line.

        Raises:
            StorageUnavailableError: it cannot be written.
        """
        now = datetime.now(timezone.utc).isoformat(" ", "seconds")
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{now} {' '.join(text.split())}\n")
        except OSError as error:
            raise StorageUnavailableError(f"The log '{self._path}' cannot be written: {error.strerror}.") from None
