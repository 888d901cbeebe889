"""Labels of chips from vector files, against shapely's own intersections and rasterio's rasterized areas."""

import json
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio.raw
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from rasterio import Affine
from rasterio.features import rasterize
from rasterio.transform import from_origin

from spacer_like.chips.messages import CutRastersMsg, LabelFromFeaturesMsg
from spacer_like.chips.rasters.manifest import read_raster_manifest
from spacer_like.exceptions import DataNotFoundError, MapDataError, SpacerInputError, TableError
from spacer_like.location import DataLocation
from spacer_like.storage import write_bytes
from spacer_like.tables.label_table import read_label_table, read_score_table
from spacer_like.tasks import cut_rasters, label_from_features

from . import raster_making as made

UTM = "EPSG:32633"
WEST, NORTH = 300_000.0, 4_900_020.0


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Windows of 64 pixels of 10 m: the folder of chips, and a row of the manifest for each."""
    folder = tmp_path_factory.mktemp("chips")
    path = made.sentinel(folder / "in" / "s2.tif", side=256, nodata=None)
    return folder / "chips", cut(path, folder / "chips", size=64)


def cut(path, folder, **fields):
    fields = {"grid": "pixels"} | fields
    cut_rasters(CutRastersMsg(raster_locs=[DataLocation.local(path)], chips_loc=DataLocation.local(folder), **fields))
    (manifest,) = (folder / "manifests").glob("*.parquet")
    rows = read_raster_manifest(manifest.read_bytes(), "manifest").made().to_pylist()
    return [row for row in rows if row["nodata_class"] == "all_data"]


def footprint(row):
    transform = Affine(*row["transform"])
    corners = [(0, 0), (row["width"], 0), (row["width"], row["height"]), (0, row["height"])]
    return shapely.Polygon([transform * at for at in corners])


def geojson(path, features, **more):
    """A file of (geometry, attributes)."""
    listed = [
        {"type": "Feature", "properties": fields, "geometry": shape and json.loads(shapely.to_geojson(shape))}
        for shape, fields in features
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": listed, **more}))
    return path


def labelled(path, chips, tmp_path, **fields):
    """The answer and, by chip, the set of its labels."""
    sparse = tmp_path / "sparse.parquet"
    answer = label_from_features(
        LabelFromFeaturesMsg(
            features_loc=path if isinstance(path, DataLocation) else DataLocation.local(path),
            chips_loc=DataLocation.local(chips),
            sparse_locs=[DataLocation.local(sparse)],
            **fields,
        )
    )
    table = read_label_table(sparse.read_bytes(), "table", True)
    found = zip(table.names, table.targets, strict=True)
    return answer, {name: {table.labels[at] for at in np.flatnonzero(row)} for name, row in found}


def shares_of(path, chips, tmp_path, **fields):
    """The shares by chip and label."""
    loc = DataLocation.local(tmp_path / "shares.parquet")
    labelled(path, chips, tmp_path, shares_locs=[loc], **fields)
    names, labels, values = read_score_table((tmp_path / "shares.parquet").read_bytes(), "shares", True)
    return {name: dict(zip(labels, row.tolist(), strict=True)) for name, row in zip(names, values, strict=True)}


def scene(seed=0, n=40):
    """Areas, some with holes or in parts, lines and points over the chips, in metres, with a kind each."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(n):
        x, y = random.uniform((WEST - 200, NORTH - 2760), (WEST + 2760, NORTH + 200))
        hole = shapely.Point(x, y).buffer(random.uniform(20, 90))
        area = shapely.Point(x, y).buffer(random.uniform(100, 500), quad_segs=3)
        shape = [
            area.difference(hole),
            shapely.MultiPolygon([area, shapely.box(x + 600, y, x + 900, y + 100)]),
            shapely.LineString([(x, y), (x + 500, y + 300), (x + 100, y - 700)]),
            shapely.Point(x, y),
        ][number % 4]
        found.append((shape, {"kind": "abc"[number % 3]}))
    return found


def to_degrees(shape):
    there = Transformer.from_crs(UTM, 4326, always_xy=True)
    # Between two points a line is straight in the projection of its file.
    fine = shapely.segmentize(shape, 20)
    return shapely.transform(fine, lambda points: np.stack(there.transform(*points.T), axis=1))


