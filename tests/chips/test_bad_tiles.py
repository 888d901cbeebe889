"""A bad tile is told of in one sentence with its name, and never stops the others: in cutting and in serving."""

import io
import shutil

import pytest

from spacer_like.chips.cutting.gdal_reading import opened
from spacer_like.chips.grid import Cell
from spacer_like.chips.messages.tiles import ChipsFolderMsg, ChipTileMsg
from spacer_like.chips.tasks import tiles
from spacer_like.chips.tasks.tiles import chip_tile, chips_folder
from spacer_like.data_classes import DataLocation
from spacer_like.engines.processes import Processes
from spacer_like.exceptions import TileError, TransientError
from spacer_like.tile_server.footprint import Footprint
from spacer_like.tile_server.mosaic import Choice
from spacer_like.tile_server.renderer import Renderer
from spacer_like.tile_server.tree_index import LiveTree
from spacer_like.workflows.chips import cut_folder

from .bad_tiles import BAD_TILES, LOCAL, geotiff
from .tile_making import CELL, make_tile, tile_path

GOOD = "031111212323"
kinds = pytest.mark.parametrize("kind", BAD_TILES)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tile_path(tmp_path_factory.mktemp("good"), GOOD)
    return make_tile(path, GOOD, width=1024, height=1024)


@pytest.fixture
def tree(good, tmp_path):
    """A tree with a good tile, and the place of another one."""
    path = tile_path(tmp_path / "ard", GOOD)
    path.parent.mkdir(parents=True)
    shutil.copy(good, path)
    bad = tile_path(tmp_path / "ard", CELL)
    bad.parent.mkdir(parents=True)
    return tmp_path, bad


def folder_message(root):
    ard, chips = (DataLocation("filesystem", str(root / name)) for name in ("ard", "chips"))
    return ChipsFolderMsg(ard_loc=ard, chips_loc=chips)


def is_one_sentence(reason, path):
    return str(path) in reason and reason.endswith(".") and "\n" not in reason and len(reason) < 600


@kinds
def test_others_are_cut_and_the_bad_one_is_counted_with_its_name(kind, tree):
    root, bad = tree
    BAD_TILES[kind](bad)
    answer = chips_folder(folder_message(root))
    assert list((root / "chips" / "33").glob(f"Z33-{GOOD}*.jpg"))
    cut = len(list((root / "chips" / "33" / "manifests").iterdir()))
    assert answer.n_tiles == cut + len(answer.failed)
    for failure in answer.failed:
        assert is_one_sentence(failure.reason, bad), failure.reason


@kinds
def test_the_map_shows_the_others(kind, tree, caplog):
    root, bad = tree
    BAD_TILES[kind](bad)
    live = LiveTree(DataLocation("filesystem", str(root / "ard")))
    renderer = Renderer(lambda: live.index, 1)
    try:
        for quadkey in (CELL, f"{CELL}0", f"{CELL}00000", f"{CELL}000000"):
            renderer.submit(Footprint.of_cell(Cell(33, quadkey)), Choice(), None, "png").result(30)
        shown = renderer.submit(Footprint.of_cell(Cell(33, f"{GOOD}00000")), Choice(), None, "png").result(30)
        assert shown.way in ("passthrough", "mosaic")
    finally:
        renderer.close()
    passed_over = [record.getMessage() for record in caplog.records if "is passed over" in record.getMessage()]
    assert all(is_one_sentence(message, bad) for message in passed_over), passed_over


@pytest.mark.parametrize("kind", ["in a local projection", "in an engineering projection", "in a vertical projection"])
def test_a_tile_in_a_projection_of_nowhere_says_so(kind, tmp_path):
    BAD_TILES[kind](path := tmp_path / "a.tif")
    loc, manifest = DataLocation("filesystem", str(path)), DataLocation("filesystem", str(tmp_path / "m.parquet"))
    chips = DataLocation("filesystem", str(tmp_path / "chips"))
    message = ChipTileMsg(
        tile_loc=loc, manifest_loc=manifest, chips_loc=chips, zone=33, quadkey=CELL, acquisition="1050410012C31100"
    )
    with pytest.raises(TileError, match=r"a\.tif' is in a projection that has no way to EPSG:32633, that of its cell"):
        chip_tile(message)


def test_tiles_are_cut_by_processes_whatever_one_of_them_is(tree):
    root, bad = tree
    geotiff(bad, crs=LOCAL)
    with Processes(2) as engine:
        answer = cut_folder(folder_message(root), engine)
    assert answer.n_chips > 0
    (failure,) = answer.failed
    assert failure.tile == str(bad)
    assert "has no way to EPSG:32633" in failure.reason


def test_an_error_that_nobody_knows_stops_no_other_tile(tree, monkeypatch):
    root, bad = tree
    geotiff(bad)
    cut = tiles.chip_tile

    def fails(message):
        if CELL in message.tile_loc.key:
            raise RuntimeError("a library\nfell over")
        return cut(message)

    monkeypatch.setattr(tiles, "chip_tile", fails)
    answer = chips_folder(folder_message(root))
    assert [failure.reason for failure in answer.failed] == [f"The tile '{bad}' cannot be cut: a library."]
    assert answer.n_chips > 0


def test_a_server_that_breaks_off_is_blamed_and_not_the_tile():
    """Who is told of a bad tile leaves it out for good; this one is worth another try."""

    class BreaksOff(io.BytesIO):
        def read(self, size=-1):
            raise TransientError("The server broke off.")

    with pytest.raises(TransientError, match=r"^The server broke off\.$"), opened(BreaksOff(bytes(1000)), "a.tif"):
        pass
