"""Labels of chips from rasters of classes, against windows and reprojections of rasterio."""

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.transform import from_origin
from rasterio.warp import Resampling, reproject

from spacer_like.chips.messages import LabelFromMaskMsg
from spacer_like.exceptions import DataNotFoundError, MapDataError, SpacerInputError, TileError
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes
from spacer_like.tables.label_table import read_label_table, read_score_table
from spacer_like.tasks import label_from_mask

from . import raster_making as made
from .test_label_from_features import NORTH, WEST, cut

CLASSES = {1: "forest", 2: "water", 3: "town"}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chips")
    path = made.sentinel(folder / "in" / "s2.tif", side=256, nodata=None)
    return folder / "chips", cut(path, folder / "chips", size=64)


def blobs(side, dtype="uint8"):
    """Classes 1, 2 and 3 in patches, and a strip of 0."""
    found = (made.waves(1, side, side, 1, 3.99)[0]).astype(dtype)
    found[:, : side // 10] = 0
    return found


def mask(path, values, crs="EPSG:32633", transform=None, **options):
    transform = transform or from_origin(WEST, NORTH, 10, 10)
    return made.make_raster(path, values[None], crs, transform, **options)


def labelled(path, chips, tmp_path, **fields):
    """The answer, the shares by chip and label, and the labels by chip."""
    outputs = [tmp_path / f"{name}.parquet" for name in ("sparse", "shares")]
    sparse, shares = outputs
    answer = label_from_mask(
        LabelFromMaskMsg(
            mask_loc=path if isinstance(path, DataLocation) else DataLocation.local(path),
            chips_loc=DataLocation.local(chips),
            sparse_locs=[DataLocation.local(sparse)],
            shares_locs=[DataLocation.local(shares)],
            **fields,
        )
    )
    names, labels, values = read_score_table(shares.read_bytes(), "shares", True)
    table = read_label_table(sparse.read_bytes(), "sparse", True)
    assert (table.names, table.labels) == (names, labels)
    found = {name: dict(zip(labels, row.tolist(), strict=True)) for name, row in zip(names, values, strict=True)}
    given = {
        name: {labels[at] for at in np.flatnonzero(row)} for name, row in zip(table.names, table.targets, strict=True)
    }
    return answer, found, given


def shares_in(values, valid=None):
    values = values[np.ones(values.shape, bool) if valid is None else valid]
    return {value: np.count_nonzero(values == value) / values.size for value in np.unique(values).tolist()}


def test_on_the_pixels_of_the_chips_they_are_counted_exactly(places, tmp_path):
    chips, rows = places
    values = blobs(256)
    answer, found, given = labelled(mask(tmp_path / "a.tif", values), chips, tmp_path, min_share=0.2)
    for row in rows:
        window = values[row["row"] : row["row"] + 64, row["column"] : row["column"] + 64]
        expected = {str(value): share for value, share in shares_in(window).items()}
        assert {label: share for label, share in found[row["chip"]].items() if share} == pytest.approx(expected)
        assert given[row["chip"]] == {label for label, share in expected.items() if share >= 0.2}
    assert (answer.n_chips, answer.n_without_data, answer.unnamed) == (16, 0, [])


@pytest.mark.parametrize("finer", [4, 12])
def test_a_finer_mask_is_counted_pixel_by_pixel(places, tmp_path, finer):
    chips, rows = places
    values = blobs(256 * finer)
    # A lone pixel of a class between two of those that every eighth of a chip's pixel would meet.
    values[1::finer, 1::finer] = 9
    path = mask(tmp_path / "a.tif", values, transform=from_origin(WEST, NORTH, 10 / finer, 10 / finer))
    found = labelled(path, chips, tmp_path)[1]
    for row in rows:
        top, left, side = row["row"] * finer, row["column"] * finer, 64 * finer
        window = values[top : top + side, left : left + side]
        expected = {str(value): share for value, share in shares_in(window).items()}
        assert {label: share for label, share in found[row["chip"]].items() if share} == pytest.approx(expected)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_a_mask_of_another_projection_is_reprojected(places, tmp_path, crs):
    chips, rows = places
    bounds = rasterio.warp.transform_bounds("EPSG:32633", crs, WEST, NORTH - 2560, WEST + 2560, NORTH)
    transform = rasterio.transform.from_bounds(*bounds, 300, 300)
    values = blobs(300)
    found = labelled(mask(tmp_path / "a.tif", values, crs, transform), chips, tmp_path)[1]
    for row in rows[5:7]:
        size = 64 * 4
        expected = np.zeros((size, size), "uint8")
        fine = Affine(*row["transform"]) * Affine.scale(0.25)
        reproject(
            values, expected, src_transform=transform, src_crs=crs, dst_transform=fine, dst_crs="EPSG:32633",
            resampling=Resampling.nearest,
        )  # fmt: skip
        shares = shares_in(expected)
        for value in range(4):
            assert found[row["chip"]].get(str(value), 0) == pytest.approx(shares.get(value, 0), abs=0.01)


def test_what_has_no_data_is_left_out(places, tmp_path):
    chips, rows = places
    values = blobs(256)
    values[:64, :64] = 9
    values[64:96, :64] = 9
    answer, found, _ = labelled(mask(tmp_path / "a.tif", values, nodata=9), chips, tmp_path)
    by_place = {row["place"]: row["chip"] for row in rows}
    assert by_place["P0-0"] not in found
    assert sum(found[by_place["P0-64"]].values()) == pytest.approx(1.0)
    assert (answer.n_chips, answer.n_without_data) == (15, 1)
    # A mask that ends before the chips do.
    answer, found, _ = labelled(mask(tmp_path / "b.tif", blobs(128)), chips, tmp_path)
    assert (answer.n_chips, answer.n_without_data) == (4, 12)


def test_a_scan_s_mask_is_on_its_pixels(tmp_path):
    cut(made.scan(tmp_path / "scan.tif"), tmp_path / "chips", size=100)
    values = np.zeros((300, 500), "uint8")
    values[100:150, 200:300] = 7
    found = labelled(mask(tmp_path / "m.tif", values, None, Affine.identity()), tmp_path / "chips", tmp_path)[1]
    assert found["P200-100_scan.jpg"] == {"0": 0.5, "7": 0.5}
    with pytest.raises(SpacerInputError, match="raster of the chips does not say where it lies"):
        labelled(mask(tmp_path / "n.tif", values), tmp_path / "chips", tmp_path)


class TestNames:
    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("names.csv", "value,name\n1,forest\n2,water\n3,town\n"),
            ("names.json", '{"1": "forest", "2": "water", "3": "town"}'),
        ],
    )
    def test_a_table_gives_values_their_names(self, places, tmp_path, file, text):
        (tmp_path / file).write_text(text)
        loc = DataLocation.local(tmp_path / file)
        answer, found, _ = labelled(mask(tmp_path / "a.tif", blobs(256)), places[0], tmp_path, names_loc=loc)
        assert set(answer.counts) == set(CLASSES.values())
        assert answer.unnamed == [0]
        # What has no name is a part of the chip all the same.
        assert min(sum(one.values()) for one in found.values()) < 0.8

    def test_values_of_one_name_are_one_label(self, places, tmp_path):
        loc = DataLocation("memory", "names.json")
        write_bytes(loc, b'{"0": "open", "1": "open", "2": "wet", "3": "wet"}')
        found = labelled(mask(tmp_path / "a.tif", blobs(256)), places[0], tmp_path, names_loc=loc)[1]
        assert all(set(one) == {"open", "wet"} and sum(one.values()) == pytest.approx(1) for one in found.values())

    def test_categories_and_tables_of_attributes_beside_the_mask_are_read(self, places, tmp_path):
        path = mask(tmp_path / "a.tif", blobs(256))
        categories = "".join(f"<Category>{name}</Category>" for name in ("", *CLASSES.values()))
        beside = tmp_path / "a.tif.aux.xml"
        band = '<PAMDataset><PAMRasterBand band="1">{}</PAMRasterBand></PAMDataset>'
        beside.write_text(band.format(f"<CategoryNames>{categories}</CategoryNames>"))
        assert set(labelled(path, places[0], tmp_path)[0].counts) == set(CLASSES.values())
        fields = [("Value", 0, 5), ("Count", 0, 1), ("Class", 2, 2)]
        defined = "".join(
            f'<FieldDefn index="{index}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
            for index, (name, kind, usage) in enumerate(fields)
        )
        listed = "".join(f"<Row><F>{value}</F><F>5</F><F>{name.upper()}</F></Row>" for value, name in CLASSES.items())
        beside.write_text(band.format(f"<GDALRasterAttributeTable>{defined}{listed}</GDALRasterAttributeTable>"))
        assert set(labelled(path, places[0], tmp_path)[0].counts) == {"FOREST", "WATER", "TOWN"}

    def test_names_that_are_none(self, places, tmp_path):
        path, loc = mask(tmp_path / "a.tif", blobs(256)), DataLocation("memory", "names.csv")
        for data in (b"", b"a,b\n1,2\n", b"value,name\n1.5,x\n", b"value,name\n1,a|b\n", b'{"1": 2}', b"\xff\xfe"):
            write_bytes(loc, data)
            with pytest.raises(MapDataError, match=r"names\.csv") as caught:
                labelled(path, places[0], tmp_path, names_loc=loc)
            assert "\n" not in str(caught.value)
        for data, sentence in (
            (b"", "must be JSON, or CSV with the columns value and name"),
            (b"a,b\n1,2\n", "must be JSON, or CSV with the columns value and name"),
            (b"value,name\n1\n", "The line 2 of .* lacks a value or a name"),
            (b"value,name\nx,lake\n", "must give whole numbers their names, and has 'x'"),
        ):
            write_bytes(loc, data)
            with pytest.raises(MapDataError, match=sentence):
                labelled(path, places[0], tmp_path, names_loc=loc)
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><PAMDataset>&a;</PAMDataset>'
        (tmp_path / "a.tif.aux.xml").write_text(bomb)
        with pytest.raises(MapDataError, match="entities"):
            labelled(path, places[0], tmp_path)


