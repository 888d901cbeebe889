"""The pictures of a finished rarity workflow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.exceptions import MissingExtraError, SpacerError, TransientError
from spacer_like.location import DataLocation
from spacer_like.progress import report as report_progress
from spacer_like.rarity.buckets import Buckets
from spacer_like.rarity.messages import QUANTILE_PROBABILITIES, PreparationMsg
from spacer_like.storage import delete, read_bytes
from spacer_like.storage.ordinary_files import open_ordinary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.workflows.rarity_options import RarityOptions
    from spacer_like.workflows.rarity_report import RarityReport

PICTURES = (
    "commonest_colours",
    "rarest_colours",
    "colour_cube",
    "rarest_collections",
    "sorted_scores",
    "score_histogram",
    "collection_histograms",
    "buckets",
    "contact_sheet",
)
_WORK = "Drawing"


def draw_pictures(output: Path, report: RarityReport, options: RarityOptions) -> list[Path]:
    """Draw what `score_collections` has found into ``pictures/`` below `output`, and return the files.

    A picture of what could not be made is left out: the report says why. One that cannot be drawn or written is a
    failure more in the report.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    drawn: list[Path] = []
    try:
        drawings = _drawings(output, report, options)
    except MissingExtraError:
        raise
    except SpacerError as error:
        report.fail("draw", error)
        return drawn
    for ended, name in enumerate(PICTURES):
        report_progress(_WORK, ended, len(PICTURES))
        path = output / "pictures" / f"{name}.png"
        try:
            delete(DataLocation("filesystem", str(path)))
            if draw := drawings.get(name):
                draw(str(path))
                drawn.append(path)
        except MissingExtraError:
            raise
        except SpacerError as error:
            report.fail(f"draw {name}", error)
            if isinstance(error, TransientError):
                # It would meet the others too.
                break
    report_progress(_WORK, len(PICTURES), len(PICTURES))
    return drawn


def _drawings(output: Path, report: RarityReport, options: RarityOptions) -> dict[str, Callable[[str], object]]:
    """What draws each picture whose numbers are there."""
    from spacer_like.rarity.tasks.tables import read_scores
    from spacer_like.reports import rarity_colours, rarity_contact_sheet, rarity_histograms, rarity_rankings

    method = options.bucketized
    ranking, bucketized = (output / "scores" / f"{method}{ending}" for ending in (".parquet", "_bucketized.csv"))
    histogram = output / "global" / "histogram.parquet"
    drawings: dict[str, Callable[[str], object]] = {}
    if "merge histograms" in report.steps_done:
        counts = _colour_counts(histogram)
        drawings |= {
            "commonest_colours": lambda path: rarity_colours.commonest_colours_picture(counts, path),
            "rarest_colours": lambda path: rarity_colours.rarest_colours_picture(counts, path),
            "colour_cube": lambda path: rarity_colours.colour_cube_picture(counts, path),
        }
    if f"merge scores {method}" in report.steps_done:
        table, name = _Table(ranking), f"{method} score"
        drawings |= {
            "rarest_collections": lambda path: rarity_rankings.rarest_collections_picture(
                table.collection_means(), path, score_name=name
            ),
            "sorted_scores": lambda path: rarity_rankings.sorted_scores_picture(table.scores, path, score_name=name),
            "score_histogram": lambda path: rarity_histograms.score_histogram_picture(
                table.scores, path, score_name=name
            ),
            "contact_sheet": lambda path: rarity_contact_sheet.contact_sheet_picture(
                table.names, table.scores, _shown_pixels(table, report, options), path, score_name=name
            ),
            "collection_histograms": lambda path: rarity_histograms.collection_histograms_picture(
                table.scores_by_collection(), path, score_name=name
            ),
        }
    if f"bucketize {method}" in report.steps_done:
        found = read_scores(DataLocation("filesystem", str(bucketized)), ["bin_pixelScore"])
        buckets = found.numbers("bin_pixelScore")
        labels = Buckets(np.zeros(len(QUANTILE_PROBABILITIES)), QUANTILE_PROBABILITIES).labels
        drawings["buckets"] = lambda path: rarity_histograms.bucket_shares_picture(
            buckets, dict(enumerate(labels, 1)), path, score_name=f"{method} score"
        )
    return drawings


class _Table:
    """A merged score table, and a name for each of its images that is unique over all collections."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet

        with open_ordinary(path) as file:
            table = pyarrow.parquet.read_table(file, columns=["collectionAddress", "tokenId", "pixelScore"])
        self.collections: list[str] = table["collectionAddress"].to_pylist()
        self.tokens = [str(token) for token in table["tokenId"].to_pylist()]
        self.scores: NDArray[np.float64] = table["pixelScore"].to_numpy().astype(np.float64)
        several = len(set(self.collections)) > 1
        self.names = (
            # No name of a file holds a slash: no two images have one name.
            [f"{one}/{token}" for one, token in zip(self.collections, self.tokens, strict=True)]
            if several
            else self.tokens
        )

    def scores_by_collection(self) -> dict[str, NDArray[np.float64]]:
        names, which = np.unique(self.collections, return_inverse=True)
        parts = np.split(self.scores[np.argsort(which, kind="stable")], np.cumsum(np.bincount(which))[:-1])
        return {str(name): part for name, part in zip(names, parts, strict=True)}

    def collection_means(self) -> dict[str, float]:
        names, which = np.unique(self.collections, return_inverse=True)
        known = ~np.isnan(self.scores)
        counts = np.bincount(which[known], minlength=len(names))
        sums = np.bincount(which[known], self.scores[known], minlength=len(names))
        return {str(name): float(total / n) for name, total, n in zip(names, sums, counts, strict=True) if n}


def _colour_counts(path: Path) -> NDArray[np.float64]:
    from spacer_like.rarity.bins import COLOURS
    from spacer_like.rarity.histogram_file import from_parquet

    histogram = from_parquet(read_bytes(DataLocation("filesystem", str(path))), str(path))
    counts = np.bincount(histogram.keys % COLOURS, histogram.counts, minlength=COLOURS)
    return counts.astype(np.float64)


def _shown_pixels(table: _Table, report: RarityReport, options: RarityOptions) -> dict[str, NDArray[np.uint8]]:
    """The pixels of the images on the contact sheet, by their names."""
    from spacer_like.rarity.tasks.collections import open_collection
    from spacer_like.reports.rarity_contact_sheet import sheet_entries

    names = [entry.token_id for entries in sheet_entries(table.names, table.scores) for entry in entries]
    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    source_of = dict(zip(table.names, zip(table.collections, table.tokens, strict=True), strict=True))
    for name in names:
        collection, token = source_of[name]
        wanted[collection][token] = name
    found: dict[str, NDArray[np.uint8]] = {}
    for collection, tokens in wanted.items():
        if collection not in report.images:
            continue
        preparation = PreparationMsg(**options.preparation)
        with open_collection(report.images[collection], preparation) as images:
            shown = [index for index, token in enumerate(images.ids) if token in tokens]
            for batch, pixels in images.batches(indices=shown):
                found |= {tokens[token]: square.copy() for token, square in zip(batch, pixels, strict=True)}
    return found
