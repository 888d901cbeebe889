"""Random training data: for tests and to try things out."""

from __future__ import annotations

import string
from random import Random

from spacer_like.data_classes import DataLocation, ImageFeatures, ImageLabels, LabelId


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
