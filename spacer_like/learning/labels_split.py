"""Labels for training: classes filtered, images or points divided into three sets, the result checked.

The points that a classifier learned from are kept with it as digests, and recognised by image and position.
"""

from __future__ import annotations

import base64
import string
import unicodedata
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from logging import getLogger
from random import Random
from typing import Any, NamedTuple

from spacer_like import config
from spacer_like.data_classes import Annotation, DataLocation, ImageFeatures, ImageLabels, LabelId, TrainingTaskLabels
from spacer_like.data_classes.labels import SET_NAMES
from spacer_like.exceptions import TrainingLabelsError

logger = getLogger(__name__)

FEWEST_STRATIFIED = 3
"""A class with fewer annotations cannot be stratified over three sets."""
FEATURE_ENDINGS = (".features", ".featurevector", ".npz")
LEARNED_POINTS = "learned_points"
"""The key of the digests among a classifier's metrics."""
MOST_POINTS = 250_000
"""Of more points nothing is kept: eight letters for each would outgrow the model."""
_DIGEST_BYTES = 6

PointIndex = tuple[DataLocation, int]
"""An image, and the index of one of its points."""


class LeftOut(NamedTuple):
    """A class that is not trained: its points in each set, and why, as a sentence."""

    label: LabelId
    train: int
    ref: int
    val: int
    reason: str


class SplitMode(Enum):
    """What is divided among the three sets.

    VECTORS: whole feature files. Points of one image resemble each other; a classifier that is calibrated and evaluated
        on images that it has not seen shows how well it does on new ones. Sizes are met only as closely as images
        allow.
    POINTS: single points, so that the sizes are met exactly; the three sets share images.
    POINTS_STRATIFIED: single points, each class in the same proportions. A set is not sure to hold every class.
    """

    VECTORS = "vectors"
    POINTS = "points"
    POINTS_STRATIFIED = "points_stratified"


def preprocess_labels(
    labels_in: ImageLabels | TrainingTaskLabels,
    accepted_classes: Container[LabelId] | None = None,
    split_ratios: tuple[float, float] = (0.1, 0.1),
    split_mode: SplitMode = SplitMode.VECTORS,
) -> TrainingTaskLabels:
    """Labels that a classifier can be trained on: three sets, which are not empty, of classes known to train and ref.

    Args:
        labels_in: labels to split, or three sets that were split before; those are filtered in place and returned.
        accepted_classes: other classes are left out; None (or nothing in it) accepts all.
        split_ratios: as `split_labels`.
        split_mode: as `split_labels`.

    Raises:
        TrainingLabelsError: fewer than two classes, or too few annotations, are left.
    """
    if isinstance(labels_in, TrainingTaskLabels):
        labels = labels_in
        if accepted_classes:
            for name in SET_NAMES:
                labels[name] = labels[name].filter_classes(accepted_classes)
    else:
        kept = labels_in.filter_classes(accepted_classes) if accepted_classes else labels_in
        labels = divide_labels(kept, split_ratios, split_mode)
    learnt = learnable_labels(labels)
    for one in left_out_classes(labels, learnt):
        logger.warning("The class %s is left out of the training: %s", one.label, one.reason)
    for name in SET_NAMES:
        labels[name] = learnt[name]
    return labels


def divide_labels(labels: ImageLabels, split_ratios: tuple[float, float], split_mode: SplitMode) -> TrainingTaskLabels:
    """All labels in three sets, as `split_labels`; those of classes too rare to be stratified go to train.

    `learnable_labels` leaves them out, as it does all that cannot be learnt.
    """
    counts = labels.label_count_per_class
    rare = {label for label, count in counts.items() if count < FEWEST_STRATIFIED}
    if split_mode is not SplitMode.POINTS_STRATIFIED or not rare:
        return split_labels(labels, split_ratios, split_mode)
    sets = split_labels(labels.filter_classes(set(counts) - rare), split_ratios, split_mode)
    left = labels.filter_classes(rare)
    for location in left:
        there = list(sets.train[location]) if location in sets.train else list[Annotation]()
        sets.train.add_image(location, there + left[location])
    return sets