class TestJoin:
    def test_a_chip_has_the_labels_of_the_features_in_it(self, places, tmp_path):
        chips, rows = places
        features = scene()
        path = geojson(tmp_path / "areas.geojson", [(to_degrees(shape), fields) for shape, fields in features])
        answer, found = labelled(path, chips, tmp_path, attribute="kind")
        for row in rows:
            square = footprint(row)
            expected = {fields["kind"] for shape, fields in features if not shape.disjoint(square)}
            assert found[row["chip"]] == expected
        assert answer.n_features == len(features)
        assert answer.counts == {kind: sum(kind in one for one in found.values()) for kind in "abc"}
        assert (answer.n_chips, answer.n_without_label) == (16, sum(not one for one in found.values()))

    def test_shares_are_those_of_the_rasterized_areas(self, places, tmp_path):
        chips, rows = places
        features = scene(1)
        path = geojson(tmp_path / "areas.geojson", [(to_degrees(shape), fields) for shape, fields in features])
        found = shares_of(path, chips, tmp_path, attribute="kind")
        for row in rows:
            # Sixteen parts of each pixel, and an area or none at the middle of each.
            transform = Affine(*row["transform"]) * Affine.scale(0.25)
            for kind in "abc":
                areas = [shape for shape, fields in features if fields["kind"] == kind and shape.area]
                if areas:
                    drawn = rasterize(areas, (256, 256), transform=transform)
                    assert found[row["chip"]][kind] == pytest.approx(drawn.mean(), abs=0.003)

    def test_areas_over_each_other_count_once_and_a_whole_chip_is_one(self, places, tmp_path):
        chips, rows = places
        square = footprint(rows[5])
        path = tmp_path / "areas.gpkg"
        write(path, [square, square.buffer(10)], ["a", "a"])
        found = shares_of(path, chips, tmp_path, attribute="kind")
        assert found[rows[5]["chip"]]["a"] == 1.0
        assert 0 < found[rows[4]["chip"]]["a"] < 0.05

    def test_shares_and_counts_are_thresholds(self, places, tmp_path):
        chips, rows = places
        chip = rows[0]["chip"]
        west, south, east, north = footprint(rows[0]).bounds
        half = shapely.box(west, south, (west + east) / 2, north)
        tree = shapely.Point(west + 5, south + 5)
        path = tmp_path / "areas.gpkg"
        write(path, [half, tree, shapely.Point(west + 9, south + 9)], ["field", "tree", "tree"])
        assert labelled(path, chips, tmp_path, attribute="kind", min_share=0.5)[1][chip] == {"field"}
        assert labelled(path, chips, tmp_path, attribute="kind", min_share=0.51)[1][chip] == set()
        assert labelled(path, chips, tmp_path, attribute="kind", min_count=2)[1][chip] == {"tree"}

    def test_what_only_touches_a_chip_does_not_lie_in_it(self, places, tmp_path):
        chips, rows = places
        by_place = {row["place"]: row["chip"] for row in rows}
        x, y = WEST + 640, NORTH - 640
        path = tmp_path / "touching.gpkg"
        write(
            path,
            [
                shapely.box(x, y, x + 640, y + 640),
                shapely.LineString([(x, y + 10), (x, y + 20)]),
                shapely.LineString([(x - 10, y + 100), (x, y + 100)]),
                shapely.Point(x, y),
            ],
            ["area", "side", "end", "corner"],
        )
        found = labelled(path, chips, tmp_path, attribute="kind")[1]
        lying = {place: found[chip] for place, chip in by_place.items() if found[chip]}
        # A corner is of the chip to the right of it and below.
        assert lying == {"P64-0": {"area", "side"}, "P0-0": {"side", "end"}, "P64-64": {"corner"}}

    @settings(max_examples=15, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1))
    def test_windows_side_by_side_share_out_what_lies_in_them(self, places, tmp_path_factory, seed):
        chips, _ = places
        tmp_path = tmp_path_factory.mktemp("law")
        random = np.random.default_rng(seed)
        points = random.uniform((WEST, NORTH - 2560), (WEST + 2560, NORTH), (6, 2))
        area = shapely.MultiPoint(points).convex_hull
        write(tmp_path / "area.gpkg", [area], ["a"])
        found = shares_of(tmp_path / "area.gpkg", chips, tmp_path, attribute="kind")
        assert sum(one["a"] for one in found.values()) * 640**2 == pytest.approx(area.area, rel=1e-6)

    def test_a_rotated_raster_s_chips_are_turned_squares(self, tmp_path):
        rows = cut(made.orthomosaic(tmp_path / "drone.tif"), tmp_path / "chips", size=50)
        inner = [row for row in rows if row["place"] == "P150-150"]
        centre = footprint(inner[0]).centroid
        path = geojson(tmp_path / "trees.geojson", [(centre, {})])
        found = labelled(path, tmp_path / "chips", tmp_path)[1]
        assert {chip for chip, labels in found.items() if labels} == {inner[0]["chip"]}
        assert found[inner[0]["chip"]] == {"trees"}

    def test_features_of_a_scan_are_in_its_pixels(self, tmp_path):
        cut(made.scan(tmp_path / "scan.tif"), tmp_path / "chips", size=100)
        path = tmp_path / "houses.gpkg"
        write(path, [shapely.box(210, 120, 260, 140)], ["house"], crs=None)
        found = labelled(path, tmp_path / "chips", tmp_path, attribute="kind")[1]
        assert {chip for chip, labels in found.items() if labels} == {"P200-100_scan.jpg"}
        with pytest.raises(SpacerInputError, match="does not say where it lies, and the features"):
            labelled(geojson(tmp_path / "a.geojson", [(shapely.Point(1, 1), {})]), tmp_path / "chips", tmp_path)

    def test_beside_the_180th_meridian_both_sides_are_read(self, tmp_path):
        path = made.make_raster(
            tmp_path / "fiji.tif",
            made.waves(3, 64, 64).astype("uint8"),
            "EPSG:32760",
            from_origin(814_500, 8_000_000, 100, 100),
        )
        rows = cut(path, tmp_path / "chips", size=16)
        there = Transformer.from_crs("EPSG:32760", 4326, always_xy=True)
        points = [shapely.Point(there.transform(*footprint(row).centroid.coords[0])) for row in rows]
        assert min(point.x for point in points) < -179 < 179 < max(point.x for point in points)
        found = labelled(
            geojson(tmp_path / "reefs.geojson", [(one, {}) for one in points]), tmp_path / "chips", tmp_path
        )
        assert found[0].counts == {"reefs": len(rows)}

    def test_a_feature_far_larger_than_the_chips_covers_them(self, places, tmp_path):
        chips, _ = places
        world = shapely.box(-180, -90, 180, 90)
        found = shares_of(geojson(tmp_path / "world.geojson", [(world, {})]), chips, tmp_path)
        assert all(one == {"world": 1.0} for one in found.values())


