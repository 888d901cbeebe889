"""Chips of any raster, against rasterio's own windows and warps."""

import io
import shutil

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import Resampling
from rasterio.transform import Affine, from_origin
from rasterio.vrt import WarpedVRT

from spacer_like.chips.grid import Cell
from spacer_like.chips.messages import CutRasterMsg, CutRastersMsg
from spacer_like.chips.rasters.manifest import read_raster_manifest
from spacer_like.exceptions import DataNotFoundError, MessageError, SpacerInputError, TileError
from spacer_like.location import DataLocation
from spacer_like.storage import read_bytes
from spacer_like.tasks import cut_raster, cut_rasters

from . import raster_making as made


def cut(path, tmp_path, **fields):
    """Cut a raster; the answer, and the rows of the manifest by place."""
    fields = {"chips_loc": DataLocation.local(tmp_path / "chips"), "format": "npy", "dtype": "source"} | fields
    manifest_loc = DataLocation.local(tmp_path / "manifest.parquet")
    answer = cut_raster(CutRasterMsg(raster_loc=DataLocation.local(path), manifest_loc=manifest_loc, **fields))
    manifest = read_raster_manifest(read_bytes(manifest_loc), "manifest")
    return answer, {row["place"]: row for row in manifest.chips.to_pylist()}


def array_of(tmp_path, row):
    return np.load(tmp_path / "chips" / row["chip"])


class TestWindows:
    def test_chips_are_the_pixels_of_the_raster(self, tmp_path):
        path = made.scan(tmp_path / "in" / "old map.tif")
        answer, rows = cut(path, tmp_path, grid="pixels", size=128)
        assert (answer.way, answer.scale, answer.source, answer.zoom) == ("windows", 1.0, "old-map", None)
        assert set(rows) == {f"P{column}-{row}" for column in range(0, 500, 128) for row in range(0, 300, 128)}
        pixels = np.moveaxis(made.waves(3, 300, 500).astype("uint8"), 0, -1)
        for row in rows.values():
            column, top = row["column"], row["row"]
            part = pixels[top : top + 128, column : column + 128]
            expected = np.zeros((128, 128, 3), np.uint8)
            expected[: part.shape[0], : part.shape[1]] = part
            assert np.array_equal(array_of(tmp_path, row), expected)
            assert row["valid_fraction"] == part.shape[0] * part.shape[1] / 128**2
            assert row["crs"] is None

    def test_strides_overlap(self, tmp_path):
        path = made.scan(tmp_path / "map.tif")
        _, rows = cut(path, tmp_path, grid="pixels", size=200, stride=100, wanted="all_data")
        done = {place for place, row in rows.items() if row["n_bytes"]}
        assert done == {f"P{column}-{row}" for column in (0, 100, 200, 300) for row in (0, 100)}
        left, right = (array_of(tmp_path, rows[place]) for place in ("P0-0", "P100-0"))
        assert np.array_equal(left[:, 100:], right[:, :100])

    def test_a_raster_without_a_place_on_earth_needs_the_grid_of_pixels(self, tmp_path):
        with pytest.raises(SpacerInputError, match="does not say where it lies: cut it into windows of its pixels"):
            cut(made.scan(tmp_path / "map.tif"), tmp_path)

    def test_rows_say_where_a_rotated_raster_s_chips_lie(self, tmp_path):
        path = made.orthomosaic(tmp_path / "drone.tif")
        _, rows = cut(path, tmp_path, grid="pixels", size=100)
        with rasterio.open(path) as file:
            transform = file.transform
        row = rows["P100-200"]
        assert row["crs"] == "EPSG:4326"
        assert Affine(*row["transform"]) * (0, 0) == pytest.approx(transform * (100, 200))
        corners = [transform * at for at in ((100, 200), (200, 200), (100, 300), (200, 300))]
        assert row["west"] == pytest.approx(min(x for x, _ in corners))
        assert row["north"] == pytest.approx(max(y for _, y in corners))


