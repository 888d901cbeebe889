"""Whole trees of tiles."""

import os
import shutil

import pytest

from spacer_like.chips.messages.tiles import ChipsFolderMsg, FailedTile
from spacer_like.chips.tasks.tiles import chip_tile, chip_tile_messages, chips_folder, cut_tiles, is_cut
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import DataNotFoundError, MessageError, StorageUnavailableError
from spacer_like.storage import FilesystemStorage

from .chip_checking import corner_mask
from .tile_making import ACQUISITION, CELL, HYPHENATED, SOUTHERN_CELL, make_tile, tile_path


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree") / "ard"
    make_tile(tile_path(root), width=1024, height=1024)
    make_tile(tile_path(root, acquisition=HYPHENATED), width=1024, height=1024, seed=1)
    make_tile(tile_path(root, SOUTHERN_CELL, zone=7), SOUTHERN_CELL, zone=7, width=1024, height=1024)
    return root


@pytest.fixture
def root(original, tmp_path):
    """Two tiles of one cell in zone 33, and one in zone 7."""
    return shutil.copytree(original, tmp_path / "ard")


def message(root, **fields):
    return ChipsFolderMsg(
        ard_loc=DataLocation("filesystem", str(root)),
        chips_loc=DataLocation("filesystem", str(root.parent / "chips")),
        **fields,
    )


def files(root):
    return {
        str(path.relative_to(root.parent / "chips")): path.read_bytes()
        for path in (root.parent / "chips").rglob("*")
        if path.is_file()
    }


def test_every_tile_becomes_chips_and_a_manifest(root):
    answer = chips_folder(message(root))
    assert (answer.n_tiles, answer.n_skipped, answer.n_chips, answer.failed) == (3, 0, 3, [])
    assert set(files(root)) == {
        f"33/Z33-{CELL}00000_{ACQUISITION}.jpg",
        f"33/Z33-{CELL}00000_{HYPHENATED}.jpg",
        f"07/Z07-{SOUTHERN_CELL}00000_{ACQUISITION}.jpg",
        f"33/manifests/Z33-{CELL}_{ACQUISITION}_zoom17.parquet",
        f"33/manifests/Z33-{CELL}_{HYPHENATED}_zoom17.parquet",
        f"07/manifests/Z07-{SOUTHERN_CELL}_{ACQUISITION}_zoom17.parquet",
    }


def test_only_the_zones_that_are_asked_for(root):
    assert chips_folder(message(root, zones=[7])).n_tiles == 1


def test_without_chips_there_are_only_manifests(root):
    answer = chips_folder(message(root, write_chips=False))
    assert answer.n_chips == 3
    assert all(name.endswith(".parquet") for name in files(root))


def test_a_tile_that_was_cut_is_not_cut_again(root):
    chips_folder(message(root))
    before = files(root)
    answer = chips_folder(message(root))
    assert (answer.n_skipped, answer.n_chips) == (3, 0)
    assert files(root) == before


@pytest.mark.parametrize(
    "fields", [{"zoom": 18}, {"quality": 90}, {"wanted": "no_data"}, {"write_chips": False}], ids=str
)
def test_another_request_is_cut_again(root, fields):
    chips_folder(message(root, zones=[7]))
    assert chips_folder(message(root, zones=[7], **fields)).n_skipped == 0


def test_a_tile_that_changed_is_cut_again(root):
    chips_folder(message(root))
    os.utime(tile_path(root), ns=(1, 1))
    assert chips_folder(message(root)).n_skipped == 2


@pytest.mark.parametrize("damage", [lambda chip: chip.unlink(), lambda chip: chip.write_bytes(chip.read_bytes()[:-9])])
def test_a_tile_of_which_a_chip_is_gone_or_damaged_is_cut_again(root, damage):
    chips_folder(message(root))
    before = files(root)
    damage(root.parent / "chips" / "33" / f"Z33-{CELL}00000_{ACQUISITION}.jpg")
    assert chips_folder(message(root)).n_skipped == 2
    assert files(root) == before


class Killed(BaseException):
    pass


