"""The tasks of features and classifiers: read, compute, write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from logging import getLogger
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from spacer_like import config
from spacer_like.data_classes import ImageFeatures, TrainingTaskLabels
from spacer_like.data_classes.labels import SET_NAMES
from spacer_like.exceptions import DataLimitError, MessageError, RowColumnInvalidError
from spacer_like.overwriting import task
from spacer_like.points.messages import (
    ClassifyFeaturesMsg,
    ClassifyImageMsg,
    ClassifyReturnMsg,
    ExtractFeaturesMsg,
    ExtractFeaturesReturnMsg,
    LeftOutClass,
    TrainClassifierMsg,
    TrainClassifierReturnMsg,
)
from spacer_like.prefetch import reads_ahead
from spacer_like.storage import write_bytes
from spacer_like.storage.unfinished_files import temporary_folder

if TYPE_CHECKING:
    from PIL import Image

    from spacer_like.data_classes import ValResults
    from spacer_like.extractors.base import Extraction, FeatureExtractor
    from spacer_like.learning.image_metrics import ImageEvaluation
    from spacer_like.learning.trainer import ClassifierTrainer

logger = getLogger(__name__)


def check_extract_inputs(image: Image.Image, rowcols: Sequence[tuple[Any, Any]], im_key: str) -> None:
    """Check an image's size, of which only the header was read, and that all points lie within it.

    Raises:
        DataLimitError: more pixels or points than the settings MAX_IMAGE_PIXELS and MAX_POINTS_PER_IMAGE allow.
        RowColumnInvalidError: a row or column that is no integer, negative, or outside the image.
    """
    width, height = image.size
    limits = config.settings()
    if width * height > limits.max_image_pixels:
        raise DataLimitError(
            f"Image {im_key} has {width} x {height} = {width * height} total pixels, "
            f"which is larger than the max allowed of {limits.max_image_pixels}."
        )
    if len(rowcols) > limits.max_points_per_image:
        raise DataLimitError(
            f"{len(rowcols)} point locations were specified for image {im_key}, "
            f"and that's larger than the max allowed of {limits.max_points_per_image}."
        )
    for row, col in rowcols:
        for name, value in (("Row", row), ("Column", col)):
            if not isinstance(value, int):
                raise RowColumnInvalidError(f"{im_key}: {name} values must be integers. Given value was: {value}")
        for name, value in (("Row", row), ("Column", col)):
            if value < 0:
                raise RowColumnInvalidError(f"{im_key}: {name} values must be non-negative. Given value was: {value}")
        for name, value, size in (("Row", row, height), ("Column", col, width)):
            if value >= size:
                raise RowColumnInvalidError(
                    f"{im_key}: {name} value {value} falls outside this image's valid range of 0-{size - 1}."
                )


def _begin_extraction(msg: ExtractFeaturesMsg | ClassifyImageMsg) -> Callable[[], Extraction]:
    """Read the message's image, check its points, and set the network to work. Returns what waits for its features."""
    from spacer_like.images.decode import load_image, to_rgb_array

    if not msg.rowcols:
        raise RowColumnInvalidError(f"{msg.image_loc.key}: There must be at least one point.")
    Thread(target=_prepare, args=(msg.extractor,), name="prepare").start()
    image = load_image(msg.image_loc)
    check_extract_inputs(image, msg.rowcols, msg.image_loc.key)
    if isinstance(msg, ClassifyImageMsg):
        from spacer_like.learning.model_files import check_extractor, load_classifier

        # Extraction takes long: a useless classifier is noticed before, and after faults of the image, as in PySpacer.
        check_extractor(load_classifier(msg.classifier_loc), msg.extractor, msg.classifier_loc.display_name)
    begun: Callable[[], Extraction] = msg.extractor.begin(to_rgb_array(image), msg.rowcols)
    return begun


def _prepare(extractor: FeatureExtractor) -> None:
    """Build the network while the image is read. An error is raised again by the extraction, where it belongs."""
    with suppress(Exception):
        extractor.prepare()


