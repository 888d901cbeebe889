"""Pictures out of a tree: the right ground, the right tiles in front, and the right blocks unchanged."""

import io
import logging
import math
from types import SimpleNamespace

import morecantile
import numpy as np
import pyproj
import pytest
import rasterio
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.crs import CRS
from rio_tiler.reader import part

from spacer_like import storage
from spacer_like.chips.geography import to_degrees
from spacer_like.chips.grid import PIXEL, Cell, cell_at
from spacer_like.chips.tree import TilePath, find_tiles
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import TileError
from spacer_like.tile_server.coverage import draw_coverage
from spacer_like.tile_server.description import tree_json
from spacer_like.tile_server.footprint import Footprint
from spacer_like.tile_server.mosaic import Choice, put_together, unchanged_block
from spacer_like.tile_server.open_tile import sample
from spacer_like.tile_server.open_tiles import OpenTiles
from spacer_like.tile_server.pages import list_page
from spacer_like.tile_server.renderer import Renderer
from spacer_like.tile_server.tree_index import TreeIndex, cell_numbers

from .served_tree import (
    BLUE,
    EAST_CELL,
    GREEN,
    GREY,
    MAGENTA,
    NEW,
    OLD,
    RED,
    SHARP_CELL,
    SOUTHERN_CELL,
    WEST_CELL,
    YELLOW,
    coarse_tile,
    make_tree,
    tile_file,
)
from .tile_making import make_tile

WEB = morecantile.tms.get("WebMercatorQuad")
NEWEST = Choice()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("ard"))


@pytest.fixture(scope="module")
def index(root):
    return index_of(root)


@pytest.fixture
def tiles():
    open_tiles = OpenTiles(8)
    yield open_tiles
    open_tiles.close()


def index_of(root):
    return TreeIndex(find_tiles(DataLocation("filesystem", str(root))))


def is_colour(pixel, colour) -> bool:
    return bool(np.abs(np.asarray(pixel, int) - colour).max() <= 6)


def web_pixel(longitude, latitude, zoom, index, tiles, choice=NEWEST):
    """The pixel of the map at a place: its colour, and whether it has data."""
    tile = WEB.tile(longitude, latitude, zoom)
    bounds = WEB.xy_bounds(tile)
    x, y = WEB.xy(longitude, latitude)
    column = int((x - bounds.left) / (bounds.right - bounds.left) * 256)
    row = int((bounds.top - y) / (bounds.top - bounds.bottom) * 256)
    mosaic = put_together(Footprint.of_web_tile(zoom, tile.x, tile.y), index, choice, tiles)
    return mosaic.pixels[row, column], mosaic.has_data[row, column]


def degrees(cell, right, down):
    """Longitude and latitude of the place so far into a cell, in parts of its width."""
    west, _, _, north = cell.bounds
    place = west + right * cell.side, north - down * cell.side
    return pyproj.Transformer.from_crs(cell.epsg, 4326, always_xy=True).transform(*place)


@pytest.mark.parametrize(("zoom", "column", "row"), [(0, 0, 0), (1, 1, 0), (13, 4482, 2972), (24, 5, 2**24 - 1)])
def test_web_tiles_are_those_of_the_standard(zoom, column, row):
    assert Footprint.of_web_tile(zoom, column, row).bounds == pytest.approx(
        tuple(WEB.xy_bounds(column, row, zoom)), abs=1e-6
    )


@pytest.mark.parametrize("address", [(-1, 0, 0), (25, 0, 0), (3, 8, 0), (3, 0, 8), (3, -1, 0)])
def test_there_is_no_tile_outside_of_the_world(address):
    with pytest.raises(TileError, match="There is no tile"):
        Footprint.of_web_tile(*address)


@given(st.integers(9, 20), st.floats(-3.2, 3.2), st.floats(-75, 75), st.sampled_from([1, 33, 60]))
@settings(max_examples=30)
def test_pixels_of_a_web_tile_lie_in_the_zone_where_the_projection_says(zoom, offset, latitude, zone):
    longitude = (6 * zone - 183 + offset + 180) % 360 - 180
    tile = WEB.tile(longitude, latitude, zoom)
    footprint = Footprint.of_web_tile(zoom, tile.x, tile.y)
    eastings, northings = footprint.positions(zone)
    west, _, _, north = footprint.bounds
    to_zone = pyproj.Transformer.from_crs(3857, 32600 + zone, always_xy=True)
    for row, column in ((0, 0), (100, 37), (255, 255)):
        place = to_zone.transform(west + (column + 0.5) * footprint.pixel, north - (row + 0.5) * footprint.pixel)
        error = math.hypot(eastings[row, column] - place[0], northings[row, column] - place[1])
        assert error < 0.02 * footprint.pixel