def test_a_request_that_dies_before_its_manifest_leaves_no_chips_that_another_one_vouches_for(root, monkeypatch):
    chips_folder(message(root))
    before = files(root)

    def die(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("spacer_like.chips.tasks.tiles._write_manifest", die)
        with pytest.raises(Killed):
            chips_folder(message(root, way="blocks", quality=20))
    chip = f"Z07-{SOUTHERN_CELL}00000_{ACQUISITION}.jpg"
    assert files(root)[f"07/{chip}"] != before[f"07/{chip}"]
    assert chips_folder(message(root)).n_skipped == 2
    assert files(root) == before


def test_chips_that_are_not_wanted_any_more_are_removed(tmp_path):
    root = tmp_path / "ard"
    make_tile(tile_path(root), mask=corner_mask)
    every = chips_folder(message(root, wanted="no_data")).n_chips
    (root.parent / "chips" / "33" / "mine.jpg").write_bytes(b"mine")
    assert chips_folder(message(root, wanted="all_data")).n_chips < every
    kept = {name for name in files(root) if name.endswith(".jpg")}
    clean = tmp_path / "clean" / "ard"
    shutil.copytree(root, clean)
    chips_folder(message(clean, wanted="all_data"))
    assert kept == {name for name in files(clean) if name.endswith(".jpg")} | {"33/mine.jpg"}


def test_a_manifest_that_cannot_be_read_is_made_anew(root):
    chips_folder(message(root, zones=[7]))
    first = files(root)
    (root.parent / "chips/07/manifests" / f"Z07-{SOUTHERN_CELL}_{ACQUISITION}_zoom17.parquet").write_bytes(
        b"PAR1 not at all"
    )
    assert chips_folder(message(root, zones=[7])).n_skipped == 0
    assert files(root) == first


def test_a_tile_that_cannot_be_cut_does_not_stop_the_others(root):
    tile_path(root).write_bytes(b"no tile")
    answer = chips_folder(message(root))
    assert answer.n_chips == 2
    assert [failed.tile for failed in answer.failed] == [str(tile_path(root))]
    assert "is no TIFF" in answer.failed[0].reason


class UnsteadyStorage(FilesystemStorage):
    """A disk that one tile cannot be read from for a while."""

    failing = True

    def read_range(self, key, start, length):
        if self.failing and HYPHENATED in key and key.endswith(".tif"):
            raise StorageUnavailableError("The disk does not answer.")
        return super().read_range(key, start, length)


def test_a_storage_that_fails_for_now_is_told_after_the_others_are_cut(root, monkeypatch):
    monkeypatch.setattr("spacer_like.storage.FilesystemStorage", UnsteadyStorage)
    with pytest.raises(StorageUnavailableError):
        chips_folder(message(root))
    assert sum(name.endswith(".jpg") for name in files(root)) == 2
    monkeypatch.setattr(UnsteadyStorage, "failing", False)
    answer = chips_folder(message(root))
    assert (answer.n_skipped, answer.n_chips) == (2, 1)


def test_of_two_dates_of_an_acquisition_the_newest_counts(root, caplog):
    older = tile_path(root).parent.with_name("2014-01-01") / tile_path(root).name
    older.parent.mkdir()
    older.write_bytes(b"no tile")
    answer = chips_folder(message(root))
    assert (answer.n_tiles, answer.failed) == (3, [])
    assert f"'{older}', which is older" in caplog.text


def test_the_messages_of_a_tree_can_be_worked_on_one_by_one(root):
    messages = chip_tile_messages(message(root))
    assert [is_cut(msg) for msg in messages] == [False] * 3
    for msg in reversed(messages):
        chip_tile(msg)
    one_by_one = files(root)
    shutil.rmtree(root.parent / "chips")
    chips_folder(message(root))
    assert files(root) == one_by_one


def test_a_tree_without_tiles_is_an_error(root):
    with pytest.raises(DataNotFoundError, match=r"no tiles in .*: they lie in <zone>/<quadkey>/<date>/"):
        chips_folder(message(root, zones=[1]))


def test_no_unfinished_file_is_left(root):
    tile_path(root).write_bytes(b"no tile")
    chips_folder(message(root))
    assert not list(root.parent.rglob(".*"))


def test_a_zone_that_is_none_is_no_message(root):
    with pytest.raises(MessageError, match=r"zones\.0: it must be at most 60"):
        message(root, zones=[61])


def test_tiles_that_failed_are_told_in_the_trees_order_whichever_ended_first(root):
    def cut(messages):
        for index in (2, 0, 1):
            yield index, FailedTile(tile=messages[index].tile_loc.key, reason="damaged")

    told = [one.tile for one in cut_tiles(message(root), cut).failed]
    assert told == [one.tile_loc.key for one in chip_tile_messages(message(root))]