@task
@reads_ahead(_begin_extraction)
def extract_features(msg: ExtractFeaturesMsg, extraction: Callable[[], Extraction]) -> ExtractFeaturesReturnMsg:
    """Extract the features of the message's points and store them."""
    with config.log_entry_and_exit("actual extraction"):
        features, details = extraction()
    with config.log_entry_and_exit("storing features"):
        features.store(msg.feature_loc)
    return ExtractFeaturesReturnMsg(
        extractor_loaded_remotely=details.extractor_loaded_remotely, runtime=details.runtime
    )


@task
def train_classifier(msg: TrainClassifierMsg) -> TrainClassifierReturnMsg:
    """Train a classifier, evaluate it and the previous ones, and store it with its results."""
    from spacer_like.data_classes.feature_reading import FeatureReader
    from spacer_like.learning.classifier import Classifier
    from spacer_like.learning.labels_split import learnable_labels, left_out_classes
    from spacer_like.learning.metrics import evaluation_report
    from spacer_like.learning.model_card import model_card
    from spacer_like.learning.model_files import (
        check_same_extractor,
        check_storable,
        classifier_bytes,
        load_classifier,
    )

    check_storable(msg.model_loc, getattr(msg.trainer, "classifier_classes", ()))
    labels = learnable_labels(msg.labels)
    left_out = [LeftOutClass(**one._asdict()) for one in left_out_classes(msg.labels, labels)]
    if msg.pack_loc is not None:
        from spacer_like.data_classes.feature_pack import feature_pack

        labels.set_pack(feature_pack(msg.pack_loc))
    previous = [load_classifier(location) for location in msg.previous_model_locs]
    if previous:
        # Training takes long: a classifier of other features is noticed before it.
        features = FeatureReader(labels["val"]).features_of(next(iter(labels["val"].keys())))
        for classifier, location in zip(previous, msg.previous_model_locs, strict=True):
            check_same_extractor(classifier, features, location.display_name)
    trainer: ClassifierTrainer = msg.trainer
    options = _snapshots(msg)
    with _cached_features(labels, msg), config.log_entry_and_exit("actual training"):
        trained, results, details = trainer(labels, msg.nbr_epochs, previous, msg.clf_type, **options)
        by_image = _evaluated_by_image(msg, labels, results, details)
    return_msg = TrainClassifierReturnMsg(
        acc=details.acc,
        pc_accs=details.pc_accs,
        ref_accs=details.ref_accs,
        runtime=details.runtime,
        left_out=left_out or None,
        kept_epoch=kept if (kept := getattr(details, "kept_epoch", None)) != len(details.ref_accs) else None,
    )
    report = evaluation_report(
        results,
        ref_accs=return_msg.ref_accs,
        pc_accs=return_msg.pc_accs,
        left_out=[one.serialize() for one in left_out],
        by_image=None if by_image is None else by_image.serialize(),
    )
    if isinstance(trained, Classifier):
        trained = replace(trained, card=model_card(labels, report, by_image, msg.image_sources))
    # Before anything is stored: a classifier that cannot be loaded again is refused.
    model = classifier_bytes(msg.model_loc, trained)
    with config.log_entry_and_exit("storing classifier and val res"):
        results.store(msg.valresult_loc)
        if msg.report_loc is not None:
            write_bytes(msg.report_loc, json.dumps(report.serialize()).encode())
        # The classifier last: who finds it finds its results too.
        write_bytes(msg.model_loc, model)
    return return_msg


def _snapshots(msg: TrainClassifierMsg) -> dict[str, Any]:
    """The argument of the trainer that gives it its snapshots, where they are asked for."""
    from inspect import signature

    from spacer_like.learning.snapshots import FolderSnapshots

    if msg.snapshots_loc is None:
        return {}
    if "snapshots" not in signature(msg.trainer).parameters:
        raise MessageError(f"The trainer {type(msg.trainer).__name__} keeps no snapshots: leave snapshots_loc out.")
    return {"snapshots": FolderSnapshots(msg.snapshots_loc)}