@given(st.floats(200_000, 800_000), st.floats(-9_000_000, 9_000_000))
def test_cell_numbers_are_those_of_the_grid(easting, northing):
    # Pixels' centres never lie between two cells.
    assume(all(abs(value / 5000 - round(value / 5000)) > 1e-9 for value in (easting, northing)))
    number = int(cell_numbers(np.array([easting]), np.array([northing]))[0])
    assert number == cell_at(33, easting, northing, 12).row * 4096 + cell_at(33, easting, northing, 12).column


def test_places_that_are_nowhere_are_in_no_cell():
    far = np.array([np.inf, -np.inf, np.nan, 1e12, -9_740_000.1])
    assert cell_numbers(far, np.zeros(5)).tolist() == [-1] * 5


@pytest.mark.parametrize("zoom", [9, 11, 13, 16])
@pytest.mark.parametrize(
    ("cell", "right", "down", "colour"),
    [
        (WEST_CELL, 0.4, 0.6, RED),
        (EAST_CELL, 0.3, 0.3, BLUE),
        (EAST_CELL, 0.7, 0.3, GREEN),
        (SOUTHERN_CELL, 0.25, 0.25, MAGENTA),
        (SOUTHERN_CELL, 0.75, 0.25, YELLOW),
        (SOUTHERN_CELL, 0.25, 0.75, YELLOW),
    ],
)
def test_the_web_map_has_each_colour_where_it_lies_on_the_globe(cell, right, down, colour, zoom, index, tiles):
    pixel, has_data = web_pixel(*degrees(cell, right, down), zoom, index, tiles)
    assert has_data
    assert is_colour(pixel, colour)


def test_a_zone_s_own_grid_is_not_warped(index, tiles):
    parent = put_together(Footprint.of_cell(WEST_CELL.parent(11)), index, NEWEST, tiles)
    # 256 pixels are a cell; 8 of the apron have no cell of their own.
    assert is_colour(parent.pixels[100, 100], RED)
    assert is_colour(parent.pixels[100, 255], RED)
    assert is_colour(parent.pixels[100, 257], BLUE)
    assert is_colour(parent.pixels[100, 400], GREEN)
    assert parent.has_data[:264].all()
    assert not parent.has_data[265:].any()


def test_south_of_the_equator_the_north_is_up_as_well(index, tiles):
    picture = put_together(Footprint.of_cell(SOUTHERN_CELL), index, NEWEST, tiles)
    assert is_colour(picture.pixels[100, 100], MAGENTA)
    assert is_colour(picture.pixels[100, 400], YELLOW)
    assert is_colour(picture.pixels[400, 100], YELLOW)
    assert picture.has_data.all()


def test_an_acquisition_that_is_chosen_is_in_front_and_the_rest_fills(index, tiles):
    footprint = Footprint.of_cell(EAST_CELL.parent(11))
    old = put_together(footprint, index, Choice(OLD), tiles)
    assert is_colour(old.pixels[100, 300], GREEN)
    only = put_together(footprint, index, Choice(NEW, only=True), tiles)
    assert is_colour(only.pixels[100, 300], BLUE)
    assert not only.has_data[100, 400]
    assert not only.has_data[100, 100]
    # Its apron reaches into the cell in the west.
    assert only.has_data[100, 250]


def test_enlarged_pixels_have_no_seams_between_tiles(index, tiles):
    chip = SHARP_CELL.children(17)[0]
    whole = put_together(Footprint.of_cell(chip), index, Choice(OLD), tiles).pixels
    enlarged = np.asarray(Image.fromarray(whole).resize((1024, 1024), Image.Resampling.BILINEAR), int)
    quarters = [put_together(Footprint.of_cell(cell), index, Choice(OLD), tiles).pixels for cell in chip.children(18)]
    together = np.vstack([np.hstack(quarters[:2]), np.hstack(quarters[2:])]).astype(int)
    # At the outer sides the pixels of the next chip have a share, which that of one chip alone cannot know.
    assert np.abs(together - enlarged)[8:-8, 8:-8].max() <= 2


