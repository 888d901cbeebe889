"""Where the material lies in the work folder; what makes it and what reads it agree here.

Its folder is named after the programs that make it: when they change, there is other material.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

ZONE = 33
CELL = "031111212322"
ACQUISITION = "1050410012C31100"
DATE = "2015-05-28"
APRON = 512
FULL = 16384 + 2 * APRON
"""Width and height in pixels of a tile that covers its cell, and the apron around it."""
TILES = ("masked", "unmasked", "deflate", "pan")
SCENE = 10_980
"""Width and height in pixels of a scene of Sentinel-2 at 10 m."""
FEW_SCENE = 1536
FAR_SCENE = 4096
"""Of the scene that is far away: enough for what its peer takes for a chip."""
SCENES = (512, 1024)
"""Width and height of the blocks of each scene."""
N_VECTORS = 100_000
DIMENSION = 128
N_QUERIES = 1000
CHIPS_TO_ENCODE = 512
CLICKS = 5
COUNTED = 250
"""Best places of a ranking, among which those with the label are counted."""
MAKERS = ("make_tiles", "make_scene", "make_vectors", "make_map", "make_places", "folders")


@dataclass(frozen=True)
class Folders:
    """Paths of the material and of what programs write, under one work folder.

    `side` is the width and height of the tiles, `vectors` how many an index has: smaller ones only try the programs
    out.
    """

    root: Path
    side: int = FULL
    vectors: int = N_VECTORS

    @cached_property
    def work(self) -> Path:
        sources = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in MAKERS]
        sizes = f"{self.side}-{self.vectors}".encode()
        return self.root / f"chips-{sha256(b''.join([*sources, sizes])).hexdigest()[:8]}"

    @property
    def tiles(self) -> Path:
        """A folder for each of `TILES`, with a tree of one tile in it, and ``few``, with a small one."""
        return self.work / "tiles"

    def tile(self, kind: str) -> Path:
        """A tile of the bench; `kind` is one of `TILES`."""
        return tile_path(self.tiles / kind, kind)

    def few(self, kind: str) -> Path:
        """A small tile of the same kind, to warm a process up with."""
        return tile_path(self.tiles / "few" / kind, kind)

    @property
    def scene_side(self) -> int:
        return round(SCENE * self.side / FULL)

    @property
    def scenes(self) -> Path:
        """A folder with a scene for each of `SCENES`, and ``few``, with a small one of each."""
        return self.work / "scenes"

    def scene(self, block: int) -> tuple[Path, Path]:
        """A scene of the bench, and a small one to warm a process up with."""
        return self.scenes / f"scene-{block}.tif", self.scenes / "few" / f"scene-{block}.tif"

    @property
    def far_scene(self) -> tuple[Path, Path]:
        """The scene that is put into a bucket, and a small one."""
        return self.scenes / "far.tif", self.scene(512)[1]

    @property
    def vectors_file(self) -> Path:
        """float16 [n, 128], .npy; `queries_file` has the places of those that are looked for."""
        return self.work / "vectors" / "vectors.npy"

    @property
    def queries_file(self) -> Path:
        return self.work / "vectors" / "queries.npy"

    def map(self, source: Path | None) -> Path:
        """A tree with the map of one cell of zoom 12, and what else a label table is made of."""
        return self.work / ("map" if source is None else f"map-{source.name.partition('.')[0]}")

    @property
    def places(self) -> Path:
        """Chips of the drawn tiles of Helsinki, with their vectors, and labels by the map."""
        return self.work / "places"

    def output(self, side: str) -> Path:
        """Where a side's program writes its results."""
        return self.work / "output" / side


def tile_path(tree: Path, kind: str) -> Path:
    """Where the tile of a kind is in its tree."""
    return tree / f"{ZONE:02d}" / CELL / DATE / f"{ACQUISITION}-{'pan' if kind == 'pan' else 'visual'}.tif"
