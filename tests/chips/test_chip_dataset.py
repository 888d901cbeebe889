"""Chips and labels as a data set of torch, and the version of both."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from spacer_like.chips.chip_dataset import ChipDataset
from spacer_like.chips.messages import ChipTileMsg, EncodeChipsMsg
from spacer_like.embeddings import read_embeddings
from spacer_like.exceptions import CollectionError, TableError
from spacer_like.location import DataLocation
from spacer_like.storage import open_file
from spacer_like.tasks import chip_tile, encode_chips
from spacer_like.testing.extractors import MeanColour

from .tile_making import ACQUISITION, CELL, make_tile


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four chips of a tile, as files and as blocks that stay in the tile, and a table of their labels."""
    folder = tmp_path_factory.mktemp("dataset")
    tile = folder / "ard" / "33" / CELL / "2015-05-28" / f"{ACQUISITION}-visual.tif"
    make_tile(tile, column=0, row=0, width=1024, height=1024)
    for name, chips_loc in (("files", DataLocation.local(folder / "files")), ("rows", None)):
        chip_tile(
            ChipTileMsg(
                tile_loc=DataLocation.local(tile),
                chips_loc=chips_loc,
                manifest_loc=DataLocation.local(folder / name / "tile.parquet"),
            )
        )
    names = sorted(path.name for path in (folder / "files").rglob("*.jpg"))
    rows = [f"{name},{number % 2},{number // 2}" for number, name in enumerate(names)]
    (folder / "table.csv").write_text("\n".join(["Feature,a,b", *rows[::-1], "Z33-03111121232233333_gone.jpg,1,1"]))
    return folder


def dataset(folder, chips="rows", **options):
    return ChipDataset(DataLocation.local(folder / chips), DataLocation.local(folder / "table.csv"), 64, **options)


def test_items_are_pixels_and_labels_of_chips_by_name(folder):
    found = dataset(folder)
    assert len(found) == 4
    assert (found.labels, found.missing) == (("a", "b"), ["Z33-03111121232233333_gone.jpg"])
    for index, name in enumerate(found.names):
        pixels, labels = found[index]
        with Image.open(next((folder / "files").rglob(name))) as chip:
            expected = np.asarray(chip.convert("RGB").resize((64, 64), Image.Resampling.BICUBIC)) / 255
        assert pixels.dtype == labels.dtype == torch.float32
        assert np.abs(pixels.permute(1, 2, 0).numpy() - expected).mean() < 0.02
        assert labels.tolist() == [index % 2, index // 2]


def test_chips_that_were_never_written_are_those_of_files(folder):
    for one, other in zip(dataset(folder), dataset(folder, "files"), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_it_travels_to_processes_that_load(folder):
    copy = pickle.loads(pickle.dumps(dataset(folder, transform=torch.neg)))
    assert torch.equal(copy[2][0], -dataset(folder)[2][0])
    (batch,) = DataLoader(copy, batch_size=4)
    assert (batch[0].shape, batch[1].shape) == ((4, 3, 64, 64), (4, 2))


def test_what_is_not_there_is_named(folder):
    (folder / "other.csv").write_text("Feature,a\nother.jpg,1\n")
    with pytest.raises(CollectionError, match="None of the table's chips"):
        ChipDataset(DataLocation.local(folder / "rows"), DataLocation.local(folder / "other.csv"))
    (folder / "dense.csv").write_text("Feature,Labels\nother.jpg,a|b\n")
    with pytest.raises(TableError, match="dense one"):
        ChipDataset(DataLocation.local(folder / "rows"), DataLocation.local(folder / "dense.csv"))
    with pytest.raises(IndexError):
        dataset(folder)[4]


class TestVersion:
    def test_it_changes_with_the_labels_and_the_chips(self, folder):
        first = dataset(folder).version
        assert first == dataset(folder).version
        text = (folder / "table.csv").read_text()
        (folder / "table.csv").write_text(text.replace(",1,1", ",0,1", 1))
        assert dataset(folder).version != first
        (folder / "table.csv").write_text(text)
        assert dataset(folder).version == first

    def test_embeddings_record_it(self, folder, tmp_path):
        loc = DataLocation.local(tmp_path / "embeddings.safetensors")
        answer = encode_chips(
            EncodeChipsMsg(chips_loc=DataLocation.local(folder / "files"), embeddings_loc=loc, extractor=MeanColour())
        )
        with open_file(loc) as file:
            found = read_embeddings(file, "embeddings")
        assert answer.dataset == found.dataset
        assert len(answer.dataset) == 40
