"""Chips and their labels in COCO's format, by the rules that its readers rely on, and as pictures."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image
from rasterio.features import rasterize

from spacer_like.chips.labels.coco import without_holes
from spacer_like.chips.messages import ExportCocoMsg, LabelFromFeaturesMsg, VisualizeChipMsg
from spacer_like.exceptions import DataNotFoundError, SpacerInputError, TableError
from spacer_like.location import DataLocation
from spacer_like.tasks import export_coco, label_from_features, visualize_chip

from . import raster_making as made
from .test_label_from_features import NORTH, WEST, cut, write

GOLDEN = Path(__file__).parent / "golden" / "coco.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four chips of 64 pixels, a table of their labels, and the outlines of a lake with an island and of fields."""
    folder = tmp_path_factory.mktemp("chips")
    cut(made.sentinel(folder / "in" / "s2.tif", side=128, nodata=None), folder / "chips", size=64, format="png")
    lake = shapely.box(WEST + 100, NORTH - 500, WEST + 900, NORTH - 100)
    lake = lake.difference(shapely.box(WEST + 200, NORTH - 300, WEST + 300, NORTH - 200))
    field = shapely.Polygon([(WEST + 20, NORTH - 700), (WEST + 420, NORTH - 700), (WEST + 20, NORTH - 1200)])
    road = shapely.LineString([(WEST, NORTH - 1250), (WEST + 1280, NORTH - 1250)])
    write(folder / "features.gpkg", [lake, field, field.buffer(-40), road], ["lake", "field", "field", "road"])
    label_from_features(
        LabelFromFeaturesMsg(
            features_loc=DataLocation.local(folder / "features.gpkg"),
            attribute="kind",
            chips_loc=DataLocation.local(folder / "chips"),
            sparse_locs=[DataLocation.local(folder / "table.csv")],
            outlines_loc=DataLocation.local(folder / "outlines.parquet"),
        )
    )
    return folder


def exported(folder, tmp_path, outlines=True, table="table.csv"):
    loc = DataLocation.local(folder / "outlines.parquet")
    answer = export_coco(
        ExportCocoMsg(
            table_loc=DataLocation.local(folder / table),
            chips_loc=DataLocation.local(folder / "chips"),
            coco_loc=DataLocation.local(tmp_path / "coco.json"),
            outlines_loc=loc if outlines else None,
        )
    )
    return answer, json.loads((tmp_path / "coco.json").read_text())


def drawn(annotation, image):
    """The pixels of an annotation: its polygons together."""
    shapes = [shapely.Polygon(np.reshape(points, (-1, 2))) for points in annotation["segmentation"]]
    return rasterize(shapes, (image["height"], image["width"])), shapes


def check(content):
    """What pycocotools and its like take for granted."""
    assert set(content) == {"info", "licenses", "images", "categories", "annotations"}
    for kind in ("images", "categories", "annotations"):
        ids = [one["id"] for one in content[kind]]
        assert ids == list(range(1, len(ids) + 1))
    images = {one["id"]: one for one in content["images"]}
    categories = {one["id"] for one in content["categories"]}
    for one in content["annotations"]:
        assert one["iscrowd"] == 0
        assert one["category_id"] in categories
        image = images[one["image_id"]]
        pixels, shapes = drawn(one, image)
        assert all(len(points) >= 6 and len(points) % 2 == 0 for points in one["segmentation"])
        assert one["area"] == pytest.approx(sum(shape.area for shape in shapes), abs=1)
        assert one["area"] == pytest.approx(pixels.sum(), abs=image["width"])
        left, top, width, height = one["bbox"]
        bounds = shapely.total_bounds(shapes)
        assert [left, top, left + width, top + height] == pytest.approx(bounds.tolist(), abs=0.02)
        assert 0 <= left <= left + width <= image["width"]
        assert 0 <= top <= top + height <= image["height"]


