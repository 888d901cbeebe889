"""The numbers of the colours of images, kept in the order in which counting them takes least time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from typing_extensions import Self

from spacer_like.memory import ReusedMemory, thread_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_IMAGES = 1024
"""How many are counted together at most: fewer than a count of 16 bits can say."""
IMAGES, POSITIONS = 16, 16
"""How many images make a block, and how many positions a group."""
GROUP_LENGTH = IMAGES * POSITIONS
_MOST_BYTES = 160 * 2**20
_BYTES = 2
# Where blocks are powers of two apart, their groups evict each other from the processor's cache.
_PADDING = 160


@dataclass(frozen=True)
class ImageColours:
    """A buffer for the colours of images: block after block of images, in each group after group of positions, in each
    image after image. What is counted at one time lies together, half a kilobyte of each block.

    Attributes:
        positions: of an image.
        values: uint16 [blocks * block_length].
    """

    positions: int
    values: NDArray[np.uint16]

    @classmethod
    def empty(cls, positions: int) -> Self:
        """A buffer for `MOST_IMAGES` images, or as many blocks of them, one at least, as fit into 160 MiB.

        Memory is taken as it is filled; a thread that keeps its memory uses it again (`spacer_like.memory`).
        """
        length = block_length(positions)
        blocks = min(MOST_IMAGES // IMAGES, max(1, _MOST_BYTES // (_BYTES * length)))
        memory = (thread_memory() or ReusedMemory(1)).take(_BYTES * blocks * length)
        return cls(positions, np.frombuffer(memory, np.uint16, blocks * length))

    @property
    def block_length(self) -> int:
        return block_length(self.positions)

    @property
    def room(self) -> int:
        """How many images there is room for."""
        return len(self.values) // self.block_length * IMAGES

    @property
    def blocks(self) -> NDArray[np.uint16]:
        """The colours, [blocks, groups, `IMAGES`, `POSITIONS`]; the last group may have positions that no image has."""
        groups = n_groups(self.positions)
        rows = self.values.reshape(-1, self.block_length)[:, : groups * GROUP_LENGTH]
        return rows.reshape(-1, groups, IMAGES, POSITIONS)


def n_groups(positions: int) -> int:
    """How many groups so many positions are."""
    return -(-positions // POSITIONS)


def block_length(positions: int) -> int:
    """How many numbers a block takes."""
    return n_groups(positions) * GROUP_LENGTH + _PADDING
