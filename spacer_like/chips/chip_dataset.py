"""Chips and their labels as a data set of torch, wherever the chips lie: in files, or still in their tiles.

dataset = ChipDataset(DataLocation.local("chips"), DataLocation.local("labels.csv"), 224)
for pixels, labels in DataLoader(dataset, batch_size=32, num_workers=2):
    learn(pixels, labels)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from spacer_like.chips.chip_source import dataset_version, open_chips
from spacer_like.exceptions import CollectionError
from spacer_like.images.square import square_into
from spacer_like.location import DataLocation
from spacer_like.storage import read_bytes
from spacer_like.tables.files import is_parquet
from spacer_like.tables.label_table import read_label_table

_PIXEL_SCALE = 255.0


class ChipDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs of pixels, float32 [3, size, size] from 0 to 1, and labels, float32 [labels] of 0 and 1.

    It can be sent to processes that load: nothing is open in it. Chips that were never written, but whose blocks a
    manifest lists, are read from their tiles.

    Args:
        chips_loc: a folder of chips, a manifest, or a folder of manifests.
        table_loc: a table of 0 and 1, such as `build_label_table` writes.
        size: width and height in pixels that chips are resized to.
        transform: what pixels go through, such as augmentation; None: nothing.

    Attributes:
        names: of the chips, those of the table that are there, sorted.
        labels: of the columns.
        missing: chips of the table that are not there.
        version: of chips and table, a hash, as models record it.

    Raises:
        CollectionError: none of the table's chips is there.
        TableError, DataNotFoundError: the table is malformed, or something is not there.
    """

    def __init__(
        self,
        chips_loc: DataLocation,
        table_loc: DataLocation,
        size: int = 224,
        transform: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        parquet = is_parquet(table_loc)
        table = read_label_table(read_bytes(table_loc), table_loc.display_name, parquet)
        self._chips = open_chips(chips_loc)
        rows = sorted((row for row, name in enumerate(table.names) if name in self._chips), key=table.names.__getitem__)
        self.names = [table.names[row] for row in rows]
        self.missing = sorted(name for name in table.names if name not in self._chips)
        if not rows:
            raise CollectionError(f"None of the table's chips is in '{self._chips.name}'.")
        self.labels = table.labels
        self.version = dataset_version(self._chips, table.digest())
        self._targets = table.targets[rows]
        self._size, self._transform = size, transform

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """The pixels and the labels of a chip.

        Raises:
            IndexError: there are fewer.
            ImageError: the chip cannot be decoded.
            SpacerError: errors of the storage.
        """
        name = self.names[index]
        square = np.empty((self._size, self._size, 3), np.uint8)
        square_into(square, self._chips.read(name), name, shrink_on_load=True)
        pixels = torch.from_numpy(square).permute(2, 0, 1).float() / _PIXEL_SCALE
        if self._transform is not None:
            pixels = self._transform(pixels)
        return pixels, torch.from_numpy(self._targets[index].astype(np.float32))
