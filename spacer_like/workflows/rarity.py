"""Rarity from beginning to end: a folder of collections in, rankings and pictures out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from spacer_like.engines.base import Engine
from spacer_like.engines.processes import Processes
from spacer_like.exceptions import MessageError, SpacerError
from spacer_like.location import DataLocation
from spacer_like.overwriting import check_locations, named_locations
from spacer_like.storage import write_bytes
from spacer_like.tables.cells import csv_bytes
from spacer_like.workflows.rarity_collections import CollectionFolder, collections_in, wanted
from spacer_like.workflows.rarity_options import GLOBAL_METHODS, LOCAL_METHODS, RarityOptions, methods_named
from spacer_like.workflows.rarity_report import CollectionReport, RarityReport
from spacer_like.workflows.rarity_run import REPORT, RarityRun
from spacer_like.workflows.steps import only_run

__all__ = [
    "GLOBAL_METHODS",
    "LOCAL_METHODS",
    "CollectionReport",
    "RarityOptions",
    "RarityReport",
    "check_collections",
    "methods_named",
    "score_collections",
    "store_report",
]

CHECKS = "checks"
LISTS = {"good": "good.csv", "empty": "empty.csv", "pre-reveal": "pre_reveal.csv"}
"""The list of collections of each state, below `CHECKS`."""


def score_collections(
    folder: Path, output: Path, options: RarityOptions | None = None, engine: Engine | None = None
) -> RarityReport:
    """Score every image of every collection below a folder; steps that are done and unchanged are not repeated.

    Below `output`: ``collections/ID/`` with histograms and scores, ``global/`` with the merged histogram, ``scores/``
    with rankings over all collections, ``report.json``, and ``records/``, by which a run that was interrupted goes on.
    Files of an earlier run with other options are removed; those of collections that failed or are not wanted any more
    are kept and named in the report.

    Args:
        engine: who does the work; None: processes of this machine, as many as the options say.

    Raises:
        DataNotFoundError: no such folder, or no collection in it.
        CollectionError: `output` lies among the collections.
        TableError: a whitelist or blacklist without ids.
        MessageError: no method, buckets of a method that is not among `methods`, or `output` is `folder`.
        TransientError: another run is at work in `output`.
        SpacerError: nothing can be written there.
    """
    options = options or RarityOptions()
    if options.bucketized not in options.methods:
        raise MessageError(
            f"Buckets of '{options.bucketized}' need that score: choose one of {', '.join(options.methods) or 'none'}."
        )
    output, collections, missing = _found(folder, output, options)
    with _only_run(output, engine or Processes(options.processes)) as at_work:
        run = RarityRun(output, options, collections, missing, at_work)
        run.prepare()
        run.count()
        run.score()
        run.rank()
        report = run.ended()
        store_report(report, output)
    return report


def check_collections(
    folder: Path, output: Path, options: RarityOptions | None = None, engine: Engine | None = None
) -> RarityReport:
    """Look only which collections below a folder are good, empty or pre-reveal, and list their ids.

    The lists are ``checks/good.csv``, ``empty.csv`` and ``pre_reveal.csv`` below `output`, which whitelists and
    blacklists take; what else is there stays as it is. Checks that are done and unchanged are not done again.

    Raises:
        As `score_collections`.
    """
    options = replace(options or RarityOptions(), keep_stacks=False)
    output, collections, missing = _found(folder, output, options)
    with _only_run(output, engine or Processes(options.processes)) as at_work:
        run = RarityRun(output / CHECKS, options, collections, missing, at_work)
        run.prepare()
        report = run.checked()
        for state, name in LISTS.items():
            ids = [(one.collection_id,) for one in report.collections if one.state == state]
            write_bytes(run.location(name), csv_bytes(["collection_id"], ids))
    return report


@contextmanager
def _only_run(output: Path, engine: Engine) -> Iterator[Engine]:
    """The engine, whose processes keep the lock of the folder while they live."""
    with only_run(output) as lock, engine.inheriting(lock):
        yield engine


def _found(folder: Path, output: Path, options: RarityOptions) -> tuple[Path, list[CollectionFolder], list[str]]:
    """Where the results go, the collections that are wanted, and the ids of those that lack."""
    made, there = DataLocation.local(output), DataLocation.local(folder)
    check_locations(named_locations({"--out": made}, {"the folder of collections": there}))
    output = Path(made.key)
    return output, *wanted(collections_in(Path(there.key), output), options.whitelist, options.blacklist)


def store_report(report: RarityReport, output: Path) -> None:
    """Write ``report.json``; where that fails, the report has a failure more."""
    try:
        write_bytes(DataLocation("filesystem", str(output / REPORT)), json.dumps(report.serialize(), indent=1).encode())
    except SpacerError as error:
        report.fail("write the report", error)
