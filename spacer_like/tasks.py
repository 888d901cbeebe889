"""Every task function by its name, imported on first use, and `process_job`.

A caller may replace a task by setting the attribute; `process_job` looks the function up here each time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spacer_like.extras import explained_imports
from spacer_like.message_base import Result
from spacer_like.messages import TASKS, JobMsg, JobReturnMsg

if TYPE_CHECKING:
    from spacer_like.chips.tasks.chips import index_nodata as index_nodata
    from spacer_like.chips.tasks.chips import locate_chip as locate_chip
    from spacer_like.chips.tasks.exports import export_coco as export_coco
    from spacer_like.chips.tasks.exports import visualize_chip as visualize_chip
    from spacer_like.chips.tasks.label_sources import label_from_features as label_from_features
    from spacer_like.chips.tasks.label_sources import label_from_mask as label_from_mask
    from spacer_like.chips.tasks.label_tables import build_label_table as build_label_table
    from spacer_like.chips.tasks.label_tables import plot_labels as plot_labels
    from spacer_like.chips.tasks.labels import fetch_labels as fetch_labels
    from spacer_like.chips.tasks.models import label_chips as label_chips
    from spacer_like.chips.tasks.models import train_multilabel as train_multilabel
    from spacer_like.chips.tasks.ranking import rank_places as rank_places
    from spacer_like.chips.tasks.raster_sets import cut_rasters as cut_rasters
    from spacer_like.chips.tasks.rasters import cut_raster as cut_raster
    from spacer_like.chips.tasks.score_maps import map_scores as map_scores
    from spacer_like.chips.tasks.search import build_index as build_index
    from spacer_like.chips.tasks.search import encode_chips as encode_chips
    from spacer_like.chips.tasks.search import find_similar as find_similar
    from spacer_like.chips.tasks.tiles import chip_tile as chip_tile
    from spacer_like.chips.tasks.tiles import chips_folder as chips_folder
    from spacer_like.points.tasks.classifier import classify_features as classify_features
    from spacer_like.points.tasks.classifier import classify_image as classify_image
    from spacer_like.points.tasks.classifier import extract_features as extract_features
    from spacer_like.points.tasks.classifier import train_classifier as train_classifier
    from spacer_like.points.tasks.cover import estimate_cover as estimate_cover
    from spacer_like.points.tasks.pack import pack_features as pack_features
    from spacer_like.points.tasks.plan import plan_survey as plan_survey
    from spacer_like.points.tasks.suggest import suggest_labels as suggest_labels
    from spacer_like.rarity.tasks.collections import check_collection as check_collection
    from spacer_like.rarity.tasks.collections import convert_collection as convert_collection
    from spacer_like.rarity.tasks.embeddings import embedding_score as embedding_score
    from spacer_like.rarity.tasks.embeddings import train_rarity_classifier as train_rarity_classifier
    from spacer_like.rarity.tasks.histograms import compute_histogram as compute_histogram
    from spacer_like.rarity.tasks.histograms import merge_histograms as merge_histograms
    from spacer_like.rarity.tasks.scoring import explain_image as explain_image
    from spacer_like.rarity.tasks.scoring import score_collection as score_collection
    from spacer_like.rarity.tasks.scoring import score_unseen as score_unseen
    from spacer_like.rarity.tasks.tables import analyze_scores as analyze_scores
    from spacer_like.rarity.tasks.tables import bucketize_scores as bucketize_scores
    from spacer_like.rarity.tasks.tables import compare_rankings as compare_rankings
    from spacer_like.rarity.tasks.tables import merge_scores as merge_scores
    from spacer_like.regression.tasks.augment import augment_dataset as augment_dataset
    from spacer_like.regression.tasks.axis_ratio import measure_axis_ratios as measure_axis_ratios
    from spacer_like.regression.tasks.calibrate import calibrate_regressor as calibrate_regressor
    from spacer_like.regression.tasks.evaluate import evaluate_regressor as evaluate_regressor
    from spacer_like.regression.tasks.pack import pack_dataset as pack_dataset
    from spacer_like.regression.tasks.predict import predict_regressor as predict_regressor
    from spacer_like.regression.tasks.prepare import prepare_images as prepare_images
    from spacer_like.regression.tasks.simulate import simulate_galaxies as simulate_galaxies
    from spacer_like.regression.tasks.split import split_dataset as split_dataset
    from spacer_like.regression.tasks.train import train_good_bad as train_good_bad
    from spacer_like.regression.tasks.train import train_regressor as train_regressor
    from spacer_like.regression.tasks.weights import export_onnx as export_onnx
    from spacer_like.regression.tasks.weights import import_keras_weights as import_keras_weights
    from spacer_like.tags.tasks.classify import classify_images as classify_images
    from spacer_like.tags.tasks.duplicates import find_duplicates as find_duplicates
    from spacer_like.tags.tasks.duplicates import find_similar_images as find_similar_images
    from spacer_like.tags.tasks.process import process_images as process_images
    from spacer_like.tags.tasks.review import suggest_review as suggest_review
    from spacer_like.tags.tasks.train import train_tags as train_tags
    from spacer_like.wrong_labels.tasks import find_wrong_labels as find_wrong_labels

__all__ = ["process_job", *TASKS]


def process_job(job_msg: JobMsg[Result]) -> JobReturnMsg[Result]:
    """Run every task of a job; see `spacer_like.mailman.process_job`."""
    from spacer_like import mailman

    return mailman.process_job(job_msg)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in TASKS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with explained_imports():
            task = getattr(import_module(TASKS[name].module), name)
        return task


def __dir__() -> list[str]:
    return sorted({*globals(), *TASKS})