def learnable_labels(labels: TrainingTaskLabels) -> TrainingTaskLabels:
    """New sets of the classes that both train and ref know; `left_out_classes` says which others there were.

    Raises:
        TrainingLabelsError: fewer than two classes, or an empty set, are left.
    """
    labels = labels.copy()
    # A class can be learned only if it is in train, and calibrated only if it is in ref.
    shared = labels.train.classes_set & labels.ref.classes_set
    if len(shared) <= 1:
        raise TrainingLabelsError(
            "Need multiple classes to do training."
            f" After preprocessing training data, there are {len(shared)} class(es) left."
        )
    for name in SET_NAMES:
        if not labels[name].classes_set <= shared:
            labels[name] = labels[name].filter_classes(shared)
        if labels[name].label_count == 0:
            raise TrainingLabelsError(f"After preprocessing training data, '{name}' set is empty.")
    return labels


def left_out_classes(labels: TrainingTaskLabels, kept: TrainingTaskLabels) -> list[LeftOut]:
    """The classes of `labels` that `kept` lacks, those with most points first."""
    known = {label for name in SET_NAMES for label in kept[name].classes_set}
    found = []
    for label in {label for name in SET_NAMES for label in labels[name].classes_set} - known:
        counts: dict[str, int] = {name: labels[name].label_count_per_class[label] for name in SET_NAMES}
        found.append(LeftOut(label, **counts, reason=_reason_to_leave_out(counts)))
    return sorted(found, key=lambda one: (-(one.train + one.ref + one.val), str(one.label)))


def _reason_to_leave_out(counts: Mapping[str, int]) -> str:
    count = sum(counts.values())
    if count < FEWEST_STRATIFIED:
        points = "1 point" if count == 1 else f"{count} points"
        return f"It has {points}, and each of the three sets needs one: label more points of it."
    if lacking := [text for name, text in (("train", "training"), ("ref", "reference")) if not counts[name]]:
        return (
            f"None of its {count} points is in the {' or the '.join(lacking)} set: label it in more images, or divide "
            "single points into the sets, each class in the same proportions (points-stratified)."
        )
    return "It is none of the classes that were asked for."


def split_labels(
    labels_in: ImageLabels, split_ratios: tuple[float, float], split_mode: SplitMode
) -> TrainingTaskLabels:
    """Divide labels into train, ref and val. The same labels in the same order give the same sets.

    Args:
        labels_in: the labels.
        split_ratios: shares of ref and val; ref has at most TRAINING_BATCH_LABEL_COUNT annotations. The rest is train.
        split_mode: whether whole images or single points are divided.

    Raises:
        TrainingLabelsError: too few annotations for three sets.
    """
    sizes = _set_sizes(labels_in, split_ratios, split_mode)
    if split_mode is SplitMode.VECTORS:
        return _split_images(labels_in, sizes)
    return _split_points(labels_in, sizes, stratified=split_mode is SplitMode.POINTS_STRATIFIED)


def _set_sizes(
    labels: ImageLabels, ratios: tuple[float, float], mode: SplitMode, needed: Sequence[str] = SET_NAMES
) -> dict[str, int]:
    count = labels.label_count
    ref = min(round(count * ratios[0]), config.settings().training_batch_label_count)
    val = round(count * ratios[1])
    sizes = {"train": count - ref - val, "ref": ref, "val": val}
    smallest, reason = 1, "Each set must be non-empty."
    if mode is SplitMode.POINTS_STRATIFIED:
        smallest = len(labels.classes_set)
        reason = (
            f"Each set's size must not be less than the number of classes ({smallest}) to work with train_test_split()."
        )
    if min(sizes[name] for name in needed) < smallest:
        raise TrainingLabelsError(
            "Not enough annotations to populate train/ref/val sets."
            f" Split was calculated as {'/'.join(str(size) for size in sizes.values())}. {reason}"
        )
    return sizes


def _split_images(labels: ImageLabels, sizes: dict[str, int]) -> TrainingTaskLabels:
    shuffled = list(labels.keys())
    Random(0).shuffle(shuffled)
    remaining = iter(shuffled)
    sets: dict[str, ImageLabels] = {}
    # Train comes last: it is the one that may fall short when the others exceed their size by part of an image.
    for name in ("val", "ref", "train"):
        sets[name] = ImageLabels()
        while sets[name].label_count < sizes[name] and (location := next(remaining, None)) is not None:
            sets[name].add_image(location, labels[location])
    return TrainingTaskLabels(train=sets["train"], ref=sets["ref"], val=sets["val"])


