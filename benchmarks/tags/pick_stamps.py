"""Pick the photographs among the stamps of Tux Paint, and copy them into folders of tags.

usage: python -m benchmarks.tags.pick_stamps FOLDER STAMPS

STAMPS is what Debian's package tuxpaint-stamps-default (GPL-2) installs, /usr/share/tuxpaint/stamps. Of its PNG files
photographs are those that lie in no folder ``cartoon`` and whose visible pixels have at least 1,000 different colours,
and at least a fifth as many colours as there are such pixels. The tag is the first two folders, such as
``animals-birds``; tags with fewer than six photographs are left out. What is transparent becomes white.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

DRAWN = "cartoon"
COLOURS = 1000
SHARE = 0.2
LEAST = 6
OPAQUE = 128


def is_photograph(image: Image.Image) -> bool:
    """Whether an image has as many colours as photographs have."""
    pixels = np.asarray(image.convert("RGBA"))
    visible = pixels[pixels[..., 3] >= OPAQUE].astype(np.uint32)
    colours = len(np.unique((visible[:, 0] << 16) | (visible[:, 1] << 8) | visible[:, 2]))
    return colours >= COLOURS and colours >= SHARE * len(visible)


def on_white(image: Image.Image) -> Image.Image:
    """The image, RGB, with white where it is transparent."""
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")


def photographs(stamps: Path) -> dict[str, list[Path]]:
    """The files of the photographs, by their tags, all sorted."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(stamps.rglob("*.png")):
        folders = path.relative_to(stamps).parts[:-1]
        if folders and DRAWN not in folders:
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
