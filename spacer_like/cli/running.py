"""Jobs with a progress bar, and their failures as sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spacer_like.cli.wording import in_options
from spacer_like.exceptions import SpacerError, class_of, sentence_of
from spacer_like.mailman import ExitCode, JobEnd, run_job
from spacer_like.progress import listening

if TYPE_CHECKING:
    from spacer_like.cli.terminal import Terminal
    from spacer_like.message_base import Message
    from spacer_like.messages import JobMsg, TaskOutcome
    from spacer_like.overwriting import NamedLocation

DESCRIPTIONS = {
    "extract_features": "Extracting features",
    "train_classifier": "Training",
    "classify_features": "Classifying",
    "classify_image": "Classifying",
    "pack_features": "Packing",
    "estimate_cover": "Estimating cover",
    "plan_survey": "Planning",
    "suggest_labels": "Choosing",
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
    "cut_raster": "Cutting rasters",
    "cut_rasters": "Cutting rasters",
    "map_scores": "Drawing",
    "index_nodata": "Looking for data",
    "fetch_labels": "Fetching map data",
    "build_label_table": "Joining",
    "label_from_features": "Joining",
    "label_from_mask": "Counting",
    "export_coco": "Writing",
    "visualize_chip": "Drawing",
    "train_multilabel": "Training",
    "label_chips": "Labelling",
    "encode_chips": "Encoding",
    "build_index": "Indexing",
    "find_similar": "Searching",
    "rank_places": "Ranking",
    "explain_image": "Explaining",
    "merge_scores": "Merging scores",
    "analyze_scores": "Analysing scores",
    "bucketize_scores": "Sorting into buckets",
    "compare_rankings": "Comparing rankings",
    "locate_chip": "Locating",
    "plot_labels": "Drawing",
    "process_images": "Encoding",
    "train_tags": "Training",
    "classify_images": "Tagging",
    "suggest_review": "Choosing",
    "find_wrong_labels": "Judging labels",
    "find_duplicates": "Comparing",
    "find_similar_images": "Searching",
    "prepare_images": "Preparing",
    "pack_dataset": "Packing",
    "split_dataset": "Splitting",
    "augment_dataset": "Augmenting",
    "import_keras_weights": "Importing",
    "export_onnx": "Exporting",
    "train_regressor": "Training",
    "train_good_bad": "Training",
    "simulate_galaxies": "Rendering",
    "measure_axis_ratios": "Measuring",
    "calibrate_regressor": "Calibrating",
    "predict_regressor": "Predicting",
    "evaluate_regressor": "Evaluating",
}


class JobFailedError(SpacerError):
    """A job of which every task failed; its sentence is that of the first one."""

    def __init__(self, sentence: str, error_class: str | None, exit_code: ExitCode) -> None:
        super().__init__(sentence)
        self.error_class = error_class
        self.exit_code = exit_code


Failure = dict[str, Any]
"""The name of what failed, the class of its error (None where it was not tried), and the sentence."""


@dataclass(frozen=True)
class Answers:
    """The outcomes of a job's tasks."""

    results: list[Any]
    """The return message of each; None where it failed, was not run, or was taken by a `take`."""
    failures: list[Failure]
    """Of each task without a result, and of what failed before it could become a task."""
    exit_code: ExitCode

    def with_failures(self, failures: Sequence[Failure], terminal: Terminal) -> Answers:
        """These answers with further failures, which are reported."""
        for failure in failures:
            terminal.complain(failure["message"])
        code = ExitCode.PERMANENT_FAILURE if failures and self.exit_code is ExitCode.DONE else self.exit_code
        return Answers(self.results, [*self.failures, *failures], code)


def run_with_progress(
    job: JobMsg,
    terminal: Terminal,
    others: Sequence[NamedLocation] = (),
    take: Callable[[int, Any], None] | None = None,
) -> JobEnd:
    """Run a job, with a bar where somebody can see it; `others` and `take` as in `run_job`."""
    with terminal.progress(DESCRIPTIONS) as listener, listening(listener):
        listener(job.task_name, 0, len(job.tasks))
        return run_job(job, others, take)


