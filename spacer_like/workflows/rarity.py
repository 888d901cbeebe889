"""Rarity from beginning to end: a folder of collections in, rankings and pictures out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from spacer_like.data_classes import DataLocation
from spacer_like.engines.processes import Processes
from spacer_like.exceptions import MessageError
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
)
from spacer_like.overwriting import check_places, places
from spacer_like.rarity.messages import Method, Resample
from spacer_like.storage import write_bytes
from spacer_like.workflows.rarity_collections import CollectionFolder, collections_in, wanted
from spacer_like.workflows.steps import Ended, Step, Steps

LOCAL_METHODS: tuple[Method, ...] = ("raw",)
GLOBAL_METHODS: tuple[Method, ...] = ("ratio", "log", "surprisal", "top_surprisal")


@dataclass(frozen=True)
class RarityOptions:
    """What may be chosen.

    Attributes:
        methods: scores against all collections; local_methods: scores against the image's own collection.
        bucketized: the method whose scores are sorted into buckets and drawn.
        size, resample, background: how images become squares, see `spacer_like.rarity.messages.PreparationMsg`.
        keep_stacks: decode every image once and keep its pixels (150 kB an image), instead of decoding it three times.
        pre_reveal_share: the share that one image must have of a collection for it to be set aside as pre-reveal.
        whitelist, blacklist: CSV files with a column ``collection_id``.
        processes: how many collections are worked on at once; None: one for each processor core.
    """

    methods: tuple[Method, ...] = GLOBAL_METHODS
    local_methods: tuple[Method, ...] = LOCAL_METHODS
    bucketized: Method = "ratio"
    size: int = 224
    resample: Resample = "bicubic"
    background: str = "drop"
    keep_stacks: bool = True
    pre_reveal_share: float = 1.0
    whitelist: DataLocation | None = None
    blacklist: DataLocation | None = None
    processes: int | None = None

    @property
    def preparation(self) -> dict[str, Any]:
        return {"size": self.size, "resample": self.resample, "background": self.background}


@dataclass
class CollectionReport:
    """What became of a collection.

    Attributes:
        state: ``scored``, ``empty``, ``pre-reveal``, or ``failed``, with the reason.
        correlations: with the metadata's rarity, by scope and method.
    """

    collection_id: str
    state: str = "failed"
    reason: str | None = None
    n_images: int = 0
    n_distinct: int = 0
    unreadable: list[dict[str, str]] = field(default_factory=list)
    correlations: dict[str, Any] = field(default_factory=dict)


@dataclass
class RarityReport:
    """What became of everything.

    Attributes:
        missing: ids of the whitelist that have no folder.
        buckets: how many images lie in each bucket.
        failures: what went wrong after the collections, by step.
        images: where the images of each scored collection are, decoded ones if they were kept; not serialised.
        steps_run: how many steps had to be run; 0 when nothing had changed.
    """

    collections: list[CollectionReport]
    missing: list[str]
    n_images: int = 0
    buckets: dict[str, int] = field(default_factory=dict)
    comparisons: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    images: dict[str, DataLocation] = field(default_factory=dict)
    steps_run: int = 0

    @property
    def scored(self) -> list[CollectionReport]:
        return [one for one in self.collections if one.state == "scored"]

    def serialize(self) -> dict[str, Any]:
        """The report as numbers, texts, lists and dictionaries; the same for the same collections."""
        return {
            "n_images": self.n_images,
            "collections": [vars(one) for one in self.collections],
            "missing": self.missing,
            "buckets": self.buckets,
            "comparisons": self.comparisons,
            "failures": self.failures,
        }


def score_collections(folder: Path, output: Path, options: RarityOptions | None = None) -> RarityReport:
    """Score every image of every collection below a folder; what is done and unchanged is not done again.

    Below `output`: ``collections/ID/`` with histograms and scores, ``global/`` with the merged histogram, ``scores/``
    with rankings over all collections, ``report.json``, and ``records/``, by which a run that was interrupted goes on.

    Raises:
        DataNotFoundError: no such folder, or no collection in it.
        TableError: a whitelist or blacklist without ids.
        MessageError: no method, buckets of a method that is not among `methods`, or `output` is `folder`.
    """
    options = options or RarityOptions()
    if options.bucketized not in options.methods:
        raise MessageError(
            f"Buckets of '{options.bucketized}' need that score: choose one of {', '.join(options.methods) or 'none'}."
        )
    made, there = DataLocation.local(output), DataLocation.local(folder)
    check_places(places({"--out": made}, {"the folder of collections": there}))
    output, folder = Path(made.key), Path(there.key)
    # The output of an earlier run, in a folder of the collections, is none of them.
    found = [one for one in collections_in(folder) if not one.lies_in(output)]
    collections, missing = wanted(found, options.whitelist, options.blacklist)
    with Processes(options.processes) as engine:
        run = _Run(output, options, collections, engine)
        report = RarityReport([run.reports[one.collection_id] for one in collections], missing)
        run.prepare()
        run.count()
        run.score()
        run.rank(report)
    report.n_images = sum(one.n_images for one in report.scored)
    report.failures, report.steps_run, report.images = run.failures, run.steps_run, run.images
    write_bytes(run.place("report.json"), json.dumps(report.serialize(), indent=1).encode())
    return report


class _Run:
    def __init__(
        self, output: Path, options: RarityOptions, collections: Iterable[CollectionFolder], engine: Processes
    ) -> None:
        self._output = output.absolute()
        self._options = options
        self._steps = Steps(self._output / "records", engine)
        self._collections = {one.collection_id: one for one in collections}
        self.reports = {name: CollectionReport(name) for name in self._collections}
        self.failures: dict[str, str] = {}
        self.steps_run = 0
        self._images: dict[str, tuple[DataLocation, str]] = {}
        """Of each collection still in the running: where its images are, and their version."""
        self._histograms: dict[str, Step] = {}
        self._global: Step | None = None
        self._scores: dict[str, Step] = {}

    @property
    def images(self) -> dict[str, DataLocation]:
        return {name: place for name, (place, _) in self._images.items()}

    def place(self, *parts: str) -> DataLocation:
        return DataLocation("filesystem", str(self._output.joinpath(*parts)))

    def prepare(self) -> None:
        """Decode, if wanted, and set aside what is empty or pre-reveal."""
        self._images = {
            name: (one.images_loc, f"{one.images} {one.version()}") for name, one in self._collections.items()
        }
        if self._options.keep_stacks:
            self._convert()
        ended = self._each("Checking", self._check_step)
        for name, answer in ended.items():
            self._judge(name, answer)

    def _convert(self) -> None:
        steps = {name: self._convert_step(name) for name in self._images}
        ended = self._each("Decoding", steps.__getitem__)
        for name, answer in ended.items():
            self.reports[name].unreadable = [one.serialize() for one in answer.unreadable]
            self._images[name] = (self.place("collections", name, "pixels.npz"), steps[name].fingerprint)

    def _convert_step(self, name: str) -> Step:
        images, version = self._images[name]
        stack, ids = (self.place("collections", name, file) for file in ("pixels.npz", "ids.npz"))
        message = ConvertCollectionMsg(
            collection_id=name, images_loc=images, stack_loc=stack, ids_loc=ids, **self._options.preparation
        )
        return Step(f"convert {name}", message, (version,), (stack, ids))

    def _check_step(self, name: str) -> Step:
        images, version = self._images[name]
        message = CheckCollectionMsg(
            collection_id=name,
            images_loc=images,
            threshold=self._options.pre_reveal_share,
            **self._options.preparation,
        )
        return Step(f"check {name}", message, (version,))

    def _judge(self, name: str, answer: CheckCollectionReturnMsg) -> None:
        report = self.reports[name]
        report.n_images, report.n_distinct = answer.n_images, answer.n_distinct
        report.unreadable = report.unreadable or [one.serialize() for one in answer.unreadable]
        report.state = "empty" if answer.empty else "pre-reveal" if answer.pre_reveal else "scored"
        if answer.pre_reveal:
            report.reason = (
                f"{answer.largest_share:.0%} of its images are the same as that of {answer.placeholder_token}."
            )
        elif answer.empty:
            report.reason = answer.reason
        if report.state != "scored":
            del self._images[name]

    def count(self) -> None:
        """A histogram of each collection, and one of all."""
        self._histograms = {name: self._histogram_step(name) for name in self._images}
        counted = self._each("Counting colours", self._histograms.__getitem__)
        if not counted:
            return
        steps = [self._histograms[name] for name in counted]
        merged, table = self.place("global", "histogram.parquet"), self.place("global", "table.npy")
        message = MergeHistogramsMsg(
            histogram_locs=[step.outputs[0] for step in steps], merged_loc=merged, table_loc=table
        )
        step = Step("merge histograms", message, tuple(step.fingerprint for step in steps), (merged, table))
        self._global = step if self._all("Merging histograms", [step]).answers else None

    def _histogram_step(self, name: str) -> Step:
        images, version = self._images[name]
        place = self.place("collections", name, "histogram.parquet")
        message = ComputeHistogramMsg(
            collection_id=name, images_loc=images, histogram_loc=place, **self._options.preparation
        )
        return Step(f"histogram {name}", message, (version,), (place,))

    def score(self) -> None:
        """The score tables of each collection."""
        if self._global is None:
            return
        table = self._global.outputs[1]
        if self._options.local_methods:
            self._score("local", self._options.local_methods, lambda name: self._histograms[name])
        for_all = self._global
        scored = self._score("global", self._options.methods, lambda name: for_all, table)
        self._scores = {name: self._scores[name] for name in scored}

    def _score(
        self,
        scope: str,
        methods: tuple[Method, ...],
        counted: Callable[[str], Step],
        table: DataLocation | None = None,
    ) -> dict[str, Any]:
        def step(name: str) -> Step:
            images, version = self._images[name]
            collection = self._collections[name]
            places = {
                method: [self.place("collections", name, f"{scope}_{method}.{kind}") for kind in ("csv", "parquet")]
                for method in methods
            }
            histogram = counted(name)
            message = ScoreCollectionMsg(
                collection_id=name,
                images_loc=images,
                histogram_loc=table or histogram.outputs[0],
                scores_locs=places,
                metadata_loc=collection.metadata_loc,
                **self._options.preparation,
            )
            inputs = (version, histogram.fingerprint, collection.metadata_version())
            outputs = tuple(place for both in places.values() for place in both)
            self._scores[name] = Step(f"score {scope} {name}", message, inputs, outputs)
            return self._scores[name]

        ended = self._each(f"Scoring ({scope})", step)
        for name, answer in ended.items():
            self.reports[name].correlations |= {
                f"{scope}_{method}": found.serialize() for method, found in answer.correlations.items()
            }
        return ended

    def rank(self, report: RarityReport) -> None:
        """Rankings over all collections."""
        if not self._scores:
            return
        merged = {method: self._merge_step(method) for method in self._options.methods}
        self._all("Merging scores", list(merged.values()))
        places = {method: step.outputs[1] for method, step in merged.items() if step.name not in self.failures}
        after = {method: merged[method].fingerprint for method in places}
        steps = [self._analysis_step(method, places[method], after[method]) for method in places]
        if (method := self._options.bucketized) in places:
            steps.append(self._bucket_step(method, places[method], after[method]))
        comparison = self.place("scores", "comparison.csv")
        message = CompareRankingsMsg(
            scores_locs={str(name): place for name, place in places.items()}, comparison_loc=comparison
        )
        steps.append(Step("compare rankings", message, tuple(after.values()), (comparison,)))
        answers = self._all("Ranking", steps).answers
        if f"bucketize {self._options.bucketized}" in answers:
            report.buckets = answers[f"bucketize {self._options.bucketized}"].counts
        if "compare rankings" in answers:
            report.comparisons = [one.serialize() for one in answers["compare rankings"].comparisons]

    def _merge_step(self, method: Method) -> Step:
        tables = [self.place("collections", name, f"global_{method}.parquet") for name in self._scores]
        merged = [self.place("scores", f"{method}.{kind}") for kind in ("csv", "parquet")]
        top = self.place("scores", f"{method}_20k.csv")
        message = MergeScoresMsg(scores_locs=tables, merged_locs=merged, top_loc=top)
        inputs = tuple(step.fingerprint for step in self._scores.values())
        return Step(f"merge scores {method}", message, inputs, (*merged, top))

    def _analysis_step(self, method: Method, table: DataLocation, version: str) -> Step:
        place = self.place("scores", f"{method}_analysis.json")
        message = AnalyzeScoresMsg(scores_loc=table, analysis_loc=place)
        return Step(f"analyze {method}", message, (version,), (place,))

    def _bucket_step(self, method: Method, table: DataLocation, version: str) -> Step:
        bucketized, edges = (self.place("scores", f"{method}_{name}") for name in ("bucketized.csv", "edges.npz"))
        message = BucketizeScoresMsg(scores_loc=table, bucketized_loc=bucketized, edges_loc=edges)
        return Step(f"bucketize {method}", message, (version,), (bucketized, edges))

    def _each(self, work: str, step: Callable[[str], Step]) -> dict[str, Any]:
        """The answers by collection; a collection whose step fails is out of the running."""
        steps = {name: step(name) for name in self._images}
        ended = self._steps.run(work, list(steps.values()))
        self.steps_run += ended.run
        for name, one in steps.items():
            if one.name in ended.failures:
                self.reports[name].state, self.reports[name].reason = "failed", ended.failures[one.name]
                del self._images[name]
        return {name: ended.answers[one.name] for name, one in steps.items() if one.name in ended.answers}

    def _all(self, work: str, steps: list[Step]) -> Ended:
        ended = self._steps.run(work, steps)
        self.steps_run += ended.run
        self.failures |= ended.failures
        return ended


def methods_named(text: str) -> tuple[Method, ...]:
    """The methods in a list like ``ratio,log``.

    Raises:
        MessageError: one of them is unknown.
    """
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if unknown := [name for name in names if name not in get_args(Method)]:
        raise MessageError(f"The method '{unknown[0]}' is unknown: it must be one of {', '.join(get_args(Method))}.")
    return cast("tuple[Method, ...]", names)
