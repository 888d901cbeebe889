"""The feature files in a folder, by the images that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from spacer_like.data_classes import ImageFeatures
from spacer_like.exceptions import FeatureFileError
from spacer_like.learning.labels_split import FEATURE_ENDINGS, image_name
from spacer_like.location import DataLocation
from spacer_like.progress import report
from spacer_like.storage import read_many, storage_factory

_READ_AT_ONCE = 64


def feature_files(folder: DataLocation) -> dict[str, str]:
    """The paths of the feature files below a folder or URI prefix, by their images' names; of two, the usual ending's.

    Raises:
        SpacerError: errors of the storage.
    """
    prefix = folder.key.rstrip("/") + "/" if folder.key else ""
    keys = storage_factory(folder.storage_type, folder.bucket_name).list(prefix)
    return by_image(sorted(key.removeprefix(prefix) for key in keys))


def by_image(paths: Sequence[str]) -> dict[str, str]:
    """Those of paths that are feature files, by their images' names; of two, the usual ending's."""
    files: dict[str, str] = {}
    for ending in FEATURE_ENDINGS:
        for path in paths:
            if path.endswith(ending):
                files.setdefault(image_name(path), path)
    return files


def read_features(folder: DataLocation, files: Sequence[str]) -> Iterator[ImageFeatures]:
    """The feature files of some paths in a folder, in their order; many are read at once, and few are held.

    Raises:
        FeatureFileError: one is damaged, knows no positions or holds numbers that are not finite; it is named.
        SpacerError: errors of the storage.
    """
    for begin in range(0, len(files), _READ_AT_ONCE):
        locs = [folder.below(name) for name in files[begin : begin + _READ_AT_ONCE]]
        data = dict(read_many(locs))
        for loc in locs:
            features = ImageFeatures.from_bytes(data.pop(loc), loc.display_name)
            if not features.valid_rowcol:
                raise FeatureFileError(f"{loc.display_name}: The features know no positions: extract them again.")
            if not np.isfinite(features.features).all():
                raise FeatureFileError(f"{loc.display_name}: The features hold numbers that are not finite.")
            yield features
        report("feature files", begin + len(locs), len(files))
