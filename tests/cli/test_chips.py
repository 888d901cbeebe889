"""``spacer-like chips``: from tiles to chips, labels, a model and places that look alike, and honest mistakes."""

import json
from pathlib import Path

import pytest

from spacer_like.chips.chip_name import ChipName
from spacer_like.config import override

from ..chips.tile_making import ACQUISITION, CELL, make_tile

TILE = f"33/{CELL}/2015-05-28/{ACQUISITION}-visual.tif"


@pytest.fixture
def tree(tmp_path, monkeypatch) -> Path:
    """A working folder with one tile of 2 x 2 blocks, which begins at the cell's corner."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ard" / TILE
    path.parent.mkdir(parents=True)
    make_tile(path, column=0, row=0, width=1024, height=1024)
    return tmp_path


@pytest.fixture
def chips(tree, command) -> list[str]:
    """The names of the tile's chips, below chips/."""
    assert command("chips", "cut", "ard").code == 0
    return sorted(path.name for path in (tree / "chips" / "33").glob("*.jpg"))


@pytest.mark.parametrize(("group", "one"), [("chips", "similar"), ("tiles", "serve")])
def test_a_group_alone_shows_its_commands(command, group, one):
    said = command(group)
    assert (said.code, said.err) == (0, "")
    assert f"  {one} " in said.out
    assert said.out.count("\n") > 5


def test_a_tree_is_cut_into_chips_and_once_is_enough(tree, chips, command):
    assert len(chips) == 4
    again = command("chips", "cut", "ard", "--json").json
    assert (again["ok"], again["n_tiles"], again["n_skipped"], again["n_chips"]) == (True, 1, 1, 0)


def test_other_chips_of_the_same_tile_are_a_new_request(tree, chips, command):
    said = command("chips", "cut", "ard", "--zoom", 18, "--json").json
    assert (said["n_skipped"], said["n_chips"]) == (0, 16)
    again = command("chips", "cut", "ard", "--json").json
    assert (again["n_skipped"], again["n_chips"]) == (1, 0)


def test_a_storage_that_does_not_answer_is_worth_a_retry(tree, command):
    with override(url_allow_private=True):
        said = command("chips", "cut", f"http://127.0.0.1:9/{TILE}")
    assert said.code == 75
    assert "127.0.0.1:9" in said.err


def test_one_tile_is_cut_as_its_tree_would_be(tree, command):
    assert command("chips", "cut", f"ard/{TILE}", "--out", "one").code == 0
    assert command("chips", "cut", "ard", "--out", "all").code == 0
    one, every = (
        {path.name: path.read_bytes() for path in (tree / out / "33").glob("*.jpg")} for out in ("one", "all")
    )
    assert one == every
    assert len(one) == 4


def test_a_broken_tile_is_told_and_the_others_are_cut(tree, command):
    broken = tree / "ard" / "33" / "031111212323" / "2015-05-28" / f"{ACQUISITION}-visual.tif"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"II*\0 this is no tile")
    said = command("chips", "cut", "ard")
    assert said.code == 64
    assert "4 chips of 1 tile." in said.out
    assert "031111212323" in said.err
    assert len(list((tree / "chips" / "33").glob("*.jpg"))) == 4


def test_chips_are_sorted_by_their_masks(tree, chips, command):
    said = command("chips", "nodata", "chips", "--json").json
    assert (said["n_all_data"], said["n_partial_data"], said["exact"]) == (4, 0, True)
    assert json.loads((tree / "nodata-index.json").read_text())["all_data"] == chips


def test_a_chip_leads_back_to_its_tile(tree, chips, command):
    said = command("chips", "locate", f"chips/33/{chips[0]}", "--tiles", "ard")
    assert TILE in said.out
    assert "512 x 512 pixels" in said.out


def test_chips_that_are_still_in_their_tile_are_encoded_as_those_that_were_written(tree, chips, command):
    assert command("chips", "cut", "ard", "--no-write", "--out", "rows").code == 0
    assert not list((tree / "rows").rglob("*.jpg"))
    for folder in ("chips", "rows"):
        assert command("chips", "encode", folder, "--out", f"{folder}.safetensors").code == 0
    assert (tree / "chips.safetensors").read_bytes() == (tree / "rows.safetensors").read_bytes()


@pytest.mark.parametrize("place", [f"ard/{TILE}", "link", "elsewhere/33/{chip}"])
def test_tiles_and_chips_that_manifests_name_are_not_overwritten(tree, chips, command, place):
    assert command("chips", "cut", "ard", "--no-write", "--out", "rows").code == 0
    (tree / "chips").rename(tree / "elsewhere")
    assert command("chips", "cut", "ard", "--out", "elsewhere").code == 0
    (tree / "link").hardlink_to(tree / "ard" / TILE)
    (manifests := tree / "moved").mkdir()
    for manifest in (tree / "elsewhere" / "33" / "manifests").iterdir():
        manifest.rename(manifests / manifest.name)
    place = place.format(chip=chips[0])
    before = (tree / place).read_bytes()
    (tree / "t.csv").write_text("Feature,road\n" + "".join(f"{chip},1\n" for chip in chips))
    folder = "moved" if "elsewhere" in place else "rows"
    kept = f"would overwrite a {'chip' if folder == 'moved' else 'tile'} of "
    for arguments in (
        ("encode", folder, "--out", place),
        ("train", "t.csv", folder, "--model", place, "--extractor", "lite0"),
    ):
        said = command("chips", *arguments)
        assert (said.code, kept in said.err) == (64, True), said.err
    assert (tree / place).read_bytes() == before


