"""What lies in the folders that the steps of a training write: packed bands, parts of a split, and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spacer_like.exceptions import DataNotFoundError, MessageError
from spacer_like.regression.augmentation import batch_name
from spacer_like.regression.dataset import ENDINGS
from spacer_like.regression.labels import BANDS
from spacer_like.regression.splitting import part_name
from spacer_like.storage import list_keys

if TYPE_CHECKING:
    from spacer_like.location import DataLocation

GIVEN_BANDS = {"g": "g", "r": "r", "i": "i", "RGB": "gri"}
"""The names that bands have in messages, by those that they have in files."""


def packed_bands(folder: DataLocation, size: int) -> dict[str, DataLocation]:
    """The file of each band, ``<size>x<size>_<band>.npz`` or ``.npy``, by the band's name in messages.

    Raises:
        DataNotFoundError: there is none of this size.
        MessageError: a band has two files.
    """
    named = {f"{size}x{size}_{band}": band for band in BANDS}
    found = _found(folder, list(named), f"packed images of {size} x {size} pixels")
    return {GIVEN_BANDS[named[name]]: loc for name, loc in found.items()}


def part_of_split(folder: DataLocation, size: int, part: str) -> list[DataLocation]:
    """The file of each band of a part of a split, such as ``train_001``; errors as of `packed_bands`."""
    names = [part_name(band, size, part) for band in BANDS]
    return list(_found(folder, names, f"files {part} of {size} x {size} pixels").values())


def batches_of(folder: DataLocation, size: int, sub_sample: int, count: int) -> list[DataLocation]:
    """The first batches of a sub-sample.

    Raises:
        DataNotFoundError: there are fewer.
        MessageError: a batch has two files.
    """
    names = [batch_name(size, sub_sample, number) for number in range(count)]
    prefix = names[0].rpartition("/")[0]
    whole = {name.rpartition("/")[2]: name for name in names}
    what = f"batches of {size} x {size} pixels"
    found = _found(folder.below(prefix), list(whole), what)
    if len(found) < count:
        raise DataNotFoundError(
            f"Of the {count} {what} of the sub-sample {sub_sample} {len(found)} are in "
            f"'{folder.below(prefix).display_name}': make them first, or ask for fewer."
        )
    return list(found.values())


def _found(folder: DataLocation, names: list[str], what: str) -> dict[str, DataLocation]:
    """The files in a folder with these names, and one of the endings, by their names without it."""
    begin = folder.below("")
    keys = {loc.key.removeprefix(begin.key): loc for loc in list_keys(begin)}
    found = {}
    for name in names:
        files = [name + ending for ending in ENDINGS if name + ending in keys]
        if len(files) > 1:
            raise MessageError(f"'{folder.display_name}' has both {files[0]} and {files[1]}: remove one of them.")
        if files:
            found[name] = keys[files[0]]
    if not found:
        raise DataNotFoundError(
            f"There are no {what} in '{folder.display_name}', of which the first would be {names[0]}{ENDINGS[0]}."
        )
    return found
