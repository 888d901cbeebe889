"""The task that packs feature files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from spacer_like import storage
from spacer_like.data_classes import ImageFeatures
from spacer_like.data_classes.feature_pack import ENDING, write_pack
from spacer_like.exceptions import DataNotFoundError, MessageError
from spacer_like.learning.labels_split import FEATURE_ENDINGS
from spacer_like.location import DataLocation
from spacer_like.overwriting import task
from spacer_like.points.messages import PackFeaturesMsg, PackFeaturesReturnMsg
from spacer_like.progress import report

# So many are read at once and held.
_FILES_AT_A_TIME = 32


@task
def pack_features(msg: PackFeaturesMsg) -> PackFeaturesReturnMsg:
    """Pack the feature files of a folder into one, in the order of their names, holding few of them at a time.

    Raises:
        MessageError: the pack's name has another ending.
        DataNotFoundError: the folder holds none.
        FeatureFileError, RowColumnMissingError: one that cannot be learned from; the sentence names it.
        ExtractorMismatchError: files of different extractors.
    """
    start = time.perf_counter()
    if not msg.pack_loc.filename.endswith(ENDING):
        raise MessageError(f"pack_loc: the name of a pack must end with {ENDING}, and is '{msg.pack_loc.filename}'.")
    prefix = msg.features_loc.below("")
    found = storage.list_keys(prefix)
    locs = sorted((loc for loc in found if loc.key.endswith(FEATURE_ENDINGS)), key=lambda loc: loc.key)
    if not locs:
        raise DataNotFoundError(
            f"There are no feature files in {msg.features_loc.display_name}: their names end with .features."
        )
    with storage.temporary_file(msg.pack_loc) as path:
        with path.open("wb") as file:
            packed = write_pack(file, _read(locs, len(prefix.key)), msg.dtype)
        storage.write_file(msg.pack_loc, path, consume=True)
    return PackFeaturesReturnMsg(**packed._asdict(), runtime=time.perf_counter() - start)


def _read(locs: Sequence[DataLocation], begin: int) -> Iterator[tuple[str, ImageFeatures]]:
    """Names in the pack, the keys from `begin` on, and features, in order."""
    for start in range(0, len(locs), _FILES_AT_A_TIME):
        some = locs[start : start + _FILES_AT_A_TIME]
        data = dict(storage.read_many(some))
        for loc in some:
            yield loc.key[begin:], ImageFeatures.from_bytes(data.pop(loc), loc.display_name)
        report("feature files", start + len(some), len(locs))
