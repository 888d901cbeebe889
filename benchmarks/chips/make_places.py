"""Cut the tiles that are drawn from the map of Helsinki into chips of 19.5 m, with labels by the map and vectors.

usage: python -m benchmarks.chips.make_places FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from spacer_like.chips.messages import (
    BuildLabelTableMsg,
    ChipsFolderMsg,
    EncodeChipsMsg,
    FetchLabelsMsg,
    IndexNodataMsg,
)
from spacer_like.chips.tasks.chips import index_nodata
from spacer_like.chips.tasks.label_tables import build_label_table
from spacer_like.chips.tasks.labels import fetch_labels
from spacer_like.chips.tasks.search import encode_chips
from spacer_like.chips.tasks.tiles import chips_folder
from spacer_like.data_classes import DataLocation
from spacer_like.examples import write_examples
from spacer_like.examples.map_tiles import ZONE
from spacer_like.extractors import EfficientNetLite0Extractor

ZOOM = 20


def main(folder: Path) -> None:
    def at(*names: str) -> DataLocation:
        return DataLocation("filesystem", str(folder.joinpath(*names)))

    write_examples(folder)
    chips_folder(ChipsFolderMsg(ard_loc=at("ard"), chips_loc=at("chips"), zoom=ZOOM, wanted="all_data"))
    quadkeys = sorted(path.name for path in (folder / "ard" / f"{ZONE}").iterdir())
    fetch_labels(FetchLabelsMsg(zone=ZONE, quadkeys=quadkeys, ard_loc=at("ard"), extract_loc=at("helsinki.osm.pbf")))
    index_nodata(IndexNodataMsg(chips_loc=at("chips"), index_loc=at("nodata.json")))
    build_label_table(
        BuildLabelTableMsg(
            index_loc=at("nodata.json"),
            ard_loc=at("ard"),
            labels_loc=at("labels.json"),
            sparse_locs=[at("labels.parquet")],
        )
    )
    answer = encode_chips(
        EncodeChipsMsg(
            chips_loc=at("chips"), embeddings_loc=at("embeddings.safetensors"), extractor=EfficientNetLite0Extractor()
        )
    )
    print(json.dumps({"chips": answer.n_chips}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
