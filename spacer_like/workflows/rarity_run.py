"""One run of the rarity workflow: its steps in their order, and what becomes of each collection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from spacer_like.engines.base import Engine
from spacer_like.engines.reduction import merge_tree
from spacer_like.exceptions import CollectionError, SpacerError
from spacer_like.location import DataLocation
from spacer_like.mailman import is_transient
from spacer_like.messages import (
    AnalyzeScoresMsg,
    BucketizeScoresMsg,
    CheckCollectionMsg,
    CheckCollectionReturnMsg,
    CompareRankingsMsg,
    ComputeHistogramMsg,
    ConvertCollectionMsg,
    MergeHistogramsMsg,
    MergeScoresMsg,
    ScoreCollectionMsg,
    ScoreCollectionReturnMsg,
)
from spacer_like.rarity.messages import Method
from spacer_like.rarity.messages.preparation import table_description
from spacer_like.storage import delete
from spacer_like.workflows.rarity_collections import CollectionFolder
from spacer_like.workflows.rarity_options import RarityOptions
from spacer_like.workflows.rarity_pictures import PICTURES
from spacer_like.workflows.rarity_report import CollectionReport, RarityReport
from spacer_like.workflows.steps import Ended, Failure, JointSteps, Step, Steps

REPORT = "report.json"
MERGED_AT_ONCE = 100
"""The most histograms of a request; those of more collections are merged in parts, several at once."""
_NO_COLLECTION = f"{CollectionError.__module__}.{CollectionError.__qualname__}"


class RarityRun:
    """The steps of a run, in the order in which they are called; `ended` or `checked` gives the report."""

    def __init__(
        self,
        output: Path,
        options: RarityOptions,
        collections: Iterable[CollectionFolder],
        missing: list[str],
        engine: Engine,
    ) -> None:
        self._output = output
        self._options = options
        self._steps = Steps(output, engine, self._before)
        self._collections = {one.collection_id: one for one in collections}
        self._reports = {name: CollectionReport(name) for name in self._collections}
        self._report = RarityReport(list(self._reports.values()), missing)
        self._images: dict[str, tuple[DataLocation, str]] = {}
        """By collection that has not been dropped: the location of its images, and their version."""
        self._not_converted: dict[str, Failure] = {}
        self._histograms: dict[str, Step] = {}
        self._global: Step | None = None
        self._scores: dict[str, Step] = {}

    def _before(self, step: Step) -> None:
        """Remove the report and pictures, before a step changes a file, so that they never describe other files."""
        delete(self.location(REPORT))
        if step.subject is None:
            self._delete_pictures()

    def _delete_pictures(self) -> None:
        for path in (self._output / "pictures" / f"{name}.png" for name in PICTURES):
            if path.is_file():
                delete(DataLocation("filesystem", str(path)))

    def ended(self) -> RarityReport:
        """The report; files of earlier runs are removed, or named in it."""
        report = self._report
        for one in report.collections:
            if one.state == "not scored":
                one.reason = f"See what is said of {next(iter(report.failures), 'the other collections')}."
        report.n_images = sum(one.n_images for one in report.scored)
        report.n_scored = sum(one.n_scored for one in report.scored)
        report.images = {one.collection_id: self._images[one.collection_id][0] for one in report.scored}
        report.steps_done = self._steps.done
        report.transient = report.transient or any(one.transient for one in report.failed)
        self._tidy()
        return report

    def checked(self) -> RarityReport:
        """The report where nothing is to be scored."""
        for one in self._report.collections:
            if one.state == "not scored":
                one.state = "good"
        self._report.transient = any(one.transient for one in self._report.failed)
        return self._report

    def _tidy(self) -> None:
        report = self._report
        kept = {one.collection_id for one in report.collections if one.state in ("failed", "not scored")}
        try:
            self._steps.forget(lambda subject: subject is None or (subject in self._reports and subject not in kept))
            if any(file.parent == self._output / "scores" for file in self._steps.removed):
                self._delete_pictures()
        except SpacerError as error:
            report.fail("remove the files of an earlier run", error)
        report.removed = sorted(file.relative_to(self._output).as_posix() for file in self._steps.removed)
        left = {file.parent for _, files in self._steps.left_over() for file in files}
        report.left_over = sorted(folder.relative_to(self._output).as_posix() for folder in left)

    def location(self, *parts: str) -> DataLocation:
        return DataLocation("filesystem", str(self._output.joinpath(*parts)))

    def prepare(self) -> None:
        """Decode images, if wanted, and exclude collections that are empty or pre-reveal."""
        for name, one in self._collections.items():
            try:
                if one.problem is not None:
                    raise CollectionError(one.problem)
                self._images[name] = (one.images_loc, f"{one.images} {one.version()}")
            except CollectionError as error:
                self._reports[name].fail(str(error))
        if self._options.keep_stacks:
            self._convert()
        ended = self._each("Checking", self._check_step)
        for name, (answer,) in ended.items():
            self._judge(name, answer)

    def _convert(self) -> None:
        steps = {name: self._convert_step(name) for name in self._images}
        ended = self._run("Decoding", list(steps.values()))
        for name, step in steps.items():
            if failure := ended.failures.get(step.name):
                if failure.error_class == _NO_COLLECTION:
                    # Whether it is empty is for the check to say.
                    self._not_converted[name] = failure
                else:
                    self._drop(name, failure)
            else:
                answer = ended.answers[step.name]
                self._reports[name].unreadable = [one.serialize() for one in answer.unreadable]
                self._images[name] = (self.location("collections", name, "pixels.npz"), step.fingerprint)

    def _convert_step(self, name: str) -> Step:
        images, version = self._images[name]
        stack, ids = (self.location("collections", name, file) for file in ("pixels.npz", "ids.npz"))
        message = ConvertCollectionMsg(
            collection_id=name, images_loc=images, stack_loc=stack, ids_loc=ids, **self._options.preparation
        )
        return Step(f"convert {name}", message, (version,), (stack, ids), name)

    def _check_step(self, name: str) -> Step:
        images, version = self._images[name]
        message = CheckCollectionMsg(
            collection_id=name,
            images_loc=images,
            threshold=self._options.pre_reveal_share,
            **self._options.preparation,
        )
        return Step(f"check {name}", message, (version,), subject=name)

    def _judge(self, name: str, answer: CheckCollectionReturnMsg) -> None:
        report = self._reports[name]
        report.n_images, report.n_distinct = answer.n_images, answer.n_distinct
        report.unreadable = report.unreadable or [one.serialize() for one in answer.unreadable]
        if answer.pre_reveal:
            report.state = "pre-reveal"
            report.reason = (
                f"{answer.largest_share:.0%} of its images are the same as that of {answer.placeholder_token}."
            )
        elif answer.empty:
            report.state, report.reason = "empty", answer.reason
        elif name in self._not_converted:
            report.fail(self._not_converted[name].reason)
        if report.state != "not scored":
            del self._images[name]

    def count(self) -> None:
        """A histogram of each collection, and one of all."""
        self._histograms = {name: self._histogram_step(name) for name in self._images}
        counted = self._each("Counting colours", self._histograms.__getitem__)
        if not counted:
            return
        self._global = self._merged([self._histograms[name] for name in counted])

    def _merged(self, counted: list[Step]) -> Step | None:
        """The step that merges the histograms of all; where they are many, after steps that merge some of them."""
        merged, table = self.location("global", "histogram.parquet"), self.location("global", "table.npy")
        levels = merge_tree(
            [step.outputs[0] for step in counted],
            lambda some, to: MergeHistogramsMsg(histogram_locs=some, merged_loc=to),
            lambda some: MergeHistogramsMsg(histogram_locs=some, merged_loc=merged, table_loc=table),
            self.location("global", "parts"),
            MERGED_AT_ONCE,
            ".parquet",
        )
        made = {step.outputs[0]: step for step in counted}
        for messages in levels:
            steps = [_merge_step(message, made) for message in messages]
            if len(self._all("Merging histograms", steps)) < len(steps):
                return None
            made |= {step.outputs[0]: step for step in steps}
        return made[merged]

    def _histogram_step(self, name: str) -> Step:
        images, version = self._images[name]
        location = self.location("collections", name, "histogram.parquet")
        message = ComputeHistogramMsg(
            collection_id=name, images_loc=images, histogram_loc=location, **self._options.preparation
        )
        return Step(f"histogram {name}", message, (version,), (location,), name)

    def score(self) -> None:
        """The score tables of each collection: against its own histogram and against that of all, in one pass."""
        if self._global is None:
            return
        scopes = ["local", "global"] if self._options.local_methods else ["global"]
        steps: dict[str, Step] = {}

        def both(name: str) -> Step | JointSteps:
            each = [self._score_step(name, scope) for scope in scopes]
            steps[name] = each[-1]
            return _joint(*each) if len(each) > 1 else each[0]

        for name, answers in self._each("Scoring", both).items():
            report = self._reports[name]
            for scope, answer in zip(scopes, answers, strict=True):
                correlations = answer.correlations.items()
                report.correlations |= {f"{scope}_{method}": found.serialize() for method, found in correlations}
            answer = answers[-1]
            report.state = "scored"
            report.left_out, report.n_without_image = answer.left_out, answer.n_not_scored
            report.n_scored = answer.n_tokens - answer.n_not_scored
            if report.n_scored:
                self._scores[name] = steps[name]
            else:
                self._drop(name, Failure(self._reason_for_no_score(name, answer)))

    def _reason_for_no_score(self, name: str, answer: ScoreCollectionReturnMsg) -> str:
        if not answer.left_out:
            return "None of its images has a score."
        return (
            f"None of its {answer.n_images} images has a row in the metadata '{self._collections[name].metadata}', "
            f"such as token {answer.left_out[0]}."
        )

    def _score_step(self, name: str, scope: str) -> Step:
        if scope == "local":
            methods, counted = self._options.local_methods, self._histograms[name]
            histogram = counted.outputs[0]
        else:
            methods, counted = self._options.methods, cast("Step", self._global)
            histogram = counted.outputs[1]
        images, version = self._images[name]
        folder = self._output / "collections" / name
        collection = self._collections[name] = self._collections[name].unpacked(folder / "metadata.csv")
        locations = {
            method: [self.location("collections", name, f"{scope}_{method}.{kind}") for kind in ("csv", "parquet")]
            for method in methods
        }
        message = ScoreCollectionMsg(
            collection_id=name,
            images_loc=images,
            histogram_loc=histogram,
            scores_locs=locations,
            metadata_loc=collection.metadata_loc,
            **self._options.preparation,
        )
        inputs = (version, counted.fingerprint, collection.metadata_version())
        outputs = tuple(location for both in locations.values() for location in both)
        return Step(f"score {scope} {name}", message, inputs, outputs, name)

    def rank(self) -> None:
        """Rankings over all collections."""
        if not self._scores:
            return
        report = self._report
        merged = {method: self._merge_step(method) for method in self._options.methods}
        done = self._all("Merging scores", list(merged.values()))
        after = {method: step for method, step in merged.items() if step.name in done}
        if not after:
            return
        steps = [self._analysis_step(method, step) for method, step in after.items()]
        if (method := self._options.bucketized) in after:
            steps.append(self._bucket_step(method, after[method]))
        comparison = self.location("scores", "comparison.csv")
        message = CompareRankingsMsg(
            scores_locs={str(name): step.outputs[1] for name, step in after.items()}, comparison_loc=comparison
        )
        steps.append(
            Step("compare rankings", message, tuple(step.fingerprint for step in after.values()), (comparison,))
        )
        answers = self._all("Ranking", steps)
        if f"bucketize {self._options.bucketized}" in answers:
            report.buckets = answers[f"bucketize {self._options.bucketized}"].counts
        if "compare rankings" in answers:
            report.comparisons = [one.serialize() for one in answers["compare rankings"].comparisons]

    def _merge_step(self, method: Method) -> Step:
        tables = [self.location("collections", name, f"global_{method}.parquet") for name in self._scores]
        merged = [self.location("scores", f"{method}.{kind}") for kind in ("csv", "parquet")]
        top = self.location("scores", f"{method}_20k.csv")
        message = MergeScoresMsg(scores_locs=tables, merged_locs=merged, top_loc=top)
        inputs = tuple(step.fingerprint for step in self._scores.values())
        return Step(f"merge scores {method}", message, inputs, (*merged, top))

    def _analysis_step(self, method: Method, merged: Step) -> Step:
        location = self.location("scores", f"{method}_analysis.json")
        message = AnalyzeScoresMsg(scores_loc=merged.outputs[1], analysis_loc=location)
        return Step(f"analyze {method}", message, (merged.fingerprint,), (location,))

    def _bucket_step(self, method: Method, merged: Step) -> Step:
        bucketized, edges = (self.location("scores", f"{method}_{name}") for name in ("bucketized.csv", "edges.npz"))
        message = BucketizeScoresMsg(
            scores_loc=merged.outputs[1], bucketized_loc=bucketized, edges_loc=edges, method=method
        )
        return Step(f"bucketize {method}", message, (merged.fingerprint,), (bucketized, edges))

    def _each(self, work: str, plan: Callable[[str], Step | JointSteps]) -> dict[str, tuple[Any, ...]]:
        """The answers of each collection's steps; a collection of which a step fails is dropped."""
        plans: dict[str, Step | JointSteps] = {}
        for name in list(self._images):
            try:
                plans[name] = plan(name)
            except SpacerError as error:
                self._drop(name, Failure(str(error), transient=is_transient(error)))
        ended = self._run(work, list(plans.values()))
        found = {}
        for name, one in plans.items():
            names = [step.name for step in one.steps]
            if failure := next((ended.failures[step] for step in names if step in ended.failures), None):
                self._drop(name, failure)
            else:
                found[name] = tuple(ended.answers[step] for step in names)
        return found

    def _all(self, work: str, steps: list[Step]) -> dict[str, Any]:
        """The answers by step; what fails concerns all collections."""
        ended = self._run(work, steps)
        for name, failure in ended.failures.items():
            self._report.failures[name] = failure.reason
            self._report.transient = self._report.transient or failure.transient
        return ended.answers

    def _run(self, work: str, steps: Sequence[Step | JointSteps]) -> Ended:
        ended = self._steps.run(work, steps)
        self._report.steps_run += ended.run
        return ended

    def _drop(self, name: str, failure: Failure) -> None:
        self._reports[name].fail(failure.reason, failure.transient)
        del self._images[name]


def _merge_step(message: MergeHistogramsMsg, made: dict[DataLocation, Step]) -> Step:
    merged, table = message.merged_loc, message.table_loc
    assert merged is not None
    outputs = (merged,) if table is None else (merged, table, table_description(table))
    name = "merge histograms" if table is not None else f"merge histograms {merged.filename}"
    return Step(name, message, tuple(made[loc].fingerprint for loc in message.histogram_locs), outputs)


def _joint(own: Step, for_all: Step) -> JointSteps:
    """Both scorings of a collection's images, as one request that decodes them once."""
    first, second = (cast("ScoreCollectionMsg", step.message) for step in (own, for_all))
    message = first.model_copy(
        update={"second_histogram_loc": second.histogram_loc, "second_scores_locs": second.scores_locs}
    )
    return JointSteps((own, for_all), message, _answers)


def _answers(answer: ScoreCollectionReturnMsg) -> tuple[ScoreCollectionReturnMsg, ScoreCollectionReturnMsg]:
    second = answer.second_correlations or {}
    return (
        answer.model_copy(update={"second_correlations": None}),
        answer.model_copy(update={"correlations": second, "second_correlations": None}),
    )
