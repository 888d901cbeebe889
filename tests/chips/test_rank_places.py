"""Places by examples: the ranking, the marks, the outlines, and the task that writes them."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import transform

from spacer_like.chips.labels.vector_layer import open_layer
from spacer_like.chips.messages import CutRasterMsg, RankPlacesMsg
from spacer_like.chips.places_by_example.geoparquet import with_geometry
from spacer_like.chips.places_by_example.marks import marks_bytes, read_marks
from spacer_like.chips.places_by_example.ranking import PlaceRanker, quantiles, unmarked
from spacer_like.chips.tasks.ranking import rank_places
from spacer_like.chips.tasks.rasters import cut_raster
from spacer_like.embeddings import write_embeddings
from spacer_like.exceptions import DataNotFoundError, MessageError, TableError
from spacer_like.location import DataLocation
from spacer_like.storage import read_bytes

from .raster_making import naip

N, DIMENSION = 60, 16


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def two_kinds(n=N, seed=1):
    """Vectors of which every third is of another kind, and which those are."""
    random = np.random.default_rng(seed)
    kinds = np.arange(n) % 3 == 0
    return unit(random.standard_normal((n, DIMENSION)) * 0.2 + np.where(kinds[:, None], 1.0, -0.3)), kinds


class TestRanking:
    def test_puts_first_what_is_like_a_yes(self):
        vectors, kinds = two_kinds()
        ranking = PlaceRanker(vectors).rank([0, 3], [1])
        assert kinds[ranking.order[: kinds.sum()]].all()
        assert (np.diff(ranking.scores[ranking.order]) <= 0).all()
        assert 0 <= ranking.scores.min() < ranking.scores.max() <= 1

    @pytest.mark.parametrize("apart", [0.3, 0.02, 1e-3, 1e-5])
    def test_tells_chips_apart_whose_vectors_are_nearly_alike(self, apart):
        vectors, kinds = two_kinds()
        alike = unit(np.pad(apart * vectors, ((0, 0), (0, 1)), constant_values=1))
        ranking = PlaceRanker(alike).rank([0, 3], [1])
        assert kinds[ranking.order[: kinds.sum()]].all()
        assert ranking.scores[kinds].mean() > ranking.scores[~kinds].mean() + 0.2

    def test_equal_vectors_have_equal_scores(self):
        ranking = PlaceRanker(np.full((9, 4), 0.5, np.float32)).rank([0], [1])
        assert len(np.unique(ranking.scores)) == 1
        assert ranking.order.tolist() == list(range(9))

    def test_needs_one_kind_of_answer_alone(self):
        vectors, kinds = two_kinds()
        ranker = PlaceRanker(vectors)
        assert kinds[ranker.rank([0], []).order[:10]].all()
        assert not kinds[ranker.rank([], [0]).order[:10]].any()

    @given(st.permutations(range(8)))
    def test_does_not_depend_on_the_order_of_answers(self, order):
        vectors, _ = two_kinds()
        ranker = PlaceRanker(vectors)
        yes, no = ([one for one in order if (one % 3 == 0) == side] for side in (True, False))
        expected = ranker.rank([0, 3, 6], [1, 2, 4, 5, 7])
        assert np.array_equal(ranker.rank(yes, no).scores, expected.scores)

    def test_of_equal_chips_the_first_comes_first(self):
        vectors = np.repeat(two_kinds(4)[0], 3, axis=0)
        order = PlaceRanker(vectors).rank([0], [3]).order
        assert order[:3].tolist() == [0, 1, 2]

    def test_knows_what_nobody_marked(self):
        vectors, _ = two_kinds()
        ranking = PlaceRanker(vectors).rank([0], [1])
        left = unmarked(ranking, [0, 1])
        assert set(left.tolist()) == set(range(N)) - {0, 1}
        shares = quantiles(ranking)
        assert shares[ranking.order[0]] == 255
        assert shares[ranking.order[-1]] == 0

    @pytest.mark.parametrize(("yes", "no"), [([], []), ([1, 2], [2]), (list(range(2001)), [])])
    def test_refuses_no_answer_two_to_one_chip_and_too_many(self, yes, no):
        with pytest.raises(MessageError):
            PlaceRanker(two_kinds(2100)[0]).rank(yes, no)


class TestMarks:
    @given(st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), st.booleans(), max_size=9))
    def test_come_back_as_they_were(self, marks):
        marks = {chip: answer for chip, answer in marks.items() if chip.strip()}
        assert read_marks(marks_bytes(marks), "m.csv") == marks

    def test_of_two_answers_the_later_counts(self):
        assert read_marks(b"chip;answer\na.jpg;yes\nb.jpg;NO\na.jpg;0\n", "m") == {"b.jpg": False, "a.jpg": False}

    @pytest.mark.parametrize(
        "data", [b"", b"chip\na", b"chip,answer\na,perhaps", b"chip,answer\n,yes", b"\xff\xfe\x00"]
    )
    def test_others_are_refused(self, data):
        with pytest.raises(TableError):
            read_marks(data, "m.csv")


def at(path):
    return DataLocation("filesystem", str(path))


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    """Chips of a raster, cut into places of the web map, and their vectors."""
    folder = tmp_path_factory.mktemp("ranked")
    naip(folder / "scene.tif")
    cut_raster(
        CutRasterMsg(
            raster_loc=at(folder / "scene.tif"),
            chips_loc=at(folder / "chips"),
            manifest_loc=at(folder / "chips/manifests/scene.parquet"),
            grid="xyz",
            size=64,
        )
    )
    names = sorted(path.name for path in (folder / "chips").glob("*.jpg"))
    vectors, _ = two_kinds(len(names) + 1)
    with (folder / "e.safetensors").open("wb") as file:
        write_embeddings(file, "0" * 40, DIMENSION, [([*names, "unknown.jpg"], vectors)])
    return folder, names


def ranking(folder, **fields):
    return RankPlacesMsg(embeddings_locs=[at(folder / "e.safetensors")], **fields)


class TestTask:
    def test_writes_geoparquet_and_a_map(self, chips, tmp_path):
        folder, names = chips
        tables = [at(tmp_path / "places.parquet"), at(tmp_path / "places.csv")]
        answer = rank_places(
            ranking(
                folder,
                yes=names[:1],
                no=names[1:2],
                chips_loc=at(folder / "chips"),
                results_locs=tables,
                maps_loc=at(tmp_path / "maps"),
                k=3,
            )
        )
        assert (answer.n_chips, answer.n_yes, answer.n_no, answer.n_unplaced) == (len(names) + 1, 1, 1, 1)
        assert answer.maps == ["EPSG-3857.tif"]
        table = pq.read_table(tmp_path / "places.parquet").to_pydict()
        assert table["rank"] == list(range(1, len(names) + 2))
        assert [one.chip for one in answer.best] == [
            chip for chip, said in zip(table["chip"], table["answer"], strict=True) if said is None
        ][:3]
        by_name = dict(
            zip(table["chip"], zip(*(table[name] for name in ("score", "geometry")), strict=True), strict=True)
        )
        assert by_name["unknown.jpg"][1] is None
        with rasterio.open(tmp_path / "maps/EPSG-3857.tif") as drawn:
            assert drawn.descriptions == ("score",)
            for name in names[:5]:
                score, shape = by_name[name]
                centre = shapely.from_wkb(shape).centroid
                [x], [y] = transform(4326, 3857, [centre.x], [centre.y])
                assert next(drawn.sample([(x, y)]))[0] == pytest.approx(score)

    def test_geoparquet_says_what_it_must(self, chips, tmp_path):
        folder, names = chips
        rank_places(
            ranking(folder, yes=names[:1], chips_loc=at(folder / "chips"), results_locs=[at(tmp_path / "p.parquet")])
        )
        described = json.loads(pq.read_metadata(tmp_path / "p.parquet").metadata[b"geo"])
        column = described["columns"][described["primary_column"]]
        shapes = shapely.from_wkb(pq.read_table(tmp_path / "p.parquet", columns=["geometry"])["geometry"].to_pylist())
        assert described["version"] == "1.1.0"
        assert (column["encoding"], column["geometry_types"]) == ("WKB", ["Polygon"])
        # Without a crs it is OGC:CRS84.
        assert "crs" not in column
        assert column["bbox"] == pytest.approx(shapely.total_bounds(shapes).tolist())
        assert all(shape is None or shape.exterior.is_ccw for shape in shapes)

    def test_geoparquet_is_read_as_a_layer_of_features(self, chips, tmp_path):
        folder, names = chips
        path = str(tmp_path / "p.parquet")
        rank_places(ranking(folder, yes=names[:1], chips_loc=at(folder / "chips"), results_locs=[at(path)]))
        layer = open_layer(path, "p.parquet", None, "answer", None)
        assert layer.crs.to_authority() == ("OGC", "CRS84")
        [read] = layer.features()
        assert [shape is None for shape in read.shapes].count(True) == 1
        assert read.values.count("yes") == 1

    def test_marks_and_names_go_together(self, chips, tmp_path):
        folder, names = chips
        (tmp_path / "marks.csv").write_bytes(marks_bytes({names[0]: True, names[1]: False}))
        both = ranking(folder, marks_loc=at(tmp_path / "marks.csv"), yes=[names[1]], no=[names[2]])
        answer = rank_places(both)
        # What is named counts more than the file.
        assert (answer.n_yes, answer.n_no) == (2, 1)

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({}, MessageError),
            ({"yes": ["a.jpg"], "no": ["a.jpg"]}, MessageError),
            ({"yes": ["nowhere.jpg"]}, DataNotFoundError),
            ({"yes": ["unknown.jpg"], "maps_loc": DataLocation("memory", "maps")}, MessageError),
            ({"yes": ["unknown.jpg"], "results_locs": [DataLocation("memory", "p.txt")]}, TableError),
        ],
    )
    def test_refuses_what_cannot_be_answered(self, chips, fields, error):
        with pytest.raises(error):
            rank_places(ranking(chips[0], **fields))

    def test_the_same_request_gives_the_same_bytes(self, chips, tmp_path):
        folder, names = chips
        made = []
        for loc in (at(tmp_path / "a.parquet"), at(tmp_path / "b.parquet")):
            rank_places(ranking(folder, yes=names[:2], chips_loc=at(folder / "chips"), results_locs=[loc]))
            made.append(read_bytes(loc))
        assert made[0] == made[1]


def test_an_outline_across_180_degrees_has_two_parts():
    import pyarrow as pa

    corners = np.array([[[179.9, 1], [179.9, 0], [180.1, 0], [180.1, 1]], np.full((4, 2), np.nan)])
    table = with_geometry(pa.table({"chip": ["a", "b"]}), corners)
    [shape, nothing] = shapely.from_wkb(table["geometry"].to_pylist())
    assert nothing is None
    assert shape.bounds == (-180, 0, 180, 1)
    assert shape.area == pytest.approx(0.2)
    assert json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]["geometry_types"] == ["MultiPolygon"]
