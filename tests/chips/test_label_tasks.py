"""build_label_table and plot_labels: from maps in a tree to tables and pictures."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from spacer_like.chips.grid import Cell
from spacer_like.chips.labels.map_elements import MapElements
from spacer_like.chips.messages import BuildLabelTableMsg, PlotLabelsMsg
from spacer_like.chips.nodata import NodataIndex
from spacer_like.chips.tasks.label_tables import build_label_table, plot_labels
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import (
    CollectionError,
    DataNotFoundError,
    MapDataError,
    MissingExtraError,
    SpacerInputError,
    TableError,
    TileError,
)
from spacer_like.storage import clear_memory_storage, exists, list_keys, read_bytes, write_bytes
from spacer_like.tables.label_table import read_label_table

from .map_making import MapMaker, square

CELL = Cell(33, "031111212322")
EAST = Cell.at(33, 12, CELL.column + 1, CELL.row)
FIRST, SECOND = "1050410012C31100", "f7d2c4e0-1111-2222-3333-444455556666-inv"
RULES = {"house": {"building": ["house"]}, "road": {"highway": ["*"]}, "water": {"natural": ["water"]}}
HELSINKI = Path(__file__).parents[1] / "data" / "chips" / "helsinki_overpass.json.gz"


@pytest.fixture(autouse=True)
def _empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()


@pytest.fixture
def maker():
    return MapMaker(CELL)


def at(key):
    return DataLocation("memory", key)


def put_map(cell, *elements):
    made = MapElements.of(cell.quadkey, elements, "the test")
    write_bytes(at(f"ard/{cell.zone:02d}/{cell.quadkey}/osm_data.json"), made.to_json())


def put_index(all_data, partial_data=(), no_data=()):
    index = NodataIndex(*(sorted(names) for names in (all_data, partial_data, no_data)))
    write_bytes(at("index.json"), index.to_json())


def name(cell, acquisition=FIRST):
    return f"{cell.name}_{acquisition}.jpg"


def message(**fields):
    write_bytes(at("labels.json"), json.dumps(fields.pop("rules", RULES)).encode())
    given = {
        "index_loc": at("index.json"),
        "ard_loc": at("ard"),
        "labels_loc": at("labels.json"),
        "sparse_locs": [at("sparse.parquet")],
    }
    return BuildLabelTableMsg(**given | fields)


def labels_of(key="sparse.parquet"):
    """{chip: its labels}, of the chips that have a row."""
    table = read_label_table(read_bytes(at(key)), key, key.endswith(".parquet"))
    return {
        chip: {label for label, targets in zip(table.labels, row, strict=True) if targets}
        for chip, row in zip(table.names, table.targets, strict=True)
    }


def rows_of(key):
    return list(csv.DictReader(io.StringIO(read_bytes(at(key)).decode())))


# The cells of zoom 14 of a tile: four in a row, 1250 m wide, the first of the last row is the south-western one.
SOUTH_WEST, NEXT = CELL.children(14)[12], CELL.children(14)[13]


def test_chips_bear_the_labels_of_what_they_show(maker):
    put_map(
        CELL,
        maker.square(100, 100, 20, building="house"),
        maker.way([(700, 700), (2000, 700)], highway="path"),
        maker.node((1300, 30), natural="water"),
        maker.square(200, 200, 20, building="houseboat"),
        maker.node((10, 10), name="nothing"),
    )
    put_index([name(cell) for cell in CELL.children(14)])
    answer = build_label_table(message(sparse_locs=[at("sparse.csv"), at("sparse.parquet")], dense_locs=[at("d.csv")]))
    expected = {name(cell): set() for cell in CELL.children(14)}
    expected |= {name(SOUTH_WEST): {"house", "road"}, name(NEXT): {"road", "water"}}
    assert labels_of() == labels_of("sparse.csv") == expected
    assert {row["Feature"]: set(filter(None, row["Labels"].split("|"))) for row in rows_of("d.csv")} == expected
    assert answer.counts == {"house": 1, "road": 2, "water": 1}
    assert (answer.n_chips, answer.n_without_label, answer.n_elements) == (16, 14, 3)
    assert (answer.n_without_geometry, answer.cells_without_map) == (0, [])


def test_rows_are_in_the_order_of_names_and_columns_in_that_of_labels(maker):
    put_map(CELL, maker.node((1, 1), natural="water"))
    put_index([name(cell, one) for cell in CELL.children(13) for one in (SECOND, FIRST)])
    build_label_table(message())
    table = read_label_table(read_bytes(at("sparse.parquet")), "t", True)
    assert table.names == sorted(table.names)
    assert table.labels == ("house", "road", "water")


def test_chips_of_several_acquisitions_of_one_place_bear_the_same(maker):
    put_map(CELL, maker.square(100, 100, 20, building="house"))
    put_index([name(SOUTH_WEST, FIRST), name(SOUTH_WEST, SECOND), name(NEXT, SECOND)])
    answer = build_label_table(message(records_locs=[at("records.csv")]))
    assert labels_of() == {
        name(SOUTH_WEST, FIRST): {"house"},
        name(SOUTH_WEST, SECOND): {"house"},
        name(NEXT, SECOND): set(),
    }
    assert answer.counts["house"] == 2
    assert len(rows_of("records.csv")) == 1


def test_only_chips_full_of_data_are_in_the_table_unless_others_are_asked_for(maker):
    put_map(CELL, maker.square(0, 0, 3000, natural="water"))
    whole, part, none = CELL.children(14)[8:11]
    put_index([name(whole)], [name(part)], [name(none)])
    build_label_table(message())
    assert set(labels_of()) == {name(whole)}
    build_label_table(message(partial_data=True))
    assert labels_of() == {name(whole): {"water"}, name(part): {"water"}}


def test_chips_of_several_zooms_stand_beside_each_other(maker):
    put_map(CELL, maker.square(100, 100, 20, building="house"))
    small, smaller = CELL.children(16)[-16:][0], CELL.children(17)[-32]
    put_index([name(SOUTH_WEST), name(small), name(smaller), name(CELL.children(17)[0])])
    build_label_table(message())
    assert labels_of() == {
        name(SOUTH_WEST): {"house"},
        name(small): {"house"},
        name(smaller): {"house"},
        name(CELL.children(17)[0]): set(),
    }


def test_an_element_that_two_cells_list_counts_once_and_labels_chips_of_both(maker):
    road = maker.way([(4000, 700), (6000, 700)], highway="path")
    lost = maker.way([None, None], highway="path")
    put_map(CELL, road, road, lost)
    put_map(EAST, road, lost)
    put_index([name(cell) for cell in (*CELL.children(13), *EAST.children(13))])
    answer = build_label_table(message(records_locs=[at("records.csv")]))
    assert (answer.n_elements, answer.n_without_geometry) == (2, 1)
    assert {chip for chip, labels in labels_of().items() if labels} == {
        name(CELL.children(13)[3]),
        name(EAST.children(13)[2]),
    }
    assert len(rows_of("records.csv")) == 2


def test_records_tell_which_element_and_tag_a_label_is_from(maker):
    lake = maker.relation([("outer", square(100, 100, 100))], type="multipolygon", natural="water", name="Lake")
    house = maker.square(120, 120, 10, building="house", highway="corridor")
    put_map(CELL, lake, house)
    put_index([name(cell) for cell in CELL.children(14)])
    build_label_table(message(records_locs=[at("r.csv"), at("r.parquet")]))
    columns = ["TileQuadkey", "ElementType", "ElementId", "PrimaryKey", "KeyValue"]
    expected = [
        [SOUTH_WEST.quadkey, "way", str(house["id"]), "building", "house"],
        [SOUTH_WEST.quadkey, "way", str(house["id"]), "highway", "corridor"],
        [SOUTH_WEST.quadkey, "relation", str(lake["id"]), "natural", "water"],
    ]
    assert [[row[column] for column in columns] for row in rows_of("r.csv")] == expected
    stored = pq.read_table(io.BytesIO(read_bytes(at("r.parquet")))).to_pylist()
    assert [[str(row[column]) for column in columns] for row in stored] == expected
    assert {row["Zone"] for row in stored} == {33}


def test_chips_of_cells_without_a_map_are_left_out_and_told(maker):
    put_map(CELL, maker.node((1, 1), natural="water"))
    west = Cell.at(33, 12, CELL.column - 1, CELL.row)
    put_index([name(cell) for cell in (*CELL.children(13), *EAST.children(13), *west.children(13))])
    answer = build_label_table(message())
    assert answer.cells_without_map == sorted([EAST.name, west.name])
    assert set(labels_of()) == {name(cell) for cell in CELL.children(13)}


@pytest.mark.parametrize("damage", [b"{", b"[]", b"\xff", b""])
def test_a_damaged_map_stops_no_other_and_is_told_with_its_name(maker, damage):
    put_map(CELL, maker.node((1, 1), natural="water"))
    write_bytes(at(f"ard/33/{EAST.quadkey}/osm_data.json"), damage)
    put_index([name(cell) for cell in (*CELL.children(13), *EAST.children(13))])
    answer = build_label_table(message())
    (damaged,) = answer.damaged_maps
    assert damaged.cell == EAST.name
    assert f"{EAST.quadkey}/osm_data.json" in damaged.reason
    assert answer.cells_without_map == []
    assert set(labels_of()) == {name(cell) for cell in CELL.children(13)}


def test_a_map_that_cannot_be_joined_stops_no_other(maker):
    put_map(CELL, maker.node((1, 1), natural="water"))
    put_map(EAST, maker.node((1, 1), natural="water") | {"id": 10**30})
    put_index([name(cell) for cell in (*CELL.children(13), *EAST.children(13))])
    answer = build_label_table(message())
    assert [(one.cell, "no id of OpenStreetMap" in one.reason) for one in answer.damaged_maps] == [(EAST.name, True)]
    assert set(labels_of()) == {name(cell) for cell in CELL.children(13)}


def test_a_zone_in_the_south_is_joined_as_one_in_the_north():
    south = Cell(23, "211111111111")
    maker = MapMaker(south)
    put_map(south, maker.square(100, 100, 20, building="house"))
    put_index([name(cell) for cell in south.children(14)])
    build_label_table(message())
    assert {chip for chip, labels in labels_of().items() if labels} == {name(south.children(14)[12])}


def test_real_map_data_give_a_table_at_every_place():
    elements = json.loads(gzip.decompress(HELSINKI.read_bytes()))["elements"]
    cell = Cell(35, "013133103003")
    put_map(cell, *elements)
    put_index([name(one) for one in Cell(35, "0131331030032011").children(19)])
    answer = build_label_table(message(rules={"building": {"building": ["*"]}, "road": {"highway": ["*"]}}))
    assert answer.n_chips == 64
    assert min(answer.counts.values()) > 30
    assert answer.n_elements == sum(
        not {"building", "highway"}.isdisjoint(one["tags"]) for one in elements if one.get("tags")
    )


# What goes wrong


def failing(expected, sentence, **fields):
    with pytest.raises(expected, match=sentence):
        build_label_table(message(**fields))
    assert not [loc.key for loc in list_keys(at("")) if loc.key.endswith((".csv", ".parquet"))]


def test_without_any_map_one_sentence_says_so():
    put_index([name(CELL), name(EAST)])
    failing(DataNotFoundError, f"no map of any of the 2 cells.*{CELL.name}")


def test_an_index_without_chips_is_refused():
    put_index([], [name(CELL)])
    failing(CollectionError, "'.*index.json' has no chip")


def test_a_chip_whose_name_tells_no_place_is_refused():
    put_index(["holiday.jpg"])
    failing(TileError, "'holiday.jpg' is no name of a chip")


def test_a_table_of_an_unknown_kind_is_refused_before_the_work():
    failing(TableError, r"must end with \.csv or \.parquet", dense_locs=[at("labels.xlsx")])


def test_damaged_map_data_are_refused_with_their_place():
    put_index([name(CELL)])
    write_bytes(at(f"ard/33/{CELL.quadkey}/osm_data.json"), b'{"quadkey": "0", "nodes"')
    failing(MapDataError, f"{CELL.quadkey}/osm_data.json", records_locs=[at("records.csv")])


def test_map_data_of_another_cell_are_refused():
    put_index([name(CELL)])
    other = MapElements.of(EAST.quadkey, [], "the test").to_json()
    write_bytes(at(f"ard/33/{CELL.quadkey}/osm_data.json"), other)
    failing(MapDataError, f"are of another cell, {EAST.quadkey}")


def test_ids_and_texts_that_cannot_be_stored_are_refused(maker):
    put_index([name(CELL)])
    huge = maker.node((1, 1), highway="path") | {"id": 10**30}
    put_map(CELL, huge)
    failing(MapDataError, "no id of OpenStreetMap")
    odd = {"quadkey": CELL.quadkey, "nodes": [maker.node((1, 1), highway="\ud800")], "ways": [], "relations": []}
    write_bytes(at(f"ard/33/{CELL.quadkey}/osm_data.json"), json.dumps(odd).encode())
    failing(MapDataError, "is no Unicode", records_locs=[at("records.csv")])


def test_without_shapely_one_sentence_says_what_to_install(monkeypatch):
    import sys

    put_index([name(CELL)])
    monkeypatch.setitem(sys.modules, "shapely", None)
    for module in ("cell_labels", "geometries", "label_join", "rings"):
        monkeypatch.delitem(sys.modules, f"spacer_like.chips.labels.{module}", raising=False)
    failing(MissingExtraError, r"spacer_like\[geo\]")


# Pictures


def put_table(maker):
    put_map(CELL, maker.square(100, 100, 2000, building="house"), maker.way([(0, 0), (9000, 4000)], highway="path"))
    put_index([name(cell) for cell in CELL.children(15)])
    build_label_table(message(sparse_locs=[at("sparse.csv")]))


def test_a_table_is_drawn_in_three_pictures(maker):
    put_table(maker)
    places = {f"{kind}_loc": at(f"{kind}.png") for kind in ("distribution", "correlation", "map")}
    answer = plot_labels(PlotLabelsMsg(table_loc=at("sparse.csv"), **places))
    assert (answer.n_chips, answer.n_labels) == (64, 3)
    for loc in places.values():
        with Image.open(io.BytesIO(read_bytes(loc))) as picture:
            assert min(picture.size) > 300
    first = read_bytes(at("map.png"))
    plot_labels(PlotLabelsMsg(table_loc=at("sparse.csv"), map_loc=at("map.png"), label="house"))
    second = read_bytes(at("map.png"))
    plot_labels(PlotLabelsMsg(table_loc=at("sparse.csv"), map_loc=at("map.png"), label="house"))
    assert read_bytes(at("map.png")) == second != first


@pytest.mark.parametrize(
    ("fields", "expected", "sentence"),
    [
        ({}, SpacerInputError, "Nothing to draw"),
        ({"map_loc": at("map.bmp")}, SpacerInputError, "must end in one of"),
        ({"map_loc": at("map.png"), "label": "castle"}, TableError, "no label 'castle'"),
        ({"map_loc": at("map.png"), "table_loc": at("labels.json")}, TableError, "must end with"),
        ({"map_loc": at("map.png"), "table_loc": at("empty.csv")}, TableError, "no chip to draw"),
        ({"map_loc": at("map.png"), "table_loc": at("other.csv")}, DataNotFoundError, "other.csv"),
    ],
)
def test_what_cannot_be_drawn_is_told(maker, fields, expected, sentence):
    put_table(maker)
    write_bytes(at("empty.csv"), b"Feature,house\n")
    with pytest.raises(expected, match=sentence):
        plot_labels(PlotLabelsMsg(**{"table_loc": at("sparse.csv")} | fields))
    assert not exists(at("map.png"))
