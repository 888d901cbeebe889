"""Files of simulated galaxies as they are read: in turn as batches, or all at once."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spacer_like.location import DataLocation
from spacer_like.regression.augmentation import Pool
from spacer_like.regression.dataset import open_pool


class Made(NamedTuple):
    """Simulated galaxies.

    Attributes:
        pool: their images, with labels in whole degrees.
        inclinations: as they were drawn, float64 [n].
    """

    pool: Pool
    inclinations: NDArray[np.float64]


def locations(folder: Path) -> list[DataLocation]:
    """The batches of a folder that `make_galaxies` wrote, in order."""
    return [DataLocation("filesystem", str(path)) for path in sorted(folder.glob("batch_*.npz"))]


def read(folder: Path) -> Made:
    """All galaxies of a folder."""
    pools = [open_pool(loc) for loc in locations(folder)]
    columns = zip(*(vars(pool).values() for pool in pools), strict=True)
    return Made(Pool(*(np.concatenate(parts) for parts in columns)), np.load(folder / "inclinations.npy"))