def _evaluated_by_image(
    msg: TrainClassifierMsg, labels: TrainingTaskLabels, results: ValResults, details: Any
) -> ImageEvaluation | None:
    """Metrics of the answers on val that ask which points are of one image, or of one source.

    None where a trainer of one's own has answered for other points than those of val. Features are read again for the
    nearest neighbours, where a report is asked for.
    """
    import numpy as np

    from spacer_like.learning.baselines import nearest_neighbours
    from spacer_like.learning.image_metrics import Points, evaluation_by_image

    val = labels["val"]
    sizes = [len(val[location]) for location in val]
    if sum(sizes) != len(results.gt):
        return None
    of_true = getattr(details, "val_probabilities", None)
    points = Points(
        image=np.repeat(np.arange(len(sizes)), sizes),
        true=np.asarray(results.gt),
        given=np.asarray(results.est),
        of_true=None if of_true is None else np.asarray(of_true),
    )
    (commonest, _), *_ = labels["train"].label_count_per_class.most_common(1)
    sources = msg.image_sources
    named = None if sources is None else [sources.get(location.key, "") for location in val]
    found = evaluation_by_image(
        points,
        results.classes.index(commonest) if commonest in results.classes else -1,
        None if msg.report_loc is None else nearest_neighbours(labels["train"], val),
        None if named is None else np.repeat(named, sizes).tolist(),
        getattr(details, "ref_losses", None) or (),
        getattr(details, "kept_epoch", None),
    )
    return replace(
        found,
        stopping_losses=getattr(details, "stopping_losses", None) or [],
        stopping_points=getattr(details, "stopping_points", 0),
    )


@task
def classify_features(msg: ClassifyFeaturesMsg) -> ClassifyReturnMsg:
    """Classify the points of a stored feature file."""
    start = time.perf_counter()
    features = ImageFeatures.load(msg.feature_loc)
    return _classified(msg, features, start)


@task
@reads_ahead(_begin_extraction)
def classify_image(msg: ClassifyImageMsg, extraction: Callable[[], Extraction]) -> ClassifyReturnMsg:
    """Extract the features of the message's points and classify them, in the message's order."""
    start = time.perf_counter()
    features, _ = extraction()
    return _classified(msg, features, start)


def _classified(
    msg: ClassifyFeaturesMsg | ClassifyImageMsg, features: ImageFeatures, start: float
) -> ClassifyReturnMsg:
    from spacer_like.learning.model_files import check_same_extractor, load_classifier

    classifier = load_classifier(msg.classifier_loc)
    check_same_extractor(classifier, features, msg.classifier_loc.display_name)
    probabilities = classifier.predict_proba(features.features).tolist()
    positions = features.rowcols if features.valid_rowcol else [(None, None)] * features.npoints
    answer = ClassifyReturnMsg(
        runtime=time.perf_counter() - start,
        scores=[(row, col, scores) for (row, col), scores in zip(positions, probabilities, strict=True)],
        classes=classifier.classes_.tolist(),
        valid_rowcol=features.valid_rowcol,
    )
    if msg.scores_loc is None:
        return answer
    answer.store(msg.scores_loc)
    return answer.model_copy(update={"scores": [], "scores_loc": msg.scores_loc})


@contextmanager
def _cached_features(labels: TrainingTaskLabels, msg: TrainClassifierMsg) -> Iterator[None]:
    """A folder for copies of remote feature files: for the time of a training, or for later ones too."""
    from spacer_like.data_classes.feature_reading import versions_of

    folder = msg.feature_cache_dir
    if not labels.has_remote_data or folder == TrainClassifierMsg.FeatureCache.DISABLED:
        yield
        return
    if msg.keep_features:
        sets = [labels[name] for name in SET_NAMES]
        remote = {loc for one in sets for loc in one if loc.is_remote and (one.pack is None or loc not in one.pack)}
        Path(folder).mkdir(parents=True, exist_ok=True)
        labels.set_filesystem_cache(folder, versions_of(remote))
        yield
        return
    parent = None if folder == TrainClassifierMsg.FeatureCache.AUTO else folder
    with temporary_folder(parent) as local_folder:
        labels.set_filesystem_cache(str(local_folder))
        yield