def test_where_zones_overlap_the_newest_is_in_front_of_both(tmp_path, tiles):
    place = 11.99, 45.0
    cells = {}
    for zone, colour, date in ((32, RED, "2015-05-28"), (33, GREEN, "2018-01-01")):
        easting, northing = pyproj.Transformer.from_crs(4326, 32600 + zone, always_xy=True).transform(*place)
        cells[zone] = cell_at(zone, easting, northing, 12)
        coarse_tile(tmp_path, cells[zone], colour, date, f"10300100{zone}AAAA00")
    index = index_of(tmp_path)
    assert is_colour(web_pixel(*place, 14, index, tiles)[0], GREEN)
    assert is_colour(web_pixel(*place, 14, index, tiles, Choice("1030010032AAAA00"))[0], RED)
    own = put_together(Footprint.of_cell(cells[32]), index, NEWEST, tiles)
    assert is_colour(own.pixels[256, 256], RED)


def test_the_180th_meridian_is_no_end_of_the_world(tmp_path, tiles):
    easting, northing = pyproj.Transformer.from_crs(4326, 32660, always_xy=True).transform(180.0, 10.0)
    cell = cell_at(60, easting, northing, 12)
    coarse_tile(tmp_path, cell, RED)
    index = index_of(tmp_path)
    seen = {place: web_pixel(place, 10.0, 15, index, tiles)[1] for place in (179.999, -179.999)}
    assert seen == {179.999: True, -179.999: True}
    assert index.box[0] == -180
    assert index.box[2] == 180
    for column in (0, 15):
        assert draw_coverage(Footprint.of_web_tile(4, column, 7), index, NEWEST) is not None


def test_pan_is_shown_in_grey(tmp_path, tiles):
    path = tile_file(tmp_path, WEST_CELL)
    coarse_tile(tmp_path, WEST_CELL, RED)
    path.unlink()
    pixels = np.full((544, 544, 1), 128, np.uint8)
    make_tile(
        path, WEST_CELL.quadkey, column=-16, row=-16, width=544, height=544, pixel=32 * PIXEL, bands=1, pixels=pixels,
        compress="DEFLATE",
    )  # fmt: skip
    picture = put_together(Footprint.of_cell(WEST_CELL), index_of(tmp_path), NEWEST, tiles)
    assert is_colour(picture.pixels[256, 256], GREY)


def hostile_files():
    whole = io.BytesIO()
    Image.new("RGB", (64, 64)).save(whole, "TIFF")
    return {
        "no tiff": b"no tiff",
        "empty": b"",
        "no projection": whole.getvalue(),
        "cut short": whole.getvalue()[:1000],
        "another format": b'<VRTDataset rasterXSize="512" rasterYSize="512"><SRS>EPSG:32633</SRS></VRTDataset>',
    }


@pytest.mark.parametrize("kind", hostile_files())
def test_a_tile_that_cannot_be_read_is_passed_over(kind, tmp_path, tiles, caplog):
    coarse_tile(tmp_path, WEST_CELL, RED)
    broken = tile_file(tmp_path, WEST_CELL, "2020-01-01", "10300100BBBBBB00")
    broken.parent.mkdir()
    broken.write_bytes(hostile_files()[kind])
    index = index_of(tmp_path)
    with caplog.at_level(logging.WARNING, "spacer_like.tile_server"):
        for _ in range(2):
            picture = put_together(Footprint.of_cell(WEST_CELL), index, NEWEST, tiles)
            assert is_colour(picture.pixels[256, 256], RED)
            assert picture.has_data.all()
    told = [record.getMessage() for record in caplog.records if "passed over" in record.getMessage()]
    assert len(told) == 1
    assert str(broken) in told[0]


def test_a_file_beside_a_tile_is_not_looked_at(tmp_path, tiles):
    path = coarse_tile(tmp_path, WEST_CELL, RED)
    # GDAL would take these for the tile's overviews and mask.
    for ending in (".ovr", ".msk", ".aux.xml"):
        path.with_name(path.name + ending).write_bytes(b"<PAMDataset><SRS>EPSG:3857</SRS></PAMDataset>")
    picture = put_together(Footprint.of_cell(WEST_CELL), index_of(tmp_path), NEWEST, tiles)
    assert is_colour(picture.pixels[256, 256], RED)


