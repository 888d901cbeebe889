"""Labels to learn from: fewer points of common classes, images held back, and sets that share no source.

A source is what images have in common besides their subject: a site, a survey, a camera. Images of one source resemble
each other, and a classifier does better on others of a source that it knows than on a new one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
from numpy.random import RandomState

from spacer_like import config
from spacer_like.data_classes import DataLocation, ImageLabels, LabelId, TrainingTaskLabels
from spacer_like.data_classes.feature_reading import shuffled_images
from spacer_like.exceptions import TrainingLabelsError
from spacer_like.learning.labels_split import split_images
from spacer_like.learning.split import split_by_group

_SEED = 0


def balanced_subsample(labels: ImageLabels, fewest: int) -> ImageLabels:
    """Labels in which no class has more points than the rarest, or than `fewest` where that is more.

    Points are drawn at random, the same each time. Images and points keep their order; an image left without a point is
    left out.
    """
    counts = labels.label_count_per_class
    most = max(min(counts.values(), default=0), fewest)
    chosen: dict[LabelId, np.ndarray[tuple[int], np.dtype[np.bool_]]] = {}
    random = RandomState(_SEED)
    # Sorted: the draw depends on the labels alone.
    for label in sorted(counts, key=lambda one: (isinstance(one, str), one)):
        is_chosen = np.zeros(counts[label], np.bool_)
        is_chosen[random.permutation(counts[label])[:most]] = True
        chosen[label] = is_chosen
    seen: dict[LabelId, int] = defaultdict(int)
    kept = ImageLabels()
    for location in labels:
        points = []
        for annotation in labels[location]:
            label = annotation[2]
            if chosen[label][seen[label]]:
                points.append(annotation)
            seen[label] += 1
        if points:
            kept.add_image(location, points)
    kept.share_sources(labels)
    return kept


def hold_back(labels: ImageLabels, share: float) -> tuple[ImageLabels, ImageLabels]:
    """Labels to learn from, and those of whole images that stop the training, the same ones each time.

    No class loses its last points. Nothing is held back where each image that could be has more than twice the share.

    Args:
        labels: the labels.
        share: of the points to hold back, at most TRAINING_BATCH_LABEL_COUNT.
    """
    wanted = min(round(labels.label_count * share), config.settings().training_batch_label_count)
    left, count = Counter(labels.label_count_per_class), 0
    held: set[DataLocation] = set()
    for location in shuffled_images(labels, RandomState(_SEED)):
        own = Counter(label for _, _, label in labels[location])
        if count >= wanted:
            break
        if count + own.total() <= 2 * wanted and all(left[label] > points for label, points in own.items()):
            held.add(location)
            left -= own
            count += own.total()
    parts = ImageLabels(), ImageLabels()
    for location in labels:
        parts[location in held].add_image(location, labels[location])
    for part in parts:
        part.share_sources(labels)
    return parts


def split_by_source(
    labels: ImageLabels, split_ratios: tuple[float, float], sources: Mapping[str, str]
) -> TrainingTaskLabels:
    """Three sets, of which val shares no source with the others; ref shares no image with train.

    Of many divisions the one is taken in which val has about the wanted share of images, and of each class's.

    Args:
        labels: the labels.
        split_ratios: shares of ref and val.
        sources: the source of each image, by the key of its feature file.

    Raises:
        TrainingLabelsError: an image without a source, fewer than two sources, or too few annotations.
    """
    images = list(labels.keys())
    if unknown := [location for location in images if location.key not in sources]:
        raise TrainingLabelsError(
            f"{len(unknown)} of the {len(images)} images have no source (the first is {unknown[0].display_name})."
        )
    groups = [sources[location.key] for location in images]
    if len(set(groups)) < 2:
        raise TrainingLabelsError(
            f"All images are of one source, '{groups[0]}': to divide sources there must be at least two."
            if groups
            else "There are no labels to divide."
        )
    number = {label: index for index, label in enumerate(sorted(labels.classes_set, key=str))}
    has_class = np.zeros((len(images), len(number)), np.bool_)
    for index, location in enumerate(images):
        has_class[index, [number[label] for _, _, label in labels[location]]] = True
    split = split_by_group(groups, has_class, split_ratios[1], _SEED)

    def some(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[DataLocation, list[tuple[int, int, LabelId]]]:
        return {images[row]: labels[images[row]] for row in rows.tolist()}

    train, ref = split_images(ImageLabels(some(split.train)), split_ratios[0] / (1 - split_ratios[1]))
    return TrainingTaskLabels(train=train, ref=ref, val=ImageLabels(some(split.validation)))
