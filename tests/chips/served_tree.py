"""A small tree of tiles in plain colours, so that a map's pixels say which tile they are from."""

from functools import partial
from pathlib import Path

import numpy as np

from spacer_like.chips.grid import Cell

from .tile_making import PIXEL, make_tile

RED, GREEN, BLUE, YELLOW, MAGENTA, GREY = (
    (200, 40, 40), (40, 180, 60), (40, 60, 200), (210, 200, 30), (200, 40, 200), (128, 128, 128),
)  # fmt: skip
WEST_CELL = Cell(33, "120000213310")
EAST_CELL = Cell(33, "120000213311")
"""East of WEST_CELL; both in the northern half of their parent, in whose southern half there is nothing."""
SOUTHERN_CELL = Cell(33, "302200012122")
SHARP_CELL = Cell(33, "120000302200")
"""East of EAST_CELL."""
OLD, NEW = "1050410012C31100", "b7a4b0f6-8e4c-4a7e-9d0a-2f1c3e5a7b90-inv"
# 16 pixels of apron, and 512 of cell.
COARSE = 32 * PIXEL
COARSE_WIDTH = 544


def tile_file(root: Path, cell: Cell, date: str = "2015-05-28", acquisition: str = OLD) -> Path:
    return root / f"{cell.zone:02d}/{cell.quadkey}/{date}/{acquisition}-visual.tif"


def coarse_tile(root: Path, cell: Cell, colour, date: str = "2015-05-28", acquisition: str = OLD, **options) -> Path:
    """A tile of a whole cell and its apron, of one colour or of an array of colours."""
    pixels = np.broadcast_to(np.array(colour, np.uint8), (COARSE_WIDTH, COARSE_WIDTH, 3))
    make = partial(make_tile, column=-16, row=-16, width=COARSE_WIDTH, height=COARSE_WIDTH, pixel=COARSE)
    path = tile_file(root, cell, date, acquisition)
    return make(path, cell.quadkey, zone=cell.zone, pixels=pixels, **{"QUALITY": 95} | options)


def quarters() -> np.ndarray:
    """Magenta in the north-west, yellow elsewhere."""
    pixels = np.broadcast_to(np.array(YELLOW, np.uint8), (COARSE_WIDTH, COARSE_WIDTH, 3)).copy()
    pixels[: COARSE_WIDTH // 2, : COARSE_WIDTH // 2] = MAGENTA
    return pixels


def western_half() -> np.ndarray:
    mask = np.zeros((COARSE_WIDTH, COARSE_WIDTH), bool)
    mask[:, : COARSE_WIDTH // 2] = True
    return mask


def sharp_mask() -> np.ndarray:
    """Of SHARP_CELL's newer tile: of its chips the first is full, the second has a hole, the others have nothing."""
    mask = np.zeros((1536, 1536), bool)
    mask[512:1024, 512:1536] = True
    mask[600:700, 1100:1200] = False
    return mask


def make_tree(root: Path) -> Path:
    coarse_tile(root, WEST_CELL, RED)
    coarse_tile(root, EAST_CELL, GREEN)
    coarse_tile(root, EAST_CELL, BLUE, "2019-01-02", NEW, mask=western_half())
    coarse_tile(root, SOUTHERN_CELL, quarters())
    make_tile(tile_file(root, SHARP_CELL), SHARP_CELL.quadkey, width=1536, height=1536, seed=1)
    make_tile(
        tile_file(root, SHARP_CELL, "2019-01-02", NEW),
        SHARP_CELL.quadkey,
        width=1536,
        height=1536,
        seed=2,
        mask=sharp_mask(),
    )
    return root
