"""The point of it all: images that do not belong to a collection are found among a thousand that do."""

from __future__ import annotations

import csv
import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from spacer_like.data_classes import DataLocation
from spacer_like.examples import EMOJI
from spacer_like.messages import ComputeHistogramMsg, JobMsg, ScoreCollectionMsg
from spacer_like.tasks import process_job

PREPARATION = {"size": 32, "resample": "nearest", "background": "#ffffff"}
# Noise, as a file that was decoded wrongly shows it.
ODD = [f"odd-{number}" for number in range(5)]


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    """Of each method, (is it one of the odd, score) of every image of the collection with the odd among them."""
    folder = tmp_path_factory.mktemp("emoji")
    archive = folder / "emoji.zip"
    archive.write_bytes(EMOJI.read_bytes())
    with zipfile.ZipFile(archive, "a") as file:
        random = np.random.default_rng(0)
        for name in ODD:
            data = io.BytesIO()
            Image.fromarray(random.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(data, "PNG")
            file.writestr(f"{name}.png", data.getvalue())
    images, histogram = (DataLocation("filesystem", str(folder / name)) for name in ("emoji.zip", "emoji.parquet"))
    tables = {method: folder / f"{method}.csv" for method in ("raw", "ratio", "log", "surprisal", "top_surprisal")}
    counted = process_job(
        JobMsg(
            "compute_histogram",
            [ComputeHistogramMsg(collection_id="emoji", images_loc=images, histogram_loc=histogram, **PREPARATION)],
        )
    )
    assert counted.results[0].n_images == 1005, counted.error_message
    scored = process_job(
        JobMsg(
            "score_collection",
            [
                ScoreCollectionMsg(
                    collection_id="emoji",
                    images_loc=images,
                    histogram_loc=histogram,
                    scores_locs={name: [DataLocation("filesystem", str(path))] for name, path in tables.items()},
                    **PREPARATION,
                )
            ],
        )
    )
    assert scored.ok, scored.error_message
    return {name: _read(path) for name, path in tables.items()}


def _read(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([row["tokenId"] in ODD for row in rows]), np.array([float(row["pixelScore"]) for row in rows])


@pytest.mark.parametrize("method", ["raw", "ratio", "log", "surprisal"])
def test_five_odd_ones_among_a_thousand_emoji_are_found(scores, method):
    odd, values = scores[method]
    assert odd.sum() == 5
    assert roc_auc_score(odd, values) > 0.99


def test_every_image_has_a_finite_score(scores):
    for odd, values in scores.values():
        assert len(odd) == 1005
        assert np.isfinite(values).all()