def test_what_looks_like_a_chip_is_found(tree, chips, command):
    for arguments in (("encode", "chips"), ("index", "embeddings.safetensors")):
        assert command("chips", *arguments).code == 0
    said = command("chips", "similar", chips[0], "-k", 2, "--chips", "chips", "--sheet", "sheet.png", "--json").json
    assert len(said["similar"]) == 2
    assert chips[0] not in [one["chip"] for one in said["similar"]]
    by_image = command("chips", "similar", f"chips/33/{chips[0]}", "-k", 1, "--same-place", "--json").json
    assert by_image["similar"][0]["chip"] == chips[0]
    assert (tree / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_the_extractor_that_is_named_is_the_one_that_is_used(tree, command):
    other = CELL[:-1] + "3"
    make_tile(tree / "ard" / TILE.replace(CELL, other), other, column=0, row=0, width=512, height=512)
    assert command("chips", "cut", "ard").code == 0
    rows = [f"{chip.name},1" for chip in (tree / "chips" / "33").glob("*.jpg")]
    (tree / "t.csv").write_text("\n".join(["Feature,road", *rows]))
    for arguments in (("train", "t.csv", "chips", "--model", "m.safetensors"), ("encode", "chips", "--out", "e.bin")):
        said = command("chips", *arguments, "--extractor", "spacer_like.extractors.DummyExtractor")
        assert (said.code, "DummyExtractor does not look at images" in said.err) == (64, True), said.err


def test_a_map_becomes_a_table_and_a_table_pictures(tree, chips, command):
    west, south, east, north = ChipName.parse(chips[0]).cell.bounds
    from pyproj import Transformer

    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform((west + east) / 2, (south + north) / 2)
    tower = {"type": "node", "id": 1, "lon": longitude, "lat": latitude, "tags": {"man_made": "tower"}}
    elements = {"quadkey": CELL, "nodes": [tower], "ways": [], "relations": []}
    (tree / "ard" / "33" / CELL / "osm_data.json").write_text(json.dumps(elements))
    (tree / "labels.json").write_text(json.dumps({"tower": {"man_made": ["tower"]}, "water": {"natural": ["*"]}}))
    assert command("chips", "nodata", "chips").code == 0
    said = command("chips", "label-table", "nodata-index.json", "labels.json", "--json").json
    assert said["counts"] == {"tower": 1, "water": 0}
    assert (tree / "labels.csv").read_text().splitlines()[:2] == ["Feature,tower,water", f"{chips[0]},1,0"]
    assert command("chips", "plot-labels", "labels.csv", "--map", "map.png").code == 0
    assert (tree / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cut", "nowhere"), "There are no rasters in"),
        (("cut", "ard", "--way", "quickly"), "way"),
        (("cut", "tile.tif"), "tile.tif"),
        (("cut", "ard", "--zones", "thirty"), "--zones must be whole numbers"),
        (("cut", "ard", "--zones", "61"), "--zones: it must be at most 60."),
        (("cut", "ard", "--no-write", "--zoom", 18), "cannot be left in it"),
        (("nodata", "nowhere"), "nowhere"),
        (("locate", "china.jpg", "--tiles", "ard"), "china.jpg"),
        (("fetch-labels", "Z33-0311", "--tiles", "ard"), "12 digits"),
        (("fetch-labels", "--tiles", "nowhere"), "no tile in nowhere"),
        (("label-table", "nowhere.json", "labels.json"), "nowhere.json"),
        (("plot-labels", "labels.csv"), "Say what to draw"),
        (("train", "labels.csv", "chips", "--threshold", "high"), "per_label"),
        (("train", "labels.csv", "chips", "--unfreeze", "2,x"), "--unfreeze must be whole numbers"),
        (("encode", "nowhere"), "nowhere"),
        (("index", "nowhere.safetensors"), "nowhere.safetensors"),
        (("similar", "Z33-03111121232201230_x.jpg"), "index.safetensors"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_in_one_sentence_that_names_it(tree, command, arguments, sentence):
    said = command("chips", *arguments)
    assert said.code == 64
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert len(said.err.splitlines()) <= 2


def test_a_tile_that_cannot_be_cut_is_named_once_and_no_field_is(tree, command):
    (tree / "file").write_bytes(b"")
    said = command("chips", "cut", "ard", "--out", "file")
    assert "the manifest '" in said.err
    assert "leads through a file" in said.err
    assert "manifest_loc" not in said.err
    said = command("chips", "cut", "ard", "--zoom", 18, "--way", "passthrough")
    assert said.err.count("-visual.tif") == 1