class TestMistakes:
    def test_what_is_no_mask(self, places, tmp_path):
        with pytest.raises(TileError, match="has no band 2: it has 1"):
            labelled(mask(tmp_path / "a.tif", blobs(256)), places[0], tmp_path, band=2)
        with pytest.raises(TileError, match="is of float32, and no raster of classes"):
            labelled(mask(tmp_path / "b.tif", blobs(256, "float32")), places[0], tmp_path)
        with pytest.raises(DataNotFoundError, match=r"c\.tif"):
            labelled(tmp_path / "c.tif", places[0], tmp_path)
        (tmp_path / "d.tif").write_bytes(b"II*\0" + bytes(50))
        with pytest.raises(TileError, match=r"^The raster '.*d\.tif' cannot be read: ") as caught:
            labelled(tmp_path / "d.tif", places[0], tmp_path)
        assert "tile" not in str(caught.value).replace(str(tmp_path), "")

    def test_a_mask_elsewhere(self, places, tmp_path):
        path = mask(tmp_path / "a.tif", blobs(64), transform=from_origin(WEST + 1e5, NORTH, 10, 10))
        with pytest.raises(SpacerInputError, match="has no data of any of the 16 chips"):
            labelled(path, places[0], tmp_path)
        with pytest.raises(SpacerInputError, match=r"mask '.*' does not say where it lies"):
            labelled(mask(tmp_path / "b.tif", blobs(64), None, Affine.identity()), places[0], tmp_path)
