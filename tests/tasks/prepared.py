"""A request with real data for every task, small enough to take no time."""

import json
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from rasterio.transform import from_bounds

from spacer_like.chips.geography import envelope
from spacer_like.chips.grid import Cell
from spacer_like.data_classes import ImageLabels, TrainingTaskLabels
from spacer_like.examples import MAP
from spacer_like.examples.map_tiles import MovedMap
from spacer_like.learning.trainer import MiniBatchTrainer
from spacer_like.location import DataLocation
from spacer_like.message_base import Message
from spacer_like.messages import TASKS
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.dataset import write_pool
from spacer_like.testing.extractors import MeanColour

from ..chips.raster_making import make_raster
from ..chips.tile_making import ACQUISITION, make_tile, tile_path
from ..regression.bundles import golden
from ..regression.predictions import NETS, table_of
from ..regression.small_networks import network, store
from ..tags.colours import red_and_blue

ZONE, QUADKEYS = 35, ("013133103002", "013133103003")
CHIP = f"Z{ZONE}-{QUADKEYS[1]}22222_{ACQUISITION}.jpg"
POINTS = [(row, column) for row in (4, 12, 20, 28) for column in (4, 12, 20, 28, 36)]


def requests(folder: Path) -> dict[str, Message]:
    def at(*names: str) -> DataLocation:
        return DataLocation("filesystem", "/".join((str(folder), *names)))

    inputs = folder / "in"
    given = (
        {}
        | _points(inputs, at)
        | _rarity(inputs, at)
        | _chips(inputs, at)
        | _tags(inputs, at)
        | _galaxies(inputs, at)
        | _keras_weights(inputs, at)
        | _trainings(inputs, at)
    )
    return {name: TASKS[name].message(**fields) for name, fields in given.items()}