class TestPassthrough:
    def jpeg(self, path, **options):
        """A raster of JPEG in blocks of 128 pixels, which the last ones exceed."""
        options = {"compress": "jpeg", "photometric": "YCBCR"} | options
        pixels = made.waves(3, 300, 500).astype("uint8")
        return made.make_raster(path, pixels, "EPSG:32633", from_origin(3e5, 5e6, 1, 1), **options)

    def test_blocks_on_the_grid_are_copied_and_the_others_encoded(self, tmp_path):
        path = self.jpeg(tmp_path / "a.tif")
        answer, rows = cut(path, tmp_path, grid="pixels", size=128, format="jpg", dtype="uint8")
        assert answer.way == "passthrough"
        assert {place for place, row in rows.items() if row["way"] == "passthrough"} == {
            f"P{column}-{row}" for column in (0, 128, 256) for row in (0, 128)
        }
        assert [row["place"] for row in rows.values()] == list(rows)
        assert rows["P384-256"]["way"] == "windows"
        with rasterio.open(path) as file:
            pixels = np.moveaxis(file.read(), 0, -1)
        with Image.open(tmp_path / "chips" / rows["P128-128"]["chip"]) as chip:
            # The same blocks, decoded by another library's upsampling.
            assert np.abs(np.asarray(chip).astype(int) - pixels[128:256, 128:256]).mean() < 2
        for row in rows.values():
            assert (tmp_path / "chips" / row["chip"]).stat().st_size == row["n_bytes"]

    @pytest.mark.parametrize(
        "fields", [{"quality": 75}, {"size": 64}, {"stride": 64}, {"bands": ["1", "2", "3"]}, {"format": "png"}]
    )
    def test_what_asks_for_other_pixels_is_encoded(self, tmp_path, fields):
        fields = {"grid": "pixels", "size": 128, "format": "jpg", "dtype": "uint8"} | fields
        answer, rows = cut(self.jpeg(tmp_path / "a.tif"), tmp_path, **fields)
        on_blocks = [row for row in rows.values() if row["way"] == "passthrough"]
        assert answer.way == ("passthrough" if "stride" in fields else "windows")
        assert len(on_blocks) == (6 if "stride" in fields else 0)

    def test_a_damaged_block_is_named(self, tmp_path):
        path = self.jpeg(tmp_path / "a.tif")
        data = bytearray(path.read_bytes())
        at = data.index(b"\xff\xd8", len(data) // 2)
        data[at : at + 2] = b"xx"
        path.write_bytes(data)
        with pytest.raises(TileError, match=r"^The raster '.*a\.tif' is damaged: one of its blocks is no whole stream"):
            cut(path, tmp_path, grid="pixels", size=128, format="jpg", dtype="uint8")


class TestWarps:
    @pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
    def test_chips_are_those_of_rasterio(self, tmp_path, method):
        path = made.sentinel(tmp_path / "scene.tif", overviews=None)
        answer, rows = cut(path, tmp_path, zoom=13, size=200, resampling=method)
        assert answer.way == "warp"
        assert answer.scale == pytest.approx(1.25, abs=0.01)
        place, row = next((place, row) for place, row in rows.items() if row["valid_fraction"] == 1)
        west, south, east, north = Cell(int(place[1:3]), place[4:]).bounds
        assert (row["west"], row["south"], row["east"], row["north"]) == (west, south, east, north)
        with (
            rasterio.open(path) as file,
            WarpedVRT(
                file,
                crs="EPSG:32633",
                transform=from_origin(west, north, 12.5, 12.5),
                width=200,
                height=200,
                resampling=Resampling[method],
                XSCALE=0.8,
                YSCALE=0.8,
            ) as warped,
        ):
            expected = np.moveaxis(warped.read(), 0, -1)
        assert np.abs(array_of(tmp_path, row).astype(int) - expected).max() <= (0 if method == "nearest" else 1)

    @pytest.mark.parametrize(("grid", "size"), [("ard", 200), ("ard", 90), ("xyz", 200)])
    @pytest.mark.parametrize("nodata", [0, None])
    def test_chips_at_the_sides_are_those_of_rasterio_too(self, tmp_path, grid, size, nodata):
        pixels = made.waves(2, 300, 300, 200, 3000).astype("int16")
        path = made.make_raster(
            tmp_path / "a.tif", pixels, "EPSG:32633", from_origin(300_000, 4_900_020, 10, 10), nodata=nodata
        )
        answer, rows = cut(path, tmp_path, grid=grid, zoom=13, size=size, wanted="no_data")
        epsg = "EPSG:32633" if grid == "ard" else "EPSG:3857"
        for row in rows.values():
            scales = {"XSCALE": 1 / answer.scale, "YSCALE": 1 / answer.scale}
            with (
                rasterio.open(path) as file,
                WarpedVRT(
                    file,
                    crs=epsg,
                    transform=Affine(*row["transform"]),
                    width=size,
                    height=size,
                    resampling=Resampling.bilinear,
                    add_alpha=nodata is None,
                    **scales,
                ) as warped,
            ):
                found = array_of(tmp_path, row).astype(int)
                apart = np.abs(found - np.moveaxis(warped.read([1, 2]), 0, -1))
                valid = np.count_nonzero(warped.read(3) if nodata is None else warped.dataset_mask())
            # Where pixels are shifted, GDAL interpolates their positions, up to an eighth of a pixel beside the right.
            assert np.quantile(apart, 0.99) <= (1 if grid == "ard" else 40)
            assert row["valid_fraction"] * size**2 == pytest.approx(valid, abs=1e-6 if grid == "ard" else 60)

    def test_a_raster_on_the_grid_is_read_and_not_warped(self, tmp_path):
        west, _, _, north = Cell(33, "031111212322").bounds
        pixels = made.waves(1, 500, 500, 0, 60_000).astype("uint16")
        path = made.make_raster(tmp_path / "a.tif", pixels, "EPSG:32633", from_origin(west - 1000, north + 500, 10, 10))
        answer, rows = cut(path, tmp_path, zoom=14, size=125)
        assert answer.way == "windows"
        row = rows["Z33-03111121232200"]
        assert (row["column"], row["row"]) == (100, 50)
        assert np.array_equal(array_of(tmp_path, row)[..., 0], pixels[0, 50:175, 100:225])

    def test_chips_of_small_scale_come_from_overviews(self, tmp_path):
        path = made.sentinel(tmp_path / "scene.tif")
        with rasterio.open(path, "r+") as file:
            # An overview that is not of the raster's values shows which of them was read.
            file.write(np.full((4, 600, 600), 7, "uint16"))
        answer, rows = cut(path, tmp_path, zoom=12, size=125)
        assert answer.scale == pytest.approx(4, abs=0.05)
        full = [row for row in rows.values() if row["valid_fraction"] == 1]
        assert full
        assert all(array_of(tmp_path, row).max() > 7 for row in full)

    def test_xyz_places_are_those_of_web_maps(self, tmp_path):
        path = made.naip(tmp_path / "naip.tif")
        answer, rows = cut(path, tmp_path, grid="xyz", bands=["red"])
        assert answer.zoom == 18
        assert 0.6 < answer.scale < 1.4
        with rasterio.open(path) as file, WarpedVRT(file, crs="EPSG:3857") as warped:
            bounds, full = warped.bounds, 2 * np.pi * 6378137
        side = full / 2**18
        columns = range(int((bounds.left + full / 2) // side), int((bounds.right + full / 2) // side) + 1)
        lines = range(int((full / 2 - bounds.top) // side), int((full / 2 - bounds.bottom) // side) + 1)
        with_data = {place for place, row in rows.items() if row["nodata_class"] != "no_data"}
        assert with_data <= {f"M18-{column}-{line}" for column in columns for line in lines} <= set(rows)

    def test_a_rotated_orthomosaic_has_data_where_its_alpha_says(self, tmp_path):
        answer, rows = cut(made.orthomosaic(tmp_path / "drone.tif"), tmp_path, size=64, dtype="uint8", format="png")
        assert answer.bands == [1, 2, 3]
        area = sum(row["valid_fraction"] for row in rows.values()) * 64**2 * answer.scale**2
        assert area == pytest.approx(np.pi * 180**2, rel=0.02)
        # The corners of its bounds show nothing: they are counted, and have no rows.
        assert {row["nodata_class"] for row in rows.values()} == {"all_data", "partial_data"}
        assert answer.n_no_data > 0
        again, listed = cut(tmp_path / "drone.tif", tmp_path, size=64, dtype="uint8", format="png", wanted="no_data")
        assert (again.n_no_data, len(listed)) == (answer.n_no_data, len(rows) + answer.n_no_data)

    def test_a_raster_without_data_has_a_manifest_without_rows(self, tmp_path):
        path = made.make_raster(
            tmp_path / "a.tif", np.zeros((1, 64, 64), "uint8"), "EPSG:32633", from_origin(3e5, 5e6, 1, 1), nodata=0
        )
        answer, rows = cut(path, tmp_path, grid="pixels", size=32)
        assert (answer.n_chips, answer.n_no_data, rows) == (0, 4, {})

    def test_a_raster_across_the_180th_meridian_has_places_on_both_sides(self, tmp_path):
        pixels = np.full((1, 200, 400), 9, "uint8")
        path = made.make_raster(tmp_path / "fiji.tif", pixels, "EPSG:4326", from_origin(179.8, -17, 0.001, 0.001))
        for grid in ("xyz", "ard"):
            _, rows = cut(path, tmp_path, grid=grid, size=64)
            names = [place for place, row in rows.items() if row["n_bytes"]]
            if grid == "xyz":
                columns = {int(name.split("-")[1]) for name in names}
                n = 2 ** int(names[0][1:3])
                assert {0, n - 1} <= columns
                assert len(rows) < 200
            else:
                assert {name[:3] for name in names} == {"Z60", "Z01"}
            shown = sum(rows[name]["valid_fraction"] for name in names)
            assert shown > 4

    def test_a_raster_around_the_pole_has_places_up_to_where_the_grid_ends(self, tmp_path):
        pixels = np.full((1, 200, 200), 9, "uint8")
        path = made.make_raster(tmp_path / "ice.tif", pixels, "EPSG:3413", from_origin(-3e6, 3e6, 3e4, 3e4))
        _, rows = cut(path, tmp_path, grid="xyz", size=64)
        assert sum(row["nodata_class"] == "all_data" for row in rows.values()) >= 4
        zoom = int(next(iter(rows))[1:3])
        assert {int(place.split("-")[1]) for place in rows} == set(range(2**zoom))

    def test_southern_rasters_have_southern_cells(self, tmp_path):
        _, rows = cut(made.planetscope(tmp_path / "sydney.tif"), tmp_path, size=64)
        assert all(place.startswith("Z56-") and place[4] in "23" for place in rows)
        assert {row["crs"] for row in rows.values()} == {"EPSG:32756"}
        assert any(row["valid_fraction"] == 1 for row in rows.values())


class TestValues:
    def test_bands_are_named_by_number_name_or_colour(self, tmp_path):
        path = made.planetscope(tmp_path / "planet.tif")
        for bands in (["3", "2", "1"], ["red", "green", "blue"], ["Red", "GREEN", "blue"]):
            answer, _ = cut(path, tmp_path, bands=bands, size=64)
            assert answer.bands == [3, 2, 1]
        answer, _ = cut(made.sentinel(tmp_path / "s2.tif"), tmp_path, bands=["red", "green", "blue", "nir"], size=64)
        assert answer.bands == [3, 2, 1, 4]
        with pytest.raises(SpacerInputError, match=r"has no band 'B05'\. Did you mean B0"):
            cut(tmp_path / "s2.tif", tmp_path, bands=["B05"])
        with pytest.raises(SpacerInputError, match="has no band 5: it has 4"):
            cut(tmp_path / "s2.tif", tmp_path, bands=["5"])

    def test_a_range_of_values_becomes_bytes(self, tmp_path):
        path = made.sentinel(tmp_path / "s2.tif", overviews=None)
        common = {"grid": "pixels", "size": 100, "bands": ["3"]}
        _, raw = cut(path, tmp_path, **common)
        before = array_of(tmp_path, raw["P100-100"]).astype(float)
        answer, rows = cut(path, tmp_path, **common, dtype="uint8", value_range=[0, 2000])
        assert answer.value_range == (0, 2000)
        expected = np.clip(np.rint(before * 255 / 2000), 0, 255)
        assert np.array_equal(array_of(tmp_path, rows["P100-100"]), expected)

    def test_what_has_no_data_is_black_and_counted(self, tmp_path):
        path = made.sentinel(tmp_path / "s2.tif")
        _, rows = cut(path, tmp_path, grid="pixels", size=200, dtype="uint8", value_range=[-1000, 3000], format="npy")
        row = rows["P400-0"]
        assert row["valid_fraction"] == 0.7
        assert not array_of(tmp_path, row)[:, 140:].any()
        assert array_of(tmp_path, row)[:, :140].min() > 0

    @pytest.mark.parametrize("file_format", ["jpg", "png", "webp", "tif", "npy"])
    def test_chips_are_files_of_the_format(self, tmp_path, file_format):
        path = made.naip(tmp_path / "naip.tif")
        _, rows = cut(path, tmp_path, grid="pixels", size=100, dtype="uint8", format=file_format)
        data = (tmp_path / "chips" / rows["P100-100"]["chip"]).read_bytes()
        assert len(data) == rows["P100-100"]["n_bytes"]
        expected = np.moveaxis(made.waves(4, 500, 400).astype("uint8")[:3, 100:200, 100:200], 0, -1)
        if file_format == "tif":
            with rasterio.open(tmp_path / "chips" / rows["P100-100"]["chip"]) as file:
                found = np.moveaxis(file.read(), 0, -1)
                assert file.crs.to_epsg() == 26911
                assert (file.transform.c, file.transform.f) == (500_060, 3_799_940)
        else:
            found = np.load(io.BytesIO(data)) if file_format == "npy" else np.asarray(Image.open(io.BytesIO(data)))
        assert np.abs(found.astype(int) - expected).mean() < (4 if file_format in ("jpg", "webp") else 1e-9)

    def test_values_stay_as_they_are_when_asked(self, tmp_path):
        path = made.sentinel(tmp_path / "s2.tif")
        answer, rows = cut(path, tmp_path, grid="pixels", size=100, format="tif")
        assert answer.bands == [1, 2, 3, 4]
        with rasterio.open(tmp_path / "chips" / rows["P0-0"]["chip"]) as chip, rasterio.open(path) as file:
            assert np.array_equal(chip.read(), file.read(window=((0, 100), (0, 100))))
            assert (chip.dtypes[0], chip.nodata) == ("uint16", 0)

    def test_formats_that_cannot_hold_the_bands_are_refused(self, tmp_path):
        path = made.sentinel(tmp_path / "s2.tif")
        with pytest.raises(SpacerInputError, match="gives chips of 4 bands, and JPEG files have 1 or 3"):
            cut(path, tmp_path, format="jpg", dtype="uint8", bands=["1", "2", "3", "4"])
        with pytest.raises(SpacerInputError, match="has numbers of the type uint16, which PNG files do not hold"):
            cut(path, tmp_path, format="png", bands=["1", "2", "3"])
        answer, rows = cut(path, tmp_path, format="png", bands=["B08"], grid="pixels", size=64)
        with Image.open(tmp_path / "chips" / rows["P0-0"]["chip"]) as chip:
            assert chip.mode.startswith("I;16")
        assert answer.n_chips == 90


class TestMistakes:
    def test_what_is_no_raster_is_named(self, tmp_path):
        (tmp_path / "a.tif").write_bytes(b"no raster")
        with pytest.raises(TileError, match=r"a\.tif"):
            cut(tmp_path / "a.tif", tmp_path)
        with pytest.raises(DataNotFoundError, match=r"b\.tif"):
            cut(tmp_path / "b.tif", tmp_path)

    def test_a_vrt_is_refused(self, tmp_path):
        (tmp_path / "a.vrt").write_text("<VRTDataset/>")
        with pytest.raises(SpacerInputError, match="is a VRT, which is not read because it names other files"):
            cut(tmp_path / "a.vrt", tmp_path)
        shutil.copy(tmp_path / "a.vrt", tmp_path / "b.tif")
        with pytest.raises(TileError, match=r"b\.tif"):
            cut(tmp_path / "b.tif", tmp_path)

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"stride": 5}, "stride is of the grid pixels only"),
            ({"zoom": 3}, "zoom is 12 to 26 of the grid ard"),
            ({"grid": "pixels", "zoom": 13}, "zoom is 12 to 26"),
            ({"value_range": [3, 3]}, "it must be a smaller and a larger value"),
            ({"dtype": "source", "format": "jpg"}, "jpg files have bytes only"),
        ],
    )
    def test_fields_that_do_not_go_together_are_refused(self, fields, sentence):
        plain = CutRasterMsg.example().serialize() | {"value_range": None}
        with pytest.raises(MessageError, match=sentence):
            CutRasterMsg(**(plain | fields))

    def test_too_many_places_are_refused(self, tmp_path):
        path = made.sentinel(tmp_path / "s2.tif")
        with pytest.raises(SpacerInputError, match=r"covers .* places, more than 1,048,576: ask for larger ones"):
            cut(path, tmp_path, zoom=26, grid="xyz")


class TestSets:
    def scenes(self, tmp_path):
        """Two scenes side by side, the second twice as bright, and a preview."""
        folder = tmp_path / "in"
        pixels = made.waves(1, 300, 300, 100, 1000).astype("uint16")
        for index in range(2):
            transform = from_origin(300_000 + index * 3000, 4_900_020, 10, 10)
            made.make_raster(folder / f"scene_{index}.tif", pixels * (index + 1), "EPSG:32633", transform, nodata=0)
        Image.new("RGB", (50, 50)).save(folder / "preview.png")
        return folder

    def cut(self, folder, tmp_path, **fields):
        fields = {"zoom": 13, "size": 128, "chips_loc": DataLocation.local(tmp_path / "chips")} | fields
        return cut_rasters(CutRastersMsg(raster_locs=[DataLocation.local(folder)], **fields))

    def test_all_rasters_share_one_range_of_values(self, tmp_path):
        answer = self.cut(self.scenes(tmp_path), tmp_path)
        assert (answer.n_rasters, answer.failed) == (2, [])
        low, high = answer.value_range
        assert 100 <= low < 150
        assert 1900 < high <= 2000
        for index in range(2):
            manifest = (tmp_path / "chips" / "manifests" / f"scene-{index}_ard.parquet").read_bytes()
            assert read_raster_manifest(manifest, "manifest").header.value_range == (low, high)

    def test_a_raster_of_bytes_is_not_stretched_by_the_range_of_others(self, tmp_path):
        folder = self.scenes(tmp_path)
        pixels = np.full((1, 300, 300), 200, "uint8")
        made.make_raster(folder / "bytes.tif", pixels, "EPSG:32633", from_origin(320_000, 4_900_020, 10, 10))
        answer = self.cut(folder, tmp_path, wanted="all_data")
        assert answer.value_range[1] > 1900
        with Image.open(next((tmp_path / "chips").glob("*_bytes.jpg"))) as chip:
            assert abs(np.asarray(chip).astype(int) - 200).max() <= 2

    def test_what_was_cut_is_not_cut_again(self, tmp_path):
        folder = self.scenes(tmp_path)
        first = self.cut(folder, tmp_path)
        again = self.cut(folder, tmp_path)
        assert (again.n_skipped, again.n_chips) == (2, 0)
        other = self.cut(folder, tmp_path, size=64)
        assert (other.n_skipped, other.n_chips) == (0, first.n_chips)

    def test_chips_that_are_gone_are_cut_again(self, tmp_path):
        folder = self.scenes(tmp_path)
        first = self.cut(folder, tmp_path)
        next((tmp_path / "chips").glob("*_scene-1.jpg")).unlink()
        again = self.cut(folder, tmp_path)
        assert again.n_skipped == 1
        assert len(list((tmp_path / "chips").glob("*.jpg"))) == first.n_chips

    def test_a_broken_raster_fails_alone(self, tmp_path):
        folder = self.scenes(tmp_path)
        (folder / "broken.tif").write_bytes((folder / "scene_0.tif").read_bytes()[:2000])
        answer = self.cut(folder, tmp_path, value_range=[0, 2000])
        assert [failed.tile.rpartition("/")[2] for failed in answer.failed] == ["broken.tif"]
        assert answer.n_chips == self.cut(self.scenes(tmp_path / "b"), tmp_path / "b").n_chips

    def test_of_rasters_over_one_place_the_newest_is_cut(self, tmp_path):
        folder = tmp_path / "in"
        for date, value in (("20250601", 1000), ("20260601", 2000)):
            pixels = np.full((1, 300, 300), value, "uint16")
            if value == 2000:
                pixels[:, :, 150:] = 0
            transform = from_origin(300_000, 4_900_020, 10, 10)
            made.make_raster(folder / f"S2_{date}.tif", pixels, "EPSG:32633", transform, nodata=0)
        both = self.cut(folder, tmp_path / "all", size=64, zoom=15)
        newest = self.cut(folder, tmp_path / "newest", size=64, zoom=15, overlap="newest")
        assert newest.n_chips < both.n_chips
        names = sorted(path.name for path in (tmp_path / "newest" / "chips").glob("*.jpg"))
        assert len({name.partition("_")[0] for name in names}) == len(names)
        assert {name.partition("_")[2] for name in names} == {"S2-20250601.jpg", "S2-20260601.jpg"}

    def test_of_rasters_over_one_place_the_one_with_fewest_clouds_is_cut(self, tmp_path):
        folder = tmp_path / "in"
        for index in range(2):
            pixels = np.full((2, 300, 300), 100, "uint8")
            pixels[1] = 4
            # Its own half of each is cloudy.
            pixels[1, :, index * 150 : (index + 1) * 150] = 9
            made.make_raster(
                folder / f"s{index}.tif",
                pixels,
                "EPSG:32633",
                from_origin(300_000, 4_900_020, 10, 10),
                names=("red", "SCL"),
            )
        self.cut(folder, tmp_path, size=64, zoom=14, overlap="best", clouds="SCL", cloud_values=[8, 9], bands=["1"])
        names = sorted(path.name for path in (tmp_path / "chips").glob("*.jpg"))
        assert {name.partition("_")[2] for name in names} == {"s0.jpg", "s1.jpg"}
        assert len({name.partition("_")[0] for name in names}) == len(names)

    def test_rasters_of_one_name_have_chips_of_two(self, tmp_path):
        for folder in ("a", "b"):
            made.sentinel(tmp_path / "in" / folder / "B.tif", side=200)
        answer = self.cut(tmp_path / "in", tmp_path)
        assert answer.failed == []
        assert len(list((tmp_path / "chips").glob("*.jpg"))) == answer.n_chips

    def test_a_folder_without_rasters_is_named(self, tmp_path):
        (tmp_path / "in").mkdir()
        with pytest.raises(DataNotFoundError, match="There are no rasters in"):
            self.cut(tmp_path / "in", tmp_path)
