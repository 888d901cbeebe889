"""What tiles of every kind of bands, mask and place look like: as chips, on the map, and by rasterio itself."""

import io
import re
import shutil
import struct

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp
from rasterio.transform import Affine, from_origin
from rasterio.warp import Resampling, reproject, transform_bounds

from spacer_like.chips.cutting.tile_picture import colours_of
from spacer_like.chips.grid import Cell
from spacer_like.chips.messages.tiles import ChipsFolderMsg, IndexNodataMsg
from spacer_like.chips.tasks.chips import index_nodata
from spacer_like.chips.tasks.tiles import chips_folder
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import TileError
from spacer_like.storage import clear_memory_storage, write_bytes
from spacer_like.tile_server.footprint import Footprint
from spacer_like.tile_server.mosaic import Choice
from spacer_like.tile_server.renderer import Renderer
from spacer_like.tile_server.tree_index import LiveTree

from .bad_tiles import PLACE
from .tile_making import ACQUISITION, CELL, PIXEL, make_tile, north_west, tile_path

SIZE = 512
CHIP = f"{CELL}00000"
NAME = f"Z33-{CHIP}_{ACQUISITION}.jpg"
WEST, NORTH = north_west()
SOUTH_UP = Affine(PIXEL, 0, WEST, 0, PIXEL, NORTH - SIZE * PIXEL)
QUARTER = Affine(0, PIXEL, WEST, -PIXEL, 0, NORTH)
R, G, B, A, NONE = (getattr(ColorInterp, name) for name in ("red", "green", "blue", "alpha", "undefined"))


def ramps(bands, dtype="uint8", top=255):
    """Smooth bands, each of its own: [bands, 512, 512]."""
    along, down = np.meshgrid(np.linspace(0, 1, SIZE), np.linspace(0, 1, SIZE))
    kinds = (along, down, 1 - along, 1 - down, along * down)
    return np.stack([np.rint(kinds[band % 5] * top) for band in range(bands)]).astype(dtype)