def split_images(labels: ImageLabels, ref_ratio: float) -> tuple[ImageLabels, ImageLabels]:
    """Whole images in two sets, train and ref; sizes as in `split_labels`.

    Raises:
        TrainingLabelsError: too few annotations for two sets.
    """
    sets = _split_images(labels, _set_sizes(labels, (ref_ratio, 0.0), SplitMode.VECTORS, ("train", "ref")))
    return sets.train, sets.ref


def _split_points(labels: ImageLabels, sizes: dict[str, int], stratified: bool) -> TrainingTaskLabels:
    # Imported here: training on sets that were split before needs no scikit-learn.
    from sklearn.model_selection import train_test_split

    points = [(location, index) for location in list(labels.keys()) for index in range(len(labels[location]))]
    classes = [labels[location][index][2] for location, index in points]

    def divide(numbers: list[int], size: int) -> tuple[list[int], list[int]]:
        strata = [classes[number] for number in numbers] if stratified else None
        try:
            rest, taken = train_test_split(numbers, test_size=size, random_state=0, shuffle=True, stratify=strata)
        except ValueError as error:
            raise TrainingLabelsError(f"The annotations cannot be divided into train/ref/val sets: {error}") from None
        return rest, taken

    rest, val = divide(list(range(len(points))), sizes["val"])
    train, ref = divide(rest, sizes["ref"])
    return TrainingTaskLabels(*(_gather(labels, (points[number] for number in part)) for part in (train, ref, val)))


def _gather(labels: ImageLabels, points: Iterable[PointIndex]) -> ImageLabels:
    chosen: dict[DataLocation, list[Annotation]] = defaultdict(list)
    for location, index in points:
        chosen[location].append(labels[location][index])
    return ImageLabels(chosen)


def make_random_data(
    im_count: int,
    class_list: list[LabelId],
    points_per_image: int,
    feature_dim: int,
    feature_loc_base: DataLocation,
    feature_loc_keys: list[str] | None = None,
) -> ImageLabels:
    """Store features of random points, image by image, and return their labels. The first points cover all classes.

    Args:
        im_count: images.
        class_list: the labels to choose from.
        points_per_image: points in each; at least one for each label.
        feature_dim: numbers in a feature vector.
        feature_loc_base: storage and bucket of the feature files.
        feature_loc_keys: their keys, at least `im_count`; None draws them at random.
    """
    labels = ImageLabels()
    random = Random()
    for number in range(im_count):
        point_labels = [*class_list, *random.choices(class_list, k=max(0, points_per_image - len(class_list)))]
        key = feature_loc_keys[number] if feature_loc_keys is not None else _random_key(random)
        features = ImageFeatures.make_random(point_labels, feature_dim)
        location = DataLocation(feature_loc_base.storage_type, key, feature_loc_base.bucket_name)
        features.store(location)
        labels.add_image(
            location, [(row, col, label) for (row, col), label in zip(features.rowcols, point_labels, strict=True)]
        )
    return labels


def _random_key(random: Random) -> str:
    return "".join(random.choices(string.ascii_uppercase + string.digits, k=20))


def image_name(feature_file: str) -> str:
    """The name of the image that a feature file belongs to.

    >>> image_name("001.jpg.features")
    '001.jpg'
    """
    ending = next((ending for ending in FEATURE_ENDINGS if feature_file.endswith(ending)), "")
    return feature_file.removesuffix(ending)


def learned_points(sets: Iterable[ImageLabels]) -> dict[str, str]:
    """The entry for a classifier's metrics; empty where there are too many points."""
    sets = list(sets)
    if sum(labels.label_count for labels in sets) > MOST_POINTS:
        return {}
    named = ((image_name(loc.filename), labels[loc]) for labels in sets for loc in labels)
    digests = {_digest(name, row, col) for name, points in named for row, col, _ in points}
    return {LEARNED_POINTS: base64.b64encode(b"".join(sorted(digests))).decode()}


def count_learned(metrics: Mapping[str, Any], points: Iterable[tuple[str, int, int]]) -> int:
    """How many of points (name of the image's file, row, column) a classifier learned from, as far as it is known."""
    try:
        data = base64.b64decode(metrics.get(LEARNED_POINTS, ""))
    except (TypeError, ValueError):
        return 0
    known = {data[at : at + _DIGEST_BYTES] for at in range(0, len(data), _DIGEST_BYTES)}
    return sum(_digest(name, row, col) in known for name, row, col in points) if known else 0


def _digest(name: str, row: int, col: int) -> bytes:
    text = f"{unicodedata.normalize('NFC', name).casefold()}\n{row}\n{col}"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()
