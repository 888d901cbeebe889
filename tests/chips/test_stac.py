"""STAC: rasters that items and catalogs name, and chips described as a collection."""

import json

import pytest

from spacer_like.chips.messages import CutRastersMsg
from spacer_like.chips.rasters.stac import assets_in
from spacer_like.chips.rasters.stac_items import stac_collection
from spacer_like.exceptions import SpacerInputError, TableError
from spacer_like.location import DataLocation
from spacer_like.tasks import cut_rasters

from . import raster_making as made

AT = DataLocation("filesystem", "/maps/catalog.json")


def item(name="a", **assets) -> dict:
    assets = assets or {"visual": {"href": f"./{name}.tif", "type": "image/tiff; application=geotiff"}}
    return {"type": "Feature", "id": name, "assets": assets}


def found(documents, names=None, at=AT):
    """The keys of the rasters that documents name, which are given by their keys."""
    return [asset.loc.key for asset in assets_in(at, lambda loc: documents[loc.key], names)]


def test_an_item_s_only_raster_is_taken_or_the_visual_one():
    tiff = {"href": "b04.tif"}
    assert found({AT.key: item()}) == ["/maps/a.tif"]
    assert found({AT.key: item(red=tiff, preview={"href": "p.tif", "roles": ["thumbnail"]})}) == ["/maps/b04.tif"]
    assert found({AT.key: item(visual={"href": "v.tif"}, red=tiff)}) == ["/maps/v.tif"]
    with pytest.raises(SpacerInputError, match=r"has 2 rasters \(red, nir\): name the assets"):
        found({AT.key: item(red=tiff, nir={"href": "b08.jp2"})})
    with pytest.raises(SpacerInputError, match="has 0 rasters"):
        found({AT.key: item(metadata={"href": "m.json"})})


def test_assets_are_taken_by_their_names():
    document = item(red={"href": "b04.tif"}, nir={"href": "b08.tif"})
    assert found({AT.key: document}, ["nir", "red"]) == ["/maps/b08.tif", "/maps/b04.tif"]
    with pytest.raises(SpacerInputError, match=r"has no asset 'nit'\. Did you mean nir"):
        found({AT.key: document}, ["nit"])


def test_catalogs_lead_to_items_and_search_results_hold_them():
    links = [{"rel": "self", "href": "catalog.json"}, {"rel": "child", "href": "./north/collection.json"}]
    documents = {
        AT.key: {"type": "Catalog", "links": links},
        "/maps/north/collection.json": {
            "type": "Collection",
            "links": [
                {"rel": "root", "href": "../catalog.json"},
                {"rel": "item", "href": "b/b.json"},
                {"rel": "items", "href": "more.json"},
            ],
        },
        "/maps/north/b/b.json": item("b", data={"href": "../../pixels/b.tif"}),
        "/maps/north/more.json": {"type": "FeatureCollection", "features": [item("c"), item("d")]},
    }
    assert found(documents) == ["/maps/pixels/b.tif", "/maps/north/c.tif", "/maps/north/d.tif"]


def test_documents_that_link_to_each_other_end():
    one = {"type": "Catalog", "links": [{"rel": "child", "href": "catalog.json"}]}
    assert found({AT.key: one}) == []


@pytest.mark.parametrize(
    ("at", "href", "sentence"),
    [
        (AT, "../secret.tif", "lies beyond the catalog's folder"),
        (AT, "/etc/passwd", "lies beyond the catalog's folder"),
        (AT, "file:///etc/passwd", "names the local file"),
        (DataLocation("url", "https://host/a/catalog.json"), "file:///etc/passwd", "names the local file"),
        (DataLocation("url", "https://host/a/catalog.json"), "memory://x", "names the local file"),
        (DataLocation("s3", "a/catalog.json", "maps"), "../b.tif", "lies beyond the catalog's folder"),
    ],
)
def test_documents_do_not_choose_which_local_files_are_read(at, href, sentence):
    with pytest.raises(SpacerInputError, match=sentence):
        found({at.key: item(visual={"href": href})}, ["visual"], at)


def test_documents_of_the_web_name_files_beside_them():
    at = DataLocation("url", "https://host/a/item.json?token=1")
    assert found({at.key: item(visual={"href": "b.tif"})}, ["visual"], at) == ["https://host/a/b.tif"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"type": "Feature", "id": "a", "assets": [1]},
        {"type": "FeatureCollection", "features": [3]},
        {"type": "Catalog"},
        {"type": "Feature", "id": "a", "assets": {"visual": {}}},
    ],
)
def test_what_is_no_stac_is_refused(document):
    with pytest.raises((TableError, SpacerInputError), match=r"catalog\.json|rasters"):
        found({AT.key: document})


def test_chips_of_a_catalog_are_described_as_a_collection_that_names_them(tmp_path):
    made.sentinel(tmp_path / "in" / "S2_20260611.tif", side=300)
    made.planetscope(tmp_path / "in" / "planet.tif")
    items = [item("S2_20260611"), item("planet")]
    (tmp_path / "in" / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    answer = cut_rasters(
        CutRastersMsg(
            raster_locs=[DataLocation.local(tmp_path / "in" / "items.json")],
            chips_loc=DataLocation.local(tmp_path / "chips"),
            format="tif",
            size=64,
            stac=True,
        )
    )
    assert (answer.n_rasters, answer.failed) == (2, [])
    collection = json.loads((tmp_path / "chips" / "collection.json").read_text())
    described = json.loads((tmp_path / "chips" / "items.json").read_text())["features"]
    assert {f"{one['id']}.tif" for one in described} == {path.name for path in (tmp_path / "chips").glob("*.tif")}
    west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
    assert all(west <= one["bbox"][0] <= one["bbox"][2] <= east for one in described)
    assert all(south <= one["bbox"][1] <= one["bbox"][3] <= north for one in described)
    dates = {one["properties"]["datetime"] for one in described}
    assert dates == {"2026-06-11T00:00:00Z", None}
    # Its own chips are rasters again.
    again = assets_in(DataLocation.local(tmp_path / "chips" / "collection.json"), read_json)
    assert len(again) == len(described)


def read_json(loc):
    with open(loc.key, encoding="utf-8") as file:
        return json.load(file)


@pytest.mark.parametrize(
    ("boxes", "west", "east"),
    [
        ([(10, 12), (11, 14)], 10, 14),
        ([(179, 180), (-180, -178)], 179, -178),
        ([(170, -150), (-175, -165)], 170, -150),
        ([(-20, 180), (-180, -160)], -20, -160),
        ([(-180, 0), (0, 180)], -180, 180),
    ],
)
def test_a_collection_reaches_no_farther_than_its_chips(boxes, west, east):
    items = [{"bbox": [one, 5, other, 6], "properties": {"datetime": None}} for one, other in boxes]
    assert stac_collection(items)["extent"]["spatial"]["bbox"] == [[west, 5, east, 6]]
