"""Folders of images of galaxies with their catalog, as the tasks of the family get them."""

from io import BytesIO

import numpy as np
from PIL import Image

from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes

HEADING = "pgc|inc|inc_flg|fon|inc_note"


def catalog(*rows):
    """(id, inclination, flag, face-on, note) of each galaxy, padded with blanks as the original's cells are."""
    cells = [HEADING.split("|"), *([str(cell) for cell in row] for row in rows)]
    return "".join("|".join(f" {cell:<9} " for cell in row) + "\n" for row in cells).encode()


def encoded(pixels, kind="PNG", mode=None):
    sink = BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(sink, kind)
    return sink.getvalue()


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def at(*names):
    return DataLocation("memory", "/".join(names))


def stored(folder, files):
    """The folder with files, {name: bytes}."""
    for name, data in files.items():
        write_bytes(folder.below(name), data)
    return folder