def write(path, shapes, kinds, crs=UTM, **options):
    """A GeoPackage, or a Shapefile of areas."""
    kinds = np.array(kinds, object)
    options = {"geometry_type": "Unknown", "layer": path.stem} | options
    if path.suffix == ".shp":
        options = {"geometry_type": "Polygon"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pyogrio.raw.write(path, shapely.to_wkb(np.array(shapes, object)), [kinds], ["kind"], crs=crs, **options)


def geoparquet(path, shapes, kinds, column=None, key=b"geo"):
    described = column or {"encoding": "WKB", "geometry_types": [], "crs": CRS(UTM).to_json_dict()}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": described}}
    table = pa.table(
        {"kind": kinds, "geometry": pa.array(shapely.to_wkb(np.array(shapes, object)).tolist(), pa.binary())}
    )
    pq.write_table(table.replace_schema_metadata({key: json.dumps(geo)}), path)


class TestFormats:
    SHAPES = (shapely.box(WEST + 5, NORTH - 105, WEST + 105, NORTH - 5),)

    @pytest.mark.parametrize("ending", [".gpkg", ".shp", ".parquet", ".geojson"])
    @pytest.mark.parametrize("far", [False, True])
    def test_each_format_gives_the_same_from_here_and_from_storage(self, places, tmp_path, ending, far):
        chips, rows = places
        path = tmp_path / f"areas{ending}"
        if ending == ".parquet":
            geoparquet(path, self.SHAPES, ["a"])
        elif ending == ".geojson":
            geojson(path, [(to_degrees(self.SHAPES[0]), {"kind": "a"})])
        else:
            write(path, self.SHAPES, ["a"])
        where = path
        if far:
            for one in tmp_path.iterdir():
                write_bytes(DataLocation("memory", f"features/{one.name}"), one.read_bytes())
            where = DataLocation("memory", f"features/{path.name}")
        before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
        answer, found = labelled(where, chips, tmp_path, attribute="kind")
        assert answer.counts == {"a": 1}
        assert found[rows[0]["chip"]] == {"a"}
        assert {one.name: one.read_bytes() for one in tmp_path.iterdir() if one.name != "sparse.parquet"} == before

    def test_values_become_texts_and_gaps_are_counted(self, places, tmp_path):
        chips, rows = places
        point = to_degrees(shapely.Point(WEST + 5, NORTH - 5))
        features = [(point, {"k": value}) for value in (1, 2.0, None)] + [(None, {"k": 3}), (point, {"k": 4})]
        path = geojson(tmp_path / "a.geojson", features)
        answer, found = labelled(path, chips, tmp_path, attribute="k", labels=["1", "2", "3", "9"])
        assert found[rows[0]["chip"]] == {"1", "2"}
        assert answer.counts == {"1": 1, "2": 1, "3": 0, "9": 0}
        assert (answer.n_features, answer.n_without_geometry, answer.n_without_value) == (
            2,
            0,
            1,
        ) or answer.n_features == 3

    def test_crossing_outlines_enclose_what_is_around_an_odd_number_of_times(self, places, tmp_path):
        chips, rows = places
        bow = shapely.Polygon([(WEST, NORTH), (WEST + 640, NORTH - 640), (WEST + 640, NORTH), (WEST, NORTH - 640)])
        write(tmp_path / "bow.gpkg", [bow], ["a"])
        assert shares_of(tmp_path / "bow.gpkg", chips, tmp_path, attribute="kind")[rows[0]["chip"]]["a"] == 0.5

    def test_outlines_are_in_pixels_of_the_chips(self, places, tmp_path):
        chips, _ = places
        write(
            tmp_path / "two.gpkg", [self.SHAPES[0], shapely.box(WEST + 600, NORTH - 50, WEST + 700, NORTH)], ["a", "b"]
        )
        labelled(
            tmp_path / "two.gpkg",
            chips,
            tmp_path,
            attribute="kind",
            outlines_loc=DataLocation.local(tmp_path / "o.parquet"),
        )
        found = [
            (row["Feature"].split("_")[0], row["Label"], row["Number"], shapely.from_wkb(row["Outline"]).bounds)
            for row in pq.read_table(tmp_path / "o.parquet").to_pylist()
        ]
        assert found == [
            ("P0-0", "a", 0, (0.5, 0.5, 10.5, 10.5)),
            ("P0-0", "b", 1, (60, 0, 64, 5)),
            ("P64-0", "b", 1, (0, 0, 6, 5)),
        ]


class TestMistakes:
    @pytest.fixture
    def point(self):
        return to_degrees(shapely.Point(WEST + 5, NORTH - 5))

    def refused(self, path, places, tmp_path, error, sentence, **fields):
        with pytest.raises(error, match=sentence) as caught:
            labelled(path, places[0], tmp_path, **fields)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "sparse.parquet").exists()

    def test_what_is_no_file_of_features(self, places, tmp_path):
        self.refused(tmp_path / "none.gpkg", places, tmp_path, DataNotFoundError, r"none\.gpkg")
        for name, data in [
            ("a.gpkg", b"SQLite format 3\0" + bytes(200)),
            ("a.geojson", b'{"type": "FeatureCollection", "features": [{]}'),
            ("a.geojson", b"{}"),
            ("a.shp", bytes.fromhex("0000270a") + bytes(300)),
            ("a.parquet", b"PAR1" + bytes(100) + b"PAR1"),
            ("a.csv", b"x,y\n1,2\n"),
            ("a.vrt", b"<OGRVRTDataSource/>"),
            ("empty.geojson", b""),
        ]:
            (tmp_path / name).write_bytes(data)
            self.refused(tmp_path / name, places, tmp_path, MapDataError, name)

    def test_attributes_and_projections_that_are_not_there(self, places, tmp_path, point):
        path = geojson(tmp_path / "a.geojson", [(point, {"species": "oak"})])
        self.refused(path, places, tmp_path, MapDataError, "no attribute 'specie'.*species", attribute="specie")
        write(tmp_path / "b.gpkg", [shapely.Point(WEST + 5, NORTH - 5)], ["a"], crs=None)
        self.refused(
            tmp_path / "b.gpkg", places, tmp_path, MapDataError, "do not say in which projection they are: give"
        )
        self.refused(tmp_path / "b.gpkg", places, tmp_path, MapDataError, "'metres' is no projection", crs="metres")
        assert labelled(tmp_path / "b.gpkg", places[0], tmp_path, crs=UTM)[0].counts == {"b": 1}

    def test_several_layers_are_asked_about(self, places, tmp_path):
        path = tmp_path / "two.gpkg"
        for layer in ("trees", "roads"):
            write(path, [shapely.Point(WEST + 5, NORTH - 5)], ["a"], layer=layer, append=path.exists())
        self.refused(path, places, tmp_path, MapDataError, "has 2 layers: say which of trees, roads")
        self.refused(path, places, tmp_path, MapDataError, "no layer 'tree'.*trees", layer="tree")
        assert labelled(path, places[0], tmp_path, layer="trees", label="t")[0].counts == {"t": 1}

    def test_values_that_cannot_be_labels(self, places, tmp_path, point):
        path = geojson(tmp_path / "a.geojson", [(point, {"k": "a|b"})])
        self.refused(path, places, tmp_path, MapDataError, r"'a\|b' in '.*a\.geojson' cannot be a label", attribute="k")
        path = geojson(tmp_path / "b.geojson", [(point, {"k": None})])
        self.refused(path, places, tmp_path, MapDataError, "No feature .* has a value", attribute="k")

    def test_geoparquet_that_is_none(self, places, tmp_path):
        shapes = TestFormats.SHAPES
        geoparquet(tmp_path / "a.parquet", shapes, ["a"], key=b"other")
        self.refused(tmp_path / "a.parquet", places, tmp_path, MapDataError, "not GeoParquet")
        geoparquet(tmp_path / "b.parquet", shapes, ["a"], {"encoding": "point"})
        self.refused(tmp_path / "b.parquet", places, tmp_path, MapDataError, "must be one column in WKB")

    @pytest.mark.parametrize("kind", ["link", "URL"])
    @pytest.mark.parametrize("hidden", [False, True])
    def test_no_host_is_asked_for_a_projection(self, places, tmp_path, point, kind, hidden):
        asked = []

        class Listening(BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_error(404)

        with HTTPServer(("127.0.0.1", 0), Listening) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_port}/crs"
            crs = {"type": kind, "properties": {"href": url, "url": url}}
            path = geojson(tmp_path / "a.geojson", [(point, {})], crs=crs)
            if hidden:
                path.write_text(path.read_text().replace('"crs"', '"\\u0063rs"'))
            self.refused(path, places, tmp_path, MapDataError, "not followed|written as numbers")
            server.shutdown()
        assert asked == []

    def test_no_pipeline_of_gdal_is_run(self, places, tmp_path, point):
        other = geojson(tmp_path / "other.geojson", [(point, {})])
        (tmp_path / "a.geojson").write_text(
            json.dumps({"type": "gdal_streamed_alg", "command_line": f"gdal vector pipeline ! read {other}"})
        )
        self.refused(tmp_path / "a.geojson", places, tmp_path, MapDataError, r"a\.geojson")

    def test_chips_without_manifests_and_tables_of_other_kinds(self, places, tmp_path, point):
        path = geojson(tmp_path / "a.geojson", [(point, {})])
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataNotFoundError, match="no manifests of chips"):
            labelled(path, tmp_path / "empty", tmp_path)
        self.refused(
            path, places, tmp_path, TableError, "must end with", shares_locs=[DataLocation.local(tmp_path / "a.txt")]
        )