def _png(pixels: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _points(inputs: Path, at) -> dict[str, dict]:
    """An image of two colours, and points of both."""
    inputs.mkdir()
    random = np.random.default_rng(0)
    pixels = random.integers(0, 60, (32, 40, 3), dtype=np.uint8)
    pixels[:, 20:] += 180
    (inputs / "image.png").write_bytes(_png(pixels))
    features, *_ = MeanColour()(pixels, POINTS)
    features.store(at("in", "features", "image.png.features"))
    (inputs / "images").mkdir()
    (inputs / "images" / "image.png").write_bytes(_png(pixels))
    labels = []
    for name in ("train", "ref", "val"):
        features.store(at("in", f"{name}.npz"))
        features.store(at("in/features", f"{name}.npz"))
        labels.append(ImageLabels({at("in", f"{name}.npz"): [(row, col, int(col > 20)) for row, col in POINTS]}))
    for name, count in (("checked", 4), ("predicted", 12)):
        rows = [
            f"{photograph}.jpg,1,{col},{'ab'[(photograph + col) % 2]}"
            for photograph in range(count)
            for col in (1, 2, 4)
        ]
        (inputs / f"{name}.csv").write_text("\n".join(["image,row,col,label", *rows]))
    (inputs / "taxonomy.csv").write_text("label,genus\na,A\n")
    image = {"job_token": "1", "rowcols": POINTS, "image_loc": at("in", "image.png"), "extractor": MeanColour()}
    model = at("train_classifier", "model.pkl")
    return {
        "extract_features": {**image, "feature_loc": at("extract_features", "features.npz")},
        "train_classifier": {
            "job_token": "1",
            "trainer": MiniBatchTrainer(mlp_hidden_layer_sizes=(8,)),
            "nbr_epochs": 2,
            "clf_type": "MLP",
            "labels": TrainingTaskLabels(*labels),
            "previous_model_locs": [],
            "model_loc": model,
            "valresult_loc": at("train_classifier", "valresult.json"),
            "report_loc": at("train_classifier", "report.json"),
            "snapshots_loc": at("train_classifier", "snapshots"),
        },
        "classify_features": {
            "job_token": "1",
            "feature_loc": at("extract_features", "features.npz"),
            "classifier_loc": model,
            "scores_loc": at("classify_features", "scores.json"),
        },
        "pack_features": {"features_loc": at("in", "features"), "pack_loc": at("pack_features", "pack.safetensors")},
        "estimate_cover": {
            "labels_loc": at("in", "checked.csv"),
            "machine_loc": at("in", "predicted.csv"),
            "taxonomy_loc": at("in", "taxonomy.csv"),
            "cover_loc": at("estimate_cover", "cover.csv"),
            "picture_loc": at("estimate_cover", "cover.png"),
        },
        "plan_survey": {
            "labels_loc": at("in", "predicted.csv"),
            "half_width": 0.1,
        },
        "suggest_labels": {
            "features_loc": at("in", "features"),
            "classifier_loc": model,
            "images_loc": at("in", "images"),
            "count": 3,
            "patch_size": 8,
            "suggestions_loc": at("suggest_labels", "next.csv"),
            "page_loc": at("suggest_labels", "next.html"),
        },
        "classify_image": {**image, "classifier_loc": model, "scores_loc": at("classify_image", "scores.json")},
    }


def _rarity(inputs: Path, at) -> dict[str, dict]:
    """A collection of squares of one colour with a little noise, and its metadata."""
    random = np.random.default_rng(1)
    with zipfile.ZipFile(inputs / "collection.zip", "w") as file:
        for token in range(12):
            square = np.full((32, 32, 3), 20 * token, np.uint8) + random.integers(0, 9, (32, 32, 3), dtype=np.uint8)
            file.writestr(zipfile.ZipInfo(f"{token}.png"), _png(square))
    (inputs / "metadata.csv").write_text("".join(f"{token},{token * 1.5}\n" for token in range(12)))
    (inputs / "unseen.png").write_bytes(_png(random.integers(0, 255, (32, 32, 3), dtype=np.uint8)))
    square = {"size": 32}
    images = square | {"collection_id": "c", "images_loc": at("in", "collection.zip")}
    histogram = at("compute_histogram", "histogram.parquet")
    scores = {name: at("score_collection", f"{name}.csv") for name in ("ratio", "log")}
    edges = at("bucketize_scores", "edges.npz")
    merged = at("merge_scores", "merged.parquet")
    learnt = {"extractor": MeanColour(), "metadata_loc": at("in", "metadata.csv")}
    return {
        "check_collection": images,
        "convert_collection": images | {"stack_loc": at("convert_collection", "pixels.npz")},
        "compute_histogram": images | {"histogram_loc": histogram, "dense_loc": at("compute_histogram", "dense.npz")},
        "merge_histograms": {
            "histogram_locs": [histogram],
            "merged_loc": at("merge_histograms", "merged.parquet"),
            "table_loc": at("merge_histograms", "table.npy"),
        },
        "score_collection": images
        | {
            "histogram_loc": histogram,
            "scores_locs": {name: [location] for name, location in scores.items()},
            "not_scored_loc": at("score_collection", "not_scored.csv"),
            "second_histogram_loc": at("merge_histograms", "table.npy"),
            "second_scores_locs": {"surprisal": [at("score_collection", "of_all.parquet")]},
        },
        "score_unseen": square
        | {
            "collection_id": "new",
            "images_loc": at("in", "unseen.png"),
            "histogram_loc": histogram,
            "edges_loc": edges,
            "method": "ratio",
            "scores_loc": at("score_unseen", "scores.csv"),
        },
        "explain_image": square
        | {
            "image_loc": at("in", "unseen.png"),
            "histogram_loc": histogram,
            "overlay_loc": at("explain_image", "overlay.png"),
        },
        "merge_scores": {
            "scores_locs": [scores["ratio"]],
            "merged_locs": [merged, at("merge_scores", "merged.csv")],
            "top_loc": at("merge_scores", "top.csv"),
        },
        "analyze_scores": {"scores_loc": merged, "analysis_loc": at("analyze_scores", "analysis.json")},
        "bucketize_scores": {
            "scores_loc": merged,
            "bucketized_loc": at("bucketize_scores", "bucketized.parquet"),
            "edges_loc": edges,
        },
        "compare_rankings": {
            "scores_locs": scores,
            "top_share": 0.5,
            "comparison_loc": at("compare_rankings", "comparison.csv"),
        },
        "train_rarity_classifier": images
        | learnt
        | {
            "model_loc": at("train_rarity_classifier", "model.safetensors"),
            "layers": [8],
            "nbr_epochs": 2,
            "labels_loc": at("train_rarity_classifier", "labels.csv"),
            "embeddings_loc": at("train_rarity_classifier", "embeddings.npz"),
        },
        "embedding_score": images | {"extractor": MeanColour(), "scores_locs": [at("embedding_score", "scores.csv")]},
    }


def _chips(inputs: Path, at) -> dict[str, dict]:
    """Two tiles of 2 x 2 chips each, beside each other where their map is."""
    side = 2 * 512
    tiles = [tile_path(inputs / "ard", quadkey, zone=ZONE) for quadkey in QUADKEYS]
    for tile, quadkey, column in zip(tiles, QUADKEYS, (32 * 512 - side, 0), strict=True):
        make_tile(tile, quadkey, zone=ZONE, column=column, row=32 * 512 - side, width=side, height=side, seed=column)
    MovedMap(MAP, inputs / "map.osm.pbf")
    (inputs / "labels.json").write_text(
        json.dumps({"building": {"building": ["*"]}, "road": {"highway": ["*"]}, "water": {"natural": ["water"]}})
    )
    west, south, east, north = envelope(Cell(ZONE, f"{QUADKEYS[1]}22222"))
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    area = {"type": "Feature", "properties": {"kind": "a"}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    (inputs / "features.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [area]}))
    make_raster(inputs / "mask.tif", np.eye(8, dtype="uint8")[None], "EPSG:4326", from_bounds(*ring[0], *ring[2], 8, 8))
    chips, index = at("chips_folder", f"{ZONE}"), at("index_nodata", "index.json")
    table, model = at("build_label_table", "sparse.parquet"), at("train_multilabel", "model.safetensors")
    return {
        "chip_tile": {
            "tile_loc": DataLocation("filesystem", str(tiles[0])),
            "manifest_loc": at("chip_tile", "manifest.parquet"),
            "chips_loc": at("chip_tile"),
        },
        "chips_folder": {"ard_loc": at("in", "ard"), "chips_loc": at("chips_folder")},
        "cut_raster": {
            "raster_loc": DataLocation("filesystem", str(tiles[0])),
            "manifest_loc": at("cut_raster", "manifest.parquet"),
            "chips_loc": at("cut_raster"),
            "zoom": 18,
        },
        "cut_rasters": {
            "raster_locs": [at("in", "ard")],
            "chips_loc": at("cut_rasters"),
            "grid": "pixels",
            "format": "npy",
        },
        "map_scores": {"table_loc": table, "chips_loc": at("chips_folder"), "maps_loc": at("map_scores")},
        "index_nodata": {"chips_loc": chips, "index_loc": index},
        "locate_chip": {"chip": CHIP, "ard_loc": at("in", "ard")},
        "fetch_labels": {
            "zone": ZONE,
            "quadkeys": list(QUADKEYS),
            "ard_loc": at("fetch_labels", "ard"),
            "extract_loc": at("in", "map.osm.pbf"),
        },
        "build_label_table": {
            "index_loc": index,
            "ard_loc": at("fetch_labels", "ard"),
            "labels_loc": at("in", "labels.json"),
            "sparse_locs": [table],
            "dense_locs": [at("build_label_table", "dense.csv")],
            "records_locs": [at("build_label_table", "records.parquet")],
        },
        "label_from_features": {
            "features_loc": at("in", "features.geojson"),
            "attribute": "kind",
            "chips_loc": chips,
            "sparse_locs": [at("label_from_features", "sparse.parquet")],
            "shares_locs": [at("label_from_features", "shares.csv")],
            "outlines_loc": at("label_from_features", "outlines.parquet"),
        },
        "label_from_mask": {
            "mask_loc": at("in", "mask.tif"),
            "chips_loc": chips,
            "sparse_locs": [at("label_from_mask", "sparse.csv")],
        },
        "export_coco": {
            "table_loc": at("label_from_features", "sparse.parquet"),
            "chips_loc": chips,
            "coco_loc": at("export_coco", "coco.json"),
            "outlines_loc": at("label_from_features", "outlines.parquet"),
        },
        "visualize_chip": {
            "chip": CHIP,
            "chips_loc": chips,
            "table_loc": at("label_from_features", "sparse.parquet"),
            "picture_loc": at("visualize_chip", "chip.png"),
        },
        "plot_labels": {
            "table_loc": table,
            "distribution_loc": at("plot_labels", "distribution.png"),
            "correlation_loc": at("plot_labels", "correlation.png"),
        },
        "train_multilabel": {
            "table_loc": table,
            "chips_loc": chips,
            "model_loc": model,
            "extractor": MeanColour(),
            "size": 32,
            "layers": [8],
            "dropouts": [0.1],
            "nbr_epochs": 2,
            "metrics_loc": at("train_multilabel", "metrics.json"),
        },
        "label_chips": {
            "chips_loc": chips,
            "model_loc": model,
            "extractor": MeanColour(),
            "table_locs": [at("label_chips", "labels.parquet"), at("label_chips", "labels.csv")],
        },
        "encode_chips": {
            "chips_loc": chips,
            "embeddings_loc": at("encode_chips", "embeddings.safetensors"),
            "extractor": MeanColour(),
        },
        "build_index": {
            "embeddings_locs": [at("encode_chips", "embeddings.safetensors")],
            "index_loc": at("build_index", "index.safetensors"),
        },
        "find_similar": {
            "index_loc": at("build_index", "index.safetensors"),
            "chip": CHIP,
            "results_locs": [at("find_similar", "similar.csv")],
        },
        "rank_places": {
            "embeddings_locs": [at("encode_chips", "embeddings.safetensors")],
            "yes": [CHIP],
            "chips_loc": at("chips_folder"),
            "results_locs": [at("rank_places", "places.parquet"), at("rank_places", "places.csv")],
            "maps_loc": at("rank_places", "maps"),
        },
    }


def _tags(inputs: Path, at) -> dict[str, dict]:
    """Photographs, as it were, of two tags: squares of red and of blue with a little noise, and a file that is none."""
    random = np.random.default_rng(2)
    for tag, channel in (("red", 0), ("blue", 2)):
        folder = inputs / "tagged" / tag
        folder.mkdir(parents=True)
        for number in range(6):
            pixels = random.integers(0, 60, (24, 36, 3), dtype=np.uint8)
            pixels[..., channel] += 120
            (folder / f"{number}.png").write_bytes(_png(pixels))
    (inputs / "tagged" / "blue" / "broken.jpg").write_bytes(b"no image")
    outputs = {
        "embeddings_loc": "embeddings.parquet",
        "failures_loc": "failures.csv",
        "metadata_json_loc": "input-metadata.json",
        "tag_to_hash_json_loc": "input-tag-to-image-hash-list.json",
        "hash_to_tag_json_loc": "input-image-hash-to-tag-list.json",
        "database_loc": "stage1.db",
    }
    return {
        "process_images": {
            "images_loc": at("in", "tagged"),
            "extractor": MeanColour(),
            **{field: at("process_images", name) for field, name in outputs.items()},
        },
        "train_tags": {
            "embeddings_loc": at("process_images", "embeddings.parquet"),
            "models_loc": at("train_tags", "models"),
            "reports_loc": at("train_tags", "reports"),
            "negatives": "rest",
        },
        "find_duplicates": {
            "embeddings_loc": at("process_images", "embeddings.parquet"),
            "distance": 0.1,
            "groups_loc": at("find_duplicates", "groups.csv"),
        },
        "find_similar_images": {
            "embeddings_loc": at("process_images", "embeddings.parquet"),
            "image_loc": at("in", "tagged", "red", "0.png"),
            "extractor": MeanColour(),
            "results_loc": at("find_similar_images", "similar.parquet"),
        },
        "classify_images": {
            "images_loc": at("in", "tagged"),
            "models_loc": red_and_blue(inputs / "models"),
            "output_loc": at("classify_images", "tagged"),
            "extractor": MeanColour(),
            "new_embeddings_loc": at("classify_images", "embeddings.parquet"),
            "database_loc": at("classify_images", "stage3.db"),
            "failures_loc": at("classify_images", "failures.csv"),
        },
        "suggest_review": {
            "embeddings_loc": at("process_images", "embeddings.parquet"),
            "models_loc": at("train_tags", "models"),
            "images_loc": at("in", "tagged"),
            "suggestions_loc": at("suggest_review", "suggestions.csv"),
            "contact_sheet_loc": at("suggest_review", "sheet.png"),
            "page_loc": at("suggest_review", "review.html"),
        },
        "find_wrong_labels": {
            "embeddings_loc": at("process_images", "embeddings.parquet"),
            "images_loc": at("in", "tagged"),
            "grouped": False,
            "wrong_loc": at("find_wrong_labels", "wrong.csv"),
            "pairs_loc": at("find_wrong_labels", "pairs.parquet"),
            "page_loc": at("find_wrong_labels", "page.html"),
        },
    }


def _galaxies(inputs: Path, at) -> dict[str, dict]:
    """Galaxies of colour with a catalog, one of them broken, and the same ones in a grey band."""
    random = np.random.default_rng(3)
    folder = inputs / "galaxies"
    folder.mkdir()
    inclinations = range(46, 90, 5)
    rows = [f"{number}|{inclination}|0| | \n" for number, inclination in enumerate(inclinations, 1)]
    (inputs / "galaxies.txt").write_text("".join(["pgc|inc|inc_flg|fon|inc_note\n", *rows, "99|60|0| | \n"]))
    for number in range(1, len(rows) + 1):
        pixels = random.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        (folder / f"pgc{number}_d25x2_rot_gri.jpg").write_bytes(_png(pixels))
    (folder / "pgc99_d25x2_rot_gri.jpg").write_bytes(b"no image")
    sink = BytesIO()
    grey = np.repeat(random.integers(0, 255, (len(rows), 8, 8, 1), dtype=np.uint8), 3, axis=3)
    np.savez(sink, images=grey, labels=np.array([range(1, len(rows) + 1), inclinations], np.int32))
    (inputs / "8x8_r.npz").write_bytes(sink.getvalue())
    (inputs / "predictions.csv").write_bytes(table_of(40, 0))
    return {
        "prepare_images": {
            "images_loc": at("in", "galaxies"),
            "catalog_loc": at("in", "galaxies.txt"),
            "out_loc": at("prepare_images"),
            "band": "gri",
            "size": 8,
            "failures_loc": at("prepare_images", "failures.csv"),
        },
        "pack_dataset": {
            "images_loc": at("prepare_images", "8x8_RGB"),
            "out_loc": at("pack_dataset", "packed"),
            "layout": "npy",
        },
        "split_dataset": {
            "packed_locs": {"r": at("in", "8x8_r.npz"), "gri": at("pack_dataset", "packed", "8x8_RGB.npy")},
            "out_loc": at("split_dataset", "samples"),
            "sub_samples": 1,
        },
        "evaluate_regressor": {
            "table_loc": at("in", "predictions.csv"),
            "prediction_columns": {"model4": list(NETS[:2]), "model6": [NETS[2]]},
            "out_loc": at("evaluate_regressor", "evaluation"),
            "calibration_loc": at("calibrate_regressor", "calibration.json"),
        },
        "predict_regressor": {
            "images_locs": [at("in", "galaxies")],
            "model_locs": {"cnn": [store(at("in", "cnn.safetensors"), network(0))]},
            "out_loc": at("predict_regressor", "answers.json"),
            "table_loc": at("predict_regressor", "table.csv"),
        },
        "calibrate_regressor": {
            "table_loc": at("in", "predictions.csv"),
            "prediction_columns": list(NETS),
            "out_loc": at("calibrate_regressor", "calibration.json"),
        },
        "augment_dataset": {
            "sample_locs": [at("split_dataset", "samples", f"{band}_8x8_train_000.npz") for band in ("r", "RGB")],
            "out_loc": at("augment_dataset", "augmented"),
            "per_bin": 1,
            "layout": "npy",
        },
        "simulate_galaxies": {
            "out_loc": at("simulate_galaxies"),
            "catalog_loc": at("simulate_galaxies", "made.txt"),
            "count": 2,
            "size": 16,
            "least_inclination": 0,
            "bands": ["r", "gri"],
            "fits": True,
        },
        "measure_axis_ratios": {
            "images_loc": at("in", "galaxies"),
            "table_loc": at("measure_axis_ratios", "axes.csv"),
            "catalog_loc": at("in", "galaxies.txt"),
        },
    }


def _keras_weights(inputs: Path, at) -> dict[str, dict]:
    """A checkpoint that TensorFlow wrote, and a network to export."""
    for ending in (".index", ".data-00000-of-00001"):
        (inputs / f"keras3.ckpt{ending}").write_bytes(golden()[f"keras3.ckpt{ending}"])
    return {
        "import_keras_weights": {
            "input_scale": "raw",
            "model_loc": at("import_keras_weights", "model.safetensors"),
            "checkpoint_loc": at("in", "keras3.ckpt"),
        },
        "export_onnx": {
            "model_loc": store(at("in", "to_export.safetensors"), network(4)),
            "onnx_loc": at("export_onnx", "model.onnx"),
        },
    }


def _trainings(inputs: Path, at) -> dict[str, dict]:
    """Images of galaxies, a batch to learn from and a part of a split to validate with."""
    random = np.random.default_rng(3)
    for name, count in (("batch.npz", 24), ("r_20x20_test_001.npz", 9)):
        codes = np.array([0, 1, 50, 70, 90], np.int32)[random.integers(0, 5, count)]
        images = random.integers(0, 256, (count, 20, 20, 3), np.uint8)
        pool = Pool(images, codes, np.arange(count, dtype=np.int32), np.full(count, "r"))
        write_pool(at("in", name), pool)
    fields = {
        "batch_locs": [at("in", "batch.npz")],
        "validation_locs": [at("in", "r_20x20_test_001.npz")],
        "network": "small_cnn",
        "passes": 2,
        "minibatch": 8,
    }
    return {
        name: fields
        | {
            "model_loc": at(name, "model.safetensors"),
            "metrics_loc": at(name, "metrics.json"),
            "figure_loc": at(name, "figure.jpg"),
        }
        for name in ("train_regressor", "train_good_bad")
    }
