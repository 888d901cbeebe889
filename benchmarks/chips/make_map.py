"""Put the map of one cell of zoom 12 into a tree of tiles, with labels and an index of all the chips of the cell.

The map is an Overpass answer ``overpass_Z<zone>-<quadkey>.json.gz``, or what an extract of OpenStreetMap has of a cell.

usage: python -m benchmarks.chips.make_map FOLDER ANSWER_OR_EXTRACT [ZONE QUADKEY]
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

from benchmarks.chips.folders import ACQUISITION
from spacer_like.chips.grid import Cell

KEYS = ("amenity", "building", "highway", "landuse", "leisure", "natural", "railway", "waterway")
"""Each is a label, whatever its value: most of what a map shows has one of them."""
CHIP_ZOOM = 17


def from_answer(tree: Path, answer: Path) -> Cell:
    """Write what `fetch_labels` writes of a server's answer."""
    from spacer_like.chips.labels.map_elements import DATA_NAME, MapElements

    name = re.match(r"overpass_(Z\d\d-[0-3]{12})\.", answer.name)
    if name is None:
        raise SystemExit(f"{answer.name} does not tell its cell: overpass_Z<zone>-<quadkey>.json.gz does.")
    cell = Cell.parse(name[1])
    elements = json.loads(gzip.decompress(answer.read_bytes()))["elements"]
    folder = tree / f"{cell.zone:02d}" / cell.quadkey
    folder.mkdir(parents=True)
    (folder / DATA_NAME).write_bytes(MapElements.of(cell.quadkey, elements, answer.name).to_json())
    return cell


def from_extract(tree: Path, extract: Path, cell: Cell) -> None:
    from spacer_like.chips.messages import FetchLabelsMsg
    from spacer_like.chips.tasks.labels import fetch_labels
    from spacer_like.data_classes import DataLocation

    fetch_labels(
        FetchLabelsMsg(
            zone=cell.zone,
            quadkeys=[cell.quadkey],
            ard_loc=DataLocation("filesystem", str(tree)),
            extract_loc=DataLocation("filesystem", str(extract)),
        )
    )


def main(folder: Path, source: Path, zone: str | None = None, quadkey: str = "") -> None:
    if zone is None:
        cell = from_answer(folder / "ard", source)
    else:
        cell = Cell(int(zone), quadkey)
        from_extract(folder / "ard", source, cell)
    names = [f"{chip.name}_{ACQUISITION}.jpg" for chip in cell.children(CHIP_ZOOM)]
    index = {"all_data": sorted(names), "partial_data": [], "no_data": []}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "labels.json").write_text(json.dumps({key: {key: ["*"]} for key in KEYS}))
    print(json.dumps({"chips": len(names)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