def store(path, values, kinds=None, colormap=None, crs="EPSG:32633", transform=PLACE, **options):
    profile = {"driver": "GTiff", "crs": crs, "transform": transform, "dtype": values.dtype, "tiled": True}
    profile |= {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    with rasterio.open(path, "w", **(profile | options)) as file:
        file.write(values)
        if colormap:
            file.write_colormap(1, colormap)
    if kinds:
        with rasterio.open(path, "r+") as file:
            file.colorinterp = kinds
    return path


@pytest.fixture
def tile(tmp_path):
    path = tile_path(tmp_path / "ard")
    path.parent.mkdir(parents=True)
    return path


def cut(tile):
    """The answer, and the first chip's pixels."""
    root = tile.parents[4]
    ard, chips = (DataLocation("filesystem", str(root / name)) for name in ("ard", "chips"))
    answer = chips_folder(ChipsFolderMsg(ard_loc=ard, chips_loc=chips))
    assert not answer.failed, answer.failed
    return np.asarray(Image.open(root / "chips" / "33" / NAME))


def failures(tile):
    ard, chips = (DataLocation("filesystem", str(tile.parents[4] / name)) for name in ("ard", "chips"))
    return chips_folder(ChipsFolderMsg(ard_loc=ard, chips_loc=chips)).failed


def valid_fraction(tile):
    from pyarrow import parquet

    (manifest,) = (tile.parents[4] / "chips" / "33" / "manifests").iterdir()
    rows = parquet.read_table(manifest).to_pylist()
    return {row["chip"]: row["valid_fraction"] for row in rows}[NAME]


def shown(tile, quadkey=CHIP):
    """The map's picture of the chip's cell: uint8 [512, 512, 4]."""
    live = LiveTree(DataLocation("filesystem", str(tile.parents[3])))
    renderer = Renderer(lambda: live.index, 1)
    try:
        data = renderer.submit(Footprint.of_cell(Cell(33, quadkey)), Choice(), "png", "png").result(60).data
    finally:
        renderer.close()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def alike(chip, expected, most=6):
    """Whether a chip has the colours that are expected, but for JPEG."""
    if chip.ndim == 2:
        chip = chip[..., None].repeat(3, axis=-1)
    return np.abs(chip.astype(int) - expected).mean() < most


RGB = np.moveaxis(ramps(3), 0, -1)
GREY_PIXELS = ramps(1)[0][..., None].repeat(3, axis=-1)
PALETTE = {value: (255 - value, value // 2, value, 255) for value in range(256)}
TURNED = np.array([PALETTE[value][:3] for value in range(256)], np.uint8)
ROUND_16 = (ramps(3, "uint16", 6000) + 200).astype("uint16")


def ordered(*places):
    """Bands of red, green and blue, in another order, and others."""
    return ramps(4)[list(places)]


KINDS = {
    "blue, green, red, infrared": (lambda path: store(path, ordered(2, 1, 0, 3), [B, G, R, NONE]), RGB),
    "blue, green, red, infrared by its name": (
        lambda path: store(path, ordered(2, 1, 0, 3), [B, G, R, ColorInterp.nir]),
        RGB,
    ),
    "infrared first": (lambda path: store(path, ordered(3, 0, 1, 2), [ColorInterp.nir, R, G, B]), RGB),
    "blue, green, red of JPEG": (
        lambda path: store(path, ordered(2, 1, 0), [B, G, R], compress="JPEG", blockxsize=512, blockysize=512),
        RGB,
    ),
    "one after the other": (lambda path: store(path, ordered(2, 1, 0), [B, G, R], interleave="band"), RGB),
    "without names": (lambda path: store(path, ordered(0, 1, 2, 3), photometric="minisblack"), RGB),
    "grey": (lambda path: store(path, ramps(1)), GREY_PIXELS),
    "grey and another": (lambda path: store(path, ramps(2)), GREY_PIXELS),
    "white for 0": (lambda path: store(path, 255 - ramps(1), photometric="miniswhite"), GREY_PIXELS),
    "white for 0, of JPEG": (
        lambda path: store(
            path, 255 - ramps(1), photometric="miniswhite", compress="JPEG", blockxsize=512, blockysize=512
        ),
        GREY_PIXELS,
    ),
    "a palette": (lambda path: store(path, ramps(1), colormap=PALETTE), TURNED[ramps(1)[0]]),
    "a palette of four bits": (
        lambda path: store(path, ramps(1, top=15), colormap=dict(list(PALETTE.items())[:16]), nbits=4),
        TURNED[ramps(1, top=15)[0]],
    ),
    "one bit": (lambda path: store(path, ramps(1, top=1), nbits=1), ramps(1, top=1)[0][..., None].repeat(3, -1) * 255),
    "one bit, white for 0": (
        lambda path: store(path, ramps(1, top=1), nbits=1, photometric="miniswhite"),
        255 - ramps(1, top=1)[0][..., None].repeat(3, -1) * 255,
    ),
    "four bits": (
        lambda path: store(path, ramps(1, top=15), nbits=4),
        ramps(1, top=15)[0][..., None].repeat(3, -1) * 17,
    ),
    "four bits of colours": (
        lambda path: store(path, ramps(3, top=15), nbits=4, photometric="rgb"),
        np.moveaxis(ramps(3, top=15), 0, -1) * 17,
    ),
    "sixteen bits": (lambda path: store(path, ROUND_16, photometric="rgb"), RGB),
    "sixteen bits, white for 0": (
        lambda path: store(path, (6200 - ramps(1, "uint16", 6000)).astype("uint16"), photometric="miniswhite"),
        GREY_PIXELS,
    ),
    "sixteen bits, blue first": (lambda path: store(path, ROUND_16[::-1].copy(), [B, G, R]), RGB),
    "signed": (lambda path: store(path, ROUND_16.astype("int16") - 3000, [R, G, B]), RGB),
    "floats": (lambda path: store(path, (ROUND_16 / 7000).astype("float32"), [R, G, B]), RGB),
    "south up": (
        lambda path: store(path, ramps(3)[:, ::-1].copy(), transform=SOUTH_UP),
        RGB,
    ),
    "a palette, south up": (
        lambda path: store(
            path,
            ramps(1)[:, ::-1].copy(),
            colormap=PALETTE,
            transform=SOUTH_UP,
        ),
        TURNED[ramps(1)[0]],
    ),
    "east to the left": (
        lambda path: store(
            path, ramps(3)[:, :, ::-1].copy(), transform=Affine(-PIXEL, 0, WEST + SIZE * PIXEL, 0, -PIXEL, NORTH)
        ),
        RGB,
    ),
    "a quarter turned": (
        lambda path: store(
            path, ramps(3).transpose(0, 2, 1).copy(), transform=Affine(0, PIXEL, WEST, -PIXEL, 0, NORTH)
        ),
        RGB,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_chips_and_map_show_the_colours_that_a_tile_says_it_has(kind, tile):
    make, expected = KINDS[kind]
    make(tile)
    # The edges of what is stretched or resampled are cut off.
    inner = slice(8, -8), slice(8, -8)
    chip = cut(tile)
    assert alike(chip[inner], expected[inner]), kind
    picture = shown(tile)
    assert alike(picture[..., :3][inner], expected[inner], 3), kind
    assert picture[..., 3][inner].all()


def upper_half(shape=(SIZE, SIZE)):
    return (np.arange(shape[0])[:, None] < shape[0] // 2).repeat(shape[1], axis=1)


def with_alpha(place, kinds):
    def make(path):
        values = np.insert(ramps(3), place, upper_half() * 255, axis=0)
        store(path, values.astype("uint8"), kinds)

    return make


def with_mask_beside(path, **options):
    options = {"kinds": [R, G, B]} | options
    store(path, options.pop("values", ramps(3)), **options)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask((upper_half(file.shape) * 255).astype("uint8"))
    assert path.with_name(f"{path.name}.msk").exists()


MASKED = {
    "alpha first": with_alpha(0, [A, R, G, B]),
    "alpha second": with_alpha(1, [R, A, G, B]),
    "alpha last": with_alpha(3, [R, G, B, A]),
    "a mask beside it": with_mask_beside,
    "a mask beside JPEG": lambda path: with_mask_beside(path, compress="JPEG", blockxsize=512, blockysize=512),
    "a mask beside grey JPEG": lambda path: with_mask_beside(
        path, values=ramps(1), kinds=None, compress="JPEG", blockxsize=512, blockysize=512
    ),
    "a mask beside what has a value for no data": lambda path: with_mask_beside(path, nodata=77),
    "a mask beside sixteen bits": lambda path: with_mask_beside(path, values=ROUND_16),
}


@pytest.mark.parametrize("kind", MASKED)
def test_what_says_where_there_is_data_counts_wherever_it_is(kind, tile):
    MASKED[kind](tile)
    cut(tile)
    assert valid_fraction(tile) == 0.5
    with rasterio.open(tile) as file:
        oracle = file.read(file.colorinterp.index(A) + 1) if A in file.colorinterp else file.dataset_mask()
    assert np.array_equal(shown(tile)[..., 3] > 0, oracle > 0)


def test_a_tile_that_says_no_more_than_where_there_is_data_is_refused(tile):
    store(tile, ramps(1), [A])
    (failure,) = failures(tile)
    assert "has no band of colours, only one that says where there is data" in failure.reason


def test_types_of_bands_that_are_no_picture_are_named_in_the_order_of_the_bands(tmp_path):
    """GeoTIFF has one type for all bands; formats that have several are read by a virtual tile."""
    types = {"Red": "Int16", "Green": "Float32", "Blue": "Int16"}
    bands = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{number}"><ColorInterp>{colour}</ColorInterp></VRTRasterBand>'
        for number, (colour, kind) in enumerate(types.items(), 1)
    )
    place = "<GeoTransform>0, 1, 0, 0, 0, -1</GeoTransform>"
    path = tmp_path / "tile.vrt"
    path.write_text(f'<VRTDataset rasterXSize="{SIZE}" rasterYSize="{SIZE}">{place}{bands}</VRTDataset>')
    with rasterio.open(path) as file, pytest.raises(TileError, match=r"pixels that are no picture: int16, float32\.$"):
        colours_of(file, "tile.vrt")


def test_a_mask_beside_a_tile_that_is_resampled_counts_as_well(tile):
    """The tile is south up, so its pixels are put on the grid first."""
    with_mask_beside(tile, values=ramps(3)[:, ::-1].copy(), transform=SOUTH_UP)
    cut(tile)
    assert valid_fraction(tile) == 0.5
    assert np.array_equal(shown(tile)[..., 3] > 0, ~upper_half())


def test_a_mask_in_the_tile_counts_before_one_beside_it(tile):
    with_mask_beside(tile)
    beside = tile.with_name(f"{tile.name}.msk")
    kept = beside.read_bytes()
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        beside.unlink()
        store(tile, ramps(3))
        with rasterio.open(tile, "r+") as file:
            file.write_mask((upper_half().T * 255).astype("uint8"))
    beside.write_bytes(kept)
    cut(tile)
    assert valid_fraction(tile) == 0.5
    assert np.array_equal(shown(tile)[..., 3] > 0, upper_half().T)


def test_a_tile_is_cut_again_once_a_mask_lies_beside_it(tile):
    store(tile, ramps(3), compress="JPEG", blockxsize=512, blockysize=512)
    cut(tile)
    assert valid_fraction(tile) == 1
    shutil.copy(tile, tile.with_name("other.tif"))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(tile.with_name("other.tif"), "r+") as file:
        file.write_mask((upper_half() * 255).astype("uint8"))
    tile.with_name("other.tif.msk").rename(tile.with_name(f"{tile.name}.msk"))
    cut(tile)
    assert valid_fraction(tile) == 0.5


def test_a_mask_beside_a_tile_elsewhere_than_on_a_disk_is_honoured(tile):
    with_mask_beside(tile)
    inside = f"ard/33/{CELL}/2015-05-28/{tile.name}"
    try:
        for ending in ("", ".msk"):
            write_bytes(DataLocation("memory", inside + ending), tile.with_name(tile.name + ending).read_bytes())
        ard, chips = DataLocation("memory", "ard"), DataLocation("memory", "chips")
        answer = chips_folder(ChipsFolderMsg(ard_loc=ard, chips_loc=chips))
        assert not answer.failed
        index = DataLocation("memory", "index.json")
        assert index_nodata(IndexNodataMsg(chips_loc=chips, index_loc=index)).n_partial_data == 1
        live = LiveTree(ard)
        renderer = Renderer(lambda: live.index, 1)
        try:
            data = renderer.submit(Footprint.of_cell(Cell(33, CHIP)), Choice(), "png", "png").result(60).data
        finally:
            renderer.close()
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)))[..., 3] > 0, upper_half())
    finally:
        clear_memory_storage()


BAD_MASKS = {
    "cut short": (
        lambda path: path.write_bytes(store(path, ramps(1)).read_bytes()[:100]),
        "the mask beside the tile .* is of no use, make it anew or remove it: .*is cut short",
    ),
    "of another size": (
        lambda path: store(path, ramps(1)[:, :256].copy()),
        "has 512 x 512 pixels, and the mask beside it 512 x 256: remove the mask",
    ),
}


@pytest.mark.parametrize("kind", BAD_MASKS)
def test_a_mask_that_cannot_be_is_an_error_and_not_passed_over(kind, tile):
    make, sentence = BAD_MASKS[kind]
    store(tile, ramps(3))
    make(tile.with_name(f"{tile.name}.msk"))
    (failure,) = failures(tile)
    assert re.search(sentence, failure.reason, re.IGNORECASE), failure.reason
    assert not shown(tile)[..., 3].any()


@pytest.mark.parametrize("epsg", [3857, 4326, 32632, 32733, 3035])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tile_of_another_projection_is_shown_as_it_is_cut(epsg, dtype, tile):
    bounds = transform_bounds("EPSG:32633", f"EPSG:{epsg}", WEST - 50, NORTH - 250, WEST + 250, NORTH + 50)
    step = (bounds[2] - bounds[0]) / 900
    transform = from_origin(bounds[0], bounds[3], step, (bounds[3] - bounds[1]) / 900)
    values = np.stack([*np.meshgrid(np.linspace(20, 240, 900), np.linspace(20, 240, 900)), np.full((900, 900), 99.0)])
    store(
        tile,
        (values * (1 if dtype == "uint8" else 40)).astype(dtype),
        [R, G, B],
        crs=f"EPSG:{epsg}",
        transform=transform,
    )
    chip, picture = cut(tile), shown(tile)
    assert picture[..., 3].all()
    assert alike(chip, picture[..., :3], 3)
    if dtype == "uint8":
        oracle = np.zeros((3, SIZE, SIZE), np.uint8)
        with rasterio.open(tile) as file:
            for band in range(3):
                reproject(
                    rasterio.band(file, band + 1),
                    oracle[band],
                    dst_transform=PLACE,
                    dst_crs="EPSG:32633",
                    resampling=Resampling.bilinear,
                )
        assert np.abs(picture[..., :3].astype(int) - np.moveaxis(oracle, 0, -1)).max() <= 2


def without_tables(data):
    """The bytes of a tile whose tag of JPEG tables is called something else."""
    at = data.index(struct.pack("<HH", 347, 7))
    return data[:at] + struct.pack("<H", 65000) + data[at + 2 :]


def changed_tables(marker, change):
    def made(data):
        begin = data.index(b"\xff\xd8" + marker)
        return data[: begin + 2] + change(data[begin + 2 : begin + 600]) + data[begin + 600 :]

    return made


BAD_TABLES = {
    "missing": (without_tables, "needs tables of JPEG that neither it nor its tile has"),
    "of no length": (
        changed_tables(b"\xff\xdb", lambda part: part[:2] + b"\xff\xff" + part[4:]),
        "the tables of JPEG that its blocks share are malformed",
    ),
    "of zeros": (
        changed_tables(b"\xff\xdb", lambda part: part[:5] + bytes(64) + part[69:]),
        "the tables of JPEG that its blocks share are malformed",
    ),
    "of another kind": (
        changed_tables(b"\xff\xdb", lambda part: part[:1] + b"\xfe" + part[2:]),
        "needs tables of JPEG that neither it nor its tile has",
    ),
    "of too many codes": (
        lambda data: re.sub(rb"(\xff\xc4\x00..).", b"\\1\xff", data, flags=re.DOTALL),
        "one of its blocks has malformed tables of JPEG",
    ),
}


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_chip_whose_jpeg_lacks_its_tables_is_not_made(kind, write, tile):
    change, sentence = BAD_TABLES[kind]
    make_tile(tile, width=2 * SIZE, height=2 * SIZE, OVERVIEWS="NONE")
    good = tile.read_bytes()
    tile.write_bytes(change(good))
    assert tile.read_bytes() != good
    ard, chips = (DataLocation("filesystem", str(tile.parents[4] / name)) for name in ("ard", "chips"))
    answer = chips_folder(ChipsFolderMsg(ard_loc=ard, chips_loc=chips, write_chips=write))
    assert answer.n_chips == 0
    assert sentence in answer.failed[0].reason
