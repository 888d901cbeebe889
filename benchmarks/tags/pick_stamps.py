"""Pick the photographs among the stamps of Tux Paint, and copy them into folders of tags.

usage: python -m benchmarks.tags.pick_stamps FOLDER STAMPS

STAMPS is what Debian's package tuxpaint-stamps-default (GPL-2) installs, /usr/share/tuxpaint/stamps. Of its PNG files
photographs are those that lie in no folder ``cartoon`` or ``symbols``, whose shorter side has 64 pixels at least, and
whose visible pixels have more than 256 different colours. The tag is the first two folders, such as
``animals-birds``; tags with fewer than six photographs are left out. A stamp is cut out close around what it shows: it
is laid on a white square, whose middle, which networks look at, has all of it.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

DRAWN = {"cartoon", "symbols"}
SHORTEST = 64
COLOURS = 256
LEAST = 6
MARGIN = 8 / 7
"""What a network's square is cut out of, is so much wider."""
OPAQUE = 128


def is_photograph(image: Image.Image) -> bool:
    """Whether an image is as large, and has as many colours, as photographs."""
    if min(image.size) < SHORTEST:
        return False
    pixels = np.asarray(image.convert("RGBA"))
    visible = pixels[pixels[..., 3] >= OPAQUE].astype(np.uint32)
    return len(np.unique((visible[:, 0] << 16) | (visible[:, 1] << 8) | visible[:, 2])) > COLOURS


def on_white(image: Image.Image) -> Image.Image:
    """The image in the middle of a white square, RGB."""
    over = image.convert("RGBA")
    side = math.ceil(MARGIN * max(over.size))
    found = Image.new("RGB", (side, side), "white")
    found.paste(over, ((side - over.width) // 2, (side - over.height) // 2), over)
    return found


def photographs(stamps: Path) -> dict[str, list[Path]]:
    """The files of the photographs, by their tags, all sorted."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(stamps.rglob("*.png")):
        folders = path.relative_to(stamps).parts[:-1]
        if folders and not DRAWN.intersection(folders):
            with Image.open(path) as image:
                if is_photograph(image):
                    found["-".join(folders[:2])].append(path)
    return {tag: paths for tag, paths in sorted(found.items()) if len(paths) >= LEAST}


def main(folder: Path, stamps: Path) -> None:
    found = photographs(stamps)
    for tag, paths in found.items():
        (folder / tag).mkdir()
        for number, path in enumerate(paths):
            with Image.open(path) as image:
                on_white(image).save(folder / tag / f"{number:02}-{path.name}")
    print(json.dumps({"tags": len(found), "images": sum(map(len, found.values()))}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
