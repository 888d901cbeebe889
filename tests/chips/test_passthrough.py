"""Blocks that become chips as they are: only JPEG of the size and bands that the tile says."""

import numpy as np
import pytest
import simplejpeg

from spacer_like.chips.cutting.passthrough import check_block, chip_start, jpeg_of_block
from spacer_like.exceptions import TileError


def block(height=64, width=64, grey=False) -> bytes:
    pixels = np.full((height, width, 1 if grey else 3), 90, np.uint8)
    return simplejpeg.encode_jpeg(pixels, 75, "GRAY" if grey else "RGB", "Gray" if grey else "420")


@pytest.mark.parametrize(("found", "bands"), [(block(), 3), (block(grey=True), 1)])
def test_a_block_as_announced_is_taken(found, bands):
    check_block(found, 64, 64, bands, "tile.tif")
    chip = jpeg_of_block(chip_start(b"", bands=bands), found)
    decoded = simplejpeg.decode_jpeg(chip, "GRAY" if bands == 1 else "RGB")
    assert (decoded == simplejpeg.decode_jpeg(found, "GRAY" if bands == 1 else "RGB")).all()


@pytest.mark.parametrize(
    "found",
    [block(height=32), block(width=128), block(grey=True), block()[:-2], block()[2:], b"", b"\xff\xd8\xff\xd9"],
    ids=["lower", "wider", "grey", "without its end", "without its start", "empty", "without a picture"],
)
def test_another_block_is_refused(found):
    with pytest.raises(TileError, match=r"^The raster 'tile\.tif' is damaged: one of its blocks is no "):
        check_block(found, 64, 64, 3, "tile.tif")