def test_a_tile_that_is_replaced_is_seen(tmp_path, tiles):
    coarse_tile(tmp_path, WEST_CELL, RED)
    index = index_of(tmp_path)
    footprint = Footprint.of_cell(WEST_CELL)
    assert is_colour(put_together(footprint, index, NEWEST, tiles).pixels[256, 256], RED)
    coarse_tile(tmp_path, WEST_CELL, BLUE)
    assert is_colour(put_together(footprint, index, NEWEST, tiles).pixels[256, 256], BLUE)


def test_tiles_are_closed_when_more_are_open_than_may_be(index):
    few = OpenTiles(2)
    for cell in (WEST_CELL, EAST_CELL, SOUTHERN_CELL, SHARP_CELL):
        put_together(Footprint.of_cell(cell), index, NEWEST, few)
        assert len(few) <= 2
    few.close()
    assert len(few) == 0


def test_a_tree_in_another_storage_gives_the_same_pictures(root, index, tiles):
    storage.clear_memory_storage()
    for path in root.rglob("*.tif"):
        storage.write_bytes(DataLocation("memory", f"ard/{path.relative_to(root)}"), path.read_bytes())
    elsewhere = TreeIndex(find_tiles(DataLocation("memory", "ard")))
    for footprint in (
        Footprint.of_cell(WEST_CELL.parent(11)),
        Footprint.of_cell(SHARP_CELL.children(18)[0]),
        Footprint.of_web_tile(*(lambda tile: (tile.z, tile.x, tile.y))(WEB.tile(*degrees(SHARP_CELL, 0, 0), 14))),
    ):
        here, there = (put_together(footprint, one, NEWEST, tiles) for one in (index, elsewhere))
        assert here.has_data.any()
        assert np.array_equal(here.pixels, there.pixels)
        assert np.array_equal(here.has_data, there.has_data)
    storage.clear_memory_storage()


