"""The pictures of a finished rarity workflow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.data_classes import DataLocation
from spacer_like.progress import report as tell
from spacer_like.rarity.messages import QUANTILE_PROBABILITIES, PreparationMsg
from spacer_like.storage import read_bytes
from spacer_like.storage.ordinary_files import open_ordinary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from spacer_like.workflows.rarity import RarityOptions, RarityReport

_WORK = "Drawing"


def draw_pictures(output: Path, report: RarityReport, options: RarityOptions) -> list[Path]:
    """Draw what `score_collections` has found into ``pictures/`` below `output`, and return the files.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from spacer_like.rarity.buckets import Buckets
    from spacer_like.rarity.tasks.table_storage import read_scores
    from spacer_like.reports import rarity_colours, rarity_contact_sheet, rarity_histograms, rarity_rankings

    method = options.bucketized
    table = _Table(output / "scores" / f"{method}.parquet")
    counts = _colour_counts(output / "global" / "histogram.parquet")
    bucketized = DataLocation("filesystem", str(output / "scores" / f"{method}_bucketized.csv"))
    buckets = read_scores(bucketized, ["bin_pixelScore"]).numbers("bin_pixelScore")
    labels = Buckets(np.zeros(len(QUANTILE_PROBABILITIES)), QUANTILE_PROBABILITIES).labels
    sheet = rarity_contact_sheet.sheet_entries(table.names, table.scores)
    shown = [entry.token_id for entries in sheet for entry in entries]
    drawings: dict[str, Callable[[str], object]] = {
        "commonest_colours": lambda path: rarity_colours.commonest_colours_picture(counts, path),
        "rarest_colours": lambda path: rarity_colours.rarest_colours_picture(counts, path),
        "colour_cube": lambda path: rarity_colours.colour_cube_picture(counts, path),
        "rarest_collections": lambda path: rarity_rankings.rarest_collections_picture(
            table.collection_means(), path, score_name=f"{method} score"
        ),
        "sorted_scores": lambda path: rarity_rankings.sorted_scores_picture(
            table.scores, path, score_name=f"{method} score"
        ),
        "score_histogram": lambda path: rarity_histograms.score_histogram_picture(
            table.scores, path, score_name=f"{method} score"
        ),
        "buckets": lambda path: rarity_histograms.bucket_shares_picture(buckets, dict(enumerate(labels, 1)), path),
        "contact_sheet": lambda path: rarity_contact_sheet.contact_sheet_picture(
            table.names, table.scores, _pixels(shown, table, report, options), path
        ),
    }
    drawn: list[Path] = []
    for name, draw in drawings.items():
        tell(_WORK, len(drawn), len(drawings))
        path = output / "pictures" / f"{name}.png"
        draw(str(path))
        drawn.append(path)
    tell(_WORK, len(drawn), len(drawings))
    return drawn


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
            [f"{one} {token}" for one, token in zip(self.collections, self.tokens, strict=True)]
            if several
            else self.tokens
        )

    def collection_means(self) -> dict[str, float]:
        names, which = np.unique(self.collections, return_inverse=True)
        known = ~np.isnan(self.scores)
        counts = np.bincount(which[known], minlength=len(names))
        sums = np.bincount(which[known], self.scores[known], minlength=len(names))
        return {str(name): float(total / n) for name, total, n in zip(names, sums, counts, strict=True) if n}


def _colour_counts(path: Path) -> NDArray[np.float64]:
    from spacer_like.rarity.bins import CELLS
    from spacer_like.rarity.histogram_file import from_parquet

    histogram = from_parquet(read_bytes(DataLocation("filesystem", str(path))), str(path))
    counts = np.bincount(histogram.keys % CELLS, histogram.counts, minlength=CELLS)
    return counts.astype(np.float64)


def _pixels(
    names: list[str], table: _Table, report: RarityReport, options: RarityOptions
) -> dict[str, NDArray[np.uint8]]:
    from spacer_like.rarity.collection import open_collection

    wanted: dict[str, dict[str, str]] = defaultdict(dict)
    places = dict(zip(table.names, zip(table.collections, table.tokens, strict=True), strict=True))
    for name in names:
        collection, token = places[name]
        wanted[collection][token] = name
    found: dict[str, NDArray[np.uint8]] = {}
    for collection, tokens in wanted.items():
        if collection not in report.images:
            continue
        preparation = PreparationMsg(**options.preparation)
        for batch, pixels in open_collection(report.images[collection], preparation).batches():
            found |= {
                tokens[token]: square.copy() for token, square in zip(batch, pixels, strict=True) if token in tokens
            }
    return found
