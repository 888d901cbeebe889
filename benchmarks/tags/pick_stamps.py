"""Pick the photographs among the stamps of Tux Paint, and copy them into folders of tags.

usage: python -m benchmarks.tags.pick_stamps FOLDER STAMPS

STAMPS is what Debian's package tuxpaint-stamps-default (GPL-2) installs, /usr/share/tuxpaint/stamps. Of its PNG files
photographs are those that lie in no folder ``cartoon`` or ``symbols``, and whose shorter side has 64 pixels at least.
The tag is the first two folders, such as ``animals-birds``; files in one folder alone, and tags with fewer photographs
than there are folds, are left out. A stamp is cut out close around what it shows: it is laid on a white square, whose
middle, which networks look at, has all of it.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from pathlib import Path

from PIL import Image

DRAWN = {"cartoon", "symbols"}
SHORTEST = 64
LEAST = 4
MARGIN = 8 / 7
"""What a network's square is cut out of, is so much wider."""


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
        if len(folders) > 1 and not DRAWN.intersection(folders):
            with Image.open(path) as image:
                if min(image.size) >= SHORTEST:
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
