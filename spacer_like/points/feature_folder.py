"""The feature files in a folder, by the images that they are of."""

from __future__ import annotations

from spacer_like.learning.labels_split import FEATURE_ENDINGS, image_name
from spacer_like.location import DataLocation
from spacer_like.storage import storage_factory


def feature_files(folder: DataLocation) -> dict[str, str]:
    """The paths of the feature files below a folder or URI prefix, by their images' names; of two, the usual ending's.

    Raises:
        SpacerError: errors of the storage.
    """
    prefix = folder.key.rstrip("/") + "/" if folder.key else ""
    keys = storage_factory(folder.storage_type, folder.bucket_name).list(prefix)
    found = sorted(name for key in keys if (name := key.removeprefix(prefix)).endswith(FEATURE_ENDINGS))
    files: dict[str, str] = {}
    for name in sorted(found, key=lambda name: next(at for at, one in enumerate(FEATURE_ENDINGS) if name.endswith(one))):
        files.setdefault(image_name(name), name)
    return files
