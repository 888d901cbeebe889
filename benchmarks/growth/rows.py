"""Do one piece of work of one size in this process, and print its seconds and peak memory.

usage: python -m benchmarks.growth.rows ROW SIZE FOLDER
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

DIMENSION, CLASSES, POINTS = 64, 50, 20

Work = Callable[[], object]


def location(folder: Path, name: str) -> object:
    from spacer_like.data_classes import DataLocation

    return DataLocation("filesystem", str(folder / name))


def classifier(folder: Path) -> Path:
    import numpy as np

    from spacer_like.learning.classifier import Classifier
    from spacer_like.learning.model_files import store_classifier

    layer = (np.ones((DIMENSION, CLASSES)), np.zeros(CLASSES))
    made = Classifier("LR", np.arange(CLASSES), (layer,), np.ones(CLASSES), np.zeros(CLASSES))
    store_classifier(location(folder, "model.pkl"), made)
    return folder / "model.pkl"


def feature_files(folder: Path, size: int) -> list[str]:
    import numpy as np

    from spacer_like.data_classes import ImageFeatures

    positions = [(number, number) for number in range(POINTS)]
    vectors = np.random.default_rng(0).random((POINTS, DIMENSION), np.float32)
    data = ImageFeatures.from_arrays(positions, vectors).to_bytes()
    names = [str(folder / f"{number}.features") for number in range(size)]
    for name in names:
        Path(name).write_bytes(data)
    return names


def classify(folder: Path, size: int) -> Work:
    """`classify` of feature files into a CSV."""
    from spacer_like.cli import main

    arguments = ["classify", *feature_files(folder, size), "--model", str(classifier(folder))]
    return lambda: main([*arguments, "--out", str(folder / "all.csv")])


def run_with_scores_loc(folder: Path, size: int) -> Work:
    """A job of `classify_features` whose scores go into files of their own."""
    from spacer_like.mailman import process_job
    from spacer_like.messages import ClassifyFeaturesMsg, JobMsg

    model = location(folder, classifier(folder).name)
    tasks = [
        ClassifyFeaturesMsg(
            job_token=name, feature_loc=location(folder, Path(name).name), classifier_loc=model,
            scores_loc=location(folder, f"{Path(name).name}.json"),
        )
        for name in feature_files(folder, size)
    ]  # fmt: skip
    job = JobMsg("classify_features", tasks)
    return lambda: process_job(job).store(location(folder, "answer.json"))


def match_table(folder: Path, size: int) -> Work:
    """Images of a folder matched with a table that names them by another path."""
    from spacer_like.cli.point_jobs import images_with_points
    from spacer_like.points.point_table import read_points

    for number in range(size):
        (folder / f"{number}.jpg").touch()
    data = "image,row,col\n" + "".join(f"survey/{number}.jpg,1,1\n" for number in range(size))
    return lambda: images_with_points([str(folder)], read_points(data.encode(), "points.csv"), "points.csv", None)


def fingerprints(folder: Path, size: int) -> Work:
    """Steps of as many collections, each on top of the histogram of all."""
    from spacer_like.messages import MergeHistogramsMsg, ScoreCollectionMsg
    from spacer_like.workflows.steps import Step

    places = [location(folder, f"{number}.parquet") for number in range(size)]
    message = MergeHistogramsMsg(histogram_locs=places, merged_loc=location(folder, "all.parquet"))
    merged = Step("merge", message, tuple(map(str, range(size))))
    score = ScoreCollectionMsg.example()
    return lambda: [Step(f"{number}", score, (merged.fingerprint,)).fingerprint for number in range(size)]


def growing_table(folder: Path, size: int) -> Work:
    """A table of one row at a time."""
    import pyarrow as pa

    from spacer_like.tables.writing import growing_table as table

    row = pa.table({"n": [1]})

    def work() -> None:
        with table(row.schema, [location(folder, "n.csv")]) as append:
            for _ in range(size):
                append(row)

    return work


def metadata(folder: Path, size: int) -> Work:
    """Metadata of 500 traits."""
    from spacer_like.rarity.metadata import read_metadata

    line = ",".join(f"value {number}" for number in range(500))
    data = "\n".join(f"{number},1.5,1,u,{line}" for number in range(size)).encode()
    return lambda: read_metadata(data, "metadata.csv")


def store_features(folder: Path, size: int) -> Work:
    """A feature file of so many points of 1280 numbers."""
    import numpy as np

    from spacer_like.data_classes import ImageFeatures

    vectors = np.ones((size, 1280), np.float32)
    features = ImageFeatures.from_arrays([(number, number) for number in range(size)], vectors)
    return lambda: features.store(location(folder, "many.features"))


def parse_message(folder: Path, size: int) -> Work:
    """JSON of so many annotations."""
    from spacer_like.data_classes.base import parse_json

    data = b"[" + b",".join([b"[1,2,[3,4]]"] * size) + b"]"
    return lambda: parse_json(data)


def train(folder: Path, size: int) -> Work:
    """Training on so many images."""
    from spacer_like.data_classes import ImageLabels, TrainingTaskLabels
    from spacer_like.learning.trainer import MiniBatchTrainer

    feature_files(folder, size)
    names = [location(folder, f"{number}.features") for number in range(size)]
    points = [(number, number, number % 4) for number in range(POINTS)]
    few = ImageLabels(dict.fromkeys(names[: max(1, size // 10)], points))
    labels = TrainingTaskLabels(ImageLabels(dict.fromkeys(names, points)), few, few)
    return lambda: MiniBatchTrainer()(labels, 2, [], "LR")


def images(folder: Path, size: int) -> Path:
    import numpy as np
    from PIL import Image

    place = folder / "images"
    place.mkdir()
    random = np.random.default_rng(0)
    for number in range(size):
        Image.fromarray(random.integers(0, 256, (32, 32, 3), np.uint8)).save(place / f"{number}.png")
    return place


def extract(folder: Path, size: int) -> Work:
    """A job of `extract_features` without a network."""
    from spacer_like.extractors import DummyExtractor
    from spacer_like.mailman import process_job
    from spacer_like.messages import ExtractFeaturesMsg, JobMsg

    tasks = [
        ExtractFeaturesMsg(
            job_token=path.name, extractor=DummyExtractor(feature_dim=DIMENSION), rowcols=[(1, 1), (2, 2)],
            image_loc=location(path.parent, path.name), feature_loc=location(folder, f"{path.name}.features"),
        )
        for path in images(folder, size).iterdir()
    ]  # fmt: skip
    job = JobMsg("extract_features", tasks)
    return lambda: process_job(job)


def count_and_score(folder: Path, size: int) -> Work:
    """The histogram of a collection, and its scores."""
    from spacer_like.messages import ComputeHistogramMsg, ScoreCollectionMsg
    from spacer_like.tasks import compute_histogram, score_collection

    place, counted = location(images(folder, size), ""), location(folder, "histogram.parquet")
    preparation = {"collection_id": "a", "images_loc": place, "size": 32}
    histogram = ComputeHistogramMsg(histogram_loc=counted, **preparation)
    tables = {"ratio": [location(folder, "ratio.csv")]}
    scores = ScoreCollectionMsg(histogram_loc=counted, scores_locs=tables, **preparation)
    return lambda: (compute_histogram(histogram), score_collection(scores))


CELL, ACQUISITION = "031111212322", "1050410012C31100"
CHIP_PIXELS = 256
"""Width and height of a chip at zoom 18."""


def tile(path: Path, columns: int, rows: int) -> None:
    """A tile of noise at the north-west corner of its cell, of so many chips by so many."""
    import numpy as np
    import rasterio
    from rasterio.transform import from_origin

    from spacer_like.chips.grid import Cell

    cell = Cell(33, CELL)
    west, _, _, north = cell.bounds
    pixel = (cell.bounds[2] - west) / (64 * CHIP_PIXELS)
    height, width = rows * CHIP_PIXELS, columns * CHIP_PIXELS
    pixels = np.random.default_rng(0).integers(0, 256, (3, height, width), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = {"tiled": True, "blockxsize": CHIP_PIXELS, "blockysize": CHIP_PIXELS, "compress": "deflate"}
    place = {"crs": f"EPSG:{cell.epsg}", "transform": from_origin(west, north, pixel, pixel)}
    with rasterio.open(path, "w", "GTiff", width, height, 3, dtype="uint8", **place, **layout) as file:
        file.write(pixels)


def cut_tile(folder: Path, size: int) -> Work:
    """One tile of so many chips, which are encoded anew."""
    from spacer_like.messages import ChipTileMsg
    from spacer_like.tasks import chip_tile

    name = f"ard/33/{CELL}/2015-05-28/{ACQUISITION}-visual.tif"
    columns = 40 if size > 100 else 10
    tile(folder / name, columns, size // columns)
    chips, manifest = location(folder, "chips"), location(folder, "manifest.parquet")
    message = ChipTileMsg(tile_loc=location(folder, name), manifest_loc=manifest, chips_loc=chips, zoom=18)
    return lambda: chip_tile(message)


def cut_tiles(folder: Path, size: int) -> Work:
    """A tree of so many tiles of one chip each."""
    from spacer_like.messages import ChipsFolderMsg
    from spacer_like.tasks import chips_folder

    tile(folder / "one.tif", 1, 1)
    data = (folder / "one.tif").read_bytes()
    date = folder / f"ard/33/{CELL}/2015-05-28"
    date.mkdir(parents=True)
    for number in range(size):
        (date / f"{ACQUISITION}{number}-visual.tif").write_bytes(data)
    message = ChipsFolderMsg(ard_loc=location(folder, "ard"), chips_loc=location(folder, "chips"), zoom=18)
    return lambda: chips_folder(message)


ROWS = {
    row.__name__: (row, sizes)
    for row, sizes in (
        (classify, (20, 200, 2000)),
        (run_with_scores_loc, (20, 200, 2000)),
        (match_table, (100, 1000, 10_000)),
        (fingerprints, (100, 1000, 10_000)),
        (growing_table, (100, 1000, 10_000)),
        (metadata, (50, 500, 5000)),
        (store_features, (200, 2000, 20_000)),
        (parse_message, (20_000, 200_000, 2_000_000)),
        (train, (20, 200, 2000)),
        (extract, (20, 200, 2000)),
        (count_and_score, (20, 200, 2000)),
        (cut_tile, (10, 100, 1000)),
        (cut_tiles, (10, 100, 1000)),
    )
}
"""What is done by each row, and in which sizes."""


def main(row: str, size: str, folder: str) -> None:
    place = Path(folder)
    place.mkdir(parents=True)
    work = ROWS[row][0](place, int(size))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    work()
    seconds = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"work_seconds": seconds, "added_mib": (after - before) / 1024}))


if __name__ == "__main__":
    main(*sys.argv[1:])
