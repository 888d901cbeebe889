"""Names of chips, and the tree that tiles lie in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.chips.chip_name import ChipName
from spacer_like.chips.grid import Cell
from spacer_like.chips.tree import TilePath, cell_folder, find_tiles, tiles_of
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import InvalidKeyError, ReadOnlyStorageError, TileError
from spacer_like.storage import clear_memory_storage, write_bytes

from .made_records import made_records

WORLDVIEW_4 = "6d32b2a8-07b6-4f17-8ea6-8ab9a5b7d3ef-inv"
CELL = "031111212322"

acquisitions = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,40}", fullmatch=True)
chip_names = st.builds(ChipName, st.integers(1, 60), st.text("0123", min_size=12, max_size=26), acquisitions)


class TestChipName:
    def test_it_says_the_cell_the_tile_and_the_acquisition(self):
        chip = ChipName.parse("Z33-03111121232201230_1050410012C31100.jpg")
        assert (chip.zone, chip.quadkey, chip.acquisition) == (33, "03111121232201230", "1050410012C31100")
        assert (chip.zoom, chip.cell) == (17, Cell(33, "03111121232201230"))
        assert chip.tile_cell == Cell(33, CELL)

    def test_an_acquisition_may_have_hyphens(self):
        assert ChipName.parse(f"Z04-{CELL}0_{WORLDVIEW_4}.jpg") == ChipName(4, f"{CELL}0", WORLDVIEW_4)

    @pytest.mark.parametrize("folders", ["", "33/", "/data/chips/33/", "C:\\chips\\33\\"])
    @pytest.mark.parametrize("ending", ["", ".jpg", ".jpeg", ".JPG"])
    def test_folders_and_endings_do_not_matter(self, folders, ending):
        assert str(ChipName.parse(f"{folders}Z33-{CELL}01230_ab{ending}")) == f"Z33-{CELL}01230_ab.jpg"

    @given(chip_names.filter(lambda chip: not chip.acquisition.lower().endswith((".jpg", ".jpeg"))))
    def test_its_text_says_the_same(self, chip):
        assert ChipName.parse(str(chip)) == chip

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "chip.jpg",
            f"Z33-{CELL}.jpg",
            f"Z33-{CELL}_.jpg",
            "Z33-03111121232_a.jpg",
            f"Z3-{CELL}_a.jpg",
            f"Z33-{CELL}4_a.jpg",
            f"Z33-{CELL}_a b.jpg",
            f"Z33-{CELL}_a.png.jpg/",
            f"Z33-{CELL}_a\n",
            f"Z33-{'0' * 27}_a.jpg",
            f"Z33-{CELL}_{'a' * 101}.jpg",
        ],
    )
    def test_what_is_no_name_of_a_chip_is_refused(self, text):
        with pytest.raises(TileError, match="is no name of a chip: it must be like Z33-"):
            ChipName.parse(text)

    def test_a_long_text_is_not_repeated_in_full(self):
        with pytest.raises(TileError) as caught:
            ChipName.parse("x" * 100_000)
        assert len(str(caught.value)) < 300

    @pytest.mark.parametrize("zone", ["00", "61"])
    def test_a_zone_that_there_is_not_is_refused(self, zone):
        with pytest.raises(TileError, match="There is no UTM zone"):
            ChipName.parse(f"Z{zone}-{CELL}_a.jpg")

    @pytest.mark.parametrize(
        ("quadkey", "acquisition", "sentence"),
        [
            ("0311", "a", "The cell Z33-0311 is larger than a tile"),
            (CELL, "../a", r"'\.\./a' is no acquisition"),
            (CELL, "", "'' is no acquisition"),
            (CELL, "a_b", "'a_b' is no acquisition"),
        ],
    )
    def test_parts_that_make_no_name_are_refused(self, quadkey, acquisition, sentence):
        with pytest.raises(TileError, match=sentence):
            ChipName(33, quadkey, acquisition)


class TestTilePath:
    def test_the_paths_of_tiles_as_records_have_them(self):
        for record in made_records():
            path = TilePath.parse(f"https://host/events/ard/{record['visual']}")
            assert path == TilePath(
                record["utm_zone"], record["quadkey"], record["datetime"][:10], record["catalog_id"], "visual"
            )
            assert str(path) == record["visual"]

    def test_an_acquisition_with_hyphens_ends_before_the_kind(self):
        path = TilePath.parse(f"04/{CELL}/2018-07-01/{WORLDVIEW_4}-pan.tif")
        assert (path.acquisition, path.kind, path.zone) == (WORLDVIEW_4, "pan", 4)

    @pytest.mark.parametrize(
        "path",
        [
            "",
            "tile.tif",
            f"33/{CELL}/2018-07-01/a.tif",
            f"4/{CELL}/2018-07-01/a-visual.tif",
            f"61/{CELL}/2018-07-01/a-visual.tif",
            f"33/{CELL}/2018-13-01/a-visual.tif",
            f"33/{CELL}0/2018-07-01/a-visual.tif",
            f"33/{CELL}/2018-07-01/a-visual.json",
            f"33/{CELL}/2018-07-01/.a-visual.tif",
        ],
    )
    def test_other_paths_are_refused(self, path):
        with pytest.raises(TileError, match="is no path of a tile"):
            TilePath.parse(path)


class TestTree:
    @pytest.fixture(params=["filesystem", "memory"])
    def ard_loc(self, request, tmp_path):
        clear_memory_storage()
        yield DataLocation(request.param, str(tmp_path / "ard") if request.param == "filesystem" else "ard")
        clear_memory_storage()

    @pytest.fixture
    def tiles(self, ard_loc):
        paths = [
            f"04/{CELL}/2018-07-01/a-visual.tif",
            f"33/{CELL}/2018-07-01/a-visual.tif",
            f"33/{CELL}/2018-07-01/{WORLDVIEW_4}-visual.tif",
            f"33/{CELL}/2019-07-01/a-visual.tif",
            "33/300000000000/2018-07-01/a-visual.tif",
        ]
        others = [
            f"33/{CELL}/2018-07-01/a-pan.tif",
            f"33/{CELL}/2018-07-01/a.json",
            f"33/{CELL}/2018-07-01/a-visual.tif.aux.xml",
            f"33/{CELL}/osm_data.json",
            f"33/{CELL}/a-visual.tif",
            "acquisition_collections/a_collection.json",
            f"copy/33/{CELL}/2018-07-01/a-visual.tif",
        ]
        for path in paths + others:
            write_bytes(ard_loc.below(path), b"")
        return paths

    def test_all_tiles_are_found_in_order(self, ard_loc, tiles):
        found = find_tiles(ard_loc)
        assert [str(path) for path, _ in found] == sorted(tiles)
        assert [loc for _, loc in found] == [ard_loc.below(str(path)) for path, _ in found]

    def test_the_slash_of_a_folder_does_not_matter(self, ard_loc, tiles):
        with_slash = DataLocation(ard_loc.storage_type, f"{ard_loc.key}/")
        assert find_tiles(with_slash) == find_tiles(ard_loc)

    def test_only_those_of_some_zones(self, ard_loc, tiles):
        assert [path.zone for path, _ in find_tiles(ard_loc, [4, 5, 4])] == [4]
        assert find_tiles(ard_loc, []) == []

    def test_those_of_another_kind(self, ard_loc, tiles):
        assert [str(path) for path, _ in find_tiles(ard_loc, kind="pan")] == [f"33/{CELL}/2018-07-01/a-pan.tif"]

    def test_a_cell_s_tiles_come_the_newest_first(self, ard_loc, tiles):
        found = [(path.date, path.acquisition) for path, _ in tiles_of(ard_loc, Cell(33, CELL))]
        assert found == [("2019-07-01", "a"), ("2018-07-01", WORLDVIEW_4), ("2018-07-01", "a")]

    def test_a_cell_s_tiles_of_one_acquisition(self, ard_loc, tiles):
        found = [path.date for path, _ in tiles_of(ard_loc, Cell(33, CELL), "a")]
        assert found == ["2019-07-01", "2018-07-01"]
        assert tiles_of(ard_loc, Cell(33, CELL), "b") == []
        assert tiles_of(ard_loc, Cell(34, CELL), "a") == []

    def test_a_tree_of_nothing_has_no_tiles(self, ard_loc):
        assert find_tiles(ard_loc) == []

    def test_a_cell_that_is_no_tile_s_has_no_folder(self, ard_loc):
        with pytest.raises(TileError, match="is of zoom 13"):
            cell_folder(ard_loc, 33, f"{CELL}0")

    def test_a_tree_on_the_web_cannot_be_listed(self):
        with pytest.raises(ReadOnlyStorageError):
            find_tiles(DataLocation("url", "https://127.0.0.1/ard"))


class TestBelow:
    @pytest.mark.parametrize(
        ("folder", "joined"), [("ard", "ard/33/x"), ("ard/", "ard/33/x"), ("", "33/x"), ("/", "/33/x")]
    )
    def test_keys_are_joined_by_one_slash(self, folder, joined):
        assert DataLocation("memory", folder).below("33", "x").key == joined

    def test_a_url_keeps_its_query(self):
        loc = DataLocation("url", "https://host/ard/?key=a/b").below("33", "")
        assert loc.key == "https://host/ard/33/?key=a/b"

    def test_a_file_s_name_with_a_question_mark_is_no_query(self):
        assert DataLocation("filesystem", "what?").below("x").key == "what?/x"

    def test_who_climbs_out_of_a_folder_is_stopped_by_the_storage(self):
        with pytest.raises(InvalidKeyError):
            write_bytes(DataLocation("memory", "ard").below("../x"), b"")


@pytest.mark.parametrize("folder", ["ard", "ard/33", "ard/33/", "33", "s3"])
def test_a_tree_is_found_by_its_root_and_by_a_zone_s_own_folder(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = {"33": "", "s3": "33/"}.get(folder, "ard/")
    name = "33/031111212322/2015-05-28/1050410012C31100-visual.tif"
    for path in (name, "33/node_tags.json", "34/031111212322/2015-05-28/1050410012C31100-visual.tif"):
        write_bytes(DataLocation("filesystem", f"{root}{path}"), b"")
    given = {"s3": "33"}.get(folder, folder)
    found = [str(path) for path, _ in find_tiles(DataLocation("filesystem", given))]
    assert name in found
    assert len(found) == (2 if folder in ("ard", "s3") else 1)
    assert find_tiles(DataLocation("filesystem", given), [1]) == []
    (tile,) = tiles_of(DataLocation("filesystem", given), Cell(33, "031111212322"))
    assert str(tile[0]) == name
