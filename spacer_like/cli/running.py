"""A job run for somebody who is watching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spacer_like.exceptions import SpacerError
from spacer_like.mailman import ExitCode, JobEnd, run_job
from spacer_like.progress import listening

if TYPE_CHECKING:
    from spacer_like.cli.terminal import Terminal
    from spacer_like.messages import JobMsg
    from spacer_like.overwriting import Place

DESCRIPTIONS = {
    "extract_features": "Extracting features",
    "train_classifier": "Training",
    "classify_features": "Classifying",
    "classify_image": "Classifying",
    "check_collection": "Checking collections",
    "convert_collection": "Decoding",
    "compute_histogram": "Counting colours",
    "merge_histograms": "Merging histograms",
    "score_collection": "Scoring",
    "score_unseen": "Scoring",
    "embedding_score": "Scoring",
    "train_rarity_classifier": "Training",
    "chip_tile": "Cutting tiles",
    "chips_folder": "Cutting tiles",
    "index_nodata": "Looking for data",
    "fetch_labels": "Fetching map data",
    "build_label_table": "Joining",
    "train_multilabel": "Training",
    "label_chips": "Labelling",
    "encode_chips": "Encoding",
    "build_index": "Indexing",
    "find_similar": "Searching",
}


class JobFailedError(SpacerError):
    """A command's job of which nothing came; its sentence is that of the first task that failed."""

    def __init__(self, sentence: str, error_class: str | None, exit_code: ExitCode) -> None:
        super().__init__(sentence)
        self.error_class = error_class
        self.exit_code = exit_code


@dataclass(frozen=True)
class Answers:
    """What came of each task of a job: its return message, or None where it failed or was not run."""

    results: list[Any]
    failures: list[dict[str, Any]]
    """The name, error class and sentence of each task without a result."""
    exit_code: ExitCode


def run_with_progress(job: JobMsg, terminal: Terminal, places: Sequence[Place] = ()) -> JobEnd:
    """Run a job, with a bar where somebody can see it; `places` as in `run_job`."""
    with terminal.progress(DESCRIPTIONS) as listener, listening(listener):
        listener(job.task_name, 0, len(job.tasks))
        return run_job(job, places)


def run_for_answers(job: JobMsg, terminal: Terminal, names: list[str], places: Sequence[Place] = ()) -> Answers:
    """Run a job whose tasks bear `names`, and complain about each that fails; `places` as in `run_job`.

    Raises:
        JobFailedError: no task succeeded.
    """
    end = run_with_progress(job, terminal, places)
    failures: list[dict[str, Any]] = [
        {"name": name, "class": one.error_class, "message": _sentence(name, one.error_message)}
        for name, one in zip(names, end.outcomes, strict=False)
        if one.status == "failed"
    ]
    unrun = names[len(end.outcomes) :]
    results = [one.result for one in end.outcomes] + [None] * len(unrun)
    if unrun and end.exit_code is ExitCode.INTERRUPTED:
        failures += [{"name": name, "class": None, "message": f"{name}: interrupted by SIGTERM."} for name in unrun]
    elif unrun:
        failures += [{"name": name, "class": None, "message": f"{name}: not tried any more."} for name in unrun]
    if not any(result is not None for result in results):
        more = f" None of the {len(names)} tasks succeeded." if len(names) > 1 else ""
        raise JobFailedError(failures[0]["message"] + more, failures[0]["class"], end.exit_code)
    for failure in failures:
        terminal.complain(failure["message"])
    return Answers(results, failures, end.exit_code)


def _sentence(name: str, message: str | None) -> str:
    text = " ".join((message or "failed").split())
    return text if name in text else f"{name}: {text}"