def many_cells(count):
    first = WEST_CELL
    paths = [
        TilePath(33, Cell.at(33, 12, column, row).quadkey, "2015-05-28", OLD, "visual")
        for column, row in ((first.column + place % 20, first.row + place // 20) for place in range(count))
    ]
    return TreeIndex([(path, DataLocation("memory", f"nowhere/{path}")) for path in paths])


def test_zones_and_dates_are_told_in_their_order():
    dates = [f"20{year}-05-28" for year in (19, 15, 17, 12)]
    paths = [
        TilePath(zone, WEST_CELL.quadkey, date, OLD, "visual") for zone, date in zip((9, 33, 50, 7), dates, strict=True)
    ]
    index = TreeIndex([(path, DataLocation("memory", f"nowhere/{path}")) for path in paths])
    (told,) = tree_json(index)["acquisitions"]
    assert (told["dates"], told["zones"]) == (sorted(dates), [7, 9, 33, 50])
    assert list(index.zones) == [7, 9, 33, 50]
    page = list_page(SimpleNamespace(index=index, name="nowhere")).html
    assert f"{', '.join(sorted(dates))}" in page
    assert "7, 9, 33, 50" in page


def test_too_many_cells_are_drawn_as_squares_instead(tiles):
    index = many_cells(200)
    tile = WEB.tile(*degrees(WEST_CELL, 0.5, 0.5), 8)
    footprint = Footprint.of_web_tile(8, tile.x, tile.y)
    assert put_together(footprint, index, NEWEST, tiles) is None
    assert len(tiles) == 0
    drawn = np.asarray(draw_coverage(footprint, index, NEWEST).getchannel("A"))
    blank = draw_coverage(footprint, index, Choice("another", only=True))
    assert blank is None
    shown = (drawn > 0).mean()
    # They are 100 x 50 km, of 112 x 112 km that the tile shows.
    assert 0.05 < shown < 0.4
    x, y = WEB.xy(*degrees(WEST_CELL, 0.5, 0.5))
    west, _, _, north = footprint.bounds
    assert drawn[int((north - y) / footprint.pixel), int((x - west) / footprint.pixel)] > 0


@pytest.mark.parametrize("zoom", [0, 3, 5])
def test_a_map_of_the_world_shows_where_a_single_cell_is(zoom, tiles):
    index = many_cells(1)
    tile = WEB.tile(*degrees(WEST_CELL, 0.5, 0.5), zoom)
    footprint = Footprint.of_web_tile(zoom, tile.x, tile.y)
    assert put_together(footprint, index, NEWEST, tiles) is None
    assert draw_coverage(footprint, index, NEWEST) is not None
    other = Footprint.of_web_tile(3, 0, 0)
    assert draw_coverage(other, index, NEWEST) is None


def test_the_root_of_a_zone_shows_both_hemispheres(index, tiles):
    picture = draw_coverage(Footprint.of_cell(Cell(33, "")), index, NEWEST)
    rows = np.flatnonzero(np.asarray(picture.getchannel("A"))[:, :240].any(axis=1))
    columns = np.flatnonzero(np.asarray(picture.getchannel("A")).any(axis=0))
    assert len(columns)
    north = (10_240_000 - WEST_CELL.bounds[3]) / 40_000
    south = (10_240_000 - (SOUTHERN_CELL.bounds[3] - 10_000_000)) / 40_000
    alpha = np.asarray(picture.getchannel("A"))
    for cell, row in ((WEST_CELL, north), (SOUTHERN_CELL, south)):
        column = int((cell.bounds[0] + 2500 + 9_740_000) / 40_000)
        assert alpha[int(row), column] > 0, rows


@pytest.mark.parametrize(
    ("wanted", "transparent", "format"),
    [
        ("png", "webp", "PNG"),
        ("webp", "png", "WEBP"),
        ("jpg", "png", "JPEG"),
        (None, "png", "PNG"),
        (None, "webp", "WEBP"),
    ],
)
def test_squares_come_in_the_format_that_is_asked_for(wanted, transparent, format, index):
    renderer = Renderer(lambda: index, 1)
    try:
        shown = renderer.submit(Footprint.of_cell(Cell(33, "")), NEWEST, wanted, transparent).result(30)
        nothing = renderer.submit(Footprint.of_cell(Cell(34, "")), NEWEST, wanted, transparent).result(30)
    finally:
        renderer.close()
    assert (shown.way, shown.media_type, shown.is_sure) == ("coverage", f"image/{format.lower()}", True)
    assert nothing.media_type == shown.media_type
    with Image.open(io.BytesIO(shown.data)) as picture:
        assert (picture.format, picture.size) == (format, (512, 512))
        assert len(picture.convert("RGB").getcolors(2**18)) > 1


def blocks_of(path):
    """The blocks of a tile's picture by its own account, as another reader has it: (column, row) -> bytes."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        columns = page.imagewidth // 512
        data = path.read_bytes()
        return {
            (number % columns, number // columns): data[offset : offset + length]
            for number, (offset, length) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=True))
        }


def test_a_chip_that_is_one_block_is_given_out_as_it_is(root, index, tiles):
    chip = SHARP_CELL.children(17)[0]
    data = unchanged_block(Footprint.of_cell(chip), index, NEWEST, tiles)
    block = blocks_of(tile_file(root, SHARP_CELL, "2019-01-02", NEW))[1, 1]
    assert data.endswith(block[2:])
    put = put_together(Footprint.of_cell(chip), index, NEWEST, tiles)
    decoded = np.asarray(Image.open(io.BytesIO(data)), int)
    # GDAL may smooth chroma in another way.
    assert np.abs(decoded - put.pixels).mean() < 2
    chosen = unchanged_block(Footprint.of_cell(chip), index, Choice(OLD), tiles)
    assert chosen.endswith(blocks_of(tile_file(root, SHARP_CELL))[1, 1][2:])


def test_what_the_newest_lacks_is_the_next_one_s_block(root, index, tiles):
    chip = Cell.at(33, 17, SHARP_CELL.children(17)[0].column, SHARP_CELL.children(17)[0].row + 1)
    data = unchanged_block(Footprint.of_cell(chip), index, NEWEST, tiles)
    assert data.endswith(blocks_of(tile_file(root, SHARP_CELL))[1, 2][2:])


def test_a_chip_that_lacks_data_in_part_is_put_together(index, tiles):
    chip = SHARP_CELL.children(17)[1]
    footprint = Footprint.of_cell(chip)
    assert unchanged_block(footprint, index, NEWEST, tiles) is None
    both, old, new = (
        put_together(footprint, index, choice, tiles) for choice in (NEWEST, Choice(OLD), Choice(NEW, only=True))
    )
    assert both.has_data.all()
    assert not new.has_data[120, 120]
    assert np.array_equal(both.pixels[120, 120], old.pixels[120, 120])
    assert np.array_equal(both.pixels[300, 300], new.pixels[300, 300])


@pytest.mark.parametrize("zoom", [16, 18])
def test_only_chips_of_the_tiles_own_pixels_are_blocks(zoom, index, tiles):
    assert unchanged_block(Footprint.of_cell(SHARP_CELL.children(zoom)[0]), index, NEWEST, tiles) is None


def test_chips_of_a_coarse_tile_are_no_blocks(index, tiles):
    assert unchanged_block(Footprint.of_cell(WEST_CELL.children(17)[40]), index, NEWEST, tiles) is None


def test_a_damaged_block_is_not_given_out(tmp_path, root, tiles):
    source = tile_file(root, SHARP_CELL)
    damaged = bytearray(source.read_bytes())
    block = blocks_of(source)[1, 1]
    place = bytes(damaged).index(block)
    damaged[place : place + len(block)] = b"<html>".ljust(len(block), b"\0")
    path = tile_file(tmp_path, SHARP_CELL)
    path.parent.mkdir(parents=True)
    path.write_bytes(damaged)
    index = index_of(tmp_path)
    assert unchanged_block(Footprint.of_cell(SHARP_CELL.children(17)[0]), index, NEWEST, tiles) is None


def test_corners_are_where_the_zone_s_projection_has_them(index):
    zone = index.zones[33]
    place = zone.cell_numbers.tolist().index(WEST_CELL.row * 4096 + WEST_CELL.column)
    expected = degrees(WEST_CELL, 1, 1)
    assert zone.corners[0][place, 2] == pytest.approx(expected[0], abs=1e-9)
    assert zone.corners[1][place, 2] == pytest.approx(expected[1], abs=1e-9)
    assert to_degrees(32633)(np.array([500_000.0]), np.array([0.0]))[0][0] == pytest.approx(15.0)


@pytest.mark.parametrize("zoom", [16, 17, 18, 20])
def test_pixels_between_pixels_are_those_that_another_program_finds(zoom, root, index, tiles):
    middle = degrees(SHARP_CELL, 0.06, 0.06)
    tile = WEB.tile(*middle, zoom)
    ours = put_together(Footprint.of_web_tile(zoom, tile.x, tile.y), index, Choice(OLD), tiles)
    with rasterio.open(tile_file(root, SHARP_CELL)) as dataset:
        theirs = part(
            dataset,
            tuple(WEB.xy_bounds(tile)),
            dst_crs=CRS.from_epsg(3857),
            width=256,
            height=256,
            resampling_method="bilinear",
            reproject_method="bilinear",
        )
    # Only the part that no other tile has a share in.
    both = (theirs.mask > 0) & ours.has_data
    both[:, :1] = both[:1] = False
    assert both.sum() > 100
    difference = np.abs(np.moveaxis(theirs.array.data, 0, -1).astype(int) - ours.pixels)[both]
    assert difference.mean() < 1.5, "a picture that is shifted by half a pixel is further off"
    shifted = np.abs(np.roll(np.moveaxis(theirs.array.data, 0, -1), 1, 1).astype(int) - ours.pixels)[both]
    assert difference.mean() < shifted.mean() / 2


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_samples_lie_between_the_pixels_around_them_that_have_data(seed):
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (6, 7, 3), np.uint8)
    has_data = random.random((6, 7)) < 0.7
    columns, rows = random.uniform(0, 7, (4, 5)), random.uniform(0, 6, (4, 5))
    sampled, seen = sample(pixels, has_data, columns, rows)
    for place in np.ndindex(4, 5):
        x, y = columns[place], rows[place]
        assert seen[place] == has_data[int(y), int(x)]
        around = [
            pixels[row, column]
            for row in {min(max(math.floor(y - 0.5) + step, 0), 5) for step in (0, 1)}
            for column in {min(max(math.floor(x - 0.5) + step, 0), 6) for step in (0, 1)}
            if has_data[row, column]
        ]
        if seen[place]:
            assert (sampled[place] >= np.min(around, axis=0)).all()
            assert (sampled[place] <= np.max(around, axis=0)).all()


def test_a_tile_that_lies_elsewhere_than_in_its_cell_is_passed_over(tmp_path, tiles, caplog):
    coarse_tile(tmp_path, WEST_CELL, RED, crs="EPSG:32632")
    picture = put_together(Footprint.of_cell(WEST_CELL), index_of(tmp_path), NEWEST, tiles)
    assert not picture.has_data.any()
    assert f"lies outside the cell {WEST_CELL.name}" in caplog.text
