"""From tiles and a map to a model and to places that look alike: every step on real map data of Helsinki.

The tiles are painted with the map's elements, so that there is something to learn; what is learnt on three cells of
zoom 12 is judged on the fourth.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spacer_like import config
from spacer_like.chips.chip_name import ChipName
from spacer_like.chips.messages import (
    BuildIndexMsg,
    BuildLabelTableMsg,
    BuildLabelTableReturnMsg,
    ChipsFolderMsg,
    ChipsFolderReturnMsg,
    EncodeChipsMsg,
    EncodeChipsReturnMsg,
    FetchLabelsMsg,
    FindSimilarMsg,
    FindSimilarReturnMsg,
    IndexNodataMsg,
    IndexNodataReturnMsg,
    LocateChipMsg,
    TrainMultilabelMsg,
    TrainMultilabelReturnMsg,
)
from spacer_like.data_classes import DataLocation
from spacer_like.examples import MAP, map_tiles

pytestmark = [
    # Of rasterio with the newest affine.
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
]

ZOOM = 19
"""A chip is 39 metres wide: about as large as a house, so that not every one shows everything."""
CHIP = 128
CELLS = 4


@dataclass(frozen=True)
class Journey:
    """The steps, each taken once, when a test first asks for what comes of it."""

    root: Path

    def at(self, *parts: str) -> DataLocation:
        return DataLocation("filesystem", str(self.root.joinpath(*parts)))

    @cached_property
    def map(self) -> map_tiles.MovedMap:
        moved = map_tiles.MovedMap(MAP, self.root / "moved.osm.pbf")
        moved.write_tiles(self.root / "ard")
        return moved

    @cached_property
    def cut(self) -> ChipsFolderReturnMsg:
        from spacer_like.chips.tasks.tiles import chips_folder

        assert self.map.cells
        return chips_folder(ChipsFolderMsg(ard_loc=self.at("ard"), chips_loc=self.at("chips"), zoom=ZOOM))

    @cached_property
    def sorted_by_data(self) -> IndexNodataReturnMsg:
        from spacer_like.chips.tasks.chips import index_nodata

        assert self.cut.n_tiles == CELLS
        return index_nodata(
            IndexNodataMsg(chips_loc=self.at("chips", "35", "manifests"), index_loc=self.at("nodata-index.json"))
        )

    @cached_property
    def index(self) -> dict[str, list[str]]:
        assert self.sorted_by_data.exact
        return json.loads((self.root / "nodata-index.json").read_text())

    @cached_property
    def table(self) -> BuildLabelTableReturnMsg:
        from spacer_like.chips.tasks.label_tables import build_label_table
        from spacer_like.chips.tasks.labels import fetch_labels

        assert self.index
        (self.root / "labels.json").write_text(json.dumps(map_tiles.labels()))
        fetch_labels(
            FetchLabelsMsg(
                zone=map_tiles.ZONE,
                quadkeys=[cell.quadkey for cell in self.map.cells],
                ard_loc=self.at("ard"),
                extract_loc=self.at("moved.osm.pbf"),
            )
        )
        return build_label_table(
            BuildLabelTableMsg(
                index_loc=self.at("nodata-index.json"),
                ard_loc=self.at("ard"),
                labels_loc=self.at("labels.json"),
                sparse_locs=[self.at("sparse.parquet")],
            )
        )

    @cached_property
    def labels_of(self) -> dict[str, frozenset[str]]:
        """The labels of each chip, as the table says."""
        import pyarrow.parquet

        assert self.table.n_chips
        table = pyarrow.parquet.read_table(self.root / "sparse.parquet").to_pydict()
        names = table.pop("Feature")
        return {
            name: frozenset(label for label, given in table.items() if given[row]) for row, name in enumerate(names)
        }

    @cached_property
    def trained(self) -> TrainMultilabelReturnMsg:
        from spacer_like.chips.tasks.models import train_multilabel

        assert self.table.n_chips
        return train_multilabel(
            TrainMultilabelMsg(
                table_loc=self.at("sparse.parquet"),
                chips_loc=self.at("chips", "35"),
                model_loc=self.at("model.safetensors"),
                network="small",
                size=64,
                layers=[64],
                dropouts=[0.0],
                nbr_epochs=8,
                batch_size=16,
                learning_rate=1e-2,
                validation_share=0.25,
                seed=1,
            )
        )

    @cached_property
    def encoded(self) -> EncodeChipsReturnMsg:
        from spacer_like.chips.tasks.search import build_index, encode_chips

        assert self.trained.epochs
        encoded = encode_chips(
            EncodeChipsMsg(
                chips_loc=self.at("chips", "35"),
                embeddings_loc=self.at("embeddings.safetensors"),
                model_loc=self.at("model.safetensors"),
            )
        )
        build_index(
            BuildIndexMsg(embeddings_locs=[self.at("embeddings.safetensors")], index_loc=self.at("index.safetensors"))
        )
        return encoded

    def similar_to(self, chip: str, k: int = 10) -> FindSimilarReturnMsg:
        from spacer_like.chips.tasks.search import find_similar

        assert self.encoded.n_chips
        return find_similar(
            FindSimilarMsg(index_loc=self.at("index.safetensors"), chip=chip, k=k, ard_loc=self.at("ard"))
        )


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    # Threads that wait for each other take many times as long where other programs use the cores.
    with config.override(torch_threads=1):
        yield Journey(tmp_path_factory.mktemp("helsinki"))


def test_every_chip_of_the_four_cells_is_either_full_or_partly_so_or_empty(journey):
    assert journey.cut.n_tiles == CELLS
    assert not journey.cut.failed
    counts = journey.sorted_by_data
    assert counts.n_all_data + counts.n_partial_data + counts.n_no_data == CELLS * 4 ** (ZOOM - 12)
    assert counts.n_all_data + counts.n_partial_data == journey.cut.n_chips


def test_chips_are_full_of_data_just_where_the_map_covers_them(journey):
    import shapely

    outline = shapely.Polygon(journey.map.outline)
    boxes = [shapely.box(*ChipName.parse(name).cell.bounds) for name in journey.index["all_data"]]
    # A pixel is data where its middle is.
    grown = outline.buffer(map_tiles.PIXEL)
    assert len(boxes) > 1000
    assert all(grown.contains(box) for box in boxes)
    shrunk = outline.buffer(-map_tiles.PIXEL)
    others = [
        *journey.index["partial_data"],
        *journey.index["no_data"][::50],
    ]
    assert not any(shrunk.contains(shapely.box(*ChipName.parse(name).cell.bounds)) for name in others)


def test_a_chip_shows_what_its_window_of_the_tile_shows(journey):
    import rasterio
    from rasterio.windows import Window

    from spacer_like.chips.tasks.chips import locate_chip

    for name in journey.index["all_data"][::200]:
        place = locate_chip(LocateChipMsg(chip=name, ard_loc=journey.at("ard")))
        with rasterio.open(place.tile.removeprefix("file://")) as raster:
            window = Window(place.column, place.row, place.width, place.height)
            expected = raster.read(window=window).transpose(1, 2, 0).astype(int)
        with Image.open(journey.root / "chips" / "35" / name) as image:
            shown = np.asarray(image, int)
        assert shown.shape == expected.shape == (CHIP, CHIP, 3)
        # It was encoded once more.
        assert abs(shown - expected).mean() < 6


def test_chips_that_stay_in_their_tile_are_read_as_they_are_written(journey):
    from spacer_like.chips.chip_source import open_chips
    from spacer_like.chips.tasks.tiles import chips_folder

    assert journey.map.cells
    written = ChipsFolderMsg(ard_loc=journey.at("ard"), chips_loc=journey.at("written"), way="passthrough")
    for msg in (written, written.model_copy(update={"chips_loc": journey.at("unwritten"), "write_chips": False})):
        assert not chips_folder(msg).failed
    with open_chips(journey.at("unwritten", "35", "manifests")) as chips:
        assert len(chips.names) > 60
        for name in chips.names[::10]:
            in_file, in_tile = (journey.root / "written" / "35" / name).read_bytes(), chips.read(name)
            pixels = [np.asarray(Image.open(io.BytesIO(data))) for data in (in_file, in_tile)]
            assert np.array_equal(*pixels)
    assert not list((journey.root / "unwritten").rglob("*.jpg"))


def test_the_table_says_which_elements_a_chip_shows(journey):
    """Held against geometries that another reader made of the extract; ways that it cuts off are left out by both."""
    import shapely

    names = list(journey.labels_of)
    assert sorted(names) == sorted(journey.index["all_data"])
    tree = shapely.STRtree([shapely.box(*ChipName.parse(name).cell.bounds) for name in names])
    expected = {label: set() for label in map_tiles.GROUNDS}
    for label, elements in journey.map.elements.items():
        for element in elements:
            expected[label].update(names[row] for row in tree.query(element, "intersects"))
    for label, shown in expected.items():
        found = {name for name, labels in journey.labels_of.items() if label in labels}
        assert journey.table.counts[label] == len(found)
        assert found == shown, label


def test_the_model_knows_much_more_than_what_is_most_frequent(journey):
    trained = journey.trained
    assert trained.n_train_cells + trained.n_validation_cells == CELLS
    assert trained.n_train + trained.n_validation == len(journey.index["all_data"])
    assert not trained.missing
    assert trained.figures.sample_f1 > trained.majority_sample_f1 + 0.15
    # Most chips show neither.
    assert trained.figures.f1["rail"] > 0.5
    assert trained.figures.f1["green"] > 0.75


def test_places_that_look_alike_bear_the_same_labels(journey):
    labels_of = journey.labels_of
    random = np.random.default_rng(1)
    names = sorted(labels_of)
    alike, by_chance = [], []
    for name in random.choice([name for name in names if labels_of[name]], 20, replace=False):
        found = [similar.chip for similar in journey.similar_to(str(name)).similar]
        assert name not in found
        alike += [_agreement(labels_of[name], labels_of[other]) for other in found if other in labels_of]
        by_chance += [_agreement(labels_of[name], labels_of[str(other)]) for other in random.choice(names, 10)]
    assert np.mean(alike) > np.mean(by_chance) + 0.25


def test_a_railway_finds_railways_and_tells_where_they_are(journey):
    labels_of = journey.labels_of
    share = np.mean(["rail" in labels for labels in labels_of.values()])
    query = next(name for name in sorted(labels_of) if labels_of[name] == {"rail"})
    answer = journey.similar_to(query)
    found = [similar for similar in answer.similar if similar.chip in labels_of]
    assert np.mean(["rail" in labels_of[similar.chip] for similar in found]) >= max(0.8, 2 * share)
    assert [similar.distance for similar in answer.similar] == sorted(similar.distance for similar in answer.similar)
    for similar in answer.similar:
        assert Path(similar.tile.removeprefix("file://")).exists()
        assert similar.longitude == pytest.approx(24.93, abs=0.05)
        assert similar.latitude == pytest.approx(60.15, abs=0.05)


def _agreement(some: frozenset[str], others: frozenset[str]) -> float:
    """The share of the labels of either that both have."""
    return len(some & others) / max(1, len(some | others))
