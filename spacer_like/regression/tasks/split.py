"""The task that splits galaxies into those to train on and those held out."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from spacer_like.exceptions import MessageError, TrainingLabelsError
from spacer_like.overwriting import check_also_written, task
from spacer_like.progress import report
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.dataset import open_packed, pool_files, write_pool
from spacer_like.regression.labels import band_of, filter_of
from spacer_like.regression.messages import SplitDatasetMsg, SplitDatasetReturnMsg
from spacer_like.regression.splitting import (
    HELD_OUT_SHARE,
    ORIGINAL_ORDER,
    ORIGINAL_SHARE,
    GalaxySplit,
    inclined_galaxies,
    is_part,
    original_split,
    part_name,
    rows_of_part,
    split_galaxies,
    with_others,
)
from spacer_like.storage import list_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray


class _Galaxies(NamedTuple):
    """The galaxies of a band's file, in its order, and the size of their images."""

    ids: NDArray[np.int32]
    codes: NDArray[np.int32]
    size: int


@task
def split_dataset(msg: SplitDatasetMsg) -> SplitDatasetReturnMsg:
    """Split the galaxies of all bands once, by their ids, and write each band's images of every part.

    Raises:
        MessageError: a part would overwrite one of the files that are split, or the folder holds parts of another
            split.
        TrainingLabelsError: two bands give a galaxy different labels, are of different sizes, or there are too few
            galaxies.
        TableError: a damaged file.
        DataNotFoundError: there is no such file.
    """
    start = time.perf_counter()
    bands = {}
    # One band's images are held at a time.
    for band, loc in msg.packed_locs.items():
        packed = open_packed(loc, as_stored=msg.original)
        bands[band_of(band)] = _Galaxies(packed.ids, packed.codes, packed.images.shape[1])
        del packed
    if len({galaxies.size for galaxies in bands.values()}) > 1:
        sizes = ", ".join(f"{galaxies.size} in {band}" for band, galaxies in bands.items())
        raise TrainingLabelsError(f"The images of the bands are not of one size: {sizes} pixels.")
    every = inclined_galaxies({band: (found.ids, found.codes) for band, found in bands.items()}, msg.least_inclination)
    split = _split(msg, bands, every)
    _check_overwriting(msg, bands, split)
    files = _write(msg, split)
    known = np.unique(np.concatenate([galaxies.ids for galaxies in bands.values()]))
    return SplitDatasetReturnMsg(
        n_galaxies=len(every),
        n_left_out=len(known) - len(every),
        n_held_out=len(split.held_out),
        n_training=len(split.training),
        files=files,
        runtime=time.perf_counter() - start,
    )


def _split(msg: SplitDatasetMsg, bands: dict[str, _Galaxies], every: NDArray[np.int32]) -> GalaxySplit:
    if not msg.original:
        share = HELD_OUT_SHARE if msg.held_out is None else msg.held_out
        return split_galaxies(every, share, msg.sub_samples, msg.seed)
    share = ORIGINAL_SHARE if msg.held_out is None else msg.held_out
    first = bands[next(band for band in ORIGINAL_ORDER if band in bands)]
    split = original_split(first.ids[first.codes >= msg.least_inclination], share, msg.sub_samples)
    return with_others(split, every)


def _file_name(msg: SplitDatasetMsg, band: str, size: int, part: str) -> str:
    return f"{part_name(band, size, part)}.{msg.layout}"


def _check_overwriting(msg: SplitDatasetMsg, bands: dict[str, _Galaxies], split: GalaxySplit) -> None:
    names = [_file_name(msg, band, galaxies.size, part) for band, galaxies in bands.items() for part in split.parts()]
    files = [loc for name in names for loc in pool_files(msg.out_loc.below(name))]
    check_also_written(msg, files)
    begin, written = msg.out_loc.below("").key, {loc.filename for loc in files}
    size = next(iter(bands.values())).size
    for loc in list_keys(msg.out_loc.below("")):
        name = loc.key.removeprefix(begin)
        # Parts of two splits would be taken for one: what the other trains on may be held out here.
        if name not in written and is_part(name, size):
            raise MessageError(
                f"'{msg.out_loc.display_name}' holds {name}, a part of another split of images of this size: remove "
                "its parts, or name another folder."
            )


def _write(msg: SplitDatasetMsg, split: GalaxySplit) -> dict[str, int]:
    """Write the parts of all bands; the number of images in each file."""
    files = {}
    parts = split.parts()
    for given, loc in msg.packed_locs.items():
        band, packed = band_of(given), open_packed(loc, as_stored=msg.original)
        for part, ids in parts.items():
            rows = rows_of_part(ids, packed.ids)
            filters = np.full(len(rows), filter_of(band))
            file = _file_name(msg, band, packed.images.shape[1], part)
            pool = Pool(packed.images[rows], packed.codes[rows], packed.ids[rows], filters)
            write_pool(msg.out_loc.below(file), pool, with_filter=False)
            files[file] = len(rows)
            report("parts written", len(files), len(parts) * len(msg.packed_locs))
        del packed
    return files