def test_labels_are_annotations_of_outlines_and_of_whole_chips(folder, tmp_path):
    answer, content = exported(folder, tmp_path)
    check(content)
    assert (answer.n_images, answer.n_annotations, answer.n_unplaced) == (4, len(content["annotations"]), 0)
    names = {one["id"]: one["name"] for one in content["categories"]}
    files = {one["id"]: one["file_name"] for one in content["images"]}
    found = [(files[one["image_id"]][:5], names[one["category_id"]], one["area"]) for one in content["annotations"]]
    # An area for each feature; roads are lines, and a label of their whole chips.
    assert [(file, label) for file, label, _ in found] == [
        ("P0-0_", "lake"),
        ("P0-64", "field"),
        ("P0-64", "field"),
        ("P0-64", "road"),
        ("P64-0", "lake"),
        ("P64-6", "road"),
    ]
    assert found[0][2] == 54 * 40 - 100
    assert found[3][2] == 64 * 64
    assert exported(folder, tmp_path)[1] == content


def test_the_golden_file_is_what_is_written(folder, tmp_path):
    assert exported(folder, tmp_path)[1] == json.loads(GOLDEN.read_text())


def test_without_outlines_labels_are_of_whole_chips(folder, tmp_path):
    content = exported(folder, tmp_path, outlines=False)[1]
    check(content)
    assert {one["area"] for one in content["annotations"]} == {64 * 64}
    assert len(content["annotations"]) == 5


def test_areas_with_holes_are_cut_into_parts_without():
    holes = [shapely.Point(x, y).buffer(2) for x in (5, 15, 25) for y in (5, 15)]
    whole = shapely.box(0, 0, 30, 20).difference(shapely.union_all(holes))
    parts = without_holes(whole)
    assert not any(part.interiors for part in parts)
    assert sum(part.area for part in parts) == pytest.approx(whole.area)
    assert shapely.union_all(parts).symmetric_difference(whole).area == pytest.approx(0, abs=1e-9)


def test_chips_without_manifest_are_counted_and_tables_of_others_refused(folder, tmp_path):
    text = (folder / "table.csv").read_text()
    (folder / "more.csv").write_text(text + "other.jpg,0,1,0\n")
    assert exported(folder, tmp_path, table="more.csv")[0].n_unplaced == 1
    (folder / "other.csv").write_text("Feature,a\nother.jpg,1\n")
    with pytest.raises(SpacerInputError, match=r"No manifest in .* names a chip of the table"):
        exported(folder, tmp_path, table="other.csv")
    with pytest.raises(TableError, match=r"table\.csv"):
        export_coco(
            ExportCocoMsg(
                table_loc=DataLocation.local(folder / "table.csv"),
                chips_loc=DataLocation.local(folder / "chips"),
                coco_loc=DataLocation.local(tmp_path / "c.json"),
                outlines_loc=DataLocation.local(folder / "table.csv"),
            )
        )


class TestPicture:
    def shown(self, folder, tmp_path, **fields):
        fields = {"chip": "P0-64_s2.png", "table_loc": DataLocation.local(folder / "table.csv")} | fields
        return visualize_chip(
            VisualizeChipMsg(
                chips_loc=DataLocation.local(folder / "chips"),
                picture_loc=DataLocation.local(tmp_path / "chip.png"),
                **fields,
            )
        )

    def test_a_chip_is_drawn_with_its_labels_and_outlines(self, folder, tmp_path):
        answer = self.shown(folder, tmp_path, outlines_loc=DataLocation.local(folder / "outlines.parquet"))
        assert (answer.labels, answer.n_outlines) == ({"field": 1.0, "road": 1.0}, 2)
        with Image.open(tmp_path / "chip.png") as picture:
            drawn = np.asarray(picture.convert("RGB"))
        assert self.shown(folder, tmp_path).n_outlines == 0
        with Image.open(tmp_path / "chip.png") as picture:
            assert not np.array_equal(np.asarray(picture.convert("RGB")), drawn)

    def test_probabilities_are_shown_highest_first(self, folder, tmp_path):
        (folder / "scores.csv").write_text("Feature,a,b,c\nP0-64_s2.png,0.25,0.75,0\n")
        answer = self.shown(folder, tmp_path, table_loc=DataLocation.local(folder / "scores.csv"))
        assert list(answer.labels.items()) == [("b", 0.75), ("a", 0.25)]

    def test_mistakes_are_named(self, folder, tmp_path):
        with pytest.raises(DataNotFoundError, match=r"no chip 'x\.png'"):
            self.shown(folder, tmp_path, chip="x.png")
        (folder / "few.csv").write_text("Feature,a\nother.png,1\n")
        with pytest.raises(TableError, match="has no chip"):
            self.shown(folder, tmp_path, table_loc=DataLocation.local(folder / "few.csv"))