def run_for_answers(
    job: JobMsg,
    terminal: Terminal,
    names: list[str],
    others: Sequence[NamedLocation] = (),
    before: Sequence[Failure] = (),
    take: Callable[[int, Any], None] | None = None,
    row_of: Callable[[str, str], str] | None = None,
    is_rest: bool = False,
) -> Answers:
    """Run a job of tasks called `names`, and complain about each that fails; `others` and `take` as in `run_job`.

    Args:
        before: what failed before it could become a task.
        is_rest: other tasks of the command were done earlier: that none of these succeeds is no error of the whole.
        row_of: the row of a table, as "points.csv, line 3", that a failure of the first text concerns, by its sentence.

    Raises:
        JobFailedError: no task succeeded.
    """
    end = run_with_progress(job, terminal, others, take)
    failures: list[Failure] = [
        {"name": name, "class": one.error_class, "message": _sentence(name, one.error_message, row_of)}
        for name, one in zip(names, end.outcomes, strict=False)
        if one.status == "failed"
    ]
    unrun = names[len(end.outcomes) :]
    results = [one.result for one in end.outcomes] + [None] * len(unrun)
    interrupted = end.interrupted
    if interrupted and not end.outcomes and not is_rest:
        raise interrupted
    failed = len(before) + len(failures)
    reason = "interrupted" if interrupted else "not tried any more"
    failures += [{"name": name, "class": None, "message": f"{name}: {reason}."} for name in unrun]
    failures = [*before, *failures]
    exit_code = end.exit_code
    if before and exit_code is ExitCode.DONE:
        exit_code = ExitCode.PERMANENT_FAILURE
    if not is_rest and not any(one.status == "done" for one in end.outcomes):
        raise nothing_done(failures, exit_code)
    for failure in failures[:failed] if interrupted else failures:
        terminal.complain(failure["message"])
    return Answers(results, failures, exit_code)


def run_by_processes(messages: Sequence[Message], terminal: Terminal, names: list[str], count: int | None) -> Answers:
    """As `run_for_answers`, of requests that worker processes do, `count` at once; None: as many as cores."""
    from spacer_like.engines.processes import Processes
    from spacer_like.progress import report

    def outcomes() -> list[TaskOutcome]:
        ended: dict[int, TaskOutcome] = {}
        with Processes(count) as engine:
            work = messages[0].task
            report(work, 0, len(messages))
            for index, outcome in engine.outcomes(messages):
                ended[index] = outcome
                report(work, len(ended), len(messages))
        return [ended[index] for index in range(len(messages))]

    return answers_of(terminal, names, outcomes)


def answers_of(terminal: Terminal, names: list[str], run: Callable[[], list[TaskOutcome]]) -> Answers:
    """As `run_for_answers`, of the outcomes of requests that `run` gives."""
    with terminal.progress(DESCRIPTIONS) as listener, listening(listener):
        outcomes = run()
    failures: list[Failure] = []
    is_transient = False
    for index, outcome in enumerate(outcomes):
        if outcome.status != "done":
            sentence = _sentence(names[index], outcome.error_message)
            failures.append({"name": names[index], "class": outcome.error_class, "message": sentence})
            is_transient = is_transient or bool(outcome.transient)
    code = ExitCode.TRANSIENT_FAILURE if is_transient else ExitCode.PERMANENT_FAILURE
    if len(failures) == len(outcomes):
        raise nothing_done(failures, code)
    for failure in failures:
        terminal.complain(failure["message"])
    return Answers([one.result for one in outcomes], failures, code if failures else ExitCode.DONE)


def failure_of(name: str, error: BaseException, row_of: Callable[[str, str], str] | None = None) -> Failure:
    """What failed, and why; `row_of` as in `run_for_answers`."""
    return {"name": name, "class": class_of(error), "message": _sentence(name, sentence_of(error), row_of)}


def nothing_done(failures: Sequence[Failure], exit_code: ExitCode) -> JobFailedError:
    """The error of a command whose tasks all failed."""
    more = f" None of the {len(failures)} tasks succeeded." if len(failures) > 1 else ""
    return JobFailedError(failures[0]["message"] + more, failures[0]["class"], exit_code)


def _sentence(name: str, message: str | None, row_of: Callable[[str, str], str] | None = None) -> str:
    text = in_options(" ".join((message or "failed").split()))
    row = row_of(name, text) if row_of else ""
    # A training is called by its table, which the row names already.
    text = text if name in text or row.startswith(f"{name}, line ") else f"{name}: {text}"
    return f"{row}: {text}" if row else text
